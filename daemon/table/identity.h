/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity - who a session is: the kernel's word about the peer at accept (SO_PEERCRED), and the
 * token it showed in HELLO, as a digest.
 *
 * Which role that makes is decided anew with each generation of the tables: policy.h.
 */
#ifndef HULSE_TABLE_IDENTITY_H
#define HULSE_TABLE_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define HULSE_TOKEN_DIGEST_BYTES 32U /* SHA-256 */

struct identity {
    uid_t uid;
    gid_t gid;
    pid_t pid; /* 0 across pid namespaces; for logs only */
    bool has_token;
    uint8_t token_digest[HULSE_TOKEN_DIGEST_BYTES];
};

/* Takes the token of a HELLO, which is not kept. False: the digest cannot be made. */
bool hulse_identity_token(struct identity *who, const void *token, size_t token_bytes);

#endif
