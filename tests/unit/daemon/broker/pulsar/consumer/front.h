/* SPDX-License-Identifier: Apache-2.0 */
/*
 * front - a front end that remembers what it heard of one consumer.
 *
 * Threads: one.
 */
#ifndef HULSE_TESTS_PULSAR_CONSUMER_FRONT_H
#define HULSE_TESTS_PULSAR_CONSUMER_FRONT_H

#include "tests/unit/daemon/broker/pulsar/consumer/stage.h"

#define FRONT_MESSAGES_MAX 131072U
#define FRONT_MARKS_MAX 8U

struct front_message {
    struct broker_delivery *d; /* NULL: it has its verdict */
    uint32_t number;
    uint32_t redelivery;
};

struct front {
    struct broker_consumer *consumer;
    uint32_t opened;
    hulse_status status;
    char text[256];
    bool has_reach;
    struct broker_reach reach; /* its marks are those below */
    struct broker_mark begins[FRONT_MARKS_MAX];
    uint64_t permits;
    struct front_message messages[FRONT_MESSAGES_MAX];
    uint32_t count;
    uint32_t ended;
    uint32_t last_ended;
    uint32_t failed;
    hulse_status failed_with;
    uint32_t settled;
    uint32_t active;
    uint32_t inactive;
    uint32_t caught_up;
    uint64_t lost;
    uint32_t ends;
    uint32_t done;
    enum broker_errand errand;
    hulse_status done_with;
    char done_text[BROKER_TEXT_BYTES];
    bool has_id;
    struct broker_id id;
    /* Closes in the event of this kind. */
    enum front_event {
        FRONT_NONE,
        FRONT_OPENED,
        FRONT_MESSAGE,
        FRONT_SETTLED,
        FRONT_ACTIVE,
        FRONT_INACTIVE,
        FRONT_CAUGHT_UP,
        FRONT_LOST,
        FRONT_END,
        FRONT_DONE,
        FRONT_FAILED
    } close_in;
    bool any_payload;
    bool copies;           /* what it is handed, as an application's ring does */
    bool ack_at_once;      /* and one permit more */
    bool permits_in_ended; /* one each; nothing may come by it before the call has returned */
};

extern struct front front;

/* With everything else of the default. */
struct front_where {
    enum broker_subscription type;
    struct broker_position start;
    bool transient;
    bool never_create;
    bool resumed;
    struct broker_marks *marks;
    bool non_persistent;
    const struct broker_schema *schema;
    struct broker_chunking chunking;
    struct broker_wishes wishes;
};

/* Of a test: the stage; whatever was opened is finished. */
int hulse_front_set_up(void **state);
int hulse_front_tear_down(void **state);
hulse_status hulse_front_begin(const struct front_where *where);
/* Begun, and a session. Of a reader: `last` of its topic is (1, last - 1), none with 0. */
void hulse_front_open(const struct front_where *where, uint64_t last);
/* The same of a topic with partitions, each with a session; the last one is played. */
void hulse_front_open_parts(const struct front_where *where, uint32_t partitions, uint64_t last);
void hulse_front_permit(uint32_t count);
/* By index in messages. */
void hulse_front_ack(uint32_t index);
void hulse_front_ack_cumulative(uint32_t index);
void hulse_front_nack(uint32_t index, uint32_t delay_ms);
void hulse_front_give_back(uint32_t index);
void hulse_front_redeliver_all(void);
hulse_status hulse_front_seek(const struct broker_position *to);
void hulse_front_close(bool unsubscribe);
/* Closes it, and answers whatever the broker still owes. */
void hulse_front_finish(void);
/* Message `index` is `number`, and still held. */
void hulse_front_has(uint32_t index, uint32_t number);

#endif
