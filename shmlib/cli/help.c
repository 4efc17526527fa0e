/* SPDX-License-Identifier: Apache-2.0 */
/* help - `hulse help` and `hulse version`, and the table of all commands. */
#include "shmlib/cli/args.h"
#include "shmlib/cli/cli.h"
#include "shmlib/cli/say.h"
#include "shmlib/ring/layout.h"

#include <hulse/hulse.h>
#include <string.h>

const struct hulse_cli_command *const hulse_cli_commands[] = {
    &hulse_cli_pub,
    &hulse_cli_sub,
    &hulse_cli_read,
    &hulse_cli_topics,
    &hulse_cli_subs,
    &hulse_cli_stats,
    &hulse_cli_health,
    &hulse_cli_config,
    &hulse_cli_reload,
    &hulse_cli_drain,
    &hulse_cli_store,
    &hulse_cli_schema,
    &hulse_cli_completion,
    &hulse_cli_help,
    &hulse_cli_version,
    NULL,
};

static const struct hulse_cli_option no_options[] = {{0, 0, NULL, HULSE_CLI_NOTHING}};

const struct hulse_cli_command *hulse_cli_command_find(const char *name)
{
    for (unsigned i = 0; hulse_cli_commands[i] != NULL; i++) {
        if (strcmp(hulse_cli_commands[i]->name, name) == 0) {
            return hulse_cli_commands[i];
        }
    }
    return NULL;
}

static void print_overview(struct hulse_cli_out *out)
{
    hulse_cli_out_text(out,
                       "hulse [OPTION...] COMMAND [ARGUMENT...]\n"
                       "\n"
                       "Publishes and consumes through the local hulsed over shared memory.\n"
                       "\n"
                       "Commands:\n");
    for (unsigned i = 0; hulse_cli_commands[i] != NULL; i++) {
        hulse_cli_out_format(
            out, "  %-11s %s\n", hulse_cli_commands[i]->name, hulse_cli_commands[i]->summary);
    }
    hulse_cli_out_text(
        out,
        "\n"
        "Options, before or behind the command:\n"
        "      --socket PATH        the daemon's socket (HULSE_SOCKET)\n"
        "      --admin-socket PATH  its admin socket (HULSE_ADMIN_SOCKET)\n"
        "      --timeout DURATION   how long to wait: 250ms, 30s, 5m, 2h, 7d, or milliseconds\n"
        "      --json               results as JSON\n"
        "      --quiet              no remarks on standard error; errors are still told\n"
        "  -h, --help               the help of a command\n"
        "\n"
        "Results are written to standard output, everything else to standard error. Colour is "
        "used\n"
        "on a terminal only, and not when NO_COLOR is set. `--` ends the options.\n"
        "\n"
        "A topic is [persistent|non-persistent]://TENANT/NAMESPACE/NAME; NAME alone stands for\n"
        "persistent://public/default/NAME. Persistent topics are on disk and survive the daemon;\n"
        "the others are in its memory and keep nothing.\n"
        "\n"
        "Exit codes: 0 fine; 1 some messages failed; 64 usage; 65 bad data or no such topic; 69 "
        "the\n"
        "daemon, or the topic's broker, is not reachable, has gone away or refuses; 74 input or\n"
        "output of the command; 75 timed out; 77 permission denied; 78 configuration.\n");
}

/* ---- as JSON ---- */

static json_t *describe_kind(enum hulse_cli_kind kind)
{
    const char *const *words = hulse_cli_words(kind);
    json_t *array = NULL;

    if (kind == HULSE_CLI_NOTHING) {
        return json_null();
    }
    if (words == NULL) {
        return json_string(hulse_cli_kind_name(kind));
    }
    array = json_array();
    for (; *words != NULL; words++) {
        (void)json_array_append_new(array, json_string(*words));
    }
    return array;
}

static json_t *describe_options(const struct hulse_cli_option *o)
{
    json_t *array = json_array();

    for (; o->id != 0; o++) {
        const char letter[2] = {o->letter, '\0'};
        json_t *option = json_object();
        (void)json_object_set_new(option, "name", json_string(o->name));
        (void)json_object_set_new(
            option, "letter", o->letter == 0 ? json_null() : json_string(letter));
        (void)json_object_set_new(option, "value", describe_kind(o->value));
        (void)json_array_append_new(array, option);
    }
    return array;
}

static json_t *describe(const struct hulse_cli_command *c)
{
    json_t *object = json_object();

    (void)json_object_set_new(object, "name", json_string(c->name));
    (void)json_object_set_new(object, "summary", json_string(c->summary));
    (void)json_object_set_new(object, "help", json_string(c->help));
    (void)json_object_set_new(object, "first", describe_kind(c->first));
    (void)json_object_set_new(object, "rest", describe_kind(c->rest));
    (void)json_object_set_new(object, "options", describe_options(c->options));
    return object;
}

static void print_overview_json(struct hulse_cli_out *out)
{
    json_t *object = json_object();
    json_t *commands = json_array();

    for (unsigned i = 0; hulse_cli_commands[i] != NULL; i++) {
        (void)json_array_append_new(commands, describe(hulse_cli_commands[i]));
    }
    (void)json_object_set_new(object, "options", describe_options(hulse_cli_global_options));
    (void)json_object_set_new(object, "commands", commands);
    (void)hulse_cli_out_json(out, object, JSON_COMPACT);
    json_decref(object);
}

void hulse_cli_help_print(struct hulse_cli *cli, const struct hulse_cli_command *command)
{
    if (!cli->json) {
        hulse_cli_out_text(&cli->out, command->help);
        return;
    }
    json_t *object = describe(command);
    (void)hulse_cli_out_json(&cli->out, object, JSON_COMPACT);
    json_decref(object);
}

static int run_help(struct hulse_cli *cli, int argc, char **argv)
{
    struct hulse_cli_args args;

    hulse_cli_args_init(&args, cli, no_options, argc, argv);
    if (hulse_cli_args_next(&args) != HULSE_CLI_ARGS_END) {
        return HULSE_CLI_USAGE;
    }
    if (args.operand_count == 0) {
        if (cli->help) {
            return HULSE_CLI_OK; /* the caller explains this command */
        }
        if (cli->json) {
            print_overview_json(&cli->out);
        } else {
            print_overview(&cli->out);
        }
        return HULSE_CLI_OK;
    }
    const struct hulse_cli_command *c = hulse_cli_command_find(args.argv[0]);
    if (c == NULL) {
        return hulse_cli_usage(NULL, "%s: no such command", args.argv[0]);
    }
    cli->help = false; /* done here */
    hulse_cli_help_print(cli, c);
    return HULSE_CLI_OK;
}

static int run_version(struct hulse_cli *cli, int argc, char **argv)
{
    struct hulse_cli_args args;
    int rc = HULSE_CLI_OK;

    hulse_cli_args_init(&args, cli, no_options, argc, argv);
    if (!hulse_cli_args_alone(&args, hulse_cli_args_next(&args), &rc)) {
        return rc;
    }
    hulse_cli_out_format(&cli->out,
                         cli->json ? "{\"version\":\"%s\",\"abi_min\":%u,\"abi_max\":%u}\n"
                                   : "hulse %s, shared-memory ABI %u to %u\n",
                         hulse_version(),
                         HULSE_ABI_MIN,
                         HULSE_ABI_MAX);
    return HULSE_CLI_OK;
}

const struct hulse_cli_command hulse_cli_help = {
    .name = "help",
    .summary = "explain a command",
    .help =
        "hulse help [COMMAND]\n"
        "\n"
        "Lists the commands, or explains one. --json prints what the command table says: names,\n"
        "texts, options, and what may stand as an operand or as an option's value.\n",
    .options = no_options,
    .first = HULSE_CLI_COMMAND,
    .run = run_help,
};

const struct hulse_cli_command hulse_cli_version = {
    .name = "version",
    .summary = "print the library's version and ABI",
    .help =
        "hulse version\n"
        "\n"
        "Prints the version of the library and the shared-memory ABIs that it speaks. A daemon\n"
        "that speaks none of them refuses the session.\n",
    .options = no_options,
    .run = run_version,
};
