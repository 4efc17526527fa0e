/* SPDX-License-Identifier: Apache-2.0 */
/*
 * front - see the header.
 */
#include "tests/unit/daemon/broker/pulsar/consumer/front.h"

#include <stdio.h>
#include <string.h>

struct front front;

/* All that it points to is there. */
static void touch(const struct broker_delivery *d)
{
    const struct broker_span spans[] = {
        d->payload, d->meta.key, d->meta.ordering_key, d->meta.properties, d->producer};
    volatile uint8_t sum = 0;
    for (size_t s = 0; s < sizeof(spans) / sizeof(spans[0]); s++) {
        for (uint32_t i = 0; i < spans[s].bytes; i++) {
            sum = (uint8_t)(sum + spans[s].data[i]);
        }
    }
}

static bool closes(enum front_event event)
{
    if (front.close_in != event) {
        return false;
    }
    hulse_front_close(false);
    return true;
}

static void
opened(void *ctx, hulse_status status, const char *text, const struct broker_reach *reach)
{
    assert_ptr_equal(ctx, &front);
    assert_int_equal(front.opened, 0);
    front.opened += 1;
    front.status = status;
    (void)snprintf(front.text, sizeof(front.text), "%s", text);
    front.has_reach = reach != NULL;
    if (reach != NULL) {
        front.reach = *reach;
        front.reach.marks = front.begins;
        assert_true(reach->mark_count <= FRONT_MARKS_MAX);
        for (uint32_t i = 0; i < reach->mark_count; i++) {
            front.begins[i] = reach->marks[i];
        }
    }
    if (status != HULSE_OK) {
        front.consumer = NULL;
        return;
    }
    (void)closes(FRONT_OPENED);
}

static void message(void *ctx, struct broker_delivery *d)
{
    (void)ctx;
    assert_non_null(front.consumer);
    assert_int_equal(front.failed, 0);
    assert_true(front.permits > 0);
    front.permits -= 1;
    assert_true(front.count < FRONT_MESSAGES_MAX);
    struct front_message *m = &front.messages[front.count];
    d->slot = front.count;
    *m = (struct front_message){.d = d, .redelivery = d->redelivery};
    if (!front.any_payload) {
        assert_true(d->payload.bytes >= sizeof(m->number));
        memcpy(&m->number, d->payload.data, sizeof(m->number));
    }
    touch(d);
    front.count += 1;
    if (front.copies) {
        front.consumer->ops->copied(front.consumer, d);
    }
    if (closes(FRONT_MESSAGE)) {
        return;
    }
    if (front.ack_at_once) {
        hulse_front_ack(front.count - 1);
        hulse_front_permit(1);
    }
}

static void failed(void *ctx, hulse_status status, const char *text)
{
    (void)ctx;
    assert_non_null(front.consumer);
    assert_true(text[0] != '\0');
    front.failed += 1;
    front.failed_with = status;
    (void)closes(FRONT_FAILED);
}

static void settled(void *ctx, uint32_t count)
{
    (void)ctx;
    assert_non_null(front.consumer);
    assert_true(count > 0);
    front.settled += count;
    (void)closes(FRONT_SETTLED);
}

static void active(void *ctx)
{
    (void)ctx;
    assert_non_null(front.consumer);
    front.active += 1;
    (void)closes(FRONT_ACTIVE);
}

static void inactive(void *ctx)
{
    (void)ctx;
    assert_non_null(front.consumer);
    front.inactive += 1;
    (void)closes(FRONT_INACTIVE);
}

static void caught_up(void *ctx)
{
    (void)ctx;
    assert_non_null(front.consumer);
    front.caught_up += 1;
    (void)closes(FRONT_CAUGHT_UP);
}

static void lost(void *ctx, uint64_t count)
{
    (void)ctx;
    assert_non_null(front.consumer);
    front.lost += count;
    (void)closes(FRONT_LOST);
}

static void end_of_topic(void *ctx)
{
    (void)ctx;
    assert_non_null(front.consumer);
    front.ends += 1;
    (void)closes(FRONT_END);
}

static void done(void *ctx,
                 enum broker_errand errand,
                 hulse_status status,
                 const char *text,
                 const struct broker_id *id)
{
    (void)ctx;
    assert_non_null(front.consumer);
    assert_true(status == HULSE_OK || text[0] != '\0');
    front.done += 1;
    front.errand = errand;
    front.done_with = status;
    (void)snprintf(front.done_text, sizeof(front.done_text), "%s", text);
    front.has_id = id != NULL;
    if (id != NULL) {
        front.id = *id;
    }
    (void)closes(FRONT_DONE);
}

static const struct broker_consumer_events events = {.opened = opened,
                                                     .message = message,
                                                     .failed = failed,
                                                     .settled = settled,
                                                     .active = active,
                                                     .inactive = inactive,
                                                     .caught_up = caught_up,
                                                     .lost = lost,
                                                     .end_of_topic = end_of_topic,
                                                     .done = done};

hulse_status hulse_front_begin(const struct front_where *where)
{
    struct error err = {0};
    const struct broker_consumer_params params = {
        .topic = where->non_persistent ? STAGE_VOLATILE : STAGE_TOPIC,
        .subscription = where->type == BROKER_READER ? "" : "s",
        .name = "c",
        .type = where->type,
        .start = where->start,
        .events = &events,
        .ctx = &front,
        .create = !where->never_create,
        .schema = where->schema,
        .chunking = where->chunking,
        .resumed = where->resumed,
        .marks = where->marks,
        .wishes = where->wishes,
        .transient = where->transient};
    memset(&front, 0, sizeof(front));
    return hulse_pulsar_consumer_open(
        &stage.broker.base, &stage.loop_owner, &params, &front.consumer, &err);
}

void hulse_front_open(const struct front_where *where, uint64_t last)
{
    assert_int_equal(hulse_front_begin(where), HULSE_OK);
    hulse_stage_session();
    if (where->type == BROKER_READER && !where->non_persistent) {
        const uint64_t id =
            hulse_stage_next(TYPE(GET_LAST_MESSAGE_ID))->getlastmessageid->request_id;
        hulse_stage_last_id(id, last == 0 ? UINT64_MAX : 1, last - 1, -1);
    }
    assert_int_equal(front.opened, 1);
    assert_int_equal(front.status, HULSE_OK);
}

void hulse_front_open_parts(const struct front_where *where, uint32_t partitions, uint64_t last)
{
    assert_int_equal(hulse_front_begin(where), HULSE_OK);
    hulse_stage_not_found(0, partitions);
    for (uint32_t i = 0; i < partitions; i++) {
        assert_int_equal(front.opened, 0);
        hulse_stage_play(i);
        hulse_stage_session();
        if (where->type == BROKER_READER) {
            hulse_stage_last_id(
                hulse_stage_next(TYPE(GET_LAST_MESSAGE_ID))->getlastmessageid->request_id,
                last == 0 ? UINT64_MAX : 1,
                last - 1,
                -1);
        }
    }
    assert_int_equal(front.opened, 1);
    assert_int_equal(front.status, HULSE_OK);
}

void hulse_front_permit(uint32_t count)
{
    front.permits += count;
    front.consumer->ops->permit(front.consumer, count);
}

static struct broker_delivery *take(uint32_t index)
{
    assert_true(index < front.count);
    struct broker_delivery *d = front.messages[index].d;
    assert_non_null(d);
    front.messages[index].d = NULL;
    return d;
}

void hulse_front_ack(uint32_t index)
{
    front.consumer->ops->ack(front.consumer, take(index));
}

static void ended(void *ctx, struct broker_delivery *d)
{
    (void)ctx;
    assert_ptr_equal(take((uint32_t)d->slot), d);
    front.ended += 1;
    front.last_ended = (uint32_t)d->slot;
    if (front.permits_in_ended) {
        const uint32_t before = front.count;
        hulse_front_permit(1);
        assert_int_equal(front.count, before);
    }
}

void hulse_front_ack_cumulative(uint32_t index)
{
    front.consumer->ops->ack_cumulative(front.consumer, front.messages[index].d, ended);
}

void hulse_front_nack(uint32_t index, uint32_t delay_ms)
{
    front.consumer->ops->nack(front.consumer, take(index), delay_ms);
}

void hulse_front_give_back(uint32_t index)
{
    front.consumer->ops->give_back(front.consumer, take(index));
}

void hulse_front_redeliver_all(void)
{
    front.consumer->ops->redeliver_all(front.consumer, ended);
}

hulse_status hulse_front_seek(const struct broker_position *to)
{
    struct error err = {0};
    return front.consumer->ops->seek(front.consumer, to, ended, &err);
}

void hulse_front_close(bool unsubscribe)
{
    struct broker_consumer *c = front.consumer;
    front.consumer = NULL;
    c->ops->consumer_close(c, unsubscribe);
}

void hulse_front_has(uint32_t index, uint32_t number)
{
    assert_true(index < front.count);
    assert_int_equal(front.messages[index].number, number);
    assert_non_null(front.messages[index].d);
}

void hulse_front_finish(void)
{
    stage.refuse = false;
    front.close_in = FRONT_NONE;
    if (front.consumer != NULL) {
        hulse_front_close(false);
    }
    for (; stage.first < stage.count; stage.first++) {
        const Pulsar__BaseCommand *c = stage.sent[stage.first];
        if (c->type == TYPE(CLOSE_CONSUMER)) {
            hulse_stage_success(c->close_consumer->request_id);
        }
    }
}

int hulse_front_set_up(void **state)
{
    (void)state;
    hulse_stage_start();
    return 0;
}

int hulse_front_tear_down(void **state)
{
    (void)state;
    hulse_front_finish();
    hulse_stage_stop();
    return 0;
}
