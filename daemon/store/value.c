/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/store/value.h"

#include "daemon/core/assert.h"
#include "daemon/core/bytes.h"
#include "daemon/core/crc32c.h"

#include <string.h>

enum { HANDLE_BYTES = 16, META_KEY = 1 };

struct value_key hulse_value_key_meta(void)
{
    return (struct value_key){.table = VALUE_META, .bytes = 1, .data = {META_KEY}};
}

struct value_key hulse_value_key(enum value_table table, uint64_t first)
{
    struct value_key key = {.table = (uint8_t)table, .bytes = 8};

    hulse_put64_big(key.data, first);
    return key;
}

struct value_key hulse_value_key2(enum value_table table, uint64_t first, uint64_t second)
{
    struct value_key key = hulse_value_key(table, first);

    hulse_put64_big(key.data + 8, second);
    key.bytes = 16;
    return key;
}

struct value_key
hulse_value_key3(enum value_table table, uint64_t first, uint64_t second, uint64_t third)
{
    struct value_key key = hulse_value_key2(table, first, second);

    hulse_put64_big(key.data + 16, third);
    key.bytes = 24;
    return key;
}

struct value_key hulse_value_key_handle(uint64_t topic, const uint8_t *handle)
{
    struct value_key key = hulse_value_key(VALUE_HANDLE, topic);

    memcpy(key.data + 8, handle, HANDLE_BYTES);
    key.bytes = 8 + HANDLE_BYTES;
    return key;
}

uint64_t hulse_value_key_first(const struct value_key *key)
{
    return key->bytes >= 8 ? hulse_get64_big(key->data) : 0;
}

uint64_t hulse_value_key_second(const struct value_key *key)
{
    return key->bytes >= 16 ? hulse_get64_big(key->data + 8) : 0;
}

uint64_t hulse_value_key_third(const struct value_key *key)
{
    return key->bytes >= 24 ? hulse_get64_big(key->data + 16) : 0;
}

static uint32_t check_of(const struct value_key *key, const uint8_t *value, size_t bytes)
{
    uint32_t crc = hulse_crc32c(UINT32_MAX, &key->table, 1);

    crc = hulse_crc32c(crc, key->data, key->bytes);
    return hulse_crc32c(crc, value + 4, bytes - 4);
}

void hulse_value_seal(const struct value_key *key, uint8_t *value, size_t bytes)
{
    HULSE_ASSERT(bytes >= VALUE_HEADER_BYTES);

    hulse_put16(value + 4, VALUE_VERSION);
    hulse_put16(value + 6, 0);
    hulse_put32(value, check_of(key, value, bytes));
}

bool hulse_value_sound(const struct value_key *key, const uint8_t *value, size_t bytes)
{
    return bytes >= VALUE_HEADER_BYTES && hulse_get32(value) == check_of(key, value, bytes) &&
           hulse_get16(value + 4) == VALUE_VERSION && hulse_get16(value + 6) == 0;
}

uint64_t hulse_value_digest(const uint8_t *value, size_t bytes)
{
    if (bytes < VALUE_HEADER_BYTES) {
        return 0;
    }
    const uint64_t crc = hulse_get32(value);
    return (crc ^ crc << 29U) * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

void hulse_value_meta_encode(const struct value_meta *meta, uint8_t out[VALUE_META_BYTES])
{
    const struct value_key key = hulse_value_key_meta();
    uint8_t *at = out + VALUE_HEADER_BYTES;

    hulse_put64(at, meta->covered);
    hulse_put64(at + 8, meta->indexed);
    hulse_put64(at + 16, meta->epoch);
    hulse_put64(at + 24, meta->topic_next);
    hulse_put64(at + 32, meta->subscription_next);
    hulse_put64(at + 40, meta->age_ms);
    hulse_put64(at + 48, meta->digest);
    hulse_put32(at + 56, meta->segment_bytes);
    hulse_value_seal(&key, out, VALUE_META_BYTES);
}

bool hulse_value_meta_decode(const uint8_t *value, size_t bytes, struct value_meta *out)
{
    const struct value_key key = hulse_value_key_meta();
    const uint8_t *at = value + VALUE_HEADER_BYTES;

    if (bytes != VALUE_META_BYTES || !hulse_value_sound(&key, value, bytes)) {
        return false;
    }
    *out = (struct value_meta){.covered = hulse_get64(at),
                               .indexed = hulse_get64(at + 8),
                               .epoch = hulse_get64(at + 16),
                               .topic_next = hulse_get64(at + 24),
                               .subscription_next = hulse_get64(at + 32),
                               .age_ms = hulse_get64(at + 40),
                               .digest = hulse_get64(at + 48),
                               .segment_bytes = hulse_get32(at + 56)};
    return out->indexed <= out->covered && out->epoch <= UINT32_MAX;
}
