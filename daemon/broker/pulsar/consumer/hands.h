/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hands - what a consumer has in hand, and where it is in its topic: made with its first message, and gone again when it is
 * idle, for of many topics most are.
 *
 *   nothing (one for all, never written) --a message, a verdict by id, a seek, a reader--> its own
 *      ^------------------ silent, empty, and nothing in it that is to be remembered ---------'
 *
 * Threads: the worker's.
 * Limits:  counted as HULSE_MEM_TOPIC, its table as HULSE_MEM_BROKER.
 */
#ifndef HULSE_PULSAR_CONSUMER_HANDS_H
#define HULSE_PULSAR_CONSUMER_HANDS_H

#include "daemon/broker/pulsar/consumer/body.h"
#include "daemon/broker/pulsar/consumer/chunks.h"
#include "daemon/broker/pulsar/consumer/entry.h"
#include "daemon/broker/pulsar/consumer/position.h"

struct delivery;
struct pulsar_consumer;
struct round;

TAILQ_HEAD(delivery_list, delivery);
TAILQ_HEAD(round_list, round);

struct hands {
    struct pulsar_consumer *consumer; /* NULL: of nobody, and empty */
    struct entry_table entries;
    struct chunks chunks;
    struct body_queue queue;
    struct delivery_list held; /* in the order of handing out */
    struct delivery_list kept;
    struct delivery_list waiting;
    struct entry_list strays;
    struct entry_list due; /* by `due_link` */
    struct round_list rounds;
    struct timer flush_again; /* what found no memory; verdicts that are settled */
    uint32_t kept_count;      /* of both */
    uint32_t stray_count;
    uint32_t due_count;

    /* the last time that everything was asked for again */
    uint64_t rewound_ms;
    uint64_t rewind_ledger;
    uint64_t rewind_entry;
    /* What comes may have been sent before that: the broker says no epoch, and has not gone back behind the last that came. */
    bool late;
    uint64_t came_ledger;
    uint64_t came_entry;

    /* where it begins, and is */
    bool knows_reach;
    bool has_last;
    bool had_last; /* of what was before the message that is being handed out */
    struct broker_position start;
    struct broker_marks
        *marks; /* of a reader's partitions that are to be opened; NULL: none is known */
    struct floor floor;
    struct broker_id last; /* handed out or passed over */
    struct broker_id before_last;
    bool moved;       /* the last is of this session */
    bool has_damaged; /* of a reader: the last entry that it was told to be damaged */
    uint64_t damaged_ledger;
    uint64_t damaged_entry;
    bool passes; /* over what came behind the queue, when that is empty */
    struct broker_id passed;
    struct broker_reach reach;
};

/* It has none yet. */
void hulse_hands_init(struct pulsar_consumer *c);
/* It has none, and is to have its own: hulse_hands_take() of object.h asks first. False: no memory. */
bool hulse_hands_make(struct pulsar_consumer *c);
/* Gives them up, if nothing is in them. */
void hulse_hands_rest(struct pulsar_consumer *c);
/* What waits for its time does so no more. */
void hulse_hands_stop(struct pulsar_consumer *c);
/* They are empty. */
void hulse_hands_fini(struct pulsar_consumer *c);
/* From here on it begins there; at other places than the earliest and the latest message only with its own. */
void hulse_hands_start(struct pulsar_consumer *c, const struct broker_position *start);
/* It has been moved: where it was says nothing any more, nor what it was to have again. */
void hulse_hands_forget_place(struct pulsar_consumer *c);

#endif
