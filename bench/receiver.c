/* SPDX-License-Identifier: Apache-2.0 */
/*
 * receiver - see receiver.h.
 */
#include "bench/receiver.h"

#include "bench/machine.h"
#include "bench/open.h"
#include "bench/record.h"
#include "bench/tally.h"
#include "bench/workload.h"

#include <hulse/hulse.h>
#include <stdio.h>
#include <stdlib.h>

#define BATCH 64U
#define WAIT_MS 20
#define LINGER_NS 100000000ULL /* after the end, for what should not come any more */

struct receiver {
    const struct bench_options *o;
    struct crew *crew;
    struct crew_member *me;
    hulse_session *session;
    hulse_consumer *consumer;
    struct record_pattern pattern;
    struct tally *tallies; /* by publisher */
    bool shared;
    bool each; /* acknowledges every message by itself */
};

static int library_failed(struct receiver *r, const char *what, hulse_status rc)
{
    return hulse_bench_crew_library_failed(r->me,
                                           what,
                                           rc,
                                           r->session,
                                           r->consumer != NULL ? hulse_consumer_error(r->consumer)
                                                               : NULL);
}

static void take(struct receiver *r, const struct hulse_message *m)
{
    struct record_head head;

    if (!hulse_bench_record_verify(&r->pattern, m->data, m->data_bytes, &head) ||
        head.publisher >= r->o->publishers) {
        r->me->corrupt++;
        return;
    }
    struct tally *t = &r->tallies[head.publisher];
    if (r->shared) {
        hulse_bench_tally_shared(t, head.sequence);
    } else {
        hulse_bench_tally_alone(t, head.sequence);
    }
    if (head.sent_ns != 0) {
        const uint64_t now_ns = hulse_bench_machine_now_ns();
        hulse_histogram_record(&r->me->end_to_end_ns,
                               now_ns > head.sent_ns ? now_ns - head.sent_ns : 0);
    }
}

static hulse_status
acknowledge(struct receiver *r, const struct hulse_message *batch, unsigned count)
{
    hulse_status rc = HULSE_OK;

    for (unsigned i = r->each ? 0 : count - 1; i < count && rc == HULSE_OK; i++) {
        do {
            rc = r->each ? hulse_ack(r->consumer, &batch[i].id)
                         : hulse_ack_cumulative(r->consumer, &batch[i].id);
            if (rc == HULSE_AGAIN && hulse_consumer_sync(r->consumer, WAIT_MS) == HULSE_ORPHAN) {
                rc = HULSE_ORPHAN;
            }
        } while (rc == HULSE_AGAIN);
    }
    return rc;
}

static void report_progress(struct receiver *r)
{
    for (uint32_t p = 0; p < r->o->publishers; p++) {
        struct crew_progress *progress = &r->crew->progress[r->me->index][p];
        const uint64_t received = r->tallies[p].received;
        /* Relaxed because this thread is its only writer. */
        if (atomic_load_explicit(&progress->received, memory_order_relaxed) != received) {
            /* SYNC(bench.progress) release: they have been verified. */
            atomic_store_explicit(&progress->received, received, memory_order_release);
        }
    }
}

static hulse_status receive(struct receiver *r)
{
    struct hulse_message batch[BATCH];
    uint64_t ended_ns = 0;

    for (;;) {
        unsigned count = 0;
        for (unsigned i = 0; i < BATCH; i++) {
            batch[i].size = sizeof batch[i];
        }
        hulse_status rc = hulse_next_batch(r->consumer, batch, BATCH, SIZE_MAX, WAIT_MS, &count);
        if (rc != HULSE_OK && rc != HULSE_TIMED_OUT && rc != HULSE_AGAIN) {
            return rc;
        }
        for (unsigned i = 0; i < count; i++) {
            take(r, &batch[i]);
        }
        if (count != 0) {
            hulse_release(r->consumer, &batch[count - 1]);
            rc = acknowledge(r, batch, count);
            if (rc != HULSE_OK) {
                return rc;
            }
            report_progress(r);
        } else if (hulse_bench_crew_ended(r->crew)) {
            const uint64_t now_ns = hulse_bench_machine_now_ns();
            ended_ns = ended_ns == 0 ? now_ns : ended_ns;
            if (now_ns - ended_ns > LINGER_NS) {
                return hulse_consumer_sync(r->consumer, 10000);
            }
        }
    }
}

static void add_up(struct receiver *r)
{
    for (uint32_t p = 0; p < r->o->publishers; p++) {
        const struct tally *t = &r->tallies[p];
        r->me->received += t->received;
        r->me->duplicates += t->duplicates;
        r->me->out_of_order += t->out_of_order;
        r->crew->progress[r->me->index][p].sum = t->sum;
    }
}

int hulse_bench_receiver_work(struct crew *crew, struct crew_member *me, const void *arg)
{
    const struct worker_job *job = arg;
    char name[32];
    struct receiver r = {
        .o = job->options, .crew = crew, .me = me, .shared = hulse_bench_shared(job->options)};

    r.each = r.shared || (job->options->mode & BENCH_DISK_MODES) != 0;

    r.tallies = calloc(job->options->publishers, sizeof *r.tallies);
    if (r.tallies == NULL || !hulse_bench_record_pattern_init(&r.pattern, job->options->size)) {
        free(r.tallies);
        return hulse_bench_crew_fail(me, BENCH_IO, "no memory");
    }
    int code = 0;
    (void)snprintf(name, sizeof name, "bench-con-%u", me->index);
    hulse_status rc = hulse_bench_open_session(&r.session, job->socket, name);
    if (rc == HULSE_OK) {
        rc = hulse_bench_open_consumer(r.session, &r.consumer, job->options, me->index);
    }
    if (rc == HULSE_OK) {
        hulse_bench_crew_ready(crew, me);
        rc = receive(&r);
    }
    if (rc != HULSE_OK) {
        code = library_failed(&r, "consume", rc);
    }
    add_up(&r);
    if (r.consumer != NULL) {
        struct hulse_stats stats = {.size = sizeof stats};
        if (hulse_consumer_stats(r.consumer, &stats) == HULSE_OK) {
            me->missed_doorbells = stats.missed_doorbells;
            me->client_rechecks = stats.client_rechecks;
        }
    }
    if (r.session != NULL) {
        rc = hulse_close(&r.session, 1000);
        if (rc != HULSE_OK && code == 0) {
            code = library_failed(&r, "close", rc);
        }
    }
    hulse_bench_record_pattern_fini(&r.pattern);
    free(r.tallies);
    return code;
}
