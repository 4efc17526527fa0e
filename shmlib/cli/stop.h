/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stop - SIGINT and SIGTERM as a request that the command ends cleanly.
 *
 * The first signal sets the flag and makes the descriptor readable; a second one has its default
 * action, so a command that cannot end is still ended by another ^C.
 */
#ifndef HULSE_CLI_STOP_H
#define HULSE_CLI_STOP_H

#include <stdbool.h>

/* Installs the handlers and ignores SIGPIPE. False when the system refuses. */
bool hulse_cli_stop_install(void);
/* Around a call that waits and does not look: the signals end the process at once. */
void hulse_cli_stop_kill(bool kill);
bool hulse_cli_stop_requested(void);
/* Readable once a signal came; for poll. */
int hulse_cli_stop_fd(void);

#endif
