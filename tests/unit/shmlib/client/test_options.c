/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   an options object takes possible values and refuses impossible ones without a change.
 * Method: every setter at both edges of its range; the effect is read from the object's members.
 */
#include "shmlib/client/options.h"
#include "tests/unit/shmlib/client/check.h"

static void test_session_options_are_copied_and_bounded(void **state)
{
    char name[300];
    hulse_options *o = hulse_options_new();

    (void)state;
    assert_non_null(o);
    assert_int_equal(o->timeout_ms, 5000);
    assert_int_equal(hulse_options_socket(o, "/x"), HULSE_OK);
    assert_int_equal(hulse_options_socket(o, ""), HULSE_INVAL);
    assert_int_equal(hulse_options_socket(o, NULL), HULSE_INVAL);
    assert_string_equal(o->socket, "/x");
    memset(name, 'n', sizeof(name));
    name[255] = '\0';
    assert_int_equal(hulse_options_name(o, name), HULSE_OK);
    name[255] = 'n';
    name[256] = '\0';
    assert_int_equal(hulse_options_name(o, name), HULSE_INVAL);
    assert_int_equal(strlen(o->name), 255);
    assert_int_equal(hulse_options_token(o, "secret"), HULSE_OK);
    assert_int_equal(hulse_options_open_timeout(o, HULSE_FOREVER), HULSE_OK);
    assert_int_equal(hulse_options_open_timeout(o, -2), HULSE_INVAL);
    assert_int_equal(hulse_options_connect_timeout(o, HULSE_FOREVER), HULSE_OK);
    assert_int_equal(hulse_options_connect_timeout(o, -2), HULSE_INVAL);
    assert_int_equal(o->timeout_ms, HULSE_FOREVER);
    assert_int_equal(hulse_options_name(NULL, "x"), HULSE_INVAL);
    hulse_options_free(&o);
    assert_null(o);
    hulse_options_free(&o);
    hulse_options_free(NULL);
}

static void test_producer_options_refuse_impossible_sizes(void **state)
{
    hulse_producer_options *o = hulse_producer_options_new();
    char name[257] = {0};

    (void)state;
    assert_non_null(o);
    assert_int_equal(o->flush_records, 16);
    assert_int_equal(o->flush_bytes, 16384);
    assert_int_equal(hulse_producer_options_ring(o, 64 * 1024), HULSE_OK);
    assert_int_equal(hulse_producer_options_ring(o, 65 * 1024), HULSE_INVAL);
    assert_int_equal(hulse_producer_options_ring(o, 32 * 1024), HULSE_INVAL);
    assert_int_equal(hulse_producer_options_ring(o, 128U * 1024 * 1024), HULSE_INVAL);
    assert_int_equal(o->ring_bytes, 64 * 1024);
    assert_int_equal(hulse_producer_options_slots(o, 2048), HULSE_OK);
    assert_int_equal(hulse_producer_options_slots(o, 1024), HULSE_INVAL);
    assert_int_equal(hulse_producer_options_slots(o, 2049), HULSE_INVAL);
    assert_int_equal(hulse_producer_options_slots(o, 131072), HULSE_INVAL);
    assert_int_equal(hulse_producer_options_slots(o, 65536), HULSE_OK);
    assert_int_equal(hulse_producer_options_receipts(o, HULSE_RECEIPTS_FULL), HULSE_OK);
    assert_int_equal(hulse_producer_options_receipts(o, (enum hulse_receipts)3), HULSE_INVAL);
    assert_int_equal(o->receipts, HULSE_RECEIPTS_FULL);
    assert_int_equal(hulse_producer_options_auto_flush(o, 0, 7), HULSE_OK);
    assert_int_equal(o->flush_records, 0);
    assert_int_equal(o->flush_bytes, 7);
    assert_int_equal(hulse_producer_options_send_timeout(o, 5), HULSE_OK);
    assert_int_equal(hulse_producer_options_release_on_read(o, 9), HULSE_OK);
    assert_int_equal(hulse_producer_options_group(o, 3), HULSE_OK);
    assert_int_equal(hulse_producer_options_share_with(o, NULL), HULSE_OK);
    assert_int_equal(hulse_producer_options_group(NULL, 3), HULSE_INVAL);
    assert_int_equal(hulse_producer_options_auto_flush(NULL, 0, 0), HULSE_INVAL);
    assert_int_equal(hulse_producer_options_access(o, (enum hulse_access)4), HULSE_INVAL);
    assert_int_equal(hulse_producer_options_access(NULL, HULSE_ACCESS_EXCLUSIVE), HULSE_INVAL);
    assert_int_equal(hulse_producer_options_access(o, HULSE_ACCESS_EXCLUSIVE), HULSE_OK);
    assert_int_equal(hulse_producer_options_access(o, HULSE_ACCESS_EXCLUSIVE_WITH_FENCING),
                     HULSE_OK);
    assert_int_equal(hulse_producer_options_initial_subscription(o, ""), HULSE_INVAL);
    assert_int_equal(hulse_producer_options_initial_subscription(o, NULL), HULSE_INVAL);
    assert_int_equal(hulse_producer_options_initial_subscription(NULL, "s"), HULSE_INVAL);
    memset(name, 'x', sizeof(name) - 1);
    assert_int_equal(hulse_producer_options_initial_subscription(o, name), HULSE_INVAL);
    name[255] = '\0';
    assert_int_equal(hulse_producer_options_initial_subscription(o, name), HULSE_OK);
    assert_int_equal(hulse_producer_options_initial_subscription(o, "dlq"), HULSE_OK);
    assert_int_equal(o->more.used, 12);
    assert_memory_equal(o->more.bytes, "\x10\0\1\0\3\x11\0\3\0dlq", 12);
    hulse_producer_options_free(&o);
    assert_null(o);
}

static void test_consumer_options_refuse_unknown_kinds(void **state)
{
    hulse_consumer_options *o = hulse_consumer_options_new();

    (void)state;
    assert_non_null(o);
    assert_int_equal(hulse_consumer_options_type(o, HULSE_READER), HULSE_OK);
    assert_int_equal(hulse_consumer_options_type(o, (enum hulse_subscription)5), HULSE_INVAL);
    assert_int_equal(o->type, HULSE_READER);
    assert_int_equal(hulse_consumer_options_start(o, HULSE_EARLIEST), HULSE_OK);
    assert_int_equal(hulse_consumer_options_start(o, (enum hulse_start)2), HULSE_INVAL);
    assert_int_equal(hulse_consumer_options_name(o, "me"), HULSE_OK);
    assert_int_equal(hulse_consumer_options_ring(o, 1), HULSE_INVAL);
    assert_int_equal(hulse_consumer_options_verdict_ring(o, 65536), HULSE_OK);
    assert_int_equal(hulse_consumer_options_verdict_ring(o, 1), HULSE_INVAL);
    assert_int_equal(hulse_consumer_options_group(o, 1), HULSE_OK);
    assert_int_equal(hulse_consumer_options_reassembly(o, 1000), HULSE_OK);
    assert_int_equal(hulse_consumer_options_unacked_max(o, 10), HULSE_OK);
    hulse_consumer_options_free(&o);
    assert_null(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_options_are_copied_and_bounded),
        cmocka_unit_test(test_producer_options_refuse_impossible_sizes),
        cmocka_unit_test(test_consumer_options_refuse_unknown_kinds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
