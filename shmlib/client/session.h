/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session - the connection to the daemon: socket, wait groups, handles, and its state.
 *
 *     LIVE --hang-up, goodbye--> ORPHAN      rings stay readable, claims go on while there is room
 *     LIVE, ORPHAN --nonsense--> BROKEN      every call gives PROTOCOL
 *     any --fork--> FORKED                   every call in the child gives CLOSED
 *
 * Threads: control calls and the socket are under `lock`; each group's list of handles is under
 *          that group's lock, for moments only; the data path reads `state` and takes no lock.
 *          Order: session lock, registry lock, group lock, fault lock.
 * Trust:   what comes from the daemon is checked; nonsense ends the session, never the process.
 */
#ifndef HULSE_CLIENT_SESSION_H
#define HULSE_CLIENT_SESSION_H

#include "include/hulse/hulse.h"
#include "shmlib/ring/control.h"

#include <pthread.h>
#include <stdbool.h>

#define HULSE_GROUPS_MAX 64U
#define HULSE_FAULT_BYTES 768U
#define HULSE_FEATURES (HULSE_FEATURE_FRAGMENTS | HULSE_FEATURE_GROUPS)

enum hulse_session_state {
    HULSE_SESSION_LIVE = 0,
    HULSE_SESSION_ORPHAN,
    HULSE_SESSION_BROKEN,
    HULSE_SESSION_FORKED
};

struct hulse_channel;

/* What producer and consumer have in common. Owner: the thread that uses the object. */
struct hulse_handle {
    struct hulse_channel *channel;
    uint64_t seq;        /* producer: next sequence number */
    uint32_t number;     /* the daemon's */
    uint32_t bytes_max;  /* producer: largest message */
    const char *error;   /* static text, or `failed_text` */
    _Atomic(int) failed; /* status of the event that ended it; 0 = usable */
    uint32_t kind;       /* enum hulse_channel_kind */
    bool failure_told;
    struct hulse_handle *next; /* in the group; changed under registry and group lock */
    char failed_text[HULSE_TOPIC_BYTES_MAX + 1];
};

struct hulse_group {
    struct hulse_session *session;
    uint32_t number;      /* the application's: the index in the session */
    uint32_t wire_number; /* the daemon's; another when an answer of its came too late */
    int wake;             /* read end of the daemon's pipe */
    int epoll;            /* hulse_fd(): wake and the session's socket */
    bool attached;        /* both are still in epoll; owner: the group's thread, as of the next */
    uint64_t rechecks;    /* finds that no wake-up had announced */
    pthread_mutex_t lock;
    struct hulse_handle *handles;
};

struct hulse_session {
    /* Read by every call; changes a few times in a life. */
    _Atomic(int) state;        /* enum hulse_session_state */
    _Atomic(const char *) why; /* static text of the state */
    _Atomic(bool) draining;    /* the daemon is going to stop */
    int sock;
    int bell;
    int timeout_ms; /* of control calls */
    struct hulse_ctl_welcome limits;
    _Atomic(struct hulse_group *) groups[HULSE_GROUPS_MAX];

    /* Under `lock`. */
    pthread_mutex_t lock;
    uint32_t req;
    uint32_t group_count;
    struct hulse_packet io;

    pthread_mutex_t fault_lock;
    char fault[HULSE_FAULT_BYTES];

    struct hulse_session *next_live; /* under the registry lock (fork.c) */
};

static inline int hulse_session_state(const struct hulse_session *s)
{
    /* Relaxed because the hot path only branches on it; whoever needs the reason acquires. */
    return atomic_load_explicit(&s->state, memory_order_relaxed);
}

/* OK while live, else ORPHAN, PROTOCOL or CLOSED; *why becomes the reason unless OK. */
hulse_status hulse_session_status(const struct hulse_session *s, const char **why);
/* Moves to a worse state, or does nothing. `why` is static. */
void hulse_session_end(struct hulse_session *s, enum hulse_session_state to, const char *why);
/* Stores the text of the session's last failure; gives `status`. */
hulse_status
hulse_session_fault(struct hulse_session *s, hulse_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* May a handle be opened on this topic and group? Stores the text if not. */
hulse_status hulse_session_ready(struct hulse_session *s, const char *topic, unsigned group);

/* connect.c: connects and agrees on a version. Requires nothing but -1 in every descriptor. */
hulse_status hulse_session_connect(struct hulse_session *s, const struct hulse_options *o);

/*
 * control_call.c: sends the request in s->io and waits for its answer, which replaces it; the
 * answer's descriptors are the caller's. Events that arrive meanwhile are handled.
 * Requires: lock. Blocks: up to s->timeout_ms.
 */
hulse_status hulse_control_call(struct hulse_session *s, unsigned answer);
/* The answer's fixed part, copied out. */
void hulse_control_answer(const struct hulse_session *s, void *out, size_t bytes);

/* session_events.c: handles one packet that no call waits for. Requires: lock. */
void hulse_session_event(struct hulse_session *s, struct hulse_packet *p);
/*
 * Reads the socket if no other thread has it. AGAIN: another one has it now. Afterwards the state
 * may have changed. This is where a lost daemon is noticed and where a re-attach would be driven.
 */
hulse_status hulse_session_tend(struct hulse_session *s);
/* Looks for a hang-up only: one poll, no reading. */
void hulse_session_look(struct hulse_session *s);

/* group.c */
/* Adds the daemon's group `wire_number`; takes `wake`. *number becomes the application's. */
hulse_status
hulse_group_add(struct hulse_session *s, int wake, uint32_t wire_number, unsigned *number);
struct hulse_group *hulse_group_find(const struct hulse_session *s, unsigned number);
void hulse_group_free(struct hulse_group *g);
/* Empties the pipe; a pipe without a writer orphans the session. */
void hulse_group_drain(struct hulse_group *g);
/* Both require registry and group lock, unless in a child or unshared. */
void hulse_handle_link(struct hulse_group *g, struct hulse_handle *h);
void hulse_handle_unlink(struct hulse_group *g, const struct hulse_handle *h);
/* handle.c: links an open handle under its locks and counts it on its channel. */
void hulse_handle_join(struct hulse_handle *h);

/* Closes a handle of either kind as its close call does. */
hulse_status hulse_handle_close(struct hulse_handle *h, int drain_ms);
/*
 * Unlinks it, tells the daemon, lets the channel go with its last user. OK: the daemon has closed
 * the handle and forgotten what was half published by it; otherwise it may not have.
 */
hulse_status hulse_handle_retire(struct hulse_handle *h);
/* The status of a handle: the session's, else its own failure; sets h->error. */
hulse_status hulse_handle_status(struct hulse_handle *h);

static inline hulse_status
hulse_handle_refuse(struct hulse_handle *h, hulse_status status, const char *text)
{
    h->error = text;
    return status;
}

/* fork.c: sessions whose descriptors a forked child must close. */
void hulse_fork_register(struct hulse_session *s);
void hulse_fork_forget(struct hulse_session *s);
/* Held while descriptors and handles come and go, so that a fork meets whole lists. */
void hulse_fork_lock(void);
void hulse_fork_unlock(void);

#endif
