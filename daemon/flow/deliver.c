/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deliver - see the header.
 *
 * A permit that was given cannot be taken back, so what counts is the estimate at the time of
 * giving. It jumps to a larger size at once and sinks by 1/64 of the difference per message: it
 * follows the mean of a steady stream from above and forgets a peak within a few hundred messages.
 */
#include "daemon/flow/deliver.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "daemon/table/topic_name.h"

#include <string.h>

/* Ring bytes of a delivery beside payload and metadata: its header. */
#define RECORD_BYTES 64U
#define ESTIMATE_SHIFT 6U

/* enum hulse_verdict of the ABI: ack 1, nack 2, drop 5; retry 3 and reject 4 need a topic to go
 * to, which nothing configures yet. */
#define VERDICTS ((1U << 1U) | (1U << 2U) | (1U << 5U))

struct subscriber {
    struct broker_consumer *consumer; /* NULL until ops->consumer_open has set it */
    const struct subscriber_events *events;
    void *ctx;
    uint64_t estimate_bytes; /* 0 = no message seen yet */
    uint64_t outstanding;    /* permits given and not used */
    bool opened;
    void (*ended)(void *ctx, struct broker_delivery *d); /* during ack_cumulative */
    struct subscriber_counters counters;
    size_t object_bytes;
    char topic[]; /* terminated */
};

static void destroy(struct subscriber *s)
{
    hulse_mem_free(HULSE_MEM_TOPIC, s, s->object_bytes);
}

static void broker_opened(void *ctx, hulse_status status, const char *text)
{
    struct subscriber *s = ctx;
    if (status != HULSE_OK) {
        s->events->opened(s->ctx, status, text, 0);
        destroy(s);
        return;
    }
    s->opened = true;
    s->events->opened(s->ctx, HULSE_OK, text, VERDICTS);
}

static uint64_t size_of(const struct broker_delivery *d)
{
    return (uint64_t)d->payload.bytes + d->meta.key.bytes + d->meta.ordering_key.bytes +
           d->meta.properties.bytes + d->producer.bytes + RECORD_BYTES;
}

static uint64_t next_estimate(uint64_t estimate, uint64_t size)
{
    if (size >= estimate) {
        return size;
    }
    /* Rounded up, so that it arrives at the size. */
    return estimate - ((estimate - size + (1U << ESTIMATE_SHIFT) - 1) >> ESTIMATE_SHIFT);
}

static void broker_message(void *ctx, struct broker_delivery *d)
{
    struct subscriber *s = ctx;
    HULSE_ASSERT(s->outstanding > 0);
    s->outstanding -= 1;
    s->estimate_bytes = next_estimate(s->estimate_bytes, size_of(d));
    s->counters.delivered += 1;
    s->counters.bytes += d->payload.bytes;
    s->events->message(s->ctx, d);
}

static void broker_failed(void *ctx, hulse_status status, const char *text)
{
    struct subscriber *s = ctx;
    s->events->failed(s->ctx, status, text);
}

static const struct broker_consumer_events consumer_events = {
    .opened = broker_opened, .message = broker_message, .failed = broker_failed};

static struct subscriber *create(const struct subscriber_params *params, const char *topic)
{
    const size_t topic_bytes = strlen(topic) + 1;
    const size_t bytes = sizeof(struct subscriber) + topic_bytes;
    struct subscriber *s = hulse_mem_zalloc(HULSE_MEM_TOPIC, bytes);
    if (s != NULL) {
        s->events = params->events;
        s->ctx = params->ctx;
        s->object_bytes = bytes;
        memcpy(s->topic, topic, topic_bytes);
    }
    return s;
}

hulse_status hulse_subscriber_open(struct subscriber **out,
                                   const struct subscriber_params *params,
                                   struct error *err)
{
    struct topic_name name;
    const char *why = NULL;
    if (!hulse_topic_name_parse(&name, params->topic, params->flow->default_namespace, &why)) {
        return hulse_fail(err, HULSE_INVAL, "%s", why);
    }
    if ((params->type == BROKER_READER) != (params->subscription[0] == '\0')) {
        return hulse_fail(err, HULSE_INVAL, "a subscription needs a name and a reader has none");
    }
    if (!hulse_identity_may_consume(params->who, name.full)) {
        return hulse_fail(err, HULSE_DENIED, "user %u may not consume", (unsigned)params->who->uid);
    }
    struct broker *b = hulse_flow_route(params->flow, name.full, err);
    if (b == NULL) {
        return HULSE_NO_TOPIC;
    }
    struct subscriber *s = create(params, name.full);
    if (s == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for a subscriber");
    }
    *out = s;
    const struct broker_consumer_params below = {.topic = s->topic,
                                                 .subscription = params->subscription,
                                                 .name = params->name,
                                                 .type = params->type,
                                                 .earliest = params->earliest,
                                                 .events = &consumer_events,
                                                 .ctx = s};
    const hulse_status st = b->ops->consumer_open(b, params->worker, &below, &s->consumer, err);
    if (st != HULSE_OK) {
        *out = NULL;
        destroy(s);
    }
    return st;
}

void hulse_subscriber_room(struct subscriber *s, uint64_t bytes, uint32_t messages)
{
    HULSE_ASSERT(s->opened);

    if (bytes == 0) {
        return;
    }
    /* Of an unknown size one at a time; and never none, or a message larger than the room that is
     * ever told would not come at all. */
    uint64_t wanted = s->estimate_bytes == 0 ? 1 : bytes / s->estimate_bytes;
    wanted = wanted == 0 ? 1 : wanted;
    wanted = wanted > messages ? messages : wanted;
    if (wanted > s->outstanding) {
        const uint32_t more = (uint32_t)(wanted - s->outstanding);
        /* Before the call, because messages may come before it returns. */
        s->outstanding = wanted;
        s->counters.permitted += more;
        s->consumer->ops->permit(s->consumer, more);
    }
}

void hulse_subscriber_ack(struct subscriber *s, struct broker_delivery *d)
{
    s->consumer->ops->ack(s->consumer, d);
}

static void broker_ended(void *ctx, struct broker_delivery *d)
{
    struct subscriber *s = ctx;
    s->ended(s->ctx, d);
}

void hulse_subscriber_ack_cumulative(struct subscriber *s,
                                     struct broker_delivery *d,
                                     void (*ended)(void *ctx, struct broker_delivery *d))
{
    HULSE_ASSERT(s->ended == NULL);

    s->ended = ended;
    s->consumer->ops->ack_cumulative(s->consumer, d, broker_ended);
    s->ended = NULL;
}

void hulse_subscriber_nack(struct subscriber *s, struct broker_delivery *d, uint32_t delay_ms)
{
    s->consumer->ops->nack(s->consumer, d, delay_ms);
}

void hulse_subscriber_drop(struct subscriber *s, struct broker_delivery *d)
{
    s->counters.dropped += 1;
    s->consumer->ops->ack(s->consumer, d);
}

void hulse_subscriber_give_back(struct subscriber *s, struct broker_delivery *d)
{
    s->consumer->ops->give_back(s->consumer, d);
}

void hulse_subscriber_close(struct subscriber **subscriber, bool unsubscribe)
{
    struct subscriber *s = *subscriber;
    *subscriber = NULL;
    s->consumer->ops->consumer_close(s->consumer, unsubscribe);
    destroy(s);
}

const char *hulse_subscriber_topic(const struct subscriber *s)
{
    return s->topic;
}

const struct subscriber_counters *hulse_subscriber_counters(const struct subscriber *s)
{
    return &s->counters;
}
