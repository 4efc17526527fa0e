/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publisher - see publisher.h.
 */
#include "bench/publisher.h"

#include "bench/machine.h"
#include "bench/open.h"
#include "bench/record.h"
#include "bench/workload.h"
#include "shmlib/ring/layout.h"

#include <hulse/hulse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND_NS 1000000000ULL
#define SAMPLE_LOADED 61U     /* prime: samples meet every place in a batch */
#define SAMPLE_WINDOW_MAX 64U /* up to this window every message is timed */
#define TIMED_BATCHES 16U     /* one of so many is timed */
#define RECEIPT_BATCH 256U
#define STALL_NS (10 * SECOND_NS) /* without any progress: something was lost */
#define SLEEP_NS 20000L           /* while others have the messages */
#define DRAIN_MS 10000
#define SINGLES 20000U
#define SINGLE_NS_MAX SECOND_NS
#define META_ROOM_BYTES 96U /* of a delivery: producer name, key */
#define KEY_BYTES 16U

struct publisher {
    const struct bench_options *o;
    struct crew *crew;
    struct crew_member *me;
    uint32_t patience;
    hulse_session *session;
    hulse_producer *producer;
    struct record_pattern pattern;
    char (*keys)[KEY_BYTES];
    uint64_t window;
    uint64_t batch; /* messages between two flushes */
    uint64_t rate;  /* own share */
    uint64_t sequence;
    uint64_t settled;
    uint64_t receipts; /* taken; the next one's token */
    /* Timing of samples: sequence numbers next_sample, + every, ... */
    uint64_t every;
    uint64_t next_sample;
    uint64_t next_timed_receipt;
    uint64_t *times_ns; /* by sample number, a ring */
    uint64_t times_mask;
    uint64_t batches;
    uint32_t idle;
    uint64_t moved_ns; /* last progress seen while idle; 0 = not idle */
    bool measuring;
    bool receipts_wanted;
};

/* One part of the run. */
struct part {
    uint64_t from_ns;
    uint64_t until_ns; /* 0 = by sequence */
    uint64_t from;     /* sequence at the start */
    uint64_t until;    /* UINT64_MAX = by time */
    uint64_t now_ns;
};

static int library_failed(struct publisher *p, const char *what, hulse_status rc)
{
    return hulse_bench_crew_library_failed(p->me,
                                           what,
                                           rc,
                                           p->session,
                                           p->producer != NULL ? hulse_producer_error(p->producer)
                                                               : NULL);
}

static bool allocate(struct publisher *p)
{
    const uint64_t record = HULSE_PUBLISH_HEADER_BYTES + p->o->size;
    const uint64_t in_flight_max = (hulse_bench_ring_bytes(p->o) / record) + 1;
    uint64_t slots = 1;

    while (slots < in_flight_max) {
        slots *= 2;
    }
    p->times_mask = slots - 1;
    p->times_ns = calloc(slots, sizeof *p->times_ns);
    if (p->o->keys != 0) {
        p->keys = calloc(p->o->keys, sizeof *p->keys);
        for (uint32_t i = 0; p->keys != NULL && i < p->o->keys; i++) {
            (void)snprintf(p->keys[i], KEY_BYTES, "key-%u", i);
        }
    }
    return p->times_ns != NULL && (p->o->keys == 0 || p->keys != NULL) &&
           hulse_bench_record_pattern_init(&p->pattern, p->o->size);
}

/* Time to stamp this message with, 0 = it is no sample. */
static uint64_t sample(struct publisher *p, const struct part *part)
{
    if (p->sequence != p->next_sample) {
        return 0;
    }
    uint64_t at_ns = 0;
    if (p->rate != 0) {
        at_ns = part->from_ns + ((p->sequence - part->from) * SECOND_NS / p->rate);
    } else {
        at_ns = hulse_bench_machine_now_ns();
    }
    p->times_ns[(p->next_sample / p->every) & p->times_mask] = at_ns;
    p->next_sample += p->every;
    return at_ns;
}

static hulse_status commit(struct publisher *p)
{
    if (p->keys == NULL) {
        return hulse_commit(p->producer, p->o->size, NULL, p->sequence);
    }
    const char *key = p->keys[p->sequence % p->o->keys];
    const struct hulse_meta meta = {.size = sizeof meta, .key = key, .key_bytes = strlen(key)};
    return hulse_commit(p->producer, p->o->size, &meta, p->sequence);
}

/* Sends up to n messages; *sent says how many. AGAIN: no more room. */
static hulse_status
send_batch(struct publisher *p, uint64_t n, const struct part *part, uint64_t *sent)
{
    for (*sent = 0; *sent < n; (*sent)++) {
        void *room = NULL;
        hulse_status rc = hulse_claim(p->producer, p->o->size, &room);
        if (rc != HULSE_OK) {
            return rc == HULSE_RECEIPTS ? HULSE_AGAIN : rc;
        }
        hulse_bench_record_write(&p->pattern, room, p->me->index, p->sequence, sample(p, part));
        rc = commit(p);
        if (rc != HULSE_OK) {
            hulse_abort(p->producer);
            return rc;
        }
        p->sequence++;
    }
    return HULSE_OK;
}

static void note_receipt(struct publisher *p, const struct hulse_receipt *r, uint64_t *now_ns)
{
    if (r->token != p->receipts) {
        p->me->receipts_wrong++;
    }
    if (r->outcome == HULSE_OUTCOME_STORED) {
        p->me->stored++;
    } else {
        p->me->failed++;
    }
    if (r->token == p->next_timed_receipt) {
        if (*now_ns == 0) {
            *now_ns = hulse_bench_machine_now_ns();
        }
        const uint64_t at_ns = p->times_ns[(r->token / p->every) & p->times_mask];
        if (p->measuring) {
            hulse_histogram_record(&p->me->receipt_ns, *now_ns > at_ns ? *now_ns - at_ns : 0);
        }
        p->next_timed_receipt += p->every;
    }
    p->receipts = r->token + 1;
}

static hulse_status take_receipts(struct publisher *p)
{
    struct hulse_receipt batch[RECEIPT_BATCH];
    unsigned count = 0;
    uint64_t now_ns = 0;

    const hulse_status rc = hulse_receipts(p->producer, batch, RECEIPT_BATCH, &count);
    if (rc != HULSE_OK && rc != HULSE_AGAIN) {
        return rc;
    }
    for (unsigned i = 0; i < count; i++) {
        note_receipt(p, &batch[i], &now_ns);
    }
    return HULSE_OK;
}

/* Learns how many messages are no longer in flight. */
static hulse_status settle(struct publisher *p)
{
    if (p->receipts_wanted) {
        const hulse_status rc = take_receipts(p);
        if (rc != HULSE_OK) {
            return rc;
        }
        p->settled = p->me->stored + p->me->failed;
    }
    if (hulse_bench_receives(p->o)) {
        uint64_t received = 0;
        for (uint32_t c = 0; c < p->o->consumers; c++) {
            /* SYNC(bench.progress) acquire: the consumer has verified them. */
            received += atomic_load_explicit(&p->crew->progress[c][p->me->index].received,
                                             memory_order_acquire);
        }
        /* A receipt may be ahead of the consumers, and they of it. */
        const bool first = p->receipts_wanted && p->o->mode == BENCH_DURABLE;
        p->settled = first && p->settled < received ? p->settled : received;
    } else if (!p->receipts_wanted) {
        struct hulse_stats stats = {.size = sizeof stats};
        const hulse_status rc = hulse_producer_stats(p->producer, &stats);
        if (rc != HULSE_OK) {
            return rc;
        }
        p->me->stored = stats.done;
        p->me->failed = stats.failed;
        p->settled = stats.done + stats.failed;
    }
    return HULSE_OK;
}

/* Nothing could be done: looks again soon, later sleeps. */
static hulse_status idle(struct publisher *p)
{
    if (p->idle++ < p->patience) {
        hulse_bench_machine_pause();
        return HULSE_OK;
    }
    const uint64_t now_ns = hulse_bench_machine_now_ns();
    if (p->moved_ns == 0) {
        p->moved_ns = now_ns;
    } else if (now_ns - p->moved_ns > STALL_NS) {
        return HULSE_TIMED_OUT;
    }
    p->me->stalls++;
    if (p->o->mode == BENCH_LOCAL || p->receipts == p->sequence) {
        const struct timespec nap = {.tv_nsec = SLEEP_NS};
        (void)nanosleep(&nap, NULL);
        return HULSE_OK;
    }
    const hulse_status rc = p->receipts_wanted ? hulse_wait(p->session, 0, 10)
                                               : hulse_wait_space(p->producer, p->o->size, 10);
    return rc == HULSE_TIMED_OUT || rc == HULSE_RECEIPTS ? HULSE_OK : rc;
}

/* How many messages may go now, at most one batch. */
static uint64_t allowance(struct publisher *p, const struct part *part)
{
    const uint64_t in_flight = p->sequence - p->settled;
    uint64_t n = p->batch;

    if (in_flight >= p->window) {
        return 0;
    }
    if (n > p->window - in_flight) {
        n = p->window - in_flight;
    }
    if (n > part->until - p->sequence) {
        n = part->until - p->sequence;
    }
    if (p->rate != 0) {
        const uint64_t due = (part->now_ns - part->from_ns) * p->rate / SECOND_NS;
        const uint64_t done = p->sequence - part->from;
        n = due <= done ? 0 : (n < due - done ? n : due - done);
    }
    return n;
}

static hulse_status send_some(struct publisher *p, const struct part *part, uint64_t *sent)
{
    const uint64_t n = allowance(p, part);

    *sent = 0;
    if (n == 0) {
        return HULSE_OK;
    }
    const bool timed = n == p->batch && p->batches++ % TIMED_BATCHES == 0 && p->measuring;
    const uint64_t from_ns = timed ? hulse_bench_machine_now_ns() : 0;
    hulse_status rc = send_batch(p, n, part, sent);
    if (rc != HULSE_OK && rc != HULSE_AGAIN) {
        return rc;
    }
    if (timed && *sent == n) {
        hulse_histogram_record(&p->me->publish_ns, (hulse_bench_machine_now_ns() - from_ns) / n);
    }
    /* A full batch has flushed itself. */
    return *sent == p->o->flush ? HULSE_OK : hulse_flush(p->producer);
}

static hulse_status publish_part(struct publisher *p, struct part *part)
{
    uint64_t turns = 0;

    for (;;) {
        uint64_t sent = 0;
        if (p->sequence >= part->until) {
            return HULSE_OK;
        }
        if (p->rate != 0 || p->idle != 0 || turns++ % 16 == 0) {
            part->now_ns = hulse_bench_machine_now_ns();
            if (part->until_ns != 0 && part->now_ns >= part->until_ns) {
                return HULSE_OK;
            }
        }
        const uint64_t settled = p->settled;
        hulse_status rc = send_some(p, part, &sent);
        if (rc == HULSE_OK) {
            rc = settle(p);
        }
        if (rc == HULSE_OK && sent == 0 && p->settled == settled) {
            rc = p->rate != 0 && p->sequence - p->settled < p->window ? HULSE_OK : idle(p);
        } else {
            p->idle = 0;
            p->moved_ns = 0;
        }
        if (rc != HULSE_OK) {
            return rc;
        }
    }
}

/* Until everything sent is settled. */
static hulse_status drain(struct publisher *p)
{
    hulse_status rc = hulse_flush(p->producer);

    p->idle = 0;
    p->moved_ns = 0;
    while (rc == HULSE_OK && p->settled < p->sequence) {
        const uint64_t settled = p->settled;
        rc = settle(p);
        if (rc == HULSE_OK && p->settled == settled) {
            rc = idle(p);
        } else {
            p->idle = 0;
            p->moved_ns = 0;
        }
    }
    /* The consumers may be ahead of the receipts. */
    const uint64_t until_ns = hulse_bench_machine_now_ns() + STALL_NS;
    while (rc == HULSE_OK && p->receipts_wanted && p->receipts < p->sequence) {
        rc = hulse_bench_machine_now_ns() > until_ns ? HULSE_TIMED_OUT : settle(p);
    }
    return rc;
}

static hulse_status run_part(struct publisher *p, uint64_t duration_ns, uint64_t count)
{
    struct part part = {.from_ns = hulse_bench_machine_now_ns(), .from = p->sequence};

    part.now_ns = part.from_ns;
    part.until_ns = count == 0 ? part.from_ns + duration_ns : 0;
    part.until = count == 0 ? UINT64_MAX : p->sequence + count;
    p->idle = 0;
    p->moved_ns = 0;
    p->me->from_ns = part.from_ns;
    hulse_status rc = publish_part(p, &part);
    if (rc == HULSE_OK) {
        rc = drain(p);
    }
    p->me->to_ns = hulse_bench_machine_now_ns();
    p->me->sent = p->sequence;
    return rc;
}

/* Publishes one by one, each with a flush of its own, each settled before the next. */
static hulse_status run_singles(struct publisher *p)
{
    uint8_t *payload = malloc(p->o->size);
    const uint64_t until_ns = hulse_bench_machine_now_ns() + SINGLE_NS_MAX;
    hulse_status rc = payload == NULL ? HULSE_NO_MEMORY : HULSE_OK;

    p->measuring = false;
    for (unsigned i = 0; i < SINGLES && rc == HULSE_OK; i++) {
        hulse_bench_record_write(&p->pattern, payload, p->me->index, p->sequence, 0);
        const uint64_t from_ns = hulse_bench_machine_now_ns();
        rc = hulse_publish(p->producer, payload, p->o->size, NULL, p->sequence);
        const uint64_t to_ns = hulse_bench_machine_now_ns();
        if (rc == HULSE_OK) {
            /* It is never a timed sample: the receipts' clock stays with the parts before. */
            p->next_timed_receipt = UINT64_MAX;
            p->sequence++;
            hulse_histogram_record(&p->me->single_ns, to_ns - from_ns);
            rc = drain(p);
        }
        if (to_ns > until_ns) {
            break;
        }
    }
    free(payload);
    p->me->sent = p->sequence;
    return rc;
}

static int work(struct publisher *p)
{
    const struct bench_options *o = p->o;
    const uint64_t count = hulse_bench_share(o->count, o->publishers, p->me->index);
    hulse_status rc = HULSE_OK;

    hulse_bench_crew_arrive(p->crew, p->me, CREW_HOLD);
    if (o->warmup_ns != 0) {
        rc = run_part(p, o->warmup_ns, 0);
    }
    p->me->warm_sent = p->sequence;
    if (rc == HULSE_OK) {
        hulse_bench_crew_arrive(p->crew, p->me, CREW_WARM);
        p->measuring = true;
        if (o->count == 0 || count != 0) {
            rc = run_part(p, o->duration_ns, count);
        }
    }
    p->me->measured_sent = p->sequence - p->me->warm_sent;
    if (rc == HULSE_OK) {
        hulse_bench_crew_arrive(p->crew, p->me, CREW_MEASURE);
        if (o->mode == BENCH_NULL || o->mode == BENCH_TUNE) {
            rc = run_singles(p);
        }
    }
    if (rc == HULSE_OK) {
        hulse_bench_crew_arrive(p->crew, p->me, CREW_SINGLE);
    }
    struct hulse_stats stats = {.size = sizeof stats};
    if (hulse_producer_stats(p->producer, &stats) == HULSE_OK) {
        p->me->missed_doorbells = stats.missed_doorbells;
        p->me->client_rechecks = stats.client_rechecks;
    }
    if (rc == HULSE_TIMED_OUT) {
        return hulse_bench_crew_fail(p->me,
                                     BENCH_LOST,
                                     "nothing moved for 10 s: %llu sent, %llu settled",
                                     (unsigned long long)p->sequence,
                                     (unsigned long long)p->settled);
    }
    return rc == HULSE_OK ? 0 : library_failed(p, "publish", rc);
}

int hulse_bench_publisher_work(struct crew *crew, struct crew_member *me, const void *arg)
{
    const struct worker_job *job = arg;
    const struct bench_options *o = job->options;
    struct publisher p = {.o = o,
                          .crew = crew,
                          .me = me,
                          .patience = job->patience,
                          .receipts_wanted = o->wait == BENCH_WAIT_STORED,
                          .rate = hulse_bench_share(o->rate, o->publishers, me->index)};

    p.window = hulse_bench_window(o);
    p.batch = o->flush < p.window ? o->flush : p.window;
    p.every = p.window <= SAMPLE_WINDOW_MAX || o->rate != 0 ? 1 : SAMPLE_LOADED;
    int code = 0;
    if (!allocate(&p)) {
        code = hulse_bench_crew_fail(me, BENCH_IO, "no memory");
    } else {
        char name[32];
        (void)snprintf(name, sizeof name, "bench-pub-%u", me->index);
        hulse_status rc = hulse_bench_open_session(&p.session, job->socket, name);
        if (rc == HULSE_OK) {
            rc = hulse_bench_open_producer(p.session, &p.producer, o, me->index);
        }
        code = rc == HULSE_OK ? work(&p) : library_failed(&p, "open", rc);
    }
    if (p.session != NULL) {
        const hulse_status rc = hulse_close(&p.session, DRAIN_MS);
        if (rc != HULSE_OK && code == 0) {
            code = library_failed(&p, "close", rc);
        }
    }
    hulse_bench_record_pattern_fini(&p.pattern);
    free(p.keys);
    free(p.times_ns);
    return code;
}
