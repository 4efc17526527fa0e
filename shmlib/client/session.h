/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session - the connection to the daemon: socket, wait groups, handles, and its state.
 *
 *     LIVE --hang-up, goodbye--> ORPHAN      rings stay readable, claims go on while there is room
 *     ORPHAN --connected, WELCOME--> LIVE    of the next epoch; each channel follows (reattach.c)
 *     ORPHAN --no common version--> REFUSED  as ORPHAN, and asked again now and then
 *     any of these --nonsense--> BROKEN      every call gives PROTOCOL
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
#include "shmlib/client/clock.h"
#include "shmlib/client/option_list.h"
#include "shmlib/ring/control.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/un.h>

#define HULSE_GROUPS_MAX 64U
#define HULSE_FAULT_BYTES 768U
#define HULSE_FEATURES                                                                             \
    (HULSE_FEATURE_FRAGMENTS | HULSE_FEATURE_GROUPS | HULSE_FEATURE_RESUME |                       \
     HULSE_FEATURE_READER | HULSE_FEATURE_POSITIONS | HULSE_FEATURE_ROUTING |                      \
     HULSE_FEATURE_OPTIONS | HULSE_FEATURE_REPLICATION | HULSE_FEATURE_SCHEMAS |                   \
     HULSE_FEATURE_MARKS | HULSE_FEATURE_TOPIC_SCHEMAS | HULSE_FEATURE_RETRY)

enum hulse_session_state {
    HULSE_SESSION_LIVE = 0,
    HULSE_SESSION_ORPHAN,
    HULSE_SESSION_REFUSED,
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
    /* What the next daemon is told (resume.c); the texts lie in `names`, one behind the other. */
    struct hulse_ctl_attach_handle offer;
    char *names;
    struct hulse_option_list options; /* that it was opened with */
    uint32_t offer_req;               /* under the session lock: its answer is awaited; 0 = none */
    char failed_text[HULSE_TOPIC_BYTES_MAX + 1];
};

struct hulse_group {
    struct hulse_session *session;
    uint32_t number;            /* the application's: the index in the session */
    uint32_t wire_number;       /* the daemon's; another when an answer of its came too late */
    int wake;                   /* read end of the daemon's pipe; the number stays */
    int epoll;                  /* hulse_fd(): wake, timer and the session's socket */
    int timer;                  /* when the next step towards a daemon is due */
    _Atomic(bool) deaf;         /* the pipe is a dead daemon's */
    uint32_t wake_req;          /* under the session lock: GROUP_OK is awaited; 0 = none */
    uint32_t epoch;             /* under the session lock: of `wake` */
    _Atomic(uint64_t) attached; /* the session's word when all its channels were attached */
    uint64_t rechecks;          /* finds that no wake-up had announced; owner: the group's thread */
    pthread_mutex_t lock;
    struct hulse_handle *handles;
};

/* The way to the next daemon. Under the session lock, but for what is atomic. */
struct hulse_resume {
    enum hulse_resume_stage {
        HULSE_RESUME_IDLE = 0, /* live */
        HULSE_RESUME_CONNECTING,
        HULSE_RESUME_GREETING /* WELCOME is awaited */
    } stage;
    unsigned attempts;
    bool failed;      /* what the daemon had to do for us did not come about */
    bool routing;     /* it knows HULSE_FEATURE_ROUTING */
    uint64_t live_ns; /* CLOCK_MONOTONIC; WELCOME */
    uint64_t seed;
    uint64_t deadline_ns;     /* of WELCOME */
    _Atomic(uint64_t) due_ns; /* CLOCK_MONOTONIC; next attempt */
    struct sockaddr_un address;
    struct hulse_packet hello;
};

struct hulse_session {
    /* Read by every call; changes a few times in a life. */
    _Atomic(uint64_t) word;    /* epoch << 8 | enum hulse_session_state */
    _Atomic(const char *) why; /* static text of the state */
    _Atomic(bool) draining;    /* the daemon is going to stop */
    _Atomic(bool) deaf;        /* nobody is at the other end of `sock` */
    _Atomic(bool) replication; /* the daemon that is there knows HULSE_FEATURE_REPLICATION */
    _Atomic(bool) replicated;  /* records may stand in rings that only such a daemon can read */
    _Atomic(uint64_t) id;      /* the daemon's number of this session */
    int sock;                  /* the numbers of both stay, whatever is behind them */
    int bell;
    int timeout_ms;                  /* of control calls */
    int open_timeout_ms;             /* of those that open a producer or consumer */
    struct hulse_ctl_welcome limits; /* the first daemon's */
    /* Features of the daemon that is there; under the lock. */
    bool positions;              /* HULSE_FEATURE_POSITIONS */
    bool options;                /* HULSE_FEATURE_OPTIONS */
    bool schemas;                /* HULSE_FEATURE_SCHEMAS */
    bool marks;                  /* HULSE_FEATURE_MARKS */
    bool topic_schemas;          /* HULSE_FEATURE_TOPIC_SCHEMAS */
    struct hulse_marks *opening; /* of the reader whose opening is being answered, or NULL */
    _Atomic(struct hulse_group *) groups[HULSE_GROUPS_MAX];

    /* Under `lock`. */
    pthread_mutex_t lock;
    uint32_t req;
    bool
        overdue; /* the last call had no answer in its time; else TIMED_OUT is what the daemon says */
    /* Of the last handle's number, over daemons; never 0 once one was opened. */
    uint16_t generation;
    uint32_t group_count;
    struct hulse_packet io;
    struct hulse_resume resume;

    pthread_mutex_t fault_lock;
    char fault[HULSE_FAULT_BYTES];

    struct hulse_session *next_live; /* under the registry lock (fork.c) */
};

#define HULSE_AWAY "the daemon has gone; the next one is awaited"

#define HULSE_STATE_MASK UINT64_C(0xff)
#define HULSE_EPOCH_SHIFT 8

/* State and epoch together, so that what was seen of one daemon is not said of the next. */
static inline uint64_t hulse_session_word(const struct hulse_session *s)
{
    /* Relaxed because the hot path only branches on it; whoever needs the reason acquires. */
    return atomic_load_explicit(&s->word, memory_order_relaxed);
}

static inline int hulse_session_state(const struct hulse_session *s)
{
    return (int)(hulse_session_word(s) & HULSE_STATE_MASK);
}

/* How often it has been attached, from 0. */
static inline uint32_t hulse_session_epoch(const struct hulse_session *s)
{
    return (uint32_t)(hulse_session_word(s) >> HULSE_EPOCH_SHIFT);
}

/* OK while live, else ORPHAN, REFUSED, PROTOCOL or CLOSED; *why becomes the reason unless OK. */
hulse_status hulse_session_status(const struct hulse_session *s, const char **why);
/* Moves from LIVE to ORPHAN, unless the word has changed since the hang-up was looked for. */
void hulse_session_orphan(struct hulse_session *s, uint64_t seen, const char *why);
/* Moves to a worse state, or does nothing. `why` is static. */
void hulse_session_end(struct hulse_session *s, enum hulse_session_state to, const char *why);
/* Stores the text of the session's last failure; gives `status`. */
hulse_status
hulse_session_fault(struct hulse_session *s, hulse_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a call that gave no descriptor: LIMIT when this process may have no more, else IO. */
hulse_status hulse_session_no_descriptor(struct hulse_session *s, const char *what, int error);

/* May a handle be opened on this topic and group? Stores the text if not. */
hulse_status hulse_session_ready(struct hulse_session *s, const char *topic, unsigned group);

/* Waits until `there`, which takes a step, and the session is live, up to the connect timeout. */
hulse_status hulse_await(struct hulse_session *s, bool (*there)(void *of), void *of);
/* Opening waits for the next daemon, up to the connect timeout. OK: the session is live. */
hulse_status hulse_session_await(struct hulse_session *s);

/* connect.c: connects and agrees on a version. Requires nothing but -1 in every descriptor. */
hulse_status hulse_session_connect(struct hulse_session *s, const struct hulse_options *o);

/*
 * control_call.c: sends the request in s->io and waits for its answer, which replaces it; the
 * answer's descriptors are the caller's. Events that arrive meanwhile are handled.
 * Requires: lock. Blocks: up to s->timeout_ms.
 */
hulse_status hulse_control_call(struct hulse_session *s, unsigned answer);
/* The same for an opening, up to s->open_timeout_ms. */
hulse_status hulse_control_call_open(struct hulse_session *s, unsigned answer);
/* The same until `deadline`; TIMED_OUT without a wait when it has passed: it was sent. */
hulse_status
hulse_control_call_by(struct hulse_session *s, unsigned answer, struct hulse_deadline deadline);
/* The answer's fixed part, copied out. */
void hulse_control_answer(const struct hulse_session *s, void *out, size_t bytes);

/* Sends one packet within the connect timeout. Requires: lock. */
hulse_status hulse_control_send(struct hulse_session *s, const struct hulse_packet *p, int fd);

/* session_events.c: handles one packet that no call waits for. Requires: lock. */
void hulse_session_event(struct hulse_session *s, struct hulse_packet *p);
/*
 * Reads the socket if no other thread has it, or takes the next step towards the next daemon. AGAIN:
 * another thread has it now. Afterwards the state may have changed.
 */
hulse_status hulse_session_tend(struct hulse_session *s);
/* Looks for a hang-up only: one poll, no reading. */
void hulse_session_look(struct hulse_session *s);

/* A handle by the daemon's number. Requires: session lock, so that none comes or goes. */
struct hulse_handle *hulse_session_find(struct hulse_session *s, uint32_t number);
/*
 * For the number of a new handle: rings may speak of closed ones, and an earlier daemon's are offered
 * later, so none is used twice. Requires: session lock.
 */
uint16_t hulse_handle_generation(struct hulse_session *s);
/* Ends a handle's use with a text that need not be terminated. Requires: session lock. */
void hulse_handle_fail(struct hulse_handle *h, hulse_status status, const char *text, size_t bytes);

/* resume.c: steps of the session; all require its lock */
void hulse_resume_step(struct hulse_session *s);
/* An answer that no call waits for: of a group, a channel, a handle. False: of none of them. */
bool hulse_resume_answer(struct hulse_session *s, struct hulse_packet *p);
/* Remembers what a handle was opened with; false without memory. Forget it in either case. */
bool hulse_resume_keep(struct hulse_handle *h,
                       const struct hulse_ctl_attach_handle *like,
                       const char *topic,
                       const char *subscription,
                       const char *name);
void hulse_resume_forget(struct hulse_handle *h);
/* How long to wait after so many failures in a row: at random, up to a second. */
uint64_t hulse_resume_backoff_ms(struct hulse_session *s, unsigned failures);
/* Gives up this daemon: something it has to do for us failed. */
void hulse_resume_again(struct hulse_session *s, const char *why);

/* group.c */
static inline bool hulse_group_attached(const struct hulse_group *g)
{
    /* Relaxed because it is only compared. */
    return atomic_load_explicit(&g->attached, memory_order_relaxed) ==
           hulse_session_word(g->session);
}
/* The group's descriptor becomes readable at this time, CLOCK_MONOTONIC; 0 = never, 1 = now. */
void hulse_group_alarm(struct hulse_group *g, uint64_t at_ns);
/* Nobody is at the other end of socket and pipe, or somebody new is. Requires: session lock. */
void hulse_group_deafen(struct hulse_group *g);
void hulse_group_hear(struct hulse_group *g, bool wake);
/* Every thing that the group's thread has to do for the session and its channels. */
void hulse_group_tend(struct hulse_group *g);
/* Waits for the pipe that this daemon has for the group, up to the connect timeout. */
hulse_status hulse_group_await(struct hulse_group *g);
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

/*
 * Closes a handle of either kind. What the daemon says to that is waited for until `answer`; NULL: up to
 * the connect timeout, once the handle is drained.
 */
hulse_status
hulse_handle_close(struct hulse_handle *h, int drain_ms, const struct hulse_deadline *answer);
hulse_status
hulse_producer_end(hulse_producer *gone, int drain_ms, const struct hulse_deadline *answer);
hulse_status
hulse_consumer_end(hulse_consumer *gone, int drain_ms, const struct hulse_deadline *answer);
/* Unlinks it, tells the daemon, lets the channel go with its last user. */
void hulse_handle_retire(struct hulse_handle *h, const struct hulse_deadline *answer);
/* At the end of a close whose time is over: the daemon's absence says more than TIMED_OUT. */
hulse_status hulse_handle_away(struct hulse_handle *h, hulse_status st);
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
