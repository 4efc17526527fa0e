/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a topic knows which records of which handles it has taken and which are stored.
 * Method: sequences with copies; many handles come and go against an array.
 */
#include "daemon/broker/local/dedup.h"
#include "daemon/core/mem.h"
#include "tests/unit/daemon/core/check.h"

#include <string.h>

enum { HANDLES = 500 };

static void make_id(uint8_t id[BROKER_HANDLE_ID_BYTES], uint64_t number)
{
    memset(id, 0, BROKER_HANDLE_ID_BYTES);
    memcpy(id + 8, &number, sizeof(number));
}

static void test_copies(void **state)
{
    (void)state;
    struct handle h = {0};
    assert_false(hulse_handle_has_stored(&h, 0));
    assert_true(hulse_handle_take(&h, 0));
    assert_false(hulse_handle_take(&h, 0));
    assert_false(hulse_handle_has_stored(&h, 0));
    assert_true(hulse_handle_take(&h, 5));
    assert_false(hulse_handle_take(&h, 3));
    hulse_handle_stored(&h, 0);
    assert_true(hulse_handle_has_stored(&h, 0));
    assert_false(hulse_handle_has_stored(&h, 5));
    hulse_handle_stored(&h, 5);
    hulse_handle_stored(&h, 6);
    assert_true(hulse_handle_has_stored(&h, 5));
    assert_true(hulse_handle_has_stored(&h, 6));
    assert_false(hulse_handle_has_stored(&h, 7));
    /* 3 was refused, and 0 is behind it. */
    assert_false(hulse_handle_has_stored(&h, 3));
    assert_false(hulse_handle_has_stored(&h, 0));
    hulse_handle_restore(&h, 8, 9);
    assert_false(hulse_handle_take(&h, 9));
    assert_false(hulse_handle_has_stored(&h, 7));
    assert_true(hulse_handle_has_stored(&h, 8));
    assert_false(hulse_handle_has_stored(&h, 10));
    assert_false(hulse_handle_take(&h, UINT64_MAX));
}

static void test_handles_come_and_go(void **state)
{
    (void)state;
    struct dedup d = {0};
    struct handle *there[HANDLES] = {NULL};
    uint64_t seed = test_seed();
    uint32_t count = 0;
    uint8_t id[BROKER_HANDLE_ID_BYTES];
    hulse_mem_init(SIZE_MAX);
    for (unsigned step = 0; step < 50000; step++) {
        const uint32_t i = (uint32_t)test_below(&seed, HANDLES);
        make_id(id, i + 1);
        assert_ptr_equal(hulse_dedup_find(&d, id), there[i]);
        if (there[i] == NULL) {
            there[i] = hulse_dedup_get(&d, id);
            assert_non_null(there[i]);
            count += 1;
        } else if (test_below(&seed, 3) == 0) {
            hulse_dedup_remove(&d, there[i]);
            there[i] = NULL;
            count -= 1;
        } else {
            assert_ptr_equal(hulse_dedup_get(&d, id), there[i]);
        }
        assert_int_equal(d.count, count);
    }
    hulse_dedup_clear(&d);
    assert_int_equal(hulse_mem_used(HULSE_MEM_TOPIC), 0);
}

/* Those in use stay, and those seen lately. */
static void test_unseen_ones_go(void **state)
{
    (void)state;
    struct dedup d = {0};
    uint8_t id[BROKER_HANDLE_ID_BYTES];
    for (uint64_t i = 0; i < 100; i++) {
        make_id(id, i + 1);
        struct handle *h = hulse_dedup_get(&d, id);
        h->ends_ms = i;
        h->users = i % 2 == 0;
    }
    assert_int_equal(hulse_dedup_expire(&d, 49), 25);
    assert_int_equal(hulse_dedup_expire(&d, 49), 0);
    for (uint64_t i = 0; i < 100; i++) {
        make_id(id, i + 1);
        struct handle *h = hulse_dedup_find(&d, id);
        assert_int_equal(h != NULL, i >= 50 || i % 2 == 0);
        if (h != NULL) {
            h->users = 0;
        }
    }
    assert_int_equal(hulse_dedup_expire(&d, 1000), 75);
    assert_int_equal(hulse_mem_used(HULSE_MEM_TOPIC), 0);
}

static void test_none(void **state)
{
    (void)state;
    uint8_t id[BROKER_HANDLE_ID_BYTES] = {0};
    assert_true(hulse_handle_is_none(id));
    id[15] = 1;
    assert_false(hulse_handle_is_none(id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_handles_come_and_go),
        cmocka_unit_test(test_unseen_ones_go),
        cmocka_unit_test(test_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
