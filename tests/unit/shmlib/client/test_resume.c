/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the way to the next daemon, seen from one that is of no use: it is asked less and less often;
 *         and what a handle leaves behind: a number that no other gets, a close behind its records.
 * Method: a scripted daemon.
 */
#include "shmlib/client/session.h"
#include "tests/unit/shmlib/client/check.h"

/* Every time it is asked for something behind its WELCOME it goes. */
static void test_a_useless_daemon_is_asked_less_and_less_often(void **state)
{
    enum { TIMES = 6 };
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;

    (void)open_producer(pair, NULL, &ch);
    hulse_fake_features(pair->d, HULSE_FEATURE_RESUME, 0);
    hulse_fake_set(pair->d, &pair->d->hang_up_on, HULSE_CTL_ATTACH);
    hulse_fake_die(pair->d);
    while (hulse_fake_seen(pair->d, HULSE_CTL_ATTACH) < TIMES) {
        (void)hulse_wait(pair->s, 0, 10);
    }
    assert_true(pair->s->resume.attempts >= TIMES - 1);
}

static void test_one_that_goes_at_once_too(void **state)
{
    enum { TIMES = 6 };
    struct pair *pair = *state;

    hulse_fake_features(pair->d, HULSE_FEATURE_RESUME, 0);
    for (unsigned i = 0; i < TIMES; i++) {
        hulse_fake_die(pair->d);
        while (hulse_poll(pair->s, 0) != HULSE_OK || hulse_session_epoch(pair->s) != i + 1) {
            (void)hulse_wait(pair->s, 0, 10);
        }
    }
    assert_true(pair->s->resume.attempts >= TIMES - 1);
}

static uint32_t asked_generation(struct pair *pair)
{
    struct hulse_ctl_open_producer m;

    memcpy(&m, hulse_fake_last(pair->d, HULSE_CTL_OPEN_PRODUCER).bytes, sizeof(m));
    return m.generation;
}

static void test_no_two_handles_get_one_number(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    uint32_t last = 0;

    pair->s->generation = UINT16_MAX - 2;
    for (unsigned i = 0; i < 4; i++) {
        hulse_producer *p = open_producer(pair, NULL, &ch);
        assert_int_not_equal(asked_generation(pair), 0);
        assert_int_not_equal(asked_generation(pair), last);
        last = asked_generation(pair);
        assert_int_equal(hulse_producer_close(&p, 0), HULSE_OK);
    }
}

/* A sibling would publish it later, under a number that means nothing any more. */
static void test_what_a_failed_producer_committed_comes_before_its_close(void **state)
{
    static const struct hulse_ctl_event failed = {
        .event = HULSE_EVENT_HANDLE_FAILED, .handle = FAKE_HANDLE_FIRST, .status = HULSE_DENIED};
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    void *at = NULL;

    hulse_producer *p = open_producer(pair, NULL, &ch);
    assert_int_equal(hulse_claim(p, 1, &at), HULSE_OK);
    assert_int_equal(hulse_commit(p, 1, NULL, 0), HULSE_OK);
    hulse_fake_event(pair->d, &failed, "");
    while (hulse_claim(p, 1, &at) != HULSE_DENIED) {
        hulse_abort(p);
        assert_int_equal(hulse_session_tend(pair->s), HULSE_OK);
    }
    assert_int_equal(hulse_producer_close(&p, 0), HULSE_DENIED);
    assert_int_equal(hulse_fake_channel_take_all(ch), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIR_TEST(test_a_useless_daemon_is_asked_less_and_less_often),
        PAIR_TEST(test_one_that_goes_at_once_too),
        PAIR_TEST(test_no_two_handles_get_one_number),
        PAIR_TEST(test_what_a_failed_producer_committed_comes_before_its_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
