/* SPDX-License-Identifier: Apache-2.0 */
/*
 * order - control records on their way to the store, and who waits for them.
 */
#include "daemon/broker/local/durable.h"
#include "daemon/broker/local/internal.h"

const char *hulse_store_text(hulse_status status)
{
    switch (status) {
    case HULSE_OK:
        return "";
    case HULSE_IO:
        return "the store has failed and takes nothing until a restart: see the log";
    case HULSE_LIMIT:
        return "the store has no room for it";
    case HULSE_CLOSED:
        return "the daemon is stopping";
    case HULSE_TOOBIG:
        return "the name is too long for the store (1024 bytes)";
    case HULSE_NO_TOPIC:
        return "the topic was deleted";
    default:
        return "the store has refused it";
    }
}

static void done(struct store_request *rq)
{
    struct order *o = HULSE_CONTAINER(rq, struct order, rq);
    struct topic *topic = o->topic;
    struct link waiting;
    hulse_link_init(&waiting);
    hulse_link_prepend_all(&waiting, &o->waiting);
    /* Either may be gone afterwards, but not before those who wait have been served. */
    if (o->sub != NULL) {
        o->sub->cursor->busy -= 1;
    }
    if (o->ended != NULL) {
        o->ended(o, rq->status == HULSE_OK);
    }
    hulse_later_serve(topic->worker, &waiting, rq->status, hulse_store_text(rq->status));
    if (o->sub != NULL) {
        hulse_subscription_consider(o->sub);
    }
    if (!o->embedded) {
        hulse_mem_free(HULSE_MEM_TOPIC, o, sizeof(*o));
    }
    hulse_durable_ended(topic);
}

void hulse_order_init(struct order *o, struct topic *topic, enum store_kind kind)
{
    *o = (struct order){.rq = {.kind = kind, .done = done, .topic = topic->durable->id},
                        .topic = topic};
    hulse_link_init(&o->waiting);
}

struct order *hulse_order_create(struct topic *topic, enum store_kind kind)
{
    struct order *o = hulse_mem_alloc(HULSE_MEM_TOPIC, sizeof(*o));
    if (o != NULL) {
        hulse_order_init(o, topic, kind);
    }
    return o;
}

void hulse_order_give(struct order *o)
{
    o->topic->durable->under_way += 1;
    if (o->sub != NULL) {
        o->sub->cursor->busy += 1;
    }
    hulse_topic_consider(o->topic); /* one that is deleted waits for it */
    hulse_store_submit(&o->topic->worker->store, &o->rq);
}
