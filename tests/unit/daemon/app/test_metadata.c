/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   metadata survive the way from a publish record's TLVs through broker_meta to a delivery's
 *         TLVs; what does not fit is left out whole and said so; the announced bound holds.
 * Method: encode, translate, compare; every capacity from 0 up.
 */
#include "daemon/app/metadata.h"
#include "daemon/broker/broker.h"
#include "shmlib/ring/tlv.h"
#include "tests/support/check.h"

#include <string.h>

#define CAPACITY 1024U

struct block {
    uint8_t bytes[CAPACITY];
    size_t used;
};

static void put(struct block *b, uint8_t tag, const void *value, size_t bytes)
{
    const struct hulse_tlv t = {.tag = tag, .bytes = (uint16_t)bytes, .value = value};
    assert_true(hulse_tlv_put(b->bytes, CAPACITY, &b->used, &t));
}

static void put_property(struct block *b, const char *name, const char *value)
{
    const struct hulse_tlv_pair pair = {
        .name = name, .name_bytes = strlen(name), .value = value, .value_bytes = strlen(value)};
    assert_true(hulse_tlv_put_property(b->bytes, CAPACITY, &b->used, &pair));
}

static struct block everything(void)
{
    struct block b = {.used = 0};
    const uint64_t numbers[] = {1700000000123ULL, 5000, 60000};
    const uint32_t partition = 7;
    put(&b, HULSE_TAG_KEY, "the key", 7);
    put(&b, HULSE_TAG_ORDERING_KEY, "", 0); /* empty, and there */
    put(&b, HULSE_TAG_EVENT_TIME, &numbers[0], 8);
    put_property(&b, "a", "");
    put(&b, HULSE_TAG_DELIVER_AFTER, &numbers[1], 8);
    put_property(&b, "second", "value");
    put(&b, HULSE_TAG_PARTITION, &partition, 4);
    put(&b, HULSE_TAG_TTL, &numbers[2], 8);
    put(&b, HULSE_TAG_TOMBSTONE, "", 0);
    put(&b, HULSE_TAG_REPLICATE_TO, "west", 4);
    put_property(&b, "a", "again");
    put(&b, HULSE_TAG_REPLICATE_TO, "", 0);
    const char *why = "";
    assert_true(hulse_tlv_check(b.bytes, b.used, HULSE_TLV_PUBLISH, &why));
    return b;
}

static void test_in(void **state)
{
    (void)state;
    const struct block b = everything();
    uint8_t properties[CAPACITY];
    struct broker_meta m;
    hulse_metadata_in(b.bytes, b.used, properties, &m);
    assert_true(m.has_key && m.has_ordering_key && m.tombstone);
    assert_int_equal(m.key.bytes, 7);
    assert_memory_equal(m.key.data, "the key", 7);
    assert_int_equal(m.ordering_key.bytes, 0);
    assert_true(m.event_time_ms == 1700000000123ULL);
    assert_int_equal(m.deliver_after_ms, 5000);
    assert_int_equal(m.ttl_ms, 60000);
    assert_int_equal(m.partition, 7);
    static const uint8_t wanted[] = "\x01\0\0\0a\x06\0\x05\0secondvalue\x01\0\x05\0aagain";
    assert_int_equal(m.properties.bytes, sizeof(wanted) - 1);
    assert_memory_equal(m.properties.data, wanted, sizeof(wanted) - 1);
    assert_int_equal(m.replicate_to.bytes, 8);
    assert_memory_equal(m.replicate_to.data, "\x04\0west\0\0", 8);
}

static void test_in_of_nothing(void **state)
{
    (void)state;
    uint8_t properties[8] = {0};
    struct broker_meta m;
    hulse_metadata_in(properties, 0, properties, &m);
    assert_false(m.has_key || m.has_ordering_key || m.tombstone);
    assert_int_equal(m.partition, -1);
    assert_int_equal(m.properties.bytes, 0);
    assert_int_equal(m.replicate_to.bytes, 0);
}

static void delivery_of(const struct block *b, uint8_t *properties, struct broker_delivery *d)
{
    *d = (struct broker_delivery){.producer = {.data = (const uint8_t *)"writer", .bytes = 6},
                                  .broker_time_ms = 1700000000456ULL,
                                  .has_index = true};
    hulse_metadata_in(b->bytes, b->used, properties, &d->meta);
}

static void test_out_is_good_metadata_of_a_delivery(void **state)
{
    (void)state;
    const struct block b = everything();
    uint8_t properties[CAPACITY];
    uint8_t out[CAPACITY];
    struct broker_delivery d;
    struct hulse_tlv t;
    const char *why = "";
    bool left_out = true;
    delivery_of(&b, properties, &d);
    const size_t bytes = hulse_metadata_out(&d, out, sizeof(out), &left_out);
    assert_false(left_out);
    assert_true(bytes <= hulse_metadata_bytes(&d, sizeof(out)));
    assert_true(hulse_tlv_check(out, bytes, HULSE_TLV_DELIVERY, &why));
    assert_true(hulse_tlv_find(out, bytes, HULSE_TAG_KEY, &t));
    assert_memory_equal(t.value, "the key", 7);
    assert_true(hulse_tlv_find(out, bytes, HULSE_TAG_ORDERING_KEY, &t));
    assert_int_equal(t.bytes, 0);
    assert_true(hulse_tlv_find(out, bytes, HULSE_TAG_EVENT_TIME, &t));
    assert_true(hulse_tlv_number(&t) == 1700000000123ULL);
    assert_true(hulse_tlv_find(out, bytes, HULSE_TAG_TOMBSTONE, &t));
    assert_true(hulse_tlv_find(out, bytes, HULSE_TAG_PRODUCER, &t));
    assert_memory_equal(t.value, "writer", 6);
    assert_true(hulse_tlv_find(out, bytes, HULSE_TAG_BROKER_TIME, &t));
    assert_true(hulse_tlv_number(&t) == 1700000000456ULL);
    assert_true(hulse_tlv_find(out, bytes, HULSE_TAG_INDEX, &t));
    assert_true(hulse_tlv_number(&t) == 0);
    /* What is the broker's business stays there. */
    assert_false(hulse_tlv_find(out, bytes, HULSE_TAG_TTL, &t));
    assert_false(hulse_tlv_find(out, bytes, HULSE_TAG_PARTITION, &t));
    assert_false(hulse_tlv_find(out, bytes, HULSE_TAG_DELIVER_AFTER, &t));
    /* Properties in their order, the double name too: translated back they are the same. */
    uint8_t again[CAPACITY];
    struct broker_meta m;
    hulse_metadata_in(out, bytes, again, &m);
    assert_int_equal(m.properties.bytes, d.meta.properties.bytes);
    assert_memory_equal(again, properties, m.properties.bytes);
}

static void test_every_capacity_is_kept_and_told(void **state)
{
    (void)state;
    const struct block b = everything();
    uint8_t properties[CAPACITY];
    uint8_t out[CAPACITY];
    struct broker_delivery d;
    bool left_out = true;
    delivery_of(&b, properties, &d);
    const size_t whole = hulse_metadata_out(&d, out, sizeof(out), &left_out);
    for (size_t capacity = 0; capacity <= whole; capacity++) {
        const char *why = "";
        memset(out, 0xee, sizeof(out));
        const size_t bytes = hulse_metadata_out(&d, out, capacity, &left_out);
        assert_true(bytes <= capacity);
        assert_int_equal(left_out, capacity < whole);
        assert_true(hulse_metadata_bytes(&d, capacity) <= capacity);
        assert_true(bytes <= hulse_metadata_bytes(&d, capacity));
        for (size_t i = capacity; i < sizeof(out); i++) {
            assert_int_equal(out[i], 0xee);
        }
        assert_true(hulse_tlv_check(out, bytes, HULSE_TLV_DELIVERY, &why));
    }
}

/* The bound is announced before writing: many short properties are its worst case. */
static void test_bound_holds_for_the_shortest_properties(void **state)
{
    (void)state;
    struct block b = {.used = 0};
    uint8_t properties[CAPACITY];
    uint8_t out[2 * CAPACITY];
    struct broker_delivery d = {.slot = 0};
    bool left_out = true;
    for (int i = 0; i < 100; i++) {
        put_property(&b, "n", "");
    }
    hulse_metadata_in(b.bytes, b.used, properties, &d.meta);
    const size_t bytes = hulse_metadata_out(&d, out, sizeof(out), &left_out);
    assert_false(left_out);
    assert_int_equal(bytes, b.used);
    assert_true(bytes <= hulse_metadata_bytes(&d, sizeof(out)));
}

static void test_the_largest_key(void **state)
{
    (void)state;
    static uint8_t in[HULSE_META_BYTES_MAX];
    static uint8_t out[HULSE_META_BYTES_MAX];
    static uint8_t properties[HULSE_META_BYTES_MAX];
    const uint16_t bytes = HULSE_META_BYTES_MAX - HULSE_TLV_HEADER_BYTES;
    struct broker_delivery d = {.slot = 0};
    bool left_out = true;
    in[0] = HULSE_TAG_KEY;
    memcpy(in + 2, &bytes, sizeof(bytes));
    hulse_metadata_in(in, sizeof(in), properties, &d.meta);
    assert_int_equal(d.meta.key.bytes, bytes);
    assert_int_equal(hulse_metadata_out(&d, out, sizeof(out), &left_out), sizeof(in));
    assert_false(left_out);
    assert_memory_equal(in, out, sizeof(in));
    assert_int_equal(hulse_metadata_out(&d, out, sizeof(out) - 1, &left_out), 0);
    assert_true(left_out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in),
        cmocka_unit_test(test_in_of_nothing),
        cmocka_unit_test(test_out_is_good_metadata_of_a_delivery),
        cmocka_unit_test(test_every_capacity_is_kept_and_told),
        cmocka_unit_test(test_bound_holds_for_the_shortest_properties),
        cmocka_unit_test(test_the_largest_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
