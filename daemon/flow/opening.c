/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opening - see opening.h.
 */
#include "daemon/flow/opening.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "daemon/worker/worker.h"

#include <string.h>

struct opening {
    struct topic_request request;
    struct worker *worker;
    struct opening **place; /* the owner's pointer to this; NULL = cancelled */
    void *owner;
    void (*go_on)(void *owner, hulse_status status);
};

static struct opening *of_request(struct topic_request *request)
{
    return HULSE_CONTAINER(request, struct opening, request);
}

static void abandoned(struct topic_request *request)
{
    struct opening *o = of_request(request);

    HULSE_ASSERT(o->place == NULL); /* its worker has gone, and closed the owner before */
    hulse_mem_free(HULSE_MEM_TOPIC, o, sizeof(*o));
}

/* Back on the worker. */
static void heard(struct inbox_node *node)
{
    struct opening *o = of_request(HULSE_CONTAINER(node, struct topic_request, node));
    const hulse_status status = o->request.status;
    void *owner = o->place == NULL ? NULL : o->owner;
    void (*go_on)(void *, hulse_status) = o->go_on;

    if (o->place != NULL) {
        *o->place = NULL;
    }
    hulse_mem_free(HULSE_MEM_TOPIC, o, sizeof(*o));
    if (owner != NULL) {
        go_on(owner, status);
    }
}

/* On the thread that made the entry. */
static void answer(struct topic_request *request)
{
    struct opening *o = of_request(request);

    if (o->worker == hulse_worker_self()) {
        heard(&request->node); /* the tables are served where they are asked */
        return;
    }
    request->node.run = heard;
    hulse_worker_answer(o->worker, &request->node);
}

hulse_status
hulse_opening_start(struct opening **out, const struct opening_params *params, struct error *err)
{
    struct opening *o = hulse_mem_zalloc(HULSE_MEM_TOPIC, sizeof(*o));

    *out = NULL;
    if (o == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory to open a topic");
    }
    o->request.answer = answer;
    o->request.abandon = abandoned;
    (void)snprintf(o->request.name, sizeof(o->request.name), "%s", params->topic);
    o->worker = params->worker;
    o->place = out;
    o->owner = params->owner;
    o->go_on = params->go_on;
    *out = o;
    if (!hulse_tables_ask(params->flow->tables, &o->request)) {
        *out = NULL;
        hulse_mem_free(HULSE_MEM_TOPIC, o, sizeof(*o));
        return hulse_fail(err, HULSE_LIMIT, "the control thread has too much to do: try again");
    }
    return HULSE_OK;
}

void hulse_opening_cancel(struct opening **o)
{
    if (*o != NULL) {
        (*o)->place = NULL;
        *o = NULL;
    }
}

hulse_status hulse_opening_allowed(const struct grant *g,
                                   const struct identity *who,
                                   enum permission wanted,
                                   struct error *err)
{
    if ((g->permissions & wanted) != 0) {
        return HULSE_OK;
    }
    return hulse_fail(err,
                      HULSE_DENIED,
                      "user %u%s%s may not %s",
                      (unsigned)who->uid,
                      g->role_state == NULL ? "" : ", role ",
                      g->role_state == NULL ? "" : g->role_state->name,
                      wanted == PERMISSION_PRODUCE ? "produce" : "consume");
}

hulse_status hulse_opening_judge(hulse_status heard,
                                 const struct grant *g,
                                 const struct identity *who,
                                 enum permission wanted,
                                 struct error *err)
{
    if (heard != HULSE_OK) {
        return hulse_fail(err,
                          heard,
                          "%s of the daemon is reached",
                          heard == HULSE_LIMIT ? "topics_max" : "memory_max");
    }
    const hulse_status st = hulse_opening_allowed(g, who, wanted, err);
    if (st == HULSE_OK && g->topic_state == NULL) {
        return hulse_fail(err, HULSE_LIMIT, "the topic's entry went again: try once more");
    }
    return st;
}
