/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store - see the header: open, start, stop, close, and what can be asked at any time.
 */
#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "daemon/core/log.h"
#include "daemon/core/mem.h"
#include "daemon/core/thread.h"
#include "daemon/store/copy.h"
#include "daemon/store/store_internal.h"

#include <stdlib.h>
#include <string.h>

enum { NS_PER_US = 1000, NS_PER_MS = 1000000 };

void hulse_store_params_default(struct store_params *out)
{
    *out = (struct store_params){.size_max = UINT64_C(16) << 30,
                                 .segment_bytes = UINT32_C(64) << 20,
                                 .handle_ttl_ms = 24U * 3600U * 1000U,
                                 .lazy_ms = 2,
                                 .soon_bytes = UINT32_C(4) << 20};
}

/* ---- open -------------------------------------------------------------------------------- */

static struct store *create(const struct store_params *params, struct error *err)
{
    struct store *s = aligned_alloc(alignof(struct store), sizeof(*s));

    if (s == NULL) {
        (void)hulse_fail(err, HULSE_NO_MEMORY, "store %s: no memory", params->directory);
        return NULL;
    }
    *s = (struct store){.params = *params,
                        .directory = {.fd = -1, .log_fd = -1, .lock_fd = -1},
                        .writer.end.seg.fd = -1,
                        .reader.image.seg.fd = -1,
                        .space.next.fd = -1};
    (void)pthread_mutex_init(&s->lock, NULL);
    hulse_meter_init(&s->meter);
    cds_wfcq_init(&s->submitted_head, &s->submitted_tail);
    cds_wfcq_init(&s->reads_head, &s->reads_tail);
    s->path = strdup(params->directory);
    s->params.directory = s->path;
    s->writer.entries = calloc(STORE_GROUP_MAX, sizeof(*s->writer.entries));
    if (s->path == NULL || s->writer.entries == NULL) {
        (void)hulse_fail(err, HULSE_NO_MEMORY, "store %s: no memory", params->directory);
        hulse_store_close(&s);
    }
    return s;
}

static void say_loss(void *ctx, const struct state_loss *loss)
{
    const struct store *s = ctx;

    /* Without a limit: each topic is named, once a start. */
    HULSE_LOG_AT(HULSE_LOG_ERROR,
                 0,
                 "store.messages_lost",
                 hulse_log_str("directory", s->path),
                 hulse_log_str("topic", loss->topic),
                 hulse_log_u64("first", loss->first),
                 hulse_log_u64("last", loss->end - 1),
                 hulse_log_u64("messages", loss->messages));
}

static void say_state_lost(const struct store *s, const struct store_report *report)
{
    if (report->state_lost) {
        HULSE_LOG_ERRORF("store.state_lost",
                         hulse_log_str("directory", s->path),
                         hulse_log_str("meaning",
                                       report->copy_lost
                                           ? "its copy too: all was made anew from the log"
                                           : "its copy and the log have taken its place"));
    } else if (report->copy_lost) {
        HULSE_LOG_ERRORF("store.copy_lost",
                         hulse_log_str("directory", s->path),
                         hulse_log_str("meaning", "the state is whole; a new copy is made"));
    }
}

static void finish_report(struct store *s, struct store_report *report, uint64_t begun_ns)
{
    struct state_figures figures;

    hulse_state_figures(s->state, &figures);
    report->topics = figures.topics;
    report->subscriptions = figures.subscriptions;
    report->homeless_records = figures.homeless_records;
    report->damaged_records += figures.damaged_records;
    report->lost_messages = figures.lost_messages;
    report->log_bytes = s->space.used_count * (uint64_t)s->place.segment_bytes;
    report->ready_us = (hulse_clock_ns() - begun_ns) / NS_PER_US;
    HULSE_LOG_STATE("store.open",
                    hulse_log_str("directory", s->path),
                    hulse_log_u64("epoch", s->epoch),
                    hulse_log_u64("topics", report->topics),
                    hulse_log_u64("records", report->records),
                    hulse_log_str("clean", report->clean ? "yes" : "no"),
                    hulse_log_u64("ready_us", report->ready_us));
    if (report->cut_bytes != 0) {
        HULSE_LOG_WARNF("store.cut",
                        hulse_log_str("directory", s->path),
                        hulse_log_u64("bytes", report->cut_bytes),
                        hulse_log_str("meaning", "unfinished when the last one ended"));
    }
    if (report->damaged_bytes != 0 || report->damaged_records != 0 ||
        report->missing_segments != 0 || report->lost_messages != 0 ||
        report->homeless_records != 0) {
        HULSE_LOG_ERRORF("store.damaged",
                         hulse_log_str("directory", s->path),
                         hulse_log_u64("records", report->damaged_records),
                         hulse_log_u64("bytes", report->damaged_bytes),
                         hulse_log_u64("missing_segments", report->missing_segments),
                         hulse_log_u64("lost_messages", report->lost_messages),
                         hulse_log_u64("homeless_records", report->homeless_records));
    }
    say_state_lost(s, report);
    hulse_state_each_loss(s->state, say_loss, s);
}

struct store *
hulse_store_open(const struct store_params *params, struct store_report *report, struct error *err)
{
    const uint64_t begun_ns = hulse_clock_ns();
    struct store_report own = {0};
    struct store *s = create(params, err);

    if (s == NULL) {
        return NULL;
    }
    if (hulse_store_load(s, &own, err) != HULSE_OK) {
        hulse_store_close(&s);
        return NULL;
    }
    finish_report(s, &own, begun_ns);
    s->found = own;
    atomic_store_explicit(&s->counts.checkpoint_ns, hulse_clock_ns(), memory_order_relaxed);
    if (report != NULL) {
        *report = own;
    }
    return s;
}

/* ---- life -------------------------------------------------------------------------------- */

hulse_status hulse_store_start(struct store *s, struct error *err)
{
    HULSE_ASSERT(!s->running);
    int failed = hulse_thread_start(&s->reader.thread, "store reader", hulse_store_reader_run, s);
    if (failed == 0) {
        failed = hulse_thread_start(&s->writer.thread, "store writer", hulse_store_writer_run, s);
        if (failed != 0) {
            /* SYNC(store.stop_reader) release. */
            atomic_store_explicit(&s->stop_reader, 1, memory_order_release);
            hulse_sleeper_wake(&s->reader_sleep, true);
            (void)pthread_join(s->reader.thread, NULL);
            atomic_store_explicit(&s->stop_reader, 0, memory_order_relaxed);
        }
    }
    if (failed != 0) {
        return hulse_fail(
            err, HULSE_IO, "store %s: no thread: %s", s->path, strerrordesc_np(failed));
    }
    s->running = true;
    return HULSE_OK;
}

/* Says in the log and in the directory that it ended as asked. */
static void end_cleanly(struct store *s)
{
    if (!hulse_store_healthy(s)) {
        return;
    }
    if (hulse_store_checkpoint_last(s) && hulse_appender_fits(&s->writer.end, FRAME_HEADER_BYTES) &&
        hulse_group_own_record(s, FRAME_CLEAN, NULL, 0) == 0) {
        (void)hulse_directory_end(&s->directory);
    }
}

void hulse_store_leave(struct store *s)
{
    /* Relaxed because it orders nothing; the sleeper's fence lets the writer see it. */
    if (atomic_exchange_explicit(&s->leaving, 1, memory_order_relaxed) == 0) {
        hulse_sleeper_wake(&s->writer_sleep, true);
    }
}

void hulse_store_stop(struct store *s)
{
    if (!s->running) {
        return;
    }
    /* SYNC(store.stop_writer) release: what was submitted before. */
    atomic_store_explicit(&s->stop_writer, 1, memory_order_release);
    hulse_sleeper_wake(&s->writer_sleep, true);
    (void)pthread_join(s->writer.thread, NULL);
    /* SYNC(store.stop_reader) release: what was submitted before. */
    atomic_store_explicit(&s->stop_reader, 1, memory_order_release);
    hulse_sleeper_wake(&s->reader_sleep, true);
    (void)pthread_join(s->reader.thread, NULL);
    s->running = false;

    (void)pthread_mutex_lock(&s->lock);
    atomic_store_explicit(&s->closed, 1, memory_order_relaxed);
    /* Against who submits now: one of both sees the other (the sleepers' fence). */
    hulse_sleeper_prepare(&s->writer_sleep, SLEEPER_SLEEPING);
    hulse_sleeper_call_off(&s->writer_sleep);
    hulse_store_refuse_all(s);
    (void)pthread_mutex_unlock(&s->lock);
    end_cleanly(s);
}

void hulse_store_close(struct store **sp)
{
    struct store *s = *sp;

    *sp = NULL;
    if (s == NULL) {
        return;
    }
    HULSE_ASSERT(!s->running);
    hulse_copy_end(s);
    hulse_appender_fini(&s->writer.end);
    hulse_image_fini(&s->reader.image);
    hulse_space_fini(&s->space);
    hulse_checkpoint_free(&s->checkpoint);
    hulse_mem_give(HULSE_MEM_STORE, s->writer.charged);
    hulse_state_destroy(&s->state);
    hulse_state_db_close(&s->db);
    hulse_directory_close(&s->directory);
    cds_wfcq_destroy(&s->submitted_head, &s->submitted_tail);
    cds_wfcq_destroy(&s->reads_head, &s->reads_tail);
    (void)pthread_mutex_destroy(&s->lock);
    hulse_meter_fini(&s->meter);
    free(s->writer.bodies);
    free(s->writer.entries);
    free(s->path);
    free(s);
}

/* ---- questions --------------------------------------------------------------------------- */

const char *hulse_store_path(const struct store *s)
{
    return s->path;
}

uint64_t hulse_store_epoch(const struct store *s)
{
    return s->epoch;
}

void hulse_store_each_topic(const struct store *s,
                            bool (*each)(void *ctx, const struct store_topic_info *topic),
                            void *ctx)
{
    (void)hulse_state_each_topic(s->state, each, ctx);
}

uint32_t hulse_store_body_max(const struct store *s)
{
    /* What a segment holds: without its own header, in blocks without theirs. */
    const uint32_t blocks = s->place.segment_bytes / BLOCK_BYTES - 1;
    const uint32_t room = blocks * (BLOCK_BYTES - BLOCK_HEADER_BYTES) - FRAME_HEADER_BYTES;

    return room < STORE_BODY_MAX ? room : STORE_BODY_MAX;
}

bool hulse_store_full(const struct store *s)
{
    /* Relaxed because it is a figure. */
    return atomic_load_explicit(&s->counts.full, memory_order_relaxed) != 0;
}

bool hulse_store_healthy(const struct store *s)
{
    return atomic_load_explicit(&s->failed, memory_order_relaxed) == 0;
}

void hulse_store_figures(struct store *s, struct store_figures *out)
{
    const struct store_counts *c = &s->counts;
    const uint64_t segments = atomic_load_explicit(&c->used, memory_order_relaxed);
    const uint64_t checkpoint_ns = atomic_load_explicit(&c->checkpoint_ns, memory_order_relaxed);
    const uint64_t now_ns = hulse_clock_ns();

    *out = (struct store_figures){
        .log_bytes = segments * s->place.segment_bytes,
        .segments = segments,
        .size_max = s->size_max,
        .groups = atomic_load_explicit(&c->groups, memory_order_relaxed),
        .records = atomic_load_explicit(&c->records, memory_order_relaxed),
        .bytes = atomic_load_explicit(&c->bytes, memory_order_relaxed),
        .parked = atomic_load_explicit(&c->parked, memory_order_relaxed),
        .moved_messages = atomic_load_explicit(&c->moved_messages, memory_order_relaxed),
        .moved_bytes = atomic_load_explicit(&c->moved_bytes, memory_order_relaxed),
        .moves_given_up = atomic_load_explicit(&c->moves_given_up, memory_order_relaxed),
        .checkpoints = atomic_load_explicit(&c->checkpoints, memory_order_relaxed),
        .checkpoint_age_ms = now_ns > checkpoint_ns ? (now_ns - checkpoint_ns) / NS_PER_MS : 0,
        .reads = atomic_load_explicit(&s->reads, memory_order_relaxed),
        .lost = atomic_load_explicit(&s->lost, memory_order_relaxed),
        .found = s->found,
        .full = hulse_store_full(s),
    };
    (void)pthread_mutex_lock(&s->lock);
    out->replay_bytes = s->synced > s->committed ? s->synced - s->committed : 0;
    (void)pthread_mutex_unlock(&s->lock);
    hulse_meter_read(&s->meter, &out->group_records, &out->sync_us);
}
