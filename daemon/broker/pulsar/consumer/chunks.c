/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunks - see the header.
 */
#include "daemon/broker/pulsar/consumer/chunks.h"

#include "daemon/broker/pulsar/consumer/chunked.h"
#include "daemon/core/clock.h"
#include "daemon/core/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* As clients make them of a producer's name and a number; longer ones are none. */
#define UUID_BYTES_MAX 4096U
/* Of Java and C++. */
#define PENDING_DEFAULT 10U
#define EXPIRE_DEFAULT_MS 60000U

static uint64_t now_ms(const struct pulsar_consumer *c)
{
    return hulse_pulsar_consumer_now_ms(c);
}

/* ---- one chunk ---- */

/* NULL: it may be one. */
static const char *judge(const struct wire_message *message, const struct wire_metadata *m)
{
    if (m->uuid.bytes == 0 || m->uuid.bytes > UUID_BYTES_MAX) {
        return "a chunk does not say of which message";
    }
    if (m->chunk < 0 || m->chunk >= m->chunk_count) {
        return "a chunk has a number that its message has not";
    }
    if (m->chunked_bytes <= 0 || m->chunk_count > m->chunked_bytes || message->payload.bytes == 0) {
        return "chunks that are more than their bytes";
    }
    return NULL;
}

static struct chunked *find_in(const struct chunked_list *list, struct broker_span uuid)
{
    struct chunked *x = NULL;

    TAILQ_FOREACH(x, list, link)
    {
        if (x->uuid_bytes == uuid.bytes && memcmp(x->uuid, uuid.data, uuid.bytes) == 0) {
            return x;
        }
    }
    return NULL;
}

static struct chunked *find(const struct chunks *k, struct broker_span uuid)
{
    struct chunked *x = find_in(&k->gathering, uuid);

    return x != NULL ? x : find_in(&k->given_up, uuid);
}

/* Known, or from now on; it is one message. NULL: no memory, or it is known otherwise. */
static struct entry *entry_for(struct pulsar_consumer *c, const Pulsar__MessageIdData *id)
{
    struct entry *e = hulse_entry_find(&c->hands->entries, id->ledgerid, id->entryid);

    if (e != NULL && e->count != 1) {
        if (e->refs > 0) {
            return NULL;
        }
        hulse_entry_end(c, e); /* known by an id alone, which was wrong */
        e = NULL;
    }
    return e != NULL ? e : hulse_pulsar_consumer_entry(c, id->ledgerid, id->entryid, 1);
}

/* A copy of what is here, or was. */
static enum body_rc ack_one(struct pulsar_consumer *c, const Pulsar__MessageIdData *id)
{
    struct entry *e = entry_for(c, id);

    if (e != NULL) {
        hulse_entry_acked(c, e, 0);
        hulse_entry_review(c, e);
    }
    return BODY_OK;
}

/* A copy, or a part of what nobody waits for. */
static enum body_rc ack_repeated(struct pulsar_consumer *c, const Pulsar__MessageIdData *id)
{
    c->set->figures.chunks_repeated += 1;
    hulse_hand_out_behind(c, id->ledgerid, id->entryid);
    return ack_one(c, id);
}

/*
 * Ours has `<name>-<sequence id>-` and the attempt (producer/chunks.h); its last chunk says that number, the others the one
 * before (wire/draft.c). Another client's is the same in all attempts.
 */
static uint32_t stem_of(const struct wire_metadata *m)
{
    const struct broker_span name = m->producer_name;
    const bool is_last = m->chunk + 1 == m->chunk_count;
    char number[sizeof("-18446744073709551615-")];
    const uint32_t bytes = (uint32_t)snprintf(
        number, sizeof(number), "-%" PRIu64 "-", m->sequence_id + (is_last ? 0 : 1));

    return m->uuid.bytes > (uint64_t)name.bytes + bytes &&
                   memcmp(m->uuid.data, name.data, name.bytes) == 0 &&
                   memcmp(m->uuid.data + name.bytes, number, bytes) == 0
               ? name.bytes + bytes
               : m->uuid.bytes;
}

/* Its producer begins anew. */
static void end_attempts(struct pulsar_consumer *c,
                         const Pulsar__MessageIdData *id,
                         const struct wire_metadata *m)
{
    struct chunks *k = &c->hands->chunks;
    struct chunked *same = find(k, m->uuid);

    if (stem_of(m) != m->uuid.bytes) {
        hulse_chunked_revive(c, m->uuid); /* ours has no copies: a broker was moved back */
    }
    if (same != NULL && (hulse_chunked_is_complete(same) || !hulse_chunked_is_before(same, id))) {
        hulse_chunked_ask(c, same, hulse_chunked_again_in(c));
    } else if (same != NULL) {
        hulse_chunked_ack(c, same);
    }
    /* In a row all of an earlier attempt that there is has come: without its last it is nobody's. */
    if (!hulse_pulsar_consumer_shares(c) && !k->forgot) {
        hulse_chunked_end_attempts(c, (struct broker_span){m->uuid.data, stem_of(m)}, id);
    }
}

/* Its message is acknowledged, by this attempt or another one, or is whole. */
static bool is_over(const struct chunks *k, const struct wire_metadata *m)
{
    const struct broker_span stem = {m->uuid.data, stem_of(m)};

    return hulse_chunked_remembers(k->over, hulse_chunked_hash(m->uuid)) ||
           (stem.bytes != m->uuid.bytes &&
            hulse_chunked_remembers(k->over_stems, hulse_chunked_hash(stem))) ||
           find_in(&k->whole, m->uuid) != NULL;
}

/* The position that was wished is the last chunk of a message, whose id it is: to its first one (the chunks have one time). */
static bool
step_back(struct pulsar_consumer *c, const Pulsar__MessageIdData *id, const struct wire_metadata *m)
{
    const struct floor *f = &c->hands->floor;
    struct chunks *k = &c->hands->chunks;

    if (k->stepped_back || !f->set || !f->inclusive || f->time_ms != 0 ||
        f->ledger != id->ledgerid || f->entry != id->entryid) {
        return false;
    }
    k->stepped_back = true;
    if (c->type != BROKER_READER) {
        return hulse_errand_step_back(c, m->publish_time_ms);
    }
    k->back_ms = m->publish_time_ms;
    hulse_pulsar_consumer_renew(c, "it begins at the end of a message in chunks");
    return true;
}

static bool is_before_floor(const struct floor *f, const Pulsar__MessageIdData *id)
{
    return f->set && f->below_too && f->time_ms == 0 &&
           hulse_entry_below(id->ledgerid, id->entryid, f->ledger, f->entry);
}

/* Its message did not begin here. */
static enum body_rc orphan(struct pulsar_consumer *c,
                           const Pulsar__MessageIdData *id,
                           const struct wire_metadata *m,
                           const char **why)
{
    const struct broker_chunking *rule = &c->chunking;

    if (step_back(c, id, m)) {
        return BODY_OK;
    }
    if (is_over(&c->hands->chunks, m)) {
        return ack_repeated(c, id);
    }
    if (is_before_floor(&c->hands->floor, id)) {
        return ack_one(c, id);
    }
    if (hulse_chunked_never_comes(c)) {
        c->set->figures.chunks_orphaned += 1;
        return ack_one(c, id);
    }
    if (rule->auto_ack && c->type != BROKER_READER &&
        m->publish_time_ms + rule->expire_ms < hulse_clock_wall_ms()) {
        return ack_one(c, id);
    }
    *why = "its message's first chunk has not come";
    if (c->type == BROKER_READER) {
        hulse_hand_out_behind(c, id->ledgerid, id->entryid);
        if (m->chunk + 1 == m->chunk_count) {
            hulse_chunked_remember(c, m->uuid);
            hulse_chunked_tell_lost(c);
        }
    }
    return BODY_UNKNOWN;
}

/* There is room for one of so many bytes. */
static bool fits(const struct pulsar_consumers *set, uint64_t bytes)
{
    return set->chunk_bytes + set->chunk_entry_bytes + bytes <= set->chunk_bytes_max;
}

/* Room for one more; others are given up for it. Alone it may be larger, while the entries that are held are few. */
static bool make_room(struct pulsar_consumer *c, const struct chunked *x)
{
    struct chunks *k = &c->hands->chunks;
    const struct pulsar_consumers *set = c->set;
    const uint64_t bytes = x->bytes + x->count * sizeof(struct entry);

    while (k->gathering_count >= c->chunking.pending_max) {
        hulse_chunked_give_up_oldest(c, "too many of them are not whole");
    }
    while (k->gathering_count > 0 && !fits(set, bytes)) {
        hulse_chunked_give_up_oldest(c, "too many bytes of them are not whole");
    }
    return !c->closed &&
           (fits(set, bytes) ||
            (set->chunk_bytes == 0 && set->chunk_entry_bytes <= set->chunk_bytes_max)) &&
           hulse_mem_has_sparing(bytes);
}

/* NULL: no memory. */
static struct chunked *
create(struct pulsar_consumer *c, const struct wire_message *message, const struct wire_metadata *m)
{
    const size_t object_bytes = sizeof(struct chunked) + m->uuid.bytes;
    struct chunked *x = hulse_mem_zalloc(HULSE_MEM_BROKER, object_bytes);

    if (x == NULL) {
        return NULL;
    }
    x->object_bytes = object_bytes;
    x->state = CHUNKED_GATHERING;
    x->count = (uint32_t)m->chunk_count;
    x->bytes = (uint32_t)m->chunked_bytes;
    x->uuid_bytes = m->uuid.bytes;
    x->stem_bytes = stem_of(m);
    memcpy(x->uuid, m->uuid.data, m->uuid.bytes);
    TAILQ_INIT(&x->entries);
    x->body = make_room(c, x) ? hulse_body_begin(message, x->bytes) : NULL;
    if (x->body != NULL) {
        c->set->chunk_bytes += x->bytes;
        hulse_chunked_count(c, x, x->count);
    }
    TAILQ_INSERT_TAIL(&c->hands->chunks.gathering, x, link);
    c->hands->chunks.gathering_count += 1;
    return x;
}

/* Without a body, or with what another one says of the same message. */
static void give_up_empty(struct pulsar_consumer *c, struct chunked *x, struct entry *e)
{
    struct chunks *k = &c->hands->chunks;

    TAILQ_REMOVE(&k->gathering, x, link);
    k->gathering_count -= 1;
    x->state = CHUNKED_GIVEN_UP;
    x->again_ms = now_ms(c) + hulse_chunked_again_in(c);
    TAILQ_INSERT_TAIL(&k->given_up, x, link);
    k->given_up_count += 1;
    c->set->figures.chunks_given_up += 1;
    hulse_chunked_hold(c, x, e);
    x->next = 1;
    hulse_chunked_arm(c, x->again_ms);
    hulse_chunked_bound(c);
}

/* All of it is here. */
static enum body_rc finish(struct pulsar_consumer *c,
                           struct chunked *x,
                           struct entry *e,
                           struct body **whole,
                           const char **why)
{
    const uint32_t max = c->worker->broker->params.chunked_bytes_max;
    const enum body_rc rc = hulse_body_finish(&x->body, c->worker->contexts, max, why);

    if (rc == BODY_NO_MEMORY) {
        return rc; /* everything of it comes again */
    }
    if (rc == BODY_UNKNOWN || rc == BODY_TOO_LARGE) {
        hulse_chunked_let_go(c, x);
        *why = rc == BODY_UNKNOWN ? *why : "in chunks, and larger than chunked_max";
        return BODY_UNKNOWN;
    }
    if (rc != BODY_OK) {
        hulse_chunked_unhold(c, x, e); /* that one is acknowledged with what is wrong */
        hulse_chunked_remember(c, (struct broker_span){x->uuid, x->uuid_bytes});
        hulse_chunked_ack(c, x);
        return rc;
    }
    c->set->chunk_bytes -= x->bytes;
    *whole = x->body;
    x->body->chunks = x->count;
    x->body = NULL;
    TAILQ_REMOVE(&c->hands->chunks.gathering, x, link);
    c->hands->chunks.gathering_count -= 1;
    x->state = CHUNKED_WHOLE;
    TAILQ_INSERT_TAIL(&c->hands->chunks.whole, x, link);
    hulse_entry_set_out(e, 0, false);
    e->refs -= 1;
    x->last = e;
    c->hands->chunks.like = x->count;
    c->set->figures.chunked += 1;
    return BODY_OK;
}

static bool take_acked(struct chunks *k, const struct entry *e)
{
    for (uint32_t i = 0; i < k->acked_count; i++) {
        if (k->acked[i].ledger == e->ledger && k->acked[i].entry == e->entry) {
            k->acked_count -= 1;
            k->acked[i] = k->acked[k->acked_count];
            return true;
        }
    }
    return false;
}

/* The next one of a gathering message. */
static enum body_rc add(struct pulsar_consumer *c,
                        struct chunked *x,
                        const Pulsar__MessageIdData *id,
                        struct broker_span part,
                        struct body **whole,
                        const char **why)
{
    struct entry *e = entry_for(c, id);
    const uint32_t left = x->bytes - x->body->payload.bytes;

    if (e == NULL) {
        *why = "no memory";
        return BODY_NO_MEMORY;
    }
    if (part.bytes > left || (x->next + 1 == x->count && part.bytes != left)) {
        hulse_chunked_remember(c, (struct broker_span){x->uuid, x->uuid_bytes});
        hulse_chunked_ack(c, x);
        hulse_entry_review(c, e);
        *why = "its chunks have not the size that they say";
        return BODY_DAMAGED;
    }
    hulse_body_append(x->body, part);
    hulse_chunked_hold(c, x, e);
    x->next += 1;
    x->moved_ms = now_ms(c);
    if (x->next < x->count) {
        if (c->chunking.expire_ms != 0) {
            hulse_chunked_arm(c, x->moved_ms + c->chunking.expire_ms);
        }
        return BODY_OK;
    }
    const enum body_rc rc = finish(c, x, e, whole, why);
    if (rc == BODY_OK && take_acked(&c->hands->chunks, e)) {
        hulse_body_release(*whole);
        *whole = NULL;
        hulse_entry_acked(c, e, 0);
        hulse_entry_review(c, e);
    }
    return rc;
}

/* The first one. */
static enum body_rc begin(struct pulsar_consumer *c,
                          const Pulsar__MessageIdData *id,
                          const struct wire_message *message,
                          const struct wire_metadata *m,
                          const char **why)
{
    end_attempts(c, id, m);
    struct chunked *x = create(c, message, m);
    if (x == NULL) {
        *why = "no memory";
        return BODY_NO_MEMORY;
    }
    if (x->body != NULL) {
        struct body *whole = NULL; /* there are more than one */
        const enum body_rc rc = add(c, x, id, message->payload, &whole, why);
        if (rc == BODY_NO_MEMORY) {
            hulse_chunked_destroy(c, x);
        }
        return rc;
    }
    struct entry *e = entry_for(c, id);
    if (e == NULL || c->closed) {
        hulse_chunked_destroy(c, x);
        *why = "no memory";
        return BODY_NO_MEMORY;
    }
    give_up_empty(c, x, e);
    return BODY_OK;
}

/* More of what was given up: it may come about, now or when there is room. */
static enum body_rc join(struct pulsar_consumer *c,
                         struct chunked *x,
                         const Pulsar__MessageIdData *id,
                         const struct wire_metadata *m,
                         const char **why)
{
    struct entry *e = entry_for(c, id);

    if (e == NULL) {
        *why = "no memory";
        return BODY_NO_MEMORY;
    }
    hulse_chunked_hold(c, x, e);
    x->torn = x->torn || (uint32_t)m->chunk != x->next;
    x->next = (uint32_t)m->chunk + 1;
    if (x->again_ms == 0 && !x->torn) {
        hulse_chunked_ask(c, x, 0);
    } else {
        hulse_chunked_bound(c);
    }
    return BODY_OK;
}

enum body_rc hulse_chunks_take(struct pulsar_consumer *c,
                               const Pulsar__MessageIdData *id,
                               const struct wire_message *message,
                               const struct wire_metadata *m,
                               struct body **whole,
                               const char **why)
{
    const uint32_t max = c->worker->broker->params.chunked_bytes_max;

    *whole = NULL;
    *why = judge(message, m);
    if (*why != NULL) {
        return BODY_BATCH;
    }
    if (c->non_persistent) {
        *why = "in chunks, on a topic that keeps no messages";
        return BODY_UNKNOWN;
    }
    if ((uint32_t)m->chunked_bytes > max || m->uncompressed_bytes > max) {
        *why = "in chunks, and larger than chunked_max";
        return BODY_UNKNOWN;
    }
    if (m->chunk_count > (int32_t)PULSAR_CHUNKS_MAX) {
        *why = "in more than 65,535 chunks";
        return BODY_UNKNOWN;
    }
    c->set->figures.chunks += 1;
    if (m->chunk == 0) {
        return begin(c, id, message, m, why);
    }
    struct chunked *x = find(&c->hands->chunks, m->uuid);
    if (x == NULL) {
        return orphan(c, id, m, why);
    }
    if (x->count != (uint32_t)m->chunk_count || x->bytes != (uint32_t)m->chunked_bytes) {
        *why = "a chunk that is not like the others of its message";
        return BODY_UNKNOWN;
    }
    if ((uint32_t)m->chunk < x->next) {
        return ack_repeated(c, id);
    }
    if ((uint32_t)m->chunk > x->next && x->state == CHUNKED_GATHERING) {
        x->torn = true;
        if (!hulse_chunked_give_up(c, x, 0, "one of its chunks is missing")) {
            return c->closed ? BODY_OK : orphan(c, id, m, why);
        }
    }
    return x->state == CHUNKED_GATHERING ? add(c, x, id, message->payload, whole, why)
                                         : join(c, x, id, m, why);
}

/* ---- by id ---- */

bool hulse_chunks_ack_id(struct pulsar_consumer *c, const struct broker_id *id)
{
    struct chunks *k = NULL;
    const size_t bytes = PULSAR_CHUNKED_ACKED_MAX * sizeof(*k->acked);

    if (!hulse_hands_take(c)) {
        return false;
    }
    k = &c->hands->chunks;
    if (k->acked == NULL) {
        k->acked = hulse_mem_alloc(HULSE_MEM_BROKER, bytes);
    }
    if (k->acked == NULL || k->acked_count == PULSAR_CHUNKED_ACKED_MAX) {
        return false;
    }
    k->acked[k->acked_count++] = *id;
    return true;
}

/* ---- all ---- */

uint32_t hulse_chunks_expected(const struct pulsar_consumer *c)
{
    const struct chunks *k = &c->hands->chunks;
    const struct permits *p = &c->permits;
    const struct chunked *x = NULL;
    uint32_t count = 0;

    TAILQ_FOREACH(x, &k->gathering, link)
    {
        const uint32_t left = x->next < x->count ? x->count - x->next - 1 : 0;
        count += left < PULSAR_CHUNKS_AHEAD ? left : PULSAR_CHUNKS_AHEAD;
        if (count >= PULSAR_CHUNKS_AHEAD) {
            return PULSAR_CHUNKS_AHEAD;
        }
    }
    if (k->like > 1 && p->flow + p->ahead - p->queued > (int64_t)k->gathering_count) {
        count += k->like - 1; /* and one more message begins */
    }
    return count < PULSAR_CHUNKS_AHEAD ? count : PULSAR_CHUNKS_AHEAD;
}

/* Where a reader begins with the next session. */
static void reach_back_to(struct chunks *k, const struct entry *e)
{
    if (e != NULL && (!k->reaches_back ||
                      hulse_entry_below(e->ledger, e->entry, k->back.ledger, k->back.entry))) {
        k->reaches_back = true;
        k->back = (struct broker_id){.ledger = e->ledger, .entry = e->entry, .batch = -1};
    }
}

static void reach_back(struct chunks *k, const struct chunked_list *list)
{
    const struct chunked *x = NULL;

    TAILQ_FOREACH(x, list, link)
    {
        reach_back_to(k, TAILQ_FIRST(&x->entries));
    }
}

/* To all that is not whole, or is to come again. */
static void reach_back_to_all(struct pulsar_consumer *c)
{
    struct chunks *k = &c->hands->chunks;
    const struct entry *e = NULL;

    reach_back(k, &k->gathering);
    reach_back(k, &k->given_up);
    reach_back(k, &k->whole);
    TAILQ_FOREACH(e, &c->hands->strays, group)
    {
        if (e->owed) {
            reach_back_to(k, e);
        }
    }
}

void hulse_chunks_heard(struct pulsar_consumer *c, uint64_t ledger, uint64_t entry)
{
    const struct hands *h = c->hands;

    if (h->chunks.reaches_back && h->has_last &&
        !hulse_entry_below(ledger, entry, h->last.ledger, h->last.entry)) {
        c->hands->chunks.reaches_back = false; /* what is not whole is here again */
    }
}

void hulse_chunks_forget(struct pulsar_consumer *c)
{
    struct chunks *k = &c->hands->chunks;
    struct chunked *x = NULL;

    if (c->hands->consumer == NULL) {
        return;
    }
    if (c->type == BROKER_READER) {
        reach_back_to_all(c);
    }
    while ((x = TAILQ_FIRST(&k->gathering)) != NULL || (x = TAILQ_FIRST(&k->given_up)) != NULL) {
        hulse_chunked_let_go(c, x);
    }
    k->forgot = false; /* it all comes again */
    hulse_timer_stop(&c->worker->loop->timers, &k->due);
}

void hulse_chunks_end(struct pulsar_consumer *c)
{
    struct chunks *k = &c->hands->chunks;
    struct chunked *x = NULL;

    hulse_chunks_forget(c);
    while ((x = TAILQ_FIRST(&k->whole)) != NULL) {
        hulse_chunked_let_go(c, x);
    }
    if (c->hands->consumer != NULL) {
        memset(k->over, 0, sizeof(k->over));
        memset(k->over_stems, 0, sizeof(k->over_stems));
        memset(k->lost_at, 0, sizeof(k->lost_at));
    }
}

struct broker_chunking hulse_chunks_rule(const struct broker_chunking *wished)
{
    if (wished->pending_max != 0) {
        return *wished;
    }
    return (struct broker_chunking){.pending_max = PENDING_DEFAULT,
                                    .expire_ms = EXPIRE_DEFAULT_MS,
                                    .auto_ack = wished->auto_ack};
}

void hulse_chunks_init(struct chunks *k)
{
    TAILQ_INIT(&k->gathering);
    TAILQ_INIT(&k->given_up);
    TAILQ_INIT(&k->whole);
    k->due.fire = hulse_chunked_due;
}

void hulse_chunks_fini(struct chunks *k)
{
    hulse_mem_free(HULSE_MEM_BROKER, k->acked, PULSAR_CHUNKED_ACKED_MAX * sizeof(*k->acked));
    k->acked = NULL;
}

bool hulse_chunks_are_forgotten(const struct chunks *k)
{
    uint64_t over = 0;

    for (uint32_t i = 0; i < PULSAR_CHUNKED_OVER; i++) {
        over |= k->over[i];
    }
    return over == 0 && TAILQ_EMPTY(&k->gathering) && TAILQ_EMPTY(&k->given_up) &&
           TAILQ_EMPTY(&k->whole) && k->acked_count == 0 && !k->forgot;
}
