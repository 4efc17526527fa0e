/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally - what a receiver knows about one publisher's messages: lost, doubled, out of order.
 *
 * Alone: the receiver gets everything, so a gap is a loss until the missing one comes late.
 * Shared: others get the rest; only the order can be judged here, and the multiset of sequence
 * numbers over all receivers by the sum of their hashes.
 *
 * Threads: one owner; read by others when it has ended.
 * Limits:  alone: a message later than BENCH_TALLY_WINDOW counts as a duplicate and a loss.
 */
#ifndef HULSE_BENCH_TALLY_H
#define HULSE_BENCH_TALLY_H

#include <stdint.h>

#define BENCH_TALLY_WINDOW 4096U

struct tally {
    uint64_t next; /* expected sequence number */
    uint64_t received;
    uint64_t missing;
    uint64_t duplicates;
    uint64_t out_of_order;
    uint64_t sum; /* of hulse_bench_tally_hash() of what was received; shared only */
    uint64_t absent[BENCH_TALLY_WINDOW / 64]; /* bit of sequence mod window: skipped, may come */
};

/* Finaliser of splitmix64: sums of it over different multisets differ. */
static inline uint64_t hulse_bench_tally_hash(uint64_t sequence)
{
    uint64_t z = sequence + 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

/* Something else than the expected sequence number arrived. */
void hulse_bench_tally_surprise(struct tally *t, uint64_t sequence);

/* Alone: every message of the publisher comes here. */
static inline void hulse_bench_tally_alone(struct tally *t, uint64_t sequence)
{
    t->received++;
    if (sequence == t->next && t->missing == 0) {
        t->next++;
        return;
    }
    hulse_bench_tally_surprise(t, sequence);
}

/* Shared with other receivers. */
static inline void hulse_bench_tally_shared(struct tally *t, uint64_t sequence)
{
    t->received++;
    t->sum += hulse_bench_tally_hash(sequence);
    if (sequence < t->next) {
        t->out_of_order++;
        return;
    }
    t->next = sequence + 1;
}

/* Sum of the hashes of 0 ... count - 1. */
uint64_t hulse_bench_tally_expected(uint64_t count);

#endif
