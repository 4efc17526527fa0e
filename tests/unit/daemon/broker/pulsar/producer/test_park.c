/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a producer on the wire that nobody uses is closed, and comes back under its name and with its numbers when there
 *         is something to send; one that is used, or must not be given up, stays.
 * Method: a broker played by hand; the looks are the test's.
 */
#include "daemon/broker/pulsar/producer/park.h"
#include "tests/unit/daemon/broker/pulsar/producer/peer.h"

#include <stdio.h>
#include <string.h>

static struct bed bed;
static struct peer peer;
static struct line line;
static struct pub pub;
static char name[256];

static uint64_t open_one(bool create, enum broker_access access)
{
    uint64_t id = 0;

    hulse_peer_open(&peer);
    hulse_bed_open(&bed, peer.port);
    memset(&line, 0, sizeof(line));
    hulse_pub_init(&pub, &bed);
    pub.params.create = create;
    pub.params.access = access;
    assert_int_equal(hulse_pub_open(&pub), HULSE_OK);
    hulse_peer_welcome(&peer, &bed, &line);
    const uint64_t request = hulse_line_hear_producer(&line, &id, 0, name);
    hulse_line_say_opened(&line, request, name, -1);
    hulse_pub_await_opened(&pub);
    return id;
}

static void close_all(void)
{
    if (!pub.closed) {
        hulse_pub_close(&pub);
    }
    hulse_line_hang_up(&line);
    hulse_bed_close(&bed);
    hulse_peer_close(&peer);
}

static void look(unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        hulse_pulsar_park_look(bed.worker.senders);
    }
}

static uint64_t parked(void)
{
    struct pulsar_producer_figures f;

    hulse_pulsar_senders_figures(bed.worker.senders, &f);
    assert_int_equal(f.producers + f.parked, 1);
    return f.parked;
}

static void send_and_answer(uint64_t sequence)
{
    struct heard h;

    hulse_pub_send(&pub);
    hulse_line_hear_send(&line, &h);
    assert_int_equal(h.sequence, sequence);
    hulse_line_say_receipt(&line, &h, sequence);
    hulse_pub_await_answered(&pub, (uint32_t)sequence + 1);
}

static void test_one_that_nobody_uses_is_closed_and_comes_back(void **state)
{
    char again[256];
    uint64_t same = 0;
    struct heard h;

    (void)state;
    const uint64_t id = open_one(true, BROKER_ACCESS_SHARED);
    send_and_answer(0);
    look(1); /* it was used before */
    look(PULSAR_PARK_LOOKS - 1);
    assert_true(hulse_line_is_quiet(&line));
    assert_int_equal(parked(), 0);
    look(1);
    hulse_line_hear_close(&line, id);
    assert_int_equal(parked(), 1);
    look(2 * PULSAR_PARK_LOOKS);
    assert_true(hulse_line_is_quiet(&line));
    hulse_pub_send(&pub);
    const uint64_t request = hulse_line_hear_producer(&line, &same, 1, again);
    assert_int_equal(same, id);
    assert_string_equal(again, name);
    hulse_line_say_opened(&line, request, again, 0);
    hulse_line_hear_send(&line, &h);
    assert_int_equal(h.sequence, 1);
    hulse_line_say_receipt(&line, &h, 1);
    hulse_pub_await_answered(&pub, 2);
    assert_int_equal(parked(), 0);
    send_and_answer(2);
    close_all();
}

static void test_one_that_is_used_stays(void **state)
{
    struct heard h;

    (void)state;
    (void)open_one(true, BROKER_ACCESS_SHARED);
    for (uint64_t i = 0; i < 3; i++) {
        look(PULSAR_PARK_LOOKS - 1);
        assert_int_equal(parked(), 0);
        send_and_answer(i);
    }
    hulse_pub_send(&pub);
    hulse_line_hear_send(&line, &h);
    look(3 * PULSAR_PARK_LOOKS); /* it waits for a receipt */
    assert_int_equal(parked(), 0);
    assert_true(hulse_line_is_quiet(&line));
    close_all();
}

static void test_what_must_not_be_given_up_stays(void **state)
{
    (void)state;
    (void)open_one(false, BROKER_ACCESS_SHARED);
    look(3 * PULSAR_PARK_LOOKS);
    assert_int_equal(parked(), 0);
    close_all();
    (void)open_one(true, BROKER_ACCESS_EXCLUSIVE);
    look(3 * PULSAR_PARK_LOOKS);
    assert_int_equal(parked(), 0);
    close_all();
}

static void test_a_parked_one_may_be_closed_and_joined(void **state)
{
    static struct pub other;
    uint64_t same = 0;

    (void)state;
    const uint64_t id = open_one(true, BROKER_ACCESS_SHARED);
    look(PULSAR_PARK_LOOKS);
    hulse_line_hear_close(&line, id);
    hulse_pub_init(&other, &bed);
    assert_int_equal(hulse_pub_open(&other), HULSE_OK);
    assert_int_equal(other.opened, 1);
    hulse_pub_close(&pub);
    assert_true(hulse_line_is_quiet(&line));
    hulse_pub_send(&other);
    (void)hulse_line_hear_producer(&line, &same, 1, NULL);
    assert_int_equal(same, id);
    hulse_pub_close(&other);
    close_all();
}

static void test_its_connection_may_end_meanwhile(void **state)
{
    char again[256];
    uint64_t same = 0;

    (void)state;
    const uint64_t id = open_one(true, BROKER_ACCESS_SHARED);
    look(PULSAR_PARK_LOOKS);
    hulse_line_hear_close(&line, id);
    hulse_line_hang_up(&line);
    for (unsigned i = 0; i < 20; i++) {
        hulse_bed_turn(&bed);
    }
    assert_int_equal(parked(), 1);
    hulse_pub_send(&pub);
    hulse_peer_welcome(&peer, &bed, &line);
    const uint64_t request = hulse_line_hear_producer(&line, &same, 1, again);
    hulse_line_say_opened(&line, request, again, -1);
    close_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_that_nobody_uses_is_closed_and_comes_back),
        cmocka_unit_test(test_one_that_is_used_stays),
        cmocka_unit_test(test_what_must_not_be_given_up_stays),
        cmocka_unit_test(test_a_parked_one_may_be_closed_and_joined),
        cmocka_unit_test(test_its_connection_may_end_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
