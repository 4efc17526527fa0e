/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deliver_channel - messages from flow to the ring of a consumer.
 *
 * Threads: the session's worker.
 */
#ifndef HULSE_APP_DELIVER_CHANNEL_H
#define HULSE_APP_DELIVER_CHANNEL_H

#include <stdint.h>

struct broker_delivery;
struct channel;
struct plane;

/* Subscriber's message. */
void hulse_deliver_message(void *ctx, struct broker_delivery *d);
/* Subscriber event: the app finds it behind what was delivered before. */
void hulse_deliver_caught_up(void *ctx);
void hulse_deliver_end_of_topic(void *ctx);
void hulse_deliver_lost(void *ctx, uint64_t count);
/* One bounded visit: verdicts, then waiting deliveries; returns the work done. */
unsigned hulse_deliver_visit(struct plane *p, struct channel *ch);
/* Tells the subscriber what room there is. */
void hulse_deliver_room(struct channel *ch);
/* Gives back what the app held; what it had started counts as an attempt. */
void hulse_deliver_give_back_all(struct channel *ch);
/* A delivery that a call on many of them has ended; flow's callback. */
void hulse_deliver_ended(void *ctx, struct broker_delivery *d);
/* Position at which the app should ring once it has released, 0 = no wish. */
uint64_t hulse_deliver_want(const struct channel *ch);

/*
 * Forgets every delivery and offers `count` slots, 0 or more than there are = all. Generations go
 * on, so that late verdicts match nothing.
 */
void hulse_slots_init(struct channel *ch, uint32_t count);
/* Down position up to which the app says to have begun; between what it released and what it was given. */
uint64_t hulse_deliver_started(const struct channel *ch);
/* Takes a delivery out of the waiting list. */
void hulse_waiting_remove(struct channel *ch, uint32_t index);

#endif
