/* SPDX-License-Identifier: Apache-2.0 */
/*
 * say - what a command tells a person, on standard error, and the exit code of a status.
 */
#ifndef HULSE_CLI_SAY_H
#define HULSE_CLI_SAY_H

#include "shmlib/cli/cli.h"

#include <hulse/hulse.h>

/* "hulse: ..." in red on a terminal, unless NO_COLOR is set; never suppressed. */
void hulse_cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A remark; nothing with --quiet. */
void hulse_cli_note(const struct hulse_cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A usage error with the hint where to read; gives HULSE_CLI_USAGE. */
int hulse_cli_usage(const char *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The one table from status to exit code. */
int hulse_cli_exit_code(hulse_status status);
/*
 * Says "what: detail" and what to do next, gives the status's exit code. `detail` may be empty: the
 * status's own text is taken then.
 */
int hulse_cli_fail(hulse_status status, const char *what, const char *detail);
/* The error of standard output, if it had one: says so (a closed pipe silently); gives 74. */
int hulse_cli_output_failed(const struct hulse_cli_out *out);

#endif
