/* SPDX-License-Identifier: Apache-2.0 */
/*
 * errand - what a consumer asks of its topic: the last id, and to forget the subscription.
 */
#include "daemon/broker/local/durable.h"
#include "daemon/broker/local/internal.h"

static struct consumer *consumer_of(struct broker_consumer *base)
{
    struct consumer *c = (struct consumer *)(void *)base;
    HULSE_ASSERT(c->magic == LOCAL_CONSUMER_MAGIC && !c->closed);
    return c;
}

static void tell_last_id(struct consumer *c)
{
    struct topic *topic = c->seat->sub->topic;
    struct errand *e = &c->errand;
    if (topic->durable != NULL && !topic->durable->last_known) {
        hulse_durable_find_last(topic);
        hulse_later_errand(c, &topic->durable->askers, topic);
        return;
    }
    e->has_id = hulse_topic_last(topic, &e->id);
}

static void unsubscribe(struct consumer *c)
{
    struct subscription *sub = c->seat->sub;
    if (sub->type == BROKER_READER) {
        c->errand.status = HULSE_INVAL;
        c->errand.text = "a reader has no subscription";
    } else if (sub->seat_count > 1) {
        c->errand.status = HULSE_BUSY;
        c->errand.text = "the subscription has other consumers";
    } else if (!sub->over) {
        struct order *removal = sub->cursor == NULL ? NULL : hulse_cursor_remove(sub);
        hulse_subscription_cease(sub);
        if (removal != NULL) {
            hulse_later_errand(c, &removal->waiting, NULL);
        }
    }
}

void hulse_errand_serve(struct consumer *c)
{
    struct errand *e = &c->errand;
    HULSE_ASSERT(c->magic == LOCAL_CONSUMER_MAGIC && c->seat->magic == LOCAL_SEAT_MAGIC);
    e->status = HULSE_OK;
    e->text = "";
    if (e->kind == BROKER_LAST_MESSAGE_ID) {
        tell_last_id(c);
    } else {
        unsubscribe(c);
    }
}

void hulse_errand_done(struct consumer *c)
{
    const struct errand e = c->errand;
    HULSE_ASSERT(c->magic == LOCAL_CONSUMER_MAGIC && e.under_way);
    c->errand.under_way = false;
    if (c->closed) {
        if (c->state == END_GONE) {
            hulse_consumer_release(c);
        }
    } else if (c->base.events->done != NULL) {
        c->base.events->done(
            c->base.ctx, e.kind, e.status, e.text, e.has_id && e.status == HULSE_OK ? &e.id : NULL);
    }
}

static hulse_status begin(struct consumer *c, enum broker_errand kind, struct error *err)
{
    if (c->errand.under_way) {
        return hulse_fail(err, HULSE_BUSY, "another errand of this consumer is under way");
    }
    if (c->state != END_OPEN) {
        return hulse_fail(err, HULSE_CLOSED, "the topic's worker has stopped");
    }
    c->errand = (struct errand){
        .kind = kind, .under_way = true, .status = HULSE_CLOSED, .text = "the daemon is stopping"};
    if (c->remote) {
        hulse_lane_add(c->worker, c->owner, &c->errand.op, OP_ERRAND);
    } else {
        hulse_errand_serve(c);
        if (c->errand.later == NULL) {
            hulse_errand_done(c);
        }
    }
    return HULSE_OK;
}

hulse_status hulse_local_last_message_id(struct broker_consumer *consumer, struct error *err)
{
    return begin(consumer_of(consumer), BROKER_LAST_MESSAGE_ID, err);
}

hulse_status hulse_local_unsubscribe(struct broker_consumer *consumer, struct error *err)
{
    return begin(consumer_of(consumer), BROKER_UNSUBSCRIBE, err);
}

hulse_status hulse_local_seek(struct broker_consumer *consumer,
                              const struct broker_position *to,
                              void (*ended)(void *ctx, struct broker_delivery *d),
                              struct error *err)
{
    (void)consumer_of(consumer);
    (void)to;
    (void)ended;
    return hulse_fail(err, HULSE_UNSUPPORTED, "the local broker cannot go back to a message");
}
