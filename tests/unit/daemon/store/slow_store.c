/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slow_store - see the header.
 */
#include "tests/unit/daemon/store/slow_store.h"

#include "daemon/store/store_internal.h"

struct store_figures hulse_slow_figures(const struct bed *bed)
{
    struct store_figures out;

    hulse_store_figures(bed->store, &out);
    return out;
}

void hulse_slow_begin(struct bed *bed, uint64_t segments)
{
    hulse_bed_init(bed);
    bed->params.size_max = segments * BED_SEGMENT_BYTES;
    hulse_bed_open(bed, true);
}

void hulse_slow_publish(struct bed *bed, uint64_t topic, uint64_t from, uint64_t end)
{
    struct bed_request *all[BATCH] = {0};
    const uint64_t done = bed->done + (end - from);

    assert_true(from < end && end - from <= BATCH);
    for (uint64_t i = from; i < end; i++) {
        all[i - from] = hulse_bed_message(bed, topic, i, BODY);
    }
    hulse_store_flush(&bed->client);
    for (unsigned turns = 0; bed->done < done; turns++) {
        assert_true(turns < TURNS_MAX);
        hulse_bed_turn(bed);
    }
    for (uint64_t i = 0; i < end - from; i++) {
        if (all[i] == NULL) {
            fail_msg("no request %llu", (unsigned long long)i);
            return;
        }
        assert_int_equal(all[i]->rq.status, HULSE_OK);
        hulse_bed_request_free(all[i]);
    }
}

bool hulse_slow_is_kept(uint64_t position)
{
    return position % PER_SEGMENT == PER_SEGMENT / 2;
}

void hulse_slow_ack_others(
    struct bed *bed, uint64_t topic, uint64_t sub, uint64_t from, uint64_t end)
{
    uint64_t first = from;

    for (uint64_t i = from; i < end; i++) {
        if (hulse_slow_is_kept(i)) {
            if (first < i) {
                assert_int_equal(hulse_bed_ack(bed, topic, sub, first, i), HULSE_OK);
            }
            first = i + 1;
        }
    }
    if (first < end) {
        assert_int_equal(hulse_bed_ack(bed, topic, sub, first, end), HULSE_OK);
    }
}

uint64_t hulse_slow_fill(struct bed *bed, uint64_t topic, uint64_t sub, uint64_t from, uint64_t end)
{
    for (uint64_t next = from; next < end; next += BATCH) {
        hulse_slow_publish(bed, topic, next, next + BATCH);
        hulse_slow_ack_others(bed, topic, sub, next, next + BATCH);
    }
    return end;
}

void hulse_slow_check_kept(struct bed *bed, uint64_t topic, uint64_t end)
{
    uint64_t expected = PER_SEGMENT / 2;

    for (uint64_t from = 0; from < end;) {
        struct store_read rd;
        struct store_message m;
        size_t at = 0;
        uint64_t last = from;
        hulse_bed_read(bed, &rd, topic, from, end);
        assert_int_equal(rd.status, HULSE_OK);
        assert_int_equal(rd.damaged, 0);
        while (hulse_store_read_next(&rd, &at, &m)) {
            uint8_t body[BODY];
            assert_true(m.position >= last);
            last = m.position + 1;
            if (hulse_slow_is_kept(m.position)) {
                assert_int_equal(m.position, expected);
                assert_int_equal(m.body_bytes, BODY);
                hulse_bed_fill(body, BODY, topic, m.position);
                assert_memory_equal(m.body, body, BODY);
                expected += PER_SEGMENT;
            }
        }
        from = rd.next;
        hulse_store_read_free(&rd);
    }
    assert_int_equal(expected, end - end % PER_SEGMENT + PER_SEGMENT / 2);
}
