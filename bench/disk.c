/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk - see disk.h.
 */
#include "bench/disk.h"

#include "bench/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define BLOCK_BYTES 4096U
#define PROBE_BLOCKS 4096U /* 16 MiB, as much as a small segment */
#define OPEN_FILES 16
#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

static bool fail(const char *what)
{
    (void)fprintf(stderr, "hulse-bench: %s: %s\n", what, strerror(errno));
    return false;
}

static const char *known(unsigned long type)
{
    switch (type) {
    case EXT4_SUPER_MAGIC:
        return "ext4"; /* or one of its ancestors, which share the number */
    case XFS_SUPER_MAGIC:
        return "xfs";
    case BTRFS_SUPER_MAGIC:
        return "btrfs";
    case OVERLAYFS_SUPER_MAGIC:
        return "overlayfs";
    case F2FS_SUPER_MAGIC:
        return "f2fs";
    case NFS_SUPER_MAGIC:
        return "nfs";
    case TMPFS_MAGIC:
        return "tmpfs";
    case RAMFS_MAGIC:
        return "ramfs";
    default:
        return NULL;
    }
}

static bool in_memory(unsigned long type)
{
    return type == TMPFS_MAGIC || type == RAMFS_MAGIC;
}

static unsigned long type_of(const char *path)
{
    struct statfs fs;

    return statfs(path, &fs) == 0 ? (unsigned long)fs.f_type : 0;
}

void hulse_bench_disk_filesystem(const char *parent, char *out, size_t bytes)
{
    const unsigned long type = type_of(parent != NULL ? parent : ".");
    const char *name = known(type);

    if (name != NULL) {
        (void)snprintf(out, bytes, "%s", name);
    } else {
        (void)snprintf(out, bytes, "0x%lx", type);
    }
}

int hulse_bench_disk_open(struct disk *disk, const char *parent)
{
    static const char name[] = "/hulse-bench.XXXXXX";
    const char *wish = parent != NULL ? parent : ".";

    *disk = (struct disk){0};
    if (in_memory(type_of(wish))) {
        (void)fprintf(
            stderr, "hulse-bench: %s: a filesystem in memory; choose another --directory\n", wish);
        return BENCH_USAGE;
    }
    if (realpath(wish, disk->directory) == NULL) {
        disk->directory[0] = '\0';
        (void)fail(wish);
        return BENCH_IO;
    }
    const size_t bytes = strlen(disk->directory);
    if (bytes + sizeof name > sizeof disk->directory) {
        errno = ENAMETOOLONG;
    } else {
        memcpy(disk->directory + bytes, name, sizeof name);
        if (mkdtemp(disk->directory) != NULL) {
            return BENCH_OK;
        }
    }
    disk->directory[0] = '\0';
    (void)fail(wish);
    return BENCH_IO;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    (void)remove(path);
    return 0;
}

void hulse_bench_disk_close(struct disk *disk)
{
    if (disk->directory[0] != '\0') {
        (void)nftw(disk->directory, remove_entry, OPEN_FILES, FTW_DEPTH | FTW_PHYS);
        disk->directory[0] = '\0';
    }
}

/* Every block of it has been written, so that a sync has no metadata to write. */
static bool fill(int fd, const char *block)
{
    if (posix_fallocate(fd, 0, (off_t)PROBE_BLOCKS * BLOCK_BYTES) != 0) {
        return false;
    }
    for (unsigned i = 0; i < PROBE_BLOCKS; i++) {
        if (pwrite(fd, block, BLOCK_BYTES, (off_t)i * BLOCK_BYTES) != (ssize_t)BLOCK_BYTES) {
            return false;
        }
    }
    return fsync(fd) == 0;
}

static bool overwrite(int fd, char *block, uint64_t duration_ns, struct histogram *into)
{
    const uint64_t until_ns = hulse_bench_machine_now_ns() + duration_ns;
    uint64_t now_ns = 0;

    for (unsigned i = 0; now_ns < until_ns; i++) {
        const off_t at = (off_t)(i % PROBE_BLOCKS) * (off_t)BLOCK_BYTES;
        memcpy(block, &i, sizeof i);
        if (pwrite(fd, block, BLOCK_BYTES, at) != (ssize_t)BLOCK_BYTES) {
            return false;
        }
        const uint64_t from_ns = hulse_bench_machine_now_ns();
        if (fdatasync(fd) != 0) {
            return false;
        }
        now_ns = hulse_bench_machine_now_ns();
        hulse_histogram_record(into, now_ns - from_ns);
    }
    return true;
}

bool hulse_bench_disk_measure(const struct disk *disk, uint64_t duration_ns, struct histogram *into)
{
    static char block[BLOCK_BYTES];
    char path[PATH_MAX + 8];

    (void)snprintf(path, sizeof path, "%s.probe", disk->directory);
    const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fail(path);
    }
    const bool fine = fill(fd, block) && overwrite(fd, block, duration_ns, into);
    if (!fine) {
        (void)fail(path);
    }
    (void)close(fd);
    (void)unlink(path);
    return fine;
}
