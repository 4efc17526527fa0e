/* SPDX-License-Identifier: Apache-2.0 */
/*
 * completion - scripts for shells, made of the command table and the options of the commands.
 */
#ifndef HULSE_CLI_COMPLETION_H
#define HULSE_CLI_COMPLETION_H

#include "shmlib/cli/cli.h"

/* One script that completes `hulse` once the shell has read it. */
void hulse_cli_completion_bash(struct hulse_cli_out *out);
void hulse_cli_completion_zsh(struct hulse_cli_out *out);

#endif
