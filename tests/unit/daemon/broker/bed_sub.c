/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bed_sub - see the header.
 */
#include "tests/unit/daemon/broker/bed_sub.h"

#include <stdlib.h>
#include <string.h>

static void
sub_opened(void *ctx, hulse_status status, const char *text, const struct broker_reach *reach)
{
    struct bed_sub *sub = ctx;
    assert_false(sub->opened);
    assert_false(sub->closed);
    sub->opened = true;
    sub->status = status;
    sub->text = text;
    sub->has_reach = reach != NULL;
    if (reach != NULL) {
        sub->reach = *reach;
    }
    if (status != HULSE_OK) {
        sub->consumer = NULL;
    }
}

static void sub_message(void *ctx, struct broker_delivery *d)
{
    struct bed_sub *sub = ctx;
    uint32_t head[2] = {0};
    assert_false(sub->closed);
    assert_false(sub->failed);
    if (sub->permits == 0) {
        sub->over = true;
    } else {
        sub->permits -= 1;
    }
    if (sub->count == sub->capacity) {
        sub->capacity = sub->capacity == 0 ? 64 : sub->capacity * 2;
        sub->messages = realloc(sub->messages, sub->capacity * sizeof(*sub->messages));
    }
    if (d->payload.bytes >= sizeof(head)) {
        memcpy(head, d->payload.data, sizeof(head));
    }
    d->slot = sub->count;
    sub->messages[sub->count] = (struct bed_message){.d = d,
                                                     .at = d->id,
                                                     .id = head[0],
                                                     .number = head[1],
                                                     .redelivery = d->redelivery,
                                                     .lost = sub->lost};
    sub->count += 1;
    sub->held += 1;
    if (sub->ack_at_once) {
        sub->messages[sub->count - 1].d = NULL;
        sub->held -= 1;
        sub->permits += 1;
        sub->bed->broker->ops->ack(sub->consumer, d);
        sub->bed->broker->ops->permit(sub->consumer, 1);
    }
}

static void sub_failed(void *ctx, hulse_status status, const char *text)
{
    struct bed_sub *sub = ctx;
    assert_false(sub->closed);
    assert_false(sub->failed);
    assert_true(text[0] != '\0');
    sub->failed = true;
    sub->failed_with = status;
}

static void sub_settled(void *ctx, uint32_t count)
{
    struct bed_sub *sub = ctx;
    assert_false(sub->closed);
    assert_true(count > 0);
    sub->settled += count;
}

static void sub_active(void *ctx)
{
    ((struct bed_sub *)ctx)->active += 1;
}

static void sub_inactive(void *ctx)
{
    ((struct bed_sub *)ctx)->inactive += 1;
}

static void sub_caught_up(void *ctx)
{
    struct bed_sub *sub = ctx;
    assert_false(sub->closed);
    assert_int_equal(sub->caught_up, 0);
    sub->caught_up += 1;
    sub->lost_caught_up = sub->lost;
}

static void sub_lost(void *ctx, uint64_t count)
{
    struct bed_sub *sub = ctx;
    assert_false(sub->closed);
    assert_true(count > 0);
    sub->lost += count;
}

static void sub_end_of_topic(void *ctx)
{
    struct bed_sub *sub = ctx;
    assert_false(sub->closed);
    assert_int_equal(sub->ends_of_topic, 0);
    assert_int_equal(sub->held, 0);
    sub->ends_of_topic += 1;
}

static void sub_done(void *ctx,
                     enum broker_errand errand,
                     hulse_status status,
                     const char *text,
                     const struct broker_id *id)
{
    struct bed_sub *sub = ctx;
    assert_false(sub->closed);
    assert_true(status == HULSE_OK || text[0] != '\0');
    sub->errands += 1;
    sub->errand = errand;
    sub->errand_status = status;
    sub->errand_has_id = id != NULL;
    if (id != NULL) {
        sub->errand_id = *id;
    }
}

static const struct broker_consumer_events sub_events = {.opened = sub_opened,
                                                         .message = sub_message,
                                                         .failed = sub_failed,
                                                         .settled = sub_settled,
                                                         .active = sub_active,
                                                         .inactive = sub_inactive,
                                                         .caught_up = sub_caught_up,
                                                         .lost = sub_lost,
                                                         .end_of_topic = sub_end_of_topic,
                                                         .done = sub_done};

enum sub_do {
    SUB_ACK,
    SUB_ACK_ALL,
    SUB_CUMULATIVE,
    SUB_NACK,
    SUB_GIVE_BACK,
    SUB_PERMIT,
    SUB_REDELIVER_ALL,
    SUB_ACK_ID
};

struct sub_errand {
    struct bed_sub *sub;
    const struct bed_where *where;
    enum sub_do what;
    uint32_t index;
    uint32_t number;
    const struct broker_id *id;
    hulse_status status;
};

static void sub_open_there(void *arg)
{
    struct sub_errand *e = arg;
    struct bed_sub *sub = e->sub;
    struct error err = {0};
    const struct broker_consumer_params params = {
        .topic = e->where->topic,
        .subscription = e->where->subscription,
        .name = "c",
        .type = e->where->type,
        .start = {.kind = e->where->start, .id = e->where->id, .time_ms = e->where->time_ms},
        .transient = e->where->transient,
        .events = &sub_events,
        .ctx = sub,
        .create = !e->where->never_create};
    e->status = sub->bed->broker->ops->consumer_open(
        sub->bed->broker, sub->bed->workers[sub->worker], &params, &sub->consumer, &err);
}

static bool sub_is_opened(void *arg)
{
    return ((struct bed_sub *)arg)->opened;
}

hulse_status hulse_sub_open(struct bed *bed, struct bed_sub *sub, const struct bed_where *where)
{
    *sub = (struct bed_sub){.bed = bed, .worker = where->worker};
    struct sub_errand e = {.sub = sub, .where = where};
    hulse_bed_on(bed, where->worker, sub_open_there, &e);
    if (e.status == HULSE_OK) {
        hulse_bed_until(bed, where->worker, sub_is_opened, sub);
        return sub->status;
    }
    assert_false(sub->opened);
    return e.status;
}

static struct broker_delivery *take(struct bed_sub *sub, uint32_t index)
{
    assert_true(index < sub->count);
    struct broker_delivery *d = sub->messages[index].d;
    assert_non_null(d);
    sub->messages[index].d = NULL;
    sub->held -= 1;
    return d;
}

static void sub_ended(void *ctx, struct broker_delivery *d)
{
    struct bed_sub *sub = ctx;
    assert_ptr_equal(take(sub, (uint32_t)d->slot), d);
    sub->ended += 1;
    sub->last_ended = d;
}

static void sub_there(void *arg)
{
    const struct sub_errand *e = arg;
    struct bed_sub *sub = e->sub;
    const struct broker_ops *ops = sub->bed->broker->ops;
    switch (e->what) {
    case SUB_ACK:
        ops->ack(sub->consumer, take(sub, e->index));
        break;
    case SUB_ACK_ALL:
        for (uint32_t i = 0; i < sub->count; i++) {
            if (sub->messages[i].d != NULL) {
                ops->ack(sub->consumer, take(sub, i));
            }
        }
        break;
    case SUB_CUMULATIVE:
        ops->ack_cumulative(sub->consumer, sub->messages[e->index].d, sub_ended);
        break;
    case SUB_NACK:
        ops->nack(sub->consumer, take(sub, e->index), e->number);
        break;
    case SUB_GIVE_BACK:
        ops->give_back(sub->consumer, take(sub, e->index));
        break;
    case SUB_PERMIT:
        sub->permits += e->number;
        ops->permit(sub->consumer, e->number);
        break;
    case SUB_REDELIVER_ALL:
        ops->redeliver_all(sub->consumer, sub_ended);
        break;
    case SUB_ACK_ID:
        ops->ack_id(sub->consumer, e->id, e->number != 0);
        break;
    }
}

static void sub_do(struct bed_sub *sub, enum sub_do what, uint32_t index, uint32_t number)
{
    struct sub_errand e = {.sub = sub, .what = what, .index = index, .number = number};
    hulse_bed_on(sub->bed, sub->worker, sub_there, &e);
}

void hulse_sub_permit(struct bed_sub *sub, uint32_t count)
{
    sub_do(sub, SUB_PERMIT, 0, count);
}

struct sub_count {
    const struct bed_sub *sub;
    uint32_t count;
};

static bool sub_has(void *arg)
{
    const struct sub_count *c = arg;
    return c->sub->count >= c->count;
}

void hulse_sub_wait(struct bed_sub *sub, uint32_t count)
{
    struct sub_count c = {.sub = sub, .count = count};
    hulse_bed_until(sub->bed, sub->worker, sub_has, &c);
    assert_false(sub->over);
}

static void read_count(void *arg)
{
    struct sub_count *c = arg;
    c->count = c->sub->count;
}

uint32_t hulse_sub_count(struct bed_sub *sub)
{
    struct sub_count c = {.sub = sub};
    hulse_bed_on(sub->bed, sub->worker, read_count, &c);
    return c.count;
}

void hulse_sub_ack(struct bed_sub *sub, uint32_t index)
{
    sub_do(sub, SUB_ACK, index, 0);
}

void hulse_sub_ack_all(struct bed_sub *sub)
{
    sub_do(sub, SUB_ACK_ALL, 0, 0);
}

void hulse_sub_ack_cumulative(struct bed_sub *sub, uint32_t index)
{
    sub_do(sub, SUB_CUMULATIVE, index, 0);
}

void hulse_sub_nack(struct bed_sub *sub, uint32_t index, uint32_t delay_ms)
{
    sub_do(sub, SUB_NACK, index, delay_ms);
}

void hulse_sub_give_back(struct bed_sub *sub, uint32_t index)
{
    sub_do(sub, SUB_GIVE_BACK, index, 0);
}

void hulse_sub_redeliver_all(struct bed_sub *sub)
{
    sub_do(sub, SUB_REDELIVER_ALL, 0, 0);
}

void hulse_sub_ack_id(struct bed_sub *sub, const struct broker_id *id, bool cumulative)
{
    struct sub_errand e = {.sub = sub, .what = SUB_ACK_ID, .id = id, .number = cumulative ? 1 : 0};
    hulse_bed_on(sub->bed, sub->worker, sub_there, &e);
}

static bool sub_is_settled(void *arg)
{
    const struct sub_count *c = arg;
    return c->sub->settled >= c->count;
}

void hulse_sub_wait_settled(struct bed_sub *sub, uint32_t count)
{
    struct sub_count c = {.sub = sub, .count = count};
    hulse_bed_until(sub->bed, sub->worker, sub_is_settled, &c);
    assert_int_equal(sub->settled, count);
}

static bool sub_has_caught_up(void *arg)
{
    return ((struct bed_sub *)arg)->caught_up != 0;
}

void hulse_sub_wait_caught_up(struct bed_sub *sub)
{
    hulse_bed_until(sub->bed, sub->worker, sub_has_caught_up, sub);
}

/* ---- errands ---- */

struct sub_begin {
    struct bed_sub *sub;
    enum broker_errand errand;
    const struct broker_position *to;
    hulse_status status;
    uint32_t before; /* errands */
};

static void begin_there(void *arg)
{
    struct sub_begin *b = arg;
    const struct broker_ops *ops = b->sub->bed->broker->ops;
    struct error err = {0};
    b->before = b->sub->errands;
    switch (b->errand) {
    case BROKER_SEEK:
        b->status = ops->seek(b->sub->consumer, b->to, sub_ended, &err);
        break;
    case BROKER_LAST_MESSAGE_ID:
        b->status = ops->last_message_id(b->sub->consumer, &err);
        break;
    case BROKER_UNSUBSCRIBE:
        b->status = ops->unsubscribe(b->sub->consumer, &err);
        break;
    }
    assert_true(b->status == HULSE_OK || err.text[0] != '\0');
}

static bool is_done(void *arg)
{
    const struct sub_begin *b = arg;
    return b->sub->errands > b->before;
}

static hulse_status
begin(struct bed_sub *sub, enum broker_errand errand, const struct broker_position *to)
{
    struct sub_begin b = {.sub = sub, .errand = errand, .to = to};
    hulse_bed_on(sub->bed, sub->worker, begin_there, &b);
    if (b.status != HULSE_OK) {
        assert_int_equal(sub->errands, b.before);
        return b.status;
    }
    hulse_bed_until(sub->bed, sub->worker, is_done, &b);
    assert_int_equal(sub->errands, b.before + 1);
    assert_int_equal(sub->errand, errand);
    return sub->errand_status;
}

hulse_status hulse_sub_last_message_id(struct bed_sub *sub)
{
    return begin(sub, BROKER_LAST_MESSAGE_ID, NULL);
}

hulse_status hulse_sub_unsubscribe(struct bed_sub *sub)
{
    return begin(sub, BROKER_UNSUBSCRIBE, NULL);
}

hulse_status hulse_sub_seek(struct bed_sub *sub, const struct broker_position *to)
{
    return begin(sub, BROKER_SEEK, to);
}

/* ---- the end ---- */

static bool sub_has_failed(void *arg)
{
    return ((struct bed_sub *)arg)->failed;
}

void hulse_sub_wait_failed(struct bed_sub *sub)
{
    hulse_bed_until(sub->bed, sub->worker, sub_has_failed, sub);
}

static bool sub_has_end(void *arg)
{
    return ((struct bed_sub *)arg)->ends_of_topic != 0;
}

void hulse_sub_wait_end_of_topic(struct bed_sub *sub)
{
    hulse_bed_until(sub->bed, sub->worker, sub_has_end, sub);
}

struct sub_close {
    struct bed_sub *sub;
    bool unsubscribe;
};

static void sub_close_there(void *arg)
{
    const struct sub_close *e = arg;
    e->sub->closed = true;
    e->sub->bed->broker->ops->consumer_close(e->sub->consumer, e->unsubscribe);
}

void hulse_sub_close(struct bed_sub *sub, bool unsubscribe)
{
    struct sub_close e = {.sub = sub, .unsubscribe = unsubscribe};
    if (sub->consumer != NULL) {
        hulse_bed_on(sub->bed, sub->worker, sub_close_there, &e);
    }
    assert_false(sub->over);
    free(sub->messages);
    sub->messages = NULL;
    sub->consumer = NULL;
}
