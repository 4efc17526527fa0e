/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source - where `hulse pub` takes its messages from: arguments, a whole file, or lines.
 *
 * A line ends at a newline, which is not part of it; bytes are otherwise kept, zeros and carriage
 * returns included. The last line need not be ended.
 *
 * Trust:  the input is foreign bytes.
 * Limits: an item of at most item_bytes_max; the buffer grows up to that and no further.
 */
#ifndef HULSE_CLI_SOURCE_H
#define HULSE_CLI_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hulse_cli_source_kind {
    HULSE_CLI_SOURCE_ARGS,
    HULSE_CLI_SOURCE_LINES,
    HULSE_CLI_SOURCE_WHOLE /* all that the descriptor has is one item */
};

enum hulse_cli_source_rc {
    HULSE_CLI_SOURCE_ITEM,
    HULSE_CLI_SOURCE_TOO_LONG, /* an item above the limit was passed over; it has a number too */
    HULSE_CLI_SOURCE_READ,     /* call hulse_cli_source_read() when the descriptor is readable */
    HULSE_CLI_SOURCE_END,
    HULSE_CLI_SOURCE_ERROR /* errno in `error` */
};

struct hulse_cli_source {
    enum hulse_cli_source_kind kind;
    int fd; /* -1 for arguments */
    char **words;
    int word_count;
    size_t item_bytes_max;
    uint64_t number; /* of the last item given, from 1 */
    char *data;      /* owned */
    size_t begin;    /* unread bytes of data */
    size_t end;
    size_t seen; /* from begin: bytes known to hold no newline */
    size_t capacity;
    bool at_end;
    bool skipping; /* inside a line that is too long */
    int error;
};

/* The next item, borrowed until the next call. */
enum hulse_cli_source_rc
hulse_cli_source_next(struct hulse_cli_source *s, const char **item, size_t *item_bytes);
/* One read(2). */
void hulse_cli_source_read(struct hulse_cli_source *s);
void hulse_cli_source_fini(struct hulse_cli_source *s);

#endif
