/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rest - one request to the REST API of a cluster, over whichever of its hosts answers.
 *
 * A host that could not be reached, or is not ready (503), is followed by the next one; a request that may have
 * been done is not repeated. A broker that sends us to another one (307) is obeyed, with the same method, body and
 * credentials, at most REST_REDIRECTS_MAX times, unless the call says another number, and never from TLS to none.
 *
 * Threads: control.
 * Trust:   answers are judged (rest_answer.h); their bytes and their time are bounded.
 */
#ifndef HULSE_PULSAR_ADMIN_REST_H
#define HULSE_PULSAR_ADMIN_REST_H

#include "daemon/broker/pulsar/admin/rest_answer.h"
#include "daemon/broker/pulsar/admin/topic_path.h"
#include "daemon/broker/pulsar/connection/service_url.h"
#include "daemon/broker/pulsar/pulsar.h"

#define REST_REDIRECTS_MAX 5U
#define REST_ANSWER_BYTES_MAX (8U << 20U)
/* The longest time of a request, or of all that belong together. */
#define REST_TIMEOUT_MS 18000U

/* How a cluster is asked. */
struct rest {
    const struct pulsar_params *params; /* http, token, TLS: the broker's */
    struct service_url url;
    uint32_t host; /* that answered last; begun with */
};

struct rest_call {
    struct http_call http;
    struct rest *rest;
    const char *base; /* before `path`: "/admin/v2", unless the caller says another */
    uint32_t redirects_max;
    size_t answer_bytes_max;
    void *context; /* the caller's */
    enum http_method method;
    char *body; /* NULL: none; its own */
    size_t body_bytes;
    uint64_t deadline_ms;  /* on the clock of loops */
    uint64_t generation;   /* of the token that was shown; 0: none */
    uint32_t tries;        /* of hosts, this one included */
    uint32_t redirects;    /* followed */
    char *redirect;        /* URL that is asked; NULL: a host's */
    struct rest_path path; /* behind `base` */
    /* Comes once, from the loop and never from within the start. It may start the call again. */
    void (*done)(struct rest_call *call, const struct rest_answer *answer);
};

/* With REST_REDIRECTS_MAX and REST_ANSWER_BYTES_MAX, which may be changed then. */
void hulse_rest_call_init(struct rest_call *c,
                          struct rest *rest,
                          void (*done)(struct rest_call *call, const struct rest_answer *answer));
/*
 * Sends what `c->path` says, with `body`, JSON or NULL, which is copied. LIMIT, NO_MEMORY, CLOSED; DENIED: there is no
 * token yet; INVAL: the path is too long.
 */
hulse_status hulse_rest_start(struct rest_call *c,
                              enum http_method method,
                              const char *body,
                              uint64_t deadline_ms,
                              struct error *err);
/* Not on its way. */
void hulse_rest_call_fini(struct rest_call *c);

#endif
