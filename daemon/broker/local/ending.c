/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ending - the end of a topic by order, told to everybody who has it open.
 *
 * A producer or consumer may be on any worker, and its topic does not know it: each worker looks
 * through its own. Two passes, because the event of one may close another. The topic outlives all
 * of them.
 */
#include "daemon/broker/local/internal.h"

#include <stddef.h>

/* ---- telling: the list is emptied, and those that were told are back among the others ---- */

static void
tell_producers(struct local_worker *lw, struct link *told, hulse_status status, const char *text)
{
    while (!hulse_link_empty(told)) {
        struct producer *p = HULSE_CONTAINER(told->next, struct producer, link);
        hulse_link_remove(&p->link);
        hulse_link_append(&lw->producers, &p->link);
        p->base.events->failed(p->base.ctx, status, text);
    }
}

static void
tell_consumers(struct local_worker *lw, struct link *told, hulse_status status, const char *text)
{
    while (!hulse_link_empty(told)) {
        struct consumer *c = HULSE_CONTAINER(told->next, struct consumer, link);
        hulse_link_remove(&c->link);
        hulse_link_append(&lw->consumers, &c->link);
        c->base.events->failed(c->base.ctx, status, text);
    }
}

static void move(struct link *l, struct link *to)
{
    hulse_link_remove(l);
    hulse_link_append(to, l);
}

/* ---- whom it concerns ---- */

/* The end of one topic, or of all that belong to a worker which has stopped. */
struct ending {
    const struct topic *topic; /* NULL: all of `worker` */
    uint32_t worker;
    enum topic_end end; /* of the topic */
    hulse_status status;
    const char *text;
};

static void end_producers(struct local_worker *lw, const struct ending *e)
{
    struct link told;
    struct link *next = NULL;
    hulse_link_init(&told);
    for (struct link *l = lw->producers.next; l != &lw->producers; l = next) {
        struct producer *p = HULSE_CONTAINER(l, struct producer, link);
        const bool concerned = e->topic != NULL ? p->topic == e->topic : p->owner == e->worker;
        next = l->next;
        if (!concerned || p->closed || (p->state != END_OPEN && p->state != END_ENDED)) {
            continue;
        }
        if (p->state == END_OPEN) {
            move(l, &told);
        }
        if (e->topic != NULL) {
            p->state = END_ENDED;
            p->refusal = hulse_topic_refusal(e->end);
        } else {
            p->state = END_GONE;
            p->topic = NULL;
        }
    }
    tell_producers(lw, &told, e->status, e->text);
}

static void end_consumers(struct local_worker *lw, const struct ending *e)
{
    struct link told;
    struct link *next = NULL;
    hulse_link_init(&told);
    for (struct link *l = lw->consumers.next; l != &lw->consumers; l = next) {
        struct consumer *c = HULSE_CONTAINER(l, struct consumer, link);
        const bool concerned = e->topic != NULL ? c->topic == e->topic : c->owner == e->worker;
        next = l->next;
        if (!concerned || c->closed || c->state != END_OPEN) {
            continue;
        }
        if (!c->failed) {
            move(l, &told);
            c->failed = true;
        }
        if (e->topic == NULL) {
            c->state = END_GONE;
            c->seat = NULL;
        }
    }
    tell_consumers(lw, &told, e->status, e->text);
}

/* A terminated topic is still read. */
static void tell(struct local_worker *lw, const struct topic *topic, enum topic_end end)
{
    const bool terminated = end == TOPIC_TERMINATED;
    const struct ending e = {
        .topic = topic,
        .end = end,
        .status = terminated ? HULSE_CLOSED : HULSE_NO_TOPIC,
        .text = terminated ? "the topic was terminated" : "the topic was deleted",
    };

    end_producers(lw, &e);
    if (!terminated) {
        end_consumers(lw, &e);
    }
}

void hulse_ending_worker_gone(struct local_worker *lw, uint32_t gone)
{
    const struct ending e = {
        .worker = gone, .status = HULSE_CLOSED, .text = "the topic's worker has stopped"};

    end_producers(lw, &e);
    end_consumers(lw, &e);
}

/* ---- notices ---- */

void hulse_notice_arrived(struct local_worker *lw, const struct notice *notice)
{
    tell(lw, notice->topic, notice->end);
}

void hulse_notice_returned(struct notice *notice)
{
    struct topic *topic = notice->topic;
    HULSE_ASSERT(topic->magic == LOCAL_TOPIC_MAGIC && topic->notices > 0);
    topic->notices -= 1;
    hulse_mem_free(HULSE_MEM_TOPIC, notice, sizeof(*notice));
    hulse_topic_consider(topic);
}

static void take_back(struct notice **notices, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        hulse_mem_free(HULSE_MEM_TOPIC, notices[i], sizeof(*notices[i]));
    }
}

/* One for each other worker; false: no memory, and nothing was taken. */
static bool prepare(struct topic *topic, struct notice **notices, enum topic_end end)
{
    const struct local_worker *lw = topic->worker;
    for (uint32_t i = 0; i + 1 < lw->worker_count; i++) {
        notices[i] = hulse_mem_alloc(HULSE_MEM_TOPIC, sizeof(*notices[i]));
        if (notices[i] == NULL) {
            take_back(notices, i);
            return false;
        }
        *notices[i] = (struct notice){.topic = topic, .end = end};
    }
    return true;
}

/* Here and elsewhere. The topic may be gone afterwards, in a later turn. */
static void announce(struct topic *topic, struct notice **notices, enum topic_end end)
{
    struct local_worker *lw = topic->worker;
    topic->notices += lw->worker_count;
    uint32_t next = 0;
    for (uint32_t i = 0; i < lw->worker_count; i++) {
        if (i != lw->index) {
            hulse_lane_add(lw, i, &notices[next]->op, OP_ENDED);
            next += 1;
        }
    }
    tell(lw, topic, end);
    topic->notices -= 1;
    hulse_topic_consider(topic);
}

hulse_status hulse_topic_delete(struct topic *topic, bool force, const char **text)
{
    struct notice *notices[LOCAL_WORKERS_MAX] = {NULL};
    if (!force && (topic->producers != 0 || topic->seats != 0)) {
        *text = "producers or consumers have the topic open";
        return HULSE_BUSY;
    }
    if (!prepare(topic, notices, TOPIC_DELETED)) {
        *text = "no memory to tell the workers";
        return HULSE_NO_MEMORY;
    }
    hulse_table_remove(topic->worker, topic);
    hulse_link_append(&topic->worker->deleted, &topic->gone);
    topic->end = TOPIC_DELETED;
    for (struct link *l = topic->subscriptions.next; l != &topic->subscriptions; l = l->next) {
        struct subscription *sub = HULSE_CONTAINER(l, struct subscription, link);
        if (sub->over) {
            continue;
        }
        if (sub->seat_count == 0) {
            hulse_subscription_forget(sub);
        } else {
            hulse_subscription_cease(sub);
        }
    }
    if (hulse_timer_pending(&topic->unused)) {
        hulse_timer_stop(&topic->worker->worker->loop.timers, &topic->unused);
    }
    announce(topic, notices, TOPIC_DELETED);
    return HULSE_OK;
}

hulse_status hulse_topic_terminate(struct topic *topic, const char **text)
{
    struct notice *notices[LOCAL_WORKERS_MAX] = {NULL};
    if (topic->end != TOPIC_LIVE) {
        return HULSE_OK;
    }
    if (!prepare(topic, notices, TOPIC_TERMINATED)) {
        *text = "no memory to tell the workers";
        return HULSE_NO_MEMORY;
    }
    topic->end = TOPIC_TERMINATED;
    for (struct link *l = topic->subscriptions.next; l != &topic->subscriptions; l = l->next) {
        hulse_subscription_mark(HULSE_CONTAINER(l, struct subscription, link));
    }
    announce(topic, notices, TOPIC_TERMINATED);
    return HULSE_OK;
}
