/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request - see request.h.
 */
#include "daemon/admin/request.h"

#include "daemon/admin/protocol.h"
#include "daemon/core/assert.h"

#include <jansson.h>
#include <string.h>

static const struct command {
    const char *name;
    enum admin_command command;
    const char *argument; /* the one optional member, or NULL */
} commands[] = {
    {HULSE_ADMIN_STATS, ADMIN_STATS, NULL},
    {HULSE_ADMIN_HEALTH, ADMIN_HEALTH, NULL},
    {HULSE_ADMIN_TOPICS_LIST, ADMIN_TOPICS_LIST, "namespace"},
    {HULSE_ADMIN_CONFIG, ADMIN_CONFIG, NULL},
    {HULSE_ADMIN_RELOAD, ADMIN_RELOAD, NULL},
    {HULSE_ADMIN_DRAIN, ADMIN_DRAIN, NULL},
};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static hulse_status
take_namespace(const json_t *value, struct admin_request *out, struct error *err)
{
    const char *text = json_string_value(value);
    const size_t bytes = json_string_length(value);
    const char *slash = text == NULL ? NULL : strchr(text, '/');

    if (slash == NULL || slash == text || slash[1] == '\0' || strchr(slash + 1, '/') != NULL) {
        return hulse_fail(err, HULSE_INVAL, "namespace: TENANT/NAMESPACE is expected");
    }
    if (bytes >= sizeof(out->namespace_name)) {
        return hulse_fail(
            err, HULSE_INVAL, "namespace: at most %u bytes", HULSE_ADMIN_NAMESPACE_BYTES - 1);
    }
    memcpy(out->namespace_name, text, bytes + 1);
    return HULSE_OK;
}

static hulse_status take_members(json_t *object, struct admin_request *out, struct error *err)
{
    const json_t *name = json_object_get(object, "command");
    const struct command *command = NULL;
    const char *key = NULL;
    json_t *value = NULL;

    if (!json_is_string(name)) {
        return hulse_fail(err, HULSE_INVAL, "the member \"command\" is expected, a string");
    }
    command = find_command(json_string_value(name));
    if (command == NULL) {
        return hulse_fail(err, HULSE_UNSUPPORTED, "unknown command");
    }
    out->command = command->command;
    json_object_foreach(object, key, value)
    {
        if (value == name) {
            continue;
        }
        if (command->argument == NULL || strcmp(key, command->argument) != 0) {
            return hulse_fail(err, HULSE_INVAL, "%s: unknown member '%.64s'", command->name, key);
        }
        const hulse_status st = take_namespace(value, out, err);
        if (st != HULSE_OK) {
            return st;
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
    return st;
}
