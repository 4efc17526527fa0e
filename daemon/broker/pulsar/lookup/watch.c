/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch - see the header.
 */
#include "daemon/broker/pulsar/lookup/watch.h"

#include "daemon/broker/pulsar/worker.h"
#include "daemon/core/assert.h"
#include "daemon/core/log.h"
#include "daemon/worker/worker.h"

#define PARTITIONS_MS 60000U

uint32_t hulse_pulsar_partitions_ms(const struct pulsar_worker *w)
{
    const uint32_t ms = w->broker->params.partitions_refresh_ms;
    return ms != 0 ? ms : PARTITIONS_MS;
}

static void ask_in(struct pulsar_watch *w, uint32_t ms)
{
    struct loop *loop = w->worker->loop;
    hulse_timer_start(&loop->timers, &w->timer, hulse_loop_now_ms(loop) + ms);
}

/* Once for each change. A number that no topic can have is passed over, for the next answer may be a good one. */
static void take(struct pulsar_watch *w, uint32_t partitions)
{
    const uint32_t before = w->last;

    if (partitions > PULSAR_PARTITIONS_MAX) {
        return;
    }
    w->last = partitions;
    if (partitions > w->most) {
        HULSE_LOG_INFOF("pulsar.partitions_grown",
                        hulse_log_str("topic", w->topic),
                        hulse_log_u64("before", w->most),
                        hulse_log_u64("now", partitions));
        w->most = partitions;
        hulse_pulsar_lookups_count(w->worker->lookups, true);
        w->grown(w, partitions);
    } else if (partitions < before && partitions < w->most) {
        HULSE_LOG_WARNF("pulsar.partitions_shrunk",
                        hulse_log_str("topic", w->topic),
                        hulse_log_u64("before", before),
                        hulse_log_u64("now", partitions));
        hulse_pulsar_lookups_count(w->worker->lookups, false);
    }
}

static void done(struct pulsar_lookup *l, const struct pulsar_lookup_result *result)
{
    struct pulsar_watch *w = HULSE_CONTAINER(l, struct pulsar_watch, lookup);

    if (result->failure.class != BROKER_DONE) {
        /* Too old to answer without creating it: as whoever opened it asked. */
        w->asks_so = w->asks_so || (w->create && result->failure.status == HULSE_UNSUPPORTED);
        if (result->failure.status != HULSE_CLOSED) {
            ask_in(w, hulse_pulsar_partitions_ms(w->worker));
        }
        return;
    }
    ask_in(w, result->kept_ms);
    take(w, result->partitions); /* which may stop it */
}

static void fired(struct timer *timer)
{
    struct pulsar_watch *w = HULSE_CONTAINER(timer, struct pulsar_watch, timer);

    if (!hulse_pulsar_lookup_start(
            w->worker, &w->lookup, w->topic, w->asks_so, PULSAR_LOOKUP_ANY)) {
        ask_in(w, hulse_pulsar_partitions_ms(w->worker));
    }
}

void hulse_pulsar_watch_start(struct pulsar_worker *w,
                              struct pulsar_watch *watch,
                              const char *topic,
                              bool create,
                              const struct pulsar_lookup_result *known)
{
    HULSE_ASSERT(watch->worker == NULL && known->partitions > 0);

    watch->worker = w;
    watch->topic = topic;
    watch->create = create;
    watch->asks_so = false;
    watch->most = known->partitions;
    watch->last = known->partitions;
    watch->lookup.done = done;
    watch->timer.fire = fired;
    ask_in(watch, known->kept_ms);
}

void hulse_pulsar_watch_stop(struct pulsar_watch *watch)
{
    if (watch->worker != NULL) {
        hulse_pulsar_lookup_cancel(&watch->lookup);
        hulse_timer_stop(&watch->worker->loop->timers, &watch->timer);
        watch->worker = NULL;
    }
}
