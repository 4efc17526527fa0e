/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a record goes to the partition that it names, that its key has, or that the mode gives it; an own producer's
 *         always to the same one.
 * Method: by itself.
 */
#include "daemon/broker/common/router.h"
#include "tests/unit/daemon/core/check.h"

#include <string.h>

static struct router_record plain(uint64_t seq, uint64_t now_ms)
{
    return (struct router_record){.partition = -1, .seq = seq, .now_ms = now_ms};
}

static void test_a_named_one_comes_before_all(void **state)
{
    struct router r = {.stride = 10};
    struct router_record record = plain(15, 0);

    (void)state;
    record.has_key = true;
    record.partition = 2;
    assert_int_equal(hulse_router_choose(&r, &record, 3), 2);
    record.partition = 3;
    assert_int_equal(hulse_router_choose(&r, &record, 3), ROUTER_NONE);
    record.partition = INT32_MAX;
    assert_int_equal(hulse_router_choose(&r, &record, 3), ROUTER_NONE);
}

static void test_a_key_comes_before_the_mode(void **state)
{
    static const struct router routers[] = {
        {.window_ms = 10},
        {.mode = BROKER_ROUTING_SINGLE, .start = 7},
        {.stride = 10},
        {.mode = BROKER_ROUTING_SINGLE, .stride = 10, .start = 5},
    };
    struct router_record record = plain(123, 4567);

    (void)state;
    record.has_key = true;
    for (size_t i = 0; i < COUNT_OF(routers); i++) {
        struct router r = routers[i];
        record.key = (struct broker_span){.data = (const uint8_t *)"key-1", .bytes = 5};
        assert_int_equal(hulse_router_choose(&r, &record, 97), 101943363 % 97);
        r.hash = BROKER_HASH_MURMUR3;
        assert_int_equal(hulse_router_choose(&r, &record, 97), 414258592 % 97);
        record.key.bytes = 0; /* an empty key is a key */
        assert_int_equal(hulse_router_choose(&r, &record, 97), 0);
    }
}

static void test_round_robin_changes_with_its_window(void **state)
{
    struct router r = {.window_ms = 10, .start = 2};

    (void)state;
    for (uint64_t ms = 0; ms < 1000; ms++) {
        const struct router_record record = plain(ms, ms);
        assert_int_equal(hulse_router_choose(&r, &record, 7), (ms / 10 + 2) % 7);
        assert_int_equal(hulse_router_choose(&r, &record, 5), (ms / 10 + 2) % 5);
    }
}

static void test_without_a_window_with_each_record(void **state)
{
    struct router r = {.start = 4};
    const struct router_record record = plain(0, 0);

    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(hulse_router_choose(&r, &record, 5), (i + 4) % 5);
    }
    r.turn = UINT32_MAX;
    assert_true(hulse_router_choose(&r, &record, 5) < 5);
    assert_true(hulse_router_choose(&r, &record, 5) < 5);
}

static void test_the_single_one_stays_when_there_are_more(void **state)
{
    struct router r = {.mode = BROKER_ROUTING_SINGLE, .start = 2};

    (void)state;
    for (uint32_t count = 3; count < 100; count++) {
        const struct router_record record = plain(count, count);
        assert_int_equal(hulse_router_choose(&r, &record, count), 2);
    }
}

static void test_an_own_producers_follow_from_their_number(void **state)
{
    struct router r = {.stride = 100, .window_ms = 10, .start = 3};

    (void)state;
    for (uint64_t seq = 0; seq < 3000; seq += 7) {
        const struct router_record record = plain(seq, seq * 31);
        assert_int_equal(hulse_router_choose(&r, &record, 4), seq / 100 % 4);
    }
    const struct router_record last = plain(UINT64_MAX, 0);
    assert_int_equal(hulse_router_choose(&r, &last, 4), UINT64_MAX / 100 % 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_named_one_comes_before_all),
        cmocka_unit_test(test_a_key_comes_before_the_mode),
        cmocka_unit_test(test_round_robin_changes_with_its_window),
        cmocka_unit_test(test_without_a_window_with_each_record),
        cmocka_unit_test(test_the_single_one_stays_when_there_are_more),
        cmocka_unit_test(test_an_own_producers_follow_from_their_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
