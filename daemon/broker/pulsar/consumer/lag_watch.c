/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lag_watch - a consumer asks how far its subscription is behind, when it is time and no other one does (lag.h).
 */
#include "daemon/broker/pulsar/consumer/fan_in.h"

#include <string.h>

/* Of a period: timers of several consumers come at different times of it. */
#define SLACK_PART 8U

static struct lag_table *table(const struct pulsar_consumer *c)
{
    return &c->worker->broker->lags;
}

static uint32_t period_ms(const struct pulsar_consumer *c)
{
    return c->worker->broker->params.lag_period_ms;
}

static void look_in(struct pulsar_consumer *c, uint32_t ms)
{
    hulse_timer_start(
        &c->worker->loop->timers, &c->lag.watch, hulse_pulsar_consumer_now_ms(c) + ms);
}

static void end(struct pulsar_consumer *c, const uint64_t *entries)
{
    const uint32_t period = period_ms(c);
    c->lag.asking = false;
    hulse_lag_end(table(c),
                  c->lag.of,
                  entries,
                  hulse_pulsar_consumer_now_ms(c) + period - period / SLACK_PART);
}

static void
heard(struct pulsar_request *request, enum pulsar_reply reply, const Pulsar__BaseCommand *answer)
{
    struct pulsar_consumer *c = hulse_question_of(request);
    const Pulsar__CommandConsumerStatsResponse *stats =
        reply == PULSAR_REPLY_ANSWER &&
                answer->type == PULSAR__BASE_COMMAND__TYPE__CONSUMER_STATS_RESPONSE
            ? answer->consumerstatsresponse
            : NULL;
    const bool told = stats != NULL && !stats->has_error_code && stats->has_msgbacklog;
    hulse_question_end(&c->lag.asked);
    end(c, told ? &stats->msgbacklog : NULL);
}

/* Only of a consumer that the broker has: of another one it would close the connection. */
static void ask(struct pulsar_consumer *c)
{
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;
    Pulsar__CommandConsumerStats stats = PULSAR__COMMAND_CONSUMER_STATS__INIT;

    struct pulsar_request *r = hulse_question_begin(&c->lag.asked, c, heard);

    c->lag.asking = true;
    if (r == NULL) {
        end(c, NULL);
        return;
    }
    command.type = PULSAR__BASE_COMMAND__TYPE__CONSUMER_STATS;
    command.consumerstats = &stats;
    stats.consumer_id = c->user.id;
    stats.request_id = hulse_pulsar_request_id(c->user.connection, r);
    if (!hulse_pulsar_ask(
            c->user.connection, r, &command, c->worker->broker->params.operation_timeout_ms)) {
        hulse_question_end(&c->lag.asked);
        end(c, NULL);
    }
}

static void watch(struct timer *timer)
{
    struct pulsar_consumer *c = HULSE_CONTAINER(timer, struct pulsar_consumer, lag.watch);

    look_in(c, period_ms(c));
    if (c->state == SESSION_READY && c->renew == NULL && !c->lag.asking &&
        hulse_lag_claim(table(c), c->lag.of, hulse_pulsar_consumer_now_ms(c))) {
        ask(c);
    }
}

void hulse_lag_watch(struct pulsar_consumer *c)
{
    if (c->type == BROKER_READER || c->non_persistent || period_ms(c) == 0) {
        return;
    }
    if (c->lag.of == NULL) {
        const char *whole = c->part != NULL ? c->part->fan->whole->topic : c->topic;
        c->lag.of = hulse_lag_join(table(c), c->topic, strlen(whole), c->subscription);
    }
    if (c->lag.of != NULL) {
        c->lag.watch.fire = watch;
        look_in(c, (uint32_t)(hulse_jitter_next(&c->worker->jitter) % period_ms(c)));
    }
}

void hulse_lag_stop(struct pulsar_consumer *c)
{
    hulse_timer_stop(&c->worker->loop->timers, &c->lag.watch);
    hulse_question_end(&c->lag.asked);
    if (c->lag.asking) {
        end(c, NULL);
    }
}

void hulse_lag_quit(struct pulsar_consumer *c)
{
    hulse_lag_stop(c);
    hulse_lag_leave(table(c), &c->lag.of);
}
