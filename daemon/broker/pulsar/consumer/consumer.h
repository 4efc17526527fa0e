/* SPDX-License-Identifier: Apache-2.0 */
/*
 * consumer - the consumers and readers of broker.h on a worker: each is one consumer on the wire, of a topic with
 * partitions one for each of them, over the worker's consuming connection. Functions below are of one on the wire; the
 * others have a table of their own (fan_in.h).
 *
 * Threads: the worker's.
 */
#ifndef HULSE_PULSAR_CONSUMER_CONSUMER_H
#define HULSE_PULSAR_CONSUMER_CONSUMER_H

#include "daemon/broker/broker.h"

struct pulsar_consumers;
struct pulsar_worker;

/* Of a worker: all its consumers. */
struct pulsar_consumers *hulse_pulsar_consumers_create(struct pulsar_worker *w, struct error *err);
/* Before the pool. Consumers that are still open hear no more. */
void hulse_pulsar_consumers_destroy(struct pulsar_consumers **c);
/* Ends a turn: permits and acknowledgements of the turn go out together. Before the pool's flush. */
void hulse_pulsar_consumers_flush(struct pulsar_consumers *set);

struct pulsar_consumer_figures {
    uint64_t consumers;
    /* Of the broker, in messages. */
    uint64_t permits_granted;
    uint64_t permits_used;
    uint64_t permits_overrun; /* came when the broker had none left, as the rest of a batch does */
    uint64_t discarded;       /* entries that were damaged, acknowledged as such; by kind: */
    uint64_t corrupted_checksum;
    uint64_t corrupted_size; /* larger than it may be when it is decompressed */
    uint64_t corrupted_compression;
    uint64_t corrupted_batch; /* metadata, or a batch that lies */
    uint64_t
        unreadable; /* entries that cannot be read: encrypted, chunks without a beginning; left unacknowledged */
    uint64_t chunks;          /* entries that were a part of a message */
    uint64_t chunked;         /* messages that came so, whole */
    uint64_t chunks_given_up; /* messages of which not all has come */
    uint64_t
        chunks_orphaned; /* chunks whose message began where the subscription has nothing left; acknowledged */
    uint64_t chunks_repeated; /* chunks that their producer has sent twice, acknowledged */
    uint64_t
        broker_metadata_damaged; /* entries handed out without what the broker says beside them */
    uint64_t repeated;           /* entries that came again while they were in its hands */
    uint64_t redelivered;        /* entries that came with a count above 0 */
    uint64_t redeliveries_asked; /* entries */
    uint64_t acks_pending;       /* entries, not sent or not answered */
    uint64_t ack_errors;         /* acknowledgements that the broker refused */
    uint64_t rewound; /* times that everything was asked for again, for bytes that were not kept */
    uint64_t unkept;  /* messages refused that could not come again: their topic keeps none */
    uint64_t stalls;  /* silences that were none of the topic: permits lost, or subscribed anew */
    uint64_t permits_lost; /* that the broker did not have */
    uint64_t stalls_left;  /* silences that a new subscription did not end */
    uint64_t renewed;      /* subscriptions made anew because of what came, or for want of memory */
};

void hulse_pulsar_consumers_figures(const struct pulsar_consumers *set,
                                    struct pulsar_consumer_figures *out);

/* Of struct broker_ops. */
hulse_status hulse_pulsar_consumer_open(struct broker *b,
                                        struct worker *w,
                                        const struct broker_consumer_params *params,
                                        struct broker_consumer **out,
                                        struct error *err);
void hulse_pulsar_consumer_permit(struct broker_consumer *c, uint32_t count);
void hulse_pulsar_consumer_copied(struct broker_consumer *c, struct broker_delivery *d);
void hulse_pulsar_consumer_ack(struct broker_consumer *c, struct broker_delivery *d);
void hulse_pulsar_consumer_ack_cumulative(struct broker_consumer *c,
                                          struct broker_delivery *d,
                                          void (*ended)(void *ctx, struct broker_delivery *d));
void hulse_pulsar_consumer_nack(struct broker_consumer *c,
                                struct broker_delivery *d,
                                uint32_t delay_ms);
void hulse_pulsar_consumer_ack_id(struct broker_consumer *c,
                                  const struct broker_id *id,
                                  bool cumulative);
void hulse_pulsar_consumer_give_back(struct broker_consumer *c, struct broker_delivery *d);
void hulse_pulsar_consumer_redeliver_all(struct broker_consumer *c,
                                         void (*ended)(void *ctx, struct broker_delivery *d));
hulse_status hulse_pulsar_consumer_seek(struct broker_consumer *c,
                                        const struct broker_position *to,
                                        void (*ended)(void *ctx, struct broker_delivery *d),
                                        struct error *err);
hulse_status hulse_pulsar_consumer_last_message_id(struct broker_consumer *c, struct error *err);
hulse_status hulse_pulsar_consumer_unsubscribe(struct broker_consumer *c, struct error *err);
void hulse_pulsar_consumer_close(struct broker_consumer *c, bool unsubscribe);

#endif
