/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish - see the header.
 *
 * publish is called for every message: no clock, no allocation, no lock, but for what a rule asks
 * for. The publisher may be closed by whoever hears an answer, so nothing of it is touched after an
 * event, but where `closed` says that it was not.
 */
#include "daemon/flow/publish.h"

#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "daemon/core/mem.h"
#include "daemon/flow/outcome.h"
#include "daemon/flow/publisher.h"
#include "daemon/flow/schemas.h"
#include "daemon/worker/worker.h"

#include <string.h>

#define NS_PER_MS 1000000U

/* Records of a producer that drops the oldest which the broker may have without an answer. */
#define HOLD_OUTSTANDING_MAX 1024U

void hulse_publisher_destroy(struct publisher *p)
{
    hulse_opening_cancel(&p->opening);
    hulse_schemas_forget(&p->schema_wait);
    hulse_hold_fini(&p->hold);
    hulse_flow_schema_fini(&p->schema);
    hulse_grant_release(&p->grant);
    hulse_mem_free(HULSE_MEM_TOPIC, p, p->object_bytes);
}

static void
broker_opened(void *ctx, hulse_status status, const char *text, const struct broker_limits *limits)
{
    struct publisher *p = ctx;
    if (p->opened) {
        hulse_publisher_renewal_opened(p, status, text);
        return;
    }
    if (status != HULSE_OK) {
        p->events->opened(p->ctx, status, text, NULL);
        hulse_publisher_destroy(p);
        return;
    }
    if (limits->message_bytes_max < p->bytes_max) {
        p->bytes_max = limits->message_bytes_max;
    }
    p->opened = true;
    p->partitioned = limits->routing.partitions > 0;
    const struct broker_limits both = {.message_bytes_max = p->bytes_max,
                                       .routing = limits->routing};
    p->events->opened(p->ctx, HULSE_OK, text, &both);
}

static bool pump(struct publisher *p);

/* One of the broker's places is free again. False: whoever heard of it has closed the publisher. */
static bool settle(struct publisher *p)
{
    if (p->outstanding > 0) {
        p->outstanding -= 1;
    }
    return p->pumping || pump(p);
}

/* To whoever waits for it, which may be the last one of a producer. */
static void tell(struct publisher *p, uint64_t token, const struct broker_answer *answer)
{
    bool closed = false;
    bool *before = p->closed;

    if (__builtin_expect(!hulse_publisher_is_renewing(p), 1) || !hulse_publisher_renew(p)) {
        p->events->answered(p->ctx, token, answer);
        return;
    }
    p->closed = &closed;
    p->events->answered(p->ctx, token, answer);
    if (!closed) {
        p->closed = before;
        hulse_publisher_go_on(p);
    } else if (before != NULL) {
        *before = true;
    }
}

static void broker_answered(void *ctx, uint64_t token, const struct broker_answer *answer)
{
    struct publisher *p = ctx;
    if (__builtin_expect((p->asks & ASK_HOLD) != 0, 0) && !settle(p)) {
        return;
    }
    if (__builtin_expect(answer->outcome == HULSE_OUTCOME_STORED, 1)) {
        p->counters.stored += 1;
        tell(p, token, answer);
        return;
    }
    struct broker_answer told = *answer;
    if (told.outcome == 0) {
        told.outcome = hulse_outcome_of(told.class);
    }
    if (told.outcome == HULSE_OUTCOME_STORED) {
        p->counters.stored += 1;
    } else {
        p->counters.failed += 1;
    }
    tell(p, token, &told);
}

static void broker_failed(void *ctx, hulse_status status, const char *text)
{
    struct publisher *p = ctx;
    p->events->failed(p->ctx, status, text);
}

static void broker_fenced(void *ctx, const char *text)
{
    struct publisher *p = ctx;
    if (p->events->fenced != NULL) {
        p->events->fenced(p->ctx, text);
    } else {
        broker_failed(ctx, HULSE_BUSY, text);
    }
}

/* What was given back is told to the front end, which has the record still. */
static void broker_given_back(void *ctx, const struct broker_given_back *back)
{
    const struct broker_answer answer = {.class = BROKER_RETRY,
                                         .outcome = back->unknown ? HULSE_OUTCOME_FAILED_UNKNOWN
                                                                  : HULSE_OUTCOME_FAILED_NOT_SENT};
    broker_answered(ctx, back->record->token, &answer);
}

/* Meanwhile what waits goes on waiting; anything else the broker answers at once itself. */
static void broker_suspended(void *ctx, enum broker_class class, const char *text)
{
    struct publisher *p = ctx;
    p->suspended = true;
    (void)class;
    (void)text;
}

static void broker_resumed(void *ctx)
{
    struct publisher *p = ctx;
    p->suspended = false;
    if ((p->asks & ASK_HOLD) != 0 && !p->pumping) {
        (void)pump(p);
    }
}

void hulse_publisher_go_on(struct publisher *p)
{
    if ((p->asks & ASK_HOLD) != 0) {
        if (!p->pumping) {
            (void)pump(p);
        }
    } else if (p->events->freed != NULL) {
        p->events->freed(p->ctx);
    }
}

static void broker_freed(void *ctx)
{
    hulse_publisher_go_on(ctx);
}

const struct broker_producer_events hulse_publisher_producer_events = {
    .opened = broker_opened,
    .answered = broker_answered,
    .failed = broker_failed,
    .fenced = broker_fenced,
    .suspended = broker_suspended,
    .given_back = broker_given_back,
    .resumed = broker_resumed,
    .freed = broker_freed};

uint64_t hulse_publisher_send_timeout_ms(const struct publisher *p)
{
    return p->grant.topic->gathering.send_timeout_ms;
}

/* ---- publish ---- */

static void refuse(struct publisher *p, uint64_t token, enum publish_check why)
{
    const struct refusal *refusal = hulse_refusal_of(why);
    const struct broker_answer answer = {.class = refusal->class, .outcome = refusal->outcome};
    p->counters.refused[why] += 1;
    hulse_topic_state_count(p->grant.topic_state, refusal->counter);
    p->events->answered(p->ctx, token, &answer);
}

/* Its own time to live, else the rule's, in milliseconds; 0 = for ever. */
static uint64_t ttl_of(const struct publisher *p, const struct broker_record *r)
{
    return r->meta != NULL && r->meta->ttl_ms != 0 ? r->meta->ttl_ms : p->grant.topic->ttl_ms;
}

/* An application, its role, the topic: what one bucket gave goes back when a later one refuses. */
static enum publish_check take_rates(struct publisher *p, uint32_t bytes)
{
    struct grant *g = &p->grant;
    const uint64_t now = hulse_publisher_now_ns(p);

    if (p->app_rate != NULL && !hulse_bucket_pair_take(p->app_rate, &g->app_rate, now, bytes)) {
        return PUBLISH_APP_RATE;
    }
    enum publish_check why = PUBLISH_CHECKS;
    if (g->role_state != NULL &&
        !hulse_bucket_pair_take(&g->role_state->rate, &g->role_rate, now, bytes)) {
        why = PUBLISH_ROLE_RATE;
    } else if (!hulse_bucket_pair_take(&g->topic_state->rate, &g->topic->rate, now, bytes)) {
        why = PUBLISH_TOPIC_RATE;
        if (g->role_state != NULL) {
            hulse_bucket_pair_give(&g->role_state->rate, &g->role_rate, bytes);
        }
    }
    if (why != PUBLISH_CHECKS && p->app_rate != NULL) {
        hulse_bucket_pair_give(p->app_rate, &g->app_rate, bytes);
    }
    return why;
}

/* Of a record that was not taken after all. */
static void give_rates(struct publisher *p, uint32_t bytes)
{
    struct grant *g = &p->grant;

    if (p->app_rate != NULL) {
        hulse_bucket_pair_give(p->app_rate, &g->app_rate, bytes);
    }
    if (g->role_state != NULL) {
        hulse_bucket_pair_give(&g->role_state->rate, &g->role_rate, bytes);
    }
    hulse_bucket_pair_give(&g->topic_state->rate, &g->topic->rate, bytes);
}

/* Of a topic without partitions number 0 is all of it. */
static bool names_no_partition(const struct publisher *p, const struct broker_meta *meta)
{
    return meta->partition > 0 && !p->partitioned;
}

/* Clusters by name, and there are none; that it stays in its own is then so anyway. */
static bool names_no_cluster(const struct publisher *p, const struct broker_meta *meta)
{
    return meta->replicate_to.bytes > sizeof(uint16_t) && !p->replicates;
}

/* It wishes something that not every topic can do. */
static bool is_asked(const struct publisher *p, const struct broker_meta *meta)
{
    return (meta->ttl_ms | meta->deliver_after_ms | meta->replicate_to.bytes) != 0 ||
           names_no_partition(p, meta);
}

/* A tombstone has no payload that could fit. */
static bool fits(const struct publisher *p, const struct schema *s, const struct broker_record *r)
{
    struct schema_fault fault;

    return (p->asks & ASK_SCHEMA) == 0 || s == NULL || (r->meta != NULL && r->meta->tombstone) ||
           hulse_schema_check(s, r->payload.data, r->payload.bytes, &fault);
}

/* PUBLISH_CHECKS: nothing is against it; *later: but something has to be known before. */
static enum publish_check judge(struct publisher *p, const struct broker_record *r, bool *later)
{
    if ((p->asks & ASK_DENIED) != 0) {
        return PUBLISH_DENIED;
    }
    if (r->payload.bytes > p->bytes_max) {
        return PUBLISH_TOO_LARGE;
    }
    if (r->meta != NULL && ((r->meta->deliver_after_ms != 0 && !p->delays) ||
                            names_no_partition(p, r->meta) || names_no_cluster(p, r->meta))) {
        return PUBLISH_UNSUPPORTED;
    }
    const uint64_t ttl_ms = ttl_of(p, r);
    if (ttl_ms != 0) {
        const uint64_t now = hulse_publisher_now_ns(p);
        if (now > r->enqueued_ns && (now - r->enqueued_ns) / NS_PER_MS > ttl_ms) {
            return PUBLISH_EXPIRED;
        }
    }
    const struct schema *s = hulse_publisher_schema(p);
    if (!fits(p, s, r)) {
        *later = hulse_publisher_ask_again(p);
        if (*later) {
            return PUBLISH_CHECKS;
        }
        hulse_flow_schema_tell(s, r->payload, p->topic);
        return PUBLISH_INVALID;
    }
    *later = hulse_publisher_is_renewing(p) && (p->asks & ASK_HOLD) == 0;
    if (*later) {
        return PUBLISH_CHECKS;
    }
    return (p->asks & ASK_RATE) != 0 ? take_rates(p, r->payload.bytes) : PUBLISH_CHECKS;
}

/* The broker takes one more of a producer that drops the oldest. */
static bool has_room(const struct publisher *p)
{
    return !p->suspended && !p->producer->busy && p->outstanding < HOLD_OUTSTANDING_MAX &&
           (!hulse_publisher_is_renewing(p) || p->renewal.behind > 0);
}

static struct held *take_held(struct publisher *p)
{
    struct held *first = hulse_hold_take(&p->hold);

    p->renewal.behind -= first != NULL && p->renewal.behind > 0 ? 1 : 0;
    return first;
}

/* Sends what waits while the broker has room. False: the publisher was closed meanwhile. */
static bool pump(struct publisher *p)
{
    bool closed = false;
    bool *before = p->closed;

    p->pumping = true;
    p->closed = &closed;
    while (has_room(p)) {
        const uint32_t behind = p->renewal.behind;
        struct held *first = take_held(p);
        if (first == NULL) {
            break;
        }
        p->outstanding += 1;
        if (!p->send(p->producer, &first->record)) {
            p->outstanding -= 1;
            hulse_hold_put_back(&p->hold, first);
            p->renewal.behind = behind;
            break;
        }
        hulse_hold_free(first);
        if (closed) {
            if (before != NULL) {
                *before = true;
            }
            return false;
        }
    }
    p->pumping = false;
    p->closed = before;
    return true;
}

/* To the broker if it has room and nothing waits, else to the end of the queue. */
static void hold(struct publisher *p, const struct broker_record *r)
{
    if (p->hold.records == 0 && has_room(p)) {
        p->outstanding += 1;
        if (p->send(p->producer, r)) {
            return;
        }
        p->outstanding -= 1;
    }
    if (hulse_hold_bytes(r) > p->hold.bytes_max) {
        refuse(p, r->token, PUBLISH_DROPPED); /* room made for it would not be enough */
        return;
    }
    if (!hulse_hold_put(&p->hold, r)) {
        refuse(p, r->token, PUBLISH_NO_MEMORY);
        return;
    }
    bool closed = false;
    bool *before = p->closed;
    p->closed = &closed;
    while (!closed && hulse_hold_over(&p->hold)) {
        struct held *oldest = take_held(p);
        const uint64_t token = oldest->record.token;
        hulse_hold_free(oldest);
        refuse(p, token, PUBLISH_DROPPED);
    }
    if (!closed) {
        p->closed = before;
        if (hulse_publisher_is_renewing(p) && hulse_publisher_renew(p)) {
            hulse_publisher_go_on(p);
        }
    } else if (before != NULL) {
        *before = true;
    }
}

/* False: it was not taken. */
static bool pass(struct publisher *p, const struct broker_record *r)
{
    if ((p->asks & ASK_HOLD) != 0) {
        hold(p, r);
        return true;
    }
    if (p->send(p->producer, r)) {
        return true;
    }
    if ((p->asks & ASK_RATE) != 0) {
        give_rates(p, r->payload.bytes);
    }
    return false;
}

/* Something has to be asked of this record. False: it was not taken. */
static bool publish_asked(struct publisher *p, const struct broker_record *r)
{
    bool later = false;
    const enum publish_check why = judge(p, r, &later);

    if (later) {
        return false;
    }
    if (why != PUBLISH_CHECKS) {
        refuse(p, r->token, why);
        return true;
    }
    if (p->grant.topic->ttl_ms == 0 || (r->meta != NULL && r->meta->ttl_ms != 0)) {
        return pass(p, r);
    }
    /* The rule's time to live goes with it. */
    struct broker_record with = *r;
    struct broker_meta meta = {.partition = -1};
    if (r->meta != NULL) {
        meta = *r->meta;
    }
    meta.ttl_ms = p->grant.topic->ttl_ms;
    with.meta = &meta;
    return pass(p, &with);
}

bool hulse_publisher_publish(struct publisher *p, const struct broker_record *r)
{
    HULSE_DASSERT(p->opened);

    bool taken = false;

    p->counters.published += 1;
    p->counters.bytes += r->payload.bytes;
    if (__builtin_expect(hulse_tables_generation(p->tables) != p->generation, 0)) {
        hulse_publisher_refresh(p);
    }
    if (__builtin_expect(p->asks != 0 || r->payload.bytes > p->bytes_max ||
                             (r->meta != NULL && is_asked(p, r->meta)),
                         0)) {
        taken = publish_asked(p, r);
    } else {
        taken = p->send(p->producer, r);
    }
    if (__builtin_expect(!taken, 0)) {
        p->counters.published -= 1;
        p->counters.bytes -= r->payload.bytes;
    }
    return taken;
}

bool hulse_publisher_busy(const struct publisher *p)
{
    return (p->producer->busy || hulse_publisher_is_renewing(p)) && (p->asks & ASK_HOLD) == 0;
}

void hulse_publisher_forget(struct publisher *p)
{
    p->forget = true;
}

void hulse_publisher_close(struct publisher **publisher)
{
    struct publisher *p = *publisher;
    *publisher = NULL;
    if (p->closed != NULL) {
        *p->closed = true;
    }
    hulse_publisher_renewal_fini(p);
    if (p->producer != NULL) {
        p->producer->ops->producer_close(p->producer, p->forget);
    }
    hulse_publisher_destroy(p);
}

const char *hulse_publisher_topic(const struct publisher *p)
{
    return p->topic;
}

const struct publisher_counters *hulse_publisher_counters(const struct publisher *p)
{
    return &p->counters;
}
