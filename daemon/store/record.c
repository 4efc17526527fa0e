/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/store/record.h"

#include "daemon/core/assert.h"
#include "daemon/core/bytes.h"

#include <string.h>

/* For comparing with sizes. */
static const uint32_t body_max = STORE_BODY_MAX;

enum { ID_BYTES = 8, KEPT_BYTES = 1 };

static bool name_length(const char *name, size_t before, size_t *out)
{
    const size_t bytes = strnlen(name, STORE_NAME_MAX + 1);

    *out = before + bytes;
    return bytes >= 1 && bytes <= STORE_NAME_MAX;
}

bool hulse_record_bytes(const struct store_request *rq, size_t *out)
{
    *out = 0;
    switch (rq->kind) {
    case STORE_ACK:
        *out = ID_BYTES + rq->ranges->count * (size_t)RECORD_RANGE_BYTES;
        return *out <= body_max;
    case STORE_REDELIVERED:
        *out = ID_BYTES + rq->count * (size_t)RECORD_COUNT_BYTES;
        return *out <= body_max;
    case STORE_TOPIC_CREATE:
        return name_length(rq->name, KEPT_BYTES, out);
    case STORE_SUBSCRIPTION_CREATE:
        return name_length(rq->name, ID_BYTES, out);
    case STORE_SUBSCRIPTION_DELETE:
    case STORE_SUBSCRIPTION_SEEK:
        *out = ID_BYTES;
        return true;
    case STORE_TOPIC_DELETE:
    case STORE_TOPIC_TERMINATE:
    case STORE_TOPIC_TRIM:
    case STORE_HANDLE_CLOSE:
        return true;
    case STORE_MESSAGE:
    case STORE_BARRIER:
        break;
    }
    return false;
}

static void encode_ranges(const struct ranges *ranges, uint8_t *out)
{
    for (uint32_t i = 0; i < ranges->count; i++, out += RECORD_RANGE_BYTES) {
        hulse_put64(out, ranges->list[i].first);
        hulse_put64(out + 8, ranges->list[i].end);
    }
}

static void encode_counts(const struct store_count *counts, uint32_t count, uint8_t *out)
{
    for (uint32_t i = 0; i < count; i++, out += RECORD_COUNT_BYTES) {
        hulse_put64(out, counts[i].position);
        hulse_put32(out + 8, counts[i].count);
    }
}

void hulse_record_encode(const struct store_request *rq, uint8_t *out)
{
    switch (rq->kind) {
    case STORE_TOPIC_CREATE:
        out[0] = rq->kept ? 1 : 0;
        memcpy(out + KEPT_BYTES, rq->name, strlen(rq->name));
        return;
    case STORE_TOPIC_DELETE:
    case STORE_TOPIC_TERMINATE:
    case STORE_TOPIC_TRIM:
    case STORE_HANDLE_CLOSE:
        return;
    case STORE_ACK:
    case STORE_REDELIVERED:
    case STORE_SUBSCRIPTION_CREATE:
    case STORE_SUBSCRIPTION_DELETE:
    case STORE_SUBSCRIPTION_SEEK:
        break;
    case STORE_MESSAGE:
    case STORE_BARRIER:
        HULSE_ASSERT(rq->kind != STORE_MESSAGE && rq->kind != STORE_BARRIER); /* they have none */
    }

    hulse_put64(out, rq->subscription);
    if (rq->kind == STORE_ACK) {
        encode_ranges(rq->ranges, out + ID_BYTES);
    } else if (rq->kind == STORE_REDELIVERED) {
        encode_counts(rq->counts, rq->count, out + ID_BYTES);
    } else if (rq->kind == STORE_SUBSCRIPTION_CREATE) {
        memcpy(out + ID_BYTES, rq->name, strlen(rq->name));
    }
}

void hulse_record_encode_epoch(uint64_t next_topic, uint64_t next_subscription, uint8_t *out)
{
    hulse_put64(out, next_topic);
    hulse_put64(out + 8, next_subscription);
}

static bool decode_name(const uint8_t *body, size_t bytes, struct record *out)
{
    if (bytes < 1 || bytes > STORE_NAME_MAX || memchr(body, 0, bytes) != NULL) {
        return false;
    }
    out->name = (const char *)body;
    out->name_bytes = (uint32_t)bytes;
    return true;
}

static bool decode_list(const uint8_t *body, size_t bytes, size_t item_bytes, struct record *out)
{
    if (bytes > body_max || bytes % item_bytes != 0) {
        return false;
    }
    out->list = body;
    out->list_count = (uint32_t)(bytes / item_bytes);
    return true;
}

static bool ranges_are_good(const struct record *r)
{
    for (uint32_t i = 0; i < r->list_count; i++) {
        const struct range range = hulse_record_range(r, i);
        if (range.first >= range.end ||
            (i > 0 && range.first <= hulse_record_range(r, i - 1).end)) {
            return false;
        }
    }
    return true;
}

/* What begins with the id of a subscription. */
static bool
decode_of_subscription(uint16_t kind, const uint8_t *body, size_t bytes, struct record *out)
{
    if (bytes < ID_BYTES) {
        return false;
    }
    out->subscription = hulse_get64(body);
    body += ID_BYTES;
    bytes -= ID_BYTES;
    switch (kind) {
    case STORE_ACK:
        return decode_list(body, bytes, RECORD_RANGE_BYTES, out) && ranges_are_good(out);
    case STORE_REDELIVERED:
        return decode_list(body, bytes, RECORD_COUNT_BYTES, out);
    case STORE_SUBSCRIPTION_CREATE:
        return decode_name(body, bytes, out);
    default:
        return bytes == 0;
    }
}

bool hulse_record_decode(uint16_t kind, const uint8_t *body, size_t bytes, struct record *out)
{
    *out = (struct record){0};
    switch (kind) {
    case STORE_ACK:
    case STORE_REDELIVERED:
    case STORE_SUBSCRIPTION_CREATE:
    case STORE_SUBSCRIPTION_DELETE:
    case STORE_SUBSCRIPTION_SEEK:
        return decode_of_subscription(kind, body, bytes, out);
    case STORE_TOPIC_CREATE:
        if (bytes < KEPT_BYTES || body[0] > 1) {
            return false;
        }
        out->kept = body[0] == 1;
        return decode_name(body + KEPT_BYTES, bytes - KEPT_BYTES, out);
    case FRAME_EPOCH:
        if (bytes != RECORD_EPOCH_BYTES) {
            return false;
        }
        out->next_topic = hulse_get64(body);
        out->next_subscription = hulse_get64(body + 8);
        return true;
    case STORE_TOPIC_DELETE:
    case STORE_TOPIC_TERMINATE:
    case STORE_TOPIC_TRIM:
    case STORE_HANDLE_CLOSE:
    case FRAME_CLEAN:
        return bytes == 0;
    default:
        return false;
    }
}

struct range hulse_record_range(const struct record *r, uint32_t i)
{
    HULSE_ASSERT(i < r->list_count);
    const uint8_t *at = r->list + (size_t)i * RECORD_RANGE_BYTES;
    return (struct range){.first = hulse_get64(at), .end = hulse_get64(at + 8)};
}

struct store_count hulse_record_count(const struct record *r, uint32_t i)
{
    HULSE_ASSERT(i < r->list_count);
    const uint8_t *at = r->list + (size_t)i * RECORD_COUNT_BYTES;
    return (struct store_count){.position = hulse_get64(at), .count = hulse_get32(at + 8)};
}
