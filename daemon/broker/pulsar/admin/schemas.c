/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schemas - those that a topic has and had, listed. One is got or put without REST: schema/registry.
 *
 * A cluster counts versions from 0, we from 1.
 */
#include "daemon/broker/pulsar/admin/operations.h"
#include "daemon/core/mem.h"
#include "daemon/schema/schema.h"

#include <assert.h>

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

hulse_status hulse_admin_schemas(struct admin_errand *e, struct error *err)
{
    if (!hulse_admin_errand_path(e, "schemas", e->admin->topic)) {
        return hulse_fail(err, HULSE_INVAL, "not a topic's name, or too long");
    }
    hulse_rest_path_add(&e->call.path, "/schemas");
    return hulse_admin_errand_ask(e, HTTP_GET, NULL, listed, err);
}
