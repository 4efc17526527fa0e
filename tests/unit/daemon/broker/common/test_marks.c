/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a reader goes on in each partition of each topic behind its mark; where there is none, nothing is lost.
 * Method: by itself.
 */
#include "daemon/broker/broker.h"
#include "daemon/core/mem.h"
#include "tests/unit/daemon/core/check.h"

static struct broker_marks *marks(bool all, enum broker_position_kind begin)
{
    struct broker_marks *m = hulse_broker_marks_create();
    assert_non_null(m);
    m->all = all;
    m->begin.kind = begin;
    return m;
}

static void add(struct broker_marks *m, uint32_t source, uint16_t partition, uint64_t entry)
{
    const struct broker_mark mark = {.id = {.ledger = 1, .entry = entry, .partition = partition},
                                     .source = source};
    assert_true(hulse_broker_marks_add(m, &mark));
}

static void is_behind(const struct broker_marks *m, uint32_t partition, uint64_t entry)
{
    const struct broker_position p = hulse_broker_marks_start(m, partition);
    assert_int_equal(p.kind, BROKER_AFTER_ID);
    assert_int_equal(p.id.entry, entry);
    assert_int_equal(p.id.partition, partition);
}

static enum broker_position_kind kind_of(const struct broker_marks *m, uint32_t partition)
{
    return hulse_broker_marks_start(m, partition).kind;
}

static void test_each_topic_has_its_own(void **state)
{
    struct broker_marks *all = marks(true, BROKER_LATEST);
    (void)state;
    for (uint32_t source = 0; source < 5; source += 2) {
        for (uint16_t partition = 0; partition < 100; partition++) {
            add(all, source, partition, (1000 * source) + partition);
        }
    }
    for (uint32_t source = 0; source < 6; source++) {
        struct broker_marks *m = hulse_broker_marks_of(all, source);
        assert_non_null(m);
        assert_int_equal(m->count, source % 2 == 0 && source < 5 ? 100 : 0);
        assert_true(m->all);
        for (uint32_t i = 0; i < m->count; i++) {
            is_behind(m, i, (1000 * source) + i);
        }
        hulse_broker_marks_let(&m);
        assert_null(m);
    }
    hulse_broker_marks_let(&all);
}

static void test_what_has_none_begins_where_nothing_is_lost(void **state)
{
    struct broker_marks *m = marks(true, BROKER_LATEST);
    (void)state;
    add(m, 0, 1, 5);
    assert_int_equal(kind_of(m, 0), BROKER_EARLIEST); /* it was not there when the others were */
    m->all = false;
    assert_int_equal(kind_of(m, 0), BROKER_LATEST);
    m->begin.kind = BROKER_AT_PUBLISHED;
    assert_int_equal(kind_of(m, 0), BROKER_AT_PUBLISHED);
    m->begin = (struct broker_position){.kind = BROKER_AT_ID, .id = {.partition = 3}};
    assert_int_equal(kind_of(m, 0), BROKER_EARLIEST);
    assert_int_equal(kind_of(m, 3), BROKER_AT_ID);
    is_behind(m, 1, 5);
    hulse_broker_marks_let(&m);
}

static void test_of_a_topic_without_partitions(void **state)
{
    struct broker_marks *m = marks(true, BROKER_EARLIEST);
    (void)state;
    assert_int_equal(hulse_broker_marks_start_whole(m).kind, BROKER_EARLIEST);
    add(m, 0, 7, 5);
    assert_int_equal(hulse_broker_marks_start_whole(m).kind, BROKER_AFTER_ID);
    assert_int_equal(hulse_broker_marks_start_whole(m).id.entry, 5);
    add(m, 0, 8, 6); /* it had partitions: this is another one */
    assert_int_equal(hulse_broker_marks_start_whole(m).kind, BROKER_EARLIEST);
    hulse_broker_marks_let(&m);
}

static void test_holders(void **state)
{
    struct broker_marks *m = marks(true, BROKER_LATEST);
    struct broker_marks *other = hulse_broker_marks_hold(m);
    (void)state;
    assert_null(hulse_broker_marks_hold(NULL));
    hulse_broker_marks_let(&m);
    add(other, 0, 1, 2);
    is_behind(other, 1, 2);
    hulse_broker_marks_let(&other);
    hulse_broker_marks_let(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_topic_has_its_own),
        cmocka_unit_test(test_what_has_none_begins_where_nothing_is_lost),
        cmocka_unit_test(test_of_a_topic_without_partitions),
        cmocka_unit_test(test_holders),
    };
    hulse_mem_init(SIZE_MAX / 2);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
