/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunked - see the header.
 */
#include "daemon/broker/pulsar/consumer/chunked.h"

#include "daemon/core/hash.h"
#include "daemon/core/log.h"

#include <string.h>

/* Until what found no room is asked for again, unless it would expire before. */
#define AGAIN_MS 60000U

static uint64_t now_ms(const struct pulsar_consumer *c)
{
    return hulse_pulsar_consumer_now_ms(c);
}

/* ---- entries of one ---- */

void hulse_chunked_count(struct pulsar_consumer *c, struct chunked *x, uint32_t entries)
{
    c->set->chunk_entry_bytes += entries * sizeof(struct entry);
    c->set->chunk_entry_bytes -= x->counted * sizeof(struct entry);
    x->counted = entries;
}

void hulse_chunked_hold(struct pulsar_consumer *c, struct chunked *x, struct entry *e)
{
    hulse_entry_unstray(c, e);
    hulse_again_stop(c, e);
    hulse_entry_set_out(e, 0, true);
    e->refs += 1;
    e->chunked = x;
    TAILQ_INSERT_TAIL(&x->entries, e, chunk_link);
    x->held += 1;
    if (x->state == CHUNKED_GIVEN_UP) {
        hulse_chunked_count(c, x, x->held);
    }
}

void hulse_chunked_unhold(struct pulsar_consumer *c, struct chunked *x, struct entry *e)
{
    TAILQ_REMOVE(&x->entries, e, chunk_link);
    x->held -= 1;
    e->chunked = NULL;
    if (x->state == CHUNKED_GIVEN_UP) {
        hulse_chunked_count(c, x, x->held);
    }
    if (e == x->last) {
        x->last = NULL;
        return;
    }
    hulse_entry_set_out(e, 0, false);
    e->refs -= 1;
}

/* It has no entries any more. */
void hulse_chunked_destroy(struct pulsar_consumer *c, struct chunked *x)
{
    struct chunks *k = &c->hands->chunks;

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
    hulse_chunked_count(c, x, 0);
    hulse_mem_free(HULSE_MEM_BROKER, x, x->object_bytes);
}

/* A message that found no room is to be known by its last entry, behind which a reader may be. */
static void owe(const struct pulsar_consumer *c, struct chunked *x)
{
    struct entry *last = TAILQ_LAST(&x->entries, entry_list);

    if (c->type == BROKER_READER && x->state == CHUNKED_GIVEN_UP && last != NULL &&
        hulse_chunked_is_complete(x)) {
        last->owed = true;
    }
}

void hulse_chunked_let_go(struct pulsar_consumer *c, struct chunked *x)
{
    struct entry *e = NULL;

    owe(c, x);
    while ((e = TAILQ_FIRST(&x->entries)) != NULL) {
        const bool held = e != x->last;
        hulse_chunked_unhold(c, x, e);
        if (held) {
            hulse_entry_review(c, e);
        }
    }
    hulse_chunked_destroy(c, x);
}

void hulse_chunked_ack(struct pulsar_consumer *c, struct chunked *x)
{
    struct entry *e = NULL;

    while ((e = TAILQ_FIRST(&x->entries)) != NULL) {
        const bool held = e != x->last;
        hulse_chunked_unhold(c, x, e);
        if (held) {
            hulse_entry_acked(c, e, 0);
            hulse_entry_review(c, e);
        }
    }
    hulse_chunked_destroy(c, x);
}

void hulse_chunked_ask(struct pulsar_consumer *c, struct chunked *x, uint32_t delay_ms)
{
    struct entry *e = NULL;

    owe(c, x);
    while ((e = TAILQ_FIRST(&x->entries)) != NULL) {
        const bool held = e != x->last;
        hulse_chunked_unhold(c, x, e);
        if (held) {
            hulse_again_ask(c, e, delay_ms);
            hulse_entry_review(c, e);
        }
    }
    hulse_chunked_destroy(c, x);
}

/* ---- of the last one ---- */

uint64_t hulse_chunked_hash(struct broker_span uuid)
{
    uint64_t hash = HULSE_HASH_START;

    for (uint32_t i = 0; i < uuid.bytes; i++) {
        hash = hulse_hash_byte(hash, (char)uuid.data[i]);
    }
    return hash;
}

bool hulse_chunked_remembers(const uint64_t over[PULSAR_CHUNKED_OVER], uint64_t hash)
{
    for (uint32_t i = 0; i < PULSAR_CHUNKED_OVER; i++) {
        if (over[i] == hash) {
            return true;
        }
    }
    return false;
}

/* Of one of our producers, which gives a name and a number to one message only (producer/chunks.h). */
static bool is_ours(const struct chunked *x)
{
    return x->stem_bytes != x->uuid_bytes;
}

static struct broker_span stem_of(const struct chunked *x)
{
    return (struct broker_span){x->uuid, x->stem_bytes};
}

/* `stem`: of its message, when all attempts are over with it; else 0. `at`: where it began, of one that is lost; else 0. */
static void remember(struct chunks *k, uint64_t uuid, uint64_t stem, uint64_t at)
{
    k->over[k->over_next] = uuid;
    k->over_stems[k->over_next] = stem;
    k->lost_at[k->over_next] = at;
    k->over_next = (k->over_next + 1) % PULSAR_CHUNKED_OVER;
}

void hulse_chunked_remember(struct pulsar_consumer *c, struct broker_span uuid)
{
    remember(&c->hands->chunks, hulse_chunked_hash(uuid), 0, 0);
}

void hulse_chunked_revive(struct pulsar_consumer *c, struct broker_span uuid)
{
    struct chunks *k = &c->hands->chunks;
    const uint64_t hash = hulse_chunked_hash(uuid);

    for (uint32_t i = 0; i < PULSAR_CHUNKED_OVER; i++) {
        if (k->over[i] == hash && k->lost_at[i] == 0) {
            k->over[i] = 0;
            k->over_stems[i] = 0;
        }
    }
}

static uint64_t hash_of(const struct chunked *x)
{
    return hulse_chunked_hash((struct broker_span){x->uuid, x->uuid_bytes});
}

static void remember_over(struct chunks *k, const struct chunked *x)
{
    remember(k, hash_of(x), is_ours(x) ? hulse_chunked_hash(stem_of(x)) : 0, 0);
}

/* To a reader. False: it was, by a session that was before this one and had begun before it. */
static bool is_lost_now(struct chunks *k, const struct chunked *x)
{
    const struct entry *first = TAILQ_FIRST(&x->entries);
    const uint64_t at = first->ledger * UINT64_C(0x9e3779b97f4a7c15) + first->entry + 1;
    const uint64_t uuid = hash_of(x);

    for (uint32_t i = 0; i < PULSAR_CHUNKED_OVER; i++) {
        if (k->over[i] == uuid && k->lost_at[i] == at) {
            return false;
        }
    }
    remember(k, uuid, 0, at); /* what still comes of it is the same loss */
    return true;
}

/* Another attempt of its message is acknowledged: nobody waits for this one. */
static bool is_done(const struct chunks *k, const struct chunked *x)
{
    return is_ours(x) && hulse_chunked_remembers(k->over_stems, hulse_chunked_hash(stem_of(x)));
}

static void pass_over_all(struct pulsar_consumer *c, const struct chunked *x)
{
    const struct entry *end = TAILQ_LAST(&x->entries, entry_list);

    if (end != NULL) {
        hulse_hand_out_behind(c, end->ledger, end->entry);
    }
}

/* An attempt that nobody waits for. */
static void end_attempt(struct pulsar_consumer *c, struct chunked *x)
{
    pass_over_all(c, x);
    hulse_chunked_ack(c, x);
}

bool hulse_chunked_is_before(const struct chunked *x, const Pulsar__MessageIdData *id)
{
    const struct entry *last = TAILQ_LAST(&x->entries, entry_list);

    return last == NULL || hulse_entry_below(last->ledger, last->entry, id->ledgerid, id->entryid);
}

static void end_attempts_in(struct pulsar_consumer *c,
                            const struct chunked_list *list,
                            struct broker_span stem,
                            const Pulsar__MessageIdData *id)
{
    struct chunked *next = NULL;

    for (struct chunked *x = TAILQ_FIRST(list); x != NULL; x = next) {
        next = TAILQ_NEXT(x, link);
        if (x->stem_bytes == stem.bytes && !hulse_chunked_is_complete(x) &&
            (id == NULL || hulse_chunked_is_before(x, id)) &&
            memcmp(x->uuid, stem.data, stem.bytes) == 0) {
            end_attempt(c, x);
        }
    }
}

void hulse_chunked_end_attempts(struct pulsar_consumer *c,
                                struct broker_span stem,
                                const Pulsar__MessageIdData *id)
{
    end_attempts_in(c, &c->hands->chunks.gathering, stem, id);
    end_attempts_in(c, &c->hands->chunks.given_up, stem, id);
}

void hulse_chunks_acked(struct pulsar_consumer *c, struct entry *last)
{
    struct chunked *x = last->chunked;

    if (x->last != last) {
        return;
    }
    remember_over(&c->hands->chunks, x);
    if (is_ours(x)) {
        hulse_chunked_end_attempts(c, stem_of(x), NULL);
    }
    hulse_chunked_ack(c, x);
}

void hulse_chunks_let_go(struct pulsar_consumer *c, struct entry *last)
{
    if (last->chunked->last == last) {
        hulse_chunked_let_go(c, last->chunked);
    }
}

void hulse_chunks_again(struct pulsar_consumer *c, struct entry *last, uint32_t delay_ms)
{
    if (last->chunked->last == last) {
        hulse_chunked_ask(c, last->chunked, delay_ms);
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
        remember_over(&c->hands->chunks, x);
    }
    hulse_chunked_unhold(c, x, e);
    if (TAILQ_EMPTY(&x->entries)) {
        hulse_chunked_destroy(c, x);
    }
}

/* ---- giving up ---- */

bool hulse_chunked_never_comes(const struct pulsar_consumer *c)
{
    return (c->type == BROKER_EXCLUSIVE || c->type == BROKER_FAILOVER) &&
           !c->hands->chunks.forgot && !c->hands->late;
}

uint32_t hulse_chunked_again_in(const struct pulsar_consumer *c)
{
    return c->chunking.expire_ms != 0 && c->chunking.expire_ms < AGAIN_MS
               ? (uint32_t)c->chunking.expire_ms
               : AGAIN_MS;
}

void hulse_chunked_arm(struct pulsar_consumer *c, uint64_t due_ms)
{
    struct timer *t = &c->hands->chunks.due;

    if (!hulse_timer_pending(t) || due_ms < t->due_ms) {
        hulse_timer_start(&c->worker->loop->timers, t, due_ms);
    }
}

/* A reader will not see it. May be the last touch of whoever made the consumer. */
void hulse_chunked_tell_lost(struct pulsar_consumer *c)
{
    if (c->base.events->lost != NULL) {
        c->base.events->lost(c->base.ctx, 1);
    }
}

void hulse_chunked_bound(struct pulsar_consumer *c)
{
    struct chunks *k = &c->hands->chunks;

    while (k->given_up_count > PULSAR_GIVEN_UP_MAX ||
           (k->given_up_count > 1 && c->set->chunk_entry_bytes > c->set->chunk_bytes_max)) {
        k->forgot = true;
        hulse_chunked_let_go(c, TAILQ_FIRST(&k->given_up));
    }
}

/* False: it is gone. `again_ms`: when it is asked for; 0: when more of it comes. */
bool hulse_chunked_give_up(struct pulsar_consumer *c,
                           struct chunked *x,
                           uint64_t again_ms,
                           const char *why)
{
    struct chunks *k = &c->hands->chunks;
    const struct entry *first = TAILQ_FIRST(&x->entries);
    const bool torn = again_ms == 0 && x->torn;

    if (again_ms == 0 && is_done(k, x)) {
        end_attempt(c, x);
        return false;
    }
    c->set->figures.chunks_given_up += 1;
    HULSE_LOG_WARNF("pulsar.chunks_given_up",
                    hulse_log_str("topic", c->topic),
                    hulse_log_str("subscription", c->subscription),
                    hulse_log_u64("ledger", first->ledger),
                    hulse_log_u64("entry", first->entry),
                    hulse_log_u64("chunks", x->next),
                    hulse_log_u64("of", x->count),
                    hulse_log_str("why", why));
    if (c->type != BROKER_READER &&
        (c->chunking.auto_ack || (torn && hulse_chunked_never_comes(c)))) {
        hulse_chunked_ack(c, x);
        return false;
    }
    if (c->type == BROKER_READER && again_ms == 0) {
        const bool lost = is_lost_now(k, x);
        pass_over_all(c, x);
        hulse_chunked_let_go(c, x);
        if (lost) {
            hulse_chunked_tell_lost(c);
        }
        return false;
    }
    TAILQ_REMOVE(&k->gathering, x, link);
    k->gathering_count -= 1;
    c->set->chunk_bytes -= x->bytes;
    hulse_body_release(x->body);
    x->body = NULL;
    x->state = CHUNKED_GIVEN_UP;
    hulse_chunked_count(c, x, x->held);
    x->again_ms = again_ms;
    TAILQ_INSERT_TAIL(&k->given_up, x, link);
    k->given_up_count += 1;
    if (again_ms != 0) {
        hulse_chunked_arm(c, again_ms);
    }
    hulse_chunked_bound(c);
    return true;
}

void hulse_chunked_give_up_oldest(struct pulsar_consumer *c, const char *why)
{
    (void)hulse_chunked_give_up(
        c, TAILQ_FIRST(&c->hands->chunks.gathering), now_ms(c) + hulse_chunked_again_in(c), why);
}

/* Is anything of it to come? Without permits the broker sends nothing. */
static bool is_old(const struct pulsar_consumer *c, const struct chunked *x)
{
    const uint64_t expire_ms = c->chunking.expire_ms;

    return expire_ms != 0 && now_ms(c) - x->moved_ms >= expire_ms && c->permits.broker > 0 &&
           c->state == SESSION_READY;
}

static struct chunked *find_old(const struct pulsar_consumer *c)
{
    struct chunked *x = NULL;

    TAILQ_FOREACH(x, &c->hands->chunks.gathering, link)
    {
        if (is_old(c, x)) {
            return x;
        }
    }
    return NULL;
}

static void arm_for_gathering(struct pulsar_consumer *c)
{
    const uint64_t expire_ms = c->chunking.expire_ms;
    const struct chunked *x = NULL;

    TAILQ_FOREACH(x, &c->hands->chunks.gathering, link)
    {
        const uint64_t due_ms = x->moved_ms + expire_ms;
        if (expire_ms != 0) {
            hulse_chunked_arm(c, due_ms > now_ms(c) ? due_ms : now_ms(c) + expire_ms);
        }
    }
}

void hulse_chunked_due(struct timer *timer)
{
    struct chunks *k = HULSE_CONTAINER(timer, struct chunks, due);
    struct pulsar_consumer *c = HULSE_CONTAINER(k, struct hands, chunks)->consumer;
    struct chunked *next = NULL;

    hulse_pulsar_consumer_enter(c);
    for (struct chunked *x = TAILQ_FIRST(&k->given_up); x != NULL; x = next) {
        next = TAILQ_NEXT(x, link);
        if (x->again_ms != 0 && x->again_ms <= now_ms(c)) {
            hulse_chunked_ask(c, x, 0);
        } else if (x->again_ms != 0) {
            hulse_chunked_arm(c, x->again_ms);
        }
    }
    struct chunked *old = NULL;
    while (!c->closed && (old = find_old(c)) != NULL) {
        (void)hulse_chunked_give_up(
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
