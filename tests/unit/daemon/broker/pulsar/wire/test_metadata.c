/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   metadata read by hand are what protobuf-c reads, and metadata written by hand are what protobuf-c writes;
 *         keys and properties come back as they were; what is not metadata is refused.
 * Method: random metadata by seed, made from the descriptors, both ways; random drafts; random damage, after which
 *         whatever is accepted must be what protobuf-c accepts.
 */
#include "daemon/broker/pulsar/wire/field.h"
#include "daemon/broker/pulsar/wire/metadata.h"
#include "tests/unit/daemon/broker/pulsar/wire/meta_text.h"
#include "tests/unit/daemon/broker/pulsar/wire/text_of.h"
#include "tests/unit/daemon/core/check.h"

#include <pulsar_api.pb-c.h>
#include <string.h>

#define ROUNDS 2000U
#define ROOM 8192U

static struct broker_span span_of(const char *text)
{
    return (struct broker_span){.data = (const uint8_t *)text, .bytes = (uint32_t)strlen(text)};
}

/* In memory of exactly their size. */
static char *read_text(const uint8_t *data, size_t bytes, bool single, bool *encrypted)
{
    uint8_t *copy = malloc(bytes == 0 ? 1 : bytes);
    const char *why = NULL;
    char *text = NULL;
    struct wire_metadata meta;
    struct wire_single one;

    assert_non_null(copy);
    memcpy(copy, data, bytes);
    const struct broker_span in = {.data = copy, .bytes = (uint32_t)bytes};
    const bool good =
        single ? hulse_wire_single_read(in, &one, &why) : hulse_wire_metadata_read(in, &meta, &why);
    if (good) {
        text = single ? hulse_single_text(&one) : hulse_meta_text(&meta);
    } else {
        assert_non_null(why);
    }
    *encrypted = good && !single && hulse_wire_encrypted(&meta);
    free(copy);
    return text;
}

/* What the daemon notes without keeping it. */
static void strip(Pulsar__MessageMetadata *m)
{
    m->n_replicate_to = 0;
    m->n_encryption_keys = 0;
    m->encryption_algo = NULL;
    m->has_encryption_param = 0;
}

static char *oracle(const uint8_t *data, size_t bytes, bool single)
{
    char *text = NULL;

    if (single) {
        Pulsar__SingleMessageMetadata *m =
            pulsar__single_message_metadata__unpack(NULL, bytes, data);
        text = m == NULL ? NULL : hulse_text_of(&m->base);
        if (m != NULL) {
            pulsar__single_message_metadata__free_unpacked(m, NULL);
        }
        return text;
    }
    Pulsar__MessageMetadata *m = pulsar__message_metadata__unpack(NULL, bytes, data);
    if (m != NULL) {
        Pulsar__MessageMetadata seen = *m;
        strip(&seen);
        text = hulse_text_of(&seen.base);
        pulsar__message_metadata__free_unpacked(m, NULL);
    }
    return text;
}

static void compare(const uint8_t *data, size_t bytes, bool single, bool must)
{
    bool encrypted = false;
    char *text = read_text(data, bytes, single, &encrypted);
    char *expected = oracle(data, bytes, single);

    assert_true(text != NULL || !must);
    /* Nobody looks into the keys of an encrypted message here, so damage there is not seen. */
    if (text != NULL && (expected != NULL || !encrypted)) {
        assert_non_null(expected);
        assert_string_equal(text, expected);
    }
    free(expected);
    free(text);
}

static size_t random_metadata(uint8_t *out, size_t room, bool single, uint64_t *seed)
{
    const ProtobufCMessageDescriptor *d = single ? &pulsar__single_message_metadata__descriptor
                                                 : &pulsar__message_metadata__descriptor;
    ProtobufCMessage *m = calloc(1, d->sizeof_message);

    assert_non_null(m);
    protobuf_c_message_init(d, m);
    hulse_random_fill(m, seed);
    const size_t bytes = protobuf_c_message_get_packed_size(m);
    if (bytes <= room) {
        assert_int_equal(protobuf_c_message_pack(m, out), bytes);
    }
    protobuf_c_message_free_unpacked(m, NULL);
    return bytes <= room ? bytes : 0;
}

static void test_what_protobuf_writes_is_read(void **state)
{
    uint64_t seed = test_seed();
    uint8_t out[ROOM];

    (void)state;
    for (unsigned i = 0; i < 2 * ROUNDS; i++) {
        const bool single = i % 2 == 0;
        const size_t bytes = random_metadata(out, sizeof(out), single, &seed);
        if (bytes > 0) {
            compare(out, bytes, single, true);
        }
    }
}

static void test_what_is_accepted_after_damage_is_what_protobuf_accepts(void **state)
{
    uint64_t seed = test_seed();
    uint8_t out[ROOM];

    (void)state;
    for (unsigned i = 0; i < 10 * ROUNDS; i++) {
        const bool single = i % 2 == 0;
        size_t bytes = random_metadata(out, sizeof(out), single, &seed);
        if (bytes == 0) {
            continue;
        }
        for (uint64_t n = 1 + test_below(&seed, 3); n > 0; n--) {
            out[test_below(&seed, bytes)] ^= (uint8_t)(1U << test_below(&seed, 8));
        }
        if (test_below(&seed, 4) == 0) {
            bytes = test_below(&seed, bytes + 1);
        }
        compare(out, bytes, single, false);
    }
}

static void test_every_prefix_is_refused_or_the_same_to_both(void **state)
{
    uint64_t seed = test_seed();
    uint8_t out[ROOM];

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        const size_t bytes = random_metadata(out, sizeof(out), i % 2 == 0, &seed);
        for (size_t n = 0; n < bytes; n++) {
            compare(out, n, i % 2 == 0, false);
        }
    }
}

static void test_packed_lists_are_read_like_single_ones(void **state)
{
    static const uint8_t bytes[] = {0x0a, 1,    'p', 0x10, 1,    0x18, 2, /* what is required */
                                    0xf8, 0x01, 3,                        /* one */
                                    0xfa, 0x01, 4,   4,    0xac, 0x02, 6, /* three */
                                    0x58, 9,                              /* something else */
                                    0xfa, 0x01, 0,                        /* none */
                                    0xf8, 0x01, 5};                       /* one */
    static const int32_t expected[] = {3, 4, 300, 6, 5};
    struct wire_metadata meta;
    const char *why = NULL;
    int32_t index = 0;

    (void)state;
    compare(bytes, sizeof(bytes), false, true);
    assert_true(hulse_wire_metadata_read(
        (struct broker_span){.data = bytes, .bytes = sizeof(bytes)}, &meta, &why));
    assert_int_equal(meta.compacted.count, COUNT_OF(expected));
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        assert_true(hulse_wire_compacted_next(&meta.compacted, &index));
        assert_int_equal(index, expected[i]);
    }
    assert_false(hulse_wire_compacted_next(&meta.compacted, &index));
    assert_int_equal(meta.batch_count, 9);
}

/* Stricter than protobuf-c, which drops the bits above. */
static void test_numbers_have_64_bits_at_most(void **state)
{
    static const struct {
        uint8_t bytes[11];
        uint32_t count;
        uint64_t value; /* 0: refused */
    } numbers[] = {{{0x7f}, 1, 127},
                   {{0x80, 0x01}, 2, 128},
                   {{0x80}, 1, 0},
                   {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, 10, UINT64_MAX},
                   {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}, 10, 0},
                   {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 0x00}, 11, 0},
                   {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 9, 0},
                   {{0x81, 0x00}, 2, 1}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        struct broker_span in = {.data = numbers[i].bytes, .bytes = numbers[i].count};
        uint64_t n = 0;
        assert_int_equal(hulse_wire_get_varint(&in, &n), numbers[i].value != 0);
        if (numbers[i].value != 0) {
            assert_true(n == numbers[i].value && in.bytes == 0);
        }
    }
    for (unsigned shift = 0; shift < 64; shift++) {
        for (uint64_t n = (UINT64_C(1) << shift) - 1; n <= UINT64_C(1) << shift; n++) {
            uint8_t out[WIRE_VARINT_BYTES_MAX];
            struct broker_span in = {.data = out,
                                     .bytes = (uint32_t)(hulse_wire_put_varint(out, n) - out)};
            uint64_t back = 0;
            assert_int_equal(in.bytes, hulse_wire_varint_bytes(n));
            assert_true(hulse_wire_get_varint(&in, &back) && back == n && in.bytes == 0);
        }
    }
}

static void test_tags_and_sizes_have_five_bytes_at_most(void **state)
{
    /* Behind payload_size: a field that nobody knows, then a key. */
    static const struct {
        uint8_t bytes[12];
        uint32_t count;
        bool good;
    } fields[] = {{{0x18, 0, 0xf8, 0xff, 0xff, 0xff, 0x0f, 1}, 8, true},
                  {{0x18, 0, 0xf8, 0xff, 0xff, 0xff, 0x1f, 1}, 8, false},
                  {{0x18, 0, 0xf8, 0xff, 0xff, 0xff, 0x8f, 0x00, 1}, 9, false},
                  {{0x18, 0, 0x92, 0x80, 0x80, 0x80, 0x00, 1, 'k'}, 9, true},
                  {{0x18, 0, 0x92, 0x80, 0x80, 0x80, 0x80, 0x00, 1, 'k'}, 10, false},
                  {{0x18, 0, 0x12, 0x81, 0x80, 0x80, 0x80, 0x00, 'k'}, 9, true},
                  {{0x18, 0, 0x12, 0x81, 0x80, 0x80, 0x80, 0x80, 0x00, 'k'}, 10, false},
                  {{0x18, 0, 0x00, 1}, 4, false}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        bool encrypted = false;
        char *text = read_text(fields[i].bytes, fields[i].count, true, &encrypted);
        print_message("%zu\n", i);
        assert_int_equal(text != NULL, fields[i].good);
        free(text);
        compare(fields[i].bytes, fields[i].count, true, fields[i].good);
    }
}

static void test_entries_are_read_as_protobuf_writes_them(void **state)
{
    uint64_t seed = test_seed();

    (void)state;
    for (unsigned i = 0; i < ROUNDS; i++) {
        Pulsar__BrokerEntryMetadata m = PULSAR__BROKER_ENTRY_METADATA__INIT;
        struct wire_entry entry;
        const char *why = NULL;
        uint8_t out[32];
        hulse_random_fill(&m.base, &seed);
        const struct broker_span in = {
            .data = out, .bytes = (uint32_t)pulsar__broker_entry_metadata__pack(&m, out)};
        assert_true(hulse_wire_entry_read(in, &entry, &why));
        char *text = hulse_entry_text(&entry);
        char *expected = hulse_text_of(&m.base);
        assert_string_equal(text, expected);
        free(expected);
        free(text);
        if (in.bytes > 0) {
            out[in.bytes - 1] |= 0x80U;
            assert_false(hulse_wire_entry_read(in, &entry, &why));
            assert_non_null(why);
        }
    }
}

static void test_a_zero_byte_is_part_of_a_key(void **state)
{
    static const uint8_t bytes[] = {
        0x12, 3, 'a', 0, 'b', 0x18, 0, 0x0a, 8, 0x0a, 2, 0, 'n', 0x12, 2, 'v', 0};
    struct wire_single one;
    struct wire_property property;
    const char *why = NULL;
    uint8_t encoded[16];

    (void)state;
    assert_true(hulse_wire_single_read(
        (struct broker_span){.data = bytes, .bytes = sizeof(bytes)}, &one, &why));
    assert_int_equal(one.key.bytes, 3);
    assert_memory_equal(one.key.data, "a\0b", 3);
    assert_ptr_equal(one.key.data, bytes + 2);
    assert_int_equal(one.properties.encoded_bytes, 8);
    assert_int_equal(hulse_wire_properties_encode(&one.properties, encoded), 0);
    assert_memory_equal(encoded, "\2\0\2\0\0nv\0", 8);
    assert_true(hulse_wire_properties_next(&one.properties, &property));
    assert_false(hulse_wire_properties_next(&one.properties, &property));
}

/* ---- drafts ------------------------------------------------------------------------------ */

/* Properties in the daemon's encoding; their number. */
static unsigned random_properties(struct broker_span *out, uint8_t *buffer, uint64_t *seed)
{
    const unsigned count = (unsigned)test_below(seed, 4);
    uint8_t *at = buffer;

    for (unsigned i = 0; i < count; i++) {
        const unsigned name = 1 + (unsigned)test_below(seed, test_below(seed, 8) == 0 ? 300 : 9);
        const unsigned value = (unsigned)test_below(seed, test_below(seed, 8) == 0 ? 300 : 9);
        *at++ = (uint8_t)name;
        *at++ = (uint8_t)(name >> 8U);
        *at++ = (uint8_t)value;
        *at++ = (uint8_t)(value >> 8U);
        for (unsigned k = 0; k < name + value; k++) {
            *at++ = (uint8_t)(1 + test_below(seed, 126));
        }
    }
    *out = (struct broker_span){.data = buffer, .bytes = (uint32_t)(at - buffer)};
    return count;
}

static struct broker_span random_bytes(uint8_t *buffer, uint64_t *seed, bool text)
{
    const uint32_t bytes = (uint32_t)test_below(seed, test_below(seed, 8) == 0 ? 200 : 20);

    for (uint32_t i = 0; i < bytes; i++) {
        buffer[i] = (uint8_t)(text ? 1 + test_below(seed, 126) : test_random(seed));
    }
    return (struct broker_span){.data = buffer, .bytes = bytes};
}

static void random_draft(struct wire_draft *d, uint8_t buffers[5][4096], uint64_t *seed)
{
    struct broker_meta meta = {.partition = -1};
    const struct broker_record record = {
        .payload = {.data = buffers[0], .bytes = (uint32_t)test_below(seed, 100000)},
        .meta = test_below(seed, 8) == 0 ? NULL : &meta};

    (void)random_properties(&meta.properties, buffers[0], seed);
    meta.has_key = test_below(seed, 2) == 0;
    meta.key = random_bytes(buffers[1], seed, test_below(seed, 2) == 0);
    meta.has_ordering_key = test_below(seed, 2) == 0;
    meta.ordering_key = random_bytes(buffers[2], seed, false);
    meta.ordering_key.bytes = meta.has_ordering_key ? meta.ordering_key.bytes : 0;
    meta.event_time_ms = test_below(seed, 2) == 0 ? 0 : test_random(seed);
    meta.tombstone = test_below(seed, 4) == 0;
    *d = (struct wire_draft){.producer_name = random_bytes(buffers[3], seed, true),
                             .sequence_id = test_random(seed),
                             .publish_time_ms = test_random(seed),
                             .compression = (int32_t)test_below(seed, 5)};
    hulse_wire_draft_record(d, &record);
    switch (test_below(seed, 4)) {
    case 0:
        d->batch_count = 1 + (uint32_t)test_below(seed, INT32_MAX);
        d->highest_sequence_id = test_random(seed);
        break;
    case 1:
        d->uuid = span_of("producer-17");
        d->chunk_count = 3;
        d->chunked_bytes = INT32_MAX;
        d->chunk = (int32_t)test_below(seed, 3);
        break;
    case 2:
        d->deliver_at_ms = (int64_t)test_below(seed, INT64_MAX);
        d->schema_version = random_bytes(buffers[4], seed, false);
        break;
    default:
        break;
    }
}

/* What protobuf-c reads in it is written again the same: no field twice, in order, none in a longer form. */
static void check_canonical(const uint8_t *data, size_t bytes)
{
    Pulsar__MessageMetadata *m = pulsar__message_metadata__unpack(NULL, bytes, data);
    uint8_t *again = malloc(bytes);

    assert_non_null(m);
    assert_non_null(again);
    assert_int_equal(m->base.n_unknown_fields, 0);
    assert_int_equal(pulsar__message_metadata__get_packed_size(m), bytes);
    assert_int_equal(pulsar__message_metadata__pack(m, again), bytes);
    assert_memory_equal(again, data, bytes);
    free(again);
    pulsar__message_metadata__free_unpacked(m, NULL);
}

static void check_key(const struct wire_metadata *m, const struct wire_draft *d)
{
    uint8_t decoded[256];
    uint32_t bytes = 0;

    assert_int_equal(hulse_wire_has(m->has, WIRE_META_KEY), d->key_form != WIRE_KEY_NONE);
    assert_int_equal(m->key_base64, d->key_form == WIRE_KEY_BYTES);
    if (d->key_form == WIRE_KEY_NONE) {
        return;
    }
    if (!m->key_base64) {
        assert_int_equal(m->key.bytes, d->key.bytes);
        assert_memory_equal(m->key.data, d->key.data, d->key.bytes);
        return;
    }
    assert_true(hulse_wire_key_decoded_max(m->key.bytes) <= sizeof(decoded));
    assert_true(hulse_wire_key_decode(m->key, decoded, &bytes));
    assert_int_equal(bytes, d->key.bytes);
    assert_memory_equal(decoded, d->key.data, bytes);
}

static void check_draft(const struct wire_draft *d)
{
    const uint64_t room = hulse_wire_draft_room(d);
    uint8_t *out = malloc(room);
    struct wire_metadata m;
    const char *why = NULL;

    assert_non_null(out);
    const size_t bytes = (size_t)(hulse_wire_draft_put(out, d) - out);
    assert_true(bytes <= room);
    if (d->key.bytes == 0 || memchr(d->key.data, 0, d->key.bytes) == NULL ||
        hulse_wire_key_is_base64(d->key_form)) {
        check_canonical(out, bytes); /* whose texts end at a zero byte */
    }
    compare(out, bytes, false, true);
    assert_true(hulse_wire_metadata_read(
        (struct broker_span){.data = out, .bytes = (uint32_t)bytes}, &m, &why));
    assert_int_equal(m.sequence_id, d->sequence_id - (d->chunk + 1 < d->chunk_count ? 1U : 0U));
    assert_int_equal(m.publish_time_ms, d->publish_time_ms);
    assert_int_equal(m.event_time_ms, d->event_time_ms);
    assert_int_equal(m.compression, d->compression);
    assert_int_equal(m.null_value, d->null_value);
    assert_int_equal(m.batch_count, d->batch_count);
    assert_int_equal(hulse_wire_has(m.has, WIRE_META_BATCH), d->batch_count > 0);
    assert_int_equal(m.deliver_at_ms, d->deliver_at_ms);
    assert_int_equal(m.chunk, d->chunk);
    assert_int_equal(m.chunk_count, d->chunk_count);
    assert_int_equal(m.ordering_key.bytes, d->ordering_key.bytes);
    assert_int_equal(hulse_wire_has(m.has, WIRE_META_ORDERING_KEY), d->has_ordering_key);
    check_key(&m, d);
    assert_int_equal(m.properties.encoded_bytes, d->properties.bytes);
    uint8_t *properties = malloc(d->properties.bytes + 1U);
    assert_non_null(properties);
    assert_int_equal(hulse_wire_properties_encode(&m.properties, properties), 0);
    assert_memory_equal(properties, d->properties.data, d->properties.bytes);
    free(properties);
    free(out);
}

static void test_what_is_written_is_what_protobuf_writes(void **state)
{
    static uint8_t buffers[5][4096];
    uint64_t seed = test_seed();

    (void)state;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct wire_draft d;
        random_draft(&d, buffers, &seed);
        check_draft(&d);
    }
}

static void test_the_room_of_a_draft_is_enough_for_the_largest_numbers(void **state)
{
    const struct wire_draft d = {.sequence_id = UINT64_MAX,
                                 .publish_time_ms = UINT64_MAX,
                                 .compression = INT32_MAX,
                                 .uncompressed_bytes = UINT32_MAX,
                                 .has_uncompressed_bytes = true,
                                 .event_time_ms = UINT64_MAX,
                                 .has_ordering_key = true,
                                 .deliver_at_ms = INT64_MAX,
                                 .chunk_count = INT32_MAX,
                                 .chunked_bytes = INT32_MAX,
                                 .chunk = INT32_MAX - 1,
                                 .key_form = WIRE_KEY_BYTES,
                                 .null_value = true};

    (void)state;
    check_draft(&d);
}

static void test_properties_of_the_largest_size_have_room(void **state)
{
    const uint32_t bytes = 4 + 2 * UINT16_MAX;
    uint8_t *encoded = malloc(bytes);
    struct wire_draft d = {.producer_name = span_of("p")};

    (void)state;
    assert_non_null(encoded);
    memset(encoded, 0xff, 4);
    memset(encoded + 4, 'x', bytes - 4);
    d.properties = (struct broker_span){.data = encoded, .bytes = bytes};
    check_draft(&d);
    free(encoded);
}

/* The shortest grow most. */
static void test_many_small_properties_have_room(void **state)
{
    enum { COUNT = 1000, BYTES = 5 };
    static uint8_t encoded[COUNT * BYTES];
    const struct wire_draft d = {.properties = {.data = encoded, .bytes = sizeof(encoded)}};

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        memcpy(encoded + i * BYTES, "\1\0\0\0n", BYTES);
    }
    check_draft(&d);
}

/* ---- what the daemon's encoding cannot hold ----------------------------------------------- */

static void test_what_cannot_be_encoded_is_left_out_and_counted(void **state)
{
    const uint32_t large = UINT16_MAX + 1U;
    uint8_t *out = malloc(2 * (size_t)large);
    uint8_t encoded[16];
    struct wire_single one;
    const char *why = NULL;

    (void)state;
    assert_non_null(out);
    uint8_t *at = hulse_wire_put_number(out, 3, 0);
    const uint8_t good[] = {0x0a, 1, 'n', 0x12, 1, 'v'};
    const uint8_t nameless[] = {0x0a, 0, 0x12, 1, 'v'};
    const uint8_t not_utf8[] = {0x0a, 1, 0xff, 0x12, 1, 'v'};
    at = hulse_wire_put_span(at, 1, (struct broker_span){.data = nameless, .bytes = 5});
    at = hulse_wire_put_span(at, 1, (struct broker_span){.data = not_utf8, .bytes = 6});
    at = hulse_wire_put_span(at, 1, (struct broker_span){.data = good, .bytes = 6});
    at = hulse_wire_put_varint(hulse_wire_put_tag(at, 1, WIRE_COUNTED), 3 + 4 + large);
    at = hulse_wire_put_raw(at, good, 3);
    at = hulse_wire_put_varint(hulse_wire_put_tag(at, 2, WIRE_COUNTED), large);
    memset(at, 'x', large);
    at += large;
    assert_true(hulse_wire_single_read(
        (struct broker_span){.data = out, .bytes = (uint32_t)(at - out)}, &one, &why));
    assert_int_equal(one.properties.count, 4);
    assert_int_equal(one.properties.encoded_bytes, 6);
    assert_int_equal(hulse_wire_properties_encode(&one.properties, encoded), 3);
    assert_memory_equal(encoded, "\1\0\1\0nv", 6);
    free(out);
}

static void test_keys_that_are_not_base64_are_refused(void **state)
{
    static const char *const bad[] = {
        "a", "ab", "abc", "abcde", "ab!=", "=abc", "a===", "====", "ab=c", "YQ==YQ=="};
    static const char *const good[][2] = {
        {"", ""}, {"YQ==", "a"}, {"YWI=", "ab"}, {"YWJj", "abc"}, {"YWJjZA==", "abcd"}};
    uint8_t out[16];
    uint32_t bytes = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        print_message("%s\n", bad[i]);
        assert_false(hulse_wire_key_decode(span_of(bad[i]), out, &bytes));
    }
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_true(hulse_wire_key_decode(span_of(good[i][0]), out, &bytes));
        assert_int_equal(bytes, strlen(good[i][1]));
        assert_memory_equal(out, good[i][1], bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_protobuf_writes_is_read),
        cmocka_unit_test(test_what_is_accepted_after_damage_is_what_protobuf_accepts),
        cmocka_unit_test(test_every_prefix_is_refused_or_the_same_to_both),
        cmocka_unit_test(test_packed_lists_are_read_like_single_ones),
        cmocka_unit_test(test_numbers_have_64_bits_at_most),
        cmocka_unit_test(test_tags_and_sizes_have_five_bytes_at_most),
        cmocka_unit_test(test_entries_are_read_as_protobuf_writes_them),
        cmocka_unit_test(test_a_zero_byte_is_part_of_a_key),
        cmocka_unit_test(test_what_is_written_is_what_protobuf_writes),
        cmocka_unit_test(test_the_room_of_a_draft_is_enough_for_the_largest_numbers),
        cmocka_unit_test(test_properties_of_the_largest_size_have_room),
        cmocka_unit_test(test_many_small_properties_have_room),
        cmocka_unit_test(test_what_cannot_be_encoded_is_left_out_and_counted),
        cmocka_unit_test(test_keys_that_are_not_base64_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
