/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   whatever is done and however it ends, the store holds what a reference in memory holds: every message that was
 *         answered OK and is not acknowledged or trimmed, the cursors, the ids, no position twice.
 * Method: random publishes, acknowledgements, trims, stops, crashes with requests under way, junk where the next group
 *         would begin; after each start everything is compared. By seed.
 */
#include "daemon/store/store_internal.h"
#include "tests/unit/daemon/core/check.h"
#include "tests/unit/daemon/store/store_bed.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TOPICS = 3, POSITIONS = 20000, STEPS = 700, BATCH_MAX = 40, KEPT_MAX = 150, SECTOR = 512 };

/* What is known of a position. */
enum fate { NEVER = 0, STORED, UNKNOWN };

struct model_topic {
    uint64_t id;
    uint64_t sub;
    uint64_t next;    /* position */
    uint64_t trimmed; /* all below */
    uint64_t sealed;  /* below it nothing is unacknowledged */
    uint8_t fate[POSITIONS];
    bool acked[POSITIONS];
    bool ack_unknown[POSITIONS];
};

struct model {
    struct bed bed;
    uint64_t random;
    struct model_topic topics[TOPICS];
};

static struct model model;

static bool is_there(const struct model_topic *t, uint64_t position)
{
    return t->fate[position] == STORED && !t->acked[position] && !t->ack_unknown[position] &&
           position >= t->trimmed;
}

/* Reads all of a topic: what must be there is, and nothing that was never stored. */
static void check_messages(struct model *m, struct model_topic *t)
{
    static bool seen[POSITIONS];

    memset(seen, 0, sizeof(seen));
    for (uint64_t from = t->sealed; from < t->next;) {
        struct store_read rd;
        struct store_message msg;
        size_t at = 0;
        hulse_bed_read(&m->bed, &rd, t->id, from, t->next);
        assert_int_equal(rd.status, HULSE_OK);
        assert_int_equal(rd.damaged, 0);
        while (hulse_store_read_next(&rd, &at, &msg)) {
            uint8_t body[24000];
            assert_false(seen[msg.position]);
            assert_int_not_equal(t->fate[msg.position], NEVER);
            seen[msg.position] = true;
            hulse_bed_fill(body, msg.body_bytes, t->id, msg.position);
            assert_memory_equal(body, msg.body, msg.body_bytes);
        }
        assert_true(rd.next > from);
        from = rd.next;
        hulse_store_read_free(&rd);
    }
    for (uint64_t i = t->sealed; i < t->next; i++) {
        if (is_there(t, i) && !seen[i]) {
            fail_msg("topic %llu lost %llu", (unsigned long long)t->id, (unsigned long long)i);
        }
    }
}

static bool check_topic(void *ctx, const struct store_topic_info *info)
{
    struct model *m = ctx;

    for (size_t i = 0; i < TOPICS; i++) {
        struct model_topic *t = &m->topics[i];
        if (t->id != info->id) {
            continue;
        }
        uint64_t last = t->next;
        while (last > 0 && t->fate[last - 1] != STORED) {
            last--;
        }
        assert_true(info->next_position >= last);
        assert_int_equal(info->subscription_count, 1);
        assert_int_equal(info->subscriptions[0].id, t->sub);
        for (uint64_t p = t->sealed; p < t->next; p++) {
            const bool acked = hulse_ranges_has(info->subscriptions[0].acknowledged, p);
            if (!t->ack_unknown[p] && p >= t->trimmed) {
                assert_int_equal(acked, t->acked[p]);
            }
        }
        /* What may be or not is given up. */
        for (uint64_t p = t->sealed; p < t->next; p++) {
            t->acked[p] = hulse_ranges_has(info->subscriptions[0].acknowledged, p);
            t->ack_unknown[p] = false;
        }
        if (info->next_position > t->next) {
            t->next = info->next_position;
        }
    }
    return true;
}

static void reopen(struct model *m)
{
    hulse_bed_open(&m->bed, false);
    assert_int_equal(m->bed.report.topics, TOPICS);
    assert_int_equal(m->bed.report.damaged_records, 0);
    assert_int_equal(m->bed.report.lost_messages, 0);
    assert_int_equal(m->bed.report.missing_segments, 0);
    hulse_store_each_topic(m->bed.store, check_topic, m);
    hulse_bed_start(&m->bed);
    for (size_t i = 0; i < TOPICS; i++) {
        check_messages(m, &m->topics[i]);
    }
}

/* As if the next group had been under way. */
static void scribble(struct model *m, uint64_t number, uint32_t offset)
{
    uint8_t junk[3 * BLOCK_BYTES];
    char name[SEGMENT_NAME_BYTES];
    char path[256];
    const uint32_t from = (offset + SECTOR - 1) / SECTOR * SECTOR;
    uint32_t bytes = (uint32_t)test_below(&m->random, sizeof(junk));

    if (bytes > BED_SEGMENT_BYTES - from) {
        bytes = BED_SEGMENT_BYTES - from;
    }
    for (uint32_t i = 0; i < bytes; i++) {
        junk[i] = (uint8_t)test_random(&m->random);
    }
    hulse_segment_name(number, name);
    (void)snprintf(path, sizeof(path), "%s/log/%s", m->bed.path, name);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(hulse_file_io.write(fd, junk, bytes, from), 0);
    (void)close(fd);
}

static void publish(struct model *m, struct model_topic *t, bool crash)
{
    static const uint32_t sizes[] = {10, 300, 3000, 20000};
    struct bed_request *all[BATCH_MAX];
    const uint64_t count = 1 + test_below(&m->random, BATCH_MAX);
    const uint64_t before = m->bed.done;

    for (uint64_t i = 0; i < count; i++) {
        const uint32_t below = sizes[test_below(&m->random, COUNT_OF(sizes))];
        all[i] = hulse_bed_message(&m->bed, t->id, t->next + i, test_below(&m->random, below));
    }
    hulse_store_flush(&m->bed.client);
    if (crash) {
        struct store *s = m->bed.store;
        if (test_below(&m->random, 2) != 0) {
            hulse_bed_wait(&m->bed, before + test_below(&m->random, count));
        }
        atomic_store_explicit(&s->failed, 1, memory_order_relaxed);
        hulse_store_stop(s);
        const uint64_t number = s->writer.end.seg.number;
        const uint32_t offset = (uint32_t)(s->synced % BED_SEGMENT_BYTES);
        const bool same = s->synced / BED_SEGMENT_BYTES == number;
        hulse_bed_crash(&m->bed);
        if (same && test_below(&m->random, 2) != 0) {
            scribble(m, number, offset);
        }
    }
    hulse_bed_wait(&m->bed, before + count);
    for (uint64_t i = 0; i < count; i++) {
        assert_true(crash || all[i]->rq.status == HULSE_OK);
        t->fate[t->next + i] = all[i]->rq.status == HULSE_OK ? STORED : UNKNOWN;
        hulse_bed_request_free(all[i]);
    }
    t->next += count;
}

static void acknowledge(struct model *m, struct model_topic *t)
{
    const uint64_t span = t->next - t->sealed;
    uint64_t from = t->sealed + test_below(&m->random, span + 1);
    uint64_t end = from + test_below(&m->random, 30);

    if (span > KEPT_MAX || test_below(&m->random, 10) == 0) {
        from = t->sealed;
        end = t->next - (span > 20 ? 20 : 0);
    }
    end = end > t->next ? t->next : end;
    if (from >= end) {
        return;
    }
    assert_int_equal(hulse_bed_ack(&m->bed, t->id, t->sub, from, end), HULSE_OK);
    for (uint64_t p = from; p < end; p++) {
        t->acked[p] = true;
    }
    while (t->sealed < t->next && t->acked[t->sealed]) {
        t->sealed++;
    }
}

static void step(struct model *m)
{
    struct model_topic *t = &m->topics[test_below(&m->random, TOPICS)];
    const uint64_t what = test_below(&m->random, 100);

    if (what < 60) {
        publish(m, t, false);
    } else if (what < 92) {
        acknowledge(m, t);
    } else if (what < 94) {
        hulse_bed_stop(&m->bed);
        reopen(m);
        assert_true(m->bed.report.clean);
    } else if (what < 96) {
        publish(m, t, true);
        reopen(m);
    } else {
        check_messages(m, t);
    }
    if (t->next - t->sealed > KEPT_MAX) {
        acknowledge(m, t);
    }
}

static void test_the_store_is_what_the_reference_is(void **state)
{
    struct model *m = &model;
    static const char *const names[TOPICS] = {"a", "b", "c"};

    (void)state;
    m->random = test_seed();
    hulse_bed_init(&m->bed);
    m->bed.params.size_max = UINT64_C(10) * BED_SEGMENT_BYTES;
    hulse_bed_open(&m->bed, true);
    for (size_t i = 0; i < TOPICS; i++) {
        m->topics[i].id = hulse_bed_topic(&m->bed, names[i]);
        m->topics[i].sub = hulse_bed_subscription(&m->bed, m->topics[i].id, "s", 0);
    }
    for (unsigned i = 0; i < STEPS; i++) {
        step(m);
    }
    hulse_bed_stop(&m->bed);
    reopen(m);
    hulse_bed_stop(&m->bed);
    hulse_bed_fini(&m->bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_store_is_what_the_reference_is),
    };

    return cmocka_run_group_tests_name("store_model", tests, NULL, NULL);
}
