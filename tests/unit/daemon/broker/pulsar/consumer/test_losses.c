/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a reader comes past whatever it cannot have, to the end of its topic, and hears of each loss once, however often
 *         its session begins anew.
 * Method: entries as a broker sends them, sessions that end, what consumers send.
 */
#include "tests/unit/daemon/broker/pulsar/consumer/chunk_front.h"

static const struct front_where reader = {.type = BROKER_READER,
                                          .start = {.kind = BROKER_EARLIEST},
                                          .chunking = {.pending_max = 5, .expire_ms = 1000}};

/* ---- the end of the topic ---- */

static void ends_with(const struct stage_entry *e, uint64_t lost)
{
    hulse_front_open(&reader, e->entry + 1);
    hulse_front_permit(10);
    assert_int_equal(front.caught_up, 0);
    hulse_stage_message(e);
    assert_int_equal(front.lost, lost);
    assert_int_equal(front.caught_up, 1);
}

static void has_caught_up_with_what_is_damaged(void **state)
{
    (void)state;
    ends_with(&(struct stage_entry){.ledger = 1, .entry = 2, .compression = 1, .claimed = 99}, 1);
}

static void has_caught_up_with_a_wrong_checksum(void **state)
{
    (void)state;
    ends_with(&(struct stage_entry){.ledger = 1, .entry = 2, .bad_checksum = true}, 1);
}

static void has_caught_up_with_what_is_encrypted(void **state)
{
    (void)state;
    ends_with(&(struct stage_entry){.ledger = 1, .entry = 2, .encrypted = true}, 0);
}

static void has_caught_up_with_what_is_too_large(void **state)
{
    (void)state;
    ends_with(&(struct stage_entry){.ledger = 1,
                                    .entry = 2,
                                    .chunks = 2,
                                    .chunk = 1,
                                    .chunked_bytes = STAGE_CHUNKED_BYTES_MAX + 1},
              0);
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, hulse_front_set_up, hulse_front_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(has_caught_up_with_what_is_damaged),
                                       TEST(has_caught_up_with_a_wrong_checksum),
                                       TEST(has_caught_up_with_what_is_encrypted),
                                       TEST(has_caught_up_with_what_is_too_large)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
