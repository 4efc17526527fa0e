/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record - reading one record out of a foreign ring: copied once, then checked, then used.
 *
 * Trust:   the writer may change every byte at any time. A header is copied whole behind a
 *          compiler barrier and decided on from the copy (V8..V10, V12); lengths are 64-bit.
 * Threads: the ring's reader.
 * Limits:  max_record is half the capacity; metadata <= 65,528 bytes.
 */
#ifndef HULSE_RING_RECORD_H
#define HULSE_RING_RECORD_H

#include "shmlib/ring/ring.h"

/* Which rule a record or message broke (ipc C1); 0 = none. */
enum hulse_rule {
    HULSE_RULE_NONE = 0,
    HULSE_RULE_V1 = 1,
    HULSE_RULE_V2 = 2,
    HULSE_RULE_V3 = 3,
    HULSE_RULE_V5 = 5,
    HULSE_RULE_V6 = 6,
    HULSE_RULE_V7 = 7,
    HULSE_RULE_V8 = 8,
    HULSE_RULE_V9 = 9,
    HULSE_RULE_V10 = 10,
    HULSE_RULE_V11 = 11,
    HULSE_RULE_V12 = 12,
    HULSE_RULE_V13 = 13,
    HULSE_RULE_V15 = 15,
    HULSE_RULE_V18 = 18,
    HULSE_RULE_COUNT = 21
};

/* Copies `bytes` of foreign memory once; the optimiser may not fetch them again afterwards. */
static inline void hulse_foreign_copy(void *to, const void *from, size_t bytes)
{
    memcpy(to, from, bytes);
    atomic_signal_fence(memory_order_seq_cst);
}

/*
 * Checks a private copy of a publish header against the bytes available. `avail` and
 * `max_record` are ours. Pure.
 */
static inline enum hulse_rule
hulse_publish_check(const struct hulse_publish_header *h, uint64_t avail, uint64_t max_record)
{
    const uint64_t len = h->len;
    if (len < HULSE_PUBLISH_HEADER_BYTES || len > max_record || hulse_record_stride(len) > avail) {
        return HULSE_RULE_V9;
    }
    if (h->type == HULSE_RECORD_SKIP) {
        return HULSE_RULE_NONE;
    }
    const bool fragment = h->type == HULSE_RECORD_FRAGMENT;
    if ((!fragment && h->type != HULSE_RECORD_MESSAGE) || (h->flags & ~HULSE_PUBLISH_FLAGS) != 0 ||
        (!fragment && (h->flags & (HULSE_RECORD_FIRST | HULSE_RECORD_LAST)) != 0)) {
        return HULSE_RULE_V9;
    }
    const uint64_t payload = h->payload_len;
    const uint64_t meta = h->meta_len;
    const uint64_t body = meta == 0 ? payload : hulse_record_stride(payload) + meta;
    if (body != len - HULSE_PUBLISH_HEADER_BYTES || meta > HULSE_META_BYTES_MAX ||
        (meta != 0) != ((h->flags & HULSE_RECORD_HAS_META) != 0) ||
        (fragment && payload < HULSE_FRAGMENT_HEADER_BYTES)) {
        return HULSE_RULE_V10;
    }
    return HULSE_RULE_NONE;
}

/* The same for a verdict record. */
static inline enum hulse_rule hulse_verdict_check(const struct hulse_verdict_record *v,
                                                  uint64_t avail)
{
    const uint64_t len = v->len;
    const uint64_t max =
        HULSE_VERDICT_HEADER_BYTES + HULSE_TLV_HEADER_BYTES + HULSE_REASON_BYTES_MAX;
    if (len < HULSE_VERDICT_HEADER_BYTES || len > max || hulse_record_stride(len) > avail ||
        v->type != HULSE_RECORD_VERDICT || v->flags != 0 || v->reserved != 0 ||
        (v->how & ~HULSE_HOW_FLAGS) != 0 || v->verdict < HULSE_VERDICT_ACK ||
        v->verdict > HULSE_VERDICT_DROP) {
        return HULSE_RULE_V9;
    }
    if (v->meta_len != len - HULSE_VERDICT_HEADER_BYTES) {
        return HULSE_RULE_V10;
    }
    return HULSE_RULE_NONE;
}

#endif
