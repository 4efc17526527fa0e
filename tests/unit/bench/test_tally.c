/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: libs=hulse_bench_judges not=asan not=tsan */
/*
 * Goal:   the benchmark's judges see every loss, doubling, reordering and damaged payload.
 * Method: feed sequences with one fault each; flip every byte of a payload in turn.
 */
#include "bench/figures.h"
#include "bench/record.h"
#include "bench/tally.h"

/* cmocka.h wants the four before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

static void take(struct tally *t, const uint64_t *sequences, size_t count)
{
    *t = (struct tally){0};
    for (size_t i = 0; i < count; i++) {
        hulse_bench_tally_alone(t, sequences[i]);
    }
}

static void test_in_order_is_fine(void **state)
{
    struct tally t = {0};

    (void)state;
    for (uint64_t s = 0; s < 100000; s++) {
        hulse_bench_tally_alone(&t, s);
    }
    assert_int_equal(t.received, 100000);
    assert_int_equal(t.missing + t.duplicates + t.out_of_order, 0);
}

static void test_gap_is_a_loss(void **state)
{
    static const uint64_t sequences[] = {0, 1, 5, 6};
    struct tally t;

    (void)state;
    take(&t, sequences, 4);
    assert_int_equal(t.missing, 3);
    assert_int_equal(t.duplicates, 0);
    assert_int_equal(t.out_of_order, 0);
}

static void test_late_one_is_out_of_order(void **state)
{
    static const uint64_t sequences[] = {0, 2, 3, 1, 4};
    struct tally t;

    (void)state;
    take(&t, sequences, 5);
    assert_int_equal(t.missing, 0);
    assert_int_equal(t.out_of_order, 1);
    assert_int_equal(t.duplicates, 0);
}

static void test_second_one_is_a_duplicate(void **state)
{
    static const uint64_t sequences[] = {0, 1, 1, 2, 0};
    static const uint64_t late_twice[] = {0, 2, 1, 1};
    struct tally t;

    (void)state;
    take(&t, sequences, 5);
    assert_int_equal(t.duplicates, 2);
    assert_int_equal(t.missing, 0);
    take(&t, late_twice, 4);
    assert_int_equal(t.duplicates, 1);
    assert_int_equal(t.out_of_order, 1);
}

static void test_loss_is_remembered_behind_the_window(void **state)
{
    struct tally t = {0};

    (void)state;
    hulse_bench_tally_alone(&t, 0);
    for (uint64_t s = 2; s < 3 * (uint64_t)BENCH_TALLY_WINDOW; s++) {
        hulse_bench_tally_alone(&t, s);
    }
    assert_int_equal(t.missing, 1);
    /* A received one that shares the missing one's bit is a duplicate, not the missing one. */
    hulse_bench_tally_alone(&t, 1 + (2 * (uint64_t)BENCH_TALLY_WINDOW));
    assert_int_equal(t.duplicates, 1);
    assert_int_equal(t.missing, 1);
}

static void test_hash_sum_sees_an_exchange(void **state)
{
    struct tally a = {0};
    struct tally b = {0};

    (void)state;
    for (uint64_t s = 0; s < 1000; s++) {
        hulse_bench_tally_shared(s % 3 == 0 ? &a : &b, s);
    }
    assert_true(a.sum + b.sum == hulse_bench_tally_expected(1000));
    assert_int_equal(a.out_of_order + b.out_of_order, 0);
    /* As many as expected, but one twice and one never. */
    a.sum += hulse_bench_tally_hash(7) - hulse_bench_tally_hash(8);
    assert_true(a.sum + b.sum != hulse_bench_tally_expected(1000));
}

static void test_every_damaged_byte_is_seen(void **state)
{
    uint8_t payload[100] = {0};
    struct record_pattern p;
    struct record_head head = {0};

    (void)state;
    assert_true(hulse_bench_record_pattern_init(&p, sizeof payload));
    hulse_bench_record_write(&p, payload, 3, 12345, 678);
    assert_true(hulse_bench_record_verify(&p, payload, sizeof payload, &head));
    assert_int_equal(head.publisher, 3);
    assert_int_equal(head.sequence, 12345);
    assert_int_equal(head.sent_ns, 678);
    for (size_t i = 0; i < sizeof payload; i++) {
        payload[i] ^= 0x10;
        assert_false(hulse_bench_record_verify(&p, payload, sizeof payload, &head));
        payload[i] ^= 0x10;
    }
    assert_false(hulse_bench_record_verify(&p, payload, sizeof payload - 1, &head));
    hulse_bench_record_pattern_fini(&p);
}

static void test_verdict_on_a_run(void **state)
{
    static struct crew crew;
    const struct bench_options o = {.mode = BENCH_LOCAL,
                                    .publishers = 1,
                                    .consumers = 1,
                                    .topics = 1,
                                    .wait = BENCH_WAIT_ACCEPTED};
    struct figures f;

    (void)state;
    crew.count = 2;
    crew.members[0].role = CREW_CONSUMER;
    crew.members[1].role = CREW_PUBLISHER;
    crew.members[1].sent = 10;
    crew.members[0].received = 10;
    hulse_bench_figures_clear(&f);
    hulse_bench_figures_count(&f, &crew, &o);
    assert_true(hulse_bench_figures_sound(&f));
    crew.members[0].received = 9;
    hulse_bench_figures_count(&f, &crew, &o);
    assert_int_equal((int)f.lost, 1);
    assert_false(hulse_bench_figures_sound(&f));
    /* One doubled hides one lost in the count, not in the verdict. */
    crew.members[0].received = 10;
    crew.members[0].duplicates = 1;
    hulse_bench_figures_count(&f, &crew, &o);
    assert_int_equal((int)f.lost, 1);
    assert_int_equal((int)f.duplicates, 1);
    assert_false(hulse_bench_figures_sound(&f));
    crew.members[0].duplicates = 0;
    crew.members[0].out_of_order = 1;
    hulse_bench_figures_count(&f, &crew, &o);
    assert_false(hulse_bench_figures_sound(&f));
}

static void test_medians(void **state)
{
    struct figures runs[3];
    struct figures median;
    struct figures low;
    struct figures high;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        hulse_bench_figures_clear(&runs[i]);
    }
    runs[0].rate = 30;
    runs[1].rate = 10;
    runs[2].rate = 20;
    runs[1].ready_ms = 5;
    hulse_bench_figures_median(&median, &low, &high, runs, 3);
    assert_true(median.rate == 20 && low.rate == 10 && high.rate == 30);
    assert_true(median.ready_ms == 5);
    assert_true(median.idle_rss_mb < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order_is_fine),
        cmocka_unit_test(test_gap_is_a_loss),
        cmocka_unit_test(test_late_one_is_out_of_order),
        cmocka_unit_test(test_second_one_is_a_duplicate),
        cmocka_unit_test(test_loss_is_remembered_behind_the_window),
        cmocka_unit_test(test_hash_sum_sees_an_exchange),
        cmocka_unit_test(test_every_damaged_byte_is_seen),
        cmocka_unit_test(test_verdict_on_a_run),
        cmocka_unit_test(test_medians),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
