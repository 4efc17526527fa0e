/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   `memory_max: auto` is a quarter of the smallest cgroup limit above the process, within
 *         its bounds, with cgroup v2 and v1 and without any.
 * Method: a cgroup tree of plain files in a temporary directory.
 */
#include "daemon/config/config.h"
#include "daemon/config/memory_limit.h"
#include "tests/support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (1ULL << 20)

static char root[64];

static void make(const char *path)
{
    char full[256];

    (void)snprintf(full, sizeof(full), "%s%s", root, path);
    assert_int_equal(mkdir(full, 0700), 0);
}

static void put(const char *path, const char *text)
{
    char full[256];

    (void)snprintf(full, sizeof(full), "%s%s", root, path);
    FILE *file = fopen(full, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static uint64_t limit_with(const char *cgroup)
{
    char file[256];

    put("/cgroup", cgroup);
    (void)snprintf(file, sizeof(file), "%s/cgroup", root);
    return hulse_memory_limit(file, root);
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof(root), "/tmp/hulse-limit-XXXXXX");
    assert_non_null(mkdtemp(root));
    make("/a");
    make("/a/b");
    make("/memory");
    make("/memory/c");
    return 0;
}

static int tear_down(void **state)
{
    static const char *const paths[] = {"/a/b/memory.max",
                                        "/a/memory.max",
                                        "/memory.max",
                                        "/memory/c/memory.limit_in_bytes",
                                        "/memory/memory.limit_in_bytes",
                                        "/cgroup"};
    static const char *const folders[] = {"/a/b", "/a", "/memory/c", "/memory", ""};
    char full[256];

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        (void)snprintf(full, sizeof(full), "%s%s", root, paths[i]);
        (void)unlink(full);
    }
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        (void)snprintf(full, sizeof(full), "%s%s", root, folders[i]);
        assert_int_equal(rmdir(full), 0);
    }
    return 0;
}

static void test_smallest_of_the_way_up(void **state)
{
    (void)state;
    assert_int_equal(limit_with("0::/a/b\n"), UINT64_MAX);
    put("/a/b/memory.max", "max\n");
    assert_int_equal(limit_with("0::/a/b\n"), UINT64_MAX);
    put("/a/memory.max", "104857600\n");
    assert_int_equal(limit_with("0::/a/b\n"), 100 * MIB);
    put("/a/b/memory.max", "209715200\n");
    assert_int_equal(limit_with("0::/a/b\n"), 100 * MIB);
    put("/memory.max", "52428800\n");
    assert_int_equal(limit_with("0::/a/b\n"), 50 * MIB);
    assert_int_equal(limit_with("0::/\n"), 50 * MIB);
}

static void test_first_version(void **state)
{
    (void)state;
    put("/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("/memory/c/memory.limit_in_bytes", "67108864\n");
    assert_int_equal(limit_with("12:cpu,cpuacct:/x\n9:memory:/c\n1:name=systemd:/y\n"), 64 * MIB);
    /* A host with both: the controller is in one of them. */
    assert_int_equal(limit_with("9:memory:/c\n0::/nowhere\n"), 64 * MIB);
}

static void test_nothing_to_read(void **state)
{
    (void)state;
    assert_int_equal(limit_with(""), UINT64_MAX);
    assert_int_equal(limit_with("nonsense\n:\n::\n"), UINT64_MAX);
    assert_int_equal(hulse_memory_limit("/nonexistent/cgroup", root), UINT64_MAX);
}

static void test_what_auto_makes_of_it(void **state)
{
    char *const no_environment[] = {NULL};
    struct config c;

    (void)state;
    assert_int_equal(hulse_memory_auto(UINT64_MAX), 512 * MIB);
    assert_int_equal(hulse_memory_auto(4096 * MIB), 512 * MIB);
    assert_int_equal(hulse_memory_auto(400 * MIB), 100 * MIB);
    assert_int_equal(hulse_memory_auto(1), 16 * MIB);
    hulse_config_init(&c, no_environment);
    assert_true(hulse_config_memory_max(&c) >= 16 * MIB);
    assert_true(hulse_config_memory_max(&c) <= 512 * MIB);
    c.memory_max = 77 * MIB;
    assert_int_equal(hulse_config_memory_max(&c), 77 * MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_smallest_of_the_way_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_first_version, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_to_read, set_up, tear_down),
        cmocka_unit_test(test_what_auto_makes_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
