/* SPDX-License-Identifier: Apache-2.0 */
/*
 * broker_token - between a broker that shows a token and the credential that gets it one.
 *
 * Threads: control, but for hulse_broker_token_refused(), which any worker may call.
 */
#ifndef HULSE_CONTROL_BROKER_TOKEN_H
#define HULSE_CONTROL_BROKER_TOKEN_H

#include "daemon/control/credentials.h"
#include "daemon/core/inbox.h"

/* Zeros but for the first three. Strings are the configuration's. */
struct broker_token {
    const char *broker; /* its name */
    struct credential_params source;
    struct oauth2_params oauth2; /* of the source, where it is that */
    struct athenz_params athenz; /* the same */
    /* Both set by begin, before the first worker; valid until the last. */
    struct secret_slot *slot;
    struct secret_slot *trouble;
    struct credential *credential;
    struct inbox *home; /* control's */
    struct inbox_node node;
    _Atomic(uint64_t) refused; /* generation */
    _Atomic(bool) posted;
};

/* Adds the credentials of `count` brokers. The tokens stay where they are until the workers have ended. */
hulse_status hulse_broker_tokens_begin(struct broker_token *tokens,
                                       unsigned count,
                                       struct credentials *cs,
                                       struct inbox *home,
                                       struct error *err);
/* A broker has refused the token of this generation: hulse_credential_refused(), soon. `token`: a struct broker_token. */
void hulse_broker_token_refused(void *token, uint64_t generation);

#endif
