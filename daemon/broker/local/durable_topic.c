/* SPDX-License-Identifier: Apache-2.0 */
/*
 * durable_topic - creation, orders and handles of persistent topics, on the topic's worker.
 */
#include "daemon/broker/local/ask.h"
#include "daemon/broker/local/durable.h"
#include "daemon/broker/local/internal.h"
#include "daemon/core/log.h"

#include <stdio.h>
#include <string.h>

#define PERSISTENT "persistent://"

bool hulse_topic_is_persistent(const char *name)
{
    return strncmp(name, PERSISTENT, sizeof(PERSISTENT) - 1) == 0;
}

/* ---- life ---- */

bool hulse_durable_init(struct topic *topic)
{
    struct durable_topic *durable = hulse_mem_zalloc(HULSE_MEM_TOPIC, sizeof(*durable));
    if (durable != NULL) {
        durable->topic = topic;
        durable->last_known = true;
        hulse_link_init(&durable->askers);
    }
    topic->durable = durable;
    return durable != NULL;
}

void hulse_durable_free(struct topic *topic)
{
    HULSE_ASSERT(topic->durable->under_way == 0);
    hulse_dedup_clear(&topic->durable->dedup);
    hulse_mem_free(HULSE_MEM_TOPIC, topic->durable, sizeof(*topic->durable));
    topic->durable = NULL;
}

static void created(struct order *o, bool stored)
{
    struct topic *topic = o->topic;
    topic->durable->creation = NULL;
    if (stored) {
        topic->durable->id = o->rq.topic;
        return;
    }
    /* As if it had been deleted: nobody has it open. */
    hulse_table_remove(topic->worker, topic);
    hulse_link_append(&topic->worker->deleted, &topic->gone);
    topic->end = TOPIC_DELETED;
}

bool hulse_durable_create(struct topic *topic)
{
    struct order *o = hulse_order_create(topic, STORE_TOPIC_CREATE);
    if (o == NULL) {
        return false;
    }
    o->rq.name = topic->name;
    o->ended = created;
    topic->durable->creation = o;
    hulse_order_give(o);
    return true;
}

void hulse_durable_ended(struct topic *topic)
{
    HULSE_ASSERT(topic->magic == LOCAL_TOPIC_MAGIC && topic->durable->under_way > 0);
    topic->durable->under_way -= 1;
    hulse_topic_consider(topic);
}

/* ---- subscriptions ---- */

static void subscribed(struct order *o, bool stored)
{
    struct subscription *sub = o->sub;
    sub->cursor->creation = NULL;
    sub->cursor->id = o->rq.subscription;
    if (!stored && !sub->doomed) {
        hulse_subscription_forget(sub);
    }
}

/* No subscription of a user has a name with a control character. */
static const char *store_name(struct subscription *sub)
{
    if (sub->type != BROKER_READER) {
        return sub->name;
    }
    struct cursor *c = sub->cursor;
    sub->topic->durable->readers += 1;
    (void)snprintf(c->reader, sizeof(c->reader), "\x01reader-%u", sub->topic->durable->readers);
    return c->reader;
}

/* Where the first that is behind an id, or is it, may be. */
static uint64_t start_at(const struct topic *topic, const struct broker_position *start)
{
    const struct broker_id *id = &start->id;
    const uint64_t epoch = hulse_store_epoch(topic->worker->broker->store);
    const uint64_t at = start->kind == BROKER_AFTER_ID ? id->entry + 1 : id->entry;
    const uint64_t given = id->ledger == epoch ? topic->next_entry : topic->durable->found_next;
    if (id->entry == BROKER_NO_ENTRY) {
        return 0;
    }
    if (id->ledger > epoch || id->entry >= given) {
        HULSE_LOG_WARNF("reader.position_unknown",
                        hulse_log_str("topic", topic->name),
                        hulse_log_u64("ledger", id->ledger),
                        hulse_log_u64("entry", id->entry),
                        hulse_log_str("then", "it begins at the first message"));
        return 0;
    }
    return at;
}

static uint64_t start_of(const struct topic *topic, const struct open_request *rq)
{
    const uint64_t first = topic->durable->first_position;
    if (rq->start.kind == BROKER_LATEST) {
        return topic->next_entry;
    }
    const uint64_t at = rq->start.kind == BROKER_EARLIEST ? first : start_at(topic, &rq->start);
    return at > first ? at : first;
}

/*
 * A position that was given and not stored may be given again by the next start, so that a reader
 * that has read nothing goes on behind the newest that is stored.
 */
static void set_reach(const struct topic *topic, struct open_request *rq, uint64_t start)
{
    const struct durable_topic *durable = topic->durable;
    const uint64_t epoch = hulse_store_epoch(topic->worker->broker->store);
    rq->has_reach = true;
    rq->reach = (struct broker_reach){.last = durable->last, .has_last = durable->has_last};
    if (start < topic->next_entry) {
        rq->reach.behind = (struct broker_id){.ledger = epoch, .entry = start - 1, .batch = -1};
    } else if (durable->has_last) {
        rq->reach.behind = durable->last;
    } else {
        rq->reach.behind =
            (struct broker_id){.ledger = epoch, .entry = durable->found_next - 1, .batch = -1};
    }
}

void hulse_durable_subscribe(struct subscription *sub, struct open_request *rq)
{
    struct topic *topic = sub->topic;
    if (sub->type == BROKER_READER) {
        sub->catch_up = topic->durable->committed;
    }
    const uint64_t start = start_of(topic, rq);
    struct order *o = hulse_cursor_create(sub, start)
                          ? hulse_order_create(topic, STORE_SUBSCRIPTION_CREATE)
                          : NULL;
    if (o == NULL) {
        hulse_subscription_forget(sub);
        rq->status = HULSE_NO_MEMORY;
        rq->text = "no memory for a subscription";
        return;
    }
    o->sub = sub;
    o->ended = subscribed;
    o->rq.name = store_name(sub);
    o->rq.position = start;
    o->rq.transient = sub->transient;
    sub->cursor->creation = o;
    rq->made = sub;
    if (sub->type == BROKER_READER) {
        set_reach(topic, rq, start);
    }
    hulse_order_give(o);
    hulse_later_open(rq, &o->waiting);
    if (rq->later != NULL) {
        rq->later->rq->made = sub; /* which may be a copy */
    }
}

/* ---- handles ---- */

bool hulse_durable_attach_producer(struct topic *topic, struct open_request *rq)
{
    rq->opened_handle = NULL;
    if (hulse_handle_is_none(rq->handle_id)) {
        return true;
    }
    struct handle *h = hulse_dedup_get(&topic->durable->dedup, rq->handle_id);
    if (h == NULL) {
        rq->status = HULSE_NO_MEMORY;
        rq->text = "no memory for a producer's handle";
        return false;
    }
    h->users += 1;
    h->forgotten = false;
    rq->opened_handle = h;
    return true;
}

/* Without memory the store forgets it a day later. */
static void close_handle(struct topic *topic, const struct handle *h)
{
    struct order *o = hulse_order_create(topic, STORE_HANDLE_CLOSE);
    if (o != NULL) {
        memcpy(o->rq.handle, h->id, sizeof(o->rq.handle));
        hulse_order_give(o);
    }
}

void hulse_handle_leave(struct topic *topic, struct handle *h, bool forget)
{
    HULSE_ASSERT(h->users > 0);
    h->users -= 1;
    h->ends_ms = hulse_local_now_ms(topic->worker) + HANDLE_TTL_MS;
    h->forgotten = h->forgotten || forget;
    if (h->users != 0) {
        return;
    }
    if (h->forgotten && h->stored != 0 && topic->end != TOPIC_DELETED) {
        close_handle(topic, h);
    }
    if (h->forgotten || h->taken == 0) {
        hulse_dedup_remove(&topic->durable->dedup, h);
    }
}

/* ---- messages ---- */

void hulse_durable_offer(struct topic *topic, struct message *m)
{
    topic->counters.published += 1;
    topic->counters.published_bytes += m->first.d.payload.bytes;
    /* To all before it is handed to one: what an event publishes comes behind it for everybody. */
    for (struct link *l = topic->subscriptions.next; l != &topic->subscriptions; l = l->next) {
        hulse_window_offer(HULSE_CONTAINER(l, struct subscription, link), m);
    }
    hulse_message_drop(m);
    for (struct link *l = topic->subscriptions.next; l != &topic->subscriptions; l = l->next) {
        hulse_subscription_push(HULSE_CONTAINER(l, struct subscription, link));
    }
}

uint64_t hulse_durable_backlog(const struct topic *topic)
{
    uint64_t backlog = 0;
    for (struct link *l = topic->subscriptions.next; l != &topic->subscriptions; l = l->next) {
        const struct subscription *sub = HULSE_CONTAINER(l, struct subscription, link);
        backlog += sub->over ? 0 : hulse_cursor_backlog(sub);
    }
    return backlog;
}

/* ---- the last message, of an earlier start ---- */

#define LAST_AMONG 256U
#define LAST_BYTES (1U << 20U)

static void read_last(struct topic *topic, uint64_t from);

static void last_read(struct store_read *read)
{
    struct durable_topic *durable = HULSE_CONTAINER(read, struct durable_topic, last_read);
    struct topic *topic = durable->topic;
    struct store_message m;
    const hulse_status status = read->status;
    size_t at = 0;
    while (status == HULSE_OK && !durable->last_known && hulse_store_read_next(read, &at, &m)) {
        durable->has_last = true;
        durable->last = (struct broker_id){.ledger = m.epoch, .entry = m.position, .batch = -1};
    }
    hulse_store_read_free(read);
    durable->reading_last = false;
    if (status == HULSE_OK && !durable->last_known && read->next < read->end) {
        read_last(topic, read->next);
    } else {
        durable->last_known = durable->last_known || status == HULSE_OK;
        const bool cannot_read = status == HULSE_IO || status == HULSE_BUSY;
        hulse_later_serve(topic->worker,
                          &durable->askers,
                          status,
                          cannot_read ? "the store cannot be read now: see the log"
                                      : hulse_store_text(status));
    }
    hulse_durable_ended(topic);
}

static void read_last(struct topic *topic, uint64_t from)
{
    struct durable_topic *durable = topic->durable;
    durable->reading_last = true;
    durable->under_way += 1;
    durable->last_read = (struct store_read){.done = last_read,
                                             .topic = durable->id,
                                             .from = from,
                                             .end = durable->committed,
                                             .messages_max = LAST_AMONG,
                                             .bytes_max = LAST_BYTES};
    hulse_store_read_submit(&topic->worker->store, &durable->last_read);
}

void hulse_durable_find_last(struct topic *topic)
{
    const uint64_t committed = topic->durable->committed;
    if (!topic->durable->reading_last) {
        read_last(topic, committed > LAST_AMONG ? committed - LAST_AMONG : 0);
    }
}

/* ---- orders ---- */

/* False: no memory. */
static bool truncate_all(const struct topic *topic)
{
    bool done = true;
    for (struct link *l = topic->subscriptions.next; l != &topic->subscriptions; l = l->next) {
        done = hulse_window_truncate(HULSE_CONTAINER(l, struct subscription, link)) && done;
    }
    return done;
}

/* Nothing below is held by a consumer. */
static uint64_t lowest_needed(const struct topic *topic)
{
    uint64_t lowest = topic->durable->committed;
    for (struct link *l = topic->subscriptions.next; l != &topic->subscriptions; l = l->next) {
        const struct subscription *sub = HULSE_CONTAINER(l, struct subscription, link);
        const uint64_t gap = hulse_ranges_next_gap(&sub->cursor->acknowledged, 0);
        lowest = !sub->over && gap < lowest ? gap : lowest;
    }
    return lowest;
}

struct order *hulse_durable_prepare(struct topic *topic, enum broker_admin_command command)
{
    switch (command) {
    case BROKER_ADMIN_DELETE:
        return hulse_order_create(topic, STORE_TOPIC_DELETE);
    case BROKER_ADMIN_TERMINATE:
        return hulse_order_create(topic, STORE_TOPIC_TERMINATE);
    default:
        HULSE_ASSERT(command == BROKER_ADMIN_TRUNCATE);
        return hulse_order_create(topic, STORE_TOPIC_TRIM);
    }
}

void hulse_durable_order(struct order *o, struct ask *a)
{
    struct topic *topic = o->topic;
    if (o->rq.kind == STORE_TOPIC_TRIM) {
        if (!truncate_all(topic)) {
            hulse_ask_refuse(a, HULSE_NO_MEMORY, "no memory for the order");
            hulse_mem_free(HULSE_MEM_TOPIC, o, sizeof(*o));
            return;
        }
        o->rq.position = lowest_needed(topic);
        topic->durable->first_position = o->rq.position;
    }
    hulse_order_give(o);
    hulse_later_ask(a, &o->waiting, false);
}
