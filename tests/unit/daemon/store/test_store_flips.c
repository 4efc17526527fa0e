/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: timeout=300 */
/*
 * Goal:   whatever stands in the files of the state, a store opens, says what was lost, and has all that the log has.
 * Method: two stores, one whose log is whole and one that has used its segments again; in hundreds of trials a copy of one
 *         has bytes of state.mdb, of state.good or, with the log whole, of both spoilt, and is opened.
 */
#include "daemon/store/store_internal.h"
#include "tests/support/folder.h"
#include "tests/unit/daemon/core/check.h"
#include "tests/unit/daemon/store/made_frame.h"
#include "tests/unit/daemon/store/store_bed.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIALS = 120, TOPICS = 40, BYTES = 2000, FILE_MAX = 4 << 20, PAGE = 4096 };

static struct bed bed;
static uint64_t topics[TOPICS];
static uint64_t ends[TOPICS];
static char pristine[BED_PATH_BYTES + 16];
static char *expected;
static uint8_t content[FILE_MAX];

static void shell(const char *what, const char *from, const char *to)
{
    char command[512];

    (void)snprintf(command, sizeof(command), "%s '%s' '%s'", what, from, to);
    /* Paths of ours. NOLINTNEXTLINE(cert-env33-c, concurrency-mt-unsafe) */
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_int_equal(pclose(pipe), 0);
}

/* Without where topics begin: when the copy is lost, old segments stay until there is another one. */
static char *words(void)
{
    char *text = strdup(hulse_state_words(bed.store->state));

    assert_non_null(text);
    for (char *at = strstr(text, " first "); at != NULL; at = strstr(at, " first ")) {
        char *behind = strstr(at, " next ");
        assert_non_null(behind);
        memmove(at, behind, strlen(behind) + 1);
    }
    return text;
}

/* Rounds of messages, acknowledged but for the last few. */
static void fill(unsigned rounds)
{
    uint64_t subs[TOPICS];
    char name[32];

    hulse_bed_open(&bed, true);
    for (unsigned i = 0; i < TOPICS; i++) {
        (void)snprintf(name, sizeof(name), "topic %u", i);
        topics[i] = hulse_bed_topic(&bed, name);
        subs[i] = hulse_bed_subscription(&bed, topics[i], "s", 0);
        ends[i] = 0;
    }
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < TOPICS; i++) {
            hulse_bed_publish(&bed, topics[i], ends[i], ends[i] + 10, BYTES);
            ends[i] += 10;
            assert_int_equal(hulse_bed_ack(&bed, topics[i], subs[i], 0, ends[i] - 5), HULSE_OK);
            assert_int_equal(hulse_bed_ack(&bed, topics[i], subs[i], ends[i] - 3, ends[i] - 1),
                             HULSE_OK);
        }
    }
}

static void begin(unsigned rounds, bool crash)
{
    char path[BED_PATH_BYTES + 64];

    hulse_bed_init(&bed);
    bed.params.size_max = UINT64_C(10) * BED_SEGMENT_BYTES;
    fill(rounds);
    hulse_bed_stop(&bed);
    hulse_bed_open(&bed, true);
    hulse_bed_publish(&bed, topics[0], ends[0], ends[0] + 20, BYTES);
    ends[0] += 20;
    if (crash) {
        hulse_bed_crash(&bed);
    } else {
        hulse_bed_stop(&bed);
    }
    hulse_bed_file(&bed, "log/0000000001.segment", path, sizeof(path));
    assert_int_equal(access(path, F_OK), rounds > 10 ? -1 : 0); /* is it used again? */
    (void)snprintf(pristine, sizeof(pristine), "%s-kept", bed.path);
    shell("cp -a", bed.path, pristine);
    hulse_bed_open(&bed, false);
    assert_int_equal(bed.report.lost_messages, 0);
    expected = words();
    hulse_store_close(&bed.store);
}

static void end(void)
{
    free(expected);
    (void)hulse_test_folder_remove(pristine);
    hulse_bed_fini(&bed);
}

static void flip(size_t from, size_t to, uint64_t *random)
{
    for (uint64_t n = 1 + test_below(random, 30); n > 0; n--) {
        content[from + test_below(random, to - from)] ^= (uint8_t)(1U << test_below(random, 8));
    }
}

static void spoil(const char *name, uint64_t *random)
{
    char path[BED_PATH_BYTES + 64];

    hulse_bed_file(&bed, name, path, sizeof(path));
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t length = fread(content, 1, sizeof(content), file);
    assert_true(length >= (size_t)2 * PAGE && length < sizeof(content));
    assert_int_equal(fclose(file), 0);
    const size_t page = test_below(random, length / PAGE) * PAGE;
    switch (test_below(random, 7)) {
    case 0:
        assert_int_equal(unlink(path), 0);
        return;
    case 1:
        length = test_below(random, length);
        break;
    case 2:
        memset(content + page, 0, PAGE);
        break;
    case 3:
        flip(0, (size_t)2 * PAGE, random);
        break;
    case 4:
        flip(page, page + 64, random);
        break;
    case 5:
        memset(content, 0, length);
        break;
    default:
        flip(0, length, random);
    }
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

/* Those of its last five that are not acknowledged are there; the others may have been left behind by what was moved. */
static void check_waiting(unsigned i)
{
    const uint64_t end = ends[i];
    const bool acknowledged = i != 0; /* the first one has had twenty more since */

    assert_int_equal(hulse_bed_count(&bed, topics[i], end - 5, end - 3), 2);
    assert_int_equal(hulse_bed_count(&bed, topics[i], end - 1, end), 1);
    assert_in_range(hulse_bed_count(&bed, topics[i], end - 3, end - 1), acknowledged ? 0 : 2, 2);
}

static void trial(uint64_t *random, bool both)
{
    const uint64_t which = test_below(random, both ? 3 : 2);

    (void)hulse_test_folder_remove(bed.path);
    shell("cp -a", pristine, bed.path);
    if (which != 1) {
        spoil("state.mdb", random);
    }
    if (which != 0) {
        spoil("state.good", random);
    }
    hulse_bed_open(&bed, false);
    char *found = words();
    hulse_words_equal(found, expected);
    free(found);
    assert_int_equal(bed.report.lost_messages, 0);
    assert_int_equal(bed.report.homeless_records, 0);
    assert_int_equal(bed.report.damaged_records, 0);
    assert_int_equal(bed.report.missing_segments, 0);
    assert_true(which != 1 || !bed.report.state_lost);
    assert_true(which != 0 || !bed.report.copy_lost);
    if (test_below(random, 8) == 0) {
        const unsigned i = (unsigned)test_below(random, TOPICS);
        hulse_bed_start(&bed);
        check_waiting(i);
        hulse_bed_publish(&bed, topics[i], ends[i], ends[i] + 3, BYTES);
        hulse_bed_stop(&bed);
    } else {
        hulse_store_close(&bed.store);
    }
}

static void run(unsigned rounds, bool crash, bool both)
{
    uint64_t random = test_seed();

    begin(rounds, crash);
    for (unsigned i = 0; i < TRIALS; i++) {
        trial(&random, both);
    }
    end();
}

static void test_a_whole_log_makes_up_for_both_files(void **state)
{
    (void)state;
    run(2, false, true);
    run(2, true, true);
}

static void test_a_log_that_was_used_again_makes_up_for_one(void **state)
{
    (void)state;
    run(20, false, false);
    run(20, true, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_log_makes_up_for_both_files),
        cmocka_unit_test(test_a_log_that_was_used_again_makes_up_for_one),
    };

    return cmocka_run_group_tests_name("store_flips", tests, NULL, NULL);
}
