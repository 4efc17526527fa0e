/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recovery - see the header.
 *
 * A gap is judged when the next header that verifies is found behind it: it belongs to the last group of
 * the log when that header does without being the group's first. Which group is the last one is looked up
 * once, when the first broken thing is met.
 */
#include "daemon/store/recovery.h"

#include "daemon/core/assert.h"
#include "daemon/store/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { READ_AHEAD = 256 << 10 };

/* ---- the whole log, segment by segment --------------------------------------------------- */

struct walk {
    const struct recovery *r;
    struct image im;
    size_t next; /* index of the segment that is opened next */
    uint64_t number;
    uint32_t offset; /* where to begin in the next one; 0: at its beginning */
    bool open;
    int failed;
};

static bool walk_init(struct walk *w, const struct recovery *r)
{
    *w = (struct walk){.r = r};
    w->failed = hulse_image_init(&w->im, r->at.segment_bytes, READ_AHEAD);
    w->im.lenient = true; /* the store starts without what the disk cannot read */
    return w->failed == 0;
}

/* Where this one is; with an image of its own. */
static bool walk_copy(struct walk *w, const struct walk *from, uint32_t offset)
{
    if (!walk_init(w, from->r)) {
        return false;
    }
    /* One that cannot be opened was told as a gap: what follows is in the next one. */
    w->next = from->open ? from->next - 1 : from->next;
    w->offset = from->open ? offset : 0;
    return true;
}

static void walk_fini(struct walk *w)
{
    hulse_image_fini(&w->im);
}

/* Opens the next one that holds something. SCAN_MORE: done; SCAN_GAP: it holds nothing readable. */
static enum scan_rc walk_open(struct walk *w, struct scan_item *out)
{
    while (w->next < w->r->count) {
        w->number = w->r->numbers[w->next++];
        const int failed = hulse_image_open(&w->im, &w->r->at, w->number);
        if (failed == 0) {
            hulse_image_begin(&w->im, w->offset, 0);
            w->offset = 0;
            w->open = true;
            return SCAN_MORE;
        }
        w->offset = 0;
        if (failed == EBADMSG || failed == EIO || failed == ENODATA) {
            *out = (struct scan_item){.from = BLOCK_BYTES, .to = w->r->at.segment_bytes};
            return SCAN_GAP;
        }
        if (failed != ESTALE && failed != ENOENT) {
            w->failed = failed;
            return SCAN_END;
        }
    }
    return SCAN_END;
}

/* SCAN_END: of the log, or w->failed. */
static enum scan_rc walk_next(struct walk *w, struct scan_item *out)
{
    for (;;) {
        if (!w->open) {
            const enum scan_rc opened = walk_open(w, out);
            if (opened != SCAN_MORE) {
                return opened;
            }
        }
        const enum scan_rc rc = hulse_image_next(&w->im, out);
        if (rc != SCAN_END) {
            return rc;
        }
        w->open = false;
        if (w->im.failed != 0) {
            w->failed = w->im.failed;
            return SCAN_END;
        }
    }
}

/* ---- what was found ---------------------------------------------------------------------- */

struct trial {
    struct recovery *r;
    struct walk walk;
    struct scan_item item;
    uint32_t last; /* group of the last record that counts */
    bool any;      /* there is one */
    bool surveyed;
    uint32_t last_of_all; /* group of the last record whose header can be read */
    /* Broken and not yet judged. */
    bool gap;
    uint64_t gap_number;
    uint32_t gap_from;
    uint64_t gap_bytes;
    uint8_t *body;
    size_t body_room;
};

static uint64_t lsn_of(const struct trial *t, uint64_t number, uint32_t offset)
{
    return number * t->r->at.segment_bytes + offset;
}

/* Looks from the current item to the end of the log; false: it cannot. */
static bool survey(struct trial *t)
{
    struct walk ahead;
    struct scan_item item;
    enum scan_rc rc = SCAN_END;

    if (t->surveyed) {
        return true;
    }
    t->last_of_all = t->item.frame.group;
    if (!walk_copy(&ahead, &t->walk, t->item.from)) {
        t->walk.failed = ahead.failed;
        walk_fini(&ahead);
        return false;
    }
    while ((rc = walk_next(&ahead, &item)) != SCAN_END) {
        if (rc != SCAN_GAP && hulse_group_before(t->last_of_all, item.frame.group)) {
            t->last_of_all = item.frame.group;
        }
    }
    t->walk.failed = ahead.failed;
    walk_fini(&ahead);
    t->surveyed = t->walk.failed == 0;
    return t->surveyed;
}

static void open_gap(struct trial *t)
{
    if (!t->gap) {
        t->gap = true;
        t->gap_number = t->walk.number;
        t->gap_from = t->item.from;
        t->gap_bytes = 0;
    }
    t->gap_bytes += t->item.to - t->item.from;
}

static bool lose(struct trial *t, uint64_t from, uint64_t to)
{
    if (!hulse_state_lost(t->r->state, from, to)) {
        t->walk.failed = ENOMEM;
    }
    return t->walk.failed == 0;
}

/* The gap before the current item is skipped. False: no memory. */
static bool skip_gap(struct trial *t)
{
    const uint64_t to = lsn_of(t, t->walk.number, t->item.from);

    t->r->report->damaged_records++;
    t->r->report->damaged_bytes += t->gap_bytes;
    t->gap = false;
    return lose(t, lsn_of(t, t->gap_number, t->gap_from), to);
}

/* When all checkpoints are lost nobody knows which segments were used again: they are missing, and so are their groups. */
static bool passed_segments(const struct trial *t)
{
    return t->r->from == 0 && t->r->report->state_lost && t->walk.number > t->r->end_number + 1;
}

/* Groups are numbered without a gap, but for what a start has cut: then an epoch begins. */
static bool groups_are_missing(const struct trial *t)
{
    const struct frame *f = &t->item.frame;

    return t->any && !t->gap && f->kind != FRAME_EPOCH && f->group != t->last &&
           f->group != t->last + 1 && !passed_segments(t);
}

/* What was in front of the current item has left no trace. */
static bool skip_groups(struct trial *t)
{
    const uint64_t here = lsn_of(t, t->walk.number, t->item.from);

    t->r->report->damaged_records += t->item.frame.group - t->last - 1;
    return lose(t, here, here);
}

/* Judges the gap before the current item: true, the log ends before it. */
static bool gap_is_torn(const struct trial *t)
{
    return t->item.frame.group == t->last_of_all &&
           (t->item.frame.flags & FRAME_FIRST_OF_GROUP) == 0;
}

static bool body_of(struct trial *t, struct frame *f)
{
    const size_t bytes = f->length - FRAME_HEADER_BYTES;

    if (f->kind == STORE_MESSAGE || bytes == 0) {
        return true; /* nobody looks at it now */
    }
    if (bytes > t->body_room) {
        free(t->body);
        t->body_room = bytes;
        t->body = malloc(bytes);
        if (t->body == NULL) {
            t->body_room = 0;
            t->walk.failed = ENOMEM;
            return false;
        }
    }
    hulse_scan_body(&t->walk.im.scan, &t->item, t->body);
    f->body = t->body;
    return true;
}

/* The current item counts. False: no memory. */
static bool accept(struct trial *t, bool whole)
{
    struct frame *f = &t->item.frame;
    const uint64_t lsn = lsn_of(t, t->walk.number, t->item.from);

    t->any = true;
    t->last = f->group;
    t->r->ended = f->kind == FRAME_CLEAN;
    t->r->end_number = t->walk.number;
    t->r->end_offset = t->item.to;
    if (f->epoch > t->r->epoch) {
        t->r->epoch = f->epoch;
    }
    if (whole) {
        t->r->report->records++;
    } else {
        t->r->report->damaged_records++;
        t->r->report->damaged_bytes += t->item.to - t->item.from;
        if (f->kind != STORE_MESSAGE) {
            return true;
        }
        /* It was there: its position is not given again. Readers count what they meet. */
    }
    if (!body_of(t, f)) {
        return false;
    }
    if (f->kind == STORE_SUBSCRIPTION_SEEK || f->kind == STORE_SUBSCRIPTION_CREATE) {
        hulse_recovery_forget_segments(t->r);
    }
    if (!hulse_state_apply(t->r->state, f, lsn)) {
        t->walk.failed = ENOMEM;
        return false;
    }
    if (!whole && !hulse_state_lost_message(t->r->state, f->topic, f->position)) {
        t->walk.failed = ENOMEM;
        return false;
    }
    return true;
}

/* ---- the end ----------------------------------------------------------------------------- */

static int overwrite(const struct recovery *r, struct segment *seg, uint32_t from, uint32_t to)
{
    _Alignas(8) uint8_t block[BLOCK_BYTES] = {0};
    const uint32_t begin = from - from % BLOCK_BYTES;
    size_t got = 0;
    int failed = 0;

    for (uint32_t at = to; failed == 0 && at > begin + BLOCK_BYTES; at -= BLOCK_BYTES) {
        failed = r->at.io->write(seg->fd, block, BLOCK_BYTES, at - BLOCK_BYTES);
    }
    if (failed == 0 && from != begin) {
        failed = hulse_file_read(seg->fd, block, from - begin, begin, &got);
        const struct block_id id = {
            .offset = begin, .generation = (uint32_t)seg->number, .salt = seg->salt};
        uint16_t first = 0;
        if (failed == 0 && hulse_block_valid(block, &id, &first) && first >= from - begin) {
            hulse_block_put(block, &id, 0);
        }
    }
    if (failed == 0) {
        failed = r->at.io->write(seg->fd, block, BLOCK_BYTES, begin);
    }
    return failed != 0 ? failed : r->at.io->sync(seg->fd);
}

/* Where this use of the segment was written to, from `from` on. */
static int find_end(struct trial *t, uint64_t number, uint32_t from, uint32_t *to)
{
    struct recovery *r = t->r;
    struct image im;
    struct scan_item item;
    uint32_t missing = 0;

    *to = from;
    int failed = hulse_image_init(&im, r->at.segment_bytes, READ_AHEAD);
    im.lenient = true;
    if (failed == 0) {
        failed = hulse_image_open(&im, &r->at, number);
    }
    if (failed == 0) {
        hulse_image_begin(&im, from, 0);
        missing = im.missing_from < im.missing_to ? im.missing_to - im.missing_from : 0;
        im.missing_from = im.missing_to;
        while (hulse_image_next(&im, &item) != SCAN_END) {
            *to = item.to;
        }
        *to = im.scan.written_end > *to ? im.scan.written_end : *to;
        failed = im.failed;
    }
    hulse_image_fini(&im);
    if (failed == EBADMSG || failed == EIO) {
        missing = r->at.segment_bytes - from; /* its header is lost, and so is all it held */
    }
    if (missing != 0) {
        r->report->damaged_records++;
        r->report->damaged_bytes += missing;
    }
    return failed;
}

/* Zeros from here to where this use of the segment was written; counts them. */
static int cut(struct trial *t, uint64_t number, uint32_t from)
{
    struct recovery *r = t->r;
    uint32_t to = from;

    int failed = find_end(t, number, from, &to);
    if (failed == EBADMSG || failed == EIO || failed == ENODATA) {
        return 0; /* the log does not go on in it */
    }
    if (failed != 0) {
        return failed;
    }
    to += (BLOCK_BYTES - to % BLOCK_BYTES) % BLOCK_BYTES;
    r->report->cut_bytes += to - from;
    r->end_number = number;
    r->end_offset = from;
    if (r->look_only || to == from) {
        return 0;
    }
    struct segment seg = {.number = number, .fd = -1};
    failed = hulse_segment_open(&r->at, &seg, true);
    if (failed == 0) {
        failed = overwrite(r, &seg, from, to);
        hulse_segment_close(&seg);
    }
    return failed;
}

/* Returns whether the log goes on behind the current item. */
static bool judge(struct trial *t, enum scan_rc rc)
{
    const bool broken = t->gap || rc == SCAN_DAMAGED;

    if (rc == SCAN_GAP) {
        open_gap(t);
        return true;
    }
    if (broken && !survey(t)) {
        return false;
    }
    if (t->any && hulse_group_before(t->item.frame.group, t->last)) {
        open_gap(t); /* left over from before a cut */
        return true;
    }
    if (t->gap && gap_is_torn(t)) {
        return false;
    }
    if (groups_are_missing(t) && !skip_groups(t)) {
        return false;
    }
    if (t->gap && !skip_gap(t)) {
        return false;
    }
    if (rc == SCAN_DAMAGED && !hulse_group_before(t->item.frame.group, t->last_of_all)) {
        open_gap(t);
        return false;
    }
    const struct frame *f = &t->item.frame;
    const bool is_end = f->kind == FRAME_CLEAN && f->epoch == t->r->ended_in;
    return accept(t, rc == SCAN_FRAME) && !is_end;
}

/* Groups go on behind all that can be read anywhere, so that nothing that was cut looks newer. */
static void next_group(struct trial *t)
{
    t->r->group = t->last + 1;
    if (t->surveyed && !hulse_group_before(t->last_of_all, t->r->group)) {
        t->r->group = t->last_of_all + 1;
    }
}

/* Nothing is behind the checkpoint: the last record before it says which group and epoch it was. */
static void look_back(struct trial *t)
{
    struct recovery *r = t->r;

    for (size_t i = r->count; i > 0 && !t->any; i--) {
        struct segment seg = {.number = r->numbers[i - 1], .fd = -1};
        enum scan_rc rc = SCAN_END;
        if (hulse_image_open(&t->walk.im, &r->at, seg.number) != 0) {
            continue;
        }
        seg = t->walk.im.seg;
        hulse_image_begin(&t->walk.im, BLOCK_BYTES, 0);
        while ((rc = hulse_image_next(&t->walk.im, &t->item)) != SCAN_END) {
            if (rc != SCAN_GAP && (!t->any || hulse_group_before(t->last, t->item.frame.group))) {
                t->any = true;
                t->last = t->item.frame.group;
                r->epoch = t->item.frame.epoch > r->epoch ? t->item.frame.epoch : r->epoch;
            }
        }
        if (!t->any && hulse_group_before(t->last, seg.group)) {
            t->last = seg.group;
        }
        r->epoch = seg.epoch > r->epoch ? seg.epoch : r->epoch;
    }
}

/* The first segment at or behind the checkpoint. */
static void begin(struct trial *t)
{
    const struct recovery *r = t->r;
    const uint64_t number = r->from / r->at.segment_bytes;

    while (t->walk.next < r->count && r->numbers[t->walk.next] < number) {
        t->walk.next++;
    }
    if (t->walk.next < r->count && r->numbers[t->walk.next] == number) {
        struct segment seg = {.number = number, .fd = -1};
        t->walk.offset = (uint32_t)(r->from % r->at.segment_bytes);
        if (hulse_segment_open(&r->at, &seg, false) != 0) {
            return; /* the log does not go on in what cannot be read */
        }
        hulse_segment_close(&seg);
        t->r->end_number = number;
        t->r->end_offset = t->walk.offset < BLOCK_BYTES ? BLOCK_BYTES : t->walk.offset;
    }
}

hulse_status hulse_recover(struct recovery *r, struct error *err)
{
    struct trial t = {.r = r};
    enum scan_rc rc = SCAN_END;
    int failed = 0;

    r->end_number = 0;
    r->ended = false;
    if (walk_init(&t.walk, r)) {
        begin(&t);
        while ((rc = walk_next(&t.walk, &t.item)) != SCAN_END && judge(&t, rc)) {
        }
    }
    failed = t.walk.failed;
    if (failed == 0) {
        failed = hulse_recovery_judge_segments(r); /* before a cut makes short files longer */
    }
    if (failed == 0 && t.gap) {
        failed = cut(&t, t.gap_number, t.gap_from);
        r->ended = false;
    }
    if (failed == 0 && !t.any) {
        look_back(&t);
    }
    next_group(&t);
    r->last_number = r->count == 0 ? 0 : r->numbers[r->count - 1];
    hulse_recovery_count_missing(r);
    r->report->damaged_bytes += t.walk.im.unreadable;
    walk_fini(&t.walk);
    free(t.body);
    free(r->missing);
    r->missing = NULL;
    r->missing_count = 0;
    r->missing_known = false;
    return failed == 0 ? HULSE_OK
                       : hulse_fail(err,
                                    failed == ENOMEM ? HULSE_NO_MEMORY : HULSE_IO,
                                    "store: cannot read its log: %s",
                                    strerrordesc_np(failed));
}
