/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what persistent topics of the local broker keep over a stop and over a kill.
 * Method: a broker over a directory that is stopped and opened again; a child process that kills
 *         itself in between.
 */
#include "tests/unit/daemon/broker/bed_durable.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- what comes again ---- */

enum { SOME = 20 };

/* Acknowledges the even ones and refuses number 3 twice. */
static void use(struct bed_sub *sub)
{
    open_sub(sub);
    hulse_sub_permit(sub, SOME);
    publish(SOME, 100);
    hulse_sub_wait(sub, SOME);
    for (uint32_t i = 0; i < SOME; i += 2) {
        hulse_sub_ack(sub, i);
    }
    hulse_sub_nack(sub, 3, 0);
    hulse_sub_permit(sub, 1);
    hulse_sub_wait(sub, SOME + 1);
    hulse_sub_nack(sub, SOME, 0);
    hulse_sub_wait_settled(sub, SOME / 2 + 2);
}

static void expect_rest(void)
{
    struct bed_sub sub;
    assert_int_equal(backlog(), SOME / 2);
    open_sub(&sub);
    hulse_sub_permit(&sub, SOME);
    hulse_sub_wait(&sub, SOME / 2);
    publish(1, 100);
    hulse_sub_wait(&sub, SOME / 2 + 1); /* nothing more between */
    for (uint32_t i = 0; i < SOME / 2; i++) {
        assert_int_equal(sub.messages[i].number, 2 * i + 1);
        assert_int_equal(sub.messages[i].redelivery, 2 * i + 1 == 3 ? 2 : 0);
    }
    hulse_sub_close(&sub, false);
}

static void test_over_a_stop(void **state)
{
    (void)state;
    for (uint32_t workers = 1; workers <= 3; workers++) {
        struct bed_sub sub;
        params = hulse_stored_begin();
        begin(workers);
        use(&sub);
        hulse_sub_close(&sub, false);
        hulse_bed_restart(&bed);
        expect_rest();
        end();
    }
}

/* In a process that kills itself when all verdicts are settled; its consumer is still there. */
static void test_over_a_kill(void **state)
{
    (void)state;
    params = hulse_stored_begin();
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct bed_sub sub;
        begin(2);
        use(&sub);
        (void)kill(getpid(), SIGKILL);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    begin(2);
    expect_rest();
    end();
}

/* Verdicts that nobody has heard to be settled are stored when the daemon stops as asked. */
static void test_a_stop_stores_what_is_given(void **state)
{
    (void)state;
    for (uint32_t workers = 1; workers <= 2; workers++) {
        struct bed_sub sub;
        params = hulse_stored_begin();
        begin(workers);
        open_sub(&sub);
        hulse_sub_permit(&sub, SOME);
        publish(SOME, 100);
        hulse_sub_wait(&sub, SOME);
        hulse_sub_ack_all(&sub);
        hulse_sub_close(&sub, false);
        hulse_bed_restart(&bed);
        assert_int_equal(backlog(), 0);
        end();
    }
}

/* Ids of the first start are those of the second; the last one is found again. */
static void test_ids(void **state)
{
    (void)state;
    struct bed_pub pub = {.id = 1};
    struct bed_sub sub;
    params = hulse_stored_begin();
    begin(2);
    open_sub(&sub);
    assert_int_equal(hulse_pub_open(&bed, &pub, 0, topic), HULSE_OK);
    hulse_pub_send(&pub, 3, 8);
    hulse_pub_wait(&pub);
    const struct broker_id last = pub.last_id;
    hulse_pub_close(&pub);
    hulse_sub_close(&sub, false);
    hulse_bed_restart(&bed);
    open_sub(&sub);
    assert_int_equal(hulse_sub_last_message_id(&sub), HULSE_OK);
    assert_true(sub.errand_has_id);
    assert_int_equal(sub.errand_id.ledger, last.ledger);
    assert_int_equal(sub.errand_id.entry, last.entry);
    hulse_sub_permit(&sub, 4);
    hulse_sub_wait(&sub, 3);
    assert_int_equal(sub.messages[2].d->id.ledger, last.ledger);
    assert_int_equal(sub.messages[2].d->id.entry, last.entry);
    publish(1, 8);
    hulse_sub_wait(&sub, 4);
    assert_int_equal(sub.messages[3].d->id.ledger, last.ledger + 1);
    assert_true(sub.messages[3].d->id.entry > last.entry);
    assert_int_equal(hulse_sub_last_message_id(&sub), HULSE_OK);
    assert_int_equal(sub.errand_id.entry, sub.messages[3].d->id.entry);
    hulse_sub_close(&sub, false);
    end();
}

/* What nobody consumes is backlog, in a topic's stats and in the worker's report. */
static void test_figures(void **state)
{
    (void)state;
    struct bed_sub sub;
    struct bed_stats stats;
    params = hulse_stored_begin();
    begin(2);
    open_sub(&sub);
    hulse_sub_permit(&sub, 2);
    publish(9, 8);
    hulse_sub_wait(&sub, 2);
    hulse_sub_ack(&sub, 0);
    hulse_sub_wait_settled(&sub, 1);
    assert_int_equal(hulse_bed_stats(&bed, BED_CONTROL, topic, &stats), HULSE_OK);
    assert_int_equal(stats.total.backlog, 8);
    assert_int_equal(stats.subscriptions[0].backlog, 8);
    assert_int_equal(stats.subscriptions[0].unacked, 1);
    hulse_sub_close(&sub, false);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(hulse_bed_stats(&bed, BED_CONTROL, topic, &stats), HULSE_OK);
        assert_int_equal(stats.total.backlog, 8);
        assert_int_equal(stats.subscription_count, 1);
        assert_int_equal(stats.subscriptions[0].backlog, 8);
        assert_int_equal(backlog(), 8);
        hulse_bed_restart(&bed);
    }
    end();
}

/* Where a new subscription and a reader begin, on a topic that has messages which somebody needs. */
static void test_starts(void **state)
{
    (void)state;
    static const struct {
        enum broker_subscription type;
        enum broker_position_kind start;
        const char *name;
        uint32_t first;
    } cases[] = {{BROKER_SHARED, BROKER_EARLIEST, "e", 0},
                 {BROKER_SHARED, BROKER_LATEST, "l", SOME},
                 {BROKER_READER, BROKER_EARLIEST, "", 0},
                 {BROKER_READER, BROKER_LATEST, "", SOME}};
    enum { CASES = sizeof(cases) / sizeof(cases[0]) };
    struct bed_sub subs[CASES];
    struct bed_sub keeper;
    struct bed_pub pub = {.id = 1};
    params = hulse_stored_begin();
    begin(2);
    open_sub(&keeper);
    assert_int_equal(hulse_pub_open(&bed, &pub, 0, topic), HULSE_OK);
    hulse_pub_send(&pub, SOME, 8);
    hulse_pub_wait(&pub);
    for (uint32_t i = 0; i < CASES; i++) {
        const struct bed_where where = {.topic = topic,
                                        .subscription = cases[i].name,
                                        .type = cases[i].type,
                                        .start = cases[i].start};
        assert_int_equal(hulse_sub_open(&bed, &subs[i], &where), HULSE_OK);
        hulse_sub_permit(&subs[i], 2 * SOME);
    }
    hulse_pub_send(&pub, 1, 8);
    hulse_pub_wait(&pub);
    hulse_pub_close(&pub);
    for (uint32_t i = 0; i < CASES; i++) {
        hulse_sub_wait(&subs[i], SOME + 1 - cases[i].first);
        assert_int_equal(subs[i].messages[0].number, cases[i].first);
        hulse_sub_close(&subs[i], false);
    }
    hulse_sub_close(&keeper, false);
    end();
}

/* ---- what is forgotten, and what is not ---- */

static void test_orders_survive(void **state)
{
    (void)state;
    struct bed_sub sub;
    struct bed_pub pub = {.id = 1};
    char other[128];
    params = hulse_stored_begin();
    begin(2);
    hulse_bed_topic(&bed, 0, "other", other, sizeof(other));
    assert_int_equal(hulse_bed_create(&bed, other), HULSE_OK);
    assert_int_equal(hulse_bed_create(&bed, other), HULSE_BUSY);
    open_sub(&sub);
    publish(5, 8);
    struct broker_admin q = {.command = BROKER_ADMIN_TERMINATE, .topic = topic};
    assert_int_equal(hulse_bed_admin(&bed, &q, NULL), HULSE_OK);
    hulse_sub_close(&sub, false);
    hulse_bed_restart(&bed);
    assert_true(hulse_bed_is_listed(&bed, "", other));
    assert_true(hulse_bed_has_subscription(&bed, topic, "s"));
    assert_int_equal(hulse_pub_open(&bed, &pub, 0, topic), HULSE_CLOSED);
    open_sub(&sub);
    hulse_sub_permit(&sub, 10);
    hulse_sub_wait(&sub, 5);
    hulse_sub_ack_all(&sub);
    hulse_sub_wait_end_of_topic(&sub);
    hulse_sub_close(&sub, false);
    assert_int_equal(hulse_bed_delete(&bed, topic, true),
                     HULSE_OK); /* the close may be on its way */
    assert_int_equal(hulse_bed_delete(&bed, other, false), HULSE_OK);
    hulse_bed_restart(&bed);
    assert_false(hulse_bed_is_listed(&bed, "", topic));
    assert_false(hulse_bed_is_listed(&bed, "", other));
    end();
}

static void test_subscriptions_go_when_told(void **state)
{
    (void)state;
    struct bed_sub sub;
    struct bed_where where = shared();
    params = hulse_stored_begin();
    begin(2);
    open_sub(&sub);
    assert_int_equal(hulse_sub_unsubscribe(&sub), HULSE_OK);
    hulse_sub_close(&sub, false);
    where.subscription = "closed";
    assert_int_equal(hulse_sub_open(&bed, &sub, &where), HULSE_OK);
    hulse_sub_close(&sub, true);
    where.subscription = "transient";
    where.transient = true;
    assert_int_equal(hulse_sub_open(&bed, &sub, &where), HULSE_OK);
    hulse_sub_close(&sub, false);
    where.subscription = "kept";
    where.transient = false;
    assert_int_equal(hulse_sub_open(&bed, &sub, &where), HULSE_OK);
    hulse_sub_close(&sub, false);
    hulse_bed_restart(&bed);
    assert_false(hulse_bed_has_subscription(&bed, topic, "s"));
    assert_false(hulse_bed_has_subscription(&bed, topic, "closed"));
    assert_false(hulse_bed_has_subscription(&bed, topic, "transient"));
    assert_true(hulse_bed_has_subscription(&bed, topic, "kept"));
    end();
}

static void test_truncated_stays_truncated(void **state)
{
    (void)state;
    struct bed_sub sub;
    params = hulse_stored_begin();
    begin(2);
    open_sub(&sub);
    hulse_sub_permit(&sub, 2);
    publish(10, 8);
    hulse_sub_wait(&sub, 2);
    hulse_sub_ack(&sub, 0);
    hulse_sub_wait_settled(&sub, 1);
    struct broker_admin q = {.command = BROKER_ADMIN_TRUNCATE, .topic = topic};
    assert_int_equal(hulse_bed_admin(&bed, &q, NULL), HULSE_OK);
    assert_int_equal(backlog(), 1); /* in a consumer's hands */
    hulse_sub_close(&sub, false);
    hulse_bed_restart(&bed);
    assert_int_equal(backlog(), 1);
    open_sub(&sub);
    hulse_sub_permit(&sub, 3);
    publish(1, 8);
    hulse_sub_wait(&sub, 2);
    assert_int_equal(sub.messages[0].number, 1);
    assert_int_equal(sub.messages[1].number, 0); /* of the new publisher */
    hulse_sub_close(&sub, false);
    end();
}

/* An expired message is acknowledged by the engine and does not come back. */
static void test_expired_is_acknowledged(void **state)
{
    (void)state;
    struct bed_pub pub = {.id = 1};
    struct bed_sub sub;
    const struct broker_meta meta = {.ttl_ms = 1, .partition = -1};
    params = hulse_stored_begin();
    begin(1);
    open_sub(&sub);
    hulse_sub_close(&sub, false);
    assert_int_equal(hulse_pub_open(&bed, &pub, 0, topic), HULSE_OK);
    hulse_pub_send_meta(&pub, &meta);
    hulse_pub_send(&pub, 1, 8);
    hulse_pub_wait(&pub);
    hulse_pub_close(&pub);
    hulse_bed_restart(&bed); /* takes longer than that */
    open_sub(&sub);
    hulse_sub_permit(&sub, 2);
    hulse_sub_wait(&sub, 1);
    assert_int_equal(sub.messages[0].number, 1);
    assert_int_equal(backlog(), 1);
    hulse_sub_close(&sub, false);
    hulse_bed_restart(&bed);
    assert_int_equal(backlog(), 1);
    end();
}

int main(void)
{
    hulse_mem_init(UINT64_C(1) << 30U);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_over_a_kill), /* forks: before there are threads */
        cmocka_unit_test(test_over_a_stop),
        cmocka_unit_test(test_a_stop_stores_what_is_given),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_starts),
        cmocka_unit_test(test_orders_survive),
        cmocka_unit_test(test_subscriptions_go_when_told),
        cmocka_unit_test(test_truncated_stays_truncated),
        cmocka_unit_test(test_expired_is_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
