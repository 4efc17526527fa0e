/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tlv - metadata elements of publish, verdict and delivery records.
 *
 * Trust:   hulse_tlv_next() and hulse_tlv_check() read foreign lengths from a private copy; every
 *          comparison is made against the bytes that are left, so none can overflow.
 * Threads: pure functions.
 */
#include "shmlib/ring/tlv.h"

#include <string.h>

#define PROPERTY_NAME_LENGTH_BYTES 2U

enum form {
    FORM_BYTES,  /* any, up to `max` */
    FORM_TEXT,   /* UTF-8, up to `max` */
    FORM_NUMBER, /* exactly `max` bytes */
    FORM_PROPERTY
};

#define IN_PUBLISH (1U << HULSE_TLV_PUBLISH)
#define IN_VERDICT (1U << HULSE_TLV_VERDICT)
#define IN_DELIVERY (1U << HULSE_TLV_DELIVERY)

struct rule {
    uint8_t places; /* IN_…; 0 = no such tag */
    uint8_t form;
    bool repeats;
    uint16_t max;
};

#define VALUE_BYTES_MAX (HULSE_META_BYTES_MAX - HULSE_TLV_HEADER_BYTES)

static const struct rule rules[] = {
    [HULSE_TAG_KEY] = {IN_PUBLISH | IN_DELIVERY, FORM_BYTES, false, VALUE_BYTES_MAX},
    [HULSE_TAG_ORDERING_KEY] = {IN_PUBLISH | IN_DELIVERY, FORM_BYTES, false, VALUE_BYTES_MAX},
    [HULSE_TAG_EVENT_TIME] = {IN_PUBLISH | IN_DELIVERY, FORM_NUMBER, false, 8},
    [HULSE_TAG_PROPERTY] = {IN_PUBLISH | IN_DELIVERY, FORM_PROPERTY, true, VALUE_BYTES_MAX},
    [HULSE_TAG_DELIVER_AFTER] = {IN_PUBLISH, FORM_NUMBER, false, 8},
    [HULSE_TAG_PARTITION] = {IN_PUBLISH, FORM_NUMBER, false, 4},
    [HULSE_TAG_TTL] = {IN_PUBLISH, FORM_NUMBER, false, 8},
    [HULSE_TAG_TOMBSTONE] = {IN_PUBLISH | IN_DELIVERY, FORM_NUMBER, false, 0},
    [HULSE_TAG_PRODUCER] = {IN_DELIVERY, FORM_TEXT, false, VALUE_BYTES_MAX},
    [HULSE_TAG_REASON] = {IN_VERDICT, FORM_TEXT, false, HULSE_REASON_BYTES_MAX},
    [HULSE_TAG_REPLICATE_TO] = {IN_PUBLISH, FORM_TEXT, true, HULSE_CLUSTER_BYTES_MAX},
    [HULSE_TAG_BROKER_TIME] = {IN_DELIVERY, FORM_NUMBER, false, 8},
    [HULSE_TAG_INDEX] = {IN_DELIVERY, FORM_NUMBER, false, 8},
    [HULSE_TAG_SCHEMA_VERSION] = {IN_DELIVERY, FORM_NUMBER, false, 8},
    [HULSE_TAG_OWN_SCHEMA] = {IN_DELIVERY, FORM_NUMBER, false, 0},
};

#define RULE_COUNT (sizeof(rules) / sizeof(rules[0]))
static_assert(RULE_COUNT <= 32, "seen tags are one word");

static uint16_t get_u16(const uint8_t *in)
{
    return (uint16_t)(in[0] | (in[1] << 8));
}

static void put_u16(uint8_t *out, size_t value)
{
    out[0] = (uint8_t)(value & 0xFF);
    out[1] = (uint8_t)(value >> 8);
}

int hulse_tlv_next(const uint8_t *in, size_t bytes, size_t *at, struct hulse_tlv *out)
{
    if (*at == bytes) {
        return 0;
    }
    if (*at > bytes || bytes - *at < HULSE_TLV_HEADER_BYTES) {
        return -1;
    }
    const uint8_t *head = in + *at;
    const uint16_t len = get_u16(head + 2);
    if (head[1] != 0 || bytes - *at - HULSE_TLV_HEADER_BYTES < len) {
        return -1;
    }
    out->tag = head[0];
    out->bytes = len;
    out->value = head + HULSE_TLV_HEADER_BYTES;
    *at += HULSE_TLV_HEADER_BYTES + len;
    return 1;
}

static const char *check_property(const struct hulse_tlv *t)
{
    if (t->bytes < PROPERTY_NAME_LENGTH_BYTES) {
        return "property shorter than its name length";
    }
    const size_t name = get_u16(t->value);
    if (name == 0 || name > t->bytes - PROPERTY_NAME_LENGTH_BYTES) {
        return "property name empty or past its end";
    }
    /* Two checks, not one over both: a sequence must not begin in one and end in the other. */
    if (!hulse_utf8_valid(t->value + PROPERTY_NAME_LENGTH_BYTES, name) ||
        !hulse_utf8_valid(t->value + PROPERTY_NAME_LENGTH_BYTES + name,
                          t->bytes - PROPERTY_NAME_LENGTH_BYTES - name)) {
        return "property is not UTF-8";
    }
    return NULL;
}

bool hulse_tlv_property_valid(const struct hulse_tlv *in)
{
    return check_property(in) == NULL;
}

static const char *check_value(const struct hulse_tlv *t, const struct rule *rule)
{
    if (t->bytes > rule->max) {
        return "metadata value too long";
    }
    switch (rule->form) {
    case FORM_NUMBER:
        return t->bytes == rule->max ? NULL : "metadata value of the wrong size";
    case FORM_TEXT:
        return hulse_utf8_valid(t->value, t->bytes) ? NULL : "metadata text is not UTF-8";
    case FORM_PROPERTY:
        return check_property(t);
    default:
        return NULL;
    }
}

/* NULL when the element is good; *seen gathers the tags that may occur once. */
static const char *
check_element(const struct hulse_tlv *t, enum hulse_tlv_place place, uint32_t *seen)
{
    if (t->tag >= RULE_COUNT || rules[t->tag].places == 0) {
        /* A newer daemon may add to a delivery; an application may not add to a publish. */
        return place == HULSE_TLV_DELIVERY ? NULL : "unknown metadata tag";
    }
    const struct rule *rule = &rules[t->tag];
    const uint32_t bit = 1U << t->tag;
    if ((rule->places & (1U << place)) == 0) {
        return "metadata tag not allowed here";
    }
    if (!rule->repeats && (*seen & bit) != 0) {
        return "metadata tag repeated";
    }
    *seen |= bit;
    return check_value(t, rule);
}

bool hulse_tlv_check(const uint8_t *in, size_t bytes, enum hulse_tlv_place place, const char **why)
{
    struct hulse_tlv t;
    uint32_t seen = 0;
    size_t at = 0;

    if (bytes > HULSE_META_BYTES_MAX) {
        *why = "metadata too long";
        return false;
    }
    for (;;) {
        const int rc = hulse_tlv_next(in, bytes, &at, &t);
        if (rc <= 0) {
            *why = rc == 0 ? NULL : "metadata element past the end";
            return rc == 0;
        }
        const char *wrong = check_element(&t, place, &seen);
        if (wrong != NULL) {
            *why = wrong;
            return false;
        }
    }
}

void hulse_tlv_property(const struct hulse_tlv *in,
                        const uint8_t **name,
                        size_t *name_bytes,
                        const uint8_t **value,
                        size_t *value_bytes)
{
    const size_t n = get_u16(in->value);

    *name = in->value + PROPERTY_NAME_LENGTH_BYTES;
    *name_bytes = n;
    *value = *name + n;
    *value_bytes = in->bytes - PROPERTY_NAME_LENGTH_BYTES - n;
}

bool hulse_tlv_find(const uint8_t *in, size_t bytes, enum hulse_tag tag, struct hulse_tlv *out)
{
    size_t at = 0;
    struct hulse_tlv t;

    while (hulse_tlv_next(in, bytes, &at, &t) > 0) {
        if (t.tag == tag) {
            *out = t;
            return true;
        }
    }
    return false;
}

bool hulse_tlv_put(uint8_t *out, size_t capacity, size_t *at, const struct hulse_tlv *element)
{
    if (*at > capacity || capacity - *at < (size_t)HULSE_TLV_HEADER_BYTES + element->bytes) {
        return false;
    }
    uint8_t *head = out + *at;
    head[0] = element->tag;
    head[1] = 0;
    put_u16(head + 2, element->bytes);
    if (element->bytes != 0) {
        memcpy(head + HULSE_TLV_HEADER_BYTES, element->value, element->bytes);
    }
    *at += HULSE_TLV_HEADER_BYTES + element->bytes;
    return true;
}

bool hulse_tlv_put_property(uint8_t *out,
                            size_t capacity,
                            size_t *at,
                            const struct hulse_tlv_pair *pair)
{
    if (pair->name_bytes == 0 || pair->name_bytes > VALUE_BYTES_MAX ||
        pair->value_bytes > VALUE_BYTES_MAX) {
        return false;
    }
    const size_t bytes = PROPERTY_NAME_LENGTH_BYTES + pair->name_bytes + pair->value_bytes;
    if (bytes > VALUE_BYTES_MAX || *at > capacity ||
        capacity - *at < HULSE_TLV_HEADER_BYTES + bytes) {
        return false;
    }
    uint8_t *head = out + *at;
    head[0] = HULSE_TAG_PROPERTY;
    head[1] = 0;
    put_u16(head + 2, bytes);
    put_u16(head + 4, pair->name_bytes);
    memcpy(head + 6, pair->name, pair->name_bytes);
    if (pair->value_bytes != 0) {
        memcpy(head + 6 + pair->name_bytes, pair->value, pair->value_bytes);
    }
    *at += HULSE_TLV_HEADER_BYTES + bytes;
    return true;
}

uint64_t hulse_tlv_number(const struct hulse_tlv *in)
{
    uint64_t value = 0;

    for (size_t i = 0; i < in->bytes && i < sizeof(value); i++) {
        value |= (uint64_t)in->value[i] << (8 * i);
    }
    return value;
}
