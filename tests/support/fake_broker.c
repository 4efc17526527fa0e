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
    (void)w;
    f->opens += 1;
    (void)snprintf(f->topic, sizeof(f->topic), "%s", params->topic);
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

static void producer_send(struct broker_producer *p, const struct broker_record *r)
{
    struct fake_broker *f = HULSE_CONTAINER(p, struct fake_broker, producer);
    HULSE_ASSERT(f->sent < FAKE_LOG_MAX);
    f->tokens[f->sent++] = r->token;
    f->sent_bytes += r->payload.bytes;
    if (f->answer_at_once) {
        p->events->answered(p->ctx, r->token, &f->answer);
    }
}

static void producer_close(struct broker_producer *p)
{
    HULSE_CONTAINER(p, struct fake_broker, producer)->producer_closes += 1;
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
    f->type = params->type;
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
    f->consumer.events->opened(f->consumer.ctx, status, "text of the fake");
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

static void ack(struct broker_consumer *c, struct broker_delivery *d)
{
    call(c, FAKE_ACK, d, 0);
}

static void ack_cumulative(struct broker_consumer *c,
                           struct broker_delivery *d,
                           void (*ended)(void *ctx, struct broker_delivery *d))
{
    call(c, FAKE_CUMULATIVE, d, 0);
    ended(c->ctx, d);
}

static void nack(struct broker_consumer *c, struct broker_delivery *d, uint32_t delay_ms)
{
    call(c, FAKE_NACK, d, delay_ms);
}

static void give_back(struct broker_consumer *c, struct broker_delivery *d)
{
    call(c, FAKE_GIVE_BACK, d, 0);
}

static void consumer_close(struct broker_consumer *c, bool unsubscribe)
{
    struct fake_broker *f = of_consumer(c);
    f->consumer_closes += 1;
    f->unsubscribed = unsubscribe;
}

static bool healthy(const struct broker *b)
{
    (void)b;
    return true;
}

static const struct broker_ops ops = {.type = "fake",
                                      .producer_open = producer_open,
                                      .send = producer_send,
                                      .producer_close = producer_close,
                                      .consumer_open = consumer_open,
                                      .permit = permit,
                                      .ack = ack,
                                      .ack_cumulative = ack_cumulative,
                                      .nack = nack,
                                      .give_back = give_back,
                                      .consumer_close = consumer_close,
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

void hulse_fake_deliver(struct fake_broker *f, struct broker_delivery *d, uint32_t bytes)
{
    *d = (struct broker_delivery){.id = {.entry = f->delivered}, .payload = {.bytes = bytes}};
    f->delivered += 1;
    f->consumer.events->message(f->consumer.ctx, d);
}
