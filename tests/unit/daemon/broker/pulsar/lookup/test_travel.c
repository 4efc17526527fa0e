/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   identical lookups are one, whatever workers they come from; what is known is not asked again until it has
 *         proved wrong; every lookup is answered once or cancelled, whoever ends meanwhile.
 * Method: one to three workers; brokers that hold their answers until the test has done what it came for.
 */
#include "daemon/broker/pulsar/lookup/lookups.h"
#include "daemon/core/assert.h"
#include "daemon/core/hash.h"
#include "daemon/core/mem.h"
#include "tests/unit/daemon/broker/pulsar/lookup/bed.h"
#include "tests/unit/daemon/broker/pulsar/lookup/peer.h"
#include "tests/unit/daemon/core/check.h"

#include <string.h>
#include <time.h>

#define TOPIC "persistent://public/default/a"
#define MANY 40U

struct scene {
    struct peer *peer;
    struct lookup_bed bed;
    char url[64];
};

static void
start(struct scene *s, uint32_t workers, void (*script)(struct question *q, void *ctx), void *ctx)
{
    const struct peer_params params = {.brokers = 1, .script = script, .ctx = ctx};

    s->peer = hulse_peer_start(&params);
    (void)snprintf(s->url, sizeof(s->url), "pulsar://127.0.0.1:%u", hulse_peer_port(s->peer, 0));
    const struct lookup_bed_params bed = {.workers = workers, .service_url = s->url};
    hulse_lookup_bed_start(&s->bed, &bed);
}

static void end(struct scene *s)
{
    hulse_lookup_bed_stop(&s->bed);
    hulse_peer_stop(&s->peer);
    assert_int_equal(hulse_mem_used(HULSE_MEM_BROKER), 0);
}

static void owner(struct question *q, void *ctx)
{
    (void)ctx;
    if (q->asked == LOOKUP_PARTITIONS) {
        hulse_peer_partitions(q, 0);
    } else {
        hulse_peer_owner(q, 0);
    }
}

/* The question at which it holds. */
static void held(struct question *q, void *ctx)
{
    const enum lookup_question *at = ctx;
    if (q->asked == *at && !q->again) {
        hulse_peer_hold(q);
    } else {
        owner(q, NULL);
    }
}

/* A topic that this worker answers for. */
static void topic_of(uint32_t worker, uint32_t workers, char out[64])
{
    for (uint32_t i = 0;; i++) {
        (void)snprintf(out, 64, "%s%u", TOPIC, i);
        if (hulse_lookups_worker(hulse_hash_text(out), workers) == worker) {
            return;
        }
    }
}

static void check_found(const struct asked *a)
{
    assert_int_equal(a->answers, 1);
    assert_string_equal(a->result.failure.text, "");
    assert_int_equal(a->result.failure.class, BROKER_DONE);
    assert_string_equal(a->result.endpoint.logical.name, "127.0.0.1");
}

static void find(struct scene *s, uint32_t worker, const struct wish *wish, bool cached)
{
    struct asked a;

    hulse_asked_init(&a);
    hulse_lookup_bed_ask(&s->bed, worker, &a, wish);
    hulse_asked_await(&a);
    check_found(&a);
    assert_int_equal(a.result.cached, cached);
    hulse_asked_fini(&a);
}

/* ---- collapsed and kept ---- */

static void test_identical_lookups_are_one(void **state)
{
    const struct wish wish = {.topic = TOPIC, .create = true};
    enum lookup_question at = LOOKUP_PARTITIONS;
    struct asked asked[MANY];
    struct scene s;

    (void)state;
    start(&s, 2, held, &at);
    for (uint32_t i = 0; i < MANY; i++) {
        hulse_asked_init(&asked[i]);
        hulse_lookup_bed_ask(&s.bed, i % 2, &asked[i], &wish);
    }
    hulse_peer_await(s.peer, LOOKUP_PARTITIONS, 1);
    /* All have arrived: what was posted before runs before. */
    for (uint32_t i = 0; i < 4; i++) {
        struct asked other;
        hulse_asked_init(&other);
        hulse_lookup_bed_ask(&s.bed, i % 2, &other, &wish);
        hulse_lookup_bed_cancel(&s.bed, i % 2, &other);
        hulse_asked_fini(&other);
    }
    hulse_peer_release(s.peer);
    for (uint32_t i = 0; i < MANY; i++) {
        hulse_asked_await(&asked[i]);
        check_found(&asked[i]);
        hulse_asked_fini(&asked[i]);
    }
    assert_int_equal(hulse_peer_asked(s.peer, LOOKUP_PARTITIONS), 1);
    assert_int_equal(hulse_peer_asked(s.peer, LOOKUP_OWNER), 1);
    end(&s);
}

static void test_an_answer_is_kept_until_it_has_proved_wrong(void **state)
{
    const struct wish any = {.topic = TOPIC, .create = true, .how = PULSAR_LOOKUP_ANY};
    const struct wish fresh = {.topic = TOPIC, .create = true, .how = PULSAR_LOOKUP_FRESH};
    struct scene s;

    (void)state;
    start(&s, 2, owner, NULL);
    find(&s, 0, &any, false);
    find(&s, 1, &any, true);
    find(&s, 0, &any, true);
    assert_int_equal(hulse_peer_asked(s.peer, LOOKUP_PARTITIONS), 1);
    find(&s, 1, &fresh, false);
    find(&s, 0, &any, true);
    assert_int_equal(hulse_peer_asked(s.peer, LOOKUP_PARTITIONS), 2);
    assert_int_equal(hulse_peer_asked(s.peer, LOOKUP_OWNER), 2);
    end(&s);
}

static void test_an_answer_for_a_creator_is_none_for_others(void **state)
{
    const struct wish create = {.topic = TOPIC, .create = true};
    const struct wish look = {.topic = TOPIC, .create = false};
    struct scene s;

    (void)state;
    start(&s, 1, owner, NULL);
    find(&s, 0, &create, false);
    find(&s, 0, &look, false);
    find(&s, 0, &create, true);
    find(&s, 0, &look, true);
    assert_int_equal(hulse_peer_asked(s.peer, LOOKUP_PARTITIONS), 2);
    end(&s);
}

static void refuses(struct question *q, void *ctx)
{
    (void)ctx;
    hulse_peer_failed(q, PULSAR__SERVER_ERROR__AuthorizationError, "not you");
}

static void test_failures_are_not_kept(void **state)
{
    const struct wish wish = {.topic = TOPIC, .create = true};
    struct asked a;
    struct scene s;

    (void)state;
    start(&s, 1, refuses, NULL);
    hulse_asked_init(&a);
    for (uint32_t i = 1; i <= 2; i++) {
        hulse_lookup_bed_ask(&s.bed, 0, &a, &wish);
        hulse_asked_await(&a);
        assert_int_equal(a.result.failure.status, HULSE_DENIED);
        assert_int_equal(hulse_peer_asked(s.peer, LOOKUP_PARTITIONS), i);
    }
    hulse_asked_fini(&a);
    end(&s);
}

/* ---- many ---- */

static void test_so_many_ask_at_once_and_the_others_wait(void **state)
{
    const uint32_t count = PULSAR_LOOKUP_ASKING_MAX + 200;
    enum lookup_question at = LOOKUP_PARTITIONS;
    struct asked *asked = calloc(count, sizeof(*asked));
    struct scene s;

    (void)state;
    assert_non_null(asked);
    start(&s, 1, held, &at);
    for (uint32_t i = 0; i < count; i++) {
        char topic[64];
        const struct wish wish = {.topic = topic, .create = true};
        (void)snprintf(topic, sizeof(topic), "%s%u", TOPIC, i);
        hulse_asked_init(&asked[i]);
        hulse_lookup_bed_ask(&s.bed, 0, &asked[i], &wish);
    }
    hulse_peer_await(s.peer, LOOKUP_PARTITIONS, PULSAR_LOOKUP_ASKING_MAX);
    assert_int_equal(hulse_peer_asked(s.peer, LOOKUP_PARTITIONS), PULSAR_LOOKUP_ASKING_MAX);
    hulse_peer_release(s.peer);
    hulse_peer_await(s.peer, LOOKUP_PARTITIONS, count);
    hulse_peer_release(s.peer);
    for (uint32_t i = 0; i < count; i++) {
        hulse_asked_await(&asked[i]);
        check_found(&asked[i]);
        hulse_asked_fini(&asked[i]);
    }
    assert_int_equal(hulse_peer_asked(s.peer, LOOKUP_PARTITIONS), count);
    end(&s);
    free(asked);
}

/* ---- cancelled ---- */

static void ask_and_cancel(struct pulsar_worker *w, void *ctx)
{
    struct asked *a = ctx;

    assert_true(hulse_pulsar_lookup_start(w, &a->lookup, TOPIC, true, PULSAR_LOOKUP_ANY));
    hulse_pulsar_lookup_cancel(&a->lookup);
    hulse_pulsar_lookup_cancel(&a->lookup);
}

static void test_a_cancelled_lookup_is_not_answered(void **state)
{
    const struct wish wish = {.topic = TOPIC, .create = true};

    (void)state;
    for (uint32_t stage = 0; stage < 3; stage++) {
        for (uint32_t worker = 0; worker < 2; worker++) {
            enum lookup_question at = stage == 2 ? LOOKUP_OWNER : LOOKUP_PARTITIONS;
            struct asked a;
            struct scene s;
            start(&s, 2, held, &at);
            hulse_asked_init(&a);
            if (stage == 0) {
                hulse_lookup_bed_run(&s.bed, worker, ask_and_cancel, &a);
            } else {
                hulse_lookup_bed_ask(&s.bed, worker, &a, &wish);
            }
            hulse_peer_await(s.peer, at, 1);
            hulse_lookup_bed_cancel(&s.bed, worker, &a);
            hulse_peer_release(s.peer);
            /* What it has begun serves the next one. */
            struct asked next;
            hulse_asked_init(&next);
            hulse_lookup_bed_ask(&s.bed, 1 - worker, &next, &wish);
            hulse_asked_await(&next);
            check_found(&next);
            assert_int_equal(hulse_peer_asked(s.peer, LOOKUP_PARTITIONS), 1);
            end(&s);
            assert_int_equal(a.answers, 0);
            hulse_asked_fini(&a);
            hulse_asked_fini(&next);
        }
    }
}

static void test_a_lookup_may_be_started_again_after_cancel(void **state)
{
    const struct wish wish = {.topic = TOPIC, .create = true};
    enum lookup_question at = LOOKUP_OWNER;
    struct asked a;
    struct scene s;

    (void)state;
    start(&s, 1, held, &at);
    hulse_asked_init(&a);
    hulse_lookup_bed_ask(&s.bed, 0, &a, &wish);
    hulse_lookup_bed_cancel(&s.bed, 0, &a);
    hulse_lookup_bed_ask(&s.bed, 0, &a, &wish);
    hulse_peer_await(s.peer, LOOKUP_OWNER, 1);
    hulse_peer_release(s.peer);
    hulse_asked_await(&a);
    end(&s);
    check_found(&a);
    hulse_asked_fini(&a);
}

/* ---- a full inbox ---- */

struct plug {
    struct inbox_node node;
    sem_t in;
    sem_t out;
};

static void stay(struct inbox_node *node)
{
    struct plug *p = HULSE_CONTAINER(node, struct plug, node);

    (void)sem_post(&p->in);
    while (sem_wait(&p->out) != 0) {
        /* Interrupted by a signal. */
    }
}

static void nothing(struct inbox_node *node)
{
    free(node);
}

static void test_a_full_inbox_delays_and_may_be_cancelled(void **state)
{
    char topic[64];
    struct wish wish = {.topic = topic, .create = true};
    struct plug plug = {.node = {.run = stay}};
    struct asked a;
    struct asked cancelled;
    struct scene s;

    (void)state;
    topic_of(1, 2, topic);
    start(&s, 2, owner, NULL);
    (void)sem_init(&plug.in, 0, 0);
    (void)sem_init(&plug.out, 0, 0);
    assert_true(hulse_worker_post(s.bed.workers[1], &plug.node));
    while (sem_wait(&plug.in) != 0) {
    }
    struct inbox_node *node = NULL;
    do {
        node = calloc(1, sizeof(*node));
        assert_non_null(node);
        node->run = nothing;
    } while (hulse_worker_post(s.bed.workers[1], node));
    free(node);
    hulse_asked_init(&a);
    hulse_asked_init(&cancelled);
    hulse_lookup_bed_ask(&s.bed, 0, &a, &wish);
    hulse_lookup_bed_ask(&s.bed, 0, &cancelled, &wish);
    hulse_lookup_bed_cancel(&s.bed, 0, &cancelled);
    (void)sem_post(&plug.out);
    hulse_asked_await(&a);
    check_found(&a);
    end(&s);
    assert_int_equal(cancelled.answers, 0);
    hulse_asked_fini(&a);
    hulse_asked_fini(&cancelled);
    (void)sem_destroy(&plug.in);
    (void)sem_destroy(&plug.out);
}

/* ---- workers that end ---- */

static void check_closed(const struct asked *a)
{
    assert_int_equal(a->answers, 1);
    assert_int_equal(a->result.failure.status, HULSE_CLOSED);
    assert_int_equal(a->result.failure.class, BROKER_RETRY);
}

static void test_who_ends_hears_closed_and_others_ask_themselves(void **state)
{
    enum lookup_question at = LOOKUP_PARTITIONS;

    (void)state;
    for (uint32_t first = 0; first < 3; first++) {
        struct asked asked[3][3]; /* asker, the topic's worker */
        struct scene s;
        start(&s, 3, held, &at);
        for (uint32_t i = 0; i < 9; i++) {
            char topic[64];
            const struct wish wish = {.topic = topic, .create = true};
            topic_of(i % 3, 3, topic);
            hulse_asked_init(&asked[i / 3][i % 3]);
            hulse_lookup_bed_ask(&s.bed, i / 3, &asked[i / 3][i % 3], &wish);
        }
        hulse_peer_await(s.peer, LOOKUP_PARTITIONS, 3);
        hulse_lookup_bed_stop_worker(&s.bed, first);
        for (uint32_t i = 0; i < 3; i++) {
            check_closed(&asked[first][i]);
        }
        /* Two had asked the worker that has gone. */
        hulse_peer_await(s.peer, LOOKUP_PARTITIONS, 5);
        hulse_peer_release(s.peer);
        for (uint32_t i = 0; i < 9; i++) {
            struct asked *a = &asked[i / 3][i % 3];
            if (i / 3 != first) {
                hulse_asked_await(a);
                check_found(a);
            }
        }
        end(&s);
        for (uint32_t i = 0; i < 9; i++) {
            assert_int_equal(asked[i / 3][i % 3].answers, 1);
            hulse_asked_fini(&asked[i / 3][i % 3]);
        }
    }
}

static void test_all_end_while_lookups_are_under_way(void **state)
{
    enum lookup_question at = LOOKUP_OWNER;
    struct asked asked[MANY];
    struct scene s;

    (void)state;
    start(&s, 2, held, &at);
    for (uint32_t i = 0; i < MANY; i++) {
        char topic[64];
        const struct wish wish = {.topic = topic, .create = true};
        (void)snprintf(topic, sizeof(topic), "%s%u", TOPIC, i / 2);
        hulse_asked_init(&asked[i]);
        hulse_lookup_bed_ask(&s.bed, i % 2, &asked[i], &wish);
    }
    end(&s);
    for (uint32_t i = 0; i < MANY; i++) {
        check_closed(&asked[i]);
        hulse_asked_fini(&asked[i]);
    }
}

/* ---- the request of broker_request.h ---- */

struct request {
    struct broker_lookup lookup;
    uint32_t answers;
    sem_t answered;
};

static void request_done(struct broker_request *base)
{
    struct request *r = HULSE_CONTAINER(base, struct request, lookup.request);
    r->answers += 1;
    (void)sem_post(&r->answered);
}

static void request_init(struct request *r, struct inbox *home, const char *topic, bool create)
{
    memset(r, 0, sizeof(*r));
    r->lookup.request = (struct broker_request){.home = home, .done = request_done};
    r->lookup.topic = topic;
    r->lookup.create = create;
    (void)sem_init(&r->answered, 0, 0);
}

static void await_at(struct inbox *home, struct request *r)
{
    const struct timespec nap = {.tv_nsec = 1000000};

    while (r->answers == 0) {
        if (hulse_inbox_run(home, 16) == 0) {
            (void)nanosleep(&nap, NULL);
        }
    }
    (void)sem_destroy(&r->answered);
}

static void partitions_by_name(struct question *q, void *ctx)
{
    (void)ctx;
    if (q->asked == LOOKUP_OWNER) {
        hulse_peer_owner(q, 0);
    } else if (strstr(q->topic, "missing") != NULL) {
        PEER_CHECK(!q->create);
        hulse_peer_failed(q, PULSAR__SERVER_ERROR__TopicNotFound, "nowhere");
    } else {
        hulse_peer_partitions(q, strstr(q->topic, "parted") != NULL ? 5 : 0);
    }
}

static void request(struct pulsar_worker *w, void *ctx)
{
    struct request *r = ctx;
    struct error err = {0};

    r->lookup.request.home = &w->loop->inbox;
    assert_int_equal(hulse_pulsar_topic_lookup(&w->broker->base, &r->lookup, &err), HULSE_OK);
}

static void test_a_request_is_answered_where_it_came_from(void **state)
{
    static const struct {
        const char *topic;
        bool create;
        uint32_t partitions;
        hulse_status status;
    } cases[] = {{TOPIC, true, 0, HULSE_OK},
                 {TOPIC "-parted", true, 5, HULSE_OK},
                 {TOPIC "-missing", false, 0, HULSE_NO_TOPIC}};
    struct inbox home;
    struct scene s;

    (void)state;
    start(&s, 2, partitions_by_name, NULL);
    assert_true(hulse_inbox_init(&home, 16));
    for (uint32_t i = 0; i < 3 * COUNT_OF(cases); i++) {
        struct request r;
        struct error err = {0};
        request_init(&r, &home, cases[i / 3].topic, cases[i / 3].create);
        if (i % 3 == 0) {
            assert_int_equal(hulse_pulsar_topic_lookup(&s.bed.broker->base, &r.lookup, &err),
                             HULSE_OK);
            await_at(&home, &r);
        } else {
            hulse_lookup_bed_run(&s.bed, i % 3 - 1, request, &r);
            while (sem_wait(&r.answered) != 0) {
            }
        }
        assert_int_equal(r.lookup.request.status, cases[i / 3].status);
        assert_int_equal(r.lookup.info.partitions, cases[i / 3].partitions);
        if (cases[i / 3].status == HULSE_OK) {
            assert_int_equal(r.lookup.info.limits.message_bytes_max, 1U << 20U);
            assert_string_equal(r.lookup.request.text, "");
        } else {
            assert_string_equal(r.lookup.request.text, "TopicNotFound: nowhere");
        }
    }
    end(&s);
    hulse_inbox_fini(&home);
}

static void test_requests_end_with_their_workers(void **state)
{
    enum lookup_question at = LOOKUP_PARTITIONS;
    struct request from_control[2];
    struct request from_worker;
    struct inbox home;
    struct error err = {0};
    struct scene s;

    (void)state;
    start(&s, 2, held, &at);
    assert_true(hulse_inbox_init(&home, 16));
    char topics[2][64];
    for (uint32_t i = 0; i < 2; i++) {
        topic_of(i, 2, topics[i]);
        request_init(&from_control[i], &home, topics[i], true);
        assert_int_equal(
            hulse_pulsar_topic_lookup(&s.bed.broker->base, &from_control[i].lookup, &err),
            HULSE_OK);
    }
    request_init(&from_worker, NULL, topics[0], true);
    hulse_lookup_bed_run(&s.bed, 1, request, &from_worker);
    hulse_peer_await(s.peer, LOOKUP_PARTITIONS, 2);
    for (uint32_t i = 0; i < 2; i++) {
        hulse_lookup_bed_stop_worker(&s.bed, i);
    }
    for (uint32_t i = 0; i < 2; i++) {
        await_at(&home, &from_control[i]);
        assert_int_equal(from_control[i].lookup.request.status, HULSE_CLOSED);
    }
    assert_int_equal(from_worker.answers, 1);
    assert_int_equal(from_worker.lookup.request.status, HULSE_CLOSED);
    /* Nobody is there any more: within the call. */
    request_init(&from_control[0], &home, topics[0], true);
    assert_int_equal(hulse_pulsar_topic_lookup(&s.bed.broker->base, &from_control[0].lookup, &err),
                     HULSE_OK);
    assert_int_equal(from_control[0].answers, 1);
    assert_int_equal(from_control[0].lookup.request.status, HULSE_CLOSED);
    end(&s);
    hulse_inbox_fini(&home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identical_lookups_are_one),
        cmocka_unit_test(test_an_answer_is_kept_until_it_has_proved_wrong),
        cmocka_unit_test(test_an_answer_for_a_creator_is_none_for_others),
        cmocka_unit_test(test_failures_are_not_kept),
        cmocka_unit_test(test_so_many_ask_at_once_and_the_others_wait),
        cmocka_unit_test(test_a_cancelled_lookup_is_not_answered),
        cmocka_unit_test(test_a_lookup_may_be_started_again_after_cancel),
        cmocka_unit_test(test_a_full_inbox_delays_and_may_be_cancelled),
        cmocka_unit_test(test_who_ends_hears_closed_and_others_ask_themselves),
        cmocka_unit_test(test_all_end_while_lookups_are_under_way),
        cmocka_unit_test(test_a_request_is_answered_where_it_came_from),
        cmocka_unit_test(test_requests_end_with_their_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
