/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record - the payload of every benchmark message: who, which one, when, and proof that it is whole.
 *
 *     | publisher u32 | check u32 | sequence u64 | sent_ns u64 | pattern ... | tail u64 |
 *
 * `check` and `tail` depend on publisher, sequence and time, so a stale, torn or misplaced record
 * does not verify; the pattern in between is compared whole, so a receiver reads every byte.
 *
 * Threads: pure functions.
 */
#ifndef HULSE_BENCH_RECORD_H
#define HULSE_BENCH_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct record_head {
    uint32_t publisher;
    uint32_t check;
    uint64_t sequence;
    uint64_t sent_ns; /* 0 = this one is not timed */
};

#define BENCH_RECORD_BYTES_MIN 32U

/* A payload to copy from and to compare with. Owns: bytes. */
struct record_pattern {
    uint8_t *bytes;
    uint32_t size;
};

/* False without memory. */
bool hulse_bench_record_pattern_init(struct record_pattern *p, uint32_t size);
void hulse_bench_record_pattern_fini(struct record_pattern *p);

static inline uint64_t
hulse_bench_record_mix(uint32_t publisher, uint64_t sequence, uint64_t sent_ns)
{
    /* Odd constants of a multiplicative hash (golden ratio, and one of splitmix64). */
    const uint64_t a = (sequence + 1) * 0x9e3779b97f4a7c15ULL;
    const uint64_t b = (sent_ns ^ publisher) * 0xbf58476d1ce4e5b9ULL;
    return a ^ (a >> 29) ^ b;
}

/* Writes a whole payload. */
static inline void hulse_bench_record_write(const struct record_pattern *p,
                                            void *out,
                                            uint32_t publisher,
                                            uint64_t sequence,
                                            uint64_t sent_ns)
{
    const uint64_t mix = hulse_bench_record_mix(publisher, sequence, sent_ns);
    const struct record_head head = {publisher, (uint32_t)(mix >> 32), sequence, sent_ns};
    uint8_t *at = out;

    memcpy(at, &head, sizeof head);
    memcpy(at + sizeof head, p->bytes + sizeof head, p->size - BENCH_RECORD_BYTES_MIN);
    memcpy(at + p->size - sizeof mix, &mix, sizeof mix);
}

/* Checks a whole payload; *head becomes its head. */
static inline bool hulse_bench_record_verify(const struct record_pattern *p,
                                             const void *data,
                                             uint64_t bytes,
                                             struct record_head *head)
{
    const uint8_t *at = data;
    uint64_t tail = 0;

    if (bytes != p->size) {
        return false;
    }
    memcpy(head, at, sizeof *head);
    memcpy(&tail, at + p->size - sizeof tail, sizeof tail);
    const uint64_t mix = hulse_bench_record_mix(head->publisher, head->sequence, head->sent_ns);
    return tail == mix && head->check == (uint32_t)(mix >> 32) &&
           memcmp(at + sizeof *head, p->bytes + sizeof *head, p->size - BENCH_RECORD_BYTES_MIN) ==
               0;
}

#endif
