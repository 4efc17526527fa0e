/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each kind of frame does to the state.
 *
 * A frame from before `covered` has done it already, and what came after it is known as well: it only
 * brings back what the checkpoint could not be read for, which is marked `rebuilt`.
 */
#include "daemon/core/assert.h"
#include "daemon/store/state_internal.h"

#include <string.h>

struct applied {
    struct state *s;
    const struct frame *f;
    struct state_topic *topic; /* NULL: unknown */
    struct record r;
    uint64_t lsn;
    bool old;
    bool transient;
};

static void at_least(uint64_t *value, uint64_t to)
{
    *value = *value > to ? *value : to;
}

/* No position below is given any more. */
static bool heard_of(struct applied *a, uint64_t next)
{
    if (a->topic->next_position >= next) {
        return true;
    }
    a->topic->next_position = next;
    return hulse_state_topic_touch(a->s, a->topic);
}

static bool damaged(struct applied *a)
{
    a->s->damaged++;
    return true;
}

static bool on_message(struct applied *a)
{
    struct state_topic *topic = a->topic;
    const uint64_t position = a->f->position;
    const bool copy = (a->f->flags & FRAME_COPY) != 0;
    const struct index_entry entry = {.position = position, .lsn = a->lsn, .bytes = a->f->length};

    if (position >= STORE_POSITION_MAX) {
        return damaged(a);
    }
    /* What is moved is no sign of its producer. */
    if (!copy && !hulse_state_handle_seen(a->s, topic, a->f)) {
        return false;
    }
    if (position < topic->messages_end) {
        return !copy || hulse_index_move(a->s, topic, &entry); /* Else it is there already. */
    }
    if (topic->damage_seen != a->s->damages) {
        topic->damage_seen = a->s->damages;
        if (!hulse_ranges_add(&topic->lost, topic->messages_end, position)) {
            return false;
        }
    }
    topic->messages_end = position + 1;
    at_least(&topic->next_position, position + 1);
    return (copy ? hulse_index_move(a->s, topic, &entry) : hulse_index_add(a->s, topic, &entry)) &&
           hulse_state_topic_touch(a->s, topic);
}

static bool on_topic_create(struct applied *a)
{
    const uint64_t id = a->f->topic;
    struct state_topic *namesake = NULL;

    if (id == 0 || id >= STORE_POSITION_MAX) {
        return damaged(a);
    }
    at_least(&a->s->topic_next, id + 1);
    if (a->topic != NULL || hulse_ranges_has(&a->s->gone, id)) {
        return true;
    }
    namesake = hulse_state_topic_by_name(a->s, a->r.name, a->r.name_bytes);
    if (namesake != NULL) {
        if (a->old) {
            /* The name is taken since, so the end of this one has come. */
            return hulse_ranges_add(&a->s->gone, id, id + 1);
        }
        /* Its end was in what is damaged. */
        if (!hulse_state_topic_remove(a->s, namesake)) {
            return false;
        }
    }
    struct state_topic *topic = hulse_state_topic_add(a->s, id, a->r.name, a->r.name_bytes);
    if (topic == NULL) {
        return false;
    }
    topic->kept = a->r.kept;
    topic->rebuilt = a->old;
    return hulse_state_topic_touch(a->s, topic);
}

static bool on_subscription_create(struct applied *a)
{
    const uint64_t id = a->r.subscription;
    struct state_subscription *sub = NULL;

    if (id == 0 || id >= STORE_POSITION_MAX || a->f->position >= STORE_POSITION_MAX) {
        return damaged(a);
    }
    at_least(&a->s->subscription_next, id + 1);
    hulse_index_widen(a->s, a->topic, a->f->position);
    if (hulse_id_map_get(&a->s->subscriptions, id) != NULL) {
        return true;
    }
    for (sub = a->topic->subscriptions; sub != NULL; sub = sub->next) {
        if (strncmp(sub->name, a->r.name, a->r.name_bytes) == 0 &&
            sub->name[a->r.name_bytes] == '\0') {
            break;
        }
    }
    if (sub != NULL) {
        if (a->old) {
            return true;
        }
        if (!hulse_state_subscription_remove(a->s, sub)) {
            return false;
        }
    }
    sub = hulse_state_subscription_add(a->s, a->topic, &a->r);
    if (sub == NULL || !hulse_ranges_add(&sub->acknowledged, 0, a->f->position)) {
        return false;
    }
    sub->transient = a->transient;
    sub->rebuilt = a->old;
    a->s->transient_count += a->transient ? 1 : 0;
    return hulse_state_subscription_touch(a->s, sub) && heard_of(a, a->f->position);
}

static bool on_ack(struct applied *a, struct state_subscription *sub)
{
    const uint32_t count = a->r.list_count;

    if (count > 0 && hulse_record_range(&a->r, count - 1).end > STORE_POSITION_MAX) {
        return damaged(a);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct range range = hulse_record_range(&a->r, i);
        if (!hulse_cursor_acknowledge(sub, range) || !heard_of(a, range.end)) {
            return false;
        }
    }
    return true;
}

static bool on_redelivered(struct applied *a, struct state_subscription *sub)
{
    for (uint32_t i = 0; i < a->r.list_count; i++) {
        const struct store_count count = hulse_record_count(&a->r, i);
        if (count.position < STORE_POSITION_MAX && !hulse_cursor_redelivered(sub, count)) {
            return false;
        }
    }
    return true;
}

/* What names a subscription. */
static bool on_subscription(struct applied *a)
{
    struct state_subscription *sub = hulse_id_map_get(&a->s->subscriptions, a->r.subscription);
    bool ok = true;

    if (sub == NULL) {
        return true; /* Deleted since, or lost with what made it. */
    }
    if (sub->topic != a->topic) {
        return damaged(a);
    }
    if (a->f->kind == STORE_SUBSCRIPTION_DELETE) {
        return hulse_state_subscription_remove(a->s, sub);
    }
    if (a->old && !sub->rebuilt) {
        return true;
    }
    if (a->f->kind == STORE_ACK) {
        ok = on_ack(a, sub);
    } else if (a->f->kind == STORE_REDELIVERED) {
        ok = on_redelivered(a, sub);
    } else if (a->f->position >= STORE_POSITION_MAX) {
        return damaged(a);
    } else {
        hulse_index_widen(a->s, a->topic, a->f->position);
        ok = hulse_cursor_seek(sub, a->f->position) && heard_of(a, a->f->position);
    }
    return ok && hulse_state_subscription_touch(a->s, sub);
}

static bool on_trim(struct applied *a)
{
    if (a->f->position >= STORE_POSITION_MAX) {
        return damaged(a);
    }
    at_least(&a->topic->trimmed_to, a->f->position);
    at_least(&a->topic->next_position, a->f->position);
    return hulse_state_topic_touch(a->s, a->topic);
}

static bool on_handle_close(struct applied *a)
{
    struct state_handle *handle = hulse_state_handle_get(a->s, a->topic, a->f->handle);

    return handle == NULL || hulse_state_handle_remove(a->s, handle, true);
}

/* What is about a topic that is there. */
static bool on_topic(struct applied *a)
{
    switch (a->f->kind) {
    case STORE_MESSAGE:
        return on_message(a);
    case STORE_SUBSCRIPTION_CREATE:
        return on_subscription_create(a);
    case STORE_ACK:
    case STORE_REDELIVERED:
    case STORE_SUBSCRIPTION_DELETE:
    case STORE_SUBSCRIPTION_SEEK:
        return on_subscription(a);
    case STORE_TOPIC_DELETE:
        return hulse_state_topic_remove(a->s, a->topic);
    case STORE_TOPIC_TERMINATE:
        a->topic->terminated = true;
        return hulse_state_topic_touch(a->s, a->topic);
    case STORE_TOPIC_TRIM:
        return on_trim(a);
    case STORE_HANDLE_CLOSE:
        return on_handle_close(a);
    default:
        return damaged(a);
    }
}

static bool apply(struct applied *a)
{
    struct state *s = a->s;
    const struct frame *f = a->f;

    if (f->length < FRAME_HEADER_BYTES ||
        (f->kind != STORE_MESSAGE &&
         !hulse_record_decode(f->kind, f->body, f->length - FRAME_HEADER_BYTES, &a->r))) {
        return damaged(a);
    }
    if (f->kind == FRAME_CLEAN) {
        return true;
    }
    if (f->kind == FRAME_EPOCH) {
        s->epoch = f->epoch > s->epoch ? f->epoch : s->epoch;
        if (a->r.next_topic <= STORE_POSITION_MAX && a->r.next_subscription <= STORE_POSITION_MAX) {
            at_least(&s->topic_next, a->r.next_topic);
            at_least(&s->subscription_next, a->r.next_subscription);
        }
        return true;
    }
    a->topic = hulse_id_map_get(&s->topics, f->topic);
    if (f->kind == STORE_TOPIC_CREATE) {
        return on_topic_create(a);
    }
    if (a->topic == NULL) {
        s->homeless += f->topic < s->known_below || hulse_ranges_has(&s->gone, f->topic) ? 0 : 1;
        return true;
    }
    return on_topic(a);
}

bool hulse_state_apply(struct state *s, const struct frame *f, uint64_t lsn)
{
    struct applied a = {.s = s, .f = f, .lsn = lsn, .old = lsn < s->covered};

    return apply(&a);
}

bool hulse_state_apply_transient(struct state *s, const struct frame *f)
{
    struct applied a = {.s = s, .f = f, .transient = true};

    HULSE_ASSERT(f->kind != STORE_MESSAGE);
    return apply(&a);
}
