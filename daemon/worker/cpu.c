/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu - see the header.
 *
 * A limit set on any parent holds as well, so every path is walked up to the mount point. In a
 * container without a cgroup namespace /proc/self/cgroup names a path of the host that does not
 * exist below the container's mount; the walk then ends at the mount, which is the container's own
 * group.
 */
#include "daemon/worker/cpu.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    WORKERS_AUTO_MAX = 8,
    CPU_SETS_MAX = 64, /* x 1024 CPUs */
    FILE_BYTES = 8192  /* /proc/self/cgroup has at most a dozen lines */
};

/* Reads a small file into `text`, terminated; false when there is none. */
static bool read_text(const char *path, char *text, size_t bytes)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    size_t used = 0;
    ssize_t got = 0;
    do {
        got = read(fd, text + used, bytes - 1 - used);
        used += got > 0 ? (size_t)got : 0;
    } while ((got > 0 && used < bytes - 1) || (got < 0 && errno == EINTR));
    (void)close(fd);
    text[used] = '\0';
    return got >= 0;
}

/* quota and period in microseconds to thousandths of a CPU; no limit unless both are positive. */
static uint32_t to_milli(long long quota_us, long long period_us)
{
    if (quota_us <= 0 || period_us <= 0 || quota_us > LLONG_MAX / 1000) {
        return UINT32_MAX;
    }
    const long long milli = quota_us * 1000 / period_us;
    return milli == 0 ? 1 : milli >= UINT32_MAX ? UINT32_MAX : (uint32_t)milli;
}

/* "max 100000" or "150000 100000". */
static uint32_t quota_v2(const char *group)
{
    char path[PATH_MAX];
    char text[128];
    char *end = NULL;

    if (snprintf(path, sizeof(path), "%s/cpu.max", group) >= (int)sizeof(path) ||
        !read_text(path, text, sizeof(text))) {
        return UINT32_MAX;
    }
    const long long quota_us = strtoll(text, &end, 10);
    return end == text ? UINT32_MAX : to_milli(quota_us, strtoll(end, NULL, 10));
}

/* Two files; a quota of -1 is none. */
static uint32_t quota_v1(const char *group)
{
    char path[PATH_MAX];
    char quota[128];
    char period[128];

    if (snprintf(path, sizeof(path), "%s/cpu.cfs_quota_us", group) >= (int)sizeof(path) ||
        !read_text(path, quota, sizeof(quota)) ||
        snprintf(path, sizeof(path), "%s/cpu.cfs_period_us", group) >= (int)sizeof(path) ||
        !read_text(path, period, sizeof(period))) {
        return UINT32_MAX;
    }
    return to_milli(strtoll(quota, NULL, 10), strtoll(period, NULL, 10));
}

/* The smallest quota from mount + group up to the mount. */
static uint32_t walk_up(const char *mount, const char *group, uint32_t (*quota)(const char *group))
{
    char path[PATH_MAX];
    uint32_t least = UINT32_MAX;
    const size_t mount_bytes = strlen(mount);
    /* A path that leaves the mount is one of another namespace. */
    const char *below = strstr(group, "..") != NULL ? "" : group;

    if (snprintf(path, sizeof(path), "%s%s", mount, below) >= (int)sizeof(path)) {
        return UINT32_MAX;
    }
    for (;;) {
        const uint32_t here = quota(path);
        char *slash = strrchr(path, '/');
        least = here < least ? here : least;
        if (slash == NULL || (size_t)(slash - path) < mount_bytes) {
            return least;
        }
        *slash = '\0';
    }
}

/* Whether `word` is one of the comma-separated controllers. */
static bool has_controller(const char *controllers, const char *word)
{
    const size_t bytes = strlen(word);

    for (const char *at = controllers; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        const size_t item = strcspn(at, ",");
        if (item == bytes && memcmp(at, word, bytes) == 0) {
            return true;
        }
    }
    return false;
}

/* One line "id:controllers:path" of /proc/self/cgroup. */
static uint32_t quota_of_line(const char *root, char *line)
{
    char first[PATH_MAX];
    char second[PATH_MAX];
    char *controllers = strchr(line, ':');
    char *group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
    if (group == NULL) {
        return UINT32_MAX;
    }
    controllers++;
    *group++ = '\0';
    const bool unified = *controllers == '\0';
    if (!unified && !has_controller(controllers, "cpu")) {
        return UINT32_MAX;
    }
    /* v2 alone is mounted at the top, beside v1 in `unified`; v1 under its names or under one. */
    const char *place = unified ? "" : "/cpu";
    const char *other = unified ? "unified" : controllers;
    if (snprintf(first, sizeof(first), "%s/sys/fs/cgroup%s", root, place) >= (int)sizeof(first) ||
        snprintf(second, sizeof(second), "%s/sys/fs/cgroup/%s", root, other) >=
            (int)sizeof(second)) {
        return UINT32_MAX;
    }
    uint32_t (*const quota)(const char *) = unified ? quota_v2 : quota_v1;
    const uint32_t a = walk_up(first, group, quota);
    const uint32_t b = walk_up(second, group, quota);
    return a < b ? a : b;
}

uint32_t hulse_cpu_quota_milli(const char *root)
{
    char path[PATH_MAX];
    char text[FILE_BYTES];
    uint32_t least = UINT32_MAX;

    if (snprintf(path, sizeof(path), "%s/proc/self/cgroup", root) >= (int)sizeof(path) ||
        !read_text(path, text, sizeof(text))) {
        return UINT32_MAX;
    }
    for (char *line = text; *line != '\0';) {
        const size_t bytes = strcspn(line, "\n");
        char *next = line[bytes] == '\n' ? line + bytes + 1 : line + bytes;
        line[bytes] = '\0';
        const uint32_t quota = quota_of_line(root, line);
        least = quota < least ? quota : least;
        line = next;
    }
    return least;
}

static uint32_t affinity_count(void)
{
    /* The kernel refuses a set smaller than its own; large hosts have more than 1,024 CPUs. */
    for (size_t sets = 1; sets <= CPU_SETS_MAX; sets *= 2) {
        cpu_set_t *set = calloc(sets, sizeof(cpu_set_t));
        if (set == NULL) {
            return 1;
        }
        const bool known = sched_getaffinity(0, sets * sizeof(cpu_set_t), set) == 0;
        const int count = known ? CPU_COUNT_S(sets * sizeof(cpu_set_t), set) : 0;
        free(set);
        if (count > 0) {
            return (uint32_t)count;
        }
    }
    return 1;
}

void hulse_cpu_limits(struct cpu_limits *out)
{
    out->affinity = affinity_count();
    out->quota_milli = hulse_cpu_quota_milli("");
}

uint32_t hulse_cpu_usable(const struct cpu_limits *limits)
{
    const uint32_t quota = limits->quota_milli / 1000;
    const uint32_t usable = quota < limits->affinity ? quota : limits->affinity;
    return usable == 0 ? 1 : usable;
}

uint32_t hulse_cpu_workers_auto(const struct cpu_limits *limits)
{
    const uint32_t half = hulse_cpu_usable(limits) / 2;
    return half == 0 ? 1 : half > WORKERS_AUTO_MAX ? WORKERS_AUTO_MAX : half;
}
