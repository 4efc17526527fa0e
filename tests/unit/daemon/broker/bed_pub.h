/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bed_pub - a publisher on a worker of a bed, that remembers what it heard.
 *
 * Threads: the test's.
 */
#ifndef HULSE_TESTS_UNIT_DAEMON_BROKER_BED_PUB_H
#define HULSE_TESTS_UNIT_DAEMON_BROKER_BED_PUB_H

#include "tests/unit/daemon/broker/bed.h"

/* A publisher. Payloads are {u32 id, u32 number}, then zeros. */
struct bed_pub {
    struct bed *bed;
    uint32_t worker;
    uint32_t id;
    struct broker_producer *producer;
    bool opened; /* heard, with any status */
    hulse_status status;
    const char *text;
    uint32_t message_bytes_max;
    bool forget; /* told at close */
    bool closed; /* nothing may be heard from here on */
    bool failed;
    hulse_status failed_with;
    bool fenced;
    uint32_t fenced_answers;
    uint32_t sent;
    uint32_t answered; /* given back included */
    uint32_t stored;
    uint32_t copies; /* of `stored`: without an id, which only `copies_expected` allows */
    bool copies_expected;
    uint64_t first_seq; /* of the first record; set after open */
    uint32_t outcomes[32];
    uint64_t last_token; /* tokens are the numbers; answers come in order */
    struct broker_id last_id;
    bool disordered;
    uint8_t *ended; /* by token: how it ended, 0 = not yet */
    uint32_t ended_room;
    uint32_t flushed;
    uint32_t ends_at_flush; /* answered when the last flush was done */
};

/* Opens and waits for the event; returns its status. */
hulse_status
hulse_pub_open(struct bed *bed, struct bed_pub *pub, uint32_t worker, const char *topic);
/* As open, with parameters of the test's; events and ctx are filled in. */
hulse_status hulse_pub_open_with(struct bed *bed,
                                 struct bed_pub *pub,
                                 uint32_t worker,
                                 const struct broker_producer_params *params);
void hulse_pub_send(struct bed_pub *pub, uint32_t count, uint32_t bytes);
void hulse_pub_send_meta(struct bed_pub *pub, const struct broker_meta *meta);
/* With any payload and metadata; `token` is the number of the record. */
void hulse_pub_send_record(struct bed_pub *pub,
                           struct broker_span payload,
                           const struct broker_meta *meta);
/* Sends `count` and flushes, within one call on the worker; returns flush's status. */
hulse_status hulse_pub_send_and_flush(struct bed_pub *pub, uint32_t count);
void hulse_pub_wait_flushed(struct bed_pub *pub, uint32_t count);
/* Waits for `failed`. */
void hulse_pub_wait_failed(struct bed_pub *pub);
/* Waits for `fenced`. */
void hulse_pub_wait_fenced(struct bed_pub *pub);
/* Waits until everything sent is answered. */
void hulse_pub_wait(struct bed_pub *pub);
void hulse_pub_close(struct bed_pub *pub);

#endif
