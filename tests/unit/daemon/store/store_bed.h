/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_bed - a store in a directory of its own, and a thread that asks it: the test's.
 *
 * Everything asserts by cmocka. What is posted is a message of one topic with an increasing position; its body follows
 * from the position.
 */
#ifndef HULSE_TESTS_STORE_BED_H
#define HULSE_TESTS_STORE_BED_H

#include "daemon/core/inbox.h"
#include "daemon/store/store.h"
#include "tests/support/check.h"

#include <stdbool.h>
#include <stdint.h>

#define BED_SEGMENT_BYTES (UINT32_C(1) << 20)
#define BED_PATH_BYTES 128

struct bed {
    char path[BED_PATH_BYTES];
    struct store_params params;
    struct store *store;
    struct store_report report;
    struct inbox inbox;
    struct store_client client;
    uint64_t done; /* requests and reads that came back */
};

struct bed_request {
    struct store_request rq;
    struct bed *bed;
    uint8_t *body;  /* owned */
    uint64_t order; /* which one came back, from 1; 0: not yet */
};

/* A new directory; 1 MiB segments. */
void hulse_bed_init(struct bed *bed);
/* Removes it. */
void hulse_bed_fini(struct bed *bed);

/* Opens; with threads and a client when `start`. */
void hulse_bed_open(struct bed *bed, bool start);
/* False with *err: it cannot be opened. */
bool hulse_bed_try_open(struct bed *bed, struct error *err);
/* In a new store the next segment is prepared when it returns: its first record is in segment 2. */
void hulse_bed_start(struct bed *bed);
/* Until the next segment is prepared. */
void hulse_bed_wait_prepared(const struct bed *bed);
/* Ends as asked. */
void hulse_bed_stop(struct bed *bed);
/* Ends without saying goodbye: what is not synced may be there or not. */
void hulse_bed_crash(struct bed *bed);

/* Runs the inbox until `done` have come back in all. */
void hulse_bed_wait(struct bed *bed, uint64_t done);

/* Runs what is in the inbox, and waits a little when that is nothing. */
void hulse_bed_turn(struct bed *bed);

/* Bytes that follow from the topic and the position. */
void hulse_bed_fill(uint8_t *body, size_t bytes, uint64_t topic, uint64_t position);

struct bed_request *hulse_bed_request_new(struct bed *bed, enum store_kind kind);
void hulse_bed_request_free(struct bed_request *r);
/* Submits a message; flush is the caller's. */
struct bed_request *
hulse_bed_message(struct bed *bed, uint64_t topic, uint64_t position, size_t bytes);
/* Creates, waits; the id. */
uint64_t hulse_bed_topic(struct bed *bed, const char *name);
uint64_t
hulse_bed_subscription(struct bed *bed, uint64_t topic, const char *name, uint64_t position);
/* Hands over what was submitted, waits for this one; its status. */
hulse_status hulse_bed_finish(struct bed *bed, const struct bed_request *r);
/* One request at a time: submits, flushes, waits, returns the status, frees. */
hulse_status hulse_bed_do(struct bed *bed, struct bed_request *r);
/* Messages [from, end), waits for all, every one OK. */
void hulse_bed_publish(struct bed *bed, uint64_t topic, uint64_t from, uint64_t end, size_t bytes);
/* Acknowledges [from, end). */
hulse_status
hulse_bed_ack(struct bed *bed, uint64_t topic, uint64_t sub, uint64_t from, uint64_t end);

/* One read, waits; the caller frees it with hulse_store_read_free(). */
void hulse_bed_read(
    struct bed *bed, struct store_read *rd, uint64_t topic, uint64_t from, uint64_t end);
void hulse_bed_read_on(struct bed *bed,
                       struct store_read *rd,
                       uint64_t topic,
                       uint64_t from,
                       uint64_t end,
                       bool give_up);
/* How many of [from, end) are there, each checked against hulse_bed_fill(); in order, none twice. */
uint64_t hulse_bed_count(struct bed *bed, uint64_t topic, uint64_t from, uint64_t end);

/* Path of a file in the directory. */
void hulse_bed_file(const struct bed *bed, const char *name, char *out, size_t room);

#endif
