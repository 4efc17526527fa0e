/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meta - metadata of a publish, written straight into the ring; of a delivery, read in place.
 *
 * Threads: pure functions.
 * Trust:   the application's struct is judged whole before a byte is written; the daemon's TLVs
 *          are walked inside the record's bounds.
 */
#include "shmlib/client/meta.h"

#include "shmlib/client/session.h"
#include "shmlib/ring/tlv.h"

#include <stddef.h>
#include <string.h>

#define PROPERTY_LENGTH_BYTES 2U
#define META_FLAGS (HULSE_META_NO_BATCH | HULSE_META_TOMBSTONE | HULSE_META_NO_REPLICATION)
/* Of an application that knows no member behind `flags`. */
#define META_SIZE_LEAST offsetof(struct hulse_meta, replicate_to)

static hulse_status
measure_properties(const struct hulse_meta *m, uint64_t *total, const char **why)
{
    if (m->property_count != 0 && m->properties == NULL) {
        *why = "properties are missing";
        return HULSE_INVAL;
    }
    for (size_t i = 0; i < m->property_count; i++) {
        const struct hulse_property *p = &m->properties[i];
        /* Each term below the limit, so that the sum cannot overflow. */
        if (p->name_bytes > HULSE_META_BYTES_MAX || p->value_bytes > HULSE_META_BYTES_MAX ||
            *total > HULSE_META_BYTES_MAX) {
            *why = "the metadata exceed 65,528 bytes";
            return HULSE_TOOBIG;
        }
        if (p->name == NULL || p->name_bytes == 0 || (p->value == NULL && p->value_bytes != 0) ||
            !hulse_utf8_valid((const uint8_t *)p->name, p->name_bytes) ||
            !hulse_utf8_valid((const uint8_t *)p->value, p->value_bytes)) {
            *why = "a property needs a name, and both must be UTF-8";
            return HULSE_INVAL;
        }
        *total += HULSE_TLV_HEADER_BYTES + PROPERTY_LENGTH_BYTES + p->name_bytes + p->value_bytes;
    }
    return HULSE_OK;
}

/* Names of clusters; an application that is older than them has none. */
static size_t clusters_of(const struct hulse_meta *m)
{
    return m->size < sizeof(*m) ? 0 : m->replicate_to_count;
}

static hulse_status measure_clusters(const struct hulse_meta *m, uint64_t *total, const char **why)
{
    const size_t count = clusters_of(m);
    const bool none = (m->flags & HULSE_META_NO_REPLICATION) != 0;

    if (count != 0 && (none || m->replicate_to == NULL)) {
        *why = none ? "replicate_to and HULSE_META_NO_REPLICATION exclude each other"
                    : "replicate_to is missing";
        return HULSE_INVAL;
    }
    for (size_t i = 0; i < count && *total <= HULSE_META_BYTES_MAX; i++) {
        const char *name = m->replicate_to[i];
        const size_t bytes = name == NULL ? 0 : strnlen(name, HULSE_CLUSTER_BYTES_MAX + 1);
        if (bytes == 0 || bytes > HULSE_CLUSTER_BYTES_MAX ||
            !hulse_utf8_valid((const uint8_t *)name, bytes)) {
            *why = "a cluster's name has 1 to 255 bytes of UTF-8";
            return HULSE_INVAL;
        }
        *total += HULSE_TLV_HEADER_BYTES + bytes;
    }
    *total += none ? HULSE_TLV_HEADER_BYTES : 0;
    return HULSE_OK;
}

hulse_status hulse_meta_measure(const struct hulse_meta *m, uint32_t *bytes, const char **why)
{
    uint64_t total = 0;

    if (m->size < META_SIZE_LEAST || (m->flags & ~META_FLAGS) != 0 || m->partition < 0 ||
        (m->key == NULL && m->key_bytes != 0) ||
        (m->ordering_key == NULL && m->ordering_key_bytes != 0)) {
        *why = "the metadata are malformed: set size, and no unknown flag";
        return HULSE_INVAL;
    }
    if (m->key_bytes > HULSE_META_BYTES_MAX || m->ordering_key_bytes > HULSE_META_BYTES_MAX) {
        *why = "the metadata exceed 65,528 bytes";
        return HULSE_TOOBIG;
    }
    total += m->key_bytes != 0 ? HULSE_TLV_HEADER_BYTES + m->key_bytes : 0;
    total += m->ordering_key_bytes != 0 ? HULSE_TLV_HEADER_BYTES + m->ordering_key_bytes : 0;
    total += m->event_time_ms != 0 ? HULSE_TLV_HEADER_BYTES + sizeof(uint64_t) : 0;
    total += m->deliver_after_ms != 0 ? HULSE_TLV_HEADER_BYTES + sizeof(uint64_t) : 0;
    total += m->ttl_ms != 0 ? HULSE_TLV_HEADER_BYTES + sizeof(uint64_t) : 0;
    total += m->partition != 0 ? HULSE_TLV_HEADER_BYTES + sizeof(uint32_t) : 0;
    total += (m->flags & HULSE_META_TOMBSTONE) != 0 ? HULSE_TLV_HEADER_BYTES : 0;
    hulse_status st = measure_properties(m, &total, why);
    if (st == HULSE_OK) {
        st = measure_clusters(m, &total, why);
    }
    if (st == HULSE_OK && total > HULSE_META_BYTES_MAX) {
        *why = "the metadata exceed 65,528 bytes";
        return HULSE_TOOBIG;
    }
    *bytes = (uint32_t)total;
    return st;
}

struct output {
    uint8_t *at;
    size_t capacity;
    size_t used;
};

static void put(struct output *o, enum hulse_tag tag, const void *value, size_t bytes)
{
    const struct hulse_tlv t = {.tag = (uint8_t)tag, .bytes = (uint16_t)bytes, .value = value};

    /* Cannot be short: the room was measured from the same struct. */
    (void)hulse_tlv_put(o->at, o->capacity, &o->used, &t);
}

static void put_number(struct output *o, enum hulse_tag tag, uint64_t value, size_t bytes)
{
    if (value != 0 || tag == HULSE_TAG_PARTITION) {
        put(o, tag, &value, bytes); /* little endian, as layout.h asserts */
    }
}

hulse_status hulse_meta_fit(struct hulse_session *s,
                            const struct hulse_meta *m,
                            uint32_t *bytes,
                            const char **why)
{
    const hulse_status st = hulse_meta_measure(m, bytes, why);

    if (st != HULSE_OK || (clusters_of(m) == 0 && (m->flags & HULSE_META_NO_REPLICATION) == 0)) {
        return st;
    }
    /* Relaxed because each stands alone: who loses the race against an older daemon's WELCOME loses the session to it. */
    if (!atomic_load_explicit(&s->replication, memory_order_relaxed)) {
        *why = "hulsed is older than this library and cannot choose clusters";
        return HULSE_UNSUPPORTED;
    }
    atomic_store_explicit(&s->replicated, true, memory_order_relaxed);
    return HULSE_OK;
}

void hulse_meta_write(const struct hulse_meta *m, uint8_t *out, uint32_t bytes)
{
    struct output o = {.capacity = bytes};

    o.at = out;
    if (m->key_bytes != 0) {
        put(&o, HULSE_TAG_KEY, m->key, m->key_bytes);
    }
    if (m->ordering_key_bytes != 0) {
        put(&o, HULSE_TAG_ORDERING_KEY, m->ordering_key, m->ordering_key_bytes);
    }
    put_number(&o, HULSE_TAG_EVENT_TIME, m->event_time_ms, sizeof(uint64_t));
    put_number(&o, HULSE_TAG_DELIVER_AFTER, m->deliver_after_ms, sizeof(uint64_t));
    put_number(&o, HULSE_TAG_TTL, m->ttl_ms, sizeof(uint64_t));
    if (m->partition != 0) {
        put_number(&o, HULSE_TAG_PARTITION, (uint64_t)m->partition - 1, sizeof(uint32_t));
    }
    if ((m->flags & HULSE_META_TOMBSTONE) != 0) {
        put(&o, HULSE_TAG_TOMBSTONE, NULL, 0);
    }
    for (size_t i = 0; i < clusters_of(m); i++) {
        put(&o, HULSE_TAG_REPLICATE_TO, m->replicate_to[i], strlen(m->replicate_to[i]));
    }
    if ((m->flags & HULSE_META_NO_REPLICATION) != 0) {
        put(&o, HULSE_TAG_REPLICATE_TO, NULL, 0);
    }
    for (size_t i = 0; i < m->property_count; i++) {
        const struct hulse_property *p = &m->properties[i];
        const struct hulse_tlv_pair pair = {.name = (const uint8_t *)p->name,
                                            .name_bytes = p->name_bytes,
                                            .value = (const uint8_t *)p->value,
                                            .value_bytes = p->value_bytes};
        (void)hulse_tlv_put_property(o.at, o.capacity, &o.used, &pair);
    }
}

int hulse_meta_read(struct hulse_message *m)
{
    struct hulse_tlv t;
    size_t at = 0;
    int rc = 0;

    while ((rc = hulse_tlv_next(m->meta, m->meta_bytes, &at, &t)) > 0) {
        switch (t.tag) {
        case HULSE_TAG_KEY:
            m->key = t.value;
            m->key_bytes = t.bytes;
            break;
        case HULSE_TAG_EVENT_TIME:
            m->event_time_ms = hulse_tlv_number(&t);
            break;
        case HULSE_TAG_PRODUCER:
            m->producer = (const char *)t.value;
            m->producer_bytes = t.bytes;
            break;
        case HULSE_TAG_OWN_SCHEMA:
            m->flags |= HULSE_MESSAGE_OWN_SCHEMA;
            break;
        case HULSE_TAG_TOMBSTONE:
            m->flags |= HULSE_MESSAGE_TOMBSTONE;
            break;
        default:
            break; /* a property, or a tag of a newer daemon */
        }
    }
    return rc == 0;
}

/* Of a tag of eight bytes. */
static hulse_status message_number(const struct hulse_message *m, enum hulse_tag tag, uint64_t *out)
{
    struct hulse_tlv t;

    if (m == NULL || out == NULL || (m->meta == NULL && m->meta_bytes != 0)) {
        return HULSE_INVAL;
    }
    if (!hulse_tlv_find(m->meta, m->meta_bytes, tag, &t)) {
        return HULSE_AGAIN;
    }
    if (t.bytes != sizeof(*out)) {
        return HULSE_PROTOCOL;
    }
    *out = hulse_tlv_number(&t);
    return HULSE_OK;
}

hulse_status hulse_message_index(const struct hulse_message *m, uint64_t *index)
{
    return message_number(m, HULSE_TAG_INDEX, index);
}

hulse_status hulse_message_broker_time(const struct hulse_message *m, uint64_t *unix_ms)
{
    return message_number(m, HULSE_TAG_BROKER_TIME, unix_ms);
}

hulse_status
hulse_message_property(const struct hulse_message *m, unsigned index, struct hulse_property *out)
{
    struct hulse_tlv t;
    size_t at = 0;

    if (m == NULL || out == NULL || (m->meta == NULL && m->meta_bytes != 0)) {
        return HULSE_INVAL;
    }
    while (hulse_tlv_next(m->meta, m->meta_bytes, &at, &t) > 0) {
        if (t.tag != HULSE_TAG_PROPERTY || index-- != 0) {
            continue;
        }
        const uint8_t *name = NULL;
        const uint8_t *value = NULL;
        if (t.bytes < PROPERTY_LENGTH_BYTES) {
            return HULSE_PROTOCOL;
        }
        hulse_tlv_property(&t, &name, &out->name_bytes, &value, &out->value_bytes);
        if (out->name_bytes > t.bytes - PROPERTY_LENGTH_BYTES) {
            return HULSE_PROTOCOL;
        }
        out->name = (const char *)name;
        out->value = (const char *)value;
        return HULSE_OK;
    }
    return HULSE_AGAIN;
}
