/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schemas - those that a topic has and had: listed, one of them, another one put.
 *
 * A cluster counts versions from 0, we from 1.
 */
#include "daemon/broker/pulsar/admin/operations.h"
#include "daemon/core/mem.h"
#include "daemon/schema/schema.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define VERSIONS_MAX 10000U
/* The highest that a cluster can say, so that one more is a number, too. */
#define VERSION_MAX ((json_int_t)INT64_MAX - 1)

static_assert((int)BROKER_SCHEMA_KEY_VALUE == (int)SCHEMA_KEY_VALUE, "the same types");

/* False: not a version. */
static bool read_version(const json_t *value, uint64_t *out)
{
    const json_int_t n = json_integer_value(value);

    if (!json_is_integer(value) || n < 0 || n > VERSION_MAX) {
        return false;
    }
    *out = (uint64_t)n + 1;
    return true;
}

/* What the cluster calls otherwise is bytes for us. */
static enum broker_schema_type read_type(const json_t *schema)
{
    const char *name = json_string_value(json_object_get(schema, "type"));
    enum schema_type type = SCHEMA_BYTES;

    if (name == NULL || !hulse_schema_type_find(name, &type)) {
        return BROKER_SCHEMA_BYTES;
    }
    return (enum broker_schema_type)type;
}

/* ---- list ---- */

static bool read_listed(const json_t *one, struct broker_schema_version *out)
{
    const json_int_t created_ms = json_integer_value(json_object_get(one, "timestamp"));

    out->type = read_type(one);
    out->created_ms = created_ms > 0 ? (uint64_t)created_ms : 0;
    return read_version(json_object_get(one, "version"), &out->version);
}

static void listed(struct admin_errand *e, const struct rest_answer *a)
{
    const json_t *list = json_object_get(a->json, "getSchemaResponses");
    const size_t count = json_array_size(list);
    struct broker_schema_version *all = NULL;

    if (!json_is_array(list)) {
        hulse_admin_errand_end_odd(e);
        return;
    }
    if (count > VERSIONS_MAX) {
        hulse_admin_errand_end(e, HULSE_LIMIT, "the topic has more than 10000 versions");
        return;
    }
    e->block_bytes = count * sizeof(*all);
    all = hulse_mem_zalloc(HULSE_MEM_BROKER, e->block_bytes);
    e->block = all;
    if (all == NULL) {
        hulse_admin_errand_end(e, HULSE_NO_MEMORY, "no memory for the versions");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (!read_listed(json_array_get(list, i), &all[i])) {
            hulse_admin_errand_end_odd(e);
            return;
        }
    }
    e->admin->schemas = all;
    e->admin->schema_count = (uint32_t)count;
    hulse_admin_errand_end(e, HULSE_OK, "");
}

static hulse_status begin_path(struct admin_errand *e, const char *topic, struct error *err)
{
    return hulse_admin_errand_path(e, "schemas", topic)
               ? HULSE_OK
               : hulse_fail(err, HULSE_INVAL, "not a topic's name, or too long");
}

hulse_status hulse_admin_schemas(struct admin_errand *e, struct error *err)
{
    const hulse_status st = begin_path(e, e->admin->topic, err);

    if (st != HULSE_OK) {
        return st;
    }
    hulse_rest_path_add(&e->call.path, "/schemas");
    return hulse_admin_errand_ask(e, HTTP_GET, NULL, listed, err);
}

/* ---- get ---- */

/* The definition stays where it is: in the answer, until the request has been told. */
static void got(struct admin_errand *e, const struct rest_answer *a)
{
    const json_t *data = json_object_get(a->json, "data");
    const size_t bytes = json_string_length(data);

    if (!json_is_string(data) || bytes > UINT32_MAX ||
        !read_version(json_object_get(a->json, "version"), &e->schema->version)) {
        hulse_admin_errand_end_odd(e);
        return;
    }
    e->schema->schema = (struct broker_schema){
        .type = read_type(a->json),
        .definition = {.data = (const uint8_t *)json_string_value(data), .bytes = (uint32_t)bytes},
    };
    hulse_admin_errand_end(e, HULSE_OK, "");
}

hulse_status hulse_admin_schema_get(struct admin_errand *e, struct error *err)
{
    char version[32];
    const hulse_status st = begin_path(e, e->schema->topic, err);

    if (st != HULSE_OK) {
        return st;
    }
    hulse_rest_path_add(&e->call.path, "/schema");
    if (e->schema->version != 0) {
        (void)snprintf(version, sizeof(version), "/%" PRIu64, e->schema->version - 1);
        hulse_rest_path_add(&e->call.path, version);
    }
    return hulse_admin_errand_ask(e, HTTP_GET, NULL, got, err);
}

/* ---- put ---- */

static void put(struct admin_errand *e, const struct rest_answer *a)
{
    const json_t *version = json_object_get(json_object_get(a->json, "version"), "version");

    if (read_version(version, &e->schema->version)) {
        hulse_admin_errand_end(e, HULSE_OK, "");
    } else {
        hulse_admin_errand_end_odd(e);
    }
}

/* {"type","schema","properties"}; NULL: not UTF-8, or no memory. */
static json_t *as_json(const struct broker_schema *s)
{
    return json_pack("{s:s, s:s%, s:{}}",
                     "type",
                     hulse_schema_type_name((enum schema_type)s->type),
                     "schema",
                     (const char *)s->definition.data,
                     (size_t)s->definition.bytes,
                     "properties");
}

static hulse_status send_json(struct admin_errand *e, const json_t *object, struct error *err)
{
    const size_t bytes = json_dumpb(object, NULL, 0, JSON_COMPACT);
    char *body = bytes == 0 ? NULL : hulse_mem_alloc(HULSE_MEM_BROKER, bytes + 1);

    if (body == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for the definition");
    }
    (void)json_dumpb(object, body, bytes, JSON_COMPACT);
    body[bytes] = '\0';
    const hulse_status st = hulse_admin_errand_ask(e, HTTP_POST, body, put, err);
    hulse_mem_free(HULSE_MEM_BROKER, body, bytes + 1);
    return st;
}

hulse_status hulse_admin_schema_put(struct admin_errand *e, struct error *err)
{
    hulse_status st = begin_path(e, e->schema->topic, err);

    if (st != HULSE_OK) {
        return st;
    }
    json_t *object = as_json(&e->schema->schema);
    if (object == NULL) {
        return hulse_fail(err, HULSE_INVAL, "the definition is not UTF-8, or there is no memory");
    }
    hulse_rest_path_add(&e->call.path, "/schema");
    e->conflict = "the cluster finds it incompatible with the versions before it";
    st = send_json(e, object, err);
    json_decref(object);
    return st;
}
