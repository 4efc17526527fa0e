/* SPDX-License-Identifier: Apache-2.0 */
/*
 * null - see the header.
 */
#include "daemon/broker/null/null.h"

#include "daemon/broker/common/unsupported.h"
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "daemon/worker/worker.h"

#include <stdlib.h>
#include <string.h>

/* About the send buffer of a batching broker client: copies walk through it as batches would. */
#define SCRATCH_BYTES (128U * 1024U)

struct null_broker {
    struct broker base;
    uint32_t message_bytes_max;
};

/* One per worker. */
struct scratch {
    uint32_t at;
    uint8_t bytes[SCRATCH_BYTES];
};

struct null_producer {
    struct broker_producer base;
    struct scratch *scratch;
    uint64_t sent;
};

static void *start(struct worker *w, void *shared, struct error *err)
{
    (void)w;
    (void)shared;
    struct scratch *scratch = malloc(sizeof(*scratch));
    if (scratch == NULL) {
        (void)hulse_fail(err, HULSE_NO_MEMORY, "no memory for the null broker");
        return NULL;
    }
    scratch->at = 0;
    return scratch;
}

static void stop(void *state)
{
    free(state);
}

static const struct worker_module module = {.name = "null", .start = start, .stop = stop};

static hulse_status producer_open(struct broker *b,
                                  struct worker *w,
                                  const struct broker_producer_params *params,
                                  struct broker_producer **out,
                                  struct error *err)
{
    const struct null_broker *null = (const struct null_broker *)(const void *)b;
    if (params->own || params->access != BROKER_ACCESS_SHARED) {
        return hulse_fail(
            err, HULSE_UNSUPPORTED, "the null broker knows one producer from no other");
    }
    struct null_producer *p = hulse_mem_zalloc(HULSE_MEM_TOPIC, sizeof(*p));
    if (p == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for a producer");
    }
    p->base = (struct broker_producer){.ops = b->ops, .events = params->events, .ctx = params->ctx};
    p->scratch = hulse_worker_state(w, &module, NULL);
    HULSE_ASSERT(p->scratch != NULL);
    *out = &p->base;
    const struct broker_limits limits = {.message_bytes_max = null->message_bytes_max};
    params->events->opened(params->ctx, HULSE_OK, "", &limits);
    return HULSE_OK;
}

/* Into the scratch buffer, from its start again when it is full. */
static void copy(struct scratch *to, struct broker_span payload)
{
    const uint8_t *from = payload.data;
    uint32_t left = payload.bytes;
    while (left > 0) {
        const uint32_t room = SCRATCH_BYTES - to->at;
        const uint32_t piece = left < room ? left : room;
        memcpy(to->bytes + to->at, from, piece);
        to->at = piece == room ? 0 : to->at + piece;
        from += piece;
        left -= piece;
    }
}

static bool producer_send(struct broker_producer *producer, const struct broker_record *r)
{
    struct null_producer *p = (struct null_producer *)(void *)producer;
    copy(p->scratch, r->payload);
    const struct broker_answer answer = {.class = BROKER_DONE,
                                         .outcome = HULSE_OUTCOME_STORED,
                                         .has_id = true,
                                         .id = {.entry = p->sent, .batch = -1}};
    p->sent += 1;
    producer->events->answered(producer->ctx, r->token, &answer);
    return true;
}

/* Everything is answered when send returns. */
static hulse_status flush(struct broker_producer *producer, struct error *err)
{
    (void)err;
    producer->events->flushed(producer->ctx);
    return HULSE_OK;
}

static void producer_close(struct broker_producer *producer, bool forget)
{
    (void)forget;
    struct null_producer *p = (struct null_producer *)(void *)producer;
    hulse_mem_free(HULSE_MEM_TOPIC, p, sizeof(*p));
}

static hulse_status consumer_open(struct broker *b,
                                  struct worker *w,
                                  const struct broker_consumer_params *params,
                                  struct broker_consumer **out,
                                  struct error *err)
{
    (void)b;
    (void)w;
    (void)params;
    (void)out;
    return hulse_fail(err, HULSE_UNSUPPORTED, "the null broker has nothing to deliver");
}

/* Every topic exists, and none is kept. */
static hulse_status topic_lookup(struct broker *b, struct broker_lookup *q, struct error *err)
{
    (void)err;
    const struct null_broker *null = (const struct null_broker *)(const void *)b;
    q->info = (struct broker_topic_info){.limits = {.message_bytes_max = null->message_bytes_max}};
    q->request.status = HULSE_OK;
    q->request.text[0] = '\0';
    q->request.done(&q->request);
    return HULSE_OK;
}

static uint32_t store_figures(const struct broker *b, struct broker_figure *out)
{
    (void)b;
    (void)out;
    return 0;
}

static bool healthy(const struct broker *b)
{
    (void)b;
    return true;
}

/* No consumer ever opens, so the calls on one stay NULL. */
static const struct broker_ops ops = {.type = "null",
                                      .module = &module,
                                      .producer_open = producer_open,
                                      .send = producer_send,
                                      .flush = flush,
                                      .producer_close = producer_close,
                                      .consumer_open = consumer_open,
                                      .topic_lookup = topic_lookup,
                                      .stats = hulse_unsupported_stats,
                                      .schema_get = hulse_unsupported_schema,
                                      .schema_put = hulse_unsupported_schema,
                                      .admin = hulse_unsupported_admin,
                                      .store_figures = store_figures,
                                      .healthy = healthy};

struct broker *hulse_null_create(const char *name, uint32_t message_bytes_max, struct error *err)
{
    struct null_broker *null = malloc(sizeof(*null));
    if (null == NULL) {
        (void)hulse_fail(err, HULSE_NO_MEMORY, "no memory for the null broker");
        return NULL;
    }
    *null = (struct null_broker){.base = {.ops = &ops, .name = name},
                                 .message_bytes_max = message_bytes_max};
    return &null->base;
}

void hulse_null_destroy(struct broker **b)
{
    free(*b);
    *b = NULL;
}
