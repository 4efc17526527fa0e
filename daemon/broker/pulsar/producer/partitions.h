/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partitions - what a producer on a partitioned topic has instead of a sender: a producer of its own for each partition
 * that it has sent to (branch.h), and who chooses among them.
 *
 *   base sender looks up: n partitions -> begin: the first one is opened, and with it the producer
 *                                      -> send: to the one that the router says, opened with its first record
 *
 * The operation timeout is that of the lookup, and then of the first partition again.
 *
 * With exclusive access all are opened at once, since each of them is to be taken. A partition that was opened with its first
 * record takes records at once, as one that has lost its connection; until it was open an own producer's go alone.
 *
 * More partitions are used as soon as they are known, but by an own producer, whose records must go where they would have
 * gone before (B8.1 of the design of the shared memory): its number stays as long as it is open.
 *
 * The bounds of what is unanswered are the producer's, over all its partitions. One that has failed or is fenced fails the
 * producer: topics end as a whole.
 *
 * Owns:    itself, as long as its producer lives.
 * Threads: the worker's.
 */
#ifndef HULSE_PULSAR_PRODUCER_PARTITIONS_H
#define HULSE_PULSAR_PRODUCER_PARTITIONS_H

#include "daemon/broker/common/router.h"
#include "daemon/broker/pulsar/failure.h"
#include "daemon/broker/pulsar/lookup/watch.h"
#include "daemon/broker/pulsar/producer/handle.h"
#include "daemon/broker/pulsar/schema/payload_schema.h"

struct pulsar_branch;
struct pulsar_lookup_result;
struct pulsar_senders;

struct pulsar_partitions {
    struct pulsar_producer *producer;
    struct pulsar_senders *all;
    struct router router;
    struct pulsar_branch **branches; /* by number; NULL: nothing was sent there */
    uint32_t count;
    uint32_t opening;           /* of those that the producer's `opened` waits for */
    uint32_t flushing;          /* those that a flush waits for */
    uint32_t message_bytes_max; /* of those that are open, the least */
    uint32_t wire_bytes_max;    /* metadata and payload, of the one that was opened last */
    bool own;
    enum broker_access access;
    struct broker_gathering gathering;
    struct payload_schema *schema; /* NULL: none */
    struct pulsar_failure
        failure; /* of the first that has failed; its class is BROKER_DONE before */
    struct pulsar_watch watch;
    size_t bytes;                     /* of this object */
    const char *name;                 /* wished; in `topic`, behind its end */
    const char *initial_subscription; /* "": none */
    char topic[];                     /* without a partition */
};

/*
 * The producer, which is of no sender any more, has a topic with partitions: `opened` will come, or has come with a failure,
 * and then it is gone. `create` and the rest as it was opened with, defaults filled in.
 */
void hulse_pulsar_partitions_begin(struct pulsar_senders *all,
                                   struct pulsar_producer *p,
                                   const struct broker_producer_params *params,
                                   const struct pulsar_lookup_result *found);
/* As of broker_ops, of a producer that has partitions. */
bool hulse_pulsar_partitions_send(struct pulsar_producer *p, const struct broker_record *r);
void hulse_pulsar_partitions_flush(struct pulsar_producer *p);
/* The producers of the partitions are closed, and none tells anything any more. */
void hulse_pulsar_partitions_end(struct pulsar_producer *p);
/* Of one that has ended. NULL is harmless. */
void hulse_pulsar_partitions_destroy(struct pulsar_partitions **parts);

/* ---- for branch.c ---- */

/* One of those that `opened` waits for is open. The producer may be gone afterwards. */
void hulse_pulsar_partitions_opened(struct pulsar_partitions *parts);
/* The open has failed: the producer is gone. */
void hulse_pulsar_partitions_refuse(struct pulsar_partitions *parts,
                                    hulse_status status,
                                    const char *text);

#endif
