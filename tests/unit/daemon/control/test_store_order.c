/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   check and backup of the store are done by a thread of their own and answered once; one at a time; the end of
 *         the daemon does not wait for them.
 * Method: a store in a directory of its own, a loop of the test.
 */
#include "daemon/control/store_order.h"
#include "daemon/core/mem.h"
#include "tests/support/check.h"
#include "tests/support/folder.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char home[64];
static char path[128];
static struct store *store;
static struct loop loop;
static struct store_order order;
static struct admin_line heard;
static unsigned times;

static int setup(void **state)
{
    struct store_params params;
    struct error err = {0};

    (void)state;
    (void)snprintf(home, sizeof(home), "/tmp/hulse-order-XXXXXX");
    assert_non_null(mkdtemp(home));
    (void)snprintf(path, sizeof(path), "%s/store", home);
    hulse_store_params_default(&params);
    params.directory = path;
    params.segment_bytes = 1 << 20;
    store = hulse_store_open(&params, NULL, &err);
    assert_non_null(store);
    assert_int_equal(hulse_store_start(store, &err), HULSE_OK);
    assert_true(hulse_loop_init(&loop, 16));
    hulse_store_order_init(&order, &loop, store);
    heard = (struct admin_line){0};
    times = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hulse_store_order_fini(&order);
    hulse_admin_line_fini(&heard);
    hulse_store_stop(store);
    hulse_store_close(&store);
    hulse_loop_fini(&loop);
    assert_true(hulse_test_folder_remove(home));
    assert_int_equal(hulse_mem_used(HULSE_MEM_ADMIN), 0);
    return 0;
}

static void done(void *ctx, const struct admin_line *line)
{
    assert_ptr_equal(ctx, &heard);
    hulse_admin_line_fini(&heard);
    heard = *line;
    times++;
}

static bool start(enum admin_command command, const char *directory)
{
    static struct admin_request request;

    request = (struct admin_request){.command = command};
    (void)snprintf(request.directory, sizeof(request.directory), "%s", directory);
    hulse_admin_line_fini(&heard);
    return hulse_store_order_start(&order, &request, done, &heard, &heard);
}

static void await_answer(void)
{
    while (order.under_way) {
        if (hulse_inbox_run(&loop.inbox, 1) == 0) {
            (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        }
    }
}

static json_t *answer(void)
{
    json_t *object = json_loadb(heard.data, heard.bytes, 0, NULL);

    assert_non_null(object);
    return object;
}

static void assert_refused(const char *code)
{
    json_t *object = answer();

    assert_string_equal(json_string_value(json_object_get(object, "code")), code);
    json_decref(object);
}

static void test_a_check_is_answered_once(void **state)
{
    (void)state;
    assert_true(start(ADMIN_STORE_CHECK, ""));
    assert_int_equal(times, 0);
    await_answer();
    assert_int_equal(times, 1);
    json_t *object = answer();
    const json_t *result = json_object_get(object, "result");
    assert_true(json_is_true(json_object_get(result, "good")));
    assert_int_equal(json_integer_value(json_object_get(result, "segments")), 1);
    assert_int_equal(json_integer_value(json_object_get(result, "damaged_records")), 0);
    json_decref(object);
    /* And again. */
    assert_true(start(ADMIN_STORE_CHECK, ""));
    await_answer();
    assert_int_equal(times, 2);
}

static void test_a_backup_is_made(void **state)
{
    char copy[160];
    char format[192];

    (void)state;
    (void)snprintf(copy, sizeof(copy), "%s/copy", home);
    assert_true(start(ADMIN_STORE_BACKUP, copy));
    await_answer();
    json_t *object = answer();
    const json_t *result = json_object_get(object, "result");
    assert_string_equal(json_string_value(json_object_get(result, "directory")), copy);
    json_decref(object);
    (void)snprintf(format, sizeof(format), "%s/format", copy);
    assert_int_equal(access(format, F_OK), 0);
    assert_true(start(ADMIN_STORE_BACKUP, copy));
    await_answer();
    assert_refused("HULSE_IO");
}

static void test_one_at_a_time(void **state)
{
    (void)state;
    assert_true(start(ADMIN_STORE_CHECK, ""));
    assert_false(start(ADMIN_STORE_CHECK, ""));
    assert_refused("HULSE_BUSY");
    await_answer();
    assert_int_equal(times, 1);
}

static void test_nobody_waits_any_more(void **state)
{
    (void)state;
    assert_true(start(ADMIN_STORE_CHECK, ""));
    hulse_store_order_forget(&order, &order); /* another one */
    hulse_store_order_forget(&order, &heard);
    await_answer();
    assert_int_equal(times, 0);
    assert_true(start(ADMIN_STORE_CHECK, ""));
    hulse_store_order_fini(&order);
    assert_false(order.under_way);
    assert_int_equal(times, 0);
}

static void test_without_a_store(void **state)
{
    (void)state;
    order.store = NULL;
    assert_false(start(ADMIN_STORE_CHECK, ""));
    assert_refused("HULSE_UNSUPPORTED");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_check_is_answered_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_backup_is_made, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_at_a_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_waits_any_more, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_a_store, setup, teardown),
    };

    return cmocka_run_group_tests_name("store_order", tests, NULL, NULL);
}
