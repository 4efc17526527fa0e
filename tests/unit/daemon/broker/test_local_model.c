/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   random use of one topic does what a plain list of messages would do; random use across
 *         workers keeps every message: acknowledged once, dropped and counted, or still there.
 * Method: one worker, a shared subscription, against a reference that holds each message's state
 *         in an array. Then three workers with publishers and consumers that come and go; only the
 *         sums are predictable there. The seed is printed.
 */
#include "daemon/broker/local/internal.h"
#include "tests/unit/daemon/broker/bed.h"
#include "tests/unit/daemon/broker/bed_pub.h"
#include "tests/unit/daemon/broker/bed_sub.h"
#include "tests/unit/daemon/core/check.h"

#include <stdlib.h>
#include <string.h>

static struct bed bed;
static char topic[128];

static uint64_t seed;

static uint32_t below(uint32_t bound)
{
    return (uint32_t)test_below(&seed, bound);
}

static struct topic_report report(void)
{
    struct topic_report r;
    memset(&r, 0, sizeof(r));
    (void)hulse_bed_report(&bed, topic, &r);
    return r;
}

/* ---- one worker, against the reference ---- */

enum { CONSUMERS = 3, MESSAGES_MAX = 4000, BOUND = 50 };

enum place { NOWHERE, WAITING, AGAIN, HELD, ENDED, DROPPED };

/* What must be true, kept the slow way. */
struct model {
    enum place place[MESSAGES_MAX];
    uint32_t redelivery[MESSAGES_MAX];
    uint32_t published;
    uint32_t in_hand[CONSUMERS]; /* messages each holds */
    uint64_t permits;            /* of all together */
};

static uint32_t count_in(const struct model *m, enum place place)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->published; i++) {
        count += m->place[i] == place;
    }
    return count;
}

/* The messages that must be handed out now, lowest position of those given back first. */
static uint32_t expected_next(const struct model *m)
{
    for (uint32_t i = 0; i < m->published; i++) {
        if (m->place[i] == AGAIN) {
            return i;
        }
    }
    for (uint32_t i = 0; i < m->published; i++) {
        if (m->place[i] == WAITING) {
            return i;
        }
    }
    return UINT32_MAX;
}

struct one {
    struct model model;
    uint32_t counts[CONSUMERS];
    struct bed_sub subs[CONSUMERS];
    bool open[CONSUMERS];
    uint32_t seen[CONSUMERS];
    struct bed_pub pub;
};

/* Of all at one moment, on the worker. */
static void read_counts(void *arg)
{
    struct one *o = arg;
    for (uint32_t c = 0; c < CONSUMERS; c++) {
        o->counts[c] = o->open[c] ? o->subs[c].count : 0;
    }
}

/*
 * Takes what consumers have heard since. Among themselves messages of one step may come to several
 * consumers, so the set is compared: it must be exactly the first ones in order.
 */
static void take_heard(struct one *o)
{
    struct model *m = &o->model;
    bool heard[MESSAGES_MAX] = {false};
    uint32_t count = 0;
    hulse_bed_on(&bed, 0, read_counts, o);
    for (uint32_t c = 0; c < CONSUMERS; c++) {
        for (; o->open[c] && o->seen[c] < o->counts[c]; o->seen[c]++) {
            const struct bed_message *got = &o->subs[c].messages[o->seen[c]];
            assert_true(got->number < m->published && !heard[got->number]);
            assert_int_equal(got->redelivery, m->redelivery[got->number]);
            assert_int_equal(got->at.entry, got->number);
            heard[got->number] = true;
            count += 1;
        }
    }
    for (; count > 0; count--) {
        const uint32_t next = expected_next(m);
        assert_true(next != UINT32_MAX);
        assert_true(heard[next]);
        m->place[next] = HELD;
        m->permits -= 1;
    }
}

/* A settled state has no waiting message beside a permit. */
static void settle(struct one *o)
{
    for (;;) {
        take_heard(o);
        if (o->model.permits == 0 || expected_next(&o->model) == UINT32_MAX) {
            return;
        }
    }
}

static uint32_t pick_held(const struct bed_sub *sub)
{
    uint32_t nth = below(sub->held);
    for (uint32_t i = 0;; i++) {
        if (sub->messages[i].d != NULL && nth-- == 0) {
            return i;
        }
    }
}

static void publish_step(struct one *o)
{
    struct model *m = &o->model;
    const uint32_t count = 1 + below(5);
    bool anybody = false;
    for (uint32_t c = 0; c < CONSUMERS; c++) {
        anybody |= o->open[c];
    }
    for (uint32_t i = 0; i < count && m->published < MESSAGES_MAX; i++) {
        const uint32_t held = count_in(m, WAITING) + count_in(m, AGAIN) + count_in(m, HELD);
        m->place[m->published] = anybody && held < BOUND ? WAITING : DROPPED;
        m->published += 1;
        hulse_pub_send(&o->pub, 1, 8 + below(100));
        settle(o);
    }
}

static void consumer_step(struct one *o, uint32_t c)
{
    struct model *m = &o->model;
    struct bed_sub *sub = &o->subs[c];
    if (!o->open[c]) {
        const struct bed_where where = {.topic = topic, .subscription = "s", .type = BROKER_SHARED};
        assert_int_equal(hulse_sub_open(&bed, sub, &where), HULSE_OK);
        o->open[c] = true;
        o->seen[c] = 0;
        return;
    }
    const uint32_t what = below(12);
    if (what < 4) {
        const uint32_t permits = 1 + below(6);
        m->permits += permits;
        hulse_sub_permit(sub, permits);
    } else if (what < 11 && sub->held > 0) {
        const uint32_t index = pick_held(sub);
        const uint32_t number = sub->messages[index].number;
        if (what < 8) {
            m->place[number] = ENDED;
            hulse_sub_ack(sub, index);
        } else if (what < 10) {
            m->place[number] = AGAIN;
            m->redelivery[number] += 1;
            hulse_sub_nack(sub, index, 0);
        } else {
            m->place[number] = AGAIN;
            hulse_sub_give_back(sub, index);
        }
    } else if (what == 11) {
        for (uint32_t i = 0; i < sub->count; i++) {
            if (sub->messages[i].d != NULL) {
                m->place[sub->messages[i].number] = AGAIN;
            }
        }
        m->permits -= sub->permits;
        hulse_sub_close(sub, false);
        o->open[c] = false;
    }
}

static void test_one_worker_is_the_model(void **state)
{
    (void)state;
    struct local_params params;
    struct one *o = calloc(1, sizeof(*o));
    seed = test_seed();
    hulse_local_params_default(&params);
    params.subscription_messages_max = BOUND;
    hulse_bed_start(&bed, 1, &params);
    hulse_bed_topic(&bed, 0, "model", topic, sizeof(topic));
    assert_int_equal(hulse_pub_open(&bed, &o->pub, 0, topic), HULSE_OK);
    /* A subscription exists from its first consumer on; before it nothing is dropped. */
    consumer_step(o, 0);
    for (unsigned step = 0; step < 5000; step++) {
        if (below(3) == 0) {
            publish_step(o);
        } else {
            consumer_step(o, below(CONSUMERS));
        }
        settle(o);
    }
    const struct topic_report r = report();
    assert_int_equal(r.published, o->model.published);
    assert_int_equal(r.acknowledged, count_in(&o->model, ENDED));
    assert_int_equal(r.dropped, count_in(&o->model, DROPPED));
    assert_int_equal(r.backlog, r.published - r.acknowledged - r.dropped);
    for (uint32_t c = 0; c < CONSUMERS; c++) {
        if (o->open[c]) {
            hulse_sub_close(&o->subs[c], false);
        }
    }
    hulse_pub_close(&o->pub);
    hulse_bed_stop(&bed);
    free(o);
}

/* ---- three workers, conservation ---- */

enum { ENDS = 6 };

struct tally {
    struct bed_sub *sub;
    uint8_t *acked; /* per message */
    uint32_t new_acks;
};

/* Gives about half of what the consumer has a verdict; on its worker. */
static void some_verdicts(void *arg)
{
    struct tally *t = arg;
    struct bed_sub *sub = t->sub;
    const struct broker_ops *ops = bed.broker->ops;
    for (uint32_t i = 0; i < sub->count; i++) {
        struct bed_message *m = &sub->messages[i];
        const uint32_t what = below(8);
        if (m->d == NULL || what >= 4) {
            continue;
        }
        struct broker_delivery *d = m->d;
        m->d = NULL;
        sub->held -= 1;
        if (what < 2) {
            t->acked[d->id.entry] += 1;
            t->new_acks += 1;
            ops->ack(sub->consumer, d);
        } else if (what == 2) {
            ops->nack(sub->consumer, d, below(3));
        } else {
            ops->give_back(sub->consumer, d);
        }
    }
}

static void random_end(struct tally *t, struct bed_sub *subs, bool *open)
{
    const uint32_t c = below(ENDS);
    struct bed_sub *sub = &subs[c];
    t->sub = sub;
    if (!open[c]) {
        const struct bed_where where = {
            .worker = c % 3, .topic = topic, .subscription = "s", .type = BROKER_SHARED};
        assert_int_equal(hulse_sub_open(&bed, sub, &where), HULSE_OK);
        open[c] = true;
    } else if (below(10) == 0) {
        hulse_sub_close(sub, false);
        open[c] = false;
    } else {
        hulse_sub_permit(sub, 1 + below(200));
        hulse_bed_on(&bed, sub->worker, some_verdicts, t);
    }
}

static void test_three_workers_lose_nothing(void **state)
{
    (void)state;
    enum { TOTAL = 20000 };
    struct bed_pub pubs[3] = {{.id = 0}, {.id = 1}, {.id = 2}};
    struct bed_sub subs[ENDS];
    bool open[ENDS] = {false};
    struct tally tally = {.acked = calloc(TOTAL, 1)};
    uint32_t sent = 0;
    seed = test_seed();
    hulse_bed_start(&bed, 3, NULL);
    hulse_bed_topic(&bed, 0, "three", topic, sizeof(topic));
    const struct bed_where where = {.topic = topic, .subscription = "s", .type = BROKER_SHARED};
    assert_int_equal(hulse_sub_open(&bed, &subs[0], &where), HULSE_OK);
    open[0] = true;
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(hulse_pub_open(&bed, &pubs[i], i, topic), HULSE_OK);
    }
    while (sent < TOTAL) {
        const uint32_t count = 1 + below(100);
        const uint32_t now = count < TOTAL - sent ? count : TOTAL - sent;
        hulse_pub_send(&pubs[below(3)], now, 8 + below(64));
        sent += now;
        for (unsigned i = below(4); i > 0; i--) {
            random_end(&tally, subs, open);
        }
    }
    for (uint32_t i = 0; i < 3; i++) {
        hulse_pub_wait(&pubs[i]);
        hulse_pub_close(&pubs[i]);
    }
    while (report().backlog != 0) {
        random_end(&tally, subs, open);
    }
    for (uint32_t c = 0; c < ENDS; c++) {
        if (open[c]) {
            hulse_sub_close(&subs[c], false);
        }
    }
    const struct topic_report r = report();
    assert_int_equal(r.published, TOTAL);
    assert_int_equal(r.acknowledged, tally.new_acks);
    assert_int_equal(r.acknowledged + r.dropped, TOTAL);
    for (uint32_t i = 0; i < TOTAL; i++) {
        assert_in_range(tally.acked[i], 0, 1);
    }
    free(tally.acked);
    hulse_bed_stop(&bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_worker_is_the_model),
        cmocka_unit_test(test_three_workers_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
