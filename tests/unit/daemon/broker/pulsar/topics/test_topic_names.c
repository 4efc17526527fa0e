/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   partitions are told as the topic they are of, once where they stand together; what is no name is left out.
 * Method: pure calls.
 */
#include "daemon/broker/pulsar/topics/topic_names.h"
#include "daemon/core/mem.h"
#include "tests/support/check.h"

#include <string.h>

static void test_partitions_are_their_topic(void **state)
{
    char a[] = "persistent://public/default/a";
    char b0[] = "persistent://public/default/b-partition-0";
    char b1[] = "persistent://public/default/b-partition-11";
    char c[] = "persistent://public/default/c-partition-x";
    char none[] = "";
    char *const names[] = {a, b0, b1, none, c};
    struct topic_names n = {0};
    (void)state;
    assert_true(hulse_topic_names_add(&n, 5, names));
    assert_int_equal(n.count, 3);
    assert_string_equal(n.names, a);
    assert_string_equal(n.names + sizeof(a), "persistent://public/default/b");
    assert_string_equal(n.names + n.last, c);
    hulse_topic_names_free(&n);
    assert_int_equal(hulse_mem_used(HULSE_MEM_BROKER), 0);
}

static void test_many_and_long_ones(void **state)
{
    char longest[1400];
    char *names[200];
    struct topic_names n = {0};
    (void)state;
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    for (unsigned i = 0; i < 200; i++) {
        names[i] = i % 2 == 0 ? longest + 400 + i : longest;
    }
    assert_true(hulse_topic_names_add(&n, 200, names));
    assert_int_equal(n.count, 100); /* of up to 1,087 bytes */
    hulse_topic_names_free(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_partitions_are_their_topic),
        cmocka_unit_test(test_many_and_long_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
