/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish - see the header.
 *
 * publish is called for every message: no clock, no allocation, no lock. The publisher may be
 * closed by whoever hears an answer, so nothing of it is touched after an event.
 */
#include "daemon/flow/publish.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "daemon/table/topic_name.h"

#include <string.h>

struct publisher {
    struct broker_producer *producer; /* NULL until ops->producer_open has set it */
    void (*send)(struct broker_producer *producer, const struct broker_record *r);
    const struct publisher_events *events;
    void *ctx;
    uint32_t bytes_max;
    bool opened;
    struct publisher_counters counters;
    size_t object_bytes;
    char topic[]; /* terminated */
};

static void destroy(struct publisher *p)
{
    hulse_mem_free(HULSE_MEM_TOPIC, p, p->object_bytes);
}

/* What a class means to the publisher when the broker named no outcome itself. */
static uint8_t outcome_of(enum broker_class class)
{
    switch (class) {
    case BROKER_DONE:
        return HULSE_OUTCOME_STORED;
    case BROKER_DENIED:
        return HULSE_OUTCOME_DENIED;
    case BROKER_TOO_LARGE:
        return HULSE_OUTCOME_TOO_LARGE;
    case BROKER_FENCED:
        return HULSE_OUTCOME_FENCED;
    case BROKER_RELOOKUP:
        return HULSE_OUTCOME_FAILED_NOT_SENT;
    case BROKER_RETRY:
    case BROKER_FAIL:
    case BROKER_BREAK:
        break;
    }
    return HULSE_OUTCOME_FAILED_UNKNOWN;
}

static void
broker_opened(void *ctx, hulse_status status, const char *text, const struct broker_limits *limits)
{
    struct publisher *p = ctx;
    if (status != HULSE_OK) {
        p->events->opened(p->ctx, status, text, NULL);
        destroy(p);
        return;
    }
    if (limits->message_bytes_max < p->bytes_max) {
        p->bytes_max = limits->message_bytes_max;
    }
    p->opened = true;
    const struct broker_limits both = {.message_bytes_max = p->bytes_max};
    p->events->opened(p->ctx, HULSE_OK, text, &both);
}

static void broker_answered(void *ctx, uint64_t token, const struct broker_answer *answer)
{
    struct publisher *p = ctx;
    if (__builtin_expect(answer->outcome == HULSE_OUTCOME_STORED, 1)) {
        p->counters.stored += 1;
        p->events->answered(p->ctx, token, answer);
        return;
    }
    struct broker_answer told = *answer;
    if (told.outcome == 0) {
        told.outcome = outcome_of(told.class);
    }
    if (told.outcome == HULSE_OUTCOME_STORED) {
        p->counters.stored += 1;
    } else {
        p->counters.failed += 1;
    }
    p->events->answered(p->ctx, token, &told);
}

static void broker_failed(void *ctx, hulse_status status, const char *text)
{
    struct publisher *p = ctx;
    p->events->failed(p->ctx, status, text);
}

static const struct broker_producer_events producer_events = {
    .opened = broker_opened, .answered = broker_answered, .failed = broker_failed};

static struct publisher *create(const struct publisher_params *params, const char *topic)
{
    const size_t topic_bytes = strlen(topic) + 1;
    const size_t bytes = sizeof(struct publisher) + topic_bytes;
    struct publisher *p = hulse_mem_zalloc(HULSE_MEM_TOPIC, bytes);
    if (p != NULL) {
        p->events = params->events;
        p->ctx = params->ctx;
        p->bytes_max = params->flow->message_bytes_max;
        p->object_bytes = bytes;
        memcpy(p->topic, topic, topic_bytes);
    }
    return p;
}

hulse_status hulse_publisher_open(struct publisher **out,
                                  const struct publisher_params *params,
                                  struct error *err)
{
    struct topic_name name;
    const char *why = NULL;
    if (!hulse_topic_name_parse(&name, params->topic, params->flow->default_namespace, &why)) {
        return hulse_fail(err, HULSE_INVAL, "%s", why);
    }
    if (!hulse_identity_may_produce(params->who, name.full)) {
        return hulse_fail(err, HULSE_DENIED, "user %u may not produce", (unsigned)params->who->uid);
    }
    struct broker *b = hulse_flow_route(params->flow, name.full, err);
    if (b == NULL) {
        return HULSE_NO_TOPIC;
    }
    struct publisher *p = create(params, name.full);
    if (p == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for a publisher");
    }
    p->send = b->ops->send;
    *out = p;
    const struct broker_producer_params below = {
        .topic = p->topic, .name = params->name, .events = &producer_events, .ctx = p};
    const hulse_status st = b->ops->producer_open(b, params->worker, &below, &p->producer, err);
    if (st != HULSE_OK) {
        *out = NULL;
        destroy(p);
    }
    return st;
}

static void refuse_too_large(struct publisher *p, const struct broker_record *r)
{
    static const struct broker_answer too_large = {.class = BROKER_TOO_LARGE,
                                                   .outcome = HULSE_OUTCOME_TOO_LARGE};
    p->counters.too_large += 1;
    p->events->answered(p->ctx, r->token, &too_large);
}

void hulse_publisher_publish(struct publisher *p, const struct broker_record *r)
{
    HULSE_DASSERT(p->opened);

    p->counters.published += 1;
    p->counters.bytes += r->payload.bytes;
    if (__builtin_expect(r->payload.bytes > p->bytes_max, 0)) {
        refuse_too_large(p, r);
        return;
    }
    p->send(p->producer, r);
}

void hulse_publisher_close(struct publisher **publisher)
{
    struct publisher *p = *publisher;
    *publisher = NULL;
    p->producer->ops->producer_close(p->producer);
    destroy(p);
}

const char *hulse_publisher_topic(const struct publisher *p)
{
    return p->topic;
}

const struct publisher_counters *hulse_publisher_counters(const struct publisher *p)
{
    return &p->counters;
}
