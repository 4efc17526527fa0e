/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ask - see the header.
 */
#include "daemon/broker/local/ask.h"

#include "daemon/broker/local/durable.h"
#include "daemon/broker/local/internal.h"

#include <stdio.h>
#include <string.h>

void hulse_ask_refuse(struct ask *a, hulse_status status, const char *text)
{
    a->request->status = status;
    (void)snprintf(a->request->text, sizeof(a->request->text), "%s", text);
}

static void clear_results(struct broker_admin *q)
{
    q->has_last = false;
    q->last = (struct broker_id){.batch = -1};
    q->names = NULL;
    q->name_count = 0;
}

void hulse_ask_done(struct ask *a)
{
    if (a->kind == ASK_ADMIN && a->request->status == HULSE_OK) {
        a->admin->names = a->names;
    } else if (a->kind == ASK_ADMIN) {
        clear_results(a->admin); /* of the workers that were asked before the one that failed */
    }
    a->request->done(a->request);
    hulse_mem_free(HULSE_MEM_TOPIC, a->names, a->names_room);
    hulse_mem_free(HULSE_MEM_TOPIC, a->block, a->block_bytes);
    hulse_mem_free(HULSE_MEM_TOPIC, a, sizeof(*a));
}

/* ---- on the topic's worker ---- */

static void lookup(struct local_worker *lw, struct ask *a)
{
    struct broker_lookup *q = a->lookup;
    const struct topic_wish wish = {.name = q->topic, .hash = a->hash, .create = q->create};
    hulse_status status = HULSE_OK;
    const char *text = "";
    struct topic *topic = hulse_topic_find(lw, &wish, &status, &text);
    if (topic == NULL) {
        hulse_ask_refuse(a, status, text);
        return;
    }
    if (topic->durable != NULL && topic->durable->creation != NULL) {
        hulse_later_ask(a, &topic->durable->creation->waiting, true);
        return;
    }
    hulse_topic_consider(topic); /* a new one is unused */
    q->info = (struct broker_topic_info){
        .limits = {.message_bytes_max = lw->broker->params.message_bytes_max},
        .terminated = topic->end == TOPIC_TERMINATED};
}

void hulse_ask_serve(struct local_worker *lw, struct ask *a)
{
    hulse_ask_refuse(a, HULSE_OK, "");
    switch (a->kind) {
    case ASK_LOOKUP:
        lookup(lw, a);
        break;
    case ASK_STATS:
        hulse_ask_stats(lw, a);
        break;
    case ASK_ADMIN:
        hulse_ask_admin(lw, a);
        break;
    }
}

/* ---- from control, and back ---- */

static bool go_there(struct ask *a);

static void run_back(struct inbox_node *node)
{
    struct ask *a = HULSE_CONTAINER(node, struct ask, node);
    const uint32_t count = atomic_load_explicit(&a->broker->worker_count, memory_order_relaxed);
    if (a->every_worker && a->request->status == HULSE_OK && a->worker + 1 < count) {
        a->worker += 1;
        if (go_there(a)) {
            return;
        }
    }
    hulse_ask_done(a);
}

static void run_there(struct inbox_node *node)
{
    struct ask *a = HULSE_CONTAINER(node, struct ask, node);
    struct local_worker *lw =
        hulse_worker_state(hulse_worker_self(), &hulse_local_module, a->broker);
    if (lw == NULL || lw->stopping) {
        hulse_ask_refuse(a, HULSE_CLOSED, "the daemon is stopping");
    } else {
        hulse_ask_serve(lw, a);
    }
    if (a->later == NULL) {
        hulse_ask_answer(a);
    }
}

void hulse_ask_answer(struct ask *a)
{
    a->node.run = run_back;
    hulse_inbox_answer(a->request->home, &a->node);
}

/* False: it stays here, refused. */
static bool go_there(struct ask *a)
{
    struct worker *w = atomic_load_explicit(&a->broker->workers[a->worker], memory_order_relaxed);
    a->node.run = run_there;
    if (w == NULL) {
        hulse_ask_refuse(a, HULSE_CLOSED, "the daemon is stopping");
        return false;
    }
    if (!hulse_worker_post(w, &a->node)) {
        hulse_ask_refuse(a, HULSE_LIMIT, "the topic's worker has too much to do: try again");
        return false;
    }
    return true;
}

/* ---- begin ---- */

static struct ask *
create(struct broker *b, struct broker_request *request, enum ask_kind kind, struct error *err)
{
    struct ask *a = hulse_mem_zalloc(HULSE_MEM_TOPIC, sizeof(*a));
    if (a == NULL) {
        (void)hulse_fail(err, HULSE_NO_MEMORY, "no memory for a request");
        return NULL;
    }
    a->broker = (struct local_broker *)(void *)b;
    a->request = request;
    a->kind = kind;
    hulse_ask_refuse(a, HULSE_CLOSED, "the daemon is stopping");
    return a;
}

static void begin(struct ask *a)
{
    struct worker *self = hulse_worker_self();
    a->from_control = self == NULL;
    if (self == NULL) {
        if (!go_there(a)) {
            hulse_ask_done(a);
        }
        return;
    }
    struct local_worker *lw = hulse_worker_state(self, &hulse_local_module, a->broker);
    a->from = lw->index;
    if (a->worker != lw->index) {
        hulse_lane_add(lw, a->worker, &a->op, OP_ASK);
        return;
    }
    hulse_ask_serve(lw, a);
    if (a->later == NULL) {
        hulse_ask_done(a);
    }
}

void hulse_ask_back(struct local_worker *lw, struct ask *a)
{
    while (a->every_worker && a->request->status == HULSE_OK && a->worker + 1 < lw->worker_count) {
        a->worker += 1;
        if (a->worker != lw->index) {
            hulse_lane_add(lw, a->worker, &a->op, OP_ASK);
            return;
        }
        hulse_ask_serve(lw, a);
    }
    hulse_ask_done(a);
}

hulse_status hulse_ask_topics(struct local_worker *lw, struct broker_admin *q, struct error *err)
{
    struct ask *a = create(&lw->broker->base, &q->request, ASK_ADMIN, err);
    if (a == NULL) {
        return HULSE_NO_MEMORY;
    }
    clear_results(q);
    a->admin = q;
    a->every_worker = true;
    a->from = lw->index;
    if (lw->index != 0) {
        hulse_lane_add(lw, 0, &a->op, OP_ASK);
        return HULSE_OK;
    }
    hulse_ask_serve(lw, a);
    hulse_ask_back(lw, a);
    return HULSE_OK;
}

/* Towards the worker of a topic. */
static hulse_status begin_at(struct ask *a, const char *topic, struct error *err)
{
    const hulse_status st = hulse_open_check(&a->broker->base, topic, &a->hash, err);
    if (st != HULSE_OK) {
        hulse_mem_free(HULSE_MEM_TOPIC, a, sizeof(*a));
        return st;
    }
    const uint32_t count = atomic_load_explicit(&a->broker->worker_count, memory_order_relaxed);
    a->worker = count == 0 ? 0 : (uint32_t)(a->hash % count);
    begin(a);
    return HULSE_OK;
}

hulse_status hulse_local_lookup(struct broker *b, struct broker_lookup *q, struct error *err)
{
    struct ask *a = create(b, &q->request, ASK_LOOKUP, err);
    if (a == NULL) {
        return HULSE_NO_MEMORY;
    }
    a->lookup = q;
    return begin_at(a, q->topic, err);
}

hulse_status hulse_local_stats(struct broker *b, struct broker_stats *q, struct error *err)
{
    struct ask *a = create(b, &q->request, ASK_STATS, err);
    if (a == NULL) {
        return HULSE_NO_MEMORY;
    }
    a->stats = q;
    return begin_at(a, q->topic, err);
}

static hulse_status admin_supported(const struct broker_admin *q, struct error *err)
{
    if (q->command == BROKER_ADMIN_CREATE && q->partitions != 0) {
        return hulse_fail(err, HULSE_UNSUPPORTED, "topics of the local broker have no partitions");
    }
    if (q->command == BROKER_ADMIN_UNLOAD || q->command == BROKER_ADMIN_NAMESPACES) {
        return hulse_fail(
            err, HULSE_UNSUPPORTED, "the local broker has one place and no namespaces of its own");
    }
    if (q->command == BROKER_ADMIN_SCHEMAS) {
        return hulse_fail(
            err, HULSE_UNSUPPORTED, "the local broker does not keep schemas in this version");
    }
    if (q->command == BROKER_ADMIN_SEEK) {
        return hulse_fail(
            err,
            HULSE_UNSUPPORTED,
            "subscriptions of the local broker cannot be sent elsewhere in this version");
    }
    if (q->command == BROKER_ADMIN_SKIP && q->count != 0) {
        return hulse_fail(err,
                          HULSE_UNSUPPORTED,
                          "subscriptions of the local broker pass over all that waits, or nothing");
    }
    if (q->command == BROKER_ADMIN_SET_POLICY) {
        return hulse_fail(err,
                          HULSE_UNSUPPORTED,
                          "topics of the local broker have no policy of their own: rules are in "
                          "the configuration");
    }
    return HULSE_OK;
}

hulse_status hulse_local_admin(struct broker *b, struct broker_admin *q, struct error *err)
{
    HULSE_ASSERT(hulse_worker_self() == NULL);
    clear_results(q);
    const hulse_status st = admin_supported(q, err);
    struct ask *a = st == HULSE_OK ? create(b, &q->request, ASK_ADMIN, err) : NULL;
    if (a == NULL) {
        return st == HULSE_OK ? HULSE_NO_MEMORY : st;
    }
    a->admin = q;
    if (q->command != BROKER_ADMIN_TOPICS) {
        return begin_at(a, q->topic, err);
    }
    a->every_worker = true;
    begin(a);
    return HULSE_OK;
}
