/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: not=tsan */
/*
 * Goal:   a control record comes back as it was asked for, and nothing else is taken for one.
 * Method: each kind written and read; every prefix of it and one byte more; names and lists at their limits.
 */
#include "daemon/store/record.h"
#include "tests/unit/daemon/core/check.h"

#include <string.h>

static uint8_t body[64U * 1024U];

static size_t encode(const struct store_request *rq)
{
    size_t bytes = 0;

    assert_true(hulse_record_bytes(rq, &bytes));
    assert_true(bytes <= sizeof(body));
    hulse_record_encode(rq, body);
    return bytes;
}

static void test_names(void **state)
{
    char name[STORE_NAME_MAX + 2];
    struct record r;

    (void)state;
    memset(name, 'n', sizeof(name));
    for (unsigned kind = 0; kind < 2; kind++) {
        struct store_request rq = {.kind =
                                       kind == 0 ? STORE_TOPIC_CREATE : STORE_SUBSCRIPTION_CREATE,
                                   .name = name,
                                   .kept = true,
                                   .subscription = 77};
        size_t bytes = 0;
        name[STORE_NAME_MAX] = 'n';
        name[STORE_NAME_MAX + 1] = '\0';
        assert_false(hulse_record_bytes(&rq, &bytes));
        name[STORE_NAME_MAX] = '\0';
        bytes = encode(&rq);
        assert_true(hulse_record_decode((uint16_t)rq.kind, body, bytes, &r));
        assert_int_equal(r.name_bytes, STORE_NAME_MAX);
        assert_memory_equal(r.name, name, STORE_NAME_MAX);
        assert_int_equal(r.kept, kind == 0);
        assert_int_equal(r.subscription, kind == 0 ? 0 : 77);

        body[bytes] = 'n';
        assert_false(hulse_record_decode((uint16_t)rq.kind, body, bytes + 1, &r));
        body[bytes - 1] = 0;
        assert_false(hulse_record_decode((uint16_t)rq.kind, body, bytes, &r));
        assert_false(hulse_record_decode((uint16_t)rq.kind, body, kind == 0 ? 1 : 8, &r));
        assert_true(hulse_record_decode((uint16_t)rq.kind, body, kind == 0 ? 2 : 9, &r));
        rq.name = "";
        assert_false(hulse_record_bytes(&rq, &bytes));
    }
}

static void test_acknowledged_ranges(void **state)
{
    struct ranges ranges = {0};
    struct record r;

    (void)state;
    assert_true(hulse_ranges_add(&ranges, 0, 10));
    assert_true(hulse_ranges_add(&ranges, 11, 12));
    assert_true(hulse_ranges_add(&ranges, 500, UINT64_MAX));
    const struct store_request rq = {.kind = STORE_ACK, .subscription = 3, .ranges = &ranges};
    const size_t bytes = encode(&rq);
    for (size_t n = 0; n <= bytes + 1; n++) {
        const bool whole = n >= 8 && n <= bytes && (n - 8) % RECORD_RANGE_BYTES == 0;
        assert_int_equal(hulse_record_decode(STORE_ACK, body, n, &r), whole);
    }
    assert_true(hulse_record_decode(STORE_ACK, body, bytes, &r));
    assert_int_equal(r.subscription, 3);
    assert_int_equal(r.list_count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(hulse_record_range(&r, i).first == ranges.list[i].first);
        assert_true(hulse_record_range(&r, i).end == ranges.list[i].end);
    }
    /* Ranges that touch, that are empty, that fall. */
    body[8 + 16] = 10;
    assert_false(hulse_record_decode(STORE_ACK, body, bytes, &r));
    body[8 + 16] = 12;
    assert_false(hulse_record_decode(STORE_ACK, body, bytes, &r));
    body[8 + 16] = 9;
    assert_false(hulse_record_decode(STORE_ACK, body, bytes, &r));
    hulse_ranges_clear(&ranges);
}

static void test_redelivery_counts(void **state)
{
    const struct store_count counts[] = {{.position = 9, .count = 1},
                                         {.position = 2, .count = UINT32_MAX}};
    struct record r;
    const struct store_request rq = {
        .kind = STORE_REDELIVERED, .subscription = 8, .counts = counts, .count = 2};

    (void)state;
    const size_t bytes = encode(&rq);
    for (size_t n = 0; n <= bytes + 1; n++) {
        const bool whole = n >= 8 && n <= bytes && (n - 8) % RECORD_COUNT_BYTES == 0;
        assert_int_equal(hulse_record_decode(STORE_REDELIVERED, body, n, &r), whole);
    }
    assert_true(hulse_record_decode(STORE_REDELIVERED, body, bytes, &r));
    assert_int_equal(r.subscription, 8);
    assert_int_equal(r.list_count, 2);
    assert_int_equal(hulse_record_count(&r, 0).position, 9);
    assert_int_equal(hulse_record_count(&r, 1).position, 2);
    assert_true(hulse_record_count(&r, 1).count == UINT32_MAX);
}

static void test_those_without_lists(void **state)
{
    static const struct {
        uint16_t kind;
        size_t bytes;
    } kinds[] = {
        {STORE_TOPIC_DELETE, 0},
        {STORE_TOPIC_TERMINATE, 0},
        {STORE_TOPIC_TRIM, 0},
        {STORE_SUBSCRIPTION_DELETE, 8},
        {STORE_SUBSCRIPTION_SEEK, 8},
        {STORE_HANDLE_CLOSE, 0},
    };
    struct record r;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        const struct store_request rq = {.kind = (enum store_kind)kinds[i].kind,
                                         .subscription = UINT64_MAX};
        assert_int_equal(encode(&rq), kinds[i].bytes);
        for (size_t n = 0; n < 20; n++) {
            assert_int_equal(hulse_record_decode(kinds[i].kind, body, n, &r), n == kinds[i].bytes);
        }
        assert_true(hulse_record_decode(kinds[i].kind, body, kinds[i].bytes, &r));
        assert_true(r.subscription == (kinds[i].bytes == 8 ? UINT64_MAX : 0));
    }
    hulse_record_encode_epoch(5, 6, body);
    for (size_t n = 0; n < 20; n++) {
        assert_int_equal(hulse_record_decode(FRAME_EPOCH, body, n, &r), n == RECORD_EPOCH_BYTES);
    }
    assert_true(hulse_record_decode(FRAME_EPOCH, body, RECORD_EPOCH_BYTES, &r));
    assert_int_equal(r.next_topic, 5);
    assert_int_equal(r.next_subscription, 6);
    assert_true(hulse_record_decode(FRAME_CLEAN, NULL, 0, &r));
}

static void test_what_is_no_control_record(void **state)
{
    struct record r;
    size_t bytes = 0;

    (void)state;
    for (unsigned kind = 0; kind <= UINT16_MAX; kind++) {
        const bool known = (kind >= STORE_ACK && kind <= STORE_HANDLE_CLOSE) ||
                           kind == FRAME_EPOCH || kind == FRAME_CLEAN;
        memset(body, 1, 16);
        if (!known) {
            assert_false(hulse_record_decode((uint16_t)kind, body, 0, &r));
            assert_false(hulse_record_decode((uint16_t)kind, body, 16, &r));
        }
    }
    assert_false(hulse_record_bytes(&(struct store_request){.kind = STORE_MESSAGE}, &bytes));
    assert_false(hulse_record_bytes(&(struct store_request){.kind = STORE_BARRIER}, &bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_acknowledged_ranges),
        cmocka_unit_test(test_redelivery_counts),
        cmocka_unit_test(test_those_without_lists),
        cmocka_unit_test(test_what_is_no_control_record),
    };

    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
