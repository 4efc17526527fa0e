/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a topic with partitions is one consumer: open when all partitions are, handed out in turns within its permits;
 *         new partitions come to it.
 * Method: lookups, the connection and time are played by the test (stage.h), for each partition.
 */
#include "daemon/broker/pulsar/consumer/fan_in.h"
#include "tests/support/runtime.h"
#include "tests/unit/daemon/broker/pulsar/consumer/front.h"
#include "tests/unit/daemon/core/check.h"

#include <stdio.h>
#include <string.h>

static const struct front_where shared = {.type = BROKER_SHARED};
static const struct front_where exclusive = {.type = BROKER_EXCLUSIVE};
static const struct front_where failover = {.type = BROKER_FAILOVER};
static const struct front_where reader = {.type = BROKER_READER,
                                          .start = {.kind = BROKER_EARLIEST}};

static void message(uint32_t partition, uint64_t entry, uint32_t number)
{
    hulse_stage_play(partition);
    hulse_stage_message(&(struct stage_entry){.ledger = 1, .entry = entry, .number = number});
}

/* One permit of each partition. */
static void flow_of_all(uint32_t partitions)
{
    for (uint32_t i = 0; i < partitions; i++) {
        assert_int_equal(hulse_stage_flow(), 1);
    }
    hulse_stage_nothing();
}

/* ---- opening ---- */

static void is_open_when_all_partitions_are(void **state)
{
    (void)state;
    assert_int_equal(hulse_front_begin(&shared), HULSE_OK);
    hulse_stage_not_found(0, 3);
    for (uint32_t i = 0; i < 3; i++) {
        char topic[64];
        assert_int_equal(front.opened, 0);
        hulse_stage_play(2 - i);
        hulse_stage_found();
        hulse_stage_ready();
        const Pulsar__CommandSubscribe *s = hulse_stage_next(TYPE(SUBSCRIBE))->subscribe;
        (void)snprintf(topic, sizeof(topic), "%s-partition-%u", STAGE_TOPIC, (unsigned)(2 - i));
        assert_string_equal(s->topic, topic);
        assert_string_equal(s->subscription, "s");
        assert_string_equal(s->consumer_name, "c");
        hulse_stage_success(s->request_id);
    }
    assert_int_equal(front.opened, 1);
    assert_int_equal(front.status, HULSE_OK);
    hulse_stage_nothing();
}

static void is_not_open_when_one_is_refused(void **state)
{
    (void)state;
    assert_int_equal(hulse_front_begin(&shared), HULSE_OK);
    hulse_stage_not_found(0, 3);
    hulse_stage_play(0);
    hulse_stage_session();
    hulse_stage_play(1);
    hulse_stage_found();
    hulse_stage_ready();
    hulse_stage_error(hulse_stage_next(TYPE(SUBSCRIBE))->subscribe->request_id,
                      PULSAR__SERVER_ERROR__AuthorizationError);
    assert_int_equal(front.opened, 1);
    assert_int_equal(front.status, HULSE_DENIED);
    hulse_stage_success(hulse_stage_next(TYPE(CLOSE_CONSUMER))->close_consumer->request_id);
    hulse_stage_nothing();
}

static void is_not_open_when_one_is_too_late(void **state)
{
    (void)state;
    assert_int_equal(hulse_front_begin(&shared), HULSE_OK);
    hulse_stage_not_found(0, 2);
    hulse_stage_play(0);
    hulse_stage_session();
    hulse_stage_wait(40000);
    assert_int_equal(front.opened, 1);
    assert_int_equal(front.status, HULSE_TIMED_OUT);
}

static void needs_memory_for_all(void **state)
{
    (void)state;
    assert_int_equal(hulse_front_begin(&shared), HULSE_OK);
    hulse_mem_init(hulse_mem_total() + 20000);
    hulse_stage_not_found(0, 100);
    hulse_mem_init(SIZE_MAX / 2);
    assert_int_equal(front.opened, 1);
    assert_int_equal(front.status, HULSE_NO_MEMORY);
}

static void believes_no_number(void **state)
{
    (void)state;
    assert_int_equal(hulse_front_begin(&shared), HULSE_OK);
    hulse_stage_not_found(0, UINT32_MAX);
    assert_int_equal(front.opened, 1);
    assert_int_equal(front.status, HULSE_UNSUPPORTED);
}

static void a_topic_that_gets_partitions_is_another_one(void **state)
{
    (void)state;
    hulse_front_open(&shared, 0);
    hulse_stage_lose();
    hulse_stage_wait(1000);
    hulse_stage_not_found(0, 3);
    assert_int_equal(front.failed, 1);
    assert_int_equal(front.failed_with, HULSE_UNSUPPORTED);
}

/* An application is told of its mistake; a reader that goes on misses nothing of a topic that was made anew. */
static void begins_in_no_partition_that_is_not_there(void **state)
{
    struct front_where where = {
        .type = BROKER_READER,
        .start = {.kind = BROKER_AT_ID, .id = {.ledger = 9, .batch = -1, .partition = 2}}};
    (void)state;
    assert_int_equal(hulse_front_begin(&where), HULSE_OK);
    hulse_stage_not_found(0, 2);
    assert_int_equal(front.opened, 1);
    assert_int_equal(front.status, HULSE_INVAL);
    assert_int_equal(hulse_front_begin(&where), HULSE_OK);
    hulse_stage_found();
    assert_int_equal(front.opened, 1);
    assert_int_equal(front.status, HULSE_INVAL);
    where.resumed = true;
    assert_int_equal(hulse_front_begin(&where), HULSE_OK);
    hulse_stage_not_found(0, 2);
    assert_int_equal(front.opened, 0);
}

static void begins_at_an_id_in_its_partition_alone(void **state)
{
    (void)state;
    const struct front_where after = {
        .type = BROKER_READER,
        .start = {.kind = BROKER_AFTER_ID,
                  .id = {.ledger = 9, .entry = 4, .batch = -1, .partition = 1}}};
    assert_int_equal(hulse_front_begin(&after), HULSE_OK);
    hulse_stage_not_found(0, 2);
    for (uint32_t i = 0; i < 2; i++) {
        hulse_stage_play(i);
        hulse_stage_found();
        hulse_stage_ready();
        const Pulsar__CommandSubscribe *s = hulse_stage_next(TYPE(SUBSCRIBE))->subscribe;
        assert_int_equal(s->start_message_id->ledgerid == 9, i == 1);
        hulse_stage_success(s->request_id);
        hulse_stage_last_id(
            hulse_stage_next(TYPE(GET_LAST_MESSAGE_ID))->getlastmessageid->request_id, 9, 7, -1);
    }
    assert_int_equal(front.opened, 1);
    assert_true(front.has_reach && front.reach.behind_unknown && !front.reach.has_last);
}

/* What its application offers to the next daemon, also of a partition that nothing was read of. */
static void a_reader_says_where_each_partition_begins(void **state)
{
    static const struct front_where latest = {.type = BROKER_READER};
    (void)state;
    hulse_front_open_parts(&latest, 3, 8);
    assert_int_equal(front.reach.mark_count, 3);
    assert_true(front.reach.all);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(front.begins[i].id.partition, i);
        assert_int_equal(front.begins[i].id.ledger, 1);
        assert_int_equal(front.begins[i].id.entry, 7);
    }
}

static void a_reader_of_everything_begins_before_it(void **state)
{
    (void)state;
    hulse_front_open_parts(&reader, 2, 8);
    assert_int_equal(front.reach.mark_count, 2);
    assert_true(front.begins[1].id.entry == BROKER_NO_ENTRY);
}

static void a_reader_from_a_time_begins_behind_no_message(void **state)
{
    static const struct front_where at_time = {
        .type = BROKER_READER, .start = {.kind = BROKER_AT_PUBLISHED, .time_ms = 5}};
    (void)state;
    hulse_front_open_parts(&at_time, 2, 8);
    assert_int_equal(front.reach.mark_count, 0);
    assert_false(front.reach.all);
}

static void add_mark(struct broker_marks *m, uint16_t partition, uint64_t entry)
{
    const struct broker_mark mark = {
        .id = {.ledger = 9, .entry = entry, .batch = -1, .partition = partition}};
    assert_true(hulse_broker_marks_add(m, &mark));
}

static void a_reader_goes_on_in_each_partition(void **state)
{
    struct front_where where = {.type = BROKER_READER,
                                .start = {.kind = BROKER_LATEST},
                                .resumed = true,
                                .marks = hulse_broker_marks_create()};
    (void)state;
    assert_non_null(where.marks);
    where.marks->all = true;
    add_mark(where.marks, 0, 4);
    add_mark(where.marks, 2, 6);
    assert_int_equal(hulse_front_begin(&where), HULSE_OK);
    hulse_broker_marks_let(&where.marks); /* it has its own hold */
    hulse_stage_not_found(0, 3);
    static const uint64_t entries[] = {4, UINT64_MAX, 6};
    for (uint32_t i = 0; i < 3; i++) {
        hulse_stage_play(i);
        hulse_stage_found();
        hulse_stage_ready();
        const Pulsar__CommandSubscribe *s = hulse_stage_next(TYPE(SUBSCRIBE))->subscribe;
        assert_int_equal(s->start_message_id->ledgerid == 9, i != 1);
        assert_true(s->start_message_id->entryid == entries[i]);
        hulse_stage_success(s->request_id);
        hulse_stage_last_id(
            hulse_stage_next(TYPE(GET_LAST_MESSAGE_ID))->getlastmessageid->request_id, 9, 7, -1);
    }
    assert_int_equal(front.opened, 1);
    assert_int_equal(front.reach.mark_count, 3);
}

/* ---- permits, turns ---- */

static void asks_for_none_before_the_first_permit(void **state)
{
    (void)state;
    hulse_front_open_parts(&shared, 3, 0);
    hulse_stage_nothing();
    hulse_front_permit(5);
    flow_of_all(3);
}

static void a_silent_partition_has_no_permit_that_another_one_wants(void **state)
{
    (void)state;
    hulse_front_open_parts(&shared, 3, 0);
    hulse_front_permit(1);
    flow_of_all(3);
    for (uint32_t i = 0; i < 50; i++) {
        message(2, i, i);
        assert_int_equal(front.count, i + 1);
        assert_int_equal(front.messages[i].d->id.partition, 2);
        assert_true(hulse_stage_flow() >= 1);
        hulse_front_permit(1);
    }
    assert_int_equal(front.permits, 1);
}

static void what_is_here_waits_for_permits(void **state)
{
    (void)state;
    hulse_front_open_parts(&shared, 2, 0);
    hulse_front_permit(1);
    flow_of_all(2);
    message(0, 0, 0);
    message(1, 0, 1);
    assert_int_equal(front.count, 1);
    assert_int_equal(hulse_stage_flow(), 1); /* of the one that was handed out */
    hulse_stage_nothing();
    hulse_front_permit(1);
    assert_int_equal(front.count, 2);
    hulse_front_has(1, 1);
}

static void a_full_partition_takes_turns_with_the_others(void **state)
{
    (void)state;
    hulse_front_open_parts(&shared, 3, 0);
    hulse_front_permit(1);
    flow_of_all(3);
    hulse_stage_play(0);
    hulse_stage_message(
        &(struct stage_entry){.ledger = 1, .entry = 0, .batch = 100, .bytes = 2000});
    hulse_stage_play(1);
    hulse_stage_message(
        &(struct stage_entry){.ledger = 1, .entry = 0, .batch = 10, .bytes = 2000, .number = 1000});
    message(2, 0, 2000);
    hulse_front_permit(59);
    assert_int_equal(front.count, 60);
    uint32_t of[3] = {0};
    uint32_t next[3] = {0};
    for (uint32_t i = 0; i < 60; i++) {
        const uint32_t partition = front.messages[i].d->id.partition;
        hulse_front_has(i, 1000 * partition + next[partition]);
        next[partition] += 1;
        of[partition] += 1;
    }
    assert_int_equal(of[1], 10);
    assert_int_equal(of[2], 1);
}

/* Ahead of permits there is no more than one of each, and twice the permits. */
static void what_comes_ahead_is_bounded(void **state)
{
    (void)state;
    uint64_t seed = 3;
    int64_t asked = 0;
    hulse_front_open_parts(&shared, 20, 0);
    front.ack_at_once = true;
    hulse_front_permit(30);
    for (uint32_t i = 0; i < 20; i++) {
        asked += hulse_stage_flow();
    }
    for (uint32_t i = 0; i < 3000; i++) {
        /* All of them are in a hurry, then one. */
        const uint32_t partition = i < 2000 ? (uint32_t)test_below(&seed, 20) : 0;
        message(partition, i, i);
        asked -= 1;
        hulse_stage_turn();
        for (; stage.first < stage.count; stage.first++) {
            const Pulsar__BaseCommand *c = stage.sent[stage.first];
            asked += c->type == TYPE(FLOW) ? c->flow->messagepermits : 0;
        }
        hulse_stage_forget();
        assert_true(asked <= 20 + 2 * 30);
    }
    assert_true(asked > 20);
    assert_int_equal(front.count, 3000);
}

/* Random arrivals, permits and losses: never too much (front.c), and at last everything. */
static void hands_out_everything_whatever_comes(void **state)
{
    (void)state;
    uint64_t seed = 11;
    uint64_t next[5] = {0};
    uint32_t sent = 0;
    hulse_front_open_parts(&shared, 5, 0);
    hulse_front_permit(3);
    for (uint32_t i = 0; i < 2000; i++) {
        const uint32_t partition = (uint32_t)test_below(&seed, 5);
        const uint32_t batch = (uint32_t)test_below(&seed, 4);
        hulse_stage_play(partition);
        hulse_stage_message(&(struct stage_entry){.ledger = 1,
                                                  .entry = next[partition]++,
                                                  .batch = batch,
                                                  .bytes = (uint32_t)test_below(&seed, 9000),
                                                  .number = i});
        sent += batch == 0 ? 1 : batch;
        if (test_below(&seed, 3) == 0) {
            hulse_front_permit(1 + (uint32_t)test_below(&seed, 6));
        }
        hulse_stage_turn();
        hulse_stage_forget();
    }
    while (front.count < sent) {
        const uint32_t before = front.count;
        hulse_front_permit(1);
        assert_int_equal(front.count, before + 1);
    }
    uint64_t last[5] = {0};
    for (uint32_t i = 0; i < front.count; i++) {
        const struct broker_id *id = &front.messages[i].d->id;
        assert_true(id->entry >= last[id->partition]);
        last[id->partition] = id->entry;
    }
}

static void a_permit_that_one_has_no_use_for_is_for_another_one(void **state)
{
    (void)state;
    const struct broker_id id = {.ledger = 1, .entry = 1, .batch = -1};
    hulse_front_open_parts(&shared, 2, 0);
    hulse_front_permit(1);
    flow_of_all(2);
    message(0, 0, 0);
    message(0, 1, 1);
    message(1, 0, 2);
    front.consumer->ops->ack_id(front.consumer, &id, false);
    assert_int_equal(front.count, 1);
    hulse_front_permit(1);
    assert_int_equal(front.count, 2);
    hulse_front_has(1, 2);
}

/* ---- events of some, or of all ---- */

static void is_active_while_one_is(void **state)
{
    (void)state;
    hulse_front_open_parts(&failover, 2, 0);
    for (uint32_t i = 0; i < 2; i++) {
        hulse_stage_play(i);
        hulse_stage_active(true);
    }
    assert_int_equal(front.active, 1);
    hulse_stage_active(false);
    assert_int_equal(front.inactive, 0);
    hulse_stage_play(0);
    hulse_stage_active(false);
    assert_int_equal(front.inactive, 1);
}

static void the_topic_ends_with_its_last_partition(void **state)
{
    (void)state;
    hulse_front_open_parts(&shared, 2, 0);
    hulse_stage_play(0);
    hulse_stage_end_of_topic();
    hulse_stage_end_of_topic();
    assert_int_equal(front.ends, 0);
    hulse_stage_play(1);
    hulse_stage_end_of_topic();
    assert_int_equal(front.ends, 1);
}

static void a_reader_has_caught_up_with_all(void **state)
{
    (void)state;
    hulse_front_open_parts(&reader, 2, 1);
    hulse_front_permit(2);
    flow_of_all(2);
    message(0, 0, 0);
    hulse_front_ack(0);
    assert_int_equal(front.caught_up, 0);
    message(1, 0, 1);
    hulse_front_ack(1);
    assert_int_equal(front.caught_up, 1);
}

static void a_partition_that_comes_back_brings_its_own(void **state)
{
    (void)state;
    hulse_front_open_parts(&exclusive, 2, 0);
    hulse_front_permit(4);
    flow_of_all(2);
    message(0, 0, 0);
    message(1, 0, 1);
    hulse_stage_turn();
    hulse_stage_forget();
    hulse_stage_play(0);
    hulse_stage_lose();
    hulse_stage_wait(1000);
    hulse_stage_session();
    assert_int_equal(hulse_stage_flow(), 1);
    message(0, 0, 0); /* it is held */
    message(0, 1, 2);
    assert_int_equal(front.count, 3);
    hulse_front_has(2, 2);
}

static void fails_once_with_one(void **state)
{
    (void)state;
    hulse_front_open_parts(&shared, 2, 0);
    hulse_front_permit(4);
    flow_of_all(2);
    message(1, 0, 1);
    hulse_stage_lose();
    hulse_stage_wait(1000);
    for (uint32_t i = 0; i < 2; i++) {
        hulse_stage_play(i);
        hulse_stage_not_found(PULSAR__SERVER_ERROR__TopicNotFound, 0);
    }
    assert_int_equal(front.failed, 1);
    hulse_front_ack(0);
    assert_int_equal(front.settled, 1);
    hulse_front_permit(1);
}

/* ---- growth ---- */

static void consumes_new_partitions_from_their_beginning(void **state)
{
    (void)state;
    const struct broker_id of_the_second = {.ledger = 1, .entry = 5, .batch = -1, .partition = 1};
    hulse_front_open_parts(&shared, 1, 0);
    hulse_front_permit(5);
    flow_of_all(1);
    hulse_stage_play(STAGE_WHOLE);
    hulse_stage_wait(STAGE_KEPT_MS);
    hulse_stage_not_found(0, 2);
    hulse_stage_forget();
    /* Of one that is not there yet a verdict means nothing. */
    front.consumer->ops->ack_id(front.consumer, &of_the_second, false);
    assert_int_equal(front.settled, 1);
    hulse_stage_play(1);
    hulse_stage_found();
    hulse_stage_ready();
    const Pulsar__CommandSubscribe *s = hulse_stage_next(TYPE(SUBSCRIBE))->subscribe;
    assert_int_equal(s->initialposition, PULSAR__COMMAND_SUBSCRIBE__INITIAL_POSITION__Earliest);
    hulse_stage_success(s->request_id);
    assert_int_equal(front.opened, 1);
    assert_int_equal(hulse_stage_flow(), 1);
    message(1, 0, 7);
    hulse_front_has(0, 7);
    assert_int_equal(front.messages[0].d->id.partition, 1);
    hulse_front_ack(0);
}

static void looks_on_when_there_are_none_or_less(void **state)
{
    (void)state;
    static const uint32_t said[] = {0, 1, 2, UINT32_MAX};
    hulse_front_open_parts(&shared, 2, 0);
    hulse_stage_play(STAGE_WHOLE);
    for (uint32_t i = 0; i < 4; i++) {
        hulse_stage_wait(STAGE_KEPT_MS);
        hulse_stage_not_found(PULSAR__SERVER_ERROR__ServiceNotReady, said[i]);
    }
    assert_int_equal(stage.attached, 2);
    assert_int_equal(front.failed, 0);
}

static void a_new_partition_that_is_refused_is_tried_again(void **state)
{
    (void)state;
    hulse_front_open_parts(&shared, 1, 0);
    for (uint32_t i = 0; i < 2; i++) {
        hulse_stage_play(STAGE_WHOLE);
        hulse_stage_wait(STAGE_KEPT_MS);
        hulse_stage_not_found(0, 2);
        hulse_stage_play(1);
        hulse_stage_not_found(PULSAR__SERVER_ERROR__AuthorizationError, 0);
    }
    assert_int_equal(front.opened, 1);
    assert_int_equal(front.failed, 0);
    hulse_stage_play(STAGE_WHOLE);
    hulse_stage_wait(STAGE_KEPT_MS);
    hulse_stage_not_found(0, 2);
    hulse_stage_play(1);
    hulse_stage_session();
    hulse_stage_forget();
}

static void a_new_partition_without_memory_is_tried_again(void **state)
{
    (void)state;
    hulse_front_open_parts(&shared, 1, 0);
    hulse_stage_play(STAGE_WHOLE);
    hulse_stage_wait(STAGE_KEPT_MS);
    hulse_mem_init(hulse_mem_total());
    hulse_stage_not_found(0, 2);
    hulse_mem_init(SIZE_MAX / 2);
    assert_int_equal(stage.attached, 1);
    hulse_stage_wait(60000);
    hulse_stage_play(1);
    hulse_stage_session();
    assert_int_equal(stage.attached, 2);
    hulse_stage_forget();
}

/* ---- closing ---- */

static void tells_every_partition_when_it_is_closed(void **state)
{
    (void)state;
    hulse_front_open_parts(&shared, 3, 0);
    hulse_front_close(true);
    for (uint32_t i = 0; i < 3; i++) {
        hulse_stage_success(hulse_stage_next(TYPE(UNSUBSCRIBE))->unsubscribe->request_id);
    }
    hulse_stage_nothing();
}

static void ends_with_its_worker(void **state)
{
    (void)state;
    hulse_front_open_parts(&shared, 3, 0);
    hulse_front_permit(2);
    flow_of_all(3);
    message(1, 0, 0);
    front.consumer = NULL; /* nobody closes it */
}

static void may_be_closed_while_it_opens(void **state)
{
    (void)state;
    assert_int_equal(hulse_front_begin(&shared), HULSE_OK);
    hulse_stage_not_found(0, 2);
    hulse_stage_play(1);
    hulse_stage_session();
    hulse_front_close(false);
    hulse_stage_success(hulse_stage_next(TYPE(CLOSE_CONSUMER))->close_consumer->request_id);
    hulse_stage_nothing();
}

static void play_everything(void)
{
    uint64_t id = 0;
    struct error err = {0};
    if (front.consumer == NULL) {
        return;
    }
    hulse_stage_play(0);
    hulse_stage_active(true);
    if (front.consumer != NULL) {
        hulse_front_permit(2);
        message(0, 0, 0);
    }
    if (front.consumer != NULL) {
        hulse_stage_turn();
        hulse_stage_forget();
        hulse_front_ack(0);
        id = hulse_stage_next(TYPE(ACK))->ack->request_id;
        hulse_stage_acked(id);
    }
    if (front.consumer != NULL) {
        (void)front.consumer->ops->last_message_id(front.consumer, &err);
        for (uint32_t i = 0; i < 2; i++) {
            id = hulse_stage_next(TYPE(GET_LAST_MESSAGE_ID))->getlastmessageid->request_id;
            hulse_stage_last_id(id, 1, 1, -1);
        }
    }
    for (uint32_t i = 0; i < 2 && front.consumer != NULL; i++) {
        hulse_stage_play(i);
        hulse_stage_end_of_topic();
    }
    if (front.consumer != NULL) {
        hulse_stage_play(0);
        hulse_stage_active(false);
    }
    if (front.consumer != NULL) {
        hulse_stage_lose();
        hulse_stage_wait(1000);
        hulse_stage_not_found(PULSAR__SERVER_ERROR__TopicNotFound, 0);
    }
}

static void may_be_closed_in_every_event(void **state)
{
    (void)state;
    static const enum front_event events[] = {FRONT_MESSAGE,
                                              FRONT_SETTLED,
                                              FRONT_ACTIVE,
                                              FRONT_INACTIVE,
                                              FRONT_END,
                                              FRONT_DONE,
                                              FRONT_FAILED};
    for (uint32_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        hulse_front_open_parts(&failover, 2, 0);
        front.close_in = events[i];
        play_everything();
        assert_null(front.consumer);
        hulse_front_finish();
        hulse_stage_stop();
        hulse_stage_start();
    }
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, hulse_front_set_up, hulse_front_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(is_open_when_all_partitions_are),
        TEST(is_not_open_when_one_is_refused),
        TEST(is_not_open_when_one_is_too_late),
        TEST(needs_memory_for_all),
        TEST(believes_no_number),
        TEST(a_topic_that_gets_partitions_is_another_one),
        TEST(begins_in_no_partition_that_is_not_there),
        TEST(begins_at_an_id_in_its_partition_alone),
        TEST(asks_for_none_before_the_first_permit),
        TEST(a_silent_partition_has_no_permit_that_another_one_wants),
        TEST(what_is_here_waits_for_permits),
        TEST(a_full_partition_takes_turns_with_the_others),
        TEST(what_comes_ahead_is_bounded),
        TEST(hands_out_everything_whatever_comes),
        TEST(a_permit_that_one_has_no_use_for_is_for_another_one),
        TEST(is_active_while_one_is),
        TEST(the_topic_ends_with_its_last_partition),
        TEST(a_reader_has_caught_up_with_all),
        TEST(a_reader_says_where_each_partition_begins),
        TEST(a_reader_of_everything_begins_before_it),
        TEST(a_reader_from_a_time_begins_behind_no_message),
        TEST(a_reader_goes_on_in_each_partition),
        TEST(a_partition_that_comes_back_brings_its_own),
        TEST(fails_once_with_one),
        TEST(consumes_new_partitions_from_their_beginning),
        TEST(looks_on_when_there_are_none_or_less),
        TEST(a_new_partition_that_is_refused_is_tried_again),
        TEST(a_new_partition_without_memory_is_tried_again),
        TEST(tells_every_partition_when_it_is_closed),
        TEST(ends_with_its_worker),
        TEST(may_be_closed_while_it_opens),
        TEST(may_be_closed_in_every_event)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
