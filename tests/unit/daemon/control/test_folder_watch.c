/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   whatever happens to one of several files, in whatever folder, leads to a look; so does time, where it is
 *         wanted; a watch that was closed says nothing more.
 * Method: files in folders of the test's own, a real loop; test_reload.c has the ways in which a file is replaced.
 */
#include "daemon/control/folder_watch.h"
#include "tests/support/check.h"
#include "tests/support/folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[64];
static char paths[2][96]; /* one folder for each */
static struct loop loop;
static struct folder_watch watch;
static unsigned looks;

static void look(void *ctx)
{
    (void)ctx;
    looks++;
}

static void put(const char *path)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
}

static void await_looks(unsigned count)
{
    while (looks < count) {
        (void)hulse_loop_round(&loop, -1);
    }
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(top, sizeof(top), "/tmp/hulse-watch-XXXXXX");
    assert_non_null(mkdtemp(top));
    for (unsigned i = 0; i < 2; i++) {
        (void)snprintf(paths[i], sizeof(paths[i]), "%s/%u", top, i);
        assert_int_equal(mkdir(paths[i], 0700), 0);
        (void)snprintf(paths[i], sizeof(paths[i]), "%s/%u/f", top, i);
    }
    assert_true(hulse_loop_init(&loop, 16));
    looks = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hulse_folder_watch_close(&watch);
    hulse_loop_fini(&loop);
    assert_true(hulse_test_folder_remove(top));
    return 0;
}

static void open_with(uint32_t poll_ms)
{
    const struct folder_watch_params params = {.loop = &loop, .poll_ms = poll_ms, .look = look};
    struct error err = {0};

    hulse_folder_watch_init(&watch, &params);
    hulse_folder_watch_add(&watch, paths[0]);
    hulse_folder_watch_add(&watch, paths[1]);
    assert_int_equal(hulse_folder_watch_open(&watch, &err), HULSE_OK);
    await_looks(1); /* the first comes by itself */
}

static void test_each_folder_counts(void **state)
{
    (void)state;
    open_with(0);
    put(paths[0]);
    await_looks(2);
    put(paths[1]);
    await_looks(3);
}

static void test_a_folder_that_comes_later(void **state)
{
    char folder[96];

    (void)state;
    (void)snprintf(folder, sizeof(folder), "%s/1", top);
    assert_int_equal(rmdir(folder), 0);
    open_with(0);
    assert_int_equal(watch.folders[1], -1);
    assert_int_equal(mkdir(folder, 0700), 0);
    while (watch.folders[1] < 0) {
        (void)hulse_loop_round(&loop, -1);
    }
    const unsigned before = looks;
    put(paths[1]);
    await_looks(before + 1);
}

static void test_time_counts(void **state)
{
    (void)state;
    open_with(10);
    await_looks(4);
}

static void test_the_end(void **state)
{
    (void)state;
    open_with(10);
    hulse_folder_watch_close(&watch);
    const unsigned before = looks;
    put(paths[0]);
    assert_false(hulse_timer_pending(&watch.settle));
    assert_false(hulse_timer_pending(&watch.poll));
    (void)hulse_loop_round(&loop, 20);
    assert_int_equal(looks, before);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_each_folder_counts),
        CASE(test_a_folder_that_comes_later),
        CASE(test_time_counts),
        CASE(test_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
