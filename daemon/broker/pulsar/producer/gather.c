/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gather - records become entries: a batch that grows until it is full, or one message alone.
 *
 * An entry is forgotten as a whole, so its records have about the same deadline.
 */
#include "daemon/broker/pulsar/producer/chunks.h"
#include "daemon/broker/pulsar/producer/senders.h"
#include "daemon/broker/pulsar/wire/expiry.h"
#include "daemon/broker/pulsar/wire/frame.h"
#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "daemon/core/mem.h"
#include "daemon/worker/worker.h"
#include "include/hulse/status.h"

#include <string.h>

#define NS_PER_MS UINT64_C(1000000)
/* Of the broker's limit: a bookie whose limit for a frame is the same puts its own head before the entry (5.1). */
#define ENTRY_SPARE_BYTES 68U
/* What a record without metadata takes in a batch of its own, the frame's head with a name of the largest size too. */
#define PLAIN_OVERHEAD_MAX 2048U

static const struct broker_meta no_meta = {.partition = -1};

static const int32_t compressions[] = {[BROKER_PLAIN] = PULSAR__COMPRESSION_TYPE__NONE,
                                       [BROKER_LZ4] = PULSAR__COMPRESSION_TYPE__LZ4,
                                       [BROKER_ZLIB] = PULSAR__COMPRESSION_TYPE__ZLIB,
                                       [BROKER_ZSTD] = PULSAR__COMPRESSION_TYPE__ZSTD,
                                       [BROKER_SNAPPY] = PULSAR__COMPRESSION_TYPE__SNAPPY};

static uint32_t message_bytes_max(const struct pulsar_sender *s)
{
    return s->message_bytes_max > ENTRY_SPARE_BYTES ? s->message_bytes_max - ENTRY_SPARE_BYTES : 0;
}

/* What became of a record. */
enum fate {
    IS_TAKEN,
    IS_ANSWERED,
    IS_LEFT /* there is no memory for it now */
};

static void refuse(struct pulsar_producer *p,
                   const struct broker_record *r,
                   enum broker_class class,
                   uint8_t outcome)
{
    const struct broker_answer answer = {.class = class, .outcome = outcome};
    p->base.events->answered(p->base.ctx, r->token, &answer);
}

/* 0: none. A time in the future counts as now. */
static uint64_t deadline_of(const struct pulsar_sender *s, const struct broker_record *r)
{
    const uint64_t now = s->all->pw->loop->now_ns;

    if (s->gathering.send_timeout_ms == 0) {
        return 0;
    }
    return (r->enqueued_ns < now ? r->enqueued_ns : now) + s->gathering.send_timeout_ms * NS_PER_MS;
}

/* ---- sealing ---- */

/* The payload as it goes out: compressed where that makes it smaller, which each entry says for itself. */
static struct broker_span
squeeze(struct pulsar_sender *s, struct broker_span payload, struct wire_draft *d)
{
    const int32_t type = compressions[s->gathering.compression];
    const uint64_t bound = hulse_wire_compress_bound(type, payload.bytes);
    uint8_t *out = bound == 0 ? NULL : hulse_pulsar_senders_scratch(s->all, bound);
    uint32_t bytes = 0;

    if (out == NULL ||
        hulse_wire_compress(s->all->pw->contexts, type, payload, out, bound, &bytes) !=
            WIRE_COMPRESSION_OK) {
        return payload;
    }
    if (bytes >= payload.bytes) {
        return payload;
    }
    d->compression = type;
    return (struct broker_span){.data = out, .bytes = bytes};
}

/* Of the schema; nothing without one. */
static struct broker_span version_of(const struct pulsar_sender *s)
{
    return (struct broker_span){.data = s->version.data, .bytes = s->version.bytes};
}

/* The same where room is made: what the version will be may not be known yet. */
static struct broker_span version_room(const struct pulsar_sender *s)
{
    return (struct broker_span){.data = s->version.data,
                                .bytes = s->schema == NULL ? 0 : PULSAR_SCHEMA_VERSION_BYTES};
}

static struct broker_span name_of(const struct pulsar_sender *s)
{
    return (struct broker_span){.data = (const uint8_t *)s->name, .bytes = s->name_bytes};
}

static void seal_open(struct pulsar_sender *s)
{
    struct pulsar_entry *e = s->open;

    if (e == NULL) {
        return;
    }
    s->open = NULL;
    hulse_timer_stop(&s->all->pw->loop->timers, &s->delay);
    if (e->count == 0) {
        hulse_pulsar_entry_destroy(&s->all->blocks, e);
        return;
    }
    struct wire_draft d = {.producer_name = name_of(s),
                           .publish_time_ms = hulse_clock_wall_ms(),
                           .schema_version = version_of(s)};
    hulse_wire_batch_draft(&s->batch, &d);
    if (s->by_key != NULL && !s->own) {
        d.sequence_id = d.highest_sequence_id; /* batches overlap: by_key.h */
    }
    const struct broker_span payload = {.data = s->batch.data, .bytes = s->batch.bytes};
    hulse_pulsar_entry_seal(e, s->user.id, &d, squeeze(s, payload, &d), s->head_room);
    if (s->by_key == NULL) { /* of each of many it would be too much */
        s->hint_bytes = s->head_room + s->batch.bytes;
        s->hint_slots = e->count;
    }
    hulse_pulsar_outbox_append(s, e);
}

void hulse_pulsar_gather_seal(struct pulsar_sender *s)
{
    if (__builtin_expect(s->by_key == NULL, 1)) {
        seal_open(s);
        return;
    }
    hulse_pulsar_by_key_set_aside(s);
    while (hulse_pulsar_by_key_next(s)) {
        seal_open(s);
    }
}

/*
 * More than there will ever be, as it may be held twice while it is copied: the application's fragments of it are put
 * together first.
 */
static bool is_beyond_memory(uint64_t bytes)
{
    return bytes > hulse_mem_cap() / 2;
}

/* ---- a message alone ---- */

/* In no more memory than it needs, if there is some; e has room for it as it came, so it goes in any case. */
static struct pulsar_entry *fitted(struct pulsar_sender *s, struct pulsar_entry *e, uint32_t bytes)
{
    struct pulsar_entry *smaller =
        bytes > e->memory_room / 2 ? NULL : hulse_pulsar_entry_create(&s->all->blocks, bytes, 1);
    if (smaller == NULL) {
        return e;
    }
    hulse_pulsar_entry_destroy(&s->all->blocks, e);
    return smaller;
}

static void finish(struct pulsar_sender *s,
                   struct pulsar_producer *p,
                   const struct broker_record *r,
                   struct pulsar_entry *e,
                   uint64_t deadline_ns)
{
    e->deadline_ns = deadline_ns;
    hulse_pulsar_handle_take(p, e, r->token, e->room + e->memory_room);
    hulse_pulsar_outbox_append(s, e);
}

/* NULL: no memory. */
static struct pulsar_entry *whole_entry(struct pulsar_sender *s,
                                        const struct wire_draft *d,
                                        struct broker_span payload,
                                        uint32_t head_room)
{
    struct pulsar_entry *e =
        hulse_pulsar_entry_create(&s->all->blocks, head_room + payload.bytes, 1);

    if (e != NULL) {
        hulse_pulsar_entry_seal(e, s->user.id, d, payload, head_room);
    }
    return e;
}

/* What may not fit a message: whole where it does, as it is or compressed, else in chunks. */
static enum fate send_large(struct pulsar_sender *s,
                            struct pulsar_producer *p,
                            const struct broker_record *r,
                            struct wire_draft *d,
                            uint64_t deadline_ns)
{
    const struct broker_span payload = squeeze(s, r->payload, d);
    const uint64_t head_room = WIRE_SEND_HEAD_BYTES_MAX + hulse_wire_draft_room(d);
    const uint32_t max = message_bytes_max(s);

    if (payload.bytes < max && head_room <= max) {
        struct pulsar_entry *e = whole_entry(s, d, payload, (uint32_t)head_room);
        if (e == NULL) {
            return IS_LEFT;
        }
        if (e->message_bytes <= max) {
            finish(s, p, r, e, deadline_ns);
            return IS_TAKEN;
        }
        hulse_pulsar_entry_destroy(&s->all->blocks, e);
    }
    const struct chunks_message m = {.token = r->token,
                                     .deadline_ns = deadline_ns,
                                     .payload = payload,
                                     .message_bytes_max = max};
    switch (hulse_pulsar_chunks_put(s, p, d, &m)) {
    case CHUNKS_PUT:
        return IS_TAKEN;
    case CHUNKS_TOO_LARGE:
        refuse(p, r, BROKER_TOO_LARGE, HULSE_OUTCOME_TOO_LARGE);
        return IS_ANSWERED;
    case CHUNKS_NO_MEMORY:
        break;
    }
    if (is_beyond_memory(payload.bytes)) {
        refuse(p, r, BROKER_FAIL, HULSE_OUTCOME_NO_MEMORY);
        return IS_ANSWERED;
    }
    return IS_LEFT;
}

static enum fate send_alone(struct pulsar_sender *s,
                            struct pulsar_producer *p,
                            const struct broker_record *r,
                            uint64_t sequence,
                            uint64_t deadline_ns)
{
    struct wire_draft d = {.producer_name = name_of(s),
                           .sequence_id = sequence,
                           .publish_time_ms = hulse_clock_wall_ms(),
                           .schema_version = version_of(s)};

    hulse_wire_draft_record(&d, r);
    if (r->meta != NULL && r->meta->deliver_after_ms != 0) {
        const uint64_t after = r->meta->deliver_after_ms;
        const uint64_t most = (uint64_t)INT64_MAX - d.publish_time_ms;
        d.deliver_at_ms = (int64_t)(d.publish_time_ms + (after < most ? after : most));
    }
    const uint64_t head_room = WIRE_SEND_HEAD_BYTES_MAX + hulse_wire_draft_room(&d);
    if (s->chunks && head_room + r->payload.bytes > message_bytes_max(s) &&
        r->payload.bytes <= s->all->pw->broker->params.chunked_bytes_max) {
        return send_large(s, p, r, &d, deadline_ns);
    }
    if (r->payload.bytes > message_bytes_max(s) || head_room > WIRE_MESSAGE_BYTES_MAX) {
        refuse(p, r, BROKER_TOO_LARGE, HULSE_OUTCOME_TOO_LARGE);
        return IS_ANSWERED;
    }
    struct pulsar_entry *e =
        hulse_pulsar_entry_create(&s->all->blocks, (uint32_t)head_room + r->payload.bytes, 1);
    if (e == NULL && is_beyond_memory(head_room + r->payload.bytes)) {
        refuse(p, r, BROKER_FAIL, HULSE_OUTCOME_NO_MEMORY);
        return IS_ANSWERED;
    }
    if (e == NULL) {
        return IS_LEFT;
    }
    const struct broker_span payload = squeeze(s, r->payload, &d);
    e = fitted(s, e, (uint32_t)head_room + payload.bytes);
    hulse_pulsar_entry_seal(e, s->user.id, &d, payload, (uint32_t)head_room);
    if (e->message_bytes > message_bytes_max(s)) {
        hulse_pulsar_entry_destroy(&s->all->blocks, e);
        refuse(p, r, BROKER_TOO_LARGE, HULSE_OUTCOME_TOO_LARGE);
        return IS_ANSWERED;
    }
    finish(s, p, r, e, deadline_ns);
    return IS_TAKEN;
}

/* ---- a batch ---- */

/* Of the frame's memory, what the batch may use: what goes out must not be too large. */
static uint32_t batch_room(const struct pulsar_sender *s, const struct pulsar_entry *e)
{
    const uint32_t have = e->memory_room - s->head_room;
    const uint32_t max = message_bytes_max(s);
    const uint32_t most = max > s->head_room ? max - s->head_room : 0;

    return have < most ? have : most;
}

/* The head of a batch that begins with the record. */
static uint64_t batch_head_room(const struct pulsar_sender *s, const struct broker_record *r)
{
    const struct broker_meta *meta = r->meta != NULL ? r->meta : &no_meta;
    const struct wire_draft d = {.producer_name = name_of(s),
                                 .schema_version = version_room(s),
                                 .key = meta->key,
                                 .key_form = hulse_wire_key_form(meta->has_key, meta->key),
                                 .ordering_key = meta->ordering_key};

    return WIRE_SEND_HEAD_BYTES_MAX + hulse_wire_draft_room(&d);
}

/* A batch that has room for the record, which is its first. False: no memory. */
static bool begin_any(struct pulsar_sender *s, const struct broker_record *r, uint64_t deadline_ns)
{
    const uint32_t head_room = (uint32_t)batch_head_room(s, r);
    const uint32_t least = head_room + (uint32_t)hulse_wire_batch_room(r);
    struct pulsar_entry *e =
        hulse_pulsar_entry_create(&s->all->blocks,
                                  least > s->hint_bytes ? least : s->hint_bytes,
                                  s->hint_slots > 0 ? s->hint_slots : 1);

    if (e == NULL) {
        e = hulse_pulsar_entry_create(&s->all->blocks, least, 1);
    }
    if (e == NULL) {
        return false;
    }
    s->open = e;
    s->head_room = head_room;
    s->open_deadline_ns = s->aside_count == 0 ? deadline_ns : s->open_deadline_ns;
    hulse_wire_batch_begin(&s->batch, e->memory + head_room, batch_room(s, e));
    hulse_pulsar_outbox_watch(s, deadline_ns);
    return true;
}

static bool begin(struct pulsar_sender *s, const struct broker_record *r, uint64_t deadline_ns)
{
    if (__builtin_expect(s->by_key == NULL, 1)) {
        return begin_any(s, r, deadline_ns);
    }
    if (hulse_pulsar_by_key_begin(s, r) && begin_any(s, r, deadline_ns)) {
        return true;
    }
    hulse_pulsar_by_key_undo(s);
    return false;
}

/* Twice the memory, if the batch may become that large. */
static bool grow(struct pulsar_sender *s)
{
    struct pulsar_entry *e = s->open;
    struct wire_batch *b = &s->batch;
    uint32_t room = 0;

    if (s->head_room + b->room < e->memory_room) {
        return false; /* the broker takes no more */
    }
    uint8_t *memory = hulse_pulsar_block_take(&s->all->blocks, 2 * e->memory_room, &room);
    if (memory == NULL) {
        return false;
    }
    uint8_t *data = memory + s->head_room;
    memcpy(data, b->data, b->bytes);
    if (b->key.data != NULL) {
        b->key.data = data + (b->key.data - b->data);
    }
    if (b->ordering_key.data != NULL) {
        b->ordering_key.data = data + (b->ordering_key.data - b->data);
    }
    hulse_pulsar_block_give(&s->all->blocks, e->memory, e->memory_room);
    e->memory = memory;
    e->memory_room = room;
    b->data = data;
    b->room = batch_room(s, e);
    return true;
}

/* False: it goes into the next batch. */
static bool
belongs(const struct pulsar_sender *s, const struct broker_record *r, uint64_t deadline_ns)
{
    const uint64_t gathered = (uint64_t)s->aside_payload_bytes + s->batch.payload_bytes;
    const uint64_t first = s->open_deadline_ns;
    const uint64_t apart = first < deadline_ns ? deadline_ns - first : first - deadline_ns;

    return gathered + r->payload.bytes <= s->gathering.batch_bytes && apart <= s->spread_ns;
}

/* Into the batch there is. False: it has no room and gets none. */
static bool append(struct pulsar_sender *s, const struct broker_record *r, uint64_t sequence)
{
    if (s->open->count == s->open->slots_max) {
        struct pulsar_entry *more = hulse_pulsar_entry_more_slots(&s->all->blocks, s->open);
        if (more == NULL) {
            return false;
        }
        s->open = more;
    }
    while (!hulse_wire_batch_add(&s->batch, r, sequence)) {
        if (!grow(s)) {
            return false;
        }
    }
    return true;
}

static enum fate send_batched(struct pulsar_sender *s,
                              struct pulsar_producer *p,
                              const struct broker_record *r,
                              uint64_t sequence,
                              uint64_t deadline_ns)
{
    if (s->open != NULL && !belongs(s, r, deadline_ns)) {
        hulse_pulsar_gather_seal(s);
    }
    if (s->by_key != NULL) {
        hulse_pulsar_by_key_turn(s, r);
    }
    uint32_t before = s->open != NULL ? s->batch.bytes : 0;
    if (s->open != NULL && !append(s, r, sequence)) {
        hulse_pulsar_gather_seal(s);
    }
    if (s->open == NULL) {
        before = 0;
        /* A new one has room for its first, which this cannot fail for. */
        if (!begin(s, r, deadline_ns) || !append(s, r, sequence)) {
            return IS_LEFT;
        }
    }
    if (deadline_ns > s->open->deadline_ns) {
        s->open->deadline_ns = deadline_ns;
    }
    const uint32_t bytes = s->batch.bytes - before + (uint32_t)sizeof(struct pulsar_slot);
    hulse_pulsar_handle_take(p, s->open, r->token, bytes);
    if (s->aside_count + s->batch.count >= s->gathering.batch_max ||
        s->aside_payload_bytes + s->batch.payload_bytes >= s->gathering.batch_bytes) {
        hulse_pulsar_gather_seal(s);
    }
    return IS_TAKEN;
}

/* ---- in ---- */

static bool
goes_alone(const struct pulsar_sender *s, const struct broker_record *r, int64_t sequence)
{
    if (r->alone || s->gathering.batch_max <= 1 || sequence <= s->floor ||
        r->payload.bytes > s->gathering.batch_bytes) {
        return true;
    }
    /* What may not fit a message is judged exactly, and that is done alone. */
    if (r->meta == NULL) {
        return (uint64_t)r->payload.bytes + PLAIN_OVERHEAD_MAX > message_bytes_max(s);
    }
    return r->meta->deliver_after_ms != 0 || r->meta->replicate_to.bytes != 0 ||
           batch_head_room(s, r) + hulse_wire_batch_room(r) > message_bytes_max(s);
}

/* Too old as it comes. What came before it is older, and told first; whoever hears that may close the producer. */
static void
refuse_late(struct pulsar_sender *s, struct pulsar_producer *p, const struct broker_record *r)
{
    hulse_pulsar_handle_pin(p);
    hulse_pulsar_outbox_expire(s);
    if (hulse_pulsar_handle_unpin(p)) {
        refuse(p, r, BROKER_BREAK, HULSE_OUTCOME_FAILED_NOT_SENT);
    }
}

static bool
gather(struct pulsar_sender *s, struct pulsar_producer *p, const struct broker_record *r)
{
    const int64_t sequence = s->own ? (int64_t)r->seq : s->sequence + 1;
    const uint64_t deadline_ns = deadline_of(s, r);
    enum fate fate = IS_LEFT;

    if (__builtin_expect(sequence <= s->sequence, 0)) {
        refuse(p, r, BROKER_FAIL, HULSE_OUTCOME_BAD_RECORD);
        return true;
    }
    if (__builtin_expect(deadline_ns != 0 && deadline_ns <= s->all->pw->loop->now_ns, 0)) {
        refuse_late(s, p, r);
        return true;
    }
    /* Before an event can close anything: refusals answer last. */
    hulse_pulsar_senders_mark(s);
    if (__builtin_expect(goes_alone(s, r, sequence), 0)) {
        hulse_pulsar_gather_seal(s);
        fate = send_alone(s, p, r, (uint64_t)sequence, deadline_ns);
    } else {
        fate = send_batched(s, p, r, (uint64_t)sequence, deadline_ns);
    }
    if (__builtin_expect(fate == IS_TAKEN, 1)) {
        s->sequence = sequence;
    } else if (fate == IS_LEFT) {
        hulse_pulsar_senders_starve(s->all, p);
    }
    return fate != IS_LEFT;
}

/* Its time to live begins in the ring, and goes with it as the instant of its end. */
static bool
gather_until(struct pulsar_sender *s, struct pulsar_producer *p, const struct broker_record *r)
{
    const struct broker_span before = r->meta->properties;
    const uint64_t now_ns = s->all->pw->loop->now_ns;
    const uint64_t age_ms = now_ns > r->enqueued_ns ? (now_ns - r->enqueued_ns) / NS_PER_MS : 0;
    const uint64_t from_ms = hulse_clock_wall_ms() - age_ms;
    const uint64_t most_ms = (uint64_t)INT64_MAX - from_ms;
    struct broker_meta meta = *r->meta;
    struct broker_record with = *r;
    uint8_t *properties =
        hulse_pulsar_senders_properties(s->all, before.bytes + WIRE_EXPIRY_BYTES_MAX);

    if (properties == NULL) {
        hulse_pulsar_senders_starve(s->all, p);
        return false;
    }
    if (before.bytes > 0) {
        memcpy(properties, before.data, before.bytes);
    }
    meta.properties.data = properties;
    meta.properties.bytes =
        before.bytes +
        hulse_wire_expiry_put(properties + before.bytes,
                              from_ms + (meta.ttl_ms < most_ms ? meta.ttl_ms : most_ms));
    with.meta = &meta;
    return gather(s, p, &with);
}

bool hulse_pulsar_gather(struct pulsar_sender *s,
                         struct pulsar_producer *p,
                         const struct broker_record *r)
{
    return r->meta != NULL && r->meta->ttl_ms != 0 ? gather_until(s, p, r) : gather(s, p, r);
}
