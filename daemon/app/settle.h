/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settle - up_head passes a verdict when its broker has settled it.
 *
 * Threads: the session's worker.
 */
#ifndef HULSE_APP_SETTLE_H
#define HULSE_APP_SETTLE_H

#include "daemon/app/channel.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the ring of `settlings` of a consumer's channel. */
size_t hulse_settle_bytes(uint32_t up_bytes);
/* Every record that was taken is the app's again. */
void hulse_settle_reset(struct channel *ch);
/* The record that ends at the read position was applied by call number `call`, 0 = by none. */
void hulse_settle_note(struct channel *ch, uint64_t call);
/* Subscriber's event. */
void hulse_settle_settled(void *ctx, uint64_t call);
/* No verdict waits for its broker. */
static inline bool hulse_settle_done(const struct channel *ch)
{
    return ch->settled == ch->unsettled;
}

#endif
