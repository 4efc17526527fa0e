/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faulty_objects - what the files of the faulty broker share.
 *
 * Threads: the worker of the object.
 */
#ifndef HULSE_TESTS_UNIT_DAEMON_BROKER_FAULTY_OBJECTS_H
#define HULSE_TESTS_UNIT_DAEMON_BROKER_FAULTY_OBJECTS_H

#include "daemon/core/assert.h"
#include "tests/unit/daemon/broker/faulty_broker.h"

#include <stdlib.h>

struct faulty {
    struct broker base;
    struct broker_ops ops; /* the inner one's capabilities and module */
    struct broker *inner;
    enum fault fault;
};

static inline struct faulty *hulse_faulty_of(const struct broker *b)
{
    return (struct faulty *)(void *)(uintptr_t)b;
}

/* faulty_produce.c */
hulse_status hulse_faulty_producer_open(struct broker *b,
                                        struct worker *w,
                                        const struct broker_producer_params *params,
                                        struct broker_producer **out,
                                        struct error *err);
bool hulse_faulty_send(struct broker_producer *p, const struct broker_record *r);
hulse_status hulse_faulty_flush(struct broker_producer *p, struct error *err);
void hulse_faulty_producer_close(struct broker_producer *p, bool forget);

/* faulty_consume.c */
hulse_status hulse_faulty_consumer_open(struct broker *b,
                                        struct worker *w,
                                        const struct broker_consumer_params *params,
                                        struct broker_consumer **out,
                                        struct error *err);
void hulse_faulty_permit(struct broker_consumer *c, uint32_t count);
void hulse_faulty_ack(struct broker_consumer *c, struct broker_delivery *d);
void hulse_faulty_ack_cumulative(struct broker_consumer *c,
                                 struct broker_delivery *d,
                                 void (*told)(void *ctx, struct broker_delivery *d));
void hulse_faulty_nack(struct broker_consumer *c, struct broker_delivery *d, uint32_t delay_ms);
void hulse_faulty_give_back(struct broker_consumer *c, struct broker_delivery *d);
void hulse_faulty_ack_id(struct broker_consumer *c, const struct broker_id *id, bool cumulative);
void hulse_faulty_redeliver_all(struct broker_consumer *c,
                                void (*told)(void *ctx, struct broker_delivery *d));
hulse_status hulse_faulty_seek(struct broker_consumer *c,
                               const struct broker_position *to,
                               void (*told)(void *ctx, struct broker_delivery *d),
                               struct error *err);
hulse_status hulse_faulty_last_message_id(struct broker_consumer *c, struct error *err);
hulse_status hulse_faulty_unsubscribe(struct broker_consumer *c, struct error *err);
void hulse_faulty_consumer_close(struct broker_consumer *c, bool unsubscribe);

/* faulty_ask.c */
hulse_status hulse_faulty_lookup(struct broker *b, struct broker_lookup *q, struct error *err);
hulse_status hulse_faulty_stats(struct broker *b, struct broker_stats *q, struct error *err);
hulse_status
hulse_faulty_schema(struct broker *b, struct broker_schema_request *q, struct error *err);
hulse_status hulse_faulty_admin(struct broker *b, struct broker_admin *q, struct error *err);

#endif
