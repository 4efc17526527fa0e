/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bed - see the header. It stands in for lookup/ and for the module: both are here by name.
 */
#include "tests/unit/daemon/broker/pulsar/producer/bed.h"

#include "daemon/broker/pulsar/wire/frame.h"
#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "daemon/core/mem.h"
#include "daemon/worker/worker.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define HOUR_MS 3600000U

static struct bed *the_bed;

/* ---- what is stood in for ---- */

struct pulsar_worker *hulse_pulsar_worker(struct broker *b, struct worker *w)
{
    assert_ptr_equal(b, &the_bed->broker.base);
    assert_ptr_equal(w, &the_bed->real);
    return &the_bed->worker;
}

/* One at a time and sender: the lookup that is under way. */
struct lookup_query {
    struct timer timer;
    struct pulsar_lookup *lookup;
    bool whole; /* of BED_TOPIC itself */
};

static struct lookup_query queries[256];

static void lookup_due(struct timer *timer)
{
    struct lookup_query *q = HULSE_CONTAINER(timer, struct lookup_query, timer);
    struct pulsar_lookup *l = q->lookup;

    if (the_bed->silent) {
        return;
    }
    struct pulsar_lookup_result result = the_bed->found;
    if (q->whole && the_bed->partitions != 0 && result.failure.class == BROKER_DONE) {
        result = (struct pulsar_lookup_result){.partitions = the_bed->partitions,
                                               .kept_ms = the_bed->kept_ms != 0 ? the_bed->kept_ms
                                                                                : HOUR_MS};
    }
    q->lookup = NULL;
    l->pending = NULL;
    l->done(l, &result);
}

bool hulse_pulsar_lookup_start(struct pulsar_worker *w,
                               struct pulsar_lookup *l,
                               const char *topic,
                               bool create,
                               enum pulsar_lookup_how how)
{
    struct lookup_query *q = queries;

    (void)create;
    while (q->lookup != NULL) {
        q++;
        assert_true(q < queries + COUNT_OF(queries));
    }
    the_bed->lookups++;
    the_bed->fresh_lookups += how == PULSAR_LOOKUP_FRESH ? 1U : 0U;
    q->lookup = l;
    q->whole = strcmp(topic, BED_TOPIC) == 0;
    q->timer.fire = lookup_due;
    l->pending = q;
    hulse_timer_start(&w->loop->timers, &q->timer, 0);
    return true;
}

void hulse_pulsar_lookups_count(struct pulsar_lookups *l, bool grown)
{
    (void)l;
    the_bed->grown += grown ? 1U : 0U;
    the_bed->shrunk += grown ? 0U : 1U;
}

void hulse_pulsar_lookup_cancel(struct pulsar_lookup *l)
{
    if (l->pending != NULL) {
        hulse_timer_stop(&the_bed->loop.timers, &l->pending->timer);
        l->pending->lookup = NULL;
        l->pending = NULL;
    }
}

/* ---- the bed ---- */

struct pulsar_endpoint hulse_bed_endpoint(uint16_t port)
{
    struct pulsar_endpoint to = {.physical = {.name = "127.0.0.1", .port = port}};

    to.logical = to.physical;
    return to;
}

void hulse_bed_open(struct bed *b, uint16_t port)
{
    struct error err = {0};
    char url[64];

    *b = (struct bed){0};
    the_bed = b;
    (void)signal(SIGPIPE, SIG_IGN);
    hulse_mem_init(SIZE_MAX / 2);
    assert_true(hulse_loop_init(&b->loop, 64));
    (void)snprintf(url, sizeof(url), "pulsar://127.0.0.1:%u", (unsigned)port);
    assert_int_equal(hulse_service_url_parse(url, &b->broker.service, &err), HULSE_OK);
    b->broker.params = (struct pulsar_params){.daemon_name = "bed",
                                              .connect_timeout_ms = 5000,
                                              .operation_timeout_ms = 10000,
                                              .keep_alive_ms = 600000,
                                              .message_bytes_max = WIRE_MESSAGE_BYTES_DEFAULT,
                                              .chunked_bytes_max = BED_CHUNKED_BYTES_MAX};
    b->worker.broker = &b->broker;
    b->worker.loop = &b->loop;
    hulse_jitter_init(&b->worker.jitter);
    b->worker.contexts = hulse_wire_contexts_create();
    b->worker.pool = hulse_pulsar_pool_create(&b->worker, &err);
    b->worker.senders = hulse_pulsar_senders_create(&b->worker, &err);
    assert_non_null(b->worker.senders);
    b->found.endpoint = hulse_bed_endpoint(port);
}

void hulse_bed_close(struct bed *b)
{
    hulse_pulsar_senders_destroy(&b->worker.senders);
    hulse_pulsar_pool_destroy(&b->worker.pool);
    hulse_wire_contexts_destroy(&b->worker.contexts);
    for (size_t i = 0; i < COUNT_OF(queries); i++) {
        assert_null(queries[i].lookup);
    }
    hulse_loop_fini(&b->loop);
    assert_int_equal(hulse_mem_used(HULSE_MEM_BROKER), 0);
    assert_int_equal(hulse_mem_used(HULSE_MEM_TOPIC), 0);
}

void hulse_bed_round(struct bed *b)
{
    (void)hulse_loop_round(&b->loop, 1);
}

void hulse_bed_turn(struct bed *b)
{
    hulse_bed_round(b);
    hulse_pulsar_senders_flush(b->worker.senders);
    hulse_pulsar_pool_flush(b->worker.pool);
}

/* ---- a producer ---- */

static void opened(void *ctx, hulse_status status, const char *text, const struct broker_limits *l)
{
    struct pub *p = ctx;

    assert_non_null(p->producer);
    p->opened++;
    p->status = status;
    (void)snprintf(p->text, sizeof(p->text), "%s", text);
    if (status == HULSE_OK) {
        p->message_bytes_max = l->message_bytes_max;
    } else {
        assert_null(l);
        p->producer = NULL;
        p->closed = true;
    }
}

static void answered(void *ctx, uint64_t token, const struct broker_answer *answer)
{
    struct pub *p = ctx;

    assert_false(p->closed);
    assert_true(token < p->sent);
    assert_int_equal(p->outcomes[token], 0);
    assert_int_not_equal(answer->outcome, 0);
    p->outcomes[token] = answer->outcome;
    p->answers[token] = *answer;
    p->in_order = p->in_order && token == p->answered;
    p->answered++;
    if (p->also != NULL) {
        p->also(p);
    }
}

static void failed(void *ctx, hulse_status status, const char *text)
{
    struct pub *p = ctx;

    assert_false(p->closed);
    p->failed++;
    p->failed_with = status;
    (void)snprintf(p->text, sizeof(p->text), "%s", text);
}

static void fenced(void *ctx, const char *text)
{
    struct pub *p = ctx;

    assert_false(p->closed);
    p->fenced++;
    (void)snprintf(p->text, sizeof(p->text), "%s", text);
}

static void suspended(void *ctx, enum broker_class class, const char *text)
{
    (void)ctx;
    (void)class;
    fail_msg("suspended: %s", text);
}

static void given_back(void *ctx, const struct broker_given_back *back)
{
    (void)ctx;
    (void)back;
    fail_msg("given back");
}

static void resumed(void *ctx)
{
    (void)ctx;
    fail_msg("resumed");
}

static void flushed(void *ctx)
{
    struct pub *p = ctx;

    assert_false(p->closed);
    p->flushed++;
    p->answered_at_flush = p->answered;
}

static void freed(void *ctx)
{
    struct pub *p = ctx;

    assert_false(p->closed);
    assert_false(p->producer->busy);
    p->freed++;
}

static const struct broker_producer_events events = {.opened = opened,
                                                     .answered = answered,
                                                     .failed = failed,
                                                     .fenced = fenced,
                                                     .suspended = suspended,
                                                     .given_back = given_back,
                                                     .resumed = resumed,
                                                     .flushed = flushed,
                                                     .freed = freed};

void hulse_pub_init(struct pub *p, struct bed *b)
{
    memset(p, 0, sizeof(*p));
    p->bed = b;
    p->in_order = true;
    p->params = (struct broker_producer_params){.topic = BED_TOPIC,
                                                .name = "",
                                                .events = &events,
                                                .ctx = p,
                                                .create = true,
                                                .gathering = {.batch_delay_ms = 10000}};
}

hulse_status hulse_pub_open(struct pub *p)
{
    struct error err = {0};
    const hulse_status st = hulse_pulsar_producer_open(
        &p->bed->broker.base, &p->bed->real, &p->params, &p->producer, &err);

    if (st != HULSE_OK) {
        (void)snprintf(p->text, sizeof(p->text), "%s", err.text);
    }
    return st;
}

void hulse_pub_await_opened(struct pub *p)
{
    while (p->opened == 0) {
        hulse_bed_turn(p->bed);
    }
    assert_int_equal(p->opened, 1);
}

bool hulse_pub_try(struct pub *p, struct broker_record *r)
{
    char payload[BED_PAYLOAD + 1];
    struct broker_record ordinary = {
        .payload = {.data = (const uint8_t *)payload, .bytes = BED_PAYLOAD}, .seq = p->sent};

    (void)snprintf(payload, sizeof(payload), "%020u", p->sent);
    r = r != NULL ? r : &ordinary;
    r->token = p->sent;
    if (r->enqueued_ns == 0) {
        r->enqueued_ns = hulse_clock_coarse_ns();
    }
    assert_true(p->sent < BED_RECORDS_MAX);
    p->sent++;
    if (!hulse_pulsar_producer_send(p->producer, r)) {
        assert_true(p->producer->busy);
        p->sent--;
        return false;
    }
    return true;
}

void hulse_pub_send_record(struct pub *p, struct broker_record *r)
{
    assert_true(hulse_pub_try(p, r));
}

void hulse_pub_send(struct pub *p)
{
    assert_true(hulse_pub_try(p, NULL));
}

void hulse_pub_await_answered(struct pub *p, uint32_t count)
{
    while (p->answered < count) {
        hulse_bed_turn(p->bed);
    }
    assert_int_equal(p->answered, count);
}

void hulse_pub_close(struct pub *p)
{
    p->closed = true;
    hulse_pulsar_producer_close(p->producer, true);
}
