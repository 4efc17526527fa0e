/* SPDX-License-Identifier: Apache-2.0 */
/* config - `hulse config` and `hulse reload`: what the daemon follows, and reading it again. */
#include "daemon/admin/protocol.h"
#include "shmlib/cli/admin_client.h"
#include "shmlib/cli/args.h"
#include "shmlib/cli/say.h"

static const struct hulse_cli_option options[] = {{0, 0, NULL, HULSE_CLI_NOTHING}};

/* The question of a command without arguments. Gives the result, or NULL when *rc says all. */
static json_t *ask(struct hulse_cli *cli, int argc, char **argv, const char *command, int *rc)
{
    struct hulse_cli_args args;
    json_t *result = NULL;

    hulse_cli_args_init(&args, cli, options, argc, argv);
    if (!hulse_cli_args_alone(&args, hulse_cli_args_next(&args), rc)) {
        return NULL;
    }
    *rc = hulse_cli_admin_ask(cli, command, NULL, &result);
    return *rc == HULSE_CLI_OK ? result : NULL;
}

static int run_config(struct hulse_cli *cli, int argc, char **argv)
{
    int rc = HULSE_CLI_OK;
    json_t *result = ask(cli, argc, argv, HULSE_ADMIN_CONFIG, &rc);
    const char *yaml = json_string_value(json_object_get(result, "yaml"));

    if (result == NULL) {
        return rc;
    }
    if (cli->json) {
        (void)hulse_cli_out_json(&cli->out, result, JSON_COMPACT);
    } else if (yaml != NULL) {
        hulse_cli_out_text(&cli->out, yaml);
    }
    json_decref(result);
    return HULSE_CLI_OK;
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text == NULL ? "" : text;
}

/* As the daemon's --check writes it. */
static void say_problem(const struct hulse_cli *cli, const json_t *problem)
{
    const bool warning = json_is_true(json_object_get(problem, "warning"));
    const char *file = text_of(problem, "file");
    char place[64] = "";

    if (*file != '\0') {
        (void)snprintf(place,
                       sizeof(place),
                       ":%" JSON_INTEGER_FORMAT ":%" JSON_INTEGER_FORMAT ": ",
                       json_integer_value(json_object_get(problem, "line")),
                       json_integer_value(json_object_get(problem, "column")));
    }
    if (warning) {
        hulse_cli_note(cli, "%s%swarning: %s", file, place, text_of(problem, "text"));
    } else {
        hulse_cli_error("%s%s%s", file, place, text_of(problem, "text"));
    }
}

static void print_reload(struct hulse_cli *cli, const json_t *result)
{
    const json_t *generation = json_object_get(result, "generation");
    const json_t *path = NULL;
    size_t i = 0;

    hulse_cli_out_format(
        &cli->out, "generation %" JSON_INTEGER_FORMAT "\n", json_integer_value(generation));
    json_array_foreach(json_object_get(result, "applied"), i, path)
    {
        hulse_cli_out_format(&cli->out, "applied %s\n", json_string_value(path));
    }
    json_array_foreach(json_object_get(result, "restart"), i, path)
    {
        hulse_cli_out_format(&cli->out, "needs a restart %s\n", json_string_value(path));
    }
}

static int run_reload(struct hulse_cli *cli, int argc, char **argv)
{
    int rc = HULSE_CLI_OK;
    json_t *result = ask(cli, argc, argv, HULSE_ADMIN_RELOAD, &rc);
    const bool accepted = json_is_true(json_object_get(result, "accepted"));
    const json_t *problem = NULL;
    size_t i = 0;

    if (result == NULL) {
        return rc;
    }
    if (cli->json) {
        (void)hulse_cli_out_json(&cli->out, result, JSON_COMPACT);
    } else {
        json_array_foreach(json_object_get(result, "problems"), i, problem)
        {
            say_problem(cli, problem);
        }
        if (accepted) {
            print_reload(cli, result);
        } else {
            hulse_cli_error("the configuration is not accepted; nothing has changed");
        }
    }
    json_decref(result);
    return accepted ? HULSE_CLI_OK : HULSE_CLI_CONFIG;
}

const struct hulse_cli_command hulse_cli_config = {
    .name = "config",
    .summary = "print the configuration that the daemon follows",
    .help = "hulse config\n"
            "\n"
            "Prints what is in effect as YAML, each value with its origin; secrets are not shown.\n"
            "--json prints an object with the members generation and yaml.\n"
            "\n"
            "Exit: 0; 69 no daemon; 75 no answer within --timeout (5s); 77 no permission.\n",
    .options = options,
    .run = run_config,
};

const struct hulse_cli_command hulse_cli_reload = {
    .name = "reload",
    .summary = "make the daemon read its configuration again",
    .help =
        "hulse reload\n"
        "\n"
        "The daemon reads all sources and checks them. If they are accepted, what can change is\n"
        "applied at once, and keys that need a restart are named. If not, every mistake is told\n"
        "with its place and nothing has changed. --json prints accepted, generation, applied,\n"
        "restart and problems as one object.\n"
        "\n"
        "Exit: 0; 69 no daemon; 75 no answer within --timeout (5s); 77 no permission; 78 not\n"
        "accepted.\n",
    .options = options,
    .run = run_reload,
};
