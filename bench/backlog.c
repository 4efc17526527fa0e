/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backlog - see backlog.h.
 *
 * The reader is a crew of its own with one receiver; the leader looks at its progress.
 */
#include "bench/backlog.h"

#include "bench/crew.h"
#include "bench/machine.h"
#include "bench/open.h"
#include "bench/receiver.h"

#include <hulse/hulse.h>
#include <stdio.h>
#include <time.h>

#define STALL_NS 10000000000ULL /* without a message: the rest is lost */
#define LOOK_NS 1000000L
#define CLOSE_MS 1000

bool hulse_bench_backlog_keep(const struct worker_job *job)
{
    hulse_session *session = NULL;
    hulse_consumer *consumer = NULL;

    hulse_status rc = hulse_bench_open_session(&session, job->socket, "bench-keep");
    if (rc != HULSE_OK) {
        (void)fprintf(stderr, "hulse-bench: session: %s\n", hulse_open_error());
        return false;
    }
    rc = hulse_bench_open_consumer(session, &consumer, job->options, 0);
    if (rc != HULSE_OK) {
        (void)fprintf(stderr, "hulse-bench: consumer: %s\n", hulse_last_error(session));
    }
    (void)hulse_close(&session, CLOSE_MS);
    return rc == HULSE_OK;
}

/* True when `wanted` messages are there; *last_ns is when the last of them was seen. */
static bool await(struct crew *crew, struct crew_member *reader, uint64_t wanted, uint64_t *last_ns)
{
    uint64_t seen = 0;

    *last_ns = hulse_bench_machine_now_ns();
    for (;;) {
        /* SYNC(bench.progress) acquire: the consumer has verified them. */
        const uint64_t received =
            atomic_load_explicit(&crew->progress[reader->index][0].received, memory_order_acquire);
        const uint64_t now_ns = hulse_bench_machine_now_ns();
        if (received != seen) {
            seen = received;
            *last_ns = now_ns;
        }
        if (seen >= wanted) {
            return true;
        }
        if (now_ns - *last_ns > STALL_NS || !hulse_bench_crew_await(crew, CREW_HOLD)) {
            return false;
        }
        const struct timespec nap = {.tv_nsec = LOOK_NS};
        (void)nanosleep(&nap, NULL);
    }
}

static int read_back(struct crew *crew, const struct worker_job *job, struct figures *f)
{
    const uint64_t from_ns = hulse_bench_machine_now_ns();
    uint64_t last_ns = 0;

    struct crew_member *reader =
        hulse_bench_crew_add(crew, CREW_CONSUMER, -1, hulse_bench_receiver_work, job);
    if (reader == NULL) {
        (void)fprintf(stderr, "hulse-bench: cannot fork\n");
        return BENCH_IO;
    }
    if (!hulse_bench_crew_await(crew, CREW_HOLD)) {
        return BENCH_UNREACHABLE;
    }
    const bool all = await(crew, reader, (uint64_t)f->sent, &last_ns);
    const bool fine = hulse_bench_crew_finish(crew);
    f->received = (double)reader->received;
    f->duplicates = (double)reader->duplicates;
    f->out_of_order += (double)reader->out_of_order;
    f->lost = f->sent - (f->received - f->duplicates);
    if (!fine) {
        return (int)hulse_bench_crew_code(crew);
    }
    if (all && last_ns > from_ns) {
        f->backlog_rate = f->received * 1e9 / (double)(last_ns - from_ns);
    }
    return hulse_bench_figures_sound(f) ? BENCH_OK : BENCH_LOST;
}

int hulse_bench_backlog_read(const struct worker_job *job, struct figures *f)
{
    struct crew *crew = hulse_bench_crew_create();

    if (crew == NULL) {
        (void)fprintf(stderr, "hulse-bench: no memory\n");
        return BENCH_IO;
    }
    const int code = read_back(crew, job, f);
    hulse_bench_crew_destroy(&crew);
    return code;
}
