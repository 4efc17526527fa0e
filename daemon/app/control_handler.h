/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_handler - requests of an application.
 *
 * Threads: the session's worker.
 */
#ifndef HULSE_APP_CONTROL_HANDLER_H
#define HULSE_APP_CONTROL_HANDLER_H

#include "include/hulse/status.h"
#include "shmlib/ring/control.h"

#include <stdint.h>

struct channel;
struct session;

/* Reads and handles control messages within the budget. */
void hulse_session_read_control(struct session *s);
/* What is impossible in a channel that is asked for, or NULL. */
const char *hulse_channel_refusal(const struct session *s, const struct hulse_ctl_open_channel *m);
/* Sends CHANNEL; LIMIT without descriptors, and nothing is sent. */
hulse_status hulse_channel_reply(struct session *s, uint32_t request, const struct channel *ch);

#endif
