/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   every command goes through a frame unchanged; what a command costs is bounded, whatever is in it; a
 *         refusal says why and leaves nothing behind.
 * Method: random commands of every type by seed, made from the descriptors; commands made to be expensive; the
 *         daemon's memory refused.
 */
#include "daemon/broker/pulsar/wire/command.h"
#include "daemon/broker/pulsar/wire/field.h"
#include "daemon/broker/pulsar/wire/frame.h"
#include "daemon/core/mem.h"
#include "tests/unit/daemon/broker/pulsar/wire/text_of.h"
#include "tests/unit/daemon/core/check.h"

#include <string.h>

#define ROUNDS 40U
#define MEMORY ((size_t)1 << 20U)

static struct wire_arena arena;

static enum wire_command_rc read_bytes(const uint8_t *data, size_t bytes, const char **why)
{
    const Pulsar__BaseCommand *command = NULL;
    uint8_t *copy = malloc(bytes == 0 ? 1 : bytes);

    assert_non_null(copy);
    memcpy(copy, data, bytes);
    *why = NULL;
    const enum wire_command_rc rc = hulse_wire_command_read(
        &arena, (struct broker_span){.data = copy, .bytes = (uint32_t)bytes}, &command, why);
    free(copy);
    assert_int_equal(*why == NULL, rc == WIRE_COMMAND_OK);
    assert_int_equal(command != NULL, rc == WIRE_COMMAND_OK);
    return rc;
}

/* A command with the body of `type`, filled by chance. */
static Pulsar__BaseCommand *any_command(const ProtobufCFieldDescriptor *f, uint64_t *seed)
{
    Pulsar__BaseCommand *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    pulsar__base_command__init(c);
    c->type = (Pulsar__BaseCommand__Type)f->id;
    const ProtobufCMessageDescriptor *d = f->descriptor;
    ProtobufCMessage *body = calloc(1, d->sizeof_message);
    assert_non_null(body);
    protobuf_c_message_init(d, body);
    hulse_random_fill(body, seed);
    *(ProtobufCMessage **)(void *)((uint8_t *)c + f->offset) = body;
    return c;
}

static void go_through(const Pulsar__BaseCommand *c)
{
    const size_t bytes = hulse_wire_command_bytes(c);
    uint8_t *out = malloc(bytes);
    const Pulsar__BaseCommand *back = NULL;
    struct wire_frame frame;
    const char *why = NULL;

    assert_non_null(out);
    assert_int_equal(hulse_wire_command_write(c, out, bytes - 1), 0);
    assert_int_equal(hulse_wire_command_write(c, out, bytes), bytes);
    assert_int_equal(hulse_wire_frame_read(out, bytes, 1U << 20U, &frame, &why), WIRE_FRAME_OK);
    assert_int_equal(frame.rest.bytes, 0);
    assert_int_equal(hulse_wire_command_read(&arena, frame.command, &back, &why), WIRE_COMMAND_OK);
    memset(out, 0xee, bytes); /* nothing is borrowed from the frame */
    char *expected = hulse_text_of(&c->base);
    char *text = hulse_text_of(&back->base);
    assert_string_equal(text, expected);
    free(expected);
    free(text);
    free(out);
}

static void test_every_command_goes_through_unchanged(void **state)
{
    uint64_t seed = test_seed();

    (void)state;
    for (unsigned i = 0; i < pulsar__base_command__descriptor.n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &pulsar__base_command__descriptor.fields[i];
        if (f->type != PROTOBUF_C_TYPE_MESSAGE || f->id == PULSAR__BASE_COMMAND__TYPE__SEND ||
            f->id == PULSAR__BASE_COMMAND__TYPE__MESSAGE) {
            continue;
        }
        for (unsigned round = 0; round < ROUNDS; round++) {
            Pulsar__BaseCommand *c = any_command(f, &seed);
            go_through(c);
            pulsar__base_command__free_unpacked(c, NULL);
        }
    }
    assert_int_equal(hulse_mem_used(HULSE_MEM_BROKER), arena.held);
}

/* The table of types (2.1): a name, and a message of that number. */
static void test_every_type_has_its_message(void **state)
{
    const ProtobufCEnumDescriptor *types = &pulsar__base_command__type__descriptor;

    (void)state;
    assert_int_equal(types->n_values, 58);
    assert_int_equal(pulsar__base_command__descriptor.n_fields, 59);
    for (unsigned i = 0; i < types->n_values; i++) {
        const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(
            &pulsar__base_command__descriptor, (unsigned)types->values[i].value);
        assert_non_null(f);
        assert_int_equal(f->type, PROTOBUF_C_TYPE_MESSAGE);
        assert_int_equal(f->label, PROTOBUF_C_LABEL_OPTIONAL);
    }
    assert_int_equal(pulsar__server_error__descriptor.n_values, 26);
}

/* NOLINTNEXTLINE(misc-no-recursion): to find one there */
static unsigned depth_of(const ProtobufCMessageDescriptor *d, unsigned above)
{
    unsigned deepest = above;

    assert_in_range(above, 0, 5); /* else something contains itself */
    for (unsigned i = 0; i < d->n_fields; i++) {
        if (d->fields[i].type == PROTOBUF_C_TYPE_MESSAGE) {
            const unsigned depth = depth_of(d->fields[i].descriptor, above + 1);
            deepest = depth > deepest ? depth : deepest;
        }
    }
    return deepest;
}

/* protobuf-c decodes by recursion without a bound of its own. */
static void test_no_message_contains_itself(void **state)
{
    (void)state;
    assert_int_equal(depth_of(&pulsar__base_command__descriptor, 0), 3);
    assert_int_equal(depth_of(&pulsar__message_metadata__descriptor, 0), 2);
}

static void test_what_is_unknown_is_ignored(void **state)
{
    static const uint8_t type_70[] = {0x08, 70};
    static const uint8_t type_1[] = {0x08, 1};
    static const uint8_t newer_ping[] = {0x08, 18, 0x92, 0x01, 0x02, 0x78, 0x05, 0xf8, 0x7f, 0x01};
    const char *why = NULL;

    (void)state;
    assert_int_equal(read_bytes(type_70, sizeof(type_70), &why), WIRE_COMMAND_OK);
    assert_int_equal(read_bytes(type_1, sizeof(type_1), &why), WIRE_COMMAND_OK);
    assert_int_equal(read_bytes(newer_ping, sizeof(newer_ping), &why), WIRE_COMMAND_OK);
}

static void test_what_is_not_a_command_is_refused_with_a_reason(void **state)
{
    static const uint8_t no_body[] = {0x08, 18};
    static const uint8_t other_body[] = {0x08, 18, 0x9a, 0x01, 0x00};
    static const uint8_t no_type[] = {0x92, 0x01, 0x00};
    static const uint8_t flow_without_permits[] = {0x08, 11, 0x5a, 0x02, 0x08, 0x03};
    static const uint8_t id_without_entry[] = {
        0x08, 7, 0x3a, 0x08, 0x08, 1, 0x10, 1, 0x1a, 2, 0x08, 5};
    static const uint8_t cut[] = {0x08, 11, 0x5a, 0x05, 0x08, 3, 0x10};
    static const uint8_t huge_text[] = {0x08, 11, 0x5a, 0xff, 0xff, 0xff, 0xff, 0x0f};
    static const uint8_t group[] = {0x08, 18, 0x92, 0x01, 0x00, 0xa3, 0x06, 0xa4, 0x06};
    static const struct {
        const uint8_t *data;
        size_t bytes;
    } bad[] = {{no_body, sizeof(no_body)},
               {other_body, sizeof(other_body)},
               {no_type, sizeof(no_type)},
               {flow_without_permits, sizeof(flow_without_permits)},
               {id_without_entry, sizeof(id_without_entry)},
               {cut, sizeof(cut)},
               {huge_text, sizeof(huge_text)},
               {group, sizeof(group)},
               {cut, 0}};
    const char *why = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        print_message("%zu\n", i);
        assert_int_equal(read_bytes(bad[i].data, bad[i].bytes, &why), WIRE_COMMAND_BAD);
    }
}

/* {type, body of `field` with `count` times the item} */
static uint8_t *
repeated(uint32_t type, const uint8_t *item, size_t item_bytes, size_t count, size_t *bytes)
{
    uint8_t *out = malloc(64 + item_bytes * count);
    assert_non_null(out);
    uint8_t *at = hulse_wire_put_number(out, 1, type);
    at = hulse_wire_put_varint(hulse_wire_put_tag(at, type, WIRE_COUNTED), item_bytes * count);
    for (size_t i = 0; i < count; i++) {
        memcpy(at, item, item_bytes);
        at += item_bytes;
    }
    *bytes = (size_t)(at - out);
    return out;
}

/* Whoever asks for more than the arena's bound is refused by the daemon, which is another answer. */
static void allow_no_more(void)
{
    hulse_mem_init(hulse_mem_total() - arena.held + MEMORY);
}

static void expect_expensive(uint32_t type, const uint8_t *item, size_t item_bytes)
{
    size_t bytes = 0;
    const char *why = NULL;
    uint8_t *command = repeated(type, item, item_bytes, (5U << 20U) / item_bytes, &bytes);

    allow_no_more();
    assert_int_equal(read_bytes(command, bytes, &why), WIRE_COMMAND_BAD);
    assert_string_equal(why, "a command needs more memory than a command may take");
    assert_true(hulse_mem_used(HULSE_MEM_BROKER) <= WIRE_ARENA_PIECE_BYTES);
    free(command);
    /* The next one finds an arena as it was. */
    static const uint8_t ping[] = {0x08, 18, 0x92, 0x01, 0x00};
    assert_int_equal(read_bytes(ping, sizeof(ping), &why), WIRE_COMMAND_OK);
    assert_int_equal(hulse_mem_used(HULSE_MEM_BROKER), WIRE_ARENA_PIECE_BYTES);
    hulse_mem_init(SIZE_MAX);
}

static void test_a_hostile_command_takes_what_is_allowed_and_no_more(void **state)
{
    static const uint8_t empty_topic[] = {0x12, 0x00};       /* repeated string topics */
    static const uint8_t unknown[] = {0xfa, 0x01, 0x00};     /* kept by protobuf-c */
    static const uint8_t id[] = {0x1a, 4, 0x08, 1, 0x10, 1}; /* in an ACK */
    static const uint8_t number[] = {0x20, 0x01};            /* ack_set of a MESSAGE */

    (void)state;
    expect_expensive(PULSAR__BASE_COMMAND__TYPE__GET_TOPICS_OF_NAMESPACE_RESPONSE,
                     empty_topic,
                     sizeof(empty_topic));
    expect_expensive(PULSAR__BASE_COMMAND__TYPE__PING, unknown, sizeof(unknown));
    expect_expensive(PULSAR__BASE_COMMAND__TYPE__ACK, id, sizeof(id));
    expect_expensive(PULSAR__BASE_COMMAND__TYPE__MESSAGE, number, sizeof(number));
}

/* A body that comes again and again is merged, each time with a copy of all that came before. */
static void test_merging_is_bounded_like_the_rest(void **state)
{
    static const uint8_t body[] = {0x8a, 0x02, 0x06, 0x08, 0x01, 0x12, 0x02, 'a', 'b'};
    const size_t count = 100000;
    uint8_t *out = malloc(2 + count * sizeof(body));
    const char *why = NULL;

    (void)state;
    assert_non_null(out);
    uint8_t *at =
        hulse_wire_put_number(out, 1, PULSAR__BASE_COMMAND__TYPE__GET_TOPICS_OF_NAMESPACE_RESPONSE);
    for (size_t i = 0; i < count; i++) {
        at = hulse_wire_put_raw(at, body, sizeof(body));
    }
    allow_no_more();
    assert_int_equal(read_bytes(out, (size_t)(at - out), &why), WIRE_COMMAND_BAD);
    assert_true(hulse_mem_used(HULSE_MEM_BROKER) <= WIRE_ARENA_PIECE_BYTES);
    hulse_mem_init(SIZE_MAX);
    free(out);
}

/* What the constant in the header is for. */
static void test_a_long_list_of_topics_is_read(void **state)
{
    enum { TOPICS = 50000, NAME_BYTES = 80 };
    static char name[NAME_BYTES + 1];
    static char *names[TOPICS];
    Pulsar__BaseCommand c = PULSAR__BASE_COMMAND__INIT;
    Pulsar__CommandGetTopicsOfNamespaceResponse list =
        PULSAR__COMMAND_GET_TOPICS_OF_NAMESPACE_RESPONSE__INIT;
    struct wire_arena large;
    const Pulsar__BaseCommand *back = NULL;
    const char *why = NULL;

    (void)state;
    memset(name, 'x', NAME_BYTES);
    for (size_t i = 0; i < TOPICS; i++) {
        names[i] = name;
    }
    c.type = PULSAR__BASE_COMMAND__TYPE__GET_TOPICS_OF_NAMESPACE_RESPONSE;
    c.gettopicsofnamespaceresponse = &list;
    list.topics = names;
    list.n_topics = TOPICS;
    const size_t bytes = hulse_wire_command_bytes(&c);
    uint8_t *out = malloc(bytes);
    assert_non_null(out);
    assert_int_equal(hulse_wire_command_write(&c, out, bytes), bytes);
    hulse_wire_arena_init(&large, WIRE_COMMAND_MEMORY_MAX);
    const struct broker_span command = {.data = out + WIRE_FRAME_HEADER_BYTES,
                                        .bytes = (uint32_t)bytes - WIRE_FRAME_HEADER_BYTES};
    assert_int_equal(hulse_wire_command_read(&large, command, &back, &why), WIRE_COMMAND_OK);
    assert_int_equal(back->gettopicsofnamespaceresponse->n_topics, TOPICS);
    assert_string_equal(back->gettopicsofnamespaceresponse->topics[TOPICS - 1], name);
    print_message("%zu bytes take %zu\n", bytes, large.held);
    hulse_wire_arena_fini(&large);
    free(out);
}

static void test_memory_refused_is_no_fault_of_the_command(void **state)
{
    static const uint8_t ping[] = {0x08, 18, 0x92, 0x01, 0x00};
    struct wire_arena poor;
    const Pulsar__BaseCommand *command = NULL;
    const struct broker_span span = {.data = ping, .bytes = sizeof(ping)};
    const char *why = NULL;

    (void)state;
    hulse_wire_arena_init(&poor, MEMORY);
    hulse_mem_init(hulse_mem_total());
    assert_int_equal(hulse_wire_command_read(&poor, span, &command, &why), WIRE_COMMAND_NO_MEMORY);
    assert_non_null(why);
    hulse_mem_init(SIZE_MAX);
    assert_int_equal(hulse_wire_command_read(&poor, span, &command, &why), WIRE_COMMAND_OK);
    hulse_wire_arena_fini(&poor);
}

static void test_a_limit_is_believed_when_it_can_be(void **state)
{
    static const struct {
        protobuf_c_boolean has;
        int32_t told;
        uint32_t limit;
    } limits[] = {{0, 0, 77},
                  {1, 5242880, 5242880},
                  {1, 1, 1},
                  {1, 0, 77},
                  {1, -1, 77},
                  {1, INT32_MIN, 77},
                  {1, INT32_MAX, WIRE_MESSAGE_BYTES_MAX}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        Pulsar__CommandConnected c = PULSAR__COMMAND_CONNECTED__INIT;
        c.has_max_message_size = limits[i].has;
        c.max_message_size = limits[i].told;
        assert_int_equal(hulse_wire_connected_limit(&c, 77), limits[i].limit);
    }
}

static void test_an_arena_gives_what_it_says(void **state)
{
    struct wire_arena a;
    uint64_t seed = test_seed();

    (void)state;
    hulse_wire_arena_init(&a, MEMORY);
    for (unsigned round = 0; round < 50; round++) {
        size_t sum = 0;
        for (;;) {
            const size_t bytes = test_below(&seed, test_below(&seed, 4) == 0 ? 60000 : 200);
            uint8_t *memory = hulse_wire_arena_alloc(&a, bytes);
            if (memory == NULL) {
                assert_int_equal(a.state, WIRE_ARENA_OVER);
                break;
            }
            assert_int_equal((uintptr_t)memory % _Alignof(max_align_t), 0);
            memset(memory, 0xab, bytes);
            sum += bytes;
            assert_true(sum <= a.held && a.held <= MEMORY);
        }
        assert_true(sum > MEMORY / 4);
        hulse_wire_arena_reset(&a);
        assert_true(a.held <= WIRE_ARENA_PIECE_BYTES);
        assert_int_equal(a.state, WIRE_ARENA_FINE);
    }
    assert_null(hulse_wire_arena_alloc(&a, MEMORY + 1));
    assert_null(hulse_wire_arena_alloc(&a, SIZE_MAX));
    hulse_wire_arena_fini(&a);
}

static int begin(void **state)
{
    (void)state;
    hulse_wire_arena_init(&arena, MEMORY);
    return 0;
}

static int end(void **state)
{
    (void)state;
    hulse_wire_arena_fini(&arena);
    return hulse_mem_used(HULSE_MEM_BROKER) != 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_command_goes_through_unchanged),
        cmocka_unit_test(test_every_type_has_its_message),
        cmocka_unit_test(test_no_message_contains_itself),
        cmocka_unit_test(test_what_is_unknown_is_ignored),
        cmocka_unit_test(test_what_is_not_a_command_is_refused_with_a_reason),
        cmocka_unit_test(test_a_hostile_command_takes_what_is_allowed_and_no_more),
        cmocka_unit_test(test_merging_is_bounded_like_the_rest),
        cmocka_unit_test(test_a_long_list_of_topics_is_read),
        cmocka_unit_test(test_memory_refused_is_no_fault_of_the_command),
        cmocka_unit_test(test_a_limit_is_believed_when_it_can_be),
        cmocka_unit_test(test_an_arena_gives_what_it_says),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
