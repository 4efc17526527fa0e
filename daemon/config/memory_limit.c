/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_limit - what `memory_max: auto` means on this host.
 *
 * The limit that binds is the smallest on the way from the process's cgroup to the root; inside a
 * container the mounted root is the container's own.
 *
 * Limits: cgroup v2 and the v1 memory controller.
 */
#include "daemon/config/memory_limit.h"

#include "daemon/config/config.h"

#include <stdlib.h>
#include <string.h>

#define AUTO_MAX (512ULL << 20)
#define AUTO_MIN (16ULL << 20)
#define PATH_BYTES 4096U

/* The number in a file; UINT64_MAX for "max", an absurd number (v1's "none") or no such file. */
static uint64_t read_limit(const char *path)
{
    FILE *file = fopen(path, "re");
    char text[32] = "";
    uint64_t value = 0;

    if (file == NULL) {
        return UINT64_MAX;
    }
    if (fgets(text, sizeof(text), file) != NULL) {
        /* Too large a number becomes the largest one, which is right here. */
        value = strtoull(text, NULL, 10);
    }
    (void)fclose(file);
    return value == 0 ? UINT64_MAX : value;
}

/* Smallest limit from `group` below `root` upwards. `group` is cut on the way. */
static uint64_t smallest_limit(const char *root, char *group, const char *name)
{
    char path[PATH_BYTES + 512];
    uint64_t least = UINT64_MAX;

    for (;;) {
        (void)snprintf(path, sizeof(path), "%s%s/%s", root, group, name);
        const uint64_t limit = read_limit(path);
        least = limit < least ? limit : least;
        char *slash = strrchr(group, '/');
        if (slash == NULL) {
            return least;
        }
        *slash = '\0';
    }
}

/* One line of /proc/self/cgroup: "0::/path" (v2) or "9:memory:/path" (v1). */
static uint64_t limit_of_line(const char *root, char *line)
{
    char base[256];
    char *controllers = strchr(line, ':');
    char *group = controllers == NULL ? NULL : strchr(controllers + 1, ':');

    if (group == NULL) {
        return UINT64_MAX;
    }
    *group++ = '\0';
    controllers++;
    group[strcspn(group, "\n")] = '\0';
    if (*controllers == '\0') {
        (void)snprintf(base, sizeof(base), "%s", root);
        return smallest_limit(base, group, "memory.max");
    }
    if (strcmp(controllers, "memory") == 0) {
        (void)snprintf(base, sizeof(base), "%s/memory", root);
        return smallest_limit(base, group, "memory.limit_in_bytes");
    }
    return UINT64_MAX;
}

uint64_t hulse_memory_limit(const char *cgroup_file, const char *root)
{
    FILE *file = fopen(cgroup_file, "re");
    char line[PATH_BYTES];
    uint64_t least = UINT64_MAX;

    if (file == NULL) {
        return UINT64_MAX;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        const uint64_t limit = limit_of_line(root, line);
        least = limit < least ? limit : least;
    }
    (void)fclose(file);
    return least;
}

uint64_t hulse_memory_auto(uint64_t limit_bytes)
{
    const uint64_t quarter = limit_bytes / 4;

    if (quarter > AUTO_MAX) {
        return AUTO_MAX;
    }
    return quarter < AUTO_MIN ? AUTO_MIN : quarter;
}

uint64_t hulse_config_memory_max(const struct config *c)
{
    if (c->memory_max != 0) {
        return c->memory_max;
    }
    return hulse_memory_auto(hulse_memory_limit("/proc/self/cgroup", "/sys/fs/cgroup"));
}
