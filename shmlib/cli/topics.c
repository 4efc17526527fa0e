/* SPDX-License-Identifier: Apache-2.0 */
/* topics - `hulse topics`: which there are, and to make, delete and look at one. */
#include "daemon/admin/protocol.h"
#include "shmlib/cli/admin_client.h"
#include "shmlib/cli/args.h"
#include "shmlib/cli/say.h"
#include "shmlib/cli/value.h"

#include <string.h>

#define PARTITIONS_MAX 10000U

enum { OPT_PARTITIONS = 1, OPT_FORCE };

static const struct hulse_cli_option options[] = {{OPT_PARTITIONS, 0, "partitions", HULSE_CLI_TEXT},
                                                  {OPT_FORCE, 0, "force", HULSE_CLI_NOTHING},
                                                  {0, 0, NULL, HULSE_CLI_NOTHING}};

/* What was said behind `hulse topics`. */
struct words {
    const char *what; /* the first operand */
    const char *name; /* the second, or NULL */
    const char *partitions;
    bool force;
};

/* Says whose topics are missing in a list. */
static bool list_is_whole(json_t *unlisted)
{
    size_t i = 0;
    json_t *entry = NULL;

    json_array_foreach(unlisted, i, entry)
    {
        const char *broker = json_string_value(json_object_get(entry, "broker"));
        const char *why = json_string_value(json_object_get(entry, "why"));
        hulse_cli_error("the topics of the broker %s are not in this list: %s",
                        broker == NULL ? "" : broker,
                        why == NULL ? "" : why);
    }
    return json_array_size(unlisted) == 0;
}

static void print_names(struct hulse_cli *cli, json_t *names)
{
    size_t i = 0;
    json_t *entry = NULL;

    if (cli->json) {
        (void)hulse_cli_out_json(&cli->out, names, JSON_COMPACT);
        return;
    }
    json_array_foreach(names, i, entry)
    {
        const char *name = json_string_value(entry);
        if (name != NULL) {
            hulse_cli_out_text(&cli->out, name);
            hulse_cli_out_text(&cli->out, "\n");
        }
    }
}

static int list(struct hulse_cli *cli, const struct words *w)
{
    json_t *members = json_object();
    json_t *result = NULL;

    if (w->name != NULL) {
        members = hulse_cli_admin_with(members, "topics", "namespace", json_string(w->name));
    }
    if (members == NULL) {
        return HULSE_CLI_USAGE;
    }
    const int rc = hulse_cli_admin_ask_cluster(cli, HULSE_ADMIN_TOPICS_LIST, members, &result);
    if (rc != HULSE_CLI_OK) {
        return rc;
    }
    print_names(cli, json_object_get(result, "topics"));
    const bool whole = list_is_whole(json_object_get(result, "unlisted"));
    json_decref(result);
    return whole ? HULSE_CLI_OK : HULSE_CLI_UNREACHABLE;
}

static json_t *of_topic(const struct words *w)
{
    return hulse_cli_admin_with(json_object(), "topics", "topic", json_string(w->name));
}

static int create(struct hulse_cli *cli, const struct words *w)
{
    uint64_t partitions = 0;

    if (w->partitions != NULL &&
        !hulse_cli_value_count(w->partitions, 0, PARTITIONS_MAX, &partitions)) {
        return hulse_cli_usage(
            "topics", "--partitions %s: not a number from 0 to %u", w->partitions, PARTITIONS_MAX);
    }
    json_t *members = of_topic(w);
    if (members != NULL && partitions != 0) {
        members = hulse_cli_admin_with(
            members, "topics", "partitions", json_integer((json_int_t)partitions));
    }
    return hulse_cli_admin_order(cli, HULSE_ADMIN_TOPICS_CREATE, members);
}

static int delete_one(struct hulse_cli *cli, const struct words *w)
{
    json_t *members = of_topic(w);

    if (members != NULL && w->force) {
        members = hulse_cli_admin_with(members, "topics", "force", json_true());
    }
    return hulse_cli_admin_order(cli, HULSE_ADMIN_TOPICS_DELETE, members);
}

static int stats(struct hulse_cli *cli, const struct words *w)
{
    return hulse_cli_admin_order(cli, HULSE_ADMIN_TOPICS_STATS, of_topic(w));
}

static int unload(struct hulse_cli *cli, const struct words *w)
{
    return hulse_cli_admin_order(cli, HULSE_ADMIN_TOPICS_UNLOAD, of_topic(w));
}

static const struct action {
    bool names_one; /* a topic, and has to */
    bool partitions;
    bool force;
    int (*run)(struct hulse_cli *cli, const struct words *w);
} actions[] = {
    [HULSE_CLI_WORD_LIST] = {false, false, false, list},
    [HULSE_CLI_WORD_CREATE] = {true, true, false, create},
    [HULSE_CLI_WORD_DELETE] = {true, false, true, delete_one},
    [HULSE_CLI_WORD_STATS] = {true, false, false, stats},
    [HULSE_CLI_WORD_UNLOAD] = {true, false, false, unload},
};

static int act(struct hulse_cli *cli, const struct words *w)
{
    const int place = hulse_cli_word_index(HULSE_CLI_TOPICS_VERB, w->what);

    if (place < 0) {
        return hulse_cli_usage(
            "topics", "%s: list, create, delete, stats or unload is expected", w->what);
    }
    const struct action *a = &actions[place];
    if (a->names_one && w->name == NULL) {
        return hulse_cli_usage("topics", "%s: which topic?", w->what);
    }
    if ((w->partitions != NULL && !a->partitions) || (w->force && !a->force)) {
        return hulse_cli_usage(
            "topics", "%s: --%s is not for it", w->what, w->force ? "force" : "partitions");
    }
    return a->run(cli, w);
}

static int set_option(void *ctx, int id, const char *value)
{
    struct words *w = ctx;

    if (id == OPT_FORCE) {
        w->force = true;
    } else {
        w->partitions = value;
    }
    return HULSE_CLI_OK;
}

static int run(struct hulse_cli *cli, int argc, char **argv)
{
    struct hulse_cli_args args;
    struct words w = {0};

    hulse_cli_args_init(&args, cli, options, argc, argv);
    const int rc = hulse_cli_args_each(&args, set_option, &w);
    if (rc != HULSE_CLI_OK || cli->help) {
        return rc;
    }
    if (args.operand_count == 0) {
        return hulse_cli_usage("topics", "what about them? `hulse topics list`");
    }
    if (args.operand_count > 2) {
        return hulse_cli_usage("topics", "one name at a time");
    }
    w.what = args.argv[0];
    w.name = args.operand_count == 2 ? args.argv[1] : NULL;
    return act(cli, &w);
}

const struct hulse_cli_command hulse_cli_topics = {
    .name = "topics",
    .summary = "list, create, delete or look at topics",
    .help =
        "hulse topics list [TENANT or TENANT/NAMESPACE]\n"
        "hulse topics create TOPIC [--partitions N]\n"
        "hulse topics delete TOPIC [--force]\n"
        "hulse topics stats TOPIC\n"
        "hulse topics unload TOPIC\n"
        "\n"
        "list prints the full names of the topics of all brokers that the daemon has, one per "
        "line;\n"
        "--json prints an array. A topic with partitions is one name. A broker that did not tell "
        "is\n"
        "named with why, and the end is 69: a Pulsar cluster needs `admin_url` in the "
        "configuration,\n"
        "and lists everything for its superusers only; others name a tenant or a namespace of "
        "theirs.\n"
        "\n"
        "create makes a topic that stays when nobody uses it; one that exists is an error. Topics\n"
        "of the embedded engine have no partitions; those in memory are gone with the daemon.\n"
        "\n"
        "delete ends a topic with its subscriptions and messages. One that producers or consumers\n"
        "have open is deleted with --force only; they are told.\n"
        "\n"
        "stats prints what the topic's broker counts, its subscriptions, and how many messages "
        "the\n"
        "daemon did not let through, by reason.\n"
        "\n"
        "unload has a Pulsar cluster give the topic to another of its brokers, or open it anew.\n"
        "\n"
        "      --partitions N  create: how many, 0 (the default) for a topic without\n"
        "      --force         delete: although it is in use\n"
        "\n"
        "Exit: 0; 64 no topic's name; 65 no such topic; 69 no daemon, the topic exists or is in\n"
        "use, or its broker cannot do it or is not reached; 75 no answer within --timeout (25s); "
        "77\n"
        "no permission.\n",
    .options = options,
    .first = HULSE_CLI_TOPICS_VERB,
    .rest = HULSE_CLI_TOPIC,
    .run = run,
};
