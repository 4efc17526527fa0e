/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hold - the private queue of a producer that drops the oldest (ipc C6, item 2).
 *
 * Its ring gives space back when a record is read, so what the broker does not take yet is copied
 * and waits here, in order. Beyond its bounds the oldest is given up.
 *
 * Threads: the publisher's worker.
 * Limits:  bytes_max with the bookkeeping of each record, records_max; memory counts as HULSE_MEM_MESSAGE.
 */
#ifndef HULSE_FLOW_HOLD_H
#define HULSE_FLOW_HOLD_H

#include "daemon/broker/broker.h"

#include <sys/queue.h>

struct held {
    STAILQ_ENTRY(held) link;
    struct broker_record record; /* points into what follows */
    struct broker_meta meta;
    size_t bytes; /* of the whole object */
    uint8_t data[];
};

struct hold {
    STAILQ_HEAD(, held) queue;
    uint64_t bytes;
    uint64_t bytes_max;
    uint32_t records;
    uint32_t records_max;
};

void hulse_hold_init(struct hold *h, uint64_t bytes_max, uint32_t records_max);
/* Throws away what is left; nobody hears of it. */
void hulse_hold_fini(struct hold *h);
/* What the record takes of bytes_max. */
size_t hulse_hold_bytes(const struct broker_record *r);
/* Copies the record to the end. False: over the memory cap. */
bool hulse_hold_put(struct hold *h, const struct broker_record *r);
/* Over its bounds: the first is to be given up. */
bool hulse_hold_over(const struct hold *h);
/* Takes the first out; NULL when empty. Free it with hulse_hold_free(), or put it back. */
struct held *hulse_hold_take(struct hold *h);
void hulse_hold_put_back(struct hold *h, struct held *first);
void hulse_hold_free(struct held *first);

#endif
