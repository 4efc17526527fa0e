/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_client - one question to the daemon's admin socket.
 *
 * Trust:  the answer is checked for form and size; its texts are printed, never run.
 * Limits: HULSE_ADMIN_ANSWER_BYTES_MAX, --timeout (5s).
 * See:    daemon/admin/protocol.h.
 */
#ifndef HULSE_CLI_ADMIN_CLIENT_H
#define HULSE_CLI_ADMIN_CLIENT_H

#include "shmlib/cli/cli.h"

#include <jansson.h>

/* Connects, for hulse_cli_admin_ask_on(). Gives: *fd, to close(). On failure as below. */
int hulse_cli_admin_open(const struct hulse_cli *cli, int *fd);
/* As hulse_cli_admin_ask(), on an open connection. */
int hulse_cli_admin_ask_on(
    int fd, const struct hulse_cli *cli, const char *command, json_t *members, json_t **result);
/*
 * Asks {"command":command} with more members, an object that is taken over; NULL = none. Gives:
 * *result, to json_decref(). On failure says why and gives the exit code, else HULSE_CLI_OK.
 */
int hulse_cli_admin_ask(const struct hulse_cli *cli,
                        const char *command,
                        json_t *members,
                        json_t **result);

#endif
