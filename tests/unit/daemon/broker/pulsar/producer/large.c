/* SPDX-License-Identifier: Apache-2.0 */
/*
 * large - see the header.
 */
#include "tests/unit/daemon/broker/pulsar/producer/large.h"

#include <stdio.h>
#include <string.h>

struct large large;

void hulse_large_open_all(void)
{
    uint32_t number = 1;

    for (size_t i = 0; i < sizeof(large.payload); i++) {
        number = number * 1664525U + 1013904223U;
        large.payload[i] = (uint8_t)(number >> 24U);
    }
    hulse_peer_open(&large.peer);
    hulse_bed_open(&large.bed, large.peer.port);
    memset(&large.line, 0, sizeof(large.line));
    memset(&large.second, 0, sizeof(large.second));
    large.line.message_bytes_max = LARGE_LIMIT;
    large.second.message_bytes_max = LARGE_LIMIT;
    hulse_pub_init(&large.pub, &large.bed);
    large.pub.params.gathering.chunking = true;
    large.pub.params.gathering.pending_bytes = 1U << 30U;
}

uint64_t hulse_large_open_pub(void)
{
    assert_int_equal(hulse_pub_open(&large.pub), HULSE_OK);
    const uint64_t id = hulse_peer_serve(&large.peer, &large.bed, &large.line, 0);
    hulse_pub_await_opened(&large.pub);
    assert_int_equal(large.pub.status, HULSE_OK);
    return id;
}

void hulse_large_close_all(struct line *l)
{
    hulse_line_hang_up(l);
    if (!large.pub.closed) {
        hulse_pub_close(&large.pub);
    }
    hulse_bed_close(&large.bed);
    hulse_peer_close(&large.peer);
}

struct broker_record hulse_large_record(uint32_t bytes)
{
    return (struct broker_record){.payload = {.data = large.payload, .bytes = bytes}};
}

void hulse_large_send(uint32_t bytes)
{
    struct broker_record r = hulse_large_record(bytes);
    hulse_pub_send_record(&large.pub, &r);
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
    assert_int_equal(strcmp(uuid, large.last_uuid) != 0, another);
    memcpy(large.last_uuid, uuid, sizeof(uuid));
}

void hulse_large_hear(
    struct line *l, struct heard *h, uint64_t sequence, int32_t chunk, uint32_t *at)
{
    hulse_line_hear_send(l, h);
    assert_int_equal(h->sequence, sequence);
    assert_int_equal(h->count, 0);
    assert_true(h->is_chunk);
    assert_int_equal(h->metadata.chunk, chunk);
    assert_true(hulse_wire_has(h->metadata.has, WIRE_META_CHUNK));
    assert_false(hulse_wire_has(h->metadata.has, WIRE_META_BATCH));
    check_uuid(h, chunk == 0);
    assert_true(h->payload.bytes > 0 && h->frame_bytes <= LARGE_LIMIT + 100);
    memcpy(large.got + *at, h->payload.data, h->payload.bytes);
    *at += h->payload.bytes;
}

void hulse_large_hear_all(struct line *l, struct heard *h, uint64_t sequence)
{
    uint32_t at = 0;

    for (int32_t i = 0; i < 4; i++) {
        hulse_large_hear(l, h, sequence, i, &at);
    }
}

struct pulsar_sender *hulse_large_sender(void)
{
    return ((struct pulsar_producer *)(void *)large.pub.producer)->sender;
}

void hulse_large_await_in_flight(uint32_t count)
{
    while (hulse_large_sender()->in_flight != count) {
        hulse_bed_turn(&large.bed);
    }
}
