/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   F1: any metadata and any bytes in any number of parts are one message within the bound, or refused: what was put
 *         together is what came, or what that decompresses to.
 * Method: the input as {u8 parts, u16 metadata bytes (big endian), metadata, payload}, the payload cut evenly.
 */
#include "daemon/broker/pulsar/consumer/body.h"
#include "daemon/core/mem.h"

#include <stdlib.h>
#include <string.h>

#define BYTES_MAX 65536U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void must_be_whole(struct body *b, struct broker_span sent)
{
    struct body_message m;
    struct broker_delivery d;
    const char *why = NULL;

    must(b->batch || b->count == 1);
    if (b->batch) {
        return; /* what takes chunks refuses it before */
    }
    must(hulse_body_next(b, &m, &why) == WIRE_BATCH_OK && hulse_body_is_read(b));
    must(hulse_body_fill(b, &m, &d));
    if (b->meta.compression == 0) {
        must(d.payload.bytes == sent.bytes && memcmp(d.payload.data, sent.data, sent.bytes) == 0);
    } else {
        must(d.payload.bytes == b->meta.uncompressed_bytes && d.payload.bytes <= BYTES_MAX);
    }
}

static void try_message(struct wire_contexts *contexts,
                        struct broker_span metadata,
                        struct broker_span payload,
                        uint32_t parts)
{
    const struct wire_message first = {.metadata = metadata};
    const size_t before = hulse_mem_used(HULSE_MEM_BROKER); /* of the contexts */
    struct body *b = hulse_body_begin(&first, payload.bytes);
    const char *why = NULL;
    uint32_t at = 0;

    must(b != NULL);
    for (uint32_t i = 0; i < parts; i++) {
        const uint32_t end = (uint32_t)((uint64_t)payload.bytes * (i + 1) / parts);
        hulse_body_append(b, (struct broker_span){payload.data + at, end - at});
        at = end;
    }
    if (hulse_body_finish(&b, contexts, BYTES_MAX, &why) == BODY_OK) {
        must_be_whole(b, payload);
    } else {
        must(why != NULL);
    }
    hulse_body_release(b);
    must(hulse_mem_used(HULSE_MEM_BROKER) == before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct wire_contexts *contexts;

    if (contexts == NULL) {
        hulse_mem_init(SIZE_MAX / 2);
        contexts = hulse_wire_contexts_create();
    }
    if (contexts == NULL || bytes < 4 || bytes > BYTES_MAX || data[0] == 0) {
        return 0;
    }
    const uint32_t metadata_bytes = (uint32_t)data[1] << 8U | data[2];
    if (metadata_bytes >= bytes - 3) {
        return 0;
    }
    const struct broker_span metadata = {data + 3, metadata_bytes};
    const struct broker_span payload = {data + 3 + metadata_bytes,
                                        (uint32_t)bytes - 3 - metadata_bytes};
    try_message(contexts, metadata, payload, data[0]);
    return 0;
}
