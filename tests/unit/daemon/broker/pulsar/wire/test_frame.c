/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   frames come off a buffer only when they are whole, at most as large as allowed, and every part within
 *         its frame; a damaged message is told from a damaged frame.
 * Method: all prefixes, all flipped bits, all sizes around each bound; buffers of exactly their size, so that the
 *         sanitizer sees a byte too far.
 */
#include "daemon/broker/pulsar/wire/field.h"
#include "daemon/broker/pulsar/wire/frame.h"
#include "daemon/core/crc32c.h"
#include "tests/unit/daemon/core/check.h"

#include <string.h>

#define MAX WIRE_MESSAGE_BYTES_DEFAULT
#define LARGEST (MAX + WIRE_FRAME_PADDING_BYTES - 4) /* behind the first four bytes */

/* A message with everything: entry metadata, checksum, metadata, payload. */
static const uint8_t entry[] = {8, 5, 16, 7};
static const uint8_t meta[] = {1, 2, 3};
static const uint8_t payload[] = {9, 8, 7, 6, 5};

static uint8_t *exactly(const uint8_t *in, size_t bytes)
{
    uint8_t *out = malloc(bytes == 0 ? 1 : bytes);
    assert_non_null(out);
    memcpy(out, in, bytes);
    return out;
}

static uint32_t put_message(uint8_t *out, bool with_entry, bool with_checksum)
{
    uint8_t *at = out;

    if (with_entry) {
        hulse_put16_big(at, 0x0e02);
        hulse_put32_big(at + 2, sizeof(entry));
        at = hulse_wire_put_raw(at + 6, entry, sizeof(entry));
    }
    uint8_t *const checksum = at + 2;
    if (with_checksum) {
        hulse_put16_big(at, 0x0e01);
        at += 6;
    }
    uint8_t *const covered = at;
    hulse_put32_big(at, sizeof(meta));
    at = hulse_wire_put_raw(at + 4, meta, sizeof(meta));
    at = hulse_wire_put_raw(at, payload, sizeof(payload));
    if (with_checksum) {
        hulse_put32_big(checksum, ~hulse_crc32c(UINT32_MAX, covered, (size_t)(at - covered)));
    }
    return (uint32_t)(at - out);
}

static enum wire_message_rc
read_message(const uint8_t *in, uint32_t bytes, struct wire_message *out)
{
    uint8_t *copy = exactly(in, bytes);
    const char *why = NULL;
    const enum wire_message_rc rc =
        hulse_wire_message_read((struct broker_span){.data = copy, .bytes = bytes}, out, &why);

    assert_int_equal(why != NULL, rc == WIRE_MESSAGE_BAD);
    if (rc == WIRE_MESSAGE_OK) {
        assert_int_equal(out->payload.data + out->payload.bytes - copy, bytes);
    }
    free(copy);
    return rc;
}

static void test_every_prefix_of_a_frame_needs_more(void **state)
{
    static const uint8_t good[] = {0, 0, 0, 8, 0, 0, 0, 2, 0xAB, 0xCD, 1, 2, 0, 0, 0, 4};
    struct wire_frame frame;
    const char *why = NULL;

    (void)state;
    for (size_t n = 0; n < 12; n++) {
        uint8_t *copy = exactly(good, n);
        assert_int_equal(hulse_wire_frame_read(copy, n, MAX, &frame, &why), WIRE_FRAME_NEED_MORE);
        assert_int_equal(frame.bytes, n < 4 ? 8 : 12);
        assert_null(why);
        free(copy);
    }
    assert_int_equal(hulse_wire_frame_read(good, sizeof(good), MAX, &frame, &why), WIRE_FRAME_OK);
    assert_int_equal(frame.bytes, 12);
    assert_int_equal(frame.command.bytes, 2);
    assert_ptr_equal(frame.command.data, good + 8);
    assert_int_equal(frame.rest.bytes, 2);
    assert_ptr_equal(frame.rest.data, good + 10);
    assert_int_equal(hulse_wire_frame_read(good + 12, sizeof(good) - 12, MAX, &frame, &why),
                     WIRE_FRAME_NEED_MORE);
    assert_int_equal(frame.bytes, 8);
}

static void test_many_frames_come_off_one_buffer(void **state)
{
    uint64_t seed = test_seed();
    uint8_t buffer[4096];
    uint32_t sizes[64];
    size_t count = 0;
    size_t bytes = 0;

    (void)state;
    while (bytes + 108 < sizeof(buffer) && count < COUNT_OF(sizes)) {
        const uint32_t command = (uint32_t)test_below(&seed, 50);
        const uint32_t rest = (uint32_t)test_below(&seed, 50);
        hulse_put32_big(buffer + bytes, 4 + command + rest);
        hulse_put32_big(buffer + bytes + 4, command);
        memset(buffer + bytes + 8, (int)count, command + rest);
        sizes[count++] = command;
        bytes += 8 + command + rest;
    }
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        struct wire_frame frame;
        const char *why = NULL;
        assert_int_equal(hulse_wire_frame_read(buffer + at, bytes - at, MAX, &frame, &why),
                         WIRE_FRAME_OK);
        assert_int_equal(frame.command.bytes, sizes[i]);
        for (uint32_t k = 8; k < frame.bytes; k++) {
            assert_int_equal(buffer[at + k], i);
        }
        at += frame.bytes;
    }
    assert_int_equal(at, bytes);
}

static enum wire_frame_rc read_sizes(uint32_t total, uint32_t command, uint32_t max, size_t have)
{
    uint8_t header[8];
    struct wire_frame frame;
    const char *why = NULL;

    hulse_put32_big(header, total);
    hulse_put32_big(header + 4, command);
    uint8_t *copy = exactly(header, have);
    const enum wire_frame_rc rc = hulse_wire_frame_read(copy, have, max, &frame, &why);
    free(copy);
    assert_int_equal(why != NULL, rc == WIRE_FRAME_BAD);
    return rc;
}

static void test_sizes_are_judged_before_the_frame_is_there(void **state)
{
    (void)state;
    assert_int_equal(read_sizes(LARGEST, 0, MAX, 4), WIRE_FRAME_NEED_MORE);
    assert_int_equal(read_sizes(LARGEST + 1, 0, MAX, 4), WIRE_FRAME_BAD);
    assert_int_equal(read_sizes(UINT32_MAX, 0, MAX, 4), WIRE_FRAME_BAD);
    assert_int_equal(read_sizes(UINT32_MAX, 0, WIRE_MESSAGE_BYTES_MAX, 4), WIRE_FRAME_BAD);
    assert_int_equal(read_sizes(WIRE_MESSAGE_BYTES_MAX, 0, WIRE_MESSAGE_BYTES_MAX, 4),
                     WIRE_FRAME_NEED_MORE);
    for (uint32_t total = 0; total < 4; total++) {
        assert_int_equal(read_sizes(total, 0, MAX, 4), WIRE_FRAME_BAD);
    }
    assert_int_equal(read_sizes(4, 0, MAX, 8), WIRE_FRAME_OK);
    assert_int_equal(read_sizes(4, 1, MAX, 8), WIRE_FRAME_BAD);
    assert_int_equal(read_sizes(100, 96, MAX, 8), WIRE_FRAME_NEED_MORE);
    assert_int_equal(read_sizes(100, 97, MAX, 8), WIRE_FRAME_BAD);
    assert_int_equal(read_sizes(100, UINT32_MAX, MAX, 8), WIRE_FRAME_BAD);
}

/* The broker's side of the bound, as it was measured: 5,253,116 behind the size passed, one more did not. */
static void test_the_largest_frame_is_the_brokers(void **state)
{
    (void)state;
    assert_int_equal(LARGEST, 5253116);
}

static void test_a_message_is_taken_apart(void **state)
{
    uint8_t bytes[64];
    struct wire_message message;

    (void)state;
    for (unsigned how = 0; how < 4; how++) {
        const bool with_entry = (how & 1U) != 0;
        const bool with_checksum = (how & 2U) != 0;
        const uint32_t count = put_message(bytes, with_entry, with_checksum);
        const char *why = NULL;
        assert_int_equal(hulse_wire_message_read(
                             (struct broker_span){.data = bytes, .bytes = count}, &message, &why),
                         WIRE_MESSAGE_OK);
        assert_int_equal(message.checked, with_checksum);
        assert_int_equal(message.entry.bytes, with_entry ? sizeof(entry) : 0);
        assert_int_equal(message.entry.data != NULL, with_entry);
        if (with_entry) {
            assert_memory_equal(message.entry.data, entry, sizeof(entry));
        }
        assert_int_equal(message.metadata.bytes, sizeof(meta));
        assert_memory_equal(message.metadata.data, meta, sizeof(meta));
        assert_int_equal(message.payload.bytes, sizeof(payload));
        assert_memory_equal(message.payload.data, payload, sizeof(payload));
    }
}

static void test_damage_behind_the_checksum_is_the_entrys(void **state)
{
    uint8_t bytes[64];
    struct wire_message message;
    const uint32_t count = put_message(bytes, true, true);
    const uint32_t checksum = 2 + 4 + sizeof(entry) + 2;

    (void)state;
    for (uint32_t bit = 8 * checksum; bit < 8 * count; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        assert_int_equal(read_message(bytes, count, &message), WIRE_MESSAGE_CHECKSUM);
        bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
    for (uint32_t n = checksum + 4; n < count; n++) {
        assert_int_equal(read_message(bytes, n, &message), WIRE_MESSAGE_CHECKSUM);
    }
    assert_int_equal(read_message(bytes, count, &message), WIRE_MESSAGE_OK);
}

static void test_parts_beyond_their_frame_are_bad(void **state)
{
    uint8_t bytes[64];
    struct wire_message message;

    (void)state;
    /* Before the entry's metadata end, and inside the checksum. */
    const uint32_t head = 2 + 4 + sizeof(entry);
    (void)put_message(bytes, true, true);
    for (uint32_t n = 0; n < head + 6; n++) {
        assert_int_equal(read_message(bytes, n, &message), WIRE_MESSAGE_BAD);
    }
    /* Without a checksum nothing else tells. */
    const uint32_t count = put_message(bytes, false, false);
    for (uint32_t n = 0; n < 4 + sizeof(meta); n++) {
        assert_int_equal(read_message(bytes, n, &message), WIRE_MESSAGE_BAD);
    }
    assert_int_equal(read_message(bytes, 4 + sizeof(meta), &message), WIRE_MESSAGE_OK);
    assert_int_equal(message.payload.bytes, 0);
    for (uint32_t n = 0; n < 3; n++) {
        hulse_put32_big(bytes, n == 0 ? count - 3 : (n == 1 ? INT32_MAX : UINT32_MAX));
        assert_int_equal(read_message(bytes, count, &message), WIRE_MESSAGE_BAD);
    }
    hulse_put32_big(bytes, count - 4);
    assert_int_equal(read_message(bytes, count, &message), WIRE_MESSAGE_OK);
    /* A checksum that is right about metadata that are not. */
    hulse_put16_big(bytes, 0x0e01);
    hulse_put32_big(bytes + 6, 1000);
    hulse_put32_big(bytes + 2, ~hulse_crc32c(UINT32_MAX, bytes + 6, 4));
    assert_int_equal(read_message(bytes, 10, &message), WIRE_MESSAGE_BAD);
}

static void test_the_head_of_a_send_has_room_for_the_largest_numbers(void **state)
{
    const struct wire_send send = {.producer_id = UINT64_MAX,
                                   .sequence_id = UINT64_MAX,
                                   .highest_sequence_id = UINT64_MAX,
                                   .num_messages = UINT32_MAX,
                                   .is_chunk = true};
    uint8_t *out = malloc(WIRE_SEND_HEAD_BYTES_MAX);
    struct wire_send_head head;
    struct wire_frame frame;
    struct wire_message message;
    const char *why = NULL;

    (void)state;
    assert_non_null(out);
    const uint8_t *at = hulse_wire_send_begin(&head, &send, out);
    assert_in_range(at - out, 1, WIRE_SEND_HEAD_BYTES_MAX);
    const uint32_t bytes = hulse_wire_send_end(&head, at, (struct broker_span){0});
    assert_int_equal(bytes, at - out);
    assert_int_equal(hulse_wire_frame_read(out, bytes, MAX, &frame, &why), WIRE_FRAME_OK);
    assert_int_equal(frame.bytes, bytes);
    assert_int_equal(hulse_wire_message_read(frame.rest, &message, &why), WIRE_MESSAGE_OK);
    assert_true(message.checked);
    assert_int_equal(message.metadata.bytes, 0);
    assert_int_equal(message.payload.bytes, 0);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_prefix_of_a_frame_needs_more),
        cmocka_unit_test(test_many_frames_come_off_one_buffer),
        cmocka_unit_test(test_sizes_are_judged_before_the_frame_is_there),
        cmocka_unit_test(test_the_largest_frame_is_the_brokers),
        cmocka_unit_test(test_a_message_is_taken_apart),
        cmocka_unit_test(test_damage_behind_the_checksum_is_the_entrys),
        cmocka_unit_test(test_parts_beyond_their_frame_are_bad),
        cmocka_unit_test(test_the_head_of_a_send_has_room_for_the_largest_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
