/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/hostile/stage.h"

#include "tests/support/check.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void hulse_stage_open(struct stage *s, const char *const *settings)
{
    *s = (struct stage){0};
    hulse_test_daemon_start(&s->daemon, settings);
    hulse_raw_open(&s->witness, s->daemon.socket);
    hulse_raw_channel(&s->witness, &s->channel, HULSE_CHANNEL_PRODUCER, HULSE_RECEIPT_MODE_FULL);
    (void)hulse_raw_producer(&s->witness, &s->channel, STAGE_TOPIC);
}

bool hulse_stage_close(struct stage *s)
{
    hulse_raw_channel_close(&s->channel);
    hulse_raw_close(&s->witness);
    return hulse_test_daemon_stop(&s->daemon);
}

bool hulse_stage_witness(struct stage *s)
{
    s->sent += 1;
    return hulse_raw_publish(&s->witness, &s->channel, "witness", 7, s->sent) ==
               HULSE_OUTCOME_STORED &&
           hulse_test_daemon_alive(&s->daemon);
}

void hulse_stage_assert_expelled(struct raw_app *app, const char *rule)
{
    assert_true(hulse_raw_hung_up(app));
    if (strncmp(app->last_event, rule, strlen(rule)) != 0) {
        fail_msg("expected %s, the daemon said '%s'", rule, app->last_event);
    }
}

void hulse_actor_produce(struct actor *a, const struct stage *s, enum hulse_receipt_mode mode)
{
    hulse_raw_open(&a->app, s->daemon.socket);
    hulse_raw_channel(&a->app, &a->ch, HULSE_CHANNEL_PRODUCER, mode);
    (void)hulse_raw_producer(&a->app, &a->ch, STAGE_TOPIC "-actor");
}

void hulse_actor_consume(struct actor *a, const struct stage *s, const char *topic)
{
    hulse_raw_open(&a->app, s->daemon.socket);
    hulse_raw_channel(&a->app, &a->ch, HULSE_CHANNEL_CONSUMER, HULSE_RECEIPT_MODE_NONE);
    (void)hulse_raw_consumer(&a->app, &a->ch, topic, "s");
}

void hulse_actor_close(struct actor *a)
{
    hulse_raw_channel_close(&a->ch);
    hulse_raw_close(&a->app);
}

bool hulse_actor_publishes(struct actor *a, uint64_t token)
{
    return hulse_raw_publish(&a->app, &a->ch, "actor", 5, token) == HULSE_OUTCOME_STORED;
}

uint64_t hulse_actor_stat(const struct actor *a, enum hulse_region_stat which)
{
    return atomic_load(&hulse_region_b(&a->ch.b)->stats[which]);
}

int hulse_stage_descriptors(const struct stage *s)
{
    char path[64];
    int count = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)s->daemon.pid);
    DIR *d = opendir(path);
    while (d != NULL && readdir(d) != NULL) {
        count += 1;
    }
    if (d != NULL) {
        (void)closedir(d);
    }
    return count;
}

bool hulse_stage_sessions_fall_to(const struct stage *s, uint64_t most)
{
    for (int i = 0; i < 1000; i++) {
        /* Once at the top, once in the totals, once for each worker: all fall together. */
        if (hulse_test_daemon_stat(&s->daemon, "sessions") <= 3 * most) {
            return true;
        }
        (void)usleep(10000);
    }
    return false;
}
