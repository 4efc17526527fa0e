/* SPDX-License-Identifier: Apache-2.0 */
/*
 * errand - a request of broker_request.h on its way to a cluster: one question after another to its REST API,
 * and the end of all of them.
 *
 * Threads: control.
 * Limits:  REST_TIMEOUT_MS for all questions together, or the broker's operation timeout if that is less.
 */
#ifndef HULSE_PULSAR_ADMIN_ERRAND_H
#define HULSE_PULSAR_ADMIN_ERRAND_H

#include "daemon/broker/pulsar/admin/rest.h"
#include "daemon/broker/pulsar/worker.h"

#include <jansson.h>

struct admin_errand {
    struct rest_call call;
    struct broker_request *request; /* of one of the two: */
    union {
        struct broker_admin *admin;
        struct broker_stats *stats;
    };
    /* What the answer of the question that is on its way leads to. It ends the errand, or asks on. */
    void (*answered)(struct admin_errand *e, const struct rest_answer *a);
    void (*then)(struct admin_errand *e); /* partitions are known */
    uint64_t deadline_ms;
    uint32_t partitions; /* of the topic, once it is known; 0: none */
    uint32_t at;         /* of them, or of what else is gone through */
    json_t *results;     /* gathered; what they are is the operation's matter */
    json_t *left;        /* still to be asked for, likewise */
    void *block;         /* results of the request, freed after it has been told */
    size_t block_bytes;
};

/* NULL without memory. */
struct admin_errand *
hulse_admin_errand_create(struct broker *b, struct broker_request *request, struct error *err);
/* Nothing was begun; *e becomes NULL. */
void hulse_admin_errand_discard(struct admin_errand **e);
/* Tells the request and frees the errand. */
void hulse_admin_errand_end(struct admin_errand *e, hulse_status status, const char *text);
/* The same where an answer has no form that is known. */
void hulse_admin_errand_end_odd(struct admin_errand *e);

/* The beginning of a path: it is the caller's to go on with. False: not a full name. */
bool hulse_admin_errand_path(struct admin_errand *e, const char *root, const char *topic);
/*
 * Sends the path, as the first question of an errand: OK, or nothing was begun. `answered` gets what is OK; else the errand
 * ends.
 */
hulse_status hulse_admin_errand_ask(struct admin_errand *e,
                                    enum http_method method,
                                    const char *body,
                                    void (*answered)(struct admin_errand *e,
                                                     const struct rest_answer *a),
                                    struct error *err);
/* The same as a further question; a failure ends the errand. */
void hulse_admin_errand_ask_on(struct admin_errand *e,
                               enum http_method method,
                               const char *body,
                               void (*answered)(struct admin_errand *e,
                                                const struct rest_answer *a));
/* The last question: an answer that is OK ends the errand well. */
void hulse_admin_errand_ask_last(struct admin_errand *e, enum http_method method, const char *body);
/* An answer to the last one. */
void hulse_admin_errand_done(struct admin_errand *e, const struct rest_answer *a);
/*
 * Asks how many partitions the topic has, and goes on with `then`, which finds e->partitions. NO_TOPIC when there is
 * no such topic.
 */
hulse_status hulse_admin_errand_begin(struct admin_errand *e,
                                      const char *topic,
                                      void (*then)(struct admin_errand *e),
                                      struct error *err);

#endif
