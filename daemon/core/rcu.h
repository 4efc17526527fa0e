/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rcu - the only place that includes liburcu.
 *
 * Under ThreadSanitizer liburcu 0.13's plain atomics look like races: _LGPL_SOURCE stays off so
 * that its code is not instrumented, and the wrappers below tell TSan which accesses are ordered.
 */
#ifndef HULSE_CORE_RCU_H
#define HULSE_CORE_RCU_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wundef"
#include <urcu/wfcqueue.h>
#pragma GCC diagnostic pop

#if defined(__SANITIZE_THREAD__) || defined(HULSE_TSAN)
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define HULSE_TSAN_ACQUIRE(address) __tsan_acquire(address)
#define HULSE_TSAN_RELEASE(address) __tsan_release(address)
#else
#define HULSE_TSAN_ACQUIRE(address) ((void)(address))
#define HULSE_TSAN_RELEASE(address) ((void)(address))
#endif

#endif
