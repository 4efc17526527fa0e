/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_io - the calls that a disk can refuse. Tests put others in their place to see what the store makes of it.
 *
 * Threads: any; the table is constant.
 * Errors:  0, or the error number.
 */
#ifndef HULSE_STORE_FILE_IO_H
#define HULSE_STORE_FILE_IO_H

#include <stddef.h>
#include <stdint.h>

struct file_io {
    /* Up to `count` bytes, fewer only at the end of the file. */
    int (*read)(int fd, void *bytes, size_t count, uint64_t offset, size_t *got);
    int (*write)(int fd, const void *bytes, size_t count, uint64_t offset); /* all of it */
    int (*sync)(int fd);                                                    /* data and size */
    int (*sync_all)(int fd);                 /* of a directory too: names */
    int (*allocate)(int fd, uint64_t bytes); /* the file has this size */
};

extern const struct file_io hulse_file_io;

/* The system's read, for what no test refuses. */
int hulse_file_read(int fd, void *bytes, size_t count, uint64_t offset, size_t *got);

#endif
