/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_state - what a topic keeps when its entry is replaced: buckets, counters, and who uses it.
 *
 * An entry of the topic table holds it, each open handle holds it, and the entry that follows after
 * a reload holds the same one. The last to leave frees it. A topic that only its entry holds is
 * unused; the writer may then end it, and nobody can take hold of it any more.
 *
 * Threads: any; counters are relaxed atomics. hulse_topic_state_end(): the writer of the table.
 */
#ifndef HULSE_TABLE_TOPIC_STATE_H
#define HULSE_TABLE_TOPIC_STATE_H

#include "daemon/table/bucket.h"

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Why a message did not go on, one counter each; the table of daemon/flow/README.md. */
enum topic_refusal {
    TOPIC_REFUSED_DENIED = 0,
    TOPIC_REFUSED_TOO_LARGE,
    TOPIC_REFUSED_UNSUPPORTED,
    TOPIC_REFUSED_EXPIRED,
    TOPIC_REFUSED_APP_RATE,
    TOPIC_REFUSED_ROLE_RATE,
    TOPIC_REFUSED_TOPIC_RATE,
    TOPIC_REFUSED_SCHEMA,       /* the payload does not fit the schema */
    TOPIC_REFUSED_DROPPED,      /* the oldest of a full queue */
    TOPIC_EXPIRED_ON_DELIVERY,  /* not delivered: older than its time to live */
    TOPIC_VERDICT_UNCONFIGURED, /* retry or reject without a topic to go to */
    TOPIC_ACK_TIMED_OUT,        /* came again for want of a verdict */
    TOPIC_UNRESOLVED,    /* handed out as written, though its consumer reads with another schema */
    TOPIC_DEAD_LETTERED, /* stored in the dead-letter topic, and acknowledged */
    TOPIC_DEAD_LETTER_FAILED, /* could not be stored there, and comes again */
    TOPIC_RETRIED,            /* stored in the retry topic, and acknowledged */
    TOPIC_RETRY_FAILED,       /* could not be stored there, and comes again */
    TOPIC_REFUSALS
};

struct topic_refused {
    _Atomic(uint64_t) counts[TOPIC_REFUSALS];
};

/* A line of its own: `rate` is written by every publisher of a limited topic, the rest as handles come and go. */
struct topic_state {
    alignas(64) struct bucket_pair rate;
    _Atomic(struct topic_refused *) refused; /* NULL: nothing was refused yet; set once */
    _Atomic(uint32_t) holders;
    uint32_t idle_sweeps;  /* the writer's: sweeps that found it unused */
    _Atomic(bool) touched; /* held by somebody since the last sweep */
};
static_assert(sizeof(struct topic_state) == 64, "every topic that is known has one");

/* With one holder; NULL over the memory cap. */
struct topic_state *hulse_topic_state_create(void);
/* False: it has been ended. */
bool hulse_topic_state_hold(struct topic_state *s);
/* *s becomes NULL. */
void hulse_topic_state_release(struct topic_state **s);
/* The writer: somebody has it, or had it since the last question. */
bool hulse_topic_state_in_use(struct topic_state *s);
/* If only the entry holds it: nobody can hold it from now on; the entry still releases it. */
bool hulse_topic_state_end(struct topic_state *s);

/* One more. The first of a topic needs memory: without it is not counted. */
void hulse_topic_state_count(struct topic_state *s, enum topic_refusal why);
uint64_t hulse_topic_state_refused(const struct topic_state *s, enum topic_refusal why);

#endif
