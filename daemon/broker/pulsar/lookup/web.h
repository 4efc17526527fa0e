/* SPDX-License-Identifier: Apache-2.0 */
/*
 * web - the questions of searches where the service URL is http:// or https://: from the topic's worker to control, which
 * has the HTTP client, and back.
 *
 *   search (worker) ─ question ─▶ desk (control): waits its turn ─ rest ─ HTTP client ═ broker
 *         ▲────────────────────────── answer ◄─────────┘
 *
 * A question that its search has forgotten comes home all the same, and ends there. Control waits for the end of a worker
 * (crew.h), so nothing is answered meanwhile: what has been answered by then comes home, what has not becomes control's,
 * which ends it.
 *
 * Threads: ask, forget and close by the topic's worker; the desk is control's.
 * Limits:  WEB_ASKING_MAX questions of a broker are with the HTTP client at once, the others wait for their turn.
 */
#ifndef HULSE_PULSAR_LOOKUP_WEB_H
#define HULSE_PULSAR_LOOKUP_WEB_H

#include "daemon/broker/pulsar/admin/rest.h"

#include <sys/queue.h>

/* Half of what the HTTP client has room for: tokens and operators need the rest. */
#define WEB_ASKING_MAX 16U
/* As the binary protocol has it, and the official clients. */
#define WEB_REDIRECTS_MAX 20U
/* Of these answers, which have a few hundred bytes. */
#define WEB_ANSWER_BYTES_MAX (64U << 10U)

struct search;
struct pulsar_lookups;
struct web_question;
LIST_HEAD(web_question_list, web_question);
TAILQ_HEAD(web_question_queue, web_question);

/* Of a broker. */
struct web_desk {
    struct rest rest; /* its url is the service URL */
    struct web_question_queue waiting;
    uint32_t asking;
};

/* `params` are the broker's, and stay. */
void hulse_web_desk_init(struct web_desk *d, const struct pulsar_params *params);
/* Asks what the search wants to know now. False: no memory, or control has too much to do. */
bool hulse_web_ask(struct search *s);
/* No answer will come. Harmless when nothing was asked. */
void hulse_web_forget(struct search *s);
/* The worker ends; its searches have forgotten all. */
void hulse_web_close(struct pulsar_lookups *l);

#endif
