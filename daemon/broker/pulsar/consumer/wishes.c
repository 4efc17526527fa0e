/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wishes - see the header.
 */
#include "daemon/broker/pulsar/consumer/wishes.h"

#include "daemon/core/bytes.h"
#include "daemon/core/mem.h"
#include "daemon/table/topic_name.h"

#include <string.h>

#define PROPERTY_HEADER_BYTES 4U

/* KeyValues, and the pointers to them that protobuf-c wants. */
struct pairs {
    Pulsar__KeyValue **each;
    size_t count;
};

struct consumer_wishes {
    size_t bytes;
    int32_t priority;
    bool compacted;
    bool replicated;
    bool any_order;
    struct pairs properties;
    struct pairs of_subscription;
    Pulsar__IntRange **ranges;
    size_t range_count;
    uint64_t data[]; /* what is pointed to */
};

/* Behind what was taken before. Each size is a multiple of 8 but the last one's. */
struct room {
    uint8_t *at;
};

static void *take(struct room *r, size_t bytes)
{
    void *at = r->at;
    r->at += bytes;
    return at;
}

/* ---- judging ---- */

/* As brokers do (protocol 7.1), so that an application hears of it with the rule and at once. */
static hulse_status check_place(const struct broker_consumer_params *p, struct error *err)
{
    const struct broker_wishes *w = &p->wishes;
    const bool volatile_topic = !hulse_topic_keeps(p->topic);
    if (w->compacted && volatile_topic) {
        return hulse_fail(err, HULSE_INVAL, "a non-persistent topic keeps nothing to compact");
    }
    if (w->compacted && (p->type == BROKER_SHARED || p->type == BROKER_KEY_SHARED)) {
        return hulse_fail(err,
                          HULSE_INVAL,
                          "only a reader, or an exclusive or failover subscription, reads a topic "
                          "compacted");
    }
    if (w->replicated && (volatile_topic || p->type == BROKER_READER)) {
        return hulse_fail(
            err, HULSE_INVAL, "only a subscription of a persistent topic can be replicated");
    }
    if (w->any_order && p->type != BROKER_KEY_SHARED) {
        return hulse_fail(
            err, HULSE_INVAL, "only a key_shared consumer has an order of keys to give up");
    }
    /* Brokers take it from others too, and do nothing with it. */
    if (w->priority != 0 && p->type != BROKER_SHARED && p->type != BROKER_FAILOVER) {
        return hulse_fail(err,
                          HULSE_INVAL,
                          "only a consumer of a shared or failover subscription has a priority");
    }
    return HULSE_OK;
}

static hulse_status
check_ranges(const struct broker_wishes *p, enum broker_subscription type, struct error *err)
{
    if (p->key_range_count == 0) {
        return HULSE_OK;
    }
    if (type != BROKER_KEY_SHARED) {
        return hulse_fail(err, HULSE_INVAL, "only a key_shared consumer has ranges of keys");
    }
    if (p->key_range_count > PULSAR_KEY_RANGES_MAX) {
        return hulse_fail(
            err, HULSE_INVAL, "at most %u ranges of keys", (unsigned)PULSAR_KEY_RANGES_MAX);
    }
    for (uint32_t i = 0; i < p->key_range_count; i++) {
        const struct broker_key_range *a = &p->key_ranges[i];
        if (a->first > a->last) {
            return hulse_fail(err, HULSE_INVAL, "a range of keys ends before it begins");
        }
        for (uint32_t j = 0; j < i; j++) {
            const struct broker_key_range *b = &p->key_ranges[j];
            if (a->first <= b->last && b->first <= a->last) {
                return hulse_fail(err, HULSE_INVAL, "two ranges of keys overlap");
            }
        }
    }
    return HULSE_OK;
}

/* The next property of *left; false: it is none, and *left says so by what is left. */
static bool next(struct broker_span *left, struct broker_span *name, struct broker_span *value)
{
    if (left->bytes < PROPERTY_HEADER_BYTES) {
        return false;
    }
    const uint32_t name_bytes = hulse_get16(left->data);
    const uint32_t value_bytes = hulse_get16(left->data + 2);
    if (name_bytes + value_bytes > left->bytes - PROPERTY_HEADER_BYTES) {
        return false;
    }
    *name = (struct broker_span){left->data + PROPERTY_HEADER_BYTES, name_bytes};
    *value = (struct broker_span){name->data + name_bytes, value_bytes};
    left->data = value->data + value_bytes;
    left->bytes -= PROPERTY_HEADER_BYTES + name_bytes + value_bytes;
    return true;
}

static bool has_zero(struct broker_span s)
{
    return s.bytes > 0 && memchr(s.data, 0, s.bytes) != NULL;
}

static hulse_status count_pairs(struct broker_span encoded, size_t *count, struct error *err)
{
    struct broker_span name = {0};
    struct broker_span value = {0};
    *count = 0;
    if (encoded.bytes > PULSAR_WISHES_BYTES_MAX) {
        return hulse_fail(err, HULSE_TOOBIG, "the properties of a consumer are too large");
    }
    while (next(&encoded, &name, &value)) {
        if (name.bytes == 0 || has_zero(name) || has_zero(value)) {
            return hulse_fail(
                err, HULSE_INVAL, "a consumer's property without a name, or with a zero");
        }
        *count += 1;
    }
    return encoded.bytes == 0 ? HULSE_OK
                              : hulse_fail(err, HULSE_INVAL, "properties that end too early");
}

/* ---- keeping ---- */

static char *keep_text(struct room *r, struct broker_span s)
{
    char *text = take(r, (size_t)s.bytes + 1);
    if (s.bytes > 0) {
        memcpy(text, s.data, s.bytes);
    }
    text[s.bytes] = '\0';
    return text;
}

static void
keep_pairs(struct pairs *p, struct room *objects, struct room *texts, struct broker_span encoded)
{
    struct broker_span name = {0};
    struct broker_span value = {0};
    /* Pointers are what it needs. NOLINTNEXTLINE(bugprone-sizeof-expression) */
    p->each = take(objects, p->count * sizeof(*p->each));
    for (size_t i = 0; i < p->count && next(&encoded, &name, &value); i++) {
        p->each[i] = take(objects, sizeof(**p->each));
        pulsar__key_value__init(p->each[i]);
        p->each[i]->key = keep_text(texts, name);
        p->each[i]->value = keep_text(texts, value);
    }
}

static void keep_ranges(struct consumer_wishes *w, struct room *r, const struct broker_wishes *p)
{
    w->ranges = take(r, w->range_count * sizeof(Pulsar__IntRange *));
    for (size_t i = 0; i < w->range_count; i++) {
        w->ranges[i] = take(r, sizeof(Pulsar__IntRange));
        pulsar__int_range__init(w->ranges[i]);
        w->ranges[i]->start = p->key_ranges[i].first;
        w->ranges[i]->end = p->key_ranges[i].last;
    }
}

static bool has_any(const struct broker_wishes *w)
{
    return w->compacted || w->replicated || w->any_order || w->priority != 0 ||
           w->key_range_count != 0 || w->properties.bytes != 0 ||
           w->subscription_properties.bytes != 0;
}

hulse_status hulse_wishes_create(struct consumer_wishes **out,
                                 const struct broker_consumer_params *whole,
                                 struct error *err)
{
    const struct broker_wishes *params = &whole->wishes;
    size_t own = 0;
    size_t of_subscription = 0;
    *out = NULL;
    hulse_status st = check_place(whole, err);
    st = st == HULSE_OK ? check_ranges(params, whole->type, err) : st;
    st = st == HULSE_OK ? count_pairs(params->properties, &own, err) : st;
    st = st == HULSE_OK ? count_pairs(params->subscription_properties, &of_subscription, err) : st;
    if (st != HULSE_OK || !has_any(params)) {
        return st;
    }
    const size_t objects =
        params->key_range_count * (sizeof(Pulsar__IntRange) + sizeof(Pulsar__IntRange *)) +
        (own + of_subscription) * (sizeof(Pulsar__KeyValue) + sizeof(Pulsar__KeyValue *));
    /* Two terminators for each header of four bytes. */
    const size_t texts = (size_t)params->properties.bytes + params->subscription_properties.bytes;
    const size_t bytes = sizeof(struct consumer_wishes) + objects + texts;
    struct consumer_wishes *w = hulse_mem_zalloc(HULSE_MEM_TOPIC, bytes);
    if (w == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for a consumer");
    }
    struct room object_room = {(uint8_t *)w->data};
    struct room text_room = {(uint8_t *)w->data + objects};
    w->bytes = bytes;
    w->priority = params->priority;
    w->compacted = params->compacted;
    w->replicated = params->replicated;
    w->any_order = params->any_order;
    w->range_count = params->key_range_count;
    w->properties.count = own;
    w->of_subscription.count = of_subscription;
    keep_ranges(w, &object_room, params);
    keep_pairs(&w->properties, &object_room, &text_room, params->properties);
    keep_pairs(&w->of_subscription, &object_room, &text_room, params->subscription_properties);
    *out = w;
    return HULSE_OK;
}

void hulse_wishes_destroy(struct consumer_wishes **wishes)
{
    struct consumer_wishes *w = *wishes;
    *wishes = NULL;
    if (w != NULL) {
        hulse_mem_free(HULSE_MEM_TOPIC, w, w->bytes);
    }
}

void hulse_wishes_put(struct consumer_wishes *w, Pulsar__CommandSubscribe *s)
{
    if (w == NULL) {
        return;
    }
    s->has_priority_level = w->priority != 0;
    s->priority_level = w->priority;
    s->has_read_compacted = w->compacted;
    s->read_compacted = w->compacted;
    s->has_replicate_subscription_state = w->replicated;
    s->replicate_subscription_state = w->replicated;
    s->metadata = w->properties.each;
    s->n_metadata = w->properties.count;
    s->subscription_properties = w->of_subscription.each;
    s->n_subscription_properties = w->of_subscription.count;
    if (s->keysharedmeta != NULL) {
        s->keysharedmeta->has_allowoutoforderdelivery = w->any_order;
        s->keysharedmeta->allowoutoforderdelivery = w->any_order;
    }
    if (w->range_count > 0 && s->keysharedmeta != NULL) {
        s->keysharedmeta->keysharedmode = PULSAR__KEY_SHARED_MODE__STICKY;
        s->keysharedmeta->hashranges = w->ranges;
        s->keysharedmeta->n_hashranges = w->range_count;
    }
}
