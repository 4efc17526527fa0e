/* SPDX-License-Identifier: Apache-2.0 */
/*
 * router - see the header.
 */
#include "daemon/broker/common/router.h"

#include "daemon/core/assert.h"

static uint32_t in_turn(struct router *r, uint64_t now_ms, uint32_t count)
{
    if (r->window_ms == 0) {
        return (uint32_t)(((uint64_t)r->turn++ + r->start) % count);
    }
    if (now_ms != r->last_ms || count != r->last_count) {
        r->last_ms = now_ms;
        r->last_count = count;
        r->last = (uint32_t)((now_ms / r->window_ms + r->start) % count);
    }
    return r->last;
}

uint32_t hulse_router_choose(struct router *r, const struct router_record *record, uint32_t count)
{
    HULSE_ASSERT(count > 0);

    if (record->partition >= 0) {
        return (uint32_t)record->partition < count ? (uint32_t)record->partition : ROUTER_NONE;
    }
    if (record->has_key) {
        return hulse_key_hash(r->hash, record->key) % count;
    }
    if (r->mode == BROKER_ROUTING_SINGLE) {
        return r->start % count;
    }
    if (r->stride != 0) {
        return (uint32_t)(record->seq / r->stride % count);
    }
    return in_turn(r, record->now_ms, count);
}
