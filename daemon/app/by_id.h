/* SPDX-License-Identifier: Apache-2.0 */
/*
 * by_id - verdicts that name a message, of deliveries of an earlier daemon.
 *
 * Threads: the session's worker.
 */
#ifndef HULSE_APP_BY_ID_H
#define HULSE_APP_BY_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct broker_delivery;
struct broker_id;
struct channel;
struct hulse_verdict_record;

/*
 * A verdict that names the message. *call is the number of the subscriber's call that it came to, 0 =
 * none. False: ignored.
 */
bool hulse_by_id_apply(struct channel *ch, const struct hulse_verdict_record *v, uint64_t *call);
/* The first comes before the second, or is it, in their partition's order. */
bool hulse_by_id_up_to(const struct broker_delivery *d,
                       const struct broker_id *id,
                       uint32_t source);
/* Bytes of the buckets for as many slots. */
size_t hulse_by_id_bucket_bytes(uint32_t slots);
/* No slot has a delivery. */
void hulse_by_id_reset(struct channel *ch, uint32_t slots);
/* A slot has got its delivery, or is about to lose it. */
void hulse_by_id_enter(struct channel *ch, uint32_t index);
void hulse_by_id_leave(struct channel *ch, uint32_t index);
/* A verdict waited for this delivery, and has ended it. */
bool hulse_by_id_meets(struct channel *ch, struct broker_delivery *d);
/* Counts and drops what has waited for a minute. */
void hulse_by_id_expire(struct channel *ch, uint64_t now_ms);
void hulse_by_id_free(struct channel *ch);

#endif
