/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fan_grow - partitions that a topic gets later. A new one is consumed from its beginning, so nothing is missed of what was
 * published before this was known; one that cannot be opened, or has no memory, is tried again.
 */
#include "daemon/broker/pulsar/consumer/fan_in.h"

/* Those that have no consumer. */
static void open_missing(struct fan_in *f)
{
    const struct broker_position earliest = {.kind = BROKER_EARLIEST};
    struct pulsar_consumer *whole = f->whole;
    if (f->wanted > f->count) {
        (void)hulse_fan_in_reserve(f, f->wanted);
    }
    for (uint32_t i = 0; i < f->count; i++) {
        struct part *p = f->parts[i];
        if (p->consumer == NULL) {
            p->late = true;
            (void)hulse_fan_in_open_part(f, p, earliest);
        }
    }
    hulse_timer_start(&whole->worker->loop->timers,
                      &whole->pause,
                      hulse_pulsar_consumer_now_ms(whole) +
                          hulse_pulsar_partitions_ms(whole->worker));
}

static void try_again(struct timer *timer)
{
    const struct pulsar_consumer *whole = HULSE_CONTAINER(timer, struct pulsar_consumer, pause);
    if (!whole->fan->over) {
        open_missing(whole->fan);
    }
}

static void grown(struct pulsar_watch *watch, uint32_t partitions)
{
    struct fan_in *f = HULSE_CONTAINER(watch, struct fan_in, watch);
    if (!f->over) {
        f->wanted = partitions <= FAN_PARTITIONS_MAX ? partitions : f->wanted;
        open_missing(f);
    }
}

void hulse_fan_grow_watch(struct fan_in *f, const struct pulsar_lookup_result *known)
{
    struct pulsar_consumer *whole = f->whole;
    whole->pause.fire = try_again;
    f->watch.grown = grown;
    hulse_pulsar_watch_start(whole->worker, &f->watch, whole->topic, whole->create, known);
}
