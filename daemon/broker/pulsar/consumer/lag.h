/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lag - how far the subscriptions that this daemon consumes are behind, as their brokers last said: entries that are not
 * acknowledged (msgBacklog of CONSUMER_STATS). The number is the subscription's, so one of its consumers asks for all of the
 * daemon, every period.
 *
 * Threads: any; the lock is held for a look into the table, or a copy of it.
 * Owns:    an entry lives as long as somebody has joined it.
 */
#ifndef HULSE_PULSAR_CONSUMER_LAG_H
#define HULSE_PULSAR_CONSUMER_LAG_H

#include "daemon/worker/report.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#define LAG_BUCKETS 256U

struct lag;

/* All zeros: nobody has joined. */
struct lag_table {
    pthread_mutex_t lock;
    LIST_HEAD(lag_list, lag) buckets[LAG_BUCKETS];
};

void hulse_lag_table_init(struct lag_table *t);
/* Nobody is in it. */
void hulse_lag_table_fini(struct lag_table *t);
/*
 * The subscription of a topic, or of one partition, whose topic's name has `whole_bytes` bytes. NULL: no memory. Leave it.
 */
struct lag *hulse_lag_join(struct lag_table *t,
                           const char *topic,
                           size_t whole_bytes,
                           const char *subscription);
/* *lag becomes NULL; harmless on NULL. */
void hulse_lag_leave(struct lag_table *t, struct lag **lag);
/* True: it is time, and nobody is asking; the caller asks, and ends that. */
bool hulse_lag_claim(struct lag_table *t, struct lag *lag, uint64_t now_ms);
/* The question has ended, with an answer or without (NULL); the next one comes not before `due_ms`. */
void hulse_lag_end(struct lag_table *t, struct lag *lag, const uint64_t *entries, uint64_t due_ms);
/* What is known, a row for each topic or partition. */
void hulse_lag_report(struct lag_table *t, struct worker_report *out);

#endif
