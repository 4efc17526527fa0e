/* SPDX-License-Identifier: Apache-2.0 */
/*
 * local - the embedded engine: non-persistent topics in the memory of this daemon, persistent ones
 * in a store of its own.
 *
 * Without a directory there is no store, and opening a persistent topic fails with NO_TOPIC.
 *
 * Threads: create and destroy by main, before the workers start and after all have stopped.
 * Errors:  create fails as hulse_store_open() does.
 * Limits:  struct local_params.
 * See:     README.md beside this file.
 */
#ifndef HULSE_BROKER_LOCAL_LOCAL_H
#define HULSE_BROKER_LOCAL_LOCAL_H

#include "daemon/broker/broker.h"

struct store;

struct local_params {
    const char *directory; /* of the store; NULL = none. Borrowed until create returns */
    uint64_t size_max;     /* of its log; 0 = the store's default, as the next */
    uint32_t segment_bytes;
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
/* Ends the store, too. *b becomes NULL. */
void hulse_local_destroy(struct broker **b);
/* Its store, or NULL; valid as long as the broker. */
struct store *hulse_local_store(const struct broker *b);

#endif
