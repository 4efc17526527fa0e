/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic - a topic on its worker: who has it open, its subscriptions, its positions.
 */
#include "daemon/broker/local/durable.h"
#include "daemon/broker/local/internal.h"

#include <stddef.h>
#include <string.h>

static void unused_fire(struct timer *timer)
{
    struct topic *topic = HULSE_CONTAINER(timer, struct topic, unused);
    hulse_topic_destroy(topic);
}

/* One more of all workers' topics, within the bound. */
static bool count_up(struct local_broker *b)
{
    /* Relaxed because the number bounds and orders nothing. */
    uint32_t count = atomic_load_explicit(&b->topic_count, memory_order_relaxed);
    do {
        if (count >= b->params.topics_max) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(
        &b->topic_count, &count, count + 1, memory_order_relaxed, memory_order_relaxed));
    return true;
}

static void count_down(struct local_broker *b)
{
    (void)atomic_fetch_sub_explicit(&b->topic_count, 1, memory_order_relaxed);
}

static void destroy(struct topic *topic)
{
    struct local_worker *lw = topic->worker;
    if (topic->durable != NULL) {
        hulse_durable_free(topic);
    }
    count_down(lw->broker);
    topic->magic = 0;
    hulse_mem_free(HULSE_MEM_TOPIC, topic, topic->object_bytes);
}

static struct topic *create(struct local_worker *lw, const struct topic_wish *wish)
{
    const size_t name_bytes = strlen(wish->name) + 1;
    const size_t bytes = sizeof(struct topic) + name_bytes;
    struct topic *topic = hulse_mem_zalloc(HULSE_MEM_TOPIC, bytes);
    if (topic == NULL) {
        return NULL;
    }
    topic->magic = LOCAL_TOPIC_MAGIC;
    topic->worker = lw;
    topic->hash = wish->hash;
    topic->object_bytes = bytes;
    topic->unused.fire = unused_fire;
    topic->publish_rate.since_ms = hulse_local_now_ms(lw);
    topic->delivery_rate.since_ms = topic->publish_rate.since_ms;
    hulse_link_init(&topic->subscriptions);
    hulse_link_init(&topic->gone);
    memcpy(topic->name, wish->name, name_bytes);
    if (hulse_topic_is_persistent(topic->name) && !hulse_durable_init(topic)) {
        hulse_mem_free(HULSE_MEM_TOPIC, topic, bytes);
        return NULL;
    }
    hulse_table_add(lw, topic);
    return topic;
}

struct topic *hulse_topic_restore(struct local_worker *lw, const char *name)
{
    const struct topic_wish wish = {.name = name, .hash = hulse_topic_hash(name)};
    (void)atomic_fetch_add_explicit(&lw->broker->topic_count, 1, memory_order_relaxed);
    struct topic *topic = create(lw, &wish);
    if (topic == NULL) {
        count_down(lw->broker);
    }
    return topic;
}

static void answer(struct open_request *rq, hulse_status status, const char *text)
{
    rq->status = status;
    rq->text = text;
}

struct topic *hulse_topic_find(struct local_worker *lw,
                               const struct topic_wish *wish,
                               hulse_status *status,
                               const char **text)
{
    struct topic *topic = hulse_table_find(lw, wish->name, wish->hash);
    if (topic != NULL) {
        return topic;
    }
    if (!wish->create) {
        *status = HULSE_NO_TOPIC;
        *text = "the topic does not exist";
        return NULL;
    }
    if (!count_up(lw->broker)) {
        *status = HULSE_LIMIT;
        *text = "too many topics (topics_max)";
        return NULL;
    }
    topic = create(lw, wish);
    if (topic == NULL) {
        count_down(lw->broker);
    } else if (topic->durable != NULL && !hulse_durable_create(topic)) {
        hulse_table_remove(lw, topic);
        destroy(topic);
        topic = NULL;
    }
    if (topic == NULL) {
        *status = HULSE_NO_MEMORY;
        *text = "no memory for a topic";
    }
    return topic;
}

/* The topic of a request; NULL with the request refused, or waiting for the store. */
static struct topic *topic_of(struct local_worker *lw, struct open_request *rq)
{
    const struct topic_wish wish = {.name = rq->topic, .hash = rq->hash, .create = rq->create};
    struct topic *topic = hulse_topic_find(lw, &wish, &rq->status, &rq->text);
    if (topic != NULL && topic->durable != NULL && topic->durable->creation != NULL) {
        hulse_later_open(rq, &topic->durable->creation->waiting);
        return NULL;
    }
    return topic;
}

void hulse_topic_detach_producer(struct topic *topic, struct handle *h, bool forget)
{
    HULSE_ASSERT(topic->magic == LOCAL_TOPIC_MAGIC);
    HULSE_ASSERT(topic->producers > 0);
    topic->producers -= 1;
    if (h != NULL) {
        hulse_handle_leave(topic, h, forget);
    }
    hulse_topic_consider(topic);
}

struct subscription *hulse_topic_subscription(const struct topic *topic, const char *name)
{
    for (struct link *l = topic->subscriptions.next; l != &topic->subscriptions; l = l->next) {
        struct subscription *sub = HULSE_CONTAINER(l, struct subscription, link);
        if (!sub->over && sub->type != BROKER_READER && strcmp(sub->name, name) == 0) {
            return sub;
        }
    }
    return NULL;
}

/* A new one for a request; NULL with the request refused, or waiting for the store. */
static struct subscription *make_subscription(struct topic *topic, struct open_request *rq)
{
    if (topic->subscription_count >= topic->worker->broker->params.subscriptions_max) {
        answer(rq, HULSE_LIMIT, "too many subscriptions of this topic (subscriptions_max)");
        return NULL;
    }
    struct subscription *sub = hulse_subscription_create(topic, rq->subscription, rq->type);
    if (sub == NULL) {
        answer(rq, HULSE_NO_MEMORY, "no memory for a subscription");
        return NULL;
    }
    sub->transient = rq->transient || rq->type == BROKER_READER;
    if (topic->durable != NULL) {
        hulse_durable_subscribe(sub, rq);
        return NULL;
    }
    return sub;
}

/* The subscription that a producer wants to be there. False: refused, or waiting for the store. */
static bool has_initial(struct topic *topic, struct open_request *rq)
{
    if (rq->subscription[0] == '\0') {
        return true;
    }
    const struct subscription *sub = hulse_topic_subscription(topic, rq->subscription);
    if (sub == NULL) {
        return make_subscription(topic, rq) != NULL;
    }
    if (sub->cursor != NULL && sub->cursor->creation != NULL) {
        hulse_later_open(rq, &sub->cursor->creation->waiting);
        return false;
    }
    return true;
}

void hulse_topic_attach_producer(struct local_worker *lw, struct open_request *rq)
{
    struct topic *topic = topic_of(lw, rq);
    if (topic == NULL) {
        return;
    }
    if (topic->end != TOPIC_LIVE) {
        answer(rq, HULSE_CLOSED, "the topic is terminated");
        return;
    }
    if (!has_initial(topic, rq)) {
        hulse_topic_consider(topic);
        return;
    }
    if (topic->durable != NULL && !hulse_durable_attach_producer(topic, rq)) {
        return;
    }
    topic->producers += 1;
    hulse_topic_consider(topic);
    rq->opened_topic = topic;
    answer(rq, HULSE_OK, "");
}

/* The subscription of a request; NULL with the request refused, or waiting for the store. */
static struct subscription *subscribe(struct topic *topic, struct open_request *rq)
{
    const struct local_params *params = &topic->worker->broker->params;
    struct subscription *sub = rq->made;
    if (sub != NULL && (sub->over || sub->topic != topic)) {
        sub = NULL; /* its topic was deleted while it was made */
    }
    if (sub == NULL && rq->type != BROKER_READER) {
        sub = hulse_topic_subscription(topic, rq->subscription);
    }
    if (sub == NULL && rq->type == BROKER_READER && topic->durable != NULL &&
        !topic->durable->last_known) {
        hulse_durable_find_last(topic); /* which it is told */
        hulse_later_open(rq, &topic->durable->askers);
        return NULL;
    }
    if (sub == NULL) {
        return make_subscription(topic, rq);
    }
    if (sub->cursor != NULL && sub->cursor->creation != NULL) {
        hulse_later_open(rq, &sub->cursor->creation->waiting);
        return NULL;
    }
    if (sub->seat_count == 0) {
        sub->type = rq->type;
        return sub;
    }
    if (sub->type != rq->type) {
        answer(rq, HULSE_BUSY, "the subscription has consumers of another type");
        return NULL;
    }
    if (sub->type == BROKER_EXCLUSIVE) {
        answer(rq, HULSE_BUSY, "the exclusive subscription has a consumer already");
        return NULL;
    }
    if (sub->seat_count >= params->consumers_max) {
        answer(rq, HULSE_LIMIT, "too many consumers of this subscription (consumers_max)");
        return NULL;
    }
    return sub;
}

void hulse_topic_attach_consumer(struct local_worker *lw, struct open_request *rq)
{
    if (rq->type != BROKER_EXCLUSIVE && rq->type != BROKER_SHARED && rq->type != BROKER_READER) {
        answer(rq,
               HULSE_UNSUPPORTED,
               "the local broker has exclusive and shared subscriptions and readers");
        return;
    }
    struct topic *topic = topic_of(lw, rq);
    if (topic == NULL) {
        return;
    }
    struct subscription *sub = subscribe(topic, rq);
    struct seat *seat = sub == NULL ? NULL : hulse_seat_create(sub, rq->consumer, rq->worker);
    if (seat != NULL) {
        rq->opened_seat = seat;
        rq->opened_topic = topic;
        hulse_subscription_mark(sub);
        answer(rq, HULSE_OK, "");
    } else if (sub != NULL) {
        answer(rq, HULSE_NO_MEMORY, "no memory for a consumer");
        if (sub->transient && sub->seat_count == 0) {
            if (sub->cursor != NULL) {
                (void)hulse_cursor_remove(sub);
            }
            hulse_subscription_forget(sub);
        } else {
            hulse_subscription_consider(sub);
        }
    }
    hulse_topic_consider(topic);
}

void hulse_topic_publish(struct topic *topic, struct message *m)
{
    HULSE_ASSERT(topic->magic == LOCAL_TOPIC_MAGIC);
    m->first.d.id.entry = topic->next_entry;
    topic->next_entry += 1;
    topic->counters.published += 1;
    topic->counters.published_bytes += m->first.d.payload.bytes;
    /* To all before it is handed to one: what an event publishes comes behind it for everybody. */
    for (struct link *l = topic->subscriptions.next; l != &topic->subscriptions; l = l->next) {
        hulse_subscription_offer(HULSE_CONTAINER(l, struct subscription, link), m);
    }
    hulse_message_drop(m);
    for (struct link *l = topic->subscriptions.next; l != &topic->subscriptions; l = l->next) {
        hulse_subscription_push(HULSE_CONTAINER(l, struct subscription, link));
    }
}

bool hulse_topic_last(const struct topic *topic, struct broker_id *out)
{
    *out = (struct broker_id){.ledger = topic->worker->broker->epoch_ms, .batch = -1};
    if (topic->durable != NULL) {
        *out = topic->durable->last;
        return topic->durable->has_last;
    }
    if (topic->next_entry != 0) {
        out->entry = topic->next_entry - 1;
    }
    return topic->next_entry != 0;
}

uint8_t hulse_topic_refusal(enum topic_end end)
{
    return end == TOPIC_TERMINATED ? HULSE_OUTCOME_TOPIC_TERMINATED : HULSE_OUTCOME_NO_TOPIC;
}

void hulse_topic_consider(struct topic *topic)
{
    const bool deleted = topic->end == TOPIC_DELETED;
    const bool used = topic->producers != 0 || topic->seats != 0 || topic->held != 0 ||
                      topic->notices != 0 || (topic->kept && !deleted) ||
                      (topic->durable != NULL && (!deleted || topic->durable->under_way != 0));
    struct timer_wheel *wheel = &topic->worker->worker->loop.timers;
    if (used) {
        if (hulse_timer_pending(&topic->unused)) {
            hulse_timer_stop(wheel, &topic->unused);
        }
    } else if (!hulse_timer_pending(&topic->unused)) {
        hulse_timer_start(wheel,
                          &topic->unused,
                          hulse_local_now_ms(topic->worker) +
                              (deleted ? 0 : topic->worker->broker->params.unused_ms));
    }
}

void hulse_topic_destroy(struct topic *topic)
{
    struct local_worker *lw = topic->worker;
    HULSE_ASSERT(topic->producers == 0 && topic->seats == 0 && topic->notices == 0);

    while (!hulse_link_empty(&topic->subscriptions)) {
        hulse_subscription_remove(
            HULSE_CONTAINER(topic->subscriptions.next, struct subscription, link));
    }
    HULSE_ASSERT(topic->held == 0);
    if (hulse_timer_pending(&topic->unused)) {
        hulse_timer_stop(&lw->worker->loop.timers, &topic->unused);
    }
    if (topic->end == TOPIC_DELETED) {
        hulse_link_remove(&topic->gone);
    } else {
        hulse_table_remove(lw, topic);
    }
    destroy(topic);
}

void hulse_topic_report(const struct topic *topic, struct worker_report *out)
{
    struct topic_report *r = hulse_report_topic(out);
    if (r == NULL) {
        return;
    }
    const size_t bytes = strlen(topic->name) + 1;
    HULSE_ASSERT(bytes <= sizeof(r->name));
    memcpy(r->name, topic->name, bytes);
    r->producers = topic->producers;
    r->consumers = topic->seats;
    r->subscriptions = topic->subscription_count;
    r->published = topic->counters.published;
    r->published_bytes = topic->counters.published_bytes;
    r->delivered = topic->counters.delivered;
    r->acknowledged = topic->counters.acknowledged;
    r->redelivered = topic->counters.redelivered;
    r->dropped = topic->counters.dropped;
    r->lost = topic->counters.lost;
    r->backlog = topic->durable == NULL ? topic->held : hulse_durable_backlog(topic);
}
