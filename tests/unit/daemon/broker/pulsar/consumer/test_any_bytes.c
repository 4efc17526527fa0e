/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   whatever a broker sends as a message, a consumer takes it or discards it: nothing outside of it is touched, and
 *         good messages still come afterwards.
 * Method: entries whose metadata and payload were changed at random, with a true checksum, sets and epochs that make no
 *         sense; what is handed out is copied or not and gets random verdicts; connections are lost, questions answered
 *         with any number.
 */
#include "tests/unit/daemon/broker/pulsar/consumer/front.h"
#include "tests/unit/daemon/core/check.h"

#define ROUNDS 20000U

/* What the broker owes. */
static void answer_sent(uint64_t *seed)
{
    hulse_stage_turn();
    for (; stage.first < stage.count; stage.first++) {
        const Pulsar__BaseCommand *c = stage.sent[stage.first];
        if (c->type == TYPE(ACK)) {
            hulse_stage_acked(c->ack->request_id);
        } else if (c->type == TYPE(SUBSCRIBE)) {
            hulse_stage_success(c->subscribe->request_id);
        } else if (c->type == TYPE(CLOSE_CONSUMER)) {
            hulse_stage_success(c->close_consumer->request_id);
        } else if (c->type == TYPE(CONSUMER_STATS)) {
            hulse_stage_stats(c->consumerstats->request_id,
                              (struct stage_stats){.permits = (int64_t)test_random(seed)});
        } else if (c->type == TYPE(GET_LAST_MESSAGE_ID)) {
            hulse_stage_last_id(c->getlastmessageid->request_id, 1, test_below(seed, 60), -1);
        }
    }
    hulse_stage_forget();
}

/* And a session for who is played, if it has none. */
static void answer_all(uint64_t *seed)
{
    answer_sent(seed);
    if (stage.user == NULL) {
        while (stage.lookup == NULL) {
            hulse_stage_wait(100);
        }
        hulse_stage_found();
        hulse_stage_ready();
        answer_sent(seed);
    }
}

static void judge(uint64_t *seed)
{
    for (uint32_t i = 0; i < front.count; i++) {
        if (front.messages[i].d == NULL) {
            continue;
        }
        switch (test_below(seed, 4)) {
        case 0:
            hulse_front_nack(i, (uint32_t)test_below(seed, 3));
            break;
        case 1:
            hulse_front_give_back(i);
            break;
        default:
            if (test_below(seed, 10) == 0) {
                hulse_front_ack_cumulative(i);
            } else {
                hulse_front_ack(i);
            }
        }
    }
    front.count = 0;
}

/* Of a few messages, of a few chunks each, whose parts come in any order; now and then with a size that is none. */
static void make_chunk(struct stage_entry *e, uint64_t *seed)
{
    if (test_below(seed, 2) == 0) {
        return;
    }
    e->batch = test_below(seed, 50) == 0 ? e->batch : 0;
    e->chunks = 2 + (int32_t)test_below(seed, 2);
    e->chunk = (int32_t)test_below(seed, (uint64_t)e->chunks);
    e->message = (uint8_t)test_below(seed, 5);
    e->changes = test_below(seed, 10) == 0 ? e->changes : 0;
    e->compression = test_below(seed, 10) == 0 ? e->compression : 0;
    if (test_below(seed, 50) == 0) {
        e->chunks = (int32_t)(uint32_t)test_random(seed);
        e->chunk = (int32_t)(uint32_t)test_random(seed);
        e->chunked_bytes = (uint32_t)test_random(seed) >> test_below(seed, 32);
    }
}

static void run(enum broker_subscription type)
{
    const struct front_where where = {
        .type = type,
        .start = {.kind = BROKER_EARLIEST},
        .chunking = {.pending_max = 3, .expire_ms = 50, .auto_ack = type == BROKER_SHARED}};
    uint64_t seed = test_seed();
    hulse_front_open(&where, 9);
    front.any_payload = true;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        int64_t set[2] = {(int64_t)test_random(&seed), (int64_t)test_random(&seed)};
        struct stage_entry e = {.ledger = 1,
                                .entry = test_below(&seed, 50),
                                .batch = (uint32_t)test_below(&seed, 9),
                                .number = i,
                                .changes = (uint32_t)test_below(&seed, 4),
                                .seed = test_random(&seed)};
        e.compression = test_below(&seed, 4) == 0 ? (int32_t)test_below(&seed, 5) : 0;
        make_chunk(&e, &seed);
        if (test_below(&seed, 5) == 0) {
            e.ack_set = set;
            e.ack_words = (uint32_t)test_below(&seed, 3);
        }
        e.epoch = test_below(&seed, 5) == 0 ? test_below(&seed, 5) : 0;
        /* Some find no room for their bytes. */
        front.copies = test_below(&seed, 2) == 0;
        stage.worker.consumers->chunk_bytes_max = test_below(&seed, 5000);
        stage.worker.consumers->held_bytes_max = test_below(&seed, 2) == 0 ? 0 : SIZE_MAX / 2;
        hulse_front_permit((uint32_t)test_below(&seed, 10));
        if (stage.user != NULL) {
            hulse_stage_message(&e);
        }
        if (stage.user != NULL && test_below(&seed, 500) == 0) {
            hulse_stage_lose();
        }
        if (test_below(&seed, 3) == 0) {
            judge(&seed);
        }
        hulse_stage_wait((uint32_t)test_below(&seed, test_below(&seed, 500) == 0 ? 30000 : 3));
        answer_all(&seed);
    }
    judge(&seed);
    hulse_front_permit(1000);
    answer_all(&seed);
    assert_true(stage.worker.consumers->figures.chunked > 5);
    const uint32_t before = front.count;
    hulse_stage_message(&(struct stage_entry){.ledger = 2, .number = 1});
    assert_true(front.count > before);
}

/* Four partitions, each with bytes, losses and answers of its own. */
static void run_parts(enum broker_subscription type)
{
    const struct front_where where = {.type = type, .start = {.kind = BROKER_EARLIEST}};
    uint64_t seed = test_seed();
    hulse_front_open_parts(&where, 4, 9);
    front.any_payload = true;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        const struct stage_entry e = {.ledger = 1,
                                      .entry = test_below(&seed, 50),
                                      .batch = (uint32_t)test_below(&seed, 9),
                                      .number = i,
                                      .changes = (uint32_t)test_below(&seed, 4),
                                      .seed = test_random(&seed)};
        hulse_stage_play((uint32_t)test_below(&seed, 4));
        front.copies = test_below(&seed, 2) == 0;
        hulse_front_permit((uint32_t)test_below(&seed, 10));
        if (stage.user != NULL) {
            hulse_stage_message(&e);
        }
        if (stage.user != NULL && test_below(&seed, 500) == 0) {
            hulse_stage_lose();
        }
        if (test_below(&seed, 3) == 0) {
            judge(&seed);
        }
        if (test_below(&seed, 300) == 0) {
            hulse_front_redeliver_all();
        }
        hulse_stage_wait((uint32_t)test_below(&seed, test_below(&seed, 500) == 0 ? 30000 : 3));
        answer_all(&seed);
    }
    judge(&seed);
    hulse_front_permit(1000);
    for (uint32_t i = 0; i < 4; i++) {
        hulse_stage_play(i);
        answer_all(&seed);
        const uint32_t before = front.count;
        hulse_stage_message(&(struct stage_entry){.ledger = 2, .number = 1});
        assert_true(front.count > before);
    }
}

static void shared_partitions_take_any_bytes(void **state)
{
    (void)state;
    run_parts(BROKER_SHARED);
}

static void failover_partitions_take_any_bytes(void **state)
{
    (void)state;
    run_parts(BROKER_FAILOVER);
}

static void shared_takes_any_bytes(void **state)
{
    (void)state;
    run(BROKER_SHARED);
}

static void exclusive_takes_any_bytes(void **state)
{
    (void)state;
    run(BROKER_EXCLUSIVE);
}

static void reader_takes_any_bytes(void **state)
{
    (void)state;
    run(BROKER_READER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            shared_takes_any_bytes, hulse_front_set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            exclusive_takes_any_bytes, hulse_front_set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            reader_takes_any_bytes, hulse_front_set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            shared_partitions_take_any_bytes, hulse_front_set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            failover_partitions_take_any_bytes, hulse_front_set_up, hulse_front_tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
