/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk - where a daemon of the benchmark keeps its log, and what a bare fdatasync costs there.
 *
 * The directory is made below --directory (default: the current one) and removed afterwards. A
 * filesystem in memory is refused: a sync costs nothing there.
 */
#ifndef HULSE_BENCH_DISK_H
#define HULSE_BENCH_DISK_H

#include "bench/options.h"
#include "daemon/core/histogram.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct disk {
    char directory[PATH_MAX]; /* "" = none */
};

/*
 * Makes the directory below `parent`; NULL = here. Gives BENCH_OK, or an exit code after having said
 * why.
 */
int hulse_bench_disk_open(struct disk *disk, const char *parent);
/* Name of the filesystem of `parent`, or its number in hexadecimal. */
void hulse_bench_disk_filesystem(const char *parent, char *out, size_t bytes);
/* Removes the directory with everything in it. */
void hulse_bench_disk_close(struct disk *disk);
/*
 * Overwrites blocks of 4 KiB of a preallocated, already written file for `duration_ns` and adds
 * the time of each fdatasync. False: said why on stderr.
 */
bool hulse_bench_disk_measure(const struct disk *disk,
                              uint64_t duration_ns,
                              struct histogram *into);

#endif
