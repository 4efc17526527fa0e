/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bed - the senders of a worker on a loop of the test's own, over real connections to brokers that the test plays by
 * hand (peer.h); lookups are answered by the bed. All in one thread: whatever waits for one side lets the other run.
 *
 * Threads: the test's.
 */
#ifndef HULSE_TESTS_UNIT_PULSAR_PRODUCER_BED_H
#define HULSE_TESTS_UNIT_PULSAR_PRODUCER_BED_H

#include "daemon/broker/pulsar/producer/senders.h"
#include "include/hulse/status.h"
#include "tests/unit/daemon/core/check.h"

#define BED_TOPIC "persistent://public/default/t"
#define BED_RECORDS_MAX 4096U
#define BED_CHUNKED_BYTES_MAX (8U << 20U)
#define BED_PAYLOAD 20U /* bytes of an ordinary record */

struct bed {
    struct loop loop;
    struct worker real; /* what there is of it */
    struct pulsar_broker broker;
    struct pulsar_worker worker;
    /* What lookups are told; `silent`: nothing. */
    struct pulsar_lookup_result found;
    uint32_t partitions; /* of BED_TOPIC; 0: as all others */
    uint32_t kept_ms;    /* of that answer; 0: an hour */
    uint32_t grown;      /* as watches counted */
    uint32_t shrunk;
    bool silent;
    uint32_t lookups;
    uint32_t fresh_lookups;
};

/* The owner of all topics is at that port. */
void hulse_bed_open(struct bed *b, uint16_t port);
/* Nothing may be left. */
void hulse_bed_close(struct bed *b);
void hulse_bed_turn(struct bed *b);
/* Without the end of the turn. */
void hulse_bed_round(struct bed *b);
struct pulsar_endpoint hulse_bed_endpoint(uint16_t port);

/* A producer that remembers what it heard. Tokens are the numbers of its records. */
struct pub {
    struct bed *bed;
    struct broker_producer *producer;
    struct broker_producer_params params;
    unsigned opened;
    hulse_status status;
    char text[256];
    uint32_t message_bytes_max;
    unsigned failed;
    hulse_status failed_with;
    unsigned fenced;
    unsigned flushed;
    uint32_t answered_at_flush;
    unsigned freed;
    uint32_t sent;
    uint32_t answered;
    uint8_t outcomes[BED_RECORDS_MAX]; /* by token; 0: none yet */
    struct broker_answer answers[BED_RECORDS_MAX];
    bool in_order; /* all answers so far */
    bool closed;
    void (*also)(struct pub *p); /* within each answer */
};

/* Before anything else; `params` may then be changed. */
void hulse_pub_init(struct pub *p, struct bed *b);
hulse_status hulse_pub_open(struct pub *p);
void hulse_pub_await_opened(struct pub *p);
/* One record with its number in it, entered now. */
void hulse_pub_send(struct pub *p);
/* One that need not be taken; NULL: an ordinary one. */
bool hulse_pub_try(struct pub *p, struct broker_record *r);
void hulse_pub_send_record(struct pub *p, struct broker_record *r);
void hulse_pub_await_answered(struct pub *p, uint32_t count);
void hulse_pub_close(struct pub *p);

#endif
