/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sender - see the header: the way to the broker, and what is done when it is lost.
 */
#include "daemon/broker/pulsar/producer/sender.h"

#include "daemon/broker/pulsar/producer/park.h"
#include "daemon/broker/pulsar/producer/senders.h"
#include "daemon/core/assert.h"
#include "daemon/core/hash.h"
#include "daemon/core/log.h"
#include "daemon/worker/worker.h"

#include <stdio.h>
#include <string.h>

#define LIMIT_GRACE_MS 250U /* a lookup that has the same limit says more */
/* Ready for so long, or with a receipt, it was a success. */
#define SETTLED_MS 10000U
/* Brokers that send it on to another, in a row, before it is looked up. */
#define FOLLOWED_MAX 3U

static struct timer_wheel *wheel(const struct pulsar_sender *s)
{
    return &s->all->pw->loop->timers;
}

static uint64_t now_ms(const struct pulsar_sender *s)
{
    return hulse_loop_now_ms(s->all->pw->loop);
}

/* ---- off the connection ---- */

/* The broker closes it too, should it have it. */
void hulse_pulsar_sender_close_wire(struct pulsar_sender *s)
{
    struct pulsar_connection *c = s->user.connection;
    struct pulsar_request nobody = {0};
    Pulsar__CommandCloseProducer close = PULSAR__COMMAND_CLOSE_PRODUCER__INIT;
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;

    if (c == NULL || !hulse_pulsar_ready(c) ||
        (s->state != SENDER_OPENING && s->state != SENDER_READY)) {
        return;
    }
    close.producer_id = s->user.id;
    close.request_id = hulse_pulsar_request_id(c, &nobody);
    command.type = PULSAR__BASE_COMMAND__TYPE__CLOSE_PRODUCER;
    command.close_producer = &close;
    /* Without memory the broker keeps it until the connection ends, or its successor of a higher epoch comes. */
    (void)hulse_pulsar_command(c, &command);
}

void hulse_pulsar_sender_leave(struct pulsar_sender *s)
{
    hulse_pulsar_lookup_cancel(&s->lookup);
    hulse_pulsar_cancel(&s->request);
    hulse_pulsar_detach(&s->user);
    hulse_timer_stop(wheel(s), &s->retry);
    hulse_pulsar_outbox_detached(s);
    s->moving = false;
    s->anew = false;
}

void hulse_pulsar_sender_accuse(struct pulsar_sender *s, const char *text)
{
    s->blamed = true;
    hulse_pulsar_break(s->user.connection, text);
}

/* ---- those who wait for it ---- */

static void tell_opened(struct pulsar_sender *s)
{
    const struct pulsar_params *params = &s->all->pw->broker->params;
    const uint32_t own = params->message_bytes_max;
    struct broker_limits limits = {
        .message_bytes_max = own != 0 && own < s->message_bytes_max ? own : s->message_bytes_max};

    if (s->chunks && params->chunked_bytes_max > limits.message_bytes_max) {
        limits.message_bytes_max = params->chunked_bytes_max;
    }

    while (!LIST_EMPTY(&s->waiting)) {
        struct pulsar_producer *p = LIST_FIRST(&s->waiting);
        LIST_REMOVE(p, link);
        LIST_INSERT_HEAD(&s->producers, p, link);
        p->opened = true;
        p->base.events->opened(p->base.ctx, HULSE_OK, "", &limits);
    }
}

/* What it is given waits for its broker, as after a loss. */
static void assume(struct pulsar_sender *s, uint32_t bytes_max)
{
    s->was_ready = true;
    s->message_bytes_max = bytes_max;
    s->floor = s->own ? INT64_MAX : s->floor;
    hulse_timer_stop(wheel(s), &s->limit);
}

void hulse_pulsar_sender_join(struct pulsar_sender *s,
                              struct pulsar_producer *p,
                              uint32_t bytes_max)
{
    p->sender = s;
    LIST_INSERT_HEAD(&s->waiting, p, link);
    if (bytes_max != 0 && !s->was_ready) {
        assume(s, bytes_max);
    }
    if (s->was_ready) {
        tell_opened(s);
    }
}

/* ---- attempts ---- */

static bool passes(const struct pulsar_sender *s, const struct pulsar_failure *f)
{
    switch (f->verdict) {
    case PULSAR_AGAIN:
    case PULSAR_QUOTA:
        return true;
    case PULSAR_CONTENDED:
    case PULSAR_REFUSED:
        return s->was_ready;
    case PULSAR_GONE:
    case PULSAR_FINAL:
        break;
    }
    return false;
}

/* It is not attached any more. */
static void attempt_failed(struct pulsar_sender *s, const struct pulsar_failure *f)
{
    const struct pulsar_failure failure = *f;
    const struct pulsar_end end = {
        .class = failure.class, .sent = HULSE_OUTCOME_FAILED_UNKNOWN, .unsent = failure.outcome};

    if (!passes(s, &failure)) {
        hulse_pulsar_sender_die(s, &failure);
        return;
    }
    hulse_pulsar_trouble_note(&s->all->pw->broker->trouble, s->topic, failure.text);
    s->failure = failure;
    s->state = SENDER_WAITING;
    s->fresh = true;
    const uint64_t said = hulse_hash_text(failure.text);
    if (said != s->said) {
        s->said = said;
        HULSE_LOG_WARNF("pulsar.producer_waits",
                        hulse_log_str("topic", s->topic),
                        hulse_log_str("why", failure.text));
    }
    /* What the address is to blame for is waited for there, with everybody else, and counts there. */
    const uint32_t wait_ms = failure.gated ? 0 : hulse_backoff_ms(&s->backoff, &s->all->pw->jitter);
    hulse_timer_start(wheel(s), &s->retry, now_ms(s) + wait_ms);
    if (failure.verdict == PULSAR_QUOTA) {
        hulse_pulsar_outbox_fail_all(s, &end);
    }
}

static void failed_with(struct pulsar_sender *s, hulse_status status, const char *text)
{
    struct pulsar_failure f;

    hulse_pulsar_failure_status(&f, status, text);
    attempt_failed(s, &f);
}

static void attach(struct pulsar_sender *s)
{
    const enum pulsar_purpose purpose =
        s->access == BROKER_ACCESS_SHARED && !s->apart ? PULSAR_FOR_PUBLISHING : PULSAR_FOR_ONE;

    s->state = SENDER_ATTACHING;
    if (!hulse_pulsar_attach(s->all->pw->pool, &s->user, &s->endpoint, purpose)) {
        failed_with(s, HULSE_NO_MEMORY, "no memory for a connection");
    }
}

/* ---- PRODUCER ---- */

static Pulsar__ProducerAccessMode mode_of(enum broker_access access)
{
    switch (access) {
    case BROKER_ACCESS_EXCLUSIVE:
        return PULSAR__PRODUCER_ACCESS_MODE__Exclusive;
    case BROKER_ACCESS_TAKE:
        return PULSAR__PRODUCER_ACCESS_MODE__ExclusiveWithFencing;
    case BROKER_ACCESS_WAIT:
        return PULSAR__PRODUCER_ACCESS_MODE__WaitForExclusive;
    case BROKER_ACCESS_SHARED:
        break;
    }
    return PULSAR__PRODUCER_ACCESS_MODE__Shared;
}

static void ready(struct pulsar_user *u)
{
    struct pulsar_sender *s = HULSE_CONTAINER(u, struct pulsar_sender, user);
    struct pulsar_connection *c = u->connection;
    Pulsar__CommandProducer producer = PULSAR__COMMAND_PRODUCER__INIT;
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;

    s->state = SENDER_OPENING;
    producer.topic = s->topic;
    producer.producer_id = u->id;
    producer.request_id = hulse_pulsar_request_id(c, &s->request);
    producer.producer_name = s->name;
    producer.has_user_provided_producer_name = true;
    producer.user_provided_producer_name = s->named;
    producer.has_epoch = true;
    producer.epoch = s->epoch;
    s->epoch += 1;
    producer.has_producer_access_mode = s->access != BROKER_ACCESS_SHARED;
    producer.producer_access_mode = mode_of(s->access);
    producer.has_topic_epoch = s->has_topic_epoch;
    producer.topic_epoch = s->topic_epoch;
    producer.initial_subscription_name =
        s->initial_subscription[0] == '\0' ? NULL : (char *)(uintptr_t)s->initial_subscription;
    if (s->schema != NULL) {
        producer.schema = &s->schema->message;
    }
    command.type = PULSAR__BASE_COMMAND__TYPE__PRODUCER;
    command.producer = &producer;
    if (!hulse_pulsar_ask(
            c, &s->request, &command, s->all->pw->broker->params.operation_timeout_ms)) {
        s->state = SENDER_ATTACHING;
        hulse_pulsar_sender_leave(s);
        failed_with(s, HULSE_NO_MEMORY, "no memory to open a producer");
    }
}

/* It is open for the first time; the broker may have what it was sent under its name before. */
static void meet(struct pulsar_sender *s, int64_t last_sequence)
{
    s->met = true;
    s->was_ready = true;
    s->floor = last_sequence;
    if (!s->own && s->floor > s->sequence) {
        s->sequence = s->floor;
    }
    hulse_timer_stop(wheel(s), &s->limit);
}

static void opened(struct pulsar_sender *s, const Pulsar__CommandProducerSuccess *success)
{
    const struct pulsar_peer *peer = hulse_pulsar_peer(s->user.connection);

    s->state = SENDER_READY;
    s->queued = false;
    s->message_bytes_max = peer->message_bytes_max;
    s->fresh = false;
    s->proved = false;
    s->ready_ms = now_ms(s);
    s->said = 0;
    if (s->schema != NULL) {
        hulse_payload_schema_learn(&s->version, success);
    }
    if (success->has_topic_epoch) {
        s->has_topic_epoch = true;
        s->topic_epoch = success->topic_epoch;
    }
    if (!s->met) {
        meet(s, success->has_last_sequence_id ? success->last_sequence_id : -1);
    } else if (!s->parked) {
        HULSE_LOG_INFOF("pulsar.producer_back", hulse_log_str("topic", s->topic));
    }
    s->parked = false;
    hulse_pulsar_park_watch(s->all);
    hulse_pulsar_outbox_resend(s);
    tell_opened(s);
}

static bool names_us(const struct pulsar_sender *s, const Pulsar__CommandProducerSuccess *success)
{
    /* We have named it; nothing else can be meant. */
    return success != NULL && success->producer_name != NULL &&
           strcmp(success->producer_name, s->name) == 0;
}

static bool is_ready(const Pulsar__CommandProducerSuccess *success)
{
    return !success->has_producer_ready || success->producer_ready;
}

/* Somebody else is there: the same request is answered again when it is its turn, whenever that is. */
static void queued(struct pulsar_sender *s)
{
    if (!s->queued) {
        HULSE_LOG_INFOF("pulsar.producer_queued", hulse_log_str("topic", s->topic));
    }
    s->queued = true;
    hulse_timer_stop(wheel(s), &s->limit);
    hulse_pulsar_await_another(s->user.connection, &s->request);
}

static void
answered(struct pulsar_request *r, enum pulsar_reply reply, const Pulsar__BaseCommand *answer)
{
    struct pulsar_sender *s = HULSE_CONTAINER(r, struct pulsar_sender, request);
    struct pulsar_failure f;

    if (reply == PULSAR_REPLY_LOST) {
        return; /* `lost` follows */
    }
    if (s->state == SENDER_MOVING) {
        const bool anew = s->anew;
        if (anew && reply == PULSAR_REPLY_TIMED_OUT) {
            hulse_pulsar_sender_accuse(s, "the broker does not answer CLOSE_PRODUCER");
            return;
        }
        hulse_pulsar_sender_leave(
            s); /* without an answer too: the next PRODUCER is of a higher epoch */
        if (anew) {
            const struct pulsar_failure failure = s->failure;
            attempt_failed(s, &failure);
        } else {
            attach(s);
        }
        return;
    }
    if (reply == PULSAR_REPLY_TIMED_OUT) {
        hulse_pulsar_sender_close_wire(s);
        hulse_pulsar_sender_leave(s);
        failed_with(s, HULSE_TIMED_OUT, "the broker does not answer PRODUCER");
        return;
    }
    if (answer->type == PULSAR__BASE_COMMAND__TYPE__ERROR && answer->error != NULL) {
        hulse_pulsar_failure_server(&f, (int32_t)answer->error->error, answer->error->message);
        hulse_pulsar_sender_leave(s);
        attempt_failed(s, &f);
        return;
    }
    if (answer->type == PULSAR__BASE_COMMAND__TYPE__PRODUCER_SUCCESS &&
        names_us(s, answer->producer_success)) {
        if (is_ready(answer->producer_success)) {
            opened(s, answer->producer_success);
            return;
        }
        if (s->access == BROKER_ACCESS_WAIT) {
            queued(s);
            return;
        }
    }
    hulse_pulsar_sender_accuse(s, "an answer to PRODUCER that is none");
}

/* ---- the connection ---- */

/* It stops being ready: was it a success? */
static void settle(struct pulsar_sender *s)
{
    if (s->state == SENDER_READY && (s->proved || now_ms(s) - s->ready_ms >= SETTLED_MS)) {
        hulse_backoff_reset(&s->backoff);
        s->followed = 0;
    }
}

static void lost(struct pulsar_user *u, hulse_status status, const char *text)
{
    struct pulsar_sender *s = HULSE_CONTAINER(u, struct pulsar_sender, user);

    struct pulsar_failure f;

    hulse_pulsar_failure_status(&f, status, text);
    f.gated = !s->blamed && hulse_pulsar_is_gated(&s->endpoint, status);
    settle(s);
    s->state = SENDER_WAITING;
    s->blamed = false;
    hulse_pulsar_sender_leave(s);
    attempt_failed(s, &f);
}

static void closed_by_broker(struct pulsar_sender *s, const Pulsar__CommandCloseProducer *c)
{
    const char *url =
        s->endpoint.tls ? c->assignedbrokerserviceurltls : c->assignedbrokerserviceurl;

    settle(s);
    s->state = SENDER_ATTACHING; /* the broker has it no more: nothing is to be closed */
    hulse_pulsar_failure_status(&s->failure, HULSE_IO, "the broker has closed the producer");
    hulse_pulsar_sender_reopen(s, url);
}

static void
command(struct pulsar_user *u, const Pulsar__BaseCommand *command, struct broker_span rest)
{
    struct pulsar_sender *s = HULSE_CONTAINER(u, struct pulsar_sender, user);

    (void)rest;
    if ((s->state == SENDER_READY || s->state == SENDER_MOVING) &&
        command->type == PULSAR__BASE_COMMAND__TYPE__SEND_ERROR && command->send_error != NULL) {
        hulse_pulsar_send_error(s, command->send_error);
        return;
    }
    if (s->state != SENDER_OPENING && s->state != SENDER_READY) {
        return; /* of an earlier life of it, as below */
    }
    if (command->type == PULSAR__BASE_COMMAND__TYPE__CLOSE_PRODUCER &&
        command->close_producer != NULL) {
        closed_by_broker(s, command->close_producer);
    } else if (command->type == PULSAR__BASE_COMMAND__TYPE__TOPIC_MIGRATED &&
               command->topicmigrated != NULL) {
        hulse_pulsar_lookup_migrated(s->all->pw, &s->lookup, command->topicmigrated);
    } else if (s->state != SENDER_READY) {
        return;
    } else if (command->type == PULSAR__BASE_COMMAND__TYPE__SEND_RECEIPT &&
               command->send_receipt != NULL) {
        hulse_pulsar_receipt(s, command->send_receipt);
    }
}

static const struct pulsar_user_events user_events = {
    .ready = ready, .lost = lost, .command = command};

/* Its owner is another broker now, reached as before. False: that is no URL of one. */
static bool follow(struct pulsar_sender *s, const char *assigned)
{
    struct service_url url;
    struct error err;

    if (assigned == NULL || assigned[0] == '\0' ||
        hulse_service_url_parse(assigned, &url, &err) != HULSE_OK || url.tls != s->endpoint.tls) {
        return false;
    }
    s->endpoint.logical = url.hosts[0];
    if (!s->endpoint.proxied) {
        s->endpoint.physical = url.hosts[0];
    }
    return true;
}

void hulse_pulsar_sender_reopen(struct pulsar_sender *s, const char *assigned)
{
    settle(s);
    hulse_pulsar_sender_close_wire(s);
    const bool known = follow(s, assigned);
    s->state = SENDER_WAITING;
    hulse_pulsar_sender_leave(s);
    if (known && s->followed < FOLLOWED_MAX) {
        s->followed += 1;
        attach(s);
    } else {
        const struct pulsar_failure f = s->failure;
        attempt_failed(s, &f);
    }
}

/* ---- to another connection ---- */

/* False: no memory. */
static bool ask_to_close(struct pulsar_sender *s)
{
    struct pulsar_connection *c = s->user.connection;
    Pulsar__CommandCloseProducer close = PULSAR__COMMAND_CLOSE_PRODUCER__INIT;
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;

    close.producer_id = s->user.id;
    close.request_id = hulse_pulsar_request_id(c, &s->request);
    command.type = PULSAR__BASE_COMMAND__TYPE__CLOSE_PRODUCER;
    command.close_producer = &close;
    return hulse_pulsar_ask(
        c, &s->request, &command, s->all->pw->broker->params.operation_timeout_ms);
}

/* Closed first: a broker has one of a name, and the one there would be in the way. */
void hulse_pulsar_sender_moves(struct pulsar_sender *s)
{
    settle(s);
    if (ask_to_close(s)) {
        s->state = SENDER_MOVING;
    } else {
        s->moving = false; /* no memory: it stays, and moves another time */
        s->apart = !s->apart;
        hulse_pulsar_senders_mark(s);
    }
}

/*
 * Asked for it at once the broker gives the producer that it is about to close, with what that still has to answer; it has
 * closed it when that is done.
 */
void hulse_pulsar_sender_begin_anew(struct pulsar_sender *s)
{
    settle(s);
    if (ask_to_close(s)) {
        s->state = SENDER_MOVING;
        s->anew = true;
    } else {
        hulse_pulsar_break(s->user.connection, "no memory to close a producer");
    }
}

/* ---- lookup ---- */

static void found(struct pulsar_lookup *l, const struct pulsar_lookup_result *result)
{
    struct pulsar_sender *s = HULSE_CONTAINER(l, struct pulsar_sender, lookup);
    struct pulsar_failure f = {.verdict = PULSAR_GONE,
                               .class = BROKER_FAIL,
                               .status = HULSE_UNSUPPORTED,
                               .outcome = HULSE_OUTCOME_FAILED_NOT_SENT};

    if (result->failure.class != BROKER_DONE) {
        s->state = SENDER_WAITING;
        attempt_failed(s, &result->failure);
        return;
    }
    if (result->partitions > 0 && !s->was_ready) {
        hulse_pulsar_sender_hand_over(s, result);
        return;
    }
    if (result->partitions > 0) {
        (void)snprintf(f.text,
                       sizeof(f.text),
                       "topic %.110s has %u partitions now: it is another one",
                       s->topic,
                       result->partitions);
        s->state = SENDER_WAITING;
        attempt_failed(s, &f);
        return;
    }
    s->endpoint = result->endpoint;
    attach(s);
}

static void attempt(struct pulsar_sender *s)
{
    s->state = SENDER_LOOKING;
    if (!hulse_pulsar_lookup_start(s->all->pw,
                                   &s->lookup,
                                   s->topic,
                                   s->create,
                                   s->fresh ? PULSAR_LOOKUP_FRESH : PULSAR_LOOKUP_ANY)) {
        s->state = SENDER_WAITING;
        failed_with(s, HULSE_NO_MEMORY, "no memory for a lookup");
    }
}

/* ---- timers ---- */

static void retry_fired(struct timer *timer)
{
    attempt(HULSE_CONTAINER(timer, struct pulsar_sender, retry));
}

static void delay_fired(struct timer *timer)
{
    struct pulsar_sender *s = HULSE_CONTAINER(timer, struct pulsar_sender, delay);

    s->push = true;
    hulse_pulsar_senders_mark(s);
}

static void expiry_fired(struct timer *timer)
{
    hulse_pulsar_outbox_expire(HULSE_CONTAINER(timer, struct pulsar_sender, expiry));
}

/* The first open has had its time. */
static void limit_fired(struct timer *timer)
{
    struct pulsar_sender *s = HULSE_CONTAINER(timer, struct pulsar_sender, limit);
    struct pulsar_failure f = s->failure;
    const char *what = s->state == SENDER_LOOKING     ? "no answer to its lookup"
                       : s->state == SENDER_ATTACHING ? "no connection to its broker"
                       : s->state == SENDER_HELD ? "another of its name still waits for receipts"
                                                 : "no answer to PRODUCER";

    if (f.class == BROKER_DONE || s->state == SENDER_HELD) {
        hulse_pulsar_failure_status(&f, HULSE_TIMED_OUT, what);
    }
    f.verdict = PULSAR_FINAL;
    hulse_pulsar_sender_die(s, &f);
}

void hulse_pulsar_sender_start(struct pulsar_sender *s)
{
    s->user.events = &user_events;
    s->user.kind = PULSAR_USER_PRODUCER;
    s->user.id = hulse_pulsar_user_id(s->all->pw->pool);
    s->lookup.done = found;
    s->request.done = answered;
    s->retry.fire = retry_fired;
    s->delay.fire = delay_fired;
    s->expiry.fire = expiry_fired;
    s->limit.fire = limit_fired;
    s->reap.fire = hulse_pulsar_sender_reap;
    if (!s->was_ready) {
        hulse_timer_start(wheel(s),
                          &s->limit,
                          now_ms(s) + s->all->pw->broker->params.operation_timeout_ms +
                              LIMIT_GRACE_MS);
    }
    if (s->state != SENDER_HELD) {
        attempt(s);
    }
}
