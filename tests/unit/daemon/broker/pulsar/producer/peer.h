/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer - a broker that the test plays by hand.
 *
 * Threads: the test's, with the bed's turns.
 */
#ifndef HULSE_TESTS_UNIT_PULSAR_PRODUCER_PEER_H
#define HULSE_TESTS_UNIT_PULSAR_PRODUCER_PEER_H

#include "daemon/broker/pulsar/wire/metadata.h"
#include "tests/unit/daemon/broker/pulsar/producer/bed.h"

#define EPOCH_ANY UINT64_MAX /* that rises */

/* A socket that listens on 127.0.0.1. */
struct peer {
    int fd;
    uint16_t port;
};

struct line {
    struct bed *bed;
    int fd;
    uint8_t *data;
    size_t held;
    size_t taken; /* of the frame before */
    struct wire_arena arena;
    int32_t message_bytes_max; /* said in CONNECTED */
    uint64_t epoch;            /* the least that may come next */
};

/* A SEND, borrowed until the next one is heard. */
struct heard {
    uint64_t producer_id;
    uint64_t sequence;
    uint64_t highest;
    int32_t count; /* 0: not a batch */
    bool is_chunk;
    const uint8_t *frame;
    uint32_t frame_bytes;
    struct wire_metadata metadata;
    struct broker_span payload; /* as sent */
};

void hulse_peer_open(struct peer *p);
void hulse_peer_close(struct peer *p);
/* At the port it had. */
void hulse_peer_open_again(struct peer *p);
/* Accepts and shakes hands; `l` but for what is to be said in CONNECTED is filled in. */
void hulse_peer_welcome(struct peer *p, struct bed *b, struct line *l);
void hulse_line_hang_up(struct line *l);
/* The next frame; borrowed until the next call. */
const Pulsar__BaseCommand *hulse_line_hear(struct line *l, struct broker_span *rest);
/* After a turn. */
bool hulse_line_has_something(struct line *l);
/* Nothing has come, after some turns. */
bool hulse_line_is_quiet(struct line *l);
/* Waits for the other side to end it. */
void hulse_line_await_end(struct line *l);
void hulse_line_hear_send(struct line *l, struct heard *h);
/* Hears PRODUCER, gives its request, checks what it always says. */
uint64_t
hulse_line_hear_producer(struct line *l, uint64_t *producer_id, uint64_t epoch, char name[256]);
/* Gives the request. */
uint64_t hulse_line_hear_close(struct line *l, uint64_t producer_id);

void hulse_line_say(struct line *l, const Pulsar__BaseCommand *command);
void hulse_line_say_opened(struct line *l,
                           uint64_t request,
                           const char *name,
                           int64_t last_sequence);
void hulse_line_say_success(struct line *l, uint64_t request);
void hulse_line_say_error(struct line *l, uint64_t request, Pulsar__ServerError error);
/* Of what was heard: with the id 7:`entry`. */
void hulse_line_say_receipt(struct line *l, const struct heard *h, uint64_t entry);
void hulse_line_say_receipt_of(struct line *l,
                               uint64_t producer_id,
                               int64_t sequence,
                               int64_t highest);
void hulse_line_say_send_error(struct line *l,
                               uint64_t producer_id,
                               uint64_t sequence,
                               Pulsar__ServerError error);
void hulse_line_say_send_error_as(struct line *l,
                                  uint64_t producer_id,
                                  uint64_t sequence,
                                  Pulsar__ServerError error,
                                  const char *text);
void hulse_line_say_closed(struct line *l, uint64_t producer_id, const char *assigned);

/* Welcomes and opens the producer that comes; gives its id. */
uint64_t hulse_peer_serve(struct peer *p, struct bed *b, struct line *l, uint64_t epoch);

#endif
