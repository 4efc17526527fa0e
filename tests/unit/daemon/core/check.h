/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check - cmocka with what it needs before it, and a seeded generator whose seed is printed.
 */
#ifndef HULSE_TESTS_CORE_CHECK_H
#define HULSE_TESTS_CORE_CHECK_H

/* cmocka.h wants the four before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* HULSE_TEST_SEED repeats a run; without it every run is another one. Never 0. */
static inline uint64_t test_seed(void)
{
    const char *text = getenv("HULSE_TEST_SEED"); /* NOLINT(concurrency-mt-unsafe) */
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    const uint64_t seed = text != NULL ? strtoull(text, NULL, 0)
                                       : (uint64_t)now.tv_sec * 1000000007U + (uint64_t)now.tv_nsec;
    print_message("HULSE_TEST_SEED=%" PRIu64 "\n", seed);
    return seed | 1;
}

/* xorshift64*. */
static inline uint64_t test_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1DU;
}

/* 0 … below - 1. */
static inline uint64_t test_below(uint64_t *state, uint64_t below)
{
    return (test_random(state) >> 16) % below;
}

#endif
