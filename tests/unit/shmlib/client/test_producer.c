/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   claim, commit, abort and flush write the records of ABI 1 and nothing else.
 * Method: the records are read back from the daemon's side of the ring, its checks applied.
 */
#include "shmlib/ring/record.h"
#include "shmlib/ring/tlv.h"
#include "tests/unit/shmlib/client/check.h"

static const struct hulse_publish_header *take(struct fake_channel *ch)
{
    uint64_t bytes = 0;
    const struct hulse_publish_header *h = hulse_fake_channel_take(ch, &bytes);

    assert_non_null(h);
    assert_int_equal(hulse_publish_check(h, bytes, hulse_ring_capacity(ch->up.mask) / 2),
                     HULSE_RULE_NONE);
    return h;
}

static void commit(hulse_producer *p, const char *text, uint64_t token)
{
    void *at = NULL;
    const uint32_t bytes = (uint32_t)strlen(text);

    assert_int_equal(hulse_claim(p, bytes, &at), HULSE_OK);
    memcpy(at, text, bytes);
    assert_int_equal(hulse_commit(p, bytes, NULL, token), HULSE_OK);
}

static void test_a_commit_is_seen_after_the_flush(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_producer(pair, NULL, &ch);
    uint64_t bytes = 0;

    commit(p, "hello", 7);
    assert_null(hulse_fake_channel_take(ch, &bytes));
    assert_int_equal(hulse_flush(p), HULSE_OK);
    const struct hulse_publish_header *h = take(ch);
    assert_int_equal(h->len, 45);
    assert_int_equal(h->type, HULSE_RECORD_MESSAGE);
    assert_int_equal(h->flags, 0);
    assert_int_equal(h->seq, 0);
    assert_int_equal(h->token, 7);
    assert_int_equal(h->handle, ch->handle);
    assert_true(h->enqueued_ns > 0);
    assert_memory_equal(h + 1, "hello", 5);
    commit(p, "", 8);
    assert_int_equal(hulse_flush(p), HULSE_OK);
    h = take(ch);
    assert_int_equal(h->len, 40);
    assert_int_equal(h->seq, 1);
    assert_int_equal(hulse_message_max(p), pair->d->message_max);
}

static void test_an_abort_leaves_no_trace(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_producer(pair, NULL, &ch);
    void *first = NULL;
    void *second = NULL;

    assert_int_equal(hulse_claim(p, 100, &first), HULSE_OK);
    hulse_abort(p);
    assert_int_equal(hulse_commit(p, 1, NULL, 0), HULSE_INVAL);
    assert_int_equal(hulse_claim(p, 10, &first), HULSE_OK);
    assert_int_equal(hulse_claim(p, 20, &second), HULSE_OK); /* replaces */
    assert_ptr_equal(first, second);
    assert_int_equal(hulse_commit(p, 21, NULL, 0), HULSE_INVAL);
    assert_int_equal(hulse_commit(p, 3, NULL, 0), HULSE_OK);
    assert_int_equal(hulse_flush(p), HULSE_OK);
    assert_int_equal(take(ch)->payload_len, 3);
    assert_int_equal(hulse_fake_channel_take_all(ch), 0);
    hulse_abort(NULL);
    assert_int_equal(hulse_claim(NULL, 1, &first), HULSE_INVAL);
    assert_int_equal(hulse_claim(p, 1, NULL), HULSE_INVAL);
    assert_int_equal(hulse_commit(NULL, 1, NULL, 0), HULSE_INVAL);
    assert_int_equal(hulse_flush(NULL), HULSE_INVAL);
}

static void test_sixteen_records_or_16_kib_flush_themselves(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_producer(pair, NULL, &ch);
    void *at = NULL;

    for (int i = 0; i < 15; i++) {
        commit(p, "x", 0);
    }
    assert_int_equal(hulse_fake_channel_take_all(ch), 0);
    commit(p, "x", 0);
    assert_int_equal(hulse_fake_channel_take_all(ch), 16);
    assert_int_equal(hulse_claim(p, 16344, &at), HULSE_OK);
    memset(at, 1, 16344);
    assert_int_equal(hulse_commit(p, 16336, NULL, 0), HULSE_OK);
    assert_int_equal(hulse_fake_channel_take_all(ch), 0);
    hulse_fake_channel_release(pair->d, ch);
    commit(p, "12345678", 0);
    assert_int_equal(hulse_fake_channel_take_all(ch), 2);
}

static void test_without_auto_flush_only_a_flush_publishes(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer_options *o = hulse_producer_options_new();

    assert_int_equal(hulse_producer_options_auto_flush(o, 0, 0), HULSE_OK);
    hulse_producer *p = open_producer(pair, o, &ch);
    hulse_producer_options_free(&o);
    for (int i = 0; i < 100; i++) {
        commit(p, "x", 0);
    }
    assert_int_equal(hulse_fake_channel_take_all(ch), 0);
    assert_int_equal(hulse_flush(p), HULSE_OK);
    assert_int_equal(hulse_fake_channel_take_all(ch), 100);
}

static void test_one_batch_has_one_time(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_producer(pair, NULL, &ch);

    commit(p, "a", 0);
    const struct timespec pause = {.tv_nsec = 20000000};
    (void)nanosleep(&pause, NULL);
    commit(p, "b", 0);
    assert_int_equal(hulse_flush(p), HULSE_OK);
    const uint64_t first = take(ch)->enqueued_ns;
    assert_int_equal(take(ch)->enqueued_ns, first);
    commit(p, "c", 0);
    assert_int_equal(hulse_flush(p), HULSE_OK);
    assert_true(take(ch)->enqueued_ns > first);
}

static void test_a_sleeping_daemon_is_rung_once_an_arming(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_producer(pair, NULL, &ch);
    struct hulse_stats stats = {.size = sizeof(stats)};

    commit(p, "awake", 0);
    assert_int_equal(hulse_flush(p), HULSE_OK);
    assert_int_equal(hulse_fake_bells(pair->d), 0);
    for (unsigned i = 1; i <= 2; i++) {
        hulse_fake_channel_arm(ch);
        commit(p, "a", 0);
        assert_int_equal(hulse_flush(p), HULSE_OK);
        commit(p, "b", 0);
        assert_int_equal(hulse_flush(p), HULSE_OK);
        assert_int_equal(hulse_fake_bells(pair->d), 1);
        assert_int_equal(hulse_producer_stats(p, &stats), HULSE_OK);
        assert_int_equal(stats.bells, i);
    }
    assert_int_equal(hulse_flush(p), HULSE_OK); /* nothing new: no bell */
    assert_int_equal(hulse_fake_bells(pair->d), 0);
}

static void test_a_full_ring_says_again_and_goes_on_after_a_release(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_producer(pair, NULL, &ch);
    void *at = NULL;
    unsigned n = 0;

    while (hulse_claim(p, 24, &at) == HULSE_OK) {
        assert_int_equal(hulse_commit(p, 24, NULL, n), HULSE_OK);
        n += 1;
    }
    assert_int_equal(n, 1024); /* 64 KiB of 64-byte records */
    assert_int_equal(hulse_claim(p, 24, &at), HULSE_AGAIN);
    assert_non_null(strstr(hulse_producer_error(p), "full"));
    assert_int_equal(take(ch)->token, 0);
    hulse_fake_channel_release(pair->d, ch);
    assert_int_equal(hulse_claim(p, 24, &at), HULSE_OK);
    assert_int_equal(hulse_commit(p, 24, NULL, n), HULSE_OK);
    assert_int_equal(hulse_flush(p), HULSE_OK);
    for (unsigned i = 1; i <= n; i++) {
        const struct hulse_publish_header *h = take(ch);
        assert_int_equal(h->token, i);
        assert_int_equal(h->seq, i);
    }
}

static void test_a_claim_is_at_most_half_the_ring(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    void *at = NULL;

    hulse_fake_set(pair->d, &pair->d->message_max, 30000);
    hulse_producer *small = open_producer(pair, NULL, &ch);
    assert_int_equal(hulse_claim(small, 30001, &at), HULSE_TOOBIG);
    assert_int_equal(hulse_claim(small, 30000, &at), HULSE_OK);
    hulse_fake_set(pair->d, &pair->d->message_max, 1000000);
    hulse_producer *large = open_producer(pair, NULL, &ch);
    assert_int_equal(hulse_claim(large, 32768 - 40 + 1, &at), HULSE_TOOBIG);
    assert_int_equal(hulse_claim(large, 32768 - 40, &at), HULSE_OK);
    assert_int_equal(hulse_wait_space(large, 32768, 0), HULSE_TOOBIG);
}

static void test_metadata_follow_the_payload(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_producer(pair, NULL, &ch);
    const struct hulse_property properties[] = {{"n", 1, "v", 1}, {"empty", 5, NULL, 0}};
    const struct hulse_meta m = {
        .size = sizeof(m),
        .key = "key",
        .key_bytes = 3,
        .ordering_key = "order",
        .ordering_key_bytes = 5,
        .properties = properties,
        .property_count = 2,
        .event_time_ms = 1234,
        .deliver_after_ms = 5,
        .ttl_ms = 6,
        .partition = 4,
        .flags = HULSE_META_NO_BATCH | HULSE_META_TOMBSTONE,
    };
    void *at = NULL;
    const char *why = NULL;
    struct hulse_tlv t;

    assert_int_equal(hulse_claim(p, 5, &at), HULSE_OK);
    memcpy(at, "12345", 5);
    assert_int_equal(hulse_commit(p, 5, &m, 0), HULSE_OK);
    assert_int_equal(hulse_flush(p), HULSE_OK);
    const struct hulse_publish_header *h = take(ch);
    const uint8_t *meta = (const uint8_t *)h + h->len - h->meta_len;
    assert_int_equal(h->flags, HULSE_RECORD_HAS_META | HULSE_RECORD_NO_BATCH);
    assert_true(hulse_tlv_check(meta, h->meta_len, HULSE_TLV_PUBLISH, &why));
    assert_true(hulse_tlv_find(meta, h->meta_len, HULSE_TAG_KEY, &t));
    assert_int_equal(t.bytes, 3);
    assert_true(hulse_tlv_find(meta, h->meta_len, HULSE_TAG_PARTITION, &t));
    assert_int_equal(hulse_tlv_number(&t), 3);
    assert_true(hulse_tlv_find(meta, h->meta_len, HULSE_TAG_EVENT_TIME, &t));
    assert_int_equal(hulse_tlv_number(&t), 1234);
    assert_true(hulse_tlv_find(meta, h->meta_len, HULSE_TAG_DELIVER_AFTER, &t));
    assert_true(hulse_tlv_find(meta, h->meta_len, HULSE_TAG_TTL, &t));
    assert_true(hulse_tlv_find(meta, h->meta_len, HULSE_TAG_TOMBSTONE, &t));
    assert_true(hulse_tlv_find(meta, h->meta_len, HULSE_TAG_ORDERING_KEY, &t));
    struct hulse_message seen = {.size = sizeof(seen), .meta = meta, .meta_bytes = h->meta_len};
    struct hulse_property property;
    assert_int_equal(hulse_message_property(&seen, 1, &property), HULSE_OK);
    assert_memory_equal(property.name, "empty", 5);
    assert_int_equal(property.value_bytes, 0);
    assert_int_equal(hulse_message_property(&seen, 2, &property), HULSE_AGAIN);
}

static void test_malformed_metadata_leave_the_claim_standing(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_producer(pair, NULL, &ch);
    const struct hulse_property no_name = {"", 0, "v", 1};
    const struct hulse_property no_utf8 = {"n", 1, "\xff", 1};
    static char large[70000];
    const struct hulse_property too_large = {"n", 1, large, sizeof(large)};
    const struct hulse_meta bad[] = {
        {.size = 8},
        {.size = sizeof(bad[0]), .flags = 0x80000000U},
        {.size = sizeof(bad[0]), .partition = -1},
        {.size = sizeof(bad[0]), .key_bytes = 1},
        {.size = sizeof(bad[0]), .property_count = 1},
        {.size = sizeof(bad[0]), .property_count = 1, .properties = &no_name},
        {.size = sizeof(bad[0]), .property_count = 1, .properties = &no_utf8},
    };
    const struct hulse_meta huge[] = {
        {.size = sizeof(huge[0]), .key = large, .key_bytes = 65525},
        {.size = sizeof(huge[0]), .key = large, .key_bytes = sizeof(large)},
        {.size = sizeof(huge[0]), .property_count = 1, .properties = &too_large},
        {.size = sizeof(huge[0]), .key = large, .key_bytes = 32740}, /* with its payload */
    };
    void *at = NULL;

    memset(large, 'l', sizeof(large));
    assert_int_equal(hulse_claim(p, 8, &at), HULSE_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(hulse_commit(p, 8, &bad[i], 0), HULSE_INVAL);
    }
    for (size_t i = 0; i < sizeof(huge) / sizeof(huge[0]); i++) {
        assert_int_equal(hulse_commit(p, 8, &huge[i], 0), HULSE_TOOBIG);
    }
    assert_int_equal(hulse_commit(p, 8, NULL, 9), HULSE_OK);
    assert_int_equal(hulse_flush(p), HULSE_OK);
    assert_int_equal(take(ch)->token, 9);
}

static void test_metadata_without_room_say_again_and_the_claim_stands(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_producer(pair, NULL, &ch);
    const struct hulse_meta m = {.size = sizeof(m), .key = "0123456789", .key_bytes = 10};
    void *at = NULL;

    for (unsigned i = 0; i < 1023; i++) {
        assert_int_equal(hulse_claim(p, 24, &at), HULSE_OK);
        assert_int_equal(hulse_commit(p, 24, NULL, i), HULSE_OK);
    }
    assert_int_equal(hulse_claim(p, 24, &at), HULSE_OK);
    memset(at, 'z', 24);
    assert_int_equal(hulse_commit(p, 24, &m, 0), HULSE_AGAIN);
    assert_int_equal(hulse_flush(p), HULSE_OK);
    (void)hulse_fake_channel_take_all(ch);
    hulse_fake_channel_release(pair->d, ch);
    assert_int_equal(hulse_commit(p, 24, &m, 4), HULSE_OK);
    assert_int_equal(hulse_flush(p), HULSE_OK);
    const struct hulse_publish_header *h = take(ch);
    assert_int_equal(h->meta_len, 14);
    assert_memory_equal(h + 1, "zzzzzzzzzzzzzzzzzzzzzzzz", 24);
}

static void test_producers_share_a_channel(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    struct fake_channel *same = NULL;
    hulse_producer *a = open_producer(pair, NULL, &ch);
    const uint32_t number_a = ch->handle;
    hulse_producer_options *o = hulse_producer_options_new();
    void *at = NULL;

    assert_int_equal(hulse_producer_options_share_with(o, a), HULSE_OK);
    hulse_producer *b = open_producer(pair, o, &same);
    hulse_producer_options_free(&o);
    assert_ptr_equal(ch, same);
    assert_int_equal(hulse_claim(a, 8, &at), HULSE_OK);
    assert_int_equal(hulse_claim(b, 8, &at), HULSE_OK); /* one claim on a channel */
    assert_int_equal(hulse_commit(a, 8, NULL, 0), HULSE_INVAL);
    assert_int_equal(hulse_commit(b, 8, NULL, 0), HULSE_OK);
    commit(a, "a", 0);
    commit(b, "b", 0);
    assert_int_equal(hulse_flush(a), HULSE_OK);
    const struct hulse_publish_header *h = take(ch);
    assert_int_equal(h->handle, ch->handle);
    assert_int_equal(h->seq, 0);
    h = take(ch);
    assert_int_equal(h->handle, number_a);
    assert_int_equal(h->seq, 0);
    h = take(ch);
    assert_int_equal(h->handle, ch->handle);
    assert_int_equal(h->seq, 1);
    hulse_fake_channel_release(pair->d, ch);
    assert_int_equal(hulse_producer_close(&a, WAIT_MS), HULSE_OK);
    assert_int_equal(hulse_fake_seen(pair->d, HULSE_CTL_CLOSE_CHANNEL), 0);
    commit(b, "c", 0);
    assert_int_equal(hulse_producer_close(&b, 0), HULSE_TIMED_OUT);
    assert_int_equal(hulse_fake_seen(pair->d, HULSE_CTL_CLOSE_CHANNEL), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIR_TEST(test_a_commit_is_seen_after_the_flush),
        PAIR_TEST(test_an_abort_leaves_no_trace),
        PAIR_TEST(test_sixteen_records_or_16_kib_flush_themselves),
        PAIR_TEST(test_without_auto_flush_only_a_flush_publishes),
        PAIR_TEST(test_one_batch_has_one_time),
        PAIR_TEST(test_a_sleeping_daemon_is_rung_once_an_arming),
        PAIR_TEST(test_a_full_ring_says_again_and_goes_on_after_a_release),
        PAIR_TEST(test_a_claim_is_at_most_half_the_ring),
        PAIR_TEST(test_metadata_follow_the_payload),
        PAIR_TEST(test_malformed_metadata_leave_the_claim_standing),
        PAIR_TEST(test_metadata_without_room_say_again_and_the_claim_stands),
        PAIR_TEST(test_producers_share_a_channel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
