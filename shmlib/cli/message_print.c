/* SPDX-License-Identifier: Apache-2.0 */
/* message_print - a delivered message as JSON (contract in message.h). */
#include "shmlib/cli/base64.h"
#include "shmlib/cli/message.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void hulse_cli_message_id(const struct hulse_id *id, char out[HULSE_CLI_ID_BYTES])
{
    if (id->ledger == UINT64_MAX) {
        (void)snprintf(out, HULSE_CLI_ID_BYTES, "-");
        return;
    }
    (void)snprintf(out,
                   HULSE_CLI_ID_BYTES,
                   "%" PRIu64 ":%" PRIu64 ":%u:%" PRId32,
                   id->ledger,
                   id->entry,
                   (unsigned)id->partition,
                   id->batch);
}

static json_t *base64_json(const void *data, size_t bytes)
{
    const size_t length = hulse_cli_base64_encoded(bytes);
    char *text = malloc(length + 1);

    if (text == NULL) {
        return NULL;
    }
    hulse_cli_base64_encode(data, bytes, text);
    json_t *value = json_stringn_nocheck(text, length);
    free(text);
    return value;
}

/* Sets NAME when the bytes are UTF-8, else NAME_base64. False without memory. */
static bool
set_bytes(json_t *object, const char *name, const char *base64_name, const void *data, size_t bytes)
{
    json_t *value = json_stringn(bytes == 0 ? "" : data, bytes);

    if (value != NULL) {
        return json_object_set_new_nocheck(object, name, value) == 0;
    }
    return json_object_set_new_nocheck(object, base64_name, base64_json(data, bytes)) == 0;
}

static json_t *properties_json(const struct hulse_message *m)
{
    json_t *object = json_object();
    struct hulse_property p;

    for (unsigned i = 0; object != NULL && hulse_message_property(m, i, &p) == HULSE_OK; i++) {
        char *name = strndup(p.name, p.name_bytes);
        json_t *value = json_stringn(p.value_bytes == 0 ? "" : p.value, p.value_bytes);
        /* What the daemon delivers is UTF-8; anything else is left out, not passed on. */
        if (name != NULL && value != NULL) {
            (void)json_object_set(object, name, value);
        }
        json_decref(value);
        free(name);
    }
    return object;
}

static json_t *time_json(uint64_t time_ms)
{
    return time_ms == 0 ? json_null() : json_integer((json_int_t)time_ms);
}

/* What the broker has noted, where it says so. False without memory. */
static bool set_noted(json_t *object, const struct hulse_message *m)
{
    uint64_t value = 0;
    bool ok = true;

    if (hulse_message_broker_time(m, &value) == HULSE_OK) {
        ok = json_object_set_new(object, "broker_time_ms", json_integer((json_int_t)value)) == 0;
    }
    if (hulse_message_index(m, &value) == HULSE_OK) {
        ok = ok && json_object_set_new(object, "index", json_integer((json_int_t)value)) == 0;
    }
    return ok;
}

static bool set_payload(json_t *object, const struct hulse_message *m, json_t *decoded)
{
    if (decoded != NULL) {
        return json_object_set(object, "payload", decoded) == 0;
    }
    if ((m->flags & HULSE_MESSAGE_TOMBSTONE) != 0) {
        return json_object_set_new(object, "tombstone", json_true()) == 0;
    }
    return set_bytes(object, "payload", "payload_base64", m->data, m->data_bytes);
}

json_t *hulse_cli_message_json(const struct hulse_message *m, json_t *decoded)
{
    char id[HULSE_CLI_ID_BYTES];
    json_t *object = json_object();
    bool ok = object != NULL;

    hulse_cli_message_id(&m->id, id);
    ok = ok && json_object_set_new(object, "id", json_string(id)) == 0;
    ok = ok && json_object_set_new(object, "topic", json_string(m->topic)) == 0;
    if (m->key == NULL) {
        ok = ok && json_object_set_new(object, "key", json_null()) == 0;
    } else {
        ok = ok && set_bytes(object, "key", "key_base64", m->key, m->key_bytes);
    }
    ok = ok && json_object_set_new(object, "properties", properties_json(m)) == 0;
    ok = ok && json_object_set_new(object, "publish_time_ms", time_json(m->publish_time_ms)) == 0;
    ok = ok && json_object_set_new(object, "event_time_ms", time_json(m->event_time_ms)) == 0;
    ok = ok && json_object_set_new(
                   object, "redelivery_count", json_integer((json_int_t)m->redelivery_count)) == 0;
    ok = ok && set_noted(object, m);
    if (m->producer_bytes == 0) {
        ok = ok && json_object_set_new(object, "producer", json_null()) == 0;
    } else {
        ok = ok && set_bytes(object, "producer", "producer_base64", m->producer, m->producer_bytes);
    }
    ok = ok && set_payload(object, m, decoded);
    json_decref(decoded);
    if (!ok) {
        json_decref(object);
        return NULL;
    }
    return object;
}
