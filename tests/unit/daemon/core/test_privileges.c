/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a thread of hulse_thread_start() has no capability in any set and cannot gain any, the
 *         one that started it keeps its own, and a process that cannot drop them exits with 71.
 * Method: threads look at themselves; a child under a filter that refuses capset() starts one.
 */
#include "daemon/core/privileges.h"
#include "daemon/core/thread.h"
#include "tests/unit/daemon/core/check.h"

#include <errno.h>
#include <pthread.h>
#include <seccomp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct seen {
    bool nothing;  /* effective, permitted, inheritable */
    bool bounding; /* some of it is left */
    bool ambient;
    int no_new_privs;
    char name[16];
};

static bool holds_nothing(void)
{
    cap_t none = cap_init();
    cap_t held = cap_get_proc();
    const bool same = cap_compare(none, held) == 0;

    (void)cap_free(none);
    (void)cap_free(held);
    return same;
}

static bool may_drop_bounding(void)
{
    cap_flag_value_t value = CAP_CLEAR;
    cap_t held = cap_get_proc();

    (void)cap_get_flag(held, CAP_SETPCAP, CAP_EFFECTIVE, &value);
    (void)cap_free(held);
    return value == CAP_SET;
}

static void *look(void *argument)
{
    struct seen *seen = argument;

    seen->nothing = holds_nothing();
    for (cap_value_t cap = 0; cap < cap_max_bits(); cap++) {
        seen->bounding = seen->bounding || cap_get_bound(cap) > 0;
        seen->ambient = seen->ambient || cap_get_ambient(cap) > 0;
    }
    seen->no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    (void)pthread_getname_np(pthread_self(), seen->name, sizeof(seen->name));
    return NULL;
}

static void test_a_thread_has_no_capabilities(void **state)
{
    const bool had_some = !holds_nothing();
    struct seen seen = {0};
    pthread_t thread;

    (void)state;
    assert_int_equal(hulse_thread_start(&thread, "a-name-of-17-byte", look, &seen), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(seen.nothing);
    assert_false(seen.ambient);
    assert_int_equal(seen.no_new_privs, 1);
    assert_string_equal(seen.name, "a-name-of-17-by");
    if (may_drop_bounding()) {
        assert_false(seen.bounding);
    }
    assert_int_equal(holds_nothing(), !had_some);
}

static void test_a_second_drop_is_nothing(void **state)
{
    int status = 0;

    (void)state;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const int first = hulse_privileges_drop();
        const int second = hulse_privileges_drop();
        _exit(first != 0 || second != 0 || !holds_nothing());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void start_where_capset_is_refused(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    struct seen seen = {0};
    pthread_t thread;

    if (filter == NULL ||
        seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(capset), 0) != 0 ||
        seccomp_load(filter) != 0 || hulse_thread_start(&thread, "thread", look, &seen) != 0) {
        _exit(1);
    }
    (void)pthread_join(thread, NULL);
    _exit(0);
}

static void test_a_process_that_cannot_drop_them_exits(void **state)
{
    int status = 0;

    (void)state;
    if (holds_nothing()) {
        skip(); /* there is nothing that could be refused */
    }
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        start_where_capset_is_refused();
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), HULSE_PRIVILEGES_EXIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thread_has_no_capabilities),
        cmocka_unit_test(test_a_second_drop_is_nothing),
        cmocka_unit_test(test_a_process_that_cannot_drop_them_exits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
