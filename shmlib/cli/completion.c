/* SPDX-License-Identifier: Apache-2.0 */
/* completion - `hulse completion`: scripts that complete the command in a shell. */
#include "shmlib/cli/completion.h"

#include "shmlib/cli/args.h"
#include "shmlib/cli/say.h"

static const struct hulse_cli_option options[] = {{0, 0, NULL, HULSE_CLI_NOTHING}};

/* The script is text for a shell; inside JSON it is a string. */
static int print_json(struct hulse_cli *cli, void (*print)(struct hulse_cli_out *out))
{
    struct hulse_cli_out script;

    if (!hulse_cli_out_init(&script, -1)) {
        hulse_cli_error("no memory");
        return HULSE_CLI_IO;
    }
    print(&script);
    json_t *object = json_object();
    (void)json_object_set_new(object, "script", json_stringn(script.data, script.used));
    (void)hulse_cli_out_json(&cli->out, object, JSON_COMPACT);
    json_decref(object);
    hulse_cli_out_fini(&script);
    return HULSE_CLI_OK;
}

static int run(struct hulse_cli *cli, int argc, char **argv)
{
    struct hulse_cli_args args;

    hulse_cli_args_init(&args, cli, options, argc, argv);
    if (hulse_cli_args_next(&args) != HULSE_CLI_ARGS_END) {
        return HULSE_CLI_USAGE;
    }
    if (cli->help) {
        return HULSE_CLI_OK;
    }
    if (args.operand_count != 1) {
        return hulse_cli_usage("completion", "for which shell? bash or zsh");
    }
    const int shell = hulse_cli_word_index(HULSE_CLI_SHELL, args.argv[0]);
    if (shell < 0) {
        return hulse_cli_usage("completion", "%s: bash or zsh", args.argv[0]);
    }
    void (*const print)(struct hulse_cli_out *) =
        shell == HULSE_CLI_WORD_ZSH ? hulse_cli_completion_zsh : hulse_cli_completion_bash;
    if (cli->json) {
        return print_json(cli, print);
    }
    print(&cli->out);
    return HULSE_CLI_OK;
}

const struct hulse_cli_command hulse_cli_completion = {
    .name = "completion",
    .summary = "print a script that completes this command in a shell",
    .help =
        "hulse completion bash|zsh\n"
        "\n"
        "Commands, options, their values, files, and the topics of the daemon if it answers:\n"
        "\n"
        "  bash   source <(hulse completion bash)          in ~/.bashrc, or the output as\n"
        "         /usr/share/bash-completion/completions/hulse\n"
        "  zsh    source <(hulse completion zsh)           in ~/.zshrc, behind compinit, or the\n"
        "         output as the file _hulse in a folder of $fpath\n"
        "\n"
        "Topics are asked for with the --admin-socket of the line, at most half a second. --json\n"
        "prints an object with the member script.\n",
    .options = options,
    .first = HULSE_CLI_SHELL,
    .run = run,
};
