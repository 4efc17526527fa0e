/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_stream - TLS over a socket that does not block, as a client.
 *
 * What is written is copied first, one record at a time: OpenSSL wants the same bytes again after it could not write
 * them, and what is next on a connection may change meanwhile.
 *
 * Threads: the worker's. Counted as HULSE_MEM_BROKER, but for the memory of OpenSSL.
 */
#ifndef HULSE_PULSAR_CONNECTION_TLS_STREAM_H
#define HULSE_PULSAR_CONNECTION_TLS_STREAM_H

#include "daemon/broker/pulsar/connection/stream_rc.h"

#include <openssl/ssl.h>

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#define PULSAR_TLS_WHY_BYTES 160U

struct tls_stream;

/*
 * On a connected socket, which stays the caller's. `host`, a name or an address, is asked for and, but with `any_host`,
 * compared with the certificate. NULL: no memory.
 */
struct tls_stream *hulse_tls_stream_create(SSL_CTX *ctx, int fd, const char *host, bool any_host);
/* Wipes what it held. NULL is harmless. */
void hulse_tls_stream_free(struct tls_stream *t);
/* Until it is OK. */
enum stream_rc hulse_tls_stream_shake(struct tls_stream *t);
/* As those of stream.h. */
enum stream_rc hulse_tls_stream_read(struct tls_stream *t, void *out, size_t room, size_t *got);
enum stream_rc hulse_tls_stream_write(struct tls_stream *t,
                                      const struct iovec *parts,
                                      size_t count,
                                      size_t *taken);
bool hulse_tls_stream_owes(const struct tls_stream *t);
bool hulse_tls_stream_holds(const struct tls_stream *t);
/* Of what FAILED. */
const char *hulse_tls_stream_why(const struct tls_stream *t);

#endif
