/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   messages in chunks are bounded by their bytes and by what is remembered of each chunk, over all consumers.
 * Method: entries as a broker sends them, against a small bound.
 */
#include "tests/unit/daemon/broker/pulsar/consumer/chunk_front.h"

static int set_up(void **state)
{
    const struct front_where shared = {.type = BROKER_SHARED};
    (void)state;
    hulse_stage_start();
    hulse_chunks_open(&shared, 100);
    return 0;
}

/* Those of all consumers together have a bound, whatever they say to become. */
static void bytes_are_bounded(void **state)
{
    struct pulsar_consumers *set = stage.worker.consumers;
    (void)state;
    set->chunk_bytes_max = 600000 + 20 * sizeof(struct entry);
    for (uint64_t i = 0; i < 8; i++) {
        hulse_stage_message(&(struct stage_entry){
            .ledger = 1, .entry = i, .chunks = 2, .message = (uint8_t)i, .chunked_bytes = 200000});
        assert_true(set->chunk_bytes + set->chunk_entry_bytes <= set->chunk_bytes_max);
    }
    assert_int_equal(set->figures.chunks_given_up, 5);
    assert_int_equal(set->chunk_bytes, 600000);
    /* Three with both of theirs, five with what has come. */
    assert_int_equal(set->chunk_entry_bytes, (3 * 2 + 5) * sizeof(struct entry));
}

/* A message of few bytes in many chunks costs their entries, from its first one until its verdict. */
static void entries_are_bounded_with_the_bytes(void **state)
{
    struct pulsar_consumers *set = stage.worker.consumers;
    (void)state;
    set->chunk_bytes_max = 1000 * sizeof(struct entry);
    for (uint8_t i = 0; i < 3; i++) {
        hulse_stage_message(&(struct stage_entry){
            .ledger = 1, .entry = i, .chunks = 450, .message = i, .chunked_bytes = 4500});
        assert_true(set->chunk_bytes + set->chunk_entry_bytes <= set->chunk_bytes_max);
    }
    assert_int_equal(set->figures.chunks_given_up, 1);
    assert_int_equal(set->chunk_entry_bytes, (2 * 450 + 1) * sizeof(struct entry));
    hulse_chunk_comes(9, 0, 2, 10);
    hulse_chunk_comes(9, 1, 2, 11);
    hulse_front_has(0, 900);
    assert_int_equal(set->chunk_entry_bytes, (2 * 450 + 1 + 2) * sizeof(struct entry));
    hulse_front_ack(0);
    assert_int_equal(set->chunk_entry_bytes, (2 * 450 + 1) * sizeof(struct entry));
    hulse_stage_lose();
    assert_int_equal(set->chunk_entry_bytes, 0);
}

/* One larger than the bound comes alone, as long as what is held of others is within it. */
static void one_too_large_for_the_bound_comes_alone(void **state)
{
    struct pulsar_consumers *set = stage.worker.consumers;
    (void)state;
    set->chunk_bytes_max = 2 * sizeof(struct entry);
    hulse_chunk_comes(0, 0, 2, 1);
    hulse_chunk_comes(0, 1, 2, 2);
    hulse_chunk_comes(1, 0, 3, 3);
    hulse_chunk_comes(1, 1, 3, 4);
    hulse_chunk_comes(1, 2, 3, 5);
    assert_int_equal(front.count, 2);
    hulse_chunk_comes(2, 0, 2, 6); /* five entries are in the front end's hands */
    hulse_chunk_comes(2, 1, 2, 7);
    assert_int_equal(front.count, 2);
    assert_int_equal(set->figures.chunks_given_up, 1);
    hulse_front_ack(0);
    hulse_front_ack(1); /* two are left, of what was given up */
    hulse_chunk_comes(3, 0, 2, 8);
    hulse_chunk_comes(3, 1, 2, 9);
    hulse_front_has(2, 300);
}

/* Many that were given up, too: of them the last is remembered at least. */
static void entries_of_what_was_given_up_are_bounded(void **state)
{
    struct pulsar_consumers *set = stage.worker.consumers;
    (void)state;
    set->chunk_bytes_max = 10 * sizeof(struct entry);
    set->chunk_bytes = set->chunk_bytes_max; /* another consumer's */
    for (uint8_t i = 0; i < 40; i++) {
        hulse_chunk_comes(i, 0, 9, UINT64_C(10) * i);
        hulse_chunk_comes(i, 1, 9, UINT64_C(10) * i + 1);
        hulse_chunk_comes(i, 2, 9, UINT64_C(10) * i + 2);
        assert_true(set->chunk_entry_bytes <= set->chunk_bytes_max);
    }
    assert_true(set->chunk_entry_bytes > 0);
    set->chunk_bytes = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bytes_are_bounded, set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            entries_are_bounded_with_the_bytes, set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            one_too_large_for_the_bound_comes_alone, set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            entries_of_what_was_given_up_are_bounded, set_up, hulse_front_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
