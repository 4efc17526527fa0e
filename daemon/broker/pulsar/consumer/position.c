/* SPDX-License-Identifier: Apache-2.0 */
/*
 * position - see the header.
 */
#include "daemon/broker/pulsar/consumer/position.h"

#include "daemon/broker/pulsar/consumer/entry.h"

void hulse_floor_set(struct floor *f, const struct broker_position *to)
{
    *f = (struct floor){0};
    if (to->kind == BROKER_AT_PUBLISHED) {
        f->set = to->time_ms != 0;
        f->time_ms = to->time_ms;
    } else if (to->kind == BROKER_AT_ID || to->kind == BROKER_AFTER_ID) {
        f->set = to->id.entry != BROKER_NO_ENTRY;
        f->inclusive = to->kind == BROKER_AT_ID;
        f->ledger = to->id.ledger;
        f->entry = to->id.entry;
        f->batch = to->id.batch_size == 0 && to->id.batch <= 0 ? -1 : to->id.batch;
    }
}

static bool passes(const struct floor *f, uint64_t ledger, uint64_t entry, int32_t batch)
{
    if (ledger != f->ledger || entry != f->entry) {
        return f->below_too && hulse_entry_below(ledger, entry, f->ledger, f->entry);
    }
    if (f->batch < 0 || batch < 0) {
        return !f->inclusive;
    }
    return batch < f->batch || (batch == f->batch && !f->inclusive);
}

bool hulse_floor_passes(
    struct floor *f, uint64_t ledger, uint64_t entry, int32_t batch, uint64_t publish_time_ms)
{
    if (!f->set) {
        return false;
    }
    f->set = f->time_ms != 0 ? publish_time_ms < f->time_ms : passes(f, ledger, entry, batch);
    return f->set;
}

/* The messages from `first` on are the ones that are wanted. */
static void write_set(Pulsar__MessageIdData *out, int64_t *words, uint32_t first, uint32_t size)
{
    const uint32_t count = (size + 63) / 64;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t base = i * 64;
        uint64_t word = UINT64_MAX;
        if (first > base) {
            word = first - base >= 64 ? 0 : word << (first - base);
        }
        if (size - base < 64) {
            word &= (UINT64_C(1) << (size - base)) - 1;
        }
        words[i] = (int64_t)word;
    }
    out->ack_set = words;
    out->n_ack_set = count;
}

void hulse_position_write(const struct broker_position *to,
                          Pulsar__MessageIdData *out,
                          int64_t *words)
{
    const struct broker_id *id = &to->id;
    pulsar__message_id_data__init(out);
    if (to->kind == BROKER_EARLIEST ||
        (to->kind != BROKER_LATEST && id->ledger == 0 && id->entry == BROKER_NO_ENTRY)) {
        out->ledgerid = UINT64_MAX;
        out->entryid = UINT64_MAX;
        return;
    }
    if (to->kind == BROKER_LATEST) {
        out->ledgerid = INT64_MAX;
        out->entryid = INT64_MAX;
        return;
    }
    out->ledgerid = id->ledger;
    out->entryid = id->entry;
    if (id->batch >= 0 && id->batch_size > 0) {
        out->has_batch_index = true;
        out->batch_index = id->batch;
        const uint32_t first = (uint32_t)id->batch + (to->kind == BROKER_AFTER_ID ? 1 : 0);
        /* An empty set would be the whole entry. */
        if (words != NULL && first > 0 && first < id->batch_size) {
            write_set(out, words, first, id->batch_size);
        }
    }
}

bool hulse_position_is_behind(const Pulsar__MessageIdData *mark, const Pulsar__MessageIdData *last)
{
    /* As numbers with a sign: before the first entry of a ledger is -1. */
    return mark != NULL &&
           (mark->ledgerid > last->ledgerid ||
            (mark->ledgerid == last->ledgerid && (int64_t)mark->entryid >= (int64_t)last->entryid));
}
