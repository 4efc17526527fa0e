/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preload - stands between a program and the kernel's calls on files (LD_PRELOAD), and tells
 *           shadow.h what they do. Calls themselves are passed on unchanged; with POWER_NO_SYNC
 *           syncs are not.
 *
 * Threads: any.
 */
#include "tests/crash/power/calls.h"
#include "tests/crash/power/shadow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

/* Names, types and parameters are those of libc. */
/* NOLINTBEGIN(readability-identifier-naming,readability-inconsistent-declaration-parameter-name) */
/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,misc-unused-parameters) */
#pragma GCC visibility push(default)
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#ifdef __GNUC__
#pragma GCC diagnostic ignored "-Wnonnull-compare"
#endif

__attribute__((constructor)) static void start(void)
{
    hulse_shadow_start();
}

/* ---- opening and closing ---- */

static int open_at(int at, const char *path, int flags, unsigned mode)
{
    const bool temporary = (flags & O_TMPFILE) == O_TMPFILE;
    const bool is_new = temporary || ((flags & O_CREAT) != 0 && hulse_shadow_is_new(at, path));
    const int fd = raw_openat(at, path, flags, mode);

    hulse_shadow_opened(fd, flags, is_new);
    return fd;
}

#define TAKE_MODE(flags, mode)                                                                     \
    do {                                                                                           \
        if (((flags)&O_CREAT) != 0 || ((flags)&O_TMPFILE) == O_TMPFILE) {                          \
            va_list args;                                                                          \
            va_start(args, flags);                                                                 \
            (mode) = va_arg(args, unsigned);                                                       \
            va_end(args);                                                                          \
        }                                                                                          \
    } while (0)

int open(const char *path, int flags, ...)
{
    unsigned mode = 0;
    TAKE_MODE(flags, mode);
    return open_at(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    unsigned mode = 0;
    TAKE_MODE(flags, mode);
    return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int at, const char *path, int flags, ...)
{
    unsigned mode = 0;
    TAKE_MODE(flags, mode);
    return open_at(at, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...)
{
    unsigned mode = 0;
    TAKE_MODE(flags, mode);
    return open_at(at, path, flags, mode);
}

/* What _FORTIFY_SOURCE makes of them. */
int __open_2(const char *path, int flags)
{
    return open_at(AT_FDCWD, path, flags, 0);
}

int __open64_2(const char *path, int flags)
{
    return open_at(AT_FDCWD, path, flags, 0);
}

int __openat_2(int at, const char *path, int flags)
{
    return open_at(at, path, flags, 0);
}

int __openat64_2(int at, const char *path, int flags)
{
    return open_at(at, path, flags, 0);
}

int creat(const char *path, mode_t mode)
{
    return open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

int creat64(const char *path, mode_t mode)
{
    return open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

int mkdirat(int at, const char *path, mode_t mode)
{
    const int rc = (int)syscall(SYS_mkdirat, at, path, mode);

    if (rc == 0) {
        hulse_shadow_made_folder(at, path);
    }
    return rc;
}

int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}

int close(int fd)
{
    hulse_shadow_closed(fd);
    return (int)syscall(SYS_close, fd);
}

int dup(int fd)
{
    const int to = (int)syscall(SYS_dup, fd);

    hulse_shadow_duplicated(fd, to);
    return to;
}

int dup3(int fd, int to, int flags)
{
    const int rc = (int)syscall(SYS_dup3, fd, to, flags);

    hulse_shadow_duplicated(fd, rc);
    return rc;
}

int dup2(int fd, int to)
{
    return fd == to ? (int)syscall(SYS_fcntl, fd, F_GETFD) < 0 ? -1 : to : dup3(fd, to, 0);
}

/* The third argument is a number or a pointer; both fit. */
static int control(int fd, int command, unsigned long argument)
{
    const int rc = (int)syscall(SYS_fcntl, fd, command, argument);

    if (command == F_DUPFD || command == F_DUPFD_CLOEXEC) {
        hulse_shadow_duplicated(fd, rc);
    }
    return rc;
}

int fcntl(int fd, int command, ...)
{
    va_list args;
    va_start(args, command);
    const unsigned long argument = va_arg(args, unsigned long);
    va_end(args);
    return control(fd, command, argument);
}

int fcntl64(int fd, int command, ...)
{
    va_list args;
    va_start(args, command);
    const unsigned long argument = va_arg(args, unsigned long);
    va_end(args);
    return control(fd, command, argument);
}

/* ---- writing ---- */

static ssize_t written_at(int fd, ssize_t n, uint64_t offset)
{
    if (n > 0) {
        hulse_shadow_written(fd, offset, offset + (uint64_t)n);
    }
    return n;
}

/* At the descriptor's position, which stands behind what was written. */
static ssize_t written_here(int fd, ssize_t n)
{
    if (n > 0 && hulse_shadow_follows(fd)) {
        const off_t end = (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
        return written_at(fd, n, (uint64_t)(end - n));
    }
    return n;
}

ssize_t write(int fd, const void *from, size_t bytes)
{
    return written_here(fd, (ssize_t)syscall(SYS_write, fd, from, bytes));
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return written_here(fd, (ssize_t)syscall(SYS_writev, fd, parts, count));
}

ssize_t pwrite(int fd, const void *from, size_t bytes, off_t offset)
{
    return written_at(fd, raw_pwrite(fd, from, bytes, (uint64_t)offset), (uint64_t)offset);
}

ssize_t pwrite64(int fd, const void *from, size_t bytes, off_t offset)
{
    return pwrite(fd, from, bytes, offset);
}

/* The kernel takes the offset in two halves, of which a 64-bit one uses the first. */
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    return written_at(
        fd, (ssize_t)syscall(SYS_pwritev, fd, parts, count, offset, 0), (uint64_t)offset);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t offset)
{
    return pwritev(fd, parts, count, offset);
}

/* Durable at once with RWF_DSYNC, which nobody here uses: it counts as an ordinary write. */
ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
    const ssize_t n = (ssize_t)syscall(SYS_pwritev2, fd, parts, count, offset, 0, flags);

    return offset == -1 ? written_here(fd, n) : written_at(fd, n, (uint64_t)offset);
}

/* ---- length ---- */

static int set_length(int fd, off_t bytes)
{
    struct stat info;

    if (hulse_shadow_follows(fd) && fstat(fd, &info) == 0 && bytes < info.st_size) {
        hulse_shadow_changed(fd, (uint64_t)bytes, (uint64_t)info.st_size);
    }
    return raw_ftruncate(fd, (uint64_t)bytes);
}

int ftruncate(int fd, off_t bytes)
{
    return set_length(fd, bytes);
}

int ftruncate64(int fd, off_t bytes)
{
    return set_length(fd, bytes);
}

int truncate(const char *path, off_t bytes)
{
    const int fd = open_at(AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
    const int rc = fd < 0 ? -1 : set_length(fd, bytes);
    const int error = errno;

    if (fd >= 0) {
        (void)close(fd);
    }
    errno = error;
    return rc;
}

int truncate64(const char *path, off_t bytes)
{
    return truncate(path, bytes);
}

/* Its modes zero, cut out and move; that the range may differ is enough. */
int fallocate(int fd, int mode, off_t offset, off_t bytes)
{
    if (mode != 0) {
        hulse_shadow_changed(fd, (uint64_t)offset, UINT64_MAX);
    }
    return (int)syscall(SYS_fallocate, fd, mode, offset, bytes);
}

int fallocate64(int fd, int mode, off_t offset, off_t bytes)
{
    return fallocate(fd, mode, offset, bytes);
}

int posix_fallocate(int fd, off_t offset, off_t bytes)
{
    const int error = errno;
    const int rc = (int)syscall(SYS_fallocate, fd, 0, offset, bytes) == 0 ? 0 : errno;

    errno = error;
    return rc;
}

int posix_fallocate64(int fd, off_t offset, off_t bytes)
{
    return posix_fallocate(fd, offset, bytes);
}

/* ---- mappings ---- */

void *mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    void *got = (void *)syscall(SYS_mmap, at, bytes, protection, flags, fd, offset);
    const bool shared = (flags & MAP_TYPE) == MAP_SHARED || (flags & MAP_TYPE) == 0x03;

    if (got != MAP_FAILED && shared && (protection & PROT_WRITE) != 0) {
        hulse_shadow_mapped(fd, got, bytes, (uint64_t)offset);
    }
    return got;
}

void *mmap64(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    return mmap(at, bytes, protection, flags, fd, offset);
}

int munmap(void *at, size_t bytes)
{
    hulse_shadow_unmapped(at, bytes);
    return (int)syscall(SYS_munmap, at, bytes);
}

/* ---- syncs ---- */

static int sync_file(int fd, long call)
{
    if (hulse_shadow_syncs_nothing() && hulse_shadow_follows(fd)) {
        return 0;
    }
    struct shadow_sync *sync = hulse_shadow_sync_begin(fd);
    const int rc = (int)syscall(call, fd);
    const int error = errno;

    hulse_shadow_sync_end(sync, rc == 0);
    errno = error;
    return rc;
}

int fsync(int fd)
{
    return sync_file(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return sync_file(fd, SYS_fdatasync);
}

int msync(void *at, size_t bytes, int flags)
{
    struct shadow_sync *sync = NULL;

    if ((flags & MS_SYNC) != 0) {
        if (hulse_shadow_syncs_nothing()) {
            return 0;
        }
        sync = hulse_shadow_msync_begin(at, bytes);
    }
    const int rc = (int)syscall(SYS_msync, at, bytes, flags);
    const int error = errno;
    hulse_shadow_sync_end(sync, rc == 0);
    errno = error;
    return rc;
}

#pragma GCC visibility pop
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,misc-unused-parameters) */
/* NOLINTEND(readability-identifier-naming,readability-inconsistent-declaration-parameter-name) */
