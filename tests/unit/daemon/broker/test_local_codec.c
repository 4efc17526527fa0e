/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a message comes back from the store as it went in; bytes that are no message are refused.
 * Method: random messages there and back; every byte of one changed and every shorter body; bodies
 *         that say more than they have.
 */
#include "daemon/broker/local/message_codec.h"
#include "tests/unit/daemon/core/check.h"

#include <string.h>

enum { BODY_MAX = 4096 };

static uint64_t seed;
static uint8_t body[BODY_MAX];
static size_t body_bytes;

static struct broker_span append(const void *data, size_t bytes)
{
    const struct broker_span here = {.data = body + body_bytes, .bytes = (uint32_t)bytes};
    if (bytes != 0) {
        memcpy(body + body_bytes, data, bytes);
    }
    body_bytes += bytes;
    return here;
}

static struct broker_span append_random(size_t below)
{
    uint8_t bytes[256];
    const size_t count = test_below(&seed, below);
    for (size_t i = 0; i < count; i++) {
        bytes[i] = (uint8_t)test_random(&seed);
    }
    return append(bytes, count);
}

static struct broker_span append_properties(void)
{
    const size_t from = body_bytes;
    for (uint64_t i = test_below(&seed, 5); i > 0; i--) {
        const uint16_t lengths[2] = {(uint16_t)(1 + test_below(&seed, 20)),
                                     (uint16_t)test_below(&seed, 20)};
        (void)append(lengths, sizeof(lengths));
        body_bytes += (size_t)lengths[0] + lengths[1];
    }
    return (struct broker_span){.data = body + from, .bytes = (uint32_t)(body_bytes - from)};
}

static void assert_span(struct broker_span a, struct broker_span b)
{
    assert_int_equal(a.bytes, b.bytes);
    assert_ptr_equal(a.data, b.data);
}

static struct broker_delivery make(uint64_t expires_ms)
{
    struct broker_delivery d = {.meta = {.has_key = test_below(&seed, 2) == 0,
                                         .has_ordering_key = test_below(&seed, 2) == 0,
                                         .tombstone = test_below(&seed, 2) == 0,
                                         .event_time_ms = test_random(&seed),
                                         .partition = (int32_t)test_random(&seed)}};
    body_bytes = MESSAGE_HEADER_BYTES;
    d.payload = append_random(200);
    d.meta.key = append_random(d.meta.has_key ? 50 : 1);
    d.meta.ordering_key = append_random(d.meta.has_ordering_key ? 50 : 1);
    d.meta.properties = append_properties();
    d.producer = append_random(50);
    hulse_message_encode(body, &d, expires_ms);
    return d;
}

static void test_there_and_back(void **state)
{
    (void)state;
    seed = test_seed();
    for (unsigned i = 0; i < 20000; i++) {
        const uint64_t expires_ms = test_random(&seed);
        const struct broker_delivery d = make(expires_ms);
        struct broker_delivery out = {0};
        uint64_t out_expires_ms = 0;
        const char *why = NULL;
        assert_true(hulse_message_decode(body, body_bytes, &out, &out_expires_ms, &why));
        assert_span(out.payload, d.payload);
        assert_span(out.meta.key, d.meta.key);
        assert_span(out.meta.ordering_key, d.meta.ordering_key);
        assert_span(out.meta.properties, d.meta.properties);
        assert_span(out.producer, d.producer);
        assert_int_equal(out.meta.has_key, d.meta.has_key);
        assert_int_equal(out.meta.has_ordering_key, d.meta.has_ordering_key);
        assert_int_equal(out.meta.tombstone, d.meta.tombstone);
        assert_int_equal(out.meta.event_time_ms, d.meta.event_time_ms);
        assert_int_equal(out.meta.partition, d.meta.partition);
        assert_int_equal(out_expires_ms, expires_ms);
    }
}

static bool decodes(size_t bytes)
{
    struct broker_delivery out = {0};
    uint64_t expires_ms = 0;
    const char *why = NULL;
    const bool good = hulse_message_decode(body, bytes, &out, &expires_ms, &why);
    assert_true(good == (why == NULL));
    return good;
}

static void test_other_lengths_are_refused(void **state)
{
    (void)state;
    seed = test_seed();
    for (unsigned i = 0; i < 200; i++) {
        (void)make(0);
        for (size_t bytes = 0; bytes < body_bytes; bytes++) {
            assert_false(decodes(bytes));
        }
        assert_true(decodes(body_bytes));
        assert_false(decodes(body_bytes + 1));
    }
}

static void test_lying_headers_are_refused(void **state)
{
    (void)state;
    seed = test_seed();
    for (unsigned i = 0; i < 200; i++) {
        (void)make(0);
        /* Version, flags, and the lengths of all parts. */
        const size_t at = test_below(&seed, 20);
        body[at] = (uint8_t)(body[at] + 8);
        assert_false(decodes(body_bytes));
        /* Lengths whose sum is right in 32 bits. */
        (void)make(0);
        const uint32_t huge = UINT32_MAX;
        const uint32_t more = 1 + (uint32_t)(body_bytes - MESSAGE_HEADER_BYTES);
        memset(body, 0, MESSAGE_HEADER_BYTES);
        body[0] = 1;
        memcpy(body + 4, &huge, sizeof(huge));
        memcpy(body + 16, &more, sizeof(more));
        assert_false(decodes(body_bytes));
    }
}

/* Whoever walks properties does not look at lengths. */
static void test_properties_must_be_pairs(void **state)
{
    static const struct {
        uint16_t name;
        uint16_t value;
        uint32_t bytes;
        bool good;
    } cases[] = {{1, 0, 5, true},
                 {2, 3, 9, true},
                 {0, 3, 7, false},
                 {2, 3, 8, false},
                 {2, 3, 10, false},
                 {UINT16_MAX, UINT16_MAX, 10, false},
                 {1, 1, 3, false}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const uint16_t lengths[2] = {cases[i].name, cases[i].value};
        struct broker_delivery d = {0};
        memset(body, 0, sizeof(body));
        memcpy(body + MESSAGE_HEADER_BYTES, lengths, sizeof(lengths));
        d.meta.properties.bytes = cases[i].bytes;
        hulse_message_encode(body, &d, 0);
        assert_int_equal(decodes(MESSAGE_HEADER_BYTES + cases[i].bytes), cases[i].good);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_other_lengths_are_refused),
        cmocka_unit_test(test_lying_headers_are_refused),
        cmocka_unit_test(test_properties_must_be_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
