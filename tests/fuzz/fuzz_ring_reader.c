/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   F1: whatever the peer writes into region A, the reader reads nothing outside
 *         [read, read + ready), makes progress with each record and stops at the first bad value.
 * Method: input = kind, start position, four tails, ring bytes. The window the reader may touch is
 *         the only unpoisoned part of the ring, so AddressSanitizer sees one byte too far.
 */
#include "shmlib/ring/record.h"
#include "shmlib/ring/tlv.h"

#include <stdlib.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#endif
#ifdef HAVE_ASAN
#include <sanitizer/asan_interface.h>
#define SHUT(at, bytes) __asan_poison_memory_region(at, bytes)
#define OPEN(at, bytes) __asan_unpoison_memory_region(at, bytes)
#else
#define SHUT(at, bytes) ((void)(at), (void)(bytes))
#define OPEN(at, bytes) ((void)(at), (void)(bytes))
#endif

#define CAPACITY ((uint64_t)HULSE_RING_BYTES_MIN)
#define TAILS 4U
#define FLAG_VERDICTS 1U
#define FLAG_RELEASE 2U
#define FLAG_NEAR 4U /* tails are small steps, so that inputs get past the position checks */

struct head {
    uint64_t start;
    uint64_t tails[TAILS];
    uint8_t flags;
};
#define HEAD_BYTES (8 + (8 * TAILS) + 1)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static uint8_t ring[2 * HULSE_RING_BYTES_MIN];
static uint8_t meta[65536];
static volatile uint8_t sink;

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void read_all(const uint8_t *at, uint64_t bytes)
{
    uint8_t sum = 0;

    for (uint64_t i = 0; i < bytes; i++) {
        sum = (uint8_t)(sum + at[i]);
    }
    sink = sum;
}

static void read_meta(const uint8_t *record, uint64_t len, uint16_t meta_len, bool verdict)
{
    const char *why = NULL;

    hulse_foreign_copy(meta, record + len - meta_len, meta_len);
    if (!hulse_tlv_check(meta, meta_len, verdict ? HULSE_TLV_VERDICT : HULSE_TLV_PUBLISH, &why)) {
        must(why != NULL);
    }
}

/* Reads one record as the daemon does. Gives its stride, 0 when a rule was broken. */
static uint64_t read_publish(const uint8_t *at, uint64_t ready)
{
    struct hulse_publish_header h;

    if (ready < sizeof(h)) {
        return 0;
    }
    hulse_foreign_copy(&h, at, sizeof(h));
    if (hulse_publish_check(&h, ready, CAPACITY / 2) != HULSE_RULE_NONE) {
        return 0;
    }
    if (h.type != HULSE_RECORD_SKIP) {
        read_all(at + sizeof(h), h.payload_len);
        read_meta(at, h.len, h.meta_len, false);
    }
    return hulse_record_stride(h.len);
}

static uint64_t read_verdict(const uint8_t *at, uint64_t ready)
{
    struct hulse_verdict_record v;

    if (ready < sizeof(v)) {
        return 0;
    }
    hulse_foreign_copy(&v, at, sizeof(v));
    if (hulse_verdict_check(&v, ready) != HULSE_RULE_NONE) {
        return 0;
    }
    read_meta(at, v.len, v.meta_len, true);
    return hulse_record_stride(v.len);
}

/* Takes what is there. Gives false at a broken rule. */
static bool drain(struct hulse_ring_rx *rx, uint8_t flags)
{
    const size_t verdicts = flags & FLAG_VERDICTS;

    while (hulse_ring_rx_ready(rx) != 0) {
        const uint64_t ready = hulse_ring_rx_ready(rx);
        must(ready <= CAPACITY && ready % HULSE_RECORD_ALIGN == 0);
        uint8_t *window = ring + (rx->read & rx->mask);
        OPEN(window, ready);
        const uint8_t *at = hulse_ring_rx_at(rx, rx->read);
        const uint64_t stride = verdicts != 0 ? read_verdict(at, ready) : read_publish(at, ready);
        SHUT(window, ready);
        if (stride == 0) {
            return false;
        }
        must(stride >= HULSE_PUBLISH_HEADER_BYTES && stride <= ready);
        hulse_ring_rx_take(rx, stride);
        if ((flags & FLAG_RELEASE) != 0) {
            hulse_ring_rx_release(rx, rx->read);
        }
    }
    return true;
}

static void load_ring(const uint8_t *data, size_t bytes, uint64_t start)
{
    OPEN(ring, sizeof(ring));
    memset(ring, 0, sizeof(ring));
    for (size_t i = 0; i < bytes && i < CAPACITY; i++) {
        const size_t at = (start + i) & (CAPACITY - 1);
        ring[at] = data[i];
        ring[at + CAPACITY] = data[i];
    }
    SHUT(ring, sizeof(ring));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    _Atomic(uint64_t) tail_word = 0;
    _Atomic(uint64_t) head_word = 0;
    struct head in;

    if (bytes < HEAD_BYTES) {
        return 0;
    }
    memcpy(&in.start, data, 8);
    memcpy(in.tails, data + 8, sizeof(in.tails));
    in.flags = data[HEAD_BYTES - 1];
    in.start &= ~(uint64_t)(HULSE_RECORD_ALIGN - 1);
    load_ring(data + HEAD_BYTES, bytes - HEAD_BYTES, in.start);
    struct hulse_ring_rx rx = {.ring = ring,
                               .mask = CAPACITY - 1,
                               .read = in.start,
                               .released = in.start,
                               .tail_seen = in.start,
                               .tail_word = &tail_word,
                               .head_word = &head_word};
    for (size_t i = 0; i < TAILS; i++) {
        const uint64_t step =
            (in.flags & FLAG_NEAR) != 0 ? in.tails[i] % (CAPACITY + 64) : in.tails[i];
        atomic_store_explicit(&tail_word, rx.tail_seen + step, memory_order_relaxed);
        const uint64_t seen = rx.tail_seen;
        if (hulse_ring_rx_refresh(&rx) != HULSE_RING_OK) {
            must(rx.tail_seen == seen);
            break;
        }
        must(rx.tail_seen - rx.released <= CAPACITY);
        if (!drain(&rx, in.flags)) {
            break;
        }
    }
    OPEN(ring, sizeof(ring));
    return 0;
}
