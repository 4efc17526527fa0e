/* SPDX-License-Identifier: Apache-2.0 */
/* stats - `hulse stats`: the daemon's counters. */
#include "daemon/admin/protocol.h"
#include "shmlib/cli/admin_client.h"
#include "shmlib/cli/args.h"
#include "shmlib/cli/pretty.h"
#include "shmlib/cli/say.h"

static const struct hulse_cli_option options[] = {{0, 0, NULL, false}};

static int run(struct hulse_cli *cli, int argc, char **argv)
{
    struct hulse_cli_args args;
    json_t *result = NULL;

    hulse_cli_args_init(&args, cli, options, argc, argv);
    if (hulse_cli_args_next(&args) != HULSE_CLI_ARGS_END) {
        return HULSE_CLI_USAGE;
    }
    if (cli->help) {
        return HULSE_CLI_OK;
    }
    if (args.operand_count > 0) {
        return hulse_cli_usage("stats", "%s: no argument is expected", args.argv[0]);
    }
    const int rc = hulse_cli_admin_ask(cli, HULSE_ADMIN_STATS, NULL, &result);
    if (rc != HULSE_CLI_OK) {
        return rc;
    }
    if (cli->json) {
        (void)hulse_cli_out_json(&cli->out, result, JSON_COMPACT);
    } else {
        hulse_cli_pretty(&cli->out, result);
    }
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
        "topics, brokers and memory. missed_doorbells must be 0. --json prints the object as one\n"
        "line. The admin socket admits the daemon's own user.\n"
        "\n"
        "Exit: 0; 69 no daemon; 75 no answer within --timeout (5s); 77 no permission.\n",
    .run = run,
};
