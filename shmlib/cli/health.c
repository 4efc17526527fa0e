/* SPDX-License-Identifier: Apache-2.0 */
/* health - `hulse health`: is the daemon alive and well? */
#include "daemon/admin/protocol.h"
#include "shmlib/cli/admin_client.h"
#include "shmlib/cli/args.h"
#include "shmlib/cli/pretty.h"
#include "shmlib/cli/say.h"

#include <string.h>

enum { OPT_DEEP = 1 };

static const struct hulse_cli_option options[] = {{OPT_DEEP, 0, "deep", HULSE_CLI_NOTHING},
                                                  {0, 0, NULL, HULSE_CLI_NOTHING}};

static int run(struct hulse_cli *cli, int argc, char **argv)
{
    struct hulse_cli_args args;
    json_t *result = NULL;
    int rc = HULSE_CLI_OK;

    hulse_cli_args_init(&args, cli, options, argc, argv);
    const int id = hulse_cli_args_next(&args);
    if (id == OPT_DEEP) {
        return hulse_cli_usage("health", "--deep: not in this version; there is no broker to ask");
    }
    if (!hulse_cli_args_alone(&args, id, &rc)) {
        return rc;
    }
    rc = hulse_cli_admin_ask(cli, HULSE_ADMIN_HEALTH, NULL, &result);
    if (rc != HULSE_CLI_OK) {
        return rc;
    }
    const char *status = json_string_value(json_object_get(result, "status"));
    /* One that is draining is alive: `ready` says whether newcomers are welcome. */
    const bool alive =
        status != NULL && (strcmp(status, "healthy") == 0 || strcmp(status, "draining") == 0);
    hulse_cli_print(cli, result);
    json_decref(result);
    return alive ? HULSE_CLI_OK : HULSE_CLI_UNREACHABLE;
}

const struct hulse_cli_command hulse_cli_health = {
    .name = "health",
    .summary = "ask the daemon whether it is well",
    .help =
        "hulse health\n"
        "\n"
        "Prints what the daemon says about itself and ends with 0 if it is healthy or draining.\n"
        "A broker that cannot be used makes it degraded; `why` beside it is what went wrong.\n"
        "Fit for a liveness probe and for waiting until a daemon that was just started answers;\n"
        "whether it is ready for newcomers is the member `ready`.\n"
        "\n"
        "      --deep   not in this version\n"
        "\n"
        "Exit: 0 healthy or draining; 69 not healthy or no daemon; 75 no answer within --timeout\n"
        "(5s); 77 no permission.\n",
    .options = options,
    .run = run,
};
