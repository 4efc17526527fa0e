/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a producer on a topic with partitions sends each record to the one that it belongs to, which it opens when it
 *         needs it; answers, flush and close are those of one producer; growth, failures and stalls of one partition.
 * Method: a broker played by hand, with all partitions on one connection.
 */
#include "daemon/broker/pulsar/producer/branch.h"
#include "daemon/core/mem.h"
#include "tests/unit/daemon/broker/pulsar/producer/peer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTS_MAX 8U
#define NONE UINT64_MAX

static struct bed bed;
static struct peer peer;
static struct line line;
static struct pub pub;

/* What the peer knows of each partition. */
static struct {
    uint64_t id; /* of the producer; NONE: not open */
    char name[256];
    uint64_t entries;
} parts[PARTS_MAX];

static void open_all(uint32_t partitions)
{
    hulse_peer_open(&peer);
    hulse_bed_open(&bed, peer.port);
    bed.partitions = partitions;
    memset(&line, 0, sizeof(line));
    for (uint32_t i = 0; i < PARTS_MAX; i++) {
        parts[i].id = NONE;
        parts[i].entries = 0;
    }
    hulse_pub_init(&pub, &bed);
    pub.params.gathering.batch_delay_ms = 1;
}

static void close_all(void)
{
    if (!pub.closed) {
        hulse_pub_close(&pub);
    }
    if (line.data != NULL) {
        hulse_line_hang_up(&line);
    }
    hulse_bed_close(&bed);
    hulse_peer_close(&peer);
}

/* PRODUCER, of whichever partition; gives its number. */
static uint32_t hear_producer(uint64_t *request)
{
    static const char suffix[] = "-partition-";
    const Pulsar__BaseCommand *c = hulse_line_hear(&line, NULL);

    assert_int_equal(c->type, PULSAR__BASE_COMMAND__TYPE__PRODUCER);
    assert_memory_equal(c->producer->topic, BED_TOPIC, strlen(BED_TOPIC));
    const char *rest = c->producer->topic + strlen(BED_TOPIC);
    assert_memory_equal(rest, suffix, strlen(suffix));
    const uint32_t index = (uint32_t)strtoul(rest + strlen(suffix), NULL, 10);
    assert_true(index < PARTS_MAX);
    parts[index].id = c->producer->producer_id;
    (void)snprintf(parts[index].name, sizeof(parts[index].name), "%s", c->producer->producer_name);
    *request = c->producer->request_id;
    return index;
}

static uint32_t serve(int64_t last_sequence)
{
    uint64_t request = 0;
    const uint32_t index = hear_producer(&request);

    hulse_line_say_opened(&line, request, parts[index].name, last_sequence);
    return index;
}

/* The producer, with its first partition, whose number it gives. */
static uint32_t open_pub(void)
{
    assert_int_equal(hulse_pub_open(&pub), HULSE_OK);
    hulse_peer_welcome(&peer, &bed, &line);
    const uint32_t first = serve(-1);
    hulse_pub_await_opened(&pub);
    assert_int_equal(pub.status, HULSE_OK);
    return first;
}

static uint32_t index_of(uint64_t producer_id)
{
    for (uint32_t i = 0; i < PARTS_MAX; i++) {
        if (parts[i].id == producer_id) {
            return i;
        }
    }
    fail_msg("a producer that was not opened");
    return 0;
}

/* The next SEND is for that partition. */
static void hear_send(uint32_t index, struct heard *h)
{
    hulse_line_hear_send(&line, h);
    assert_int_equal(index_of(h->producer_id), index);
}

static void answer(const struct heard *h)
{
    hulse_line_say_receipt(
        &line, h, UINT64_C(1000) * index_of(h->producer_id) + parts[0].entries++);
}

static void send_to(int32_t partition)
{
    const struct broker_meta meta = {.partition = partition};
    struct broker_record r = {
        .payload = {.data = (const uint8_t *)"x", .bytes = 1}, .meta = &meta, .seq = pub.sent};
    hulse_pub_send_record(&pub, &r);
}

static void send_key(const uint8_t *key, uint32_t bytes)
{
    const struct broker_meta meta = {
        .partition = -1, .has_key = true, .key = {.data = key, .bytes = bytes}};
    struct broker_record r = {
        .payload = {.data = (const uint8_t *)"x", .bytes = 1}, .meta = &meta, .seq = pub.sent};
    hulse_pub_send_record(&pub, &r);
}

/* ---- opening ---- */

static void test_it_opens_with_one_of_them(void **state)
{
    (void)state;
    open_all(3);
    const uint32_t first = open_pub();
    assert_true(first < 3);
    assert_true(hulse_line_is_quiet(&line));
    hulse_pub_close(&pub);
    hulse_line_hear_close(&line, parts[first].id);
    close_all();
}

static void test_the_first_ones_failure_is_the_opens(void **state)
{
    uint64_t request = 0;

    (void)state;
    open_all(3);
    assert_int_equal(hulse_pub_open(&pub), HULSE_OK);
    hulse_peer_welcome(&peer, &bed, &line);
    (void)hear_producer(&request);
    hulse_line_say_error(&line, request, PULSAR__SERVER_ERROR__AuthorizationError);
    hulse_pub_await_opened(&pub);
    assert_int_equal(pub.status, HULSE_DENIED);
    assert_non_null(strstr(pub.text, "so it is"));
    close_all();
}

static void test_more_than_receipts_can_say_is_refused(void **state)
{
    (void)state;
    open_all(PULSAR_PARTITIONS_MAX + 1);
    assert_int_equal(hulse_pub_open(&pub), HULSE_OK);
    hulse_pub_await_opened(&pub);
    assert_int_equal(pub.status, HULSE_UNSUPPORTED);
    close_all();
}

static void test_closing_while_it_opens(void **state)
{
    uint64_t request = 0;

    (void)state;
    open_all(3);
    assert_int_equal(hulse_pub_open(&pub), HULSE_OK);
    hulse_peer_welcome(&peer, &bed, &line);
    const uint32_t first = hear_producer(&request);
    hulse_pub_close(&pub);
    hulse_line_hear_close(&line, parts[first].id);
    assert_int_equal(pub.opened, 0);
    close_all();
}

/* Each on a connection of its own. */
static void test_exclusive_access_takes_all_of_them(void **state)
{
    struct line one = {0};
    uint64_t request = 0;

    (void)state;
    for (unsigned fails = 0; fails < 2; fails++) {
        open_all(2);
        pub.params.access = BROKER_ACCESS_EXCLUSIVE;
        pub.params.name = "mine";
        assert_int_equal(hulse_pub_open(&pub), HULSE_OK);
        hulse_peer_welcome(&peer, &bed, &line);
        const uint32_t first = serve(-1);
        one = line;
        line.message_bytes_max = 0;
        hulse_peer_welcome(&peer, &bed, &line);
        assert_int_equal(pub.opened, 0);
        const uint32_t second = hear_producer(&request);
        assert_int_equal(first + second, 1);
        if (fails == 0) {
            hulse_line_say_opened(&line, request, parts[second].name, -1);
        } else {
            hulse_line_say_error(&line, request, PULSAR__SERVER_ERROR__ProducerBusy);
        }
        hulse_pub_await_opened(&pub);
        assert_int_equal(pub.status, fails == 0 ? HULSE_OK : HULSE_BUSY);
        hulse_line_hang_up(&one);
        close_all();
    }
}

/* ---- sending ---- */

static void test_each_goes_where_it_belongs(void **state)
{
    static const uint32_t to[] = {2, 0, 1};
    struct heard h;

    (void)state;
    open_all(3);
    const uint32_t first = open_pub();
    for (uint32_t i = 0; i < 3; i++) {
        send_to((int32_t)to[i]);
        if (to[i] != first) {
            assert_int_equal(serve(-1), to[i]);
        }
        hear_send(to[i], &h);
        assert_int_equal(h.sequence, 0);
        answer(&h);
        hulse_pub_await_answered(&pub, i + 1);
        assert_int_equal(pub.outcomes[i], HULSE_OUTCOME_STORED);
        assert_int_equal(pub.answers[i].id.partition, to[i]);
        assert_true(pub.answers[i].has_id);
    }
    send_to(3);
    assert_int_equal(pub.outcomes[3], HULSE_OUTCOME_UNSUPPORTED);
    close_all();
}

static void test_a_key_is_hashed_as_it_is_sent(void **state)
{
    static const uint8_t binary[] = {0xff, 0x00, 0x80};
    const struct broker_span base64 = {.data = (const uint8_t *)"/wCA", .bytes = 4};
    const struct broker_span text = {.data = (const uint8_t *)"h\xc3\xa9llo", .bytes = 6};
    struct heard h;

    (void)state;
    for (enum broker_hashing kind = BROKER_HASH_JAVA; kind <= BROKER_HASH_BOOST; kind++) {
        open_all(7);
        pub.params.routing.hashing = kind;
        const uint32_t first = open_pub();
        const uint32_t one = hulse_key_hash(kind, text) % 7;
        send_key(text.data, text.bytes);
        if (one != first) {
            assert_int_equal(serve(-1), one);
        }
        hear_send(one, &h);
        answer(&h);
        hulse_pub_await_answered(&pub, 1);
        const uint32_t other = hulse_key_hash(kind, base64) % 7;
        send_key(binary, sizeof(binary));
        if (other != first && other != one) {
            assert_int_equal(serve(-1), other);
        }
        hear_send(other, &h);
        assert_memory_equal(h.metadata.key.data, base64.data, base64.bytes);
        answer(&h);
        hulse_pub_await_answered(&pub, 2);
        close_all();
    }
}

/* The partition takes records at once, before its broker has heard of it. */
static void test_a_partition_that_is_slow_to_open_stops_no_other(void **state)
{
    struct heard h;
    uint64_t request = 0;

    (void)state;
    open_all(2);
    const uint32_t first = open_pub();
    const uint32_t other = 1 - first;
    send_to((int32_t)other);
    send_to((int32_t)first);
    hear_send(first, &h);
    answer(&h);
    assert_int_equal(hear_producer(&request), other);
    hulse_pub_await_answered(&pub, 1);
    assert_int_equal(pub.outcomes[1], HULSE_OUTCOME_STORED);
    hulse_line_say_opened(&line, request, parts[other].name, -1);
    hear_send(other, &h);
    answer(&h);
    hulse_pub_await_answered(&pub, 2);
    assert_int_equal(pub.outcomes[0], HULSE_OUTCOME_STORED);
    close_all();
}

static void test_a_flush_waits_for_all_of_them(void **state)
{
    struct heard first_heard;
    struct heard h;

    (void)state;
    open_all(2);
    const uint32_t first = open_pub();
    const uint32_t other = 1 - first;
    send_to((int32_t)first);
    hear_send(first, &first_heard);
    send_to((int32_t)other);
    assert_int_equal(serve(-1), other);
    hear_send(other, &h);
    assert_int_equal(hulse_pulsar_producer_flush(pub.producer, NULL), HULSE_OK);
    assert_int_equal(hulse_pulsar_producer_flush(pub.producer, NULL), HULSE_BUSY);
    answer(&h);
    hulse_pub_await_answered(&pub, 1);
    assert_int_equal(pub.flushed, 0);
    answer(&first_heard);
    hulse_pub_await_answered(&pub, 2);
    assert_int_equal(pub.flushed, 1);
    assert_int_equal(pub.answered_at_flush, 2);
    assert_int_equal(hulse_pulsar_producer_flush(pub.producer, NULL), HULSE_OK);
    assert_int_equal(pub.flushed, 2);
    close_all();
}

static void test_its_bound_is_over_all_of_them(void **state)
{
    struct heard h[3];

    (void)state;
    open_all(3);
    pub.params.gathering.pending_max = 3;
    const uint32_t first = open_pub();
    for (uint32_t i = 0; i < 3; i++) {
        assert_false(pub.producer->busy);
        send_to((int32_t)i);
        if (i != first) {
            assert_int_equal(serve(-1), i);
        }
        hear_send(i, &h[i]);
    }
    assert_true(pub.producer->busy);
    answer(&h[0]);
    hulse_pub_await_answered(&pub, 1);
    assert_true(pub.producer->busy); /* not at the bound's edge */
    answer(&h[1]);
    hulse_pub_await_answered(&pub, 2);
    assert_false(pub.producer->busy);
    assert_int_equal(pub.freed, 1);
    answer(&h[2]);
    hulse_pub_await_answered(&pub, 3);
    close_all();
}

static void close_it(struct pub *p)
{
    if (!p->closed) {
        hulse_pub_close(p);
    }
}

static void test_it_may_be_closed_in_an_answer(void **state)
{
    struct heard h;

    (void)state;
    open_all(2);
    const uint32_t first = open_pub();
    pub.also = close_it;
    send_to((int32_t)first);
    send_to((int32_t)first);
    hear_send(first, &h);
    assert_int_equal(h.count, 2);
    answer(&h);
    hulse_pub_await_answered(&pub, 1);
    hulse_line_hear_close(&line, parts[first].id);
    close_all();
    /* One that is answered within the call. */
    open_all(2);
    pub.params.gathering.send_timeout_ms = 1;
    const uint32_t one = open_pub();
    pub.also = close_it;
    struct broker_record old = {.payload = {.data = (const uint8_t *)"x", .bytes = 1},
                                .enqueued_ns = 1};
    const struct broker_meta meta = {.partition = (int32_t)one};
    old.meta = &meta;
    hulse_pub_send_record(&pub, &old);
    close_all();
}

static void test_what_is_sent_is_sent_to_its_end(void **state)
{
    struct heard h;

    (void)state;
    open_all(2);
    const uint32_t first = open_pub();
    send_to((int32_t)first);
    hulse_pub_close(&pub);
    hear_send(first, &h);
    answer(&h);
    hulse_line_hear_close(&line, parts[first].id);
    assert_int_equal(pub.answered, 0);
    close_all();
}

/* ---- shared ---- */

static void test_two_producers_share_their_partitions(void **state)
{
    static struct pub other;
    struct heard h;

    (void)state;
    open_all(1);
    const uint32_t first = open_pub();
    hulse_pub_init(&other, &bed);
    other.params.gathering = pub.params.gathering;
    assert_int_equal(hulse_pub_open(&other), HULSE_OK);
    hulse_pub_await_opened(&other);
    assert_int_equal(other.status, HULSE_OK);
    hulse_pub_send(&pub);
    hulse_pub_send(&other);
    hear_send(first, &h);
    assert_int_equal(h.count, 2);
    answer(&h);
    hulse_pub_await_answered(&pub, 1);
    hulse_pub_await_answered(&other, 1);
    hulse_pub_close(&other);
    close_all();
}

/* ---- own ---- */

static void test_an_own_ones_go_by_their_number(void **state)
{
    struct heard h;

    (void)state;
    open_all(3);
    pub.params.own = true;
    pub.params.name = "app/1";
    pub.params.routing.stride = 2;
    const uint32_t first = open_pub();
    for (uint64_t seq = 0; seq < 12; seq++) {
        struct broker_record r = {.payload = {.data = (const uint8_t *)"x", .bytes = 1},
                                  .seq = seq};
        const uint32_t to = (uint32_t)(seq / 2 % 3);
        hulse_pub_send_record(&pub, &r);
        if (parts[to].id == NONE) {
            assert_true(to != first);
            assert_int_equal(serve(-1), to);
            assert_string_equal(parts[to].name, "app/1");
        }
        hear_send(to, &h);
        assert_int_equal(h.sequence, seq);
        answer(&h);
        hulse_pub_await_answered(&pub, (uint32_t)seq + 1);
    }
    close_all();
}

/* Each is compared with its own partition's; before that is known, one by one. */
static void test_an_own_one_goes_on_in_each_of_them(void **state)
{
    uint64_t request = 0;
    struct heard h;

    (void)state;
    open_all(2);
    pub.params.own = true;
    pub.params.name = "app/1";
    pub.params.routing.stride = 1;
    const uint32_t first = open_pub();
    const uint32_t other = 1 - first;
    for (uint64_t seq = 10; seq < 20; seq++) {
        struct broker_record r = {.payload = {.data = (const uint8_t *)"x", .bytes = 1},
                                  .seq = seq};
        if (seq % 2 == other) {
            hulse_pub_send_record(&pub, &r);
        }
    }
    assert_int_equal(hear_producer(&request), other);
    hulse_line_say_opened(&line, request, parts[other].name, 14);
    for (uint32_t i = 0; i < 5; i++) {
        hear_send(other, &h);
        assert_int_equal(h.count, 0);
        answer(&h);
    }
    hulse_pub_await_answered(&pub, 5);
    for (uint64_t seq = 20; seq < 26; seq++) {
        struct broker_record r = {.payload = {.data = (const uint8_t *)"x", .bytes = 1},
                                  .seq = seq};
        if (seq % 2 == other) {
            hulse_pub_send_record(&pub, &r);
        }
    }
    hear_send(other, &h);
    assert_int_equal(h.count, 3);
    answer(&h);
    hulse_pub_await_answered(&pub, 8);
    close_all();
}

static void test_an_own_one_keeps_to_its_number_of_partitions(void **state)
{
    struct heard h;

    (void)state;
    open_all(7);
    bed.kept_ms = 1;
    pub.params.own = true;
    pub.params.name = "app/1";
    pub.params.routing = (struct broker_routing){.stride = 1, .partitions = 2};
    const uint32_t first = open_pub();
    assert_true(first < 2);
    for (uint64_t seq = 0; seq < 8; seq++) {
        struct broker_record r = {.payload = {.data = (const uint8_t *)"x", .bytes = 1},
                                  .seq = seq};
        hulse_pub_send_record(&pub, &r);
        if (parts[seq % 2].id == NONE) {
            assert_int_equal(serve(-1), seq % 2);
        }
        hear_send((uint32_t)(seq % 2), &h);
        answer(&h);
    }
    hulse_pub_await_answered(&pub, 8);
    close_all();
}

/* ---- growth ---- */

static void test_new_ones_are_used(void **state)
{
    struct heard h;

    (void)state;
    open_all(2);
    bed.kept_ms = 1;
    (void)open_pub();
    send_to(4);
    assert_int_equal(pub.outcomes[0], HULSE_OUTCOME_UNSUPPORTED);
    bed.partitions = 5;
    while (bed.grown == 0) {
        hulse_bed_turn(&bed);
    }
    send_to(4);
    assert_int_equal(serve(-1), 4);
    hear_send(4, &h);
    answer(&h);
    hulse_pub_await_answered(&pub, 2);
    assert_int_equal(pub.answers[1].id.partition, 4);
    bed.partitions = 3;
    while (bed.shrunk == 0) {
        hulse_bed_turn(&bed);
    }
    send_to(4);
    hear_send(4, &h);
    answer(&h);
    hulse_pub_await_answered(&pub, 3);
    close_all();
}

/* ---- failures ---- */

static void test_one_that_ends_ends_the_producer(void **state)
{
    struct heard ends;
    struct heard h;

    (void)state;
    open_all(2);
    const uint32_t first = open_pub();
    const uint32_t other = 1 - first;
    send_to((int32_t)other);
    assert_int_equal(serve(-1), other);
    hear_send(other, &ends);
    send_to((int32_t)first);
    hear_send(first, &h);
    hulse_line_say_send_error(
        &line, ends.producer_id, ends.sequence, PULSAR__SERVER_ERROR__TopicTerminatedError);
    hulse_line_hear_close(&line, ends.producer_id);
    while (pub.failed == 0) {
        hulse_bed_turn(&bed);
    }
    assert_int_equal(pub.outcomes[0], HULSE_OUTCOME_TOPIC_TERMINATED);
    answer(&h);
    hulse_pub_await_answered(&pub, 2); /* what is on its way gets its answer */
    assert_int_equal(pub.outcomes[1], HULSE_OUTCOME_STORED);
    send_to((int32_t)first);
    assert_int_equal(pub.outcomes[2], HULSE_OUTCOME_TOPIC_TERMINATED);
    assert_int_equal(pub.failed, 1);
    close_all();
}

static void test_without_memory_it_waits(void **state)
{
    struct heard h;

    (void)state;
    open_all(2);
    const uint32_t first = open_pub();
    const struct broker_meta meta = {.partition = (int32_t)(1 - first)};
    struct broker_record r = {.payload = {.data = (const uint8_t *)"x", .bytes = 1}, .meta = &meta};
    const size_t rest = hulse_mem_cap() - hulse_mem_total();
    assert_true(hulse_mem_take(HULSE_MEM_ADMIN, rest));
    assert_false(hulse_pub_try(&pub, &r));
    assert_true(pub.producer->busy);
    hulse_mem_give(HULSE_MEM_ADMIN, rest);
    while (pub.freed == 0) {
        hulse_bed_turn(&bed);
    }
    assert_true(hulse_pub_try(&pub, &r));
    assert_int_equal(serve(-1), 1 - first);
    hear_send(1 - first, &h);
    answer(&h);
    hulse_pub_await_answered(&pub, 1);
    close_all();
}

static void test_the_worker_may_end_with_it(void **state)
{
    struct heard h;

    (void)state;
    open_all(2);
    const uint32_t first = open_pub();
    send_to((int32_t)first);
    hear_send(first, &h);
    send_to((int32_t)(1 - first));
    hulse_line_hang_up(&line);
    pub.closed = true;
    hulse_bed_close(&bed);
    hulse_peer_close(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_opens_with_one_of_them),
        cmocka_unit_test(test_the_first_ones_failure_is_the_opens),
        cmocka_unit_test(test_more_than_receipts_can_say_is_refused),
        cmocka_unit_test(test_closing_while_it_opens),
        cmocka_unit_test(test_exclusive_access_takes_all_of_them),
        cmocka_unit_test(test_each_goes_where_it_belongs),
        cmocka_unit_test(test_a_key_is_hashed_as_it_is_sent),
        cmocka_unit_test(test_a_partition_that_is_slow_to_open_stops_no_other),
        cmocka_unit_test(test_a_flush_waits_for_all_of_them),
        cmocka_unit_test(test_its_bound_is_over_all_of_them),
        cmocka_unit_test(test_it_may_be_closed_in_an_answer),
        cmocka_unit_test(test_what_is_sent_is_sent_to_its_end),
        cmocka_unit_test(test_two_producers_share_their_partitions),
        cmocka_unit_test(test_an_own_ones_go_by_their_number),
        cmocka_unit_test(test_an_own_one_goes_on_in_each_of_them),
        cmocka_unit_test(test_an_own_one_keeps_to_its_number_of_partitions),
        cmocka_unit_test(test_new_ones_are_used),
        cmocka_unit_test(test_one_that_ends_ends_the_producer),
        cmocka_unit_test(test_without_memory_it_waits),
        cmocka_unit_test(test_the_worker_may_end_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
