/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_limit - the cgroup's memory limit, and what `memory_max: auto` makes of it.
 *
 * Threads: any; the files are read at each call.
 */
#ifndef HULSE_CONFIG_MEMORY_LIMIT_H
#define HULSE_CONFIG_MEMORY_LIMIT_H

#include <stdint.h>

/* Smallest limit of the groups in `cgroup_file` below `root`; UINT64_MAX = none. */
uint64_t hulse_memory_limit(const char *cgroup_file, const char *root);
/* A quarter, at least 16 MiB and at most 512 MiB. */
uint64_t hulse_memory_auto(uint64_t limit_bytes);

#endif
