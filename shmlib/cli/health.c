/* SPDX-License-Identifier: Apache-2.0 */
/* health - `hulse health`: is the daemon alive and well? */
#include "daemon/admin/protocol.h"
#include "shmlib/cli/admin_client.h"
#include "shmlib/cli/args.h"
#include "shmlib/cli/pretty.h"
#include "shmlib/cli/say.h"

#include <string.h>

enum { OPT_DEEP = 1 };

/* As long as health.timeout can be. */
#define DEEP_MS 65000

static const struct hulse_cli_option options[] = {{OPT_DEEP, 0, "deep", HULSE_CLI_NOTHING},
                                                  {0, 0, NULL, HULSE_CLI_NOTHING}};

static bool says(json_t *result, const char *name, const char *word)
{
    const char *text = json_string_value(json_object_get(result, name));

    return text != NULL && strcmp(text, word) == 0;
}

/* One that is draining is alive: `ready` says whether newcomers are welcome. */
static bool is_alive(json_t *result)
{
    return says(result, "status", "healthy") || says(result, "status", "draining");
}

static bool is_usable(json_t *result)
{
    return says(result, "pulsar_broker", "healthy") && !says(result, "admin_api", "unhealthy");
}

static int ask(struct hulse_cli *cli, bool deep)
{
    json_t *result = NULL;
    json_t *members = deep ? json_pack("{s:b}", "deep", 1) : NULL;

    if (deep && cli->timeout_ms < 0) {
        cli->timeout_ms = DEEP_MS;
    }
    const int rc = hulse_cli_admin_ask(cli, HULSE_ADMIN_HEALTH, members, &result);
    if (rc != HULSE_CLI_OK) {
        return rc;
    }
    const bool well = deep ? is_usable(result) : is_alive(result);
    hulse_cli_print(cli, result);
    json_decref(result);
    return well ? HULSE_CLI_OK : HULSE_CLI_UNREACHABLE;
}

static int run(struct hulse_cli *cli, int argc, char **argv)
{
    struct hulse_cli_args args;
    bool deep = false;
    int rc = HULSE_CLI_OK;
    int id = 0;

    hulse_cli_args_init(&args, cli, options, argc, argv);
    while ((id = hulse_cli_args_next(&args)) == OPT_DEEP) {
        deep = true;
    }
    return hulse_cli_args_alone(&args, id, &rc) ? ask(cli, deep) : rc;
}

const struct hulse_cli_command hulse_cli_health = {
    .name = "health",
    .summary = "ask the daemon whether it is well",
    .help =
        "hulse health [--deep]\n"
        "\n"
        "Prints what the daemon says about itself and ends with 0 if it is healthy or draining.\n"
        "A broker that cannot be used makes it degraded; `why` beside it is what went wrong.\n"
        "Fit for a liveness probe and for waiting until a daemon that was just started answers;\n"
        "whether it is ready for newcomers is the member `ready`.\n"
        "\n"
        "      --deep   asks the default broker: the topic `health.topic` of the configuration is "
        "looked\n"
        "               up, and the namespaces of `health.tenant` are counted where there is an\n"
        "               `admin_url`; ends with 0 if both answer. What was found is told again for "
        "10 s\n"
        "\n"
        "Exit: 0 healthy or draining; 69 not healthy or no daemon; 75 no answer within --timeout\n"
        "(5s; 65s with --deep); 77 no permission.\n",
    .options = options,
    .run = run,
};
