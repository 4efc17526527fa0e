/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cut - see cut.h.
 */
#include "tests/crash/cut.h"

#include "tests/crash/power/shadow.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES (POWER_PATH_BYTES * 2)

static bool fail(const char *what)
{
    (void)fprintf(stderr, "cut: %s: %s\n", what, strerrordesc_np(errno));
    return false;
}

/* The durable bytes of a file come to their name; a file that was never synced is empty. */
static bool put_file(const char *shadow, unsigned long long id, const char *path)
{
    char from[PATH_BYTES];

    (void)snprintf(from, sizeof(from), "%s/i%llu", shadow, id);
    /* A link, for a file may have several names. */
    if (link(from, path) == 0) {
        return true;
    }
    const int fd = errno == ENOENT ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    return fd >= 0 ? close(fd) == 0 : fail(path);
}

static bool put_folder(const char *shadow, unsigned long long id, const char *path);

/* NOLINTNEXTLINE(misc-no-recursion): a test's own folder */
static bool put_name(const char *shadow, const char *line, const char *path)
{
    char kind = 0;
    unsigned long long id = 0;
    char name[POWER_PATH_BYTES];
    char to[PATH_BYTES];

    /* NOLINTNEXTLINE(cert-err34-c): a line of our own making */
    if (sscanf(line, "%c %llu %255[^\n]", &kind, &id, name) != 3) {
        errno = EINVAL;
        return fail(line);
    }
    (void)snprintf(to, sizeof(to), "%s/%s", path, name);
    if (kind == 'f') {
        return put_file(shadow, id, to);
    }
    return (mkdir(to, 0700) == 0 || fail(to)) && put_folder(shadow, id, to);
}

/* NOLINTNEXTLINE(misc-no-recursion): a test's own folder */
static bool put_folder(const char *shadow, unsigned long long id, const char *path)
{
    char list[PATH_BYTES];
    char line[POWER_PATH_BYTES];
    bool ok = true;

    (void)snprintf(list, sizeof(list), "%s/d%llu", shadow, id);
    FILE *names = fopen(list, "re");
    if (names == NULL) {
        return errno == ENOENT || fail(list); /* never synced: nothing in it lasts */
    }
    while (ok && fgets(line, sizeof(line), names) != NULL) {
        ok = put_name(shadow, line, path);
    }
    (void)fclose(names);
    return ok;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info;
    (void)type;
    return ftw->level == 0 ? 0 : remove(path);
}

static bool empty(const char *path)
{
    return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 || fail(path);
}

bool hulse_power_cut(const char *dir, const char *shadow)
{
    char followed[PATH_BYTES];
    struct stat info;

    if (stat(dir, &info) != 0) {
        return (errno == ENOENT || fail(dir)) && empty(shadow);
    }
    (void)snprintf(followed, sizeof(followed), "%s/followed", shadow);
    if (access(followed, F_OK) != 0) {
        /* It died before it could change anything, and the shadow is not yet complete. */
        return (errno == ENOENT || fail(followed)) && (stat(shadow, &info) != 0 || empty(shadow));
    }
    return empty(dir) && put_folder(shadow, POWER_ROOT_ID, dir) && empty(shadow);
}
