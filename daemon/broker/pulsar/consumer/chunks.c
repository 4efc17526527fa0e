/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunks - see the header.
 */
#include "daemon/broker/pulsar/consumer/chunks.h"

#include "daemon/broker/pulsar/consumer/object.h"
#include "daemon/core/clock.h"
#include "daemon/core/hash.h"
#include "daemon/core/log.h"
#include "daemon/core/mem.h"

#include <string.h>

/* As clients make them of a producer's name and a number; longer ones are none. */
#define UUID_BYTES_MAX 4096U
/* Until what found no room is asked for again, unless it would expire before. */
#define AGAIN_MS 60000U
/* Of Java and C++. */
#define PENDING_DEFAULT 10U
#define EXPIRE_DEFAULT_MS 60000U

enum chunked_state { CHUNKED_GATHERING, CHUNKED_GIVEN_UP, CHUNKED_WHOLE };

struct chunked {
    TAILQ_ENTRY(chunked) link;
    struct entry_list entries; /* by chunk_link, as they came */
    struct entry *last;        /* of a whole one; it is not held by this */
    struct body *body;         /* of a gathering one */
    uint64_t moved_ms;         /* when the last one came */
    uint64_t again_ms;         /* of one that was given up; 0: when more of it comes */
    size_t object_bytes;
    enum chunked_state state;
    uint32_t count;
    uint32_t next;
    uint32_t bytes; /* of all, as they came */
    uint32_t uuid_bytes;
    bool torn; /* a chunk is missing that will not come */
    uint8_t uuid[];
};

static uint64_t now_ms(const struct pulsar_consumer *c)
{
    return hulse_pulsar_consumer_now_ms(c);
}

/* ---- entries of one ---- */

static void hold(struct pulsar_consumer *c, struct chunked *x, struct entry *e)
{
    hulse_entry_unstray(c, e);
    hulse_again_stop(c, e);
    hulse_entry_set_out(e, 0, true);
    e->refs += 1;
    e->chunked = x;
    TAILQ_INSERT_TAIL(&x->entries, e, chunk_link);
}

/* Who calls reviews it. */
static void unhold(struct chunked *x, struct entry *e)
{
    TAILQ_REMOVE(&x->entries, e, chunk_link);
    e->chunked = NULL;
    if (e == x->last) {
        x->last = NULL;
        return;
    }
    hulse_entry_set_out(e, 0, false);
    e->refs -= 1;
}

/* It has no entries any more. */
static void destroy(struct pulsar_consumer *c, struct chunked *x)
{
    struct chunks *k = &c->chunks;

    HULSE_ASSERT(TAILQ_EMPTY(&x->entries));
    switch (x->state) {
    case CHUNKED_GATHERING:
        TAILQ_REMOVE(&k->gathering, x, link);
        k->gathering_count -= 1;
        break;
    case CHUNKED_GIVEN_UP:
        TAILQ_REMOVE(&k->given_up, x, link);
        k->given_up_count -= 1;
        break;
    case CHUNKED_WHOLE:
        TAILQ_REMOVE(&k->whole, x, link);
        break;
    }
    if (x->body != NULL) {
        c->set->chunk_bytes -= x->bytes;
        hulse_body_release(x->body);
    }
    hulse_mem_free(HULSE_MEM_BROKER, x, x->object_bytes);
}

static void let_go_all(struct pulsar_consumer *c, struct chunked *x)
{
    struct entry *e = NULL;

    while ((e = TAILQ_FIRST(&x->entries)) != NULL) {
        const bool held = e != x->last;
        unhold(x, e);
        if (held) {
            hulse_entry_review(c, e);
        }
    }
    destroy(c, x);
}

static void ack_all(struct pulsar_consumer *c, struct chunked *x)
{
    struct entry *e = NULL;

    while ((e = TAILQ_FIRST(&x->entries)) != NULL) {
        const bool held = e != x->last;
        unhold(x, e);
        if (held) {
            hulse_entry_acked(c, e, 0);
            hulse_entry_review(c, e);
        }
    }
    destroy(c, x);
}

static void ask_for_all(struct pulsar_consumer *c, struct chunked *x, uint32_t delay_ms)
{
    struct entry *e = NULL;

    while ((e = TAILQ_FIRST(&x->entries)) != NULL) {
        const bool held = e != x->last;
        unhold(x, e);
        if (held) {
            hulse_again_ask(c, e, delay_ms);
            hulse_entry_review(c, e);
        }
    }
    destroy(c, x);
}

/* ---- of the last one ---- */

static uint64_t hash_of(struct broker_span uuid)
{
    uint64_t hash = HULSE_HASH_START;

    for (uint32_t i = 0; i < uuid.bytes; i++) {
        hash = hulse_hash_byte(hash, (char)uuid.data[i]);
    }
    return hash;
}

static void remember_over(struct chunks *k, const struct chunked *x)
{
    k->over[k->over_next] = hash_of((struct broker_span){x->uuid, x->uuid_bytes});
    k->over_next = (k->over_next + 1) % PULSAR_CHUNKED_OVER;
}

void hulse_chunks_acked(struct pulsar_consumer *c, struct entry *last)
{
    struct chunked *x = last->chunked;

    if (x->last != last) {
        return;
    }
    remember_over(&c->chunks, x);
    ack_all(c, x);
}

void hulse_chunks_let_go(struct pulsar_consumer *c, struct entry *last)
{
    if (last->chunked->last == last) {
        let_go_all(c, last->chunked);
    }
}

void hulse_chunks_again(struct pulsar_consumer *c, struct entry *last, uint32_t delay_ms)
{
    if (last->chunked->last == last) {
        ask_for_all(c, last->chunked, delay_ms);
    }
}

bool hulse_chunks_reach_beyond(const struct entry *e, const struct entry *last)
{
    const struct chunked *x = e->chunked;

    if (x == NULL) {
        return false;
    }
    return x->last == NULL ||
           hulse_entry_below(last->ledger, last->entry, x->last->ledger, x->last->entry);
}

void hulse_chunks_leave(struct pulsar_consumer *c, struct entry *e)
{
    struct chunked *x = e->chunked;

    if (x->last == e) {
        remember_over(&c->chunks, x);
    }
    unhold(x, e);
    if (TAILQ_EMPTY(&x->entries)) {
        destroy(c, x);
    }
}

/* ---- giving up ---- */

/*
 * Everything that is not acknowledged comes in the topic's order: a chunk that is not there is acknowledged, expired, or
 * from before the subscription. So the message will never be whole, and what is left of it is in the way.
 */
static bool never_comes(const struct pulsar_consumer *c)
{
    return (c->type == BROKER_EXCLUSIVE || c->type == BROKER_FAILOVER) && !c->chunks.forgot;
}

static uint32_t again_delay_ms(const struct chunks *k)
{
    return k->rule.expire_ms != 0 && k->rule.expire_ms < AGAIN_MS ? (uint32_t)k->rule.expire_ms
                                                                  : AGAIN_MS;
}

static void arm(struct pulsar_consumer *c, uint64_t due_ms)
{
    struct timer *t = &c->chunks.due;

    if (!hulse_timer_pending(t) || due_ms < t->due_ms) {
        hulse_timer_start(&c->worker->loop->timers, t, due_ms);
    }
}

static void pass_over(struct pulsar_consumer *c, uint64_t ledger, uint64_t entry)
{
    if (!c->has_last || hulse_entry_below(c->last.ledger, c->last.entry, ledger, entry)) {
        c->last = (struct broker_id){.ledger = ledger, .entry = entry, .batch = -1};
        c->has_last = true;
    }
}

/* A reader will not see it. May be the last touch of whoever made the consumer. */
static void tell_lost(struct pulsar_consumer *c)
{
    if (c->base.events->lost != NULL) {
        c->base.events->lost(c->base.ctx, 1);
    }
}

/* False: it is gone. `again_ms`: when it is asked for; 0: when more of it comes. */
static bool
give_up(struct pulsar_consumer *c, struct chunked *x, uint64_t again_ms, const char *why)
{
    struct chunks *k = &c->chunks;
    const struct entry *first = TAILQ_FIRST(&x->entries);
    const struct entry *end = TAILQ_LAST(&x->entries, entry_list);
    const bool torn = again_ms == 0 && x->torn;

    c->set->figures.chunks_given_up += 1;
    HULSE_LOG_WARNF("pulsar.chunks_given_up",
                    hulse_log_str("topic", c->topic),
                    hulse_log_str("subscription", c->subscription),
                    hulse_log_u64("ledger", first->ledger),
                    hulse_log_u64("entry", first->entry),
                    hulse_log_u64("chunks", x->next),
                    hulse_log_u64("of", x->count),
                    hulse_log_str("why", why));
    if (c->type != BROKER_READER && (k->rule.auto_ack || (torn && never_comes(c)))) {
        ack_all(c, x);
        return false;
    }
    if (c->type == BROKER_READER && again_ms == 0) {
        pass_over(c, end->ledger, end->entry);
        let_go_all(c, x);
        tell_lost(c);
        return false;
    }
    TAILQ_REMOVE(&k->gathering, x, link);
    k->gathering_count -= 1;
    c->set->chunk_bytes -= x->bytes;
    hulse_body_release(x->body);
    x->body = NULL;
    x->state = CHUNKED_GIVEN_UP;
    x->again_ms = again_ms;
    TAILQ_INSERT_TAIL(&k->given_up, x, link);
    k->given_up_count += 1;
    if (again_ms != 0) {
        arm(c, again_ms);
    }
    if (k->given_up_count > PULSAR_GIVEN_UP_MAX) {
        k->forgot = true;
        let_go_all(c, TAILQ_FIRST(&k->given_up));
    }
    return true;
}

static void give_up_oldest(struct pulsar_consumer *c, const char *why)
{
    (void)give_up(
        c, TAILQ_FIRST(&c->chunks.gathering), now_ms(c) + again_delay_ms(&c->chunks), why);
}

/* Is anything of it to come? Without permits the broker sends nothing. */
static bool is_old(const struct pulsar_consumer *c, const struct chunked *x)
{
    const uint64_t expire_ms = c->chunks.rule.expire_ms;

    return expire_ms != 0 && now_ms(c) - x->moved_ms >= expire_ms && c->permits.broker > 0 &&
           c->state == SESSION_READY;
}

static struct chunked *find_old(const struct pulsar_consumer *c)
{
    struct chunked *x = NULL;

    TAILQ_FOREACH(x, &c->chunks.gathering, link)
    {
        if (is_old(c, x)) {
            return x;
        }
    }
    return NULL;
}

static void arm_for_gathering(struct pulsar_consumer *c)
{
    const uint64_t expire_ms = c->chunks.rule.expire_ms;
    const struct chunked *x = NULL;

    TAILQ_FOREACH(x, &c->chunks.gathering, link)
    {
        const uint64_t due_ms = x->moved_ms + expire_ms;
        if (expire_ms != 0) {
            arm(c, due_ms > now_ms(c) ? due_ms : now_ms(c) + expire_ms);
        }
    }
}

static void is_due(struct timer *timer)
{
    struct pulsar_consumer *c = HULSE_CONTAINER(timer, struct pulsar_consumer, chunks.due);
    struct chunks *k = &c->chunks;
    struct chunked *next = NULL;

    hulse_pulsar_consumer_enter(c);
    for (struct chunked *x = TAILQ_FIRST(&k->given_up); x != NULL; x = next) {
        next = TAILQ_NEXT(x, link);
        if (x->again_ms != 0 && x->again_ms <= now_ms(c)) {
            ask_for_all(c, x, 0);
        } else if (x->again_ms != 0) {
            arm(c, x->again_ms);
        }
    }
    struct chunked *old = NULL;
    while (!c->closed && (old = find_old(c)) != NULL) {
        (void)give_up(
            c,
            old,
            0,
            "the rest of it has not come in time"); /* whoever hears of it may do anything */
    }
    if (!c->closed) {
        arm_for_gathering(c);
        hulse_pulsar_consumer_catch_up(c);
    }
    hulse_pulsar_consumer_leave(c);
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
    struct entry *e = hulse_entry_find(&c->entries, id->ledgerid, id->entryid);

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

static bool is_over(const struct chunks *k, struct broker_span uuid)
{
    const uint64_t hash = hash_of(uuid);

    for (uint32_t i = 0; i < PULSAR_CHUNKED_OVER; i++) {
        if (k->over[i] == hash) {
            return true;
        }
    }
    return find_in(&k->whole, uuid) != NULL;
}

/* The position that was wished is the last chunk of a message, whose id it is: to its first one (the chunks have one time). */
static bool
step_back(struct pulsar_consumer *c, const Pulsar__MessageIdData *id, const struct wire_metadata *m)
{
    const struct floor *f = &c->floor;
    struct chunks *k = &c->chunks;

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
    const struct broker_chunking *rule = &c->chunks.rule;

    if (step_back(c, id, m)) {
        return BODY_OK;
    }
    if (is_over(&c->chunks, m->uuid)) {
        c->set->figures.chunks_repeated += 1;
        return ack_one(c, id);
    }
    if (is_before_floor(&c->floor, id)) {
        return ack_one(c, id);
    }
    if (never_comes(c)) {
        c->set->figures.chunks_orphaned += 1;
        return ack_one(c, id);
    }
    if (rule->auto_ack && c->type != BROKER_READER &&
        m->publish_time_ms + rule->expire_ms < hulse_clock_wall_ms()) {
        return ack_one(c, id);
    }
    *why = "its message's first chunk has not come";
    if (c->type == BROKER_READER) {
        pass_over(c, id->ledgerid, id->entryid);
        if (m->chunk + 1 == m->chunk_count) {
            tell_lost(c);
        }
    }
    return BODY_UNKNOWN;
}

/* Room for one more of so many bytes; others are given up for it. */
static bool make_room(struct pulsar_consumer *c, uint32_t bytes)
{
    struct chunks *k = &c->chunks;
    struct pulsar_consumers *set = c->set;

    while (k->gathering_count >= k->rule.pending_max) {
        give_up_oldest(c, "too many of them are not whole");
    }
    while (k->gathering_count > 0 && set->chunk_bytes + bytes > set->chunk_bytes_max) {
        give_up_oldest(c, "too many bytes of them are not whole");
    }
    return !c->closed &&
           (set->chunk_bytes == 0 || set->chunk_bytes + bytes <= set->chunk_bytes_max) &&
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
    memcpy(x->uuid, m->uuid.data, m->uuid.bytes);
    TAILQ_INIT(&x->entries);
    x->body = make_room(c, x->bytes) ? hulse_body_begin(message, x->bytes) : NULL;
    if (x->body != NULL) {
        c->set->chunk_bytes += x->bytes;
    }
    TAILQ_INSERT_TAIL(&c->chunks.gathering, x, link);
    c->chunks.gathering_count += 1;
    return x;
}

/* Without a body, or with what another one says of the same message. */
static void give_up_empty(struct pulsar_consumer *c, struct chunked *x, struct entry *e)
{
    struct chunks *k = &c->chunks;

    TAILQ_REMOVE(&k->gathering, x, link);
    k->gathering_count -= 1;
    x->state = CHUNKED_GIVEN_UP;
    x->again_ms = now_ms(c) + again_delay_ms(k);
    TAILQ_INSERT_TAIL(&k->given_up, x, link);
    k->given_up_count += 1;
    c->set->figures.chunks_given_up += 1;
    hold(c, x, e);
    x->next = 1;
    arm(c, x->again_ms);
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
        let_go_all(c, x);
        *why = rc == BODY_UNKNOWN ? *why : "in chunks, and larger than chunked_max";
        return BODY_UNKNOWN;
    }
    if (rc != BODY_OK) {
        unhold(x, e); /* that one is acknowledged with what is wrong */
        ack_all(c, x);
        return rc;
    }
    c->set->chunk_bytes -= x->bytes;
    *whole = x->body;
    x->body->chunks = x->count;
    x->body = NULL;
    TAILQ_REMOVE(&c->chunks.gathering, x, link);
    c->chunks.gathering_count -= 1;
    x->state = CHUNKED_WHOLE;
    TAILQ_INSERT_TAIL(&c->chunks.whole, x, link);
    hulse_entry_set_out(e, 0, false);
    e->refs -= 1;
    x->last = e;
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
        ack_all(c, x);
        hulse_entry_review(c, e);
        *why = "its chunks have not the size that they say";
        return BODY_DAMAGED;
    }
    hulse_body_append(x->body, part);
    hold(c, x, e);
    x->next += 1;
    x->moved_ms = now_ms(c);
    if (x->next < x->count) {
        if (c->chunks.rule.expire_ms != 0) {
            arm(c, x->moved_ms + c->chunks.rule.expire_ms);
        }
        return BODY_OK;
    }
    const enum body_rc rc = finish(c, x, e, whole, why);
    if (rc == BODY_OK && take_acked(&c->chunks, e)) {
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
    struct chunked *before = find(&c->chunks, m->uuid);

    if (before != NULL) {
        ack_all(c, before); /* its producer begins anew */
    }
    struct chunked *x = create(c, message, m);
    if (x == NULL) {
        *why = "no memory";
        return BODY_NO_MEMORY;
    }
    if (x->body != NULL) {
        struct body *whole = NULL; /* there are more than one */
        const enum body_rc rc = add(c, x, id, message->payload, &whole, why);
        if (rc == BODY_NO_MEMORY) {
            destroy(c, x);
        }
        return rc;
    }
    struct entry *e = entry_for(c, id);
    if (e == NULL || c->closed) {
        destroy(c, x);
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
    hold(c, x, e);
    x->torn = x->torn || (uint32_t)m->chunk != x->next;
    x->next = (uint32_t)m->chunk + 1;
    if (x->again_ms == 0 && !x->torn) {
        ask_for_all(c, x, 0);
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
    c->set->figures.chunks += 1;
    if (m->chunk == 0) {
        return begin(c, id, message, m, why);
    }
    struct chunked *x = find(&c->chunks, m->uuid);
    if (x == NULL) {
        return orphan(c, id, m, why);
    }
    if (x->count != (uint32_t)m->chunk_count || x->bytes != (uint32_t)m->chunked_bytes) {
        *why = "a chunk that is not like the others of its message";
        return BODY_UNKNOWN;
    }
    if ((uint32_t)m->chunk < x->next) {
        c->set->figures.chunks_repeated += 1;
        return ack_one(c, id);
    }
    if ((uint32_t)m->chunk > x->next && x->state == CHUNKED_GATHERING) {
        x->torn = true;
        if (!give_up(c, x, 0, "one of its chunks is missing")) {
            return c->closed ? BODY_OK : orphan(c, id, m, why);
        }
    }
    return x->state == CHUNKED_GATHERING ? add(c, x, id, message->payload, whole, why)
                                         : join(c, x, id, m, why);
}

/* ---- by id ---- */

bool hulse_chunks_ack_id(struct pulsar_consumer *c, const struct broker_id *id)
{
    struct chunks *k = &c->chunks;
    const size_t bytes = PULSAR_CHUNKED_ACKED_MAX * sizeof(*k->acked);

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

/* Where a reader begins with the next session. */
static void reach_back(struct pulsar_consumer *c, const struct chunked_list *list)
{
    struct chunks *k = &c->chunks;
    const struct chunked *x = NULL;

    TAILQ_FOREACH(x, list, link)
    {
        const struct entry *e = TAILQ_FIRST(&x->entries);
        if (e != NULL && (!k->reaches_back ||
                          hulse_entry_below(e->ledger, e->entry, k->back.ledger, k->back.entry))) {
            k->reaches_back = true;
            k->back = (struct broker_id){.ledger = e->ledger, .entry = e->entry, .batch = -1};
        }
    }
}

void hulse_chunks_forget(struct pulsar_consumer *c)
{
    struct chunks *k = &c->chunks;
    struct chunked *x = NULL;

    if (c->type == BROKER_READER) {
        reach_back(c, &k->gathering);
        reach_back(c, &k->given_up);
        reach_back(c, &k->whole);
    }
    while ((x = TAILQ_FIRST(&k->gathering)) != NULL || (x = TAILQ_FIRST(&k->given_up)) != NULL) {
        let_go_all(c, x);
    }
    k->forgot = false; /* it all comes again */
    hulse_timer_stop(&c->worker->loop->timers, &k->due);
}

void hulse_chunks_end(struct pulsar_consumer *c)
{
    struct chunks *k = &c->chunks;
    struct chunked *x = NULL;

    hulse_chunks_forget(c);
    while ((x = TAILQ_FIRST(&k->whole)) != NULL) {
        let_go_all(c, x);
    }
}

void hulse_chunks_init(struct pulsar_consumer *c, const struct broker_chunking *rule)
{
    struct chunks *k = &c->chunks;

    k->rule = *rule;
    if (k->rule.pending_max == 0) {
        k->rule = (struct broker_chunking){.pending_max = PENDING_DEFAULT,
                                           .expire_ms = EXPIRE_DEFAULT_MS,
                                           .auto_ack = rule->auto_ack};
    }
    TAILQ_INIT(&k->gathering);
    TAILQ_INIT(&k->given_up);
    TAILQ_INIT(&k->whole);
    k->due.fire = is_due;
}

void hulse_chunks_fini(struct pulsar_consumer *c)
{
    hulse_mem_free(
        HULSE_MEM_BROKER, c->chunks.acked, PULSAR_CHUNKED_ACKED_MAX * sizeof(*c->chunks.acked));
    c->chunks.acked = NULL;
}
