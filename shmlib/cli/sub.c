/* SPDX-License-Identifier: Apache-2.0 */
/* sub - `hulse sub`: consumes topics through a subscription and prints the messages. */
#include "shmlib/cli/args.h"
#include "shmlib/cli/receiver.h"
#include "shmlib/cli/say.h"
#include "shmlib/cli/value.h"

#include <inttypes.h>
#include <string.h>

enum { OPT_FROM = 1, OPT_NO_ACK, OPT_FORMAT, OPT_REGEX, OPT_FILTER };

static const struct hulse_cli_option options[] = {
    {'s', 's', "subscription", HULSE_CLI_TEXT},
    {'t', 't', "type", HULSE_CLI_TYPE},
    {OPT_FROM, 0, "from", HULSE_CLI_FROM},
    {'n', 'n', "count", HULSE_CLI_TEXT},
    {OPT_NO_ACK, 0, "no-ack", HULSE_CLI_NOTHING},
    {OPT_FORMAT, 0, "format", HULSE_CLI_FORMAT},
    {OPT_REGEX, 0, "regex", HULSE_CLI_NOTHING},
    {OPT_FILTER, 0, "filter", HULSE_CLI_TEXT},
    {0, 0, NULL, HULSE_CLI_NOTHING},
};

static int set_type(struct hulse_cli_receiver *r, const char *text)
{
    static const enum hulse_subscription types[] = {
        [HULSE_CLI_WORD_EXCLUSIVE] = HULSE_EXCLUSIVE,
        [HULSE_CLI_WORD_SHARED] = HULSE_SHARED,
        [HULSE_CLI_WORD_FAILOVER] = HULSE_FAILOVER,
        [HULSE_CLI_WORD_KEY_SHARED] = HULSE_KEY_SHARED,
    };
    const int index = hulse_cli_word_index(HULSE_CLI_TYPE, text);

    if (index >= 0) {
        r->type = types[index];
        r->type_name = hulse_cli_words(HULSE_CLI_TYPE)[index];
        return HULSE_CLI_OK;
    }
    return hulse_cli_usage("sub", "-t %s: exclusive, shared, failover or key_shared", text);
}

static int set_option(void *ctx, int id, const char *value)
{
    struct hulse_cli_receiver *r = ctx;

    switch (id) {
    case 's':
        if (value[0] == '\0') {
            return hulse_cli_usage("sub", "-s: a subscription's name is not empty");
        }
        r->subscription = value;
        return HULSE_CLI_OK;
    case 't':
        return set_type(r, value);
    case OPT_FROM:
        return hulse_cli_receiver_from(r, value);
    case 'n':
        if (!hulse_cli_value_count(value, 1, UINT64_MAX, &r->count)) {
            return hulse_cli_usage("sub", "-n %s: not a number above 0", value);
        }
        return HULSE_CLI_OK;
    case OPT_NO_ACK:
        r->acknowledge = false;
        return HULSE_CLI_OK;
    case OPT_FORMAT:
        return hulse_cli_receiver_format(r, value);
    case OPT_REGEX:
        r->regex = true;
        return HULSE_CLI_OK;
    default:
        return hulse_cli_usage("sub",
                               "--filter: not in this version; filter the output of --format json");
    }
}

static int run(struct hulse_cli *cli, int argc, char **argv)
{
    struct hulse_cli_receiver r = {.cli = cli,
                                   .command = "sub",
                                   .type = HULSE_SHARED,
                                   .type_name = "shared",
                                   .acknowledge = true,
                                   .follow = true};
    struct hulse_cli_args args;

    hulse_cli_args_init(&args, cli, options, argc, argv);
    const int rc = hulse_cli_args_each(&args, set_option, &r);
    if (rc != HULSE_CLI_OK || cli->help) {
        return rc;
    }
    if (args.operand_count == 0) {
        return hulse_cli_usage("sub", "a topic is needed");
    }
    if (r.subscription == NULL) {
        return hulse_cli_usage(
            "sub", "a subscription is needed: -s NAME (`hulse read` works without one)");
    }
    return hulse_cli_receiver_run(&r, args.operand_count, args.argv);
}

const struct hulse_cli_command hulse_cli_sub = {
    .name = "sub",
    .summary = "consume topics through a subscription and print the messages",
    .help =
        "hulse sub TOPIC... -s SUBSCRIPTION\n"
        "\n"
        "Prints the messages of the topics and acknowledges each one after it was written to\n"
        "standard output. Says `subscribed TOPIC ...` on standard error as soon as messages can\n"
        "arrive. Ends with 0 after -n messages or on SIGINT and SIGTERM; what was not printed "
        "goes\n"
        "back to the subscription.\n"
        "\n"
        "  -s, --subscription NAME   the subscription; needed\n"
        "  -t, --type TYPE           shared (default), exclusive; of a Pulsar broker failover and\n"
        "                            key_shared too\n"
        "      --from WHERE          where a new subscription begins: latest (default), earliest,\n"
        "                            or, on topics of the daemon's own, an id as of `hulse read`\n"
        "  -n, --count COUNT         end after COUNT messages\n"
        "      --no-ack              acknowledge nothing: every message goes back at the end\n"
        "      --format FORMAT       raw (default): payload and a newline; json: one object a "
        "line\n"
        "                            with id topic key properties publish_time_ms event_time_ms\n"
        "                            redelivery_count producer payload; bytes that are not UTF-8\n"
        "                            are in payload_base64 (key_base64) instead; a tombstone has\n"
        "                            tombstone in the place of a payload\n"
        "      --regex               TOPIC is [SCHEME://TENANT/NAMESPACE/]REGEX, in the dialect "
        "of\n"
        "                            RE2, for the whole name of topics behind the namespace; "
        "topics\n"
        "                            that come later are consumed from their beginning\n"
        "      --filter              not in this version\n"
        "\n"
        "--timeout ends the command after that time: with 75 when -n was given and not reached,\n"
        "else with 0. --json is --format json.\n"
        "\n"
        "Exit: 0; 64 usage; 69 no daemon, it went away, the topic's broker has no such type,\n"
        "or the subscription is taken; 74 standard output was closed; 75 the time was over; 77 no\n"
        "permission.\n",
    .options = options,
    .first = HULSE_CLI_TOPIC,
    .rest = HULSE_CLI_TOPIC,
    .run = run,
};
