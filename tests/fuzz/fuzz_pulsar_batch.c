/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   F1: any bytes as a batch are its messages within its bounds, as many as it says, or refused.
 * Method: the input as {u8 messages, u8 n, n times a compacted index, payload}.
 */
#include "daemon/broker/pulsar/wire/batch_reader.h"
#include "daemon/broker/pulsar/wire/field.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void must_be_within(struct broker_span inner, struct broker_span outer)
{
    must(inner.data == NULL ||
         (inner.data >= outer.data && inner.data + inner.bytes <= outer.data + outer.bytes));
}

static void try_batch(const struct wire_metadata *meta, struct broker_span payload)
{
    struct wire_batch_reader reader;
    struct wire_batch_message m;
    enum wire_batch_rc rc = WIRE_BATCH_OK;
    const char *why = NULL;
    int64_t before = -1;
    uint32_t count = 0;
    uint64_t sum = 0;

    if (!hulse_wire_batch_open(&reader, meta, payload, &why)) {
        must(why != NULL);
        return;
    }
    while ((rc = hulse_wire_batch_next(&reader, &m, &why)) == WIRE_BATCH_OK) {
        must(m.index > before && m.index < (uint32_t)meta->batch_count);
        before = m.index;
        must_be_within(m.payload, payload);
        must_be_within(m.meta.key, payload);
        must_be_within(m.meta.ordering_key, payload);
        must_be_within(m.meta.properties.fields, payload);
        sum += m.payload.bytes;
        count++;
    }
    must(sum <= payload.bytes);
    must((rc == WIRE_BATCH_BAD) == (why != NULL));
    must(rc != WIRE_BATCH_END || count == (uint32_t)meta->batch_count ||
         count == meta->compacted.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    uint8_t list[256 * 4];
    uint8_t *at = list;

    if (bytes < 2 || bytes < 2U + data[1]) {
        return 0;
    }
    struct wire_metadata meta = {.has = UINT64_C(1) << WIRE_META_BATCH,
                                 .batch_count = (int8_t)data[0]};
    for (size_t i = 0; i < data[1]; i++) {
        at = hulse_wire_put_number(at, WIRE_META_COMPACTED, data[2 + i]);
    }
    meta.compacted = (struct wire_compacted){
        .fields = {.data = list, .bytes = (uint32_t)(at - list)}, .count = data[1]};
    const size_t head = 2U + data[1];
    try_batch(&meta, (struct broker_span){.data = data + head, .bytes = (uint32_t)(bytes - head)});
    return 0;
}
