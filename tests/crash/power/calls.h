/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calls - the kernel's own, past every library that could be asked instead.
 */
#ifndef HULSE_TESTS_CRASH_POWER_CALLS_H
#define HULSE_TESTS_CRASH_POWER_CALLS_H

#include <fcntl.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline int raw_openat(int at, const char *path, int flags, unsigned mode)
{
    return (int)syscall(SYS_openat, at, path, flags, mode);
}

static inline void raw_close(int fd)
{
    (void)syscall(SYS_close, fd);
}

static inline ssize_t raw_pread(int fd, void *to, size_t bytes, uint64_t offset)
{
    return (ssize_t)syscall(SYS_pread64, fd, to, bytes, offset);
}

static inline ssize_t raw_pwrite(int fd, const void *from, size_t bytes, uint64_t offset)
{
    return (ssize_t)syscall(SYS_pwrite64, fd, from, bytes, offset);
}

static inline int raw_ftruncate(int fd, uint64_t bytes)
{
    return (int)syscall(SYS_ftruncate, fd, bytes);
}

#endif
