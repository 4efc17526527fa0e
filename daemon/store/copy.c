/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy - see the header.
 */
#include "daemon/store/copy.h"

#include "daemon/core/clock.h"
#include "daemon/core/log.h"
#include "daemon/core/mem.h"

#include <errno.h>
#include <string.h>

/*
 * Without need 8 MiB/s are read, of which a quarter is written: a tenth of what a slow disk gives, and 8 s for a
 * segment of 64 MiB. When messages wait for room nothing is waited for.
 */
#define COPY_TURN_BYTES (UINT32_C(256) << 10)
#define COPY_PAUSE_NS UINT64_C(32000000)
#define COPY_LOOK_NS UINT64_C(1000000000) /* between two looks for a segment that is mostly dead */
#define COPY_LOOK_FULL_NS UINT64_C(100000000) /* the same, when messages wait */
#define COPY_RETRY_NS UINT64_C(1000000000)    /* after memory or descriptors were missing */
#define COPY_STAYS_NS UINT64_C(10000000000)   /* a segment that could not be read */

/* Of a segment one part may be needed: what is moved makes three times the room that it takes, or, when messages wait, as much. */
enum { DEAD_PARTS = 4, DEAD_PARTS_FULL = 2 };
enum { LOOKS = 4 };
/* Groups that may be full of what others have asked for, before something is moved. */
enum { COPY_WAITS_MAX = 8 };

/* ---- what is offered --------------------------------------------------------------------- */

static bool is_offered(const struct store *s)
{
    /* SYNC(store.copies_done) acquire: what the writer says of them. */
    return atomic_load_explicit(&s->copies.offered, memory_order_acquire) != 0;
}

static void offer(struct store *s)
{
    s->copies.next = 0;
    s->copies.refused = false;
    /* SYNC(store.copies) release: the messages before their number. */
    atomic_store_explicit(&s->copies.offered, s->copies.count, memory_order_release);
}

static void free_items(struct copies *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        struct copy_item *item = &c->items[i];
        hulse_mem_free(HULSE_MEM_STORE, item->body, item->rq.body[0].bytes);
    }
    c->count = 0;
}

/* False: no memory. */
static bool take_item(struct store *s, const struct scan_item *found)
{
    struct copy_item *item = &s->copies.items[s->copies.count];
    const struct frame *f = &found->frame;
    const size_t bytes = f->length - FRAME_HEADER_BYTES;

    *item = (struct copy_item){.rq = {.kind = STORE_MESSAGE,
                                      .topic = f->topic,
                                      .position = f->position,
                                      .seq = f->seq,
                                      .time_ms = f->time_ms},
                               .epoch = f->epoch};
    memcpy(item->rq.handle, f->handle, sizeof(item->rq.handle));
    if (bytes > 0) {
        item->body = hulse_mem_alloc(HULSE_MEM_STORE, bytes);
        if (item->body == NULL) {
            return false;
        }
        hulse_scan_body(&s->reader.image.scan, found, item->body);
        item->rq.body[0] = (struct store_span){.data = item->body, .bytes = bytes};
    }
    s->copies.count++;
    return true;
}

/* ---- which segment ----------------------------------------------------------------------- */

static bool is_full(const struct store *s)
{
    /* Relaxed because it is a figure. */
    return atomic_load_explicit(&s->counts.full, memory_order_relaxed) != 0;
}

static bool is_ending(const struct store *s)
{
    /* Relaxed because it only spares work. */
    return atomic_load_explicit(&s->stop_writer, memory_order_relaxed) != 0 ||
           atomic_load_explicit(&s->leaving, memory_order_relaxed) != 0;
}

/* Locked. The oldest one behind those that were looked at; 0: there is none. */
static uint64_t next_segment(struct store *s)
{
    const struct space *sp = &s->space;
    struct copier *c = &s->reader.copier;

    for (size_t i = 0; i + 1 < sp->used_count; i++) {
        if (sp->used[i] > c->looked) {
            c->looked = sp->used[i];
            return c->looked;
        }
    }
    c->looked = 0;
    return 0;
}

/* Looks at one more segment, and takes it when it is to be moved. False: there is none, or there is room enough. */
static bool look(struct store *s, bool full, uint64_t now_ns)
{
    const uint32_t parts = full ? DEAD_PARTS_FULL : DEAD_PARTS;
    struct copier *c = &s->reader.copier;
    uint64_t number = 0;

    (void)pthread_mutex_lock(&s->lock);
    c->tight = full || hulse_space_is_tight(&s->space);
    if (c->tight && !s->space.held) {
        number = next_segment(s);
    }
    if (number != 0 && hulse_state_mostly_dead(s->state, number, parts, now_ns)) {
        c->segment = number;
        c->widened = hulse_state_moving(s->state, number);
    }
    (void)pthread_mutex_unlock(&s->lock);
    return number != 0;
}

static bool choose(struct store *s, uint64_t now_ns)
{
    struct copier *c = &s->reader.copier;
    const bool full = is_full(s);
    bool more = true;

    for (unsigned looks = 0; more && c->segment == 0 && looks < LOOKS; looks++) {
        more = look(s, full, now_ns);
    }
    c->at = BLOCK_BYTES;
    c->copied = 0;
    c->ends = false;
    c->broken = 0;
    if (c->segment != 0) {
        /* It may have been opened when the log still went on in it. */
        hulse_image_close(&s->reader.image);
        return true;
    }
    uint64_t pause_ns = full ? COPY_LOOK_FULL_NS : COPY_LOOK_NS;
    pause_ns = more ? COPY_PAUSE_NS : pause_ns;
    /* It gets tight with another segment, which wakes. */
    c->next_ns = c->tight ? now_ns + pause_ns : 0;
    return false;
}

/*
 * It is moved as far as it goes. One that is damaged stays; one that the disk refused, or of which nothing was to be moved, is
 * not chosen again for a while.
 */
static void leave(struct store *s, uint64_t now_ns)
{
    struct copier *c = &s->reader.copier;
    const bool damaged = c->broken == EBADMSG;
    const bool later = c->broken != 0 || c->copied == 0;

    if (c->broken != 0) {
        /* Relaxed because it is a figure. */
        atomic_fetch_add_explicit(&s->counts.moves_given_up, 1, memory_order_relaxed);
        HULSE_LOG_WARNF("store.not_moved",
                        hulse_log_str("directory", s->path),
                        hulse_log_u64("segment", c->segment),
                        hulse_log_str("error", damaged ? "damaged" : strerrordesc_np(c->broken)));
    }
    (void)pthread_mutex_lock(&s->lock);
    if (later) {
        hulse_state_stays(s->state, c->segment, damaged ? UINT64_MAX : now_ns + COPY_STAYS_NS);
    }
    (void)hulse_state_moving(s->state, 0);
    (void)pthread_mutex_unlock(&s->lock);
    c->segment = 0;
    c->next_ns = 0;
}

/* ---- one part of it ---------------------------------------------------------------------- */

static bool moves(struct store *s, const struct frame *f)
{
    if (f->kind != STORE_MESSAGE) {
        return false;
    }
    (void)pthread_mutex_lock(&s->lock);
    const bool needed =
        hulse_state_moves(s->state, f->topic, f->position, s->reader.copier.segment);
    (void)pthread_mutex_unlock(&s->lock);
    return needed;
}

/* Nobody uses it again while it is read. False: somebody has. */
static bool hold(struct store *s)
{
    const uint64_t segment = s->reader.copier.segment;
    bool there = false;

    (void)pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i + 1 < s->space.used_count && !there; i++) {
        there = s->space.used[i] == segment;
    }
    s->space.reading = there ? segment : 0;
    (void)pthread_mutex_unlock(&s->lock);
    return there;
}

static void let_go(struct store *s)
{
    (void)pthread_mutex_lock(&s->lock);
    s->space.reading = 0;
    const bool kept = s->space.kept;
    (void)pthread_mutex_unlock(&s->lock);
    if (kept) {
        hulse_store_call_writer(s);
    }
}

static int open_image(struct store *s)
{
    struct image *im = &s->reader.image;
    const uint64_t segment = s->reader.copier.segment;

    if (im->seg.fd >= 0 && im->seg.number == segment) {
        return 0;
    }
    return hulse_image_open(im, &s->place, segment);
}

/* What is met from copier.at on, as far as one turn goes. 0, or the error number: not now. */
static int gather(struct store *s)
{
    struct copier *c = &s->reader.copier;
    struct image *im = &s->reader.image;
    struct scan_item item = {0};
    uint32_t bytes = 0;

    int failed = open_image(s);
    if (failed != 0) {
        return failed;
    }
    im->lenient = false;
    hulse_image_begin(im, c->at, 0);
    c->to = c->at;
    while (c->to - c->at < COPY_TURN_BYTES && bytes < COPY_TURN_BYTES &&
           s->copies.count < COPY_ITEMS_MAX) {
        const enum scan_rc rc = hulse_image_next(im, &item);
        if (rc == SCAN_END) {
            c->ends = im->failed == 0;
            return im->failed;
        }
        const bool needed = rc != SCAN_GAP && moves(s, &item.frame);
        if (rc == SCAN_GAP || (rc == SCAN_DAMAGED && needed)) {
            return EBADMSG;
        }
        if (needed && !take_item(s, &item)) {
            return ENOMEM;
        }
        bytes += needed ? item.frame.length : 0;
        c->to = item.to;
    }
    return 0;
}

/* The writer has stored what was offered, or has found that more is needed than was when it was read. */
static void settle(struct store *s)
{
    struct copier *c = &s->reader.copier;
    const bool refused = s->copies.refused;

    free_items(&s->copies);
    if (refused) {
        (void)pthread_mutex_lock(&s->lock);
        c->widened = hulse_state_moving(s->state, c->segment);
        (void)pthread_mutex_unlock(&s->lock);
        c->at = BLOCK_BYTES;
        c->ends = false;
        return;
    }
    c->at = c->to;
}

static bool is_lacking(int failed)
{
    return failed == ENOMEM || failed == EMFILE || failed == ENFILE;
}

/* What is there in another shape than it should be, or not at all. */
static bool is_damage(int failed)
{
    return failed == EBADMSG || failed == ENOENT || failed == ENODATA || failed == ESTALE;
}

/* Gathers what one turn moves, and offers it. False: what lacks is waited for. */
static bool go_on(struct store *s, uint64_t now_ns)
{
    struct copier *c = &s->reader.copier;
    const int failed = gather(s);

    let_go(s);
    c->lacked = is_lacking(failed) ? failed : 0;
    if (failed != 0 && c->lacked == 0) {
        c->broken = is_damage(failed) ? EBADMSG : failed;
        c->ends = true;
    }
    c->next_ns = now_ns + (c->lacked != 0 ? COPY_RETRY_NS : COPY_PAUSE_NS);
    if (s->copies.count == 0) {
        c->at = c->to;
        return c->lacked == 0;
    }
    for (uint32_t i = 0; i < s->copies.count; i++) {
        c->copied += s->copies.items[i].rq.body[0].bytes + FRAME_HEADER_BYTES;
    }
    s->copies.segment = c->segment;
    s->copies.widened = c->widened;
    offer(s);
    return true;
}

bool hulse_copy_turn(struct store *s)
{
    struct copier *c = &s->reader.copier;
    const uint64_t now_ns = hulse_clock_ns();

    if (is_ending(s) || !hulse_store_healthy(s) || is_offered(s)) {
        return false;
    }
    if (s->copies.count != 0) {
        settle(s);
    }
    if (now_ns < c->next_ns && !(c->segment != 0 && is_full(s) && c->lacked == 0)) {
        return false;
    }
    if (c->segment == 0 && !choose(s, now_ns)) {
        return false;
    }
    if (c->ends || !hold(s)) {
        leave(s, now_ns);
        return true;
    }
    return go_on(s, now_ns);
}

uint64_t hulse_copy_patience_ns(const struct store *s)
{
    const struct copier *c = &s->reader.copier;
    const uint64_t now_ns = hulse_clock_ns();

    if (is_ending(s) || !hulse_store_healthy(s) || is_offered(s) || c->next_ns == 0) {
        return 0;
    }
    return c->next_ns > now_ns ? c->next_ns - now_ns : 1;
}

void hulse_copy_end(struct store *s)
{
    free_items(&s->copies);
    atomic_store_explicit(&s->copies.offered, 0, memory_order_relaxed);
}

/* ---- the writer -------------------------------------------------------------------------- */

bool hulse_copy_is_due(const struct store *s)
{
    return is_offered(s) && s->copies.waited >= COPY_WAITS_MAX;
}

enum group_rc hulse_copy_add(struct store *s)
{
    struct copies *c = &s->copies;
    /* SYNC(store.copies) acquire: the messages after their number. */
    const uint32_t offered = atomic_load_explicit(&c->offered, memory_order_acquire);

    while (offered != 0 && c->next < offered) {
        struct copy_item *item = &c->items[c->next];
        if (s->writer.widens || s->writer.deleted) {
            return GROUP_CLOSED; /* what that does has to be known; nothing is moved behind the end of its topic */
        }
        if (hulse_state_widened(s->state) != c->widened) {
            c->refused = true;
            c->next = offered;
            break;
        }
        if (hulse_state_moves(s->state, item->rq.topic, item->rq.position, c->segment)) {
            const enum group_rc rc = hulse_group_copy(s, item);
            if (rc != GROUP_TAKEN) {
                return rc;
            }
        }
        c->next++;
    }
    return GROUP_TAKEN;
}

void hulse_copy_stored(struct store *s)
{
    struct copies *c = &s->copies;
    /* SYNC(store.copies) acquire: they may have come since hulse_copy_add(). */
    const uint32_t offered = atomic_load_explicit(&c->offered, memory_order_acquire);

    const bool waits = offered != 0 && c->next < offered;
    c->waited = waits ? c->waited + 1 : 0;
    if (offered == 0 || waits) {
        return;
    }
    /* SYNC(store.copies_done) release: what it says of them. */
    atomic_store_explicit(&c->offered, 0, memory_order_release);
    hulse_store_call_reader(s);
}
