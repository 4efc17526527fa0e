/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partitions - see the header.
 */
#include "daemon/broker/pulsar/producer/partitions.h"

#include "daemon/broker/pulsar/producer/branch.h"
#include "daemon/broker/pulsar/producer/senders.h"
#include "daemon/broker/pulsar/wire/key.h"
#include "daemon/core/assert.h"
#include "daemon/core/hash.h"
#include "daemon/core/mem.h"
#include "include/hulse/status.h"

#include <stdio.h>
#include <string.h>

/* Of official clients: how many delays of a batch a partition is the one. */
#define DELAYS_IN_WINDOW 10U

/* ---- opening ---- */

void hulse_pulsar_partitions_refuse(struct pulsar_partitions *parts,
                                    hulse_status status,
                                    const char *text)
{
    struct pulsar_producer *p = parts->producer;
    char why[BROKER_TEXT_BYTES];

    (void)snprintf(why, sizeof(why), "%s", text);
    LIST_REMOVE(p, link);
    hulse_pulsar_partitions_end(p);
    p->base.events->opened(p->base.ctx, status, why, NULL);
    p->closed = true;
    hulse_pulsar_handle_pin(p);
    (void)hulse_pulsar_handle_unpin(p); /* the end, unless somebody is in it */
}

static void open_all(struct pulsar_partitions *parts)
{
    struct pulsar_producer *p = parts->producer;
    struct error err = {0};

    parts->opening = parts->count;
    for (uint32_t i = 0; i < parts->count && !p->closed; i++) {
        if (!hulse_pulsar_branch_open(parts, i, false, &err)) {
            hulse_pulsar_partitions_refuse(parts, err.status, err.text);
        }
    }
}

void hulse_pulsar_partitions_opened(struct pulsar_partitions *parts)
{
    struct pulsar_producer *p = parts->producer;

    parts->opening -= 1;
    if (parts->opening == 0) {
        const struct broker_limits limits = {.message_bytes_max = parts->message_bytes_max,
                                             .routing = {.mode = parts->router.mode,
                                                         .hashing = parts->router.hash,
                                                         .stride = parts->router.stride,
                                                         .partitions = parts->count}};
        p->opened = true;
        p->base.events->opened(p->base.ctx, HULSE_OK, "", &limits);
    }
}

static size_t table_bytes(uint32_t count)
{
    return (size_t)count * sizeof(void *);
}

/* Room for that many. False: no memory. */
static bool make_room(struct pulsar_partitions *parts, uint32_t count)
{
    struct pulsar_branch **branches = hulse_mem_zalloc(HULSE_MEM_TOPIC, table_bytes(count));

    if (branches == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < parts->count; i++) {
        branches[i] = parts->branches[i];
    }
    hulse_mem_free(HULSE_MEM_TOPIC, (void *)parts->branches, table_bytes(parts->count));
    parts->branches = branches;
    parts->count = count;
    return true;
}

static void grown(struct pulsar_watch *watch, uint32_t partitions)
{
    struct pulsar_partitions *parts = HULSE_CONTAINER(watch, struct pulsar_partitions, watch);

    /* Without memory it stays as it is, until there are more again. */
    if (partitions <= PULSAR_PARTITIONS_MAX) {
        (void)make_room(parts, partitions);
    }
}

static struct router
router_of(struct pulsar_senders *all, const struct broker_producer_params *params, uint32_t count)
{
    const struct broker_span name = {.data = (const uint8_t *)params->name,
                                     .bytes = (uint32_t)strlen(params->name)};
    const bool own = hulse_pulsar_is_own(params);
    struct router r = {.mode = params->routing.mode,
                       .hash = params->routing.hashing,
                       .start = (uint32_t)(hulse_jitter_next(&all->pw->jitter) % count)};

    if (own) {
        r.stride =
            params->routing.stride != 0 ? params->routing.stride : params->gathering.batch_max;
        r.start = hulse_key_hash(BROKER_HASH_MURMUR3, name) % count;
    }
    if (params->gathering.batch_max > 1) {
        r.window_ms = params->gathering.batch_delay_ms * DELAYS_IN_WINDOW;
    }
    return r;
}

/* An own one keeps to what it had, as long as those are there. */
static uint32_t count_of(const struct broker_producer_params *params, uint32_t found)
{
    const uint32_t had = hulse_pulsar_is_own(params) ? params->routing.partitions : 0;
    return had != 0 && had < found ? had : found;
}

/* NULL: no memory. */
static struct pulsar_partitions *create(struct pulsar_senders *all,
                                        struct pulsar_producer *p,
                                        const struct broker_producer_params *params,
                                        uint32_t count)
{
    const size_t topic_bytes = strlen(params->topic) + 1;
    const size_t name_bytes = strlen(params->name) + 1;
    const char *initial = params->initial_subscription != NULL ? params->initial_subscription : "";
    const size_t initial_bytes = strlen(initial) + 1;
    const size_t bytes =
        sizeof(struct pulsar_partitions) + topic_bytes + name_bytes + initial_bytes;
    struct pulsar_partitions *parts = hulse_mem_zalloc(HULSE_MEM_TOPIC, bytes);

    if (parts == NULL) {
        return NULL;
    }
    parts->bytes = bytes;
    parts->producer = p;
    parts->all = all;
    parts->own = params->own;
    parts->access = params->access;
    parts->gathering = params->gathering;
    parts->message_bytes_max = UINT32_MAX;
    parts->router = router_of(all, params, count);
    parts->watch.grown = grown;
    memcpy(parts->topic, params->topic, topic_bytes);
    memcpy(parts->topic + topic_bytes, params->name, name_bytes);
    parts->name = parts->topic + topic_bytes;
    memcpy(parts->topic + topic_bytes + name_bytes, initial, initial_bytes);
    parts->initial_subscription = parts->topic + topic_bytes + name_bytes;
    if (params->schema != NULL) {
        parts->schema = hulse_payload_schema_take(&all->schemas, params->schema);
    }
    if ((params->schema != NULL && parts->schema == NULL) || !make_room(parts, count)) {
        hulse_pulsar_partitions_destroy(&parts);
    }
    return parts;
}

static void refuse(struct pulsar_producer *p, hulse_status status, const char *text)
{
    p->base.events->opened(p->base.ctx, status, text, NULL);
    hulse_pulsar_handle_destroy(p);
}

/* Those that are to be there before anything is sent. */
static void open_first(struct pulsar_partitions *parts)
{
    struct error err = {0};

    if (parts->access != BROKER_ACCESS_SHARED) {
        open_all(parts);
        return;
    }
    parts->opening = 1;
    if (!hulse_pulsar_branch_open(parts, parts->router.start % parts->count, false, &err)) {
        hulse_pulsar_partitions_refuse(parts, err.status, err.text);
    }
}

void hulse_pulsar_partitions_begin(struct pulsar_senders *all,
                                   struct pulsar_producer *p,
                                   const struct broker_producer_params *params,
                                   const struct pulsar_lookup_result *found)
{
    char text[BROKER_TEXT_BYTES];

    if (found->partitions > PULSAR_PARTITIONS_MAX) {
        (void)snprintf(text,
                       sizeof(text),
                       "topic %.110s has %u partitions; the most are %u",
                       params->topic,
                       found->partitions,
                       PULSAR_PARTITIONS_MAX);
        refuse(p, HULSE_UNSUPPORTED, text);
        return;
    }
    p->parts = create(all, p, params, count_of(params, found->partitions));
    if (p->parts == NULL) {
        refuse(p, HULSE_NO_MEMORY, "no memory for the partitions of a topic");
        return;
    }
    LIST_INSERT_HEAD(&all->parted, p, link);
    if (!hulse_pulsar_is_own(params)) {
        hulse_pulsar_watch_start(all->pw, &p->parts->watch, p->parts->topic, params->create, found);
    }
    hulse_pulsar_handle_pin(p);
    open_first(p->parts);
    (void)hulse_pulsar_handle_unpin(p);
}

/* ---- records ---- */

static void answer_failed(struct pulsar_producer *p,
                          const struct broker_record *r,
                          enum broker_class class,
                          uint8_t outcome)
{
    const struct broker_answer answer = {.class = class, .outcome = outcome};
    p->base.events->answered(p->base.ctx, r->token, &answer);
}

/* The key as it goes with the message, which is what official clients hash. False: no memory. */
static bool
key_text(struct pulsar_partitions *parts, const struct broker_meta *meta, struct broker_span *out)
{
    *out = meta->key;
    if (!meta->has_key || hulse_wire_key_form(true, meta->key) == WIRE_KEY_TEXT) {
        return true;
    }
    const uint64_t bytes = hulse_wire_key_bytes(WIRE_KEY_BYTES, meta->key);
    uint8_t *text = hulse_pulsar_senders_scratch(parts->all, bytes);
    if (text == NULL) {
        return false;
    }
    hulse_wire_key_encode(text, meta->key);
    *out = (struct broker_span){.data = text, .bytes = (uint32_t)bytes};
    return true;
}

/* The number of its partition. False: no memory to find it. */
static bool choose(struct pulsar_partitions *parts, const struct broker_record *r, uint32_t *index)
{
    struct router_record way = {
        .partition = -1, .seq = r->seq, .now_ms = hulse_loop_now_ms(parts->all->pw->loop)};

    if (r->meta != NULL) {
        way.partition = r->meta->partition;
        way.has_key = r->meta->has_key;
        if (!key_text(parts, r->meta, &way.key)) {
            return false;
        }
    }
    *index = hulse_router_choose(&parts->router, &way, parts->count);
    return true;
}

/* NULL: no memory. */
static struct pulsar_branch *branch_at(struct pulsar_partitions *parts, uint32_t index)
{
    if (parts->branches[index] == NULL) {
        (void)hulse_pulsar_branch_open(parts, index, true, NULL);
    }
    return parts->branches[index];
}

static bool send_to(struct pulsar_branch *b, const struct broker_record *r)
{
    struct pulsar_producer *p = b->of->producer;

    hulse_pulsar_handle_pin(p);
    p->unanswered += 1;
    const bool taken = hulse_pulsar_producer_send(b->inner, r); /* it may be answered */
    if (!hulse_pulsar_handle_unpin(p)) {
        return true;
    }
    if (__builtin_expect(taken, 1)) {
        hulse_pulsar_branch_count(b);
        p->base.busy = p->pending >= p->pending_bytes ||
                       (p->pending_max != 0 && p->unanswered >= p->pending_max);
    } else {
        p->unanswered -= 1;
        p->base.busy = true; /* `freed` of the branch comes */
    }
    return taken;
}

bool hulse_pulsar_partitions_send(struct pulsar_producer *p, const struct broker_record *r)
{
    struct pulsar_partitions *parts = p->parts;
    uint32_t index = 0;

    if (__builtin_expect(parts->failure.class != BROKER_DONE, 0)) {
        answer_failed(p, r, parts->failure.class, parts->failure.outcome);
        return true;
    }
    if (!choose(parts, r, &index)) {
        hulse_pulsar_senders_starve(parts->all, p);
        return false;
    }
    if (index == ROUTER_NONE) {
        answer_failed(p, r, BROKER_FAIL, HULSE_OUTCOME_UNSUPPORTED); /* it names none */
        return true;
    }
    struct pulsar_branch *b = branch_at(parts, index);
    if (b == NULL) {
        hulse_pulsar_senders_starve(parts->all, p);
        return false;
    }
    return send_to(b, r);
}

void hulse_pulsar_partitions_flush(struct pulsar_producer *p)
{
    struct pulsar_partitions *parts = p->parts;

    p->flushing = true;
    for (uint32_t i = 0; i < parts->count; i++) {
        struct pulsar_branch *b = parts->branches[i];
        if (b != NULL && b->inner != NULL && hulse_pulsar_branch_inner(b)->unanswered > 0) {
            parts->flushing += 1;
            (void)hulse_pulsar_producer_flush(b->inner, NULL);
        }
    }
    HULSE_ASSERT(parts->flushing > 0); /* what is unanswered is of a branch */
}

/* ---- the end ---- */

void hulse_pulsar_partitions_end(struct pulsar_producer *p)
{
    struct pulsar_partitions *parts = p->parts;

    hulse_pulsar_watch_stop(&parts->watch);
    for (uint32_t i = 0; i < parts->count; i++) {
        if (parts->branches[i] != NULL) {
            hulse_pulsar_branch_close(parts->branches[i]);
        }
    }
    p->unanswered = 0; /* nobody hears of them any more */
    p->pending = 0;
}

void hulse_pulsar_partitions_destroy(struct pulsar_partitions **parts)
{
    struct pulsar_partitions *all = *parts;

    if (all == NULL) {
        return;
    }
    for (uint32_t i = 0; i < all->count; i++) {
        if (all->branches[i] != NULL) {
            hulse_pulsar_branch_destroy(&all->branches[i]);
        }
    }
    hulse_payload_schema_give(&all->schema);
    hulse_mem_free(HULSE_MEM_TOPIC, (void *)all->branches, table_bytes(all->count));
    hulse_mem_free(HULSE_MEM_TOPIC, all, all->bytes);
    *parts = NULL;
}
