/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crew - the processes of one run and the memory they share with the one that leads them.
 *
 * The leader forks members and opens one phase after the other; a member sleeps until its next
 * phase is opened. Publishers go through all phases; others are ready once and run until the end.
 *
 *     HOLD -> WARM -> MEASURE -> SINGLE -> END
 *
 * Threads: one per process. A member's record is written by that member; the leader reads it when
 *          the member has reached the phase (acquire), progress is read by publishers at any time.
 * Limits:  BENCH_WORKERS_MAX publishers and as many consumers.
 */
#ifndef HULSE_BENCH_CREW_H
#define HULSE_BENCH_CREW_H

#include "bench/options.h"
#include "daemon/core/histogram.h"

#include <hulse/hulse.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CREW_MEMBERS_MAX (2U * BENCH_WORKERS_MAX + 2U)

enum crew_phase { CREW_HOLD = 0, CREW_WARM, CREW_MEASURE, CREW_SINGLE, CREW_END };

enum crew_role { CREW_PUBLISHER = 0, CREW_CONSUMER, CREW_OTHER };

struct crew_member {
    alignas(128) _Atomic(uint32_t) reached; /* phase finished + 1; 0 = not ready */
    enum crew_role role;
    uint32_t index; /* within its role */
    pid_t pid;
    bool gone; /* leader: has been waited for */
    int code;  /* leader: its exit code */
    char error[256];

    /* Publisher. Whole run: warm-up included. */
    uint64_t sent;
    uint64_t stored;
    uint64_t failed;         /* receipts with a bad outcome */
    uint64_t receipts_wrong; /* receipts doubled or out of order */
    uint64_t warm_sent;      /* of `sent`, before the measured part */
    uint64_t measured_sent;  /* of `sent`, in it */
    uint64_t from_ns;        /* the measured part */
    uint64_t to_ns;
    uint64_t stalls;             /* waits for more than the spinning allows */
    uint64_t missed_doorbells;   /* found by the daemon's sweep; must stay 0 */
    uint64_t client_rechecks;    /* found late by the library; must stay 0 */
    struct histogram publish_ns; /* one claim and commit, batches of `flush` with their flush */
    struct histogram single_ns;  /* one publish with a flush of its own */
    struct histogram receipt_ns;

    /* Receiver. */
    uint64_t received;
    uint64_t lost;
    uint64_t duplicates;
    uint64_t out_of_order;
    uint64_t corrupt; /* payloads that do not verify */
    struct histogram end_to_end_ns;
};

/* Received from one publisher, by one consumer; its own cache line. */
struct crew_progress {
    alignas(128) _Atomic(uint64_t) received;
    uint64_t sum; /* of the sequence numbers' hashes; read when the consumer has ended */
};

struct crew {
    _Atomic(uint32_t) phase; /* the newest opened; a futex */
    uint32_t count;
    struct crew_member members[CREW_MEMBERS_MAX];
    struct crew_progress progress[BENCH_WORKERS_MAX][BENCH_WORKERS_MAX]; /* [consumer][publisher] */
};

/* What a member does; gives its exit code, with me->error set unless 0. */
typedef int (*crew_work)(struct crew *crew, struct crew_member *me, const void *arg);

/* NULL without memory. */
struct crew *hulse_bench_crew_create(void);
/* Ends what still runs; *crew becomes NULL. */
void hulse_bench_crew_destroy(struct crew **crew);
/* Forks one member, pinned to `cpu` unless it is -1. NULL: the fork failed. */
struct crew_member *hulse_bench_crew_add(
    struct crew *crew, enum crew_role role, int cpu, crew_work work, const void *arg);
/*
 * Waits until every publisher has finished `phase`, or with CREW_HOLD until every member is
 * ready. False when a member ended before; its error has been printed.
 */
bool hulse_bench_crew_await(struct crew *crew, enum crew_phase phase);
void hulse_bench_crew_open(struct crew *crew, enum crew_phase phase);
/* Opens CREW_END and waits for all. False when one failed; its error has been printed. */
bool hulse_bench_crew_finish(struct crew *crew);

/* Member: has finished `phase`; sleeps until the next one is opened. */
void hulse_bench_crew_arrive(struct crew *crew, struct crew_member *me, enum crew_phase phase);
/* Member that is ready but takes part in no phase. */
void hulse_bench_crew_ready(struct crew *crew, struct crew_member *me);
static inline bool hulse_bench_crew_ended(struct crew *crew)
{
    /* Relaxed because nothing is read on its strength. */
    return atomic_load_explicit(&crew->phase, memory_order_relaxed) == CREW_END;
}
/* Sets me->error; gives `code`. */
int hulse_bench_crew_fail(struct crew_member *me, enum bench_exit code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/*
 * The same when a call of the library has failed: `what` it was for, and the library's reason of the handle, NULL =
 * none was opened, of the session, NULL = likewise.
 */
int hulse_bench_crew_library_failed(struct crew_member *me,
                                    const char *what,
                                    hulse_status rc,
                                    const hulse_session *session,
                                    const char *handle_error);
/* Leader: the exit code of the first member that failed, or BENCH_OK. */
enum bench_exit hulse_bench_crew_code(const struct crew *crew);

#endif
