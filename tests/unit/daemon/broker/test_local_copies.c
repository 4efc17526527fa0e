/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a persistent topic stores each record of a handle once, also over a stop, and forgets a
 *         handle that was closed for good.
 * Method: the same sequence ids are sent again: while the first ones are under way, after a close,
 *         after a restart, from another worker.
 */
#include "daemon/broker/local/durable.h"
#include "daemon/broker/local/internal.h"
#include "tests/unit/daemon/broker/bed.h"
#include "tests/unit/daemon/broker/bed_ask.h"
#include "tests/unit/daemon/broker/bed_pub.h"
#include "tests/unit/daemon/broker/bed_stored.h"
#include "tests/unit/daemon/broker/bed_sub.h"

#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* What somebody has set the clock on the wall forwards by. */
static _Atomic(int64_t) wall_jump_s;

/* In the place of libc's. NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
int clock_gettime(clockid_t clock, struct timespec *out)
{
    const int rc = (int)syscall(SYS_clock_gettime, clock, out);

    if (rc == 0 && clock == CLOCK_REALTIME) {
        out->tv_sec += atomic_load_explicit(&wall_jump_s, memory_order_relaxed);
    }
    return rc;
}

static struct bed bed;
static char topic[128];
static struct bed_house house = {.label = "copies",
                                 .create = hulse_stored_open,
                                 .destroy = hulse_local_destroy,
                                 .reopen = hulse_stored_reopen,
                                 .owner = hulse_bed_owner,
                                 .scheme = "persistent"};

static void begin(uint32_t workers)
{
    (void)hulse_stored_begin();
    house.workers = workers;
    hulse_bed_start_house(&bed, &house);
    hulse_bed_topic(&bed, workers - 1, "copies", topic, sizeof(topic));
}

static void end(void)
{
    hulse_bed_stop(&bed);
    hulse_stored_end();
}

/* A publisher with handle `number`, 0 = none, whose first record has this sequence id. */
static void open_pub(struct bed_pub *pub, uint32_t worker, uint8_t number, uint64_t first_seq)
{
    struct broker_producer_params p = {.topic = topic, .name = "p", .create = true};
    *pub = (struct bed_pub){.id = number};
    memset(p.handle_id, number, sizeof(p.handle_id));
    assert_int_equal(hulse_pub_open_with(&bed, pub, worker, &p), HULSE_OK);
    pub->first_seq = first_seq;
    pub->copies_expected = true;
}

static uint64_t published(void)
{
    struct topic_report r = {0};
    (void)hulse_bed_report(&bed, topic, &r);
    return r.published;
}

/* All are answered as stored; `copies` of them without an id. */
static void send(struct bed_pub *pub, uint32_t count, uint32_t copies)
{
    hulse_pub_send(pub, count, 16);
    hulse_pub_wait(pub);
    assert_int_equal(pub->stored, pub->sent);
    assert_int_equal(pub->copies, copies);
}

static void test_copies_are_not_stored(void **state)
{
    (void)state;
    for (uint32_t workers = 1; workers <= 2; workers++) {
        struct bed_pub a;
        struct bed_pub b;
        begin(workers);
        open_pub(&a, 0, 1, 0);
        open_pub(&b, workers - 1, 1, 0); /* as after a reconnect, the first one still there */
        hulse_pub_send(&a, 500, 16);
        hulse_pub_send(&b, 700, 16);
        hulse_pub_wait(&a);
        hulse_pub_wait(&b);
        assert_int_equal(published(), 700);
        assert_int_equal(a.copies + b.copies, 500);
        assert_int_equal(a.stored + b.stored, 1200);
        hulse_pub_close(&a);
        hulse_pub_close(&b);
        end();
    }
}

/* Answers of copies do not overtake those that are under way. */
static void test_copies_keep_the_order(void **state)
{
    (void)state;
    struct bed_pub pub;
    begin(1);
    open_pub(&pub, 0, 1, 0);
    send(&pub, 10, 0);
    hulse_pub_close(&pub);
    open_pub(&pub, 0, 1, 5);
    hulse_pub_send(&pub, 20, 16); /* five copies, then new ones */
    hulse_pub_wait(&pub);
    assert_int_equal(pub.copies, 5);
    assert_false(pub.disordered);
    hulse_pub_close(&pub);
    end();
}

static void test_over_a_stop(void **state)
{
    (void)state;
    for (uint32_t workers = 1; workers <= 2; workers++) {
        struct bed_pub pub;
        struct bed_sub sub;
        const struct bed_where where = {.topic = topic,
                                        .subscription = "s",
                                        .type = BROKER_EXCLUSIVE,
                                        .start = BROKER_EARLIEST};
        begin(workers);
        assert_int_equal(hulse_sub_open(&bed, &sub, &where), HULSE_OK);
        open_pub(&pub, 0, 7, 0);
        send(&pub, 100, 0);
        hulse_pub_close(&pub);
        hulse_sub_close(&sub, false);
        hulse_bed_restart(&bed);
        open_pub(&pub, 0, 7, 60);
        send(&pub, 90, 40);
        hulse_pub_close(&pub);
        open_pub(&pub, 0, 8, 60); /* another one */
        send(&pub, 1, 0);
        hulse_pub_close(&pub);
        assert_int_equal(hulse_sub_open(&bed, &sub, &where), HULSE_OK);
        hulse_sub_permit(&sub, 200);
        hulse_sub_wait(&sub, 151);
        for (uint32_t i = 0; i < 100; i++) {
            assert_int_equal(sub.messages[i].number, i);
        }
        hulse_sub_close(&sub, false);
        end();
    }
}

enum { TOO_LARGE_BYTES = 2 << 20 };

/* A copy of what was refused is none of what is stored, although later ones are: also for the next daemon. */
static void test_refused_stays_refused_over_a_stop(void **state)
{
    (void)state;
    for (unsigned restart = 0; restart < 2; restart++) {
        struct bed_pub pub;
        begin(1);
        open_pub(&pub, 0, 7, 0);
        hulse_pub_send(&pub, 2, 16);
        hulse_pub_send(&pub, 1, TOO_LARGE_BYTES); /* than a segment of the store */
        hulse_pub_send(&pub, 3, 16);
        hulse_pub_wait(&pub);
        assert_int_equal(pub.stored, 5);
        assert_int_equal(pub.outcomes[HULSE_OUTCOME_TOO_LARGE], 1);
        hulse_pub_close(&pub);
        if (restart != 0) {
            hulse_bed_restart(&bed);
        }
        open_pub(&pub, 0, 7, 2);
        hulse_pub_send(&pub, 5, 16); /* the refused one, three copies, a new one */
        hulse_pub_wait(&pub);
        assert_int_equal(pub.outcomes[HULSE_OUTCOME_FAILED_UNKNOWN], 1);
        assert_int_equal(pub.stored, 4);
        assert_int_equal(pub.copies, 3);
        hulse_pub_close(&pub);
        end();
    }
}

static void test_a_forgotten_handle_begins_anew(void **state)
{
    (void)state;
    for (uint32_t workers = 1; workers <= 2; workers++) {
        struct bed_pub pub;
        begin(workers);
        open_pub(&pub, 0, 1, 0);
        send(&pub, 10, 0);
        pub.forget = true;
        hulse_pub_close(&pub);
        open_pub(&pub, 0, 1, 0);
        send(&pub, 5, 0);
        pub.forget = true;
        hulse_pub_close(&pub);
        hulse_bed_restart(&bed);
        open_pub(&pub, 0, 1, 0);
        send(&pub, 5, 0);
        hulse_pub_close(&pub);
        end();
    }
}

/* Closed for good while records are under way: they are stored, and then it is forgotten. */
static void test_forgotten_while_under_way(void **state)
{
    (void)state;
    struct bed_pub pub;
    struct bed_pub other;
    begin(2);
    open_pub(&pub, 0, 1, 0);
    hulse_pub_send(&pub, 300, 16);
    pub.forget = true;
    hulse_pub_close(&pub);
    open_pub(&other, 0, 2, 0);
    send(&other, 1, 0); /* behind them */
    assert_int_equal(published(), 301);
    hulse_pub_close(&other);
    open_pub(&pub, 0, 1, 0);
    send(&pub, 3, 0);
    hulse_pub_close(&pub);
    end();
}

static void test_without_a_handle_nothing_is_compared(void **state)
{
    (void)state;
    struct bed_pub pub;
    begin(1);
    for (uint32_t i = 0; i < 2; i++) {
        open_pub(&pub, 0, 0, 0);
        send(&pub, 10, 0);
        hulse_pub_close(&pub);
    }
    assert_int_equal(published(), 20);
    end();
}

/* An own producer that has no handle is known by its name. */
static void test_own_producers_by_name(void **state)
{
    (void)state;
    struct bed_pub pub = {.id = 1};
    struct broker_producer_params p = {
        .topic = topic, .name = "orders/7", .create = true, .own = true};
    begin(1);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(hulse_pub_open_with(&bed, &pub, 0, &p), HULSE_OK);
        pub.copies_expected = true;
        send(&pub, 10, i == 0 ? 0 : 10);
        hulse_pub_close(&pub);
    }
    p.name = "orders/8";
    assert_int_equal(hulse_pub_open_with(&bed, &pub, 0, &p), HULSE_OK);
    send(&pub, 10, 0);
    hulse_pub_close(&pub);
    p.name = "";
    assert_int_equal(hulse_pub_open_with(&bed, &pub, 0, &p), HULSE_INVAL);
    end();
}

/* ---- many handles ---- */

/* What is remembered of each counts, here and in the store: who opens one too many is refused, the others go on. */
static void test_ever_new_handles(void **state)
{
    enum { MAX = 50000, ROOM = 1 << 20 };
    (void)state;
    struct bed_pub first;
    hulse_status status = HULSE_OK;
    uint32_t count = 0;
    begin(1);
    open_pub(&first, 0, 1, 0);
    send(&first, 1, 0);
    hulse_mem_init(hulse_mem_total() + ROOM);
    while (status == HULSE_OK && count < MAX) {
        struct broker_producer_params p = {.topic = topic, .name = "p", .create = true};
        struct bed_pub pub = {.id = 2};
        count++;
        memset(p.handle_id, 2, sizeof(p.handle_id));
        memcpy(p.handle_id, &count, sizeof(count));
        status = hulse_pub_open_with(&bed, &pub, 0, &p);
        if (status == HULSE_OK) {
            hulse_pub_send(&pub, 1, 16);
            hulse_pub_wait(&pub);
            status = pub.stored == 1 ? HULSE_OK : HULSE_NO_MEMORY;
            hulse_pub_close(&pub);
        }
    }
    assert_int_equal(status, HULSE_NO_MEMORY);
    assert_true(hulse_mem_used(HULSE_MEM_STORE) > (size_t)count * BROKER_HANDLE_ID_BYTES);
    hulse_mem_init(UINT64_C(1) << 30U);
    hulse_pub_send(&first, 1, 16);
    hulse_pub_wait(&first);
    assert_int_equal(first.stored, 2);
    hulse_pub_close(&first);
    end();
}

/* ---- the end of a handle ---- */

/* Of handle 1, seen from its worker; 0: it is not there. */
struct end_of_handle {
    uint64_t left_ms;
    bool now; /* its end has come, and the clock of handles is looked at */
};

static void look(void *arg)
{
    struct end_of_handle *e = arg;
    struct local_worker *lw = hulse_worker_state(bed.workers[0], &hulse_local_module, NULL);
    struct topic *t = hulse_table_find(lw, topic, hulse_topic_hash(topic));
    uint8_t id[BROKER_HANDLE_ID_BYTES];
    memset(id, 1, sizeof(id));
    struct handle *h = hulse_dedup_find(&t->durable->dedup, id);
    e->left_ms = h == NULL ? 0 : h->ends_ms - hulse_local_now_ms(lw);
    if (e->now && h != NULL) {
        h->ends_ms = hulse_local_now_ms(lw);
        hulse_timer_stop(&lw->worker->loop.timers, &lw->handles);
        lw->handles.fire(&lw->handles);
        e->left_ms = hulse_dedup_find(&t->durable->dedup, id) == NULL ? 0 : 1;
    }
}

static uint64_t left_ms(bool now)
{
    struct end_of_handle e = {.now = now};
    hulse_bed_on(&bed, 0, look, &e);
    return e.left_ms;
}

#define HOUR_MS (UINT64_C(60) * 60 * 1000)

/* One that has a user has no end; without, it is forgotten when its end comes, and begins anew. */
static void test_the_end_of_a_handle(void **state)
{
    (void)state;
    struct bed_pub pub;
    begin(1);
    open_pub(&pub, 0, 1, 0);
    send(&pub, 10, 0);
    assert_int_equal(left_ms(true), 1);
    hulse_pub_close(&pub);
    assert_in_range(left_ms(false), HANDLE_TTL_MS - HOUR_MS, HANDLE_TTL_MS);
    assert_int_equal(left_ms(true), 0);
    open_pub(&pub, 0, 1, 0);
    send(&pub, 10, 0);
    assert_int_equal(published(), 20);
    hulse_pub_close(&pub);
    end();
}

/* It neither ends a handle early nor keeps one for ever. */
static void test_a_clock_that_jumps(void **state)
{
    static const int64_t year_s = INT64_C(365) * 24 * 60 * 60;
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct bed_pub pub;
        begin(1);
        open_pub(&pub, 0, 1, 0);
        send(&pub, 10, 0);
        hulse_pub_close(&pub);
        atomic_store_explicit(&wall_jump_s, i == 0 ? year_s : -year_s, memory_order_relaxed);
        hulse_bed_restart(&bed);
        assert_in_range(left_ms(false), HANDLE_TTL_MS - HOUR_MS, HANDLE_TTL_MS);
        open_pub(&pub, 0, 1, 0);
        send(&pub, 10, 10);
        hulse_pub_close(&pub);
        atomic_store_explicit(&wall_jump_s, 0, memory_order_relaxed);
        end();
    }
}

int main(void)
{
    hulse_mem_init(UINT64_C(1) << 30U);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies_are_not_stored),
        cmocka_unit_test(test_copies_keep_the_order),
        cmocka_unit_test(test_over_a_stop),
        cmocka_unit_test(test_refused_stays_refused_over_a_stop),
        cmocka_unit_test(test_a_forgotten_handle_begins_anew),
        cmocka_unit_test(test_forgotten_while_under_way),
        cmocka_unit_test(test_without_a_handle_nothing_is_compared),
        cmocka_unit_test(test_own_producers_by_name),
        cmocka_unit_test(test_ever_new_handles),
        cmocka_unit_test(test_the_end_of_a_handle),
        cmocka_unit_test(test_a_clock_that_jumps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
