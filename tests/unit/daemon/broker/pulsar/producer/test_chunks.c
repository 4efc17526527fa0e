/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what is too large for one message goes in chunks that are like those of the official clients, once and in order;
 *         it has one answer, and fails as a whole.
 * Method: a broker played by hand, frames read back with wire/.
 */
#include "daemon/broker/pulsar/wire/compression.h"
#include "daemon/core/mem.h"
#include "tests/unit/daemon/broker/pulsar/producer/large.h"

#include <string.h>

static void test_chunks_are_the_message(void **state)
{
    static const uint8_t key[] = {'k'};
    const struct broker_meta meta = {
        .key = {.data = key, .bytes = 1}, .has_key = true, .partition = -1, .event_time_ms = 77};
    struct broker_record r = hulse_large_record(LARGE_BYTES);
    struct heard h;
    uint32_t at = 0;

    (void)state;
    hulse_large_open_all();
    (void)hulse_large_open_pub();
    assert_int_equal(large.pub.message_bytes_max, BED_CHUNKED_BYTES_MAX);
    hulse_pub_send(&large.pub);
    r.meta = &meta;
    hulse_pub_send_record(&large.pub, &r);
    hulse_pub_send(&large.pub);
    hulse_line_hear_send(&large.line, &h);
    assert_int_equal(h.sequence, 0);
    hulse_line_say_receipt(&large.line, &h, 1);
    for (int32_t i = 0; i < 4; i++) {
        hulse_large_hear(&large.line, &h, 1, i, &at);
        assert_int_equal(h.metadata.chunk_count, 4);
        assert_int_equal(h.metadata.chunked_bytes, LARGE_BYTES);
        assert_int_equal(h.metadata.uncompressed_bytes, LARGE_BYTES);
        assert_int_equal(h.metadata.event_time_ms, 77);
        assert_int_equal(h.metadata.key.bytes, 1);
        assert_int_equal(large.pub.outcomes[1], 0);
        hulse_line_say_receipt(&large.line, &h, 10 + (uint64_t)i);
    }
    assert_int_equal(at, LARGE_BYTES);
    assert_memory_equal(large.got, large.payload, LARGE_BYTES);
    hulse_line_hear_send(&large.line, &h);
    assert_int_equal(h.sequence, 2);
    hulse_line_say_receipt(&large.line, &h, 20);
    hulse_pub_await_answered(&large.pub, 3);
    assert_int_equal(large.pub.outcomes[1], HULSE_OUTCOME_STORED);
    assert_int_equal(large.pub.answers[1].id.entry, 13);
    assert_int_equal(large.pub.answers[1].id.batch, -1);
    assert_int_equal(large.bed.worker.senders->figures.chunked, 1);
    hulse_large_close_all(&large.line);
}

/* Every size around the limits is one message or several, none is refused, and no part is too large. */
static void test_every_size_goes(void **state)
{
    struct heard h;
    uint32_t sent = 0;

    (void)state;
    hulse_large_open_all();
    (void)hulse_large_open_pub();
    for (uint32_t around = LARGE_LIMIT; around <= 2 * LARGE_LIMIT; around += LARGE_LIMIT) {
        for (uint32_t bytes = around - 900; bytes <= around + 8; bytes += 4, sent++) {
            uint32_t at = 0;
            hulse_large_send(bytes);
            do {
                hulse_line_hear_send(&large.line, &h);
                assert_int_equal(h.sequence, sent);
                memcpy(large.got + at, h.payload.data, h.payload.bytes);
                at += h.payload.bytes;
                hulse_line_say_receipt(&large.line, &h, 1);
            } while (h.metadata.chunk + 1 < h.metadata.chunk_count);
            assert_int_equal(at, bytes);
            assert_memory_equal(large.got, large.payload, bytes);
            /* No more than it takes: 68 bytes are kept free, and metadata are less than 150. */
            assert_true(h.metadata.chunk_count != 0 || bytes < LARGE_LIMIT - 68);
            assert_true(h.metadata.chunk_count <= 2 || bytes > 2 * LARGE_LIMIT - 2 * 600);
            assert_true(h.metadata.chunk_count == 0 || bytes > LARGE_LIMIT - 68 - 150);
            hulse_pub_await_answered(&large.pub, sent + 1);
            assert_int_equal(large.pub.outcomes[sent], HULSE_OUTCOME_STORED);
        }
    }
    hulse_large_close_all(&large.line);
}

static void test_above_the_bound_it_is_too_large(void **state)
{
    (void)state;
    hulse_large_open_all();
    (void)hulse_large_open_pub();
    hulse_large_send(BED_CHUNKED_BYTES_MAX + 1);
    assert_int_equal(large.pub.outcomes[0], HULSE_OUTCOME_TOO_LARGE);
    assert_true(hulse_line_is_quiet(&large.line));
    hulse_large_close_all(&large.line);
}

static void test_it_is_compressed_before_it_is_cut(void **state)
{
    static uint8_t plain[BED_CHUNKED_BYTES_MAX];
    struct broker_record r = {.payload = {.data = plain, .bytes = 1000000}};
    struct heard h;
    uint32_t at = 0;
    int32_t chunk = 0;

    (void)state;
    hulse_large_open_all();
    large.pub.params.gathering.compression = BROKER_ZSTD;
    (void)hulse_large_open_pub();
    /* Small enough when it is compressed: no chunks. */
    hulse_pub_send_record(&large.pub, &r);
    hulse_line_hear_send(&large.line, &h);
    assert_false(hulse_wire_has(h.metadata.has, WIRE_META_CHUNKS));
    assert_int_equal(h.metadata.uncompressed_bytes, 1000000);
    hulse_line_say_receipt(&large.line, &h, 1);
    for (uint32_t i = 0; i < 400000; i++) {
        plain[(size_t)i * 2] = large.payload[i];
    }
    hulse_pub_send_record(&large.pub, &r);
    do {
        hulse_large_hear(&large.line, &h, 1, chunk, &at);
        assert_int_equal(h.metadata.uncompressed_bytes, 1000000);
        assert_int_equal(h.metadata.compression, PULSAR__COMPRESSION_TYPE__ZSTD);
        hulse_line_say_receipt(&large.line, &h, 1);
        chunk += 1;
    } while (chunk < h.metadata.chunk_count);
    assert_int_equal(at, h.metadata.chunked_bytes);
    assert_true(at < 600000);
    static uint8_t whole[1000000];
    assert_int_equal(hulse_wire_decompress(large.bed.worker.contexts,
                                           PULSAR__COMPRESSION_TYPE__ZSTD,
                                           (struct broker_span){.data = large.got, .bytes = at},
                                           whole,
                                           sizeof(whole)),
                     WIRE_COMPRESSION_OK);
    assert_memory_equal(whole, plain, sizeof(whole));
    hulse_pub_await_answered(&large.pub, 2);
    hulse_large_close_all(&large.line);
}

/* The broker has it from an earlier life: it says so of the last chunk. */
static void test_a_copy_is_stored_without_an_id(void **state)
{
    struct heard h;
    uint32_t at = 0;

    (void)state;
    hulse_large_open_all();
    const uint64_t id = hulse_large_open_pub();
    hulse_large_send(LARGE_BYTES);
    for (int32_t i = 0; i < 4; i++) {
        hulse_large_hear(&large.line, &h, 0, i, &at);
        if (i < 3) {
            hulse_line_say_receipt(&large.line, &h, 1);
        } else {
            hulse_line_say_receipt_of(&large.line, id, 0, -1);
        }
    }
    hulse_pub_await_answered(&large.pub, 1);
    assert_int_equal(large.pub.outcomes[0], HULSE_OUTCOME_STORED);
    assert_false(large.pub.answers[0].has_id);
    hulse_large_close_all(&large.line);
}

static void hear_two(struct line *l, struct heard *h)
{
    for (uint64_t n = 0; n < 2; n++) {
        hulse_large_hear_all(l, h, n);
    }
}

/* Two messages are on their way; gives the producer's id. */
static uint64_t send_two(struct heard *h)
{
    hulse_large_open_all();
    const uint64_t id = hulse_large_open_pub();
    hulse_large_send(LARGE_BYTES);
    hulse_large_send(LARGE_BYTES);
    hear_two(&large.line, h);
    return id;
}

/* The copy is told at once, and the chunks before it when they are written: all receipts have one number. */
static void test_a_copy_is_told_before_what_is_in_front_of_it(void **state)
{
    struct heard h;

    (void)state;
    const uint64_t id = send_two(&h);
    for (uint64_t i = 0; i < 4; i++) {
        if (i == 1) {
            hulse_line_say_receipt_of(&large.line, id, 0, -1);
        } else {
            h.sequence = 0;
            hulse_line_say_receipt(&large.line, &h, i);
        }
    }
    hulse_pub_await_answered(&large.pub, 1);
    assert_int_equal(large.pub.outcomes[0], HULSE_OUTCOME_STORED);
    assert_false(large.pub.answers[0].has_id);
    assert_int_equal(large.bed.worker.senders->figures.deduplicated, 1);
    for (uint64_t i = 0; i < 4; i++) {
        h.sequence = 1;
        hulse_line_say_receipt(&large.line, &h, 10 + i);
    }
    hulse_pub_await_answered(&large.pub, 2);
    assert_true(large.pub.answers[1].has_id);
    assert_int_equal(large.pub.answers[1].id.entry, 13);
    hulse_large_close_all(&large.line);
}

/*
 * After a loss both are copies, which is told at once: that of the second before the other chunks of the first one are
 * written.
 */
static void test_a_copy_behind_one_is_told_before_its_chunks(void **state)
{
    struct heard h;

    (void)state;
    const uint64_t id = send_two(&h);
    hulse_line_hang_up(&large.line);
    (void)hulse_peer_serve(&large.peer, &large.bed, &large.second, 1);
    hear_two(&large.second, &h);
    hulse_line_say_receipt_of(&large.second, id, 0, -1);
    hulse_line_say_receipt_of(&large.second, id, 1, -1);
    for (uint64_t i = 0; i < 6; i++) {
        h.sequence = i / 3;
        hulse_line_say_receipt(&large.second, &h, i);
    }
    for (unsigned i = 0; i < 50; i++) {
        hulse_bed_turn(&large.bed);
    }
    assert_int_equal(large.pub.answered, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(large.pub.outcomes[i], HULSE_OUTCOME_STORED);
        assert_false(large.pub.answers[i].has_id);
    }
    assert_int_equal(large.bed.worker.senders->figures.deduplicated, 2);
    assert_int_equal(large.bed.worker.senders->figures.receipts_wrong, 0);
    hulse_large_close_all(&large.second);
}

static void test_what_is_not_allowed_fails_as_a_whole(void **state)
{
    struct heard h;
    uint32_t at = 0;

    (void)state;
    hulse_large_open_all();
    const uint64_t id = hulse_large_open_pub();
    hulse_large_send(LARGE_BYTES);
    hulse_pub_send(&large.pub);
    hulse_large_hear(&large.line, &h, 0, 0, &at);
    hulse_line_say_receipt(&large.line, &h, 1);
    hulse_large_hear(&large.line, &h, 0, 1, &at);
    hulse_line_say_send_error(&large.line, id, 0, PULSAR__SERVER_ERROR__NotAllowedError);
    hulse_pub_await_answered(&large.pub, 1);
    assert_int_not_equal(large.pub.outcomes[0], HULSE_OUTCOME_STORED);
    do {
        hulse_line_hear_send(&large.line, &h);
    } while (h.sequence == 0);
    hulse_line_say_receipt_of(&large.line, id, 0, -1); /* of one that was on its way */
    hulse_line_say_receipt(&large.line, &h, 9);
    hulse_pub_await_answered(&large.pub, 2);
    assert_int_equal(large.pub.outcomes[1], HULSE_OUTCOME_STORED);
    hulse_large_close_all(&large.line);
}

/* Its last chunk never left: it cannot be there. */
static void test_what_is_too_old_in_the_middle(void **state)
{
    struct heard h;
    uint32_t at = 0;

    (void)state;
    hulse_large_open_all();
    large.pub.params.gathering.send_timeout_ms =
        2000; /* the first one leaves before, on any machine */
    (void)hulse_large_open_pub();
    hulse_large_send(BED_CHUNKED_BYTES_MAX);
    hulse_large_hear(&large.line, &h, 0, 0, &at);
    hulse_line_say_receipt(&large.line, &h, 1);
    hulse_pub_await_answered(&large.pub, 1);
    assert_int_equal(large.pub.outcomes[0], HULSE_OUTCOME_FAILED_NOT_SENT);
    hulse_large_close_all(&large.line);
}

/* This broker takes less than the one before: what was cut for that cannot go on. */
static void test_a_smaller_limit_in_the_middle(void **state)
{
    struct heard h;
    uint32_t at = 0;

    (void)state;
    hulse_large_open_all();
    (void)hulse_large_open_pub();
    hulse_large_send(LARGE_BYTES);
    hulse_pub_send(&large.pub);
    hulse_large_hear(&large.line, &h, 0, 0, &at);
    hulse_line_hang_up(&large.line);
    large.second.message_bytes_max = LARGE_LIMIT / 2;
    (void)hulse_peer_serve(&large.peer, &large.bed, &large.second, 1);
    hulse_line_hear_send(&large.second, &h);
    assert_int_equal(h.sequence, 1);
    hulse_line_say_receipt(&large.second, &h, 1);
    hulse_pub_await_answered(&large.pub, 2);
    assert_int_equal(large.pub.outcomes[0], HULSE_OUTCOME_TOO_LARGE);
    assert_int_equal(large.pub.outcomes[1], HULSE_OUTCOME_STORED);
    hulse_large_close_all(&large.second);
}

/* All of it or nothing is taken. */
static void test_without_memory_it_waits(void **state)
{
    struct broker_record r = hulse_large_record(LARGE_BYTES);
    struct heard h;
    uint32_t at = 0;

    (void)state;
    hulse_large_open_all();
    (void)hulse_large_open_pub();
    hulse_mem_init(hulse_mem_total() +
                   (size_t)2 * LARGE_BYTES); /* as much as it is, with what it takes besides */
    assert_false(hulse_pub_try(&large.pub, &r));
    assert_true(large.pub.producer->busy);
    hulse_mem_init(SIZE_MAX);
    while (large.pub.freed == 0) {
        hulse_bed_turn(&large.bed);
    }
    assert_true(hulse_pub_try(&large.pub, &r));
    for (int32_t i = 0; i < 4; i++) {
        hulse_large_hear(&large.line, &h, 0, i, &at);
        hulse_line_say_receipt(&large.line, &h, 1);
    }
    hulse_pub_await_answered(&large.pub, 1);
    assert_int_equal(large.pub.outcomes[0], HULSE_OUTCOME_STORED);
    hulse_large_close_all(&large.line);
}

/* A close in the middle: what was taken is sent to its end. */
static void test_a_close_in_the_middle(void **state)
{
    struct heard h;
    uint32_t at = 0;

    (void)state;
    hulse_large_open_all();
    const uint64_t id = hulse_large_open_pub();
    hulse_large_send(LARGE_BYTES);
    hulse_large_hear(&large.line, &h, 0, 0, &at);
    hulse_line_say_receipt(&large.line, &h, 1);
    hulse_pub_close(&large.pub);
    for (int32_t i = 1; i < 4; i++) {
        hulse_large_hear(&large.line, &h, 0, i, &at);
        hulse_line_say_receipt(&large.line, &h, 1);
    }
    assert_memory_equal(large.got, large.payload, LARGE_BYTES);
    hulse_line_hear_close(&large.line, id);
    hulse_large_close_all(&large.line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunks_are_the_message),
        cmocka_unit_test(test_every_size_goes),
        cmocka_unit_test(test_above_the_bound_it_is_too_large),
        cmocka_unit_test(test_it_is_compressed_before_it_is_cut),
        cmocka_unit_test(test_a_copy_is_stored_without_an_id),
        cmocka_unit_test(test_a_copy_is_told_before_what_is_in_front_of_it),
        cmocka_unit_test(test_a_copy_behind_one_is_told_before_its_chunks),
        cmocka_unit_test(test_what_is_not_allowed_fails_as_a_whole),
        cmocka_unit_test(test_what_is_too_old_in_the_middle),
        cmocka_unit_test(test_a_smaller_limit_in_the_middle),
        cmocka_unit_test(test_without_memory_it_waits),
        cmocka_unit_test(test_a_close_in_the_middle)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
