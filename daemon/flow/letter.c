/* SPDX-License-Identifier: Apache-2.0 */
/*
 * letter - see the header.
 */
#include "daemon/flow/letter.h"

#include "daemon/core/assert.h"
#include "daemon/core/bytes.h"
#include "daemon/core/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HEADER_BYTES 4U /* of a property: two lengths */
#define OWN_MAX 12U
#define NUMBER_BYTES 24U
#define ID_BYTES 80U
#define DETAIL_BYTES_MAX 300U /* a reason of the library's, with its code */

static const char retries_name[] = "RECONSUMETIMES";
static const char *const causes[LETTER_CAUSES] = {
    [LETTER_REJECTED] = "rejected",
    [LETTER_REFUSED] = "refused",
    [LETTER_TIMED_OUT] = "timed out",
    [LETTER_DIED] = "application ended",
    [LETTER_RETRIED] = "retried",
};

struct property {
    const char *name;
    const char *value;
    bool replaces; /* one of the message's own with that name */
};

/* What is added to a message, and the texts of it that are made here. */
struct added {
    struct property all[OWN_MAX];
    uint32_t count;
    char id[ID_BYTES];
    char now[NUMBER_BYTES];
    char attempts[NUMBER_BYTES];
    char retries[NUMBER_BYTES];
    char delay[NUMBER_BYTES];
    char detail[DETAIL_BYTES_MAX];
};

static void add(struct added *a, const char *name, const char *value, bool replaces)
{
    HULSE_ASSERT(a->count < OWN_MAX);
    a->all[a->count++] = (struct property){.name = name, .value = value, .replaces = replaces};
}

/* As Java writes it: -1 where there are no partitions, and the place in a batch of one. */
static void print_id(char out[ID_BYTES], const struct broker_delivery *d)
{
    const int partition = d->partitioned ? (int)d->id.partition : -1;
    const int used =
        snprintf(out, ID_BYTES, "%" PRIu64 ":%" PRIu64 ":%d", d->id.ledger, d->id.entry, partition);

    if (d->id.batch >= 0) {
        (void)snprintf(out + used, ID_BYTES - (size_t)used, ":%" PRId32, d->id.batch);
    }
}

static void print_detail(char out[DETAIL_BYTES_MAX], const struct letter_reason *why)
{
    const int bytes =
        (int)(why->detail.bytes < DETAIL_BYTES_MAX ? why->detail.bytes : DETAIL_BYTES_MAX - 1);
    const char *text = why->detail.bytes == 0 ? "" : (const char *)why->detail.data;

    if (why->code != 0) {
        (void)snprintf(out,
                       DETAIL_BYTES_MAX,
                       "%u%s%.*s",
                       (unsigned)why->code,
                       bytes > 0 ? ": " : "",
                       bytes,
                       text);
    } else {
        (void)snprintf(out, DETAIL_BYTES_MAX, "%.*s", bytes, text);
    }
}

/* Names and values of a message's properties, one after another; false: no more. */
struct scan {
    const uint8_t *at;
    const uint8_t *end;
};

static bool next(struct scan *s, struct broker_span *whole, struct broker_span *name)
{
    if ((size_t)(s->end - s->at) < HEADER_BYTES) {
        return false;
    }
    const uint32_t name_bytes = hulse_get16(s->at);
    const uint32_t bytes = HEADER_BYTES + name_bytes + hulse_get16(s->at + 2);
    HULSE_ASSERT(bytes <= (size_t)(s->end - s->at));
    *whole = (struct broker_span){.data = s->at, .bytes = bytes};
    *name = (struct broker_span){.data = s->at + HEADER_BYTES, .bytes = name_bytes};
    s->at += bytes;
    return true;
}

static bool is_named(struct broker_span name, const char *text)
{
    return name.bytes == strlen(text) && memcmp(name.data, text, name.bytes) == 0;
}

/* Digits alone; false: none, or out of range. */
static bool read_retries(const uint8_t *text, uint32_t bytes, uint32_t *out)
{
    uint32_t value = 0;

    for (uint32_t i = 0; i < bytes; i++) {
        const uint32_t digit = (uint32_t)text[i] - '0';
        if (digit > 9 || value > (HULSE_RETRIES_MAX - digit) / 10) {
            return false;
        }
        value = 10 * value + digit;
    }
    *out = value;
    return bytes > 0;
}

uint32_t hulse_letter_retries(struct broker_span properties)
{
    struct scan s = {.at = properties.data, .end = properties.data + properties.bytes};
    struct broker_span whole;
    struct broker_span name;
    uint32_t retries = 0;

    while (properties.bytes > 0 && next(&s, &whole, &name)) {
        const uint32_t before = HEADER_BYTES + name.bytes;
        if (is_named(name, retries_name) &&
            !read_retries(whole.data + before, whole.bytes - before, &retries)) {
            retries = 0;
        }
    }
    return retries; /* the last one counts, as in Java's map */
}

/* As Java's clients do it. */
static void add_retry(struct added *a, const struct broker_delivery *d, uint32_t delay_ms)
{
    (void)snprintf(
        a->retries, sizeof(a->retries), "%" PRIu32, hulse_letter_retries(d->meta.properties) + 1);
    (void)snprintf(a->delay, sizeof(a->delay), "%" PRIu32, delay_ms);
    add(a, retries_name, a->retries, true);
    add(a, "DELAY_TIME", a->delay, true);
}

/* Empty ones are written too: what an earlier failure left is not this one's. */
static void add_failure(struct added *a,
                        const struct broker_delivery *d,
                        const struct letter_source *from,
                        const struct letter_reason *why)
{
    print_detail(a->detail, why);
    (void)snprintf(a->now, sizeof(a->now), "%" PRIu64, from->now_ms);
    (void)snprintf(a->attempts, sizeof(a->attempts), "%" PRIu64, (uint64_t)d->redelivery + 1);
    add(a, "hulse-first-failure", a->now, false);
    add(a, "hulse-reason", causes[why->cause], true);
    add(a, "hulse-detail", a->detail, true);
    add(a, "hulse-attempts", a->attempts, true);
    add(a, "hulse-host", from->host, true);
    add(a, "hulse-app", from->app, true);
}

static void gather(struct added *a,
                   const struct broker_delivery *d,
                   const struct letter_source *from,
                   const struct letter_reason *why)
{
    a->count = 0;
    print_id(a->id, d);
    add(a, "REAL_TOPIC", from->topic, false);
    add(a, "REAL_SUBSCRIPTION", from->subscription, false);
    add(a, "ORIGIN_MESSAGE_ID", a->id, false);
    add(a, "ORIGIN_MESSAGE_IDY_TIME", a->id, false);
    if (why->cause == LETTER_RETRIED) {
        add_retry(a, d, why->delay_ms);
    }
    if (why->kind == LETTER_DEAD) {
        add_failure(a, d, from, why);
    }
}

/* It would end a dead letter before anybody has looked at it; of a retry it is written anew. */
static bool is_expiry(struct broker_span name)
{
    return is_named(name, "hulse-expires-ms");
}

static uint32_t index_of(const struct added *a, struct broker_span name)
{
    uint32_t i = 0;

    while (i < a->count && !is_named(name, a->all[i].name)) {
        i += 1;
    }
    return i;
}

static uint32_t added_bytes(const struct added *a)
{
    uint32_t bytes = 0;

    for (uint32_t i = 0; i < a->count; i++) {
        bytes += HEADER_BYTES + (uint32_t)(strlen(a->all[i].name) + strlen(a->all[i].value));
    }
    return bytes;
}

static uint8_t *put(uint8_t *at, const struct property *p)
{
    const size_t name_bytes = strlen(p->name);
    const size_t value_bytes = strlen(p->value);

    hulse_put16(at, (uint16_t)name_bytes);
    hulse_put16(at + 2, (uint16_t)value_bytes);
    memcpy(at + HEADER_BYTES, p->name, name_bytes);
    memcpy(at + HEADER_BYTES + name_bytes, p->value, value_bytes);
    return at + HEADER_BYTES + name_bytes + value_bytes;
}

/* The message's own, but for those that are replaced or of its time to live, then what is added and not there. */
static uint32_t merge(uint8_t *out, struct broker_span own, const struct added *a)
{
    bool there[OWN_MAX] = {false};
    struct scan s = {.at = own.data, .end = own.data + own.bytes};
    struct broker_span whole;
    struct broker_span name;
    uint8_t *at = out;

    while (own.bytes > 0 && next(&s, &whole, &name)) {
        const uint32_t same = index_of(a, name);
        if ((same < a->count && a->all[same].replaces) || is_expiry(name)) {
            continue;
        }
        if (same < a->count) {
            there[same] = true;
        }
        memcpy(at, whole.data, whole.bytes);
        at += whole.bytes;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        at = there[i] ? at : put(at, &a->all[i]);
    }
    return (uint32_t)(at - out);
}

/* Of a message that is not over yet, or has none. */
static uint64_t ttl_left_ms(const struct broker_delivery *d, uint64_t now_ms)
{
    const uint64_t age_ms = now_ms > d->publish_time_ms ? now_ms - d->publish_time_ms : 0;

    return d->meta.ttl_ms == 0 ? 0 : d->meta.ttl_ms > age_ms ? d->meta.ttl_ms - age_ms : 1;
}

struct letter *hulse_letter_create(struct broker_delivery *d,
                                   const struct letter_source *from,
                                   const struct letter_reason *why)
{
    struct added a;

    gather(&a, d, from, why);
    const size_t bytes =
        sizeof(struct letter) + d->meta.properties.bytes + added_bytes(&a) + why->detail.bytes;
    struct letter *l = hulse_mem_alloc(HULSE_MEM_MESSAGE, bytes);
    if (l == NULL) {
        return NULL;
    }
    *l = (struct letter){.d = d,
                         .id = d->id,
                         .source = d->source,
                         .kind = why->kind,
                         .cause = why->cause,
                         .code = why->code,
                         .delay_ms = why->delay_ms,
                         .waited = why->waited,
                         .ttl_ms = why->kind == LETTER_RETRY ? ttl_left_ms(d, from->now_ms) : 0,
                         .detail_bytes = why->detail.bytes,
                         .object_bytes = bytes};
    l->property_bytes = merge(l->data, d->meta.properties, &a);
    if (why->detail.bytes > 0) {
        memcpy(l->data + l->property_bytes, why->detail.data, why->detail.bytes);
    }
    return l;
}

void hulse_letter_free(struct letter **letter)
{
    struct letter *l = *letter;

    *letter = NULL;
    hulse_mem_free(HULSE_MEM_MESSAGE, l, l->object_bytes);
}

struct letter_reason hulse_letter_reason(const struct letter *l)
{
    return (struct letter_reason){
        .kind = l->kind,
        .cause = l->cause,
        .code = l->code,
        .delay_ms = l->delay_ms,
        .waited = l->waited,
        .detail = {.data = l->data + l->property_bytes, .bytes = l->detail_bytes}};
}
