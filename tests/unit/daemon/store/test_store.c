/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what is answered OK is there again after a stop and after a crash, in order, with its ids; the end of a
 *         request comes once, on its client's thread, in the order submitted.
 * Method: one client against the real threads and files.
 */
#include "daemon/core/mem.h"
#include "daemon/store/segment.h"
#include "daemon/store/store_internal.h"
#include "tests/unit/daemon/store/store_bed.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void test_an_empty_directory_opens_and_ends(void **state)
{
    struct bed bed;

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    assert_int_equal(hulse_store_epoch(bed.store), 1);
    assert_true(bed.report.clean);
    assert_true(hulse_store_healthy(bed.store));
    hulse_bed_stop(&bed);
    hulse_bed_open(&bed, true);
    assert_int_equal(hulse_store_epoch(bed.store), 2);
    assert_true(bed.report.clean);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

static void test_what_is_stored_is_read_back(void **state)
{
    struct bed bed;

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    const uint64_t topic = hulse_bed_topic(&bed, "persistent://a/b/c");
    hulse_bed_publish(&bed, topic, 0, 500, 1000);
    assert_int_equal(hulse_bed_count(&bed, topic, 0, 500), 500);
    assert_int_equal(hulse_bed_count(&bed, topic, 250, 300), 50);
    hulse_bed_stop(&bed);
    hulse_bed_open(&bed, true);
    assert_true(bed.report.clean);
    assert_int_equal(bed.report.topics, 1);
    assert_int_equal(hulse_bed_topic(&bed, "persistent://a/b/c"), topic);
    assert_int_equal(hulse_bed_count(&bed, topic, 0, 500), 500);
    hulse_bed_publish(&bed, topic, 500, 600, 10);
    assert_int_equal(hulse_bed_count(&bed, topic, 0, 600), 600);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

static bool count_handles(void *ctx, const struct store_topic_info *topic)
{
    *(uint32_t *)ctx += topic->handle_count;
    return true;
}

static uint32_t handles(const struct bed *bed)
{
    uint32_t count = 0;

    hulse_store_each_topic(bed->store, count_handles, &count);
    return count;
}

/* A daemon that has little to store makes its only checkpoint when it stops: its time counts all the same. */
static void test_handles_age_in_a_quiet_store(void **state)
{
    enum { TTL_MS = 400, PART_US = 150000 };
    struct bed bed;
    uint32_t stops = 0;

    (void)state;
    hulse_bed_init(&bed);
    bed.params.handle_ttl_ms = TTL_MS;
    hulse_bed_open(&bed, true);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    hulse_bed_publish(&bed, topic, 0, 1, 100);
    hulse_bed_stop(&bed);
    hulse_bed_open(&bed, true);
    assert_int_equal(handles(&bed), 1);
    while (handles(&bed) > 0 && stops < 100) {
        (void)usleep(PART_US);
        hulse_bed_stop(&bed);
        hulse_bed_open(&bed, true);
        stops++;
    }
    assert_in_range(stops, 1, 99);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/* One request of each of so many handles. */
static void do_handles(struct bed *bed, uint64_t topic, enum store_kind kind, uint32_t count)
{
    struct bed_request **all = calloc(count, sizeof(struct bed_request *));
    const uint64_t done = bed->done;

    assert_non_null(all);
    for (uint32_t i = 0; i < count; i++) {
        all[i] = hulse_bed_request_new(bed, kind);
        all[i]->rq.topic = topic;
        all[i]->rq.position = i;
        memcpy(all[i]->rq.handle, &(uint32_t){i + 1}, sizeof(uint32_t));
        hulse_store_submit(&bed->client, &all[i]->rq);
    }
    hulse_store_flush(&bed->client);
    hulse_bed_wait(bed, done + count);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(all[i]->rq.status, HULSE_OK);
        hulse_bed_request_free(all[i]);
    }
    free(all);
}

/* What an app makes a store remember is counted, and given back when it is forgotten. */
static void test_memory_is_counted(void **state)
{
    enum { HANDLES = 5000, RANGES = 5000 };
    struct bed bed;
    struct ranges ranges = {0};

    (void)state;
    hulse_mem_init(UINT64_C(1) << 30U);
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    const uint64_t sub = hulse_bed_subscription(&bed, topic, "s", 0);
    const size_t before = hulse_mem_used(HULSE_MEM_STORE);
    assert_in_range(before, 1, 1U << 20U);
    do_handles(&bed, topic, STORE_MESSAGE, HANDLES);
    assert_true(hulse_mem_used(HULSE_MEM_STORE) > before + (size_t)HANDLES * STORE_HANDLE_BYTES);
    do_handles(&bed, topic, STORE_HANDLE_CLOSE, HANDLES);
    assert_true(hulse_mem_used(HULSE_MEM_STORE) < before + (1U << 20U));
    for (uint64_t i = 0; i < RANGES; i++) {
        assert_true(hulse_ranges_add(&ranges, 2 * i, 2 * i + 1));
    }
    const size_t without = hulse_mem_used(HULSE_MEM_STORE);
    struct bed_request *r = hulse_bed_request_new(&bed, STORE_ACK);
    r->rq.topic = topic;
    r->rq.subscription = sub;
    r->rq.ranges = &ranges;
    assert_int_equal(hulse_bed_do(&bed, r), HULSE_OK);
    const size_t with = hulse_mem_used(HULSE_MEM_STORE);
    assert_true(with >= without + RANGES * sizeof(struct range));
    hulse_ranges_clear(&ranges);
    hulse_bed_stop(&bed);
    assert_int_equal(hulse_mem_used(HULSE_MEM_STORE), 0);
    hulse_bed_open(&bed, true);
    assert_true(hulse_mem_used(HULSE_MEM_STORE) >= RANGES * sizeof(struct range));
    r = hulse_bed_request_new(&bed, STORE_TOPIC_DELETE);
    r->rq.topic = topic;
    assert_int_equal(hulse_bed_do(&bed, r), HULSE_OK);
    assert_true(hulse_mem_used(HULSE_MEM_STORE) <= before + (1U << 20U));
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

static void test_what_is_stored_survives_a_crash(void **state)
{
    struct bed bed;

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    uint64_t next = 0;
    for (unsigned round = 0; round < 5; round++) {
        hulse_bed_publish(&bed, topic, next, next + 100, 100 + 50 * round);
        next += 100;
        hulse_bed_crash(&bed);
        hulse_bed_open(&bed, true);
        assert_false(bed.report.clean);
        assert_int_equal(bed.report.cut_bytes, 0);
        assert_int_equal(bed.report.damaged_bytes, 0);
        assert_int_equal(hulse_store_epoch(bed.store), round + 2);
        assert_int_equal(hulse_bed_count(&bed, topic, 0, next), next);
    }
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/*
 * Goal:   who is killed again and again does not read the same again and again.
 * Method: less is stored than a loaded store leaves to a start; its state is committed all the same, and once more when
 *         the next one has as much before it, as soon as that one stores anything.
 */
static void test_a_start_is_left_little_to_read(void **state)
{
    enum { BODY = 64 << 10, COUNT = 5 * 16 };
    struct store_figures figures = {.replay_bytes = UINT64_MAX};
    struct store_params standard;
    struct bed bed;

    (void)state;
    hulse_bed_init(&bed);
    hulse_store_params_default(&standard);
    bed.params.soon_bytes = standard.soon_bytes;
    hulse_bed_open(&bed, true);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    (void)hulse_bed_subscription(&bed, topic, "s", 0); /* without one nothing is kept */
    for (uint64_t next = 0; next < (uint64_t)3 * COUNT; next += COUNT) {
        hulse_bed_publish(&bed, topic, next, next + COUNT, BODY);
        do {
            hulse_bed_turn(&bed);
            hulse_store_figures(bed.store, &figures);
        } while (figures.checkpoints == 0); /* the test's time is its bound */
        assert_true(figures.replay_bytes < STORE_CHECKPOINT_BYTES / 2);
        hulse_bed_crash(&bed);
        hulse_bed_open(&bed, true);
        /* Nothing of the rounds before: those stand before a state that was committed since. */
        assert_true(bed.report.records < COUNT + COUNT / 2);
        assert_int_equal(hulse_bed_count(&bed, topic, 0, next + COUNT), next + COUNT);
    }
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/* Nothing is behind what the header says; gives that. */
static uint32_t reach_of_used(const struct bed *bed)
{
    struct segment seg = {.number = 2, .fd = -1}; /* the first one was left */
    char path[256];
    uint8_t *bytes = calloc(1, BED_SEGMENT_BYTES);
    size_t got = 0;

    hulse_bed_file(bed, "log", path, sizeof(path));
    const struct segment_place at = {.directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                                     .segment_bytes = BED_SEGMENT_BYTES,
                                     .io = &hulse_file_io};
    assert_int_equal(hulse_segment_open(&at, &seg, false), 0);
    assert_int_equal(hulse_file_read(seg.fd, bytes, BED_SEGMENT_BYTES, 0, &got), 0);
    assert_int_equal(got, BED_SEGMENT_BYTES);
    assert_true(seg.reach > BLOCK_BYTES && seg.reach <= BED_SEGMENT_BYTES);
    for (uint32_t i = seg.reach; i < BED_SEGMENT_BYTES; i++) {
        assert_int_equal(bytes[i], 0);
    }
    hulse_segment_close(&seg);
    (void)close(at.directory);
    free(bytes);
    return seg.reach;
}

static void test_the_header_says_how_far_the_log_may_go(void **state)
{
    static const uint32_t bodies[] = {100, 30000, 150000, 10, 400000, 60000};
    struct bed bed;

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    assert_true(reach_of_used(&bed) < BED_SEGMENT_BYTES / 2);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    for (uint64_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        const uint32_t before = reach_of_used(&bed);
        hulse_bed_publish(&bed, topic, i, i + 1, bodies[i]);
        assert_true(reach_of_used(&bed) >= before);
        hulse_bed_crash(&bed);
        hulse_bed_open(&bed, true);
        assert_int_equal(hulse_bed_count(&bed, topic, 0, i + 1), i + 1);
    }
    assert_true(reach_of_used(&bed) > BED_SEGMENT_BYTES / 2);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/* Some of its copies may be those of before, or damaged. */
static void test_copies_of_a_header(void **state)
{
    _Alignas(8) uint8_t block[BLOCK_BYTES];
    _Alignas(8) uint8_t older[BLOCK_BYTES];
    struct segment seg = {.number = 7, .salt = 1234, .reach = 64 * BLOCK_BYTES};
    struct segment out = {0};
    uint32_t segment_bytes = 0;

    (void)state;
    hulse_segment_header_put(&seg, BED_SEGMENT_BYTES, older);
    seg.reach = 128 * BLOCK_BYTES;
    hulse_segment_header_put(&seg, BED_SEGMENT_BYTES, block);
    memcpy(block, older, BLOCK_BYTES / 2);
    assert_true(hulse_segment_header_get(block, &segment_bytes, &out));
    assert_int_equal(out.reach, 128 * BLOCK_BYTES);
    for (uint32_t at = 0; at < BLOCK_BYTES; at += 512) {
        block[at + 41] ^= 1; /* of the reach alone */
    }
    assert_true(hulse_segment_header_get(block, &segment_bytes, &out));
    assert_int_equal(out.number, 7);
    assert_int_equal(out.reach, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_directory_opens_and_ends),
        cmocka_unit_test(test_what_is_stored_is_read_back),
        cmocka_unit_test(test_handles_age_in_a_quiet_store),
        cmocka_unit_test(test_memory_is_counted),
        cmocka_unit_test(test_what_is_stored_survives_a_crash),
        cmocka_unit_test(test_a_start_is_left_little_to_read),
        cmocka_unit_test(test_the_header_says_how_far_the_log_may_go),
        cmocka_unit_test(test_copies_of_a_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
