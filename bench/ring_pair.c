/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring_pair - see ring_pair.h.
 */
#include "bench/ring_pair.h"

#include "bench/machine.h"
#include "bench/record.h"
#include "bench/tally.h"
#include "bench/workload.h"
#include "shmlib/ring/doorbell.h"
#include "shmlib/ring/record.h"
#include "shmlib/ring/ring.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECOND_NS 1000000000ULL
#define SAMPLE_EVERY 61U /* prime: samples meet every place in a batch */
#define SAMPLE_WINDOW_MAX 64U
#define TIMED_BATCHES 16U
#define SINGLES 20000U
#define VISIT_RECORDS 256U /* of the daemon's reader, ipc B6 */
#define VISIT_BYTES (256ULL * 1024)

struct writer {
    const struct bench_options *o;
    struct crew_member *me;
    uint32_t patience;
    struct hulse_region a;
    struct hulse_region b;
    struct hulse_ring_tx tx;
    const _Atomic(uint64_t) *armed;
    uint64_t last_rung;
    struct record_pattern pattern;
    uint64_t stride;
    uint64_t window_bytes;
    uint64_t every;
    uint64_t next_sample;
    uint64_t sequence;
    uint64_t batches;
    uint32_t idle;
    bool measuring;
};

bool hulse_bench_ring_pair_open(struct ring_pair *pair, const struct bench_options *o)
{
    pair->options = o;
    pair->ring_bytes = hulse_bench_ring_bytes(o);
    pair->fd_b = -1;
    enum hulse_region_rc rc = hulse_region_create(&pair->fd_a, "bench-a", pair->ring_bytes);
    if (rc == HULSE_REGION_RC_OK) {
        rc = hulse_region_create(&pair->fd_b, "bench-b", HULSE_RING_BYTES_MIN);
    }
    if (rc != HULSE_REGION_RC_OK) {
        (void)fprintf(stderr, "hulse-bench: region: %s\n", hulse_region_text(rc));
        hulse_bench_ring_pair_close(pair);
        return false;
    }
    return true;
}

void hulse_bench_ring_pair_close(struct ring_pair *pair)
{
    if (pair->fd_a >= 0) {
        (void)close(pair->fd_a);
    }
    if (pair->fd_b >= 0) {
        (void)close(pair->fd_b);
    }
}

/* A is the writer's, B the reader's. */
static enum hulse_region_rc
map_both(const struct ring_pair *pair, bool writer, struct hulse_region *a, struct hulse_region *b)
{
    enum hulse_region_rc rc = hulse_region_map(a, pair->fd_a, pair->ring_bytes, writer);
    if (rc == HULSE_REGION_RC_OK) {
        rc = hulse_region_map(b, pair->fd_b, HULSE_RING_BYTES_MIN, !writer);
    }
    if (rc == HULSE_REGION_RC_OK) {
        rc = hulse_region_populate(a, writer);
    }
    if (rc == HULSE_REGION_RC_OK) {
        rc = hulse_region_populate(b, !writer);
    }
    return rc;
}

static void publish(struct writer *w)
{
    hulse_ring_tx_publish(&w->tx);
    if (hulse_doorbell_publisher(w->armed, &w->last_rung)) {
        /* This reader never sleeps, so nobody has armed the channel. */
        w->me->missed_doorbells++;
    }
}

/* Reserves, writes and commits one message. */
static enum hulse_ring_rc put(struct writer *w)
{
    const enum hulse_ring_rc rc = hulse_ring_tx_reserve(&w->tx, w->stride);
    uint64_t sent_ns = 0;

    if (rc != HULSE_RING_OK) {
        return rc;
    }
    if (w->sequence == w->next_sample) {
        sent_ns = w->measuring ? hulse_bench_machine_now_ns() : 0;
        w->next_sample += w->every;
    }
    uint8_t *at = hulse_ring_tx_at(&w->tx, w->tx.tail);
    /* Field by field, as the library does it: a copy of fields just stored would wait for them. */
    *(struct hulse_publish_header *)(void *)at =
        (struct hulse_publish_header){.len = HULSE_PUBLISH_HEADER_BYTES + w->o->size,
                                      .type = HULSE_RECORD_MESSAGE,
                                      .seq = w->sequence,
                                      .token = w->sequence,
                                      .payload_len = w->o->size};
    hulse_bench_record_write(&w->pattern, at + HULSE_PUBLISH_HEADER_BYTES, 0, w->sequence, sent_ns);
    hulse_ring_tx_commit(&w->tx, w->stride);
    w->sequence++;
    return HULSE_RING_OK;
}

static void idle(struct writer *w)
{
    hulse_bench_machine_pause();
    if (++w->idle > w->patience) {
        w->me->stalls++;
        (void)sched_yield();
    }
}

static uint64_t allowance(struct writer *w, uint64_t left, uint64_t due)
{
    uint64_t n = w->o->flush < left ? w->o->flush : left;

    n = n < due ? n : due;
    if (w->window_bytes != 0) {
        if (w->tx.tail - w->tx.head_seen + w->stride > w->window_bytes) {
            (void)hulse_ring_tx_refresh(&w->tx);
        }
        const uint64_t free = (w->window_bytes - (w->tx.tail - w->tx.head_seen)) / w->stride;
        n = n < free ? n : free;
    }
    return n;
}

static bool send_batch(struct writer *w, uint64_t n, uint64_t *sent)
{
    enum hulse_ring_rc rc = HULSE_RING_OK;
    const bool timed = w->measuring && n == w->o->flush && w->batches++ % TIMED_BATCHES == 0;
    const uint64_t from_ns = timed ? hulse_bench_machine_now_ns() : 0;

    for (*sent = 0; *sent < n; (*sent)++) {
        rc = put(w);
        if (rc != HULSE_RING_OK) {
            break;
        }
    }
    if (*sent != 0) {
        publish(w);
    }
    if (timed && *sent == n) {
        hulse_histogram_record(&w->me->publish_ns, (hulse_bench_machine_now_ns() - from_ns) / n);
    }
    return rc != HULSE_RING_CORRUPT;
}

static bool drain(struct writer *w)
{
    w->idle = 0;
    while (w->tx.head_seen != w->tx.tail) {
        if (hulse_ring_tx_refresh(&w->tx) != HULSE_RING_OK) {
            return false;
        }
        idle(w);
    }
    w->idle = 0;
    return true;
}

static bool run_part(struct writer *w, uint64_t duration_ns, uint64_t count)
{
    const uint64_t from = w->sequence;
    const uint64_t from_ns = hulse_bench_machine_now_ns();
    uint64_t now_ns = from_ns;
    bool fine = true;

    for (uint64_t turn = 0; fine; turn++) {
        const uint64_t done = w->sequence - from;
        const uint64_t left = count == 0 ? UINT64_MAX : count - done;
        uint64_t due = UINT64_MAX;
        uint64_t sent = 0;
        if (turn % 16 == 0 || w->o->rate != 0) {
            now_ns = hulse_bench_machine_now_ns();
        }
        if (left == 0 || (count == 0 && now_ns - from_ns >= duration_ns)) {
            break;
        }
        if (w->o->rate != 0) {
            due = ((now_ns - from_ns) * w->o->rate / SECOND_NS) - done;
        }
        const uint64_t n = allowance(w, left, due);
        fine = n == 0 || send_batch(w, n, &sent);
        if (sent != 0) {
            w->idle = 0;
        } else if (due != 0) {
            idle(w);
        }
    }
    fine = drain(w) && fine;
    w->me->from_ns = from_ns;
    w->me->to_ns = hulse_bench_machine_now_ns();
    return fine;
}

static bool run_singles(struct writer *w)
{
    bool fine = true;

    w->next_sample = UINT64_MAX;
    for (unsigned i = 0; i < SINGLES && fine; i++) {
        const uint64_t from_ns = hulse_bench_machine_now_ns();
        fine = put(w) == HULSE_RING_OK;
        publish(w);
        hulse_histogram_record(&w->me->single_ns, hulse_bench_machine_now_ns() - from_ns);
        fine = fine && drain(w);
    }
    return fine;
}

static bool write_all(struct writer *w, struct crew *crew)
{
    hulse_bench_crew_arrive(crew, w->me, CREW_HOLD);
    bool fine = w->o->warmup_ns == 0 || run_part(w, w->o->warmup_ns, 0);
    w->me->warm_sent = w->sequence;
    if (fine) {
        hulse_bench_crew_arrive(crew, w->me, CREW_WARM);
        w->measuring = true;
        fine = run_part(w, w->o->duration_ns, w->o->count);
    }
    w->me->measured_sent = w->sequence - w->me->warm_sent;
    if (fine) {
        hulse_bench_crew_arrive(crew, w->me, CREW_MEASURE);
        fine = run_singles(w);
    }
    w->me->sent = w->sequence;
    if (fine) {
        hulse_bench_crew_arrive(crew, w->me, CREW_SINGLE);
    }
    return fine;
}

int hulse_bench_ring_pair_writer(struct crew *crew, struct crew_member *me, const void *arg)
{
    const struct ring_pair *pair = arg;
    const struct bench_options *o = pair->options;
    struct writer w = {.o = o, .me = me, .patience = pair->patience};

    if (!hulse_bench_record_pattern_init(&w.pattern, o->size)) {
        return hulse_bench_crew_fail(me, BENCH_IO, "no memory");
    }
    const enum hulse_region_rc rc = map_both(pair, true, &w.a, &w.b);
    bool fine = rc == HULSE_REGION_RC_OK;
    if (fine) {
        struct hulse_region_a *a = hulse_region_a(&w.a);
        struct hulse_region_b *b = hulse_region_b(&w.b);
        w.tx = (struct hulse_ring_tx){.ring = w.a.ring,
                                      .mask = pair->ring_bytes - 1,
                                      .tail_word = &a->up_tail,
                                      .head_word = &b->up_head};
        w.armed = &b->armed;
        w.stride = hulse_record_stride(HULSE_PUBLISH_HEADER_BYTES + o->size);
        w.window_bytes = o->window * w.stride;
        w.every =
            (o->window != 0 && o->window <= SAMPLE_WINDOW_MAX) || o->rate != 0 ? 1 : SAMPLE_EVERY;
        fine = write_all(&w, crew);
    }
    hulse_region_unmap(&w.a);
    hulse_region_unmap(&w.b);
    hulse_bench_record_pattern_fini(&w.pattern);
    return fine ? 0 : hulse_bench_crew_fail(me, BENCH_IO, "ring: %s", hulse_region_text(rc));
}

struct reader {
    struct crew_member *me;
    struct hulse_ring_rx rx;
    struct record_pattern pattern;
    struct tally tally;
    uint64_t max_record;
};

/* Takes one record; its stride, or 0 when it breaks a rule. */
static uint64_t take(struct reader *r)
{
    struct hulse_publish_header h;
    struct record_head head;
    const uint8_t *at = hulse_ring_rx_at(&r->rx, r->rx.read);

    hulse_foreign_copy(&h, at, sizeof h);
    if (hulse_publish_check(&h, hulse_ring_rx_ready(&r->rx), r->max_record) != HULSE_RULE_NONE) {
        return 0;
    }
    if (hulse_bench_record_verify(&r->pattern, at + sizeof h, h.payload_len, &head)) {
        hulse_bench_tally_alone(&r->tally, head.sequence);
        if (head.sent_ns != 0) {
            const uint64_t now_ns = hulse_bench_machine_now_ns();
            hulse_histogram_record(&r->me->end_to_end_ns,
                                   now_ns > head.sent_ns ? now_ns - head.sent_ns : 0);
        }
    } else {
        r->me->corrupt++;
    }
    const uint64_t stride = hulse_record_stride(h.len);
    hulse_ring_rx_take(&r->rx, stride);
    return stride;
}

/* One visit, at most as long as the daemon's. False: the writer broke a rule. */
static bool visit(struct reader *r)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < VISIT_RECORDS && bytes < VISIT_BYTES; i++) {
        if (hulse_ring_rx_ready(&r->rx) == 0 &&
            (hulse_ring_rx_refresh(&r->rx) != HULSE_RING_OK || hulse_ring_rx_ready(&r->rx) == 0)) {
            break;
        }
        const uint64_t stride = take(r);
        if (stride == 0) {
            return false;
        }
        bytes += stride;
    }
    if (bytes != 0) {
        hulse_ring_rx_release(&r->rx, r->rx.read);
    }
    return true;
}

static bool read_all(struct reader *r, struct crew *crew, uint32_t patience)
{
    uint32_t idle = 0;

    for (;;) {
        const uint64_t before = r->rx.read;
        const bool ended = hulse_bench_crew_ended(crew);
        if (!visit(r)) {
            return false;
        }
        if (r->rx.read != before) {
            idle = 0;
            continue;
        }
        if (ended) {
            return true;
        }
        hulse_bench_machine_pause();
        if (++idle > patience) {
            (void)sched_yield();
        }
    }
}

int hulse_bench_ring_pair_reader(struct crew *crew, struct crew_member *me, const void *arg)
{
    const struct ring_pair *pair = arg;
    struct hulse_region a = {0};
    struct hulse_region b = {0};
    static struct reader r;

    r.me = me;
    if (!hulse_bench_record_pattern_init(&r.pattern, pair->options->size)) {
        return hulse_bench_crew_fail(me, BENCH_IO, "no memory");
    }
    const enum hulse_region_rc rc = map_both(pair, false, &a, &b);
    bool fine = rc == HULSE_REGION_RC_OK;
    if (fine) {
        r.rx = (struct hulse_ring_rx){.ring = a.ring,
                                      .mask = pair->ring_bytes - 1,
                                      .tail_word = &hulse_region_a(&a)->up_tail,
                                      .head_word = &hulse_region_b(&b)->up_head};
        r.max_record = pair->ring_bytes / 2;
        hulse_bench_crew_ready(crew, me);
        fine = read_all(&r, crew, pair->patience);
    }
    me->received = r.tally.received;
    me->duplicates = r.tally.duplicates;
    me->out_of_order = r.tally.out_of_order;
    hulse_region_unmap(&a);
    hulse_region_unmap(&b);
    hulse_bench_record_pattern_fini(&r.pattern);
    return fine ? 0
                : hulse_bench_crew_fail(
                      me, BENCH_IO, "a record broke a rule, or %s", hulse_region_text(rc));
}
