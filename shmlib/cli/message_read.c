/* SPDX-License-Identifier: Apache-2.0 */
/* message_read - an object of `pub --json-lines` (contract in message.h). */
#include "shmlib/cli/base64.h"
#include "shmlib/cli/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool refuse(char why[HULSE_CLI_WHY_BYTES], const char *field, const char *text)
{
    (void)snprintf(why, HULSE_CLI_WHY_BYTES, "%s: %s", field, text);
    return false;
}

static bool read_base64(struct hulse_cli_message *m, const json_t *value, char *why)
{
    if (!json_is_string(value)) {
        return refuse(why, "payload_base64", "not a string");
    }
    const size_t length = json_string_length(value);
    m->decoded = malloc(length / 4 * 3 + 1);
    if (m->decoded == NULL) {
        return refuse(why, "payload_base64", "out of memory");
    }
    m->data = m->decoded;
    if (!hulse_cli_base64_decode(json_string_value(value), length, m->decoded, &m->data_bytes)) {
        return refuse(why, "payload_base64", "not base64 with padding");
    }
    return true;
}

static bool read_payload(struct hulse_cli_message *m, const json_t *value, char *why)
{
    if (json_is_string(value)) {
        m->data = json_string_value(value);
        m->data_bytes = json_string_length(value);
        return true;
    }
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text == NULL) {
        return refuse(why, "payload", "cannot be encoded");
    }
    m->decoded = text;
    m->data = text;
    m->data_bytes = strlen(text);
    return true;
}

static bool read_properties(struct hulse_cli_message *m, json_t *value, char *why)
{
    const char *name = NULL;
    json_t *text = NULL;
    size_t count = 0;

    if (!json_is_object(value)) {
        return refuse(why, "properties", "not an object");
    }
    if (json_object_size(value) > HULSE_CLI_PROPERTIES_MAX) {
        return refuse(why, "properties", "too many");
    }
    json_object_foreach(value, name, text)
    {
        if (!json_is_string(text) || name[0] == '\0') {
            return refuse(why, "properties", "names must not be empty and values must be strings");
        }
        m->properties[count] = (struct hulse_property){.name = name,
                                                       .name_bytes = strlen(name),
                                                       .value = json_string_value(text),
                                                       .value_bytes = json_string_length(text)};
        count++;
    }
    m->meta.properties = m->properties;
    m->meta.property_count = count;
    return true;
}

static bool read_time(uint64_t *out, const json_t *value, const char *field, char *why)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        return refuse(why, field, "not a whole number of milliseconds");
    }
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static bool read_tombstone(struct hulse_cli_message *m, const json_t *value, char *why)
{
    if (!json_is_true(value)) {
        return refuse(why, "tombstone", "only true has a meaning");
    }
    m->data = "";
    m->meta.flags |= HULSE_META_TOMBSTONE;
    return true;
}

static bool read_field(struct hulse_cli_message *m, const char *name, json_t *value, char *why)
{
    if (strcmp(name, "payload") == 0) {
        return read_payload(m, value, why);
    }
    if (strcmp(name, "payload_base64") == 0) {
        return read_base64(m, value, why);
    }
    if (strcmp(name, "tombstone") == 0) {
        return read_tombstone(m, value, why);
    }
    if (strcmp(name, "properties") == 0) {
        return read_properties(m, value, why);
    }
    if (strcmp(name, "event_time_ms") == 0) {
        return read_time(&m->meta.event_time_ms, value, name, why);
    }
    if (strcmp(name, "deliver_after_ms") == 0) {
        return read_time(&m->meta.deliver_after_ms, value, name, why);
    }
    if (strcmp(name, "key") == 0) {
        if (!json_is_string(value)) {
            return refuse(why, "key", "not a string");
        }
        m->meta.key = json_string_value(value);
        m->meta.key_bytes = json_string_length(value);
        return true;
    }
    return refuse(why,
                  "unknown field",
                  "use payload, payload_base64 or tombstone, key, properties, event_time_ms, "
                  "deliver_after_ms");
}

bool hulse_cli_message_read(struct hulse_cli_message *m,
                            const struct hulse_meta *defaults,
                            const char *line,
                            size_t bytes,
                            char why[HULSE_CLI_WHY_BYTES])
{
    json_error_t error;
    const char *name = NULL;
    json_t *value = NULL;

    m->data = NULL;
    m->data_bytes = 0;
    m->decoded = NULL;
    m->meta = *defaults;
    m->json = json_loadb(line, bytes, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (m->json == NULL) {
        (void)snprintf(
            why, HULSE_CLI_WHY_BYTES, "column %d: not valid JSON: %s", error.column, error.text);
        return false;
    }
    if (!json_is_object(m->json)) {
        return refuse(why, "not a JSON object", "each line is {\"payload\": ...}");
    }
    const bool text = json_object_get(m->json, "payload") != NULL;
    const bool coded = json_object_get(m->json, "payload_base64") != NULL;
    const json_t *none = json_object_get(m->json, "tombstone");
    const bool without = none != NULL && !json_is_null(none);
    if ((int)text + (int)coded + (int)without != 1) {
        return refuse(
            why, "payload", "exactly one of payload, payload_base64 and tombstone is needed");
    }
    json_object_foreach(m->json, name, value)
    {
        /* null is "not set", but a payload may be null. */
        if (json_is_null(value) && strcmp(name, "payload") != 0) {
            continue;
        }
        if (!read_field(m, name, value, why)) {
            return false;
        }
    }
    if (coded && m->data == NULL) {
        return refuse(why, "payload_base64", "not a string");
    }
    return true;
}

void hulse_cli_message_fini(struct hulse_cli_message *m)
{
    json_decref(m->json);
    m->json = NULL;
    free(m->decoded);
    m->decoded = NULL;
}
