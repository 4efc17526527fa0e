/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   positions as an application says them reach the daemon; after a move nothing of before is handed out, and what the
 *         application holds comes again; an older daemon is asked for nothing that it does not know.
 * Method: the library over a scripted daemon.
 */
#include "tests/unit/shmlib/client/check.h"

static const struct hulse_id id = {
    .size = sizeof(id), .ledger = 5, .entry = 6, .batch = 7, .partition = 8, .batch_size = 9};

static void deliver(struct pair *pair, struct fake_channel *ch, uint64_t entry)
{
    const struct hulse_delivery_header h = {.type = HULSE_RECORD_MESSAGE,
                                            .ref = entry,
                                            .ledger = 1,
                                            .entry = entry,
                                            .batch = -1,
                                            .payload_len = 1};

    hulse_fake_channel_deliver(ch, &h, "x", NULL);
    hulse_fake_channel_post(pair->d, ch);
}

static uint64_t next(hulse_consumer *c)
{
    struct hulse_message m = {.size = sizeof(m)};

    return hulse_next(c, &m) == HULSE_OK ? m.id.entry : UINT64_MAX;
}

static void last(struct pair *pair, unsigned type, void *out, size_t bytes)
{
    memcpy(out, hulse_fake_last(pair->d, type).bytes, bytes);
}

static void test_after_a_move_nothing_of_before_comes(void **state)
{
    struct pair *pair = *state;
    struct hulse_ctl_seek asked;
    struct fake_channel *ch = NULL;

    hulse_fake_features(pair->d, HULSE_FEATURE_POSITIONS, 0);
    assert_int_equal(hulse_close(&pair->s, 0), HULSE_OK);
    assert_int_equal(hulse_open(&pair->s, NULL), HULSE_OK);
    hulse_consumer *c = open_consumer(pair, NULL, &ch);
    for (uint64_t entry = 1; entry <= 3; entry++) {
        deliver(pair, ch, entry);
    }
    pair->d->stale_to = ch->down.published;
    deliver(pair, ch, 10);
    assert_int_equal(next(c), 1);
    assert_int_equal(hulse_seek_id(c, HULSE_AFTER_ID, &id, WAIT_MS), HULSE_OK);
    last(pair, HULSE_CTL_SEEK, &asked, sizeof(asked));
    assert_int_equal(asked.start, HULSE_START_AFTER_ID);
    assert_int_equal(asked.handle, ch->handle);
    assert_int_equal(asked.at.ledger, 5);
    assert_int_equal(asked.at.entry, 6);
    assert_int_equal(asked.at.batch, 7);
    assert_int_equal(asked.at.partition, 8);
    assert_int_equal(asked.at.batch_size, 9);
    assert_int_equal(next(c), 10);
    deliver(pair, ch, 1); /* is held since before, and comes again */
    assert_int_equal(next(c), 1);
    assert_int_equal(next(c), UINT64_MAX);
    assert_int_equal(hulse_seek_time(c, 1234, WAIT_MS),
                     HULSE_OK); /* what is behind us is not unread */
    last(pair, HULSE_CTL_SEEK, &asked, sizeof(asked));
    assert_int_equal(asked.start, HULSE_START_AT_TIME);
    assert_int_equal(asked.at.ledger, 1234);
    deliver(pair, ch, 11);
    assert_int_equal(next(c), 11);
    assert_int_equal(hulse_seek(c, HULSE_EARLIEST, WAIT_MS), HULSE_OK);
    pair->d->stale_to = ch->down.published + (UINT64_C(1) << 40U);
    assert_int_equal(hulse_seek(c, HULSE_LATEST, WAIT_MS), HULSE_PROTOCOL);
    (void)hulse_consumer_close(&c, 0);
}

static void test_arguments_are_checked(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    struct hulse_id other = id;
    hulse_consumer *c = open_consumer(pair, NULL, &ch);

    assert_int_equal(hulse_seek(NULL, HULSE_EARLIEST, 0), HULSE_INVAL);
    assert_int_equal(hulse_seek(c, HULSE_AT_ID, 0), HULSE_INVAL);
    assert_int_equal(hulse_seek_id(c, HULSE_EARLIEST, &id, 0), HULSE_INVAL);
    assert_int_equal(hulse_seek_id(c, HULSE_AT_ID, NULL, 0), HULSE_INVAL);
    other.source = 1;
    assert_int_equal(hulse_seek_id(c, HULSE_AT_ID, &other, 0), HULSE_INVAL);
    other = (struct hulse_id){0};
    assert_int_equal(hulse_seek_id(c, HULSE_AT_ID, &other, 0), HULSE_INVAL);
    assert_int_equal(hulse_seek_time(NULL, 0, 0), HULSE_INVAL);
    assert_int_equal(hulse_fake_seen(pair->d, HULSE_CTL_SEEK), 0);
    assert_int_equal(hulse_consumer_close(&c, 0), HULSE_OK);
}

static void test_an_older_daemon_is_not_asked(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_consumer *c = open_consumer(pair, NULL, &ch);
    hulse_consumer *at = NULL;
    hulse_consumer_options *o = hulse_consumer_options_new();

    assert_int_equal(hulse_seek(c, HULSE_EARLIEST, WAIT_MS), HULSE_UNSUPPORTED);
    assert_non_null(strstr(hulse_last_error(pair->s), "older"));
    assert_int_equal(hulse_consumer_options_start_time(o, 5), HULSE_OK);
    assert_int_equal(hulse_consumer_open(pair->s, &at, "t", "s", o), HULSE_UNSUPPORTED);
    assert_int_equal(hulse_fake_seen(pair->d, HULSE_CTL_SEEK), 0);
    assert_int_equal(hulse_fake_seen(pair->d, HULSE_CTL_OPEN_CONSUMER_AT), 0);
    hulse_consumer_options_free(&o);
    assert_int_equal(hulse_consumer_close(&c, 0), HULSE_OK);
}

static void test_it_begins_where_the_options_say(void **state)
{
    struct pair *pair = *state;
    struct hulse_ctl_open_consumer_at asked;
    hulse_consumer *c = NULL;
    hulse_consumer_options *o = hulse_consumer_options_new();

    hulse_fake_features(pair->d, HULSE_FEATURE_POSITIONS, 0);
    assert_int_equal(hulse_close(&pair->s, 0), HULSE_OK);
    assert_int_equal(hulse_open(&pair->s, NULL), HULSE_OK);
    assert_int_equal(hulse_consumer_options_start_id(o, HULSE_LATEST, &id), HULSE_INVAL);
    assert_int_equal(hulse_consumer_options_start_id(o, HULSE_AT_ID, NULL), HULSE_INVAL);
    assert_int_equal(hulse_consumer_options_start_id(o, HULSE_AT_ID, &id), HULSE_OK);
    assert_int_equal(hulse_consumer_open(pair->s, &c, "top", "sub", o), HULSE_OK);
    last(pair, HULSE_CTL_OPEN_CONSUMER_AT, &asked, sizeof(asked));
    assert_int_equal(asked.open.start, HULSE_START_AT_ID);
    assert_int_equal(asked.at.entry, 6);
    assert_memory_equal(
        hulse_fake_last(pair->d, HULSE_CTL_OPEN_CONSUMER_AT).bytes + sizeof(asked), "topsub", 6);
    assert_int_equal(hulse_consumer_close(&c, 0), HULSE_OK);
    hulse_consumer_options_free(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIR_TEST(test_after_a_move_nothing_of_before_comes),
        PAIR_TEST(test_arguments_are_checked),
        PAIR_TEST(test_an_older_daemon_is_not_asked),
        PAIR_TEST(test_it_begins_where_the_options_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
