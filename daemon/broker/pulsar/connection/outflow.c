/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outflow - see the header.
 *
 * Commands are pieces of the connection's own, several in one while it is the last.
 */
#include "daemon/broker/pulsar/connection/outflow.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

#include <string.h>

#define BLOCK_BYTES 4096U

struct outflow_block {
    struct pulsar_piece piece;
    struct outflow *outflow;
    uint32_t room;
    bool secret;
    uint8_t data[];
};

/* ---- commands ---- */

static void free_block(struct outflow_block *b)
{
    if (b != NULL) {
        hulse_mem_free(HULSE_MEM_BROKER, b, sizeof(*b) + b->room);
    }
}

static void block_released(struct pulsar_piece *piece, bool written)
{
    struct outflow_block *b = HULSE_CONTAINER(piece, struct outflow_block, piece);
    struct outflow *o = b->outflow;

    (void)written;
    if (b->secret) {
        explicit_bzero(b->data, b->room);
        b->secret = false;
    }
    if (o->spare == NULL && b->room == BLOCK_BYTES) {
        o->spare = b;
    } else {
        free_block(b);
    }
}

static struct outflow_block *new_block(struct outflow *o, uint32_t bytes)
{
    const uint32_t room = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
    struct outflow_block *b = NULL;

    if (room == BLOCK_BYTES && o->spare != NULL) {
        b = o->spare;
        o->spare = NULL;
    } else {
        b = hulse_mem_alloc(HULSE_MEM_BROKER, sizeof(*b) + room);
        if (b == NULL) {
            return NULL;
        }
    }
    *b = (struct outflow_block){
        .piece = {.data = b->data, .released = block_released}, .outflow = o, .room = room};
    return b;
}

bool hulse_outflow_command(struct outflow *o,
                           const Pulsar__BaseCommand *command,
                           enum outflow_wipe wipe)
{
    const size_t bytes = hulse_wire_command_bytes(command);
    struct outflow_block *b = o->open;

    if (bytes > UINT32_MAX / 2) {
        return false;
    }
    if (b == NULL || b->room - b->piece.bytes < bytes) {
        b = new_block(o, (uint32_t)bytes);
        if (b == NULL) {
            return false;
        }
        STAILQ_INSERT_TAIL(&o->pieces, &b->piece, link);
        o->open = b;
    }
    b->secret = b->secret || wipe == OUTFLOW_SECRET;
    const size_t put =
        hulse_wire_command_write(command, b->data + b->piece.bytes, b->room - b->piece.bytes);
    HULSE_ASSERT(put == bytes);
    b->piece.bytes += (uint32_t)put;
    o->unwritten += put;
    return true;
}

/* ---- the queue ---- */

void hulse_outflow_init(struct outflow *o)
{
    *o = (struct outflow){0};
    STAILQ_INIT(&o->pieces);
}

void hulse_outflow_fini(struct outflow *o)
{
    struct pulsar_piece *piece = NULL;

    while ((piece = STAILQ_FIRST(&o->pieces)) != NULL) {
        STAILQ_REMOVE_HEAD(&o->pieces, link);
        o->head_written = 0;
        o->unwritten = 0;
        o->open = NULL;
        piece->released(piece, false);
    }
    free_block(o->spare);
    o->spare = NULL;
}

void hulse_outflow_piece(struct outflow *o, struct pulsar_piece *piece)
{
    HULSE_ASSERT(piece->bytes > 0);

    o->open = NULL;
    o->unwritten += piece->bytes;
    STAILQ_INSERT_TAIL(&o->pieces, piece, link);
}

bool hulse_outflow_empty(const struct outflow *o)
{
    return STAILQ_EMPTY(&o->pieces) && o->urgent_begin == o->urgent_end && !o->ping && !o->pong;
}

/* Section 1.5, V4. */
static void put_urgent(struct outflow *o)
{
    static const uint8_t ping[] = {0, 0, 0, 9, 0, 0, 0, 5, 8, 0x12, 0x92, 1, 0};
    static const uint8_t pong[] = {0, 0, 0, 9, 0, 0, 0, 5, 8, 0x13, 0x9a, 1, 0};
    _Static_assert(sizeof(ping) + sizeof(pong) <= PULSAR_OUTFLOW_URGENT_BYTES, "both fit");

    if (o->urgent_begin != o->urgent_end) {
        return;
    }
    o->urgent_begin = 0;
    o->urgent_end = 0;
    if (o->pong) {
        memcpy(o->urgent, pong, sizeof(pong));
        o->urgent_end = sizeof(pong);
    }
    if (o->ping) {
        memcpy(o->urgent + o->urgent_end, ping, sizeof(ping));
        o->urgent_end += (uint32_t)sizeof(ping);
    }
    o->ping = false;
    o->pong = false;
}

static struct iovec part(const uint8_t *data, size_t bytes)
{
    return (struct iovec){.iov_base = (uint8_t *)(uintptr_t)data, .iov_len = bytes};
}

size_t hulse_outflow_gather(struct outflow *o, struct iovec *parts, size_t count_max)
{
    const struct pulsar_piece *piece = STAILQ_FIRST(&o->pieces);
    size_t count = 0;

    HULSE_ASSERT(count_max >= 2);

    put_urgent(o);
    if (o->head_written > 0) {
        parts[count++] = part(piece->data + o->head_written, piece->bytes - o->head_written);
        piece = STAILQ_NEXT(piece, link);
    }
    if (o->urgent_begin != o->urgent_end) {
        parts[count++] = part(o->urgent + o->urgent_begin, o->urgent_end - o->urgent_begin);
    }
    for (; piece != NULL && count < count_max; piece = STAILQ_NEXT(piece, link)) {
        parts[count++] = part(piece->data, piece->bytes);
    }
    return count;
}

/* Of the first piece; gives what is left of `bytes`. */
static size_t
take_from_head(struct outflow *o, size_t bytes, struct pulsar_piece **done_first, bool *finished)
{
    struct pulsar_piece *piece = STAILQ_FIRST(&o->pieces);
    const uint32_t left = piece->bytes - o->head_written;
    const uint32_t now = bytes < left ? (uint32_t)bytes : left;

    o->unwritten -= now;
    o->head_written += now;
    *finished = now == left;
    if (*finished) {
        *done_first = piece;
        o->head_written = 0;
        STAILQ_REMOVE_HEAD(&o->pieces, link);
        if (o->open != NULL && piece == &o->open->piece) {
            o->open = NULL;
        }
    }
    return bytes - now;
}

static size_t take_urgent(struct outflow *o, size_t bytes)
{
    const uint32_t left = o->urgent_end - o->urgent_begin;
    const uint32_t now = bytes < left ? (uint32_t)bytes : left;

    o->urgent_begin += now;
    return bytes - now;
}

/* In the order of gather. */
void hulse_outflow_written(struct outflow *o, size_t bytes)
{
    STAILQ_HEAD(, pulsar_piece) done = STAILQ_HEAD_INITIALIZER(done);
    struct pulsar_piece *piece = NULL;
    bool finished = false;

    if (o->head_written == 0) {
        bytes = take_urgent(o, bytes);
    }
    while (bytes > 0) {
        bytes = take_from_head(o, bytes, &piece, &finished);
        if (finished) {
            STAILQ_INSERT_TAIL(&done, piece, link);
            bytes = take_urgent(o, bytes);
        }
    }
    while ((piece = STAILQ_FIRST(&done)) != NULL) {
        STAILQ_REMOVE_HEAD(&done, link);
        piece->released(piece, true);
    }
}
