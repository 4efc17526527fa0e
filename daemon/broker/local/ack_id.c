/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ack_id - acknowledgements by id: verdicts of consumers that had the message from elsewhere.
 *
 * Waiting messages are not indexed by entry. Ids are noted in a set that is asked whenever a message
 * leaves a waiting place; one walk over everything that waits takes the ended ones out, so that they
 * are not counted as backlog, and empties the set. The walk comes when little waits, when the set is
 * full, or when the last one is a second ago: whoever sends ids cannot make a worker walk all day.
 *
 * Limits:  IDS_MAX between two walks.
 */
#include "daemon/broker/local/durable.h"
#include "daemon/broker/local/internal.h"

#include <stddef.h>

#define IDS_MAX 4096U
#define SLOTS (2U * IDS_MAX) /* a power of two */
#define WALK_CHEAP 4096U     /* messages held */
#define WALK_MS 1000U

struct ended_ids {
    uint32_t count;
    uint64_t walked_ms;
    uint64_t slots[SLOTS]; /* entry + 1; 0 = free */
};

static uint64_t *slot_of(struct ended_ids *ids, uint64_t entry)
{
    uint32_t at = (uint32_t)((entry * UINT64_C(0x9e3779b97f4a7c15)) >> 32U) & (SLOTS - 1);
    while (ids->slots[at] != 0 && ids->slots[at] != entry + 1) {
        at = (at + 1) & (SLOTS - 1);
    }
    return &ids->slots[at];
}

bool hulse_ended_ids_has(const struct ended_ids *ids, uint64_t entry)
{
    /* The search changes nothing; const is for the caller. */
    return ids->count != 0 && *slot_of((struct ended_ids *)(uintptr_t)ids, entry) != 0;
}

void hulse_ended_ids_free(struct ended_ids **ids)
{
    hulse_mem_free(HULSE_MEM_TOPIC, *ids, sizeof(**ids));
    *ids = NULL;
}

/* ---- the walk ---- */

static void purge_queue(struct subscription *sub)
{
    struct link *next = NULL;
    for (struct link *l = sub->queue.next; l != &sub->queue; l = next) {
        struct delivery *dl = HULSE_CONTAINER(l, struct delivery, link);
        next = l->next;
        if (hulse_ended_ids_has(sub->ended_ids, dl->d.id.entry)) {
            hulse_link_remove(l);
            hulse_subscription_finish(sub, dl, &sub->topic->counters.acknowledged);
        }
    }
}

/* A node inside a heap cannot leave it alone: all do, and those that stay are pushed again. */
static void purge_heap(struct subscription *sub, struct heap *heap, uint32_t *count)
{
    struct heap rest = {NULL};
    while (heap->root != NULL) {
        struct heap_node *node = hulse_heap_shed(heap);
        struct delivery *dl = node == NULL ? NULL : HULSE_CONTAINER(node, struct delivery, node);
        if (dl == NULL) {
            continue;
        }
        if (hulse_ended_ids_has(sub->ended_ids, dl->d.id.entry)) {
            *count -= 1;
            hulse_subscription_finish(sub, dl, &sub->topic->counters.acknowledged);
        } else {
            hulse_heap_push(&rest, node, node->key);
        }
    }
    *heap = rest;
}

static void mark_held(const struct subscription *sub)
{
    for (struct link *s = sub->seats.next; s != &sub->seats; s = s->next) {
        const struct seat *seat = HULSE_CONTAINER(s, struct seat, link);
        for (struct link *l = seat->outstanding.next; l != &seat->outstanding; l = l->next) {
            struct delivery *dl = HULSE_CONTAINER(l, struct delivery, link);
            if (hulse_ended_ids_has(sub->ended_ids, dl->d.id.entry)) {
                dl->ended = true;
            }
        }
    }
}

static void walk(struct subscription *sub)
{
    struct ended_ids *ids = sub->ended_ids;
    uint32_t uncounted = UINT32_MAX;
    mark_held(sub);
    purge_queue(sub);
    purge_heap(sub, &sub->redelivery, &uncounted);
    purge_heap(sub, &sub->delayed, &sub->delayed_count); /* its timer may fire for nothing */
    *ids = (struct ended_ids){.walked_ms = hulse_local_now_ms(sub->topic->worker)};
}

void hulse_subscription_purge(struct subscription *sub)
{
    const struct ended_ids *ids = sub->ended_ids;
    if (ids == NULL || ids->count == 0 || sub->returning != 0) {
        return; /* what is on its way back asks the set when it arrives */
    }
    const uint64_t now_ms = hulse_local_now_ms(sub->topic->worker);
    if (sub->held <= WALK_CHEAP || ids->count == IDS_MAX || now_ms >= ids->walked_ms + WALK_MS) {
        walk(sub);
    }
}

/* ---- the calls ---- */

static void note(struct subscription *sub, uint64_t entry)
{
    if (sub->ended_ids == NULL) {
        sub->ended_ids = hulse_mem_zalloc(HULSE_MEM_TOPIC, sizeof(*sub->ended_ids));
        if (sub->ended_ids == NULL) {
            return; /* the message comes again */
        }
    }
    struct ended_ids *ids = sub->ended_ids;
    if (ids->count == IDS_MAX) {
        if (sub->returning != 0) {
            return; /* likewise: a walk does not see what is on its way back */
        }
        walk(sub);
    }
    uint64_t *slot = slot_of(ids, entry);
    if (*slot == 0) {
        *slot = entry + 1;
        ids->count += 1;
        hulse_subscription_mark(sub);
    }
}

void hulse_ack_id_serve(const struct ack_id *a)
{
    struct seat *seat = a->seat;
    HULSE_ASSERT(seat->magic == LOCAL_SEAT_MAGIC);
    struct subscription *sub = seat->sub;
    const struct topic *topic = sub->topic;
    if (sub->cursor != NULL) {
        if (!sub->over) {
            hulse_cursor_ack_id(sub, a->id.entry, a->cumulative);
        }
        return;
    }
    if (sub->over || sub->held == 0 || a->id.ledger != topic->worker->broker->epoch_ms ||
        a->id.entry >= topic->next_entry) {
        return;
    }
    if (a->cumulative && sub->type != BROKER_SHARED) {
        hulse_subscription_end_below(sub, a->id.entry + 1);
    } else {
        note(sub, a->id.entry);
    }
}
