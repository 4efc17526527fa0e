/* SPDX-License-Identifier: Apache-2.0 */
/* source - messages for `hulse pub` (contract in source.h). */
#include "shmlib/cli/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES ((size_t)64 * 1024)

/* An item of the limit and its newline fit, so one byte more proves that an item is too long. */
static size_t held_max(const struct hulse_cli_source *s)
{
    return s->item_bytes_max + 1;
}

static void drop_held(struct hulse_cli_source *s)
{
    s->begin = 0;
    s->end = 0;
    s->seen = 0;
}

/* Room for a read behind `end`. */
static bool make_room(struct hulse_cli_source *s)
{
    if (s->begin > 0) {
        memmove(s->data, s->data + s->begin, s->end - s->begin);
        s->end -= s->begin;
        s->begin = 0;
    }
    if (s->capacity - s->end >= READ_BYTES) {
        return true;
    }
    const size_t wanted = s->capacity == 0 ? 4 * READ_BYTES : 2 * s->capacity;
    char *data = realloc(s->data, wanted);
    if (data == NULL) {
        s->error = ENOMEM;
        return false;
    }
    s->data = data;
    s->capacity = wanted;
    return true;
}

void hulse_cli_source_read(struct hulse_cli_source *s)
{
    if (s->at_end || s->error != 0 || !make_room(s)) {
        return;
    }
    const ssize_t n = read(s->fd, s->data + s->end, READ_BYTES);
    if (n > 0) {
        s->end += (size_t)n;
    } else if (n == 0) {
        s->at_end = true;
    } else if (errno != EINTR && errno != EAGAIN) {
        s->error = errno;
    }
}

static enum hulse_cli_source_rc
next_word(struct hulse_cli_source *s, const char **item, size_t *item_bytes)
{
    if (s->number >= (uint64_t)s->word_count) {
        return HULSE_CLI_SOURCE_END;
    }
    *item = s->words[s->number];
    *item_bytes = strlen(*item);
    s->number++;
    return *item_bytes > s->item_bytes_max ? HULSE_CLI_SOURCE_TOO_LONG : HULSE_CLI_SOURCE_ITEM;
}

static enum hulse_cli_source_rc
next_whole(struct hulse_cli_source *s, const char **item, size_t *item_bytes)
{
    if (s->number > 0) {
        return HULSE_CLI_SOURCE_END;
    }
    if (s->end - s->begin >= held_max(s)) {
        s->number = 1;
        return HULSE_CLI_SOURCE_TOO_LONG;
    }
    if (!s->at_end) {
        return HULSE_CLI_SOURCE_READ;
    }
    s->number = 1;
    *item = s->data == NULL ? "" : s->data;
    *item_bytes = s->end;
    return HULSE_CLI_SOURCE_ITEM;
}

/* No newline is in what is held. */
static enum hulse_cli_source_rc
line_unended(struct hulse_cli_source *s, const char **item, size_t *item_bytes)
{
    const size_t held = s->end - s->begin;

    s->seen = held;
    if (s->skipping || held >= held_max(s)) {
        s->skipping = true;
        drop_held(s);
    }
    if (!s->at_end) {
        return HULSE_CLI_SOURCE_READ;
    }
    if (s->skipping) {
        s->skipping = false;
        s->number++;
        return HULSE_CLI_SOURCE_TOO_LONG;
    }
    if (held == 0) {
        return HULSE_CLI_SOURCE_END;
    }
    *item = s->data + s->begin;
    *item_bytes = held;
    drop_held(s);
    s->number++;
    return HULSE_CLI_SOURCE_ITEM;
}

static enum hulse_cli_source_rc
next_line(struct hulse_cli_source *s, const char **item, size_t *item_bytes)
{
    const size_t held = s->end - s->begin;
    const char *newline = NULL;

    if (held > s->seen) {
        newline = memchr(s->data + s->begin + s->seen, '\n', held - s->seen);
    }
    if (newline == NULL) {
        return line_unended(s, item, item_bytes);
    }
    *item = s->data + s->begin;
    *item_bytes = (size_t)(newline - *item);
    s->begin += *item_bytes + 1;
    s->seen = 0;
    s->number++;
    const bool skipped = s->skipping;
    s->skipping = false;
    if (skipped || *item_bytes > s->item_bytes_max) {
        return HULSE_CLI_SOURCE_TOO_LONG;
    }
    return HULSE_CLI_SOURCE_ITEM;
}

enum hulse_cli_source_rc
hulse_cli_source_next(struct hulse_cli_source *s, const char **item, size_t *item_bytes)
{
    if (s->error != 0) {
        return HULSE_CLI_SOURCE_ERROR;
    }
    switch (s->kind) {
    case HULSE_CLI_SOURCE_ARGS:
        return next_word(s, item, item_bytes);
    case HULSE_CLI_SOURCE_WHOLE:
        return next_whole(s, item, item_bytes);
    case HULSE_CLI_SOURCE_LINES:
    default:
        return next_line(s, item, item_bytes);
    }
}

void hulse_cli_source_fini(struct hulse_cli_source *s)
{
    free(s->data);
    s->data = NULL;
    if (s->fd > STDIN_FILENO) {
        (void)close(s->fd);
    }
    s->fd = -1;
}
