/* SPDX-License-Identifier: Apache-2.0 */
/*
 * router - which partition of its topic a record goes to.
 *
 *   the one that it names; else that of its key's hash; else, of records without a key:
 *     round robin  one after the other: a new one each `window_ms`, so that what comes together is sent together, or for
 *                  every record without a window; the same as Java's client
 *     single       always the same
 *     pure         of own producers, which may have to send again what an earlier daemon has sent: the number of the record
 *                  alone decides, `stride` records in a row go to the same
 *
 * Threads: the owner's.
 */
#ifndef HULSE_BROKER_COMMON_ROUTER_H
#define HULSE_BROKER_COMMON_ROUTER_H

#include "daemon/broker/broker.h"
#include "daemon/broker/common/key_hash.h"

#define ROUTER_NONE UINT32_MAX

struct router {
    enum broker_routing_mode mode;
    enum broker_hashing hash;
    uint32_t stride;    /* 0: not pure */
    uint32_t window_ms; /* 0: none */
    uint32_t
        start; /* of round robin, and the single one: counted on from there modulo their number */
    uint32_t turn; /* of round robin without a window */
    /* The last answer with one, which is asked for again and again. */
    uint64_t last_ms;
    uint32_t last_count;
    uint32_t last;
};

/* What a record says about its way. */
struct router_record {
    int32_t partition; /* -1: any */
    bool has_key;
    struct broker_span key; /* the text that goes with the message */
    uint64_t seq;
    uint64_t now_ms;
};

/* Below `count`, which is not 0; ROUTER_NONE: it names one that is not there. */
uint32_t hulse_router_choose(struct router *r, const struct router_record *record, uint32_t count);

#endif
