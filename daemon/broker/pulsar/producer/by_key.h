/* SPDX-License-Identifier: Apache-2.0 */
/*
 * by_key - batches of one key each, as Key_Shared consumers need them: a broker divides entries among those by the key of
 * the entry, and that of a batch is its first message's.
 *
 * A shared sender gathers a batch for each key at a time, and bounds are for all of them together. The one that the last
 * record went into is the sender's open one; the others stand aside, in the order of the last record of each. All are
 * sealed together and go in that order, under the id of their last record alone: a broker that stores each number once
 * takes only what is above what it has, and the batches of several keys overlap. Java does the same.
 *
 * The numbers of an own sender are its application's, and it sends in their order: a batch of it ends where the key
 * changes, and nothing stands aside.
 *
 * What counts as key: the ordering key, else the key; records without either are one more.
 *
 * Threads: the worker's.
 * Limits:  as many batches as records may be in one (batch_max).
 */
#ifndef HULSE_PULSAR_PRODUCER_BY_KEY_H
#define HULSE_PULSAR_PRODUCER_BY_KEY_H

#include "daemon/broker/pulsar/producer/entry.h"

#define PULSAR_BY_KEY_BUCKETS 256U /* a power of two */

enum pulsar_key_kind { PULSAR_KEY_NONE = 0, PULSAR_KEY_PARTITION, PULSAR_KEY_ORDERING };

/* The batch of one key; of the open one the sender has what is in the middle. */
struct pulsar_key_batch {
    TAILQ_ENTRY(pulsar_key_batch) link;
    LIST_ENTRY(pulsar_key_batch) bucket;
    struct pulsar_entry *open;
    struct wire_batch batch;
    uint32_t head_room;
    uint32_t room; /* of this block */
    enum pulsar_key_kind kind;
    uint64_t hash;
    uint32_t key_bytes;
    uint8_t key[];
};

TAILQ_HEAD(pulsar_key_batches, pulsar_key_batch);

struct pulsar_by_key {
    struct pulsar_key_batches aside;
    struct pulsar_key_batch *current;                             /* NULL: nothing is open */
    LIST_HEAD(, pulsar_key_batch) buckets[PULSAR_BY_KEY_BUCKETS]; /* of what stands aside */
};

/* NULL: no memory. */
struct pulsar_by_key *hulse_pulsar_by_key_create(void);
/* Nothing is open or aside. NULL is harmless. */
void hulse_pulsar_by_key_destroy(struct pulsar_by_key **by_key);
/* The sender's open batch is that of the record's key afterwards, or there is none of it. */
void hulse_pulsar_by_key_turn(struct pulsar_sender *s, const struct broker_record *r);
/* Nothing is open, and a batch that begins with the record will be. False: no memory. */
bool hulse_pulsar_by_key_begin(struct pulsar_sender *s, const struct broker_record *r);
/* It has not begun after all. What stands aside is opened again, so that one is open as long as there are some. */
void hulse_pulsar_by_key_undo(struct pulsar_sender *s);
/* The open one goes to the end of those aside. */
void hulse_pulsar_by_key_set_aside(struct pulsar_sender *s);
/* Nothing is open: the first of those aside is. False: there is none. */
bool hulse_pulsar_by_key_next(struct pulsar_sender *s);

#endif
