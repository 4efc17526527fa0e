/* SPDX-License-Identifier: Apache-2.0 */
/*
 * errand - what a consumer is asked for, one at a time. Without a session it waits for the next one, as long as an
 * operation may take.
 */
#include "daemon/broker/pulsar/consumer/object.h"

static uint32_t operation_timeout(const struct pulsar_consumer *c)
{
    return c->worker->broker->params.operation_timeout_ms;
}

/* Nothing is asked any more. Harmless when nothing was. */
static void drop(struct pulsar_consumer *c)
{
    struct errand *e = c->errand;
    c->errand = NULL;
    if (e != NULL) {
        hulse_timer_stop(&c->worker->loop->timers, &e->deadline);
        hulse_pulsar_cancel(&e->request);
        hulse_mem_free(HULSE_MEM_TOPIC, e, sizeof(*e));
    }
}

/* May be the last touch. */
static void
end(struct pulsar_consumer *c, hulse_status status, const char *text, const struct broker_id *id)
{
    const enum broker_errand kind = c->errand->kind;
    const bool inner = c->errand->inner;
    drop(c);
    if (!inner && c->base.events->done != NULL) {
        c->base.events->done(c->base.ctx, kind, status, text, id);
    }
}

void hulse_errand_cancel(struct pulsar_consumer *c)
{
    drop(c);
}

void hulse_errand_lost(struct pulsar_consumer *c)
{
    struct errand *e = c->errand;
    if (e == NULL) {
        return;
    }
    if (c->state == SESSION_OVER) {
        end(c, HULSE_CLOSED, "the consumer has failed", NULL);
    } else if (e->state == ERRAND_ASKED && e->kind == BROKER_SEEK) {
        end(c, HULSE_IO, "the connection was lost; whether the seek was done is not known", NULL);
    } else if (e->state == ERRAND_ASKED) {
        hulse_pulsar_cancel(&e->request);
        e->state = ERRAND_WAITING;
    }
}

/* ---- answers ---- */

static void last_id(struct pulsar_consumer *c, const Pulsar__MessageIdData *last)
{
    if (last->entryid == BROKER_NO_ENTRY) {
        end(c, HULSE_OK, "", NULL);
        return;
    }
    const struct broker_id id = {
        .ledger = last->ledgerid,
        .entry = last->entryid,
        .batch = last->has_batch_index ? last->batch_index : -1,
        .partition = last->has_partition && last->partition > 0 ? (uint16_t)last->partition : 0,
        .batch_size =
            last->has_batch_index && last->batch_index >= 0 && last->batch_index < UINT16_MAX
                ? (uint16_t)(last->batch_index + 1)
                : 0};
    end(c, HULSE_OK, "", &id);
}

/*
 * A broker gives no chunk of a Shared subscription to anybody before the first one of its message: where chunks follow each
 * other that is so far before the last one, whose id the message has. What is between is passed over.
 */
static uint64_t entries_before(const struct pulsar_consumer *c)
{
    const struct broker_id *id = &c->errand->to.id;
    if (c->type != BROKER_SHARED || c->errand->to.kind != BROKER_AT_ID || id->batch >= 0 ||
        id->batch_size < 2 || id->entry == BROKER_NO_ENTRY) {
        return 0;
    }
    return id->entry < id->batch_size - 1U ? id->entry : id->batch_size - 1U;
}

static void sought(struct pulsar_consumer *c)
{
    hulse_hands_forget_place(c);
    if (c->errand->inner) {
        hulse_floor_set(&c->hands->floor, &c->hands->start);
        c->hands->floor.below_too = true;
        hulse_pulsar_session_after_seek(c, true);
        end(c, HULSE_OK, "", NULL);
        return;
    }
    hulse_hands_start(c, &c->errand->to);
    c->hands->chunks.stepped_back = false;
    /* Where a time is, the broker has found: what clocks that differ date earlier and comes later is not of before. */
    if (!c->non_persistent && c->hands->start.kind != BROKER_AT_PUBLISHED) {
        hulse_floor_set(&c->hands->floor, &c->hands->start);
        c->hands->floor.below_too = entries_before(c) > 0;
    }
    hulse_pulsar_session_after_seek(c, true);
    if (!c->closed && c->errand != NULL) {
        end(c, HULSE_OK, "", NULL);
    }
}

static void unsubscribed(struct pulsar_consumer *c)
{
    drop(c);
    hulse_pulsar_session_over(c, HULSE_OK, "");
    if (!c->closed && c->base.events->done != NULL) {
        c->base.events->done(c->base.ctx, BROKER_UNSUBSCRIBE, HULSE_OK, "", NULL);
    }
}

static void refused(struct pulsar_consumer *c, const Pulsar__BaseCommand *answer)
{
    struct pulsar_failure f;
    if (answer->type == PULSAR__BASE_COMMAND__TYPE__ERROR) {
        hulse_pulsar_failure_server(&f, (int32_t)answer->error->error, answer->error->message);
        if (c->errand->kind == BROKER_UNSUBSCRIBE &&
            answer->error->error == PULSAR__SERVER_ERROR__MetadataError) {
            f.status = HULSE_BUSY; /* what it says of a subscription with other consumers */
        }
    } else {
        hulse_pulsar_failure_status(
            &f, HULSE_PROTOCOL, "the broker has answered with something else");
    }
    end(c, f.status, f.text, NULL);
    if (!c->closed) {
        hulse_pulsar_session_after_seek(c, false);
    }
}

static void take_answer(struct pulsar_consumer *c, const Pulsar__BaseCommand *answer)
{
    const enum broker_errand kind = c->errand->kind;
    if (kind == BROKER_LAST_MESSAGE_ID &&
        answer->type == PULSAR__BASE_COMMAND__TYPE__GET_LAST_MESSAGE_ID_RESPONSE) {
        last_id(c, answer->getlastmessageidresponse->last_message_id);
    } else if (kind == BROKER_SEEK && answer->type == PULSAR__BASE_COMMAND__TYPE__SUCCESS) {
        sought(c);
    } else if (kind == BROKER_UNSUBSCRIBE && answer->type == PULSAR__BASE_COMMAND__TYPE__SUCCESS) {
        unsubscribed(c);
    } else {
        refused(c, answer);
    }
}

static void
answered(struct pulsar_request *request, enum pulsar_reply reply, const Pulsar__BaseCommand *answer)
{
    struct pulsar_consumer *c = HULSE_CONTAINER(request, struct errand, request)->consumer;
    hulse_pulsar_consumer_enter(c);
    switch (reply) {
    case PULSAR_REPLY_ANSWER:
        take_answer(c, answer);
        break;
    case PULSAR_REPLY_TIMED_OUT:
        if (c->errand->kind == BROKER_SEEK) {
            hulse_pulsar_consumer_renew(c, "a seek was not answered");
        }
        end(c, HULSE_TIMED_OUT, "the broker has not answered", NULL);
        break;
    case PULSAR_REPLY_LOST:
        break; /* `lost` follows */
    }
    hulse_pulsar_consumer_leave(c);
}

/* ---- asking ---- */

/* False: no memory. */
static bool ask(struct pulsar_consumer *c)
{
    struct errand *e = c->errand;
    struct pulsar_connection *conn = c->user.connection;
    const uint64_t id = hulse_pulsar_request_id(conn, &e->request);
    const uint64_t consumer = c->user.id;
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;
    Pulsar__CommandGetLastMessageId last = PULSAR__COMMAND_GET_LAST_MESSAGE_ID__INIT;
    Pulsar__CommandUnsubscribe unsubscribe = PULSAR__COMMAND_UNSUBSCRIBE__INIT;
    Pulsar__CommandSeek seek = PULSAR__COMMAND_SEEK__INIT;
    Pulsar__MessageIdData target;
    int64_t words[PULSAR_ACK_SET_WORDS];

    e->request.done = answered;
    switch (e->kind) {
    case BROKER_LAST_MESSAGE_ID:
        command.type = PULSAR__BASE_COMMAND__TYPE__GET_LAST_MESSAGE_ID;
        command.getlastmessageid = &last;
        last.consumer_id = consumer;
        last.request_id = id;
        break;
    case BROKER_UNSUBSCRIBE:
        command.type = PULSAR__BASE_COMMAND__TYPE__UNSUBSCRIBE;
        command.unsubscribe = &unsubscribe;
        unsubscribe.consumer_id = consumer;
        unsubscribe.request_id = id;
        break;
    case BROKER_SEEK:
        command.type = PULSAR__BASE_COMMAND__TYPE__SEEK;
        command.seek = &seek;
        seek.consumer_id = consumer;
        seek.request_id = id;
        if (e->to.kind == BROKER_AT_PUBLISHED) {
            seek.has_message_publish_time = true;
            seek.message_publish_time = e->to.time_ms;
        } else {
            hulse_position_write(&e->to, &target, words);
            target.entryid -= entries_before(c);
            seek.message_id = &target;
        }
        break;
    }
    return hulse_pulsar_ask(conn, &e->request, &command, operation_timeout(c));
}

void hulse_errand_ready(struct pulsar_consumer *c)
{
    struct errand *e = c->errand;
    if (e == NULL || e->state != ERRAND_WAITING || c->state != SESSION_READY) {
        return;
    }
    hulse_acks_send(c);
    if (!ask(c)) {
        hulse_timer_start(&c->worker->loop->timers,
                          &c->pause,
                          hulse_pulsar_consumer_now_ms(c) + PULSAR_REFUSED_MS);
        return;
    }
    hulse_timer_stop(&c->worker->loop->timers, &e->deadline);
    e->state = ERRAND_ASKED;
    if (e->kind == BROKER_SEEK) {
        hulse_acks_retire(c);
        c->state = SESSION_SEEKING;
    }
}

static void too_late(struct timer *timer)
{
    struct pulsar_consumer *c = HULSE_CONTAINER(timer, struct errand, deadline)->consumer;
    hulse_pulsar_consumer_enter(c);
    end(c, HULSE_TIMED_OUT, "no session with a broker in time", NULL);
    hulse_pulsar_consumer_leave(c);
}

static hulse_status may_begin(const struct pulsar_consumer *c, struct error *err)
{
    if (c->errand != NULL) {
        return hulse_fail(err, HULSE_BUSY, "another order is under way");
    }
    if (c->state == SESSION_OVER) {
        return hulse_fail(err, HULSE_CLOSED, "the consumer has ended");
    }
    return HULSE_OK;
}

/* NULL: no memory. */
static struct errand *create(struct pulsar_consumer *c, enum broker_errand kind)
{
    struct errand *e = hulse_mem_zalloc(HULSE_MEM_TOPIC, sizeof(*e));
    if (e != NULL) {
        e->consumer = c;
        e->kind = kind;
        e->state = ERRAND_WAITING;
        e->deadline.fire = too_late;
    }
    return e;
}

static void begin(struct pulsar_consumer *c, struct errand *e)
{
    c->errand = e;
    hulse_timer_start(&c->worker->loop->timers,
                      &e->deadline,
                      hulse_pulsar_consumer_now_ms(c) + operation_timeout(c));
    hulse_errand_ready(c);
}

bool hulse_errand_step_back(struct pulsar_consumer *c, uint64_t time_ms)
{
    if (c->errand != NULL || c->state != SESSION_READY || !TAILQ_EMPTY(&c->hands->held)) {
        return false;
    }
    struct errand *e = create(c, BROKER_SEEK);
    if (e == NULL) {
        return false;
    }
    e->to = (struct broker_position){.kind = BROKER_AT_PUBLISHED, .time_ms = time_ms};
    e->inner = true;
    begin(c, e);
    return true;
}

static hulse_status
begin_plain(struct pulsar_consumer *c, enum broker_errand kind, struct error *err)
{
    const hulse_status st = may_begin(c, err);
    if (st != HULSE_OK) {
        return st;
    }
    struct errand *e = create(c, kind);
    if (e == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory to ask a broker");
    }
    begin(c, e);
    return HULSE_OK;
}

hulse_status hulse_pulsar_consumer_last_message_id(struct broker_consumer *consumer,
                                                   struct error *err)
{
    struct pulsar_consumer *c = (struct pulsar_consumer *)(void *)consumer;
    return begin_plain(c, BROKER_LAST_MESSAGE_ID, err);
}

hulse_status hulse_pulsar_consumer_unsubscribe(struct broker_consumer *consumer, struct error *err)
{
    struct pulsar_consumer *c = (struct pulsar_consumer *)(void *)consumer;
    if (c->type == BROKER_READER) {
        return hulse_fail(err, HULSE_INVAL, "a reader has no subscription");
    }
    return begin_plain(c, BROKER_UNSUBSCRIBE, err);
}

hulse_status hulse_pulsar_consumer_seek(struct broker_consumer *consumer,
                                        const struct broker_position *to,
                                        void (*ended)(void *ctx, struct broker_delivery *d),
                                        struct error *err)
{
    struct pulsar_consumer *c = (struct pulsar_consumer *)(void *)consumer;
    struct delivery *dl = NULL;
    const hulse_status st = may_begin(c, err);
    if (st != HULSE_OK) {
        return st;
    }
    struct errand *e = hulse_hands_take(c) ? create(c, BROKER_SEEK) : NULL;
    if (e == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for a seek");
    }
    if (c->state == SESSION_READY) {
        hulse_acks_send(c);
    }
    hulse_acks_retire(c);
    c->ending = true;
    while ((dl = TAILQ_FIRST(&c->hands->held)) != NULL) {
        struct entry *entry = dl->entry;
        ended(c->base.ctx, &dl->d);
        hulse_delivery_let_go(c, dl);
        hulse_entry_review(c, entry);
    }
    c->ending = false;
    hulse_verdicts_release_all(c);
    e->to = *to;
    begin(c, e);
    return HULSE_OK;
}
