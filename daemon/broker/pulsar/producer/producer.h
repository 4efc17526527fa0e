/* SPDX-License-Identifier: Apache-2.0 */
/*
 * producer - the producers of broker.h on a worker, over senders (sender.h): what is a producer on the wire.
 *
 * Without a wish of their own all producers of a worker to one topic are one sender; an own or exclusive one has its own
 * (B8.1 of the design of the shared memory).
 *
 * Threads: the worker's.
 */
#ifndef HULSE_PULSAR_PRODUCER_PRODUCER_H
#define HULSE_PULSAR_PRODUCER_PRODUCER_H

#include "daemon/broker/broker.h"

struct pulsar_senders;
struct pulsar_worker;

/* Of a worker: all its senders. */
struct pulsar_senders *hulse_pulsar_senders_create(struct pulsar_worker *w, struct error *err);
/* Before the pool. Producers that are still open hear no more. */
void hulse_pulsar_senders_destroy(struct pulsar_senders **s);
/* Ends a turn: hands the batches that are to go to their connections. Before the pool's flush. */
void hulse_pulsar_senders_flush(struct pulsar_senders *all);

struct pulsar_producer_figures {
    uint64_t producers; /* on the wire, those included that are on their way back */
    uint64_t parked;    /* not on it, because nobody has used them for a minute */
    /* Without an answer, sent or not. */
    uint64_t in_flight_messages;
    uint64_t in_flight_bytes;
    uint64_t batches;        /* made, however often they were sent */
    uint64_t chunked;        /* messages that went in chunks, which are singles each */
    uint64_t singles;        /* messages alone */
    uint64_t resends;        /* of either */
    uint64_t receipts_late;  /* for what was given up, or had been answered */
    uint64_t receipts_wrong; /* out of order, or for what was never sent */
    uint64_t deduplicated;   /* messages that the broker had already */
    uint64_t send_errors;
    uint64_t send_timeouts; /* messages that were given up */
    uint64_t moved_apart;   /* how often one was given a connection of its own */
};

/* Looks at everything that is on its way. */
void hulse_pulsar_senders_figures(const struct pulsar_senders *all,
                                  struct pulsar_producer_figures *out);

/* Of struct broker_ops. */
hulse_status hulse_pulsar_producer_open(struct broker *b,
                                        struct worker *w,
                                        const struct broker_producer_params *params,
                                        struct broker_producer **out,
                                        struct error *err);
bool hulse_pulsar_producer_send(struct broker_producer *p, const struct broker_record *r);
hulse_status hulse_pulsar_producer_flush(struct broker_producer *p, struct error *err);
void hulse_pulsar_producer_close(struct broker_producer *p, bool forget);

#endif
