/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bed - a broker on running workers; front ends for it that remember what they heard are in
 * bed_pub.h and bed_sub.h, questions and orders in bed_ask.h.
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
#define BED_DIRECTORY_BYTES 64U
#define BED_SEGMENT_BYTES (1U << 20U) /* small stores are made quickly */
#define BED_STORE_BYTES (UINT64_C(64) << 20U)

/* How to make a broker, and what a test must know of it beyond its capabilities. */
struct bed_house {
    const char *label;
    uint32_t workers;
    struct broker *(*create)(struct error *err);
    void (*destroy)(struct broker **b);
    /* Ends it and makes it again over what it had stored; NULL: it stores nothing. */
    struct broker *(*reopen)(struct broker **b, struct error *err);
    void *(*shared)(struct broker *b); /* of its module; NULL: the broker */
    /* The worker that a topic belongs to; NULL: to none. */
    uint32_t (*owner)(const char *topic, uint32_t workers);
    bool every_topic;           /* exists */
    bool ordered;               /* answers come in the order of sending, which nobody promises */
    const char *scheme;         /* of topics that it has; NULL: non-persistent */
    const char *namespace_name; /* of its topics; NULL: public/default */
    /*
     * It is a client of brokers elsewhere: topics outlive it, so each has a name that no other run
     * gave; they are created by who opens them, not by a lookup; names of producers are the client's;
     * and records are sent alone, because a batch is handed out as a whole, and comes again so.
     */
    bool elsewhere;
};

struct bed {
    struct broker *broker;
    const struct bed_house *house;
    struct local_params params;
    struct worker *workers[BED_WORKERS_MAX];
    struct worker *peers[BED_WORKERS_MAX];
    uint32_t count;
    _Atomic(uint32_t) runnable;
    struct inbox control; /* of the test's thread: as long as somebody may answer */
};

/* With the local broker. */
void hulse_bed_start(struct bed *bed, uint32_t workers, const struct local_params *params);
void hulse_bed_start_house(struct bed *bed, const struct bed_house *house);
void hulse_bed_stop(struct bed *bed);
void hulse_bed_stop_one(struct bed *bed, uint32_t worker);
/* Stops and starts again over what was stored; front ends are closed by then. */
void hulse_bed_restart(struct bed *bed);
/* Makes a directory for a store, in HULSE_BED_DIRECTORY if that is set. */
void hulse_bed_directory(char out[BED_DIRECTORY_BYTES]);
/* bed_house.owner of the local broker. */
uint32_t hulse_bed_owner(const char *topic, uint32_t workers);
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
/* SCHEME "://" NAMESPACE "/…" of a topic that belongs to a worker, where topics do. */
void hulse_bed_topic(
    const struct bed *bed, uint32_t owner, const char *stem, char *out, size_t bytes);
/* In the order in which a topic gave them: below 0, 0, above 0. */
int hulse_bed_compare(const struct broker_id *a, const struct broker_id *b);
/* The figures of a topic; false when it does not exist. */
bool hulse_bed_report(struct bed *bed, const char *topic, struct topic_report *out);

#endif
