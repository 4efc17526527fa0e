/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fan_grow - partitions that a topic gets later. It is looked up about once a minute; a new partition is consumed from its
 * beginning, so nothing is missed of what was published before this was known.
 */
#include "daemon/broker/pulsar/consumer/fan_in.h"
#include "daemon/core/log.h"

static void wait(struct fan_in *f)
{
    struct pulsar_consumer *whole = f->whole;
    /* Not all at once, and sooner rather than later than that. */
    const uint32_t less =
        (uint32_t)(hulse_jitter_next(&whole->worker->jitter) % (PULSAR_GROWTH_MS / 4));
    hulse_timer_start(&whole->worker->loop->timers,
                      &whole->retry,
                      hulse_pulsar_consumer_now_ms(whole) + PULSAR_GROWTH_MS - less);
}

/* New ones, and those that could not be opened before. */
static void open_missing(struct fan_in *f)
{
    const struct broker_position earliest = {.kind = BROKER_EARLIEST};
    for (uint32_t i = 0; i < f->count && !f->over; i++) {
        struct part *p = f->parts[i];
        if (p->consumer == NULL) {
            p->late = true;
            (void)hulse_fan_in_open_part(f, p, earliest);
        }
    }
}

static void looked_up(struct pulsar_lookup *l, const struct pulsar_lookup_result *result)
{
    struct pulsar_consumer *whole = HULSE_CONTAINER(l, struct pulsar_consumer, lookup);
    struct fan_in *f = whole->fan;
    if (f->over) {
        return;
    }
    hulse_pulsar_consumer_enter(whole);
    if (result->failure.class == BROKER_DONE && result->partitions > f->count &&
        result->partitions <= PULSAR_PARTITIONS_MAX &&
        hulse_fan_in_reserve(f, result->partitions)) {
        HULSE_LOG_INFOF("pulsar.partitions_added",
                        hulse_log_str("topic", whole->topic),
                        hulse_log_str("subscription", whole->subscription),
                        hulse_log_u64("partitions", f->count));
    }
    open_missing(f);
    wait(f);
    hulse_pulsar_consumer_leave(whole);
}

static void look(struct timer *timer)
{
    struct pulsar_consumer *whole = HULSE_CONTAINER(timer, struct pulsar_consumer, retry);
    struct fan_in *f = whole->fan;
    if (f->over) {
        return;
    }
    whole->lookup.done = looked_up;
    if (!hulse_pulsar_lookup_start(
            whole->worker, &whole->lookup, whole->topic, whole->create, PULSAR_LOOKUP_FRESH)) {
        wait(f);
    }
}

void hulse_fan_grow_watch(struct fan_in *f)
{
    f->whole->retry.fire = look;
    wait(f);
}
