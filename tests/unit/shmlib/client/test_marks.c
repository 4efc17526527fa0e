/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a reader's marks are the last of each partition, in order, within their bound; who is moved forgets them.
 * Method: by themselves.
 */
#include "shmlib/client/marks.h"
#include "tests/unit/shmlib/client/check.h"

#include <stdlib.h>

#define SOURCES 7U
#define PARTITIONS 97U

static struct hulse_ctl_mark mark(uint32_t source, uint32_t partition, uint64_t entry)
{
    return (struct hulse_ctl_mark){
        .ledger = 1, .entry = entry, .source = source, .partition = (uint16_t)partition};
}

static void set(struct hulse_marks *k, uint32_t source, uint32_t partition, uint64_t entry)
{
    const struct hulse_ctl_mark m = mark(source, partition, entry);
    hulse_marks_set(k, &m);
}

static void test_the_last_of_each_in_order(void **state)
{
    struct hulse_marks k = {0};
    (void)state;
    /* In an order that is none, several times. */
    for (uint64_t entry = 1; entry <= 3; entry++) {
        for (uint32_t i = 0; i < SOURCES * PARTITIONS; i++) {
            const uint32_t at = i * 101 % (SOURCES * PARTITIONS);
            set(&k, at / PARTITIONS, at % PARTITIONS, entry);
            set(&k, at / PARTITIONS, at % PARTITIONS, entry * 10);
        }
    }
    assert_int_equal(k.count, SOURCES * PARTITIONS);
    assert_true(k.room <= 2 * k.count);
    for (uint32_t i = 0; i < k.count; i++) {
        assert_int_equal(k.at[i].source, i / PARTITIONS);
        assert_int_equal(k.at[i].partition, i % PARTITIONS);
        assert_int_equal(k.at[i].entry, 30);
    }
    free(k.at);
}

static void test_who_is_moved_forgets(void **state)
{
    struct hulse_marks k = {.all = true};
    (void)state;
    for (uint32_t partition = 0; partition < 3; partition++) {
        set(&k, 0, partition, partition);
    }
    hulse_marks_forget(&k, &(struct hulse_ctl_position){.partition = 9});
    assert_int_equal(k.count, 3);
    hulse_marks_forget(&k, &(struct hulse_ctl_position){.partition = 1});
    assert_int_equal(k.count, 2);
    assert_int_equal(k.at[1].partition, 2);
    assert_true(k.all);
    set(&k, 0, 1, 77);
    assert_int_equal(k.at[1].entry, 77);
    hulse_marks_forget(&k, NULL);
    assert_int_equal(k.count, 0);
    assert_false(k.all);
    free(k.at);
}

static void test_no_more_than_there_may_be(void **state)
{
    struct hulse_marks k = {0};
    (void)state;
    for (uint32_t i = 0; i < HULSE_MARKS_TOTAL_MAX + 5; i++) {
        set(&k, i >> 8U, i & 0xffU, i);
    }
    assert_int_equal(k.count, HULSE_MARKS_TOTAL_MAX);
    set(&k, 0, 3, 5);
    assert_int_equal(k.at[3].entry, 5);
    free(k.at);
}

static void test_what_a_daemon_says(void **state)
{
    const struct hulse_ctl_mark said[] = {mark(0, 5, 50), mark(0, 2, 20)};
    const struct hulse_ctl_marks m = {.marks_len = sizeof(said), .flags = HULSE_MARKS_ALL};
    struct hulse_marks k = {0};
    struct hulse_packet p;
    (void)state;
    hulse_packet_begin(&p, HULSE_CTL_MARKS, 1, &m);
    hulse_packet_append(&p, said, sizeof(said));
    hulse_marks_take(&k, &p);
    assert_true(k.all);
    assert_int_equal(k.count, 2);
    assert_int_equal(k.at[0].entry, 20);
    assert_int_equal(k.at[1].entry, 50);
    free(k.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_last_of_each_in_order),
        cmocka_unit_test(test_who_is_moved_forgets),
        cmocka_unit_test(test_no_more_than_there_may_be),
        cmocka_unit_test(test_what_a_daemon_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
