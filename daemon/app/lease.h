/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lease - deliveries whose application has had them too long.
 *
 * Threads: the session's worker.
 */
#ifndef HULSE_APP_LEASE_H
#define HULSE_APP_LEASE_H

#include <stdint.h>

struct channel;

/* Refuses what the application has had without a verdict for longer than its topic's rule allows. */
void hulse_lease_expire(struct channel *ch, uint64_t now_ms);

#endif
