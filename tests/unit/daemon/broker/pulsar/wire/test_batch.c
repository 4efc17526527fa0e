/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what goes into a batch comes out of it, one message after the other; a batch whose count or sizes are not
 *         true is refused before anything beyond it is touched; compacted batches keep the indexes of their messages.
 * Method: random records by seed, buffers that are just large enough or one byte too small; batches that lie at
 *         each place where they can.
 */
#include "daemon/broker/pulsar/wire/batch_reader.h"
#include "daemon/broker/pulsar/wire/batch_writer.h"
#include "daemon/broker/pulsar/wire/field.h"
#include "tests/unit/daemon/core/check.h"

#include <pulsar_api.pb-c.h>
#include <string.h>

#define RECORDS 40U

struct made {
    uint8_t payload[600];
    uint8_t key[64];
    uint8_t ordering[64];
    uint8_t properties[64];
    struct broker_meta meta;
    struct broker_record record;
};

static struct made made[RECORDS];

static struct broker_span any(uint8_t *buffer, uint64_t below, uint64_t *seed)
{
    const uint32_t bytes = (uint32_t)test_below(seed, below);

    for (uint32_t i = 0; i < bytes; i++) {
        buffer[i] = (uint8_t)test_random(seed);
    }
    return (struct broker_span){.data = buffer, .bytes = bytes};
}

static void make(struct made *m, uint64_t *seed)
{
    *m = (struct made){.meta = {.partition = -1}};
    m->record.payload = any(m->payload, test_below(seed, 2) == 0 ? 600 : 3, seed);
    if (test_below(seed, 5) == 0) {
        return;
    }
    m->record.meta = &m->meta;
    m->meta.has_key = test_below(seed, 2) == 0;
    if (m->meta.has_key) {
        m->meta.key = any(m->key, 64, seed);
        for (uint32_t i = 0; test_below(seed, 2) == 0 && i < m->meta.key.bytes; i++) {
            m->key[i] &= 0x7fU;
        }
    }
    m->meta.has_ordering_key = test_below(seed, 2) == 0;
    if (m->meta.has_ordering_key) {
        m->meta.ordering_key = any(m->ordering, 64, seed);
    }
    if (test_below(seed, 2) == 0) {
        memcpy(m->properties, "\1\0\2\0nab\2\0\0\0no", 13);
        m->meta.properties = (struct broker_span){.data = m->properties, .bytes = 13};
    }
    m->meta.event_time_ms = test_below(seed, 2) == 0 ? 0 : test_random(seed);
    m->meta.tombstone = test_below(seed, 4) == 0;
}

static void check_key(const struct wire_single *s, const struct broker_meta *meta)
{
    uint8_t decoded[64];
    uint32_t bytes = 0;

    assert_int_equal(hulse_wire_has(s->has, WIRE_SINGLE_KEY), meta->has_key);
    if (s->key_base64) {
        assert_true(hulse_wire_key_decode(s->key, decoded, &bytes));
        assert_int_equal(bytes, meta->key.bytes);
        assert_memory_equal(decoded, meta->key.data, bytes);
    } else {
        assert_int_equal(s->key.bytes, meta->key.bytes);
        assert_memory_equal(s->key.data, meta->key.data, s->key.bytes);
    }
}

static void check_same(const struct wire_batch_message *m, const struct broker_record *r)
{
    static const struct broker_meta none;
    const struct broker_meta *meta = r->meta == NULL ? &none : r->meta;
    uint8_t properties[64];

    assert_int_equal(m->payload.bytes, r->payload.bytes);
    assert_memory_equal(m->payload.data, r->payload.data, r->payload.bytes);
    check_key(&m->meta, meta);
    assert_int_equal(hulse_wire_has(m->meta.has, WIRE_SINGLE_ORDERING_KEY), meta->has_ordering_key);
    assert_int_equal(m->meta.ordering_key.bytes, meta->ordering_key.bytes);
    assert_memory_equal(
        m->meta.ordering_key.data, meta->ordering_key.data, meta->ordering_key.bytes);
    assert_int_equal(m->meta.event_time_ms, meta->event_time_ms);
    assert_int_equal(m->meta.null_value, meta->tombstone);
    assert_false(m->meta.compacted_out);
    assert_int_equal(m->meta.properties.encoded_bytes, meta->properties.bytes);
    assert_int_equal(hulse_wire_properties_encode(&m->meta.properties, properties), 0);
    assert_memory_equal(properties, meta->properties.data, meta->properties.bytes);
}

/* What protobuf-c makes of the message is what was written: fields in order and in their shortest form. */
static void check_canonical(const uint8_t *at)
{
    const uint32_t bytes = hulse_get32_big(at);
    Pulsar__SingleMessageMetadata *m = pulsar__single_message_metadata__unpack(NULL, bytes, at + 4);
    uint8_t again[1024];

    assert_non_null(m);
    if (m->partition_key == NULL || memchr(at + 4, 0, bytes) == NULL) {
        assert_int_equal(pulsar__single_message_metadata__get_packed_size(m), bytes);
        assert_int_equal(pulsar__single_message_metadata__pack(m, again), bytes);
        assert_memory_equal(again, at + 4, bytes);
    }
    pulsar__single_message_metadata__free_unpacked(m, NULL);
}

static struct wire_metadata batch_of(int32_t count)
{
    return (struct wire_metadata){.has = UINT64_C(1) << WIRE_META_BATCH, .batch_count = count};
}

static void check_batch(const struct wire_batch *b, unsigned count, uint64_t first)
{
    const struct wire_metadata meta = batch_of((int32_t)count);
    struct wire_batch_reader reader;
    struct wire_batch_message message;
    uint8_t *copy = malloc(b->bytes);
    const char *why = NULL;

    assert_non_null(copy);
    memcpy(copy, b->data, b->bytes);
    assert_true(hulse_wire_batch_open(
        &reader, &meta, (struct broker_span){.data = copy, .bytes = b->bytes}, &why));
    const uint8_t *at = copy;
    for (unsigned i = 0; i < count; i++) {
        check_canonical(at);
        assert_int_equal(hulse_wire_batch_next(&reader, &message, &why), WIRE_BATCH_OK);
        assert_int_equal(message.index, i);
        assert_int_equal(message.meta.sequence_id, first + i);
        check_same(&message, &made[i].record);
        at = message.payload.data + message.payload.bytes;
    }
    assert_int_equal(hulse_wire_batch_next(&reader, &message, &why), WIRE_BATCH_END);
    free(copy);
}

static void check_draft(const struct wire_batch *b, unsigned count, uint64_t first)
{
    static const struct broker_meta none;
    const struct broker_meta *meta = made[0].record.meta == NULL ? &none : made[0].record.meta;
    struct wire_draft d = {0};

    hulse_wire_batch_draft(b, &d);
    assert_int_equal(d.batch_count, count);
    assert_int_equal(d.sequence_id, first);
    assert_int_equal(d.highest_sequence_id, first + count - 1);
    assert_int_equal(d.uncompressed_bytes, b->bytes);
    assert_int_equal(d.key_form == WIRE_KEY_NONE, !meta->has_key);
    assert_int_equal(d.has_ordering_key, meta->has_ordering_key);
    assert_int_equal(d.ordering_key.bytes, meta->ordering_key.bytes);
    assert_memory_equal(d.ordering_key.data, meta->ordering_key.data, d.ordering_key.bytes);
    if (d.key_form == WIRE_KEY_TEXT) {
        assert_int_equal(d.key.bytes, meta->key.bytes);
        assert_memory_equal(d.key.data, meta->key.data, d.key.bytes);
    } else if (meta->has_key) {
        uint8_t decoded[64];
        uint32_t bytes = 0;
        assert_int_equal(d.key_form, WIRE_KEY_BASE64);
        assert_true(hulse_wire_key_decode(d.key, decoded, &bytes));
        assert_int_equal(bytes, meta->key.bytes);
        assert_memory_equal(decoded, meta->key.data, bytes);
    }
}

static void test_what_goes_in_comes_out(void **state)
{
    uint64_t seed = test_seed();

    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        const unsigned count = 1 + (unsigned)test_below(&seed, RECORDS);
        const uint64_t first = test_random(&seed) >> (8 + test_below(&seed, 56));
        uint32_t room = 0;
        for (unsigned i = 0; i < count; i++) {
            make(&made[i], &seed);
            room += (uint32_t)hulse_wire_batch_room(&made[i].record);
        }
        uint8_t *buffer = malloc(room);
        struct wire_batch b;
        uint32_t payload_bytes = 0;
        assert_non_null(buffer);
        hulse_wire_batch_begin(&b, buffer, room);
        for (unsigned i = 0; i < count; i++) {
            assert_true(hulse_wire_batch_add(&b, &made[i].record, first + i));
            payload_bytes += made[i].record.payload.bytes;
        }
        assert_int_equal(b.count, count);
        assert_int_equal(b.payload_bytes, payload_bytes);
        check_batch(&b, count, first);
        check_draft(&b, count, first);
        free(buffer);
    }
}

static void test_what_does_not_fit_changes_nothing(void **state)
{
    uint64_t seed = test_seed();

    (void)state;
    for (unsigned round = 0; round < 100; round++) {
        make(&made[0], &seed);
        make(&made[1], &seed);
        const uint32_t room = (uint32_t)hulse_wire_batch_room(&made[0].record);
        const uint32_t more = (uint32_t)hulse_wire_batch_room(&made[1].record);
        uint8_t *buffer = malloc(room + more);
        struct wire_batch b;
        assert_non_null(buffer);
        hulse_wire_batch_begin(&b, buffer, room - 1);
        assert_false(hulse_wire_batch_add(&b, &made[0].record, 7));
        assert_int_equal(b.count + b.bytes, 0);
        hulse_wire_batch_begin(&b, buffer, room);
        assert_true(hulse_wire_batch_add(&b, &made[0].record, 7));
        b.room = b.bytes + more - 1;
        const struct wire_batch before = b;
        assert_false(hulse_wire_batch_add(&b, &made[1].record, 8));
        assert_memory_equal(&b, &before, sizeof(b));
        b.room += 1;
        assert_true(hulse_wire_batch_add(&b, &made[1].record, 8));
        check_batch(&b, 2, 7);
        free(buffer);
    }
}

/* ---- batches that lie -------------------------------------------------------------------- */

/* Reads to the end of it; the messages that came before. */
static enum wire_batch_rc
read_all(const uint8_t *data, uint32_t bytes, const struct wire_metadata *meta, uint32_t *count)
{
    struct wire_batch_reader reader;
    struct wire_batch_message message;
    uint8_t *copy = malloc(bytes == 0 ? 1 : bytes);
    const char *why = NULL;
    enum wire_batch_rc rc = WIRE_BATCH_BAD;

    assert_non_null(copy);
    memcpy(copy, data, bytes);
    *count = 0;
    if (hulse_wire_batch_open(
            &reader, meta, (struct broker_span){.data = copy, .bytes = bytes}, &why)) {
        while ((rc = hulse_wire_batch_next(&reader, &message, &why)) == WIRE_BATCH_OK) {
            *count += 1;
        }
    }
    assert_int_equal(why != NULL, rc == WIRE_BATCH_BAD);
    free(copy);
    return rc;
}

static const uint8_t two[] = {0, 0, 0, 2, 0x18, 1, 'a', 0, 0, 0, 2, 0x18, 2, 'b', 'c'};

static void test_a_count_that_is_not_true_is_refused(void **state)
{
    static const int32_t counts[] = {INT32_MIN, -1, 0, 3, 1000, INT32_MAX};
    uint32_t count = 0;

    (void)state;
    struct wire_metadata meta = batch_of(2);
    assert_int_equal(read_all(two, sizeof(two), &meta, &count), WIRE_BATCH_END);
    assert_int_equal(count, 2);
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        meta = batch_of(counts[i]);
        assert_int_equal(read_all(two, sizeof(two), &meta, &count), WIRE_BATCH_BAD);
        assert_int_equal(count, 0);
    }
    /* Nobody would acknowledge a batch of nothing. */
    meta = batch_of(0);
    assert_int_equal(read_all(two, 0, &meta, &count), WIRE_BATCH_BAD);
    /* Fewer than there are: the rest would be lost. */
    meta = batch_of(1);
    assert_int_equal(read_all(two, sizeof(two), &meta, &count), WIRE_BATCH_BAD);
    assert_int_equal(count, 1);
}

static void test_sizes_beyond_the_batch_are_refused(void **state)
{
    const struct wire_metadata meta = batch_of(2);
    uint8_t bytes[sizeof(two)];
    uint32_t count = 0;

    (void)state;
    for (uint32_t n = 0; n < sizeof(two); n++) {
        assert_int_equal(read_all(two, n, &meta, &count), WIRE_BATCH_BAD);
    }
    static const uint32_t sizes[] = {0, 1, 3, 9, 12, 0x7fffffff, 0x80000000, 0xffffffff};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        memcpy(bytes, two, sizeof(two));
        hulse_put32_big(bytes, sizes[i]);
        assert_int_equal(read_all(bytes, sizeof(bytes), &meta, &count), WIRE_BATCH_BAD);
    }
    memcpy(bytes, two, sizeof(two));
    bytes[5] = 100;
    assert_int_equal(read_all(bytes, sizeof(bytes), &meta, &count), WIRE_BATCH_BAD);
    /* payload_size -1, in ten bytes */
    static const uint8_t negative[] = {
        0, 0, 0, 11, 0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
    const struct wire_metadata one = batch_of(1);
    assert_int_equal(read_all(negative, sizeof(negative), &one, &count), WIRE_BATCH_BAD);
}

/* ---- compaction -------------------------------------------------------------------------- */

static void
set_indexes(struct wire_metadata *m, uint8_t *buffer, const int32_t *list, uint32_t count)
{
    uint8_t *at = buffer;

    for (uint32_t i = 0; i < count; i++) {
        at = hulse_wire_put_number(at, WIRE_META_COMPACTED, (uint64_t)(int64_t)list[i]);
    }
    m->compacted = (struct wire_compacted){
        .fields = {.data = buffer, .bytes = (uint32_t)(at - buffer)}, .count = count};
}

static void test_messages_that_compaction_left_keep_their_indexes(void **state)
{
    static const int32_t left[] = {3, 7};
    struct wire_metadata meta = batch_of(9);
    struct wire_batch_reader reader;
    struct wire_batch_message message;
    uint8_t buffer[64];
    const char *why = NULL;

    (void)state;
    set_indexes(&meta, buffer, left, 2);
    assert_true(hulse_wire_batch_open(
        &reader, &meta, (struct broker_span){.data = two, .bytes = sizeof(two)}, &why));
    assert_int_equal(hulse_wire_batch_next(&reader, &message, &why), WIRE_BATCH_OK);
    assert_int_equal(message.index, 3);
    assert_int_equal(hulse_wire_batch_next(&reader, &message, &why), WIRE_BATCH_OK);
    assert_int_equal(message.index, 7);
    assert_int_equal(hulse_wire_batch_next(&reader, &message, &why), WIRE_BATCH_END);
    /* With placeholders for the others there are as many as there were. */
    meta = batch_of(2);
    set_indexes(&meta, buffer, (const int32_t[]){1}, 1);
    assert_true(hulse_wire_batch_open(
        &reader, &meta, (struct broker_span){.data = two, .bytes = sizeof(two)}, &why));
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(hulse_wire_batch_next(&reader, &message, &why), WIRE_BATCH_OK);
        assert_int_equal(message.index, i);
    }
}

static void test_a_list_that_is_not_true_is_refused(void **state)
{
    static const struct {
        int32_t list[3];
        uint32_t count;
    } bad[] = {{{1}, 1}, {{1, 2, 3}, 3}, {{2, 2}, 2}, {{5, 4}, 2}, {{-1, 4}, 2}, {{0, 9}, 2}};
    uint8_t buffer[64];
    uint32_t count = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct wire_metadata meta = batch_of(9);
        set_indexes(&meta, buffer, bad[i].list, bad[i].count);
        assert_int_equal(read_all(two, sizeof(two), &meta, &count), WIRE_BATCH_BAD);
        assert_int_equal(count, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_goes_in_comes_out),
        cmocka_unit_test(test_what_does_not_fit_changes_nothing),
        cmocka_unit_test(test_a_count_that_is_not_true_is_refused),
        cmocka_unit_test(test_sizes_beyond_the_batch_are_refused),
        cmocka_unit_test(test_messages_that_compaction_left_keep_their_indexes),
        cmocka_unit_test(test_a_list_that_is_not_true_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
