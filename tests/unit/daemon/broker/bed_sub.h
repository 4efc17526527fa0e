/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bed_sub - a consumer on a worker of a bed, that remembers what it heard.
 *
 * Threads: the test's.
 */
#ifndef HULSE_TESTS_UNIT_DAEMON_BROKER_BED_SUB_H
#define HULSE_TESTS_UNIT_DAEMON_BROKER_BED_SUB_H

#include "tests/unit/daemon/broker/bed.h"

struct bed_message {
    struct broker_delivery *d; /* NULL once it has its verdict */
    struct broker_id at;
    uint32_t id;
    uint32_t number;
    uint32_t redelivery;
    uint64_t lost; /* said by then */
};

/* A consumer. */
struct bed_sub {
    struct bed *bed;
    uint32_t worker;
    struct broker_consumer *consumer;
    bool opened;
    hulse_status status;
    const char *text;
    bool closed; /* nothing may be heard from here on */
    bool failed;
    uint32_t settled; /* of its verdicts */
    hulse_status failed_with;
    uint32_t ends_of_topic;
    uint32_t caught_up;
    uint64_t lost;           /* said */
    uint64_t lost_caught_up; /* of it, when it heard that it has caught up */
    bool has_reach;
    struct broker_reach reach;
    uint32_t active;
    uint32_t inactive;
    uint32_t errands;          /* done */
    enum broker_errand errand; /* the last one */
    hulse_status errand_status;
    bool errand_has_id;
    struct broker_id errand_id;
    bool ack_at_once; /* in the event, and one permit more */
    bool over;        /* more messages than permits */
    uint64_t permits;
    struct bed_message *messages; /* all it ever heard, in order */
    uint32_t count;
    uint32_t capacity;
    uint32_t held;  /* without verdict */
    uint32_t ended; /* told by a call that ends many */
    struct broker_delivery *last_ended;
};

struct bed_where {
    uint32_t worker;
    const char *topic;
    const char *subscription;
    enum broker_subscription type;
    enum broker_position_kind start;
    struct broker_id id; /* of a start that has one */
    uint64_t time_ms;    /* likewise */
    bool never_create;
    bool transient;
};

hulse_status hulse_sub_open(struct bed *bed, struct bed_sub *sub, const struct bed_where *where);
void hulse_sub_permit(struct bed_sub *sub, uint32_t count);
/* Waits until `count` messages have ever come. */
void hulse_sub_wait(struct bed_sub *sub, uint32_t count);
/* Waits until it has heard that it has caught up. */
void hulse_sub_wait_caught_up(struct bed_sub *sub);
/* How many have come by now. */
uint32_t hulse_sub_count(struct bed_sub *sub);
/* By index in messages. */
void hulse_sub_ack(struct bed_sub *sub, uint32_t index);
void hulse_sub_ack_all(struct bed_sub *sub);
void hulse_sub_ack_cumulative(struct bed_sub *sub, uint32_t index);
void hulse_sub_nack(struct bed_sub *sub, uint32_t index, uint32_t delay_ms);
void hulse_sub_give_back(struct bed_sub *sub, uint32_t index);
void hulse_sub_redeliver_all(struct bed_sub *sub);
void hulse_sub_ack_id(struct bed_sub *sub, const struct broker_id *id, bool cumulative);
/* Waits until that many verdicts are settled. */
void hulse_sub_wait_settled(struct bed_sub *sub, uint32_t count);
/* Begins one and returns its status; with OK, waits for `done`. */
hulse_status hulse_sub_last_message_id(struct bed_sub *sub);
hulse_status hulse_sub_unsubscribe(struct bed_sub *sub);
hulse_status hulse_sub_seek(struct bed_sub *sub, const struct broker_position *to);
void hulse_sub_wait_failed(struct bed_sub *sub);
void hulse_sub_wait_end_of_topic(struct bed_sub *sub);
/* Closes and forgets the messages it heard. */
void hulse_sub_close(struct bed_sub *sub, bool unsubscribe);

#endif
