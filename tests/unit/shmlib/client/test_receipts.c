/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   verdicts reach the application, a sync waits for them and counts failures, and unread
 *         receipts are told apart from a slow daemon.
 * Method: receipts and releases are posted by hand; waiting calls are ended by a second thread.
 */
#include "tests/unit/shmlib/client/check.h"

static hulse_producer *
open_with(struct pair *pair, enum hulse_receipts mode, uint32_t ring, struct fake_channel **ch)
{
    hulse_producer_options *o = hulse_producer_options_new();

    assert_int_equal(hulse_producer_options_receipts(o, mode), HULSE_OK);
    assert_int_equal(hulse_producer_options_slots(o, 2048), HULSE_OK);
    assert_int_equal(hulse_producer_options_ring(o, ring), HULSE_OK);
    hulse_producer *p = open_producer(pair, o, ch);
    hulse_producer_options_free(&o);
    assert_int_equal((*ch)->ask.receipts, mode);
    return p;
}

static void publish(hulse_producer *p, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(hulse_publish(p, "0123", 4, NULL, i), HULSE_OK);
    }
}

static void test_receipts_carry_token_outcome_and_id(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_with(pair, HULSE_RECEIPTS_FULL, 0, &ch);
    struct hulse_receipt out[8];
    unsigned count = 9;

    publish(p, 3);
    (void)hulse_fake_channel_take_all(ch);
    assert_int_equal(hulse_receipts(p, out, 8, &count), HULSE_OK);
    assert_int_equal(count, 0);
    hulse_fake_channel_receipt(ch, 0, HULSE_OUTCOME_STORED, 500);
    hulse_fake_channel_receipt(ch, 1, HULSE_OUTCOME_EXPIRED, 0);
    hulse_fake_channel_receipt(ch, 2, 200, 0);
    hulse_fake_channel_post(pair->d, ch);
    assert_int_equal(hulse_receipts(p, out, 2, &count), HULSE_OK);
    assert_int_equal(count, 2);
    assert_int_equal(out[0].size, sizeof(out[0]));
    assert_int_equal(out[0].outcome, HULSE_OUTCOME_STORED);
    assert_int_equal(out[0].id.ledger, 77);
    assert_int_equal(out[0].id.entry, 500);
    assert_int_equal(out[0].id.batch, -1);
    assert_int_equal(out[1].token, 1);
    assert_int_equal(out[1].outcome, HULSE_OUTCOME_EXPIRED);
    assert_int_equal(hulse_receipts(p, out, 8, &count), HULSE_OK);
    assert_int_equal(count, 1);
    assert_int_equal(out[0].outcome, HULSE_OUTCOME_FAILED_UNKNOWN); /* a newer daemon's number */
    assert_int_equal(hulse_receipts(p, NULL, 0, &count), HULSE_OK);
    assert_int_equal(hulse_receipts(p, NULL, 1, &count), HULSE_INVAL);
    assert_int_equal(hulse_receipts(p, out, 1, NULL), HULSE_INVAL);
    assert_int_equal(hulse_receipts(NULL, out, 1, &count), HULSE_INVAL);
}

static void test_slots_go_back_in_batches_of_sixteen(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_with(pair, HULSE_RECEIPTS_FULL, 0, &ch);
    struct hulse_receipt out[32];
    unsigned count = 0;

    for (unsigned i = 0; i < 31; i++) {
        hulse_fake_channel_receipt(ch, i, HULSE_OUTCOME_STORED, i);
    }
    hulse_fake_channel_post(pair->d, ch);
    assert_int_equal(hulse_receipts(p, out, 15, &count), HULSE_OK);
    assert_int_equal(atomic_load(&fake_a(ch)->down_head), 0);
    assert_int_equal(hulse_receipts(p, out, 1, &count), HULSE_OK);
    assert_int_equal(atomic_load(&fake_a(ch)->down_head), 512);
    /* A daemon that waits for slots is rung when the wish is crossed. */
    atomic_store(&fake_b(ch)->down_want, 513);
    assert_int_equal(hulse_receipts(p, out, 15, &count), HULSE_OK);
    assert_int_equal(hulse_fake_bells(pair->d), 0);
    assert_int_equal(hulse_flush(p), HULSE_OK);
    assert_int_equal(atomic_load(&fake_a(ch)->down_head), 992);
    assert_int_equal(hulse_fake_bells(pair->d), 1);
}

/* Fills every receipt slot (2048 in the smallest ring). */
static unsigned fill_slots(struct pair *pair, struct fake_channel *ch)
{
    unsigned n = 0;

    while (hulse_ring_tx_reserve(&ch->down, HULSE_RECEIPT_BYTES) == HULSE_RING_OK) {
        hulse_fake_channel_receipt(ch, n, HULSE_OUTCOME_STORED, n);
        n += 1;
    }
    hulse_fake_channel_post(pair->d, ch);
    return n;
}

static void fill_ring(hulse_producer *p)
{
    while (hulse_publish(p, "0123456789abcdef01234567", 24, NULL, 0) == HULSE_OK) {
    }
}

static void test_unread_receipts_are_named_as_the_reason(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    static struct hulse_receipt out[4096];
    unsigned count = 0;
    void *at = NULL;

    for (int mode = HULSE_RECEIPTS_ERRORS; mode <= HULSE_RECEIPTS_FULL; mode++) {
        hulse_producer *p = open_with(pair, (enum hulse_receipts)mode, 0, &ch);
        fill_ring(p);
        assert_int_equal(hulse_claim(p, 24, &at), HULSE_AGAIN);
        assert_int_equal(fill_slots(pair, ch), 2048);
        assert_int_equal(hulse_claim(p, 24, &at), HULSE_RECEIPTS);
        assert_non_null(strstr(hulse_producer_error(p), "hulse_receipts"));
        assert_int_equal(hulse_wait_space(p, 24, WAIT_MS), HULSE_RECEIPTS);
        assert_int_equal(hulse_sync(p, WAIT_MS, NULL), HULSE_RECEIPTS);
        assert_int_equal(hulse_publish_wait(p, "x", 1, NULL, 0, WAIT_MS), HULSE_RECEIPTS);
        assert_int_equal(hulse_receipts(p, out, 4096, &count), HULSE_OK);
        assert_int_equal(count, 2048);
        assert_int_equal(hulse_claim(p, 24, &at), HULSE_AGAIN);
    }
}

static void test_without_receipts_a_full_ring_is_just_full(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_with(pair, HULSE_RECEIPTS_NONE, 0, &ch);
    void *at = NULL;

    fill_ring(p);
    (void)fill_slots(pair, ch);
    assert_int_equal(hulse_claim(p, 24, &at), HULSE_AGAIN);
}

/* Takes, counts failures, releases, all after the application has begun to wait. */
struct slow_daemon {
    struct pair *pair;
    struct fake_channel *ch;
    unsigned failed;
    bool release;
};

static void *answer_later(void *arg)
{
    const struct slow_daemon *slow = arg;
    const struct timespec pause = {.tv_nsec = 20000000};

    (void)nanosleep(&pause, NULL);
    (void)hulse_fake_channel_take_all(slow->ch);
    hulse_fake_channel_count(slow->ch, HULSE_STAT_FAILED, slow->failed);
    if (slow->release) {
        hulse_fake_channel_release(slow->pair->d, slow->ch);
    }
    return NULL;
}

static hulse_status sync_against(struct slow_daemon *slow, hulse_producer *p, uint64_t *failed)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, answer_later, slow), 0);
    const hulse_status st = hulse_sync(p, WAIT_MS, failed);
    (void)pthread_join(thread, NULL);
    return st;
}

static void test_a_sync_waits_for_the_tail_and_counts_failures_once(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_with(pair, HULSE_RECEIPTS_NONE, 0, &ch);
    struct slow_daemon slow = {.pair = pair, .ch = ch, .failed = 2, .release = true};
    struct hulse_stats stats = {.size = sizeof(stats)};
    uint64_t failed = 9;
    void *at = NULL;

    assert_int_equal(hulse_sync(p, 0, &failed), HULSE_OK); /* nothing published */
    assert_int_equal(failed, 0);
    publish(p, 5);
    assert_int_equal(hulse_claim(p, 4, &at), HULSE_OK);
    assert_int_equal(hulse_commit(p, 4, NULL, 0), HULSE_OK); /* not flushed: the sync does it */
    assert_int_equal(hulse_sync(p, 0, &failed), HULSE_TIMED_OUT);
    assert_int_equal(sync_against(&slow, p, &failed), HULSE_FAILED);
    assert_int_equal(failed, 2);
    publish(p, 1);
    slow.failed = 0;
    assert_int_equal(sync_against(&slow, p, &failed), HULSE_OK);
    assert_int_equal(failed, 0);
    assert_int_equal(hulse_sync(p, 0, NULL), HULSE_OK);
    assert_int_equal(hulse_sync(NULL, 0, NULL), HULSE_INVAL);
    assert_int_equal(hulse_producer_stats(p, &stats), HULSE_OK);
    assert_int_equal(stats.failed, 2);
    assert_int_equal(stats.client_rechecks, 0);
    stats.size = 0;
    assert_int_equal(hulse_producer_stats(p, &stats), HULSE_INVAL);
    assert_int_equal(hulse_producer_stats(NULL, &stats), HULSE_INVAL);
}

static void test_waiting_for_space_ends_when_there_is_some(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_with(pair, HULSE_RECEIPTS_NONE, 0, &ch);
    struct slow_daemon slow = {.pair = pair, .ch = ch, .release = true};
    pthread_t thread;
    void *at = NULL;

    assert_int_equal(hulse_wait_space(p, 100, 0), HULSE_OK);
    fill_ring(p);
    assert_int_equal(hulse_wait_space(p, 24, 0), HULSE_TIMED_OUT);
    assert_int_equal(hulse_wait_space(p, 24, 20), HULSE_TIMED_OUT);
    assert_int_equal(pthread_create(&thread, NULL, answer_later, &slow), 0);
    assert_int_equal(hulse_wait_space(p, 24, HULSE_FOREVER), HULSE_OK);
    (void)pthread_join(thread, NULL);
    assert_int_equal(hulse_claim(p, 24, &at), HULSE_OK);
    assert_int_equal(hulse_wait_space(NULL, 1, 0), HULSE_INVAL);
}

/* Space announced by arm: the group's descriptor becomes readable when a claim can succeed. */
static void test_an_armed_group_is_woken_for_room(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_with(pair, HULSE_RECEIPTS_NONE, 0, &ch);
    struct slow_daemon slow = {.pair = pair, .ch = ch, .release = true};
    pthread_t thread;
    void *at = NULL;

    fill_ring(p);
    assert_int_equal(hulse_claim(p, 24, &at), HULSE_AGAIN);
    assert_int_equal(hulse_arm(pair->s, 0), HULSE_OK);
    assert_int_equal(pthread_create(&thread, NULL, answer_later, &slow), 0);
    assert_int_equal(hulse_wait(pair->s, 0, WAIT_MS), HULSE_OK);
    (void)pthread_join(thread, NULL);
    assert_int_equal(hulse_claim(p, 24, &at), HULSE_OK);
    assert_int_equal(hulse_wait(pair->s, 0, 10), HULSE_TIMED_OUT); /* told once */
}

/* The daemon posts one receipt for each record and releases it, as a real one in mode full. */
static void *serve_full(void *arg)
{
    const struct slow_daemon *slow = arg;
    const struct timespec pause = {.tv_nsec = 100000};
    uint64_t bytes = 0;
    unsigned served = 0;

    while (served < 3000) {
        if (hulse_ring_tx_reserve(&slow->ch->down, HULSE_RECEIPT_BYTES) != HULSE_RING_OK ||
            hulse_fake_channel_take(slow->ch, &bytes) == NULL) {
            (void)nanosleep(&pause, NULL);
            continue;
        }
        hulse_fake_channel_receipt(slow->ch, served, HULSE_OUTCOME_STORED, served);
        hulse_fake_channel_post(slow->pair->d, slow->ch);
        hulse_fake_channel_release(slow->pair->d, slow->ch);
        served += 1;
    }
    return NULL;
}

static void test_closing_drains_although_nobody_reads_receipts(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_with(pair, HULSE_RECEIPTS_FULL, 1024 * 1024, &ch);
    struct slow_daemon slow = {.pair = pair, .ch = ch};
    pthread_t thread;

    publish(p, 3000); /* more than there are receipt slots */
    assert_int_equal(pthread_create(&thread, NULL, serve_full, &slow), 0);
    assert_int_equal(hulse_producer_close(&p, WAIT_MS), HULSE_OK);
    (void)pthread_join(thread, NULL);
}

static void test_closing_a_session_tells_what_became_of_its_messages(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_with(pair, HULSE_RECEIPTS_NONE, 0, &ch);

    publish(p, 1);
    (void)hulse_fake_channel_take_all(ch);
    hulse_fake_channel_count(ch, HULSE_STAT_FAILED, 1);
    hulse_fake_channel_release(pair->d, ch);
    p = open_with(pair, HULSE_RECEIPTS_NONE, 0, &ch);
    publish(p, 1); /* never taken */
    assert_int_equal(hulse_close(&pair->s, 10), HULSE_FAILED);
    assert_null(pair->s);
    assert_int_equal(hulse_open(&pair->s, NULL), HULSE_OK);
    p = open_with(pair, HULSE_RECEIPTS_NONE, 0, &ch);
    publish(p, 1);
    assert_int_equal(hulse_close(&pair->s, 10), HULSE_TIMED_OUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIR_TEST(test_receipts_carry_token_outcome_and_id),
        PAIR_TEST(test_slots_go_back_in_batches_of_sixteen),
        PAIR_TEST(test_unread_receipts_are_named_as_the_reason),
        PAIR_TEST(test_without_receipts_a_full_ring_is_just_full),
        PAIR_TEST(test_a_sync_waits_for_the_tail_and_counts_failures_once),
        PAIR_TEST(test_waiting_for_space_ends_when_there_is_some),
        PAIR_TEST(test_an_armed_group_is_woken_for_room),
        PAIR_TEST(test_closing_drains_although_nobody_reads_receipts),
        PAIR_TEST(test_closing_a_session_tells_what_became_of_its_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
