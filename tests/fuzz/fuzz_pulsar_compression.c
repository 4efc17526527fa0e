/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   F1: any bytes decompress to exactly the size that was said, or are refused; contexts that saw damage
 *         serve the next payload.
 * Method: the input as {u8 type, u16 big endian size, compressed bytes}; what comes out goes in again.
 */
#include "daemon/broker/pulsar/wire/compression.h"
#include "daemon/core/bytes.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct wire_contexts *contexts;

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void go_round(int32_t type, const uint8_t *plain, uint32_t size)
{
    const uint64_t bound = hulse_wire_compress_bound(type, size);
    uint8_t *out = malloc(bound);
    uint8_t *again = malloc(size + 1U);
    uint32_t made = 0;

    must(out != NULL && again != NULL);
    must(hulse_wire_compress(contexts,
                             type,
                             (struct broker_span){.data = plain, .bytes = size},
                             out,
                             bound,
                             &made) == WIRE_COMPRESSION_OK);
    must(hulse_wire_decompress(
             contexts, type, (struct broker_span){.data = out, .bytes = made}, again, size) ==
         WIRE_COMPRESSION_OK);
    must(memcmp(plain, again, size) == 0);
    free(again);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes < 3) {
        return 0;
    }
    if (contexts == NULL) {
        contexts = hulse_wire_contexts_create();
        must(contexts != NULL);
    }
    const int32_t type = data[0] % 6;
    const uint32_t size = hulse_get16_big(data + 1);
    const struct broker_span in = {.data = data + 3, .bytes = (uint32_t)bytes - 3};
    uint8_t *plain = malloc(size == 0 ? 1 : size);
    must(plain != NULL);
    const enum wire_compression_rc rc = hulse_wire_decompress(contexts, type, in, plain, size);
    must(rc == WIRE_COMPRESSION_OK || rc == WIRE_COMPRESSION_BAD ||
         (rc == WIRE_COMPRESSION_UNKNOWN && (type == 0 || type == 5)));
    if (rc == WIRE_COMPRESSION_OK) {
        go_round(type, plain, size);
    }
    free(plain);
    return 0;
}
