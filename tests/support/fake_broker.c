/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_broker - see the header.
 */
#include "tests/support/fake_broker.h"

#include "daemon/core/assert.h"

#include <stdio.h>
#include <string.h>

static struct fake_broker *of_broker(struct broker *b)
{
    return HULSE_CONTAINER(b, struct fake_broker, base);
}

static struct fake_broker *of_consumer(struct broker_consumer *c)
{
    return HULSE_CONTAINER(c, struct fake_broker, consumer);
}

static hulse_status producer_open(struct broker *b,
                                  struct worker *w,
                                  const struct broker_producer_params *params,
                                  struct broker_producer **out,
                                  struct error *err)
{
    struct fake_broker *f = of_broker(b);
    const char *initial = params->initial_subscription;
    (void)w;
    f->opens += 1;
    f->schema_type = params->schema == NULL ? BROKER_SCHEMA_BYTES : params->schema->type;
    f->create = params->create;
    memcpy(f->handle_id, params->handle_id, sizeof(f->handle_id));
    (void)snprintf(f->topic, sizeof(f->topic), "%s", params->topic);
    (void)snprintf(f->initial, sizeof(f->initial), "%s", initial == NULL ? "" : initial);
    if (f->refuse_open != HULSE_OK) {
        return hulse_fail(err, f->refuse_open, "refused by the fake");
    }
    f->producer =
        (struct broker_producer){.ops = b->ops, .events = params->events, .ctx = params->ctx};
    *out = &f->producer;
    if (!f->open_later) {
        hulse_fake_producer_opened(f, f->open_status);
    }
    return HULSE_OK;
}

void hulse_fake_producer_opened(struct fake_broker *f, hulse_status status)
{
    f->producer.events->opened(
        f->producer.ctx, status, "text of the fake", status == HULSE_OK ? &f->limits : NULL);
}

static bool producer_send(struct broker_producer *p, const struct broker_record *r)
{
    struct fake_broker *f = HULSE_CONTAINER(p, struct fake_broker, producer);
    HULSE_ASSERT(f->sent < FAKE_LOG_MAX);
    if (f->no_memory) {
        p->busy = true;
        return false;
    }
    f->tokens[f->sent++] = r->token;
    f->sent_bytes += r->payload.bytes;
    if (f->answer_at_once) {
        p->events->answered(p->ctx, r->token, &f->answer);
    }
    return true;
}

static void producer_close(struct broker_producer *p, bool forget)
{
    struct fake_broker *f = HULSE_CONTAINER(p, struct fake_broker, producer);
    f->producer_closes += 1;
    f->producer_forgets += forget;
}

static bool same_span(struct broker_span a, struct broker_span b)
{
    return a.bytes == b.bytes && (a.bytes == 0 || memcmp(a.data, b.data, a.bytes) == 0);
}

static bool same_wishes(const struct broker_wishes *a, const struct broker_wishes *b)
{
    return a->key_range_count == b->key_range_count &&
           (a->key_range_count == 0 ||
            memcmp(a->key_ranges, b->key_ranges, a->key_range_count * sizeof(*a->key_ranges)) ==
                0) &&
           a->any_order == b->any_order && a->compacted == b->compacted &&
           a->replicated == b->replicated && a->priority == b->priority &&
           same_span(a->properties, b->properties) &&
           same_span(a->subscription_properties, b->subscription_properties);
}

static hulse_status consumer_open(struct broker *b,
                                  struct worker *w,
                                  const struct broker_consumer_params *params,
                                  struct broker_consumer **out,
                                  struct error *err)
{
    struct fake_broker *f = of_broker(b);
    (void)w;
    f->opens += 1;
    if (f->look_at_wishes != NULL && same_wishes(f->look_at_wishes, &params->wishes)) {
        f->look_at_wishes = NULL;
    }
    f->type = params->type;
    f->start = params->start;
    f->create = params->create;
    f->transient = params->transient;
    memcpy(f->handle_id, params->handle_id, sizeof(f->handle_id));
    (void)snprintf(f->topic, sizeof(f->topic), "%s", params->topic);
    (void)snprintf(f->subscription, sizeof(f->subscription), "%s", params->subscription);
    if (f->refuse_open != HULSE_OK) {
        return hulse_fail(err, f->refuse_open, "refused by the fake");
    }
    f->consumer =
        (struct broker_consumer){.ops = b->ops, .events = params->events, .ctx = params->ctx};
    *out = &f->consumer;
    if (!f->open_later) {
        hulse_fake_consumer_opened(f, f->open_status);
    }
    return HULSE_OK;
}

void hulse_fake_consumer_opened(struct fake_broker *f, hulse_status status)
{
    f->consumer.events->opened(
        f->consumer.ctx, status, "text of the fake", f->has_reach ? &f->reach : NULL);
}

static void permit(struct broker_consumer *c, uint32_t count)
{
    struct fake_broker *f = of_consumer(c);
    static struct broker_delivery all[FAKE_LOG_MAX];
    f->permits += count;
    for (uint32_t i = 0; f->deliver_in_permit != 0 && i < count; i++) {
        hulse_fake_deliver(f, &all[f->delivered % FAKE_LOG_MAX], f->deliver_in_permit);
    }
}

static void call(struct broker_consumer *c,
                 enum fake_verdict verdict,
                 struct broker_delivery *d,
                 uint32_t delay)
{
    struct fake_broker *f = of_consumer(c);
    HULSE_ASSERT(f->call_count < FAKE_LOG_MAX);
    f->calls[f->call_count++] = (struct fake_call){.verdict = verdict, .d = d, .delay_ms = delay};
}

/* The last touch of a call. */
static void settled(struct broker_consumer *c)
{
    if (!of_consumer(c)->settle_later) {
        hulse_fake_settled(of_consumer(c), 1);
    }
}

static void ack(struct broker_consumer *c, struct broker_delivery *d)
{
    call(c, FAKE_ACK, d, 0);
    settled(c);
}

static void ack_cumulative(struct broker_consumer *c,
                           struct broker_delivery *d,
                           void (*ended)(void *ctx, struct broker_delivery *d))
{
    call(c, FAKE_CUMULATIVE, d, 0);
    ended(c->ctx, d);
    settled(c);
}

static void ack_id(struct broker_consumer *c, const struct broker_id *id, bool cumulative)
{
    call(c, cumulative ? FAKE_ACK_ID_CUMULATIVE : FAKE_ACK_ID, NULL, 0);
    of_consumer(c)->calls[of_consumer(c)->call_count - 1].id = *id;
    settled(c);
}

static void nack(struct broker_consumer *c, struct broker_delivery *d, uint32_t delay_ms)
{
    call(c, FAKE_NACK, d, delay_ms);
    settled(c);
}

static void give_back(struct broker_consumer *c, struct broker_delivery *d)
{
    call(c, FAKE_GIVE_BACK, d, 0);
}

static hulse_status answer_call(const struct fake_broker *f, struct error *err)
{
    return f->refuse_call == HULSE_OK ? HULSE_OK
                                      : hulse_fail(err, f->refuse_call, "refused by the fake");
}

static hulse_status flush(struct broker_producer *p, struct error *err)
{
    struct fake_broker *f = HULSE_CONTAINER(p, struct fake_broker, producer);
    f->flushes += 1;
    return answer_call(f, err);
}

static void redeliver_all(struct broker_consumer *c,
                          void (*ended)(void *ctx, struct broker_delivery *d))
{
    (void)ended; /* the test has the deliveries */
    call(c, FAKE_REDELIVER_ALL, NULL, 0);
}

static hulse_status begin(struct broker_consumer *c, enum broker_errand errand, struct error *err)
{
    struct fake_broker *f = of_consumer(c);
    f->errands[errand] += 1;
    return answer_call(f, err);
}

static hulse_status seek(struct broker_consumer *c,
                         const struct broker_position *to,
                         void (*ended)(void *ctx, struct broker_delivery *d),
                         struct error *err)
{
    struct fake_broker *f = of_consumer(c);
    for (unsigned i = 0; i < 4 && f->seek_ends[i] != NULL; i++) {
        ended(c->ctx, f->seek_ends[i]);
    }
    f->sought = *to;
    return begin(c, BROKER_SEEK, err);
}

static hulse_status last_message_id(struct broker_consumer *c, struct error *err)
{
    return begin(c, BROKER_LAST_MESSAGE_ID, err);
}

static hulse_status unsubscribe(struct broker_consumer *c, struct error *err)
{
    return begin(c, BROKER_UNSUBSCRIBE, err);
}

static hulse_status topic_lookup(struct broker *b, struct broker_lookup *q, struct error *err)
{
    of_broker(b)->lookup = q;
    return answer_call(of_broker(b), err);
}

static hulse_status stats(struct broker *b, struct broker_stats *q, struct error *err)
{
    of_broker(b)->stats = q;
    return answer_call(of_broker(b), err);
}

static hulse_status schema(struct broker *b, struct broker_schema_request *q, struct error *err)
{
    of_broker(b)->schema = q;
    return answer_call(of_broker(b), err);
}

static hulse_status admin(struct broker *b, struct broker_admin *q, struct error *err)
{
    of_broker(b)->admin = q;
    return answer_call(of_broker(b), err);
}

static void consumer_close(struct broker_consumer *c, bool unsubscribe)
{
    struct fake_broker *f = of_consumer(c);
    f->consumer_closes += 1;
    f->unsubscribed = unsubscribe;
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

static const struct broker_ops ops = {.type = "fake",
                                      .producer_open = producer_open,
                                      .capabilities =
                                          UINT32_MAX & ~(BROKER_CAN_DELAY | BROKER_CAN_REPLICATE),
                                      .send = producer_send,
                                      .flush = flush,
                                      .producer_close = producer_close,
                                      .consumer_open = consumer_open,
                                      .permit = permit,
                                      .ack = ack,
                                      .ack_cumulative = ack_cumulative,
                                      .nack = nack,
                                      .give_back = give_back,
                                      .ack_id = ack_id,
                                      .redeliver_all = redeliver_all,
                                      .seek = seek,
                                      .last_message_id = last_message_id,
                                      .unsubscribe = unsubscribe,
                                      .consumer_close = consumer_close,
                                      .topic_lookup = topic_lookup,
                                      .stats = stats,
                                      .schema_get = schema,
                                      .schema_put = schema,
                                      .admin = admin,
                                      .store_figures = store_figures,
                                      .healthy = healthy};

void hulse_fake_init(struct fake_broker *f)
{
    *f = (struct fake_broker){.base = {.ops = &ops, .name = "fake"},
                              .limits = {.message_bytes_max = 1U << 20U},
                              .answer = {.outcome = HULSE_OUTCOME_STORED}};
}

void hulse_fake_answer(struct fake_broker *f,
                       uint64_t token,
                       enum broker_class class,
                       unsigned outcome)
{
    const struct broker_answer answer = {.class = class, .outcome = (uint8_t)outcome};
    f->producer.events->answered(f->producer.ctx, token, &answer);
}

void hulse_fake_producer_failed(struct fake_broker *f, hulse_status status, const char *text)
{
    f->producer.events->failed(f->producer.ctx, status, text);
}

void hulse_fake_consumer_failed(struct fake_broker *f, hulse_status status, const char *text)
{
    f->consumer.events->failed(f->consumer.ctx, status, text);
}

void hulse_fake_fenced(struct fake_broker *f, const char *text)
{
    f->producer.events->fenced(f->producer.ctx, text);
}

void hulse_fake_suspended(struct fake_broker *f, enum broker_class class)
{
    f->producer.events->suspended(f->producer.ctx, class, "text of the fake");
}

void hulse_fake_given_back(struct fake_broker *f, uint64_t token, bool unknown)
{
    const struct broker_record record = {.token = token};
    const struct broker_given_back back = {
        .record = &record,
        .unknown = unknown,
        .wire = {.producer = unknown ? "fake" : "", .sequence = token}};
    f->producer.events->given_back(f->producer.ctx, &back);
}

void hulse_fake_resumed(struct fake_broker *f)
{
    f->producer.events->resumed(f->producer.ctx);
}

void hulse_fake_freed(struct fake_broker *f)
{
    f->producer.events->freed(f->producer.ctx);
}

void hulse_fake_flushed(struct fake_broker *f)
{
    f->producer.events->flushed(f->producer.ctx);
}

void hulse_fake_active(struct fake_broker *f, bool active)
{
    const struct broker_consumer_events *events = f->consumer.events;
    void (*told)(void *ctx) = active ? events->active : events->inactive;
    if (told != NULL) {
        told(f->consumer.ctx);
    }
}

void hulse_fake_end_of_topic(struct fake_broker *f)
{
    if (f->consumer.events->end_of_topic != NULL) {
        f->consumer.events->end_of_topic(f->consumer.ctx);
    }
}

void hulse_fake_settled(struct fake_broker *f, uint32_t count)
{
    if (f->consumer.events->settled != NULL) {
        f->consumer.events->settled(f->consumer.ctx, count);
    }
}

void hulse_fake_done(struct fake_broker *f,
                     enum broker_errand errand,
                     hulse_status status,
                     const struct broker_id *id)
{
    if (f->consumer.events->done != NULL) {
        f->consumer.events->done(
            f->consumer.ctx, errand, status, status == HULSE_OK ? "" : "text of the fake", id);
    }
}

void hulse_fake_request_done(struct broker_request *request, hulse_status status)
{
    request->status = status;
    (void)snprintf(
        request->text, sizeof(request->text), "%s", status == HULSE_OK ? "" : "text of the fake");
    request->done(request);
}

void hulse_fake_deliver(struct fake_broker *f, struct broker_delivery *d, uint32_t bytes)
{
    *d = (struct broker_delivery){.id = {.entry = f->delivered}, .payload = {.bytes = bytes}};
    f->delivered += 1;
    f->consumer.events->message(f->consumer.ctx, d);
}
