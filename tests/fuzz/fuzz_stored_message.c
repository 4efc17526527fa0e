/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   any bytes through the decoder of stored messages; what it accepts lies inside, can be
 *         walked, and is written again as it was.
 * Method: the input is the body.
 */
#include "daemon/broker/local/message_codec.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static const uint8_t *follows(const uint8_t *at, struct broker_span part)
{
    must(part.data == at);
    return at + part.bytes;
}

/* As who reads them does: without a look at the end. */
static void walk(struct broker_span properties)
{
    size_t at = 0;
    while (at < properties.bytes) {
        uint16_t lengths[2];
        memcpy(lengths, properties.data + at, sizeof(lengths));
        at += sizeof(lengths) + lengths[0] + lengths[1];
    }
    must(at == properties.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct broker_delivery d = {0};
    uint64_t expires_ms = 0;
    const char *why = NULL;
    uint8_t header[MESSAGE_HEADER_BYTES];

    if (!hulse_message_decode(data, bytes, &d, &expires_ms, &why)) {
        must(why != NULL);
        return 0;
    }
    must(why == NULL);
    const uint8_t *at = follows(data + MESSAGE_HEADER_BYTES, d.payload);
    at = follows(at, d.meta.key);
    at = follows(at, d.meta.ordering_key);
    at = follows(at, d.meta.properties);
    at = follows(at, d.producer);
    must(at == data + bytes);
    walk(d.meta.properties);
    hulse_message_encode(header, &d, expires_ms);
    must(memcmp(header, data, sizeof(header)) == 0);
    return 0;
}
