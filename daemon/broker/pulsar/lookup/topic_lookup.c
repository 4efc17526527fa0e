/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_lookup - the request of broker_request.h, which is one lookup.
 *
 * From control it goes to the topic's worker in an inbox node, asks there and comes back: control starts and stops the
 * workers, so it knows which are there.
 */
#include "daemon/broker/pulsar/lookup/lookups.h"
#include "daemon/core/assert.h"
#include "daemon/core/hash.h"
#include "daemon/core/mem.h"

#include <stdio.h>
#include <string.h>

struct lookup_request {
    struct inbox_node node;
    struct pulsar_broker *broker;
    struct broker_lookup *asked;
    struct pulsar_lookup lookup;
    bool from_control;
};

static void answer(struct lookup_request *r, hulse_status status, const char *text)
{
    struct broker_request *request = &r->asked->request;

    request->status = status;
    (void)snprintf(request->text, sizeof(request->text), "%s", text);
}

static void end(struct lookup_request *r)
{
    struct broker_request *request = &r->asked->request;

    hulse_mem_free(HULSE_MEM_BROKER, r, sizeof(*r));
    request->done(request);
}

static void run_back(struct inbox_node *node)
{
    end(HULSE_CONTAINER(node, struct lookup_request, node));
}

/* On the worker: what it came to has been filled in. */
static void go_home(struct lookup_request *r)
{
    if (!r->from_control) {
        end(r);
        return;
    }
    r->node.run = run_back;
    hulse_inbox_answer(r->asked->request.home, &r->node);
}

static void lookup_done(struct pulsar_lookup *l, const struct pulsar_lookup_result *result)
{
    struct lookup_request *r = HULSE_CONTAINER(l, struct lookup_request, lookup);

    if (result->failure.class == BROKER_DONE) {
        answer(r, HULSE_OK, "");
        r->asked->info = (struct broker_topic_info){
            .partitions = result->partitions,
            .limits = {.message_bytes_max = r->broker->params.message_bytes_max}};
    } else {
        answer(r, result->failure.status, result->failure.text);
    }
    go_home(r);
}

/* False: it is filled in as refused. */
static bool start(struct lookup_request *r)
{
    struct pulsar_lookups *l = hulse_lookups_here(r->broker);

    if (l == NULL || l->stopping) {
        answer(r, HULSE_CLOSED, "the daemon is stopping");
        return false;
    }
    if (!hulse_pulsar_lookup_start(
            l->worker, &r->lookup, r->asked->topic, r->asked->create, PULSAR_LOOKUP_ANY)) {
        answer(r, HULSE_NO_MEMORY, "no memory to look a topic up");
        return false;
    }
    return true;
}

static void run_there(struct inbox_node *node)
{
    struct lookup_request *r = HULSE_CONTAINER(node, struct lookup_request, node);

    if (!start(r)) {
        go_home(r);
    }
}

/* Towards the topic's worker. False: it is filled in as refused. */
static bool post(struct lookup_request *r)
{
    struct pulsar_crew *crew = &r->broker->crew;
    const uint32_t count = atomic_load_explicit(&crew->count, memory_order_relaxed);
    const struct pulsar_lookups *l = NULL;

    if (count != 0) {
        const uint32_t i = hulse_lookups_worker(hulse_hash_text(r->asked->topic), count);
        l = atomic_load_explicit(&crew->lookups[i], memory_order_relaxed);
    }
    if (l == NULL) {
        answer(r, HULSE_CLOSED, "the daemon is stopping");
        return false;
    }
    r->node.run = run_there;
    if (!hulse_worker_post(l->worker->worker, &r->node)) {
        answer(r, HULSE_LIMIT, "the topic's worker has too much to do: try again");
        return false;
    }
    return true;
}

hulse_status hulse_pulsar_topic_lookup(struct broker *b, struct broker_lookup *q, struct error *err)
{
    struct lookup_request *r = hulse_mem_zalloc(HULSE_MEM_BROKER, sizeof(*r));

    if (r == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for a request");
    }
    r->broker = (struct pulsar_broker *)(void *)b;
    r->asked = q;
    r->lookup.done = lookup_done;
    r->from_control = hulse_worker_self() == NULL;
    const bool begun = r->from_control ? post(r) : start(r);
    if (!begun) {
        end(r);
    }
    return HULSE_OK;
}
