/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bed - a local broker on running workers, and front ends for it that remember what they heard.
 *
 * Everything of a front end happens on its worker; the functions here carry the caller there and
 * wait, so the test may look at a front end between two calls.
 *
 * Threads: the test's.
 */
#ifndef HULSE_TESTS_UNIT_DAEMON_BROKER_BED_H
#define HULSE_TESTS_UNIT_DAEMON_BROKER_BED_H

#include "daemon/broker/local/local.h"
#include "daemon/worker/worker.h"
#include "tests/support/check.h"

#include <semaphore.h>

#define BED_WORKERS_MAX 3U

struct bed {
    struct broker *broker;
    struct local_params params;
    struct worker *workers[BED_WORKERS_MAX];
    struct worker *peers[BED_WORKERS_MAX];
    uint32_t count;
    _Atomic(uint32_t) runnable;
};

/* A publisher. Payloads are {u32 id, u32 number}, then zeros. */
struct bed_pub {
    struct bed *bed;
    uint32_t worker;
    uint32_t id;
    struct broker_producer *producer;
    bool opened; /* heard, with any status */
    hulse_status status;
    const char *text;
    bool failed;
    uint32_t sent;
    uint32_t answered;
    uint32_t stored;
    uint32_t outcomes[32];
    uint64_t last_token; /* tokens are the numbers; answers come in order */
    uint64_t last_entry;
    bool disordered;
};

struct bed_message {
    struct broker_delivery *d; /* NULL once it has its verdict */
    uint64_t entry;
    uint32_t id;
    uint32_t number;
    uint32_t redelivery;
};

/* A consumer. */
struct bed_sub {
    struct bed *bed;
    uint32_t worker;
    struct broker_consumer *consumer;
    bool opened;
    hulse_status status;
    const char *text;
    bool failed;
    bool ack_at_once; /* in the event, and one permit more */
    bool over;        /* more messages than permits */
    uint64_t permits;
    struct bed_message *messages; /* all it ever heard, in order */
    uint32_t count;
    uint32_t capacity;
    uint32_t held;  /* without verdict */
    uint32_t ended; /* told by ack_cumulative */
};

void hulse_bed_start(struct bed *bed, uint32_t workers, const struct local_params *params);
void hulse_bed_stop(struct bed *bed);
void hulse_bed_stop_one(struct bed *bed, uint32_t worker);
/* Runs on a worker and waits for it. */
void hulse_bed_on(struct bed *bed, uint32_t worker, void (*call)(void *arg), void *arg);
/* Waits until `done` says so on the worker. The runner's watchdog is the limit. */
void hulse_bed_until(struct bed *bed, uint32_t worker, bool (*done)(void *arg), void *arg);
/* The worker stands still until released. */
struct bed_blocker {
    struct inbox_node node;
    sem_t standing;
    sem_t gate;
};
void hulse_bed_block(struct bed *bed, uint32_t worker, struct bed_blocker *blocker);
void hulse_bed_release(struct bed_blocker *blocker);
/* "non-persistent://public/default/…" of a topic that belongs to a worker. */
void hulse_bed_topic(
    const struct bed *bed, uint32_t owner, const char *stem, char *out, size_t bytes);
/* The figures of a topic; false when it does not exist. */
bool hulse_bed_report(struct bed *bed, const char *topic, struct topic_report *out);

/* Opens and waits for the event; returns its status. */
hulse_status
hulse_pub_open(struct bed *bed, struct bed_pub *pub, uint32_t worker, const char *topic);
void hulse_pub_send(struct bed_pub *pub, uint32_t count, uint32_t bytes);
void hulse_pub_send_meta(struct bed_pub *pub, const struct broker_meta *meta);
/* Waits until everything sent is answered. */
void hulse_pub_wait(struct bed_pub *pub);
void hulse_pub_close(struct bed_pub *pub);

struct bed_where {
    uint32_t worker;
    const char *topic;
    const char *subscription;
    enum broker_subscription type;
};

hulse_status hulse_sub_open(struct bed *bed, struct bed_sub *sub, const struct bed_where *where);
void hulse_sub_permit(struct bed_sub *sub, uint32_t count);
/* Waits until `count` messages have ever come. */
void hulse_sub_wait(struct bed_sub *sub, uint32_t count);
/* How many have come by now. */
uint32_t hulse_sub_count(struct bed_sub *sub);
/* By index in messages. */
void hulse_sub_ack(struct bed_sub *sub, uint32_t index);
void hulse_sub_ack_all(struct bed_sub *sub);
void hulse_sub_ack_cumulative(struct bed_sub *sub, uint32_t index);
void hulse_sub_nack(struct bed_sub *sub, uint32_t index, uint32_t delay_ms);
void hulse_sub_give_back(struct bed_sub *sub, uint32_t index);
/* Closes and forgets the messages it heard. */
void hulse_sub_close(struct bed_sub *sub, bool unsubscribe);

#endif
