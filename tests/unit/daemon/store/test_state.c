/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: not=tsan */
/*
 * Goal:   what the model (test_state_model) does not walk through: handles age, damage is counted, what goes with the
 *         process is written nowhere, and old frames undo nothing.
 * Method: single frames, one after another.
 */
#include "daemon/store/state_load.h"
#include "daemon/store/value.h"
#include "tests/unit/daemon/core/check.h"
#include "tests/unit/daemon/store/made_frame.h"

#include <string.h>

enum { SEGMENT = 4 << 20, REGION = 1 << 20, TTL_MS = 1000 };

static struct state *s;
static uint64_t lsn;

static int set_up(void **state)
{
    (void)state;
    s = hulse_state_create(SEGMENT, TTL_MS);
    lsn = SEGMENT;
    return s == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    hulse_state_destroy(&s);
    return 0;
}

static void apply_at(uint64_t at, struct store_request rq)
{
    struct made_frame made;

    hulse_made_frame(&made, &rq, at);
    assert_true(hulse_state_apply(s, hulse_made_frame_at(&made), at));
}

static void apply(struct store_request rq)
{
    lsn += 100;
    apply_at(lsn, rq);
}

static void create(uint64_t topic, const char *name)
{
    apply((struct store_request){.kind = STORE_TOPIC_CREATE, .topic = topic, .name = name});
}

static void subscribe(uint64_t topic, uint64_t sub, uint64_t position)
{
    apply((struct store_request){.kind = STORE_SUBSCRIPTION_CREATE,
                                 .topic = topic,
                                 .subscription = sub,
                                 .name = "s",
                                 .position = position});
}

static void message(uint64_t topic, uint64_t position, uint8_t handle)
{
    apply((struct store_request){.kind = STORE_MESSAGE,
                                 .topic = topic,
                                 .position = position,
                                 .handle = {handle},
                                 .seq = position,
                                 .time_ms = 1});
}

/* It was moved out of an earlier segment. */
static void moved(uint64_t topic, uint64_t position)
{
    const struct store_request rq = {
        .kind = STORE_MESSAGE, .topic = topic, .position = position, .time_ms = 1};
    struct made_frame made;

    lsn += 100;
    hulse_made_frame(&made, &rq, lsn);
    made.f.flags |= FRAME_COPY;
    assert_true(hulse_state_apply(s, hulse_made_frame_at(&made), lsn));
}

static void checkpoint(uint64_t now_ms)
{
    struct checkpoint *cp = hulse_state_checkpoint(s, lsn + 1, now_ms);

    assert_non_null(cp);
    hulse_checkpoint_free(&cp);
}

static struct state_figures figures(void)
{
    struct state_figures f;

    hulse_state_figures(s, &f);
    return f;
}

/* A new state out of all rows of the old one but those of one table, as if frames below `lsn` were covered. */
static void load_without(int table)
{
    struct checkpoint *cp = hulse_state_snapshot(s, lsn + 1);
    struct value_row row;
    size_t at = 0;

    assert_non_null(cp);
    hulse_state_destroy(&s);
    s = hulse_state_create(SEGMENT, TTL_MS);
    hulse_state_load_meta(s, &cp->meta);
    for (unsigned t = VALUE_TOPIC; t < VALUE_TABLES; t++) {
        at = 0;
        while (hulse_value_list_next(&cp->values, &at, &row)) {
            if (row.key.table == t && (int)t != table && (table < 0 || t != VALUE_INDEX)) {
                assert_int_equal(hulse_state_load_row(s, &row), LOAD_OK);
            }
        }
    }
    hulse_state_load_end(s, table < 0);
    hulse_checkpoint_free(&cp);
}

/* As the first version wrote a row of the index: a key without the run, a value without bytes. */
static void load_old_group(const struct value_row *row)
{
    uint8_t value[VALUE_HEADER_BYTES + VALUE_INDEX_OLD_BYTES + 64 * VALUE_SPOT_BYTES];
    const size_t fixed = VALUE_HEADER_BYTES + VALUE_INDEX_OLD_BYTES;
    const size_t bytes = row->value_bytes - VALUE_INDEX_BYTES + VALUE_INDEX_OLD_BYTES;
    const struct value_key key = hulse_value_key2(
        VALUE_INDEX, hulse_value_key_first(&row->key), hulse_value_key_second(&row->key));

    assert_true(bytes <= sizeof(value));
    memcpy(value, row->value, fixed);
    memcpy(value + fixed,
           row->value + VALUE_HEADER_BYTES + VALUE_INDEX_BYTES,
           row->value_bytes - VALUE_HEADER_BYTES - VALUE_INDEX_BYTES);
    hulse_value_seal(&key, value, bytes);
    const struct value_row old = {.key = key, .value = value, .value_bytes = bytes};
    assert_int_equal(hulse_state_load_row(s, &old), LOAD_OK);
}

static void test_rows_of_the_first_version_are_read(void **state)
{
    enum { MESSAGES = 40 };
    struct state_place before[MESSAGES];
    struct state_place after;
    struct value_row row;
    size_t at = 0;
    unsigned groups = 0;

    (void)state;
    create(1, "t");
    subscribe(1, 1, 0);
    for (uint64_t p = 0; p < MESSAGES; p++) {
        lsn += SEGMENT / 10;
        message(1, p, 1);
    }
    for (uint64_t p = 0; p < MESSAGES; p++) {
        assert_true(hulse_state_find(s, 1, p, &before[p]));
    }
    struct checkpoint *cp = hulse_state_snapshot(s, lsn + 1);
    assert_non_null(cp);
    load_without(VALUE_INDEX);
    while (hulse_value_list_next(&cp->values, &at, &row)) {
        if (row.key.table == VALUE_INDEX) {
            load_old_group(&row);
            groups++;
        }
    }
    hulse_state_load_end(s, true);
    hulse_state_recovered(s);
    assert_true(groups > 3);
    for (uint64_t p = 0; p < MESSAGES; p++) {
        assert_true(hulse_state_find(s, 1, p, &after));
        assert_int_equal(after.lsn, before[p].lsn);
        assert_int_equal(after.last, before[p].last);
    }
    assert_true(hulse_state_needs(s, before[0].lsn / SEGMENT));
    /* Nobody has written down how much it holds: at most what its places say. */
    assert_false(hulse_state_mostly_dead(s, before[0].lsn / SEGMENT, 4, 0));
    message(1, MESSAGES, 1);
    assert_true(hulse_state_find(s, 1, MESSAGES, &after));
    assert_int_equal(after.last, MESSAGES);
    hulse_checkpoint_free(&cp);
}

static uint64_t segment_of(uint64_t topic, uint64_t position)
{
    struct state_place at;

    assert_true(hulse_state_find(s, topic, position, &at));
    return at.lsn / SEGMENT;
}

/* Nobody knows who comes: as long as not all of the newest segment is moved, both parts of it are kept. */
static void test_without_subscriptions_both_parts_of_what_is_moved_are_kept(void **state)
{
    enum { MESSAGES = 10, FIRST = 4 };

    (void)state;
    hulse_state_recovered(s);
    create(1, "t");
    for (uint64_t p = 0; p < MESSAGES; p++) {
        message(1, p, 1);
    }
    lsn = UINT64_C(3) * SEGMENT;
    for (uint64_t p = 0; p < FIRST; p++) {
        assert_true(hulse_state_moves(s, 1, p, 1));
        moved(1, p);
    }
    assert_int_equal(segment_of(1, 0), 3);
    assert_int_equal(segment_of(1, FIRST), 1);
    assert_true(hulse_state_needs(s, 1));
    assert_true(hulse_state_needs(s, 3));
    lsn = UINT64_C(4) * SEGMENT;
    for (uint64_t p = FIRST; p < MESSAGES; p++) {
        assert_true(hulse_state_moves(s, 1, p, 1));
        moved(1, p);
    }
    assert_false(hulse_state_needs(s, 1));
    assert_false(hulse_state_needs(s, 3));
    assert_true(hulse_state_needs(s, 4));
    assert_int_equal(segment_of(1, FIRST), 4);
}

static void test_handles_age_while_the_store_is_open(void **state)
{
    (void)state;
    create(1, "t");
    message(1, 0, 1);
    checkpoint(5000000); /* the first says what time it is, and no more */
    assert_int_equal(figures().handles, 1);
    message(1, 1, 2);
    checkpoint(5000000 + TTL_MS);
    assert_int_equal(figures().handles, 2);
    checkpoint(5000000 + TTL_MS + TTL_MS / 8);
    assert_int_equal(figures().handles, 1);
    checkpoint(5000000 + 2 * TTL_MS);
    assert_int_equal(figures().handles, 1);
    /* One that has come again is as young as its last message, whenever the last checkpoint was. */
    message(1, 2, 2);
    checkpoint(5000000 + 9 * TTL_MS);
    assert_int_equal(figures().handles, 1);
    checkpoint(5000000 + 11 * TTL_MS);
    assert_int_equal(figures().handles, 0);
}

static void test_handles_do_not_age_while_nobody_has_the_store(void **state)
{
    (void)state;
    create(1, "t");
    message(1, 0, 1);
    checkpoint(100);
    checkpoint(100 + TTL_MS - 1);
    load_without(-1);
    /* Another process, another clock, years later. */
    checkpoint(UINT64_C(100000000000));
    assert_int_equal(figures().handles, 1);
    /* A clock that stands, or goes back. */
    checkpoint(UINT64_C(100000000000));
    checkpoint(5);
    assert_int_equal(figures().handles, 1);
    /* But what it had behind it before still counts. */
    checkpoint(5 + TTL_MS / 8);
    assert_int_equal(figures().handles, 0);
}

static void test_damage_behind_the_index_counts_what_is_left_out(void **state)
{
    (void)state;
    create(1, "t");
    create(2, "u");
    subscribe(1, 1, 0);
    subscribe(2, 2, 0);
    message(1, 0, 0);
    message(1, 5, 0); /* positions may be left out without damage */
    message(2, 0, 0);
    assert_int_equal(figures().lost_messages, 0);
    lsn += 1000;
    assert_true(hulse_state_lost(s, lsn - 900, lsn));
    assert_int_equal(figures().lost_messages, 0);
    message(1, 9, 0);
    assert_int_equal(figures().lost_messages, 3);
    assert_int_equal(hulse_state_lost_in(s, 1, 0, 8), 2);
    message(1, 20, 0);
    message(2, 1, 0);
    assert_int_equal(figures().lost_messages, 3);
}

static void test_damage_in_the_index_counts_what_is_waited_for(void **state)
{
    struct ranges acked = {0};

    (void)state;
    create(1, "t");
    create(2, "nobody reads it");
    subscribe(1, 1, 0);
    for (uint64_t i = 0; i < 80; i++) {
        lsn = SEGMENT + (i + 1) * 50000; /* 20 in each region, the last few in the next segment */
        message(1, i, 0);
        message(2, i, 0);
    }
    assert_true(hulse_ranges_add(&acked, 0, 30));
    apply(
        (struct store_request){.kind = STORE_ACK, .topic = 1, .subscription = 1, .ranges = &acked});
    assert_true(hulse_state_lost(s, SEGMENT, SEGMENT + REGION));
    assert_int_equal(figures().lost_messages, 0);
    /* A part of a region: only its first message is known to be in it. */
    assert_true(hulse_state_lost(s, SEGMENT + 2 * REGION, SEGMENT + 2 * REGION + 60000));
    assert_int_equal(figures().lost_messages, 1);
    assert_true(hulse_state_lost(s, SEGMENT + 2 * REGION + 60000, SEGMENT + 3 * REGION));
    assert_int_equal(figures().lost_messages, 1);
    assert_true(hulse_state_lost(s, SEGMENT + REGION, SEGMENT + 2 * REGION));
    const uint64_t second = figures().lost_messages - 1;
    assert_in_range(second, 10, 13);
    /* What is lost twice counts once. */
    assert_true(hulse_state_lost(s, SEGMENT + REGION, SEGMENT + 3 * REGION));
    assert_in_range(figures().lost_messages, second + 20, second + 22);
    /* What is acknowledged is not waited for. */
    assert_true(hulse_ranges_add(&acked, 0, 1000));
    apply(
        (struct store_request){.kind = STORE_ACK, .topic = 1, .subscription = 1, .ranges = &acked});
    assert_int_equal(figures().lost_messages, 0);
    hulse_ranges_clear(&acked);
}

static void test_what_is_no_frame_counts_as_damaged(void **state)
{
    struct made_frame made;

    (void)state;
    create(1, "t");
    create(2, "u");
    subscribe(1, 1, 0);
    message(1, STORE_POSITION_MAX, 0);
    apply((struct store_request){
        .kind = STORE_TOPIC_TRIM, .topic = 1, .position = STORE_POSITION_MAX});
    apply((struct store_request){
        .kind = STORE_SUBSCRIPTION_SEEK, .topic = 1, .subscription = 1, .position = UINT64_MAX});
    apply((struct store_request){
        .kind = STORE_SUBSCRIPTION_SEEK, .topic = 2, .subscription = 1, .position = 1});
    create(0, "id 0");
    assert_int_equal(figures().damaged_records, 5);
    hulse_made_frame(&made, &(struct store_request){.kind = STORE_TOPIC_DELETE, .topic = 1}, lsn);
    made.f.length += 1;
    assert_true(hulse_state_apply(s, hulse_made_frame_at(&made), lsn));
    made.f.length = 3;
    assert_true(hulse_state_apply(s, hulse_made_frame_at(&made), lsn));
    assert_int_equal(figures().damaged_records, 7);
    assert_int_equal(figures().topics, 2);
    message(77, 0, 0);
    assert_int_equal(figures().homeless_records, 1);
    assert_string_equal(hulse_state_words(s),
                        "topic 1 t first 0 next 0\n  sub 1 s acked\ntopic 2 u first 0 next 0\n");
}

static void test_a_transient_subscription_holds_messages_and_is_in_no_checkpoint(void **state)
{
    struct made_frame made;

    (void)state;
    create(1, "t");
    message(1, 0, 0);
    message(1, 1, 0);
    lsn = (uint64_t)2 * SEGMENT;
    message(1, 2, 0);
    assert_false(hulse_state_needs(s, 1));
    assert_true(hulse_state_needs(s, 2));
    checkpoint(1);
    hulse_made_frame(&made,
                     &(struct store_request){.kind = STORE_SUBSCRIPTION_CREATE,
                                             .topic = 1,
                                             .subscription = hulse_state_new_subscription_id(s),
                                             .name = "reader",
                                             .position = 1},
                     0);
    assert_true(hulse_state_apply_transient(s, hulse_made_frame_at(&made)));
    assert_true(hulse_state_needs(s, 1));
    assert_int_equal(figures().subscriptions, 0);
    assert_int_equal(hulse_state_subscription_named(s, 1, "reader"), 1);
    struct checkpoint *cp = hulse_state_checkpoint(s, lsn, 2);
    struct value_row row;
    size_t at = 0;
    assert_false(cp->all);
    while (hulse_value_list_next(&cp->values, &at, &row)) {
        assert_int_not_equal(row.key.table, VALUE_SUBSCRIPTION);
    }
    hulse_checkpoint_free(&cp);
    load_without(-1);
    assert_false(hulse_state_has_subscription(s, 1, 1));
    assert_false(hulse_state_needs(s, 1));
}

/* What a salvaged checkpoint says of a cursor is newer than what old frames say; what it has lost is theirs. */
static void test_old_frames_bring_back_what_is_lost_and_undo_nothing(void **state)
{
    (void)state;
    create(1, "t");
    subscribe(1, 1, 0);
    for (uint64_t i = 0; i < 10; i++) {
        message(1, i, 0);
    }
    const uint64_t seek_lsn = lsn + 1;
    lsn += 100;
    /* The log has lost the end of this: a seek to 3 that came after one to 8. */
    apply((struct store_request){
        .kind = STORE_SUBSCRIPTION_SEEK, .topic = 1, .subscription = 1, .position = 3});
    load_without(VALUE_HANDLE);
    apply_at(seek_lsn,
             (struct store_request){
                 .kind = STORE_SUBSCRIPTION_SEEK, .topic = 1, .subscription = 1, .position = 8});
    assert_non_null(strstr(hulse_state_words(s), "sub 1 s acked 0-3\n"));
    /* The index was left out, and comes back with the messages. */
    struct state_place at = {0};
    assert_false(hulse_state_find(s, 1, 3, &at));
    for (uint64_t i = 0; i < 10; i++) {
        apply_at(SEGMENT + 300 + i * 100,
                 (struct store_request){.kind = STORE_MESSAGE, .topic = 1, .position = i});
    }
    assert_true(hulse_state_find(s, 1, 3, &at));

    load_without(VALUE_SUBSCRIPTION);
    assert_null(strstr(hulse_state_words(s), "sub 1"));
    apply_at(SEGMENT + 200,
             (struct store_request){
                 .kind = STORE_SUBSCRIPTION_CREATE, .topic = 1, .subscription = 1, .name = "s"});
    apply_at(seek_lsn,
             (struct store_request){
                 .kind = STORE_SUBSCRIPTION_SEEK, .topic = 1, .subscription = 1, .position = 8});
    assert_non_null(strstr(hulse_state_words(s), "sub 1 s acked 0-8\n"));
}

static void test_ids_are_given_once(void **state)
{
    struct made_frame made;

    (void)state;
    create(7, "t");
    assert_int_equal(hulse_state_new_topic_id(s), 8);
    hulse_made_epoch(&made, 3, 20, 30);
    assert_true(hulse_state_apply(s, hulse_made_frame_at(&made), lsn));
    assert_int_equal(hulse_state_new_topic_id(s), 20);
    assert_int_equal(hulse_state_new_subscription_id(s), 30);
    assert_int_equal(figures().epoch, 3);
    load_without(-1);
    assert_int_equal(hulse_state_new_topic_id(s), 21);
    assert_int_equal(hulse_state_new_subscription_id(s), 31);
    assert_int_equal(figures().epoch, 3);
    /* The end of the one before was in what is damaged. */
    create(40, "t");
    assert_int_equal(hulse_state_topic_named(s, "t"), 40);
    assert_int_equal(figures().topics, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows_of_the_first_version_are_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_without_subscriptions_both_parts_of_what_is_moved_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_handles_age_while_the_store_is_open, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_handles_do_not_age_while_nobody_has_the_store, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_damage_behind_the_index_counts_what_is_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_damage_in_the_index_counts_what_is_waited_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_no_frame_counts_as_damaged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_a_transient_subscription_holds_messages_and_is_in_no_checkpoint,
            set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(
            test_old_frames_bring_back_what_is_lost_and_undo_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ids_are_given_once, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
