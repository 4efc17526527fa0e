/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a subscription of a persistent topic that is behind holds little memory and misses
 *         nothing, also when the store is full, refuses reads or has failed.
 * Method: more messages than a window takes; limits of the process.
 */
#include "daemon/broker/local/durable.h"
#include "daemon/store/store_internal.h"
#include "tests/unit/daemon/broker/bed_durable.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

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
        assert_int_equal(sub.messages[i].at.entry, i);
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
        assert_int_equal(sub.messages[i].at.entry, 2 * i);
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
    assert_int_equal(sub.messages[0].at.entry, 90);
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

struct waiting {
    const struct bed_pub *pub;
    bool some;
};

static void look_who_waits(void *arg)
{
    struct waiting *waiting = arg;
    waiting->some = waiting->pub->answered < waiting->pub->sent;
}

/* Publishers wait, and go on when consumers have made room. */
static void test_full_and_empty_again(void **state)
{
    (void)state;
    struct bed_pub pub;
    struct bed_sub sub;
    fill(&pub);
    struct waiting waiting = {.pub = &pub};
    hulse_bed_on(&bed, pub.worker, look_who_waits, &waiting);
    assert_true(waiting.some);
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
    hulse_pub_close(&pub);
    hulse_bed_restart(&bed);
    const uint64_t stored = backlog();
    assert_true(stored >= pub.stored && stored < pub.sent);
    open_sub(&sub);
    sub.ack_at_once = true;
    hulse_sub_permit(&sub, 10);
    hulse_sub_wait_settled(&sub, (uint32_t)stored);
    assert_int_equal(sub.count, stored);
    for (uint32_t i = 0; i < stored; i++) {
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

/* ---- what cannot be read ---- */

enum { HURT_BYTES = 1000 };

static uint64_t lost(void)
{
    struct topic_report r = {0};
    (void)hulse_bed_report(&bed, topic, &r);
    return r.lost;
}

static bool cannot_read(void *arg)
{
    const struct bed_sub *sub = arg;
    const struct consumer *c = HULSE_CONTAINER(sub->consumer, struct consumer, base);
    return c->seat->sub->cursor->read_pause_ms != 0;
}

/* For a moment no file can be opened: what is behind is read later, and nothing is passed over. */
static void test_reads_that_fail_lose_nothing(void **state)
{
    (void)state;
    struct bed_sub sub;
    struct rlimit limit;
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
    hulse_bed_until(&bed, 0, cannot_read, &sub);
    assert_true(hulse_sub_count(&sub) < MANY);
    assert_true(backlog() > 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    hulse_sub_wait(&sub, MANY);
    hulse_sub_wait_settled(&sub, MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        assert_int_equal(sub.messages[i].at.entry, i);
    }
    assert_int_equal(lost(), 0);
    hulse_sub_close(&sub, false);
    end();
}

/* ---- memory ---- */

enum { SOME = 20, SLOW = 6, SLOW_MESSAGES = 3000 };

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
            assert_int_equal(subs[i].messages[k].at.entry, k);
        }
        hulse_sub_close(&subs[i], false);
    }
    hulse_mem_init(cap);
    end();
}

/* ---- one that takes all the memory there is for windows ---- */

enum { HOG_MESSAGES = 6000, OTHER_MESSAGES = 3000, BATCH = 10, IN_SHARE = 600, IN_ALL = 2000 };

static const size_t hog_memory = (size_t)8 << 20U;

/* A topic of its own with a backlog for a consumer, which has no permits. */
static void open_with_backlog(struct bed_sub *sub, const char *name, uint32_t messages)
{
    struct bed_pub pub = {.id = 1};
    struct bed_where where = shared();
    where.topic = name;
    assert_int_equal(hulse_sub_open(&bed, sub, &where), HULSE_OK);
    assert_int_equal(hulse_pub_open(&bed, &pub, 0, name), HULSE_OK);
    for (uint32_t sent = 0; sent < messages; sent += 100) {
        hulse_pub_send(&pub, 100, 1000);
        hulse_pub_wait(&pub);
    }
    assert_int_equal(pub.stored, messages);
    hulse_pub_close(&pub);
}

struct in_order {
    const struct bed_sub *sub;
    bool holds;
};

static void look_at_order(void *arg)
{
    struct in_order *order = arg;
    order->holds = true;
    for (uint32_t i = 0; i < order->sub->count; i++) {
        order->holds = order->holds && order->sub->messages[i].at.entry == i;
    }
}

/* More may be on their way. */
static void expect_in_order(const struct bed_sub *sub)
{
    struct in_order order = {.sub = sub};
    hulse_bed_on(&bed, sub->worker, look_at_order, &order);
    assert_true(order.holds);
}

static uint64_t reads(void)
{
    struct store_figures figures;
    hulse_store_figures(hulse_local_store(bed.broker), &figures);
    return figures.reads;
}

/* What waits for a consumer that takes nothing is given back for another, and read again in time. */
static void test_one_that_takes_nothing_starves_nobody(void **state)
{
    (void)state;
    struct bed_sub hog;
    struct bed_sub other;
    const size_t cap = hulse_mem_cap();
    params = hulse_stored_begin();
    begin(1);
    hulse_mem_init(hulse_mem_total() + hog_memory);
    open_with_backlog(&hog, "persistent://public/default/hog", HOG_MESSAGES);
    open_with_backlog(&other, "persistent://public/default/other", OTHER_MESSAGES);
    const uint64_t before = reads();
    hulse_sub_permit(&other, BATCH);
    hulse_sub_wait(&other, BATCH);
    hulse_sub_permit(&other, IN_SHARE - BATCH);
    hulse_sub_wait(&other, IN_SHARE);
    assert_true(reads() - before < IN_SHARE / 10);
    hog.ack_at_once = true;
    hulse_sub_permit(&hog, BATCH);
    hulse_sub_wait(&hog, HOG_MESSAGES);
    assert_true(reads() - before < (HOG_MESSAGES + IN_SHARE) / 10);
    expect_in_order(&hog);
    expect_in_order(&other);
    hulse_sub_close(&hog, false);
    hulse_sub_close(&other, false);
    hulse_mem_init(cap);
    end();
}

/* With consumers it cannot be taken back: others go on in small steps, and at once when it is free. */
static void test_who_waits_for_memory_is_woken(void **state)
{
    (void)state;
    struct bed_sub hog;
    struct bed_sub other;
    const size_t cap = hulse_mem_cap();
    params = hulse_stored_begin();
    begin(1);
    hulse_mem_init(hulse_mem_total() + hog_memory);
    open_with_backlog(&hog, "persistent://public/default/hog", HOG_MESSAGES);
    hulse_sub_permit(&hog, HOG_MESSAGES);
    hulse_sub_wait(&hog, IN_ALL);
    open_with_backlog(&other, "persistent://public/default/other", OTHER_MESSAGES);
    hulse_sub_permit(&other, OTHER_MESSAGES);
    const uint64_t before = reads();
    for (uint32_t i = 0; i < 10; i++) {
        hulse_sub_wait(&other, (i + 1) * BATCH);
        hulse_sub_ack_all(&other);
    }
    const uint32_t acked = hulse_sub_count(&other);
    assert_true(acked < 1000);
    hulse_sub_close(&hog, false);
    hulse_sub_wait(&other, acked + IN_SHARE);
    assert_true(reads() - before < IN_SHARE / 10);
    expect_in_order(&other);
    hulse_sub_close(&other, false);
    hulse_mem_init(cap);
    end();
}

enum { CROWD = 40, CROWD_MESSAGES = 600 };

/* More than fits, each with a backlog, some that take nothing for long: each gets all, in order, once. */
static void test_a_crowd_shares_the_memory(void **state)
{
    (void)state;
    static struct bed_sub subs[CROWD];
    char name[64];
    const size_t cap = hulse_mem_cap();
    params = hulse_stored_begin();
    begin(2);
    hulse_mem_init(hulse_mem_total() + hog_memory);
    for (uint32_t i = 0; i < CROWD; i++) {
        (void)snprintf(name, sizeof(name), "persistent://public/default/crowd-%u", i);
        open_with_backlog(&subs[i], name, CROWD_MESSAGES);
    }
    for (uint32_t pass = 0; pass < 2; pass++) {
        for (uint32_t i = pass; i < CROWD; i += 2) {
            subs[i].ack_at_once = true;
            hulse_sub_permit(&subs[i], BATCH);
        }
        for (uint32_t i = pass; i < CROWD; i += 2) {
            hulse_sub_wait(&subs[i], CROWD_MESSAGES);
        }
    }
    for (uint32_t i = 0; i < CROWD; i++) {
        assert_int_equal(subs[i].count, CROWD_MESSAGES);
        expect_in_order(&subs[i]);
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
        cmocka_unit_test(test_behind_the_window),
        cmocka_unit_test(test_larger_than_the_window),
        cmocka_unit_test(test_a_backlog_is_not_in_memory),
        cmocka_unit_test(test_acknowledged_by_id_behind),
        cmocka_unit_test(test_cumulative_behind),
        cmocka_unit_test(test_full_and_empty_again),
        cmocka_unit_test(test_full_and_stopped),
        cmocka_unit_test(test_reads_that_fail_lose_nothing),
        cmocka_unit_test(test_a_want_of_memory_passes),
        cmocka_unit_test(test_windows_leave_memory_to_publishers),
        cmocka_unit_test(test_one_that_takes_nothing_starves_nobody),
        cmocka_unit_test(test_who_waits_for_memory_is_woken),
        cmocka_unit_test(test_a_crowd_shares_the_memory),
        cmocka_unit_test(test_a_failed_store_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
