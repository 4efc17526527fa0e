/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch - topics of a namespace, for whoever wants to hear of those that come and go: broker_topics.h.
 *
 * Every worker counts what enters and leaves its table in one number of the broker's; a watch looks at that number and lists
 * the topics of all workers when it is another one. A list that cannot be had is tried again, whatever the number is.
 *
 * Threads: the watch's worker; the number is read and written by all.
 */
#include "daemon/broker/local/ask.h"
#include "daemon/broker/local/internal.h"

#include <string.h>

#define LOOK_MS 200U
#define DOUBLINGS_MAX 5U /* of it, while lists fail: 6.4 s */

struct topic_watch {
    struct broker_topics base; /* first */
    struct local_worker *lw;
    struct broker_admin list;
    struct timer timer;
    uint64_t seen;     /* the number before the last list, + 1; 0: it is to be listed */
    uint32_t failures; /* one after the other */
    bool asking;
    bool closed; /* freed when `list` is back */
    char namespace_name[];
};

void hulse_watch_changed(struct local_worker *lw)
{
    /* Relaxed because a table's change is found by the list that follows, whenever that comes. */
    atomic_fetch_add_explicit(&lw->broker->topics_changed, 1, memory_order_relaxed);
}

static void destroy(struct topic_watch *w)
{
    hulse_mem_free(HULSE_MEM_TOPIC, w, sizeof(*w) + strlen(w->namespace_name) + 1);
}

static void look_later(struct topic_watch *w)
{
    const uint32_t doublings = w->failures < DOUBLINGS_MAX ? w->failures : DOUBLINGS_MAX;
    hulse_timer_start(&w->lw->worker->loop.timers,
                      &w->timer,
                      hulse_local_now_ms(w->lw) + ((uint64_t)LOOK_MS << doublings));
}

/* The first one of several is told. The last touch. */
static void fail(struct topic_watch *w, hulse_status status, const char *text)
{
    w->seen = 0;
    w->failures += w->failures < UINT32_MAX ? 1 : 0;
    look_later(w);
    if (w->failures == 1) {
        w->base.events->failed(w->base.ctx, status, text);
    }
}

static void listed(struct broker_request *request)
{
    struct broker_admin *q = HULSE_CONTAINER(request, struct broker_admin, request);
    struct topic_watch *w = HULSE_CONTAINER(q, struct topic_watch, list);
    const struct broker_topic_names all = {.names = q->names, .count = q->name_count};

    w->asking = false;
    if (w->closed) {
        destroy(w);
    } else if (request->status != HULSE_OK) {
        fail(w, request->status, request->text);
    } else {
        w->failures = 0;
        look_later(w);
        w->base.events->listed(w->base.ctx, &all);
    }
}

/* The last touch of who calls it. */
static void list(struct topic_watch *w)
{
    struct error err = {0};
    w->list = (struct broker_admin){.request = {.done = listed},
                                    .command = BROKER_ADMIN_TOPICS,
                                    .namespace_name = w->namespace_name};
    w->asking = true;
    const hulse_status st = hulse_ask_topics(w->lw, &w->list, &err);
    if (st != HULSE_OK) {
        w->asking = false;
        fail(w, st, err.text);
    }
}

static void look(struct timer *timer)
{
    struct topic_watch *w = HULSE_CONTAINER(timer, struct topic_watch, timer);
    const uint64_t now =
        atomic_load_explicit(&w->lw->broker->topics_changed, memory_order_relaxed) + 1;
    if (now == w->seen || w->lw->stopping) {
        look_later(w);
        return;
    }
    w->seen = now;
    list(w);
}

hulse_status hulse_local_topics_watch(struct broker *b,
                                      struct worker *worker,
                                      const struct broker_topics_params *params,
                                      struct broker_topics **out,
                                      struct error *err)
{
    const size_t bytes = strlen(params->namespace_name) + 1;
    struct topic_watch *w = hulse_mem_zalloc(HULSE_MEM_TOPIC, sizeof(*w) + bytes);
    if (w == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory to watch topics");
    }
    w->base = (struct broker_topics){.events = params->events, .ctx = params->ctx};
    w->lw = hulse_worker_state(worker, &hulse_local_module, b);
    w->timer.fire = look;
    memcpy(w->namespace_name, params->namespace_name, bytes);
    *out = &w->base;
    /* From the loop, so that who opens is not told before it knows what it has opened. */
    hulse_timer_start(&worker->loop.timers, &w->timer, hulse_local_now_ms(w->lw));
    return HULSE_OK;
}

void hulse_local_topics_again(struct broker *b, struct broker_topics *base)
{
    struct topic_watch *w = (struct topic_watch *)(void *)base;
    (void)b;
    w->seen = 0;
}

void hulse_local_topics_close(struct broker *b, struct broker_topics *base)
{
    struct topic_watch *w = (struct topic_watch *)(void *)base;
    (void)b;
    if (hulse_timer_pending(&w->timer)) {
        hulse_timer_stop(&w->lw->worker->loop.timers, &w->timer);
    }
    w->closed = true;
    if (!w->asking) {
        destroy(w);
    }
}
