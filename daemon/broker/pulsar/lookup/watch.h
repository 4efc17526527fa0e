/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch - how many partitions a topic has, from now on, for whoever sends to or reads from all of them.
 *
 * Asked again whenever the kept answer has run out, `partitions_refresh` after it was given: so a topic costs its broker one
 * question for each such time and host, however many watch it, and all of them hear of growth within it. The topic is not
 * created by that, unless the broker is too old to answer without.
 *
 * Partitions are only ever added: fewer, or none, are warned of and counted (pulsar_lookup_figures) and change nothing, as in
 * official clients. A question that fails is asked again next time: what a topic that is gone means, its partitions say.
 *
 * Owns:    nothing beyond its lookup and timer. Embedded in its owner.
 * Threads: the worker's that started it.
 */
#ifndef HULSE_PULSAR_LOOKUP_WATCH_H
#define HULSE_PULSAR_LOOKUP_WATCH_H

#include "daemon/broker/pulsar/lookup/lookup.h"
#include "daemon/worker/timer.h"

/* All zeros but `grown` before the first start. */
struct pulsar_watch {
    /* From the loop: there are that many, more than ever before. It may stop the watch. */
    void (*grown)(struct pulsar_watch *w, uint32_t partitions);
    /* The rest is its own. */
    struct pulsar_worker *worker; /* NULL: it is stopped */
    const char *topic;
    bool create;   /* its owner would */
    bool asks_so;  /* its broker does not answer otherwise */
    uint32_t most; /* partitions, ever */
    uint32_t last; /* the answer before */
    struct pulsar_lookup lookup;
    struct timer timer;
};

/*
 * `topic` is a full name and borrowed until it is stopped; `known` the answer that its owner has, of at least one
 * partition. `create` as of a lookup.
 */
void hulse_pulsar_watch_start(struct pulsar_worker *w,
                              struct pulsar_watch *watch,
                              const char *topic,
                              bool create,
                              const struct pulsar_lookup_result *known);
/* Harmless when it is stopped, and when it never was started. */
void hulse_pulsar_watch_stop(struct pulsar_watch *watch);

/* The configured time between two looks, in milliseconds. */
uint32_t hulse_pulsar_partitions_ms(const struct pulsar_worker *w);

#endif
