/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_pulsar_wire - the wire of the Pulsar protocol without a broker: batches of 128-byte messages with their
 * metadata and checksum, copied into a sink as if into a socket, and the way back. An operation is a message.
 *
 * Conservation: what comes out of the last sink is what went in, to the last byte; every batch has all its messages.
 */
#include "bench/micro/micro.h"
#include "daemon/broker/pulsar/wire/batch_reader.h"
#include "daemon/broker/pulsar/wire/batch_writer.h"
#include "daemon/broker/pulsar/wire/command.h"
#include "daemon/broker/pulsar/wire/compression.h"
#include "daemon/broker/pulsar/wire/frame.h"

#define PAYLOAD_BYTES 128U
#define BATCH_MESSAGES 1000U
#define ROOM_BYTES (512U << 10U)
#define FRAME_MAX (5U << 20U)

struct scene {
    uint8_t batch[ROOM_BYTES];
    uint8_t squeezed[ROOM_BYTES];
    uint8_t sink[ROOM_BYTES]; /* what would be on the connection */
    uint8_t plain[ROOM_BYTES];
    uint32_t sink_bytes;
    uint8_t payloads[64][PAYLOAD_BYTES];
    struct broker_meta meta;
    const struct broker_meta *used;
    uint64_t sequence_id;
    int32_t compression;
    struct wire_contexts *contexts;
};

static struct broker_span text(const char *s)
{
    return (struct broker_span){.data = (const uint8_t *)s, .bytes = (uint32_t)strlen(s)};
}

static struct broker_span squeeze(struct scene *s, const struct wire_batch *b, struct wire_draft *d)
{
    struct broker_span payload = {.data = b->data, .bytes = b->bytes};

    if (s->compression != PULSAR__COMPRESSION_TYPE__NONE) {
        micro_require(
            hulse_wire_compress(
                s->contexts, s->compression, payload, s->squeezed, ROOM_BYTES, &payload.bytes) ==
                WIRE_COMPRESSION_OK,
            "compressed");
        payload.data = s->squeezed;
        d->compression = s->compression;
    }
    return payload;
}

static void send_batch(struct scene *s, const struct wire_batch *b)
{
    struct wire_draft d = {.producer_name = text("standalone-0-1"),
                           .publish_time_ms = UINT64_C(1700000000000)};
    struct wire_send_head head;

    hulse_wire_batch_draft(b, &d);
    const struct broker_span payload = squeeze(s, b, &d);
    const struct wire_send send = {.producer_id = 7,
                                   .sequence_id = d.sequence_id,
                                   .highest_sequence_id = d.highest_sequence_id,
                                   .num_messages = d.batch_count};
    uint8_t *at = hulse_wire_send_begin(&head, &send, s->sink);
    at = hulse_wire_draft_put(at, &d);
    const uint32_t bytes = hulse_wire_send_end(&head, at, payload);
    memcpy(s->sink + bytes, payload.data, payload.bytes);
    s->sink_bytes = bytes + payload.bytes;
}

static void publish(void *argument, uint64_t ops)
{
    struct scene *s = argument;
    struct wire_batch b;

    hulse_wire_batch_begin(&b, s->batch, ROOM_BYTES);
    for (uint64_t i = 0; i < ops; i++) {
        const struct broker_record r = {
            .payload = {.data = s->payloads[i % 64], .bytes = PAYLOAD_BYTES}, .meta = s->used};
        micro_require(hulse_wire_batch_add(&b, &r, s->sequence_id++), "there is room");
        if (b.count == BATCH_MESSAGES) {
            send_batch(s, &b);
            hulse_wire_batch_begin(&b, s->batch, ROOM_BYTES);
        }
    }
    micro_require(b.count == 0, "whole batches");
}

/* The frame in the sink: its metadata, and the payload as it was before compression. */
static struct broker_span unpack(struct scene *s, struct wire_metadata *meta)
{
    struct wire_frame frame;
    struct wire_message message;
    const char *why = NULL;

    micro_require(hulse_wire_frame_read(s->sink, s->sink_bytes, FRAME_MAX, &frame, &why) ==
                          WIRE_FRAME_OK &&
                      hulse_wire_message_read(frame.rest, &message, &why) == WIRE_MESSAGE_OK &&
                      hulse_wire_metadata_read(message.metadata, meta, &why),
                  "a good frame");
    if (meta->compression == PULSAR__COMPRESSION_TYPE__NONE) {
        return message.payload;
    }
    micro_require(meta->uncompressed_bytes <= ROOM_BYTES &&
                      hulse_wire_decompress(s->contexts,
                                            meta->compression,
                                            message.payload,
                                            s->plain,
                                            meta->uncompressed_bytes) == WIRE_COMPRESSION_OK,
                  "decompressed");
    return (struct broker_span){.data = s->plain, .bytes = meta->uncompressed_bytes};
}

static void consume(void *argument, uint64_t ops)
{
    struct scene *s = argument;
    struct wire_metadata meta;
    struct wire_batch_reader reader;
    struct wire_batch_message m;
    const char *why = NULL;
    uint64_t bytes = 0;

    for (uint64_t done = 0; done < ops; done += BATCH_MESSAGES) {
        const struct broker_span payload = unpack(s, &meta);
        micro_require(hulse_wire_batch_open(&reader, &meta, payload, &why), "a good batch");
        while (hulse_wire_batch_next(&reader, &m, &why) == WIRE_BATCH_OK) {
            bytes += m.payload.bytes;
        }
        micro_require(why == NULL, "a good batch to its end");
    }
    micro_require(bytes == ops * PAYLOAD_BYTES, "every byte once");
}

/* What is in the sink is what publish() put into its last batch. */
static void check_sink(struct scene *s)
{
    struct wire_metadata meta;
    struct wire_batch_reader reader;
    struct wire_batch_message m;
    const char *why = NULL;
    const uint64_t first = s->sequence_id - BATCH_MESSAGES;
    const struct broker_span payload = unpack(s, &meta);

    micro_require(hulse_wire_batch_open(&reader, &meta, payload, &why), "a good batch");
    micro_require(meta.sequence_id == first && meta.highest_sequence_id == s->sequence_id - 1,
                  "the sequence ids of the batch");
    for (uint32_t i = 0; i < BATCH_MESSAGES; i++) {
        micro_require(hulse_wire_batch_next(&reader, &m, &why) == WIRE_BATCH_OK, "a message");
        micro_require(m.meta.sequence_id == first + i && m.payload.bytes == PAYLOAD_BYTES,
                      "in order and whole");
        micro_require(m.meta.key.bytes == (s->used == NULL ? 0 : s->used->key.bytes), "its key");
        bool found = false;
        for (unsigned k = 0; k < 64 && !found; k++) {
            found = memcmp(m.payload.data, s->payloads[k], PAYLOAD_BYTES) == 0;
        }
        micro_require(found && m.payload.data[0] == s->payloads[(first + i) % 64][0], "its bytes");
    }
    micro_require(hulse_wire_batch_next(&reader, &m, &why) == WIRE_BATCH_END, "no more");
}

static void both_ways(struct micro *m, struct scene *s, const char *const names[2], uint64_t ops)
{
    s->sequence_id = 0;
    micro_run(m, names[0], ops, publish, s);
    check_sink(s);
    micro_run(m, names[1], ops, consume, s);
}

static void read_commands(void *argument, uint64_t ops)
{
    static const uint8_t message[] = {0x08, 0x09, 0x4a, 0x13, 0x08, 0x03, 0x12, 0x0f,
                                      0x08, 0x05, 0x10, 0x00, 0x18, 0xff, 0xff, 0xff,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
    struct wire_arena *arena = argument;
    const struct broker_span in = {.data = message, .bytes = sizeof(message)};
    const Pulsar__BaseCommand *c = NULL;
    const char *why = NULL;
    uint64_t sum = 0;

    for (uint64_t i = 0; i < ops; i++) {
        micro_require(hulse_wire_command_read(arena, in, &c, &why) == WIRE_COMMAND_OK, "a command");
        sum += c->message->message_id->ledgerid;
    }
    micro_require(sum == 5 * ops, "every id");
}

int main(int argc, char **argv)
{
    static struct scene s;
    static const char *const plain[] = {"publish", "consume"};
    static const char *const keyed[] = {"publish, key", "consume, key"};
    static const char *const lz4[] = {"publish, lz4", "consume, lz4"};
    struct wire_arena arena;
    struct micro m;
    uint64_t seed = 88172645463325252U;

    micro_begin(&m, "pulsar_wire", argc, argv);
    for (size_t i = 0; i < 64; i++) {
        for (size_t k = 0; k < PAYLOAD_BYTES; k++) {
            s.payloads[i][k] = (uint8_t)("0123456789abcdef"[micro_random(&seed) % 16]);
        }
    }
    s.contexts = hulse_wire_contexts_create();
    micro_require(s.contexts != NULL, "memory");
    s.meta = (struct broker_meta){.key = text("customer-4711"), .has_key = true, .partition = -1};
    printf("  batches of %u messages of %u B, one thread\n", BATCH_MESSAGES, PAYLOAD_BYTES);
    const uint64_t ops = micro_ops(&m, 10000000, 2000);
    both_ways(&m, &s, plain, ops);
    s.used = &s.meta;
    both_ways(&m, &s, keyed, ops);
    s.used = NULL;
    s.compression = PULSAR__COMPRESSION_TYPE__LZ4;
    both_ways(&m, &s, lz4, micro_ops(&m, 2000000, 2000));
    hulse_wire_arena_init(&arena, WIRE_COMMAND_MEMORY_MAX);
    micro_run(&m, "read a MESSAGE command", micro_ops(&m, 5000000, 2000), read_commands, &arena);
    hulse_wire_arena_fini(&arena);
    hulse_wire_contexts_destroy(&s.contexts);
    return micro_end(&m);
}
