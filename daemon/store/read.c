/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read - see the header.
 *
 * The index says where to begin; from there on frames are read one behind the other. Every LOOK_AGAIN bytes without
 * one of this topic, and at the end of a run, the index is asked again. It knows the last message of each run, so
 * what is not met there is damage, whatever has become of the file.
 */
#include "daemon/store/read.h"

#include "daemon/core/assert.h"
#include "daemon/core/log.h"
#include "daemon/core/mem.h"

#include <errno.h>
#include <string.h>

enum { LOOK_AGAIN = 128 * 1024, BUFFER_FIRST = 16 * 1024 };

/* One message in the buffer; its body follows, padded to 8. */
struct stored {
    uint64_t epoch;
    uint64_t position;
    uint64_t seq;
    uint64_t time_ms;
    uint8_t handle[STORE_HANDLE_BYTES];
    uint32_t body_bytes;
    uint32_t damaged;
};
static_assert(sizeof(struct stored) % 8 == 0, "bodies are aligned");

/* A read under way. */
struct course {
    struct store *s;
    struct store_read *rd;
    uint64_t position; /* the next one wanted */
    uint64_t lsn;      /* where to look */
    uint64_t last;     /* of the run that is there, by the index */
    uint64_t looked;   /* up to where that run was looked for; 0: not yet */
    uint32_t end;      /* of the current segment, what is stored of it */
    size_t used;       /* of the buffer */
    uint32_t damaged;  /* passed since the last one that is in it */
    bool gap;          /* something unreadable was passed in this segment */
    bool done;
    int failed; /* reading: says nothing about what is there */
    hulse_status status;
};

static uint64_t padded(uint64_t bytes)
{
    return (bytes + 7) / 8 * 8;
}

/* ---- the buffer -------------------------------------------------------------------------- */

/* Room for `bytes` more. False: no memory. */
static bool reserve(struct course *c, uint64_t bytes)
{
    struct store_read *rd = c->rd;
    uint64_t room = rd->buffer_bytes;

    if (c->used + bytes <= room) {
        return true;
    }
    while (room < c->used + bytes) {
        room = room == 0 ? BUFFER_FIRST : 2 * room;
    }
    uint8_t *grown = hulse_mem_alloc(HULSE_MEM_MESSAGE, room);
    if (grown == NULL) {
        return false;
    }
    if (c->used > 0) {
        memcpy(grown, rd->buffer, c->used);
    }
    hulse_mem_free(HULSE_MEM_MESSAGE, rd->buffer, rd->buffer_bytes);
    rd->buffer = grown;
    rd->buffer_bytes = room;
    return true;
}

/* Copies a message; sets done when it does not go in any more. */
static void keep(struct course *c, const struct scan_item *item)
{
    struct store_read *rd = c->rd;
    const struct frame *f = &item->frame;
    const uint32_t body_bytes = f->length - FRAME_HEADER_BYTES;
    const uint64_t bytes = sizeof(struct stored) + padded(body_bytes);

    if (rd->count > 0 && (rd->count >= rd->messages_max || c->used + bytes > rd->bytes_max)) {
        c->done = true;
        return;
    }
    if (!reserve(c, bytes)) {
        c->done = true;
        c->status = rd->count == 0 ? HULSE_NO_MEMORY : HULSE_OK;
        return;
    }
    struct stored head = {.epoch = f->epoch,
                          .position = f->position,
                          .seq = f->seq,
                          .time_ms = f->time_ms,
                          .body_bytes = body_bytes,
                          .damaged = c->damaged};
    memcpy(head.handle, f->handle, sizeof(head.handle));
    memcpy(rd->buffer + c->used, &head, sizeof(head));
    hulse_scan_body(&c->s->reader.image.scan, item, rd->buffer + c->used + sizeof(head));
    c->used += bytes;
    rd->count++;
    c->damaged = 0;
    c->position = f->position + 1;
}

bool hulse_store_read_next(const struct store_read *rd, size_t *at, struct store_message *out)
{
    struct stored head;

    /* The buffer is as full as `count` messages make it. */
    if (rd->count == 0 || *at >= rd->filled) {
        return false;
    }
    memcpy(&head, rd->buffer + *at, sizeof(head));
    *out = (struct store_message){
        .epoch = head.epoch,
        .position = head.position,
        .seq = head.seq,
        .time_ms = head.time_ms,
        .handle = rd->buffer + *at + offsetof(struct stored, handle),
        .body = rd->buffer + *at + sizeof(head),
        .body_bytes = head.body_bytes,
        .damaged = head.damaged,
    };
    *at += sizeof(head) + padded(head.body_bytes);
    return true;
}

void hulse_store_read_free(struct store_read *rd)
{
    hulse_mem_free(HULSE_MEM_MESSAGE, rd->buffer, rd->buffer_bytes);
    rd->buffer = NULL;
    rd->buffer_bytes = 0;
    rd->filled = 0;
    rd->count = 0;
}

/* ---- the log ----------------------------------------------------------------------------- */

/* [c->position, end) is passed; `damaged` of it were there. */
static void pass(struct course *c, uint64_t end, uint64_t damaged)
{
    const uint64_t sum = c->damaged + damaged;

    c->rd->damaged += damaged;
    c->damaged = sum < UINT32_MAX ? (uint32_t)sum : UINT32_MAX;
    c->position = end;
}

/* Positions up to here were left out. Without a gap they were refused when they were given, or are known to be lost. */
static void pass_up_to(struct course *c, uint64_t end)
{
    struct store *s = c->s;

    if (end <= c->position) {
        return;
    }
    if (c->gap) {
        pass(c, end, end - c->position);
        return;
    }
    (void)pthread_mutex_lock(&s->lock);
    const uint64_t lost = hulse_state_lost_in(s->state, c->rd->topic, c->position, end);
    (void)pthread_mutex_unlock(&s->lock);
    pass(c, end, lost);
}

/* Where to look for c->position, behind what of its run was looked at. False: it is nowhere. */
static bool look_up(struct course *c)
{
    struct store *s = c->s;
    const uint64_t sb = s->place.segment_bytes;
    struct state_place at = {0};

    (void)pthread_mutex_lock(&s->lock);
    bool found = hulse_state_find(s->state, c->rd->topic, c->position, &at);
    const bool same_run = at.lsn / sb == c->lsn / sb && c->position <= c->last;
    if (found && same_run && at.lsn < c->looked) {
        at.lsn = c->looked;
    }
    found = found && at.lsn < s->synced;
    if (found) {
        const uint64_t stored = s->synced - at.lsn / sb * sb;
        c->end = stored > sb ? (uint32_t)sb : (uint32_t)stored;
    }
    s->space.reading = found ? at.lsn / sb : 0;
    (void)pthread_mutex_unlock(&s->lock);
    /* What was passed in another segment says nothing of this one. */
    c->gap = c->gap && at.lsn / sb == c->lsn / sb;
    c->lsn = at.lsn;
    c->last = at.last;
    c->looked = 0;
    return found;
}

/* Something of this topic was met: whole or not. */
static void meet(struct course *c, enum scan_rc rc, const struct scan_item *item)
{
    const struct frame *f = &item->frame;

    if (f->position > c->last) {
        return; /* of another run, or it has come since */
    }
    if (f->position >= c->rd->end) {
        c->done = true;
        pass_up_to(c, c->rd->end);
        return;
    }
    if (f->position < c->position) {
        return; /* not asked for, or a second copy */
    }
    pass_up_to(c, f->position);
    c->gap = false;
    if (rc == SCAN_DAMAGED) {
        pass(c, f->position + 1, 1);
    } else {
        keep(c, item);
    }
}

/* Nothing of it is there any more, as opposed to: it cannot be read now. */
static bool is_lost(const struct store_read *rd, int failed)
{
    return failed == ENOENT || failed == EBADMSG || failed == ENODATA || failed == ESTALE ||
           (failed == EIO && rd->give_up);
}

/* The segment is looked through: what the index says of the run and was not met is not there. */
static void leave_run(struct course *c)
{
    if (!c->done && c->position <= c->last) {
        const uint64_t end = c->last < c->rd->end ? c->last + 1 : c->rd->end;
        pass(c, end, end - c->position);
    }
    c->gap = false;
}

/* Reads on in one run, to its end or until the index is to be asked again. */
static void read_run(struct course *c)
{
    struct image *im = &c->s->reader.image;
    const uint64_t sb = c->s->place.segment_bytes;
    const uint64_t number = c->lsn / sb;
    const uint32_t from = (uint32_t)(c->lsn % sb);
    struct scan_item item = {0};
    enum scan_rc rc = SCAN_END;

    if (im->seg.fd < 0 || im->seg.number != number) {
        const int failed = hulse_image_open(im, &c->s->place, number);
        if (failed != 0) {
            c->failed = is_lost(c->rd, failed) ? 0 : failed;
            if (c->failed == 0) {
                leave_run(c);
            }
            return;
        }
    }
    im->lenient = c->rd->give_up;
    hulse_image_begin(im, from, (c->end + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES);
    uint32_t idle_from = from;
    while (!c->done && c->position <= c->last && (rc = hulse_image_next(im, &item)) != SCAN_END &&
           item.from < c->end) {
        if (rc == SCAN_GAP) {
            c->gap = true;
        } else if (item.frame.kind == STORE_MESSAGE && item.frame.topic == c->rd->topic) {
            meet(c, rc, &item);
            idle_from = item.to;
        } else if (item.to - idle_from > LOOK_AGAIN && item.to < c->end) {
            c->looked = number * sb + item.to;
            return;
        }
    }
    c->failed = im->failed;
    if (c->failed == 0) {
        leave_run(c);
    }
}

/* Once for each trouble of the disk: which, and when it is over. */
static void note_failure(struct store *s, int failed)
{
    const bool before = s->reader.cannot_read;

    s->reader.cannot_read = failed != 0;
    if (failed != 0 && !before) {
        HULSE_LOG_ERRORF("store.cannot_read",
                         hulse_log_str("directory", s->path),
                         hulse_log_str("error", strerrordesc_np(failed)),
                         hulse_log_str("meaning", "is tried again; nothing is passed over"));
    } else if (failed == 0 && before) {
        HULSE_LOG_STATE("store.can_read", hulse_log_str("directory", s->path));
    }
}

/* What was read before it failed is an answer, too. */
static hulse_status status_of(const struct course *c)
{
    if (c->failed == 0 || c->position > c->rd->from) {
        return c->status;
    }
    return c->failed == EIO ? HULSE_IO : HULSE_BUSY;
}

hulse_status hulse_store_serve_read(struct store *s, struct store_read *rd)
{
    struct course c = {.s = s, .rd = rd, .position = rd->from, .status = HULSE_OK};

    while (!c.done && c.failed == 0 && c.position < rd->end && look_up(&c)) {
        read_run(&c);
    }
    if (!c.done && c.failed == 0) {
        pass_up_to(&c, rd->end); /* nothing more is there */
    }
    rd->next = c.position;
    rd->filled = c.used;
    rd->damaged_behind = c.damaged;
    (void)pthread_mutex_lock(&s->lock);
    s->space.reading = 0;
    const bool kept = s->space.kept;
    (void)pthread_mutex_unlock(&s->lock);
    if (kept) {
        hulse_store_call_writer(s);
    }
    note_failure(s, c.failed);
    /* Relaxed because they are figures. */
    atomic_fetch_add_explicit(&s->reads, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->lost, rd->damaged, memory_order_relaxed);
    return status_of(&c);
}
