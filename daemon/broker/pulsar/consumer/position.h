/* SPDX-License-Identifier: Apache-2.0 */
/*
 * position - where a consumer begins, and the messages before that which a broker sends all the same: it knows entries
 * only, and sends the named one again (7.15).
 *
 * Threads: pure.
 */
#ifndef HULSE_PULSAR_CONSUMER_POSITION_H
#define HULSE_PULSAR_CONSUMER_POSITION_H

#include "daemon/broker/broker.h"

#include <pulsar_api.pb-c.h>

/* What is to be passed over at the beginning; it ends with the first message that is not. */
struct floor {
    bool set;
    bool inclusive; /* the named one is to be delivered */
    bool
        below_too; /* what is before the named entry as well: where a broker begins earlier than it was told */
    uint64_t ledger;
    uint64_t entry;
    int32_t batch;    /* -1: the entry */
    uint64_t time_ms; /* with no id: published before this; else 0 */
};

/* What follows from a position; of EARLIEST and LATEST nothing. */
void hulse_floor_set(struct floor *f, const struct broker_position *to);
/* Whether message `batch` (-1: not in a batch) is to be passed over. When not, the floor is over. */
bool hulse_floor_passes(
    struct floor *f, uint64_t ledger, uint64_t entry, int32_t batch, uint64_t publish_time_ms);

/* As an id on the wire; of AT_PUBLISHED there is none. `words`: room for an ack_set, or NULL. */
#define PULSAR_ACK_SET_WORDS 1024U
void hulse_position_write(const struct broker_position *to,
                          Pulsar__MessageIdData *out,
                          int64_t *words);

/* The broker's cursor stands behind the topic's last message; `mark` NULL: the broker does not say. */
bool hulse_position_is_behind(const Pulsar__MessageIdData *mark, const Pulsar__MessageIdData *last);

#endif
