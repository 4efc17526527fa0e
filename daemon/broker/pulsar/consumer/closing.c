/* SPDX-License-Identifier: Apache-2.0 */
/*
 * closing - a consumer that nobody has any more tells the broker, and is gone when that has answered, or cannot.
 */
#include "daemon/broker/pulsar/consumer/object.h"
#include "daemon/core/log.h"

static uint32_t operation_timeout(const struct pulsar_consumer *c)
{
    return c->worker->broker->params.operation_timeout_ms;
}

static void
closed(struct pulsar_request *request, enum pulsar_reply reply, const Pulsar__BaseCommand *answer)
{
    struct pulsar_consumer *c = hulse_question_of(request);
    (void)answer;
    hulse_question_end(&c->asked);
    if (reply != PULSAR_REPLY_LOST) { /* else `lost` follows */
        hulse_pulsar_consumer_gone(c);
    }
}

/* A broker would keep messages for nobody. */
static void cannot_ask(struct pulsar_consumer *c)
{
    hulse_pulsar_break(c->user.connection, "no memory to close a consumer");
}

/* NULL: no memory; `lost` follows. */
static struct pulsar_request *begin(struct pulsar_consumer *c,
                                    void (*done)(struct pulsar_request *r,
                                                 enum pulsar_reply reply,
                                                 const Pulsar__BaseCommand *answer))
{
    struct pulsar_request *r = hulse_question_begin(&c->asked, c, done);
    if (r == NULL) {
        cannot_ask(c);
    }
    return r;
}

static void ask(struct pulsar_consumer *c, const Pulsar__BaseCommand *command)
{
    if (!hulse_pulsar_ask(c->user.connection, &c->asked->request, command, operation_timeout(c))) {
        hulse_question_end(&c->asked);
        cannot_ask(c);
    }
}

static void say_close(struct pulsar_consumer *c)
{
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;
    Pulsar__CommandCloseConsumer close = PULSAR__COMMAND_CLOSE_CONSUMER__INIT;

    struct pulsar_request *r = begin(c, closed);
    if (r == NULL) {
        return;
    }
    command.type = PULSAR__BASE_COMMAND__TYPE__CLOSE_CONSUMER;
    command.close_consumer = &close;
    close.consumer_id = c->user.id;
    close.request_id = hulse_pulsar_request_id(c->user.connection, r);
    ask(c, &command);
}

static void unsubscribed(struct pulsar_request *request,
                         enum pulsar_reply reply,
                         const Pulsar__BaseCommand *answer)
{
    struct pulsar_consumer *c = hulse_question_of(request);
    hulse_question_end(&c->asked);
    switch (reply) {
    case PULSAR_REPLY_LOST:
        return; /* `lost` follows */
    case PULSAR_REPLY_ANSWER:
        if (answer->type == PULSAR__BASE_COMMAND__TYPE__SUCCESS) {
            hulse_pulsar_consumer_gone(c);
            return;
        }
        break;
    case PULSAR_REPLY_TIMED_OUT:
        break;
    }
    say_close(c);
}

static void say_unsubscribe(struct pulsar_consumer *c)
{
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;
    Pulsar__CommandUnsubscribe unsubscribe = PULSAR__COMMAND_UNSUBSCRIBE__INIT;

    struct pulsar_request *r = begin(c, unsubscribed);
    if (r == NULL) {
        return;
    }
    command.type = PULSAR__BASE_COMMAND__TYPE__UNSUBSCRIBE;
    command.unsubscribe = &unsubscribe;
    unsubscribe.consumer_id = c->user.id;
    unsubscribe.request_id = hulse_pulsar_request_id(c->user.connection, r);
    ask(c, &command);
}

void hulse_pulsar_session_close(struct pulsar_consumer *c, bool unsubscribe)
{
    const bool has_session = c->state == SESSION_READY;
    if (unsubscribe && !has_session && c->state != SESSION_OVER) {
        HULSE_LOG_WARNF("pulsar.not_unsubscribed",
                        hulse_log_str("topic", c->topic),
                        hulse_log_str("subscription", c->subscription));
    }
    if (c->user.connection == NULL || !hulse_pulsar_ready(c->user.connection) ||
        c->state < SESSION_SUBSCRIBING || c->state == SESSION_OVER) {
        hulse_pulsar_consumer_gone(c);
        return;
    }
    hulse_question_end(&c->asked);
    hulse_stall_stop(c);
    hulse_lag_stop(c);
    hulse_pulsar_session_end_first(c);
    hulse_timer_stop(&c->worker->loop->timers, &c->pause);
    hulse_hands_stop(c);
    c->state = SESSION_CLOSING;
    if (unsubscribe && has_session) {
        say_unsubscribe(c);
    } else {
        say_close(c);
    }
}
