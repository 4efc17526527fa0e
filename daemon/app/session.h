/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session - an application that has said HELLO: its socket, wait groups, handles and channels.
 *
 * Threads: the session's worker. Trust: what comes from the socket is checked where it is copied (ipc C1).
 */
#ifndef HULSE_APP_SESSION_H
#define HULSE_APP_SESSION_H

#include "daemon/app/channel.h"
#include "daemon/app/handle.h"
#include "daemon/app/lost.h"
#include "daemon/app/options.h"
#include "daemon/app/reply.h"
#include "daemon/table/bucket.h"
#include "daemon/table/identity.h"
#include "daemon/worker/loop.h"
#include "daemon/worker/timer.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#define HULSE_SESSION_MAGIC 0x73657373U

/*
 * Channels of a session that may be opening at one time; the library opens one after another. Those of an
 * earlier daemon come all at once.
 */
#define HULSE_OPENING_MAX 4U
/* Penalties without a quiet second between them before the session is closed. */
#define HULSE_PENALTIES_MAX 64U

struct admission;
struct plane;

struct group {
    int wake_fd; /* write end, O_NONBLOCK; -1 = unused */
    bool wake;   /* this flush owes it a byte */
};

struct session {
    uint32_t magic;
    uint64_t number;
    struct plane *plane;
    struct identity who;
    struct role_state *role; /* held; NULL = none */
    struct bucket_pair rate; /* of this application, over its producers */
    char name[64];           /* escaped on output, truncated */
    uint64_t features;
    int sock;
    int bell;
    struct watch sock_watch;
    struct watch bell_watch;
    bool sock_watched;
    bool bell_watched;
    bool want_write;
    bool gone;     /* the socket is closed; channels drain */
    bool doomed;   /* closed at the end of this turn */
    bool farewell; /* doomed, and the last event is being sent */
    enum hulse_rule rule;
    const char *why; /* static */
    struct group *groups;
    unsigned group_count;
    struct handle **handles; /* handles_max entries */
    struct handle *displaced;
    uint16_t generation; /* of the last number whose generation was not the app's choice */
    uint32_t handle_count;
    struct channel_list channels;
    uint32_t channel_count;
    uint32_t
        opening;  /* channels in CHANNEL_OPENING, those offered left out: two descriptors each */
    bool resumed; /* HELLO said so: ATTACH and verdicts by id may come */
    bool attach_refused;         /* what belongs to a refused ATTACH is passed over */
    struct channel *attaching;   /* between its ATTACH and ATTACH_END */
    uint32_t attach_handles;     /* since then */
    struct option_block options; /* of a request that has not come yet */
    uint32_t next_channel;
    uint64_t bytes; /* regions and tables */
    STAILQ_HEAD(, reply) replies;
    unsigned reply_count;
    unsigned replies_more; /* of them, beyond HULSE_REPLIES_MAX */
    struct lost lost;
    /* V15 */
    uint64_t budget_second;
    uint32_t control_count;
    uint32_t empty_bells;
    uint32_t penalties;
    uint64_t last_penalty_second;
    struct timer penalty;
    TAILQ_ENTRY(session) link;
    struct session *doomed_next;
};

TAILQ_HEAD(session_list, session);

/* By the number an app used; NULL when there is none (V11). */
static inline struct handle *
hulse_handle_find(const struct session *s, uint32_t number, uint32_t handles_max)
{
    const uint32_t slot = number & 0xffffU;
    struct handle *h = slot < handles_max ? s->handles[slot] : NULL;
    return h != NULL && h->number == number ? h : hulse_handle_find_displaced(s, number);
}

/* Makes the session of an admission, whose descriptor and memory it takes. */
void hulse_session_admit(struct plane *p, struct admission *a);
/* Closes the session at the end of this turn because it broke a rule. */
void hulse_session_doom(struct session *s, enum hulse_rule rule, const char *why);
/* Ends doomed sessions; called at the end of a turn. */
void hulse_session_reap(struct plane *p);
/* The peer has gone: channels drain, and the session is freed with the last. */
void hulse_session_hang_up(struct session *s);
/* Budgets start anew with each second; a quiet one takes a penalty back. */
void hulse_session_new_second(struct session *s);
/* V15: neither socket nor bell is watched for 1..10 ms; too many in a row doom the session. */
void hulse_session_penalty(struct session *s, const char *what);
/* Frees everything at once, without draining. */
void hulse_session_destroy(struct session *s);
/* Looks at the bell's channels; returns how many became hot. */
unsigned hulse_session_answer_bell(struct session *s);
/* Makes one more wait group and hands out its read end. LIMIT or IO on failure. */
hulse_status hulse_session_group(struct session *s, unsigned *index, int *read_fd);

#endif
