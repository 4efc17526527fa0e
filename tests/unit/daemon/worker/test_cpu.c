/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the CPUs of a process are those that its mask and the smallest quota of its cgroups allow,
 *         in every layout of cgroup files; a wrong file is no limit.
 * Method: trees of such files in a temporary directory; the spin window from limits made by hand.
 */
#include "daemon/worker/cpu.h"
#include "daemon/worker/spin.h"
#include "tests/support/folder.h"
#include "tests/unit/daemon/core/check.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];

static int make_root(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof(root), "/tmp/hulse-cpu-XXXXXX");
    return mkdtemp(root) == NULL ? -1 : 0;
}

static int remove_root(void **state)
{
    (void)state;
    return hulse_test_folder_remove(root) ? 0 : -1;
}

/* Makes root/path with this text, and the directories it needs. */
static void put(const char *path, const char *text)
{
    char full[PATH_MAX];

    (void)snprintf(full, sizeof(full), "%s/%s", root, path);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        assert_true(mkdir(full, 0700) == 0 || errno == EEXIST);
        *slash = '/';
    }
    FILE *file = fopen(full, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_v2_with_a_namespace(void **state)
{
    (void)state;
    put("proc/self/cgroup", "0::/\n");
    put("sys/fs/cgroup/cpu.max", "150000 100000\n");
    assert_int_equal(hulse_cpu_quota_milli(root), 1500);
}

static void test_v2_nested_takes_the_smallest_on_the_way_up(void **state)
{
    (void)state;
    put("proc/self/cgroup", "0::/kubepods.slice/pod1/container2\n");
    put("sys/fs/cgroup/kubepods.slice/cpu.max", "max 100000\n");
    put("sys/fs/cgroup/kubepods.slice/pod1/cpu.max", "250000 100000\n");
    put("sys/fs/cgroup/kubepods.slice/pod1/container2/cpu.max", "400000 100000\n");
    assert_int_equal(hulse_cpu_quota_milli(root), 2500);
    put("sys/fs/cgroup/kubepods.slice/pod1/container2/cpu.max", "50000 200000\n");
    assert_int_equal(hulse_cpu_quota_milli(root), 250);
}

static void test_v2_without_a_limit(void **state)
{
    (void)state;
    put("proc/self/cgroup", "0::/a\n");
    put("sys/fs/cgroup/a/cpu.max", "max 100000\n");
    assert_int_equal(hulse_cpu_quota_milli(root), UINT32_MAX);
}

static void test_v2_beside_v1(void **state)
{
    (void)state;
    put("proc/self/cgroup", "9:name=systemd:/\n4:memory:/m\n1:cpu:/\n0::/x\n");
    put("sys/fs/cgroup/unified/x/cpu.max", "300000 100000\n");
    assert_int_equal(hulse_cpu_quota_milli(root), 3000);
    put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n");
    put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    assert_int_equal(hulse_cpu_quota_milli(root), 2000);
}

static void test_v1_with_its_controllers_as_the_mount(void **state)
{
    (void)state;
    put("proc/self/cgroup", "5:cpu,cpuacct:/docker/abc\n3:cpuset:/docker/abc\n");
    put("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "175000\n");
    put("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "50000\n");
    assert_int_equal(hulse_cpu_quota_milli(root), 3500);
    put("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "-1\n");
    assert_int_equal(hulse_cpu_quota_milli(root), UINT32_MAX);
}

/* A container without a cgroup namespace sees the host's path and its own mount. */
static void test_a_path_that_does_not_exist_ends_at_the_mount(void **state)
{
    (void)state;
    put("proc/self/cgroup", "2:cpu,cpuacct:/docker/abc\n0::/docker/abc\n");
    put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "300000\n");
    put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    assert_int_equal(hulse_cpu_quota_milli(root), 3000);
    put("proc/self/cgroup", "0::/../../elsewhere\n");
    put("sys/fs/cgroup/cpu.max", "100000 100000\n");
    put("sys/fs/cpu.max", "1 100000\n"); /* outside of the mount */
    assert_int_equal(hulse_cpu_quota_milli(root), 1000);
}

static void test_another_controller_is_none_of_ours(void **state)
{
    (void)state;
    put("proc/self/cgroup", "3:cpuset:/\n5:cpuacct:/\n");
    put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n");
    put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    assert_int_equal(hulse_cpu_quota_milli(root), UINT32_MAX);
}

static void test_wrong_files_are_no_limit(void **state)
{
    static const char *const texts[] = {
        "",
        "\n",
        "max",
        "100000",
        "100000 0",
        "0 100000",
        "-5 100000",
        "x 1",
        "1e9 100000",
        "100000 -1",
        "99999999999999999999 1",
    };

    (void)state;
    assert_int_equal(hulse_cpu_quota_milli(root), UINT32_MAX);
    put("proc/self/cgroup", "garbage\n::\n0:\n:\n0::/a");
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        put("sys/fs/cgroup/a/cpu.max", texts[i]);
        assert_int_equal(hulse_cpu_quota_milli(root), UINT32_MAX);
    }
    put("sys/fs/cgroup/a/cpu.max", "1 100000");
    assert_int_equal(hulse_cpu_quota_milli(root), 1);
    put("sys/fs/cgroup/a/cpu.max", "9000000000000 1");
    assert_int_equal(hulse_cpu_quota_milli(root), UINT32_MAX);
}

static void test_usable_cpus_and_workers(void **state)
{
    static const struct {
        struct cpu_limits limits;
        uint32_t usable;
        uint32_t workers;
    } cases[] = {
        {{1, UINT32_MAX}, 1, 1},
        {{2, UINT32_MAX}, 2, 1},
        {{4, UINT32_MAX}, 4, 2},
        {{16, 16000}, 16, 8},
        {{64, UINT32_MAX}, 64, 8},
        {{64, 500}, 1, 1},
        {{64, 1999}, 1, 1},
        {{64, 2000}, 2, 1},
        {{64, 6500}, 6, 3},
        {{3, 64000}, 3, 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(hulse_cpu_usable(&cases[i].limits), cases[i].usable);
        assert_int_equal(hulse_cpu_workers_auto(&cases[i].limits), cases[i].workers);
    }
}

static void test_the_mask_counts(void **state)
{
    struct cpu_limits limits;
    cpu_set_t before;
    cpu_set_t one;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    hulse_cpu_limits(&limits);
    assert_int_equal(limits.affinity, CPU_COUNT(&before));
    assert_true(limits.quota_milli > 0);
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++) {
        if (CPU_ISSET(cpu, &before)) {
            CPU_SET(cpu, &one);
        }
    }
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    hulse_cpu_limits(&limits);
    assert_int_equal(limits.affinity, 1);
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

static void test_the_window_is_measured_clamped_or_off(void **state)
{
    const struct cpu_limits two = {.affinity = 2, .quota_milli = UINT32_MAX};
    const struct cpu_limits masked = {.affinity = 1, .quota_milli = UINT32_MAX};
    const struct cpu_limits throttled = {.affinity = 8, .quota_milli = 1999};

    (void)state;
    assert_int_equal(hulse_spin_window_ns(&masked, 2000, 50000), 0);
    assert_int_equal(hulse_spin_window_ns(&throttled, 2000, 50000), 0);
    /* Not a time that is asserted: whatever was measured lies outside of these bounds. */
    assert_int_equal(hulse_spin_window_ns(&two, 1, 1), 1);
    assert_true(hulse_spin_window_ns(&two, UINT64_MAX, UINT64_MAX) == UINT64_MAX);
    const uint64_t window = hulse_spin_window_ns(&two, 2000, 50000);
    assert_true(window >= 2000 && window <= 50000);
    assert_true(hulse_spin_measure_ns() > 0);
}

int main(void)
{
#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)
    const struct CMUnitTest tests[] = {
        IN_ROOT(test_v2_with_a_namespace),
        IN_ROOT(test_v2_nested_takes_the_smallest_on_the_way_up),
        IN_ROOT(test_v2_without_a_limit),
        IN_ROOT(test_v2_beside_v1),
        IN_ROOT(test_v1_with_its_controllers_as_the_mount),
        IN_ROOT(test_a_path_that_does_not_exist_ends_at_the_mount),
        IN_ROOT(test_another_controller_is_none_of_ours),
        IN_ROOT(test_wrong_files_are_no_limit),
        cmocka_unit_test(test_usable_cpus_and_workers),
        cmocka_unit_test(test_the_mask_counts),
        cmocka_unit_test(test_the_window_is_measured_clamped_or_off),
    };

    return cmocka_run_group_tests_name("cpu", tests, NULL, NULL);
}
