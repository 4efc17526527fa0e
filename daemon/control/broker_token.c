/* SPDX-License-Identifier: Apache-2.0 */
/*
 * broker_token - see the header.
 */
#include "daemon/control/broker_token.h"

#include "daemon/core/assert.h"

static void ask_for_another(struct inbox_node *node)
{
    struct broker_token *t = HULSE_CONTAINER(node, struct broker_token, node);

    /* Relaxed because the inbox orders them: what is refused from here on is posted once more. */
    atomic_store_explicit(&t->posted, false, memory_order_relaxed);
    hulse_credential_refused(t->credential,
                             atomic_load_explicit(&t->refused, memory_order_relaxed));
}

hulse_status hulse_broker_tokens_begin(struct broker_token *tokens,
                                       unsigned count,
                                       struct credentials *cs,
                                       struct inbox *home,
                                       struct error *err)
{
    for (unsigned i = 0; i < count; i++) {
        struct broker_token *t = &tokens[i];
        const hulse_status st = hulse_credentials_set(cs, t->broker, &t->source, err);
        if (st != HULSE_OK) {
            return st;
        }
        t->credential = hulse_credentials_find(cs, t->broker);
        t->slot = &t->credential->slot;
        t->trouble = &t->credential->trouble;
        t->home = home;
        t->node.run = ask_for_another;
    }
    return HULSE_OK;
}

void hulse_broker_token_refused(void *token, uint64_t generation)
{
    struct broker_token *t = token;

    /* Relaxed because the inbox orders them. */
    atomic_store_explicit(&t->refused, generation, memory_order_relaxed);
    if (!atomic_exchange_explicit(&t->posted, true, memory_order_relaxed) &&
        !hulse_inbox_post(t->home, &t->node)) {
        atomic_store_explicit(
            &t->posted, false, memory_order_relaxed); /* the next one tries again */
    }
}
