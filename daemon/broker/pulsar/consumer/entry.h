/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entry - what a consumer remembers of one entry of its topic: which of its messages are acknowledged, and which are in
 * its hands. It is the truth about the entry, whatever a broker sends again.
 *
 *   waiting --> out --> acked            (bits; neither is waiting: queued here, or at the broker)
 *      ^---------' nack, for the broker to send again
 *
 * It is in its consumer's table while something is to be remembered: messages in its hands (refs), acknowledgements
 * that the broker does not know yet, a redelivery that is due later.
 *
 * Threads: the worker's.
 */
#ifndef HULSE_PULSAR_CONSUMER_ENTRY_H
#define HULSE_PULSAR_CONSUMER_ENTRY_H

#include "daemon/core/pool.h"
#include "daemon/worker/timer.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct chunked;
struct pulsar_consumer;
struct round;

struct entry {
    LIST_ENTRY(entry) by_id;
    TAILQ_ENTRY(entry) link;  /* in the order of their coming */
    TAILQ_ENTRY(entry) group; /* of its round, or of the strays */
    struct pulsar_consumer *consumer;
    uint64_t ledger;
    uint64_t entry;
    uint32_t count;   /* of its messages, at least 1 */
    uint32_t acked;   /* of them */
    uint32_t refs;    /* deliveries and bodies */
    uint32_t refused; /* so often, of one of its messages, by our own count */
    bool linked;      /* in the table */
    bool ordered;     /* in its `all`: not in a round */
    bool in_round;    /* all is acknowledged, and the broker is being told */
    bool forgotten;   /* to be ended when the broker was told that it is due */
    bool stray;       /* nothing of it is in our hands */
    bool owed; /* to a reader: it was refused, or found no room; wherever that is, it gets it */
    bool due;  /* the broker is to send it again, when the turn ends */
    TAILQ_ENTRY(entry) due_link;
    struct round
        *part; /* which tells what is acknowledged of it, by `part_link`; NULL: it was told */
    TAILQ_ENTRY(entry) part_link;
    struct chunked
        *chunked; /* the message that it is a part of, by `chunk_link`; NULL: it is whole */
    TAILQ_ENTRY(entry) chunk_link;
    struct timer again;  /* when it will be due */
    uint64_t small[2];   /* the sets of up to 64 messages */
    uint64_t *acked_set; /* bits */
    uint64_t *out_set;
};

TAILQ_HEAD(entry_list, entry);
LIST_HEAD(entry_bucket, entry);

/* Entries by their ids. */
struct entry_table {
    struct entry_bucket *buckets;
    uint32_t bucket_count; /* a power of two */
    uint32_t count;
    struct entry_list all; /* those in rounds left out */
    bool unordered;        /* `all` */
};

static inline bool hulse_entry_bit(const uint64_t *set, uint32_t index)
{
    return (set[index / 64] >> (index % 64) & 1U) != 0;
}

static inline bool hulse_entry_is_acked(const struct entry *e, uint32_t index)
{
    return hulse_entry_bit(e->acked_set, index);
}

static inline bool hulse_entry_is_out(const struct entry *e, uint32_t index)
{
    return hulse_entry_bit(e->out_set, index);
}

static inline void hulse_entry_set_out(struct entry *e, uint32_t index, bool out)
{
    const uint64_t bit = UINT64_C(1) << (index % 64);
    e->out_set[index / 64] = out ? e->out_set[index / 64] | bit : e->out_set[index / 64] & ~bit;
}

/* Below it, of an order in which a topic's entries are. */
static inline bool hulse_entry_below(uint64_t ledger, uint64_t entry, uint64_t l, uint64_t e)
{
    return ledger < l || (ledger == l && entry < e);
}

/* NULL: no memory. Of no table yet. */
struct entry *hulse_entry_create(struct pool *pool, uint32_t count);
/* Of no table any more. */
void hulse_entry_free(struct pool *pool, struct entry *e);
/* Marks one; false: it was. */
bool hulse_entry_ack(struct entry *e, uint32_t index);
/* How many are neither acknowledged nor out. */
uint32_t hulse_entry_waiting(const struct entry *e);
/* How many are acknowledged from the first one on. */
uint32_t hulse_entry_prefix(const struct entry *e);

/* False: no memory. */
bool hulse_entry_table_init(struct entry_table *t);
/* It is empty. */
void hulse_entry_table_fini(struct entry_table *t);
struct entry *hulse_entry_find(const struct entry_table *t, uint64_t ledger, uint64_t entry);
void hulse_entry_link(struct entry_table *t, struct entry *e);
/* It stays to be found, and leaves `all`. */
void hulse_entry_take_out(struct entry_table *t, struct entry *e);
/* Harmless when it is not linked. */
void hulse_entry_unlink(struct entry_table *t, struct entry *e);

#endif
