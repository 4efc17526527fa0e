/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena - memory of one configuration, given back as a whole.
 *
 * Threads: one at a time.
 * Limits:  what files, environment and flags may say is bounded there; here nothing is.
 */
#ifndef HULSE_CONFIG_ARENA_H
#define HULSE_CONFIG_ARENA_H

#include <stddef.h>

struct arena_chunk;

struct config_arena {
    struct arena_chunk *chunks; /* newest first */
    size_t used;                /* of the newest */
};

/* Zeroed and aligned for any type; NULL when the system refuses. */
void *hulse_arena_alloc(struct config_arena *a, size_t bytes);
/* A terminated copy of `bytes` bytes. */
const char *hulse_arena_text(struct config_arena *a, const char *text, size_t bytes);
/* Gives everything back; *a is empty and may be used again. */
void hulse_arena_fini(struct config_arena *a);

#endif
