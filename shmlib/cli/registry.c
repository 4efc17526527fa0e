/* SPDX-License-Identifier: Apache-2.0 */
/* registry - the schemas that a topic's broker keeps (contract in registry.h). */
#include "shmlib/cli/registry.h"

#include "daemon/admin/protocol.h"
#include "daemon/schema/source.h"
#include "shmlib/cli/admin_client.h"
#include "shmlib/cli/say.h"
#include "shmlib/cli/value.h"

static json_t *with(json_t *members, const char *name, json_t *value)
{
    return hulse_cli_admin_with(members, "schema", name, value);
}

static json_t *of_topic(const char *topic)
{
    return with(json_object(), "topic", json_string(topic));
}

int hulse_cli_registry_list(struct hulse_cli *cli, const char *topic)
{
    return hulse_cli_admin_order(cli, HULSE_ADMIN_SCHEMA_LIST, of_topic(topic));
}

/* As Pulsar's tools keep it, so that `check` reads it and `put` takes it. */
static void print_form(struct hulse_cli *cli, const json_t *result)
{
    json_t *form = json_pack("{s:O, s:O, s:O}",
                             "type",
                             json_object_get(result, "type"),
                             "schema",
                             json_object_get(result, "definition"),
                             "properties",
                             json_object_get(result, "properties"));

    (void)hulse_cli_out_json(&cli->out, form, JSON_COMPACT);
    json_decref(form);
}

int hulse_cli_registry_get(struct hulse_cli *cli, const char *topic, const char *version)
{
    uint64_t number = 0;
    json_t *result = NULL;
    json_t *members = of_topic(topic);

    if (version != NULL) {
        if (!hulse_cli_value_count(version, 0, INT32_MAX, &number)) {
            json_decref(members);
            return hulse_cli_usage("schema", "--version %s: not a number from 0 on", version);
        }
        members = with(members, "version", json_integer((json_int_t)number));
    }
    if (cli->json) {
        return hulse_cli_admin_order(cli, HULSE_ADMIN_SCHEMA_GET, members);
    }
    if (members == NULL) {
        return HULSE_CLI_USAGE;
    }
    const int rc = hulse_cli_admin_ask_cluster(cli, HULSE_ADMIN_SCHEMA_GET, members, &result);
    if (rc == HULSE_CLI_OK) {
        print_form(cli, result);
        json_decref(result);
    }
    return rc;
}

int hulse_cli_registry_put(struct hulse_cli *cli,
                           const char *topic,
                           const struct schema_definition *d)
{
    json_t *members = of_topic(topic);
    json_t *definition = NULL;
    json_t *properties = NULL;

    if (!hulse_schema_form(d, &definition, &properties)) {
        json_decref(members);
        return hulse_cli_usage("schema", "put: the definition is no text");
    }
    members = with(members, "type", json_string(hulse_schema_type_name(d->type)));
    members = with(members, "definition", definition);
    members = with(members, "properties", properties);
    return hulse_cli_admin_order(cli, HULSE_ADMIN_SCHEMA_PUT, members);
}
