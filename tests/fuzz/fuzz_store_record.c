/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   any bytes through the judge of control records; what it accepts, written again, is the same.
 * Method: first byte = kind, rest = the body.
 */
#include "daemon/store/record.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void write_again(const struct store_request *rq, const uint8_t *body, size_t bytes)
{
    size_t again = 0;

    must(hulse_record_bytes(rq, &again) && again == bytes);
    uint8_t *out = malloc(again + 1);
    must(out != NULL);
    hulse_record_encode(rq, out);
    must(memcmp(out, body, bytes) == 0);
    free(out);
}

static void
rebuild_ranges(const struct record *r, struct store_request *rq, const uint8_t *body, size_t bytes)
{
    struct ranges ranges = {0};

    for (uint32_t i = 0; i < r->list_count; i++) {
        const struct range range = hulse_record_range(r, i);
        must(hulse_ranges_add(&ranges, range.first, range.end) && ranges.count == i + 1);
    }
    rq->ranges = &ranges;
    write_again(rq, body, bytes);
    hulse_ranges_clear(&ranges);
}

static void
rebuild_counts(const struct record *r, struct store_request *rq, const uint8_t *body, size_t bytes)
{
    struct store_count *counts = calloc(r->list_count + 1U, sizeof(*counts));

    must(counts != NULL);
    for (uint32_t i = 0; i < r->list_count; i++) {
        counts[i] = hulse_record_count(r, i);
    }
    rq->counts = counts;
    rq->count = r->list_count;
    write_again(rq, body, bytes);
    free(counts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct record r;
    char name[STORE_NAME_MAX + 1] = {0};

    if (bytes == 0 || !hulse_record_decode(data[0], data + 1, bytes - 1, &r)) {
        return 0;
    }
    struct store_request rq = {
        .kind = (enum store_kind)data[0], .kept = r.kept, .subscription = r.subscription};
    if (r.name != NULL) {
        must(r.name_bytes >= 1 && r.name_bytes <= STORE_NAME_MAX);
        memcpy(name, r.name, r.name_bytes);
        rq.name = name;
    }
    if (data[0] == FRAME_EPOCH) {
        uint8_t out[RECORD_EPOCH_BYTES];
        hulse_record_encode_epoch(r.next_topic, r.next_subscription, out);
        must(bytes - 1 == sizeof(out) && memcmp(out, data + 1, sizeof(out)) == 0);
    } else if (rq.kind == STORE_ACK) {
        rebuild_ranges(&r, &rq, data + 1, bytes - 1);
    } else if (rq.kind == STORE_REDELIVERED) {
        rebuild_counts(&r, &rq, data + 1, bytes - 1);
    } else if (data[0] != FRAME_CLEAN) {
        write_again(&rq, data + 1, bytes - 1);
    }
    return 0;
}
