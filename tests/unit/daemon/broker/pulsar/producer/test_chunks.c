/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what is too large for one message goes in chunks that are like those of the official clients, once and in order,
 *         under another uuid after a loss; it has one answer, and fails as a whole.
 * Method: a broker played by hand, frames read back with wire/.
 */
#include "daemon/broker/pulsar/wire/compression.h"
#include "daemon/broker/pulsar/wire/frame.h"
#include "daemon/core/clock.h"
#include "daemon/core/mem.h"
#include "tests/unit/daemon/broker/pulsar/producer/peer.h"

#include <stdio.h>
#include <string.h>

#define LIMIT 100000
#define LARGE 350000U /* four chunks */

static struct bed bed;
static struct peer peer;
static struct line line;
static struct line second;
static struct pub pub;
static uint8_t payload[BED_CHUNKED_BYTES_MAX + 1];
static uint8_t got[BED_CHUNKED_BYTES_MAX];
static char last_uuid[300];

static void open_all(void)
{
    uint32_t number = 1;

    for (size_t i = 0; i < sizeof(payload); i++) {
        number = number * 1664525U + 1013904223U;
        payload[i] = (uint8_t)(number >> 24U);
    }
    hulse_peer_open(&peer);
    hulse_bed_open(&bed, peer.port);
    memset(&line, 0, sizeof(line));
    memset(&second, 0, sizeof(second));
    line.message_bytes_max = LIMIT;
    second.message_bytes_max = LIMIT;
    hulse_pub_init(&pub, &bed);
    pub.params.gathering.chunking = true;
    pub.params.gathering.pending_bytes = 1U << 30U;
}

static uint64_t open_pub(void)
{
    assert_int_equal(hulse_pub_open(&pub), HULSE_OK);
    const uint64_t id = hulse_peer_serve(&peer, &bed, &line, 0);
    hulse_pub_await_opened(&pub);
    assert_int_equal(pub.status, HULSE_OK);
    return id;
}

/* Whatever is on the line is heard by nobody. */
static void close_all(struct line *l)
{
    hulse_line_hang_up(l);
    if (!pub.closed) {
        hulse_pub_close(&pub);
    }
    hulse_bed_close(&bed);
    hulse_peer_close(&peer);
}

static struct broker_record record_of(uint32_t bytes)
{
    return (struct broker_record){.payload = {.data = payload, .bytes = bytes}};
}

static void send_large(uint32_t bytes)
{
    struct broker_record r = record_of(bytes);
    hulse_pub_send_record(&pub, &r);
}

/* `<name>-<sequence>-<attempt>`, which a message has in all of its chunks, and each attempt to send it another. */
static void check_uuid(const struct heard *h, bool another)
{
    char uuid[300];
    char stem[300];

    (void)snprintf(uuid,
                   sizeof(uuid),
                   "%.*s",
                   (int)h->metadata.uuid.bytes,
                   (const char *)h->metadata.uuid.data);
    (void)snprintf(stem,
                   sizeof(stem),
                   "%.*s-%u-",
                   (int)h->metadata.producer_name.bytes,
                   (const char *)h->metadata.producer_name.data,
                   (unsigned)h->sequence);
    assert_memory_equal(uuid, stem, strlen(stem));
    assert_int_equal(strspn(uuid + strlen(stem), "0123456789abcdef"), 8);
    assert_int_equal(strlen(uuid), strlen(stem) + 8);
    assert_int_equal(strcmp(uuid, last_uuid) != 0, another);
    memcpy(last_uuid, uuid, sizeof(uuid));
}

/* The next SEND is that chunk, and its part of the payload the next one of `got`. A first chunk has another uuid. */
static void
hear_chunk(struct line *l, struct heard *h, uint64_t sequence, int32_t chunk, uint32_t *at)
{
    hulse_line_hear_send(l, h);
    assert_int_equal(h->sequence, sequence);
    assert_int_equal(h->count, 0);
    assert_true(h->is_chunk);
    assert_int_equal(h->metadata.chunk, chunk);
    assert_true(hulse_wire_has(h->metadata.has, WIRE_META_CHUNK));
    assert_false(hulse_wire_has(h->metadata.has, WIRE_META_BATCH));
    check_uuid(h, chunk == 0);
    assert_true(h->payload.bytes > 0 && h->frame_bytes <= LIMIT + 100);
    memcpy(got + *at, h->payload.data, h->payload.bytes);
    *at += h->payload.bytes;
}

static void test_chunks_are_the_message(void **state)
{
    static const uint8_t key[] = {'k'};
    const struct broker_meta meta = {
        .key = {.data = key, .bytes = 1}, .has_key = true, .partition = -1, .event_time_ms = 77};
    struct broker_record r = record_of(LARGE);
    struct heard h;
    uint32_t at = 0;

    (void)state;
    open_all();
    (void)open_pub();
    assert_int_equal(pub.message_bytes_max, BED_CHUNKED_BYTES_MAX);
    hulse_pub_send(&pub);
    r.meta = &meta;
    hulse_pub_send_record(&pub, &r);
    hulse_pub_send(&pub);
    hulse_line_hear_send(&line, &h);
    assert_int_equal(h.sequence, 0);
    hulse_line_say_receipt(&line, &h, 1);
    for (int32_t i = 0; i < 4; i++) {
        hear_chunk(&line, &h, 1, i, &at);
        assert_int_equal(h.metadata.chunk_count, 4);
        assert_int_equal(h.metadata.chunked_bytes, LARGE);
        assert_int_equal(h.metadata.uncompressed_bytes, LARGE);
        assert_int_equal(h.metadata.event_time_ms, 77);
        assert_int_equal(h.metadata.key.bytes, 1);
        assert_int_equal(pub.outcomes[1], 0);
        hulse_line_say_receipt(&line, &h, 10 + (uint64_t)i);
    }
    assert_int_equal(at, LARGE);
    assert_memory_equal(got, payload, LARGE);
    hulse_line_hear_send(&line, &h);
    assert_int_equal(h.sequence, 2);
    hulse_line_say_receipt(&line, &h, 20);
    hulse_pub_await_answered(&pub, 3);
    assert_int_equal(pub.outcomes[1], HULSE_OUTCOME_STORED);
    assert_int_equal(pub.answers[1].id.entry, 13);
    assert_int_equal(pub.answers[1].id.batch, -1);
    assert_int_equal(bed.worker.senders->figures.chunked, 1);
    close_all(&line);
}

/* Every size around the limits is one message or several, none is refused, and no part is too large. */
static void test_every_size_goes(void **state)
{
    struct heard h;
    uint32_t sent = 0;

    (void)state;
    open_all();
    (void)open_pub();
    for (uint32_t around = LIMIT; around <= 2 * LIMIT; around += LIMIT) {
        for (uint32_t bytes = around - 900; bytes <= around + 8; bytes += 4, sent++) {
            uint32_t at = 0;
            send_large(bytes);
            do {
                hulse_line_hear_send(&line, &h);
                assert_int_equal(h.sequence, sent);
                memcpy(got + at, h.payload.data, h.payload.bytes);
                at += h.payload.bytes;
                hulse_line_say_receipt(&line, &h, 1);
            } while (h.metadata.chunk + 1 < h.metadata.chunk_count);
            assert_int_equal(at, bytes);
            assert_memory_equal(got, payload, bytes);
            /* No more than it takes: 68 bytes are kept free, and metadata are less than 150. */
            assert_true(h.metadata.chunk_count != 0 || bytes < LIMIT - 68);
            assert_true(h.metadata.chunk_count <= 2 || bytes > 2 * LIMIT - 2 * 600);
            assert_true(h.metadata.chunk_count == 0 || bytes > LIMIT - 68 - 150);
            hulse_pub_await_answered(&pub, sent + 1);
            assert_int_equal(pub.outcomes[sent], HULSE_OUTCOME_STORED);
        }
    }
    close_all(&line);
}

static void test_above_the_bound_it_is_too_large(void **state)
{
    (void)state;
    open_all();
    (void)open_pub();
    send_large(BED_CHUNKED_BYTES_MAX + 1);
    assert_int_equal(pub.outcomes[0], HULSE_OUTCOME_TOO_LARGE);
    assert_true(hulse_line_is_quiet(&line));
    close_all(&line);
}

static void test_it_is_compressed_before_it_is_cut(void **state)
{
    static uint8_t plain[BED_CHUNKED_BYTES_MAX];
    struct broker_record r = {.payload = {.data = plain, .bytes = 1000000}};
    struct heard h;
    uint32_t at = 0;
    int32_t chunk = 0;

    (void)state;
    open_all();
    pub.params.gathering.compression = BROKER_ZSTD;
    (void)open_pub();
    /* Small enough when it is compressed: no chunks. */
    hulse_pub_send_record(&pub, &r);
    hulse_line_hear_send(&line, &h);
    assert_false(hulse_wire_has(h.metadata.has, WIRE_META_CHUNKS));
    assert_int_equal(h.metadata.uncompressed_bytes, 1000000);
    hulse_line_say_receipt(&line, &h, 1);
    for (uint32_t i = 0; i < 400000; i++) {
        plain[(size_t)i * 2] = payload[i];
    }
    hulse_pub_send_record(&pub, &r);
    do {
        hear_chunk(&line, &h, 1, chunk, &at);
        assert_int_equal(h.metadata.uncompressed_bytes, 1000000);
        assert_int_equal(h.metadata.compression, PULSAR__COMPRESSION_TYPE__ZSTD);
        hulse_line_say_receipt(&line, &h, 1);
        chunk += 1;
    } while (chunk < h.metadata.chunk_count);
    assert_int_equal(at, h.metadata.chunked_bytes);
    assert_true(at < 600000);
    static uint8_t whole[1000000];
    assert_int_equal(hulse_wire_decompress(bed.worker.contexts,
                                           PULSAR__COMPRESSION_TYPE__ZSTD,
                                           (struct broker_span){.data = got, .bytes = at},
                                           whole,
                                           sizeof(whole)),
                     WIRE_COMPRESSION_OK);
    assert_memory_equal(whole, plain, sizeof(whole));
    hulse_pub_await_answered(&pub, 2);
    close_all(&line);
}

static struct pulsar_sender *sender(void)
{
    return ((struct pulsar_producer *)(void *)pub.producer)->sender;
}

static void await_in_flight(uint32_t count)
{
    while (sender()->in_flight != count) {
        hulse_bed_turn(&bed);
    }
}

/* So many chunks of the only message have receipts, and all the others came, when the line ends. */
static void lose_after(uint32_t receipts)
{
    struct heard h;
    uint32_t at = 0;

    for (uint32_t i = 0; i < 4; i++) {
        hear_chunk(&line, &h, 0, (int32_t)i, &at);
        if (i < receipts) {
            hulse_line_say_receipt(&line, &h, 1 + i);
        }
    }
    await_in_flight(4 - receipts);
    hulse_line_hang_up(&line);
}

static void rest_comes(int32_t first)
{
    struct heard h;
    uint32_t at = 0;

    memset(got, 0, sizeof(got));
    (void)hulse_peer_serve(&peer, &bed, &second, 1);
    for (int32_t i = first; i < 4; i++) {
        hear_chunk(&second, &h, 0, i, &at);
        assert_int_equal(pub.outcomes[0], 0);
        hulse_line_say_receipt(&second, &h, 10 + (uint64_t)i);
    }
    assert_memory_equal(got, payload + (LARGE - at), at);
    assert_int_equal(at == LARGE, first == 0);
    hulse_pub_await_answered(&pub, pub.sent);
    assert_int_equal(pub.outcomes[0], HULSE_OUTCOME_STORED);
    assert_int_equal(pub.answers[0].id.entry, 13);
    close_all(&second);
}

/* Whether the broker has the third is open: a consumer that got it twice would be at a loss. */
static void test_a_loss_in_the_middle(void **state)
{
    (void)state;
    open_all();
    (void)open_pub();
    send_large(LARGE);
    lose_after(2);
    rest_comes(0);
}

/* Should the broker have the last one, the message is whole there, and nobody minds one more. */
static void test_a_loss_before_the_last_receipt(void **state)
{
    (void)state;
    open_all();
    (void)open_pub();
    send_large(LARGE);
    lose_after(3);
    rest_comes(3);
}

/* Both were on their way: each has another uuid. */
static void test_a_loss_of_two(void **state)
{
    struct heard h;
    uint32_t at = 0;
    char uuids[2][300];

    (void)state;
    open_all();
    (void)open_pub();
    send_large(LARGE);
    send_large(LARGE);
    for (uint64_t i = 0; i < 8; i++) {
        at = 0;
        hear_chunk(&line, &h, i / 4, (int32_t)(i % 4), &at);
        memcpy(uuids[i / 4], last_uuid, sizeof(last_uuid));
    }
    hulse_line_hang_up(&line);
    (void)hulse_peer_serve(&peer, &bed, &second, 1);
    for (uint64_t i = 0; i < 8; i++) {
        at = 0;
        hear_chunk(&second, &h, i / 4, (int32_t)(i % 4), &at);
        assert_string_not_equal(last_uuid, uuids[i / 4]);
        hulse_line_say_receipt(&second, &h, 1);
    }
    hulse_pub_await_answered(&pub, 2);
    close_all(&second);
}

/* What became damaged here does not get a checksum that says it is sound. */
static void test_what_was_damaged_here_goes_as_it_is(void **state)
{
    struct wire_message message;
    struct broker_span rest;
    const char *why = NULL;
    struct heard h;
    uint32_t at = 0;

    (void)state;
    open_all();
    (void)open_pub();
    send_large(LARGE);
    for (int32_t i = 0; i < 4; i++) {
        hear_chunk(&line, &h, 0, i, &at);
    }
    const struct pulsar_entry *e = TAILQ_NEXT(TAILQ_FIRST(&sender()->entries), link);
    ((uint8_t *)(uintptr_t)e->piece.data)[e->piece.bytes - 1] ^= 1;
    hulse_line_hang_up(&line);
    const uint64_t id = hulse_peer_serve(&peer, &bed, &second, 1);
    at = 0;
    hear_chunk(&second, &h, 0, 0, &at);
    hulse_line_say_receipt(&second, &h, 1);
    assert_int_equal(hulse_line_hear(&second, &rest)->type, PULSAR__BASE_COMMAND__TYPE__SEND);
    assert_int_not_equal(hulse_wire_message_read(rest, &message, &why), WIRE_MESSAGE_OK);
    hulse_line_say_send_error(&second, id, 0, PULSAR__SERVER_ERROR__ChecksumError);
    hulse_pub_await_answered(&pub, 1);
    assert_int_not_equal(pub.outcomes[0], HULSE_OUTCOME_STORED);
    close_all(&second);
}

/* Nobody reads it to the end: what goes once more is too old before all of it is sent, and is counted as what it is. */
static void test_what_is_too_old_when_it_goes_again(void **state)
{
    struct heard h;
    uint32_t at = 0;

    (void)state;
    open_all();
    pub.params.gathering.send_timeout_ms = 3000;
    (void)open_pub();
    send_large(BED_CHUNKED_BYTES_MAX);
    for (int32_t i = 0; at < BED_CHUNKED_BYTES_MAX; i++) {
        hear_chunk(&line, &h, 0, i, &at);
        if (h.metadata.chunk + 2 < h.metadata.chunk_count) {
            hulse_line_say_receipt(&line, &h, 1);
        }
    }
    await_in_flight(2);
    hulse_line_hang_up(&line);
    (void)hulse_peer_serve(&peer, &bed, &second, 1);
    hulse_pub_await_answered(&pub, 1);
    assert_int_equal(pub.outcomes[0], HULSE_OUTCOME_FAILED_UNKNOWN);
    assert_int_equal(sender()->in_flight, 0);
    assert_int_equal(sender()->in_flight_bytes, 0);
    close_all(&second);
}

static void test_an_end_in_the_middle(void **state)
{
    struct heard h;
    uint32_t at = 0;

    (void)state;
    open_all();
    (void)open_pub();
    send_large(LARGE);
    for (int32_t i = 0; i < 4; i++) {
        hear_chunk(&line, &h, 0, i, &at);
        if (i < 2) {
            hulse_line_say_receipt(&line, &h, 1);
        }
    }
    await_in_flight(2);
    close_all(&line); /* nothing may be left */
}

/* A broker cannot have had what never left: it goes on there. */
static void test_a_loss_before_the_rest_was_sent(void **state)
{
    struct broker_span rest;
    struct heard h;
    uint32_t at = 0;
    int32_t chunk = 0;

    (void)state;
    open_all();
    (void)open_pub();
    send_large(BED_CHUNKED_BYTES_MAX);
    do {
        hear_chunk(&line, &h, 0, chunk, &at);
        sender()->moving = true; /* nothing more is sent here */
        hulse_line_say_receipt(&line, &h, 1);
        await_in_flight(sender()->in_flight - 1);
        chunk += 1;
    } while (sender()->in_flight > 0);
    assert_int_equal(hulse_line_hear(&line, &rest)->type,
                     PULSAR__BASE_COMMAND__TYPE__CLOSE_PRODUCER);
    assert_true(at < BED_CHUNKED_BYTES_MAX);
    hulse_line_hang_up(&line);
    (void)hulse_peer_serve(&peer, &bed, &second, 1);
    for (; at < BED_CHUNKED_BYTES_MAX; chunk++) {
        hear_chunk(&second, &h, 0, chunk, &at);
        hulse_line_say_receipt(&second, &h, 2);
    }
    assert_memory_equal(got, payload, BED_CHUNKED_BYTES_MAX);
    hulse_pub_await_answered(&pub, 1);
    assert_int_equal(pub.outcomes[0], HULSE_OUTCOME_STORED);
    close_all(&second);
}

/* The broker has it from an earlier life: it says so of the last chunk. */
static void test_a_copy_is_stored_without_an_id(void **state)
{
    struct heard h;
    uint32_t at = 0;

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    send_large(LARGE);
    for (int32_t i = 0; i < 4; i++) {
        hear_chunk(&line, &h, 0, i, &at);
        if (i < 3) {
            hulse_line_say_receipt(&line, &h, 1);
        } else {
            hulse_line_say_receipt_of(&line, id, 0, -1);
        }
    }
    hulse_pub_await_answered(&pub, 1);
    assert_int_equal(pub.outcomes[0], HULSE_OUTCOME_STORED);
    assert_false(pub.answers[0].has_id);
    close_all(&line);
}

/* The copy is told at once, and the chunks before it when they are written: all receipts have one number. */
static void test_a_copy_is_told_before_what_is_in_front_of_it(void **state)
{
    struct heard h;

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    send_large(LARGE);
    send_large(LARGE);
    for (uint64_t n = 0; n < 2; n++) {
        uint32_t at = 0;
        for (int32_t i = 0; i < 4; i++) {
            hear_chunk(&line, &h, n, i, &at);
        }
    }
    for (uint64_t i = 0; i < 4; i++) {
        if (i == 1) {
            hulse_line_say_receipt_of(&line, id, 0, -1);
        } else {
            h.sequence = 0;
            hulse_line_say_receipt(&line, &h, i);
        }
    }
    hulse_pub_await_answered(&pub, 1);
    assert_int_equal(pub.outcomes[0], HULSE_OUTCOME_STORED);
    assert_false(pub.answers[0].has_id);
    assert_int_equal(bed.worker.senders->figures.deduplicated, 1);
    for (uint64_t i = 0; i < 4; i++) {
        h.sequence = 1;
        hulse_line_say_receipt(&line, &h, 10 + i);
    }
    hulse_pub_await_answered(&pub, 2);
    assert_true(pub.answers[1].has_id);
    assert_int_equal(pub.answers[1].id.entry, 13);
    close_all(&line);
}

static void test_what_is_not_allowed_fails_as_a_whole(void **state)
{
    struct heard h;
    uint32_t at = 0;

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    send_large(LARGE);
    hulse_pub_send(&pub);
    hear_chunk(&line, &h, 0, 0, &at);
    hulse_line_say_receipt(&line, &h, 1);
    hear_chunk(&line, &h, 0, 1, &at);
    hulse_line_say_send_error(&line, id, 0, PULSAR__SERVER_ERROR__NotAllowedError);
    hulse_pub_await_answered(&pub, 1);
    assert_int_not_equal(pub.outcomes[0], HULSE_OUTCOME_STORED);
    do {
        hulse_line_hear_send(&line, &h);
    } while (h.sequence == 0);
    hulse_line_say_receipt_of(&line, id, 0, -1); /* of one that was on its way */
    hulse_line_say_receipt(&line, &h, 9);
    hulse_pub_await_answered(&pub, 2);
    assert_int_equal(pub.outcomes[1], HULSE_OUTCOME_STORED);
    close_all(&line);
}

/* It is closed, behind what was on its way; the broker says that it is only when that is done. */
static uint64_t hear_close(struct line *l, int32_t sends_max)
{
    struct broker_span rest;
    const Pulsar__BaseCommand *c = hulse_line_hear(l, &rest);

    for (; c->type == PULSAR__BASE_COMMAND__TYPE__SEND; c = hulse_line_hear(l, &rest)) {
        sends_max -= 1;
        assert_true(sends_max >= 0);
    }
    assert_int_equal(c->type, PULSAR__BASE_COMMAND__TYPE__CLOSE_PRODUCER);
    return c->close_producer->request_id;
}

/* Receipts of its chunks have one number: what was on its way and what goes again must not be mixed. */
static void test_a_checksum_error_opens_it_again(void **state)
{
    struct heard h;
    uint32_t at = 0;
    char name[256];
    uint64_t producer = 0;

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    send_large(LARGE);
    hear_chunk(&line, &h, 0, 0, &at);
    hulse_line_say_send_error(&line, id, 0, PULSAR__SERVER_ERROR__ChecksumError);
    hulse_line_say_success(&line, hear_close(&line, 3));
    const uint64_t request = hulse_line_hear_producer(&line, &producer, EPOCH_ANY, name);
    hulse_line_say_opened(&line, request, name, -1);
    at = 0;
    for (int32_t i = 0; i < 4; i++) {
        hear_chunk(&line, &h, 0, i, &at);
        hulse_line_say_receipt(&line, &h, 10 + (uint64_t)i);
    }
    assert_memory_equal(got, payload, LARGE);
    hulse_pub_await_answered(&pub, 1);
    assert_int_equal(pub.answers[0].id.entry, 13);
    close_all(&line);
}

/* A broker gives the producer that it is about to close to who asks for it: what that still has to answer is waited for. */
static void receipts_from_before(Pulsar__ServerError error)
{
    struct heard h;
    uint32_t at = 0;
    char name[256];
    uint64_t producer = 0;

    open_all();
    const uint64_t id = open_pub();
    send_large(LARGE);
    for (int32_t i = 0; i < 4; i++) {
        hear_chunk(&line, &h, 0, i, &at);
    }
    hulse_line_say_send_error(&line, id, 0, error);
    const uint64_t close = hear_close(&line, 0);
    assert_true(hulse_line_is_quiet(&line));
    for (uint64_t i = 0; i < 3; i++) {
        hulse_line_say_receipt_of(&line, id, 0, -1);
    }
    hulse_line_say_success(&line, close);
    const uint64_t request = hulse_line_hear_producer(&line, &producer, EPOCH_ANY, name);
    hulse_line_say_opened(&line, request, name, -1);
    at = 0;
    for (int32_t i = 0; i < 4; i++) {
        hear_chunk(&line, &h, 0, i, &at);
        assert_int_equal(pub.outcomes[0], 0);
        hulse_line_say_receipt(&line, &h, 10 + (uint64_t)i);
    }
    hulse_pub_await_answered(&pub, 1);
    assert_int_equal(pub.outcomes[0], HULSE_OUTCOME_STORED);
    assert_int_equal(pub.answers[0].id.entry, 13);
    close_all(&line);
}

static void test_receipts_from_before_a_checksum_error(void **state)
{
    (void)state;
    receipts_from_before(PULSAR__SERVER_ERROR__ChecksumError);
}

static void test_receipts_from_before_another_error(void **state)
{
    (void)state;
    receipts_from_before(PULSAR__SERVER_ERROR__PersistenceError);
}

/* Until what has been sent is all written, the message behind the first is at its middle: it must not have two lives here. */
static void test_what_was_damaged_here_opens_it_again(void **state)
{
    struct heard h;
    uint32_t at = 0;
    int32_t chunk = 0;
    char name[256];
    uint64_t producer = 0;

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    hulse_pub_send(&pub);
    send_large(BED_CHUNKED_BYTES_MAX);
    hulse_line_hear_send(&line, &h);
    hear_chunk(&line, &h, 1, 0, &at);
    const struct pulsar_entry *head = TAILQ_FIRST(&sender()->entries);
    ((uint8_t *)(uintptr_t)head->piece.data)[head->piece.bytes - 1] ^= 1;
    hulse_line_say_send_error(&line, id, 0, PULSAR__SERVER_ERROR__ChecksumError);
    hulse_line_say_success(&line, hear_close(&line, h.metadata.chunk_count - 1));
    assert_int_not_equal(pub.outcomes[0], 0);
    assert_int_not_equal(pub.outcomes[0], HULSE_OUTCOME_STORED);
    const uint64_t request = hulse_line_hear_producer(&line, &producer, EPOCH_ANY, name);
    hulse_line_say_opened(&line, request, name, -1);
    at = 0;
    for (chunk = 0; at < BED_CHUNKED_BYTES_MAX; chunk++) {
        assert_int_equal(pub.outcomes[1], 0);
        hear_chunk(&line, &h, 1, chunk, &at);
        hulse_line_say_receipt(&line, &h, 1);
    }
    hulse_pub_await_answered(&pub, 2);
    assert_int_equal(pub.outcomes[1], HULSE_OUTCOME_STORED);
    close_all(&line);
}

/* What had made an earlier open wait is over, and no reason for anything any more. */
static void test_a_checksum_error_after_a_quota(void **state)
{
    struct heard h;
    uint32_t at = 0;
    char name[256];
    uint64_t producer = 0;

    (void)state;
    open_all();
    assert_int_equal(hulse_pub_open(&pub), HULSE_OK);
    hulse_peer_welcome(&peer, &bed, &line);
    hulse_line_say_error(&line,
                         hulse_line_hear_producer(&line, &producer, EPOCH_ANY, name),
                         PULSAR__SERVER_ERROR__ProducerBlockedQuotaExceededException);
    hulse_line_say_opened(
        &line, hulse_line_hear_producer(&line, &producer, EPOCH_ANY, name), name, -1);
    hulse_pub_await_opened(&pub);
    send_large(LARGE);
    hear_chunk(&line, &h, 0, 0, &at);
    hulse_line_say_send_error(&line, producer, 0, PULSAR__SERVER_ERROR__ChecksumError);
    hulse_line_say_success(&line, hear_close(&line, 3));
    hulse_line_say_opened(
        &line, hulse_line_hear_producer(&line, &producer, EPOCH_ANY, name), name, -1);
    assert_int_equal(pub.outcomes[0], 0);
    at = 0;
    for (int32_t i = 0; i < 4; i++) {
        hear_chunk(&line, &h, 0, i, &at);
        hulse_line_say_receipt(&line, &h, 1);
    }
    hulse_pub_await_answered(&pub, 1);
    assert_int_equal(pub.outcomes[0], HULSE_OUTCOME_STORED);
    close_all(&line);
}

/* Its last chunk never left: it cannot be there. */
static void test_what_is_too_old_in_the_middle(void **state)
{
    struct heard h;
    uint32_t at = 0;

    (void)state;
    open_all();
    pub.params.gathering.send_timeout_ms = 2000; /* the first one leaves before, on any machine */
    (void)open_pub();
    send_large(BED_CHUNKED_BYTES_MAX);
    hear_chunk(&line, &h, 0, 0, &at);
    hulse_line_say_receipt(&line, &h, 1);
    hulse_pub_await_answered(&pub, 1);
    assert_int_equal(pub.outcomes[0], HULSE_OUTCOME_FAILED_NOT_SENT);
    close_all(&line);
}

/* What is kept of a message is its own, whatever becomes of the next one. */
static void test_the_next_one_is_too_old_in_the_middle(void **state)
{
    struct broker_record next = {.payload = {.data = payload, .bytes = 10}};
    struct heard h;
    uint32_t at = 0;

    (void)state;
    open_all();
    pub.params.gathering.send_timeout_ms = 600000;
    (void)open_pub();
    send_large(LARGE);
    next.enqueued_ns = hulse_clock_coarse_ns() - UINT64_C(599000) * 1000000U;
    hulse_pub_send_record(&pub, &next);
    hear_chunk(&line, &h, 0, 0, &at);
    hulse_line_say_receipt(&line, &h, 1);
    hulse_pub_await_answered(&pub, 1);
    assert_int_not_equal(pub.outcomes[1], 0);
    hulse_line_hang_up(&line);
    rest_comes(0);
}

/* This broker takes less than the one before: what was cut for that cannot go on. */
static void test_a_smaller_limit_in_the_middle(void **state)
{
    struct heard h;
    uint32_t at = 0;

    (void)state;
    open_all();
    (void)open_pub();
    send_large(LARGE);
    hulse_pub_send(&pub);
    hear_chunk(&line, &h, 0, 0, &at);
    hulse_line_hang_up(&line);
    second.message_bytes_max = LIMIT / 2;
    (void)hulse_peer_serve(&peer, &bed, &second, 1);
    hulse_line_hear_send(&second, &h);
    assert_int_equal(h.sequence, 1);
    hulse_line_say_receipt(&second, &h, 1);
    hulse_pub_await_answered(&pub, 2);
    assert_int_equal(pub.outcomes[0], HULSE_OUTCOME_TOO_LARGE);
    assert_int_equal(pub.outcomes[1], HULSE_OUTCOME_STORED);
    close_all(&second);
}

/* All of it or nothing is taken. */
static void test_without_memory_it_waits(void **state)
{
    struct broker_record r = record_of(LARGE);
    struct heard h;
    uint32_t at = 0;

    (void)state;
    open_all();
    (void)open_pub();
    hulse_mem_init(hulse_mem_total() +
                   (size_t)2 * LARGE); /* as much as it is, with what it takes besides */
    assert_false(hulse_pub_try(&pub, &r));
    assert_true(pub.producer->busy);
    hulse_mem_init(SIZE_MAX);
    while (pub.freed == 0) {
        hulse_bed_turn(&bed);
    }
    assert_true(hulse_pub_try(&pub, &r));
    for (int32_t i = 0; i < 4; i++) {
        hear_chunk(&line, &h, 0, i, &at);
        hulse_line_say_receipt(&line, &h, 1);
    }
    hulse_pub_await_answered(&pub, 1);
    assert_int_equal(pub.outcomes[0], HULSE_OUTCOME_STORED);
    close_all(&line);
}

/* A close in the middle: what was taken is sent to its end. */
static void test_a_close_in_the_middle(void **state)
{
    struct heard h;
    uint32_t at = 0;

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    send_large(LARGE);
    hear_chunk(&line, &h, 0, 0, &at);
    hulse_line_say_receipt(&line, &h, 1);
    hulse_pub_close(&pub);
    for (int32_t i = 1; i < 4; i++) {
        hear_chunk(&line, &h, 0, i, &at);
        hulse_line_say_receipt(&line, &h, 1);
    }
    assert_memory_equal(got, payload, LARGE);
    hulse_line_hear_close(&line, id);
    close_all(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunks_are_the_message),
        cmocka_unit_test(test_every_size_goes),
        cmocka_unit_test(test_above_the_bound_it_is_too_large),
        cmocka_unit_test(test_it_is_compressed_before_it_is_cut),
        cmocka_unit_test(test_a_loss_in_the_middle),
        cmocka_unit_test(test_a_loss_before_the_last_receipt),
        cmocka_unit_test(test_a_loss_before_the_rest_was_sent),
        cmocka_unit_test(test_a_loss_of_two),
        cmocka_unit_test(test_what_was_damaged_here_goes_as_it_is),
        cmocka_unit_test(test_what_is_too_old_when_it_goes_again),
        cmocka_unit_test(test_an_end_in_the_middle),
        cmocka_unit_test(test_a_copy_is_stored_without_an_id),
        cmocka_unit_test(test_a_copy_is_told_before_what_is_in_front_of_it),
        cmocka_unit_test(test_what_is_not_allowed_fails_as_a_whole),
        cmocka_unit_test(test_a_checksum_error_opens_it_again),
        cmocka_unit_test(test_what_was_damaged_here_opens_it_again),
        cmocka_unit_test(test_a_checksum_error_after_a_quota),
        cmocka_unit_test(test_receipts_from_before_a_checksum_error),
        cmocka_unit_test(test_receipts_from_before_another_error),
        cmocka_unit_test(test_what_is_too_old_in_the_middle),
        cmocka_unit_test(test_the_next_one_is_too_old_in_the_middle),
        cmocka_unit_test(test_a_smaller_limit_in_the_middle),
        cmocka_unit_test(test_without_memory_it_waits),
        cmocka_unit_test(test_a_close_in_the_middle)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
