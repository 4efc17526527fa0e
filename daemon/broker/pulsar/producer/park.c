/* SPDX-License-Identifier: Apache-2.0 */
/*
 * park - see the header.
 */
#include "daemon/broker/pulsar/producer/park.h"

#include "daemon/broker/pulsar/producer/senders.h"
#include "daemon/core/assert.h"
#include "daemon/core/log.h"
#include "daemon/worker/worker.h"

static bool may_park(const struct pulsar_sender *s)
{
    return s->access == BROKER_ACCESS_SHARED && s->create && !s->apart && !s->moving;
}

static bool is_idle(const struct pulsar_sender *s)
{
    return !s->used && s->open == NULL && TAILQ_EMPTY(&s->entries) && s->out_count == 0;
}

static void park(struct pulsar_sender *s)
{
    HULSE_LOG_DEBUGF("pulsar.producer_parked", hulse_log_str("topic", s->topic));
    hulse_pulsar_sender_close_wire(s);
    s->state = SENDER_PARKED;
    s->parked = true;
    hulse_pulsar_sender_leave(s);
}

/* Gives whether there is a reason to look again. */
static bool look_at(struct pulsar_sender *s)
{
    if (s->state != SENDER_READY || !may_park(s)) {
        return false;
    }
    s->idle = is_idle(s) ? s->idle + 1 : 0;
    s->used = false;
    if (s->idle >= PULSAR_PARK_LOOKS) {
        s->idle = 0;
        park(s);
        return false;
    }
    return true;
}

void hulse_pulsar_park_look(struct pulsar_senders *all)
{
    struct pulsar_sender *s = NULL;
    bool again = false;

    for (uint32_t i = 0; i < PULSAR_SENDER_BUCKETS; i++) {
        LIST_FOREACH(s, &all->buckets[i], link)
        {
            again = look_at(s) || again;
        }
    }
    if (again) {
        hulse_pulsar_park_watch(all);
    }
}

void hulse_pulsar_park_watch(struct pulsar_senders *all)
{
    if (!hulse_timer_pending(&all->park)) {
        hulse_timer_start(&all->pw->loop->timers,
                          &all->park,
                          hulse_loop_now_ms(all->pw->loop) + PULSAR_PARK_LOOK_MS);
    }
}

void hulse_pulsar_park_fired(struct timer *timer)
{
    hulse_pulsar_park_look(HULSE_CONTAINER(timer, struct pulsar_senders, park));
}

void hulse_pulsar_park_leave(struct pulsar_sender *s)
{
    s->state = SENDER_WAITING;
    hulse_timer_start(&s->all->pw->loop->timers, &s->retry, hulse_loop_now_ms(s->all->pw->loop));
}
