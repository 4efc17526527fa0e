/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream - bytes to and from a broker over a socket that does not block.
 *
 * Threads: the worker's.
 */
#ifndef HULSE_PULSAR_CONNECTION_STREAM_H
#define HULSE_PULSAR_CONNECTION_STREAM_H

#include "daemon/broker/pulsar/connection/stream_rc.h"
#include "daemon/broker/pulsar/connection/tls_stream.h"
#include "daemon/net/resolver.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

struct stream {
    int fd;                 /* -1: none */
    struct tls_stream *tls; /* NULL: plain */
    int error;              /* errno of what FAILED, when plain */
};

/* Begins to connect. 0, or the errno. */
int hulse_stream_open(struct stream *s, const union resolver_address *to);
/* The socket is writable: 0 when it is connected, or the errno. */
int hulse_stream_connected(const struct stream *s);
/* TLS on a connected one. False: no memory. */
bool hulse_stream_secure(struct stream *s, SSL_CTX *ctx, const char *host, bool any_host);
/* *got is set when OK. */
enum stream_rc hulse_stream_read(struct stream *s, void *out, size_t room, size_t *got);
/* OK: *taken bytes are gone, at least one of those there are. Without parts: what it owes is. */
enum stream_rc
hulse_stream_write(struct stream *s, const struct iovec *parts, size_t count, size_t *taken);
/* It has something to write of its own: wait until it is writable, then read and write. */
bool hulse_stream_owes(const struct stream *s);
/* There is more to be read than the watch tells. */
bool hulse_stream_holds(const struct stream *s);
const char *hulse_stream_why(const struct stream *s);
/* Harmless on one that is not open. */
void hulse_stream_close(struct stream *s);

#endif
