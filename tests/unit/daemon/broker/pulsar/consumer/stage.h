/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stage - a worker's surroundings for consumers, played by the test: lookups, one connection, time. What consumers
 * send is kept as it would stand on the wire.
 *
 * Threads: one.
 */
#ifndef HULSE_TESTS_PULSAR_CONSUMER_STAGE_H
#define HULSE_TESTS_PULSAR_CONSUMER_STAGE_H

#include "daemon/broker/pulsar/consumer/object.h"
#include "tests/support/check.h"

#define STAGE_SENT_MAX 8192U
#define STAGE_TOPIC "persistent://public/default/t"
#define STAGE_VOLATILE "non-persistent://public/default/t"
#define STAGE_CHUNKED_BYTES_MAX 262144U
#define STAGE_PARTS_MAX 128U
/* How long what a lookup has said is kept. */
#define STAGE_KEPT_MS 60000U
/* What is not one of the partitions: the topic, or all of it. */
#define STAGE_WHOLE STAGE_PARTS_MAX

#define TYPE(name) PULSAR__BASE_COMMAND__TYPE__##name

struct stage {
    struct worker loop_owner;
    struct pulsar_broker broker;
    struct pulsar_worker worker;
    Pulsar__BaseCommand *sent[STAGE_SENT_MAX];
    uint32_t first; /* not looked at yet */
    uint32_t count;
    bool refuse;                  /* commands find no memory */
    uint32_t attached;            /* ever */
    uint32_t broken;              /* the connection, by a consumer */
    struct pulsar_lookup *lookup; /* of whom is played, as `user` */
    bool lookup_create;
    enum pulsar_lookup_how lookup_how;
    struct pulsar_user *user; /* attached */
    /* Of the others. */
    uint32_t played;
    struct pulsar_lookup *lookups[STAGE_PARTS_MAX + 1];
    struct pulsar_user *users[STAGE_PARTS_MAX + 1];
};

extern struct stage stage;

void hulse_stage_start(void);
void hulse_stage_stop(void);
/* Of the broker; 21 otherwise. */
void hulse_stage_protocol(int32_t version);
/* The end of a turn. */
void hulse_stage_turn(void);
/* Time passes; then a turn. */
void hulse_stage_wait(uint32_t ms);
/* From here on what comes is for the consumer of this partition, or STAGE_WHOLE. */
void hulse_stage_play(uint32_t partition);
/* ---- lookups, the connection ---- */
void hulse_stage_found(void);
void hulse_stage_not_found(int32_t error, uint32_t partitions);
void hulse_stage_ready(void);
/* With everybody that is attached to it. */
void hulse_stage_lose(void);
/* Lookup, connection, SUBSCRIBE, SUCCESS, a turn. */
void hulse_stage_session(void);
/* ---- what was sent ---- */
/* The next one, of this type; after a turn. */
const Pulsar__BaseCommand *hulse_stage_next(Pulsar__BaseCommand__Type type);
void hulse_stage_nothing(void);
/* All of it was looked at, and goes. */
void hulse_stage_forget(void);
/* The next one is FLOW; its permits. */
uint32_t hulse_stage_flow(void);
/* ---- what comes ---- */
void hulse_stage_success(uint64_t request_id);
void hulse_stage_error(uint64_t request_id, Pulsar__ServerError error);
void hulse_stage_time_out(uint64_t request_id);
void hulse_stage_acked(uint64_t request_id);
void hulse_stage_last_id(uint64_t request_id, uint64_t ledger, uint64_t entry, int32_t batch);
/* What a consumer of a broker has. */
struct stage_stats {
    int64_t permits;
    bool blocked;
    bool error;
    bool has_backlog;
    uint64_t backlog;
};
void hulse_stage_stats(uint64_t request_id, struct stage_stats stats);
void hulse_stage_close_consumer(const char *assigned);
void hulse_stage_active(bool active);
void hulse_stage_end_of_topic(void);

/* An entry that comes. Its messages have {number} payloads, from `number` on. */
struct stage_entry {
    uint64_t ledger;
    uint64_t entry;
    uint32_t batch; /* messages; 0: none */
    uint32_t number;
    uint32_t bytes; /* of each payload; 0: of the number alone */
    uint32_t redelivery;
    uint64_t epoch; /* 0: the broker says none */
    const int64_t *ack_set;
    uint32_t ack_words;
    int32_t compression;
    uint32_t claimed; /* uncompressed size; 0: the true one */
    uint32_t changes; /* of its bytes, by `seed`; the checksum is of what comes */
    uint64_t seed;
    bool bad_checksum;
    bool bad_payload; /* of a batch: its second half is gone */
    bool encrypted;
    /* Of a message that comes in so many, with payloads alike. */
    int32_t chunks;
    int32_t chunk;
    uint32_t chunked_bytes;         /* of all; 0: the true ones */
    uint8_t message;                /* which one */
    char attempt;                   /* of our producers to send it; 0: another client's */
    const struct broker_meta *meta; /* of each message */
    struct broker_span added;       /* broker entry metadata */
};

void hulse_stage_message(const struct stage_entry *e);

#endif
