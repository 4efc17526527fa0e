/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check - cmocka with what it needs before it, and a session over a scripted daemon.
 */
#ifndef HULSE_TESTS_CLIENT_CHECK_H
#define HULSE_TESTS_CLIENT_CHECK_H

/* cmocka.h wants the four before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "include/hulse/hulse.h"
#include "tests/support/fake_daemon.h"

#include <string.h>

#define WAIT_MS 10000

/* The application's and the daemon's half of one test. */
struct pair {
    struct fake_daemon *d;
    hulse_session *s;
};

static inline int pair_setup(void **state)
{
    static struct pair pair;

    pair = (struct pair){.d = hulse_fake_start()};
    *state = &pair;
    return hulse_open(&pair.s, NULL) == HULSE_OK ? 0 : -1;
}

static inline int pair_teardown(void **state)
{
    struct pair *pair = *state;

    if (pair->s != NULL) {
        (void)hulse_close(&pair->s, 0);
    }
    hulse_fake_stop(&pair->d);
    return 0;
}

#define PAIR_TEST(name) cmocka_unit_test_setup_teardown(name, pair_setup, pair_teardown)

/* A producer on the default group with these options, and its channel seen from the daemon. */
static inline hulse_producer *
open_producer(struct pair *pair, const hulse_producer_options *o, struct fake_channel **ch)
{
    hulse_producer *p = NULL;

    assert_int_equal(hulse_producer_open(pair->s, &p, "t", o), HULSE_OK);
    *ch = &pair->d->channels[pair->d->channel_count - 1];
    return p;
}

static inline hulse_consumer *
open_consumer(struct pair *pair, const hulse_consumer_options *o, struct fake_channel **ch)
{
    hulse_consumer *c = NULL;
    const char *subscription = o == NULL ? "sub" : NULL;

    assert_int_equal(hulse_consumer_open(pair->s, &c, "t", subscription, o), HULSE_OK);
    *ch = &pair->d->channels[pair->d->channel_count - 1];
    return c;
}

#endif
