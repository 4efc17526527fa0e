/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   whatever the broker does, and whoever opens and closes meanwhile, every record that is sent to a topic with
 *         partitions is stored and answered once; on each partition what comes is in its order.
 * Method: random steps by seed: records with and without keys, receipts, connections that are cut, producers that the broker
 *         closes, growth, flushes, looks for those that nobody uses, producers that come and go, one of them with
 *         sequence ids of its own. The peer follows what reaches it.
 */
#include "daemon/broker/pulsar/producer/park.h"
#include "tests/unit/daemon/broker/pulsar/producer/peer.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PUBS 4U
#define STEPS 600U
#define PARTS_MAX 8U
#define MADE_MAX 1024U /* producers on the wire, ever */
#define ENTRIES_MAX 1024U

struct entry_heard {
    int64_t sequence;
    int64_t highest; /* -1: no batch */
};

/* A producer as the broker has it, by its id. */
static struct {
    bool open;
    uint32_t part;
    int64_t last; /* heard since it was opened; -1: nothing */
    struct entry_heard heard[ENTRIES_MAX];
    uint32_t first;
    uint32_t end;
} made[MADE_MAX];

static struct bed bed;
static struct peer peer;
static struct line line;
static bool connected;
static struct pub pubs[PUBS];
static uint32_t opened; /* producers ever */

/* ---- the peer ---- */

static void forget_all(void)
{
    for (uint32_t i = 0; i < MADE_MAX; i++) {
        made[i].open = false;
    }
}

static void open_part(const Pulsar__CommandProducer *producer)
{
    const uint64_t i = producer->producer_id;

    assert_true(i < MADE_MAX);
    made[i].open = true;
    made[i].part = (uint32_t)strtoul(producer->topic + strlen(BED_TOPIC "-partition-"), NULL, 10);
    made[i].last = -1;
    made[i].first = 0;
    made[i].end = 0;
    assert_true(made[i].part < PARTS_MAX);
    hulse_line_say_opened(&line, producer->request_id, producer->producer_name, -1);
}

static void take(const Pulsar__CommandSend *send)
{
    const uint64_t i = send->producer_id;
    const bool batch = send->has_num_messages && send->has_highest_sequence_id;
    const struct entry_heard e = {.sequence = (int64_t)send->sequence_id,
                                  .highest = batch ? (int64_t)send->highest_sequence_id : -1};

    assert_true(i < MADE_MAX);
    if (!made[i].open) {
        return; /* on its way when the broker closed it */
    }
    assert_true(e.sequence > made[i].last);
    assert_true(made[i].end < ENTRIES_MAX);
    made[i].last = batch ? e.highest : e.sequence;
    made[i].heard[made[i].end++] = e;
}

static void close_made(uint64_t id)
{
    assert_true(id < MADE_MAX);
    made[id].open = false;
}

/* Senders do not wait for their backoff, which grows while nothing succeeds, and go to no other connection. */
static void hurry(void)
{
    struct pulsar_sender *s = NULL;

    hulse_timer_stop(&bed.loop.timers, &bed.worker.senders->look);
    for (uint32_t i = 0; i < PULSAR_SENDER_BUCKETS; i++) {
        LIST_FOREACH(s, &bed.worker.senders->buckets[i], link)
        {
            s->backoff.failures = 0;
            if (hulse_timer_pending(&s->retry)) {
                hulse_timer_start(&bed.loop.timers, &s->retry, 0);
            }
        }
    }
}

static bool hear_one(void)
{
    hurry();
    if (!connected || !hulse_line_has_something(&line)) {
        return false;
    }
    const Pulsar__BaseCommand *c = hulse_line_hear(&line, NULL);
    switch (c->type) {
    case PULSAR__BASE_COMMAND__TYPE__PRODUCER:
        open_part(c->producer);
        break;
    case PULSAR__BASE_COMMAND__TYPE__SEND:
        take(c->send);
        break;
    case PULSAR__BASE_COMMAND__TYPE__CLOSE_PRODUCER:
        close_made(c->close_producer->producer_id);
        break;
    default:
        fail_msg("command %d", (int)c->type);
    }
    return true;
}

static void receipt_one(uint32_t i)
{
    if (connected && made[i].open && made[i].first < made[i].end) {
        const struct entry_heard *e = &made[i].heard[made[i].first++];
        hulse_line_say_receipt_of(&line, i, e->sequence, e->highest);
    }
}

/* Of one of the partitions. */
static void receipt_some(uint32_t part)
{
    for (uint32_t i = 0; i < MADE_MAX; i++) {
        if (made[i].part == part) {
            receipt_one(i);
        }
    }
}

static void lose(void)
{
    if (connected) {
        hulse_peer_close(&peer);
        hulse_peer_open(&peer);
        bed.found.endpoint = hulse_bed_endpoint(peer.port);
        hulse_line_hang_up(&line);
        connected = false;
        forget_all();
    }
}

/* If somebody comes. */
static void connect_again(void)
{
    struct pollfd comes = {.fd = peer.fd, .events = POLLIN};

    for (unsigned i = 0; i < 5 && !connected; i++) {
        hulse_bed_turn(&bed);
        hurry();
        if (poll(&comes, 1, 0) == 1) {
            hulse_peer_welcome(&peer, &bed, &line);
            connected = true;
        }
    }
}

/* A partition, as one that moves. */
static void close_part(uint32_t part)
{
    while (hear_one()) {
    }
    for (uint32_t i = 0; i < MADE_MAX && connected; i++) {
        if (made[i].open && made[i].part == part) {
            hulse_line_say_closed(&line, i, NULL);
            made[i].open = false;
        }
    }
}

/* ---- the producers ---- */

static void open_pub(struct pub *p)
{
    static char name[32];

    hulse_pub_init(p, &bed);
    p->params.gathering.batch_max = 7;
    p->params.gathering.batch_delay_ms = 1;
    p->params.routing.stride = 5;
    if (p == &pubs[0]) {
        (void)snprintf(name, sizeof(name), "own/%u", opened);
        p->params.own = true;
        p->params.name = name;
    }
    opened += 1;
    assert_int_equal(hulse_pub_open(p), HULSE_OK);
}

static void send_some(struct pub *p, uint64_t *seed)
{
    struct broker_meta meta = {.partition = -1};
    struct broker_record r = {.payload = {.data = (const uint8_t *)"0123456789", .bytes = 10},
                              .meta = &meta};
    const uint64_t count = test_below(seed, 20);
    uint8_t key = 0;

    for (uint64_t i = 0; i < count && p->sent < BED_RECORDS_MAX && !p->closed; i++) {
        key = (uint8_t)('a' + test_below(seed, 20));
        meta.has_key = test_below(seed, 2) == 0;
        meta.key = (struct broker_span){.data = &key, .bytes = 1};
        meta.partition = test_below(seed, 4) == 0 ? (int32_t)test_below(seed, 2) : -1;
        r.alone = test_below(seed, 8) == 0;
        r.enqueued_ns = 0;
        r.seq = p->sent;
        hulse_pub_send_record(p, &r);
    }
}

static void flush_one(struct pub *p)
{
    (void)hulse_pulsar_producer_flush(p->producer, NULL);
}

static void replace(struct pub *p)
{
    hulse_pub_close(p);
    open_pub(p);
}

static void grow(void)
{
    bed.partitions += bed.partitions < PARTS_MAX ? 1U : 0U;
}

static void step_of_peer(uint64_t *seed)
{
    const uint32_t part = (uint32_t)test_below(seed, PARTS_MAX);

    switch (test_below(seed, 16)) {
    case 0:
        lose();
        break;
    case 1:
        close_part(part);
        break;
    case 2:
        grow();
        break;
    case 3:
    case 4:
        connect_again();
        break;
    case 5:
    case 6:
    case 7:
    case 8:
        (void)hear_one();
        break;
    default:
        receipt_some(part);
        break;
    }
}

static void step_of_pub(uint64_t *seed)
{
    struct pub *p = &pubs[test_below(seed, PUBS)];

    if (p->opened == 0 || p->closed) {
        hulse_bed_turn(&bed);
        return;
    }
    switch (test_below(seed, 24)) {
    case 0:
        replace(p);
        break;
    case 1:
        for (unsigned i = 0; i <= PULSAR_PARK_LOOKS; i++) {
            hulse_pulsar_park_look(bed.worker.senders);
        }
        break;
    case 2:
    case 3:
        flush_one(p);
        break;
    default:
        send_some(p, seed);
        hulse_bed_turn(&bed);
        break;
    }
}

static bool all_answered(void)
{
    for (uint32_t i = 0; i < PUBS; i++) {
        if (pubs[i].opened == 0 || pubs[i].answered < pubs[i].sent) {
            return false;
        }
    }
    return true;
}

static void test_every_record_is_stored(void **state)
{
    uint64_t seed = test_seed();

    (void)state;
    hulse_peer_open(&peer);
    hulse_bed_open(&bed, peer.port);
    memset(&line, 0, sizeof(line));
    bed.partitions = 2;
    bed.kept_ms = 1;
    for (uint32_t i = 0; i < PUBS; i++) {
        open_pub(&pubs[i]);
    }
    for (uint32_t i = 0; i < STEPS; i++) {
        if (test_below(&seed, 2) == 0) {
            step_of_peer(&seed);
        } else {
            step_of_pub(&seed);
        }
    }
    while (!all_answered()) {
        connect_again();
        while (hear_one()) {
        }
        for (uint32_t i = 0; i < MADE_MAX; i++) {
            receipt_one(i);
        }
        hulse_bed_turn(&bed);
    }
    for (uint32_t i = 0; i < PUBS; i++) {
        assert_int_equal(pubs[i].status, HULSE_OK);
        for (uint32_t r = 0; r < pubs[i].sent; r++) {
            assert_int_equal(pubs[i].outcomes[r], HULSE_OUTCOME_STORED);
        }
        hulse_pub_close(&pubs[i]);
    }
    lose();
    hulse_bed_close(&bed);
    hulse_peer_close(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_record_is_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
