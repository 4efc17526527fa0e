/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options - what an application asks for beyond the members of a request (OPTIONS, shmlib/ring/control.h).
 *
 * Threads: the worker's.
 * Owns:    a block its bytes, counted as memory of the session; what is parsed borrows them.
 * Limits:  HULSE_OPTIONS_TOTAL_MAX for one request.
 */
#ifndef HULSE_APP_OPTIONS_H
#define HULSE_APP_OPTIONS_H

#include "daemon/core/error.h"

#include <stdint.h>

struct session;
struct hulse_packet;
struct producer_wish;
struct consumer_wish;

/* The elements of one request, one behind the other. Zeros: none. */
struct option_block {
    uint8_t *bytes;
    uint32_t used;
    uint32_t room;
    uint32_t request;
    hulse_status lost; /* why they are not all here: LIMIT, NO_MEMORY; else OK */
};

/* OPTIONS: kept for the request that follows. */
void hulse_option_block_gather(struct session *s, const struct hulse_packet *p);
/* Gives what has come for `request`, or zeros; nothing is kept afterwards. Free it. */
struct option_block hulse_option_block_take(struct session *s, uint32_t request);
void hulse_option_block_free(struct option_block *b);
/*
 * Sets what the block asks for. Errors, with text: UNSUPPORTED: an element that this daemon does not know, or that is not
 * for such a handle; INVAL: an impossible one; LIMIT, NO_MEMORY: as `lost`. The names of topics are to be freed in any case.
 */
hulse_status hulse_option_block_producer(const struct option_block *b,
                                         struct producer_wish *wish,
                                         struct error *err);
hulse_status hulse_option_block_consumer(const struct option_block *b,
                                         struct consumer_wish *wish,
                                         struct error *err);
/* After either result; its `wishes` are of no more use. */
void hulse_option_wish_free(struct consumer_wish *wish);

#endif
