/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a pool gives up to its bound distinct, aligned objects, takes them back and keeps to the
 *         memory cap.
 * Method: take all, write all, give all, in random order; caps that allow one slab and not two.
 */
#include "daemon/core/pool.h"
#include "tests/unit/daemon/core/check.h"

#include <string.h>

enum { OBJECTS = 100, SLAB = 16, BYTES = 40 };

static void test_the_bound_is_exact(void **state)
{
    struct pool p;
    void *objects[OBJECTS];

    (void)state;
    hulse_mem_init(SIZE_MAX);
    hulse_pool_init(&p, HULSE_MEM_SESSION, BYTES, SLAB, OBJECTS);
    assert_int_equal(hulse_mem_used(HULSE_MEM_SESSION), 0);
    for (unsigned i = 0; i < OBJECTS; i++) {
        objects[i] = hulse_pool_take(&p);
        assert_non_null(objects[i]);
        assert_int_equal((uintptr_t)objects[i] % 16, 0);
        memset(objects[i], (int)i, BYTES);
    }
    assert_null(hulse_pool_take(&p));
    assert_int_equal(p.in_use, OBJECTS);
    assert_int_equal(p.count, OBJECTS);
    for (unsigned i = 0; i < OBJECTS; i++) {
        const unsigned char *bytes = objects[i];
        for (unsigned k = 0; k < BYTES; k++) {
            assert_int_equal(bytes[k], i);
        }
        hulse_pool_give(&p, objects[i]);
    }
    assert_int_equal(p.in_use, 0);
    hulse_pool_fini(&p);
    assert_int_equal(hulse_mem_used(HULSE_MEM_SESSION), 0);
}

static void test_what_was_given_is_taken_again_before_it_grows(void **state)
{
    uint64_t random = test_seed();
    struct pool p;
    void *held[OBJECTS];
    size_t count = 0;
    size_t most = 0;

    (void)state;
    hulse_pool_init(&p, HULSE_MEM_TOPIC, BYTES, SLAB, OBJECTS);
    for (unsigned step = 0; step < 20000; step++) {
        if (test_below(&random, 2) == 0 && count > 0) {
            const size_t i = test_below(&random, count);
            hulse_pool_give(&p, held[i]);
            held[i] = held[--count];
        } else {
            void *object = hulse_pool_take(&p);
            assert_int_equal(object == NULL, count == OBJECTS);
            if (object != NULL) {
                memset(object, (int)step, BYTES);
                held[count++] = object;
            }
        }
        most = count > most ? count : most;
        assert_int_equal(p.in_use, count);
        /* No slab more than the most that was ever held needs. */
        assert_true(p.count < most + SLAB);
    }
    while (count > 0) {
        hulse_pool_give(&p, held[--count]);
    }
    hulse_pool_fini(&p);
    assert_int_equal(hulse_mem_used(HULSE_MEM_TOPIC), 0);
}

static void test_the_memory_cap_is_a_refusal_that_passes(void **state)
{
    struct pool p;
    void *objects[2 * SLAB];

    (void)state;
    /* One slab of 16 objects of 48 bytes fits, two do not. */
    hulse_mem_init((size_t)SLAB * 48 * 2 - 1);
    hulse_pool_init(&p, HULSE_MEM_CHANNEL, BYTES, SLAB, OBJECTS);
    for (unsigned i = 0; i < SLAB; i++) {
        objects[i] = hulse_pool_take(&p);
        assert_non_null(objects[i]);
    }
    assert_null(hulse_pool_take(&p));
    assert_int_equal(p.in_use, SLAB);
    hulse_mem_init(SIZE_MAX);
    for (unsigned i = SLAB; i < 2 * SLAB; i++) {
        objects[i] = hulse_pool_take(&p);
        assert_non_null(objects[i]);
    }
    for (unsigned i = 0; i < 2 * SLAB; i++) {
        hulse_pool_give(&p, objects[i]);
    }
    hulse_pool_fini(&p);
    assert_int_equal(hulse_mem_used(HULSE_MEM_CHANNEL), 0);
}

static void test_a_pool_of_none_gives_none(void **state)
{
    struct pool p;

    (void)state;
    hulse_pool_init(&p, HULSE_MEM_CHANNEL, 1, 1, 0);
    assert_null(hulse_pool_take(&p));
    hulse_pool_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_bound_is_exact),
        cmocka_unit_test(test_what_was_given_is_taken_again_before_it_grows),
        cmocka_unit_test(test_the_memory_cap_is_a_refusal_that_passes),
        cmocka_unit_test(test_a_pool_of_none_gives_none),
    };

    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
