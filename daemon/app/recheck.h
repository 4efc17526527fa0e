/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recheck - consumers after a change of the tables.
 *
 * Threads: the worker's.
 */
#ifndef HULSE_APP_RECHECK_H
#define HULSE_APP_RECHECK_H

#include "include/hulse/status.h"

struct handle;
struct plane;

/* The tables have changed: closes consumers that may not go on, tells who has other verdicts. */
void hulse_plane_recheck(struct plane *p);
/* Closes an open consumer on the broker's side: what it holds goes back, the app hears why and closes its handle. */
void hulse_consumer_end(struct handle *h, hulse_status status, const char *text);

#endif
