/* SPDX-License-Identifier: Apache-2.0 */
/*
 * subscribe - what a session says when it begins and when it ends.
 *
 * Threads: the worker's.
 */
#ifndef HULSE_PULSAR_CONSUMER_SUBSCRIBE_H
#define HULSE_PULSAR_CONSUMER_SUBSCRIBE_H

#include "daemon/broker/pulsar/consumer/object.h"

/* SUBSCRIBE on the connection it is attached to, up to SESSION_READY. */
void hulse_pulsar_session_subscribe(struct pulsar_consumer *c);
/* Whatever the broker has of it is to end: CLOSE_CONSUMER, whose answer nobody hears. */
void hulse_subscribe_undo(struct pulsar_consumer *c);
/* Why there is no session. May be the last touch. */
void hulse_pulsar_session_failed(struct pulsar_consumer *c, const struct pulsar_failure *f);

#endif
