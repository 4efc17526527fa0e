/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what persistent topics of the local broker keep over a stop and over a kill, and what
 *         they hold in memory while a subscription is behind.
 * Method: a broker over a directory that is stopped and opened again; a child process that kills
 *         itself in between.
 */
#include "daemon/broker/local/internal.h"
#include "daemon/store/store_internal.h"
#include "tests/unit/daemon/broker/bed.h"
#include "tests/unit/daemon/broker/bed_ask.h"
#include "tests/unit/daemon/broker/bed_pub.h"
#include "tests/unit/daemon/broker/bed_stored.h"
#include "tests/unit/daemon/broker/bed_sub.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct bed bed;
static char topic[128];
static struct local_params *params;

static struct bed_house house = {.label = "durable",
                                 .workers = 1,
                                 .create = hulse_stored_open,
                                 .destroy = hulse_local_destroy,
                                 .reopen = hulse_stored_reopen,
                                 .owner = hulse_bed_owner,
                                 .ordered = true,
                                 .scheme = "persistent"};

static void begin(uint32_t workers)
{
    house.workers = workers;
    hulse_bed_start_house(&bed, &house);
    hulse_bed_topic(&bed, workers - 1, "durable", topic, sizeof(topic));
}

static void end(void)
{
    hulse_bed_stop(&bed);
    hulse_stored_end();
}

static struct bed_where shared(void)
{
    return (struct bed_where){
        .topic = topic, .subscription = "s", .type = BROKER_SHARED, .start = BROKER_EARLIEST};
}

static void open_sub(struct bed_sub *sub)
{
    const struct bed_where where = shared();
    assert_int_equal(hulse_sub_open(&bed, sub, &where), HULSE_OK);
}

static void publish(uint32_t count, uint32_t bytes)
{
    struct bed_pub pub = {.id = 1};
    assert_int_equal(hulse_pub_open(&bed, &pub, 0, topic), HULSE_OK);
    hulse_pub_send(&pub, count, bytes);
    hulse_pub_wait(&pub);
    assert_int_equal(pub.stored, count);
    hulse_pub_close(&pub);
}

static uint64_t backlog(void)
{
    struct topic_report r = {.backlog = UINT64_MAX};
    (void)hulse_bed_report(&bed, topic, &r);
    return r.backlog;
}

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

/* ---- behind ---- */

enum { BOUND = 64, MANY = 3000 };

/* More than the window holds, in order, each once, for a consumer that takes it bit by bit. */
static void test_behind_the_window(void **state)
{
    (void)state;
    for (uint32_t workers = 1; workers <= 2; workers++) {
        struct bed_sub sub;
        params = hulse_stored_begin();
        params->subscription_messages_max = BOUND;
        begin(workers);
        open_sub(&sub);
        hulse_sub_permit(&sub, 10);
        publish(MANY, 16);
        hulse_sub_wait(&sub, 10);
        for (uint32_t i = 0; i < MANY; i++) {
            assert_int_equal(sub.messages[i].number, i);
            hulse_sub_ack(&sub, i);
            hulse_sub_permit(&sub, 1);
            hulse_sub_wait(&sub, i + 11 < MANY ? i + 11 : MANY);
        }
        hulse_sub_wait_settled(&sub, MANY);
        assert_int_equal(backlog(), 0);
        assert_int_equal(sub.count, MANY);
        hulse_sub_close(&sub, false);
        end();
    }
}

/* One that is larger than the bound comes, too. */
static void test_larger_than_the_window(void **state)
{
    (void)state;
    struct bed_sub sub;
    params = hulse_stored_begin();
    params->subscription_bytes_max = 1000;
    begin(1);
    open_sub(&sub);
    publish(3, 5000);
    hulse_sub_permit(&sub, 3);
    for (uint32_t i = 0; i < 3; i++) {
        hulse_sub_wait(&sub, i + 1);
        hulse_sub_ack(&sub, i);
    }
    hulse_sub_close(&sub, false);
    end();
}

enum { BACKLOG = 100000 };

static void test_a_backlog_is_not_in_memory(void **state)
{
    (void)state;
    struct bed_sub sub;
    params = hulse_stored_begin();
    begin(1);
    open_sub(&sub);
    hulse_sub_close(&sub, false);
    for (uint32_t i = 0; i < BACKLOG; i += 1000) {
        publish(1000, 100);
    }
    assert_int_equal(backlog(), BACKLOG);
    /* What is left are pools. */
    assert_true(hulse_mem_used(HULSE_MEM_MESSAGE) < UINT64_C(2) << 20U);
    assert_true(hulse_mem_used(HULSE_MEM_TOPIC) < 64U << 10U);
    params->subscription_messages_max = 1000;
    hulse_bed_restart(&bed);
    open_sub(&sub);
    sub.ack_at_once = true;
    hulse_sub_permit(&sub, 500);
    hulse_sub_wait(&sub, BACKLOG);
    hulse_sub_wait_settled(&sub, BACKLOG);
    for (uint32_t i = 0; i < BACKLOG; i++) {
        assert_int_equal(sub.messages[i].entry, i);
    }
    hulse_sub_close(&sub, false);
    end();
}

/* By id, also what is not in the window. */
static void test_acknowledged_by_id_behind(void **state)
{
    (void)state;
    struct bed_sub sub;
    struct bed_pub pub = {.id = 1};
    params = hulse_stored_begin();
    params->subscription_messages_max = 8;
    begin(2);
    open_sub(&sub);
    assert_int_equal(hulse_pub_open(&bed, &pub, 0, topic), HULSE_OK);
    hulse_pub_send(&pub, 100, 8);
    hulse_pub_wait(&pub);
    struct broker_id id = pub.last_id;
    hulse_pub_close(&pub);
    for (id.entry = 1; id.entry < 100; id.entry += 2) {
        hulse_sub_ack_id(&sub, &id, false);
    }
    hulse_sub_wait_settled(&sub, 50);
    assert_int_equal(backlog(), 50);
    id.entry = 19;
    hulse_sub_ack_id(&sub, &id, true); /* shared: that one alone */
    hulse_sub_wait_settled(&sub, 51);
    assert_int_equal(backlog(), 50);
    sub.ack_at_once = true;
    hulse_sub_permit(&sub, 4);
    hulse_sub_wait(&sub, 50);
    for (uint32_t i = 0; i < 50; i++) {
        assert_int_equal(sub.messages[i].entry, 2 * i);
    }
    hulse_sub_close(&sub, false);
    end();
}

/* A cumulative verdict ends what is below it, whether it is in the window or not. */
static void test_cumulative_behind(void **state)
{
    (void)state;
    struct bed_sub sub;
    struct bed_where where = shared();
    params = hulse_stored_begin();
    params->subscription_messages_max = 8;
    begin(2);
    where.type = BROKER_EXCLUSIVE;
    assert_int_equal(hulse_sub_open(&bed, &sub, &where), HULSE_OK);
    publish(100, 8);
    struct broker_id id = {.ledger = 1, .entry = 89, .batch = -1};
    hulse_sub_ack_id(&sub, &id, true);
    hulse_sub_wait_settled(&sub, 1);
    assert_int_equal(backlog(), 10);
    hulse_sub_permit(&sub, 10);
    hulse_sub_wait(&sub, 8);
    assert_int_equal(sub.messages[0].entry, 90);
    hulse_sub_ack_cumulative(&sub, 6);
    hulse_sub_wait_settled(&sub, 2);
    assert_int_equal(backlog(), 3);
    hulse_sub_close(&sub, false);
    hulse_bed_restart(&bed);
    assert_int_equal(backlog(), 3);
    end();
}

/* ---- full ---- */

static bool is_full(void *arg)
{
    struct store_figures figures;
    (void)arg;
    hulse_store_figures(hulse_local_store(bed.broker), &figures);
    return figures.parked != 0;
}

/* More than the log holds; the last ones wait. */
static void fill(struct bed_pub *pub)
{
    struct bed_sub sub;
    params = hulse_stored_begin();
    params->size_max = UINT64_C(8) * BED_SEGMENT_BYTES;
    begin(2);
    open_sub(&sub);
    hulse_sub_close(&sub, false);
    *pub = (struct bed_pub){.id = 1};
    assert_int_equal(hulse_pub_open(&bed, pub, 0, topic), HULSE_OK);
    hulse_pub_send(pub, 120, 100000);
    hulse_bed_until(&bed, 0, is_full, NULL);
}

/* Publishers wait, and go on when consumers have made room. */
static void test_full_and_empty_again(void **state)
{
    (void)state;
    struct bed_pub pub;
    struct bed_sub sub;
    fill(&pub);
    assert_true(pub.answered < pub.sent);
    open_sub(&sub);
    sub.ack_at_once = true;
    hulse_sub_permit(&sub, 10);
    hulse_sub_wait(&sub, 120);
    hulse_pub_wait(&pub);
    assert_int_equal(pub.stored, 120);
    hulse_pub_close(&pub);
    hulse_sub_close(&sub, false);
    end();
}

/* A daemon ends with a full store: what waited is not stored, what was answered is. */
static void test_full_and_stopped(void **state)
{
    (void)state;
    struct bed_pub pub;
    struct bed_sub sub;
    fill(&pub);
    const uint32_t stored = pub.stored;
    hulse_pub_close(&pub);
    hulse_bed_restart(&bed);
    open_sub(&sub);
    sub.ack_at_once = true;
    hulse_sub_permit(&sub, 10);
    hulse_sub_wait(&sub, stored);
    for (uint32_t i = 0; i < sub.count; i++) {
        assert_int_equal(sub.messages[i].number, i);
    }
    hulse_sub_close(&sub, false);
    end();
}

/* ---- failed ---- */

/* After a failed write records fail for the breaker, nothing is settled, and the broker is not healthy. */
static void test_a_failed_store_says_so(void **state)
{
    (void)state;
    for (uint32_t workers = 1; workers <= 2; workers++) {
        struct bed_pub pub = {.id = 1};
        struct bed_sub sub;
        params = hulse_stored_begin();
        begin(workers);
        open_sub(&sub);
        assert_int_equal(hulse_pub_open(&bed, &pub, 0, topic), HULSE_OK);
        hulse_sub_permit(&sub, 5);
        hulse_pub_send(&pub, 3, 8);
        hulse_pub_wait(&pub);
        hulse_sub_wait(&sub, 3);
        assert_true(bed.broker->ops->healthy(bed.broker));
        hulse_store_fail(hulse_local_store(bed.broker), "test", EIO);
        assert_false(bed.broker->ops->healthy(bed.broker));
        hulse_sub_ack_all(&sub);
        hulse_pub_send(&pub, 4, 8);
        hulse_pub_wait(&pub);
        assert_int_equal(pub.stored, 3);
        assert_int_equal(pub.outcomes[HULSE_OUTCOME_FAILED_UNKNOWN], 4);
        assert_int_equal(hulse_sub_count(&sub), 3); /* not dispatched */
        assert_int_equal(sub.settled, 0);
        assert_int_equal(hulse_bed_create(&bed, "persistent://public/default/other"), HULSE_IO);
        hulse_pub_close(&pub);
        hulse_sub_close(&sub, false);
        hulse_bed_restart(&bed);
        assert_int_equal(backlog(), 3);
        end();
    }
}

/* ---- damage ---- */

enum { HURT_BYTES = 1000 };

static uint64_t lost(void)
{
    struct topic_report r = {0};
    (void)hulse_bed_report(&bed, topic, &r);
    return r.lost;
}

static void segment_file(uint64_t number, char *out, size_t room)
{
    char name[SEGMENT_NAME_BYTES];
    hulse_segment_name(number, name);
    assert_true(snprintf(out, room, "%s/log/%s", params->directory, name) < (int)room);
}

/* Flips a byte in the body of messages 100, 101 and 300. */
static void hurt_some(const char *path)
{
    static const char *const marks[] = {"mark-a", "mark-b", "mark-c"};
    uint8_t *bytes = malloc(BED_SEGMENT_BYTES);
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(bytes != NULL && fd >= 0);
    assert_int_equal(pread(fd, bytes, BED_SEGMENT_BYTES, 0), BED_SEGMENT_BYTES);
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        const uint8_t *at = memmem(bytes, BED_SEGMENT_BYTES, marks[i], strlen(marks[i]));
        assert_non_null(at);
        assert_int_equal(pwrite(fd, "#", 1, at - bytes), 1);
    }
    assert_int_equal(close(fd), 0);
    free(bytes);
}

static void publish_marked(struct bed_pub *pub, const char *mark)
{
    hulse_pub_send_record(
        pub,
        (struct broker_span){.data = (const uint8_t *)mark, .bytes = (uint32_t)strlen(mark)},
        NULL);
}

/* Damaged positions in what a window reads: said, counted once, and all the others come, each once. */
static void test_damage_inside_a_window(void **state)
{
    (void)state;
    struct bed_pub pub = {.id = 1};
    struct bed_sub sub;
    char path[256];
    params = hulse_stored_begin();
    params->subscription_messages_max = BOUND;
    begin(1);
    open_sub(&sub);
    hulse_sub_close(&sub, false);
    assert_int_equal(hulse_pub_open(&bed, &pub, 0, topic), HULSE_OK);
    hulse_pub_send(&pub, 100, 16);
    publish_marked(&pub, "mark-a");
    publish_marked(&pub, "mark-b");
    hulse_pub_send(&pub, 198, 16);
    publish_marked(&pub, "mark-c");
    hulse_pub_send(&pub, 99, 16);
    hulse_pub_wait(&pub);
    hulse_pub_close(&pub);
    const uint64_t number = hulse_local_store(bed.broker)->writer.end.seg.number;
    segment_file(number, path, sizeof(path));
    hurt_some(path);
    open_sub(&sub);
    sub.ack_at_once = true;
    hulse_sub_permit(&sub, 10);
    hulse_sub_wait(&sub, 397);
    hulse_sub_wait_settled(&sub, 397);
    for (uint32_t i = 0; i < 397; i++) {
        const uint32_t entry = i < 100 ? i : i < 298 ? i + 2 : i + 3;
        assert_int_equal(sub.messages[i].entry, entry);
    }
    assert_int_equal(lost(), 3);
    assert_int_equal(backlog(), 0);
    hulse_sub_close(&sub, false);
    end();
}

/* For a moment no file can be opened: what is behind is read later, and nothing is passed over. */
static void test_reads_that_fail_lose_nothing(void **state)
{
    (void)state;
    struct bed_sub sub;
    struct rlimit limit;
    const struct timespec while_it_lasts = {.tv_nsec = 300000000};
    params = hulse_stored_begin();
    params->subscription_messages_max = BOUND;
    begin(1);
    open_sub(&sub);
    hulse_sub_close(&sub, false);
    publish(MANY, HURT_BYTES);
    open_sub(&sub);
    sub.ack_at_once = true;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const struct rlimit none = {.rlim_cur = 3, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    hulse_sub_permit(&sub, 10);
    (void)nanosleep(&while_it_lasts, NULL);
    assert_true(hulse_sub_count(&sub) < MANY);
    assert_true(backlog() > 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    hulse_sub_wait(&sub, MANY);
    hulse_sub_wait_settled(&sub, MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        assert_int_equal(sub.messages[i].entry, i);
    }
    assert_int_equal(lost(), 0);
    hulse_sub_close(&sub, false);
    end();
}

/* ---- memory ---- */

enum { SLOW = 6, SLOW_MESSAGES = 3000 };

/* Consumers that take nothing have windows full of messages: publishers go on all the same. */
static void test_windows_leave_memory_to_publishers(void **state)
{
    (void)state;
    struct bed_sub subs[SLOW];
    char topics[SLOW][160];
    const size_t cap = hulse_mem_cap();
    params = hulse_stored_begin();
    begin(1);
    hulse_mem_init(hulse_mem_total() + (UINT64_C(8) << 20U));
    for (uint32_t i = 0; i < SLOW; i++) {
        struct bed_pub pub = {.id = 1};
        (void)snprintf(topics[i], sizeof(topics[i]), "%s-%u", topic, i);
        struct bed_where where = shared();
        where.topic = topics[i];
        assert_int_equal(hulse_sub_open(&bed, &subs[i], &where), HULSE_OK);
        assert_int_equal(hulse_pub_open(&bed, &pub, 0, topics[i]), HULSE_OK);
        for (uint32_t sent = 0; sent < SLOW_MESSAGES; sent += 100) {
            hulse_pub_send(&pub, 100, 1000);
            hulse_pub_wait(&pub);
        }
        assert_int_equal(pub.stored, SLOW_MESSAGES);
        hulse_pub_close(&pub);
    }
    for (uint32_t i = 0; i < SLOW; i++) {
        subs[i].ack_at_once = true;
        hulse_sub_permit(&subs[i], 10);
        hulse_sub_wait(&subs[i], SLOW_MESSAGES);
        for (uint32_t k = 0; k < SLOW_MESSAGES; k++) {
            assert_int_equal(subs[i].messages[k].entry, k);
        }
        hulse_sub_close(&subs[i], false);
    }
    hulse_mem_init(cap);
    end();
}

/* A redelivery count finds no memory: the verdicts of then and of later are settled all the same. */
static void test_a_want_of_memory_passes(void **state)
{
    (void)state;
    struct bed_sub sub;
    const size_t cap = hulse_mem_cap();
    params = hulse_stored_begin();
    begin(1);
    open_sub(&sub);
    hulse_sub_permit(&sub, SOME);
    publish(SOME, 100);
    hulse_sub_wait(&sub, SOME);
    hulse_mem_init(hulse_mem_total());
    hulse_sub_nack(&sub, 3, 0);
    hulse_mem_init(cap);
    hulse_sub_permit(&sub, 1);
    hulse_sub_wait(&sub, SOME + 1);
    assert_int_equal(sub.messages[SOME].redelivery, 1);
    hulse_sub_ack_all(&sub);
    hulse_sub_wait_settled(&sub, SOME + 1);
    assert_int_equal(backlog(), 0);
    hulse_sub_close(&sub, false);
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
        cmocka_unit_test(test_behind_the_window),
        cmocka_unit_test(test_larger_than_the_window),
        cmocka_unit_test(test_a_backlog_is_not_in_memory),
        cmocka_unit_test(test_acknowledged_by_id_behind),
        cmocka_unit_test(test_cumulative_behind),
        cmocka_unit_test(test_full_and_empty_again),
        cmocka_unit_test(test_full_and_stopped),
        cmocka_unit_test(test_damage_inside_a_window),
        cmocka_unit_test(test_reads_that_fail_lose_nothing),
        cmocka_unit_test(test_a_want_of_memory_passes),
        cmocka_unit_test(test_windows_leave_memory_to_publishers),
        cmocka_unit_test(test_a_failed_store_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
