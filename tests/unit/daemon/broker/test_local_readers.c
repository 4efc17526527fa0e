/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   readers of the local broker's persistent topics: where they begin, in this start and the
 *         next; that they are told it; that they hear when they have caught up, whatever is missing.
 * Method: a broker over a directory that is stopped and opened again; topic and reader on one worker
 *         and on two.
 */
#include "daemon/broker/local/internal.h"
#include "tests/unit/daemon/broker/bed.h"
#include "tests/unit/daemon/broker/bed_ask.h"
#include "tests/unit/daemon/broker/bed_pub.h"
#include "tests/unit/daemon/broker/bed_stored.h"
#include "tests/unit/daemon/broker/bed_sub.h"

enum { SOME = 20, WORKERS_MAX = 2 };

static struct bed bed;
static char topic[128];

static struct bed_house house = {.label = "readers",
                                 .create = hulse_stored_open,
                                 .destroy = hulse_local_destroy,
                                 .reopen = hulse_stored_reopen,
                                 .owner = hulse_bed_owner,
                                 .ordered = true,
                                 .scheme = "persistent"};

static void open_on(struct bed_sub *sub, const char *name, const struct broker_position *start)
{
    const struct bed_where where = {.topic = topic,
                                    .subscription = name,
                                    .type = name[0] == '\0' ? BROKER_READER : BROKER_SHARED,
                                    .start = start->kind,
                                    .id = start->id};
    assert_int_equal(hulse_sub_open(&bed, sub, &where), HULSE_OK);
    assert_true(sub->has_reach == (where.type == BROKER_READER));
}

static void open_reader(struct bed_sub *sub, enum broker_position_kind kind, struct broker_id id)
{
    open_on(sub, "", &(struct broker_position){.kind = kind, .id = id});
}

static void begin(uint32_t workers)
{
    struct bed_sub keeper;
    house.workers = workers;
    hulse_stored_begin();
    hulse_bed_start_house(&bed, &house);
    hulse_bed_topic(&bed, workers - 1, "readers", topic, sizeof(topic));
    /* Somebody needs the messages, so they stay. */
    open_on(&keeper, "keeper", &(struct broker_position){.kind = BROKER_EARLIEST});
    hulse_sub_close(&keeper, false);
}

static void end(void)
{
    hulse_bed_stop(&bed);
    hulse_stored_end();
}

/* Numbers from 0 on, each time; the id of the last one. */
static struct broker_id publish(uint32_t count)
{
    struct bed_pub pub = {.id = 1};
    assert_int_equal(hulse_pub_open(&bed, &pub, 0, topic), HULSE_OK);
    hulse_pub_send(&pub, count, 8);
    hulse_pub_wait(&pub);
    assert_int_equal(pub.stored, count);
    const struct broker_id last = pub.last_id;
    hulse_pub_close(&pub);
    return last;
}

/* Exactly `count` messages, the first of them entry `first`; and it has caught up. */
static void expect(struct bed_sub *sub, uint64_t first, uint32_t count)
{
    hulse_sub_permit(sub, count + 1);
    hulse_sub_wait(sub, count);
    if (count != 0) {
        assert_int_equal(sub->messages[0].at.entry, first);
        assert_int_equal(sub->messages[count - 1].at.entry, first + count - 1);
        assert_int_equal(sub->caught_up, 0);
        hulse_sub_ack_all(sub);
    }
    hulse_sub_wait_caught_up(sub);
    assert_int_equal(hulse_sub_count(sub), count);
}

static void same(const struct broker_id *a, const struct broker_id *b)
{
    assert_int_equal(a->ledger, b->ledger);
    assert_int_equal(a->entry, b->entry);
    assert_int_equal(a->batch, b->batch);
}

static void read_from(enum broker_position_kind kind, struct broker_id id, uint64_t first)
{
    struct bed_sub sub;
    open_reader(&sub, kind, id);
    expect(&sub, first, (uint32_t)(SOME - first));
    hulse_sub_close(&sub, false);
}

static void starts(uint32_t workers)
{
    begin(workers);
    const struct broker_id last = publish(SOME);
    struct broker_id fifth = last;
    fifth.entry = 5;
    const struct broker_id none = {.ledger = last.ledger, .entry = BROKER_NO_ENTRY, .batch = -1};
    for (unsigned restart = 0; restart < 2; restart++) {
        read_from(BROKER_EARLIEST, none, 0);
        read_from(BROKER_LATEST, none, SOME);
        read_from(BROKER_AT_ID, fifth, 5);
        read_from(BROKER_AFTER_ID, fifth, 6);
        read_from(BROKER_AT_ID, last, SOME - 1);
        read_from(BROKER_AFTER_ID, last, SOME);
        read_from(BROKER_AT_ID, none, 0);
        read_from(BROKER_AFTER_ID, none, 0);
        hulse_bed_restart(&bed);
    }
    end();
}

static void test_starts(void **state)
{
    (void)state;
    for (uint32_t workers = 1; workers <= WORKERS_MAX; workers++) {
        starts(workers);
    }
}

/* What an opening is told leads the next one on, when nothing was read meanwhile. */
static void goes_on(uint32_t workers, uint32_t before)
{
    struct bed_sub sub;
    struct broker_id last = {0};
    begin(workers);
    if (before != 0) {
        last = publish(before);
    }
    for (unsigned restart = 0; restart < 3; restart++) {
        open_reader(&sub, BROKER_LATEST, last);
        assert_true(sub.reach.has_last == (before + restart != 0));
        if (sub.reach.has_last) {
            same(&sub.reach.last, &last);
        }
        const struct broker_id behind = sub.reach.behind;
        hulse_sub_close(&sub, false);
        hulse_bed_restart(&bed);
        last = publish(1);
        open_reader(&sub, BROKER_AFTER_ID, behind);
        expect(&sub, before + restart, 1);
        hulse_sub_close(&sub, false);
    }
    end();
}

static void test_who_has_read_nothing_goes_on_where_it_began(void **state)
{
    (void)state;
    for (uint32_t workers = 1; workers <= WORKERS_MAX; workers++) {
        goes_on(workers, 0);
        goes_on(workers, SOME);
    }
}

/* Ids of another topic of that name, or of another store. */
static void test_an_unknown_id_begins_at_the_first(void **state)
{
    (void)state;
    begin(2);
    const struct broker_id old = publish(SOME);
    hulse_bed_restart(&bed);
    struct broker_admin q = {.command = BROKER_ADMIN_DELETE, .topic = topic, .force = true};
    assert_int_equal(hulse_bed_admin(&bed, &q, NULL), HULSE_OK);
    struct bed_sub keeper;
    open_on(&keeper, "keeper", &(struct broker_position){.kind = BROKER_EARLIEST});
    const struct broker_id last = publish(SOME);
    struct broker_id wrong = old;
    wrong.entry = 3;
    read_from(BROKER_AFTER_ID, wrong, 0);
    read_from(BROKER_AFTER_ID, old, 0);
    wrong = last;
    wrong.entry = SOME;
    read_from(BROKER_AFTER_ID, wrong, 0);
    read_from(BROKER_AT_ID, wrong, 0);
    wrong = last;
    wrong.ledger += 1;
    read_from(BROKER_AFTER_ID, wrong, 0);
    hulse_sub_close(&keeper, false);
    end();
}

/* A subscription that is made starts there too. */
static void test_a_subscription_begins_behind_an_id(void **state)
{
    (void)state;
    begin(1);
    struct broker_id id = publish(SOME);
    id.entry = 7;
    struct bed_sub sub;
    open_on(&sub, "s", &(struct broker_position){.kind = BROKER_AFTER_ID, .id = id});
    hulse_sub_permit(&sub, SOME);
    hulse_sub_wait(&sub, SOME - 8);
    assert_int_equal(sub.messages[0].at.entry, 8);
    assert_int_equal(sub.caught_up, 0);
    hulse_sub_close(&sub, false);
    end();
}

/* Messages that are not there any more are no reason to wait for them. */
static void test_it_catches_up_with_a_topic_that_was_truncated(void **state)
{
    (void)state;
    begin(2);
    (void)publish(SOME);
    struct broker_admin q = {.command = BROKER_ADMIN_TRUNCATE, .topic = topic};
    assert_int_equal(hulse_bed_admin(&bed, &q, NULL), HULSE_OK);
    for (unsigned restart = 0; restart < 2; restart++) {
        struct bed_sub sub;
        open_reader(&sub, BROKER_EARLIEST, (struct broker_id){0});
        expect(&sub, 0, 0);
        hulse_sub_close(&sub, false);
        hulse_bed_restart(&bed);
    }
    end();
}

/* What comes later does not count, and it is told once. */
static void test_it_catches_up_with_what_there_was(void **state)
{
    (void)state;
    for (uint32_t workers = 1; workers <= WORKERS_MAX; workers++) {
        struct bed_sub sub;
        begin(workers);
        (void)publish(SOME);
        open_reader(&sub, BROKER_EARLIEST, (struct broker_id){0});
        hulse_sub_permit(&sub, 3 * SOME);
        (void)publish(SOME);
        hulse_sub_wait(&sub, 2 * SOME);
        for (uint32_t i = 0; i < SOME; i++) {
            assert_int_equal(sub.caught_up, 0);
            hulse_sub_ack(&sub, i);
        }
        hulse_sub_wait_caught_up(&sub);
        hulse_sub_ack_all(&sub);
        (void)publish(1);
        hulse_sub_wait(&sub, 2 * SOME + 1);
        hulse_sub_close(&sub, false);
        end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starts),
        cmocka_unit_test(test_who_has_read_nothing_goes_on_where_it_began),
        cmocka_unit_test(test_an_unknown_id_begins_at_the_first),
        cmocka_unit_test(test_a_subscription_begins_behind_an_id),
        cmocka_unit_test(test_it_catches_up_with_a_topic_that_was_truncated),
        cmocka_unit_test(test_it_catches_up_with_what_there_was),
    };
    hulse_mem_init(UINT64_C(1) << 30U);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
