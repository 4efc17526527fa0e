/* SPDX-License-Identifier: Apache-2.0 */
/*
 * survivor - see survivor.h.
 *
 * What a dead daemon has left in the ring of receipts is read before the clock may stop: the next
 * receipt is then the next daemon's.
 */
#include "bench/survivor.h"

#include "bench/machine.h"
#include "bench/open.h"
#include "bench/record.h"

#include <hulse/hulse.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

#define STALL_NS 30000000000ULL /* without a receipt: something was lost */
#define WAIT_MS 1
#define NAP_NS 100000L /* while nobody is there */
#define RECEIPT_BATCH 256U
#define DRAIN_MS 10000

struct survivor {
    const struct bench_options *o;
    struct crew *crew;
    struct crew_member *me;
    struct survivor_board *board;
    hulse_session *session;
    hulse_producer *producer;
    struct record_pattern pattern;
    uint64_t sequence;
    uint64_t receipts;
    uint64_t moved_ns;  /* the last receipt, or the start */
    uint64_t hangup_ns; /* 0 = not seen, or survived */
    uint32_t killed;    /* of the board, as far as noticed */
    bool old_read;      /* nothing of the dead daemon can come any more */
};

struct survivor_board *hulse_bench_survivor_board_create(void)
{
    struct survivor_board *board =
        mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (board == MAP_FAILED) {
        return NULL;
    }
    hulse_histogram_init(&board->resume_ns);
    hulse_histogram_init(&board->outage_ns);
    return board;
}

void hulse_bench_survivor_board_destroy(struct survivor_board **board)
{
    (void)munmap(*board, sizeof **board);
    *board = NULL;
}

static int library_failed(struct survivor *s, const char *what, hulse_status rc)
{
    return hulse_bench_crew_library_failed(s->me,
                                           what,
                                           rc,
                                           s->session,
                                           s->producer != NULL ? hulse_producer_error(s->producer)
                                                               : NULL);
}

/* What a publisher that lives on takes as it comes. */
static bool is_bearable(hulse_status rc)
{
    return rc == HULSE_OK || rc == HULSE_AGAIN || rc == HULSE_TIMED_OUT || rc == HULSE_RECEIPTS ||
           rc == HULSE_ORPHAN;
}

static hulse_status fill_window(struct survivor *s)
{
    hulse_status rc = HULSE_OK;

    while (s->sequence - s->receipts < s->o->window) {
        void *room = NULL;
        rc = hulse_claim(s->producer, s->o->size, &room);
        if (rc != HULSE_OK) {
            break;
        }
        hulse_bench_record_write(&s->pattern, room, s->me->index, s->sequence, 0);
        rc = hulse_commit(s->producer, s->o->size, NULL, s->sequence);
        if (rc != HULSE_OK) {
            hulse_abort(s->producer);
            break;
        }
        s->sequence++;
    }
    const hulse_status flushed = hulse_flush(s->producer);
    return is_bearable(rc) ? flushed : rc;
}

/* The next daemon has given a receipt. */
static void survived(struct survivor *s, uint64_t now_ns)
{
    hulse_histogram_record(&s->board->resume_ns, now_ns - s->hangup_ns);
    hulse_histogram_record(&s->board->outage_ns, now_ns - s->board->kill_ns);
    s->hangup_ns = 0;
    s->old_read = false;
    /* SYNC(bench.resumed) release: the histograms. */
    atomic_store_explicit(&s->board->resumed, s->killed, memory_order_release);
}

static hulse_status take_receipts(struct survivor *s)
{
    struct hulse_receipt batch[RECEIPT_BATCH];
    unsigned count = 0;

    const hulse_status rc = hulse_receipts(s->producer, batch, RECEIPT_BATCH, &count);
    for (unsigned i = 0; i < count; i++) {
        s->me->receipts_wrong += batch[i].token != s->receipts;
        s->receipts = batch[i].token + 1;
        if (batch[i].outcome == HULSE_OUTCOME_STORED) {
            s->me->stored++;
        } else {
            s->me->failed++;
        }
    }
    if (count != 0) {
        s->moved_ns = hulse_bench_machine_now_ns();
        if (s->old_read) {
            survived(s, s->moved_ns);
        }
    }
    return rc;
}

/* Has the daemon been killed since the last look? */
static hulse_status look_at_board(struct survivor *s)
{
    /* SYNC(bench.killed) acquire: kill_ns, and nobody writes into the old rings. */
    const uint32_t killed = atomic_load_explicit(&s->board->killed, memory_order_acquire);

    if (killed == s->killed) {
        return HULSE_OK;
    }
    s->killed = killed;
    if (s->hangup_ns == 0) {
        s->hangup_ns = hulse_bench_machine_now_ns();
    }
    const hulse_status rc = take_receipts(s);
    s->old_read = true;
    return rc;
}

static hulse_status turn(struct survivor *s)
{
    const hulse_status waited = hulse_wait(s->session, 0, WAIT_MS);

    if (waited == HULSE_ORPHAN) {
        if (s->hangup_ns == 0) {
            s->hangup_ns = hulse_bench_machine_now_ns();
        }
        const struct timespec nap = {.tv_nsec = NAP_NS};
        (void)nanosleep(&nap, NULL);
    }
    hulse_status rc = is_bearable(waited) ? look_at_board(s) : waited;
    if (is_bearable(rc)) {
        rc = take_receipts(s);
    }
    if (is_bearable(rc) && hulse_bench_machine_now_ns() - s->moved_ns > STALL_NS) {
        rc = HULSE_FAILED;
    }
    return rc;
}

static hulse_status publish(struct survivor *s)
{
    hulse_status rc = HULSE_OK;

    s->me->from_ns = s->moved_ns = hulse_bench_machine_now_ns();
    while (is_bearable(rc) && !hulse_bench_crew_ended(s->crew)) {
        rc = fill_window(s);
        if (is_bearable(rc)) {
            rc = turn(s);
        }
    }
    while (is_bearable(rc) && s->receipts < s->sequence) {
        rc = turn(s);
    }
    s->me->to_ns = hulse_bench_machine_now_ns();
    s->me->sent = s->me->measured_sent = s->sequence;
    return is_bearable(rc) ? HULSE_OK : rc;
}

static int work(struct survivor *s, const char *socket)
{
    hulse_status rc = hulse_bench_open_session(&s->session, socket, "bench-survivor");

    if (rc == HULSE_OK) {
        rc = hulse_bench_open_producer(s->session, &s->producer, s->o, s->me->index);
    }
    if (rc != HULSE_OK) {
        return library_failed(s, "open", rc);
    }
    hulse_bench_crew_arrive(s->crew, s->me, CREW_HOLD);
    rc = publish(s);
    if (rc == HULSE_FAILED) {
        return hulse_bench_crew_fail(s->me,
                                     BENCH_LOST,
                                     "no receipt for 30 s: %llu sent, %llu settled",
                                     (unsigned long long)s->sequence,
                                     (unsigned long long)s->receipts);
    }
    return rc == HULSE_OK ? 0 : library_failed(s, "publish", rc);
}

int hulse_bench_survivor_work(struct crew *crew, struct crew_member *me, const void *arg)
{
    const struct survivor_job *job = arg;
    struct survivor s = {.o = job->worker.options, .crew = crew, .me = me, .board = job->board};

    if (!hulse_bench_record_pattern_init(&s.pattern, s.o->size)) {
        return hulse_bench_crew_fail(me, BENCH_IO, "no memory");
    }
    int code = work(&s, job->worker.socket);
    if (s.session != NULL) {
        const hulse_status rc = hulse_close(&s.session, DRAIN_MS);
        if (rc != HULSE_OK && code == 0) {
            s.producer = NULL;
            code = library_failed(&s, "close", rc);
        }
    }
    hulse_bench_record_pattern_fini(&s.pattern);
    return code;
}
