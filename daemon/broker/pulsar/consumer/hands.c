/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hands - see the header.
 */
#include "daemon/broker/pulsar/consumer/object.h"

static const struct entry_bucket no_entries;

#define NO_LIST(list)                                                                              \
    {                                                                                              \
        .tqh_last = (void *)&nothing.list.tqh_first                                                \
    }

/* What has nothing finds nothing in it. Constant: whoever would write to it has not taken hands before. */
static const struct hands nothing = {
    .entries = {.buckets = (void *)&no_entries, .bucket_count = 1, .all = NO_LIST(entries.all)},
    .chunks = {.gathering = NO_LIST(chunks.gathering),
               .given_up = NO_LIST(chunks.given_up),
               .whole = NO_LIST(chunks.whole)},
    .queue = {.stqh_last = (void *)&nothing.queue.stqh_first},
    .held = NO_LIST(held),
    .kept = NO_LIST(kept),
    .waiting = NO_LIST(waiting),
    .strays = NO_LIST(strays),
    .due = NO_LIST(due),
    .rounds = NO_LIST(rounds),
};

void hulse_hands_init(struct pulsar_consumer *c)
{
    c->hands = (struct hands *)(uintptr_t)&nothing;
}

static void flush_again(struct timer *timer)
{
    struct pulsar_consumer *c = HULSE_CONTAINER(timer, struct hands, flush_again)->consumer;
    hulse_pulsar_consumer_dirty(c);
    hulse_acks_settle(c);
}

bool hulse_hands_make(struct pulsar_consumer *c)
{
    struct hands *h = hulse_mem_zalloc(HULSE_MEM_TOPIC, sizeof(*h));
    if (h == NULL || !hulse_entry_table_init(&h->entries)) {
        hulse_mem_free(HULSE_MEM_TOPIC, h, sizeof(*h));
        return false;
    }
    h->consumer = c;
    h->start.kind = c->start_kind;
    h->flush_again.fire = flush_again;
    hulse_chunks_init(&h->chunks);
    STAILQ_INIT(&h->queue);
    TAILQ_INIT(&h->held);
    TAILQ_INIT(&h->kept);
    TAILQ_INIT(&h->waiting);
    TAILQ_INIT(&h->strays);
    TAILQ_INIT(&h->due);
    TAILQ_INIT(&h->rounds);
    c->hands = h;
    return true;
}

static bool is_empty(const struct hands *h)
{
    return h->entries.count == 0 && STAILQ_EMPTY(&h->queue) && TAILQ_EMPTY(&h->held) &&
           TAILQ_EMPTY(&h->kept) && TAILQ_EMPTY(&h->waiting) && TAILQ_EMPTY(&h->rounds) &&
           hulse_chunks_are_forgotten(&h->chunks);
}

void hulse_hands_rest(struct pulsar_consumer *c)
{
    const struct hands *h = c->hands;
    if (h->consumer == NULL || c->type == BROKER_READER || c->errand != NULL || c->rewinding ||
        h->floor.set || !is_empty(h)) {
        return;
    }
    hulse_hands_fini(c);
}

void hulse_hands_stop(struct pulsar_consumer *c)
{
    if (c->hands->consumer != NULL) {
        hulse_timer_stop(&c->worker->loop->timers, &c->hands->flush_again);
    }
}

void hulse_hands_fini(struct pulsar_consumer *c)
{
    struct hands *h = c->hands;
    if (h->consumer == NULL) {
        return;
    }
    hulse_hands_stop(c);
    hulse_timer_stop(&c->worker->loop->timers, &h->chunks.due);
    hulse_entry_table_fini(&h->entries);
    hulse_chunks_fini(&h->chunks);
    hulse_broker_marks_let(&h->marks);
    hulse_mem_free(HULSE_MEM_TOPIC, h, sizeof(*h));
    hulse_hands_init(c);
}

void hulse_hands_start(struct pulsar_consumer *c, const struct broker_position *start)
{
    c->start_kind = start->kind;
    if (c->hands->consumer != NULL) {
        c->hands->start = *start;
    } else {
        HULSE_ASSERT(start->kind == BROKER_EARLIEST || start->kind == BROKER_LATEST);
    }
}

void hulse_hands_forget_place(struct pulsar_consumer *c)
{
    c->hands->has_last = false;
    c->hands->has_damaged = false;
    c->hands->chunks.reaches_back = false;
    c->hands->floor = (struct floor){0};
}
