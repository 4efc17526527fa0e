/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the table of redelivery counts says what was put in, whatever was taken out meanwhile.
 * Method: against an array, at random, with positions that lie close and far apart.
 */
#include "daemon/broker/local/counts.h"
#include "daemon/core/mem.h"
#include "tests/unit/daemon/core/check.h"

#include <string.h>

enum { POSITIONS = 700 };

/* Neighbours, and some far away. */
static uint64_t position_of(uint32_t i)
{
    return i % 3 == 0 ? (uint64_t)i << 40U : i;
}

static void compare(const struct counts *c, const uint32_t *model)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < POSITIONS; i++) {
        assert_int_equal(hulse_counts_get(c, position_of(i)), model[i]);
        used += model[i] != 0;
    }
    assert_int_equal(c->used, used);
}

static void model_remove_range(uint32_t *model, uint64_t first, uint64_t end)
{
    for (uint32_t k = 0; k < POSITIONS; k++) {
        if (position_of(k) >= first && position_of(k) < end) {
            model[k] = 0;
        }
    }
}

static void test_against_an_array(void **state)
{
    (void)state;
    struct counts c = {0};
    uint32_t model[POSITIONS] = {0};
    uint64_t seed = test_seed();
    hulse_mem_init(SIZE_MAX);
    for (unsigned step = 0; step < 60000; step++) {
        const uint32_t i = (uint32_t)test_below(&seed, POSITIONS);
        const uint64_t what = test_below(&seed, 100);
        /* Fills and empties in waves. */
        if (what < (step / 5000 % 2 == 0 ? 80U : 30U)) {
            model[i] = 1 + (uint32_t)test_below(&seed, 9);
            assert_true(hulse_counts_set(&c, position_of(i), model[i]));
        } else if (what < 99) {
            model[i] = 0;
            hulse_counts_remove(&c, position_of(i));
        } else {
            const uint64_t first = position_of(i);
            const uint64_t end = first + test_below(&seed, 3000);
            hulse_counts_remove_range(&c, first, end);
            model_remove_range(model, first, end);
        }
        if (step % 100 == 0) {
            compare(&c, model);
        }
    }
    compare(&c, model);
    hulse_counts_remove_range(&c, 0, UINT64_MAX);
    assert_int_equal(c.used, 0);
    assert_int_equal(hulse_mem_used(HULSE_MEM_TOPIC), 0);
}

static void test_without_memory_nothing_changes(void **state)
{
    (void)state;
    struct counts c = {0};
    hulse_mem_init(1000);
    uint64_t position = 0;
    while (hulse_counts_set(&c, position, 3)) {
        position += 1;
    }
    assert_int_equal(c.used, position);
    for (uint64_t i = 0; i < position; i++) {
        assert_int_equal(hulse_counts_get(&c, i), 3);
    }
    assert_true(hulse_counts_set(&c, 0, 4));
    hulse_counts_clear(&c);
    assert_int_equal(hulse_mem_used(HULSE_MEM_TOPIC), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_an_array),
        cmocka_unit_test(test_without_memory_nothing_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
