/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an open makes of a directory: the state, the end of the log, who is what among the files, and an epoch of its own.
 */
#include "daemon/core/clock.h"
#include "daemon/core/log.h"
#include "daemon/store/group.h"
#include "daemon/store/record.h"
#include "daemon/store/recovery.h"
#include "daemon/store/store_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { READ_AHEAD = 256 * 1024, NS_PER_MS = 1000000 };

static hulse_status no_memory(struct error *err, const struct store *s)
{
    return hulse_fail(err, HULSE_NO_MEMORY, "store %s: no memory", s->path);
}

/*
 * A new store needs its first segment and the reserve. What there was room for is given back, and
 * whoever tries again begins anew: else the next start would find a store, and one without a reserve.
 */
static hulse_status no_room(struct error *err, struct store *s, int failed)
{
    for (size_t i = 0; i < SPACE_NAMES; i++) {
        (void)hulse_segment_remove(&s->place, SEGMENT_RESERVE(i));
    }
    (void)hulse_segment_remove(&s->place, 1);
    hulse_directory_forget(&s->directory);
    return hulse_fail(err,
                      HULSE_IO,
                      "store %s: cannot be made: its first %u files of %u MiB: %s",
                      s->path,
                      SPACE_RESERVE + 1,
                      s->place.segment_bytes >> 20U,
                      strerrordesc_np(failed));
}

/* The last file of the reserve, if it is there; a store that may not have many files any more gives it back. */
static void keep_last_of_reserve(struct store *s)
{
    const uint64_t last = SEGMENT_RESERVE(SPACE_NAMES - 1);

    if (s->params.size_max / s->place.segment_bytes < SPACE_FILES_MANY) {
        (void)hulse_segment_remove(&s->place, last);
    } else if (hulse_segment_is_there(&s->place, last)) {
        s->reserve[SPACE_NAMES - 1] = hulse_segment_reserve(&s->place, last) == 0;
    }
}

/* As far as the disk has room; the reader tries again later. 0, or the error number. */
static int make_reserve(struct store *s)
{
    int failed = 0;

    for (size_t i = 0; i < SPACE_RESERVE; i++) {
        const int rc = hulse_segment_reserve(&s->place, SEGMENT_RESERVE(i));
        s->reserve[i] = rc == 0;
        failed = rc != 0 ? rc : failed;
    }
    keep_last_of_reserve(s);
    if (failed != 0) {
        HULSE_LOG_WARNF("store.no_reserve",
                        hulse_log_str("directory", s->path),
                        hulse_log_str("error", strerrordesc_np(failed)));
    }
    return failed;
}

static hulse_status prepare(struct store *s, struct error *err)
{
    const struct file_io *io = s->params.io != NULL ? s->params.io : &hulse_file_io;

    s->directory.io = io;
    const hulse_status status =
        hulse_directory_open(&s->directory, s->path, s->params.segment_bytes, err);

    if (status != HULSE_OK) {
        return status;
    }
    s->place = (struct segment_place){
        .directory = s->directory.log_fd, .segment_bytes = s->directory.segment_bytes, .io = io};
    const int failed = make_reserve(s);
    if (failed != 0 && s->directory.fresh) {
        return no_room(err, s, failed);
    }
    if (!hulse_appender_init(&s->writer.end, &s->place) ||
        hulse_image_init(&s->reader.image, s->place.segment_bytes, READ_AHEAD) != 0) {
        return no_memory(err, s);
    }
    return HULSE_OK;
}

/* The file that has the name already, a new one, or one of the reserve when the disk is full. */
static int make_segment(struct store *s, struct segment *seg)
{
    int failed = hulse_segment_reuse(&s->place, seg->number, seg);

    if (failed != 0) {
        failed = hulse_segment_create(&s->place, seg, NULL);
    }
    for (size_t i = 0; failed != 0 && i < SPACE_NAMES; i++) {
        if (s->reserve[i]) {
            failed = hulse_segment_reuse(&s->place, SEGMENT_RESERVE(i), seg);
            s->reserve[i] = failed != 0;
        }
    }
    return failed;
}

/* The segment that the log goes on in is opened; a new one is made when there is none, or when its end cannot be read. */
static int enter(struct store *s, const struct recovery *r)
{
    struct segment seg = {.number = r->end_number, .fd = -1, .epoch = s->epoch, .group = r->group};
    int failed = ENODATA;

    if (r->end_number != 0) {
        failed = hulse_segment_open(&s->place, &seg, true);
    }
    if (failed == 0) {
        /* One that was cut short, or was restored, has its blocks again; else it goes on without. */
        (void)s->place.io->allocate(seg.fd, s->place.segment_bytes);
    }
    if (failed == 0) {
        failed = hulse_appender_enter(&s->writer.end, &seg, r->end_offset);
    }
    if (failed == ENODATA || failed == EBADMSG || failed == EIO) {
        hulse_segment_close(&seg);
        seg.number = r->last_number + 1;
        failed = make_segment(s, &seg);
        failed = failed == 0 ? hulse_appender_enter(&s->writer.end, &seg, BLOCK_BYTES) : failed;
    }
    hulse_segment_close(&seg);
    return failed;
}

/* The epoch's record finds room; 0, or the error number. */
static int enter_with_room(struct store *s, const struct recovery *r)
{
    struct appender *end = &s->writer.end;
    int failed = enter(s, r);

    if (failed != 0) {
        return failed;
    }
    end->group = r->group;
    if (!hulse_appender_fits(end, FRAME_HEADER_BYTES + RECORD_EPOCH_BYTES)) {
        struct segment seg = {.number = end->seg.number + 1, .fd = -1, .epoch = s->epoch};
        failed = make_segment(s, &seg);
        if (failed == 0) {
            failed = hulse_appender_enter(end, &seg, BLOCK_BYTES);
        }
    }
    return failed;
}

/* Who is what among the files. Those behind the end of the log hold nothing. */
static hulse_status
sort_files(struct store *s, const struct recovery *r, uint64_t end, struct error *err)
{
    struct space *sp = &s->space;

    hulse_space_fini(sp);
    if (!hulse_space_init(sp, s->params.size_max, s->place.segment_bytes, r->count + 1)) {
        return no_memory(err, s);
    }
    memcpy(sp->reserve, s->reserve, sizeof(sp->reserve));
    sp->covered = hulse_state_db_covered(s->db);
    s->size_max = sp->files_max * (uint64_t)s->place.segment_bytes;
    for (size_t i = 0; i < r->count; i++) {
        if (r->numbers[i] < end) {
            hulse_space_add_used(sp, r->numbers[i]);
        } else if (r->numbers[i] > end + 1) {
            (void)hulse_segment_remove(&s->place, r->numbers[i]);
        } else if (r->numbers[i] == end + 1) {
            /* Prepared, and not entered any more: to remove and to fill it takes far longer. */
            hulse_space_add_spare(sp, end + 1);
        }
    }
    hulse_space_add_used(sp, end);
    (void)hulse_space_free(sp, s->state);
    while (sp->spare_count > 0 && sp->used_count + sp->spare_count + SPACE_RESERVE +
                                          (sp->reserve[SPACE_NAMES - 1] ? 1 : 0) >
                                      sp->files_max) {
        (void)hulse_segment_remove(&s->place, sp->spare[--sp->spare_count]);
    }
    atomic_store_explicit(&s->counts.used, sp->used_count, memory_order_relaxed);
    hulse_group_note_full(s, !hulse_space_takes(sp, SPACE_MESSAGE));
    hulse_group_charge(s);
    return HULSE_OK;
}

/* A new epoch begins: it is known to the directory and to the log before anything is stored in it. */
static hulse_status begin_epoch(struct store *s, const struct recovery *r, struct error *err)
{
    uint8_t body[RECORD_EPOCH_BYTES];
    struct state_figures figures;
    uint32_t last = r->epoch > s->directory.epoch ? r->epoch : s->directory.epoch;

    hulse_state_figures(s->state, &figures);
    last = figures.epoch > last ? figures.epoch : last;
    s->epoch = last + 1;
    const hulse_status status = hulse_directory_begin(&s->directory, s->path, s->epoch, err);
    if (status != HULSE_OK) {
        return status;
    }
    int failed = enter_with_room(s, r);
    hulse_record_encode_epoch(
        hulse_state_next_topic_id(s->state), hulse_state_next_subscription_id(s->state), body);
    if (failed == 0) {
        failed = hulse_group_own_record(s, FRAME_EPOCH, body, sizeof(body));
    }
    s->synced = hulse_appender_lsn(&s->writer.end);
    if (failed != 0 && s->directory.fresh) {
        return no_room(err, s, failed);
    }
    return failed == 0
               ? HULSE_OK
               : hulse_fail(
                     err, HULSE_IO, "store %s: cannot write: %s", s->path, strerrordesc_np(failed));
}

static hulse_status open_state(struct store *s, struct recovery *r, struct error *err)
{
    const struct state_db_params params = {
        .directory = s->path,
        .segment_bytes = s->place.segment_bytes,
        .handle_ttl_ms = s->params.handle_ttl_ms,
        .had_one = hulse_directory_had_state(&s->directory, r->numbers, r->count)};
    struct state_db_found found = {0};
    const hulse_status status = hulse_state_db_open(&s->db, &s->state, &params, &found, err);

    if (status == HULSE_OK) {
        r->report->state_lost = found.state_lost;
        r->report->copy_lost = found.copy_lost;
        r->from = found.scan_from;
        s->committed = found.covered;
        hulse_state_begin_clock(s->state, hulse_clock_ns() / NS_PER_MS);
    }
    return status;
}

/* When the log has lost its end, nothing may be written at places that the checkpoint has seen. */
static void stay_behind_checkpoint(const struct store *s, struct recovery *r)
{
    const uint64_t sb = s->place.segment_bytes;
    const uint64_t covered = s->committed;

    if (covered > r->end_number * sb + r->end_offset) {
        r->end_number = 0;
    }
    if (covered / sb > r->last_number) {
        r->last_number = covered / sb;
    }
}

/* Was the last one stopped as asked? That is its last record then; else the end of the log is lost. */
static bool ends_clean(const struct store *s, const struct recovery *r)
{
    if (s->directory.fresh) {
        return true;
    }
    if (s->directory.clean && !r->ended) {
        r->report->damaged_records++;
        HULSE_LOG_ERRORF("store.end_lost", hulse_log_str("directory", s->path));
    }
    return s->directory.clean && r->ended;
}

hulse_status hulse_store_load(struct store *s, struct store_report *report, struct error *err)
{
    struct recovery r = {.report = report};
    uint64_t *numbers = NULL;

    hulse_status status = prepare(s, err);
    if (status == HULSE_OK) {
        status = hulse_directory_segments(&s->directory, &numbers, &r.count, err);
    }
    if (status == HULSE_OK) {
        r.numbers = numbers;
        status = open_state(s, &r, err);
    }
    if (status == HULSE_OK) {
        r.at = s->place;
        r.state = s->state;
        r.ended_in = s->directory.clean ? s->directory.epoch : 0;
        status = hulse_recover(&r, err);
        hulse_state_recovered(s->state);
    }
    if (status == HULSE_OK) {
        report->clean = ends_clean(s, &r);
        s->writer.checkpoint_lsn = r.from;
        stay_behind_checkpoint(s, &r);
        status = begin_epoch(s, &r, err);
    }
    if (status == HULSE_OK) {
        status = sort_files(s, &r, s->writer.end.seg.number, err);
    }
    free(numbers);
    return status;
}
