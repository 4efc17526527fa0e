/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_news - what has been said of a broker's files, so that of many workers one says it.
 *
 * Threads: any.
 */
#ifndef HULSE_PULSAR_CONNECTION_TLS_NEWS_H
#define HULSE_PULSAR_CONNECTION_TLS_NEWS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* All zero: nothing. */
struct tls_news {
    _Atomic(uint64_t) said; /* a hash of it */
};

/* Is it news? Relaxed because the word guards nothing. */
static inline bool hulse_tls_news_is(struct tls_news *n, uint64_t hash)
{
    return atomic_exchange_explicit(&n->said, hash, memory_order_relaxed) != hash;
}

#endif
