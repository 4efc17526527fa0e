/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle - see the header. In every event the producer may be closed; it stays here as long as one of its records is
 * unanswered, which the one that is being answered is until the end.
 */
#include "daemon/broker/pulsar/producer/handle.h"

#include "daemon/broker/pulsar/producer/partitions.h"
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

void hulse_pulsar_handle_destroy(struct pulsar_producer *p)
{
    hulse_pulsar_partitions_destroy(&p->parts);
    hulse_mem_free(HULSE_MEM_TOPIC, p, sizeof(*p));
}

/* Not at the bound's edge, where it would be asked for one record at a time. */
static bool has_room_again(const struct pulsar_producer *p)
{
    return p->pending <= p->pending_bytes / 2 &&
           (p->pending_max == 0 || p->unanswered - 1 <= p->pending_max / 2);
}

static void forget_hunger(struct pulsar_producer *p)
{
    if (p->starved) {
        p->starved = false;
        LIST_REMOVE(p, in_starved);
    }
}

static void tell_freed(struct pulsar_producer *p)
{
    p->base.busy = false;
    forget_hunger(p);
    if (!p->closed && p->base.events->freed != NULL) {
        p->base.events->freed(p->base.ctx);
    }
}

static void free_up(struct pulsar_producer *p)
{
    if (has_room_again(p)) {
        tell_freed(p);
    }
}

void hulse_pulsar_handle_starve(struct pulsar_producer *p, struct pulsar_producer_list *starved)
{
    p->base.busy = true;
    if (!p->starved) {
        p->starved = true;
        LIST_INSERT_HEAD(starved, p, in_starved);
    }
}

void hulse_pulsar_handle_feed(struct pulsar_producer *p)
{
    tell_freed(p);
}

static void settle_flush(struct pulsar_producer *p, uint32_t round)
{
    if (round == p->round) {
        return; /* sent after it began */
    }
    p->flush_left -= 1;
    if (p->flush_left == 0) {
        p->flushing = false;
        if (!p->closed) {
            p->base.events->flushed(p->base.ctx);
        }
    }
}

static void destroy_unless_needed(struct pulsar_producer *p)
{
    if (p->closed && p->unanswered == 0 && p->pins == 0) {
        hulse_pulsar_handle_destroy(p);
    }
}

static void drop(struct pulsar_producer *p)
{
    p->unanswered -= 1;
    destroy_unless_needed(p);
}

void hulse_pulsar_handle_leave(struct pulsar_producer *p)
{
    destroy_unless_needed(p);
}

void hulse_pulsar_handle_answer(const struct pulsar_slot *slot, const struct broker_answer *answer)
{
    struct pulsar_producer *p = slot->producer;

    p->pending -= slot->bytes;
    if (__builtin_expect(p->base.busy, 0)) {
        free_up(p);
    }
    if (__builtin_expect(!p->closed, 1)) {
        p->base.events->answered(p->base.ctx, slot->token, answer);
    }
    if (__builtin_expect(p->flushing, 0)) {
        settle_flush(p, slot->round);
    }
    drop(p);
}

void hulse_pulsar_handle_forget(const struct pulsar_slot *slot)
{
    drop(slot->producer);
}

void hulse_pulsar_handle_close(struct pulsar_producer *p)
{
    HULSE_ASSERT(!p->closed);

    p->closed = true;
    forget_hunger(p);
    destroy_unless_needed(p);
}
