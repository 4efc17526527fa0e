/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   asker and desk take turns; what is dropped is told to the desk once it has the turn again, or soon, and freed.
 * Method: two inboxes on one thread, run by hand.
 */
#include "daemon/core/assert.h"
#include "daemon/core/login.h"
#include "tests/support/check.h"

#include <string.h>

static struct inbox asker;
static struct login_desk desk;
static struct inbox desk_inbox;
static struct login *at_desk;
static unsigned taken;
static unsigned freed;
static unsigned answers;

static void take(struct login_desk *d, struct login *l)
{
    assert_ptr_equal(d, &desk);
    taken++;
    if (l->order == LOGIN_END) {
        freed++;
        hulse_login_free(l);
        at_desk = NULL;
    } else {
        at_desk = l;
    }
}

static void answered(struct login *l)
{
    assert_ptr_equal(l->owner, &answers);
    assert_false(l->away);
    answers++;
}

static int set_up(void **state)
{
    (void)state;
    assert_true(hulse_inbox_init(&asker, 8));
    assert_true(hulse_inbox_init(&desk_inbox, 2));
    desk = (struct login_desk){.inbox = &desk_inbox, .take = take};
    at_desk = NULL;
    taken = freed = answers = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hulse_inbox_fini(&asker);
    hulse_inbox_fini(&desk_inbox);
    return 0;
}

static struct login *begin(void)
{
    return hulse_login_begin(&desk, "host.test", &asker, &answers, answered);
}

static void say(const char *text)
{
    hulse_login_answer(at_desk, HULSE_OK, hulse_secret_create(text, strlen(text)), "");
    assert_int_equal(hulse_inbox_run(&asker, 8), 1);
}

static void test_turns(void **state)
{
    (void)state;
    struct login *l = begin();
    assert_true(l->away);
    assert_int_equal(hulse_inbox_run(&desk_inbox, 8), 1);
    assert_int_equal(at_desk->order, LOGIN_BEGIN);
    assert_string_equal(at_desk->host, "host.test");
    say("first");
    assert_int_equal(answers, 1);
    assert_string_equal(l->data->data, "first");
    assert_true(hulse_login_step(l, "challenge", 9));
    assert_int_equal(hulse_inbox_run(&desk_inbox, 8), 1);
    assert_int_equal(at_desk->order, LOGIN_STEP);
    assert_string_equal(at_desk->data->data, "challenge");
    hulse_login_answer(at_desk, HULSE_FAILED, NULL, "because");
    assert_int_equal(hulse_inbox_run(&asker, 8), 1);
    assert_int_equal(answers, 2);
    assert_int_equal(l->status, HULSE_FAILED);
    assert_string_equal(l->why, "because");
    assert_null(l->data);
    hulse_login_drop(&l);
    assert_null(l);
    assert_int_equal(hulse_inbox_run(&desk_inbox, 8), 1);
    assert_int_equal(freed, 1);
}

static void test_dropped_while_the_desk_has_it(void **state)
{
    (void)state;
    struct login *l = begin();
    hulse_login_drop(&l);
    assert_int_equal(hulse_inbox_run(&desk_inbox, 8), 1);
    assert_int_equal(freed, 0);
    say("too late");
    assert_int_equal(answers, 0);
    assert_int_equal(hulse_inbox_run(&desk_inbox, 8), 1);
    assert_int_equal(freed, 1);
}

static void test_a_desk_with_too_much_to_do(void **state)
{
    (void)state;
    struct login *first = begin();
    struct login *second = begin();
    assert_non_null(second);
    assert_null(begin());
    /* What has begun goes on all the same. */
    assert_int_equal(hulse_inbox_run(&desk_inbox, 1), 1);
    say("first");
    struct login *third = begin();
    assert_non_null(third);
    assert_true(hulse_login_step(first, "x", 1));
    assert_int_equal(hulse_inbox_run(&desk_inbox, 8), 3);
    assert_ptr_equal(at_desk, first);
    hulse_login_free(first);
    hulse_login_free(second);
    hulse_login_free(third);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_turns),
        CASE(test_dropped_while_the_desk_has_it),
        CASE(test_a_desk_with_too_much_to_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
