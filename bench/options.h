/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options - the command line of hulse-bench.
 *
 * Each option names the modes in which it makes sense; anywhere else it is a usage error.
 */
#ifndef HULSE_BENCH_OPTIONS_H
#define HULSE_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define BENCH_SETS_MAX 32U
#define BENCH_WORKERS_MAX 64U /* publishers or consumers */
#define BENCH_SIZE_MAX (4ULL * 1024 * 1024)

enum bench_exit {
    BENCH_OK = 0,
    BENCH_LOST = 1, /* conservation failed */
    BENCH_USAGE = 64,
    BENCH_UNREACHABLE = 69,
    BENCH_IO = 74
};

/* Bits, so that an option can name several. */
enum bench_mode {
    BENCH_RING = 1,
    BENCH_NULL = 2,
    BENCH_LOCAL = 4,
    BENCH_TUNE = 8,
    /* With a log on a disk: */
    BENCH_DURABLE = 16,
    BENCH_SYNC = 32,
    BENCH_RESTART = 64,
    BENCH_RESUME = 128
};
#define BENCH_DISK_MODES (BENCH_DURABLE | BENCH_SYNC | BENCH_RESTART | BENCH_RESUME)

enum bench_wait { BENCH_WAIT_STORED = 0, BENCH_WAIT_ACCEPTED };

/* Who else uses the daemon meanwhile. */
enum bench_beside {
    BENCH_BESIDE_NOBODY = 0,
    BENCH_BESIDE_BUSY,    /* a benign publisher as fast as it goes */
    BENCH_BESIDE_BELLS,   /* a session that rings its doorbell in a loop */
    BENCH_BESIDE_CONTROL, /* one that floods the control socket */
    BENCH_BESIDE_GARBAGE  /* one that fills its ring and its positions with nonsense */
};

struct bench_options {
    enum bench_mode mode;
    uint32_t size;  /* payload bytes */
    uint64_t count; /* messages of all publishers; 0 = by duration */
    uint64_t duration_ns;
    uint64_t warmup_ns;
    uint64_t idle_ns; /* length of the idle measurement; 0 = none */
    uint32_t publishers;
    uint32_t consumers;
    uint32_t topics;
    uint32_t keys;   /* 0 = messages without key */
    uint64_t rate;   /* messages per second of all publishers; 0 = as fast as it goes */
    uint64_t window; /* in flight per publisher; 0 = what fits */
    enum bench_wait wait;
    uint32_t ring_bytes; /* 0 = the default */
    uint32_t receipts;   /* slots; 0 = the default */
    uint32_t flush;      /* records committed between two flushes; set by hulse_bench_options() */
    uint32_t repeat;
    enum bench_beside beside;
    uint32_t kills; /* of the daemon */
    bool kill;      /* restart after SIGKILL, not after a clean stop */
    bool pin;
    bool syscalls; /* count them in a pass of its own */
    bool json;
    const char *directory; /* parent of the log's; NULL = here */
    const char *socket;    /* NULL = a daemon of our own */
    const char *hulsed;    /* NULL = beside this program, then in PATH */
    const char *sets[BENCH_SETS_MAX];
    uint32_t set_count;
};

/* Fills *o. Gives -1 to go on, or the exit code after having said why. */
int hulse_bench_options(struct bench_options *o, int argc, char **argv);
const char *hulse_bench_mode_name(enum bench_mode mode);
const char *hulse_bench_beside_name(enum bench_beside beside);

#endif
