/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format - see the header.
 */
#include "daemon/store/format.h"

#include "daemon/core/assert.h"
#include "daemon/store/frame.h"
#include "daemon/store/segment.h"
#include "daemon/store/small_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 2: messages may have been moved (FRAME_COPY), which one that knows 1 takes for second copies. */
enum { VERSION = 2, VERSION_FIRST = 1 };

#define SEAL_WORD "check "
enum { SEAL_BYTES = sizeof(SEAL_WORD) + 9 };

bool hulse_format_has_size(uint64_t segment_bytes)
{
    return segment_bytes >= SEGMENT_BYTES_MIN && segment_bytes <= SEGMENT_BYTES_MAX &&
           (segment_bytes & (segment_bytes - 1)) == 0;
}

/* ---- segments ---------------------------------------------------------------------------- */

/* What the header of a segment says; 0: it has none that we know. */
static uint32_t ask_segment(const struct directory *d, uint64_t number)
{
    _Alignas(8) uint8_t block[BLOCK_BYTES] = {0};
    char name[SEGMENT_NAME_BYTES];
    struct segment seg = {0};
    uint32_t segment_bytes = 0;
    size_t got = 0;

    hulse_segment_name(number, name);
    const int fd = openat(d->log_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    const int failed = hulse_file_read(fd, block, sizeof(block), 0, &got);
    (void)close(fd);
    return failed == 0 && hulse_segment_header_get(block, &segment_bytes, &seg) &&
                   hulse_format_has_size(segment_bytes)
               ? segment_bytes
               : 0;
}

/*
 * How many there are, and in *found `said`, when one of them agrees; else what the first of them says. 0: none says
 * anything.
 */
static hulse_status ask_segments(
    const struct directory *d, uint32_t said, size_t *count, uint32_t *found, struct error *err)
{
    uint64_t *numbers = NULL;

    *count = 0;
    *found = 0;
    if (d->log_fd < 0) {
        return HULSE_OK;
    }
    const hulse_status status = hulse_directory_segments(d, &numbers, count, err);
    for (size_t i = 0; status == HULSE_OK && i < *count; i++) {
        const uint32_t segment_bytes = ask_segment(d, numbers[i]);
        if (segment_bytes != 0 && segment_bytes == said) {
            *found = said;
            break;
        }
        *found = *found != 0 ? *found : segment_bytes;
    }
    free(numbers);
    return status;
}

/* ---- the text ---------------------------------------------------------------------------- */

static void put_seal(char out[SEAL_BYTES], const char *text, size_t bytes)
{
    (void)snprintf(out, SEAL_BYTES, SEAL_WORD "%08x\n", hulse_crc32c(0, text, bytes));
}

/* The text is sealed by a checksum in its last line; what this one's predecessors wrote is not. */
static bool is_sealed(const char *text)
{
    char seal[SEAL_BYTES];
    const char *at = strstr(text, SEAL_WORD);

    if (at == NULL) {
        return false;
    }
    put_seal(seal, text, (size_t)(at - text));
    return strcmp(at, seal) == 0;
}

int hulse_format_write(const struct file_io *io, int directory, uint32_t segment_bytes)
{
    char text[SMALL_FILE_BYTES];
    const int bytes = snprintf(text,
                               sizeof(text),
                               "hulse store\nversion %d\nsegment_bytes %u\nshards 1\n",
                               VERSION,
                               segment_bytes);

    HULSE_ASSERT(bytes > 0 && (size_t)bytes + SEAL_BYTES <= sizeof(text));
    put_seal(text + bytes, text, (size_t)bytes);
    const int failed = hulse_small_file_replace(io, directory, STORE_FORMAT_NAME, text);
    if (failed != ENOSPC && failed != EDQUOT) {
        return failed;
    }
    /* A power cut may leave half of it, which the segments outweigh; a full disk must not keep a store from its start. */
    (void)unlinkat(directory, STORE_FORMAT_NAME ".new", 0);
    return hulse_small_file_overwrite(io, directory, STORE_FORMAT_NAME, text) == 0 ? 0 : failed;
}

/* ---- both -------------------------------------------------------------------------------- */

static hulse_status newer(struct error *err, const char *path, uint64_t version)
{
    return hulse_fail(err,
                      HULSE_UNSUPPORTED,
                      "store %s: made by a newer version (format %llu, this one knows %d)",
                      path,
                      (unsigned long long)version,
                      VERSION);
}

/*
 * Where the text and the segments, which have checksums, disagree, they are right. Every version seals the text: a newer one
 * without its seal is damage where there are segments of this version.
 */
hulse_status hulse_format_judge(const struct directory *d,
                                const char *path,
                                struct format *out,
                                struct error *err)
{
    char text[SMALL_FILE_BYTES];
    size_t count = 0;
    uint32_t found = 0;
    const int failed = hulse_small_file_read(d->fd, STORE_FORMAT_NAME, text);

    *out = (struct format){0};
    if (failed != 0 && failed != ENOENT) {
        return hulse_small_file_refuse(err, failed, path, STORE_FORMAT_NAME);
    }
    const uint64_t version = hulse_small_file_number(text, "version ");
    const uint64_t bytes = hulse_small_file_number(text, "segment_bytes ");
    const uint32_t said = hulse_format_has_size(bytes) ? (uint32_t)bytes : 0;
    if (version > VERSION && is_sealed(text)) {
        return newer(err, path, version);
    }
    const hulse_status status = ask_segments(d, said, &count, &found, err);
    if (status != HULSE_OK) {
        return status;
    }
    if (version > VERSION && found == 0) {
        return newer(err, path, version);
    }
    if (version >= VERSION_FIRST && version <= VERSION && said != 0 &&
        (found == 0 || found == said)) {
        *out = (struct format){.segment_bytes = said, .older = version < VERSION};
        return HULSE_OK;
    }
    if (count != 0 && found == 0) {
        return hulse_fail(err,
                          HULSE_IO,
                          "store %s: its format file and all segments are unreadable; "
                          "restore a backup, or move it away to begin anew",
                          path);
    }
    *out = (struct format){.segment_bytes = found, .fresh = count == 0, .restored = count != 0};
    return HULSE_OK;
}
