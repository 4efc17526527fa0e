/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena - see arena.h. A list of chunks, each filled from its start.
 */
#include "daemon/config/arena.h"

#include "daemon/core/assert.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 16384U
#define ALIGNMENT (_Alignof(max_align_t))

struct arena_chunk {
    struct arena_chunk *older;
    size_t room;
    _Alignas(max_align_t) unsigned char bytes[];
};

static struct arena_chunk *add_chunk(struct config_arena *a, size_t bytes)
{
    const size_t room = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
    struct arena_chunk *chunk = calloc(1, sizeof(*chunk) + room);

    if (chunk == NULL) {
        return NULL;
    }
    chunk->older = a->chunks;
    chunk->room = room;
    a->chunks = chunk;
    a->used = 0;
    return chunk;
}

void *hulse_arena_alloc(struct config_arena *a, size_t bytes)
{
    struct arena_chunk *chunk = a->chunks;

    if (bytes > SIZE_MAX / 2) {
        return NULL;
    }
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (chunk == NULL || bytes > chunk->room - a->used) {
        chunk = add_chunk(a, bytes);
        if (chunk == NULL) {
            return NULL;
        }
    }
    void *memory = chunk->bytes + a->used;
    a->used += bytes;
    HULSE_ASSERT(a->used <= chunk->room);
    return memory;
}

const char *hulse_arena_text(struct config_arena *a, const char *text, size_t bytes)
{
    char *copy = hulse_arena_alloc(a, bytes + 1);

    if (copy != NULL) {
        memcpy(copy, text, bytes);
    }
    return copy;
}

void hulse_arena_fini(struct config_arena *a)
{
    while (a->chunks != NULL) {
        struct arena_chunk *chunk = a->chunks;
        a->chunks = chunk->older;
        free(chunk);
    }
    *a = (struct config_arena){0};
}
