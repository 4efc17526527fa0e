/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partition_name - TOPIC-partition-N: a partition's name, and that of the topic it is of.
 *
 * Threads: pure.
 */
#ifndef HULSE_PULSAR_LOOKUP_PARTITION_NAME_H
#define HULSE_PULSAR_LOOKUP_PARTITION_NAME_H

#include <stddef.h>
#include <string.h>

/* How much of a name is that of the whole topic: all of it unless it is a partition's. */
static inline size_t hulse_partition_whole_bytes(const char *name, size_t bytes)
{
    static const char mark[] = "-partition-";
    size_t digits = 0;

    while (digits < bytes && name[bytes - 1 - digits] >= '0' && name[bytes - 1 - digits] <= '9') {
        digits++;
    }
    const size_t suffix = digits + sizeof(mark) - 1;
    return digits > 0 && bytes > suffix &&
                   memcmp(name + bytes - suffix, mark, sizeof(mark) - 1) == 0
               ? bytes - suffix
               : bytes;
}

#endif
