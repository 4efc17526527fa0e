/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   whatever the broker does and in whatever order, every record is answered once and in its producer's order;
 *         where nobody gives up all are stored, where somebody does all have an end without the broker's help.
 * Method: random steps by seed: records of several producers, turns, receipts in order, connections that are cut,
 *         producers that the broker closes. The peer follows the ids that reach it.
 */
#include "daemon/broker/pulsar/wire/batch_reader.h"
#include "tests/unit/daemon/broker/pulsar/producer/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PUBS 3U
#define STEPS 500U
#define ENTRIES_MAX 20000U

struct entry_heard {
    uint64_t sequence;
    uint64_t highest;
    int32_t count;
};

static struct bed bed;
static struct peer peer;
static struct line line;
static bool connected;
static bool serving; /* the producer is open */
static uint64_t producer_id;
static struct pub pubs[PUBS];
static struct entry_heard heard[ENTRIES_MAX]; /* on this connection, not receipted */
static uint32_t heard_first;
static uint32_t heard_end;
static bool giving_up;    /* records have a timeout: there are gaps */
static uint64_t next_new; /* the lowest sequence id that was never heard */

/* Ids rise on a connection, without gaps unless somebody gives up; what is new is a whole entry. */
static void take(const struct heard *h)
{
    const uint64_t last = h->count > 0 ? h->highest : h->sequence;

    assert_true(heard_end < ENTRIES_MAX);
    assert_true(giving_up || h->sequence <= next_new);
    if (heard_end > heard_first) {
        const struct entry_heard *before = &heard[heard_end - 1];
        const uint64_t end = before->count > 0 ? before->highest : before->sequence;
        assert_true(h->sequence == end + 1 || (giving_up && h->sequence > end));
    }
    if (last >= next_new) {
        assert_true(h->sequence == next_new || (giving_up && h->sequence > next_new));
        next_new = last + 1;
    }
    heard[heard_end++] =
        (struct entry_heard){.sequence = h->sequence, .highest = h->highest, .count = h->count};
}

/* The one sender does not wait for its backoff, which grows while nothing succeeds. */
static void hurry(void)
{
    struct pulsar_sender *s =
        LIST_FIRST(&bed.worker.senders->buckets[hulse_pulsar_senders_bucket(BED_TOPIC)]);

    s->backoff.failures = 0;
    if (hulse_timer_pending(&s->retry)) {
        hulse_timer_start(&bed.loop.timers, &s->retry, 0);
    }
}

/* Hears one frame, if there is one. */
static bool hear_one(void)
{
    struct heard h;
    char name[256];

    hurry();
    if (!connected || !hulse_line_has_something(&line)) {
        return false;
    }
    if (!serving) {
        const uint64_t request = hulse_line_hear_producer(&line, &producer_id, EPOCH_ANY, name);
        hulse_line_say_opened(&line, request, name, -1);
        serving = true;
        heard_first = 0;
        heard_end = 0;
        return true;
    }
    hulse_line_hear_send(&line, &h);
    take(&h);
    return true;
}

static void receipt_one(void)
{
    if (connected && serving && heard_first < heard_end) {
        const struct entry_heard *e = &heard[heard_first++];
        hulse_line_say_receipt_of(
            &line, producer_id, (int64_t)e->sequence, e->count > 0 ? (int64_t)e->highest : -1);
    }
}

/* Another broker has the topic from then on: nobody waits for the address to come back. */
static void lose(void)
{
    if (connected) {
        hulse_peer_close(&peer);
        hulse_peer_open(&peer);
        bed.found.endpoint = hulse_bed_endpoint(peer.port);
        hulse_line_hang_up(&line);
        connected = false;
        serving = false;
    }
}

static void connect_again(void)
{
    if (!connected) {
        for (unsigned i = 0; i < 5; i++) { /* it learns what it has lost, looks it up, goes there */
            hulse_bed_turn(&bed);
            hurry();
        }
        hulse_peer_welcome(&peer, &bed, &line);
        connected = true;
    }
}

static void close_on(void)
{
    while (hear_one()) { /* what it has sent before is heard by the old producer */
    }
    if (connected && serving) {
        hulse_line_say_closed(&line, producer_id, NULL);
        serving = false;
    }
}

static void send_some(uint64_t *seed)
{
    struct pub *p = &pubs[test_below(seed, PUBS)];
    struct broker_record r = {.payload = {.data = (const uint8_t *)"0123456789", .bytes = 10}};
    const uint64_t count = test_below(seed, 20);

    for (uint64_t i = 0; i < count && p->sent < BED_RECORDS_MAX; i++) {
        r.alone = test_below(seed, 8) == 0;
        r.enqueued_ns = 0;
        hulse_pub_send_record(p, &r);
    }
}

static void step(uint64_t *seed)
{
    switch (test_below(seed, 16)) {
    case 0:
        lose();
        break;
    case 1:
        close_on();
        break;
    case 2:
    case 3:
    case 4:
    case 5:
        receipt_one();
        break;
    case 6:
    case 7:
    case 8:
    case 9:
        (void)hear_one();
        break;
    case 10:
        connect_again();
        break;
    default:
        send_some(seed);
        hulse_bed_turn(&bed);
        break;
    }
}

static bool all_answered(void)
{
    for (uint32_t i = 0; i < PUBS; i++) {
        if (pubs[i].answered < pubs[i].sent) {
            return false;
        }
    }
    return true;
}

static void begin(uint64_t send_timeout_ms)
{
    giving_up = send_timeout_ms != 0;
    next_new = 0;
    hulse_peer_open(&peer);
    hulse_bed_open(&bed, peer.port);
    for (uint32_t i = 0; i < PUBS; i++) {
        hulse_pub_init(&pubs[i], &bed);
        pubs[i].params.gathering.batch_max = 7;
        pubs[i].params.gathering.batch_delay_ms = 1;
        pubs[i].params.gathering.send_timeout_ms = send_timeout_ms;
        assert_int_equal(hulse_pub_open(&pubs[i]), HULSE_OK);
    }
    memset(&line, 0, sizeof(line));
    connect_again();
    assert_true(hear_one());
    hulse_pub_await_opened(&pubs[0]);
}

static void end(void)
{
    for (uint32_t i = 0; i < PUBS; i++) {
        hulse_pub_close(&pubs[i]);
    }
    lose();
    hulse_bed_close(&bed);
    hulse_peer_close(&peer);
}

static void test_every_record_is_stored(void **state)
{
    uint64_t seed = test_seed();

    (void)state;
    begin(0);
    for (uint32_t i = 0; i < STEPS; i++) {
        step(&seed);
    }
    while (!all_answered()) {
        connect_again();
        (void)hear_one();
        receipt_one();
    }
    for (uint32_t i = 0; i < PUBS; i++) {
        assert_true(pubs[i].in_order);
        for (uint32_t r = 0; r < pubs[i].sent; r++) {
            assert_int_equal(pubs[i].outcomes[r], HULSE_OUTCOME_STORED);
        }
    }
    end();
}

static void test_every_record_has_one_end_in_time(void **state)
{
    uint64_t seed = test_seed();
    uint32_t by_outcome[32] = {0};

    (void)state;
    begin(40);
    for (uint32_t i = 0; i < STEPS; i++) {
        step(&seed);
    }
    while (!all_answered()) { /* nobody helps any more */
        hulse_bed_turn(&bed);
    }
    for (uint32_t i = 0; i < PUBS; i++) {
        assert_true(pubs[i].in_order);
        for (uint32_t r = 0; r < pubs[i].sent; r++) {
            by_outcome[pubs[i].outcomes[r]]++;
        }
    }
    assert_int_equal(by_outcome[HULSE_OUTCOME_STORED] + by_outcome[HULSE_OUTCOME_FAILED_UNKNOWN] +
                         by_outcome[HULSE_OUTCOME_FAILED_NOT_SENT],
                     pubs[0].sent + pubs[1].sent + pubs[2].sent);
    end();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_every_record_is_stored),
    cmocka_unit_test(test_every_record_has_one_end_in_time),
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, NULL);
}
