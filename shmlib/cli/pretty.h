/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pretty - the daemon's JSON for people: members as `name  value`, lists of objects as tables.
 *
 * It knows no field by name, so a daemon that reports more is shown in full.
 */
#ifndef HULSE_CLI_PRETTY_H
#define HULSE_CLI_PRETTY_H

#include "shmlib/cli/cli.h"

#include <jansson.h>

void hulse_cli_pretty(struct hulse_cli_out *out, json_t *value);
/* What the daemon answered: for people, or as one line with --json. */
void hulse_cli_print(struct hulse_cli *cli, json_t *value);

#endif
