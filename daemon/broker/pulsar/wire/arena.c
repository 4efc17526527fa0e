/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena - see the header.
 */
#include "daemon/broker/pulsar/wire/arena.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

#include <assert.h>
#include <stdalign.h>

enum { ALIGNMENT = alignof(max_align_t) };

struct wire_arena_piece {
    struct wire_arena_piece *older;
    size_t bytes; /* with this header */
    alignas(max_align_t) uint8_t data[];
};

static_assert(WIRE_ARENA_PIECE_BYTES > sizeof(struct wire_arena_piece) + ALIGNMENT,
              "a piece has room for something");

static void *allocate(void *arena, size_t bytes)
{
    return hulse_wire_arena_alloc(arena, bytes);
}

/* Comes back with the reset. */
static void release(void *arena, void *memory)
{
    (void)arena;
    (void)memory;
}

void hulse_wire_arena_init(struct wire_arena *a, size_t bytes_max)
{
    HULSE_ASSERT(bytes_max >= WIRE_ARENA_PIECE_BYTES);

    *a = (struct wire_arena){.allocator = {.alloc = allocate, .free = release, .allocator_data = a},
                             .bytes_max = bytes_max};
}

static void drop_newest(struct wire_arena *a)
{
    struct wire_arena_piece *piece = a->pieces;

    a->pieces = piece->older;
    a->held -= piece->bytes;
    hulse_mem_free(HULSE_MEM_BROKER, piece, piece->bytes);
}

void hulse_wire_arena_fini(struct wire_arena *a)
{
    while (a->pieces != NULL) {
        drop_newest(a);
    }
    HULSE_ASSERT(a->held == 0);
    *a = (struct wire_arena){0};
}

static void begin_piece(struct wire_arena *a)
{
    a->at = a->pieces->data;
    a->end = (uint8_t *)a->pieces + a->pieces->bytes;
}

void hulse_wire_arena_reset(struct wire_arena *a)
{
    HULSE_ASSERT(a->allocator.allocator_data == a);

    a->state = WIRE_ARENA_FINE;
    while (a->pieces != NULL &&
           (a->pieces->older != NULL || a->pieces->bytes > WIRE_ARENA_PIECE_BYTES)) {
        drop_newest(a);
    }
    a->at = NULL;
    a->end = NULL;
    if (a->pieces != NULL) {
        begin_piece(a);
    }
}

static bool add_piece(struct wire_arena *a, size_t room)
{
    const size_t header = sizeof(struct wire_arena_piece);

    if (room > a->bytes_max - a->held || header > a->bytes_max - a->held - room) {
        a->state = WIRE_ARENA_OVER;
        return false;
    }
    /* What is asked for grows with the message, so a piece like what there is already keeps their number small. */
    size_t bytes = header + room;
    if (bytes < WIRE_ARENA_PIECE_BYTES) {
        bytes = WIRE_ARENA_PIECE_BYTES;
    }
    if (bytes < a->held) {
        bytes = a->held;
    }
    if (bytes > a->bytes_max - a->held) {
        bytes = a->bytes_max - a->held;
    }
    struct wire_arena_piece *piece = hulse_mem_alloc(HULSE_MEM_BROKER, bytes);
    if (piece == NULL) {
        a->state = WIRE_ARENA_REFUSED;
        return false;
    }
    piece->older = a->pieces;
    piece->bytes = bytes;
    a->pieces = piece;
    a->held += bytes;
    begin_piece(a);
    return true;
}

void *hulse_wire_arena_alloc(struct wire_arena *a, size_t bytes)
{
    HULSE_ASSERT(a->allocator.allocator_data == a);

    if (bytes > a->bytes_max) {
        a->state = WIRE_ARENA_OVER;
        return NULL;
    }
    const size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    const size_t room = rounded == 0 ? ALIGNMENT : rounded;
    if ((size_t)(a->end - a->at) < room && !add_piece(a, room)) {
        return NULL;
    }
    void *memory = a->at;
    a->at += room;
    return memory;
}
