/* SPDX-License-Identifier: Apache-2.0 */
/* sub - `hulse sub`: consumes topics through a subscription and prints the messages. */
#include "shmlib/cli/args.h"
#include "shmlib/cli/receiver.h"
#include "shmlib/cli/say.h"
#include "shmlib/cli/value.h"

#include <inttypes.h>
#include <string.h>

enum {
    OPT_FROM = 1,
    OPT_NO_ACK,
    OPT_FORMAT,
    OPT_DECODE,
    OPT_REGEX,
    OPT_FILTER,
    OPT_COMPACTED,
    OPT_REPLICATED,
    OPT_PRIORITY,
    OPT_KEY_RANGE,
    OPT_ANY_KEY_ORDER,
    OPT_PROPERTY,
    OPT_SUBSCRIPTION_PROPERTY
};

static const struct hulse_cli_option options[] = {
    {'s', 's', "subscription", HULSE_CLI_TEXT},
    {'t', 't', "type", HULSE_CLI_TYPE},
    {OPT_FROM, 0, "from", HULSE_CLI_FROM},
    {'n', 'n', "count", HULSE_CLI_TEXT},
    {OPT_NO_ACK, 0, "no-ack", HULSE_CLI_NOTHING},
    {OPT_FORMAT, 0, "format", HULSE_CLI_FORMAT},
    {OPT_DECODE, 0, "decode", HULSE_CLI_NOTHING},
    {OPT_REGEX, 0, "regex", HULSE_CLI_NOTHING},
    {OPT_FILTER, 0, "filter", HULSE_CLI_TEXT},
    {OPT_COMPACTED, 0, "compacted", HULSE_CLI_NOTHING},
    {OPT_REPLICATED, 0, "replicated", HULSE_CLI_NOTHING},
    {OPT_PRIORITY, 0, "priority", HULSE_CLI_TEXT},
    {OPT_KEY_RANGE, 0, "key-range", HULSE_CLI_TEXT},
    {OPT_ANY_KEY_ORDER, 0, "any-key-order", HULSE_CLI_NOTHING},
    {OPT_PROPERTY, 0, "property", HULSE_CLI_TEXT},
    {OPT_SUBSCRIPTION_PROPERTY, 0, "subscription-property", HULSE_CLI_TEXT},
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

/* What a broker of Pulsar is told of the subscription. */
static int set_wish(struct hulse_cli_receiver *r, int id, const char *value)
{
    switch (id) {
    case OPT_COMPACTED:
        return hulse_cli_receiver_compacted(r);
    case OPT_REPLICATED:
        return hulse_cli_receiver_replicated(r);
    case OPT_PRIORITY:
        return hulse_cli_receiver_priority(r, value);
    case OPT_KEY_RANGE:
        return hulse_cli_receiver_key_range(r, value);
    case OPT_ANY_KEY_ORDER:
        return hulse_cli_receiver_any_key_order(r);
    case OPT_PROPERTY:
        return hulse_cli_receiver_property(r, value);
    default:
        return hulse_cli_receiver_subscription_property(r, value);
    }
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
    case OPT_DECODE:
        r->decode = true;
        return HULSE_CLI_OK;
    case OPT_REGEX:
        r->regex = true;
        return HULSE_CLI_OK;
    case OPT_FILTER:
        return hulse_cli_usage("sub",
                               "--filter: not in this version; filter the output of --format json");
    default:
        return set_wish(r, id, value);
    }
}

static int consume(struct hulse_cli_receiver *r, const struct hulse_cli_args *args)
{
    if (args->operand_count == 0) {
        return hulse_cli_usage("sub", "a topic is needed");
    }
    if (r->subscription == NULL) {
        return hulse_cli_usage(
            "sub", "a subscription is needed: -s NAME (`hulse read` works without one)");
    }
    return hulse_cli_receiver_run(r, args->operand_count, args->argv);
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
    int rc = hulse_cli_args_each(&args, set_option, &r);
    if (rc == HULSE_CLI_OK && !cli->help) {
        rc = consume(&r, &args);
    }
    hulse_cli_receiver_free(&r);
    return rc;
}

const struct hulse_cli_command hulse_cli_sub = {
    .name = "sub",
    .summary = "consume topics through a subscription and print the messages",
    .help =
        "hulse sub TOPIC... -s SUBSCRIPTION\n"
        "\n"
        "Prints the messages of the topics and acknowledges each one after it was written to\n"
        "standard output. Says `subscribed TOPIC ...` on standard error as soon as messages can\n"
        "arrive. Ends with 0 after -n messages, on SIGINT and SIGTERM, and when all topics\n"
        "are terminated and everything is acknowledged; what was not printed goes back to the\n"
        "subscription.\n"
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
        "      --decode              payloads as JSON, each by the schema that it was written "
        "with: of\n"
        "                            Avro, JSON, numbers, texts, times and pairs of them; a "
        "payload\n"
        "                            without a schema, or that does not fit it, as it is; with\n"
        "                            --format json also schema_version, and undecoded says why "
        "not\n"
        "      --regex               TOPIC is [SCHEME://TENANT/NAMESPACE/]REGEX, in the dialect "
        "of\n"
        "                            RE2, for the whole name of topics behind the namespace; "
        "topics\n"
        "                            that come later are consumed from their beginning\n"
        "      --filter              not in this version\n"
        "\n"
        "Of a Pulsar broker, which is told so with the subscription:\n"
        "\n"
        "      --compacted           exclusive and failover: up to the topic's last compaction "
        "the\n"
        "                            last message of each key alone\n"
        "      --replicated          where a new subscription is, is known in the clusters that "
        "its\n"
        "                            topic is replicated to\n"
        "      --priority NUMBER     shared and failover: lower numbers get messages first; "
        "default 0\n"
        "      --key-range FIRST-LAST   key_shared: hashes of keys, of 65536, that come here and\n"
        "                            nowhere else; may be given more than once\n"
        "      --any-key-order       key_shared: a key may come here while earlier messages of it\n"
        "                            are unacknowledged elsewhere\n"
        "      --property NAME=VALUE    of the consumer, which the broker shows\n"
        "      --subscription-property NAME=VALUE   kept with a new subscription\n"
        "\n"
        "--timeout ends the command after that time: with 75 when -n was given and not reached,\n"
        "else with 0. --json is --format json.\n"
        "\n"
        "Exit: 0; 64 usage; 69 no daemon, it went away, the topic's broker is away or has no\n"
        "such type, or the subscription is taken; 74 standard output was closed; 75 the time was "
        "over;\n"
        "77 no permission.\n",
    .options = options,
    .first = HULSE_CLI_TOPIC,
    .rest = HULSE_CLI_TOPIC,
    .run = run,
};
