/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity - see identity.h.
 */
#include "daemon/table/identity.h"

#include <openssl/evp.h>

bool hulse_identity_token(struct identity *who, const void *token, size_t token_bytes)
{
    unsigned digest_bytes = 0;

    who->has_token =
        EVP_Digest(token, token_bytes, who->token_digest, &digest_bytes, EVP_sha256(), NULL) == 1 &&
        digest_bytes == HULSE_TOKEN_DIGEST_BYTES;
    return who->has_token;
}
