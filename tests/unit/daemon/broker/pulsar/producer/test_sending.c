/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   records become batches and messages that say what they should, each is answered once, with its id; what is
 *         unanswered is kept within its bounds.
 * Method: a broker played by hand, frames read back with wire/.
 */
#include "daemon/broker/pulsar/wire/batch_reader.h"
#include "daemon/broker/pulsar/wire/compression.h"
#include "tests/unit/daemon/broker/pulsar/producer/peer.h"

#include <string.h>

static struct bed bed;
static struct peer peer;
static struct line line;
static struct pub pub;
static struct pub other;

static void open_all(void)
{
    peer_open(&peer);
    bed_open(&bed, peer.port);
    memset(&line, 0, sizeof(line));
    pub_init(&pub, &bed);
}

static uint64_t open_pub(void)
{
    assert_int_equal(pub_open(&pub), HULSE_OK);
    const uint64_t id = peer_serve(&peer, &bed, &line, 0);
    pub_await_opened(&pub);
    assert_int_equal(pub.status, HULSE_OK);
    return id;
}

static void close_all(uint64_t id)
{
    pub_close(&pub);
    line_hear_close(&line, id);
    line_hang_up(&line);
    bed_close(&bed);
    peer_close(&peer);
}

static void test_one_record_is_stored_with_its_id(void **state)
{
    struct heard h;

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    assert_int_equal(pub.message_bytes_max, 5242880);
    pub_send(&pub);
    line_hear_send(&line, &h);
    assert_int_equal(h.producer_id, id);
    assert_int_equal(h.sequence, 0);
    assert_int_equal(h.count, 1);
    line_say_receipt(&line, &h, 9);
    pub_await_answered(&pub, 1);
    const struct broker_answer *a = &pub.answers[0];
    assert_int_equal(a->outcome, HULSE_OUTCOME_STORED);
    assert_int_equal(a->class, BROKER_DONE);
    assert_true(a->has_id);
    assert_int_equal(a->id.ledger, 7);
    assert_int_equal(a->id.entry, 9);
    assert_int_equal(a->id.batch, 0);
    assert_int_equal(a->id.batch_size, 1);
    close_all(id);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_one_record_is_stored_with_its_id),
};

int main(void)
{
    (void)other;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
