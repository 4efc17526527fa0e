/* SPDX-License-Identifier: Apache-2.0 */
/* subs - `hulse subs`: which subscriptions a topic has, and to move, empty or forget one. */
#include "daemon/admin/protocol.h"
#include "shmlib/cli/admin_client.h"
#include "shmlib/cli/args.h"
#include "shmlib/cli/position.h"
#include "shmlib/cli/say.h"
#include "shmlib/cli/value.h"

#include <string.h>

#define COUNT_MAX INT32_MAX

enum { OPT_TO = 1, OPT_COUNT, OPT_FORCE };

static const struct hulse_cli_option options[] = {{OPT_TO, 0, "to", HULSE_CLI_FROM},
                                                  {OPT_COUNT, 'n', "count", HULSE_CLI_TEXT},
                                                  {OPT_FORCE, 0, "force", HULSE_CLI_NOTHING},
                                                  {0, 0, NULL, HULSE_CLI_NOTHING}};

/* What was said behind `hulse subs`. */
struct words {
    const char *what; /* the first operand */
    const char *topic;
    const char *subscription; /* NULL: not said */
    const char *to;
    const char *count;
    bool force;
};

static json_t *with(json_t *members, const char *name, json_t *value)
{
    return hulse_cli_admin_with(members, "subs", name, value);
}

static json_t *meant(const struct words *w)
{
    json_t *members = with(json_object(), "topic", json_string(w->topic));

    return w->subscription == NULL ? members
                                   : with(members, "subscription", json_string(w->subscription));
}

static int list(struct hulse_cli *cli, const struct words *w)
{
    return hulse_cli_admin_order(cli, HULSE_ADMIN_SUBS_LIST, meant(w));
}

static int stats(struct hulse_cli *cli, const struct words *w)
{
    return hulse_cli_admin_order(cli, HULSE_ADMIN_SUBS_STATS, meant(w));
}

static int seek(struct hulse_cli *cli, const struct words *w)
{
    struct hulse_cli_position to;

    if (w->to == NULL) {
        return hulse_cli_usage("subs", "seek: where to? --to earliest, latest, an id or a time");
    }
    if (!hulse_cli_position_parse(w->to, &to)) {
        return hulse_cli_usage("subs", "--to %s: not earliest, latest, an id or a time", w->to);
    }
    json_t *position =
        to.start == HULSE_AT_TIME ? json_integer((json_int_t)to.unix_ms) : json_string(w->to);
    return hulse_cli_admin_order(cli, HULSE_ADMIN_SUBS_SEEK, with(meant(w), "position", position));
}

static int skip(struct hulse_cli *cli, const struct words *w)
{
    uint64_t count = 0;
    json_t *members = meant(w);

    if (w->count != NULL && strcmp(w->count, "all") != 0) {
        if (!hulse_cli_value_count(w->count, 1, COUNT_MAX, &count)) {
            json_decref(members);
            return hulse_cli_usage(
                "subs", "-n %s: all, or a number from 1 to %d", w->count, COUNT_MAX);
        }
        members = with(members, "count", json_integer((json_int_t)count));
    } else if (w->count == NULL) {
        json_decref(members);
        return hulse_cli_usage("subs", "skip: how many? -n NUMBER, or -n all");
    }
    return hulse_cli_admin_order(cli, HULSE_ADMIN_SUBS_SKIP, members);
}

static int delete_one(struct hulse_cli *cli, const struct words *w)
{
    json_t *members = meant(w);

    if (w->force) {
        members = with(members, "force", json_true());
    }
    return hulse_cli_admin_order(cli, HULSE_ADMIN_SUBS_DELETE, members);
}

static const struct action {
    int operands_min; /* without the verb */
    int operands_max;
    bool to;
    bool count;
    bool force;
    int (*run)(struct hulse_cli *cli, const struct words *w);
} actions[] = {
    [HULSE_CLI_WORD_SUBS_LIST] = {1, 1, false, false, false, list},
    [HULSE_CLI_WORD_SUBS_STATS] = {1, 2, false, false, false, stats},
    [HULSE_CLI_WORD_SUBS_SEEK] = {2, 2, true, false, false, seek},
    [HULSE_CLI_WORD_SUBS_SKIP] = {2, 2, false, true, false, skip},
    [HULSE_CLI_WORD_SUBS_DELETE] = {2, 2, false, false, true, delete_one},
};

/* The first option that is not for the action; NULL: there is none. */
static const char *foreign(const struct action *a, const struct words *w)
{
    if (w->to != NULL && !a->to) {
        return "--to";
    }
    if (w->count != NULL && !a->count) {
        return "--count";
    }
    return w->force && !a->force ? "--force" : NULL;
}

static int act(struct hulse_cli *cli, struct words *w, int operands, char **argv)
{
    const int place = operands == 0 ? -1 : hulse_cli_word_index(HULSE_CLI_SUBS_VERB, argv[0]);

    if (place < 0) {
        return hulse_cli_usage("subs", "list, stats, seek, skip or delete is expected");
    }
    const struct action *a = &actions[place];
    if (operands - 1 < a->operands_min || operands - 1 > a->operands_max) {
        return hulse_cli_usage("subs",
                               "%s: %s",
                               argv[0],
                               a->operands_max == 1 ? "a topic is expected"
                                                    : "a topic and a subscription are expected");
    }
    w->what = argv[0];
    w->topic = argv[1];
    w->subscription = operands > 2 ? argv[2] : NULL;
    const char *option = foreign(a, w);
    if (option != NULL) {
        return hulse_cli_usage("subs", "%s: %s is not for it", w->what, option);
    }
    return a->run(cli, w);
}

static int set_option(void *ctx, int id, const char *value)
{
    struct words *w = ctx;

    switch (id) {
    case OPT_TO:
        w->to = value;
        break;
    case OPT_COUNT:
        w->count = value;
        break;
    default:
        w->force = true;
        break;
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
    return act(cli, &w, args.operand_count, args.argv);
}

const struct hulse_cli_command hulse_cli_subs = {
    .name = "subs",
    .summary = "list, look at, move, empty or delete subscriptions",
    .help =
        "hulse subs list TOPIC\n"
        "hulse subs stats TOPIC [SUBSCRIPTION]\n"
        "hulse subs seek TOPIC SUBSCRIPTION --to WHERE\n"
        "hulse subs skip TOPIC SUBSCRIPTION -n COUNT\n"
        "hulse subs delete TOPIC SUBSCRIPTION [--force]\n"
        "\n"
        "list prints the names of a topic's subscriptions, stats what its broker counts of them.\n"
        "\n"
        "seek has a subscription go on at another place; its consumers connect again there. WHERE\n"
        "is earliest, latest, a message's id as `hulse pub -v` prints it, a time,\n"
        "2026-11-30T09:30:00Z, or a duration before now, -15m. In a topic with partitions an id\n"
        "moves its own alone.\n"
        "\n"
        "skip passes over messages that wait; a number only where the topic has no partitions, "
        "for\n"
        "which one of them can be named: TOPIC-partition-0.\n"
        "\n"
        "delete forgets a subscription with what waits for it. One that has consumers is deleted "
        "with\n"
        "--force only.\n"
        "\n"
        "      --to WHERE       seek: where to\n"
        "  -n, --count COUNT    skip: a number, or all\n"
        "      --force          delete: although it has consumers\n"
        "\n"
        "Exit: 0; 64 usage; 65 no such topic or subscription; 69 no daemon, or the broker cannot "
        "do\n"
        "it or is not reached; 75 no answer within --timeout (25s); 77 no permission.\n",
    .options = options,
    .first = HULSE_CLI_SUBS_VERB,
    .rest = HULSE_CLI_TOPIC,
    .run = run,
};
