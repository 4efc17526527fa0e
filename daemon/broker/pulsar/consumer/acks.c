/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acks - acknowledgements, gathered into rounds: what a turn has acknowledged is one command, up to PULSAR_IDS_MAX ids.
 *
 * Rounds are sent and settled in their order. One that the broker did not answer is sent again with the next
 * session: to acknowledge twice does no harm. Until it is answered its entries stay in the table, so that what comes
 * again meanwhile is known to be over.
 */
#include "daemon/broker/pulsar/consumer/object.h"
#include "daemon/core/log.h"

/* The first protocol that answers them. */
#define RECEIPTS_FROM 17

static void settle(struct pulsar_consumer *c)
{
    struct round *r = NULL;
    uint32_t calls = 0;
    while ((r = TAILQ_FIRST(&c->rounds)) != NULL && r->state == ROUND_ANSWERED) {
        struct entry *e = NULL;
        TAILQ_REMOVE(&c->rounds, r, link);
        while ((e = TAILQ_FIRST(&r->entries)) != NULL) {
            TAILQ_REMOVE(&r->entries, e, group);
            e->in_round = false;
            hulse_entry_review(c, e);
        }
        calls += r->calls;
        hulse_pool_give(&c->set->rounds, r);
    }
    if (calls > 0 && !c->closed && c->base.events->settled != NULL) {
        c->base.events->settled(c->base.ctx, calls);
    }
}

static void settle_later(struct pulsar_consumer *c)
{
    hulse_timer_start(&c->worker->loop->timers, &c->flush_again, hulse_pulsar_consumer_now_ms(c));
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
        TAILQ_INSERT_TAIL(&c->rounds, r, link);
        hulse_pulsar_consumer_dirty(c);
    }
    return r;
}

/* The one that still takes such an acknowledgement. NULL: no memory. */
static struct round *gathering(struct pulsar_consumer *c, bool cumulative, int32_t validation)
{
    struct round *r = TAILQ_LAST(&c->rounds, round_list);
    if (r != NULL && r->state == ROUND_GATHERING && !r->stale && r->cumulative == cumulative &&
        r->validation == validation && (cumulative || r->count < PULSAR_IDS_MAX)) {
        return r;
    }
    return begin(c, cumulative, validation);
}

static void put(struct pulsar_consumer *c, struct round *r, struct entry *e)
{
    hulse_entry_take_out(&c->entries, e);
    TAILQ_INSERT_TAIL(&r->entries, e, group);
    r->count += 1;
    e->in_round = true;
}

/* It cannot be said: it is as if nothing of it had been acknowledged, and comes again. */
static void forget(struct pulsar_consumer *c, struct entry *e)
{
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

void hulse_acks_add_cumulative(struct pulsar_consumer *c,
                               uint64_t ledger,
                               uint64_t entry,
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
        r->ledger = ledger;
        r->entry = entry;
    }
}

void hulse_acks_called(struct pulsar_consumer *c)
{
    struct round *r = TAILQ_LAST(&c->rounds, round_list);
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

static void write_ids(const struct round *r, struct pulsar_consumers *set)
{
    const struct entry *e = NULL;
    size_t i = 0;
    if (r->cumulative) {
        write_id(&set->ids[0], r->ledger, r->entry);
        return;
    }
    TAILQ_FOREACH(e, &r->entries, group)
    {
        write_id(&set->ids[i++], e->ledger, e->entry);
    }
}

/* False: no memory. */
static bool send_round(struct pulsar_consumer *c, struct round *r)
{
    struct pulsar_connection *conn = c->user.connection;
    const bool receipt = hulse_pulsar_peer(conn)->protocol_version >= RECEIPTS_FROM;
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;
    Pulsar__CommandAck ack = PULSAR__COMMAND_ACK__INIT;

    write_ids(r, c->set);
    command.type = PULSAR__BASE_COMMAND__TYPE__ACK;
    command.ack = &ack;
    ack.consumer_id = c->user.id;
    ack.ack_type = r->cumulative ? PULSAR__COMMAND_ACK__ACK_TYPE__Cumulative
                                 : PULSAR__COMMAND_ACK__ACK_TYPE__Individual;
    ack.message_id = c->set->id_pointers;
    ack.n_message_id = r->cumulative ? 1 : r->count;
    ack.has_validation_error = r->validation >= 0;
    if (r->validation >= 0) {
        ack.validation_error = (Pulsar__CommandAck__ValidationError)r->validation;
    }
    if (!receipt) {
        if (!hulse_pulsar_command(conn, &command)) {
            return false;
        }
        r->state = ROUND_ANSWERED;
        settle_later(c);
        return true;
    }
    r->request.done = answered;
    ack.has_request_id = true;
    ack.request_id = hulse_pulsar_request_id(conn, &r->request);
    if (!hulse_pulsar_ask(
            conn, &r->request, &command, c->worker->broker->params.operation_timeout_ms)) {
        return false;
    }
    r->state = ROUND_SENT;
    return true;
}

void hulse_acks_send(struct pulsar_consumer *c)
{
    struct round *r = NULL;
    /* One that comes back without an answer stands before others that were answered. */
    TAILQ_FOREACH(r, &c->rounds, link)
    {
        if (r->state != ROUND_GATHERING) {
            continue;
        }
        if (!send_round(c, r)) {
            hulse_timer_start(&c->worker->loop->timers,
                              &c->flush_again,
                              hulse_pulsar_consumer_now_ms(c) + PULSAR_REFUSED_MS);
            return;
        }
    }
}

void hulse_acks_unsend(struct pulsar_consumer *c)
{
    struct round *r = NULL;
    bool over = false;
    TAILQ_FOREACH(r, &c->rounds, link)
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
    if (over) {
        settle_later(c);
    }
}

void hulse_acks_retire(struct pulsar_consumer *c)
{
    struct round *r = NULL;
    TAILQ_FOREACH(r, &c->rounds, link)
    {
        struct entry *e = NULL;
        TAILQ_FOREACH(e, &r->entries, group)
        {
            hulse_entry_unlink(&c->entries, e);
        }
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
    TAILQ_FOREACH(r, &c->rounds, link)
    {
        hulse_pulsar_cancel(&r->request);
        r->state = ROUND_ANSWERED;
    }
    hulse_acks_settle(c);
}
