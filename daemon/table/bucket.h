/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bucket - a token bucket that any number of threads take from: one word, no lock.
 *
 * The generic cell rate algorithm (ITU-T I.371): the word is the time at which everything taken so
 * far will have been earned. A taker may be less than one second ahead of the clock; what it takes
 * moves the word on. So a bucket holds one second's worth, and a message larger than what is left
 * passes when there is anything left, and is paid for afterwards.
 *
 * Threads: any. The clock is the caller's and should not be older than a few milliseconds.
 * Limits:  rates 1 to 2^40 a second; time in sixteenths of a nanosecond, 36 years in 64 bits. What is
 *          taken costs a whole number of those, rounded up: never more than the rate, and at 10^8
 *          messages a second at most 0.7 % less.
 */
#ifndef HULSE_TABLE_BUCKET_H
#define HULSE_TABLE_BUCKET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define HULSE_BUCKET_TICKS_PER_NS 16U
#define HULSE_BUCKET_TICKS_PER_S (UINT64_C(1000000000) * HULSE_BUCKET_TICKS_PER_NS)

struct bucket {
    _Atomic(uint64_t) paid_until; /* ticks of CLOCK_MONOTONIC */
};

/* Two buckets of one owner. */
struct bucket_pair {
    struct bucket messages;
    struct bucket bytes;
};

/* Ticks that one message and one byte cost; 0 = no limit. */
struct bucket_rates {
    double message_ticks;
    double byte_ticks;
};

#define HULSE_BUCKET_COST_MAX (UINT64_C(1) << 62U)

/* The same, bit by bit. */
static inline bool hulse_bucket_rates_same(const struct bucket_rates *a,
                                           const struct bucket_rates *b)
{
    return a->message_ticks <= b->message_ticks && a->message_ticks >= b->message_ticks &&
           a->byte_ticks <= b->byte_ticks && a->byte_ticks >= b->byte_ticks;
}

/* From a number per second each, 0 = no limit. */
static inline struct bucket_rates hulse_bucket_rates(uint64_t messages, uint64_t bytes)
{
    const double second = (double)HULSE_BUCKET_TICKS_PER_S;

    return (struct bucket_rates){
        .message_ticks = messages == 0 ? 0 : second / (double)messages,
        .byte_ticks = bytes == 0 ? 0 : second / (double)bytes,
    };
}

static inline uint64_t hulse_bucket_cost(double ticks, uint64_t amount)
{
    const double cost = ticks * (double)amount;

    if (cost >= (double)HULSE_BUCKET_COST_MAX) {
        return HULSE_BUCKET_COST_MAX;
    }
    const uint64_t whole = (uint64_t)cost;
    return whole + ((double)whole < cost ? 1U : 0U);
}

/* Takes what costs `cost` ticks; false when the bucket is empty: nothing is taken then. */
static inline bool hulse_bucket_take(struct bucket *b, uint64_t now_ns, uint64_t cost)
{
    const uint64_t now = now_ns * HULSE_BUCKET_TICKS_PER_NS;
    /* Relaxed because the word guards nothing but itself. */
    uint64_t until = atomic_load_explicit(&b->paid_until, memory_order_relaxed);
    uint64_t next = 0;

    do {
        if (until > now && until - now >= HULSE_BUCKET_TICKS_PER_S) {
            return false;
        }
        next = (until > now ? until : now) + cost;
    } while (!atomic_compare_exchange_weak_explicit(
        &b->paid_until, &until, next, memory_order_relaxed, memory_order_relaxed));
    return true;
}

/* Gives back what was taken and not used, because another limit refused. */
static inline void hulse_bucket_give(struct bucket *b, uint64_t cost)
{
    /* Relaxed because the word guards nothing but itself. */
    (void)atomic_fetch_sub_explicit(&b->paid_until, cost, memory_order_relaxed);
}

/* Another rate is in force: what was taken on credit at the old one is not held against it. */
static inline void hulse_bucket_forgive(struct bucket *b, uint64_t now_ns)
{
    const uint64_t most = now_ns * HULSE_BUCKET_TICKS_PER_NS + HULSE_BUCKET_TICKS_PER_S;
    /* Relaxed because the word guards nothing but itself. */
    uint64_t until = atomic_load_explicit(&b->paid_until, memory_order_relaxed);

    while (until > most &&
           !atomic_compare_exchange_weak_explicit(
               &b->paid_until, &until, most, memory_order_relaxed, memory_order_relaxed)) {
    }
}

static inline void hulse_bucket_pair_forgive(struct bucket_pair *pair, uint64_t now_ns)
{
    hulse_bucket_forgive(&pair->messages, now_ns);
    hulse_bucket_forgive(&pair->bytes, now_ns);
}

/* One message of `bytes`: both buckets or neither. */
static inline bool hulse_bucket_pair_take(struct bucket_pair *pair,
                                          const struct bucket_rates *rates,
                                          uint64_t now_ns,
                                          uint64_t bytes)
{
    const uint64_t one = hulse_bucket_cost(rates->message_ticks, 1);

    if (one != 0 && !hulse_bucket_take(&pair->messages, now_ns, one)) {
        return false;
    }
    if (rates->byte_ticks <= 0 ||
        hulse_bucket_take(&pair->bytes, now_ns, hulse_bucket_cost(rates->byte_ticks, bytes))) {
        return true;
    }
    if (one != 0) {
        hulse_bucket_give(&pair->messages, one);
    }
    return false;
}

static inline void
hulse_bucket_pair_give(struct bucket_pair *pair, const struct bucket_rates *rates, uint64_t bytes)
{
    if (rates->message_ticks > 0) {
        hulse_bucket_give(&pair->messages, hulse_bucket_cost(rates->message_ticks, 1));
    }
    if (rates->byte_ticks > 0) {
        hulse_bucket_give(&pair->bytes, hulse_bucket_cost(rates->byte_ticks, bytes));
    }
}

#endif
