/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doorbell - who wakes whom, and the fences that make a lost wake-up impossible.
 *
 * Nothing here sleeps or writes a descriptor; the functions say whether the caller must.
 * Four Dekker pairs (ipc B4): each side stores its word, fences, then loads the other's.
 *
 *   publisher: up_tail   | fence | armed          waiter (daemon): armed      | fence | up_tail
 *   daemon:    down_tail | fence | wake_at        waiter (app):    wake_at    | fence | down_tail
 *   daemon:    up_head   | fence | space_at       waiter (app):    space_at   | fence | up_head
 *   app:       down_head | fence | down_want      waiter (daemon): down_want  | fence | down_head
 *
 * Nothing has to be cleared, so each word has one writer. A test build with
 * HULSE_DOORBELL_WITHOUT_FENCES defined is the negative control of the stress test: it must fail.
 *
 * Threads: the caller owns its end of the channel.
 * Trust:   a wake word from A is a hint: at most one wake per flush whatever it says (V14).
 */
#ifndef HULSE_RING_DOORBELL_H
#define HULSE_RING_DOORBELL_H

#include "shmlib/ring/layout.h"

#include <stdbool.h>

#if defined(__SANITIZE_THREAD__) || defined(HULSE_TSAN)
#define HULSE_DOORBELL_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HULSE_DOORBELL_TSAN 1
#endif
#endif

static inline void hulse_doorbell_fence(void)
{
#if defined(HULSE_DOORBELL_WITHOUT_FENCES)
    /* The negative control: the compiler keeps the order, the processor need not. */
    atomic_signal_fence(memory_order_seq_cst);
#elif defined(HULSE_DOORBELL_TSAN)
    /* TSan knows no fences (gcc refuses them); a locked access to a dummy is seen and orders too. */
    static _Atomic(int) order;
    (void)atomic_fetch_add_explicit(&order, 1, memory_order_seq_cst);
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

/*
 * Application, after publishing up_tail (M9): must the bell be rung? At most once per arming:
 * *last_rung is the caller's private memory of the epoch it has rung.
 */
static inline bool hulse_doorbell_publisher(const _Atomic(uint64_t) *armed, uint64_t *last_rung)
{
    /* SYNC(doorbell.armed) fence: up_tail before armed, against the daemon's park. */
    hulse_doorbell_fence();
    /* Relaxed because the fence orders it and the value is only compared. */
    const uint64_t epoch = atomic_load_explicit(armed, memory_order_relaxed);
    if ((epoch & 1) == 0 || epoch == *last_rung) {
        return false;
    }
    *last_rung = epoch;
    return true;
}

/*
 * Daemon, before sleeping (M10): arms one channel. The caller arms all of them, then calls
 * hulse_doorbell_fence() once, then re-reads every up_tail. Gives the new epoch, odd.
 */
static inline void hulse_doorbell_arm(_Atomic(uint64_t) *armed, uint64_t *epoch)
{
    *epoch = (*epoch | 1) + ((*epoch & 1) != 0 ? 2 : 0);
    /*
     * SYNC(doorbell.armed) fence: armed before up_tail; the fence is the caller's, one for all.
     * Relaxed because that fence follows.
     */
    atomic_store_explicit(armed, *epoch, memory_order_relaxed);
}

/* Daemon: the channel is polled again; no bell is needed. */
static inline void hulse_doorbell_disarm(_Atomic(uint64_t) *armed, uint64_t *epoch)
{
    *epoch = (*epoch + 1) & ~1ULL;
    /* Relaxed because a late bell is harmless. */
    atomic_store_explicit(armed, *epoch, memory_order_relaxed);
}

/*
 * Waiter (M11, M14): announces the position at which it wants to be woken. The caller must
 * re-load the position itself afterwards and not sleep if it has moved.
 */
static inline void hulse_doorbell_announce(_Atomic(uint64_t) *want, uint64_t position)
{
    /* Relaxed because the fence follows. */
    atomic_store_explicit(want, position, memory_order_relaxed);
    /* SYNC(doorbell.want) fence: the wish before the re-check. */
    hulse_doorbell_fence();
}

/*
 * Waker, after its own fence (M12, M15): did the position just pass from `before` to `now` cross
 * the announced one? Crossing is tested, so a wish needs no clearing.
 */
static inline bool
hulse_doorbell_crossed(const _Atomic(uint64_t) *want, uint64_t before, uint64_t now)
{
    /*
     * SYNC(doorbell.want) fence: the position before the wish; the fence is the caller's, one for
     * all channels of a flush. Relaxed because that fence came between.
     */
    const uint64_t at = atomic_load_explicit(want, memory_order_relaxed);
    return before < at && at <= now;
}

#endif
