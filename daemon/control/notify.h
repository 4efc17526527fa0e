/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify - the service manager's readiness protocol: one datagram to $NOTIFY_SOCKET.
 *
 * Threads: any.
 */
#ifndef HULSE_CONTROL_NOTIFY_H
#define HULSE_CONTROL_NOTIFY_H

#include <stdbool.h>

/*
 * Sends a state such as "READY=1" to a socket path; '@' in front stands for the abstract
 * namespace. False: no path (NULL or empty), or it could not be sent.
 */
bool hulse_notify(const char *socket_path, const char *state);

#endif
