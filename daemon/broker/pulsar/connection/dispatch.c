/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dispatch - whose a command is: the connection's, a request's or a user's.
 *
 * Ids that nobody has are ignored: what was closed or timed out meanwhile may still be spoken of.
 */
#include "daemon/broker/pulsar/connection/pool_state.h"

#define TYPE(name) PULSAR__BASE_COMMAND__TYPE__##name

static bool answer_id(const Pulsar__BaseCommand *m, uint64_t *id)
{
    switch (m->type) {
    case TYPE(SUCCESS):
        *id = m->success->request_id;
        return true;
    case TYPE(ERROR):
        *id = m->error->request_id;
        return true;
    case TYPE(PRODUCER_SUCCESS):
        *id = m->producer_success->request_id;
        return true;
    case TYPE(PARTITIONED_METADATA_RESPONSE):
        *id = m->partitionmetadataresponse->request_id;
        return true;
    case TYPE(LOOKUP_RESPONSE):
        *id = m->lookuptopicresponse->request_id;
        return true;
    case TYPE(CONSUMER_STATS_RESPONSE):
        *id = m->consumerstatsresponse->request_id;
        return true;
    case TYPE(GET_LAST_MESSAGE_ID_RESPONSE):
        *id = m->getlastmessageidresponse->request_id;
        return true;
    case TYPE(GET_TOPICS_OF_NAMESPACE_RESPONSE):
        *id = m->gettopicsofnamespaceresponse->request_id;
        return true;
    case TYPE(GET_SCHEMA_RESPONSE):
        *id = m->getschemaresponse->request_id;
        return true;
    case TYPE(GET_OR_CREATE_SCHEMA_RESPONSE):
        *id = m->getorcreateschemaresponse->request_id;
        return true;
    case TYPE(ACK_RESPONSE):
        *id = m->ackresponse->request_id;
        return m->ackresponse->has_request_id;
    case TYPE(WATCH_TOPIC_LIST_SUCCESS):
        *id = m->watchtopiclistsuccess->request_id;
        return true;
    default:
        return false;
    }
}

static bool producer_id(const Pulsar__BaseCommand *m, uint64_t *id)
{
    switch (m->type) {
    case TYPE(SEND_RECEIPT):
        *id = m->send_receipt->producer_id;
        return true;
    case TYPE(SEND_ERROR):
        *id = m->send_error->producer_id;
        return true;
    case TYPE(CLOSE_PRODUCER):
        *id = m->close_producer->producer_id;
        return true;
    case TYPE(TOPIC_MIGRATED):
        *id = m->topicmigrated->resource_id;
        return m->topicmigrated->resource_type ==
               PULSAR__COMMAND_TOPIC_MIGRATED__RESOURCE_TYPE__Producer;
    default:
        return false;
    }
}

static bool consumer_id(const Pulsar__BaseCommand *m, uint64_t *id)
{
    switch (m->type) {
    case TYPE(MESSAGE):
        *id = m->message->consumer_id;
        return true;
    case TYPE(CLOSE_CONSUMER):
        *id = m->close_consumer->consumer_id;
        return true;
    case TYPE(REACHED_END_OF_TOPIC):
        *id = m->reachedendoftopic->consumer_id;
        return true;
    case TYPE(ACTIVE_CONSUMER_CHANGE):
        *id = m->active_consumer_change->consumer_id;
        return true;
    case TYPE(ACK_RESPONSE):
        *id = m->ackresponse->consumer_id;
        return true;
    case TYPE(TOPIC_MIGRATED):
        *id = m->topicmigrated->resource_id;
        return m->topicmigrated->resource_type ==
               PULSAR__COMMAND_TOPIC_MIGRATED__RESOURCE_TYPE__Consumer;
    default:
        return false;
    }
}

static void
to_user(struct pulsar_connection *c, const Pulsar__BaseCommand *command, struct broker_span rest)
{
    enum pulsar_user_kind kind = PULSAR_USER_PRODUCER;
    uint64_t id = 0;

    if (command->type == TYPE(WATCH_TOPIC_UPDATE)) {
        kind = PULSAR_USER_WATCHER;
        id = command->watchtopicupdate->watcher_id;
    } else if (!producer_id(command, &id)) {
        kind = PULSAR_USER_CONSUMER;
        if (!consumer_id(command, &id)) {
            return;
        }
    }
    struct pulsar_user *u = hulse_user_table_find(&c->pool->users, kind, id);
    if (u != NULL && u->connection == c && u->events->command != NULL) {
        u->events->command(u, command, rest);
    }
}

void hulse_dispatch_command(struct pulsar_connection *c,
                            const Pulsar__BaseCommand *command,
                            struct broker_span rest)
{
    uint64_t id = 0;

    switch (command->type) {
    case TYPE(PING):
        c->out.pong = true;
        hulse_connection_dirty(c);
        return;
    case TYPE(PONG):
        hulse_connection_ponged(c);
        return;
    case TYPE(AUTH_CHALLENGE):
        hulse_handshake_challenge(c, command->authchallenge);
        return;
    case TYPE(CONNECTED):
        hulse_connection_break(c, HULSE_PROTOCOL, "the broker says CONNECTED twice");
        return;
    case TYPE(ERROR):
        if (command->error->request_id == UINT64_MAX) {
            hulse_handshake_refused(c, command->error);
            return;
        }
        break;
    default:
        break;
    }
    if (!answer_id(command, &id) || !hulse_request_answered(c, id, command)) {
        to_user(c, command, rest);
    }
}
