/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   who has which role and what it may do; what a role counts outlives a reading.
 * Method: one configuration with every way to a role; texts that are overwritten after they were read.
 */
#include "daemon/core/mem.h"
#include "daemon/table/roles.h"
#include "tests/unit/daemon/core/check.h"

#include <string.h>
#include <unistd.h>

static const uid_t uids[] = {900001, 900000};
static const uid_t later_uids[] = {900000, 900002};
static const gid_t gids[] = {800000};
static char produce_glob[] = "persistent://a/b/*";
static char consume_glob[] = "**";
static const char *const produce[] = {produce_glob};
static const char *const consume[] = {consume_glob};
static const char *const tokens[] = {"secret-of-robots", "another"};

static const struct config_role two[] = {
    {.name = "people",
     .uids = uids,
     .uid_count = 2,
     .gids = gids,
     .gid_count = 1,
     .sessions_max = 2,
     .memory_max = 1000,
     .rate = {.messages = 10},
     .produce = produce,
     .produce_count = 1,
     .consume = consume,
     .consume_count = 1,
     .topic_name = "/orders-[0-9]+$"},
    {.name = "robots",
     .uids = later_uids,
     .uid_count = 2,
     .tokens = tokens,
     .token_count = 2,
     .admin = consume,
     .admin_count = 1},
};

static struct roles *make(const struct config_role *roles, size_t count, const struct roles *before)
{
    struct roles *r = NULL;
    struct error err = {0};

    assert_int_equal(hulse_roles_create(&r, roles, count, before, &err), HULSE_OK);
    return r;
}

static struct identity user(uid_t uid, gid_t gid)
{
    return (struct identity){.uid = uid, .gid = gid};
}

static struct identity bearer(const char *token)
{
    struct identity who = user(900001, 800000);

    assert_true(hulse_identity_token(&who, token, strlen(token)));
    return who;
}

static const char *role_of(const struct roles *r, struct identity who)
{
    const struct app_role *role = hulse_roles_find(r, &who);

    return role == NULL ? "" : role->state->name;
}

static int no_leak(void **state)
{
    (void)state;
    assert_int_equal(hulse_mem_used(HULSE_MEM_TABLE), 0);
    return 0;
}

static void test_who_is_who(void **state)
{
    struct roles *r = make(two, 2, NULL);

    (void)state;
    assert_int_equal(hulse_roles_count(r), 2);
    assert_string_equal(role_of(r, user(900001, 1)), "people");
    assert_string_equal(role_of(r, user(900000, 1)), "people"); /* in both: the first in the file */
    assert_string_equal(role_of(r, user(900002, 800000)), "robots"); /* uid before gid */
    assert_string_equal(role_of(r, user(900003, 800000)), "people");
    assert_string_equal(role_of(r, user(900003, 1)), "");
    assert_string_equal(role_of(r, bearer("another")), "robots"); /* token before uid */
    assert_string_equal(role_of(r, bearer("Another")), "");
    struct identity stranger = bearer("nothing");
    struct identity known = bearer("another");
    struct identity plain = user(1, 1);
    assert_true(hulse_roles_token_unknown(r, &stranger));
    assert_false(hulse_roles_token_unknown(r, &known));
    assert_false(hulse_roles_token_unknown(r, &plain));
    assert_string_equal(role_of(r, user(geteuid(), 1)), HULSE_ROLE_OWNER);
    hulse_roles_destroy(&r);

    const uid_t own = geteuid();
    const struct config_role listed = {.name = "me", .uids = &own, .uid_count = 1};
    r = make(&listed, 1, NULL);
    assert_string_equal(role_of(r, user(own, 1)), "me"); /* no longer the owner */
    hulse_roles_destroy(&r);
}

static unsigned may(const struct roles *r, struct identity who, const char *topic)
{
    return hulse_roles_permissions(r, hulse_roles_find(r, &who), topic);
}

static void test_who_may_what(void **state)
{
    char saved[sizeof(produce_glob)];

    (void)state;
    memcpy(saved, produce_glob, sizeof(saved));
    struct roles *r = make(two, 2, NULL);
    memset(produce_glob, '?', sizeof(produce_glob) - 1); /* nothing of the file is kept */
    assert_int_equal(may(r, user(900001, 1), "persistent://a/b/orders-1"),
                     PERMISSION_PRODUCE | PERMISSION_CONSUME);
    assert_int_equal(may(r, user(900001, 1), "persistent://a/b/orders-x"), PERMISSION_CONSUME);
    assert_int_equal(may(r, user(900001, 1), "persistent://a/c/orders-1"), PERMISSION_CONSUME);
    assert_int_equal(may(r, user(900002, 1), "persistent://a/b/orders-1"), PERMISSION_ADMIN);
    assert_int_equal(may(r, user(geteuid(), 1), "persistent://a/b/any"), 7);
    memcpy(produce_glob, saved, sizeof(saved));
    hulse_roles_destroy(&r);
}

static void test_limits(void **state)
{
    struct roles *r = make(two, 2, NULL);
    const struct identity who = user(900001, 1);
    struct role_state *s = hulse_roles_find(r, &who)->state;

    (void)state;
    assert_true(hulse_role_state_bytes_take(s, UINT64_MAX / 2)); /* not published: no limit */
    hulse_role_state_bytes_give(s, UINT64_MAX / 2);
    hulse_roles_limit(r, two);
    assert_true(hulse_role_state_session_take(s));
    assert_true(hulse_role_state_session_take(s));
    assert_false(hulse_role_state_session_take(s));
    assert_true(hulse_role_state_bytes_take(s, 999));
    assert_false(hulse_role_state_bytes_take(s, 2));
    assert_true(hulse_role_state_bytes_take(s, 1));
    assert_false(hulse_role_state_bytes_take(s, UINT64_MAX));
    /* The next reading has the same role in another place, with other limits. */
    struct config_role turned[] = {two[1], two[0]};
    turned[1].sessions_max = 3;
    struct roles *next = make(turned, 2, r);
    hulse_roles_destroy(&r);
    assert_ptr_equal(hulse_roles_find(next, &who)->state, s);
    hulse_roles_limit(next, turned);
    assert_true(hulse_role_state_session_take(s));
    assert_false(hulse_role_state_session_take(s));
    hulse_roles_destroy(&next);
}

static void test_refusals(void **state)
{
    const struct config_role bad = {.name = "bad", .topic_name = "(["};
    struct roles *r = NULL;
    struct error err = {0};

    (void)state;
    assert_int_equal(hulse_roles_create(&r, &bad, 1, NULL, &err), HULSE_INVAL);
    assert_non_null(strstr(err.text, "roles.bad.topic_name"));
    assert_null(r);
    assert_int_equal(hulse_roles_create(&r, &bad, (size_t)HULSE_ROLES_MAX + 1, NULL, &err),
                     HULSE_INVAL);
    const size_t cap = hulse_mem_cap();
    for (size_t spare = 0; spare < 3000; spare += 100) {
        hulse_mem_init(hulse_mem_total() + spare);
        if (hulse_roles_create(&r, two, 2, NULL, &err) == HULSE_OK) {
            hulse_roles_destroy(&r);
        }
        assert_int_equal(hulse_mem_used(HULSE_MEM_TABLE), 0);
    }
    hulse_mem_init(cap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_who_is_who, no_leak),
        cmocka_unit_test_teardown(test_who_may_what, no_leak),
        cmocka_unit_test_teardown(test_limits, no_leak),
        cmocka_unit_test_teardown(test_refusals, no_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
