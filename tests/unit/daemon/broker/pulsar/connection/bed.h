/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bed - a pool of connections on a loop of the test's own, and brokers that the test plays by hand.
 *
 * All in one thread: whatever waits for one side lets the other run.
 */
#ifndef HULSE_TESTS_UNIT_PULSAR_CONNECTION_BED_H
#define HULSE_TESTS_UNIT_PULSAR_CONNECTION_BED_H

#include "daemon/broker/pulsar/connection/pool.h"
#include "daemon/broker/pulsar/worker.h"
#include "tests/support/check.h"

#include <openssl/ssl.h>

/* ---- our side ---- */

struct bed {
    struct loop loop;
    struct pulsar_broker broker;
    struct pulsar_worker worker;
    struct pulsar_pool *pool;
};

/* Short times, the service URL of 127.0.0.1:port, no pool yet. */
void hulse_bed_open(struct bed *b, uint16_t port);
void hulse_bed_start(struct bed *b);
void hulse_bed_close(struct bed *b);
/* One turn of the worker. */
void hulse_bed_turn(struct bed *b);
struct pulsar_endpoint hulse_bed_endpoint(uint16_t port);

/* A user that counts what it hears. */
struct probe {
    struct pulsar_user user;
    struct bed *bed;
    unsigned ready;
    unsigned lost;
    hulse_status status;
    char text[256];
    unsigned commands;
    int32_t last; /* type of the last command */
    uint32_t rest_bytes;
    uint32_t rest_sum;
    void (*also)(struct probe *p); /* within each event; may be NULL */
};

void hulse_probe_set_up(struct probe *p, struct bed *b, enum pulsar_user_kind kind);
void hulse_probe_attach(struct probe *p,
                        struct bed *b,
                        enum pulsar_user_kind kind,
                        uint16_t port,
                        enum pulsar_purpose purpose);
void hulse_probe_await_ready(struct probe *p);
void hulse_probe_await_lost(struct probe *p);

/* ---- the brokers ---- */

/* A socket that listens on 127.0.0.1. */
struct peer {
    int fd;
    uint16_t port;
    unsigned accepted;
};

struct peer_line {
    struct bed *bed;
    int fd;
    SSL *ssl; /* NULL: plain */
    uint8_t *data;
    size_t held;
    size_t room;
    size_t taken; /* of the frame before */
    struct wire_arena arena;
};

void hulse_peer_open(struct peer *p);
/* The same on another address of this host, as text. */
void hulse_peer_open_at(struct peer *p, const char *address);
void hulse_peer_close(struct peer *p);
void hulse_peer_accept(struct peer *p, struct bed *b, struct peer_line *out);
/* TLS on it, as a server. False: the client did not want it. */
bool hulse_peer_secure(struct peer_line *l, SSL_CTX *ctx);
/* Is somebody there who wants in? */
bool hulse_peer_has_caller(const struct peer *p);
/* Accepts and shakes hands. */
void hulse_peer_welcome(struct peer *p, struct bed *b, struct peer_line *out);
void hulse_peer_hang_up(struct peer_line *l);
/* The next frame; borrowed until the next call. */
const Pulsar__BaseCommand *hulse_peer_hear(struct peer_line *l);
/* Waits for the other side to close. */
void hulse_peer_await_end(struct peer_line *l);
void hulse_peer_say(struct peer_line *l, const Pulsar__BaseCommand *command);
void hulse_peer_say_bytes(struct peer_line *l, const void *data, size_t bytes);
void hulse_peer_say_connected(struct peer_line *l, int32_t version, int32_t message_bytes_max);
void hulse_peer_say_error(struct peer_line *l,
                          uint64_t request_id,
                          Pulsar__ServerError error,
                          const char *message);
void hulse_peer_say_plain(struct peer_line *l, Pulsar__BaseCommand__Type type);
void hulse_peer_say_receipt(struct peer_line *l, uint64_t producer_id, uint64_t sequence_id);

#endif
