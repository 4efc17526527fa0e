/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   records become batches and messages that say what they should, each is answered once, with its id; what is
 *         unanswered is kept within its bounds.
 * Method: a broker played by hand, frames read back with wire/.
 */
#include "daemon/broker/pulsar/wire/batch_reader.h"
#include "daemon/broker/pulsar/wire/compression.h"
#include "daemon/broker/pulsar/wire/expiry.h"
#include "daemon/broker/pulsar/wire/properties.h"
#include "daemon/core/clock.h"
#include "daemon/core/mem.h"
#include "tests/unit/daemon/broker/pulsar/producer/peer.h"

#include <stdio.h>
#include <string.h>

static struct bed bed;
static struct peer peer;
static struct line line;
static struct pub pub;
static struct pub other;

static void open_all(void)
{
    hulse_peer_open(&peer);
    hulse_bed_open(&bed, peer.port);
    memset(&line, 0, sizeof(line));
    hulse_pub_init(&pub, &bed);
}

static uint64_t open_pub(void)
{
    assert_int_equal(hulse_pub_open(&pub), HULSE_OK);
    const uint64_t id = hulse_peer_serve(&peer, &bed, &line, 0);
    hulse_pub_await_opened(&pub);
    assert_int_equal(pub.status, HULSE_OK);
    return id;
}

static void close_all(uint64_t id)
{
    hulse_pub_close(&pub);
    hulse_line_hear_close(&line, id);
    hulse_line_hang_up(&line);
    hulse_bed_close(&bed);
    hulse_peer_close(&peer);
}

static void test_one_record_is_stored_with_its_id(void **state)
{
    struct heard h;

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    assert_int_equal(pub.message_bytes_max, 5242880);
    hulse_pub_send(&pub);
    hulse_line_hear_send(&line, &h);
    assert_int_equal(h.producer_id, id);
    assert_int_equal(h.sequence, 0);
    assert_int_equal(h.count, 1);
    hulse_line_say_receipt(&line, &h, 9);
    hulse_pub_await_answered(&pub, 1);
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

/* The payload as it was before compression. */
static struct broker_span plain_of(const struct heard *h, uint8_t *out)
{
    if (h->metadata.compression == 0) {
        return h->payload;
    }
    assert_int_equal(hulse_wire_decompress(bed.worker.contexts,
                                           h->metadata.compression,
                                           h->payload,
                                           out,
                                           h->metadata.uncompressed_bytes),
                     WIRE_COMPRESSION_OK);
    return (struct broker_span){.data = out, .bytes = h->metadata.uncompressed_bytes};
}

/* Ordinary records, whose payloads are their numbers: wire sequence ids `first` and on are numbers `number` and on. */
static void expect_batch(const struct heard *h, uint32_t first, uint32_t number, uint32_t count)
{
    static uint8_t plain[1U << 20U];
    struct wire_batch_reader reader;
    struct wire_batch_message m;
    const char *why = NULL;
    char text[BED_PAYLOAD + 1];

    assert_int_equal(h->count, count);
    assert_int_equal(h->sequence, first);
    assert_int_equal(h->highest, first + count - 1);
    assert_int_equal(h->metadata.batch_count, count);
    assert_int_equal(h->metadata.highest_sequence_id, h->highest);
    assert_true(hulse_wire_batch_open(&reader, &h->metadata, plain_of(h, plain), &why));
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(hulse_wire_batch_next(&reader, &m, &why), WIRE_BATCH_OK);
        (void)snprintf(text, sizeof(text), "%020u", number + i);
        assert_int_equal(m.payload.bytes, BED_PAYLOAD);
        assert_memory_equal(m.payload.data, text, BED_PAYLOAD);
        assert_int_equal(m.meta.sequence_id, first + i);
    }
    assert_int_equal(hulse_wire_batch_next(&reader, &m, &why), WIRE_BATCH_END);
}

static void send_many(struct pub *p, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        hulse_pub_send(p);
    }
}

static void test_batches_go_at_once_until_some_are_unanswered(void **state)
{
    struct heard h;

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    for (uint32_t i = 0; i < 4; i++) {
        send_many(&pub, 3);
        hulse_line_hear_send(&line, &h);
        expect_batch(&h, 3 * i, 3 * i, 3);
    }
    send_many(&pub, 5);
    assert_true(hulse_line_is_quiet(&line));
    send_many(&pub, 5);
    assert_true(hulse_line_is_quiet(&line));
    hulse_line_say_receipt_of(&line, id, 0, 2);
    hulse_line_hear_send(&line, &h);
    expect_batch(&h, 12, 12, 10);
    hulse_pub_await_answered(&pub, 3);
    assert_false(pub.answers[0].has_id);
    for (uint32_t i = 1; i < 4; i++) {
        hulse_line_say_receipt_of(&line, id, INT64_C(3) * i, INT64_C(3) * i + 2);
    }
    hulse_line_say_receipt(&line, &h, 1);
    hulse_pub_await_answered(&pub, 22);
    assert_true(pub.in_order);
    assert_int_equal(pub.answers[21].id.batch, 9);
    assert_int_equal(pub.answers[21].id.batch_size, 10);
    close_all(id);
}

static void test_full_batches_go_whatever_is_unanswered(void **state)
{
    struct heard h;

    (void)state;
    open_all();
    pub.params.gathering.batch_max = 100;
    pub.params.gathering.eager_max = 1;
    const uint64_t id = open_pub();
    send_many(&pub, 1);
    hulse_line_hear_send(&line, &h);
    send_many(&pub, 250);
    for (uint32_t i = 0; i < 2; i++) {
        hulse_line_hear_send(&line, &h);
        expect_batch(&h, 1 + 100 * i, 1 + 100 * i, 100);
    }
    assert_true(hulse_line_is_quiet(&line));
    hulse_line_say_receipt_of(&line, id, 0, 0);
    hulse_line_hear_send(&line, &h);
    expect_batch(&h, 201, 201, 50);
    hulse_line_say_receipt_of(&line, id, 1, 100);
    hulse_line_say_receipt_of(&line, id, 101, 200);
    hulse_line_say_receipt_of(&line, id, 201, 250);
    hulse_pub_await_answered(&pub, 251);
    assert_true(pub.in_order);
    close_all(id);
}

static void test_a_batch_goes_after_its_delay(void **state)
{
    struct heard h;

    (void)state;
    open_all();
    pub.params.gathering.batch_delay_ms = 5;
    pub.params.gathering.eager_max = 1;
    const uint64_t id = open_pub();
    send_many(&pub, 1);
    hulse_line_hear_send(&line, &h);
    send_many(&pub, 2);
    hulse_line_hear_send(&line, &h);
    expect_batch(&h, 1, 1, 2);
    hulse_line_say_receipt_of(&line, id, 0, 0);
    hulse_line_say_receipt_of(&line, id, 1, 2);
    hulse_pub_await_answered(&pub, 3);
    close_all(id);
}

static void test_producers_of_a_topic_share_one_on_the_wire(void **state)
{
    struct heard h;

    (void)state;
    open_all();
    hulse_pub_init(&other, &bed);
    const uint64_t id = open_pub();
    assert_int_equal(hulse_pub_open(&other), HULSE_OK);
    assert_int_equal(other.opened, 1);
    hulse_pub_send(&pub);
    hulse_pub_send(&other);
    hulse_pub_send(&pub);
    hulse_line_hear_send(&line, &h);
    assert_int_equal(h.count, 3);
    hulse_pub_close(&other);
    assert_true(hulse_line_is_quiet(&line));
    hulse_line_say_receipt(&line, &h, 1);
    hulse_pub_await_answered(&pub, 2);
    assert_int_equal(pub.answers[0].id.batch, 0);
    assert_int_equal(pub.answers[1].id.batch, 2);
    close_all(id);
}

static void test_other_settings_are_another_producer(void **state)
{
    char name[256];
    char second[256];
    uint64_t id = 0;
    uint64_t next = 0;

    (void)state;
    open_all();
    hulse_pub_init(&other, &bed);
    other.params.gathering.compression = BROKER_LZ4;
    assert_int_equal(hulse_pub_open(&pub), HULSE_OK);
    hulse_peer_welcome(&peer, &bed, &line);
    hulse_line_say_opened(&line, hulse_line_hear_producer(&line, &id, 0, name), name, -1);
    hulse_pub_await_opened(&pub);
    assert_int_equal(hulse_pub_open(&other), HULSE_OK);
    hulse_line_say_opened(&line, hulse_line_hear_producer(&line, &next, 0, second), second, -1);
    hulse_pub_await_opened(&other);
    assert_int_not_equal(id, next);
    assert_string_not_equal(name, second);
    assert_string_equal(name, "bed-0000000000000000-0");
    hulse_pub_close(&other);
    hulse_line_hear_close(&line, next);
    close_all(id);
}

static void test_what_cannot_be_batched_goes_alone_and_in_order(void **state)
{
    struct heard h;
    const struct broker_meta delayed = {.partition = -1, .deliver_after_ms = 60000};
    struct broker_record r = {.payload = {.data = (const uint8_t *)"x", .bytes = 1}, .alone = true};

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    hulse_pub_send(&pub);
    hulse_pub_send_record(&pub, &r);
    r.alone = false;
    r.meta = &delayed;
    hulse_pub_send_record(&pub, &r);
    hulse_pub_send(&pub);
    hulse_line_hear_send(&line, &h);
    expect_batch(&h, 0, 0, 1);
    hulse_line_hear_send(&line, &h);
    assert_int_equal(h.count, 0);
    assert_int_equal(h.sequence, 1);
    assert_int_equal(h.payload.bytes, 1);
    assert_false(hulse_wire_has(h.metadata.has, WIRE_META_BATCH));
    hulse_line_hear_send(&line, &h);
    assert_int_equal(h.sequence, 2);
    assert_int_equal(h.metadata.deliver_at_ms - (int64_t)h.metadata.publish_time_ms, 60000);
    hulse_line_hear_send(&line, &h);
    expect_batch(&h, 3, 3, 1);
    hulse_line_say_receipt_of(&line, id, 0, 0);
    hulse_line_say_receipt_of(&line, id, 1, -1);
    hulse_line_say_receipt_of(&line, id, 2, 0);
    hulse_line_say_receipt_of(&line, id, 3, 3);
    hulse_pub_await_answered(&pub, 4);
    assert_true(pub.in_order);
    close_all(id);
}

static void test_metadata_are_said(void **state)
{
    struct heard h;
    struct wire_batch_reader reader;
    struct wire_batch_message m;
    const char *why = NULL;
    struct broker_meta meta = {.partition = -1,
                               .key = {.data = (const uint8_t *)"\xff\xfe", .bytes = 2},
                               .ordering_key = {.data = (const uint8_t *)"o", .bytes = 1},
                               .properties = {.data = (const uint8_t *)"\1\0\2\0nab", .bytes = 7},
                               .event_time_ms = 12345,
                               .has_key = true,
                               .has_ordering_key = true,
                               .tombstone = true};
    struct broker_record r = {.meta = &meta};

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    hulse_pub_send_record(&pub, &r);
    r.alone = true;
    hulse_pub_send_record(&pub, &r);
    hulse_line_hear_send(&line, &h);
    assert_true(hulse_wire_batch_open(&reader, &h.metadata, h.payload, &why));
    assert_int_equal(hulse_wire_batch_next(&reader, &m, &why), WIRE_BATCH_OK);
    assert_true(m.meta.null_value && m.meta.key_base64);
    assert_int_equal(m.meta.event_time_ms, 12345);
    assert_int_equal(m.meta.properties.count, 1);
    assert_memory_equal(h.metadata.key.data, "//4=", 4);
    assert_memory_equal(h.metadata.ordering_key.data, "o", 1);
    hulse_line_say_receipt(&line, &h, 1);
    hulse_line_hear_send(&line, &h);
    assert_int_equal(h.payload.bytes, 0);
    assert_true(h.metadata.null_value && h.metadata.key_base64);
    assert_int_equal(h.metadata.event_time_ms, 12345);
    assert_int_equal(h.metadata.properties.count, 1);
    assert_memory_equal(h.metadata.key.data, "//4=", 4);
    hulse_line_say_receipt(&line, &h, 2);
    hulse_pub_await_answered(&pub, 2);
    assert_int_equal(pub.answers[1].id.batch, -1);
    assert_int_equal(pub.answers[1].id.batch_size, 0);
    close_all(id);
}

/* A batch has one choice of clusters, so what chooses goes alone, and behind what was gathered. */
static void test_clusters_are_said(void **state)
{
    static const uint8_t two[] = {2, 0, 'w', 'e', 4, 0, 'e', 'a', 's', 't'};
    static const uint8_t none[] = {0, 0};
    static const char wire_two[] = "\x3a\x02we\x3a\x04"
                                   "east";
    static const char wire_none[] = "\x3a\x09__local__";
    struct broker_meta meta = {.partition = -1,
                               .replicate_to = {.data = two, .bytes = sizeof(two)}};
    struct broker_record r = {.payload = {.data = (const uint8_t *)"x", .bytes = 1}, .meta = &meta};
    struct heard h;

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    hulse_pub_send(&pub);
    hulse_pub_send_record(&pub, &r);
    meta.replicate_to = (struct broker_span){.data = none, .bytes = sizeof(none)};
    hulse_pub_send_record(&pub, &r);
    hulse_pub_send(&pub);
    for (uint32_t i = 0; i < 4; i++) {
        const bool chooses = i == 1 || i == 2;
        hulse_line_hear_send(&line, &h);
        assert_int_equal(h.count, chooses ? 0 : 1);
        const void *to = memmem(h.frame, h.frame_bytes, wire_two, sizeof(wire_two) - 1);
        const void *local = memmem(h.frame, h.frame_bytes, wire_none, sizeof(wire_none) - 1);
        assert_int_equal(to != NULL, i == 1);
        assert_int_equal(local != NULL, i == 2);
        hulse_line_say_receipt(&line, &h, i);
    }
    hulse_pub_await_answered(&pub, 4);
    close_all(id);
}

/* Pulsar has no time to live for one message: it goes as a property, from the moment it entered the ring. */
static void test_a_time_to_live_goes_with_the_message(void **state)
{
    static const uint8_t another[] = {1, 0, 1, 0, 'a', 'b'};
    struct broker_meta meta = {.properties = {.data = another, .bytes = sizeof(another)},
                               .ttl_ms = 60000,
                               .partition = -1};
    struct broker_record r = {.payload = {.data = (const uint8_t *)"x", .bytes = 1}, .meta = &meta};
    struct heard h;

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    for (unsigned alone = 0; alone < 2; alone++) {
        struct wire_batch_reader reader;
        struct wire_batch_message m;
        uint8_t encoded[128];
        const char *why = NULL;

        r.alone = alone == 1;
        r.enqueued_ns = hulse_clock_coarse_ns() - 10000 * UINT64_C(1000000);
        const uint64_t before = hulse_clock_wall_ms();
        hulse_pub_send_record(&pub, &r);
        hulse_line_hear_send(&line, &h);
        const struct wire_properties *said = &h.metadata.properties;
        if (alone == 0) {
            assert_true(hulse_wire_batch_open(&reader, &h.metadata, h.payload, &why));
            assert_int_equal(hulse_wire_batch_next(&reader, &m, &why), WIRE_BATCH_OK);
            said = &m.meta.properties;
        }
        assert_int_equal(said->count, 2);
        assert_true(said->encoded_bytes <= sizeof(encoded));
        assert_int_equal(hulse_wire_properties_encode(said, encoded), 0);
        const uint64_t until = hulse_wire_expiry_find(
            (struct broker_span){.data = encoded, .bytes = (uint32_t)said->encoded_bytes});
        assert_in_range(until, before + 48000, hulse_clock_wall_ms() + 50100);
        hulse_line_say_receipt(&line, &h, 1);
        hulse_pub_await_answered(&pub, alone + 1);
    }
    close_all(id);
}

static void test_payloads_are_compressed_where_it_helps(void **state)
{
    struct heard h;

    (void)state;
    for (int kind = BROKER_LZ4; kind <= BROKER_SNAPPY; kind++) {
        open_all();
        pub.params.gathering.compression = (enum broker_compression)kind;
        const uint64_t id = open_pub();
        send_many(&pub, 500);
        hulse_line_hear_send(&line, &h);
        assert_int_not_equal(h.metadata.compression, 0);
        assert_true(h.payload.bytes < h.metadata.uncompressed_bytes);
        expect_batch(&h, 0, 0, 500);
        hulse_line_say_receipt(&line, &h, 1);
        struct broker_record r = {.alone = true};
        hulse_pub_send_record(&pub, &r); /* nothing, which no codec makes smaller */
        hulse_line_hear_send(&line, &h);
        assert_int_equal(h.metadata.compression, 0);
        assert_int_equal(h.payload.bytes, 0);
        hulse_line_say_receipt(&line, &h, 2);
        hulse_pub_await_answered(&pub, 501);
        close_all(id);
    }
}

static void test_messages_up_to_the_limit_and_no_larger(void **state)
{
    enum { MOST = 100000 };
    static uint8_t payload[MOST];
    struct heard h;
    struct broker_record r = {.payload = {.data = payload, .bytes = MOST}};

    (void)state;
    open_all();
    line.message_bytes_max = MOST;
    pub.params.gathering.pending_bytes = 1U << 30U;
    const uint64_t id = open_pub();
    assert_int_equal(pub.message_bytes_max, MOST);
    /* From what is too large with its metadata down to what is not. */
    do {
        assert_true(r.payload.bytes > MOST - 1000);
        hulse_pub_send_record(&pub, &r);
        r.payload.bytes -= 8;
    } while (pub.outcomes[pub.sent - 1] == HULSE_OUTCOME_TOO_LARGE);
    const uint32_t refused = pub.answered;
    assert_int_equal(pub.answers[0].class, BROKER_TOO_LARGE);
    assert_true(refused > 0 && refused == pub.sent - 1);
    hulse_line_hear_send(&line, &h);
    assert_int_equal(h.sequence, 0); /* none was spent on those */
    assert_int_equal(h.payload.bytes > MOST - 1000, 1);
    hulse_line_say_receipt(&line, &h, 1);
    hulse_pub_await_answered(&pub, refused + 1);
    close_all(id);
}

static void test_batches_stay_below_the_limit(void **state)
{
    static uint8_t payload[400];
    struct heard h;
    struct broker_record r = {.payload = {.data = payload, .bytes = sizeof(payload)}};
    uint64_t next = 0;

    (void)state;
    open_all();
    line.message_bytes_max = 8192;
    const uint64_t id = open_pub();
    for (uint32_t i = 0; i < 100; i++) {
        hulse_pub_send_record(&pub, &r);
    }
    hulse_pulsar_senders_flush(bed.worker.senders);
    while (next < 100) {
        hulse_line_hear_send(&line, &h);
        assert_int_equal(h.sequence, next);
        assert_true(h.payload.bytes < 8192);
        next = h.highest + 1;
        hulse_line_say_receipt(&line, &h, 1);
    }
    hulse_pub_await_answered(&pub, 100);
    close_all(id);
}

static void test_a_producer_is_busy_at_its_bound(void **state)
{
    struct heard h;

    (void)state;
    open_all();
    pub.params.gathering.pending_max = 10;
    const uint64_t id = open_pub();
    send_many(&pub, 9);
    assert_false(pub.producer->busy);
    send_many(&pub, 1);
    assert_true(pub.producer->busy);
    hulse_line_hear_send(&line, &h);
    hulse_line_say_receipt(&line, &h, 1);
    hulse_pub_await_answered(&pub, 10);
    assert_int_equal(pub.freed, 1);
    assert_false(pub.producer->busy);
    close_all(id);

    open_all();
    pub.params.gathering.pending_bytes = 1000;
    const uint64_t again = open_pub();
    while (!pub.producer->busy) {
        hulse_pub_send(&pub);
        assert_true(pub.sent <= 1000 / BED_PAYLOAD);
    }
    hulse_line_hear_send(&line, &h);
    hulse_line_say_receipt(&line, &h, 1);
    hulse_pub_await_answered(&pub, pub.sent);
    assert_int_equal(pub.freed, 1);
    close_all(again);
}

static void test_flush_waits_for_what_came_before_it(void **state)
{
    struct heard h;
    struct error err;

    (void)state;
    open_all();
    pub.params.gathering.eager_max = 1;
    const uint64_t id = open_pub();
    assert_int_equal(hulse_pulsar_producer_flush(pub.producer, &err), HULSE_OK);
    assert_int_equal(pub.flushed, 1);
    hulse_pub_send(&pub);
    hulse_line_hear_send(&line, &h);
    hulse_pub_send(&pub);
    assert_int_equal(hulse_pulsar_producer_flush(pub.producer, &err), HULSE_OK);
    assert_int_equal(hulse_pulsar_producer_flush(pub.producer, &err), HULSE_BUSY);
    hulse_line_hear_send(&line, &h); /* though one is unanswered */
    expect_batch(&h, 1, 1, 1);
    hulse_pub_send(&pub);
    hulse_line_say_receipt_of(&line, id, 0, 0);
    hulse_line_hear_send(&line, &h);
    assert_int_equal(pub.flushed, 1);
    hulse_line_say_receipt_of(&line, id, 1, 1);
    hulse_pub_await_answered(&pub, 2);
    assert_int_equal(pub.flushed, 2);
    assert_int_equal(pub.answered_at_flush, 2);
    hulse_line_say_receipt_of(&line, id, 2, 2);
    hulse_pub_await_answered(&pub, 3);
    assert_int_equal(pub.flushed, 2);
    close_all(id);
}

static void test_what_was_sent_before_a_close_is_sent(void **state)
{
    struct heard h;

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    send_many(&pub, 3);
    hulse_pub_close(&pub);
    hulse_line_hear_send(&line, &h);
    expect_batch(&h, 0, 0, 3);
    assert_true(hulse_line_is_quiet(&line));
    hulse_line_say_receipt(&line, &h, 1);
    hulse_line_hear_close(&line, id);
    hulse_line_hang_up(&line);
    hulse_bed_close(&bed);
    hulse_peer_close(&peer);
}

/* Sends more within the first answer, closes within the second. */
static void meddle(struct pub *p)
{
    if (p->answered == 1) {
        hulse_pub_send(p);
    } else {
        p->also = NULL;
        hulse_pub_close(p);
    }
}

static void test_anything_may_be_done_within_an_answer(void **state)
{
    struct heard h;

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    send_many(&pub, 3);
    hulse_line_hear_send(&line, &h);
    pub.also = meddle;
    hulse_line_say_receipt(&line, &h, 1);
    hulse_line_hear_send(&line, &h);
    expect_batch(&h, 3, 3, 1);
    assert_int_equal(pub.answered, 2);
    hulse_line_say_receipt(&line, &h, 2);
    hulse_line_hear_close(&line, id);
    hulse_line_hang_up(&line);
    hulse_bed_close(&bed);
    hulse_peer_close(&peer);
}

/* What gets no memory is left, and asked for again whoever gives memory back; what is sent meanwhile is in order. */
static void test_a_record_without_memory_waits(void **state)
{
    static uint8_t payload[100000];
    struct broker_record large = {.payload = {.data = payload, .bytes = sizeof(payload)},
                                  .alone = true};
    struct heard h;

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    hulse_mem_init(hulse_mem_total() * 2);
    assert_false(hulse_pub_try(&pub, &large));
    assert_true(pub.producer->busy);
    for (unsigned times = 1; times < 3;
         times++) { /* nothing of its own is unanswered: time alone wakes it */
        while (pub.freed < times) {
            hulse_bed_turn(&bed);
        }
        assert_false(pub.producer->busy);
        assert_false(hulse_pub_try(&pub, &large));
    }
    hulse_mem_init(SIZE_MAX);
    while (pub.freed < 3) {
        hulse_bed_turn(&bed);
    }
    assert_true(hulse_pub_try(&pub, &large));
    hulse_pub_send(&pub);
    for (uint32_t i = 0; i < 2; i++) {
        hulse_line_hear_send(&line, &h);
        assert_int_equal(h.sequence, i);
        hulse_line_say_receipt(&line, &h, i);
    }
    hulse_pub_await_answered(&pub, 2);
    assert_int_equal(pub.outcomes[0], HULSE_OUTCOME_STORED);
    close_all(id);
}

/* What compressing takes is not what the message waits for. */
static void test_a_record_without_memory_to_compress_goes_as_it_is(void **state)
{
    static uint8_t payload[300000];
    struct broker_record large = {.payload = {.data = payload, .bytes = sizeof(payload)},
                                  .alone = true};
    uint32_t number = 1;
    struct heard h;

    (void)state;
    for (size_t i = 0; i < sizeof(payload); i++) {
        number = number * 1664525U + 1013904223U;
        payload[i] = (uint8_t)(number >> 24U);
    }
    open_all();
    pub.params.gathering.compression = BROKER_LZ4;
    const uint64_t id = open_pub();
    hulse_mem_init((hulse_mem_total() + 400000) / 15 * 16);
    assert_true(hulse_pub_try(&pub, &large));
    hulse_mem_init(SIZE_MAX);
    hulse_line_hear_send(&line, &h);
    assert_int_equal(h.metadata.compression, 0);
    assert_int_equal(h.payload.bytes, sizeof(payload));
    hulse_line_say_receipt(&line, &h, 1);
    hulse_pub_await_answered(&pub, 1);
    close_all(id);
}

/* Batches too; and its own receipts wake it at once. */
static void test_a_batch_without_memory_waits(void **state)
{
    struct heard h;
    uint32_t taken = 0;
    uint32_t next = 0;

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    hulse_mem_init(hulse_mem_total() + 20000);
    while (hulse_pub_try(&pub, NULL)) {
        taken++;
    }
    assert_true(taken > 10);
    assert_true(pub.producer->busy);
    assert_true(hulse_mem_total() < hulse_mem_cap()); /* something is left to others */
    while (pub.sent < 4 * taken) {
        if (!pub.producer->busy) {
            (void)hulse_pub_try(&pub, NULL);
        }
        if (pub.producer->busy && hulse_line_has_something(&line)) {
            hulse_line_hear_send(&line, &h);
            assert_int_equal(h.sequence, next);
            next = (uint32_t)h.highest + 1;
            hulse_line_say_receipt(&line, &h, 1);
        }
    }
    hulse_mem_init(SIZE_MAX);
    while (pub.answered < pub.sent) {
        if (hulse_line_has_something(&line)) {
            hulse_line_hear_send(&line, &h);
            hulse_line_say_receipt(&line, &h, 1);
        }
    }
    assert_true(pub.in_order);
    for (uint32_t i = 0; i < pub.sent; i++) {
        assert_int_equal(pub.outcomes[i], HULSE_OUTCOME_STORED);
    }
    close_all(id);
}

/* It would wait for ever. */
static void test_a_record_beyond_the_daemons_memory_fails(void **state)
{
    static uint8_t payload[100000];
    struct broker_record large = {.payload = {.data = payload, .bytes = sizeof(payload)},
                                  .alone = true};

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    hulse_mem_init(150000);
    assert_true(hulse_pub_try(&pub, &large));
    assert_int_equal(pub.outcomes[0], HULSE_OUTCOME_NO_MEMORY);
    hulse_mem_init(SIZE_MAX);
    close_all(id);
}

static void test_a_starving_producer_may_be_closed(void **state)
{
    static uint8_t payload[100000];
    struct broker_record large = {.payload = {.data = payload, .bytes = sizeof(payload)},
                                  .alone = true};

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    hulse_mem_init(hulse_mem_total() * 2);
    assert_false(hulse_pub_try(&pub, &large));
    close_all(id);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_one_record_is_stored_with_its_id),
    cmocka_unit_test(test_batches_go_at_once_until_some_are_unanswered),
    cmocka_unit_test(test_full_batches_go_whatever_is_unanswered),
    cmocka_unit_test(test_a_batch_goes_after_its_delay),
    cmocka_unit_test(test_producers_of_a_topic_share_one_on_the_wire),
    cmocka_unit_test(test_other_settings_are_another_producer),
    cmocka_unit_test(test_what_cannot_be_batched_goes_alone_and_in_order),
    cmocka_unit_test(test_metadata_are_said),
    cmocka_unit_test(test_clusters_are_said),
    cmocka_unit_test(test_a_time_to_live_goes_with_the_message),
    cmocka_unit_test(test_payloads_are_compressed_where_it_helps),
    cmocka_unit_test(test_messages_up_to_the_limit_and_no_larger),
    cmocka_unit_test(test_batches_stay_below_the_limit),
    cmocka_unit_test(test_a_producer_is_busy_at_its_bound),
    cmocka_unit_test(test_flush_waits_for_what_came_before_it),
    cmocka_unit_test(test_what_was_sent_before_a_close_is_sent),
    cmocka_unit_test(test_anything_may_be_done_within_an_answer),
    cmocka_unit_test(test_a_record_without_memory_waits),
    cmocka_unit_test(test_a_record_without_memory_to_compress_goes_as_it_is),
    cmocka_unit_test(test_a_batch_without_memory_waits),
    cmocka_unit_test(test_a_record_beyond_the_daemons_memory_fails),
    cmocka_unit_test(test_a_starving_producer_may_be_closed),
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, NULL);
}
