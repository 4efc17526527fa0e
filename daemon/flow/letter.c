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
#define OWN_MAX 10U
#define NUMBER_BYTES 24U
#define ID_BYTES 80U
#define DETAIL_BYTES_MAX 300U /* a reason of the library's, with its code */

static const char *const causes[LETTER_CAUSES] = {
    [LETTER_REJECTED] = "rejected",
    [LETTER_REFUSED] = "refused",
    [LETTER_TIMED_OUT] = "timed out",
    [LETTER_DIED] = "application ended",
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

static void gather(struct added *a,
                   const struct broker_delivery *d,
                   const struct letter_source *from,
                   const struct letter_reason *why)
{
    a->count = 0;
    print_id(a->id, d);
    print_detail(a->detail, why);
    (void)snprintf(a->now, sizeof(a->now), "%" PRIu64, from->now_ms);
    (void)snprintf(a->attempts, sizeof(a->attempts), "%" PRIu64, (uint64_t)d->redelivery + 1);
    add(a, "REAL_TOPIC", from->topic, false);
    add(a, "REAL_SUBSCRIPTION", from->subscription, false);
    add(a, "ORIGIN_MESSAGE_ID", a->id, false);
    add(a, "ORIGIN_MESSAGE_IDY_TIME", a->id, false);
    add(a, "hulse-first-failure", a->now, false);
    add(a, "hulse-reason", causes[why->cause], true);
    /* Empty ones are written too: what an earlier failure left is not this one's. */
    add(a, "hulse-detail", a->detail, true);
    add(a, "hulse-attempts", a->attempts, true);
    add(a, "hulse-host", from->host, true);
    add(a, "hulse-app", from->app, true);
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

/* It would end the copy before anybody has looked at it. */
static bool is_expiry(struct broker_span name)
{
    static const char expiry[] = "hulse-expires-ms";

    return name.bytes == sizeof(expiry) - 1 && memcmp(name.data, expiry, name.bytes) == 0;
}

static uint32_t index_of(const struct added *a, struct broker_span name)
{
    uint32_t i = 0;

    while (i < a->count && (strlen(a->all[i].name) != name.bytes ||
                            memcmp(a->all[i].name, name.data, name.bytes) != 0)) {
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
                         .cause = why->cause,
                         .code = why->code,
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
        .cause = l->cause,
        .code = l->code,
        .detail = {.data = l->data + l->property_bytes, .bytes = l->detail_bytes}};
}
