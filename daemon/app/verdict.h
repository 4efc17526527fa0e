/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict - what an application says of its deliveries.
 *
 * Threads: the session's worker.
 */
#ifndef HULSE_APP_VERDICT_H
#define HULSE_APP_VERDICT_H

#include <stdint.h>

struct channel;
struct plane;

/* Takes up to `budget` verdicts, and one that looks at every slot is the last of its visit. */
unsigned hulse_verdict_take(struct plane *p, struct channel *ch, unsigned budget);
/* Frees a slot. */
void hulse_slot_free(struct channel *ch, uint32_t index);

#endif
