/* SPDX-License-Identifier: Apache-2.0 */
/* stats - `hulse stats`: the daemon's counters. */
#include "daemon/admin/protocol.h"
#include "shmlib/cli/admin_client.h"
#include "shmlib/cli/args.h"
#include "shmlib/cli/pretty.h"

static const struct hulse_cli_option options[] = {{0, 0, NULL, HULSE_CLI_NOTHING}};

static int run(struct hulse_cli *cli, int argc, char **argv)
{
    struct hulse_cli_args args;
    json_t *result = NULL;
    int rc = HULSE_CLI_OK;

    hulse_cli_args_init(&args, cli, options, argc, argv);
    if (!hulse_cli_args_alone(&args, hulse_cli_args_next(&args), &rc)) {
        return rc;
    }
    rc = hulse_cli_admin_ask(cli, HULSE_ADMIN_STATS, NULL, &result);
    if (rc != HULSE_CLI_OK) {
        return rc;
    }
    hulse_cli_print(cli, result);
    json_decref(result);
    return HULSE_CLI_OK;
}

const struct hulse_cli_command hulse_cli_stats = {
    .name = "stats",
    .summary = "print the daemon's counters",
    .help =
        "hulse stats\n"
        "\n"
        "Asks the daemon's admin socket for its version, uptime, workers, sessions, channels,\n"
        "topics, brokers, stores and memory, and what its allocator holds. missed_doorbells must\n"
        "be 0. docs/user-guide.md and docs/pulsar.md say what the figures mean.\n"
        "--json prints the object as one line. The admin socket admits the daemon's own user.\n"
        "\n"
        "Exit: 0; 69 no daemon; 75 no answer within --timeout (5s); 77 no permission.\n",
    .options = options,
    .run = run,
};
