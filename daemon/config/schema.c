/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema - JSON Schema (draft 2020-12) of the configuration file, from the table of keys.
 *
 * For editors and pipelines. It knows types, words, bounds of plain numbers, and which keys there
 * are; sizes and durations are patterns, and what keys say together is the daemon's to check.
 */
#include "daemon/config/key.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* json_object_set_new() and json_array_append_new() take NULL as a failure, and so does this. */
struct schema {
    bool failed;
};

static void set(struct schema *s, json_t *object, const char *name, json_t *value)
{
    s->failed = json_object_set_new(object, name, value) != 0 || s->failed;
}

static void append(struct schema *s, json_t *array, json_t *value)
{
    s->failed = json_array_append_new(array, value) != 0 || s->failed;
}

static json_t *pattern(const char *expression)
{
    return json_pack("{s:s, s:s}", "type", "string", "pattern", expression);
}

static json_t *words(struct schema *s, const char *const *names)
{
    json_t *list = json_array();

    for (size_t i = 0; names[i] != NULL; i++) {
        append(s, list, json_string(names[i]));
    }
    return json_pack("{s:o}", "enum", list);
}

static json_t *numbers(const struct key *key)
{
    return json_pack("{s:s, s:I, s:I}",
                     "type",
                     "integer",
                     "minimum",
                     (json_int_t)key->min,
                     "maximum",
                     (json_int_t)key->max);
}

/* A plain number or a number with a unit. */
static json_t *with_unit(const char *expression)
{
    return json_pack("{s:[o, o]}",
                     "anyOf",
                     json_pack("{s:s, s:i}", "type", "integer", "minimum", 0),
                     pattern(expression));
}

static json_t *texts(const struct key *key)
{
    return json_pack("{s:s, s:i, s:I}",
                     "type",
                     "string",
                     "minLength",
                     1,
                     "maxLength",
                     (json_int_t)key->bytes - 1);
}

static json_t *lists(const struct key *key, json_t *element)
{
    return json_pack(
        "{s:s, s:I, s:o}", "type", "array", "maxItems", (json_int_t)key->max, "items", element);
}

static json_t *value_of(struct schema *s, const struct key *key)
{
    switch (key->type) {
    case KEY_BOOL:
        return json_pack("{s:s}", "type", "boolean");
    case KEY_ENUM:
        return words(s, key->names);
    case KEY_MODE:
        return pattern("^[0-7]{3,4}$");
    case KEY_STRING:
    case KEY_TEXT:
        return texts(key);
    case KEY_TEXTS:
        return lists(key, texts(key));
    case KEY_IDS:
        return lists(key, json_pack("{s:s, s:i}", "type", "integer", "minimum", 0));
    case KEY_SIZE:
        return with_unit("^[0-9]+(KiB|MiB|GiB)?$");
    case KEY_DURATION:
    case KEY_DURATION_MS:
        return with_unit("^[0-9]+(us|ms|s|m|h|d)?$");
    case KEY_RATIO:
        return json_pack("{s:s, s:f, s:f}",
                         "type",
                         "number",
                         "minimum",
                         (double)key->min / 1000.0,
                         "maximum",
                         (double)key->max / 1000.0);
    default:
        return numbers(key);
    }
}

/* With the words that stand beside the range. */
static json_t *schema_of_key(struct schema *s, const struct key *key)
{
    json_t *value = value_of(s, key);

    if ((key->flags & KEY_NULL) != 0) {
        value = json_pack("{s:[o, {s:s}]}", "anyOf", value, "type", "null");
    } else if ((key->flags & KEY_AUTO) != 0) {
        value = json_pack("{s:[o, {s:s}]}", "anyOf", value, "const", "auto");
    }
    set(s, value, "description", json_string(key->help));
    if (key->fallback != NULL) {
        /* What is no JSON is a text: 4096, true and null are, 512KiB is not. */
        json_t *fallback = json_loads(key->fallback, JSON_DECODE_ANY, NULL);
        set(s, value, "default", fallback != NULL ? fallback : json_string(key->fallback));
    }
    return value;
}

static json_t *closed_object(void)
{
    return json_pack("{s:s, s:b, s:{}}", "type", "object", "additionalProperties", 0, "properties");
}

/* The object schema of a group; beside a short form it is the second of two. */
static json_t *enter_group(struct schema *s, json_t *object, const char *name)
{
    json_t *properties = json_object_get(object, "properties");
    json_t *group = json_object_get(properties, name);

    if (group == NULL) {
        group = closed_object();
        set(s, properties, name, group);
    }
    json_t *both = json_object_get(group, "anyOf");
    return both == NULL ? group : json_array_get(both, 0);
}

/* A value may stand in place of the group: {count: 2} and 2. */
static void add_short_form(struct schema *s, json_t *object, const char *name, json_t *value)
{
    json_t *properties = json_object_get(object, "properties");
    json_t *group = json_object_get(properties, name);

    set(s, properties, name, json_pack("{s:[O, O]}", "anyOf", group, value));
}

static void add_key(struct schema *s, json_t *object, const struct key *key)
{
    const char *at = key->path;
    json_t *parent = NULL;
    char word[64] = "";
    json_t *value = schema_of_key(s, key);

    for (const char *dot = strchr(at, '.'); dot != NULL; dot = strchr(at, '.')) {
        (void)snprintf(word, sizeof(word), "%.*s", (int)(dot - at), at);
        parent = object;
        object = enter_group(s, object, word);
        at = dot + 1;
    }
    set(s, json_object_get(object, "properties"), at, json_incref(value));
    if ((key->flags & KEY_SHORT) != 0) {
        add_short_form(s, parent, word, value);
    }
    json_decref(value);
}

static json_t *schema_of_scope(struct schema *s, enum key_scope scope)
{
    json_t *object = closed_object();
    json_t *required = json_array();

    for (size_t i = 0; i < hulse_key_count(scope); i++) {
        const struct key *key = hulse_key_at(scope, i);
        add_key(s, object, key);
        if ((key->flags & KEY_REQUIRED) != 0) {
            append(s, required, json_string(key->path));
        }
    }
    set(s, object, "required", required);
    return object;
}

static json_t *schema_of_list(struct schema *s, enum key_scope scope)
{
    const struct key_list *list = hulse_key_list(scope);
    json_t *element = schema_of_scope(s, scope);

    if (!list->named) {
        return json_pack("{s:[s, s], s:s, s:o, s:I}",
                         "type",
                         "array",
                         "null",
                         "description",
                         list->help,
                         "items",
                         element,
                         "maxItems",
                         (json_int_t)list->item_max);
    }
    return json_pack("{s:[s, s], s:s, s:o, s:o, s:I}",
                     "type",
                     "object",
                     "null",
                     "description",
                     list->help,
                     "additionalProperties",
                     element,
                     "propertyNames",
                     pattern("^[A-Za-z0-9_-]{1,64}$"),
                     "maxProperties",
                     (json_int_t)list->item_max);
}

bool hulse_config_print_schema(FILE *out)
{
    struct schema s = {0};
    json_t *root = schema_of_scope(&s, KEY_GLOBAL);
    json_t *properties = json_object_get(root, "properties");

    set(&s, root, "$schema", json_string("https://json-schema.org/draft/2020-12/schema"));
    set(&s, root, "title", json_string("hulse.yaml"));
    for (enum key_scope scope = KEY_GLOBAL + 1; scope < KEY_SCOPES; scope++) {
        set(&s, properties, hulse_key_list(scope)->path, schema_of_list(&s, scope));
    }
    const bool fine = !s.failed && json_dumpf(root, out, JSON_INDENT(2)) == 0;
    json_decref(root);
    return fine && fputc('\n', out) != EOF;
}
