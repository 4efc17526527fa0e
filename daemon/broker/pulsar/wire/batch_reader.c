/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch_reader - see the header. Pulsar protocol, sections 5.6, 7.3, 7.11.
 */
#include "daemon/broker/pulsar/wire/batch_reader.h"

#include "daemon/core/assert.h"
#include "daemon/core/bytes.h"

/* The metadata of a message have a payload_size, if nothing else. */
enum { SIZE_BYTES = 4, MESSAGE_BYTES_MIN = SIZE_BYTES + 2 };

static bool take(struct broker_span *rest, struct wire_batch_message *out, const char **why)
{
    if (rest->bytes < SIZE_BYTES) {
        *why = "a batch ends before its last message";
        return false;
    }
    const uint32_t size = hulse_get32_big(rest->data);
    if (size > rest->bytes - SIZE_BYTES) {
        *why = "a batched message's metadata are larger than the batch";
        return false;
    }
    const struct broker_span meta = {.data = rest->data + SIZE_BYTES, .bytes = size};
    if (!hulse_wire_single_read(meta, &out->meta, why)) {
        return false;
    }
    const uint32_t left = rest->bytes - SIZE_BYTES - size;
    if (out->meta.payload_bytes < 0 || (uint32_t)out->meta.payload_bytes > left) {
        *why = "a batched message is larger than the batch";
        return false;
    }
    out->payload =
        (struct broker_span){.data = meta.data + size, .bytes = (uint32_t)out->meta.payload_bytes};
    rest->data = out->payload.data + out->payload.bytes;
    rest->bytes = left - out->payload.bytes;
    return true;
}

/* How many there are, for compaction alone: its count is that of the batch as it was. */
static bool count_messages(struct broker_span rest, uint32_t *count, const char **why)
{
    struct wire_batch_message message;

    for (*count = 0; rest.bytes > 0; (*count)++) {
        if (!take(&rest, &message, why)) {
            return false;
        }
    }
    return true;
}

/* Whether the list of what is left goes with what is there. */
static bool
open_compacted(struct wire_batch_reader *r, const struct wire_metadata *m, const char **why)
{
    struct wire_compacted indexes = m->compacted;
    uint32_t count = 0;
    int32_t index = 0;
    int64_t before = -1;

    if (!count_messages(r->rest, &count, why)) {
        return false;
    }
    if (count == r->batch_count) {
        return true; /* placeholders stand for what is gone */
    }
    if (count != m->compacted.count) {
        *why = "a compacted batch has neither all its messages nor those it lists";
        return false;
    }
    while (hulse_wire_compacted_next(&indexes, &index)) {
        if (index <= before || index >= m->batch_count) {
            *why = "a compacted batch lists messages that it cannot have";
            return false;
        }
        before = index;
    }
    r->indexes = m->compacted;
    r->left = count;
    return true;
}

bool hulse_wire_batch_open(struct wire_batch_reader *r,
                           const struct wire_metadata *m,
                           struct broker_span payload,
                           const char **why)
{
    HULSE_ASSERT(hulse_wire_has(m->has, WIRE_META_BATCH));

    if (m->batch_count <= 0) {
        *why = "a batch says that it has no messages";
        return false;
    }
    const uint32_t count = (uint32_t)m->batch_count;
    *r = (struct wire_batch_reader){.rest = payload, .batch_count = count, .left = count};
    if (m->compacted.count > 0) {
        return open_compacted(r, m, why);
    }
    if (count > payload.bytes / MESSAGE_BYTES_MIN) {
        *why = "a batch has no room for the messages it says";
        return false;
    }
    return true;
}

enum wire_batch_rc
hulse_wire_batch_next(struct wire_batch_reader *r, struct wire_batch_message *out, const char **why)
{
    if (r->left == 0) {
        if (r->rest.bytes > 0) {
            *why = "a batch goes on behind its last message";
            return WIRE_BATCH_BAD;
        }
        return WIRE_BATCH_END;
    }
    if (!take(&r->rest, out, why)) {
        return WIRE_BATCH_BAD;
    }
    out->index = r->next_index++;
    if (r->indexes.count > 0) {
        int32_t index = 0;
        const bool listed = hulse_wire_compacted_next(&r->indexes, &index);
        HULSE_ASSERT(listed);
        out->index = (uint32_t)index;
    }
    r->left -= 1;
    return WIRE_BATCH_OK;
}
