/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check - runs a cmocka group on a worker's thread, each test with a plane of its own (by_hand.h).
 */
#ifndef HULSE_TESTS_UNIT_APP_CHECK_H
#define HULSE_TESTS_UNIT_APP_CHECK_H

#include "tests/support/check.h"
#include "tests/unit/daemon/app/by_hand.h"

/* Set before a test's body runs. */
static struct worker *hand_worker;

static inline int hand_setup(void **state)
{
    static struct hand hand;
    hand_begin(&hand, hand_worker);
    *state = &hand;
    return 0;
}

static inline int hand_teardown(void **state)
{
    hand_end(*state);
    return 0;
}

#define HAND_TEST(function) cmocka_unit_test_setup_teardown(function, hand_setup, hand_teardown)

/* `group` runs the tests: int group(struct worker *, void *), on the worker's thread. */
static inline int hand_main(int (*group)(struct worker *w, void *ctx))
{
    struct hand_thread t;
    hand_thread_start(&t);
    hand_worker = t.worker;
    const int failed = hand_thread_run(&t, group, NULL);
    hand_thread_stop(&t);
    return failed;
}

#endif
