/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seek - positions, and moving a consumer to one.
 *
 * Threads: the session's worker.
 */
#ifndef HULSE_APP_SEEK_H
#define HULSE_APP_SEEK_H

#include "daemon/flow/flow.h"
#include "include/hulse/status.h"
#include "shmlib/ring/control.h"

#include <stdbool.h>
#include <stdint.h>

struct channel;
struct handle;
struct hulse_packet;
struct session;

/* A position as an app says it; false: there is no such start, or it has parts that it should not have. */
bool hulse_position_parse(uint8_t start,
                          const struct hulse_ctl_position *at,
                          struct broker_position *out);
/* SEEK: answered when the consumer has moved, or cannot. */
void hulse_seek_request(struct session *s, const struct hulse_packet *p);
/* Begins when the verdicts that were given before are taken. */
void hulse_seek_visit(struct channel *ch);
/* Flow's event. */
void hulse_seek_done(void *ctx, hulse_status status, const char *text);
/* Without an answer. Harmless when none is under way. */
void hulse_seek_forget(struct handle *h);

#endif
