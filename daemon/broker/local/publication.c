/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publication - a record of a persistent topic on its way to the store, and its answer on the way
 * back to the producer.
 *
 * A copy of a record that was taken before is no message: a barrier tells when the first one has
 * ended, and keeps the order of the answers.
 */
#include "daemon/broker/local/durable.h"
#include "daemon/broker/local/internal.h"

#include <string.h>

static void fill_answer(struct publication *pub, hulse_status status)
{
    struct broker_answer *a = &pub->answer;
    *a = (struct broker_answer){.class = BROKER_BREAK, .outcome = HULSE_OUTCOME_FAILED_UNKNOWN};
    switch (status) {
    case HULSE_OK:
        a->class = BROKER_DONE;
        a->outcome = HULSE_OUTCOME_STORED;
        a->has_id = pub->rq.kind == STORE_MESSAGE;
        a->id = pub->message->first.d.id;
        break;
    case HULSE_TOOBIG:
        a->class = BROKER_TOO_LARGE;
        a->outcome = HULSE_OUTCOME_TOO_LARGE;
        break;
    case HULSE_NO_TOPIC:
        a->class = BROKER_FAIL;
        a->outcome = HULSE_OUTCOME_NO_TOPIC;
        break;
    default: /* a failed sync may have stored it, and so may a store that stops */
        break;
    }
}

/* The position counts as there or as never there, from now on. */
static void commit(struct topic *topic, struct message *m, hulse_status status)
{
    struct durable_topic *durable = topic->durable;
    const uint64_t position = m->first.d.id.entry;
    if (status != HULSE_OK) {
        if (position == durable->committed) {
            durable->committed = position + 1;
            for (struct link *l = topic->subscriptions.next; l != &topic->subscriptions;
                 l = l->next) {
                hulse_window_skip(HULSE_CONTAINER(l, struct subscription, link), position);
            }
        }
        hulse_message_drop(m);
        return;
    }
    HULSE_ASSERT(position >= durable->committed);
    durable->committed = position + 1;
    durable->last = m->first.d.id;
    durable->has_last = true;
    durable->last_known = true;
    hulse_durable_offer(topic, m);
}

/* What became of the record that this one is a copy of: refused, or nobody knows any more. Not the store's fault. */
static void answer_copy(struct publication *pub)
{
    fill_answer(pub, pub->rq.status);
    if (pub->rq.status == HULSE_OK && !hulse_handle_has_stored(pub->handle, pub->rq.seq)) {
        pub->answer =
            (struct broker_answer){.class = BROKER_FAIL, .outcome = HULSE_OUTCOME_FAILED_UNKNOWN};
    }
}

static void free_publication(struct local_worker *lw, struct publication *pub)
{
    hulse_pool_give(&lw->publications, pub);
}

static void done(struct store_request *rq)
{
    struct publication *pub = HULSE_CONTAINER(rq, struct publication, rq);
    struct topic *topic = pub->topic;
    struct local_worker *lw = topic->worker;
    if (rq->kind == STORE_MESSAGE) {
        fill_answer(pub, rq->status);
        if (rq->status == HULSE_OK && pub->handle != NULL) {
            hulse_handle_stored(pub->handle, rq->seq);
        }
        commit(topic, pub->message, rq->status);
    } else {
        answer_copy(pub);
        hulse_message_drop(pub->message);
    }
    pub->message = NULL;
    if (pub->handle != NULL) {
        hulse_handle_leave(topic, pub->handle, false);
    }
    if (pub->worker == lw->index) {
        hulse_producer_stored(pub->producer, pub->token, pub->round, &pub->answer);
        free_publication(lw, pub);
    } else {
        hulse_lane_add(lw, pub->worker, &pub->op, OP_STORED);
    }
    hulse_durable_ended(topic);
}

static uint64_t expires_at(const struct message *m)
{
    const uint64_t ttl_ms = m->first.d.meta.ttl_ms;
    const uint64_t now_ms = m->first.d.publish_time_ms;
    if (ttl_ms == 0) {
        return 0;
    }
    return ttl_ms > UINT64_MAX - now_ms ? UINT64_MAX : now_ms + ttl_ms;
}

/* The parts lie behind one another in the message, as the codec wants them. */
static void fill_message(struct publication *pub)
{
    struct topic *topic = pub->topic;
    struct message *m = pub->message;
    m->first.d.id = (struct broker_id){.ledger = hulse_store_epoch(topic->worker->broker->store),
                                       .entry = topic->next_entry,
                                       .batch = -1};
    hulse_message_encode(pub->header, &m->first.d, expires_at(m));
    pub->rq.kind = STORE_MESSAGE;
    pub->rq.position = topic->next_entry;
    pub->rq.time_ms = m->first.d.publish_time_ms;
    pub->rq.body[0] = (struct store_span){.data = pub->header, .bytes = sizeof(pub->header)};
    pub->rq.body[1] = (struct store_span){.data = m->data, .bytes = m->bytes - sizeof(*m)};
    topic->next_entry += 1;
}

bool hulse_publication_begin(struct topic *topic,
                             struct message *m,
                             const struct publication_from *from)
{
    struct local_worker *lw = topic->worker;
    struct publication *pub = hulse_pool_take(&lw->publications);
    if (pub == NULL) {
        return false;
    }
    *pub = (struct publication){
        .rq = {.kind = STORE_BARRIER, .done = done, .topic = topic->durable->id, .seq = m->seq},
        .topic = topic,
        .message = m,
        .handle = from->handle,
        .producer = from->producer,
        .token = m->token,
        .round = m->round,
        .worker = from->worker};
    if (from->handle != NULL) {
        from->handle->users += 1;
        memcpy(pub->rq.handle, from->handle->id, sizeof(pub->rq.handle));
    }
    if (from->handle == NULL || hulse_handle_take(from->handle, m->seq)) {
        fill_message(pub);
    }
    topic->durable->under_way += 1;
    hulse_store_submit(&lw->store, &pub->rq);
    return true;
}

void hulse_publication_arrived(struct local_worker *lw, struct publication *pub)
{
    HULSE_ASSERT(lw->awaited > 0);
    lw->awaited -= 1;
    hulse_producer_stored(pub->producer, pub->token, pub->round, &pub->answer);
}

void hulse_publication_returned(struct local_worker *lw, struct publication *pub)
{
    free_publication(lw, pub);
}
