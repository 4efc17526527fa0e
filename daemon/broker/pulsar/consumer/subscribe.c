/* SPDX-License-Identifier: Apache-2.0 */
/*
 * subscribe - see the header.
 */
#include "daemon/broker/pulsar/consumer/subscribe.h"

#include "daemon/core/clock.h"
#include "daemon/core/log.h"

/* A broker counts back from its own time. */
#define CLOCKS_APART_MS 10000U

static uint32_t operation_timeout(const struct pulsar_consumer *c)
{
    return c->worker->broker->params.operation_timeout_ms;
}

/* ---- ready ---- */

static void ready(struct pulsar_consumer *c)
{
    c->state = SESSION_READY;
    c->looked_up = true;
    c->said = 0;
    c->ready_ms = hulse_pulsar_consumer_now_ms(c);
    c->proved = false;
    hulse_stall_watch(c);
    hulse_lag_watch(c);
    hulse_pulsar_session_end_first(c);
    hulse_pulsar_consumer_dirty(c);
    hulse_pulsar_consumer_enter(c);
    if (!c->opened) {
        c->opened = true;
        c->base.events->opened(
            c->base.ctx, HULSE_OK, "", c->hands->knows_reach ? &c->hands->reach : NULL);
        if (!c->closed) {
            hulse_pulsar_consumer_catch_up(c);
        }
    } else {
        HULSE_LOG_INFOF("pulsar.consumer_is_back",
                        hulse_log_str("topic", c->topic),
                        hulse_log_str("subscription", c->subscription));
    }
    if (!c->closed) {
        hulse_errand_ready(c);
    }
    hulse_pulsar_consumer_leave(c);
}

/* ---- a reader's reach ---- */

static void take_last(struct pulsar_consumer *c,
                      const Pulsar__CommandGetLastMessageIdResponse *answer)
{
    const Pulsar__MessageIdData *id = answer->last_message_id;
    struct broker_reach *r = &c->hands->reach;
    const struct broker_id nothing = {.ledger = 0, .entry = BROKER_NO_ENTRY, .batch = -1};
    c->hands->knows_reach = true;
    r->has_last = id->entryid != BROKER_NO_ENTRY;
    r->last = r->has_last ? (struct broker_id){.ledger = id->ledgerid,
                                               .entry = id->entryid,
                                               .batch = id->has_batch_index ? id->batch_index : -1}
                          : nothing;
    r->behind = nothing;
    switch (c->hands->start.kind) {
    case BROKER_LATEST:
        /* What came between SUBSCRIBE and now is of before; and there it goes on, whatever happens. */
        r->behind = r->last;
        hulse_hands_start(c, &(struct broker_position){.kind = BROKER_AFTER_ID, .id = r->last});
        c->hands->last = r->last;
        c->hands->has_last = r->has_last;
        hulse_floor_set(&c->hands->floor, &c->hands->start);
        c->hands->floor.batch = -1;
        c->hands->floor.below_too = true;
        break;
    case BROKER_AFTER_ID:
        r->behind = c->hands->start.id;
        c->hands->last = c->hands->start.id;
        c->hands->has_last = c->hands->start.id.entry != BROKER_NO_ENTRY;
        break;
    case BROKER_AT_ID:
        /* Nothing is there from that id on: nothing is to be waited for. */
        r->has_last =
            r->has_last &&
            (c->hands->start.id.entry == BROKER_NO_ENTRY ||
             !hulse_entry_below(
                 id->ledgerid, id->entryid, c->hands->start.id.ledger, c->hands->start.id.entry));
        r->behind = (struct broker_id){.ledger = c->hands->start.id.ledger,
                                       .entry = c->hands->start.id.entry - 1,
                                       .batch = -1};
        if (c->hands->start.id.batch > 0) {
            r->behind = c->hands->start.id;
            r->behind.batch -= 1;
        }
        break;
    case BROKER_AT_PUBLISHED:
        /* Nothing was published since then: nothing is to be waited for. */
        r->has_last =
            r->has_last && !hulse_position_is_behind(answer->consumer_mark_delete_position, id);
        r->behind_unknown = true;
        break;
    case BROKER_EARLIEST:
        break;
    }
}

static void heard_last(struct pulsar_request *request,
                       enum pulsar_reply reply,
                       const Pulsar__BaseCommand *answer)
{
    struct pulsar_consumer *c = hulse_question_of(request);
    hulse_question_end(&c->asked);
    if (reply == PULSAR_REPLY_LOST) {
        return; /* `lost` follows */
    }
    if (reply == PULSAR_REPLY_ANSWER &&
        answer->type == PULSAR__BASE_COMMAND__TYPE__GET_LAST_MESSAGE_ID_RESPONSE) {
        take_last(c, answer->getlastmessageidresponse);
    }
    ready(c);
}

static void ask_for_last(struct pulsar_consumer *c)
{
    struct pulsar_connection *conn = c->user.connection;
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;
    Pulsar__CommandGetLastMessageId last = PULSAR__COMMAND_GET_LAST_MESSAGE_ID__INIT;

    c->state = SESSION_ASKING;
    struct pulsar_request *r = hulse_question_begin(&c->asked, c, heard_last);
    if (r == NULL) {
        ready(c); /* as with a broker that does not say */
        return;
    }
    command.type = PULSAR__BASE_COMMAND__TYPE__GET_LAST_MESSAGE_ID;
    command.getlastmessageid = &last;
    last.consumer_id = c->user.id;
    last.request_id = hulse_pulsar_request_id(conn, r);
    if (!hulse_pulsar_ask(conn, r, &command, operation_timeout(c))) {
        hulse_question_end(&c->asked);
        ready(c);
    }
}

/* ---- SUBSCRIBE ---- */

static void subscribed(struct pulsar_request *request,
                       enum pulsar_reply reply,
                       const Pulsar__BaseCommand *answer)
{
    struct pulsar_consumer *c = hulse_question_of(request);
    struct pulsar_failure f;
    hulse_question_end(&c->asked);
    switch (reply) {
    case PULSAR_REPLY_LOST:
        return; /* `lost` follows */
    case PULSAR_REPLY_TIMED_OUT:
        hulse_subscribe_undo(c);
        hulse_pulsar_failure_status(&f, HULSE_TIMED_OUT, "the broker has not answered SUBSCRIBE");
        hulse_pulsar_session_failed(c, &f);
        return;
    case PULSAR_REPLY_ANSWER:
        break;
    }
    if (answer->type == PULSAR__BASE_COMMAND__TYPE__SUCCESS) {
        /* A topic that keeps no messages has no last one. */
        if (c->type == BROKER_READER && !c->opened && !c->non_persistent) {
            ask_for_last(c);
        } else {
            ready(c);
        }
        return;
    }
    if (answer->type == PULSAR__BASE_COMMAND__TYPE__ERROR) {
        hulse_pulsar_failure_server(&f, (int32_t)answer->error->error, answer->error->message);
    } else {
        hulse_pulsar_failure_status(
            &f, HULSE_PROTOCOL, "the broker has answered SUBSCRIBE with something else");
    }
    hulse_pulsar_session_failed(c, &f);
}

static Pulsar__CommandSubscribe__SubType type_of(enum broker_subscription type)
{
    switch (type) {
    case BROKER_SHARED:
        return PULSAR__COMMAND_SUBSCRIBE__SUB_TYPE__Shared;
    case BROKER_FAILOVER:
        return PULSAR__COMMAND_SUBSCRIBE__SUB_TYPE__Failover;
    case BROKER_KEY_SHARED:
        return PULSAR__COMMAND_SUBSCRIBE__SUB_TYPE__Key_Shared;
    case BROKER_EXCLUSIVE:
    case BROKER_READER:
        break;
    }
    return PULSAR__COMMAND_SUBSCRIBE__SUB_TYPE__Exclusive;
}

/* Of a reader, which has no cursor that outlives the session. */
static void
start_reader(struct pulsar_consumer *c, Pulsar__CommandSubscribe *s, Pulsar__MessageIdData *id)
{
    struct broker_position from = c->hands->start;
    if (c->hands->has_last && !c->non_persistent) {
        from = (struct broker_position){.kind = BROKER_AFTER_ID, .id = c->hands->last};
    }
    if (!c->non_persistent) {
        hulse_floor_set(&c->hands->floor, &from);
    }
    if (c->hands->chunks.reaches_back && c->hands->has_last &&
        hulse_entry_below(c->hands->chunks.back.ledger,
                          c->hands->chunks.back.entry,
                          c->hands->last.ledger,
                          c->hands->last.entry)) {
        /* What it has had meanwhile is passed over. */
        from = (struct broker_position){.kind = BROKER_AT_ID, .id = c->hands->chunks.back};
        c->hands->floor.below_too = true;
    }
    if (c->hands->has_last) {
        c->hands->chunks.back_ms = 0; /* it is there, or behind that */
    } else if (c->hands->chunks.back_ms != 0) {
        from = (struct broker_position){.kind = BROKER_AT_PUBLISHED,
                                        .time_ms = c->hands->chunks.back_ms > CLOCKS_APART_MS
                                                       ? c->hands->chunks.back_ms - CLOCKS_APART_MS
                                                       : 0};
        c->hands->floor.below_too = true;
    }
    s->has_durable = true;
    s->durable = false;
    if (from.kind == BROKER_AT_PUBLISHED) {
        const uint64_t now_ms = hulse_clock_wall_ms();
        s->has_start_message_rollback_duration_sec = true;
        s->start_message_rollback_duration_sec =
            now_ms > from.time_ms ? (now_ms - from.time_ms) / 1000 + 1 : 0;
        return;
    }
    hulse_position_write(&from, id, NULL);
    s->start_message_id = id;
}

/* May be the last touch. */
static void no_memory(struct pulsar_consumer *c)
{
    struct pulsar_failure f;
    hulse_pulsar_failure_status(&f, HULSE_NO_MEMORY, "no memory for SUBSCRIBE");
    hulse_pulsar_session_failed(c, &f);
}

void hulse_pulsar_session_subscribe(struct pulsar_consumer *c)
{
    struct pulsar_connection *conn = c->user.connection;
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;
    Pulsar__CommandSubscribe s = PULSAR__COMMAND_SUBSCRIBE__INIT;
    Pulsar__KeySharedMeta shares = PULSAR__KEY_SHARED_META__INIT;
    Pulsar__MessageIdData id;

    c->state = SESSION_SUBSCRIBING;
    struct pulsar_request *r = hulse_question_begin(&c->asked, c, subscribed);
    if (r == NULL) {
        no_memory(c);
        return;
    }
    command.type = PULSAR__BASE_COMMAND__TYPE__SUBSCRIBE;
    command.subscribe = &s;
    s.topic = c->topic;
    s.subscription = (char *)(uintptr_t)c->subscription;
    s.consumer_name = (char *)(uintptr_t)c->name;
    s.subtype = type_of(c->type);
    s.consumer_id = c->user.id;
    s.request_id = hulse_pulsar_request_id(conn, r);
    s.has_force_topic_creation = true;
    s.force_topic_creation = c->create;
    s.has_initialposition = true;
    s.initialposition = c->start_kind == BROKER_EARLIEST
                            ? PULSAR__COMMAND_SUBSCRIBE__INITIAL_POSITION__Earliest
                            : PULSAR__COMMAND_SUBSCRIBE__INITIAL_POSITION__Latest;
    s.has_consumer_epoch = true;
    s.consumer_epoch = c->epoch;
    if (c->type == BROKER_KEY_SHARED) {
        s.keysharedmeta = &shares;
    }
    if (c->schema != NULL) {
        s.schema = &c->schema->message;
    }
    hulse_wishes_put(c->wishes, &s);
    if (c->type == BROKER_READER) {
        start_reader(c, &s, &id);
    }
    if (!hulse_pulsar_ask(conn, r, &command, operation_timeout(c))) {
        no_memory(c);
    }
}

/* ---- the end ---- */

void hulse_subscribe_undo(struct pulsar_consumer *c)
{
    struct pulsar_connection *conn = c->user.connection;
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;
    Pulsar__CommandCloseConsumer close = PULSAR__COMMAND_CLOSE_CONSUMER__INIT;
    struct pulsar_request unheard; /* gives it an id, and is not asked */

    if (conn == NULL || !hulse_pulsar_ready(conn)) {
        return;
    }
    hulse_question_end(&c->asked);
    command.type = PULSAR__BASE_COMMAND__TYPE__CLOSE_CONSUMER;
    command.close_consumer = &close;
    close.consumer_id = c->user.id;
    close.request_id = hulse_pulsar_request_id(conn, &unheard);
    if (!hulse_pulsar_command(conn, &command)) {
        /* The broker would keep messages for nobody. */
        hulse_pulsar_break(conn, "no memory to close a consumer");
    }
}
