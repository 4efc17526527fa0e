/* SPDX-License-Identifier: Apache-2.0 */
/*
 * args - splits a command's arguments into options and operands.
 *
 * Options may stand anywhere before "--": --name VALUE, --name=VALUE, -x VALUE, -xVALUE, and
 * letters without a value in one word. Long names are not abbreviated. The global options are
 * taken by the parser itself and never seen by the command.
 */
#ifndef HULSE_CLI_ARGS_H
#define HULSE_CLI_ARGS_H

#include "shmlib/cli/cli.h"
#include "shmlib/cli/kind.h"

#include <stdbool.h>

struct hulse_cli_option {
    int id;           /* > 0, given back by next; by custom the letter if there is one */
    char letter;      /* 0 = none */
    const char *name; /* NULL = none */
    enum hulse_cli_kind value;
};

struct hulse_cli_args {
    struct hulse_cli *cli;
    const char *command;                  /* for error texts; NULL before the command's name */
    const struct hulse_cli_option *known; /* ends with id 0 */
    int argc;
    char **argv;
    int at;              /* next argument */
    const char *bundled; /* rest of a word of letters, or NULL */
    bool literal;        /* behind "--" */
    bool stop_at_operand;
    const char *value; /* of the option given back */
    int operand_count; /* operands are moved to the front: argv[0 .. operand_count) */
};

enum { HULSE_CLI_OPTION_VERSION = 1 }; /* of hulse_cli_first_options */

enum { HULSE_CLI_ARGS_END = 0, HULSE_CLI_ARGS_BAD = -1 };

/* Those that every command takes, and those of `hulse` alone; end with id 0. */
extern const struct hulse_cli_option hulse_cli_global_options[];
extern const struct hulse_cli_option hulse_cli_first_options[];

/* Arguments behind argv[0]; argv is reordered. */
void hulse_cli_args_init(struct hulse_cli_args *a,
                         struct hulse_cli *cli,
                         const struct hulse_cli_option *known,
                         int argc,
                         char **argv);
/* The next option's id; END; or BAD after a usage error has been said. */
int hulse_cli_args_next(struct hulse_cli_args *a);
/*
 * All options, each to `set`, until one is refused; CLI_OK, what `set` said, or USAGE after an error has been
 * said. The operands are known afterwards.
 */
int hulse_cli_args_each(struct hulse_cli_args *a,
                        int (*set)(void *ctx, int id, const char *value),
                        void *ctx);
/*
 * For a command without operands, with what next gave at the end of its options. True: go on.
 * False: *rc is what the command ends with, as after a usage error or for --help.
 */
bool hulse_cli_args_alone(const struct hulse_cli_args *a, int last, int *rc);

#endif
