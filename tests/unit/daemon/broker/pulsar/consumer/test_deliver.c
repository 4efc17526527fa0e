/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   messages are handed out in order, never above the permits, whatever the size of batches; the broker is asked
 *         for what is wanted and no more; what is damaged or cannot be read stops nothing.
 * Method: the connection is played by the test (stage.h).
 */
#include "tests/support/runtime.h"
#include "tests/unit/daemon/broker/pulsar/consumer/front.h"
#include "tests/unit/daemon/core/check.h"

#include <string.h>

static const struct front_where shared = {.type = BROKER_SHARED};
static const struct front_where exclusive = {.type = BROKER_EXCLUSIVE};
static const struct front_where reader = {.type = BROKER_READER,
                                          .start = {.kind = BROKER_EARLIEST}};

static void hands_out_single_messages(void **state)
{
    (void)state;
    hulse_front_open(&shared, 0);
    hulse_stage_nothing();
    hulse_front_permit(3);
    assert_int_equal(hulse_stage_flow(), 3);
    for (uint32_t i = 0; i < 3; i++) {
        hulse_stage_message(
            &(struct stage_entry){.ledger = 1, .entry = i, .number = i, .redelivery = i});
    }
    assert_int_equal(front.count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        const struct broker_delivery *d = front.messages[i].d;
        hulse_front_has(i, i);
        assert_int_equal(d->id.ledger, 1);
        assert_int_equal(d->id.entry, i);
        assert_int_equal(d->id.batch, -1);
        assert_int_equal(d->id.batch_size, 0);
        assert_int_equal(d->redelivery, i);
        assert_int_equal(d->publish_time_ms, 1000 + i);
        assert_int_equal(d->producer.bytes, 1);
    }
    hulse_stage_nothing();
}

static void keeps_what_a_batch_brings_too_much(void **state)
{
    (void)state;
    hulse_front_open(&shared, 0);
    hulse_front_permit(2);
    assert_int_equal(hulse_stage_flow(), 2);
    hulse_stage_message(&(struct stage_entry){.ledger = 1, .batch = 5});
    assert_int_equal(front.count, 2);
    hulse_front_permit(2);
    assert_int_equal(front.count, 4);
    hulse_stage_nothing(); /* the broker is overdrawn, and one waits here */
    hulse_front_permit(3);
    assert_int_equal(front.count, 5);
    /* It stands at -3, and is to have 2. */
    assert_int_equal(hulse_stage_flow(), 5);
    hulse_front_has(4, 4);
    assert_int_equal(front.messages[4].d->id.batch, 4);
    assert_int_equal(front.messages[4].d->id.batch_size, 5);
}

static void asks_for_many_at_once(void **state)
{
    (void)state;
    hulse_front_open(&shared, 0);
    front.ack_at_once = true;
    hulse_front_permit(100);
    assert_int_equal(hulse_stage_flow(), 100);
    for (uint32_t i = 0; i < 49; i++) {
        hulse_stage_message(&(struct stage_entry){.ledger = 1, .entry = i, .number = i});
    }
    (void)hulse_stage_next(TYPE(ACK));
    hulse_stage_nothing();
    hulse_stage_message(&(struct stage_entry){.ledger = 1, .entry = 49, .number = 49});
    (void)hulse_stage_next(TYPE(ACK));
    assert_int_equal(hulse_stage_flow(), 50);
}

/* What a broker does: it sends while it has permits. */
static void never_hands_out_too_much(void **state)
{
    (void)state;
    uint64_t seed = 7;
    int64_t broker = 0;
    uint64_t entry = 0;
    uint32_t number = 0;
    uint32_t handled = 0;
    hulse_front_open(&shared, 0);
    for (uint32_t round = 0; round < 3000; round++) {
        if (test_below(&seed, 2) == 0) {
            hulse_front_permit((uint32_t)test_below(&seed, 30));
        }
        while (handled < front.count && test_below(&seed, 8) != 0) {
            if (test_below(&seed, 10) == 0) {
                hulse_front_give_back(handled++);
            } else {
                hulse_front_ack(handled++);
            }
        }
        hulse_stage_turn();
        while (stage.first < stage.count) {
            const Pulsar__BaseCommand *c = stage.sent[stage.first++];
            if (c->type == TYPE(FLOW)) {
                broker += c->flow->messagepermits;
            } else if (c->type == TYPE(ACK)) {
                hulse_stage_acked(c->ack->request_id);
            }
        }
        const uint32_t batch = (uint32_t)test_below(&seed, 20);
        if (broker > 0) {
            hulse_stage_message(&(struct stage_entry){
                .ledger = 1, .entry = entry++, .batch = batch, .number = number});
            number += batch == 0 ? 1 : batch;
            broker -= batch == 0 ? 1 : batch;
        } else {
            assert_int_equal(front.permits, 0); /* nothing is wanted and not asked for */
        }
    }
    assert_true(number > 1000);
    for (uint32_t i = 0; i < front.count; i++) {
        assert_int_equal(front.messages[i].number, i);
    }
}

static void charges_what_the_broker_charges(void **state)
{
    (void)state;
    static const int64_t set[] = {0x6}; /* of 4 messages the second and the third */
    hulse_front_open(&shared, 0);
    hulse_front_permit(4);
    assert_int_equal(hulse_stage_flow(), 4);
    hulse_stage_message(
        &(struct stage_entry){.ledger = 1, .batch = 4, .ack_set = set, .ack_words = 1});
    assert_int_equal(front.count, 2);
    hulse_front_has(0, 1);
    hulse_front_has(1, 2);
    hulse_stage_nothing(); /* two are still there */
    hulse_front_ack(0);
    hulse_front_ack(1);
    assert_int_equal(hulse_stage_next(TYPE(ACK))->ack->n_message_id, 1);
}

static void says_all_that_a_message_has(void **state)
{
    (void)state;
    static const uint8_t properties[] = {1, 0, 2, 0, 'k', 'v', 'w'};
    const struct broker_meta meta = {.key = {(const uint8_t *)"\xff\0k", 3},
                                     .ordering_key = {(const uint8_t *)"o", 1},
                                     .properties = {properties, sizeof(properties)},
                                     .event_time_ms = 77,
                                     .has_key = true,
                                     .has_ordering_key = true,
                                     .partition = -1};
    hulse_front_open(&shared, 0);
    hulse_front_permit(200);
    hulse_stage_message(&(struct stage_entry){.ledger = 1, .meta = &meta});
    hulse_stage_message(&(struct stage_entry){
        .ledger = 1, .entry = 1, .batch = 99, .number = 1, .meta = &meta, .compression = 1});
    assert_int_equal(front.count, 100);
    for (uint32_t i = 0; i < 100; i++) {
        const struct broker_delivery *d = front.messages[i].d;
        hulse_front_has(i, i);
        assert_int_equal(d->meta.key.bytes, 3);
        assert_memory_equal(d->meta.key.data, "\xff\0k", 3);
        assert_int_equal(d->meta.ordering_key.bytes, 1);
        assert_int_equal(d->meta.properties.bytes, sizeof(properties));
        assert_memory_equal(d->meta.properties.data, properties, sizeof(properties));
        assert_int_equal(d->meta.event_time_ms, 77);
        assert_true(d->meta.has_key && d->meta.has_ordering_key);
    }
}

#define ADDED(bytes)                                                                               \
    {                                                                                              \
        (const uint8_t *)(bytes), sizeof(bytes) - 1                                                \
    }

/* The number of an entry is its last message's. */
static void says_what_the_broker_has_noted(void **state)
{
    (void)state;
    hulse_front_open(&shared, 0);
    hulse_front_permit(100);
    hulse_stage_message(
        &(struct stage_entry){.ledger = 1, .batch = 3, .added = ADDED("\x08\x7b\x10\x09")});
    hulse_stage_message(
        &(struct stage_entry){.ledger = 1, .entry = 1, .number = 3, .added = ADDED("\x10\x00")});
    hulse_stage_message(
        &(struct stage_entry){.ledger = 1, .entry = 2, .number = 4, .added = ADDED("\x08\x05")});
    hulse_stage_message(&(struct stage_entry){.ledger = 1, .entry = 3, .number = 5});
    assert_int_equal(front.count, 6);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(front.messages[i].d->broker_time_ms, 0x7b);
        assert_true(front.messages[i].d->has_index);
        assert_int_equal(front.messages[i].d->index, 7 + i);
    }
    assert_true(front.messages[3].d->has_index && front.messages[3].d->index == 0);
    assert_int_equal(front.messages[3].d->broker_time_ms, 0);
    assert_false(front.messages[4].d->has_index);
    assert_int_equal(front.messages[4].d->broker_time_ms, 5);
    assert_false(front.messages[5].d->has_index || front.messages[5].d->broker_time_ms != 0);
}

/* A number too small for its batch, bytes that are none: the messages come all the same. */
static void believes_no_lie_beside_an_entry(void **state)
{
    (void)state;
    hulse_front_open(&shared, 0);
    hulse_front_permit(100);
    hulse_stage_message(
        &(struct stage_entry){.ledger = 1, .batch = 3, .added = ADDED("\x08\x07\x10\x01")});
    assert_int_equal(front.count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(front.messages[i].d->has_index, i > 0);
        assert_int_equal(front.messages[i].d->index, i > 0 ? i - 1 : 0);
        assert_int_equal(front.messages[i].d->broker_time_ms, 7);
    }
    assert_int_equal(stage.worker.consumers->figures.broker_metadata_damaged, 0);
    hulse_stage_message(&(struct stage_entry){
        .ledger = 1, .entry = 1, .number = 3, .added = ADDED("\x08\x07\x12\x09xy")});
    hulse_stage_message(
        &(struct stage_entry){.ledger = 1, .entry = 2, .number = 4, .added = ADDED("\xff")});
    assert_int_equal(front.count, 5);
    assert_false(front.messages[3].d->has_index || front.messages[3].d->broker_time_ms != 0);
    hulse_front_has(4, 4);
    assert_int_equal(stage.worker.consumers->figures.broker_metadata_damaged, 2);
    assert_int_equal(stage.broken, 0);
}

/* ---- what cannot be used ---- */

static const Pulsar__CommandAck *next_discard(Pulsar__CommandAck__ValidationError error)
{
    const Pulsar__CommandAck *a = hulse_stage_next(TYPE(ACK))->ack;
    assert_true(a->has_validation_error);
    assert_int_equal(a->validation_error, error);
    assert_int_equal(a->ack_type, PULSAR__COMMAND_ACK__ACK_TYPE__Individual);
    assert_int_equal(a->n_message_id, 1);
    hulse_stage_acked(a->request_id);
    return a;
}

#define ERROR(name) PULSAR__COMMAND_ACK__VALIDATION_ERROR__##name

static void begins_anew_after_a_wrong_checksum(void **state)
{
    (void)state;
    hulse_front_open(&shared, 0);
    hulse_front_permit(10);
    assert_int_equal(hulse_stage_flow(), 10);
    hulse_stage_message(&(struct stage_entry){.ledger = 1, .batch = 7, .bad_checksum = true});
    (void)next_discard(ERROR(ChecksumMismatch));
    /* How many permits are left cannot be known. */
    (void)hulse_stage_next(TYPE(CLOSE_CONSUMER));
    hulse_stage_wait(1000);
    hulse_stage_session();
    (void)next_discard(ERROR(ChecksumMismatch)); /* nobody had answered it */
    assert_int_equal(hulse_stage_flow(), 10);
    assert_int_equal(stage.worker.consumers->figures.discarded, 1);
    assert_int_equal(front.lost, 0);
    assert_int_equal(stage.broken, 0);
}

static void discards_what_cannot_be_decompressed(void **state)
{
    (void)state;
    hulse_front_open(&reader, 9);
    hulse_front_permit(20);
    assert_int_equal(hulse_stage_flow(), 20);
    hulse_stage_message(&(struct stage_entry){
        .ledger = 1, .batch = 12, .compression = PULSAR__COMPRESSION_TYPE__LZ4, .claimed = 4});
    (void)next_discard(ERROR(DecompressionError));
    assert_int_equal(hulse_stage_flow(), 12);
    const size_t used = hulse_mem_used(HULSE_MEM_BROKER);
    hulse_stage_message(&(struct stage_entry){.ledger = 1,
                                              .entry = 1,
                                              .compression = PULSAR__COMPRESSION_TYPE__LZ4,
                                              .claimed = 2000000000});
    assert_true(hulse_mem_used(HULSE_MEM_BROKER) <= used);
    (void)next_discard(ERROR(UncompressedSizeCorruption));
    assert_int_equal(front.lost, 2);
    hulse_stage_message(&(struct stage_entry){.ledger = 1, .entry = 2, .number = 2});
    hulse_front_has(0, 2);
}

static void gives_what_can_be_read_of_a_batch(void **state)
{
    (void)state;
    hulse_front_open(&reader, 9);
    hulse_front_permit(20);
    assert_int_equal(hulse_stage_flow(), 20);
    hulse_stage_message(&(struct stage_entry){.ledger = 1, .batch = 20, .bad_payload = true});
    assert_true(front.count > 0 && front.count < 20);
    assert_int_equal(front.lost, 20 - front.count);
    const uint32_t good = front.count;
    for (uint32_t i = 0; i < good; i++) {
        hulse_front_has(i, i);
        hulse_front_ack(i);
    }
    const Pulsar__CommandAck *a = hulse_stage_next(TYPE(ACK))->ack;
    assert_int_equal(a->n_message_id, 1);
    assert_int_equal(hulse_stage_flow(), 20 - good);
}

static void leaves_what_it_cannot_read(void **state)
{
    (void)state;
    hulse_front_open(&shared, 0);
    hulse_front_permit(1);
    assert_int_equal(hulse_stage_flow(), 1);
    hulse_stage_message(&(struct stage_entry){.ledger = 1, .encrypted = true});
    assert_int_equal(hulse_stage_flow(), 1);
    hulse_stage_message(&(struct stage_entry){.ledger = 1, .entry = 1, .chunks = 2, .chunk = 1});
    assert_int_equal(hulse_stage_flow(), 1);
    assert_int_equal(front.count, 0);
    assert_int_equal(stage.worker.consumers->figures.unreadable, 2);
    assert_int_equal(stage.worker.consumers->figures.discarded, 0);
    hulse_stage_message(&(struct stage_entry){.ledger = 1, .entry = 2, .number = 2});
    hulse_front_has(0, 2);
}

static void comes_back_when_memory_was_short(void **state)
{
    (void)state;
    hulse_front_open(&shared, 0);
    hulse_front_permit(5);
    assert_int_equal(hulse_stage_flow(), 5);
    hulse_mem_init(1);
    hulse_stage_message(&(struct stage_entry){.ledger = 1, .batch = 3});
    assert_int_equal(front.count, 0);
    hulse_mem_init(SIZE_MAX / 2);
    (void)hulse_stage_next(TYPE(CLOSE_CONSUMER));
    hulse_stage_wait(1000);
    hulse_stage_session();
    assert_int_equal(hulse_stage_flow(), 5);
    hulse_stage_message(&(struct stage_entry){.ledger = 1, .batch = 3});
    assert_int_equal(front.count, 3);
}

static void tell_copied(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        hulse_pulsar_consumer_copied(front.consumer, front.messages[i].d);
    }
}

static void keeps_no_bytes_that_the_broker_sends_again(void **state)
{
    (void)state;
    hulse_front_open(&shared, 0);
    hulse_front_permit(5);
    assert_int_equal(hulse_stage_flow(), 5);
    hulse_stage_message(&(struct stage_entry){.ledger = 1, .batch = 3});
    const size_t used = hulse_mem_used(HULSE_MEM_BROKER);
    tell_copied(3);
    assert_true(hulse_mem_used(HULSE_MEM_BROKER) < used);
    hulse_front_ack(0);
    hulse_front_nack(1, 0);
    hulse_front_ack(2);
    (void)hulse_stage_next(TYPE(ACK));
    (void)hulse_stage_next(TYPE(REDELIVER_UNACKNOWLEDGED_MESSAGES));
    hulse_stage_message(&(struct stage_entry){.ledger = 1, .batch = 3, .redelivery = 1});
    assert_int_equal(front.count, 4);
    hulse_front_has(3, 1);
}

static void keeps_the_bytes_that_come_again_from_here(void **state)
{
    (void)state;
    hulse_front_open(&exclusive, 0);
    hulse_front_permit(5);
    assert_int_equal(hulse_stage_flow(), 5);
    hulse_stage_message(&(struct stage_entry){.ledger = 1, .batch = 3});
    tell_copied(3);
    hulse_front_nack(1, 100);
    hulse_stage_wait(200);
    assert_int_equal(front.count, 4);
    hulse_front_has(3, 1);
}

static void begins_anew_ever_more_rarely(void **state)
{
    (void)state;
    hulse_front_open(&shared, 0);
    hulse_front_permit(5);
    for (uint32_t i = 0; i < 40; i++) {
        assert_int_equal(hulse_stage_flow(), 5);
        hulse_mem_init(1);
        hulse_stage_message(&(struct stage_entry){.ledger = 1, .batch = 3});
        hulse_mem_init(SIZE_MAX / 2);
        (void)hulse_stage_next(TYPE(CLOSE_CONSUMER));
        stage.lookup = NULL;
        hulse_stage_wait(200);
        if (stage.lookup == NULL) {
            return; /* longer than after a first failure */
        }
        hulse_stage_session();
    }
    fail_msg("it has begun anew 40 times without a pause");
}

static void breaks_a_connection_that_makes_no_sense(void **state)
{
    (void)state;
    hulse_front_open(&shared, 0);
    hulse_front_permit(5);
    hulse_stage_message(&(struct stage_entry){.ledger = UINT64_MAX});
    assert_int_equal(stage.broken, 1);
    assert_int_equal(front.count, 0);
}

static void may_be_closed_in_a_message(void **state)
{
    (void)state;
    hulse_front_open(&shared, 0);
    front.close_in = FRONT_MESSAGE;
    hulse_front_permit(9);
    assert_int_equal(hulse_stage_flow(), 9);
    hulse_stage_message(&(struct stage_entry){.ledger = 1, .batch = 5});
    assert_int_equal(front.count, 1);
    hulse_stage_success(hulse_stage_next(TYPE(CLOSE_CONSUMER))->close_consumer->request_id);
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, hulse_front_set_up, hulse_front_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(hands_out_single_messages),
                                       TEST(keeps_what_a_batch_brings_too_much),
                                       TEST(asks_for_many_at_once),
                                       TEST(never_hands_out_too_much),
                                       TEST(charges_what_the_broker_charges),
                                       TEST(says_all_that_a_message_has),
                                       TEST(says_what_the_broker_has_noted),
                                       TEST(believes_no_lie_beside_an_entry),
                                       TEST(begins_anew_after_a_wrong_checksum),
                                       TEST(discards_what_cannot_be_decompressed),
                                       TEST(gives_what_can_be_read_of_a_batch),
                                       TEST(leaves_what_it_cannot_read),
                                       TEST(comes_back_when_memory_was_short),
                                       TEST(keeps_no_bytes_that_the_broker_sends_again),
                                       TEST(keeps_the_bytes_that_come_again_from_here),
                                       TEST(begins_anew_ever_more_rarely),
                                       TEST(breaks_a_connection_that_makes_no_sense),
                                       TEST(may_be_closed_in_a_message)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
