/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_internal - what the parts of a store share.
 *
 * Threads: a group of fields names its thread. `lock` guards the space, and the state while the threads run: the
 *          writer changes it under the lock and looks at it without, the reader looks under the lock.
 */
#ifndef HULSE_STORE_STORE_INTERNAL_H
#define HULSE_STORE_STORE_INTERNAL_H

#include "daemon/core/rcu.h"
#include "daemon/store/appender.h"
#include "daemon/store/directory.h"
#include "daemon/store/image.h"
#include "daemon/store/sleeper.h"
#include "daemon/store/space.h"
#include "daemon/store/state.h"
#include "daemon/store/state_db.h"
#include "daemon/store/store.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>

#define STORE_GROUP_MAX 16384U                      /* requests in one group */
#define STORE_CHECKPOINT_BYTES (UINT64_C(32) << 20) /* of log between two */
/* Fewer (store_params.soon_bytes) when the last one is that long ago, or was not since the start: a start reads it all. */
#define STORE_CHECKPOINT_SOON_NS UINT64_C(250000000)
#define STORE_COPY_BYTES                                                                           \
    (UINT64_C(256) << 20) /* of log between two copies, when nobody waits for one */

#define STORE_STATE_RETRY_NS UINT64_C(1000000000) /* after a commit or a copy that failed */

/* Requests one behind the other by their links; the owner's alone. */
struct request_list {
    struct store_request *first;
    struct store_request *last;
};

struct group_entry {
    struct store_request *rq;
    uint64_t lsn;
    uint32_t length; /* of its frame; 0: it has none */
    /* Of a control record's body, in writer.bodies. */
    uint32_t body_bytes;
    size_t body_at;
    uint32_t epoch;
    bool copy; /* nobody has asked for it: see copy.h */
};

#define COPY_ITEMS_MAX 64U

/* A message that is moved. */
struct copy_item {
    struct store_request rq;
    uint32_t epoch; /* when it was stored first: part of its name */
    uint8_t *body;  /* owned */
};

/* What the reader offers to the writer. */
struct copies {
    struct copy_item items[COPY_ITEMS_MAX];
    uint32_t count;
    uint64_t segment;
    uint64_t widened; /* of the state, before they were read */
    /* The writer's, while they are offered. */
    uint32_t next;
    uint32_t waited;           /* groups that were stored meanwhile */
    bool refused;              /* more is needed than was when they were read */
    _Atomic(uint32_t) offered; /* how many; 0: they are the reader's */
};

/* The reader's. */
struct copier {
    uint64_t segment; /* what of it is needed is moved; 0: none */
    uint64_t widened;
    uint64_t copied; /* bytes of it */
    uint64_t looked; /* segments up to this one were looked at */
    uint64_t next_ns;
    uint32_t at; /* where to go on in it, when what was offered is stored */
    uint32_t to; /* up to where that was read */
    bool ends;   /* nothing is behind that, or what cannot be moved */
    bool tight;  /* there was little room at the last look for a segment */
    int broken;  /* an error number: why it cannot be moved to its end; EBADMSG: it is damaged */
    int lacked;  /* likewise: what was missing to go on */
};

struct writer {
    pthread_t thread;
    struct appender end;
    struct request_list pending;
    struct request_list parked; /* messages without room, and barriers behind them */
    bool eager;                 /* one of `pending` may not wait */
    uint64_t lazy_until_ns;
    struct group_entry *entries;
    uint32_t entry_count;
    uint32_t created; /* topics and subscriptions in the group */
    bool deleted;     /* so is the end of one */
    uint8_t *bodies;  /* of the group's control records */
    size_t bodies_used;
    size_t bodies_room;
    struct store_client *answered; /* have answers that are not announced */
    uint64_t checkpoint_lsn;       /* of the last one made */
    uint64_t checkpoint_ns;        /* when that was; 0: not since the start */
    uint64_t charged;              /* of the state, as HULSE_MEM_STORE */
    bool full;                     /* something waits until segments are free */
    bool takes_messages;           /* the segment in use, in this group */
    bool takes_copies;             /* likewise */
    bool widens;                   /* the group may make messages needed again */
    bool look_for_space;           /* after a rotation, and news of the reader */
    bool changed;                  /* something was acknowledged, trimmed, deleted */
    uint32_t news;                 /* seen of store.news */
};

struct reader {
    pthread_t thread;
    struct image image;
    uint64_t failed_ns;       /* a file could not be made then; 0: it could */
    bool reuse_failed;        /* it was there already */
    uint64_t state_failed_ns; /* the last commit or copy failed then; 0: it did not */
    bool commit_failed;       /* it was the commit */
    bool cannot_read;         /* the last read has failed */
    struct copier copier;
};

struct store_counts {
    _Atomic(uint64_t) groups;
    _Atomic(uint64_t) records;
    _Atomic(uint64_t) bytes;
    _Atomic(uint64_t) parked;
    _Atomic(uint64_t) checkpoints;
    _Atomic(uint64_t) used;           /* segments */
    _Atomic(uint64_t) moved_messages; /* out of segments that are mostly dead */
    _Atomic(uint64_t) moved_bytes;
    _Atomic(uint64_t)
        moves_given_up; /* the reader's: segments that could not be moved to their end */
    _Atomic(uint64_t) checkpoint_ns; /* the reader's: when the last one was committed */
    _Atomic(uint32_t) full;
};

struct store {
    /* Nobody writes these while the threads run. */
    struct store_params params;
    char *path;
    struct directory directory;
    struct segment_place place;
    uint32_t epoch;
    bool reserve[SPACE_NAMES]; /* found or made by the open */
    uint64_t size_max;
    bool running;
    struct store_report found; /* when it was opened */

    struct writer writer; /* the writer's, before and after by main */
    struct reader reader; /* the reader's, likewise */

    pthread_mutex_t lock;
    struct state *state;
    struct space space;
    struct copies copies;          /* see there: not under the lock */
    uint64_t synced;               /* the log is stored up to here */
    struct checkpoint *checkpoint; /* made and not yet taken by the reader */
    uint64_t checkpoint_lsn;
    bool committing;     /* the reader has one */
    bool commit_wanted;  /* by the reader: one is due, whatever has come since the last */
    uint64_t committed;  /* lsn of the last one that is in the database */
    struct state_db *db; /* the reader's; before and after main's */

    alignas(64) struct cds_wfcq_tail submitted_tail;
    alignas(64) struct cds_wfcq_tail reads_tail;
    alignas(64) struct cds_wfcq_head submitted_head; /* the writer's */
    alignas(64) struct cds_wfcq_head reads_head;     /* the reader's */
    struct sleeper writer_sleep;
    struct sleeper reader_sleep;

    /* Written by one, read by the other. */
    alignas(64) _Atomic(uint32_t)
        news;                 /* counts what the reader has done that the writer may wait for */
    _Atomic(uint32_t) orders; /* counts what the reader may have to do that is in no queue */
    _Atomic(uint32_t) hurry;  /* the writer waits for the next segment */
    _Atomic(uint32_t) stop_writer;
    _Atomic(uint32_t) stop_reader;
    _Atomic(uint32_t) leaving;  /* nothing waits for room any more */
    _Atomic(uint32_t) closed;   /* nobody serves requests any more */
    _Atomic(uint32_t) failed;   /* nothing is stored any more */
    struct store_counts counts; /* written by the writer */
    _Atomic(uint64_t) reads;    /* written by the reader */
    _Atomic(uint64_t) lost;     /* likewise: damaged messages that readers were told of */
    struct store_meter meter;
};

/* ---- store_load.c ---- */
hulse_status hulse_store_load(struct store *s, struct store_report *report, struct error *err);

/* ---- writer.c ---- */
void *hulse_store_writer_run(void *store);
/* Stops storing: what the disk holds is not known any more. */
void hulse_store_fail(struct store *s, const char *what, int number);

/* ---- store_checkpoint.c ---- */
/* Writer: makes one when it is time. */
void hulse_store_checkpoint(struct store *s);
/* Reader: commits what the writer made, copies when that is wanted. True: something was done. */
bool hulse_store_commit(struct store *s);
/* Main, when both threads have ended: everything is in the database and its copy. */
bool hulse_store_checkpoint_last(struct store *s);

/* ---- reader.c ---- */
void *hulse_store_reader_run(void *store);
/* The writer looks for space again. From any thread. */
void hulse_store_call_writer(struct store *s);
/* From any thread, when it is done: the reader may have something to do beyond its queue. */
void hulse_store_call_reader(struct store *s);

/* ---- client.c: from the writer, the reader, or under the lock when both are gone ---- */
/* Its place in memory may be gone when it returns; `answered` collects the clients to be told. */
void hulse_store_answer(struct store_client **answered,
                        struct store_request *rq,
                        hulse_status status);
void hulse_store_announce(struct store_client **answered);
void hulse_store_answer_read(struct store_read *rd, hulse_status status);
/* Takes the next one; NULL: none. */
struct store_request *hulse_store_take(struct store *s);
struct store_read *hulse_store_take_read(struct store *s);
/* Answers all that is queued with CLOSED. Locked. */
void hulse_store_refuse_all(struct store *s);

#endif
