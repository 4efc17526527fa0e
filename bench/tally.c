/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally - see tally.h.
 */
#include "bench/tally.h"

#include <stdbool.h>

static uint64_t *word_of(struct tally *t, uint64_t sequence)
{
    return &t->absent[sequence % BENCH_TALLY_WINDOW / 64];
}

static uint64_t bit_of(uint64_t sequence)
{
    return 1ULL << (sequence % 64);
}

void hulse_bench_tally_surprise(struct tally *t, uint64_t sequence)
{
    if (sequence >= t->next) {
        t->missing += sequence - t->next;
        const uint64_t window = BENCH_TALLY_WINDOW;
        uint64_t from = t->next;
        if (sequence - from > window) {
            from = sequence - window;
        }
        for (uint64_t s = from; s < sequence; s++) {
            *word_of(t, s) |= bit_of(s);
        }
        *word_of(t, sequence) &= ~bit_of(sequence);
        t->next = sequence + 1;
        return;
    }
    const bool absent =
        t->next - sequence <= BENCH_TALLY_WINDOW && (*word_of(t, sequence) & bit_of(sequence)) != 0;
    if (!absent) {
        t->duplicates++;
        return;
    }
    *word_of(t, sequence) &= ~bit_of(sequence);
    t->missing--;
    t->out_of_order++;
}

uint64_t hulse_bench_tally_expected(uint64_t count)
{
    uint64_t sum = 0;
    for (uint64_t s = 0; s < count; s++) {
        sum += hulse_bench_tally_hash(s);
    }
    return sum;
}
