/* SPDX-License-Identifier: Apache-2.0 */
/*
 * segment - see the header.
 *
 *   0 8 magic   8 u32 version   12 u32 segment_bytes   16 u64 number   24 u32 salt
 *   28 u32 epoch   32 u32 group   36 u32 CRC32C over 0..35   40 u32 reach   44 u32 CRC32C over 0..43
 */
#include "daemon/store/segment.h"

#include "daemon/core/bytes.h"
#include "daemon/core/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    OFF_VERSION = 8,
    OFF_BYTES = 12,
    OFF_NUMBER = 16,
    OFF_SALT = 24,
    OFF_EPOCH = 28,
    OFF_GROUP = 32,
    OFF_CRC = 36,
    OFF_REACH = 40,
    OFF_REACH_CRC = 44,
    VERSION = 1,
    COPY_BYTES = 512,
    FILL_BYTES = 1 << 20,
    LOOK_BYTES = 256 << 10,
    REACH_STEPS = 16 /* half of one is a large group, which then needs no sync of its own */
};
static const char magic[8] = {'h', 'u', 'l', 's', 'e', 'l', 'o', 'g'};
static const char suffix[] = ".segment";

void hulse_segment_name(uint64_t number, char out[SEGMENT_NAME_BYTES])
{
    if (number > SEGMENT_NUMBER_MAX) {
        (void)snprintf(out,
                       SEGMENT_NAME_BYTES,
                       "reserve-%llu",
                       (unsigned long long)(number - SEGMENT_NUMBER_MAX));
        return;
    }
    (void)snprintf(out, SEGMENT_NAME_BYTES, "%010llu%s", (unsigned long long)number, suffix);
}

bool hulse_segment_number(const char *name, uint64_t *number)
{
    char again[SEGMENT_NAME_BYTES];
    char *end = NULL;

    if (name[0] < '0' || name[0] > '9') {
        return false;
    }
    *number = strtoull(name, &end, 10);
    hulse_segment_name(*number, again);
    return *number > 0 && *number <= SEGMENT_NUMBER_MAX && strcmp(name, again) == 0;
}

void hulse_segment_header_put(const struct segment *seg,
                              uint32_t segment_bytes,
                              uint8_t block[BLOCK_BYTES])
{
    memset(block, 0, BLOCK_BYTES);
    for (uint32_t at = 0; at < BLOCK_BYTES; at += COPY_BYTES) {
        uint8_t *out = block + at;
        memcpy(out, magic, sizeof(magic));
        hulse_put32(out + OFF_VERSION, VERSION);
        hulse_put32(out + OFF_BYTES, segment_bytes);
        hulse_put64(out + OFF_NUMBER, seg->number);
        hulse_put32(out + OFF_SALT, seg->salt);
        hulse_put32(out + OFF_EPOCH, seg->epoch);
        hulse_put32(out + OFF_GROUP, seg->group);
        hulse_put32(out + OFF_CRC, hulse_crc32c(VERSION, out, OFF_CRC));
        hulse_put32(out + OFF_REACH, seg->reach);
        hulse_put32(out + OFF_REACH_CRC, hulse_crc32c(VERSION, out, OFF_REACH_CRC));
    }
}

/* Of the copies that are whole the largest, as a power cut may leave some of the one before. */
static uint32_t get_reach(const uint8_t block[BLOCK_BYTES], const struct segment *seg)
{
    uint32_t reach = 0;

    for (uint32_t at = 0; at < BLOCK_BYTES; at += COPY_BYTES) {
        const uint8_t *in = block + at;
        const uint32_t said = hulse_get32(in + OFF_REACH);
        if (hulse_get32(in + OFF_REACH_CRC) == hulse_crc32c(VERSION, in, OFF_REACH_CRC) &&
            hulse_get32(in + OFF_SALT) == seg->salt && said % BLOCK_BYTES == 0 && said > reach) {
            reach = said;
        }
    }
    return reach;
}

bool hulse_segment_header_get(const uint8_t block[BLOCK_BYTES],
                              uint32_t *segment_bytes,
                              struct segment *seg)
{
    for (uint32_t at = 0; at < BLOCK_BYTES; at += COPY_BYTES) {
        const uint8_t *in = block + at;
        if (memcmp(in, magic, sizeof(magic)) == 0 && hulse_get32(in + OFF_VERSION) == VERSION &&
            hulse_get32(in + OFF_CRC) == hulse_crc32c(VERSION, in, OFF_CRC)) {
            *segment_bytes = hulse_get32(in + OFF_BYTES);
            seg->number = hulse_get64(in + OFF_NUMBER);
            seg->salt = hulse_get32(in + OFF_SALT);
            seg->epoch = hulse_get32(in + OFF_EPOCH);
            seg->group = hulse_get32(in + OFF_GROUP);
            seg->reach = get_reach(block, seg);
            return true;
        }
    }
    return false;
}

/* Gives the file its salt and its header; synced. */
static int put_header(const struct segment_place *at, struct segment *seg)
{
    _Alignas(8) uint8_t block[BLOCK_BYTES];

    if (getrandom(&seg->salt, sizeof(seg->salt), 0) != (ssize_t)sizeof(seg->salt)) {
        return errno;
    }
    seg->reach = hulse_segment_reach_step(at->segment_bytes);
    hulse_segment_header_put(seg, at->segment_bytes, block);
    const int failed = at->io->write(seg->fd, block, sizeof(block), 0);
    return failed != 0 ? failed : at->io->sync(seg->fd);
}

uint32_t hulse_segment_reach_step(uint32_t segment_bytes)
{
    return segment_bytes / REACH_STEPS;
}

int hulse_segment_put_reach(const struct file_io *io,
                            const struct segment *seg,
                            uint32_t segment_bytes,
                            uint32_t reach)
{
    _Alignas(8) uint8_t block[BLOCK_BYTES];
    struct segment next = *seg;

    next.reach = reach;
    hulse_segment_header_put(&next, segment_bytes, block);
    return io->write(seg->fd, block, sizeof(block), 0);
}

/*
 * Writes zeros behind the header; seg->raw tells whether it got to the end. Each piece is synced by
 * itself, so that the log's own syncs never wait for much of this.
 */
static int
fill(const struct segment_place *at, struct segment *seg, const struct segment_filling *filling)
{
    uint8_t *zeros = filling == NULL ? NULL : calloc(1, FILL_BYTES);
    uint64_t took_ns = 0;
    int failed = 0;

    seg->raw = true;
    for (uint32_t offset = 0; zeros != NULL && failed == 0; offset += FILL_BYTES) {
        if (offset == at->segment_bytes) {
            seg->raw = false;
            break;
        }
        if (!filling->go_on(filling->ctx, took_ns)) {
            break;
        }
        const uint64_t from_ns = hulse_clock_ns();
        failed = at->io->write(seg->fd, zeros, FILL_BYTES, offset);
        if (failed == 0 && offset + FILL_BYTES < at->segment_bytes) {
            failed = at->io->sync(seg->fd); /* the header's sync is the last one's, too */
        }
        took_ns = hulse_clock_ns() - from_ns;
    }
    free(zeros);
    return failed;
}

int hulse_segment_create(const struct segment_place *at,
                         struct segment *seg,
                         const struct segment_filling *filling)
{
    char name[SEGMENT_NAME_BYTES];

    hulse_segment_name(seg->number, name);
    seg->fd =
        openat(at->directory, name, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (seg->fd < 0) {
        return errno;
    }
    int failed = at->io->allocate(seg->fd, at->segment_bytes);
    if (failed == 0) {
        failed = fill(at, seg, filling);
    }
    if (failed == 0) {
        failed = put_header(at, seg);
    }
    if (failed == 0) {
        failed = at->io->sync_all(at->directory);
    }
    if (failed != 0) {
        /* What it holds of the disk is given back; the file may be in the way of nobody. */
        (void)hulse_segment_remove(at, seg->number);
        hulse_segment_close(seg);
    }
    return failed;
}

int hulse_segment_reuse(const struct segment_place *at, uint64_t old, struct segment *seg)
{
    char from[SEGMENT_NAME_BYTES];
    char to[SEGMENT_NAME_BYTES];

    hulse_segment_name(old, from);
    hulse_segment_name(seg->number, to);
    seg->raw = old > SEGMENT_NUMBER_MAX;
    seg->fd = openat(at->directory, from, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (seg->fd < 0) {
        return errno;
    }
    /* Header first: under its old name the file then counts as empty. It may have been cut short. */
    int failed = at->io->allocate(seg->fd, at->segment_bytes);
    if (failed == 0) {
        failed = put_header(at, seg);
    }
    if (failed == 0 && renameat(at->directory, from, at->directory, to) != 0) {
        failed = errno;
    }
    if (failed == 0) {
        failed = at->io->sync_all(at->directory);
    }
    if (failed != 0) {
        hulse_segment_close(seg);
    }
    return failed;
}

bool hulse_segment_is_there(const struct segment_place *at, uint64_t number)
{
    char name[SEGMENT_NAME_BYTES];
    struct stat st;

    hulse_segment_name(number, name);
    return fstatat(at->directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int hulse_segment_reserve(const struct segment_place *at, uint64_t reserve)
{
    char name[SEGMENT_NAME_BYTES];

    hulse_segment_name(reserve, name);
    const int fd = openat(at->directory, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno;
    }
    /* Not synced: a start makes it whole again. */
    const int failed = at->io->allocate(fd, at->segment_bytes);
    (void)close(fd);
    if (failed != 0) {
        (void)hulse_segment_remove(at, reserve);
    }
    return failed;
}

int hulse_segment_put_by(const struct segment_place *at, uint64_t old, uint64_t reserve)
{
    char from[SEGMENT_NAME_BYTES];
    char to[SEGMENT_NAME_BYTES];

    hulse_segment_name(old, from);
    hulse_segment_name(reserve, to);
    if (renameat(at->directory, from, at->directory, to) != 0) {
        return errno;
    }
    return at->io->sync_all(at->directory);
}

static bool is_zero(const uint8_t *bytes, size_t count)
{
    return count == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0);
}

/*
 * Without a header: one whose making was broken off has zeros alone. The log fills a file from its
 * beginning on without a gap, so a look at the beginning and at one block in so many finds what is
 * there; to read all of a prepared file would take most of the time of a start.
 */
static int judge_headless(const struct segment_place *at, const struct segment *seg)
{
    uint8_t *piece = malloc(LOOK_BYTES);
    size_t wanted = LOOK_BYTES;
    size_t got = 0;
    int failed = piece == NULL ? ENOMEM : 0;

    for (uint64_t offset = 0; failed == 0 && offset < SEGMENT_BYTES_MAX; offset += LOOK_BYTES) {
        failed = at->io->read(seg->fd, piece, wanted, offset, &got);
        if (failed == 0 && !is_zero(piece, got)) {
            failed = EBADMSG;
        }
        if (got < wanted) {
            break;
        }
        wanted = BLOCK_BYTES;
    }
    free(piece);
    return failed != 0 ? failed : ENODATA;
}

/* Of another number: is it on its way to a later use, or are these the bytes of another file? */
static int judge_other(const struct segment_place *at, uint64_t number, uint64_t found)
{
    char name[SEGMENT_NAME_BYTES];
    struct stat st;

    if (found < number) {
        return EBADMSG;
    }
    hulse_segment_name(found, name);
    if (fstatat(at->directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        return EBADMSG;
    }
    return errno == ENOENT ? ESTALE : errno;
}

/* Is this the header of seg->number? Sets what it says. */
static int judge_header(const struct segment_place *at, const uint8_t *block, struct segment *seg)
{
    struct segment found = {0};
    uint32_t segment_bytes = 0;

    if (!hulse_segment_header_get(block, &segment_bytes, &found)) {
        return judge_headless(at, seg);
    }
    if (segment_bytes != at->segment_bytes) {
        return EBADMSG;
    }
    if (found.number != seg->number) {
        return judge_other(at, seg->number, found.number);
    }
    seg->salt = found.salt;
    seg->epoch = found.epoch;
    seg->group = found.group;
    seg->reach = found.reach;
    return 0;
}

int hulse_segment_open(const struct segment_place *at, struct segment *seg, bool writable)
{
    _Alignas(8) uint8_t block[BLOCK_BYTES] = {0};
    char name[SEGMENT_NAME_BYTES];
    size_t got = 0;

    hulse_segment_name(seg->number, name);
    seg->raw = false;
    seg->fd = openat(at->directory, name, (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC);
    if (seg->fd < 0) {
        return errno;
    }
    int failed = at->io->read(seg->fd, block, sizeof(block), 0, &got);
    if (failed == 0) {
        failed = judge_header(at, block, seg);
    }
    if (failed != 0) {
        hulse_segment_close(seg);
    }
    return failed;
}

void hulse_segment_close(struct segment *seg)
{
    if (seg->fd >= 0) {
        (void)close(seg->fd);
        seg->fd = -1;
    }
}

int hulse_segment_remove(const struct segment_place *at, uint64_t number)
{
    char name[SEGMENT_NAME_BYTES];

    hulse_segment_name(number, name);
    return unlinkat(at->directory, name, 0) == 0 ? 0 : errno;
}
