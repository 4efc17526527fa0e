/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer - brokers that answer lookups as a test says, each on a port of its own.
 *
 * Threads: one of its own, on which the script runs; the rest from the test's.
 */
#ifndef HULSE_TESTS_LOOKUP_PEER_H
#define HULSE_TESTS_LOOKUP_PEER_H

#include "daemon/broker/pulsar/lookup/reply.h"

#include <stdbool.h>
#include <stdint.h>

#define PEER_BROKERS_MAX 4U

/* For scripts: cmocka's assertions belong to the test's thread. */
#define PEER_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            hulse_peer_fail(#condition, __FILE__, __LINE__);                                       \
        }                                                                                          \
    } while (0)

struct peer;
struct peer_connection;

struct question {
    struct peer *peer;
    struct peer_connection *connection;
    uint32_t broker; /* who was asked */
    enum lookup_question asked;
    uint64_t request_id;
    const char *topic;
    bool create;        /* of PARTITIONS */
    bool authoritative; /* of OWNER */
    const char *listener;
    const char *proxied; /* the target that CONNECT has named; NULL: none */
    bool again;          /* it was held before */
};

struct peer_params {
    uint32_t brokers;
    bool too_old; /* without feature flag 5 */
    /* On the peer's thread: answers, now or never. */
    void (*script)(struct question *q, void *ctx);
    void *ctx;
};

_Noreturn void hulse_peer_fail(const char *condition, const char *file, int line);
struct peer *hulse_peer_start(const struct peer_params *params);
void hulse_peer_stop(struct peer **p);
uint16_t hulse_peer_port(const struct peer *p, uint32_t broker);
/* So far, over all brokers. */
uint32_t hulse_peer_asked(struct peer *p, enum lookup_question asked);
/* Not before that many have come. */
void hulse_peer_await(struct peer *p, enum lookup_question asked, uint32_t count);
uint32_t hulse_peer_connections(struct peer *p);
/* Refuses connections to this broker, and ends those it has. */
void hulse_peer_shut(struct peer *p, uint32_t broker);

/* All that were held come to the script again. */
void hulse_peer_release(struct peer *p);

/* ---- from the script ---- */

void hulse_peer_hold(const struct question *q);

void hulse_peer_partitions(const struct question *q, uint32_t count);
void hulse_peer_failed(const struct question *q, Pulsar__ServerError error, const char *message);
/* As a proxy does: in the form of the other question. */
void hulse_peer_failed_crossed(const struct question *q,
                               Pulsar__ServerError error,
                               const char *message);
/* Connect, or Redirect, to that broker. */
void hulse_peer_owner(const struct question *q, uint32_t broker);
void hulse_peer_redirect(const struct question *q, uint32_t broker, bool authoritative);
/* Any LOOKUP_RESPONSE; its request_id is filled in. */
void hulse_peer_lookup_response(const struct question *q, Pulsar__CommandLookupTopicResponse *r);
/* A command that is no answer to a lookup, with the request's id. */
void hulse_peer_nonsense(const struct question *q);
void hulse_peer_drop(const struct question *q);

#endif
