/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a set of ranges is the set of numbers that a bitmap is, and its form is the only one it can have.
 * Method: every range added to every set of ten numbers, also at the end of the numbers, and long random
 *         walks over 200 numbers; after each step every question is asked of both.
 */
#include "daemon/core/ranges.h"
#include "tests/unit/daemon/core/check.h"

#include <string.h>

enum { SMALL = 10, WIDE = 200, STEPS = 40000 };

static void check_form(const struct ranges *r)
{
    assert_true(r->count <= r->room);
    for (uint32_t i = 0; i < r->count; i++) {
        assert_true(r->list[i].first < r->list[i].end);
        assert_true(i == 0 || r->list[i - 1].end < r->list[i].first);
    }
}

/* `offset` moves the numbers, to the end of what 64 bits hold as well. */
static void check_same(const struct ranges *r, const bool *map, unsigned size, uint64_t offset)
{
    check_form(r);
    for (unsigned n = 0; n < size; n++) {
        unsigned gap = n;
        while (gap < size && map[gap]) {
            gap++;
        }
        assert_int_equal(hulse_ranges_has(r, offset + n), map[n]);
        assert_true(hulse_ranges_next_gap(r, offset + n) == offset + gap);
    }
}

static void check_counts(const struct ranges *r, const bool *map, unsigned size, uint64_t offset)
{
    for (unsigned first = 0; first <= size; first++) {
        unsigned count = 0;
        for (unsigned end = first; end <= size; end++) {
            assert_int_equal(hulse_ranges_count(r, offset + first, offset + end), count);
            count += end < size && map[end] ? 1 : 0;
        }
    }
}

static void from_bits(struct ranges *r, bool *map, unsigned bits, uint64_t offset)
{
    for (unsigned n = 0; n < SMALL; n++) {
        map[n] = (bits >> n & 1U) != 0;
        if (map[n]) {
            assert_true(hulse_ranges_add(r, offset + n, offset + n + 1));
        }
    }
}

static void one_add(unsigned bits, unsigned first, unsigned end, uint64_t offset)
{
    struct ranges r = {0};
    bool map[SMALL];

    from_bits(&r, map, bits, offset);
    assert_true(hulse_ranges_add(&r, offset + first, offset + end));
    for (unsigned n = first; n < end; n++) {
        map[n] = true;
    }
    check_same(&r, map, SMALL, offset);
    if (first == 0) {
        check_counts(&r, map, SMALL, offset);
    }
    hulse_ranges_clear(&r);
}

/* Every set of ten numbers, and every range added to it. */
static void every_add(uint64_t offset)
{
    for (unsigned bits = 0; bits < 1U << SMALL; bits++) {
        for (unsigned first = 0; first <= SMALL; first++) {
            for (unsigned end = 0; end <= SMALL; end++) {
                one_add(bits, first, end, offset);
            }
        }
    }
}

static void test_every_range_added_to_every_small_set(void **state)
{
    (void)state;
    every_add(0);
    every_add(1000);
}

static void test_the_same_at_the_end_of_the_numbers(void **state)
{
    (void)state;
    every_add(UINT64_MAX - SMALL);
}

static void test_random_walks_over_many_ranges(void **state)
{
    uint64_t random = test_seed();
    struct ranges r = {0};
    bool map[WIDE] = {false};

    (void)state;
    for (unsigned step = 0; step < STEPS; step++) {
        const unsigned first = (unsigned)test_below(&random, WIDE);
        const unsigned most = test_below(&random, 20) == 0 ? WIDE : 3;
        const unsigned end = first + (unsigned)test_below(&random, most);
        const unsigned stop = end < WIDE ? end : WIDE;

        assert_true(hulse_ranges_add(&r, first, stop));
        for (unsigned n = first; n < stop; n++) {
            map[n] = true;
        }
        check_same(&r, map, WIDE, 0);
        if (hulse_ranges_count(&r, 0, WIDE) > WIDE * 3 / 4) {
            hulse_ranges_clear(&r);
            memset(map, 0, sizeof(map));
        }
    }
    hulse_ranges_clear(&r);
}

static void test_sets_are_united_and_copied(void **state)
{
    (void)state;
    for (unsigned a = 0; a < 1U << SMALL; a += 3) {
        for (unsigned b = 0; b < 1U << SMALL; b += 7) {
            struct ranges one = {0};
            struct ranges other = {0};
            struct ranges copy = {0};
            bool map[SMALL];

            from_bits(&one, map, a, 5);
            from_bits(&other, map, b, 5);
            assert_true(hulse_ranges_copy(&copy, &other));
            check_same(&copy, map, SMALL, 5);
            assert_true(hulse_ranges_add_all(&copy, &one));
            for (unsigned n = 0; n < SMALL; n++) {
                map[n] = map[n] || (a >> n & 1U) != 0;
            }
            check_same(&copy, map, SMALL, 5);
            hulse_ranges_clear(&one);
            hulse_ranges_clear(&other);
            hulse_ranges_clear(&copy);
            assert_null(copy.list);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_range_added_to_every_small_set),
        cmocka_unit_test(test_the_same_at_the_end_of_the_numbers),
        cmocka_unit_test(test_random_walks_over_many_ranges),
        cmocka_unit_test(test_sets_are_united_and_copied),
    };

    return cmocka_run_group_tests_name("ranges", tests, NULL, NULL);
}
