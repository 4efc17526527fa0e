/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check - reads every segment, and asks for each message that somebody waits for whether it is there.
 *
 * While the store runs, cursors are looked at after the log was read: what was acknowledged, and perhaps
 * passed over by the log meanwhile, is not missed. Messages that came after the beginning are not asked for. What is waited
 * for and not there is missed when there is damage where it should be: else nobody waited for it when its segment
 * was used again, and a cursor has gone back since.
 */
#include "daemon/store/format.h"
#include "daemon/store/image.h"
#include "daemon/store/look_open.h"
#include "daemon/store/state_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { READ_AHEAD = 1 << 20 };

/* Of one topic. */
struct seen {
    struct ranges there;  /* positions met in the log */
    struct ranges doubts; /* of what may be damaged, or is known to be lost */
    uint64_t end;         /* of its messages, at the beginning */
};

struct check {
    struct look *look;
    struct store_findings *out;
    struct id_map topics; /* struct seen */
    struct ranges broken; /* segments in which there is damage, or of which nothing is there */
    uint64_t newest;      /* of those that are looked at */
    struct image image;
    bool no_memory;
};

/* ---- the log ----------------------------------------------------------------------------- */

static void note_message(struct check *c, const struct frame *f)
{
    struct seen *seen = hulse_id_map_get(&c->topics, f->topic);

    c->out->messages++;
    if (seen != NULL && f->position < STORE_POSITION_MAX &&
        !hulse_ranges_add(&seen->there, f->position, f->position + 1)) {
        c->no_memory = true;
    }
}

static void note_damage(struct check *c, uint64_t bytes)
{
    c->out->damaged_records++;
    c->out->damaged_bytes += bytes;
}

/* What is broken and behind the end of the log was cut off, or will be. */
static void read_segment(struct check *c, uint64_t number)
{
    const uint64_t base = number * c->look->place.segment_bytes;
    struct scan_item item;
    enum scan_rc rc = SCAN_END;

    c->out->segments++;
    c->image.lenient = true;
    hulse_image_begin(&c->image, BLOCK_BYTES, 0);
    while (!c->no_memory && (rc = hulse_image_next(&c->image, &item)) != SCAN_END &&
           base + item.from < c->look->end) {
        if (rc != SCAN_FRAME) {
            note_damage(c, item.to - item.from);
            continue;
        }
        c->out->records++;
        if (item.frame.kind == STORE_MESSAGE) {
            note_message(c, &item.frame);
        }
    }
}

/* What cannot be opened holds nothing that can be read. */
static bool is_lost(int failed)
{
    return failed == EBADMSG || failed == EIO || failed == ENODATA || failed == ESTALE ||
           failed == ENOENT;
}

/* One that is on its way to a later use holds nothing that anybody needs. */
static bool counts(const struct check *c, uint64_t number)
{
    const struct look *l = c->look;
    const uint64_t base = number * l->place.segment_bytes;

    hulse_look_lock(l);
    const bool needed = hulse_state_needs(l->state, number);
    const uint64_t covered = l->running != NULL ? l->running->committed : l->found.scan_from;
    hulse_look_unlock(l);
    return needed || base >= covered;
}

static hulse_status read_log(struct check *c, struct error *err)
{
    const struct look *l = c->look;

    for (size_t i = 0; i < l->count && !c->no_memory; i++) {
        const uint64_t number = l->numbers[i];
        const struct store_findings before = *c->out;
        const hulse_status stopped = hulse_look_stopped(l, err);
        if (stopped != HULSE_OK) {
            return stopped;
        }
        int failed = hulse_image_open(&c->image, &l->place, number);
        if (failed == 0) {
            read_segment(c, number);
            failed = c->image.failed;
        } else if (is_lost(failed)) {
            failed = 0;
            if (counts(c, number)) {
                note_damage(c, l->place.segment_bytes);
            }
        }
        if (failed != 0) {
            return hulse_fail(err, HULSE_IO, "reading the log: %s", strerrordesc_np(failed));
        }
        if (c->out->damaged_records == before.damaged_records) {
            c->newest = number;
            continue;
        }
        if (!hulse_look_has(l, number)) {
            *c->out = before; /* used again while it was read */
        } else {
            c->no_memory = !hulse_ranges_add(&c->broken, number, number + 1) || c->no_memory;
        }
        c->newest = number;
    }
    c->out->damaged_bytes += c->image.unreadable;
    return HULSE_OK;
}

/* ---- cursors ----------------------------------------------------------------------------- */

static void begin_topics(struct check *c)
{
    const struct state_topic *topic = NULL;
    size_t at = 0;

    while (!c->no_memory && (topic = hulse_id_map_next(&c->look->state->topics, &at)) != NULL) {
        struct seen *seen = calloc(1, sizeof(*seen));
        if (seen == NULL || !hulse_id_map_put(&c->topics, topic->id, seen)) {
            free(seen);
            c->no_memory = true;
            return;
        }
        seen->end = topic->messages_end;
    }
}

static void end_topics(struct check *c)
{
    struct seen *seen = NULL;
    size_t at = 0;

    while ((seen = hulse_id_map_next(&c->topics, &at)) != NULL) {
        hulse_ranges_clear(&seen->there);
        hulse_ranges_clear(&seen->doubts);
        free(seen);
    }
    hulse_id_map_clear(&c->topics);
}

/* Of one that runs: what began behind the end of the log that was looked at was moved there since. */
static bool is_later(const struct check *c, const struct index_group *group)
{
    const uint64_t base = group->segment * c->look->place.segment_bytes;

    return c->look->running != NULL &&
           (group->segment > c->newest ||
            (group->spot_count > 0 &&
             base + group->spots[group->spot_count - 1].offset >= c->look->end));
}

/*
 * Runs of which something may be missing: in segments with damage, in those that are not there, and those whose last message was
 * not met.
 */
static void note_doubts(struct check *c, const struct state_topic *topic, struct seen *seen)
{
    bool ok = hulse_ranges_add_all(&seen->doubts, &topic->lost);

    for (uint32_t i = 0; ok && i < topic->group_count; i++) {
        const struct index_group *group = topic->groups[i];
        const bool whole = hulse_ranges_has(&seen->there, group->last_position) &&
                           !hulse_ranges_has(&c->broken, group->segment);
        if (!whole && !is_later(c, group)) {
            ok = hulse_ranges_add(&seen->doubts, group->first_position, group->last_position + 1);
        }
    }
    c->no_memory = !ok || c->no_memory;
}

/* Of [from, end): how many are in doubt, and not there. */
static uint64_t count_lost(const struct seen *seen, uint64_t from, uint64_t end)
{
    uint64_t lost = 0;

    for (uint32_t i = 0; i < seen->doubts.count; i++) {
        const struct range *r = &seen->doubts.list[i];
        const uint64_t first = r->first > from ? r->first : from;
        const uint64_t stop = r->end < end ? r->end : end;
        if (first < stop) {
            lost += stop - first - hulse_ranges_count(&seen->there, first, stop);
        }
    }
    return lost;
}

/* Of [first, end): what this one has not acknowledged, there and not there. */
static void ask_cursor(const struct state_subscription *sub,
                       const struct seen *seen,
                       uint64_t first,
                       uint64_t *waiting,
                       uint64_t *lost)
{
    const struct ranges *acked = &sub->acknowledged;
    uint64_t there = 0;
    uint64_t missed = 0;

    for (uint64_t at = hulse_ranges_next_gap(acked, first); at < seen->end;) {
        uint64_t stop = seen->end;
        /* Up to the next range: found by halving, as there is no question for it. */
        uint32_t low = 0;
        uint32_t high = acked->count;
        while (low < high) {
            const uint32_t middle = low + (high - low) / 2;
            if (acked->list[middle].first > at) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        if (low < acked->count && acked->list[low].first < stop) {
            stop = acked->list[low].first;
        }
        there += hulse_ranges_count(&seen->there, at, stop);
        missed += seen->doubts.count == 0 ? 0 : count_lost(seen, at, stop);
        at = stop < seen->end ? hulse_ranges_next_gap(acked, stop) : stop;
    }
    *waiting = there > *waiting ? there : *waiting;
    *lost = missed > *lost ? missed : *lost;
}

static void ask_cursors(struct check *c)
{
    const struct state_topic *topic = NULL;
    size_t at = 0;

    while ((topic = hulse_id_map_next(&c->look->state->topics, &at)) != NULL) {
        struct seen *seen = hulse_id_map_get(&c->topics, topic->id);
        uint64_t waiting = 0;
        uint64_t lost = 0;
        if (seen != NULL) {
            note_doubts(c, topic, seen);
        }
        for (const struct state_subscription *sub = topic->subscriptions;
             sub != NULL && seen != NULL;
             sub = sub->next) {
            ask_cursor(sub, seen, hulse_state_first_position(topic), &waiting, &lost);
        }
        c->out->waiting_messages += waiting;
        c->out->lost_messages += lost;
    }
}

/* ---- both -------------------------------------------------------------------------------- */

static void note_state(struct check *c)
{
    const struct look *l = c->look;
    struct state_figures figures;

    hulse_state_figures(l->state, &figures);
    c->out->topics = figures.topics;
    c->out->subscriptions = figures.subscriptions;
    c->out->log_bytes = l->count * (uint64_t)l->place.segment_bytes;
    if (l->running == NULL) {
        c->out->homeless_records = figures.homeless_records;
        /* Of what was in missing segments cursors do not know where it began. */
        if (figures.lost_messages > c->out->lost_messages) {
            c->out->lost_messages = figures.lost_messages;
        }
        c->out->unfinished_bytes = l->report.cut_bytes;
        c->out->missing_segments = l->report.missing_segments;
        c->out->state_damaged = l->found.state_lost;
        c->out->copy_damaged = l->found.copy_lost;
        c->out->damaged_rows = l->found.bad_rows;
    }
}

static hulse_status ask_format(const struct check *c, struct error *err)
{
    const struct look *l = c->look;
    struct format format = {.restored = l->stopped.restored};
    const hulse_status status =
        l->running == NULL
            ? HULSE_OK
            : hulse_format_judge(&l->running->directory, l->running->path, &format, err);

    c->out->format_damaged = format.restored || format.fresh;
    return status;
}

static hulse_status look_through(struct look *l, struct store_findings *out, struct error *err)
{
    struct check c = {.look = l, .out = out, .image = {.seg = {.fd = -1}}};
    hulse_status status = HULSE_OK;

    *out = (struct store_findings){0};
    c.no_memory = hulse_image_init(&c.image, l->place.segment_bytes, READ_AHEAD) != 0;
    hulse_look_lock(l);
    if (!c.no_memory) {
        c.no_memory = !hulse_look_list(l);
        begin_topics(&c);
    }
    hulse_look_unlock(l);
    if (!c.no_memory) {
        status = read_log(&c, err);
    }
    if (status == HULSE_OK) {
        status = ask_format(&c, err);
    }
    hulse_look_lock(l);
    ask_cursors(&c);
    note_state(&c);
    hulse_look_unlock(l);
    hulse_image_fini(&c.image);
    end_topics(&c);
    hulse_ranges_clear(&c.broken);
    return c.no_memory ? hulse_fail(err, HULSE_NO_MEMORY, "no memory to check the store") : status;
}

bool hulse_store_findings_good(const struct store_findings *f)
{
    return f->damaged_records == 0 && f->damaged_bytes == 0 && f->missing_segments == 0 &&
           f->lost_messages == 0 && f->homeless_records == 0 && f->damaged_rows == 0 &&
           !f->state_damaged && !f->copy_damaged && !f->format_damaged;
}

size_t hulse_store_findings_list(const struct store_findings *f,
                                 struct store_finding out[STORE_FINDINGS_MAX])
{
    const struct store_finding all[] = {
        {"topics", f->topics},
        {"subscriptions", f->subscriptions},
        {"segments", f->segments},
        {"log_bytes", f->log_bytes},
        {"records", f->records},
        {"messages", f->messages},
        {"waiting_messages", f->waiting_messages},
        {"unfinished_bytes", f->unfinished_bytes},
        {"damaged_records", f->damaged_records},
        {"damaged_bytes", f->damaged_bytes},
        {"missing_segments", f->missing_segments},
        {"lost_messages", f->lost_messages},
        {"homeless_records", f->homeless_records},
        {"damaged_rows", f->damaged_rows},
        {"state_damaged", f->state_damaged ? 1 : 0},
        {"copy_damaged", f->copy_damaged ? 1 : 0},
        {"format_damaged", f->format_damaged ? 1 : 0},
    };

    static_assert(sizeof(all) / sizeof(all[0]) <= STORE_FINDINGS_MAX, "all have room");
    memcpy(out, all, sizeof(all));
    return sizeof(all) / sizeof(all[0]);
}

hulse_status hulse_store_check(const char *directory, struct store_findings *out, struct error *err)
{
    struct look look;
    hulse_status status = hulse_look_open(&look, directory, err);

    if (status == HULSE_OK) {
        status = look_through(&look, out, err);
        hulse_look_close(&look);
    }
    return status;
}

hulse_status hulse_store_check_running(struct store *s,
                                       const _Atomic(uint32_t) *stop,
                                       struct store_findings *out,
                                       struct error *err)
{
    struct look look;

    hulse_look_attach(&look, s, stop);
    const hulse_status status = look_through(&look, out, err);
    hulse_look_close(&look);
    return status;
}
