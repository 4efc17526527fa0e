/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   F1: any bytes from a broker are frames, commands and messages within their bounds, or end the connection
 *         with a reason; a message is delivered or discarded.
 * Method: the input as what a connection gives, through the whole wire: frame, command, checksum, metadata,
 *         decompression, batch. What is accepted is touched to its last byte.
 */
#include "daemon/broker/pulsar/wire/batch_reader.h"
#include "daemon/broker/pulsar/wire/command.h"
#include "daemon/broker/pulsar/wire/compression.h"
#include "daemon/broker/pulsar/wire/frame.h"

#include <stdlib.h>
#include <string.h>

#define MESSAGE_BYTES_MAX (1U << 20U)
#define COMMAND_MEMORY_MAX (1U << 20U)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct wire_contexts *contexts;
static struct wire_arena arena;

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* Reads every byte, so that one which is not there is found. */
static void touch(struct broker_span s)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < s.bytes; i++) {
        sum += s.data[i];
    }
    must(sum <= UINT64_C(255) * s.bytes);
}

static void read_batch(const struct wire_metadata *meta, struct broker_span payload)
{
    struct wire_batch_reader reader;
    struct wire_batch_message message;
    enum wire_batch_rc rc = WIRE_BATCH_OK;
    const char *why = NULL;
    int64_t before = -1;

    if (!hulse_wire_batch_open(&reader, meta, payload, &why)) {
        must(why != NULL);
        return;
    }
    while ((rc = hulse_wire_batch_next(&reader, &message, &why)) == WIRE_BATCH_OK) {
        must(message.index > before && message.index < (uint32_t)meta->batch_count);
        before = message.index;
        touch(message.payload);
        touch(message.meta.key);
        touch(message.meta.ordering_key);
    }
    must((rc == WIRE_BATCH_BAD) == (why != NULL));
}

static void read_payload(const struct wire_metadata *meta, struct broker_span payload)
{
    uint8_t *plain = NULL;

    if (meta->compression != PULSAR__COMPRESSION_TYPE__NONE) {
        if (hulse_wire_decompress_check(
                meta->compression, payload, meta->uncompressed_bytes, MESSAGE_BYTES_MAX) !=
            WIRE_COMPRESSION_OK) {
            return;
        }
        plain = malloc(meta->uncompressed_bytes + 1U);
        must(plain != NULL);
        if (hulse_wire_decompress(
                contexts, meta->compression, payload, plain, meta->uncompressed_bytes) !=
            WIRE_COMPRESSION_OK) {
            free(plain);
            return;
        }
        payload = (struct broker_span){.data = plain, .bytes = meta->uncompressed_bytes};
    }
    touch(payload);
    if (hulse_wire_has(meta->has, WIRE_META_BATCH)) {
        read_batch(meta, payload);
    }
    free(plain);
}

static bool read_message(struct broker_span rest)
{
    struct wire_message message;
    struct wire_metadata meta;
    struct wire_entry entry;
    const char *why = NULL;

    switch (hulse_wire_message_read(rest, &message, &why)) {
    case WIRE_MESSAGE_BAD:
        must(why != NULL);
        return false;
    case WIRE_MESSAGE_CHECKSUM:
        return true;
    default:
        break;
    }
    if (message.entry.data != NULL && !hulse_wire_entry_read(message.entry, &entry, &why)) {
        must(why != NULL);
        why = NULL;
    }
    must(message.payload.data + message.payload.bytes == rest.data + rest.bytes);
    if (hulse_wire_metadata_read(message.metadata, &meta, &why)) {
        read_payload(&meta, message.payload);
    } else {
        must(why != NULL);
    }
    return true;
}

static bool read_frame(const struct wire_frame *frame)
{
    const Pulsar__BaseCommand *command = NULL;
    const char *why = NULL;
    const enum wire_command_rc rc = hulse_wire_command_read(&arena, frame->command, &command, &why);

    must(arena.held <= COMMAND_MEMORY_MAX);
    if (rc != WIRE_COMMAND_OK) {
        must(rc == WIRE_COMMAND_BAD && why != NULL);
        return false;
    }
    return command->type != PULSAR__BASE_COMMAND__TYPE__MESSAGE || read_message(frame->rest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct wire_frame frame;
    const char *why = NULL;
    enum wire_frame_rc rc = WIRE_FRAME_OK;

    if (contexts == NULL) {
        contexts = hulse_wire_contexts_create();
        hulse_wire_arena_init(&arena, COMMAND_MEMORY_MAX);
    }
    while ((rc = hulse_wire_frame_read(data, bytes, MESSAGE_BYTES_MAX, &frame, &why)) ==
           WIRE_FRAME_OK) {
        must(frame.bytes >= WIRE_FRAME_HEADER_BYTES && frame.bytes <= bytes);
        must(frame.bytes == WIRE_FRAME_HEADER_BYTES + frame.command.bytes + frame.rest.bytes);
        if (!read_frame(&frame)) {
            return 0;
        }
        data += frame.bytes;
        bytes -= frame.bytes;
    }
    must((rc == WIRE_FRAME_BAD) == (why != NULL));
    must(rc == WIRE_FRAME_BAD || frame.bytes > bytes);
    return 0;
}
