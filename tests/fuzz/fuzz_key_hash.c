/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   hashing a key never reads past it and gives 31 bits; Java's is that of its UTF-16 units, which are counted here
 *         another way.
 * Input:  the key.
 */
#include "daemon/broker/common/key_hash.h"
#include "shmlib/ring/tlv.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static uint32_t unit(uint32_t hash, uint32_t value)
{
    return (hash << 5U) - hash + value;
}

/* Of UTF-8. */
static uint32_t java(const uint8_t *key, size_t bytes)
{
    uint32_t hash = 0;

    for (size_t i = 0; i < bytes;) {
        const unsigned more = key[i] < 0x80 ? 0 : (key[i] < 0xe0 ? 1 : (key[i] < 0xf0 ? 2 : 3));
        uint32_t code = more == 0 ? key[i] : key[i] & (0x3fU >> more);
        i++;
        for (unsigned n = 0; n < more; n++, i++) {
            code = code * 64 + key[i] % 64;
        }
        if (code > 0xffff) {
            hash = unit(hash, 0xd7c0 + code / 1024);
            code = 0xdc00 + code % 1024;
        }
        hash = unit(hash, code);
    }
    return hash & 0x7fffffffU;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes == 0 || bytes > 4096) {
        return 0;
    }
    /* On the heap and exact, so that AddressSanitizer sees every step too far. */
    uint8_t *key = malloc(bytes);
    if (key == NULL) {
        abort();
    }
    memcpy(key, data, bytes);
    const struct broker_span span = {.data = key, .bytes = (uint32_t)bytes};
    for (enum broker_hashing kind = BROKER_HASH_JAVA; kind <= BROKER_HASH_BOOST; kind++) {
        if (hulse_key_hash(kind, span) > 0x7fffffffU) {
            abort();
        }
    }
    if (hulse_utf8_valid(key, bytes) &&
        hulse_key_hash(BROKER_HASH_JAVA, span) != java(key, bytes)) {
        abort();
    }
    free(key);
    return 0;
}
