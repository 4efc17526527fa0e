/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish_channel - records from the ring of a producer to flow, receipts back.
 *
 * Threads: the session's worker.
 */
#ifndef HULSE_APP_PUBLISH_CHANNEL_H
#define HULSE_APP_PUBLISH_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

struct broker_answer;
struct channel;
struct plane;

/* Counts as lost what has a bad outcome and was not told. The channel ends. */
void hulse_publish_lost(struct channel *ch);
/* One bounded visit; returns the records taken. */
unsigned hulse_publish_visit(struct plane *p, struct channel *ch);
/* All entries are free. */
void hulse_publish_entries_init(struct channel *ch);
/* Publisher's answer. */
void hulse_publish_answered(void *ctx, uint64_t token, const struct broker_answer *answer);
/* Posts receipts of the finished prefix and gives its ring space back. */
void hulse_publish_release(struct plane *p, struct channel *ch);
/* Bytes of receipts the app has not read, by the cached or a fresh look; for parking. */
bool hulse_publish_has_room(struct channel *ch);

#endif
