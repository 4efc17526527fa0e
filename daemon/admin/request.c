/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request - see request.h.
 */
#include "daemon/admin/request.h"

#include "daemon/admin/position.h"
#include "daemon/admin/protocol.h"
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

#include <assert.h>
#include <jansson.h>
#include <string.h>

static const char *const names[ADMIN_COMMANDS] = {
    [ADMIN_STATS] = HULSE_ADMIN_STATS,
    [ADMIN_HEALTH] = HULSE_ADMIN_HEALTH,
    [ADMIN_TOPICS_LIST] = HULSE_ADMIN_TOPICS_LIST,
    [ADMIN_TOPICS_CREATE] = HULSE_ADMIN_TOPICS_CREATE,
    [ADMIN_TOPICS_DELETE] = HULSE_ADMIN_TOPICS_DELETE,
    [ADMIN_TOPICS_STATS] = HULSE_ADMIN_TOPICS_STATS,
    [ADMIN_TOPICS_UNLOAD] = HULSE_ADMIN_TOPICS_UNLOAD,
    [ADMIN_SUBS_LIST] = HULSE_ADMIN_SUBS_LIST,
    [ADMIN_SUBS_STATS] = HULSE_ADMIN_SUBS_STATS,
    [ADMIN_SUBS_SEEK] = HULSE_ADMIN_SUBS_SEEK,
    [ADMIN_SUBS_SKIP] = HULSE_ADMIN_SUBS_SKIP,
    [ADMIN_SUBS_DELETE] = HULSE_ADMIN_SUBS_DELETE,
    [ADMIN_SCHEMA_LIST] = HULSE_ADMIN_SCHEMA_LIST,
    [ADMIN_SCHEMA_GET] = HULSE_ADMIN_SCHEMA_GET,
    [ADMIN_SCHEMA_PUT] = HULSE_ADMIN_SCHEMA_PUT,
    [ADMIN_CONFIG] = HULSE_ADMIN_CONFIG,
    [ADMIN_RELOAD] = HULSE_ADMIN_RELOAD,
    [ADMIN_DRAIN] = HULSE_ADMIN_DRAIN,
    [ADMIN_STORE_CHECK] = HULSE_ADMIN_STORE_CHECK,
    [ADMIN_STORE_BACKUP] = HULSE_ADMIN_STORE_BACKUP,
};

/* ---- members ---- */

static hulse_status
take_namespace(const json_t *value, struct admin_request *out, struct error *err)
{
    const char *text = json_string_value(value);
    const size_t bytes = json_string_length(value);
    const char *slash = text == NULL ? NULL : strchr(text, '/');

    const bool whole =
        slash == NULL || (slash != text && slash[1] != '\0' && strchr(slash + 1, '/') == NULL);
    if (text == NULL || bytes == 0 || !whole) {
        return hulse_fail(err, HULSE_INVAL, "namespace: TENANT or TENANT/NAMESPACE is expected");
    }
    if (bytes >= sizeof(out->namespace_name)) {
        return hulse_fail(
            err, HULSE_INVAL, "namespace: at most %u bytes", HULSE_ADMIN_NAMESPACE_BYTES - 1);
    }
    memcpy(out->namespace_name, text, bytes + 1);
    return HULSE_OK;
}

static hulse_status take_topic(const json_t *value, struct admin_request *out, struct error *err)
{
    const char *text = json_string_value(value);
    const size_t bytes = json_string_length(value);

    if (text == NULL || bytes == 0) {
        return hulse_fail(err, HULSE_INVAL, "topic: a name is expected");
    }
    if (bytes >= sizeof(out->topic)) {
        return hulse_fail(err, HULSE_INVAL, "topic: at most %u bytes", HULSE_ADMIN_TOPIC_BYTES - 1);
    }
    memcpy(out->topic, text, bytes + 1);
    return HULSE_OK;
}

static hulse_status
take_partitions(const json_t *value, struct admin_request *out, struct error *err)
{
    const json_int_t count = json_integer_value(value);

    if (!json_is_integer(value) || count < 0 || count > (json_int_t)HULSE_ADMIN_PARTITIONS_MAX) {
        return hulse_fail(err,
                          HULSE_INVAL,
                          "partitions: a number from 0 to %u is expected",
                          HULSE_ADMIN_PARTITIONS_MAX);
    }
    out->partitions = (uint32_t)count;
    return HULSE_OK;
}

static hulse_status
take_boolean(const json_t *value, const char *name, bool *out, struct error *err)
{
    if (!json_is_boolean(value)) {
        return hulse_fail(err, HULSE_INVAL, "%s: true or false is expected", name);
    }
    *out = json_is_true(value);
    return HULSE_OK;
}

static hulse_status take_force(const json_t *value, struct admin_request *out, struct error *err)
{
    return take_boolean(value, "force", &out->force, err);
}

static hulse_status take_deep(const json_t *value, struct admin_request *out, struct error *err)
{
    return take_boolean(value, "deep", &out->deep, err);
}

static hulse_status take_now(const json_t *value, struct admin_request *out, struct error *err)
{
    return take_boolean(value, "now", &out->now, err);
}

static hulse_status
take_subscription(const json_t *value, struct admin_request *out, struct error *err)
{
    const char *text = json_string_value(value);
    const size_t bytes = json_string_length(value);

    if (text == NULL || bytes == 0) {
        return hulse_fail(err, HULSE_INVAL, "subscription: a name is expected");
    }
    if (bytes >= sizeof(out->subscription)) {
        return hulse_fail(
            err, HULSE_INVAL, "subscription: at most %u bytes", HULSE_ADMIN_SUBSCRIPTION_BYTES - 1);
    }
    memcpy(out->subscription, text, bytes + 1);
    return HULSE_OK;
}

static hulse_status take_count(const json_t *value, struct admin_request *out, struct error *err)
{
    const json_int_t count = json_integer_value(value);

    if (!json_is_integer(value) || count < 1 || count > (json_int_t)INT32_MAX) {
        return hulse_fail(err, HULSE_INVAL, "count: a number from 1 to %d is expected", INT32_MAX);
    }
    out->count = (uint64_t)count;
    return HULSE_OK;
}

/* As Pulsar's tools count them, from 0. */
static hulse_status take_version(const json_t *value, struct admin_request *out, struct error *err)
{
    const json_int_t version = json_integer_value(value);

    if (!json_is_integer(value) || version < 0 || version > (json_int_t)INT32_MAX) {
        return hulse_fail(
            err, HULSE_INVAL, "version: a number from 0 to %d is expected", INT32_MAX);
    }
    out->version = (uint64_t)version + 1;
    return HULSE_OK;
}

static hulse_status take_type(const json_t *value, struct admin_request *out, struct error *err)
{
    const char *text = json_string_value(value);
    const size_t bytes = json_string_length(value);

    if (text == NULL || bytes == 0 || bytes >= sizeof(out->type)) {
        return hulse_fail(err, HULSE_INVAL, "type: a schema's type is expected, as \"AVRO\"");
    }
    memcpy(out->type, text, bytes + 1);
    return HULSE_OK;
}

static hulse_status
take_definition(const json_t *value, struct admin_request *out, struct error *err)
{
    const size_t bytes = json_string_length(value);

    if (!json_is_string(value)) {
        return hulse_fail(err, HULSE_INVAL, "definition: a text is expected");
    }
    out->definition = hulse_mem_alloc(HULSE_MEM_ADMIN, bytes + 1);
    if (out->definition == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "memory_max is reached");
    }
    memcpy(out->definition, json_string_value(value), bytes + 1);
    out->definition_bytes = bytes;
    return HULSE_OK;
}

static hulse_status
take_properties(const json_t *value, struct admin_request *out, struct error *err)
{
    if (!json_is_object(value)) {
        return hulse_fail(err, HULSE_INVAL, "properties: an object of texts is expected");
    }
    out->properties = json_incref((json_t *)(uintptr_t)value);
    return HULSE_OK;
}

static hulse_status take_position(const json_t *value, struct admin_request *out, struct error *err)
{
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        out->position = (struct broker_position){.kind = BROKER_AT_PUBLISHED,
                                                 .time_ms = (uint64_t)json_integer_value(value)};
        return HULSE_OK;
    }
    if (hulse_admin_position_parse(json_string_value(value), &out->position)) {
        return HULSE_OK;
    }
    return hulse_fail(err,
                      HULSE_INVAL,
                      "position: earliest, latest, LEDGER:ENTRY[:PARTITION[:BATCH]] or a number of "
                      "milliseconds is expected");
}

static hulse_status
take_directory(const json_t *value, struct admin_request *out, struct error *err)
{
    const char *text = json_string_value(value);
    const size_t bytes = json_string_length(value);

    if (text == NULL || text[0] != '/') {
        return hulse_fail(err, HULSE_INVAL, "directory: an absolute path is expected");
    }
    if (bytes >= sizeof(out->directory)) {
        return hulse_fail(
            err, HULSE_INVAL, "directory: at most %u bytes", HULSE_ADMIN_DIRECTORY_BYTES - 1);
    }
    memcpy(out->directory, text, bytes + 1);
    return HULSE_OK;
}

#define OF(command) (1U << (unsigned)(command))
static_assert(ADMIN_COMMANDS <= 32, "one bit for each command");
#define OF_SUBSCRIPTION (OF(ADMIN_SUBS_SEEK) | OF(ADMIN_SUBS_SKIP) | OF(ADMIN_SUBS_DELETE))
#define OF_TOPIC                                                                                   \
    (OF(ADMIN_TOPICS_CREATE) | OF(ADMIN_TOPICS_DELETE) | OF(ADMIN_TOPICS_STATS) |                  \
     OF(ADMIN_TOPICS_UNLOAD) | OF(ADMIN_SUBS_LIST) | OF(ADMIN_SUBS_STATS) | OF_SUBSCRIPTION |      \
     OF(ADMIN_SCHEMA_LIST) | OF(ADMIN_SCHEMA_GET) | OF(ADMIN_SCHEMA_PUT))

static const struct member {
    const char *name;
    unsigned commands; /* that take it */
    unsigned required; /* those of them that need it */
    hulse_status (*take)(const json_t *value, struct admin_request *out, struct error *err);
} members[] = {
    {"namespace", OF(ADMIN_TOPICS_LIST), 0, take_namespace},
    {"topic", OF_TOPIC, OF_TOPIC, take_topic},
    {"partitions", OF(ADMIN_TOPICS_CREATE), 0, take_partitions},
    {"force", OF(ADMIN_TOPICS_DELETE) | OF(ADMIN_SUBS_DELETE), 0, take_force},
    {"subscription", OF(ADMIN_SUBS_STATS) | OF_SUBSCRIPTION, OF_SUBSCRIPTION, take_subscription},
    {"position", OF(ADMIN_SUBS_SEEK), OF(ADMIN_SUBS_SEEK), take_position},
    {"count", OF(ADMIN_SUBS_SKIP), 0, take_count},
    {"version", OF(ADMIN_SCHEMA_GET), 0, take_version},
    {"type", OF(ADMIN_SCHEMA_PUT), OF(ADMIN_SCHEMA_PUT), take_type},
    {"definition", OF(ADMIN_SCHEMA_PUT), OF(ADMIN_SCHEMA_PUT), take_definition},
    {"properties", OF(ADMIN_SCHEMA_PUT), 0, take_properties},
    {"deep", OF(ADMIN_HEALTH), 0, take_deep},
    {"now", OF(ADMIN_DRAIN), 0, take_now},
    {"directory", OF(ADMIN_STORE_BACKUP), OF(ADMIN_STORE_BACKUP), take_directory},
};

#define MEMBERS (sizeof(members) / sizeof(members[0]))

static const struct member *find_member(const char *name, enum admin_command command)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        if (strcmp(members[i].name, name) == 0 && (members[i].commands & OF(command)) != 0) {
            return &members[i];
        }
    }
    return NULL;
}

/* ---- the line ---- */

static hulse_status take_command(const json_t *name, struct admin_request *out, struct error *err)
{
    if (!json_is_string(name)) {
        return hulse_fail(err, HULSE_INVAL, "the member \"command\" is expected, a string");
    }
    for (unsigned i = 0; i < ADMIN_COMMANDS; i++) {
        if (strcmp(names[i], json_string_value(name)) == 0) {
            out->command = (enum admin_command)i;
            return HULSE_OK;
        }
    }
    return hulse_fail(err, HULSE_UNSUPPORTED, "unknown command");
}

static hulse_status take_members(json_t *object, struct admin_request *out, struct error *err)
{
    const json_t *name = json_object_get(object, "command");
    const char *key = NULL;
    json_t *value = NULL;
    hulse_status st = take_command(name, out, err);

    if (st != HULSE_OK) {
        return st;
    }
    json_object_foreach(object, key, value)
    {
        if (value == name) {
            continue;
        }
        const struct member *member = find_member(key, out->command);
        if (member == NULL) {
            return hulse_fail(
                err, HULSE_INVAL, "%s: unknown member '%.64s'", names[out->command], key);
        }
        st = member->take(value, out, err);
        if (st != HULSE_OK) {
            return st;
        }
    }
    for (size_t i = 0; i < MEMBERS; i++) {
        if ((members[i].required & OF(out->command)) != 0 &&
            json_object_get(object, members[i].name) == NULL) {
            return hulse_fail(err,
                              HULSE_INVAL,
                              "%s: the member \"%s\" is expected",
                              names[out->command],
                              members[i].name);
        }
    }
    return HULSE_OK;
}

hulse_status
hulse_admin_parse(const char *line, size_t bytes, struct admin_request *out, struct error *err)
{
    json_error_t why;
    hulse_status st = HULSE_OK;

    HULSE_ASSERT(out != NULL);
    memset(out, 0, sizeof(*out));
    if (bytes > HULSE_ADMIN_REQUEST_BYTES_MAX) {
        return hulse_fail(err,
                          HULSE_TOOBIG,
                          "a request line has at most %u bytes",
                          HULSE_ADMIN_REQUEST_BYTES_MAX);
    }
    json_t *object = json_loadb(line, bytes, JSON_REJECT_DUPLICATES, &why);
    if (object == NULL) {
        return hulse_fail(err, HULSE_INVAL, "column %d: %.120s", why.column, why.text);
    }
    if (json_is_object(object)) {
        st = take_members(object, out, err);
    } else {
        st = hulse_fail(err, HULSE_INVAL, "an object is expected");
    }
    json_decref(object);
    if (st != HULSE_OK) {
        hulse_admin_request_fini(out);
    }
    return st;
}

void hulse_admin_request_fini(struct admin_request *request)
{
    json_decref(request->properties);
    request->properties = NULL;
    if (request->definition != NULL) {
        hulse_mem_free(HULSE_MEM_ADMIN, request->definition, request->definition_bytes + 1);
        request->definition = NULL;
        request->definition_bytes = 0;
    }
}
