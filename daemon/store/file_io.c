/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_io - see the header.
 */
#include "daemon/store/file_io.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

static int write_all(int fd, const void *bytes, size_t count, uint64_t offset)
{
    const uint8_t *from = bytes;

    while (count > 0) {
        const ssize_t done = pwrite(fd, from, count, (off_t)offset);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return done == 0 ? EIO : errno;
        }
        from += done;
        count -= (size_t)done;
        offset += (uint64_t)done;
    }
    return 0;
}

static int sync_data(int fd)
{
    return fdatasync(fd) == 0 ? 0 : errno;
}

static int sync_all(int fd)
{
    return fsync(fd) == 0 ? 0 : errno;
}

static int allocate(int fd, uint64_t bytes)
{
    int failed = 0;

    do {
        failed = fallocate(fd, 0, 0, (off_t)bytes) == 0 ? 0 : errno;
    } while (failed == EINTR);
    /* Not every file system can; the size alone will do then. */
    if (failed == EOPNOTSUPP) {
        failed = ftruncate(fd, (off_t)bytes) == 0 ? 0 : errno;
    }
    return failed;
}

int hulse_file_read(int fd, void *bytes, size_t count, uint64_t offset, size_t *got)
{
    uint8_t *to = bytes;

    *got = 0;
    while (*got < count) {
        const ssize_t done = pread(fd, to + *got, count - *got, (off_t)(offset + *got));
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0) {
            return errno;
        }
        if (done == 0) {
            return 0;
        }
        *got += (size_t)done;
    }
    return 0;
}

const struct file_io hulse_file_io = {
    .read = hulse_file_read,
    .write = write_all,
    .sync = sync_data,
    .sync_all = sync_all,
    .allocate = allocate,
};
