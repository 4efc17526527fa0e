/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the five verdicts are written as ABI 1 says, and only where they mean something.
 * Method: records are taken on the daemon's side and pass its own checks.
 */
#include "shmlib/ring/record.h"
#include "shmlib/ring/tlv.h"
#include "tests/unit/shmlib/client/check.h"

static const struct hulse_id id = {
    .size = sizeof(struct hulse_id),
    .ledger = 5,
    .entry = 6,
    .batch = 2,
    .partition = 3,
    .batch_size = 4,
    .ref = 99,
    .source = 1,
};

static const struct hulse_verdict_record *take(struct fake_channel *ch)
{
    uint64_t bytes = 0;
    const struct hulse_verdict_record *v = hulse_fake_channel_take(ch, &bytes);

    assert_non_null(v);
    assert_int_equal(hulse_verdict_check(v, bytes), HULSE_RULE_NONE);
    assert_int_equal(v->ref, 99);
    assert_int_equal(v->ledger, 5);
    assert_int_equal(v->entry, 6);
    assert_int_equal(v->batch, 2);
    assert_int_equal(v->partition, 3);
    assert_int_equal(v->batch_size, 4);
    assert_int_equal(v->source, 1);
    return v;
}

static hulse_consumer *
open_typed(struct pair *pair, enum hulse_subscription type, struct fake_channel **ch)
{
    hulse_consumer *c = NULL;
    hulse_consumer_options *o = hulse_consumer_options_new();

    assert_int_equal(hulse_consumer_options_type(o, type), HULSE_OK);
    assert_int_equal(hulse_consumer_open(pair->s, &c, "t", type == HULSE_READER ? NULL : "s", o),
                     HULSE_OK);
    hulse_consumer_options_free(&o);
    *ch = &pair->d->channels[pair->d->channel_count - 1];
    return c;
}

static void test_each_verdict_has_its_number(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;

    hulse_fake_set(pair->d, &pair->d->verdicts, 0x3e);
    hulse_consumer *c = open_typed(pair, HULSE_EXCLUSIVE, &ch);
    assert_int_equal(hulse_ack(c, &id), HULSE_OK);
    assert_int_equal(hulse_ack_cumulative(c, &id), HULSE_OK);
    assert_int_equal(hulse_nack(c, &id, 100), HULSE_OK);
    assert_int_equal(hulse_retry(c, &id, 200), HULSE_OK);
    assert_int_equal(hulse_reject(c, &id, 7, "bad"), HULSE_OK);
    assert_int_equal(hulse_reject(c, &id, 8, NULL), HULSE_OK);
    assert_int_equal(hulse_drop(c, &id), HULSE_OK);
    assert_int_equal(hulse_fake_channel_take_all(ch), 0); /* not flushed */
    assert_int_equal(hulse_consumer_flush(c), HULSE_OK);
    const struct hulse_verdict_record *v = take(ch);
    assert_int_equal(v->verdict, HULSE_VERDICT_ACK);
    assert_int_equal(v->how, 0);
    assert_int_equal(v->len, 56);
    v = take(ch);
    assert_int_equal(v->verdict, HULSE_VERDICT_ACK);
    assert_int_equal(v->how, HULSE_HOW_CUMULATIVE);
    v = take(ch);
    assert_int_equal(v->verdict, HULSE_VERDICT_NACK);
    assert_int_equal(v->delay_ms, 100);
    v = take(ch);
    assert_int_equal(v->verdict, HULSE_VERDICT_RETRY);
    assert_int_equal(v->delay_ms, 200);
    v = take(ch);
    assert_int_equal(v->verdict, HULSE_VERDICT_REJECT);
    assert_int_equal(v->reason_code, 7);
    assert_int_equal(v->meta_len, 7);
    struct hulse_tlv reason;
    const char *why = NULL;
    assert_true(hulse_tlv_check((const uint8_t *)(v + 1), 7, HULSE_TLV_VERDICT, &why));
    assert_true(hulse_tlv_find((const uint8_t *)(v + 1), 7, HULSE_TAG_REASON, &reason));
    assert_memory_equal(reason.value, "bad", 3);
    v = take(ch);
    assert_int_equal(v->reason_code, 8);
    assert_int_equal(v->meta_len, 0);
    v = take(ch);
    assert_int_equal(v->verdict, HULSE_VERDICT_DROP);
}

static void test_verdicts_that_are_not_configured_are_refused(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_consumer *c = open_typed(pair, HULSE_SHARED, &ch);
    const struct hulse_ctl_event changed = {.event = HULSE_EVENT_CONSUMER_CHANGED,
                                            .handle = ch->handle,
                                            .arg = 1U << HULSE_VERDICT_RETRY};

    assert_int_equal(hulse_retry(c, &id, 0), HULSE_NOT_CONFIGURED);
    assert_non_null(strstr(hulse_consumer_error(c), "not configured"));
    assert_int_equal(hulse_reject(c, &id, 0, ""), HULSE_NOT_CONFIGURED);
    assert_int_equal(hulse_ack(c, &id), HULSE_OK);
    hulse_fake_event(pair->d, &changed, "");
    assert_int_equal(hulse_poll(pair->s, 0), HULSE_OK);
    assert_int_equal(hulse_retry(c, &id, 0), HULSE_OK);
    assert_int_equal(hulse_ack(c, &id), HULSE_NOT_CONFIGURED);
}

static void test_a_failover_consumer_hears_whether_it_is_active(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_consumer *c = open_typed(pair, HULSE_FAILOVER, &ch);
    struct hulse_ctl_event e = {.event = HULSE_EVENT_ACTIVE, .handle = ch->handle, .arg = 1};

    assert_int_equal(hulse_consumer_active(c), HULSE_AGAIN);
    hulse_fake_event(pair->d, &e, "");
    assert_int_equal(hulse_poll(pair->s, 0), HULSE_OK);
    assert_int_equal(hulse_consumer_active(c), HULSE_OK);
    e.arg = 0;
    hulse_fake_event(pair->d, &e, "");
    assert_int_equal(hulse_poll(pair->s, 0), HULSE_OK);
    assert_int_equal(hulse_consumer_active(c), HULSE_AGAIN);
    c = open_typed(pair, HULSE_SHARED, &ch);
    assert_int_equal(hulse_consumer_active(c), HULSE_OK);
    assert_int_equal(hulse_consumer_active(NULL), HULSE_INVAL);
}

static void test_verdicts_without_meaning_are_invalid(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    const struct hulse_id none = {0};
    char reason[300];

    memset(reason, 'r', sizeof(reason));
    reason[257] = '\0';
    hulse_fake_set(pair->d, &pair->d->verdicts, 0x3e);
    hulse_consumer *shared = open_typed(pair, HULSE_SHARED, &ch);
    assert_int_equal(hulse_ack_cumulative(shared, &id), HULSE_INVAL);
    assert_int_equal(hulse_ack(shared, NULL), HULSE_INVAL);
    assert_int_equal(hulse_ack(shared, &none), HULSE_INVAL);
    assert_int_equal(hulse_ack(NULL, &id), HULSE_INVAL);
    assert_int_equal(hulse_reject(shared, &id, 0, reason), HULSE_INVAL);
    reason[256] = '\0';
    assert_int_equal(hulse_reject(shared, &id, 0, reason), HULSE_OK);
    assert_int_equal(hulse_reject(shared, &id, 0, "\xff"), HULSE_INVAL);
    assert_int_equal(hulse_consumer_flush(shared), HULSE_OK);
    assert_int_equal(take(ch)->meta_len, 260);
    hulse_consumer *reader = open_typed(pair, HULSE_READER, &ch);
    assert_int_equal(hulse_ack(reader, &id), HULSE_INVAL);
    assert_non_null(strstr(hulse_consumer_error(reader), "reader"));
}

static void test_sixteen_verdicts_travel_by_themselves(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_consumer *c = open_typed(pair, HULSE_SHARED, &ch);
    struct hulse_message m = {.size = sizeof(m)};

    for (int i = 0; i < 15; i++) {
        assert_int_equal(hulse_ack(c, &id), HULSE_OK);
    }
    assert_int_equal(hulse_fake_channel_take_all(ch), 0);
    assert_int_equal(hulse_ack(c, &id), HULSE_OK);
    assert_int_equal(hulse_fake_channel_take_all(ch), 16);
    assert_int_equal(hulse_ack(c, &id), HULSE_OK);
    assert_int_equal(hulse_next(c, &m), HULSE_AGAIN); /* nothing to do: they go */
    assert_int_equal(hulse_fake_channel_take_all(ch), 1);
    assert_int_equal(hulse_ack(c, &id), HULSE_OK);
    assert_int_equal(hulse_poll(pair->s, 0), HULSE_OK);
    assert_int_equal(hulse_fake_channel_take_all(ch), 1);
    assert_int_equal(hulse_ack(c, &id), HULSE_OK);
    assert_int_equal(hulse_arm(pair->s, 0), HULSE_OK);
    assert_int_equal(hulse_fake_channel_take_all(ch), 1);
}

static void test_a_full_verdict_ring_says_again_and_a_sync_waits_for_it(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_consumer *c = open_typed(pair, HULSE_SHARED, &ch);
    unsigned n = 0;

    while (hulse_ack(c, &id) == HULSE_OK) {
        n += 1;
    }
    assert_int_equal(n, 65536 / 56);
    assert_int_equal(hulse_ack(c, &id), HULSE_AGAIN);
    assert_int_equal(hulse_consumer_sync(c, 10), HULSE_TIMED_OUT);
    assert_int_equal(hulse_fake_channel_take_all(ch), n);
    hulse_fake_channel_release(pair->d, ch);
    assert_int_equal(hulse_consumer_sync(c, 0), HULSE_OK);
    assert_int_equal(hulse_ack(c, &id), HULSE_OK);
    assert_int_equal(hulse_consumer_close(&c, 10), HULSE_TIMED_OUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIR_TEST(test_each_verdict_has_its_number),
        PAIR_TEST(test_verdicts_that_are_not_configured_are_refused),
        PAIR_TEST(test_a_failover_consumer_hears_whether_it_is_active),
        PAIR_TEST(test_verdicts_without_meaning_are_invalid),
        PAIR_TEST(test_sixteen_verdicts_travel_by_themselves),
        PAIR_TEST(test_a_full_verdict_ring_says_again_and_a_sync_waits_for_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
