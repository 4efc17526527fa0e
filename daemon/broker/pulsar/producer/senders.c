/* SPDX-License-Identifier: Apache-2.0 */
/*
 * senders - see the header.
 */
#include "daemon/broker/pulsar/producer/senders.h"

#include "daemon/broker/pulsar/producer/park.h"
#include "daemon/core/assert.h"
#include "daemon/core/hash.h"
#include "daemon/core/mem.h"
#include "daemon/worker/worker.h"

#include <inttypes.h>
#include <stdio.h>

/* What is kept for compression: a batch. What a large message needs goes at once. */
#define SCRATCH_KEPT_BYTES (512U * 1024U)
/* Memory is given back by anybody, who tells nobody. */
#define FEED_MS 10U
/* Of the daemon's name and of an application's, each; what is longer loses its end. */
#define NAME_PART_MAX 255

/* That it fired ends a turn, which flushes. */
static void awake(struct timer *timer)
{
    (void)timer;
}

/* Those who starve again are asked for at the next time. */
static void feed_all(struct timer *timer)
{
    struct pulsar_senders *all = HULSE_CONTAINER(timer, struct pulsar_senders, feed);
    struct pulsar_producer_list hungry = LIST_HEAD_INITIALIZER(hungry);
    struct pulsar_producer *p = NULL;

    while ((p = LIST_FIRST(&all->starved)) != NULL) {
        LIST_REMOVE(p, in_starved);
        LIST_INSERT_HEAD(&hungry, p, in_starved);
    }
    while ((p = LIST_FIRST(&hungry)) != NULL) {
        hulse_pulsar_handle_feed(p);
    }
}

void hulse_pulsar_senders_starve(struct pulsar_senders *all, struct pulsar_producer *p)
{
    hulse_pulsar_handle_starve(p, &all->starved);
    if (!hulse_timer_pending(&all->feed)) {
        hulse_timer_start(
            &all->pw->loop->timers, &all->feed, hulse_loop_now_ms(all->pw->loop) + FEED_MS);
    }
}

struct pulsar_senders *hulse_pulsar_senders_create(struct pulsar_worker *w, struct error *err)
{
    struct pulsar_senders *all = hulse_mem_zalloc(HULSE_MEM_BROKER, sizeof(*all));

    if (all == NULL) {
        (void)hulse_fail(err, HULSE_NO_MEMORY, "no memory for the producers of Pulsar");
        return NULL;
    }
    all->pw = w;
    all->wake.fire = awake;
    all->feed.fire = feed_all;
    all->look.fire = hulse_pulsar_stall_fired;
    all->park.fire = hulse_pulsar_park_fired;
    LIST_INIT(&all->parted);
    LIST_INIT(&all->schemas);
    LIST_INIT(&all->starved);
    TAILQ_INIT(&all->dirty);
    return all;
}

static void free_scratch(struct pulsar_senders *all)
{
    hulse_mem_free(HULSE_MEM_BROKER, all->scratch, all->scratch_room);
    all->scratch = NULL;
    all->scratch_room = 0;
}

static void free_properties(struct pulsar_senders *all)
{
    hulse_mem_free(HULSE_MEM_BROKER, all->properties, all->properties_room);
    all->properties = NULL;
    all->properties_room = 0;
}

void hulse_pulsar_senders_destroy(struct pulsar_senders **s)
{
    struct pulsar_senders *all = *s;

    if (all == NULL) {
        return;
    }
    while (!LIST_EMPTY(&all->parted)) {
        hulse_pulsar_producer_close(&LIST_FIRST(&all->parted)->base, false);
    }
    for (uint32_t i = 0; i < PULSAR_SENDER_BUCKETS; i++) {
        while (!LIST_EMPTY(&all->buckets[i])) {
            hulse_pulsar_sender_destroy(LIST_FIRST(&all->buckets[i]));
        }
    }
    while (!LIST_EMPTY(&all->dead)) {
        hulse_pulsar_sender_destroy(LIST_FIRST(&all->dead));
    }
    hulse_timer_stop(&all->pw->loop->timers, &all->wake);
    hulse_timer_stop(&all->pw->loop->timers, &all->feed);
    hulse_timer_stop(&all->pw->loop->timers, &all->look);
    hulse_timer_stop(&all->pw->loop->timers, &all->park);
    free_scratch(all);
    free_properties(all);
    hulse_pulsar_blocks_fini(&all->blocks);
    hulse_mem_free(HULSE_MEM_BROKER, all, sizeof(*all));
    *s = NULL;
}

static void add_entry(struct pulsar_producer_figures *out, const struct pulsar_entry *e)
{
    for (uint32_t i = 0; i < e->count; i++) {
        out->in_flight_bytes += e->slots[i].bytes;
    }
    out->in_flight_messages += e->count;
}

static void add_gathered(struct pulsar_producer_figures *out, const struct pulsar_sender *s)
{
    const struct pulsar_key_batch *b = NULL;

    if (s->open != NULL) {
        add_entry(out, s->open);
    }
    if (s->by_key != NULL) {
        TAILQ_FOREACH(b, &s->by_key->aside, link)
        {
            add_entry(out, b->open);
        }
    }
}

void hulse_pulsar_senders_figures(const struct pulsar_senders *all,
                                  struct pulsar_producer_figures *out)
{
    const struct pulsar_sender *s = NULL;
    const struct pulsar_entry *e = NULL;

    *out = all->figures;
    for (uint32_t i = 0; i < PULSAR_SENDER_BUCKETS; i++) {
        LIST_FOREACH(s, &all->buckets[i], link)
        {
            out->producers += s->state != SENDER_PARKED ? 1 : 0;
            out->parked += s->state == SENDER_PARKED ? 1 : 0;
            TAILQ_FOREACH(e, &s->entries, link)
            {
                add_entry(out, e);
            }
            add_gathered(out, s);
        }
    }
}

uint32_t hulse_pulsar_senders_bucket(const char *topic)
{
    const uint64_t hash = hulse_hash_text(topic);
    return (uint32_t)(hash ^ hash >> 32U) & (PULSAR_SENDER_BUCKETS - 1);
}

void hulse_pulsar_senders_mark(struct pulsar_sender *s)
{
    struct pulsar_senders *all = s->all;

    if (s->dirty) {
        return;
    }
    s->dirty = true;
    TAILQ_INSERT_TAIL(&all->dirty, s, dirty_link);
    if (!hulse_timer_pending(&all->wake)) {
        hulse_timer_start(&all->pw->loop->timers, &all->wake, hulse_loop_now_ms(all->pw->loop));
    }
}

void hulse_pulsar_senders_flush(struct pulsar_senders *all)
{
    while (!TAILQ_EMPTY(&all->dirty)) {
        struct pulsar_sender *s = TAILQ_FIRST(&all->dirty);
        TAILQ_REMOVE(&all->dirty, s, dirty_link);
        s->dirty = false;
        hulse_pulsar_outbox_flush(s);
    }
    hulse_timer_stop(&all->pw->loop->timers, &all->wake);
    if (all->scratch_room > SCRATCH_KEPT_BYTES) {
        free_scratch(all);
    }
}

uint8_t *hulse_pulsar_senders_scratch(struct pulsar_senders *all, uint64_t bytes)
{
    if (bytes > UINT32_MAX) {
        return NULL;
    }
    if (all->scratch_room < bytes) {
        free_scratch(all);
        all->scratch = hulse_mem_alloc(HULSE_MEM_BROKER, (size_t)bytes);
        all->scratch_room = all->scratch != NULL ? (uint32_t)bytes : 0;
    }
    return all->scratch;
}

uint8_t *hulse_pulsar_senders_properties(struct pulsar_senders *all, uint32_t bytes)
{
    if (all->properties_room < bytes) {
        free_properties(all);
        all->properties = hulse_mem_alloc(HULSE_MEM_BROKER, bytes);
        all->properties_room = all->properties != NULL ? bytes : 0;
    }
    return all->properties;
}

static const char *daemon_name(const struct pulsar_senders *all)
{
    const char *name = all->pw->broker->params.daemon_name;
    return name != NULL ? name : "hulse";
}

void hulse_pulsar_senders_own_name(const struct pulsar_senders *all,
                                   const struct broker_producer_params *params,
                                   char out[PULSAR_SENDER_NAME_BYTES])
{
    char id[2 * BROKER_HANDLE_ID_BYTES + 1];

    for (size_t i = 0; i < BROKER_HANDLE_ID_BYTES; i++) {
        (void)snprintf(id + 2 * i, 3, "%02x", params->handle_id[i]);
    }
    (void)snprintf(out,
                   PULSAR_SENDER_NAME_BYTES,
                   "%.*s/%.*s/%s",
                   NAME_PART_MAX,
                   daemon_name(all),
                   NAME_PART_MAX,
                   params->name,
                   id);
}

void hulse_pulsar_senders_name(struct pulsar_senders *all, char out[PULSAR_SENDER_NAME_BYTES])
{
    const struct pulsar_broker *b = all->pw->broker;
    const struct worker *w = all->pw->worker;
    const uint64_t workers = w != NULL && w->params.worker_count > 0 ? w->params.worker_count : 1;
    const uint64_t index = w != NULL ? w->params.index : 0;
    char boot[2 * sizeof(b->boot_id) + 1];

    for (size_t i = 0; i < sizeof(b->boot_id); i++) {
        (void)snprintf(boot + 2 * i, 3, "%02x", b->boot_id[i]);
    }
    /* Workers take turns at the numbers. A name of the daemon that is too long loses its end. */
    (void)snprintf(out,
                   PULSAR_SENDER_NAME_BYTES,
                   "%.*s-%s-%" PRIu64,
                   NAME_PART_MAX,
                   daemon_name(all),
                   boot,
                   all->names_made * workers + index);
    all->names_made += 1;
}
