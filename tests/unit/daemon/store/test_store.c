/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what is answered OK is there again after a stop and after a crash, in order, with its ids; the end of a
 *         request comes once, on its client's thread, in the order submitted.
 * Method: one client against the real threads and files.
 */
#include "tests/unit/daemon/store/store_bed.h"

#include <stdlib.h>
#include <string.h>

static void test_an_empty_directory_opens_and_ends(void **state)
{
    struct bed bed;

    (void)state;
    bed_init(&bed);
    bed_open(&bed, true);
    assert_int_equal(hulse_store_epoch(bed.store), 1);
    assert_true(bed.report.clean);
    assert_true(hulse_store_healthy(bed.store));
    bed_stop(&bed);
    bed_open(&bed, true);
    assert_int_equal(hulse_store_epoch(bed.store), 2);
    assert_true(bed.report.clean);
    bed_stop(&bed);
    bed_fini(&bed);
}

static void test_what_is_stored_is_read_back(void **state)
{
    struct bed bed;

    (void)state;
    bed_init(&bed);
    bed_open(&bed, true);
    const uint64_t topic = bed_topic(&bed, "persistent://a/b/c");
    bed_publish(&bed, topic, 0, 500, 1000);
    assert_int_equal(bed_count(&bed, topic, 0, 500), 500);
    assert_int_equal(bed_count(&bed, topic, 250, 300), 50);
    bed_stop(&bed);
    bed_open(&bed, true);
    assert_true(bed.report.clean);
    assert_int_equal(bed.report.topics, 1);
    assert_int_equal(bed_topic(&bed, "persistent://a/b/c"), topic);
    assert_int_equal(bed_count(&bed, topic, 0, 500), 500);
    bed_publish(&bed, topic, 500, 600, 10);
    assert_int_equal(bed_count(&bed, topic, 0, 600), 600);
    bed_stop(&bed);
    bed_fini(&bed);
}

static void test_what_is_stored_survives_a_crash(void **state)
{
    struct bed bed;

    (void)state;
    bed_init(&bed);
    bed_open(&bed, true);
    const uint64_t topic = bed_topic(&bed, "t");
    uint64_t next = 0;
    for (unsigned round = 0; round < 5; round++) {
        bed_publish(&bed, topic, next, next + 100, 100 + 50 * round);
        next += 100;
        bed_crash(&bed);
        bed_open(&bed, true);
        assert_false(bed.report.clean);
        assert_int_equal(bed.report.cut_bytes, 0);
        assert_int_equal(bed.report.damaged_bytes, 0);
        assert_int_equal(hulse_store_epoch(bed.store), round + 2);
        assert_int_equal(bed_count(&bed, topic, 0, next), next);
    }
    bed_stop(&bed);
    bed_fini(&bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_directory_opens_and_ends),
        cmocka_unit_test(test_what_is_stored_is_read_back),
        cmocka_unit_test(test_what_is_stored_survives_a_crash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
