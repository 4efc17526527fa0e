/* SPDX-License-Identifier: Apache-2.0 */
/* read - `hulse read`: prints topics without a subscription. */
#include "shmlib/cli/args.h"
#include "shmlib/cli/receiver.h"
#include "shmlib/cli/say.h"
#include "shmlib/cli/value.h"

#include <string.h>

enum { OPT_FROM = 1, OPT_FOLLOW, OPT_FORMAT, OPT_DECODE, OPT_COMPACTED };

static const struct hulse_cli_option options[] = {
    {OPT_FROM, 0, "from", HULSE_CLI_FROM},
    {'n', 'n', "count", HULSE_CLI_TEXT},
    {OPT_FOLLOW, 0, "follow", HULSE_CLI_NOTHING},
    {OPT_FORMAT, 0, "format", HULSE_CLI_FORMAT},
    {OPT_COMPACTED, 0, "compacted", HULSE_CLI_NOTHING},
    {OPT_DECODE, 0, "decode", HULSE_CLI_NOTHING},
    {0, 0, NULL, HULSE_CLI_NOTHING},
};

static int set_option(void *ctx, int id, const char *value)
{
    struct hulse_cli_receiver *r = ctx;

    switch (id) {
    case OPT_FROM:
        return hulse_cli_receiver_from(r, value);
    case 'n':
        if (!hulse_cli_value_count(value, 1, UINT64_MAX, &r->count)) {
            return hulse_cli_usage("read", "-n %s: not a number above 0", value);
        }
        return HULSE_CLI_OK;
    case OPT_FOLLOW:
        r->follow = true;
        return HULSE_CLI_OK;
    case OPT_COMPACTED:
        return hulse_cli_receiver_compacted(r);
    case OPT_DECODE:
        r->decode = true;
        return HULSE_CLI_OK;
    default:
        return hulse_cli_receiver_format(r, value);
    }
}

static int run(struct hulse_cli *cli, int argc, char **argv)
{
    struct hulse_cli_receiver r = {.cli = cli,
                                   .command = "read",
                                   .type = HULSE_READER,
                                   .type_name = "reader",
                                   .from = {.start = HULSE_EARLIEST}};
    struct hulse_cli_args args;

    hulse_cli_args_init(&args, cli, options, argc, argv);
    int rc = hulse_cli_args_each(&args, set_option, &r);
    if (rc == HULSE_CLI_OK && !cli->help) {
        rc = args.operand_count > 0 ? hulse_cli_receiver_run(&r, args.operand_count, args.argv)
                                    : hulse_cli_usage("read", "a topic is needed");
    }
    hulse_cli_receiver_free(&r);
    return rc;
}

const struct hulse_cli_command hulse_cli_read = {
    .name = "read",
    .summary = "print topics without a subscription",
    .help =
        "hulse read TOPIC...\n"
        "\n"
        "Prints the messages of topics as a reader: nothing is acknowledged and nothing\n"
        "remembered. Without --follow it ends when the last message of each that was there when "
        "it\n"
        "began was printed. A non-persistent topic keeps no messages, so it ends at once there "
        "and\n"
        "says so.\n"
        "\n"
        "      --from WHERE      earliest (default); latest; an id as printed with --format json,\n"
        "                        LEDGER:ENTRY[:PARTITION[:BATCH]], of one topic, itself "
        "included; a time,\n"
        "                        2026-11-30T09:30:00Z or -15m (before now). What a broker cannot "
        "it\n"
        "                        refuses: the embedded engine knows no times, and of Pulsar a new\n"
        "                        subscription begins at an end only\n"
        "  -n, --count COUNT     end after COUNT messages\n"
        "      --follow          go on with the messages that come, until the topic is terminated\n"
        "      --compacted       of Pulsar: up to the topic's last compaction the last message of\n"
        "                        each key alone\n"
        "      --format FORMAT   raw (default) or json, as `hulse sub` prints them\n"
        "      --decode          payloads as JSON by their schemas, as `hulse sub` prints them\n"
        "\n"
        "--timeout ends the command after that time: with 75 when it ended before COUNT messages "
        "or,\n"
        "without --follow, before the end of the topic. --json is --format json.\n"
        "\n"
        "Messages that are damaged in the store are passed over. At the end their number is said "
        "on\n"
        "standard error and, with --json, in a last line {\"lost\":N}; with -n it may count some\n"
        "behind the last one printed.\n"
        "\n"
        "Exit: 0 all was there; 65 damaged messages were passed over; 69, 74, 75, 77 see `hulse\n"
        "help`.\n",
    .options = options,
    .first = HULSE_CLI_TOPIC,
    .rest = HULSE_CLI_TOPIC,
    .run = run,
};
