/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle_start - the flow side of a handle: what it is opened with, and what flow tells of it.
 *
 * Threads: the session's worker.
 */
#ifndef HULSE_APP_HANDLE_START_H
#define HULSE_APP_HANDLE_START_H

#include "daemon/app/topics.h"
#include "daemon/flow/flow.h"
#include "include/hulse/status.h"
#include "shmlib/ring/control.h"

#include <stddef.h>
#include <stdint.h>

struct error;
struct handle;

/* What a producer is opened with. */
struct producer_wish {
    const char *topic;
    struct broker_routing routing; /* as an earlier daemon said; no partitions: none did */
    enum broker_access access;
    char initial_subscription[HULSE_NAME_BYTES_MAX + 1]; /* "": none */
};

/* hulse_option_block_consumer() makes it, hulse_option_wish_free() frees it. */
struct wish_room {
    uint8_t *bytes; /* ranges of keys, properties of the consumer, of the subscription */
    size_t size;
    size_t range_at; /* of each the next free byte */
    size_t own_at;
    size_t subscription_at;
};

/* What a consumer is opened with. */
struct consumer_wish {
    const char *topic;
    const char *subscription;
    const char *name;
    enum broker_subscription type;
    struct broker_position start;
    const struct broker_id *after; /* a reader goes on behind it; NULL = none */
    struct broker_marks *marks;    /* the same of each partition; borrowed; NULL = none */
    uint32_t reassembly_bytes;
    uint32_t unacked_max;
    struct topics_wish topics; /* HULSE_OPTION_TOPIC, _PATTERN, _TOPICS_MAX */
    struct broker_wishes wishes;
    struct wish_room room; /* what they point to, of options that may stand more than once */
};

/* Begin to open the flow side. A status other than OK: nothing was begun. */
hulse_status
hulse_handle_start_producer(struct handle *h, const struct producer_wish *wish, struct error *err);
hulse_status
hulse_handle_start_consumer(struct handle *h, const struct consumer_wish *wish, struct error *err);
/* The flow object is gone with a failed open; tells the app and forgets the handle. */
void hulse_handle_open_failed(struct handle *h, hulse_status status, const char *text);

#endif
