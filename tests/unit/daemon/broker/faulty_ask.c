/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faulty_ask - requests of the faulty broker. What a result says is spoiled on its way back.
 */
#include "tests/unit/daemon/broker/faulty_objects.h"

/* In place of the caller's `done` while the inner broker has the request. */
struct faulty_request {
    struct broker_request *request;
    void (*done)(struct broker_request *request);
    void (*spoil)(struct broker_request *request);
    bool twice;
};

static _Thread_local struct faulty_request under_way; /* one per thread is enough */

static void done(struct broker_request *request)
{
    const struct faulty_request r = under_way;
    HULSE_ASSERT(r.request == request);
    under_way.request = NULL;
    if (r.spoil != NULL) {
        r.spoil(request);
    }
    request->done = r.done;
    r.done(request);
    if (r.twice) {
        r.done(request);
    }
}

static void come_between(const struct faulty *f,
                         struct broker_request *request,
                         void (*spoil)(struct broker_request *request))
{
    under_way = (struct faulty_request){.request = request,
                                        .done = request->done,
                                        .spoil = spoil,
                                        .twice = f->fault == FAULT_DONE_TWICE};
    request->done = done;
}

static void lie(struct broker_request *request)
{
    request->status = HULSE_OK;
    request->text[0] = '\0';
}

static void spoil_stats(struct broker_request *request)
{
    HULSE_CONTAINER(request, struct broker_stats, request)->total.acknowledged += 1;
}

static void spoil_subscriptions(struct broker_request *request)
{
    struct broker_stats *q = HULSE_CONTAINER(request, struct broker_stats, request);
    static struct broker_subscription_stats spoilt[8];
    for (uint32_t i = 0; i < q->subscription_count && i < 8; i++) {
        spoilt[i] = q->subscriptions[i];
        spoilt[i].unacked += 1;
    }
    q->subscriptions = spoilt;
}

static void spoil_last(struct broker_request *request)
{
    HULSE_CONTAINER(request, struct broker_admin, request)->has_last = true;
    HULSE_CONTAINER(request, struct broker_admin, request)->last.entry = 7;
}

static hulse_status give_up(const struct faulty_request *r, hulse_status st)
{
    if (st != HULSE_OK) {
        r->request->done = r->done;
    }
    return st;
}

hulse_status hulse_faulty_lookup(struct broker *b, struct broker_lookup *q, struct error *err)
{
    const struct faulty *f = hulse_faulty_of(b);
    come_between(f, &q->request, f->fault == FAULT_LOOKUP_LIES ? lie : NULL);
    const struct faulty_request r = under_way;
    return give_up(&r, f->inner->ops->topic_lookup(f->inner, q, err));
}

hulse_status hulse_faulty_stats(struct broker *b, struct broker_stats *q, struct error *err)
{
    const struct faulty *f = hulse_faulty_of(b);
    void (*spoil)(struct broker_request * request) = NULL;
    if (f->fault == FAULT_STATS) {
        spoil = spoil_stats;
    } else if (f->fault == FAULT_STATS_SUBSCRIPTION) {
        spoil = spoil_subscriptions;
    }
    come_between(f, &q->request, spoil);
    const struct faulty_request r = under_way;
    return give_up(&r, f->inner->ops->stats(f->inner, q, err));
}

hulse_status
hulse_faulty_schema(struct broker *b, struct broker_schema_request *q, struct error *err)
{
    const struct faulty *f = hulse_faulty_of(b);
    if (f->fault == FAULT_SCHEMA_TAKEN) {
        lie(&q->request);
        q->request.done(&q->request);
        return HULSE_OK;
    }
    return f->inner->ops->schema_get(f->inner, q, err);
}

hulse_status hulse_faulty_admin(struct broker *b, struct broker_admin *q, struct error *err)
{
    const struct faulty *f = hulse_faulty_of(b);
    void (*spoil)(struct broker_request * request) = NULL;
    if (f->fault == FAULT_MADE_TWICE && q->command == BROKER_ADMIN_CREATE) {
        spoil = lie;
    } else if (f->fault == FAULT_DELETE_FORCED) {
        q->force = true;
    } else if (f->fault == FAULT_TRUNCATE_NOTHING && q->command == BROKER_ADMIN_TRUNCATE) {
        q->command = BROKER_ADMIN_SUBSCRIPTIONS; /* of a topic that is there, or not */
    } else if (f->fault == FAULT_LIST_ALL && q->command == BROKER_ADMIN_TOPICS) {
        q->namespace_name = "";
    } else if (f->fault == FAULT_LAST_OF_TERMINATED && q->command == BROKER_ADMIN_TERMINATE) {
        spoil = spoil_last;
    } else if (f->fault == FAULT_PARTITIONS_IGNORED) {
        q->partitions = 0;
    }
    come_between(f, &q->request, spoil);
    const struct faulty_request r = under_way;
    return give_up(&r, f->inner->ops->admin(f->inner, q, err));
}
