/* SPDX-License-Identifier: Apache-2.0 */
/*
 * letter_post - a worker's producers to dead-letter and retry topics: one for each topic, role and initial subscription, shared
 * by all consumers.
 *
 *   closed --the first letter--> opening --> open --no letter for a minute--> closed
 *                                   '--could not, or the topic went--> broken: letters fail at once, until a time
 *                                      that doubles from 1 s to 60 s is over and the next letter tries again
 *
 * Letters go on their own, unbatched, by the path of every publisher: permission, limits and rules of that topic
 * hold. One that waits for its producer longer than 10 s fails; one that was sent waits for its answer.
 *
 * Threads: the worker's. Limits: who sends bounds how many there are (letters.h).
 */
#ifndef HULSE_FLOW_LETTER_POST_H
#define HULSE_FLOW_LETTER_POST_H

#include "daemon/flow/flow.h"
#include "daemon/flow/letter.h"
#include "daemon/worker/worker.h"

struct letter_post;

/* Its shared pointer is the flow. After the brokers' modules, before those of front ends. */
extern const struct worker_module hulse_letter_module;

struct letter_address {
    const char *topic;        /* full name */
    const char *subscription; /* that it gets with the producer; "": none */
    const struct identity *who;
    struct role_state *role;           /* NULL = none */
    const struct schema_known *schema; /* of the payload; NULL: none is known */
};

/* A consumer that stays for its letters when its front end has gone. Ends itself, or is told to by `stop`. */
struct letter_guest {
    TAILQ_ENTRY(letter_guest) link;
    void (*stop)(struct letter_guest *guest); /* the worker ends: now; it leaves within the call */
};

/* The calling worker's; NULL: it has none. */
struct letter_post *hulse_letter_post(struct worker *w);
/*
 * The letter is the post's until `done`, perhaps before this returns: with NULL it is stored, else why not. Its
 * delivery stays valid until then, or is withdrawn.
 */
void hulse_letter_send(struct letter_post *p, struct letter *l, const struct letter_address *to);
/* Not sent yet: it is the caller's again, and `done` does not come. False: it was sent. */
bool hulse_letter_withdraw(struct letter *l);
/* Nobody waits for `done` any more, and the post frees it. */
void hulse_letter_abandon(struct letter *l);
void hulse_letter_guest_add(struct letter_post *p, struct letter_guest *guest);
void hulse_letter_guest_remove(struct letter_post *p, struct letter_guest *guest);

#endif
