/* SPDX-License-Identifier: Apache-2.0 */
/*
 * park - senders that nobody has used for a minute have no producer on the wire, and with none left a connection ends. They
 * keep their name and their numbers, and are opened again by the next record.
 *
 * Not parked: exclusive access, which somebody else would take; topics that are not to be created, since brokers remove
 * a topic that nobody uses.
 *
 * Threads: the worker's.
 */
#ifndef HULSE_PULSAR_PRODUCER_PARK_H
#define HULSE_PULSAR_PRODUCER_PARK_H

#define PULSAR_PARK_LOOK_MS 5000U
#define PULSAR_PARK_LOOKS 12U

struct pulsar_sender;
struct pulsar_senders;
struct timer;

/* A sender is ready: looks begin, until all are parked. */
void hulse_pulsar_park_watch(struct pulsar_senders *all);
void hulse_pulsar_park_look(struct pulsar_senders *all);
/* Its timer for that. */
void hulse_pulsar_park_fired(struct timer *timer);
/* One that is parked has something to send: it comes back. */
void hulse_pulsar_park_leave(struct pulsar_sender *s);

#endif
