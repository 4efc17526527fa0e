/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream - bytes to and from a broker over a socket that does not block.
 *
 * Threads: the worker's.
 */
#ifndef HULSE_PULSAR_CONNECTION_STREAM_H
#define HULSE_PULSAR_CONNECTION_STREAM_H

#include "daemon/net/resolver.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

enum stream_rc {
    STREAM_OK,
    STREAM_AGAIN, /* not now: the watch will tell */
    STREAM_ENDED, /* the other side has closed it */
    STREAM_FAILED
};

struct stream {
    int fd; /* -1: none */
};

/* Begins to connect. 0, or the errno. */
int hulse_stream_open(struct stream *s, const union resolver_address *to);
/* The socket is writable: 0 when it is connected, or the errno. */
int hulse_stream_connected(const struct stream *s);
/* *got is set when OK. FAILED: errno. */
enum stream_rc hulse_stream_read(struct stream *s, void *out, size_t room, size_t *got);
/* OK: *taken bytes are gone, at least one. */
enum stream_rc
hulse_stream_write(struct stream *s, const struct iovec *parts, size_t count, size_t *taken);
/* Harmless on one that is not open. */
void hulse_stream_close(struct stream *s);

#endif
