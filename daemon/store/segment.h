/* SPDX-License-Identifier: Apache-2.0 */
/*
 * segment - one file of the log: made, filled with zeros, given a number, used again under another.
 *
 * Block 0 holds the segment's header eight times, in sectors of their own, so that no flipped byte
 * takes the salt away and with it all records. A file's name is its number; a file whose header
 * says a later one, which no file has yet, was about to be used again and holds nothing. A file
 * named reserve-N is none of the log's: its space is there for when the disk has none.
 *
 * Threads: any; files belong to their caller.
 * Trust:   hulse_segment_open() judges a file that may hold anything.
 * Errors:  0, or the error number. hulse_segment_open(): ESTALE, it was about to be used again; ENODATA, nothing was
 *          ever written in it; EBADMSG, what it holds is lost: no header of its own is left. Anything else says
 *          nothing about the file.
 */
#ifndef HULSE_STORE_SEGMENT_H
#define HULSE_STORE_SEGMENT_H

#include "daemon/store/block.h"
#include "daemon/store/file_io.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SEGMENT_BYTES_MIN (UINT32_C(1) << 20)
#define SEGMENT_BYTES_MAX (UINT32_C(1) << 30)
#define SEGMENT_NAME_BYTES 32U
#define SEGMENT_NUMBER_MAX UINT32_MAX /* the generation in frames: 256 PiB of 64 MiB each */
/* Not of the log: files that hold nothing but their space on the disk, from 0. */
#define SEGMENT_RESERVE(i) (UINT64_C(1) + SEGMENT_NUMBER_MAX + (i))

struct segment {
    uint64_t number;
    uint32_t salt;
    uint32_t epoch; /* when it was prepared */
    uint32_t group;
    uint32_t reach; /* nothing is at it or behind it in this use; 0: nobody knows */
    int fd;         /* -1: none */
    bool raw;       /* parts were never written: a sync has metadata to write */
};

/* Where it is, for what makes files. */
struct segment_place {
    int directory; /* descriptor of log/ */
    uint32_t segment_bytes;
    const struct file_io *io;
};

void hulse_segment_name(uint64_t number, char out[SEGMENT_NAME_BYTES]);
/* False: not the name of a segment. */
bool hulse_segment_number(const char *name, uint64_t *number);

/* How a new file is filled, a piece at a time. */
struct segment_filling {
    /* Before each piece; false: the rest stays as it is. `took_ns`: the piece before, on the disk. */
    bool (*go_on)(void *ctx, uint64_t took_ns);
    void *ctx;
};

/*
 * Makes the file of seg->number, with seg->epoch and seg->group; gives seg->salt, fd and raw. It is filled with zeros as
 * `filling` says (NULL: not at all): a later sync is then cheaper. All is synced when it returns.
 */
int hulse_segment_create(const struct segment_place *at,
                         struct segment *seg,
                         const struct segment_filling *filling);
/* The file of `old` becomes that of seg->number; otherwise like create. */
int hulse_segment_reuse(const struct segment_place *at, uint64_t old, struct segment *seg);
/* Is there a file of this name? */
bool hulse_segment_is_there(const struct segment_place *at, uint64_t number);
/* The file of SEGMENT_RESERVE(i) has its space on the disk when it returns. */
int hulse_segment_reserve(const struct segment_place *at, uint64_t reserve);
/* The file of `old`, which nobody needs, becomes that of SEGMENT_RESERVE(i). */
int hulse_segment_put_by(const struct segment_place *at, uint64_t old, uint64_t reserve);
/* Opens the file of seg->number; sets salt, epoch and group. */
int hulse_segment_open(const struct segment_place *at, struct segment *seg, bool writable);
void hulse_segment_close(struct segment *seg);
int hulse_segment_remove(const struct segment_place *at, uint64_t number);

/*
 * How far the log may go before the header has to say more: a start reads no further than that. With it
 * goes a sync that was due anyway, as long as a group is shorter than half of it.
 */
uint32_t hulse_segment_reach_step(uint32_t segment_bytes);
/* The header's next one, not synced; seg->reach is the caller's to set when it is. */
int hulse_segment_put_reach(const struct file_io *io,
                            const struct segment *seg,
                            uint32_t segment_bytes,
                            uint32_t reach);

/* Of a header block in memory; for tests and fuzzing too. */
void hulse_segment_header_put(const struct segment *seg,
                              uint32_t segment_bytes,
                              uint8_t block[BLOCK_BYTES]);
/* Sets all but fd and raw; false when no copy is whole. */
bool hulse_segment_header_get(const uint8_t block[BLOCK_BYTES],
                              uint32_t *segment_bytes,
                              struct segment *seg);

#endif
