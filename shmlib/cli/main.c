/* SPDX-License-Identifier: Apache-2.0 */
/* main - the `hulse` command: global options, then the command. */
#include "shmlib/cli/args.h"
#include "shmlib/cli/cli.h"
#include "shmlib/cli/say.h"
#include "shmlib/cli/stop.h"

#include <string.h>
#include <unistd.h>

static int run_command(struct hulse_cli *cli, int argc, char **argv)
{
    const struct hulse_cli_command *c = hulse_cli_command_find(argv[0]);

    if (c == NULL) {
        return hulse_cli_usage(NULL, "%s: no such command", argv[0]);
    }
    const int rc = c->run(cli, argc, argv);
    if (rc == HULSE_CLI_OK && cli->help) {
        hulse_cli_help_print(cli, c);
    }
    return rc;
}

static int run(struct hulse_cli *cli, int argc, char **argv)
{
    char help[] = "help";
    char version[] = "version";
    char *word[] = {help, NULL};
    struct hulse_cli_args args;

    hulse_cli_args_init(&args, cli, hulse_cli_first_options, argc, argv);
    args.command = NULL;
    args.stop_at_operand = true;
    const int id = hulse_cli_args_next(&args);
    if (id == HULSE_CLI_ARGS_BAD) {
        return HULSE_CLI_USAGE;
    }
    if (id == HULSE_CLI_OPTION_VERSION) {
        word[0] = version;
        return run_command(cli, 1, word);
    }
    if (args.at < argc) {
        return run_command(cli, argc - args.at, argv + args.at);
    }
    if (cli->help) {
        cli->help = false;
        return run_command(cli, 1, word);
    }
    return hulse_cli_usage(NULL, "a command is needed");
}

int main(int argc, char **argv)
{
    struct hulse_cli cli = {.timeout_ms = -1};

    if (!hulse_cli_out_init(&cli.out, STDOUT_FILENO) || !hulse_cli_stop_install()) {
        hulse_cli_error("the system has no memory or descriptors left");
        return HULSE_CLI_IO;
    }
    int rc = run(&cli, argc, argv);
    if (!hulse_cli_out_flush(&cli.out) && rc == HULSE_CLI_OK) {
        rc = hulse_cli_output_failed(&cli.out);
    }
    hulse_cli_out_fini(&cli.out);
    return rc;
}
