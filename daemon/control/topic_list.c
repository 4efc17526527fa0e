/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_list - see topic_list.h.
 */
#include "daemon/control/topic_list.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "daemon/observe/stats.h"

#include <string.h>

struct topic_list {
    LIST_ENTRY(topic_list) link;
    struct topic_lists *all;
    struct timer timer;
    struct broker_admin admin;
    unsigned broker; /* that is asked, or comes next */
    bool asking;     /* within the call that asks */
    bool heard;      /* it answered within that */
    bool starting;   /* within start */
    struct stats names;
    json_t *unlisted;
    /* NULL once it was called, or when nobody waits any more. */
    void (*done)(void *ctx, const struct admin_line *line);
    void *ctx;
    char namespace_name[HULSE_ADMIN_NAMESPACE_BYTES];
};

void hulse_topic_lists_init(struct topic_lists *all, struct loop *loop, const struct flow *flow)
{
    *all = (struct topic_lists){.loop = loop, .flow = flow};
    LIST_INIT(&all->open);
}

void hulse_topic_lists_fini(struct topic_lists *all)
{
    HULSE_ASSERT(LIST_EMPTY(&all->open) && all->open_count == 0);
}

static void destroy(struct topic_list *l)
{
    hulse_timer_stop(&l->all->loop->timers, &l->timer);
    LIST_REMOVE(l, link);
    l->all->open_count -= 1;
    json_decref(hulse_stats_finish_names(&l->names));
    json_decref(l->unlisted);
    hulse_mem_free(HULSE_MEM_ADMIN, l, sizeof(*l));
}

static struct broker *broker_of(const struct topic_list *l)
{
    return l->all->flow->brokers[l->broker];
}

static void leave_out(struct topic_list *l, const char *why)
{
    const struct broker *b = broker_of(l);

    (void)json_array_append_new(
        l->unlisted,
        json_pack("{s:s, s:s, s:s}", "broker", b->name, "type", b->ops->type, "why", why));
}

static void take_names(struct topic_list *l)
{
    const char *name = l->admin.names;

    for (uint32_t i = 0; i < l->admin.name_count; i++) {
        hulse_stats_topic(&l->names, name, NULL, 0);
        name += strlen(name) + 1;
    }
}

static void take(struct topic_list *l)
{
    if (l->admin.request.status == HULSE_OK) {
        take_names(l);
    } else {
        leave_out(l, l->admin.request.text);
    }
    l->broker++;
}

/* Both values go to the answer; a NULL, for want of memory, makes it fail. */
static void compose(struct topic_list *l, struct admin_line *line)
{
    json_t *unlisted = l->unlisted;

    l->unlisted = NULL;
    (void)hulse_admin_answer(
        line,
        json_pack(
            "{s:o, s:o}", "topics", hulse_stats_finish_names(&l->names), "unlisted", unlisted));
    hulse_stats_begin(&l->names);
}

static void advance(struct topic_list *l);

static void answered(struct broker_request *r)
{
    struct topic_list *l = HULSE_CONTAINER(r, struct topic_list, admin.request);

    if (l->asking) {
        l->heard = true;
        take(l);
        return;
    }
    if (l->done == NULL) {
        destroy(l);
        return;
    }
    take(l);
    advance(l);
}

/* True: the answer is still to come. */
static bool ask(struct topic_list *l)
{
    struct broker *b = broker_of(l);
    struct error err = {0};

    l->admin = (struct broker_admin){
        .request = {.home = &l->all->loop->inbox, .done = answered},
        .command = BROKER_ADMIN_TOPICS,
        .namespace_name = l->namespace_name,
    };
    l->heard = false;
    l->asking = true;
    const hulse_status st = b->ops->admin(b, &l->admin, &err);
    l->asking = false;
    if (st != HULSE_OK) {
        leave_out(l, err.text);
        l->broker++;
        return false;
    }
    return !l->heard;
}

/* A broker that keeps nothing has no topics. */
static bool keeps_topics(const struct broker *b)
{
    return (b->ops->capabilities & (BROKER_CAN_CONSUME | BROKER_CAN_ADMIN)) != 0;
}

/* Asks until one does not answer at once, or all have been asked: then it tells, unless it is within the start. */
static void advance(struct topic_list *l)
{
    while (l->broker < l->all->flow->broker_count) {
        if (!keeps_topics(broker_of(l))) {
            l->broker++;
        } else if (ask(l)) {
            return;
        }
    }
    if (!l->starting) {
        struct admin_line line = {0};
        void (*done)(void *ctx, const struct admin_line *line) = l->done;
        void *ctx = l->ctx;
        compose(l, &line);
        destroy(l);
        done(ctx, &line);
    }
}

/* What there is so far is told; the one that is asked and those behind it are left out. */
static void timed_out(struct timer *timer)
{
    struct topic_list *l = HULSE_CONTAINER(timer, struct topic_list, timer);
    void (*done)(void *ctx, const struct admin_line *line) = l->done;
    struct admin_line line = {0};

    if (done == NULL) {
        return;
    }
    l->done = NULL;
    for (; l->broker < l->all->flow->broker_count; l->broker++) {
        if (keeps_topics(broker_of(l))) {
            leave_out(l, "it has not answered in time");
        }
    }
    compose(l, &line);
    done(l->ctx, &line);
}

/* NULL: no memory, or too many. */
static struct topic_list *create(struct topic_lists *all, const char *namespace_name)
{
    struct topic_list *l = all->open_count >= HULSE_TOPIC_LISTS_MAX
                               ? NULL
                               : hulse_mem_zalloc(HULSE_MEM_ADMIN, sizeof(*l));

    if (l == NULL) {
        return NULL;
    }
    l->all = all;
    l->timer.fire = timed_out;
    l->unlisted = json_array();
    hulse_stats_begin(&l->names);
    memcpy(l->namespace_name, namespace_name, strlen(namespace_name) + 1);
    LIST_INSERT_HEAD(&all->open, l, link);
    all->open_count += 1;
    return l;
}

struct topic_list *hulse_topic_list_start(struct topic_lists *all,
                                          const char *namespace_name,
                                          void (*done)(void *ctx, const struct admin_line *line),
                                          void *ctx,
                                          struct admin_line *out)
{
    HULSE_ASSERT(strlen(namespace_name) < HULSE_ADMIN_NAMESPACE_BYTES);
    struct topic_list *l = create(all, namespace_name);

    if (l == NULL) {
        (void)hulse_admin_answer_error(
            out, HULSE_NO_MEMORY, "memory_max is reached, or too many requests are waiting");
        return NULL;
    }
    l->starting = true;
    advance(l);
    l->starting = false;
    if (l->broker == all->flow->broker_count) {
        compose(l, out);
        destroy(l);
        return NULL;
    }
    l->done = done;
    l->ctx = ctx;
    hulse_timer_start(
        &all->loop->timers, &l->timer, hulse_loop_now_ms(all->loop) + HULSE_TOPIC_LIST_TIMEOUT_MS);
    return l;
}

void hulse_topic_list_forget(struct topic_list **list)
{
    if (*list != NULL) {
        (*list)->done = NULL;
    }
    *list = NULL;
}
