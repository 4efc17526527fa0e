/* SPDX-License-Identifier: Apache-2.0 */
/*
 * group - see the header.
 */
#include "daemon/store/group.h"

#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "daemon/core/mem.h"
#include "daemon/store/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    CREATED_MAX = 256, /* in one group: each is compared with all before */
    NS_PER_US = 1000
};
#define CHARGE_STEP (UINT64_C(64) << 10)

/* ---- one request ------------------------------------------------------------------------- */

static hulse_status judge_control(struct store *s, const struct store_request *rq, size_t *bytes)
{
    if (rq->kind == STORE_TOPIC_CREATE) {
        return hulse_record_bytes(rq, bytes) ? HULSE_OK : HULSE_TOOBIG;
    }
    if (!hulse_state_has_topic(s->state, rq->topic)) {
        return HULSE_NO_TOPIC;
    }
    return hulse_record_bytes(rq, bytes) ? HULSE_OK : HULSE_TOOBIG;
}

static hulse_status judge_message(struct store *s, const struct store_request *rq, size_t *bytes)
{
    const uint32_t max = hulse_store_body_max(s);

    *bytes = 0;
    for (uint32_t i = 0; i < STORE_SPANS_MAX; i++) {
        if (rq->body[i].bytes > max - *bytes) {
            return HULSE_TOOBIG;
        }
        *bytes += rq->body[i].bytes;
    }
    return hulse_state_has_topic(s->state, rq->topic) ? HULSE_OK : HULSE_NO_TOPIC;
}

hulse_status hulse_group_judge(struct store *s, const struct store_request *rq, uint32_t *length)
{
    size_t bytes = 0;

    *length = 0;
    if (rq->kind == STORE_BARRIER) {
        return HULSE_OK;
    }
    const hulse_status status =
        rq->kind == STORE_MESSAGE ? judge_message(s, rq, &bytes) : judge_control(s, rq, &bytes);
    if (status != HULSE_OK) {
        return status;
    }
    if (bytes > hulse_store_body_max(s)) {
        return HULSE_TOOBIG;
    }
    *length = rq->transient ? 0 : FRAME_HEADER_BYTES + (uint32_t)bytes;
    return HULSE_OK;
}

/*
 * Names are looked up in the state, which knows nothing of the group yet: who creates something comes behind one
 * that has created the same, and behind one that may have freed the name.
 */
static bool name_is_in_doubt(const struct writer *w, const struct store_request *rq)
{
    if (rq->kind != STORE_TOPIC_CREATE && rq->kind != STORE_SUBSCRIPTION_CREATE) {
        return false;
    }
    for (uint32_t i = 0; i < w->entry_count && w->created != 0; i++) {
        const struct store_request *other = w->entries[i].rq;
        if (other->kind == rq->kind && strcmp(other->name, rq->name) == 0) {
            return true;
        }
    }
    return w->deleted || w->created >= CREATED_MAX;
}

static bool deletes(const struct store_request *rq)
{
    return rq->kind == STORE_TOPIC_DELETE || rq->kind == STORE_SUBSCRIPTION_DELETE;
}

static bool widens(const struct store_request *rq)
{
    return rq->kind == STORE_SUBSCRIPTION_CREATE || rq->kind == STORE_SUBSCRIPTION_SEEK;
}

/* What is created gets its id; one that is there already keeps it. */
static void give_id(struct store *s, struct store_request *rq)
{
    if (rq->kind == STORE_TOPIC_CREATE) {
        const uint64_t id = hulse_state_topic_named(s->state, rq->name);
        rq->topic = id != 0 ? id : hulse_state_new_topic_id(s->state);
        s->writer.created++;
    } else if (rq->kind == STORE_SUBSCRIPTION_CREATE) {
        const uint64_t id = hulse_state_subscription_named(s->state, rq->topic, rq->name);
        rq->subscription = id != 0 ? id : hulse_state_new_subscription_id(s->state);
        s->writer.created++;
    }
}

static struct frame frame_of(const struct group_entry *entry)
{
    const struct store_request *rq = entry->rq;
    struct frame f = {.length = entry->length,
                      .epoch = entry->epoch,
                      .flags = (uint16_t)(entry->copy ? FRAME_COPY : 0U),
                      .topic = rq->topic,
                      .position = rq->position,
                      .seq = rq->seq,
                      .time_ms = rq->time_ms,
                      .kind = (uint16_t)rq->kind};

    memcpy(f.handle, rq->handle, sizeof(f.handle));
    return f;
}

static bool has_body(const struct store_request *rq)
{
    return rq->kind != STORE_MESSAGE && rq->kind != STORE_BARRIER;
}

/* The body of a control record behind those of the group, for its frame and for the state. False: no memory. */
static bool encode_body(struct writer *w, struct group_entry *entry)
{
    size_t bytes = 0;

    if (!hulse_record_bytes(entry->rq, &bytes)) {
        return false;
    }
    if (bytes > w->bodies_room - w->bodies_used) {
        const size_t needed = w->bodies_used + bytes;
        const size_t room = needed > 2 * w->bodies_room ? needed : 2 * w->bodies_room;
        uint8_t *grown = realloc(w->bodies, room);
        if (grown == NULL) {
            return false;
        }
        w->bodies = grown;
        w->bodies_room = room;
    }
    entry->body_at = w->bodies_used;
    entry->body_bytes = (uint32_t)bytes; /* at most STORE_BODY_MAX: it was judged */
    if (bytes > 0) {
        hulse_record_encode(entry->rq, w->bodies + entry->body_at);
    }
    w->bodies_used += bytes;
    return true;
}

static int put_frame(struct store *s, struct group_entry *entry)
{
    struct writer *w = &s->writer;
    struct frame f = frame_of(entry);
    const struct store_span body = {.data = w->bodies == NULL ? NULL : w->bodies + entry->body_at,
                                    .bytes = entry->body_bytes};

    return has_body(entry->rq)
               ? hulse_appender_put(&w->end, &f, &body, 1, &entry->lsn)
               : hulse_appender_put(&w->end, &f, entry->rq->body, STORE_SPANS_MAX, &entry->lsn);
}

/* ---- room -------------------------------------------------------------------------------- */

void hulse_group_note_full(struct store *s, bool full)
{
    const bool was_full = s->writer.full;

    s->writer.full = full;
    /* Relaxed because it is a figure. */
    atomic_store_explicit(&s->counts.full, full ? 1 : 0, memory_order_relaxed);
    if (full && !was_full) {
        hulse_store_call_reader(s); /* it may move something */
    }
}

/* Locked. Of the segment in use. */
static void look_who_may_write(struct store *s)
{
    s->writer.takes_messages = hulse_space_takes(&s->space, SPACE_MESSAGE);
    s->writer.takes_copies = hulse_space_takes(&s->space, SPACE_COPY);
}

/* Goes to the next segment. GROUP_NO_ROOM: there is none, or it takes no messages yet. The group is empty. */
static enum group_rc grow(struct store *s, enum space_user user)
{
    struct writer *w = &s->writer;
    struct segment seg = {.fd = -1};

    (void)pthread_mutex_lock(&s->lock);
    const bool may = hulse_space_may_grow(&s->space, user) ||
                     (user == SPACE_MESSAGE && hulse_space_may_move_on(&s->space, s->state));
    const bool entered = may && hulse_space_enter_next(&s->space, &seg);
    look_who_may_write(s);
    const uint64_t used = s->space.used_count;
    (void)pthread_mutex_unlock(&s->lock);
    /* That control records have room does not say that messages have some. */
    if (user == SPACE_MESSAGE || (user == SPACE_CONTROL && !may)) {
        hulse_group_note_full(s, !may);
    }
    /* Relaxed because it is a wish. */
    atomic_store_explicit(&s->hurry, may && !entered ? 1 : 0, memory_order_relaxed);
    if (!entered) {
        if (may) {
            hulse_store_call_reader(s);
        }
        return GROUP_NO_ROOM;
    }
    /* Relaxed because it is a figure. */
    atomic_store_explicit(&s->counts.used, used, memory_order_relaxed);
    w->look_for_space = true;
    const int failed = hulse_appender_enter(&w->end, &seg, BLOCK_BYTES);
    HULSE_ASSERT(failed == 0); /* nothing is read at the beginning of a segment */
    hulse_store_call_reader(s);
    if (user == SPACE_MESSAGE && !w->takes_messages) {
        hulse_group_note_full(s, true);
        return GROUP_NO_ROOM;
    }
    return user == SPACE_COPY && !w->takes_copies ? GROUP_NO_ROOM : GROUP_TAKEN;
}

/*
 * The first segment of a new store is used before it was filled, so that nobody waits for that; syncs in it cost
 * almost twice as much. One that is filled is better, also when this one is not full.
 */
static void leave_raw(struct store *s)
{
    struct writer *w = &s->writer;

    if (!w->end.seg.raw) {
        return;
    }
    (void)pthread_mutex_lock(&s->lock);
    const bool better = s->space.next.fd >= 0 && !s->space.next.raw;
    const bool may = better && hulse_space_may_grow(&s->space, SPACE_MESSAGE);
    (void)pthread_mutex_unlock(&s->lock);
    if (may) {
        (void)grow(s, SPACE_MESSAGE);
    }
}

static enum group_rc make_room(struct store *s, uint32_t length, enum space_user user)
{
    struct appender *end = &s->writer.end;

    if (!end->begun) {
        leave_raw(s);
        (void)pthread_mutex_lock(&s->lock);
        look_who_may_write(s);
        (void)pthread_mutex_unlock(&s->lock);
    }
    if (hulse_appender_group_full(end, length)) {
        return GROUP_CLOSED;
    }
    if (end->seg.fd >= 0 && hulse_appender_fits(end, length)) {
        if (user == SPACE_CONTROL || (user == SPACE_COPY && s->writer.takes_copies)) {
            return GROUP_TAKEN;
        }
        if (user == SPACE_COPY) {
            return GROUP_NO_ROOM;
        }
        if (s->writer.takes_messages) {
            if (s->writer.full) {
                hulse_group_note_full(s, false);
            }
            return GROUP_TAKEN;
        }
        if (end->begun) {
            return GROUP_CLOSED;
        }
        hulse_group_note_full(s, true);
        return GROUP_NO_ROOM;
    }
    return end->begun ? GROUP_CLOSED : grow(s, user);
}

enum group_rc hulse_group_add(struct store *s, struct store_request *rq)
{
    struct writer *w = &s->writer;
    struct group_entry *entry = &w->entries[w->entry_count];
    const enum space_user user = rq->kind == STORE_MESSAGE ? SPACE_MESSAGE : SPACE_CONTROL;
    uint32_t length = 0;

    if (!hulse_store_healthy(s)) {
        return GROUP_CLOSED;
    }
    const hulse_status status = hulse_group_judge(s, rq, &length);
    if (status != HULSE_OK) {
        hulse_store_answer(&w->answered, rq, status);
        return GROUP_TAKEN;
    }
    if (w->entry_count == STORE_GROUP_MAX || w->bodies_used >= APPENDER_GROUP_BYTES ||
        name_is_in_doubt(w, rq)) {
        return GROUP_CLOSED;
    }
    if (length != 0) {
        const enum group_rc rc = make_room(s, length, user);
        if (rc != GROUP_TAKEN) {
            return rc;
        }
    }
    give_id(s, rq);
    *entry = (struct group_entry){.rq = rq, .length = length, .epoch = s->epoch};
    if (has_body(rq) && !encode_body(w, entry)) {
        hulse_store_answer(&w->answered, rq, HULSE_NO_MEMORY);
        return GROUP_TAKEN;
    }
    const int failed = length == 0 ? 0 : put_frame(s, entry);
    w->entry_count++;
    w->deleted = w->deleted || deletes(rq);
    w->widens = w->widens || widens(rq);
    if (failed != 0) {
        hulse_store_fail(s, "write", failed);
    }
    return GROUP_TAKEN;
}

enum group_rc hulse_group_copy(struct store *s, struct copy_item *item)
{
    struct writer *w = &s->writer;
    struct group_entry *entry = &w->entries[w->entry_count];
    const uint32_t length = FRAME_HEADER_BYTES + (uint32_t)item->rq.body[0].bytes;

    if (!hulse_store_healthy(s) || w->entry_count == STORE_GROUP_MAX) {
        return GROUP_CLOSED;
    }
    const enum group_rc rc = make_room(s, length, SPACE_COPY);
    if (rc != GROUP_TAKEN) {
        return rc;
    }
    *entry =
        (struct group_entry){.rq = &item->rq, .length = length, .epoch = item->epoch, .copy = true};
    const int failed = put_frame(s, entry);
    w->entry_count++;
    if (failed != 0) {
        hulse_store_fail(s, "write", failed);
    }
    return GROUP_TAKEN;
}

/* ---- the end of a group ------------------------------------------------------------------ */

/* One entry into the state, as recovery would do it. False: no memory. */
static bool apply(struct store *s, const struct group_entry *entry)
{
    struct frame f = frame_of(entry);

    if (entry->rq->kind == STORE_BARRIER) {
        return true;
    }
    if (has_body(entry->rq)) {
        f.body = s->writer.bodies + entry->body_at;
        f.length = FRAME_HEADER_BYTES + entry->body_bytes;
        s->writer.changed = true;
    }
    return entry->length == 0 ? hulse_state_apply_transient(s->state, &f)
                              : hulse_state_apply(s->state, &f, entry->lsn);
}

static void count(struct store *s, uint64_t records, uint64_t sync_ns)
{
    hulse_meter_group(&s->meter, records, sync_ns / NS_PER_US);
    /* Relaxed because they are figures, and this thread alone writes them. */
    atomic_fetch_add_explicit(&s->counts.records, records, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->counts.groups, 1, memory_order_relaxed);
    atomic_store_explicit(&s->counts.bytes, s->writer.end.written, memory_order_relaxed);
    atomic_store_explicit(&s->counts.full, s->writer.full ? 1 : 0, memory_order_relaxed);
}

void hulse_group_charge(struct store *s)
{
    struct writer *w = &s->writer;
    const uint64_t bytes = (hulse_state_bytes(s->state) / CHARGE_STEP + 1) * CHARGE_STEP;

    if (bytes > w->charged) {
        w->charged = hulse_mem_take(HULSE_MEM_STORE, bytes - w->charged) ? bytes : w->charged;
    } else if (bytes < w->charged) {
        hulse_mem_give(HULSE_MEM_STORE, w->charged - bytes);
        w->charged = bytes;
    }
}

static void count_moved(struct store *s, const struct group_entry *entry, bool stored)
{
    if (!stored) {
        return;
    }
    /* Relaxed because they are figures, and this thread alone writes them. */
    atomic_fetch_add_explicit(&s->counts.moved_messages, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->counts.moved_bytes, entry->length, memory_order_relaxed);
    s->writer.changed = true;
}

void hulse_group_end(struct store *s)
{
    struct writer *w = &s->writer;
    const bool written = w->end.begun;
    uint32_t applied = 0;
    uint64_t sync_ns = 0;

    if (hulse_store_healthy(s)) {
        const uint64_t begun_ns = hulse_clock_ns();
        const int failed = hulse_appender_sync(&w->end);
        sync_ns = hulse_clock_ns() - begun_ns;
        if (failed != 0) {
            hulse_store_fail(s, "sync", failed);
        }
    }
    if (hulse_store_healthy(s)) {
        (void)pthread_mutex_lock(&s->lock);
        s->synced = hulse_appender_lsn(&w->end);
        while (applied < w->entry_count && apply(s, &w->entries[applied])) {
            applied++;
        }
        (void)pthread_mutex_unlock(&s->lock);
        hulse_group_charge(s);
        if (applied < w->entry_count) {
            hulse_store_fail(s, "state", ENOMEM);
        }
        if (written) {
            count(s, applied, sync_ns);
        }
    }
    for (uint32_t i = 0; i < w->entry_count; i++) {
        if (w->entries[i].copy) {
            count_moved(s, &w->entries[i], i < applied);
            continue;
        }
        hulse_store_answer(&w->answered, w->entries[i].rq, i < applied ? HULSE_OK : HULSE_IO);
    }
    w->entry_count = 0;
    w->bodies_used = 0;
    w->created = 0;
    w->deleted = false;
    w->widens = false;
    hulse_store_announce(&w->answered);
}

int hulse_group_own_record(struct store *s, enum frame_kind kind, const uint8_t *body, size_t bytes)
{
    struct writer *w = &s->writer;
    const struct store_span span = {.data = body, .bytes = bytes};
    struct frame f = {.length = FRAME_HEADER_BYTES + (uint32_t)bytes,
                      .epoch = s->epoch,
                      .time_ms = hulse_clock_wall_ms(),
                      .kind = (uint16_t)kind,
                      .body = body};
    uint64_t lsn = 0;

    HULSE_ASSERT(!w->end.begun);
    int failed = hulse_appender_put(&w->end, &f, &span, 1, &lsn);
    if (failed == 0) {
        failed = hulse_appender_sync(&w->end);
    }
    if (failed == 0 && !hulse_state_apply(s->state, &f, lsn)) {
        failed = ENOMEM;
    }
    return failed;
}
