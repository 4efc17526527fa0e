/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fence - the full fence between storing one's own word and loading the other's (Dekker).
 *
 * Threads: any.
 */
#ifndef HULSE_CORE_FENCE_H
#define HULSE_CORE_FENCE_H

#include <stdatomic.h>

static inline void hulse_full_fence(void)
{
#if defined(__SANITIZE_THREAD__) || defined(HULSE_TSAN)
    /* TSan knows no fences (gcc refuses them); a locked access to a dummy is seen and orders too. */
    static _Atomic(int) order;
    (void)atomic_fetch_add_explicit(&order, 1, memory_order_seq_cst);
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

#endif
