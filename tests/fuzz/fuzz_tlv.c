/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   F1: any bytes through the metadata judge; what it accepts can be walked and rebuilt.
 * Method: first byte = place, rest = the block. An accepted block is written again element by
 *         element and must come out the same.
 */
#include "shmlib/ring/tlv.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static uint8_t out[HULSE_META_BYTES_MAX];
static volatile uint64_t sink;

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void rebuild_property(const struct hulse_tlv *t, size_t *at)
{
    struct hulse_tlv_pair pair = {0};
    const uint8_t *name = NULL;
    const uint8_t *value = NULL;

    hulse_tlv_property(t, &name, &pair.name_bytes, &value, &pair.value_bytes);
    must(pair.name_bytes > 0 && pair.name_bytes + pair.value_bytes + 2 == t->bytes);
    must(name + pair.name_bytes == value && value + pair.value_bytes == t->value + t->bytes);
    must(hulse_utf8_valid(name, pair.name_bytes) && hulse_utf8_valid(value, pair.value_bytes));
    pair.name = name;
    pair.value = value;
    must(hulse_tlv_put_property(out, sizeof(out), at, &pair));
}

static void rebuild(const uint8_t *in, size_t bytes)
{
    struct hulse_tlv t;
    struct hulse_tlv found;
    size_t from = 0;
    size_t to = 0;
    int rc = 0;

    while ((rc = hulse_tlv_next(in, bytes, &from, &t)) > 0) {
        must(t.value >= in + HULSE_TLV_HEADER_BYTES && t.value + t.bytes <= in + bytes);
        must(hulse_tlv_find(in, bytes, (enum hulse_tag)t.tag, &found) && found.value <= t.value);
        sink = hulse_tlv_number(&t);
        if (t.tag == HULSE_TAG_PROPERTY) {
            rebuild_property(&t, &to);
        } else {
            must(hulse_tlv_put(out, sizeof(out), &to, &t));
        }
    }
    must(rc == 0 && to == bytes && memcmp(in, out, bytes) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const char *why = NULL;

    if (bytes == 0) {
        return 0;
    }
    const enum hulse_tlv_place place = (enum hulse_tlv_place)(data[0] % 3);
    if (hulse_tlv_check(data + 1, bytes - 1, place, &why)) {
        must(why == NULL);
        rebuild(data + 1, bytes - 1);
    } else {
        must(why != NULL);
    }
    return 0;
}
