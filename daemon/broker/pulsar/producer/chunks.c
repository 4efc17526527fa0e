/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunks - see the header.
 */
#include "daemon/broker/pulsar/producer/chunks.h"

#include "daemon/broker/pulsar/producer/senders.h"
#include "daemon/broker/pulsar/wire/frame.h"

#include <inttypes.h>
#include <stdio.h>

/* Of one attempt, in hexadecimal digits. */
#define ATTEMPT_BYTES 8U
/* The name, a hyphen, a number, a hyphen, the attempt. */
#define UUID_BYTES (PULSAR_SENDER_NAME_BYTES + 22U + ATTEMPT_BYTES)

struct attempt {
    char digits[ATTEMPT_BYTES + 1];
};

static struct attempt another(struct pulsar_sender *s)
{
    struct attempt a;

    (void)snprintf(a.digits,
                   sizeof(a.digits),
                   "%08" PRIx32,
                   (uint32_t)(hulse_jitter_next(&s->all->pw->jitter) >> 32U));
    return a;
}

static void destroy_all(struct pulsar_sender *s, struct pulsar_entries *list)
{
    struct pulsar_entry *e = NULL;

    while ((e = TAILQ_FIRST(list)) != NULL) {
        TAILQ_REMOVE(list, e, link);
        hulse_pulsar_entry_destroy(&s->all->blocks, e);
    }
}

/* One entry for each, at the end of the list. The memory that they take; 0: there is none. */
static uint64_t make_all(struct pulsar_sender *s,
                         struct pulsar_entries *list,
                         struct wire_draft *d,
                         struct broker_span payload,
                         uint32_t head_room,
                         uint32_t capacity)
{
    uint64_t memory = 0;
    uint32_t at = 0;

    for (d->chunk = 0; d->chunk < d->chunk_count; d->chunk++) {
        const uint32_t left = payload.bytes - at;
        const struct broker_span part = {.data = payload.data + at,
                                         .bytes = left < capacity ? left : capacity};
        struct pulsar_entry *e =
            hulse_pulsar_entry_create(&s->all->blocks, head_room + part.bytes, 1);
        if (e == NULL) {
            destroy_all(s, list);
            return 0;
        }
        hulse_pulsar_entry_seal(e, s->user.id, d, part, head_room);
        TAILQ_INSERT_TAIL(list, e, link);
        memory += (uint64_t)e->room + e->memory_room;
        at += part.bytes;
    }
    return memory;
}

static void append_all(struct pulsar_sender *s, struct pulsar_entries *list, uint64_t deadline_ns)
{
    struct pulsar_entry *e = NULL;

    while ((e = TAILQ_FIRST(list)) != NULL) {
        TAILQ_REMOVE(list, e, link);
        e->deadline_ns = deadline_ns;
        hulse_pulsar_outbox_append(s, e);
    }
}

enum chunks_rc hulse_pulsar_chunks_put(struct pulsar_sender *s,
                                       struct pulsar_producer *p,
                                       struct wire_draft *d,
                                       const struct chunks_message *m)
{
    struct pulsar_entries made = TAILQ_HEAD_INITIALIZER(made);
    char uuid[UUID_BYTES];

    d->uuid.data = (const uint8_t *)uuid;
    d->uuid.bytes = (uint32_t)snprintf(
        uuid, sizeof(uuid), "%s-%" PRIu64 "-%s", s->name, d->sequence_id, another(s).digits);
    d->chunked_bytes = (int32_t)m->payload.bytes;
    const uint64_t head_room = WIRE_SEND_HEAD_BYTES_MAX + hulse_wire_draft_room(d);
    if (head_room >= m->message_bytes_max) {
        return CHUNKS_TOO_LARGE;
    }
    const uint32_t capacity = m->message_bytes_max - (uint32_t)head_room;
    d->chunk_count =
        (int32_t)(m->payload.bytes / capacity + (m->payload.bytes % capacity != 0 ? 1 : 0));
    const uint64_t memory = make_all(s, &made, d, m->payload, (uint32_t)head_room, capacity);
    if (memory == 0) {
        return CHUNKS_NO_MEMORY;
    }
    hulse_pulsar_handle_take(p, TAILQ_LAST(&made, pulsar_entries), m->token, (uint32_t)memory);
    s->all->figures.chunked += 1;
    append_all(s, &made, m->deadline_ns);
    d->uuid = (struct broker_span){0};
    return CHUNKS_PUT;
}

/*
 * Of the first message there is but the last chunk left, or nothing of what is left was ever sent: none comes twice. When one came
 * damaged nobody knows which chunks the receipts were of.
 */
static bool goes_on(const struct pulsar_entry *first)
{
    return !first->ever_sent || (first->count > 0 && !first->damaged);
}

static void take_kept(struct pulsar_sender *s)
{
    struct pulsar_entry *e = NULL;

    s->copied = false;
    while ((e = TAILQ_LAST(&s->kept, pulsar_entries)) != NULL) {
        TAILQ_REMOVE(&s->kept, e, link);
        e->sent = false;
        e->refused = false;
        TAILQ_INSERT_HEAD(&s->entries, e, link);
        s->unsent = e;
    }
}

/* What stands behind the message that begins with it. `attempt`: the one that it is, from here on; NULL: as before. */
static struct pulsar_entry *behind(struct pulsar_entry *first, const struct attempt *attempt)
{
    const uint64_t sequence = first->sequence;
    struct pulsar_entry *e = first;

    for (; e != NULL && e->chunk && e->sequence == sequence; e = TAILQ_NEXT(e, link)) {
        if (attempt != NULL) {
            hulse_pulsar_entry_rename(e, attempt->digits, ATTEMPT_BYTES);
        }
    }
    return e;
}

void hulse_pulsar_chunks_again(struct pulsar_sender *s)
{
    struct pulsar_entry *e = TAILQ_FIRST(&s->entries);

    if (!TAILQ_EMPTY(&s->kept)) {
        if (goes_on(e)) {
            e = behind(e, NULL);
        } else {
            take_kept(s);
            e = TAILQ_FIRST(&s->entries);
        }
    }
    while (e != NULL && e->ever_sent) {
        const struct attempt attempt = another(s);
        e = e->chunk ? behind(e, &attempt) : TAILQ_NEXT(e, link);
    }
}
