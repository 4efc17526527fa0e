/* SPDX-License-Identifier: Apache-2.0 */
/*
 * allocator - an arena for each thread that allocates much, and what the allocator holds.
 *
 * hulsed is linked with jemalloc. A program that is not (tests, builds with sanitizers) has none of
 * this: no figures, and threads that use the one allocator there is.
 *
 * What `mem` counts is what was asked for; these figures are what it costs. The difference is
 * rounding, caches, and memory that was freed and not yet given back.
 */
#ifndef HULSE_CORE_ALLOCATOR_H
#define HULSE_CORE_ALLOCATOR_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes, but for the last. */
struct allocator_figures {
    uint64_t allocated; /* in use by the program */
    uint64_t active;    /* in pages that have some of it */
    uint64_t metadata;  /* of the allocator itself */
    uint64_t resident;  /* in physical memory, dirty pages included */
    uint64_t mapped;    /* in extents in use */
    uint64_t retained;  /* of addresses kept without memory behind them */
    uint64_t arenas;    /* made by hulse_allocator_own_arena() */
};

/*
 * Lets a thread of the allocator's own give freed pages back, instead of whoever frees next. That
 * thread has the rights of the caller. True: it runs, or there is no jemalloc.
 * Threads: one, once.
 */
bool hulse_allocator_background(void);

/*
 * From here on the calling thread allocates from an arena that no other thread uses; memory may be
 * freed by any. An arena stays when its thread ends. False: it shares one as before.
 * Threads: any, each once.
 */
bool hulse_allocator_own_arena(void);

/* As of now; takes 12 us. False: there is no jemalloc, and *out is not changed. Threads: control. */
bool hulse_allocator_figures(struct allocator_figures *out);

#endif
