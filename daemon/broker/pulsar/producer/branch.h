/* SPDX-License-Identifier: Apache-2.0 */
/*
 * branch - one partition of a producer: a producer of that topic, which shares the partition's sender with others like any
 * other, and what the whole one hears through it.
 *
 * Threads: the worker's.
 */
#ifndef HULSE_PULSAR_PRODUCER_BRANCH_H
#define HULSE_PULSAR_PRODUCER_BRANCH_H

#include "daemon/broker/pulsar/producer/partitions.h"

struct pulsar_branch {
    struct pulsar_partitions *of;
    struct broker_producer *inner; /* NULL: its open has failed, or it is closed */
    uint64_t pending;              /* bytes of it, as the whole one counts them */
    uint32_t index;
};

static inline struct pulsar_producer *hulse_pulsar_branch_inner(const struct pulsar_branch *b)
{
    return (struct pulsar_producer *)(void *)b->inner;
}

/*
 * Makes it and opens its producer: at once with what is known of others (`lazily`), else the whole one waits for it.
 * False: *err says why; there is none then.
 */
bool hulse_pulsar_branch_open(struct pulsar_partitions *parts,
                              uint32_t index,
                              bool lazily,
                              struct error *err);
/* The whole one counts what it has pending now. */
void hulse_pulsar_branch_count(struct pulsar_branch *b);
/* It tells nothing any more. */
void hulse_pulsar_branch_close(struct pulsar_branch *b);
void hulse_pulsar_branch_destroy(struct pulsar_branch **b);

#endif
