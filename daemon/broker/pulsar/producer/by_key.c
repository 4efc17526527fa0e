/* SPDX-License-Identifier: Apache-2.0 */
/*
 * by_key - see the header.
 */
#include "daemon/broker/pulsar/producer/by_key.h"

#include "daemon/broker/pulsar/producer/senders.h"
#include "daemon/core/assert.h"
#include "daemon/core/hash.h"
#include "daemon/core/mem.h"

#include <string.h>

struct key {
    enum pulsar_key_kind kind;
    struct broker_span bytes;
    uint64_t hash;
};

static struct key key_of(const struct broker_record *r)
{
    const struct broker_meta *meta = r->meta;
    struct key k = {.kind = PULSAR_KEY_NONE, .hash = HULSE_HASH_START};

    if (meta != NULL && meta->has_ordering_key) {
        k.kind = PULSAR_KEY_ORDERING;
        k.bytes = meta->ordering_key;
    } else if (meta != NULL && meta->has_key) {
        k.kind = PULSAR_KEY_PARTITION;
        k.bytes = meta->key;
    }
    for (uint32_t i = 0; i < k.bytes.bytes; i++) {
        k.hash = hulse_hash_byte(k.hash, (char)k.bytes.data[i]);
    }
    return k;
}

static bool is_of(const struct pulsar_key_batch *b, const struct key *k)
{
    return b->hash == k->hash && b->kind == k->kind && b->key_bytes == k->bytes.bytes &&
           (b->key_bytes == 0 || memcmp(b->key, k->bytes.data, b->key_bytes) == 0);
}

static uint32_t bucket_of(uint64_t hash)
{
    return (uint32_t)(hash ^ hash >> 32U) & (PULSAR_BY_KEY_BUCKETS - 1);
}

struct pulsar_by_key *hulse_pulsar_by_key_create(void)
{
    struct pulsar_by_key *all = hulse_mem_zalloc(HULSE_MEM_TOPIC, sizeof(*all));

    if (all != NULL) {
        TAILQ_INIT(&all->aside);
    }
    return all;
}

void hulse_pulsar_by_key_destroy(struct pulsar_by_key **by_key)
{
    if (*by_key != NULL) {
        HULSE_ASSERT(TAILQ_EMPTY(&(*by_key)->aside));
        hulse_mem_free(HULSE_MEM_TOPIC, *by_key, sizeof(**by_key));
        *by_key = NULL;
    }
}

/* What is open is one of these no more; of the sender's own members nothing changes. */
static void drop_current(struct pulsar_sender *s)
{
    struct pulsar_key_batch *b = s->by_key->current;

    s->by_key->current = NULL;
    if (b != NULL) {
        hulse_pulsar_block_give(&s->all->blocks, b, b->room);
    }
}

void hulse_pulsar_by_key_set_aside(struct pulsar_sender *s)
{
    struct pulsar_by_key *all = s->by_key;
    struct pulsar_key_batch *b = all->current;

    if (s->open == NULL) {
        drop_current(s);
        return;
    }
    b->open = s->open;
    b->batch = s->batch;
    b->head_room = s->head_room;
    s->aside_count += s->batch.count;
    s->aside_payload_bytes += s->batch.payload_bytes;
    TAILQ_INSERT_TAIL(&all->aside, b, link);
    LIST_INSERT_HEAD(&all->buckets[bucket_of(b->hash)], b, bucket);
    s->open = NULL;
    all->current = NULL;
}

static void open_again(struct pulsar_sender *s, struct pulsar_key_batch *b)
{
    TAILQ_REMOVE(&s->by_key->aside, b, link);
    LIST_REMOVE(b, bucket);
    s->open = b->open;
    s->batch = b->batch;
    s->head_room = b->head_room;
    s->aside_count -= b->batch.count;
    s->aside_payload_bytes -= b->batch.payload_bytes;
    s->by_key->current = b;
}

bool hulse_pulsar_by_key_next(struct pulsar_sender *s)
{
    HULSE_ASSERT(s->open == NULL);

    drop_current(s);
    if (TAILQ_EMPTY(&s->by_key->aside)) {
        return false;
    }
    open_again(s, TAILQ_FIRST(&s->by_key->aside));
    return true;
}

void hulse_pulsar_by_key_turn(struct pulsar_sender *s, const struct broker_record *r)
{
    struct pulsar_by_key *all = s->by_key;
    const struct key k = key_of(r);
    struct pulsar_key_batch *b = NULL;

    if (s->open != NULL && is_of(all->current, &k)) {
        return;
    }
    if (s->own) {
        hulse_pulsar_gather_seal(s);
        return;
    }
    hulse_pulsar_by_key_set_aside(s);
    LIST_FOREACH(b, &all->buckets[bucket_of(k.hash)], bucket)
    {
        if (is_of(b, &k)) {
            open_again(s, b);
            return;
        }
    }
}

bool hulse_pulsar_by_key_begin(struct pulsar_sender *s, const struct broker_record *r)
{
    const struct key k = key_of(r);
    const uint64_t bytes = sizeof(struct pulsar_key_batch) + (uint64_t)k.bytes.bytes;
    uint32_t room = 0;

    HULSE_ASSERT(s->open == NULL);
    drop_current(s);
    struct pulsar_key_batch *b =
        bytes > UINT32_MAX ? NULL
                           : hulse_pulsar_block_take(&s->all->blocks, (uint32_t)bytes, &room);
    if (b == NULL) {
        return false;
    }
    *b = (struct pulsar_key_batch){
        .room = room, .kind = k.kind, .hash = k.hash, .key_bytes = k.bytes.bytes};
    if (k.bytes.bytes > 0) {
        memcpy(b->key, k.bytes.data, k.bytes.bytes);
    }
    s->by_key->current = b;
    return true;
}

void hulse_pulsar_by_key_undo(struct pulsar_sender *s)
{
    struct pulsar_by_key *all = s->by_key;

    drop_current(s);
    if (!TAILQ_EMPTY(&all->aside)) {
        open_again(s, TAILQ_LAST(&all->aside, pulsar_key_batches));
    }
}
