/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token - the text of a bearer token: where its file is read, what it may look like, when it ends.
 *
 * Pure but for reading. Nothing is verified: the broker does that, we only pass it on.
 *
 * Threads: any.
 * Trust:   the text comes from a file, a command or a server: it is one line of printable
 *          characters or it is refused. Error texts hold nothing of it.
 * Limits:  16 KiB.
 */
#ifndef HULSE_CONTROL_TOKEN_H
#define HULSE_CONTROL_TOKEN_H

#include "daemon/core/error.h"

#include <stddef.h>
#include <stdint.h>

#define HULSE_TOKEN_BYTES_MAX 16384U

struct token {
    const char *data; /* borrowed from what was read; not terminated */
    size_t bytes;
    uint64_t
        expires_wall_ms; /* `exp` of a JWT (RFC 7519, 4.1.4), since 1970; 0 = it does not say */
};

/* The token in `text`, white space around it left out. INVAL: there is none, or more than one. */
hulse_status
hulse_token_parse(struct token *out, const char *text, size_t bytes, struct error *err);
/*
 * A client's secret: a word as above, or `client_secret` of a JSON object, the key file of Pulsar's own clients, which is
 * then written over the beginning of `text`. INVAL: it is neither.
 */
hulse_status
hulse_token_parse_client(struct token *out, char *text, size_t bytes, struct error *err);
/*
 * The password in `text`: one line, whose end is left out, of any characters but those of control. INVAL: there is
 * none, or more than one.
 */
hulse_status
hulse_token_parse_password(struct token *out, const char *text, size_t bytes, struct error *err);
/*
 * A regular file into a buffer of size bytes. IO; INVAL: not a regular file; TOOBIG. Never waits
 * for a writer.
 */
hulse_status
hulse_token_read(const char *path, char *buffer, size_t size, size_t *bytes, struct error *err);

#endif
