/* SPDX-License-Identifier: Apache-2.0 */
/* topics - `hulse topics list`: the topics that the daemon serves. */
#include "daemon/admin/protocol.h"
#include "shmlib/cli/admin_client.h"
#include "shmlib/cli/args.h"
#include "shmlib/cli/say.h"

#include <string.h>

static const struct hulse_cli_option options[] = {{0, 0, NULL, false}};

/* Behind "persistent://" or "non-persistent://", is it this tenant's? */
static bool of_tenant(const char *topic, const char *tenant)
{
    const char *behind = strstr(topic, "://");
    const size_t bytes = strlen(tenant);

    return behind != NULL && strncmp(behind + 3, tenant, bytes) == 0 && behind[3 + bytes] == '/';
}

static int list(struct hulse_cli *cli, const char *where)
{
    const bool tenant_only = where != NULL && strchr(where, '/') == NULL;
    json_t *result = NULL;
    size_t i = 0;
    json_t *entry = NULL;
    const int rc =
        hulse_cli_admin_ask(cli, HULSE_ADMIN_TOPICS_LIST, tenant_only ? NULL : where, &result);

    if (rc != HULSE_CLI_OK) {
        return rc;
    }
    json_t *names = json_array();
    json_array_foreach(result, i, entry)
    {
        const char *name = json_string_value(entry);
        if (name != NULL && (!tenant_only || of_tenant(name, where))) {
            (void)json_array_append(names, entry);
        }
    }
    if (cli->json) {
        (void)hulse_cli_out_json(&cli->out, names, JSON_COMPACT);
    } else {
        json_array_foreach(names, i, entry)
        {
            hulse_cli_out_text(&cli->out, json_string_value(entry));
            hulse_cli_out_text(&cli->out, "\n");
        }
    }
    json_decref(names);
    json_decref(result);
    return HULSE_CLI_OK;
}

static int run(struct hulse_cli *cli, int argc, char **argv)
{
    struct hulse_cli_args args;

    hulse_cli_args_init(&args, cli, options, argc, argv);
    if (hulse_cli_args_next(&args) != HULSE_CLI_ARGS_END) {
        return HULSE_CLI_USAGE;
    }
    if (cli->help) {
        return HULSE_CLI_OK;
    }
    if (args.operand_count == 0) {
        return hulse_cli_usage("topics", "what about them? `hulse topics list`");
    }
    if (strcmp(args.argv[0], "list") != 0) {
        return hulse_cli_usage("topics", "%s: this version has only `list`", args.argv[0]);
    }
    if (args.operand_count > 2) {
        return hulse_cli_usage("topics", "at most one tenant or namespace");
    }
    return list(cli, args.operand_count == 2 ? args.argv[1] : NULL);
}

const struct hulse_cli_command hulse_cli_topics = {
    .name = "topics",
    .summary = "list the topics that the daemon serves",
    .help =
        "hulse topics list [TENANT or TENANT/NAMESPACE]\n"
        "\n"
        "Prints the full names of the topics in the daemon's memory, one per line; --json prints\n"
        "an array. A topic appears with its first producer or consumer.\n"
        "\n"
        "Exit: 0; 69 no daemon; 75 no answer within --timeout (5s); 77 no permission.\n",
    .run = run,
};
