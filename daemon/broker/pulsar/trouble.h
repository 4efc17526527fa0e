/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trouble - what went wrong with a broker last, for people who ask the daemon.
 *
 * Threads: any; the lock is held for a copy.
 */
#ifndef HULSE_PULSAR_TROUBLE_H
#define HULSE_PULSAR_TROUBLE_H

#include "daemon/broker/broker.h"

#include <pthread.h>

/* All zeros: nothing went wrong. */
struct pulsar_trouble {
    pthread_mutex_t lock;
    struct broker_trouble last; /* at_ms is 0 before the first */
};

void hulse_pulsar_trouble_init(struct pulsar_trouble *t);
void hulse_pulsar_trouble_fini(struct pulsar_trouble *t);
/* `whose`: a topic, or a broker's address. Too long, they lose their end. */
void hulse_pulsar_trouble_note(struct pulsar_trouble *t, const char *whose, const char *why);
/* False: there is none. */
bool hulse_pulsar_trouble_read(struct pulsar_trouble *t, struct broker_trouble *out);

#endif
