/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unacked - what the application has been handed and has not judged, so that the next daemon's
 * redelivery of it is not handed out a second time.
 *
 *     HELD --verdict by ref--> gone
 *     HELD of an earlier daemon --redelivered--> HELD with the new ref, the redelivery suppressed
 *     HELD of an earlier daemon --ack by id--> JUDGED --passed, and the ring read that far--> gone
 *                               --nack, retry, reject by id--> gone: it is meant to come again
 *
 * A JUDGED one stays until nothing of it can be in the ring any more: its redelivery may have been on
 * the way when the verdict was given.
 *
 * Threads: the consumer's.
 * Limits:  unacked_max; what has no place is not known here, and may be handed out twice.
 * See:     ipc B8 step 6.
 */
#include "shmlib/client/consumer.h"

#include <stdlib.h>

enum { HELD = 0, JUDGED = 1 };

struct hulse_unacked_entry {
    uint64_t ref;
    uint64_t word;        /* of the daemon whose ref it is */
    uint64_t verdict_end; /* JUDGED: up position behind the record */
    uint64_t
        read_to; /* JUDGED and passed: end in the down ring, counted over daemons; 0 = not passed */
    uint8_t state;
};

bool hulse_unacked_init(struct hulse_unacked *u, uint32_t capacity)
{
    void *ids = malloc(hulse_id_table_bytes(capacity));

    u->entries = calloc(capacity, sizeof(*u->entries));
    if (ids == NULL || u->entries == NULL) {
        free(ids);
        free(u->entries);
        u->entries = NULL;
        return false;
    }
    hulse_id_table_init(&u->ids, ids, capacity);
    return true;
}

void hulse_unacked_fini(struct hulse_unacked *u)
{
    if (u->entries != NULL) {
        free(u->ids.nodes);
        free(u->entries);
    }
    *u = (struct hulse_unacked){0};
}

void hulse_unacked_clear(struct hulse_unacked *u)
{
    for (uint32_t i = 0; u->entries != NULL && i < u->ids.high && u->ids.used != 0; i++) {
        if (u->ids.nodes[i].used) {
            hulse_id_remove(&u->ids, i);
        }
    }
    u->judged = 0;
}

static struct hulse_id_key key_of(const struct hulse_delivery_header *h)
{
    return (struct hulse_id_key){.ledger = h->ledger,
                                 .entry = h->entry,
                                 .batch = h->batch,
                                 .source = h->source,
                                 .partition = h->partition};
}

static void forget(struct hulse_unacked *u, uint32_t node)
{
    u->judged -= u->entries[node].state == JUDGED ? 1 : 0;
    hulse_id_remove(&u->ids, node);
}

void hulse_unacked_hand_out(struct hulse_consumer *c, const struct hulse_id *id)
{
    struct hulse_unacked *u = &c->unacked;
    const struct hulse_id_key key = hulse_unacked_key(id);

    if (u->entries == NULL) {
        return;
    }
    uint32_t node = hulse_id_find(&u->ids, &key);
    if (node == HULSE_ID_NONE) {
        node = hulse_id_add(&u->ids, &key);
    } else {
        u->judged -= u->entries[node].state == JUDGED && u->judged != 0 ? 1 : 0;
    }
    if (node != HULSE_ID_NONE) {
        u->entries[node] =
            (struct hulse_unacked_entry){.ref = id->ref, .word = c->handle.channel->word};
    }
}

bool hulse_unacked_suppresses(struct hulse_consumer *c, const struct hulse_delivery_header *h)
{
    struct hulse_unacked *u = &c->unacked;

    if (!c->resumed || u->ids.used == 0) {
        return false;
    }
    const struct hulse_id_key key = key_of(h);
    const uint32_t node = hulse_id_find(&u->ids, &key);
    if (node == HULSE_ID_NONE) {
        return false;
    }
    struct hulse_unacked_entry *e = &u->entries[node];
    if (e->state == JUDGED) {
        return true;
    }
    if (e->word != c->handle.channel->word) {
        e->ref = h->ref;
        e->word = c->handle.channel->word;
        return true;
    }
    return e->ref == h->ref; /* a further fragment of what was just adopted */
}

/* Everything up to the message, by one verdict. */
static void judge_all(struct hulse_consumer *c, const struct hulse_id_key *last, uint64_t end)
{
    struct hulse_unacked *u = &c->unacked;

    for (uint32_t i = 0; i < u->ids.high && u->ids.used != 0; i++) {
        struct hulse_unacked_entry *e = &u->entries[i];
        if (!u->ids.nodes[i].used || e->state == JUDGED ||
            !hulse_id_up_to(&u->ids.nodes[i].key, last)) {
            continue;
        }
        if (e->word == c->handle.channel->word) {
            forget(u, i);
        } else {
            *e = (struct hulse_unacked_entry){.state = JUDGED, .verdict_end = end};
            u->judged += 1;
        }
    }
}

void hulse_unacked_address(const struct hulse_consumer *c,
                           const struct hulse_id *id,
                           struct hulse_verdict_record *v)
{
    const struct hulse_unacked *u = &c->unacked;
    const struct hulse_id_key key = hulse_unacked_key(id);

    if (!c->resumed) {
        return; /* every ref is this daemon's */
    }
    const uint32_t node = u->entries == NULL ? HULSE_ID_NONE : hulse_id_find(&u->ids, &key);
    const struct hulse_unacked_entry *e = node == HULSE_ID_NONE ? NULL : &u->entries[node];
    if (e != NULL && e->state == HELD &&
        e->word == hulse_session_word(c->handle.channel->session)) {
        v->ref = e->ref;
    } else {
        v->how |= HULSE_HOW_BY_ID;
    }
}

void hulse_unacked_judge(struct hulse_consumer *c,
                         const struct hulse_id *id,
                         const struct hulse_verdict_record *v,
                         uint64_t end)
{
    struct hulse_unacked *u = &c->unacked;
    const struct hulse_id_key key = hulse_unacked_key(id);
    const bool ends = v->verdict == HULSE_VERDICT_ACK || v->verdict == HULSE_VERDICT_DROP;

    if (u->entries == NULL) {
        return;
    }
    if ((v->how & HULSE_HOW_CUMULATIVE) != 0) {
        judge_all(c, &key, end);
        return;
    }
    const uint32_t node = hulse_id_find(&u->ids, &key);
    if (node == HULSE_ID_NONE || u->entries[node].state == JUDGED) {
        return;
    }
    if (ends && (v->how & HULSE_HOW_BY_ID) != 0) {
        u->entries[node] = (struct hulse_unacked_entry){.state = JUDGED, .verdict_end = end};
        u->judged += 1;
    } else {
        forget(u, node);
    }
}

void hulse_unacked_retire(struct hulse_consumer *c)
{
    struct hulse_unacked *u = &c->unacked;
    struct hulse_channel *ch = c->handle.channel;

    if (u->judged == 0 || !hulse_channel_attached(ch) ||
        hulse_channel_settled(ch) == HULSE_PROTOCOL) {
        return;
    }
    (void)hulse_channel_unread(ch);
    for (uint32_t i = 0; i < u->ids.high && u->judged != 0; i++) {
        struct hulse_unacked_entry *e = &u->entries[i];
        if (!u->ids.nodes[i].used || e->state != JUDGED) {
            continue;
        }
        if (e->read_to == 0 && ch->tx.head_seen >= e->verdict_end) {
            e->read_to = c->base + ch->rx.tail_seen + 1;
        }
        if (e->read_to != 0 && c->base + ch->rx.read + 1 >= e->read_to) {
            forget(u, i);
        }
    }
}
