/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what is rejected, or refused for the last time, is acknowledged when its copy is stored and not before; what is
 *         not stored comes again and is put aside unseen; verdicts are final in their order; a last attempt is alone; a
 *         subscriber whose front end has gone stays for its letters. What is retried goes the same way to the retry topic, and
 *         is the front end's again when it is not stored.
 * Method: on a worker's thread, with a fake broker that opens, answers and settles when the test says so.
 */
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "daemon/flow/deliver.h"
#include "daemon/flow/letter_post.h"
#include "daemon/flow/letters.h"
#include "tests/support/check.h"
#include "tests/support/fake_broker.h"
#include "tests/support/own_tables.h"
#include "tests/unit/daemon/app/by_hand_thread.h"

#include <string.h>
#include <unistd.h>

static struct fake_broker fake;
static struct flow flow;
static struct own_tables tables;
static struct identity me;
static struct config_topic_rule rule;
static struct worker *worker;

struct front {
    struct subscriber *subscriber;
    hulse_status status;
    char text[200];
    uint32_t verdicts;
    uint32_t heard;
    uint32_t asked;
    uint32_t ended;
    uint64_t settled;
    struct broker_delivery *last;
};
static struct front front;
static bool one_source;

static void opened(void *ctx,
                   hulse_status status,
                   const char *text,
                   uint32_t verdicts,
                   const struct broker_reach *reach)
{
    struct front *f = ctx;
    (void)reach;
    f->status = status;
    f->verdicts = verdicts;
    (void)snprintf(f->text, sizeof(f->text), "%s", text);
}

static void message(void *ctx, struct broker_delivery *d)
{
    struct front *f = ctx;
    f->heard += 1;
    f->last = d;
}

static void failed(void *ctx, hulse_status status, const char *text)
{
    (void)ctx;
    (void)status;
    (void)text;
}

static void settled(void *ctx, uint64_t call)
{
    struct front *f = ctx;
    assert_true(call > f->settled);
    f->settled = call;
}

static void ask_room(void *ctx)
{
    ((struct front *)ctx)->asked += 1;
}

static void ended(void *ctx, struct broker_delivery *d)
{
    (void)d;
    ((struct front *)ctx)->ended += 1;
}

static const struct subscriber_events events = {.opened = opened,
                                                .message = message,
                                                .failed = failed,
                                                .settled = settled,
                                                .sought = failed,
                                                .ask_room = ask_room};

static hulse_status subscribe(const char *topic, struct error *err)
{
    const struct subscriber_params params = {.flow = &flow,
                                             .worker = worker,
                                             .who = &me,
                                             .topic = topic,
                                             .subscription = "s",
                                             .name = "c",
                                             .app = "app",
                                             .type = BROKER_SHARED,
                                             .one_source = one_source,
                                             .events = &events,
                                             .ctx = &front};

    memset(&front, 0, sizeof(front));
    return hulse_subscriber_open(&front.subscriber, &params, err);
}

static int setup(void **state)
{
    struct error err = {0};

    (void)state;
    hulse_fake_init(&fake);
    flow = (struct flow){.brokers = {&fake.base},
                         .broker_count = 1,
                         .default_broker = &fake.base,
                         .default_namespace = "public/default",
                         .service = "pod",
                         .message_bytes_max = 1000};
    hulse_own_tables_open(&tables, &flow);
    worker->params.modules[0] = &hulse_letter_module;
    worker->params.shared[0] = &flow;
    worker->states[0] = hulse_letter_module.start(worker, &flow, &err);
    worker->params.module_count = 1;
    hulse_config_topic_defaults(&rule);
    rule.match = "**";
    rule.consume.redeliver_max = 2;
    rule.consume.dead_letter = "{topic}-{subscription}-DLQ";
    tables.config.topics = &rule;
    tables.config.topic_count = 1;
    assert_int_equal(hulse_own_tables_apply(&tables), HULSE_OK);
    me = (struct identity){.uid = geteuid()};
    assert_int_equal(subscribe("orders", &err), HULSE_OK);
    fake.open_later = true; /* producers, from here on */
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (front.subscriber != NULL) {
        hulse_subscriber_close(&front.subscriber, false);
    }
    worker->params.module_count = 0;
    hulse_letter_module.stop(worker->states[0]);
    hulse_own_tables_close(&tables);
    assert_int_equal(hulse_mem_used(HULSE_MEM_TOPIC), 0);
    assert_int_equal(hulse_mem_used(HULSE_MEM_MESSAGE), 0);
    return 0;
}

/* Number `entry`, which was delivered so often before. */
static struct broker_span come_properties; /* of the next that comes */

static void come(struct broker_delivery *d, uint64_t entry, uint32_t redelivery)
{
    static const uint8_t payload[] = "0123456789";

    hulse_subscriber_room(front.subscriber, 1000, 100);
    *d = (struct broker_delivery){.id = {.ledger = 1, .entry = entry, .batch = -1},
                                  .payload = {.data = payload, .bytes = 10},
                                  .publish_time_ms = 1,
                                  .meta = {.properties = come_properties},
                                  .redelivery = redelivery};
    come_properties = (struct broker_span){0};
    fake.delivered += 1;
    fake.consumer.events->message(fake.consumer.ctx, d);
}

/* Every call is final, those too that were made for letters. */
static bool all_settled(void)
{
    return front.settled == hulse_subscriber_calls(front.subscriber);
}

static void reject(struct broker_delivery *d)
{
    static const uint8_t reason[] = "why";

    hulse_subscriber_reject(
        front.subscriber, d, 7, (struct broker_span){.data = reason, .bytes = 3});
}

static void answer(uint32_t number, enum broker_class class, unsigned outcome)
{
    hulse_fake_answer(&fake, fake.tokens[number], class, outcome);
}

static const struct fake_call *call(uint32_t number)
{
    assert_true(number < fake.call_count);
    return &fake.calls[number];
}

static void test_stored_first(void **state)
{
    struct broker_delivery d;
    (void)state;
    assert_int_equal(front.verdicts, HULSE_VERDICTS_ALWAYS | 1U << 4U);
    come(&d, 1, 0);
    assert_false(hulse_subscriber_is_last(&d));
    reject(&d);
    assert_int_equal(hulse_subscriber_calls(front.subscriber), 1);
    assert_string_equal(fake.topic, "persistent://public/default/orders-s-DLQ");
    assert_int_equal(fake.sent, 0);
    hulse_fake_producer_opened(&fake, HULSE_OK);
    assert_int_equal(fake.sent, 1);
    assert_int_equal(fake.call_count, 0);
    assert_int_equal(front.settled, 0);
    assert_true(hulse_subscriber_clamps(front.subscriber, &d.id, 0));
    assert_false(hulse_subscriber_clamps(front.subscriber, &(struct broker_id){.ledger = 1}, 0));
    answer(0, BROKER_DONE, HULSE_OUTCOME_STORED);
    assert_int_equal(call(0)->verdict, FAKE_ACK);
    assert_ptr_equal(call(0)->d, &d);
    assert_true(all_settled());
    assert_int_equal(hulse_subscriber_counters(front.subscriber)->letters[LETTER_DEAD].stored, 1);
}

static void test_not_stored(void **state)
{
    struct broker_delivery d;
    (void)state;
    come(&d, 1, 0);
    reject(&d);
    hulse_fake_producer_opened(&fake, HULSE_OK);
    answer(0, BROKER_FAIL, HULSE_OUTCOME_FAILED_UNKNOWN);
    assert_int_equal(call(0)->verdict, FAKE_NACK);
    assert_true(call(0)->delay_ms >= 1000);
    assert_true(all_settled());
    /* It is noted: nothing may cover it, and the front end does not see it again. */
    assert_true(hulse_subscriber_clamps(front.subscriber, &(struct broker_id){.ledger = 2}, 0));
    assert_false(hulse_subscriber_clamps(front.subscriber, &(struct broker_id){.ledger = 1}, 0));
    come(&d, 1, 1);
    assert_int_equal(front.heard, 1);
    assert_int_equal(fake.sent, 2);
    answer(1, BROKER_DONE, HULSE_OUTCOME_STORED);
    assert_int_equal(call(1)->verdict, FAKE_ACK);
    assert_false(hulse_subscriber_clamps(front.subscriber, &(struct broker_id){.ledger = 2}, 0));
    /* What is not known any more is a message like any other. */
    come(&d, 1, 1);
    assert_int_equal(front.heard, 2);
}

/* Letters of another one have a producer of their own, and a topic that keeps nothing has none. */
static void test_a_subscription_comes_with_the_topic(void **state)
{
    static const char *const names[] = {"kept", "other", "other", ""};
    struct broker_delivery d;
    (void)state;
    rule.consume.dead_letter = "DLQ";
    for (uint32_t i = 0; i < 4; i++) {
        rule.consume.dead_letter_subscription = names[i];
        assert_int_equal(hulse_own_tables_apply(&tables), HULSE_OK);
        (void)hulse_subscriber_recheck(front.subscriber);
        come(&d, i, 0);
        reject(&d);
        assert_string_equal(fake.initial, names[i]);
        if (i != 2) {
            hulse_fake_producer_opened(&fake, HULSE_OK);
        }
        answer(i, BROKER_DONE, HULSE_OUTCOME_STORED);
    }
    assert_int_equal(fake.opens, 1 + 3); /* and the consumer */
    rule.consume.dead_letter = "non-persistent://a/b/DLQ";
    rule.consume.dead_letter_subscription = "kept";
    assert_int_equal(hulse_own_tables_apply(&tables), HULSE_OK);
    (void)hulse_subscriber_recheck(front.subscriber);
    come(&d, 4, 0);
    reject(&d);
    assert_string_equal(fake.topic, "non-persistent://a/b/DLQ");
    assert_string_equal(fake.initial, "");
    hulse_fake_producer_opened(&fake, HULSE_OK);
    answer(4, BROKER_DONE, HULSE_OUTCOME_STORED);
}

static void test_no_producer(void **state)
{
    struct broker_delivery d[3];
    (void)state;
    come(&d[0], 1, 0);
    come(&d[1], 2, 0);
    come(&d[2], 3, 0);
    reject(&d[0]);
    reject(&d[1]);
    hulse_fake_producer_opened(&fake, HULSE_DENIED);
    assert_int_equal(fake.call_count, 2);
    assert_int_equal(call(1)->verdict, FAKE_NACK);
    reject(&d[2]); /* at once: it is known to be broken */
    assert_int_equal(fake.opens, 2);
    assert_int_equal(call(2)->verdict, FAKE_NACK);
    assert_int_equal(hulse_subscriber_counters(front.subscriber)->letters[LETTER_DEAD].failed, 3);
}

static void test_a_producer_that_fails(void **state)
{
    struct broker_delivery d[2];
    (void)state;
    come(&d[0], 1, 0);
    reject(&d[0]);
    hulse_fake_producer_opened(&fake, HULSE_OK);
    come(&d[1], 2, 0);
    hulse_fake_producer_failed(&fake, HULSE_FAILED, "deleted");
    assert_int_equal(fake.producer_closes, 1);
    assert_int_equal(call(0)->verdict, FAKE_NACK);
    hulse_subscriber_ack(front.subscriber, &d[1]);
    assert_true(all_settled());
}

static void test_last_attempt(void **state)
{
    struct broker_delivery d;
    (void)state;
    fake.open_later = false;
    come(&d, 1, 1);
    assert_false(hulse_subscriber_is_last(&d));
    hulse_subscriber_nack(front.subscriber, &d, 5);
    assert_int_equal(call(0)->delay_ms, 5);
    come(&d, 1, 2);
    assert_true(hulse_subscriber_is_last(&d));
    hulse_subscriber_leave(front.subscriber, &d, false); /* only closed */
    assert_int_equal(call(1)->verdict, FAKE_NACK);
    come(&d, 1, 3); /* beyond the number, and unseen so far */
    assert_int_equal(front.heard, 3);
    assert_true(hulse_subscriber_is_last(&d));
    hulse_subscriber_leave(front.subscriber, &d, true);
    assert_int_equal(fake.sent, 1);
    answer(0, BROKER_DONE, HULSE_OUTCOME_STORED);
    assert_int_equal(call(2)->verdict, FAKE_ACK);
    come(&d, 2, 2);
    hulse_subscriber_time_out(front.subscriber, &d);
    assert_int_equal(fake.sent, 2);
    answer(1, BROKER_DONE, HULSE_OUTCOME_STORED);
    come(&d, 3, 2);
    hulse_subscriber_ack(front.subscriber, &d);
    assert_int_equal(fake.sent, 2);
}

static void test_alone(void **state)
{
    struct broker_delivery d[4];
    (void)state;
    come(&d[0], 0, 0);
    come(&d[1], 1, 2);
    come(&d[2], 2, 0);
    assert_int_equal(front.heard, 1);
    hulse_subscriber_room(front.subscriber, 1000, 100);
    assert_int_equal(front.heard, 1); /* the first is held still */
    hulse_subscriber_ack(front.subscriber, &d[0]);
    hulse_subscriber_room(front.subscriber, 1000, 100);
    assert_int_equal(front.heard, 2);
    assert_ptr_equal(front.last, &d[1]);
    come(&d[3], 3, 2);
    assert_int_equal(front.heard, 2); /* nothing beside it */
    hulse_subscriber_ack(front.subscriber, &d[1]);
    hulse_subscriber_room(front.subscriber, 1000, 100);
    assert_int_equal(front.heard, 3);
    assert_ptr_equal(front.last, &d[2]);
    /* Who is in line behind the one that is out is ended without the front end. */
    fake.seek_ends[0] = &d[2];
    fake.seek_ends[1] = &d[3];
    assert_int_equal(
        hulse_subscriber_seek(front.subscriber, &(struct broker_position){0}, ended, NULL),
        HULSE_OK);
    assert_int_equal(front.ended, 1);
    hulse_subscriber_room(front.subscriber, 1000, 100);
    assert_int_equal(front.heard, 3);
}

/* Number 1, which could not be put aside. */
static void note_one(struct broker_delivery *d)
{
    come(d, 1, 0);
    reject(d);
    hulse_fake_producer_opened(&fake, HULSE_OK);
    answer(0, BROKER_FAIL, HULSE_OUTCOME_FAILED_UNKNOWN);
    assert_true(hulse_subscriber_clamps(front.subscriber, &(struct broker_id){.ledger = 2}, 0));
}

static void test_what_has_expired_clamps_nothing(void **state)
{
    struct broker_delivery d;
    (void)state;
    note_one(&d);
    rule.policy.ttl_ms = 1;
    assert_int_equal(hulse_own_tables_apply(&tables), HULSE_OK);
    (void)hulse_subscriber_recheck(front.subscriber);
    come(&d, 1, 1);
    assert_int_equal(front.heard, 1);
    assert_int_equal(call(1)->verdict, FAKE_ACK);
    assert_false(hulse_subscriber_clamps(front.subscriber, &(struct broker_id){.ledger = 2}, 0));
}

static void test_what_was_moved_from_clamps_nothing(void **state)
{
    struct broker_delivery d;
    (void)state;
    note_one(&d);
    assert_int_equal(
        hulse_subscriber_seek(front.subscriber, &(struct broker_position){0}, ended, NULL),
        HULSE_OK);
    assert_false(hulse_subscriber_clamps(front.subscriber, &(struct broker_id){.ledger = 2}, 0));
    come(&d, 1, 1);
    assert_int_equal(front.heard, 2);
}

/* One that waits for its producer, one that was sent. */
static void test_a_seek_takes_them_away(void **state)
{
    struct broker_delivery d[2];
    (void)state;
    come(&d[0], 0, 0);
    come(&d[1], 1, 0);
    reject(&d[0]);
    hulse_fake_producer_opened(&fake, HULSE_OK);
    fake.no_memory = true;
    reject(&d[1]);
    assert_int_equal(fake.sent, 1);
    fake.seek_ends[0] = &d[0];
    fake.seek_ends[1] = &d[1];
    assert_int_equal(
        hulse_subscriber_seek(front.subscriber, &(struct broker_position){0}, ended, NULL),
        HULSE_OK);
    memset(d, 0xff, sizeof(d)); /* they are the broker's */
    assert_int_equal(front.ended, 0);
    assert_int_equal(front.settled, 0);
    answer(0, BROKER_DONE, HULSE_OUTCOME_STORED);
    assert_int_equal(fake.call_count, 0); /* there is nothing to acknowledge */
    assert_true(all_settled());
    fake.no_memory = false;
    hulse_fake_freed(&fake);
    assert_int_equal(fake.sent, 1);
}

/* What finds no room for its bytes comes again before it is put aside. */
static void test_large_ones(void **state)
{
    struct broker_delivery d[2];
    (void)state;
    come(&d[0], 0, 0);
    come(&d[1], 1, 0);
    d[0].payload.bytes = (uint32_t)HULSE_KEPT_BYTES;
    hulse_subscriber_copied(front.subscriber, &d[0]);
    hulse_subscriber_copied(front.subscriber, &d[1]);
    reject(&d[1]);
    assert_int_equal(call(0)->verdict, FAKE_NACK);
    assert_int_equal(hulse_subscriber_counters(front.subscriber)->letters[LETTER_DEAD].failed, 0);
    hulse_subscriber_ack(front.subscriber, &d[0]);
    come(&d[1], 1, 1);
    assert_int_equal(front.heard, 2);
    hulse_fake_producer_opened(&fake, HULSE_OK);
    assert_int_equal(fake.sent, 1);
    answer(0, BROKER_DONE, HULSE_OUTCOME_STORED);
    come(&d[0], 2, 0);
    d[0].payload.bytes = (uint32_t)HULSE_KEPT_BYTES;
    hulse_subscriber_copied(front.subscriber, &d[0]); /* all of the room is there again */
    reject(&d[0]);
    assert_int_equal(fake.call_count, 4);
    assert_int_equal(fake.sent, 1); /* above the topic's largest message */
    assert_int_equal(call(3)->verdict, FAKE_NACK);
    assert_int_equal(hulse_subscriber_counters(front.subscriber)->letters[LETTER_DEAD].failed, 1);
}

static void test_order(void **state)
{
    struct broker_delivery d[4];
    (void)state;
    fake.settle_later = true;
    for (uint64_t i = 0; i < 4; i++) {
        come(&d[i], i, 0);
    }
    hulse_subscriber_ack(front.subscriber, &d[0]);
    reject(&d[1]);
    reject(&d[2]);
    hulse_subscriber_ack(front.subscriber, &d[3]);
    assert_int_equal(hulse_subscriber_calls(front.subscriber), 4);
    hulse_fake_producer_opened(&fake, HULSE_OK);
    hulse_fake_settled(&fake, 2);
    assert_int_equal(front.settled, 1); /* not the one behind the letters */
    answer(1, BROKER_DONE, HULSE_OUTCOME_STORED);
    hulse_fake_settled(&fake, 1);
    assert_int_equal(front.settled, 1);
    answer(0, BROKER_DONE, HULSE_OUTCOME_STORED);
    assert_int_equal(front.settled, 1); /* its acknowledgement is not final yet */
    hulse_fake_settled(&fake, 1);
    assert_true(all_settled());
}

static void test_bound(void **state)
{
    struct broker_delivery d[3];
    (void)state;
    come(&d[0], 0, 0);
    reject(&d[0]);
    fake.permits = 0;
    fake.delivered = 0;
    hulse_subscriber_room(front.subscriber, 1000, 1); /* the letter has the only place */
    assert_int_equal(fake.permits, 0);
    hulse_fake_producer_opened(&fake, HULSE_OK);
    const uint32_t asked = front.asked;
    answer(0, BROKER_DONE, HULSE_OUTCOME_STORED);
    assert_true(front.asked > asked);
}

static void test_linger(void **state)
{
    struct broker_delivery d[2];
    (void)state;
    come(&d[0], 0, 0);
    reject(&d[0]);
    hulse_fake_producer_opened(&fake, HULSE_OK);
    hulse_subscriber_room(front.subscriber, 1000, 100);
    hulse_subscriber_close(&front.subscriber, false);
    assert_int_equal(fake.consumer_closes, 0);
    d[1] = (struct broker_delivery){.id = {.ledger = 1, .entry = 1, .batch = -1}};
    hulse_fake_deliver(&fake, &d[1], 10);
    assert_int_equal(call(0)->verdict, FAKE_GIVE_BACK);
    answer(0, BROKER_DONE, HULSE_OUTCOME_STORED);
    assert_int_equal(call(1)->verdict, FAKE_ACK);
    assert_int_equal(fake.consumer_closes, 1);
}

static void test_changes(void **state)
{
    struct error err = {0};
    struct broker_delivery d;
    (void)state;
    come(&d, 0, 2);
    assert_true(hulse_subscriber_is_last(&d));
    rule.consume.dead_letter = "";
    assert_int_equal(hulse_own_tables_apply(&tables), HULSE_OK);
    assert_int_equal(hulse_subscriber_recheck(front.subscriber), SUBSCRIBER_VERDICTS);
    assert_int_equal(hulse_subscriber_verdicts(front.subscriber), HULSE_VERDICTS_ALWAYS);
    hulse_subscriber_nack(front.subscriber, &d, 1); /* there is nowhere to go any more */
    assert_int_equal(call(0)->verdict, FAKE_NACK);
    hulse_subscriber_close(&front.subscriber, false);
    rule.consume.dead_letter = "a/{subscription}";
    assert_int_equal(hulse_own_tables_apply(&tables), HULSE_OK);
    assert_int_equal(subscribe("orders", &err), HULSE_INVAL);
    assert_non_null(strstr(err.text, "consume.dead_letter gives no topic's name here"));
    assert_null(front.subscriber);
}

/* A retry topic, which sends to itself. */
static int setup_retry(void **state)
{
    struct error err = {0};

    if (setup(state) != 0) {
        return -1;
    }
    hulse_subscriber_close(&front.subscriber, false);
    rule.consume.retry_letter = "{topic}-{subscription}-RETRY";
    assert_int_equal(hulse_own_tables_apply(&tables), HULSE_OK);
    fake.open_later = false;
    assert_int_equal(subscribe("orders-s-RETRY", &err), HULSE_OK);
    fake.open_later = true;
    return 0;
}

/* As come(), of a message that was retried so often. */
static void come_retried(struct broker_delivery *d, uint64_t entry, char times)
{
    static uint8_t properties[] = {
        14, 0, 1, 0, 'R', 'E', 'C', 'O', 'N', 'S', 'U', 'M', 'E', 'T', 'I', 'M', 'E', 'S', '0'};

    properties[sizeof(properties) - 1] = (uint8_t)times;
    come_properties = (struct broker_span){.data = properties, .bytes = sizeof(properties)};
    come(d, entry, 0);
}

static void test_retried(void **state)
{
    struct broker_delivery d;
    (void)state;
    assert_int_equal(front.verdicts, HULSE_VERDICTS_ALWAYS | 1U << 3U | 1U << 4U);
    come_retried(&d, 1, '1');
    hulse_subscriber_retry(front.subscriber, &d, 0);
    assert_string_equal(fake.topic, "persistent://public/default/orders-s-RETRY");
    hulse_fake_producer_opened(&fake, HULSE_OK);
    assert_int_equal(fake.call_count, 0);
    assert_true(hulse_subscriber_clamps(front.subscriber, &d.id, 0));
    answer(0, BROKER_DONE, HULSE_OUTCOME_STORED);
    assert_int_equal(call(0)->verdict, FAKE_ACK);
    assert_true(all_settled());
    assert_int_equal(hulse_subscriber_counters(front.subscriber)->letters[LETTER_RETRY].stored, 1);
    assert_int_equal(hulse_subscriber_counters(front.subscriber)->letters[LETTER_DEAD].stored, 0);
}

static void test_retried_too_often(void **state)
{
    struct broker_delivery d;
    (void)state;
    come_retried(&d, 1, '2'); /* the rule's redeliver_max */
    hulse_subscriber_retry(front.subscriber, &d, 0);
    assert_string_equal(fake.topic, "persistent://public/default/orders-s-DLQ");
    hulse_fake_producer_opened(&fake, HULSE_OK);
    answer(0, BROKER_DONE, HULSE_OUTCOME_STORED);
    assert_int_equal(call(0)->verdict, FAKE_ACK);
    assert_int_equal(hulse_subscriber_counters(front.subscriber)->letters[LETTER_DEAD].stored, 1);
    rule.consume.dead_letter = "";
    assert_int_equal(hulse_own_tables_apply(&tables), HULSE_OK);
    assert_int_equal(hulse_subscriber_recheck(front.subscriber), SUBSCRIBER_VERDICTS);
    come_retried(&d, 2, '9'); /* never dropped, and never kept for want of a place */
    hulse_subscriber_retry(front.subscriber, &d, 0);
    assert_string_equal(fake.topic, "persistent://public/default/orders-s-RETRY");
}

/* How often is known when it comes again. */
static void test_retried_too_often_and_let_go(void **state)
{
    struct broker_delivery d;
    (void)state;
    come_retried(&d, 1, '2');
    d.payload.bytes = (uint32_t)HULSE_KEPT_BYTES + 1;
    hulse_subscriber_copied(front.subscriber, &d);
    d.meta.properties = (struct broker_span){0}; /* as a broker does it */
    hulse_subscriber_retry(front.subscriber, &d, 0);
    assert_int_equal(call(0)->verdict, FAKE_NACK);
    assert_int_equal(fake.sent, 0);
    come_retried(&d, 1, '2');
    assert_int_equal(front.heard, 1); /* unseen */
    assert_string_equal(fake.topic, "persistent://public/default/orders-s-DLQ");
    hulse_fake_producer_opened(&fake, HULSE_OK);
    answer(0, BROKER_DONE, HULSE_OUTCOME_STORED);
    assert_int_equal(call(1)->verdict, FAKE_ACK);
    assert_int_equal(hulse_subscriber_counters(front.subscriber)->letters[LETTER_DEAD].stored, 1);
    assert_true(all_settled());
}

static void test_a_retry_that_is_not_stored(void **state)
{
    struct broker_delivery d;
    (void)state;
    come(&d, 1, 0);
    hulse_subscriber_retry(front.subscriber, &d, 0);
    hulse_fake_producer_opened(&fake, HULSE_OK);
    answer(0, BROKER_FAIL, HULSE_OUTCOME_FAILED_UNKNOWN);
    assert_int_equal(call(0)->verdict, FAKE_NACK);
    assert_int_equal(call(0)->delay_ms, HULSE_PUT_OFF_MS);
    assert_true(all_settled());
    assert_int_equal(hulse_subscriber_counters(front.subscriber)->letters[LETTER_RETRY].failed, 1);
    /* Nobody has said that it is done: nothing may cover it until it is here again. */
    assert_true(hulse_subscriber_clamps(front.subscriber, &(struct broker_id){.ledger = 2}, 0));
    come(&d, 1, 1);
    assert_int_equal(front.heard, 2);
    assert_int_equal(fake.sent, 1);
    assert_false(hulse_subscriber_clamps(front.subscriber, &(struct broker_id){.ledger = 2}, 0));
    hulse_subscriber_ack(front.subscriber, &d);
    assert_true(all_settled());
}

/* Its broker delays nothing: it waits with the source. */
static void test_a_retry_that_waits(void **state)
{
    struct broker_delivery d;
    (void)state;
    come(&d, 1, 0);
    hulse_subscriber_retry(front.subscriber, &d, 5);
    assert_int_equal(call(0)->verdict, FAKE_NACK);
    assert_int_equal(call(0)->delay_ms, 5);
    assert_int_equal(fake.sent, 0);
    assert_true(all_settled());
    assert_true(hulse_subscriber_clamps(front.subscriber, &(struct broker_id){.ledger = 2}, 0));
    come(&d, 1, 1);
    assert_int_equal(front.heard, 1); /* unseen */
    hulse_fake_producer_opened(&fake, HULSE_OK);
    assert_int_equal(fake.sent, 1);
    answer(0, BROKER_DONE, HULSE_OUTCOME_STORED);
    assert_int_equal(call(1)->verdict, FAKE_ACK);
    assert_true(all_settled());
    assert_int_equal(hulse_subscriber_counters(front.subscriber)->letters[LETTER_RETRY].failed, 0);
}

/* Letters of both kinds between acknowledgements, one of which was let go. */
static void test_order_of_retries(void **state)
{
    struct broker_delivery d[4];
    (void)state;
    fake.settle_later = true;
    for (uint64_t i = 0; i < 4; i++) {
        come(&d[i], i, 0);
    }
    d[1].payload.bytes = (uint32_t)HULSE_KEPT_BYTES + 1;
    hulse_subscriber_copied(front.subscriber, &d[1]);
    hulse_subscriber_retry(front.subscriber, &d[0], 0);
    hulse_subscriber_retry(front.subscriber, &d[1], 0);
    reject(&d[2]);
    hulse_subscriber_ack(front.subscriber, &d[3]);
    assert_int_equal(hulse_subscriber_calls(front.subscriber), 4);
    assert_int_equal(call(0)->verdict, FAKE_NACK); /* until it comes with its bytes */
    assert_ptr_equal(call(0)->d, &d[1]);
    hulse_fake_settled(&fake, 2);
    assert_int_equal(front.settled, 0);
    hulse_fake_producer_opened(&fake, HULSE_OK); /* of dead letters, the last that was asked for */
    answer(0, BROKER_DONE, HULSE_OUTCOME_STORED);
    hulse_fake_settled(&fake, 1);
    assert_int_equal(front.settled, 0); /* behind one that waits for its producer */
    hulse_subscriber_close(&front.subscriber, false);
}

static void test_the_retry_topic_is_that_of_the_opening(void **state)
{
    (void)state;
    rule.consume.retry_letter = "";
    assert_int_equal(hulse_own_tables_apply(&tables), HULSE_OK);
    assert_int_equal(hulse_subscriber_recheck(front.subscriber), SUBSCRIBER_SAME);
    assert_int_equal(hulse_subscriber_verdicts(front.subscriber) & 1U << 3U, 1U << 3U);
}

static void test_a_library_that_knows_one_source(void **state)
{
    struct error err = {0};
    (void)state;
    hulse_subscriber_close(&front.subscriber, false);
    one_source = true;
    const uint32_t opens = fake.opens;
    assert_int_equal(subscribe("orders", &err), HULSE_UNSUPPORTED);
    assert_non_null(
        strstr(err.text, "too old for the retry topic persistent://public/default/orders-s-RETRY"));
    assert_int_equal(fake.opens, opens);
    assert_int_equal(subscribe("orders-s-RETRY", &err), HULSE_OK); /* that is one */
    one_source = false;
}

static int group(struct worker *w, void *ctx)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define RETRY(test) cmocka_unit_test_setup_teardown(test, setup_retry, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_stored_first),
        CASE(test_not_stored),
        CASE(test_a_subscription_comes_with_the_topic),
        CASE(test_no_producer),
        CASE(test_a_producer_that_fails),
        CASE(test_last_attempt),
        CASE(test_alone),
        CASE(test_what_has_expired_clamps_nothing),
        CASE(test_what_was_moved_from_clamps_nothing),
        CASE(test_a_seek_takes_them_away),
        CASE(test_large_ones),
        CASE(test_order),
        CASE(test_bound),
        CASE(test_linger),
        CASE(test_changes),
        RETRY(test_retried),
        RETRY(test_retried_too_often),
        RETRY(test_retried_too_often_and_let_go),
        RETRY(test_a_retry_that_is_not_stored),
        RETRY(test_a_retry_that_waits),
        RETRY(test_order_of_retries),
        RETRY(test_the_retry_topic_is_that_of_the_opening),
        RETRY(test_a_library_that_knows_one_source),
    };
    (void)ctx;
    worker = w;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    struct hand_thread t;

    hand_thread_start(&t);
    const int failed = hand_thread_run(&t, group, NULL);
    hand_thread_stop(&t);
    return failed;
}
