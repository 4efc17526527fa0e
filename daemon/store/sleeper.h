/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sleeper - a thread that sleeps until there is something for it, woken once.
 *
 * A Dekker pair as in the inbox, on a futex: who brings something stores it, fences, then looks whether the
 * owner sleeps; the owner says that it sleeps, fences, then looks for something.
 *
 * Threads: wake from any, the rest by the owner.
 */
#ifndef HULSE_STORE_SLEEPER_H
#define HULSE_STORE_SLEEPER_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum sleeper_state {
    SLEEPER_AWAKE = 0,
    SLEEPER_NAPPING, /* until the time is over: only what is urgent wakes it */
    SLEEPER_SLEEPING
};

/* All zeros is awake. */
struct sleeper {
    alignas(64) _Atomic(uint32_t) state;
};

void hulse_sleeper_wake(struct sleeper *s, bool urgent);
/* Says that the owner is about to sleep; what it then finds may still call it off. */
void hulse_sleeper_prepare(struct sleeper *s, enum sleeper_state how);
/* After prepare. `for_ns` 0: until woken. May return early; the owner is awake afterwards. */
void hulse_sleeper_sleep(struct sleeper *s, enum sleeper_state how, uint64_t for_ns);
/* After prepare: there is something. */
void hulse_sleeper_call_off(struct sleeper *s);

#endif
