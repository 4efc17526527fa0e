/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acks - acknowledgements, gathered into rounds: what a turn has acknowledged is one command, up to PULSAR_IDS_MAX ids.
 *
 * Of a batch that is acknowledged in part its set is told (7.7), for brokers that keep that; the others pass over it. Its
 * last word is always its plain id, with every broker.
 *
 * Rounds are sent and settled in their order. One that the broker did not answer is sent again with the next
 * session: to acknowledge twice does no harm. Until it is answered its entries stay in the table, so that what comes
 * again meanwhile is known to be over.
 */
#include "daemon/broker/pulsar/consumer/object.h"
#include "daemon/core/log.h"

/* The first protocol that answers them. */
#define RECEIPTS_FROM 17

void hulse_acks_end_part(struct entry *e)
{
    if (e->part != NULL) {
        TAILQ_REMOVE(&e->part->parts, e, part_link);
        e->part->count -= 1;
        e->part = NULL;
    }
}

static void end_parts(struct round *r)
{
    struct entry *e = NULL;
    while ((e = TAILQ_FIRST(&r->parts)) != NULL) {
        hulse_acks_end_part(e);
    }
}

static void settle(struct pulsar_consumer *c)
{
    struct round *r = NULL;
    uint32_t calls = 0;
    while ((r = TAILQ_FIRST(&c->hands->rounds)) != NULL && r->state == ROUND_ANSWERED) {
        struct entry *e = NULL;
        TAILQ_REMOVE(&c->hands->rounds, r, link);
        while ((e = TAILQ_FIRST(&r->entries)) != NULL) {
            TAILQ_REMOVE(&r->entries, e, group);
            e->in_round = false;
            hulse_entry_review(c, e);
        }
        end_parts(r);
        calls += r->calls;
        hulse_pool_give(&c->set->rounds, r);
    }
    if (calls > 0 && !c->closed && c->base.events->settled != NULL) {
        c->base.events->settled(c->base.ctx, calls);
    }
}

static void settle_later(struct pulsar_consumer *c)
{
    hulse_timer_start(
        &c->worker->loop->timers, &c->hands->flush_again, hulse_pulsar_consumer_now_ms(c));
}

void hulse_acks_settle(struct pulsar_consumer *c)
{
    hulse_pulsar_consumer_enter(c);
    settle(c);
    hulse_pulsar_consumer_leave(c);
}

/* ---- gathering ---- */

static struct round *begin(struct pulsar_consumer *c, bool cumulative, int32_t validation)
{
    struct round *r = hulse_pool_take(&c->set->rounds);
    if (r != NULL) {
        *r = (struct round){.consumer = c, .cumulative = cumulative, .validation = validation};
        TAILQ_INIT(&r->entries);
        TAILQ_INIT(&r->parts);
        TAILQ_INSERT_TAIL(&c->hands->rounds, r, link);
        hulse_pulsar_consumer_dirty(c);
    }
    return r;
}

/* The one that still takes such an acknowledgement. NULL: no memory. */
static struct round *gathering(struct pulsar_consumer *c, bool cumulative, int32_t validation)
{
    struct round *r = TAILQ_LAST(&c->hands->rounds, round_list);
    if (r != NULL && r->state == ROUND_GATHERING && !r->stale && r->cumulative == cumulative &&
        r->validation == validation && (cumulative || r->count < PULSAR_IDS_MAX)) {
        return r;
    }
    return begin(c, cumulative, validation);
}

static void put(struct pulsar_consumer *c, struct round *r, struct entry *e)
{
    hulse_acks_end_part(e);
    hulse_entry_take_out(&c->hands->entries, e);
    TAILQ_INSERT_TAIL(&r->entries, e, group);
    r->count += 1;
    e->in_round = true;
}

/* It cannot be said: it is as if nothing of it had been acknowledged, and comes again. */
static void forget(struct pulsar_consumer *c, struct entry *e)
{
    hulse_acks_end_part(e);
    for (uint32_t i = 0; i < (e->count + 63) / 64; i++) {
        e->acked_set[i] = 0;
    }
    e->acked = 0;
    hulse_pulsar_consumer_renew(c, "no memory for acknowledgements");
}

void hulse_acks_add(struct pulsar_consumer *c, struct entry *e, int32_t validation)
{
    HULSE_DASSERT(!e->in_round && !e->stray);
    struct round *r = gathering(c, false, validation);
    if (r == NULL) {
        forget(c, e);
        return;
    }
    put(c, r, e);
}

static bool is_part(const struct entry *e)
{
    return e->linked && !e->in_round && e->acked > 0 && e->acked < e->count;
}

static void put_part(struct round *r, struct entry *e)
{
    e->part = r;
    TAILQ_INSERT_TAIL(&r->parts, e, part_link);
    r->count += 1;
}

/* Without memory it is told with the whole. */
void hulse_acks_add_part(struct pulsar_consumer *c, struct entry *e)
{
    if (e->part != NULL || !is_part(e) || c->type == BROKER_READER) {
        return;
    }
    struct round *r = gathering(c, false, -1);
    if (r != NULL) {
        put_part(r, e);
    }
}

/* A later one that is before it says nothing. */
static void reach(struct round *r, const struct entry *e)
{
    const bool inside = e->acked < e->count;
    if (!r->reaches || hulse_entry_below(r->ledger, r->entry, e->ledger, e->entry)) {
        r->reaches = true;
        r->ledger = e->ledger;
        r->entry = e->entry;
        r->inside = inside;
    } else if (r->ledger == e->ledger && r->entry == e->entry) {
        r->inside = r->inside && inside;
    }
}

void hulse_acks_add_cumulative(struct pulsar_consumer *c,
                               const struct entry *last,
                               struct entry_list *covered)
{
    struct round *r = gathering(c, true, -1);
    struct entry *e = NULL;
    while ((e = TAILQ_FIRST(covered)) != NULL) {
        TAILQ_REMOVE(covered, e, group);
        if (r == NULL) {
            forget(c, e);
            hulse_entry_review(c, e);
        } else {
            put(c, r, e);
        }
    }
    if (r != NULL) {
        reach(r, last);
    }
}

void hulse_acks_called(struct pulsar_consumer *c)
{
    struct round *r = TAILQ_LAST(&c->hands->rounds, round_list);
    if (r != NULL) {
        r->calls += 1;
    } else if (c->base.events->settled != NULL) {
        c->base.events->settled(c->base.ctx, 1);
    }
}

/* ---- sending ---- */

static void note_refusal(struct pulsar_consumer *c, const Pulsar__BaseCommand *answer)
{
    const bool refused = answer->type == PULSAR__BASE_COMMAND__TYPE__ERROR ||
                         (answer->type == PULSAR__BASE_COMMAND__TYPE__ACK_RESPONSE &&
                          answer->ackresponse->has_error);
    if (refused) {
        c->set->figures.ack_errors += 1;
        HULSE_LOG_WARNF("pulsar.ack_refused", hulse_log_str("topic", c->topic));
    }
}

static void
answered(struct pulsar_request *request, enum pulsar_reply reply, const Pulsar__BaseCommand *answer)
{
    struct round *r = HULSE_CONTAINER(request, struct round, request);
    struct pulsar_consumer *c = r->consumer;
    if (reply == PULSAR_REPLY_ANSWER) {
        note_refusal(c, answer);
        r->state = ROUND_ANSWERED;
        hulse_acks_settle(c);
        return;
    }
    r->state = r->stale ? ROUND_ANSWERED : ROUND_GATHERING;
    if (r->stale) {
        settle_later(c);
    }
    if (reply == PULSAR_REPLY_TIMED_OUT) {
        hulse_pulsar_consumer_renew(c, "acknowledgements are not answered");
    }
}

static void write_id(Pulsar__MessageIdData *id, uint64_t ledger, uint64_t entry)
{
    pulsar__message_id_data__init(id);
    id->ledgerid = ledger;
    id->entryid = entry;
}

static size_t words_of(const struct entry *e)
{
    return ((size_t)e->count + 63) / 64;
}

/* A set of what is not acknowledged, the zeros at its end left out. `whole`: of all, else of the first ones alone. */
static void write_set(Pulsar__MessageIdData *id, const struct entry *e, bool whole, int64_t *words)
{
    const uint32_t prefix = whole ? 0 : hulse_entry_prefix(e);
    HULSE_ASSERT(words != NULL); /* words_needed() has counted them */
    id->ack_set = words;
    id->n_ack_set = 0;
    for (size_t i = 0; i < words_of(e); i++) {
        const uint32_t base = (uint32_t)(i * 64);
        uint64_t word = e->count - base < 64 ? (UINT64_C(1) << (e->count - base)) - 1 : UINT64_MAX;
        if (whole) {
            word &= ~e->acked_set[i];
        } else if (prefix > base) {
            word = prefix - base < 64 ? word & (UINT64_MAX << (prefix - base)) : 0;
        }
        words[i] = (int64_t)word;
        id->n_ack_set = word != 0 ? i + 1 : id->n_ack_set;
    }
}

/* The entry that a cumulative round ends in; NULL: there is none, or it ends with it. */
static const struct entry *entry_inside(const struct pulsar_consumer *c, const struct round *r)
{
    const struct entry *e =
        r->inside ? hulse_entry_find(&c->hands->entries, r->ledger, r->entry) : NULL;
    return e != NULL && e->acked < e->count && hulse_entry_prefix(e) > 0 ? e : NULL;
}

static size_t words_needed(const struct pulsar_consumer *c, const struct round *r)
{
    const struct entry *e = r->cumulative ? entry_inside(c, r) : NULL;
    size_t words = e != NULL ? words_of(e) : 0;
    TAILQ_FOREACH(e, &r->parts, part_link)
    {
        words += words_of(e);
    }
    return words;
}

static void write_cumulative(const struct pulsar_consumer *c, const struct round *r, int64_t *words)
{
    Pulsar__MessageIdData *id = &c->set->ids[0];
    const struct entry *e = entry_inside(c, r);
    const struct entry *known =
        r->inside ? hulse_entry_find(&c->hands->entries, r->ledger, r->entry) : NULL;
    const bool whole = !r->inside || (known != NULL && known->acked == known->count);
    write_id(id, r->ledger, whole || e != NULL ? r->entry : r->entry - 1);
    if (e != NULL) {
        write_set(id, e, false, words);
    }
}

static void write_ids(const struct pulsar_consumer *c, const struct round *r, int64_t *words)
{
    struct pulsar_consumers *set = c->set;
    const struct entry *e = NULL;
    size_t i = 0;
    TAILQ_FOREACH(e, &r->entries, group)
    {
        write_id(&set->ids[i++], e->ledger, e->entry);
    }
    TAILQ_FOREACH(e, &r->parts, part_link)
    {
        write_id(&set->ids[i], e->ledger, e->entry);
        write_set(&set->ids[i++], e, true, words);
        words += words_of(e);
    }
}

static void fill(const struct pulsar_consumer *c, const struct round *r, Pulsar__CommandAck *ack)
{
    ack->consumer_id = c->user.id;
    ack->ack_type = r->cumulative ? PULSAR__COMMAND_ACK__ACK_TYPE__Cumulative
                                  : PULSAR__COMMAND_ACK__ACK_TYPE__Individual;
    ack->message_id = c->set->id_pointers;
    ack->n_message_id = r->cumulative ? 1 : r->count;
    ack->has_validation_error = r->validation >= 0;
    if (r->validation >= 0) {
        ack->validation_error = (Pulsar__CommandAck__ValidationError)r->validation;
    }
}

/* False: no memory. */
static bool say(struct pulsar_consumer *c, struct round *r, Pulsar__CommandAck *ack)
{
    struct pulsar_connection *conn = c->user.connection;
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;
    command.type = PULSAR__BASE_COMMAND__TYPE__ACK;
    command.ack = ack;
    if (hulse_pulsar_peer(conn)->protocol_version < RECEIPTS_FROM) {
        if (!hulse_pulsar_command(conn, &command)) {
            return false;
        }
        r->state = ROUND_ANSWERED;
        settle_later(c);
        return true;
    }
    r->request.done = answered;
    ack->has_request_id = true;
    ack->request_id = hulse_pulsar_request_id(conn, &r->request);
    if (!hulse_pulsar_ask(
            conn, &r->request, &command, c->worker->broker->params.operation_timeout_ms)) {
        return false;
    }
    r->state = ROUND_SENT;
    return true;
}

/* False: no memory. */
static bool send_round(struct pulsar_consumer *c, struct round *r)
{
    Pulsar__CommandAck ack = PULSAR__COMMAND_ACK__INIT;
    const size_t bytes = words_needed(c, r) * sizeof(int64_t);
    int64_t *words = NULL;

    if (!r->cumulative && r->count == 0) {
        r->state = ROUND_ANSWERED; /* what it was to say is over, or was said by another one */
        settle_later(c);
        return true;
    }
    if (bytes > 0) {
        words = hulse_mem_alloc(HULSE_MEM_BROKER, bytes);
        if (words == NULL) {
            return false;
        }
    }
    if (r->cumulative) {
        write_cumulative(c, r, words);
    } else {
        write_ids(c, r, words);
    }
    fill(c, r, &ack);
    const bool said = say(c, r, &ack);
    hulse_mem_free(HULSE_MEM_BROKER, words, bytes);
    if (said) {
        end_parts(r);
    }
    return said;
}

void hulse_acks_send(struct pulsar_consumer *c)
{
    struct round *r = NULL;
    /* One that comes back without an answer stands before others that were answered. */
    TAILQ_FOREACH(r, &c->hands->rounds, link)
    {
        if (r->state != ROUND_GATHERING) {
            continue;
        }
        if (!send_round(c, r)) {
            hulse_timer_start(&c->worker->loop->timers,
                              &c->hands->flush_again,
                              hulse_pulsar_consumer_now_ms(c) + PULSAR_REFUSED_MS);
            return;
        }
    }
}

/* What a broker was told of parts it may not have heard: before anything else, so that nothing is settled without. */
static void tell_parts_again(struct pulsar_consumer *c)
{
    struct entry *e = NULL;
    struct round *r = NULL;
    TAILQ_FOREACH(e, &c->hands->entries.all, link)
    {
        if (e->part != NULL || !is_part(e) || c->type == BROKER_READER) {
            continue;
        }
        if (r == NULL || r->count == PULSAR_IDS_MAX) {
            r = begin(c, false, -1);
            if (r == NULL) {
                return;
            }
            TAILQ_REMOVE(&c->hands->rounds, r, link);
            TAILQ_INSERT_HEAD(&c->hands->rounds, r, link);
        }
        put_part(r, e);
    }
}

void hulse_acks_unsend(struct pulsar_consumer *c)
{
    struct round *r = NULL;
    bool over = false;
    TAILQ_FOREACH(r, &c->hands->rounds, link)
    {
        if (r->state == ROUND_SENT) {
            hulse_pulsar_cancel(&r->request);
            r->state = ROUND_GATHERING;
        }
        if (r->stale && r->state == ROUND_GATHERING) {
            r->state = ROUND_ANSWERED;
            over = true;
        }
    }
    tell_parts_again(c);
    if (over) {
        settle_later(c);
    }
}

void hulse_acks_retire(struct pulsar_consumer *c)
{
    struct round *r = NULL;
    TAILQ_FOREACH(r, &c->hands->rounds, link)
    {
        struct entry *e = NULL;
        TAILQ_FOREACH(e, &r->entries, group)
        {
            hulse_entry_unlink(&c->hands->entries, e);
        }
        end_parts(r);
        r->stale = true;
        if (r->state == ROUND_GATHERING) {
            r->state = ROUND_ANSWERED;
            settle_later(c);
        }
    }
}

void hulse_acks_drop(struct pulsar_consumer *c)
{
    struct round *r = NULL;
    TAILQ_FOREACH(r, &c->hands->rounds, link)
    {
        hulse_pulsar_cancel(&r->request);
        r->state = ROUND_ANSWERED;
    }
    hulse_acks_settle(c);
}
