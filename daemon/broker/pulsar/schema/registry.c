/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry - see the header.
 *
 *   looking -> attaching -> asking -> home
 *
 * The lookup tries again by itself until the operation timeout; afterwards there is one attempt. Whatever ends it comes to
 * end_there() once, on the worker, and from there to whoever asked.
 */
#include "daemon/broker/pulsar/schema/registry.h"

#include "daemon/broker/pulsar/lookup/lookups.h"
#include "daemon/broker/pulsar/schema/payload_schema.h"
#include "daemon/broker/pulsar/schema/types.h"
#include "daemon/core/assert.h"
#include "daemon/core/bytes.h"
#include "daemon/core/hash.h"
#include "daemon/core/mem.h"
#include "daemon/schema/schema.h"
#include "daemon/table/topic_name.h"

#include <stdio.h>
#include <string.h>

#define FIRST_PARTITION "-partition-0"

struct schema_errand {
    struct inbox_node node;
    struct pulsar_broker *broker;
    struct broker_schema_request *asked;
    bool put;
    bool from_control;
    struct pulsar_worker *pw; /* where it is done */
    struct pulsar_lookup lookup;
    struct pulsar_user user;
    struct pulsar_request request;
    uint8_t *heard; /* definition and properties; until `done` has returned */
    size_t heard_bytes;
    struct payload_schemas own; /* of what is put: that one alone */
    struct payload_schema *message;
    bool parted;
    char topic[HULSE_TOPIC_NAME_MAX + sizeof(FIRST_PARTITION)];
};

static void finish(struct schema_errand *e)
{
    struct broker_request *request = &e->asked->request;
    uint8_t *heard = e->heard;
    const size_t bytes = e->heard_bytes;

    hulse_payload_schema_give(&e->message);
    hulse_mem_free(HULSE_MEM_BROKER, e, sizeof(*e));
    request->done(request);
    hulse_mem_free(HULSE_MEM_BROKER, heard, bytes);
}

static void run_back(struct inbox_node *node)
{
    finish(HULSE_CONTAINER(node, struct schema_errand, node));
}

/* On the worker: nothing of it is on its way any more. */
static void end_there(struct schema_errand *e, hulse_status status, const char *text)
{
    struct broker_request *request = &e->asked->request;

    hulse_pulsar_cancel(&e->request);
    hulse_pulsar_detach(&e->user);
    request->status = status;
    (void)snprintf(request->text, sizeof(request->text), "%s", text);
    if (!e->from_control) {
        finish(e);
        return;
    }
    e->node.run = run_back;
    hulse_inbox_answer(request->home, &e->node);
}

/* ---- what the broker says ---- */

static void refused(struct schema_errand *e, int32_t error, const char *message)
{
    struct pulsar_failure f;

    hulse_pulsar_failure_server(&f, error, message);
    if (!e->put && f.status == HULSE_NO_TOPIC) {
        end_there(e,
                  HULSE_NO_TOPIC,
                  e->asked->version == 0 ? "the topic has no schema"
                                         : "the topic has no schema of that version");
        return;
    }
    end_there(e, f.status, f.text);
}

/* Encoded bytes of those that the encoding holds, up to the bound; the rest is left out. */
static size_t count_properties(const Pulsar__Schema *s, size_t *count)
{
    size_t bytes = 0;

    for (*count = 0; *count < s->n_properties; *count += 1) {
        const Pulsar__KeyValue *p = s->properties[*count];
        const size_t name = strlen(p->key);
        const size_t value = strlen(p->value);
        if (name > UINT16_MAX || value > UINT16_MAX ||
            bytes + 4 + name + value > SCHEMA_PROPERTIES_BYTES_MAX) {
            break;
        }
        bytes += 4 + name + value;
    }
    return bytes;
}

/* Copies definition and properties. False: no memory. */
static bool keep(struct schema_errand *e, const Pulsar__Schema *s)
{
    struct broker_schema *out = &e->asked->schema;
    const uint32_t definition_bytes = (uint32_t)s->schema_data.len;
    size_t count = 0;
    const size_t properties_bytes = count_properties(s, &count);

    e->heard_bytes = definition_bytes + properties_bytes;
    e->heard = NULL;
    out->definition = (struct broker_span){NULL, 0};
    out->properties = (struct broker_span){NULL, 0};
    if (e->heard_bytes == 0) {
        return true;
    }
    e->heard = hulse_mem_alloc(HULSE_MEM_BROKER, e->heard_bytes);
    if (e->heard == NULL) {
        e->heard_bytes = 0;
        return false;
    }
    uint8_t *at = e->heard;
    if (definition_bytes > 0) {
        memcpy(at, s->schema_data.data, definition_bytes);
        at += definition_bytes;
    }
    for (size_t i = 0; i < count; i++) {
        const Pulsar__KeyValue *p = s->properties[i];
        const size_t name = strlen(p->key);
        const size_t value = strlen(p->value);
        hulse_put16(at, (uint16_t)name);
        hulse_put16(at + 2, (uint16_t)value);
        memcpy(at + 4, p->key, name);
        memcpy(at + 4 + name, p->value, value);
        at += 4 + name + value;
    }
    out->definition = (struct broker_span){e->heard, definition_bytes};
    out->properties = (struct broker_span){
        properties_bytes == 0 ? NULL : e->heard + definition_bytes, (uint32_t)properties_bytes};
    return true;
}

static void got(struct schema_errand *e, const Pulsar__CommandGetSchemaResponse *r)
{
    struct broker_schema *out = &e->asked->schema;

    if (r->has_error_code) {
        refused(e, (int32_t)r->error_code, r->error_message);
        return;
    }
    if (r->schema == NULL || r->schema->schema_data.len > SCHEMA_DEFINITION_BYTES_MAX ||
        !hulse_pulsar_schema_type(r->schema->type, &out->type) || !r->has_schema_version ||
        !hulse_pulsar_version_read(&r->schema_version, &e->asked->version)) {
        end_there(e, HULSE_UNSUPPORTED, "a schema of a kind that this version does not know");
        return;
    }
    if (!keep(e, r->schema)) {
        end_there(e, HULSE_NO_MEMORY, "no memory for a schema");
        return;
    }
    end_there(e, HULSE_OK, "");
}

static void registered(struct schema_errand *e, const Pulsar__CommandGetOrCreateSchemaResponse *r)
{
    if (r->has_error_code) {
        refused(e, (int32_t)r->error_code, r->error_message);
        return;
    }
    if (!r->has_schema_version ||
        !hulse_pulsar_version_read(&r->schema_version, &e->asked->version)) {
        end_there(e, HULSE_PROTOCOL, "the broker tells no version of the schema");
        return;
    }
    end_there(e, HULSE_OK, "");
}

static void
answered(struct pulsar_request *r, enum pulsar_reply reply, const Pulsar__BaseCommand *answer)
{
    struct schema_errand *e = HULSE_CONTAINER(r, struct schema_errand, request);

    if (reply == PULSAR_REPLY_LOST) {
        return; /* `lost` follows */
    }
    if (reply == PULSAR_REPLY_TIMED_OUT) {
        end_there(e, HULSE_TIMED_OUT, "the broker does not answer");
    } else if (answer->type == PULSAR__BASE_COMMAND__TYPE__ERROR && answer->error != NULL) {
        refused(e, (int32_t)answer->error->error, answer->error->message);
    } else if (!e->put && answer->type == PULSAR__BASE_COMMAND__TYPE__GET_SCHEMA_RESPONSE &&
               answer->getschemaresponse != NULL) {
        got(e, answer->getschemaresponse);
    } else if (e->put &&
               answer->type == PULSAR__BASE_COMMAND__TYPE__GET_OR_CREATE_SCHEMA_RESPONSE &&
               answer->getorcreateschemaresponse != NULL) {
        registered(e, answer->getorcreateschemaresponse);
    } else {
        end_there(e, HULSE_PROTOCOL, "an answer of the broker that is none");
    }
}

/* ---- asking ---- */

static bool ask_get(struct schema_errand *e, struct pulsar_connection *c)
{
    Pulsar__CommandGetSchema get = PULSAR__COMMAND_GET_SCHEMA__INIT;
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;
    uint8_t version[PULSAR_VERSION_BYTES];

    get.request_id = hulse_pulsar_request_id(c, &e->request);
    get.topic = e->topic;
    if (e->asked->version != 0) {
        hulse_pulsar_version_write(e->asked->version, version);
        get.has_schema_version = true;
        get.schema_version = (ProtobufCBinaryData){.data = version, .len = sizeof(version)};
    }
    command.type = PULSAR__BASE_COMMAND__TYPE__GET_SCHEMA;
    command.getschema = &get;
    return hulse_pulsar_ask(c, &e->request, &command, e->broker->params.operation_timeout_ms);
}

static bool ask_put(struct schema_errand *e, struct pulsar_connection *c)
{
    Pulsar__CommandGetOrCreateSchema put = PULSAR__COMMAND_GET_OR_CREATE_SCHEMA__INIT;
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;

    put.request_id = hulse_pulsar_request_id(c, &e->request);
    put.topic = e->topic;
    put.schema = &e->message->message;
    command.type = PULSAR__BASE_COMMAND__TYPE__GET_OR_CREATE_SCHEMA;
    command.getorcreateschema = &put;
    return hulse_pulsar_ask(c, &e->request, &command, e->broker->params.operation_timeout_ms);
}

static void ready(struct pulsar_user *u)
{
    struct schema_errand *e = HULSE_CONTAINER(u, struct schema_errand, user);
    const bool asked = e->put ? ask_put(e, u->connection) : ask_get(e, u->connection);

    if (!asked) {
        end_there(e, HULSE_NO_MEMORY, "no memory to ask the broker");
    }
}

static void lost(struct pulsar_user *u, hulse_status status, const char *text)
{
    end_there(HULSE_CONTAINER(u, struct schema_errand, user), status, text);
}

static const struct pulsar_user_events user_events = {.ready = ready, .lost = lost};

/* ---- the way there ---- */

/* Only the owner takes a schema, and there is one attempt; every broker tells one. */
static bool look_up(struct schema_errand *e)
{
    return hulse_pulsar_lookup_start(
        e->pw, &e->lookup, e->topic, e->put, e->put ? PULSAR_LOOKUP_FRESH : PULSAR_LOOKUP_ANY);
}

static void found(struct pulsar_lookup *l, const struct pulsar_lookup_result *result)
{
    struct schema_errand *e = HULSE_CONTAINER(l, struct schema_errand, lookup);

    if (result->failure.class != BROKER_DONE) {
        end_there(e, result->failure.status, result->failure.text);
        return;
    }
    if (result->partitions > 0 && !e->parted) {
        e->parted = true;
        memcpy(e->topic + strlen(e->topic), FIRST_PARTITION, sizeof(FIRST_PARTITION));
        if (!look_up(e)) {
            end_there(e, HULSE_NO_MEMORY, "no memory to look a topic up");
        }
        return;
    }
    if (!hulse_pulsar_attach(e->pw->pool, &e->user, &result->endpoint, PULSAR_FOR_PUBLISHING)) {
        end_there(e, HULSE_NO_MEMORY, "no memory for a connection");
    }
}

/* On the worker that does it. */
static void begin(struct schema_errand *e)
{
    struct pulsar_lookups *l = hulse_lookups_here(e->broker);

    if (l == NULL || l->stopping) {
        end_there(e, HULSE_CLOSED, "the daemon is stopping");
        return;
    }
    e->pw = l->worker;
    if (!look_up(e)) {
        end_there(e, HULSE_NO_MEMORY, "no memory to look a topic up");
    }
}

static void run_there(struct inbox_node *node)
{
    begin(HULSE_CONTAINER(node, struct schema_errand, node));
}

/* Towards the topic's worker; what is wrong with that is the answer. */
static void post(struct schema_errand *e)
{
    struct pulsar_crew *crew = &e->broker->crew;
    const uint32_t count = atomic_load_explicit(&crew->count, memory_order_relaxed);
    const struct pulsar_lookups *l = NULL;

    if (count != 0) {
        const uint32_t i = hulse_lookups_worker(hulse_hash_text(e->topic), count);
        l = atomic_load_explicit(&crew->lookups[i], memory_order_relaxed);
    }
    e->node.run = run_there;
    if (l != NULL && hulse_worker_post(l->worker->worker, &e->node)) {
        return;
    }
    struct broker_request *request = &e->asked->request;
    request->status = l == NULL ? HULSE_CLOSED : HULSE_LIMIT;
    (void)snprintf(request->text,
                   sizeof(request->text),
                   "%s",
                   l == NULL ? "the daemon is stopping"
                             : "the topic's worker has too much to do: try again");
    finish(e);
}

static hulse_status
start(struct broker *b, struct broker_schema_request *q, bool put, struct error *err)
{
    const size_t bytes = strlen(q->topic) + 1;
    struct schema_errand *e =
        bytes > HULSE_TOPIC_NAME_MAX ? NULL : hulse_mem_zalloc(HULSE_MEM_BROKER, sizeof(*e));

    if (e == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for a request");
    }
    LIST_INIT(&e->own);
    if (put) {
        e->message = hulse_payload_schema_take(&e->own, &q->schema);
        if (e->message == NULL) {
            hulse_mem_free(HULSE_MEM_BROKER, e, sizeof(*e));
            return hulse_fail(err, HULSE_NO_MEMORY, "no memory for a schema");
        }
    }
    e->broker = (struct pulsar_broker *)(void *)b;
    e->asked = q;
    e->put = put;
    e->lookup.done = found;
    e->user.events = &user_events;
    e->user.kind = PULSAR_USER_OTHER;
    e->request.done = answered;
    memcpy(e->topic, q->topic, bytes);
    e->from_control = hulse_worker_self() == NULL;
    if (e->from_control) {
        post(e);
    } else {
        begin(e);
    }
    return HULSE_OK;
}

hulse_status
hulse_pulsar_schema_get(struct broker *b, struct broker_schema_request *q, struct error *err)
{
    return start(b, q, false, err);
}

hulse_status
hulse_pulsar_schema_put(struct broker *b, struct broker_schema_request *q, struct error *err)
{
    return start(b, q, true, err);
}
