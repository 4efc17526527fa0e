/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model - what the GenMC models share: the shipped ring.h and doorbell.h, and how to weaken them.
 *
 * WEAK_TAIL and WEAK_HEAD make one store of the shipped text relaxed. The fences are taken out
 * of the shipped text by HULSE_DOORBELL_WITHOUT_FENCES; the models then place the one of the two
 * fences that is to stay with real_fence().
 */
#ifndef HULSE_TESTS_MODEL_H
#define HULSE_TESTS_MODEL_H

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* GenMC's own assert.h lacks it. */
#ifndef static_assert
#define static_assert _Static_assert
#endif

/* To GenMC a fence is a fence, also one that only the compiler should see. */
#undef atomic_signal_fence
#define atomic_signal_fence(order) ((void)(order))

#if defined(WEAK_TAIL)
#define WEAK_STORE "tx->tail_word"
#elif defined(WEAK_HEAD)
#define WEAK_STORE "rx->head_word"
#endif
#ifdef WEAK_STORE
#undef atomic_store_explicit
#define atomic_store_explicit(object, value, order)                                                \
    __c11_atomic_store(object,                                                                     \
                       value,                                                                      \
                       __builtin_strcmp(#object, WEAK_STORE) == 0 ? memory_order_relaxed           \
                                                                  : (order))
#endif

#include "shmlib/ring/doorbell.h"
#include "shmlib/ring/ring.h"

/* GenMC's: executions in which it does not hold are not looked at. */
void __VERIFIER_assume(bool);

#define CAPACITY 16U /* two records of one word */
#define WORD 8U

/* One region of each kind, one mapping: the wrap never splits a record of one word. */
static uint64_t up_words[CAPACITY / WORD];
static uint64_t down_words[CAPACITY / WORD];
static struct hulse_region_a a;
static struct hulse_region_b b;

static inline struct hulse_ring_tx up_tx(void)
{
    return (struct hulse_ring_tx){.ring = (uint8_t *)up_words,
                                  .mask = CAPACITY - 1,
                                  .tail_word = &a.up_tail,
                                  .head_word = &b.up_head};
}

static inline struct hulse_ring_rx up_rx(void)
{
    return (struct hulse_ring_rx){.ring = (uint8_t *)up_words,
                                  .mask = CAPACITY - 1,
                                  .tail_word = &a.up_tail,
                                  .head_word = &b.up_head};
}

static inline struct hulse_ring_tx down_tx(void)
{
    return (struct hulse_ring_tx){.ring = (uint8_t *)down_words,
                                  .mask = CAPACITY - 1,
                                  .tail_word = &b.down_tail,
                                  .head_word = &a.down_head};
}

static inline struct hulse_ring_rx down_rx(void)
{
    return (struct hulse_ring_rx){.ring = (uint8_t *)down_words,
                                  .mask = CAPACITY - 1,
                                  .tail_word = &b.down_tail,
                                  .head_word = &a.down_head};
}

static inline void put_word(struct hulse_ring_tx *tx, uint64_t value)
{
    *(uint64_t *)hulse_ring_tx_at(tx, tx->tail) = value;
    hulse_ring_tx_commit(tx, WORD);
}

static inline uint64_t take_word(struct hulse_ring_rx *rx)
{
    const uint64_t value = *(const uint64_t *)hulse_ring_rx_at(rx, rx->read);

    hulse_ring_rx_take(rx, WORD);
    return value;
}

static inline void real_fence(void)
{
    atomic_thread_fence(memory_order_seq_cst);
}

static inline void run_both(void *(*one)(void *), void *(*two)(void *))
{
    pthread_t first;
    pthread_t second;

    if (pthread_create(&first, NULL, one, NULL) != 0 ||
        pthread_create(&second, NULL, two, NULL) != 0) {
        abort();
    }
    (void)pthread_join(first, NULL);
    (void)pthread_join(second, NULL);
}

#endif
