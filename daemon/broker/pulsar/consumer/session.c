/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session - a consumer's time at one broker: its topic is looked up, a connection attached to, SUBSCRIBE answered.
 * Whatever ends it begins the next one, for ever; only the first has to come about within the operation timeout.
 *
 * What a broker had sent and nobody has in hand is forgotten with the session, because the next one brings it again;
 * what is in the front end's hands is known by its entry and is not handed out twice.
 */
#include "daemon/broker/pulsar/consumer/fan_in.h"
#include "daemon/broker/pulsar/consumer/subscribe.h"
#include "daemon/core/hash.h"
#include "daemon/core/log.h"

#include <stdio.h>
#include <string.h>

static struct timer_wheel *timers(const struct pulsar_consumer *c)
{
    return &c->worker->loop->timers;
}

/* Ready for so long it was a success, whatever ended it. */
#define SETTLED_MS 10000U
#define DEADLINE_GRACE_MS 250U /* a lookup that has the same limit says more */
/* Brokers that send it on to another, in a row, before it is looked up. */
#define FOLLOWED_MAX 3U

static uint32_t operation_timeout(const struct pulsar_consumer *c)
{
    return c->worker->broker->params.operation_timeout_ms;
}

/* ---- the end of a session ---- */

/* Not a word to the broker; what it had is forgotten. */
static void leave(struct pulsar_consumer *c)
{
    hulse_timer_stop(timers(c), &c->pause);
    hulse_pulsar_lookup_cancel(&c->lookup);
    hulse_question_end(&c->asked);
    hulse_acks_unsend(c);
    hulse_pulsar_detach(&c->user);
    hulse_receive_forget_queue(c);
    hulse_permits_restart(&c->permits);
    c->renew = NULL;
    hulse_again_restart(c);
    hulse_stall_stop(c);
    hulse_lag_stop(c);
    c->closed_in_seek = false;
}

void hulse_pulsar_session_end_first(struct pulsar_consumer *c)
{
    if (c->first != NULL) {
        hulse_timer_stop(timers(c), &c->first->deadline);
        hulse_mem_free(HULSE_MEM_TOPIC, c->first, sizeof(*c->first));
        c->first = NULL;
    }
}

void hulse_pulsar_session_abandon(struct pulsar_consumer *c)
{
    leave(c);
    hulse_pulsar_session_end_first(c);
    hulse_hands_stop(c);
}

void hulse_pulsar_session_over(struct pulsar_consumer *c, hulse_status status, const char *text)
{
    hulse_pulsar_session_abandon(c);
    c->state = SESSION_OVER;
    hulse_verdicts_forget_kept(c);
    hulse_pulsar_consumer_enter(c);
    hulse_errand_lost(c);
    if (!c->closed) {
        hulse_acks_drop(c);
    }
    if (!c->closed && status != HULSE_OK) {
        HULSE_LOG_WARNF("pulsar.consumer_failed",
                        hulse_log_str("topic", c->topic),
                        hulse_log_str("subscription", c->subscription),
                        hulse_log_str("why", text));
        c->base.events->failed(c->base.ctx, status, text);
    }
    hulse_pulsar_consumer_leave(c);
}

void hulse_pulsar_session_open_failed(struct pulsar_consumer *c,
                                      hulse_status status,
                                      const char *text)
{
    HULSE_LOG_WARNF("pulsar.consumer_refused",
                    hulse_log_str("topic", c->topic),
                    hulse_log_str("subscription", c->subscription),
                    hulse_log_str("why", text));
    hulse_pulsar_session_abandon(c);
    c->closed = true;
    c->base.events->opened(c->base.ctx, status, text, NULL);
    hulse_pulsar_consumer_gone(c);
}

static bool final(const struct pulsar_consumer *c, enum pulsar_verdict verdict)
{
    switch (verdict) {
    case PULSAR_AGAIN:
    case PULSAR_QUOTA:
        return false;
    case PULSAR_CONTENDED:
    case PULSAR_REFUSED:
        return !c->opened;
    case PULSAR_GONE:
    case PULSAR_FINAL:
        return true;
    }
    return false;
}

/* `gated`: by what its address is to blame for, which is waited for there, with everybody else. */
static void wait_and_retry(struct pulsar_consumer *c, bool gated)
{
    c->state = SESSION_WAITING;
    c->looked_up = true;
    const uint32_t wait_ms = gated ? 0 : hulse_backoff_ms(&c->backoff, &c->worker->jitter);
    hulse_timer_start(timers(c), &c->pause, hulse_pulsar_consumer_now_ms(c) + wait_ms);
}

/* Why an attempt did not come about. May be the last touch. */
static void failed(struct pulsar_consumer *c, const struct pulsar_failure *f)
{
    const bool ends = final(c, f->verdict);
    const uint64_t said = hulse_hash_text(f->text);
    hulse_pulsar_trouble_note(&c->worker->broker->trouble, c->topic, f->text);
    if (c->first != NULL) {
        c->first->last = *f;
    }
    leave(c);
    if (ends && !c->opened) {
        hulse_pulsar_session_open_failed(c, f->status, f->text);
        return;
    }
    if (ends) {
        hulse_pulsar_session_over(c, f->status, f->text);
        return;
    }
    if (said != c->said) {
        c->said = said;
        HULSE_LOG_WARNF("pulsar.consumer_waits",
                        hulse_log_str("topic", c->topic),
                        hulse_log_str("subscription", c->subscription),
                        hulse_log_str("why", f->text));
    }
    wait_and_retry(c, f->gated);
}

/* It stops being ready: was it a success? Not when it had to begin anew: that would go on and on. */
static void settle(struct pulsar_consumer *c)
{
    if ((c->proved && c->renew == NULL) ||
        hulse_pulsar_consumer_now_ms(c) - c->ready_ms >= SETTLED_MS) {
        hulse_backoff_reset(&c->backoff);
        c->followed = 0;
    }
}

/* A session has ended; there will be another one. May be the last touch. */
static void ended(struct pulsar_consumer *c, bool gated)
{
    settle(c);
    leave(c);
    wait_and_retry(c, gated);
    hulse_pulsar_consumer_enter(c);
    hulse_receive_inactive(c);
    if (!c->closed) {
        hulse_errand_lost(c);
    }
    hulse_pulsar_consumer_leave(c);
}

static void too_late(struct timer *timer)
{
    const struct first_session *first = HULSE_CONTAINER(timer, struct first_session, deadline);
    struct pulsar_consumer *c = first->consumer;
    struct pulsar_failure f = first->last;
    if (f.text[0] == '\0') {
        hulse_pulsar_failure_status(&f, HULSE_TIMED_OUT, "no broker has answered in time");
    }
    hulse_pulsar_trouble_note(&c->worker->broker->trouble, c->topic, f.text);
    if (c->user.connection != NULL && c->state >= SESSION_SUBSCRIBING) {
        hulse_subscribe_undo(c);
    }
    hulse_pulsar_session_open_failed(c, f.status, f.text);
}

/* ---- the connection ---- */

static void user_ready(struct pulsar_user *u)
{
    struct pulsar_consumer *c = HULSE_CONTAINER(u, struct pulsar_consumer, user);
    HULSE_ASSERT(c->state == SESSION_ATTACHING);
    hulse_pulsar_session_subscribe(c);
}

static void user_lost(struct pulsar_user *u, hulse_status status, const char *text)
{
    struct pulsar_consumer *c = HULSE_CONTAINER(u, struct pulsar_consumer, user);
    if (c->state == SESSION_CLOSING) {
        hulse_pulsar_consumer_gone(c);
        return;
    }
    struct pulsar_failure f;
    hulse_pulsar_failure_status(&f, status, text);
    /* It may have broken the protocol itself, and then waits for longer than the others there. */
    f.gated = status != HULSE_PROTOCOL && hulse_pulsar_is_gated(c->endpoint, status);
    if (f.verdict == PULSAR_FINAL || c->state < SESSION_READY) {
        failed(c, &f);
    } else {
        ended(c, f.gated);
    }
}

static const struct pulsar_user_events user_events = {
    .ready = user_ready, .lost = user_lost, .command = hulse_receive_command};

/* May be the last touch. */
static void no_memory(struct pulsar_consumer *c, const char *text)
{
    struct pulsar_failure f;
    hulse_pulsar_failure_status(&f, HULSE_NO_MEMORY, text);
    failed(c, &f);
}

/* May be the last touch. */
static void attach(struct pulsar_consumer *c, const struct pulsar_endpoint *to)
{
    struct pulsar_pool *pool = c->worker->pool;
    const struct pulsar_endpoint *shared = hulse_pulsar_endpoint_share(&c->set->endpoints, to);
    if (shared == NULL) {
        no_memory(c, "no memory for an address");
        return;
    }
    hulse_pulsar_endpoint_unshare(&c->endpoint);
    c->endpoint = shared;
    c->user = (struct pulsar_user){
        .events = &user_events, .kind = PULSAR_USER_CONSUMER, .id = hulse_pulsar_user_id(pool)};
    c->state = SESSION_ATTACHING;
    if (!hulse_pulsar_attach(pool, &c->user, c->endpoint, PULSAR_FOR_CONSUMING)) {
        no_memory(c, "no memory for a connection");
    }
}

/* ---- the lookup ---- */

/* What is here is of another topic of that name. */
static void partitioned(struct pulsar_consumer *c, uint32_t partitions)
{
    struct pulsar_failure f;
    hulse_pulsar_failure_status(&f, HULSE_UNSUPPORTED, "");
    f.verdict = PULSAR_FINAL;
    (void)snprintf(
        f.text, sizeof(f.text), "topic %.110s has %u partitions now", c->topic, partitions);
    failed(c, &f);
}

/* Of a topic without partitions, or of one partition alone: messages name none then, or itself. */
static bool is_own(const struct pulsar_consumer *c, uint16_t partition)
{
    char suffix[sizeof("-partition-65535")];
    const int bytes = snprintf(suffix, sizeof(suffix), "-partition-%u", (unsigned)partition);
    const size_t topic_bytes = strlen(c->topic);
    return partition == 0 || (bytes > 0 && topic_bytes > (size_t)bytes &&
                              strcmp(c->topic + topic_bytes - bytes, suffix) == 0);
}

/* What it is to begin at is of a partition that there is, or of another topic of that name. */
static bool is_there(const struct pulsar_consumer *c, uint32_t partitions)
{
    const struct broker_position *s = &c->hands->start;
    if (c->resumed || c->opened || c->part != NULL ||
        (c->start_kind != BROKER_AT_ID && c->start_kind != BROKER_AFTER_ID)) {
        return true;
    }
    return partitions > 0 ? s->id.partition < partitions : is_own(c, s->id.partition);
}

static void no_partition(struct pulsar_consumer *c)
{
    struct pulsar_failure f;
    hulse_pulsar_failure_status(&f, HULSE_INVAL, "");
    f.verdict = PULSAR_FINAL;
    (void)snprintf(f.text,
                   sizeof(f.text),
                   "topic %.110s has no partition %u",
                   c->topic,
                   (unsigned)c->hands->start.id.partition);
    failed(c, &f);
}

static void looked_up(struct pulsar_lookup *l, const struct pulsar_lookup_result *result)
{
    struct pulsar_consumer *c = HULSE_CONTAINER(l, struct pulsar_consumer, lookup);
    if (result->failure.class != BROKER_DONE) {
        failed(c, &result->failure);
    } else if (!is_there(c, result->partitions)) {
        no_partition(c);
    } else if (result->partitions > 0 && !c->opened && c->part == NULL) {
        hulse_pulsar_session_end_first(c); /* the parts have theirs */
        hulse_fan_in_begin(c, result);
    } else if (result->partitions > 0) {
        partitioned(c, result->partitions);
    } else {
        attach(c, &result->endpoint);
    }
}

static void attempt(struct pulsar_consumer *c)
{
    c->state = SESSION_LOOKING_UP;
    c->lookup.done = looked_up;
    if (!hulse_pulsar_lookup_start(c->worker,
                                   &c->lookup,
                                   c->topic,
                                   c->create,
                                   c->looked_up ? PULSAR_LOOKUP_FRESH : PULSAR_LOOKUP_ANY)) {
        no_memory(c, "no memory for a lookup");
    }
}

static void go_on(struct timer *timer)
{
    struct pulsar_consumer *c = HULSE_CONTAINER(timer, struct pulsar_consumer, pause);
    if (c->state == SESSION_WAITING) {
        attempt(c);
    } else {
        hulse_pulsar_consumer_dirty(c); /* what was refused is sent again */
    }
}

bool hulse_pulsar_session_start(struct pulsar_consumer *c)
{
    c->pause.fire = go_on;
    c->first = hulse_mem_zalloc(HULSE_MEM_TOPIC, sizeof(*c->first));
    if (c->first == NULL) {
        return false;
    }
    c->first->consumer = c;
    c->first->deadline.fire = too_late;
    c->lookup.done = looked_up;
    c->state = SESSION_LOOKING_UP;
    if (!hulse_pulsar_lookup_start(c->worker, &c->lookup, c->topic, c->create, PULSAR_LOOKUP_ANY)) {
        return false;
    }
    hulse_timer_start(timers(c),
                      &c->first->deadline,
                      hulse_pulsar_consumer_now_ms(c) + operation_timeout(c) + DEADLINE_GRACE_MS);
    return true;
}

/* ---- what else ends or begins one ---- */

void hulse_pulsar_session_failed(struct pulsar_consumer *c, const struct pulsar_failure *f)
{
    failed(c, f);
}

void hulse_pulsar_session_renew(struct pulsar_consumer *c)
{
    c->set->figures.renewed += 1;
    HULSE_LOG_WARNF("pulsar.consumer_renewed",
                    hulse_log_str("topic", c->topic),
                    hulse_log_str("subscription", c->subscription),
                    hulse_log_str("why", c->renew));
    hulse_acks_send(c);
    hulse_subscribe_undo(c);
    ended(c, false);
}

/* The broker that will have the topic; false: it did not say. */
static bool assigned(const struct pulsar_consumer *c,
                     const Pulsar__CommandCloseConsumer *command,
                     struct pulsar_endpoint *out)
{
    const bool tls = c->endpoint->tls;
    const char *text =
        tls ? command->assignedbrokerserviceurltls : command->assignedbrokerserviceurl;
    struct service_url url;
    if (text == NULL || hulse_service_url_parse(text, &url, NULL) != HULSE_OK || url.tls != tls) {
        return false;
    }
    *out = *c->endpoint;
    out->logical = url.hosts[0];
    if (!out->proxied) {
        out->physical = url.hosts[0];
    }
    return true;
}

void hulse_pulsar_session_closed_by_broker(struct pulsar_consumer *c,
                                           const Pulsar__CommandCloseConsumer *command)
{
    struct pulsar_endpoint next;
    if (c->state == SESSION_SEEKING) {
        c->closed_in_seek = true; /* as it does before the answer */
        return;
    }
    if (c->state < SESSION_READY) {
        struct pulsar_failure f;
        hulse_pulsar_failure_server(
            &f, PULSAR__SERVER_ERROR__ServiceNotReady, "the broker has closed the consumer");
        failed(c, &f);
        return;
    }
    const bool knows = assigned(c, command, &next);
    ended(c, false);
    if (knows && c->followed < FOLLOWED_MAX && !c->closed && c->state == SESSION_WAITING) {
        c->followed += 1;
        hulse_timer_stop(timers(c), &c->pause);
        attach(c, &next);
    }
}

void hulse_pulsar_session_after_seek(struct pulsar_consumer *c, bool moved)
{
    if (c->state != SESSION_SEEKING) {
        return;
    }
    if (!moved && !c->closed_in_seek) {
        /* What was let go for the seek comes to another session alone. */
        c->state = SESSION_READY;
        hulse_pulsar_consumer_renew(c, "a seek was refused");
        return;
    }
    if (!moved) {
        ended(c, false);
        return;
    }
    c->closed_in_seek = false;
    c->end_told = false;
    if (c->part != NULL) {
        hulse_fan_in_not_ended(c->part);
    }
    hulse_receive_forget_queue(c);
    hulse_permits_restart(&c->permits);
    hulse_again_restart(c);
    hulse_pulsar_session_subscribe(c);
}
