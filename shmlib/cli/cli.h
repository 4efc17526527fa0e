/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli - what all commands of `hulse` share: the global options and the command table.
 *
 * A command is one file with one function. It returns the exit code; nothing below it exits.
 *
 * Threads: one.
 * See:     docs/reference-cli.md.
 */
#ifndef HULSE_CLI_CLI_H
#define HULSE_CLI_CLI_H

#include "shmlib/cli/kind.h"
#include "shmlib/cli/out.h"

#include <stdbool.h>

/* Exit codes of both programs; there are no others. */
enum hulse_cli_exit {
    HULSE_CLI_OK = 0,
    HULSE_CLI_SOME_FAILED = 1,
    HULSE_CLI_USAGE = 64,
    HULSE_CLI_BAD_DATA = 65,
    HULSE_CLI_UNREACHABLE = 69,
    HULSE_CLI_IO = 74,
    HULSE_CLI_TIMED_OUT = 75,
    HULSE_CLI_NO_PERMISSION = 77,
    HULSE_CLI_CONFIG = 78
};

struct hulse_cli {
    const char *socket;       /* NULL = the library's default */
    const char *admin_socket; /* NULL = HULSE_ADMIN_SOCKET or the default */
    int timeout_ms;           /* -1 = not given */
    bool patient;             /* without --timeout what it opens may take as long as it does */
    bool files; /* what the daemon reads or writes for it are files: 74 if it cannot */
    bool json;
    bool quiet;
    bool help;                /* --help was given */
    struct hulse_cli_out out; /* standard output */
};

struct hulse_cli_option; /* args.h */

struct hulse_cli_command {
    const char *name;
    const char *summary;                    /* one line */
    const char *help;                       /* the whole text of `hulse help NAME` */
    const struct hulse_cli_option *options; /* beside the global ones; ends with id 0 */
    enum hulse_cli_kind first;              /* operand */
    enum hulse_cli_kind rest;               /* operands behind it */
    /* argv[0] is the command's name. */
    int (*run)(struct hulse_cli *cli, int argc, char **argv);
};

extern const struct hulse_cli_command hulse_cli_pub;
extern const struct hulse_cli_command hulse_cli_sub;
extern const struct hulse_cli_command hulse_cli_read;
extern const struct hulse_cli_command hulse_cli_topics;
extern const struct hulse_cli_command hulse_cli_subs;
extern const struct hulse_cli_command hulse_cli_stats;
extern const struct hulse_cli_command hulse_cli_health;
extern const struct hulse_cli_command hulse_cli_config;
extern const struct hulse_cli_command hulse_cli_reload;
extern const struct hulse_cli_command hulse_cli_drain;
extern const struct hulse_cli_command hulse_cli_store;
extern const struct hulse_cli_command hulse_cli_schema;
extern const struct hulse_cli_command hulse_cli_completion;
extern const struct hulse_cli_command hulse_cli_help;
extern const struct hulse_cli_command hulse_cli_version;

/* All commands in the order of the help; ends with NULL. */
extern const struct hulse_cli_command *const hulse_cli_commands[];

/* The command of that name, or NULL. */
const struct hulse_cli_command *hulse_cli_command_find(const char *name);

/* What `hulse help NAME` prints, as text or JSON. */
void hulse_cli_help_print(struct hulse_cli *cli, const struct hulse_cli_command *command);

#endif
