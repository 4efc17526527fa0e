/* SPDX-License-Identifier: Apache-2.0 */
/*
 * web - see the header.
 */
#include "daemon/broker/pulsar/lookup/web.h"

#include "daemon/broker/pulsar/lookup/search_state.h"
#include "daemon/broker/pulsar/lookup/web_reply.h"
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "daemon/net/http_client.h"

#include <string.h>
#include <time.h>

#define CLOSE_NAP_NS 50000
#define CLOSE_BUDGET 64U

struct web_question {
    LIST_ENTRY(web_question) at_home;
    TAILQ_ENTRY(web_question) waiting; /* control's */
    struct inbox_node node;
    struct pulsar_broker *broker;
    /* The worker's; NULL: it has ended, which control, having waited for it, may see. */
    struct pulsar_lookups *home;
    struct search *search;  /* the worker's; NULL: nobody wants to know */
    struct rest_call *call; /* control's; NULL: not asked */
    _Atomic(bool) forgotten;
    _Atomic(bool) answered;
    enum lookup_question asked;
    bool create;
    uint32_t timeout_ms;
    size_t bytes;
    struct lookup_reply reply;
    char topic[];
};

static void destroy(struct web_question *q)
{
    HULSE_ASSERT(q->call == NULL);
    hulse_mem_free(HULSE_MEM_BROKER, q, q->bytes);
}

/* ---- control ---- */

static void come_home(struct inbox_node *node);
static void ask_waiting(struct web_desk *d);

static void answer(struct web_question *q)
{
    if (q->home == NULL) {
        destroy(q);
        return;
    }
    /* Relaxed because the inbox orders the rest, and who looks else has been waited for. */
    atomic_store_explicit(&q->answered, true, memory_order_relaxed);
    q->node.run = come_home;
    hulse_worker_answer(q->home->worker->worker, &q->node);
}

static void drop_call(struct web_question *q)
{
    hulse_rest_call_fini(q->call);
    hulse_mem_free(HULSE_MEM_HTTP, q->call, sizeof(*q->call));
    q->call = NULL;
}

static void heard(struct rest_call *call, const struct rest_answer *a)
{
    struct web_question *q = call->context;
    struct web_desk *d = &q->broker->web;

    hulse_web_reply_read(a, q->asked, q->broker->service.tls, &q->reply);
    drop_call(q);
    d->asking--;
    answer(q);
    ask_waiting(d);
}

static void set_path(struct web_question *q)
{
    struct rest_path *path = &q->call->path;
    const char *listener = q->broker->params.listener;

    if (q->asked == LOOKUP_PARTITIONS) {
        (void)hulse_rest_path_topic(path, NULL, q->topic);
        hulse_rest_path_add(path, "/partitions?checkAllowAutoCreation=");
        hulse_rest_path_add(path, q->create ? "true" : "false");
        return;
    }
    q->call->base = "/lookup/v2/topic";
    (void)hulse_rest_path_topic(path, NULL, q->topic);
    if (listener != NULL) {
        hulse_rest_path_query(path, "listenerName", listener);
    }
}

static hulse_status begin(struct web_question *q, struct error *err)
{
    const struct loop *loop = q->broker->params.http->loop;

    q->call = hulse_mem_zalloc(HULSE_MEM_HTTP, sizeof(*q->call));
    if (q->call == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory to look a topic up");
    }
    hulse_rest_call_init(q->call, &q->broker->web.rest, heard);
    q->call->context = q;
    q->call->redirects_max = WEB_REDIRECTS_MAX;
    q->call->answer_bytes_max = WEB_ANSWER_BYTES_MAX;
    set_path(q);
    return hulse_rest_start(q->call, HTTP_GET, NULL, hulse_loop_now_ms(loop) + q->timeout_ms, err);
}

static void ask_one(struct web_desk *d, struct web_question *q)
{
    struct error err = {0};

    if (atomic_load_explicit(&q->forgotten, memory_order_relaxed)) {
        answer(q);
        return;
    }
    const hulse_status st = begin(q, &err);
    if (st == HULSE_OK) {
        d->asking++;
        return;
    }
    if (q->call != NULL) {
        drop_call(q);
    }
    q->reply.kind = LOOKUP_REPLY_FAILED;
    hulse_pulsar_failure_status(&q->reply.failure, st, err.text);
    answer(q);
}

static void ask_waiting(struct web_desk *d)
{
    while (d->asking < WEB_ASKING_MAX && !TAILQ_EMPTY(&d->waiting)) {
        struct web_question *q = TAILQ_FIRST(&d->waiting);
        TAILQ_REMOVE(&d->waiting, q, waiting);
        ask_one(d, q);
    }
}

static void come_to_desk(struct inbox_node *node)
{
    struct web_question *q = HULSE_CONTAINER(node, struct web_question, node);
    struct web_desk *d = &q->broker->web;

    TAILQ_INSERT_TAIL(&d->waiting, q, waiting);
    ask_waiting(d);
}

void hulse_web_desk_init(struct web_desk *d, const struct pulsar_params *params)
{
    d->rest.params = params;
    TAILQ_INIT(&d->waiting);
}

/* ---- the worker ---- */

static void come_home(struct inbox_node *node)
{
    struct web_question *q = HULSE_CONTAINER(node, struct web_question, node);
    struct search *s = q->search;

    LIST_REMOVE(q, at_home);
    if (s != NULL) {
        s->web = NULL;
        hulse_attempt_answered(s, &q->reply);
    }
    destroy(q);
}

bool hulse_web_ask(struct search *s)
{
    struct pulsar_lookups *l = s->lookups;
    struct pulsar_broker *b = l->worker->broker;
    const size_t topic_bytes = strlen(s->topic) + 1;
    const size_t bytes = sizeof(struct web_question) + topic_bytes;
    struct web_question *q = hulse_mem_zalloc(HULSE_MEM_BROKER, bytes);

    HULSE_ASSERT(s->web == NULL);
    if (q == NULL) {
        return false;
    }
    q->bytes = bytes;
    q->broker = b;
    q->home = l;
    q->search = s;
    q->asked = s->question;
    q->create = s->create;
    q->timeout_ms = hulse_attempt_question_ms(s);
    memcpy(q->topic, s->topic, topic_bytes);
    q->node.run = come_to_desk;
    if (!hulse_inbox_post(&b->params.http->loop->inbox, &q->node)) {
        destroy(q);
        return false;
    }
    LIST_INSERT_HEAD(&l->web, q, at_home);
    s->web = q;
    return true;
}

void hulse_web_forget(struct search *s)
{
    if (s->web != NULL) {
        s->web->search = NULL;
        atomic_store_explicit(&s->web->forgotten, true, memory_order_relaxed);
        s->web = NULL;
    }
}

void hulse_web_close(struct pulsar_lookups *l)
{
    struct web_question *next = NULL;

    for (struct web_question *q = LIST_FIRST(&l->web); q != NULL; q = next) {
        next = LIST_NEXT(q, at_home);
        HULSE_ASSERT(q->search == NULL);
        /* Relaxed because control has stopped this worker and waits. */
        if (!atomic_load_explicit(&q->answered, memory_order_relaxed)) {
            LIST_REMOVE(q, at_home);
            q->home = NULL;
        }
    }
    while (!LIST_EMPTY(&l->web)) {
        if (hulse_inbox_run(&l->worker->loop->inbox, CLOSE_BUDGET) == 0) {
            const struct timespec nap = {.tv_nsec = CLOSE_NAP_NS};
            (void)nanosleep(&nap, NULL);
        }
    }
}
