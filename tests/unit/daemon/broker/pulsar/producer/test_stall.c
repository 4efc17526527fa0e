/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a topic whose receipts stall, and one that holds others up, gets a connection of its own without losing or
 *         reordering anything, and comes back when it flows again.
 * Method: a broker played by hand; looks are made by the test, so no time passes.
 */
#include "tests/unit/daemon/broker/pulsar/producer/peer.h"

#include <stdio.h>
#include <string.h>

static struct bed bed;
static struct peer peer;
static struct line line; /* shared */
static struct line own;
static struct pub slow;
static struct pub quick;
static uint64_t slow_id;
static uint64_t quick_id;

static uint64_t open_on(struct pub *p, struct line *l)
{
    char name[256];
    uint64_t id = 0;

    assert_int_equal(hulse_pub_open(p), HULSE_OK);
    if (l->data == NULL) {
        hulse_peer_welcome(&peer, &bed, l);
    }
    const uint64_t request = hulse_line_hear_producer(l, &id, EPOCH_ANY, name);
    l->epoch = 0;
    hulse_line_say_opened(l, request, name, -1);
    hulse_pub_await_opened(p);
    return id;
}

static int set_up(void **state)
{
    (void)state;
    hulse_peer_open(&peer);
    hulse_bed_open(&bed, peer.port);
    memset(&line, 0, sizeof(line));
    memset(&own, 0, sizeof(own));
    hulse_pub_init(&slow, &bed);
    hulse_pub_init(&quick, &bed);
    quick.params.topic = BED_TOPIC "2";
    slow_id = open_on(&slow, &line);
    quick_id = open_on(&quick, &line);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hulse_pub_close(&slow);
    hulse_pub_close(&quick);
    hulse_line_hang_up(&line);
    if (own.data != NULL) {
        hulse_line_hang_up(&own);
    }
    hulse_bed_close(&bed);
    hulse_peer_close(&peer);
    return 0;
}

static struct pulsar_sender *sender_of(struct pub *p)
{
    return ((struct pulsar_producer *)(void *)p->producer)->sender;
}

static void send_heard(struct pub *p, struct line *l, uint64_t sequence)
{
    struct heard h;

    hulse_pub_send(p);
    hulse_line_hear_send(l, &h);
    assert_int_equal(h.sequence, sequence);
}

static void look(unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        hulse_pulsar_stall_look(bed.worker.senders);
    }
}

static void store(struct pub *p, struct line *l, uint64_t id, uint32_t sequence)
{
    hulse_line_say_receipt_of(l, id, sequence, sequence);
    hulse_pub_await_answered(p, sequence + 1);
}

/* Closed on one line, it opens on the other. */
static void expect_move(struct line *from, struct line *to)
{
    char name[256];
    uint64_t id = 0;
    const Pulsar__BaseCommand *c = hulse_line_hear(from, NULL);

    assert_int_equal(c->type, PULSAR__BASE_COMMAND__TYPE__CLOSE_PRODUCER);
    assert_int_equal(c->close_producer->producer_id, slow_id);
    hulse_line_say_success(from, c->close_producer->request_id);
    if (to->data == NULL) {
        hulse_peer_welcome(&peer, &bed, to);
    }
    to->epoch = 1;
    const uint64_t request = hulse_line_hear_producer(to, &id, EPOCH_ANY, name);
    assert_int_equal(id, slow_id);
    hulse_line_say_opened(to, request, name, -1);
    while (sender_of(&slow)->state != SENDER_READY) {
        hulse_bed_turn(&bed);
    }
}

/* Nothing for `slow` while the other one flows. */
static void stall_slow(void)
{
    send_heard(&slow, &line, 0);
    send_heard(&slow, &line, 1);
    look(1);
    for (uint32_t i = 0; i < PULSAR_STALL_LOOKS; i++) {
        assert_false(sender_of(&slow)->moving);
        send_heard(&quick, &line, i);
        store(&quick, &line, quick_id, i);
        look(1);
    }
    assert_true(sender_of(&slow)->moving);
    assert_false(sender_of(&quick)->moving);
}

static void move_slow(void)
{
    struct heard h;

    stall_slow();
    hulse_pub_send(&slow);
    assert_true(hulse_line_is_quiet(&line)); /* what comes now goes there */
    store(&slow, &line, slow_id, 0);
    store(&slow, &line, slow_id, 1);
    expect_move(&line, &own);
    hulse_line_hear_send(&own, &h);
    assert_int_equal(h.sequence, 2);
    store(&slow, &own, slow_id, 2);
    assert_true(slow.in_order);
    assert_int_equal(bed.worker.senders->figures.moved_apart, 1);
}

static void test_a_stalled_one_moves_and_the_others_stay(void **state)
{
    (void)state;
    move_slow();
    send_heard(&quick, &line, PULSAR_STALL_LOOKS);
    store(&quick, &line, quick_id, PULSAR_STALL_LOOKS);
}

static void test_it_comes_back_when_it_flows(void **state)
{
    (void)state;
    move_slow();
    look(PULSAR_RETURN_LOOKS - 1);
    assert_false(sender_of(&slow)->moving);
    look(1);
    expect_move(&own, &line);
    send_heard(&slow, &line, 3);
    store(&slow, &line, slow_id, 3);
}

/* It stays where it is as long as it stalls there. */
static void test_it_does_not_come_back_while_it_stalls(void **state)
{
    (void)state;
    move_slow();
    send_heard(&slow, &own, 3);
    look(2 * PULSAR_RETURN_LOOKS);
    assert_false(sender_of(&slow)->moving);
    store(&slow, &own, slow_id, 3);
}

/* The broker does not read at all: it is the one with most on the connection. */
static void test_of_those_that_all_stall_the_largest_moves(void **state)
{
    struct heard h;

    (void)state;
    hulse_pub_send(&quick);
    hulse_line_hear_send(&line, &h);
    for (uint32_t i = 0; i < 3; i++) {
        send_heard(&slow, &line, i);
    }
    look(1 + PULSAR_STALL_LOOKS);
    assert_true(sender_of(&slow)->moving);
    look(10 * PULSAR_STALL_LOOKS); /* one after the other */
    assert_false(sender_of(&quick)->moving);
    for (uint32_t i = 0; i < 3; i++) {
        store(&slow, &line, slow_id, i);
    }
    store(&quick, &line, quick_id, 0);
    expect_move(&line, &own);
}

/* Each changes who is stalled by whom, so the next one waits for it; but not for ever. */
static void test_one_moves_at_a_time(void **state)
{
    static struct pub third;
    uint64_t id = 0;

    (void)state;
    hulse_pub_init(&third, &bed);
    third.params.topic = BED_TOPIC "3";
    id = open_on(&third, &line);
    send_heard(&third, &line, 0);
    send_heard(&quick, &line, 0);
    for (uint32_t i = 0; i < 3; i++) {
        send_heard(&slow, &line, i);
    }
    look(1 + PULSAR_STALL_LOOKS);
    assert_true(sender_of(&slow)->moving);
    look(3 * PULSAR_STALL_LOOKS);
    assert_false(sender_of(&quick)->moving || sender_of(&third)->moving);
    look(2 * PULSAR_STALL_LOOKS);
    assert_true(sender_of(&quick)->moving != sender_of(&third)->moving);
    store(&quick, &line, quick_id, 0);
    store(&third, &line, id, 0);
    hulse_pub_close(&third);
}

static void test_one_that_is_alone_stays(void **state)
{
    (void)state;
    send_heard(&slow, &line, 0);
    look(10 * PULSAR_STALL_LOOKS);
    assert_false(sender_of(&slow)->moving);
    store(&slow, &line, slow_id, 0);
}

/* The connection ends before its receipts: what is unanswered goes again, on the one of its own. */
static void test_the_connection_ends_while_it_waits_to_move(void **state)
{
    char name[256];
    struct heard h;
    uint64_t id = 0;

    (void)state;
    stall_slow();
    hulse_line_hang_up(&line);
    line.data = NULL;
    /* In whatever order the two come. */
    for (unsigned i = 0; i < 2; i++) {
        struct line *l = i == 0 ? &own : &line;
        hulse_peer_welcome(&peer, &bed, l);
        l->epoch = 1;
        const uint64_t request = hulse_line_hear_producer(l, &id, EPOCH_ANY, name);
        hulse_line_say_opened(l, request, name, -1);
        for (uint32_t n = 0; n < 2 && id == slow_id; n++) {
            hulse_line_hear_send(l, &h);
            assert_int_equal(h.sequence, n);
            store(&slow, l, slow_id, n);
        }
    }
    assert_true(sender_of(&slow)->apart);
    assert_ptr_not_equal(sender_of(&slow)->user.connection, sender_of(&quick)->user.connection);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_a_stalled_one_moves_and_the_others_stay),
        CASE(test_it_comes_back_when_it_flows),
        CASE(test_it_does_not_come_back_while_it_stalls),
        CASE(test_of_those_that_all_stall_the_largest_moves),
        CASE(test_one_moves_at_a_time),
        CASE(test_one_that_is_alone_stays),
        CASE(test_the_connection_ends_while_it_waits_to_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
