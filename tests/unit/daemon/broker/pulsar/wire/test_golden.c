/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what a real broker sends is read with every value that it has, and what this client sends is, byte for
 *         byte, what a real broker took.
 * Method: each frame of golden_frames.txt through frame, command, metadata, decompression and batch, compared as
 *         text with what protobuf's own tools read in it; frames that a broker accepted, written again.
 */
#include "daemon/broker/pulsar/wire/batch_reader.h"
#include "daemon/broker/pulsar/wire/batch_writer.h"
#include "daemon/broker/pulsar/wire/command.h"
#include "daemon/broker/pulsar/wire/compression.h"
#include "daemon/broker/pulsar/wire/frame.h"
#include "tests/unit/daemon/broker/pulsar/wire/golden.h"
#include "tests/unit/daemon/broker/pulsar/wire/meta_text.h"
#include "tests/unit/daemon/broker/pulsar/wire/text_of.h"
#include "tests/unit/daemon/core/check.h"

#include <stdlib.h>
#include <string.h>

static struct golden frames[GOLDEN_FRAMES];
static struct wire_arena arena;
static struct wire_contexts *contexts;

static void assert_text(char *text, const char *expected)
{
    assert_string_equal(text, expected);
    free(text);
}

static void assert_span(struct broker_span s, struct golden_bytes expected)
{
    assert_int_equal(s.bytes, expected.bytes);
    assert_memory_equal(s.data, expected.data, expected.bytes);
}

static void
check_payload(const struct golden *g, const struct wire_metadata *meta, struct broker_span payload)
{
    struct wire_batch_reader batch;
    struct wire_batch_message message;
    const char *why = NULL;

    if (g->singles == 0) {
        assert_int_equal(g->payloads, 1);
        assert_span(payload, g->payload[0]);
        return;
    }
    assert_true(hulse_wire_batch_open(&batch, meta, payload, &why));
    for (size_t i = 0; i < g->singles; i++) {
        assert_int_equal(hulse_wire_batch_next(&batch, &message, &why), WIRE_BATCH_OK);
        assert_int_equal(message.index, i);
        assert_text(hulse_single_text(&message.meta), g->single[i]);
        assert_span(message.payload, g->payload[i]);
    }
    assert_int_equal(hulse_wire_batch_next(&batch, &message, &why), WIRE_BATCH_END);
}

static void check_message(const struct golden *g, struct broker_span rest)
{
    struct wire_message message;
    struct wire_metadata meta;
    const char *why = NULL;

    assert_int_equal(hulse_wire_message_read(rest, &message, &why), WIRE_MESSAGE_OK);
    assert_int_equal(message.checked, strcmp(g->name, "message-no-checksum") != 0);
    assert_int_equal(message.entry.data != NULL, g->entry != NULL);
    if (g->entry != NULL) {
        struct wire_entry entry;
        assert_true(hulse_wire_entry_read(message.entry, &entry, &why));
        assert_text(hulse_entry_text(&entry), g->entry);
    }
    assert_true(hulse_wire_metadata_read(message.metadata, &meta, &why));
    assert_text(hulse_meta_text(&meta), g->meta);
    if (meta.compression == PULSAR__COMPRESSION_TYPE__NONE) {
        check_payload(g, &meta, message.payload);
        return;
    }
    uint8_t *plain = malloc(meta.uncompressed_bytes + 1U);
    assert_non_null(plain);
    assert_int_equal(
        hulse_wire_decompress(
            contexts, meta.compression, message.payload, plain, meta.uncompressed_bytes),
        WIRE_COMPRESSION_OK);
    check_payload(g, &meta, (struct broker_span){.data = plain, .bytes = meta.uncompressed_bytes});
    free(plain);
}

static void check_command(const struct golden *g, const Pulsar__BaseCommand *c)
{
    const char *type = g->type == NULL ? "MESSAGE" : g->type;
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value_by_name(&pulsar__base_command__type__descriptor, type);
    assert_non_null(value);
    assert_int_equal(c->type, value->value);
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(
        &pulsar__base_command__descriptor, (unsigned)c->type);
    assert_text(
        hulse_text_of(*(ProtobufCMessage *const *)(const void *)((const uint8_t *)c + f->offset)),
        g->command);
}

static void test_every_frame_of_a_broker_is_read_to_the_last_value(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDEN_FRAMES; i++) {
        const struct golden *g = &frames[i];
        const Pulsar__BaseCommand *command = NULL;
        struct wire_frame frame;
        const char *why = NULL;

        print_message("%s\n", g->name);
        assert_int_equal(
            hulse_wire_frame_read(
                g->frame.data, g->frame.bytes, WIRE_MESSAGE_BYTES_DEFAULT, &frame, &why),
            WIRE_FRAME_OK);
        assert_int_equal(frame.bytes, g->frame.bytes);
        assert_int_equal(hulse_wire_command_read(&arena, frame.command, &command, &why),
                         WIRE_COMMAND_OK);
        check_command(g, command);
        if (g->type == NULL) {
            check_message(g, frame.rest);
        } else {
            assert_int_equal(frame.rest.bytes, 0);
        }
    }
}

/* Brokers write fields in the order of their numbers, as we do. */
static void test_every_command_of_a_broker_written_again_is_the_same(void **state)
{
    uint8_t out[1024];

    (void)state;
    for (size_t i = 0; i < GOLDEN_FRAMES; i++) {
        const struct golden *g = &frames[i];
        const Pulsar__BaseCommand *command = NULL;
        struct wire_frame frame;
        const char *why = NULL;

        if (g->type == NULL) {
            continue;
        }
        assert_int_equal(
            hulse_wire_frame_read(
                g->frame.data, g->frame.bytes, WIRE_MESSAGE_BYTES_DEFAULT, &frame, &why),
            WIRE_FRAME_OK);
        assert_int_equal(hulse_wire_command_read(&arena, frame.command, &command, &why),
                         WIRE_COMMAND_OK);
        assert_int_equal(hulse_wire_command_write(command, out, sizeof(out)), g->frame.bytes);
        assert_memory_equal(out, g->frame.data, g->frame.bytes);
    }
}

static struct broker_span span(const char *text)
{
    return (struct broker_span){.data = (const uint8_t *)text, .bytes = (uint32_t)strlen(text)};
}

static void assert_sent(const struct wire_send *send,
                        const struct wire_draft *draft,
                        struct broker_span payload,
                        const char *hex)
{
    const struct golden_bytes expected = hulse_golden_hex(hex);
    uint8_t out[512];
    struct wire_send_head head;

    assert_true(WIRE_SEND_HEAD_BYTES_MAX + hulse_wire_draft_room(draft) <= sizeof(out));
    uint8_t *at = hulse_wire_send_begin(&head, send, out);
    at = hulse_wire_draft_put(at, draft);
    const uint32_t bytes = hulse_wire_send_end(&head, at, payload);
    assert_int_equal(bytes, at - out);
    memcpy(out + bytes, payload.data, payload.bytes);
    assert_int_equal(bytes + payload.bytes, expected.bytes);
    assert_memory_equal(out, expected.data, expected.bytes);
    free(expected.data);
}

/* Frames V1 and V2 of the protocol document: a broker took them and gave receipts 5:0 and 5:1. */
static void test_a_message_is_sent_as_a_broker_took_it(void **state)
{
    const struct broker_meta meta = {
        .key = span("key-1"),
        .has_key = true,
        .properties = {.data = (const uint8_t *)"\1\0\1\0kv", .bytes = 6},
        .partition = -1};
    const struct broker_record record = {.payload = span("hello world"), .meta = &meta};
    struct wire_draft draft = {.producer_name = span("standalone-0-1"),
                               .sequence_id = 42,
                               .publish_time_ms = UINT64_C(1700000000000)};

    (void)state;
    hulse_wire_draft_record(&draft, &record);
    assert_sent(
        &(struct wire_send){.producer_id = 7, .sequence_id = 42},
        &draft,
        record.payload,
        "0000004b00000008080632040807102a0e015f2d71010000002a0a0e7374616e64616c6f6e652d302d3"
        "1102a1880d095ffbc3122060a016b12017632056b65792d31480b68656c6c6f20776f726c64");
}

static void test_a_batch_is_sent_as_a_broker_took_it(void **state)
{
    const struct broker_meta metas[2] = {
        {.key = span("a"), .has_key = true, .partition = -1},
        {.properties = {.data = (const uint8_t *)"\1\0\1\0p1", .bytes = 6}, .partition = -1}};
    const struct broker_record records[2] = {{.payload = span("A1"), .meta = &metas[0]},
                                             {.payload = span("B22"), .meta = &metas[1]}};
    struct wire_draft draft = {.producer_name = span("p1"),
                               .publish_time_ms = UINT64_C(1700000000001)};
    uint8_t buffer[256];
    struct wire_batch batch;

    (void)state;
    hulse_wire_batch_begin(&batch, buffer, sizeof(buffer));
    assert_true(hulse_wire_batch_add(&batch, &records[0], 100));
    assert_true(hulse_wire_batch_add(&batch, &records[1], 101));
    hulse_wire_batch_draft(&batch, &draft);
    assert_int_equal(draft.uncompressed_bytes, 32);
    draft.has_uncompressed_bytes = false; /* this frame has none */
    assert_sent(
        &(struct wire_send){
            .producer_id = 7, .sequence_id = 100, .num_messages = 2, .highest_sequence_id = 101},
        &draft,
        (struct broker_span){.data = batch.data, .bytes = batch.bytes},
        "0000004f0000000c0806320808071064180230650e01de815025000000150a02703110641881d095ffb"
        "c313201615802c00165000000071201611802406441310000000c0a060a01701201311803406542323"
        "2");
}

static void assert_written(const Pulsar__BaseCommand *c, const char *hex)
{
    const struct golden_bytes expected = hulse_golden_hex(hex);
    uint8_t out[128];

    assert_int_equal(hulse_wire_command_write(c, out, expected.bytes - 1), 0);
    assert_int_equal(hulse_wire_command_write(c, out, expected.bytes), expected.bytes);
    assert_memory_equal(out, expected.data, expected.bytes);
    free(expected.data);
}

static void test_commands_are_sent_as_a_broker_took_them(void **state)
{
    Pulsar__BaseCommand c = PULSAR__BASE_COMMAND__INIT;
    Pulsar__CommandPing ping = PULSAR__COMMAND_PING__INIT;
    Pulsar__CommandPong pong = PULSAR__COMMAND_PONG__INIT;
    Pulsar__CommandFlow flow = PULSAR__COMMAND_FLOW__INIT;
    Pulsar__CommandConnect connect = PULSAR__COMMAND_CONNECT__INIT;
    Pulsar__FeatureFlags flags = PULSAR__FEATURE_FLAGS__INIT;

    (void)state;
    c.type = PULSAR__BASE_COMMAND__TYPE__PING;
    c.ping = &ping;
    assert_written(&c, "00000009000000050812920100");
    c.type = PULSAR__BASE_COMMAND__TYPE__PONG;
    c.ping = NULL;
    c.pong = &pong;
    assert_written(&c, "000000090000000508139a0100");
    c.type = PULSAR__BASE_COMMAND__TYPE__FLOW;
    c.pong = NULL;
    c.flow = &flow;
    flow.consumer_id = 3;
    flow.messagepermits = 1000;
    assert_written(&c, "0000000d00000009080b5a05080310e807");
    c.type = PULSAR__BASE_COMMAND__TYPE__CONNECT;
    c.flow = NULL;
    c.connect = &connect;
    connect.client_version = (char *)(uintptr_t) "pulsar-c-sidecar/0.1";
    connect.auth_method_name = (char *)(uintptr_t) "none";
    connect.has_protocol_version = 1;
    connect.protocol_version = 21;
    connect.feature_flags = &flags;
    flags.has_supports_auth_refresh = 1;
    flags.supports_auth_refresh = 1;
    flags.has_supports_broker_entry_metadata = 1;
    flags.supports_broker_entry_metadata = 1;
    assert_written(
        &c,
        "0000002c00000028080212240a1470756c7361722d632d736964656361722f302e3120152a046e6f"
        "6e65520408011001");
}

static int begin(void **state)
{
    (void)state;
    hulse_golden_load(frames);
    hulse_wire_arena_init(&arena, WIRE_COMMAND_MEMORY_MAX);
    contexts = hulse_wire_contexts_create();
    return contexts == NULL;
}

static int end(void **state)
{
    (void)state;
    hulse_wire_contexts_destroy(&contexts);
    hulse_wire_arena_fini(&arena);
    hulse_golden_free(frames);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_frame_of_a_broker_is_read_to_the_last_value),
        cmocka_unit_test(test_every_command_of_a_broker_written_again_is_the_same),
        cmocka_unit_test(test_a_message_is_sent_as_a_broker_took_it),
        cmocka_unit_test(test_a_batch_is_sent_as_a_broker_took_it),
        cmocka_unit_test(test_commands_are_sent_as_a_broker_took_them),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
