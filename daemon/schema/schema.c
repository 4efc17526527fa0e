/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema - see the header.
 */
#include "daemon/schema/schema.h"

#include "daemon/core/assert.h"
#include "daemon/core/utf8.h"
#include "daemon/schema/check.h"
#include "daemon/schema/pair.h"
#include "daemon/schema/reader.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What is tried in vain, or takes no bytes, may be so much for each byte of a payload. */
#define STEPS_PER_BYTE 16U
#define STEPS_MIN 1024U

static const struct {
    const char *name;
    uint8_t bytes; /* of every value; 0: any number */
} types[SCHEMA_TYPES] = {
    [SCHEMA_BYTES] = {"BYTES", 0},
    [SCHEMA_STRING] = {"STRING", 0},
    [SCHEMA_JSON] = {"JSON", 0},
    [SCHEMA_AVRO] = {"AVRO", 0},
    [SCHEMA_BOOLEAN] = {"BOOLEAN", 1},
    [SCHEMA_INT8] = {"INT8", 1},
    [SCHEMA_INT16] = {"INT16", 2},
    [SCHEMA_INT32] = {"INT32", 4},
    [SCHEMA_INT64] = {"INT64", 8},
    [SCHEMA_FLOAT] = {"FLOAT", 4},
    [SCHEMA_DOUBLE] = {"DOUBLE", 8},
    [SCHEMA_DATE] = {"DATE", 8},
    [SCHEMA_TIME] = {"TIME", 8},
    [SCHEMA_TIMESTAMP] = {"TIMESTAMP", 8},
    [SCHEMA_INSTANT] = {"INSTANT", 12},
    [SCHEMA_LOCAL_DATE] = {"LOCAL_DATE", 8},
    [SCHEMA_LOCAL_TIME] = {"LOCAL_TIME", 8},
    [SCHEMA_LOCAL_DATE_TIME] = {"LOCAL_DATE_TIME", 16},
    [SCHEMA_PROTOBUF] = {"PROTOBUF", 0},
    [SCHEMA_PROTOBUF_NATIVE] = {"PROTOBUF_NATIVE", 0},
    [SCHEMA_KEY_VALUE] = {"KEY_VALUE", 0},
};

const char *hulse_schema_type_name(enum schema_type type)
{
    HULSE_ASSERT((unsigned)type < SCHEMA_TYPES);
    return types[type].name;
}

bool hulse_schema_type_find(const char *name, enum schema_type *out)
{
    for (unsigned i = 0; i < SCHEMA_TYPES; i++) {
        if (strcasecmp(types[i].name, name) == 0) {
            *out = (enum schema_type)i;
            return true;
        }
    }
    return false;
}

/* PROTOBUF: what a message looks like in Avro, which brokers compare; payloads are not looked into. */
static bool has_tables(enum schema_type type)
{
    return type == SCHEMA_JSON || type == SCHEMA_AVRO || type == SCHEMA_PROTOBUF;
}

static hulse_status read_tables(struct schema *s, struct error *err)
{
    struct schema_reader r = {.schema = s, .status = HULSE_OK};
    json_error_t where;
    json_t *tree = json_loadb(
        s->definition, s->definition_bytes, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &where);

    if (tree == NULL) {
        return hulse_fail(err,
                          HULSE_INVAL,
                          "the definition is no JSON: line %d, column %d: %s",
                          where.line,
                          where.column,
                          where.text);
    }
    hulse_schema_path_start(&r.path);
    for (unsigned i = 0; i < KIND_PRIMITIVES; i++) {
        r.primitives[i] = SCHEMA_NONE;
    }
    s->root = hulse_read_type(&r, tree, (struct schema_place){0});
    if (s->root != SCHEMA_NONE &&
        (!hulse_read_ends(&r) || !hulse_read_defaults(&r) || !hulse_encode_defaults(&r))) {
        s->root = SCHEMA_NONE;
    }
    free(r.defaults.items);
    json_decref(tree);
    if (s->root == SCHEMA_NONE) {
        const char *path = hulse_schema_path_text(&r.path);
        return hulse_fail(err, r.status, "%s%s%s", path, *path == '\0' ? "" : ": ", r.why);
    }
    return HULSE_OK;
}

/* What the official clients for C++ and Python write where there is none. */
static bool is_null(const struct schema *s)
{
    return strcmp(s->definition, "null") == 0 && s->definition_bytes == strlen("null");
}

static hulse_status read_definition(struct schema *s, struct error *err)
{
    if (has_tables(s->type)) {
        return read_tables(s, err);
    }
    if (s->type == SCHEMA_KEY_VALUE) {
        return hulse_pair_read(s, err);
    }
    if (s->type < SCHEMA_PROTOBUF && s->definition_bytes > 0 && !is_null(s)) {
        return hulse_fail(
            err, HULSE_INVAL, "a schema of %s has no definition", types[s->type].name);
    }
    return HULSE_OK;
}

hulse_status
hulse_schema_create(struct schema **out, const struct schema_definition *d, struct error *err)
{
    HULSE_ASSERT(*out == NULL);
    HULSE_ASSERT((unsigned)d->type < SCHEMA_TYPES);

    if (d->bytes > SCHEMA_DEFINITION_BYTES_MAX) {
        return hulse_fail(
            err, HULSE_TOOBIG, "a definition of more than %u bytes", SCHEMA_DEFINITION_BYTES_MAX);
    }
    if (d->properties_bytes > SCHEMA_PROPERTIES_BYTES_MAX) {
        return hulse_fail(
            err, HULSE_TOOBIG, "properties of more than %u bytes", SCHEMA_PROPERTIES_BYTES_MAX);
    }
    struct schema *s = calloc(1, sizeof(*s));
    if (s == NULL || (s->definition = malloc(d->bytes + 1 + d->properties_bytes)) == NULL) {
        free(s);
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for a schema");
    }
    s->type = d->type;
    s->root = SCHEMA_NONE;
    s->definition_bytes = d->bytes;
    if (d->bytes > 0) {
        memcpy(s->definition, d->text, d->bytes);
    }
    s->definition[d->bytes] = '\0';
    s->properties = s->definition + d->bytes + 1;
    s->properties_bytes = d->properties_bytes;
    if (d->properties_bytes > 0) {
        memcpy(s->definition + d->bytes + 1, d->properties, d->properties_bytes);
    }
    const hulse_status status = read_definition(s, err);
    if (status != HULSE_OK) {
        hulse_schema_destroy(&s);
        return status;
    }
    *out = s;
    return HULSE_OK;
}

void hulse_schema_destroy(struct schema **schema)
{
    struct schema *s = *schema;

    *schema = NULL;
    if (s == NULL) {
        return;
    }
    hulse_schema_names_fini(&s->names);
    free(s->nodes.items);
    free(s->fields.items);
    free(s->links.items);
    free(s->words.items);
    free(s->texts.items);
    free(s->values.items);
    free(s->definition);
    hulse_schema_destroy(&s->key);
    hulse_schema_destroy(&s->value);
    free(s);
}

struct schema_definition hulse_schema_definition(const struct schema *s)
{
    return (struct schema_definition){.type = s->type,
                                      .text = s->definition,
                                      .bytes = s->definition_bytes,
                                      .properties = s->properties,
                                      .properties_bytes = s->properties_bytes};
}

size_t hulse_schema_memory(const struct schema *s)
{
    return sizeof(*s) + s->definition_bytes + 1 + s->properties_bytes +
           (s->key == NULL ? 0 : hulse_schema_memory(s->key)) +
           (s->value == NULL ? 0 : hulse_schema_memory(s->value)) +
           s->names.capacity * sizeof(struct schema_name) +
           s->nodes.capacity * sizeof(struct schema_node) +
           s->fields.capacity * sizeof(struct schema_field) +
           (size_t)s->links.capacity * sizeof(uint32_t) +
           s->words.capacity * sizeof(struct schema_word) + s->texts.capacity + s->values.capacity;
}

static bool check_size(const struct schema_walk *w, const char **why)
{
    const size_t bytes = (size_t)(w->end - w->at);
    const enum schema_type type = w->schema->type;

    if (types[type].bytes != 0 && types[type].bytes != bytes) {
        *why = "not of the length of its type";
        return false;
    }
    if (type == SCHEMA_BOOLEAN && *w->at > 1) {
        *why = "neither false nor true";
        return false;
    }
    if (type == SCHEMA_STRING && !hulse_utf8_good(w->at, bytes)) {
        *why = "not UTF-8";
        return false;
    }
    return true;
}

/* One of the two; a missing one fits. */
static bool half_fits(const struct schema *s,
                      struct schema_bytes half,
                      const char *name,
                      struct schema_fault *fault)
{
    char path[sizeof(fault->path)];

    if (s == NULL || half.data == NULL || hulse_schema_check(s, half.data, half.bytes, fault)) {
        return true;
    }
    memcpy(path, fault->path, sizeof(path));
    (void)snprintf(
        fault->path, sizeof(fault->path), "%s%s%.160s", name, *path == '\0' ? "" : ".", path);
    return false;
}

static bool
check_pair(const struct schema *s, const uint8_t *payload, size_t bytes, struct schema_fault *fault)
{
    struct schema_bytes key = {0};
    struct schema_bytes value = {payload, bytes};

    if (!s->separated && (s->key != NULL || s->value != NULL) &&
        !hulse_pair_split(payload, bytes, &key, &value)) {
        fault->path[0] = '\0';
        fault->why = "not a key and a value, each behind its length";
        return false;
    }
    return half_fits(s->key, key, "key", fault) && half_fits(s->value, value, "value", fault);
}

void hulse_schema_walk_start(struct schema_walk *w,
                             const struct schema *s,
                             struct schema_bytes payload)
{
    w->schema = s;
    w->at = payload.data;
    w->end = payload.data + payload.bytes;
    w->steps = STEPS_MIN + STEPS_PER_BYTE * (uint64_t)payload.bytes;
    w->depth = 0;
    w->why = NULL;
    hulse_schema_path_start(&w->path);
}

void hulse_schema_walk_fault(struct schema_walk *w, struct schema_fault *fault)
{
    const char *path = hulse_schema_path_text(&w->path);

    static_assert(sizeof(fault->path) == sizeof(w->path.text), "a whole path fits");
    memcpy(fault->path, path, strlen(path) + 1);
    fault->why = w->why;
}

bool hulse_schema_check(const struct schema *s,
                        const uint8_t *payload,
                        size_t bytes,
                        struct schema_fault *fault)
{
    struct schema_walk w;

    if (s->type == SCHEMA_KEY_VALUE) {
        return check_pair(s, payload, bytes, fault);
    }

    hulse_schema_walk_start(&w, s, (struct schema_bytes){payload, bytes});
    const bool good = s->type == SCHEMA_AVRO   ? hulse_schema_check_avro(&w)
                      : s->type == SCHEMA_JSON ? hulse_schema_check_json(&w)
                                               : check_size(&w, &w.why);
    if (!good) {
        hulse_schema_walk_fault(&w, fault);
    }
    return good;
}
