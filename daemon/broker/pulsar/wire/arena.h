/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena - the memory that one decoded command lies in.
 *
 * protobuf-c copies every text, keeps unknown fields and makes arrays whose size the sender chooses. All of
 * it is cut from pieces of this arena and given back by a reset, which is no work. One piece of the smallest size
 * stays, so ordinary commands allocate nothing.
 *
 * Threads: one.
 * Limits:  the pieces never exceed bytes_max; counted as HULSE_MEM_BROKER.
 */
#ifndef HULSE_PULSAR_WIRE_ARENA_H
#define HULSE_PULSAR_WIRE_ARENA_H

#include <protobuf-c/protobuf-c.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The smallest piece. Commands about one topic take 200 to 1,000 bytes. */
#define WIRE_ARENA_PIECE_BYTES 16384U

struct wire_arena_piece;

enum wire_arena_state {
    WIRE_ARENA_FINE = 0,
    WIRE_ARENA_OVER,   /* more was asked for than bytes_max */
    WIRE_ARENA_REFUSED /* the daemon has no memory */
};

/* Does not move between init and fini. */
struct wire_arena {
    ProtobufCAllocator allocator;    /* to be handed to protobuf-c */
    struct wire_arena_piece *pieces; /* newest first; owned */
    uint8_t *at;                     /* what is free of the newest */
    uint8_t *end;
    size_t held; /* by all pieces */
    size_t bytes_max;
    enum wire_arena_state state; /* why something was refused since the last reset */
};

void hulse_wire_arena_init(struct wire_arena *a, size_t bytes_max);
void hulse_wire_arena_fini(struct wire_arena *a);
/* Everything it gave is gone. */
void hulse_wire_arena_reset(struct wire_arena *a);
/* NULL: refused, and `state` says why. */
void *hulse_wire_arena_alloc(struct wire_arena *a, size_t bytes);

#endif
