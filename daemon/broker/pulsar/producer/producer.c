/* SPDX-License-Identifier: Apache-2.0 */
/*
 * producer - see the header: finds or makes the sender of a producer, and passes on.
 */
#include "daemon/broker/pulsar/producer/producer.h"

#include "daemon/broker/pulsar/producer/partitions.h"
#include "daemon/broker/pulsar/producer/senders.h"
#include "daemon/core/mem.h"
#include "daemon/table/topic_name.h"
#include "include/hulse/status.h"

#include <string.h>

#define BATCH_RECORDS 1000U
#define BATCH_BYTES (128U * 1024U)
#define BATCH_DELAY_MS 1U
#define EAGER_BATCHES 4U
#define PENDING_BYTES (UINT64_C(8) << 20U)
/* A batch's size is said in 16 bits where ids are told. */
#define BATCH_RECORDS_MAX UINT16_MAX
/* Deadlines in one entry: within this part of the timeout, at least that. */
#define SPREAD_PART 64U
#define SPREAD_MS_MIN UINT64_C(8)
#define NS_PER_MS UINT64_C(1000000)

static struct pulsar_producer *producer_of(struct broker_producer *p)
{
    return (struct pulsar_producer *)(void *)p;
}

static struct broker_gathering gathering_of(const struct broker_producer_params *params)
{
    struct broker_gathering g = params->gathering;

    g.batch_max = g.batch_max == 0 ? BATCH_RECORDS : g.batch_max;
    g.batch_max = g.batch_max > BATCH_RECORDS_MAX ? BATCH_RECORDS_MAX : g.batch_max;
    g.batch_bytes = g.batch_bytes == 0 ? BATCH_BYTES : g.batch_bytes;
    g.batch_delay_ms = g.batch_delay_ms == 0 ? BATCH_DELAY_MS : g.batch_delay_ms;
    g.eager_max = g.eager_max == 0 ? EAGER_BATCHES : g.eager_max;
    g.pending_bytes = g.pending_bytes == 0 ? PENDING_BYTES : g.pending_bytes;
    return g;
}

static const char *initial_of(const struct broker_producer_params *params)
{
    return params->initial_subscription != NULL ? params->initial_subscription : "";
}

/* What is gathered together must be gathered alike. */
static bool gathers_alike(const struct broker_gathering *a, const struct broker_gathering *b)
{
    return a->compression == b->compression && a->batch_max == b->batch_max &&
           a->batch_bytes == b->batch_bytes && a->batch_delay_ms == b->batch_delay_ms &&
           a->eager_max == b->eager_max && a->by_key == b->by_key && a->chunking == b->chunking &&
           a->send_timeout_ms == b->send_timeout_ms;
}

/* The shared one that such a producer may use; NULL: there is none. */
static struct pulsar_sender *find_shared(struct pulsar_senders *all,
                                         const struct broker_producer_params *params,
                                         const struct broker_gathering *g)
{
    struct pulsar_sender *s = NULL;

    LIST_FOREACH(s, &all->buckets[hulse_pulsar_senders_bucket(params->topic)], link)
    {
        if (!s->own && s->create == params->create && gathers_alike(&s->gathering, g) &&
            strcmp(s->initial_subscription, initial_of(params)) == 0 &&
            hulse_payload_schema_is(s->schema, params->schema) &&
            strcmp(s->topic, params->topic) == 0) {
            return s;
        }
    }
    return NULL;
}

/* One of that name, to that topic. */
static struct pulsar_sender *
find_named(struct pulsar_senders *all, const char *topic, const char *name)
{
    struct pulsar_sender *s = NULL;

    LIST_FOREACH(s, &all->buckets[hulse_pulsar_senders_bucket(topic)], link)
    {
        if (s->named && strcmp(s->topic, topic) == 0 && strcmp(s->name, name) == 0) {
            return s;
        }
    }
    return NULL;
}

static uint64_t spread_ns(const struct broker_gathering *g)
{
    const uint64_t part_ms = g->send_timeout_ms / SPREAD_PART;
    return (part_ms > SPREAD_MS_MIN ? part_ms : SPREAD_MS_MIN) * NS_PER_MS;
}

/* NULL: no memory. */
static struct pulsar_sender *create(struct pulsar_senders *all,
                                    const struct broker_producer_params *params,
                                    const struct broker_gathering *g)
{
    const uint32_t only_topic = (uint32_t)strlen(params->topic) + 1;
    const uint32_t topic_bytes = only_topic + (uint32_t)strlen(initial_of(params)) + 1;
    struct pulsar_sender *s = hulse_mem_zalloc(HULSE_MEM_TOPIC, sizeof(*s) + topic_bytes);

    if (s == NULL) {
        return NULL;
    }
    if (params->schema != NULL) {
        s->schema = hulse_payload_schema_take(&all->schemas, params->schema);
    }
    if (g->by_key) {
        s->by_key = hulse_pulsar_by_key_create();
    }
    if ((params->schema != NULL && s->schema == NULL) || (g->by_key && s->by_key == NULL)) {
        hulse_pulsar_by_key_destroy(&s->by_key);
        hulse_payload_schema_give(&s->schema);
        hulse_mem_free(HULSE_MEM_TOPIC, s, sizeof(*s) + topic_bytes);
        return NULL;
    }
    s->all = all;
    s->gathering = *g;
    s->spread_ns = spread_ns(g);
    s->own = hulse_pulsar_is_own(params);
    s->named = s->own && params->name[0] != '\0';
    /* A broker sends the chunks of a topic that keeps none to whomever, as it likes (5.9). */
    s->chunks = g->chunking && hulse_topic_keeps(params->topic);
    s->create = params->create;
    s->access = params->access;
    s->sequence = -1;
    s->floor = -1;
    s->state = SENDER_WAITING;
    s->topic_bytes = topic_bytes;
    memcpy(s->topic, params->topic, only_topic);
    memcpy(s->topic + only_topic, initial_of(params), topic_bytes - only_topic);
    s->initial_subscription = s->topic + only_topic;
    TAILQ_INIT(&s->entries);
    TAILQ_INIT(&s->kept);
    TAILQ_INIT(&s->leaving);
    if (s->named) {
        memcpy(s->name, params->name, strlen(params->name) + 1);
    } else {
        hulse_pulsar_senders_name(all, s->name);
    }
    s->name_bytes = (uint32_t)strlen(s->name);
    LIST_INSERT_HEAD(&all->buckets[hulse_pulsar_senders_bucket(s->topic)], s, link);
    return s;
}

/* NULL: none, *err says why. *fresh: it is to be started. */
static struct pulsar_sender *sender_for(struct pulsar_senders *all,
                                        const struct broker_producer_params *params,
                                        const struct broker_gathering *g,
                                        bool *fresh,
                                        struct error *err)
{
    const bool named = hulse_pulsar_is_own(params) && params->name[0] != '\0';
    struct pulsar_sender *before = NULL;

    *fresh = false;
    if (!hulse_pulsar_is_own(params)) {
        struct pulsar_sender *shared = find_shared(all, params, g);
        if (shared != NULL) {
            return shared;
        }
    } else if (strlen(params->name) >= PULSAR_SENDER_NAME_BYTES) {
        (void)hulse_fail(err, HULSE_INVAL, "the producer's name is too long");
        return NULL;
    } else if (named) {
        before = find_named(all, params->topic, params->name);
    }
    if (before != NULL && params->access != BROKER_ACCESS_TAKE &&
        (!LIST_EMPTY(&before->producers) || !LIST_EMPTY(&before->waiting))) {
        (void)hulse_fail(err, HULSE_BUSY, "producer %.100s is open already", params->name);
        return NULL;
    }
    struct pulsar_sender *s = create(all, params, g);
    if (s == NULL) {
        (void)hulse_fail(err, HULSE_NO_MEMORY, "no memory for a producer");
        return NULL;
    }
    if (before != NULL && params->access != BROKER_ACCESS_TAKE) {
        s->state = SENDER_HELD;
    }
    *fresh = true;
    return s;
}

hulse_status hulse_pulsar_handle_open(struct pulsar_senders *all,
                                      const struct broker_producer_params *params,
                                      uint32_t bytes_max,
                                      struct broker_producer **out,
                                      struct error *err)
{
    const struct broker_gathering g = gathering_of(params);
    struct pulsar_producer *p = hulse_mem_zalloc(HULSE_MEM_TOPIC, sizeof(*p));
    bool fresh = false;

    if (p == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for a producer");
    }
    struct pulsar_sender *s = sender_for(all, params, &g, &fresh, err);
    if (s == NULL) {
        hulse_pulsar_handle_destroy(p);
        return err != NULL ? err->status : HULSE_NO_MEMORY;
    }
    p->base = (struct broker_producer){
        .ops = all->pw->broker->base.ops, .events = params->events, .ctx = params->ctx};
    p->routing = params->routing;
    p->pending_bytes = g.pending_bytes;
    p->pending_max = g.pending_max;
    *out = &p->base;
    hulse_pulsar_sender_join(s, p, bytes_max); /* which may close it */
    if (fresh) {
        hulse_pulsar_sender_start(s);
    }
    return HULSE_OK;
}

/* Its name is one of its own then, which comes again with the id alone. */
static bool has_id(const struct broker_producer_params *params)
{
    static const uint8_t none[BROKER_HANDLE_ID_BYTES];
    return memcmp(params->handle_id, none, sizeof(none)) != 0;
}

hulse_status hulse_pulsar_producer_open(struct broker *b,
                                        struct worker *w,
                                        const struct broker_producer_params *params,
                                        struct broker_producer **out,
                                        struct error *err)
{
    struct pulsar_senders *all = hulse_pulsar_worker(b, w)->senders;
    struct broker_producer_params named = *params;
    char name[PULSAR_SENDER_NAME_BYTES];

    if (hulse_pulsar_is_own(params) && has_id(params)) {
        hulse_pulsar_senders_own_name(all, params, name);
        named.name = name;
    }
    return hulse_pulsar_handle_open(all, &named, 0, out, err);
}

bool hulse_pulsar_producer_send(struct broker_producer *producer, const struct broker_record *r)
{
    struct pulsar_producer *p = producer_of(producer);
    struct pulsar_sender *s = p->sender;

    if (s == NULL) {
        return hulse_pulsar_partitions_send(p, r);
    }
    if (__builtin_expect(s->state == SENDER_DEAD, 0)) {
        const struct broker_answer answer = {.class = s->failure.class,
                                             .outcome = s->failure.outcome};
        producer->events->answered(producer->ctx, r->token, &answer);
        return true;
    }
    return hulse_pulsar_gather(s, p, r);
}

hulse_status hulse_pulsar_producer_flush(struct broker_producer *producer, struct error *err)
{
    struct pulsar_producer *p = producer_of(producer);

    if (p->flushing) {
        return hulse_fail(err, HULSE_BUSY, "the last flush is not done");
    }
    if (p->unanswered == 0) {
        producer->events->flushed(producer->ctx);
        return HULSE_OK;
    }
    if (p->parts != NULL) {
        hulse_pulsar_partitions_flush(p);
        return HULSE_OK;
    }
    p->flushing = true;
    p->flush_left = p->unanswered;
    p->round += 1;
    p->sender->push = true;
    hulse_pulsar_senders_mark(p->sender);
    return HULSE_OK;
}

/* What was sent is sent to its end, and remembered by nobody: brokers know a name by themselves. */
void hulse_pulsar_producer_close(struct broker_producer *producer, bool forget)
{
    struct pulsar_producer *p = producer_of(producer);
    struct pulsar_sender *s = p->sender;

    (void)forget;
    LIST_REMOVE(p, link);
    if (p->parts != NULL) {
        hulse_pulsar_partitions_end(p);
    }
    hulse_pulsar_handle_close(p);
    if (s != NULL) {
        hulse_pulsar_sender_check(s);
    }
}
