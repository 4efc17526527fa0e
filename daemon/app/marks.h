/* SPDX-License-Identifier: Apache-2.0 */
/*
 * marks - where a reader is in each partition, as its application keeps it.
 *
 * Threads: the session's worker.
 */
#ifndef HULSE_APP_MARKS_H
#define HULSE_APP_MARKS_H

#include "daemon/flow/flow.h"
#include "include/hulse/status.h"

#include <stdint.h>

struct handle;
struct hulse_packet;

/* What the app is to know before READER: where it begins in each partition. `reach` NULL: nothing. */
void hulse_marks_tell(struct handle *h, const struct broker_reach *reach);
/* An id of a batch says how large it is, or it is taken for the whole entry's: what is offered again does not know, so at least this. */
static inline uint16_t hulse_batch_at_least(int32_t batch)
{
    return batch < 0 ? 0 : batch < UINT16_MAX ? (uint16_t)(batch + 1) : UINT16_MAX;
}
/* Adds what MARKS say. PROTOCOL: they cannot be; NO_MEMORY. */
hulse_status hulse_marks_hear(struct broker_marks *to, const struct hulse_packet *p);

#endif
