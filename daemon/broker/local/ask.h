/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ask - a request to the worker of a topic, and its results on the way back.
 *
 * From a worker it travels in a lane, from control in an inbox node: control starts and stops the
 * workers, so it knows which are there.
 *
 * Threads: whoever asks, and the topic's worker; never both at once.
 */
#ifndef HULSE_BROKER_LOCAL_ASK_H
#define HULSE_BROKER_LOCAL_ASK_H

#include "daemon/broker/local/objects.h"

enum ask_kind { ASK_LOOKUP, ASK_STATS, ASK_ADMIN };

struct ask {
    struct op op;
    struct inbox_node node;
    struct local_broker *broker;
    struct broker_request *request; /* in one of the three: */
    union {
        struct broker_lookup *lookup;
        struct broker_stats *stats;
        struct broker_admin *admin;
    };
    enum ask_kind kind;
    bool every_worker; /* one after the other */
    bool from_control;
    uint32_t from;   /* worker, unless from control */
    uint32_t worker; /* it is there, or goes there */
    uint64_t hash;
    /* Results beyond the request. */
    char *names;
    size_t names_bytes;
    size_t names_room;
    void *block;
    size_t block_bytes;
    struct later *later; /* it is answered when the store has answered */
};

/* A list of topics, asked by a worker: of all workers, one after the other. As of broker.h. */
hulse_status hulse_ask_topics(struct local_worker *lw, struct broker_admin *q, struct error *err);
/* At home again, from a worker that has served it: to the next one, or the end. */
void hulse_ask_back(struct local_worker *lw, struct ask *a);
/* On the topic's worker. */
void hulse_ask_serve(struct local_worker *lw, struct ask *a);
/* Where it came from: tells, and frees what travelled. */
void hulse_ask_done(struct ask *a);
/* From control: the answer of one that came later. */
void hulse_ask_answer(struct ask *a);
/* A status other than OK for the request, with its text. */
void hulse_ask_refuse(struct ask *a, hulse_status status, const char *text);
/* The orders (admin.c) and figures (figures.c), on the topic's worker. */
void hulse_ask_admin(struct local_worker *lw, struct ask *a);
void hulse_ask_stats(struct local_worker *lw, struct ask *a);

#endif
