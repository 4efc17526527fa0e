/* SPDX-License-Identifier: Apache-2.0 */
/*
 * errand - see the header.
 */
#include "daemon/broker/pulsar/admin/errand.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

#include <stdio.h>
#include <string.h>

/* More than a cluster has on one topic. */
#define PARTITIONS_MAX 100000

static void free_errand(struct admin_errand *e)
{
    hulse_rest_call_fini(&e->call);
    json_decref(e->results);
    json_decref(e->left);
    hulse_mem_free(HULSE_MEM_BROKER, e->block, e->block_bytes);
    hulse_mem_free(HULSE_MEM_BROKER, e, sizeof(*e));
}

void hulse_admin_errand_discard(struct admin_errand **e)
{
    free_errand(*e);
    *e = NULL;
}

void hulse_admin_errand_end(struct admin_errand *e, hulse_status status, const char *text)
{
    struct broker_request *r = e->request;

    r->status = status;
    (void)snprintf(r->text, sizeof(r->text), "%.*s", (int)sizeof(r->text) - 1, text);
    r->done(r);
    free_errand(e);
}

void hulse_admin_errand_end_odd(struct admin_errand *e)
{
    hulse_admin_errand_end(e, HULSE_PROTOCOL, "the cluster's answer is not what was asked for");
}

static void got(struct rest_call *call, const struct rest_answer *a)
{
    struct admin_errand *e = HULSE_CONTAINER(call, struct admin_errand, call);

    if (a->status == HULSE_OK) {
        e->answered(e, a);
    } else {
        hulse_admin_errand_end(e, a->status, a->text);
    }
}

struct admin_errand *
hulse_admin_errand_create(struct broker *b, struct broker_request *request, struct error *err)
{
    struct pulsar_broker *p = (struct pulsar_broker *)(void *)b;

    if (p->rest.url.host_count == 0) {
        (void)hulse_fail(
            err,
            HULSE_UNSUPPORTED,
            "%s: this needs brokers.%s.admin_url, the address of the cluster's REST API",
            b->name,
            b->name);
        return NULL;
    }
    if (hulse_worker_self() != NULL) {
        (void)hulse_fail(err, HULSE_UNSUPPORTED, "%s: control alone may ask for this", b->name);
        return NULL;
    }
    struct admin_errand *e = hulse_mem_zalloc(HULSE_MEM_BROKER, sizeof(*e));
    if (e == NULL) {
        (void)hulse_fail(err, HULSE_NO_MEMORY, "no memory for a request");
        return NULL;
    }
    const uint32_t timeout_ms = p->params.operation_timeout_ms;
    hulse_rest_call_init(&e->call, &p->rest, got);
    e->request = request;
    e->deadline_ms = hulse_loop_now_ms(p->params.http->loop) +
                     (timeout_ms < REST_TIMEOUT_MS ? timeout_ms : REST_TIMEOUT_MS);
    return e;
}

bool hulse_admin_errand_path(struct admin_errand *e, const char *root, const char *topic)
{
    hulse_rest_path_init(&e->call.path);
    return hulse_rest_path_topic(&e->call.path, root, topic);
}

hulse_status hulse_admin_errand_ask(struct admin_errand *e,
                                    enum http_method method,
                                    const char *body,
                                    void (*answered)(struct admin_errand *e,
                                                     const struct rest_answer *a),
                                    struct error *err)
{
    e->answered = answered;
    return hulse_rest_start(&e->call, method, body, e->deadline_ms, err);
}

void hulse_admin_errand_ask_on(struct admin_errand *e,
                               enum http_method method,
                               const char *body,
                               void (*answered)(struct admin_errand *e,
                                                const struct rest_answer *a))
{
    struct error err = {0};
    const hulse_status st = hulse_admin_errand_ask(e, method, body, answered, &err);

    if (st != HULSE_OK) {
        hulse_admin_errand_end(e, st, err.text);
    }
}

void hulse_admin_errand_done(struct admin_errand *e, const struct rest_answer *a)
{
    (void)a;
    hulse_admin_errand_end(e, HULSE_OK, "");
}

void hulse_admin_errand_ask_last(struct admin_errand *e, enum http_method method, const char *body)
{
    hulse_admin_errand_ask_on(e, method, body, hulse_admin_errand_done);
}

static void counted(struct admin_errand *e, const struct rest_answer *a)
{
    const json_t *partitions = json_object_get(a->json, "partitions");
    const json_int_t count = json_integer_value(partitions);

    if (!json_is_integer(partitions) || count < 0 || count > PARTITIONS_MAX) {
        hulse_admin_errand_end_odd(e);
        return;
    }
    e->partitions = (uint32_t)count;
    e->then(e);
}

hulse_status hulse_admin_errand_begin(struct admin_errand *e,
                                      const char *topic,
                                      void (*then)(struct admin_errand *e),
                                      struct error *err)
{
    e->then = then;
    if (!hulse_admin_errand_path(e, NULL, topic)) {
        return hulse_fail(err, HULSE_INVAL, "not a topic's name, or too long");
    }
    hulse_rest_path_add(&e->call.path, "/partitions");
    return hulse_admin_errand_ask(e, HTTP_GET, NULL, counted, err);
}
