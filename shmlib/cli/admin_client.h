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
/* For what the daemon may have to ask a cluster for: longer than the daemon waits (protocol.h). */
#define HULSE_CLI_CLUSTER_MS 25000

/*
 * Asks {"command":command} with more members, an object that is taken over; NULL = none. Gives:
 * *result, to json_decref(). On failure says why and gives the exit code, else HULSE_CLI_OK.
 */
int hulse_cli_admin_ask(const struct hulse_cli *cli,
                        const char *command,
                        json_t *members,
                        json_t **result);
/* The same of what the daemon may have to ask a cluster for: it is waited for longer, unless --timeout says how long. */
int hulse_cli_admin_ask_cluster(struct hulse_cli *cli,
                                const char *command,
                                json_t *members,
                                json_t **result);
/*
 * As hulse_cli_admin_ask(), of what the daemon may have to ask a cluster for; the result is printed. NULL for `members`
 * is an error that has been said: HULSE_CLI_USAGE.
 */
int hulse_cli_admin_order(struct hulse_cli *cli, const char *command, json_t *members);
/*
 * Adds a member to an object; takes both. NULL, and a usage error of `of` said, when the text is not UTF-8, or the object
 * was NULL.
 */
json_t *hulse_cli_admin_with(json_t *members, const char *of, const char *name, json_t *value);

#endif
