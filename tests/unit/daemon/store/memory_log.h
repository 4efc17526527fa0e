/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_log - one segment in memory, written by the real appender, and what was put into it.
 */
#ifndef HULSE_TESTS_MEMORY_LOG_H
#define HULSE_TESTS_MEMORY_LOG_H

#include "daemon/store/appender.h"
#include "daemon/store/scan.h"

#include <stdbool.h>
#include <stdint.h>

#define MEMORY_LOG_BYTES (UINT32_C(1) << 20)
#define MEMORY_LOG_FRAMES 4096

struct memory_frame {
    uint32_t from;
    uint32_t to;
    uint32_t body_bytes;
    uint32_t group;
    bool first;
};

/* The bytes are static: one at a time. */
struct memory_log {
    uint8_t *bytes;
    struct appender end;
    uint32_t count;
    struct memory_frame frames[MEMORY_LOG_FRAMES];
};

void hulse_memory_log_init(struct memory_log *log, uint32_t number);
void hulse_memory_log_fini(struct memory_log *log);
/* A message whose position is its index. */
void hulse_memory_log_put(struct memory_log *log, uint32_t body_bytes);
void hulse_memory_log_sync(struct memory_log *log);
/* Random groups of random frames until the segment is filled up to `bytes`. */
void hulse_memory_log_fill(struct memory_log *log, uint64_t *random, uint32_t bytes);
/* A scan over all of it, or over a copy. */
struct scan hulse_memory_log_scan(const struct memory_log *log, const uint8_t *bytes);

#endif
