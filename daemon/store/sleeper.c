/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sleeper - see the header. Orders are relaxed because the fences order.
 */
#include "daemon/store/sleeper.h"

#include "daemon/core/assert.h"
#include "daemon/core/fence.h"

#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { NS_PER_S = 1000000000 };

void hulse_sleeper_wake(struct sleeper *s, bool urgent)
{
    /* SYNC(store.sleeper) fence: what was brought before `state`, against prepare. */
    hulse_full_fence();
    const uint32_t state = atomic_load_explicit(&s->state, memory_order_relaxed);
    if (state == SLEEPER_AWAKE || (state == SLEEPER_NAPPING && !urgent)) {
        return;
    }
    if (atomic_exchange_explicit(&s->state, SLEEPER_AWAKE, memory_order_relaxed) != SLEEPER_AWAKE) {
        (void)syscall(SYS_futex, &s->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
}

void hulse_sleeper_prepare(struct sleeper *s, enum sleeper_state how)
{
    HULSE_ASSERT(how != SLEEPER_AWAKE);
    atomic_store_explicit(&s->state, how, memory_order_relaxed);
    /* SYNC(store.sleeper) fence: `state` before the look for something, against wake. */
    hulse_full_fence();
}

void hulse_sleeper_sleep(struct sleeper *s, enum sleeper_state how, uint64_t for_ns)
{
    const struct timespec timeout = {.tv_sec = (time_t)(for_ns / NS_PER_S),
                                     .tv_nsec = (long)(for_ns % NS_PER_S)};

    (void)syscall(
        SYS_futex, &s->state, FUTEX_WAIT_PRIVATE, how, for_ns == 0 ? NULL : &timeout, NULL, 0);
    hulse_sleeper_call_off(s);
}

void hulse_sleeper_call_off(struct sleeper *s)
{
    atomic_store_explicit(&s->state, SLEEPER_AWAKE, memory_order_relaxed);
}
