/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the sum of all purposes never exceeds the cap, refusals count and change nothing.
 * Method: exact sizes around the cap; then threads that take and give at once.
 */
#include "daemon/core/mem.h"
#include "tests/unit/daemon/core/check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static void check_empty(void)
{
    for (unsigned p = 0; p < HULSE_MEM_PURPOSES; p++) {
        assert_int_equal(hulse_mem_used((enum mem_purpose)p), 0);
    }
    assert_int_equal(hulse_mem_total(), 0);
}

static void test_takes_up_to_the_cap_and_not_a_byte_more(void **state)
{
    (void)state;
    hulse_mem_init(100);
    assert_int_equal(hulse_mem_cap(), 100);
    assert_true(hulse_mem_take(HULSE_MEM_SESSION, 60));
    assert_true(hulse_mem_take(HULSE_MEM_TOPIC, 40));
    assert_int_equal(hulse_mem_total(), 100);
    assert_false(hulse_mem_take(HULSE_MEM_LOG, 1));
    assert_true(hulse_mem_take(HULSE_MEM_LOG, 0));
    assert_int_equal(hulse_mem_refused(), 1);
    assert_int_equal(hulse_mem_total(), 100);
    assert_int_equal(hulse_mem_used(HULSE_MEM_SESSION), 60);
    assert_int_equal(hulse_mem_used(HULSE_MEM_TOPIC), 40);
    assert_int_equal(hulse_mem_used(HULSE_MEM_LOG), 0);
    hulse_mem_give(HULSE_MEM_SESSION, 60);
    assert_true(hulse_mem_take(HULSE_MEM_LOG, 60));
    hulse_mem_give(HULSE_MEM_LOG, 60);
    hulse_mem_give(HULSE_MEM_TOPIC, 40);
    check_empty();
}

static void test_sizes_near_the_end_of_numbers_are_refused(void **state)
{
    (void)state;
    hulse_mem_init(100);
    assert_true(hulse_mem_take(HULSE_MEM_SESSION, 50));
    assert_false(hulse_mem_take(HULSE_MEM_SESSION, SIZE_MAX));
    assert_false(hulse_mem_take(HULSE_MEM_SESSION, SIZE_MAX - 49));
    hulse_mem_give(HULSE_MEM_SESSION, 50);
    check_empty();
}

static void test_a_cap_below_what_is_used_refuses_everything(void **state)
{
    (void)state;
    hulse_mem_init(100);
    assert_true(hulse_mem_take(HULSE_MEM_SESSION, 80));
    hulse_mem_init(50);
    assert_false(hulse_mem_take(HULSE_MEM_SESSION, 1));
    hulse_mem_give(HULSE_MEM_SESSION, 80);
    assert_true(hulse_mem_take(HULSE_MEM_SESSION, 50));
    hulse_mem_give(HULSE_MEM_SESSION, 50);
    check_empty();
}

static void test_allocations_count_and_are_given_back(void **state)
{
    (void)state;
    hulse_mem_init(1 << 20);
    unsigned char *zeroed = hulse_mem_zalloc(HULSE_MEM_CHANNEL, 4096);
    void *plain = hulse_mem_alloc(HULSE_MEM_CHANNEL, 100);
    void *empty = hulse_mem_alloc(HULSE_MEM_CHANNEL, 0);
    assert_non_null(zeroed);
    assert_non_null(plain);
    assert_non_null(empty);
    for (size_t i = 0; i < 4096; i++) {
        assert_int_equal(zeroed[i], 0);
    }
    assert_int_equal(hulse_mem_used(HULSE_MEM_CHANNEL), 4196);
    assert_null(hulse_mem_alloc(HULSE_MEM_CHANNEL, 1 << 20));
    assert_null(hulse_mem_zalloc(HULSE_MEM_CHANNEL, 1 << 20));
    assert_int_equal(hulse_mem_refused(), 2);
    assert_int_equal(hulse_mem_used(HULSE_MEM_CHANNEL), 4196);
    hulse_mem_free(HULSE_MEM_CHANNEL, zeroed, 4096);
    hulse_mem_free(HULSE_MEM_CHANNEL, plain, 100);
    hulse_mem_free(HULSE_MEM_CHANNEL, empty, 0);
    hulse_mem_free(HULSE_MEM_CHANNEL, NULL, 77);
    check_empty();
}

/* The last 16th is left to those who cannot wait. */
static void test_what_can_wait_leaves_something(void **state)
{
    (void)state;
    hulse_mem_init(1600);
    assert_null(hulse_mem_alloc_sparing(HULSE_MEM_BROKER, 1501));
    assert_false(hulse_mem_has_sparing(1501));
    assert_true(hulse_mem_has_sparing(1500));
    void *most = hulse_mem_alloc_sparing(HULSE_MEM_BROKER, 1500);
    assert_non_null(most);
    assert_null(hulse_mem_alloc_sparing(HULSE_MEM_BROKER, 1));
    assert_int_equal(hulse_mem_refused(), 2);
    void *rest = hulse_mem_alloc(HULSE_MEM_BROKER, 100);
    assert_non_null(rest);
    hulse_mem_free(HULSE_MEM_BROKER, most, 1500);
    hulse_mem_free(HULSE_MEM_BROKER, rest, 100);
    check_empty();
}

static void test_purposes_have_different_names(void **state)
{
    (void)state;
    for (unsigned a = 0; a < HULSE_MEM_PURPOSES; a++) {
        assert_non_null(hulse_mem_name((enum mem_purpose)a));
        for (unsigned b = 0; b < a; b++) {
            assert_string_not_equal(hulse_mem_name((enum mem_purpose)a),
                                    hulse_mem_name((enum mem_purpose)b));
        }
    }
}

enum { THREADS = 4, ROUNDS = 20000, CAP = 1000 };

struct taker {
    pthread_t thread;
    enum mem_purpose purpose;
    uint64_t random;
    uint64_t refused;
    bool exceeded;
};

static void *take_and_give(void *argument)
{
    struct taker *t = argument;

    for (unsigned i = 0; i < ROUNDS; i++) {
        const size_t bytes = test_below(&t->random, CAP / 2);
        if (hulse_mem_take(t->purpose, bytes)) {
            t->exceeded |= hulse_mem_total() > CAP;
            hulse_mem_give(t->purpose, bytes);
        } else {
            t->refused++;
        }
    }
    return NULL;
}

static void test_threads_that_take_at_once_stay_below_the_cap(void **state)
{
    struct taker takers[THREADS];
    const uint64_t seed = test_seed();
    uint64_t refused = 0;

    (void)state;
    hulse_mem_init(CAP);
    for (unsigned i = 0; i < THREADS; i++) {
        takers[i] = (struct taker){.purpose = (enum mem_purpose)(i % 3), .random = seed + 2ULL * i};
        struct taker *t = &takers[i];
        assert_int_equal(pthread_create(&t->thread, NULL, take_and_give, t), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(takers[i].thread, NULL), 0);
        assert_false(takers[i].exceeded);
        refused += takers[i].refused;
    }
    assert_int_equal(hulse_mem_refused(), refused);
    check_empty();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_up_to_the_cap_and_not_a_byte_more),
        cmocka_unit_test(test_sizes_near_the_end_of_numbers_are_refused),
        cmocka_unit_test(test_a_cap_below_what_is_used_refuses_everything),
        cmocka_unit_test(test_allocations_count_and_are_given_back),
        cmocka_unit_test(test_what_can_wait_leaves_something),
        cmocka_unit_test(test_purposes_have_different_names),
        cmocka_unit_test(test_threads_that_take_at_once_stay_below_the_cap),
    };

    return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
