/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rest_answer - what an answer of the REST API means: a status, a text for people, its JSON.
 *
 * Threads: pure, but for jansson's memory.
 * Trust:   code and bytes are a broker's, or of whoever stands between: judged here.
 * See:     pulsar.apache.org, admin REST API: errors are {"reason":"…"}.
 */
#ifndef HULSE_PULSAR_ADMIN_REST_ANSWER_H
#define HULSE_PULSAR_ADMIN_REST_ANSWER_H

#include "daemon/broker/broker.h"
#include "daemon/net/http_client.h"

#include <jansson.h>

struct rest_answer {
    /*
     * OK: done. DENIED: 401, 403; NO_TOPIC: 404; UNSUPPORTED: 405; BUSY: 409, and 412 where something is
     * to be deleted; INVAL: other codes of 4xx; LIMIT: 429; REFUSED: 5xx; PROTOCOL: nothing of these.
     * Without an answer: REFUSED: it could not be asked; TIMED_OUT; LIMIT: the answer is too large; NO_MEMORY; CLOSED.
     */
    hulse_status status;
    unsigned code;                /* of HTTP; 0: there is no answer */
    json_t *json;                 /* with OK: NULL when it has no JSON; hulse_rest_answer_fini() */
    char text[BROKER_TEXT_BYTES]; /* printable; empty when OK */
};

void hulse_rest_answer_read(struct rest_answer *out,
                            enum http_method method,
                            unsigned code,
                            const char *body,
                            size_t bytes);
void hulse_rest_answer_fini(struct rest_answer *a);

#endif
