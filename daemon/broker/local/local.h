/* SPDX-License-Identifier: Apache-2.0 */
/*
 * local - the embedded engine: topics in the memory of this daemon.
 *
 * Non-persistent topics only; opening a persistent one fails with NO_TOPIC.
 *
 * Threads: create and destroy by main, before the workers start and after all have stopped.
 * Limits:  struct local_params.
 * See:     README.md beside this file.
 */
#ifndef HULSE_BROKER_LOCAL_LOCAL_H
#define HULSE_BROKER_LOCAL_LOCAL_H

#include "daemon/broker/broker.h"

struct local_params {
    uint32_t message_bytes_max;          /* payload of one message */
    uint64_t subscription_bytes_max;     /* allocations waiting or without verdict */
    uint32_t subscription_messages_max;  /* the same in messages */
    uint32_t topics_max;                 /* over all workers */
    uint32_t subscriptions_max;          /* of one topic */
    uint32_t consumers_max;              /* of one subscription */
    uint64_t producer_pending_bytes_max; /* on the way to another worker */
    uint32_t unused_ms;                  /* an unused topic or subscription lives this long */
};

void hulse_local_params_default(struct local_params *out);
/* `name` is borrowed for the broker's life. NULL with *err filled. */
struct broker *
hulse_local_create(const char *name, const struct local_params *params, struct error *err);
/* *b becomes NULL. */
void hulse_local_destroy(struct broker **b);

#endif
