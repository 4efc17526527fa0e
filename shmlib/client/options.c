/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options - setters of the public options objects: copy, judge, change nothing on INVAL.
 *
 * Threads: an object has one owner.
 */
#include "shmlib/client/options.h"

#include "shmlib/ring/region.h"
#include "shmlib/ring/tlv.h"

#include <stdlib.h>
#include <string.h>

const struct hulse_options hulse_options_default = {.timeout_ms = HULSE_CONNECT_TIMEOUT_MS,
                                                    .open_timeout_ms = HULSE_OPEN_TIMEOUT_MS};
const struct hulse_producer_options hulse_producer_options_default = {
    .flush_records = HULSE_FLUSH_RECORDS,
    .flush_bytes = HULSE_FLUSH_BYTES,
    .send_timeout_ms = UINT32_MAX,
};
const struct hulse_consumer_options hulse_consumer_options_default = {.type = HULSE_EXCLUSIVE};

static void *copy_of(const void *from, size_t bytes)
{
    void *o = malloc(bytes);

    if (o != NULL) {
        memcpy(o, from, bytes);
    }
    return o;
}

/* Copies a terminated string of at least `least` bytes into a buffer of `room`. */
static hulse_status set_text(char *to, size_t room, const char *text, size_t least)
{
    if (text == NULL) {
        return HULSE_INVAL;
    }
    const size_t bytes = strnlen(text, room);
    if (bytes < least || bytes >= room) {
        return HULSE_INVAL;
    }
    memcpy(to, text, bytes + 1);
    return HULSE_OK;
}

/* Everything that is judged by one condition, or by none. */
#define SETTER(object, name, type, member, valid)                                                  \
    hulse_status hulse_##object##_##name(hulse_##object *o, type value)                            \
    {                                                                                              \
        if (o == NULL || !(valid)) {                                                               \
            return HULSE_INVAL;                                                                    \
        }                                                                                          \
        o->member = value;                                                                         \
        return HULSE_OK;                                                                           \
    }
#define TEXT_SETTER(object, name, member, least)                                                   \
    hulse_status hulse_##object##_##name(hulse_##object *o, const char *text)                      \
    {                                                                                              \
        return o == NULL ? HULSE_INVAL : set_text(o->member, sizeof(o->member), text, least);      \
    }
#define LIFE(object, clear)                                                                        \
    hulse_##object *hulse_##object##_new(void)                                                     \
    {                                                                                              \
        return copy_of(&hulse_##object##_default, sizeof(hulse_##object));                         \
    }                                                                                              \
    void hulse_##object##_free(hulse_##object **o)                                                 \
    {                                                                                              \
        if (o != NULL && *o != NULL) {                                                             \
            clear;                                                                                 \
            free(*o);                                                                              \
            *o = NULL;                                                                             \
        }                                                                                          \
    }

static bool ring_valid(uint32_t bytes)
{
    return bytes == 0 || hulse_region_bytes_valid(bytes);
}

static bool slots_valid(uint32_t count)
{
    return count == 0 ||
           (count >= HULSE_SLOTS_MIN && count <= HULSE_SLOTS_MAX && (count & (count - 1)) == 0);
}

LIFE(options, (void)0)
TEXT_SETTER(options, socket, socket, 1)
TEXT_SETTER(options, name, name, 0)
TEXT_SETTER(options, token, token, 0)
SETTER(options, connect_timeout, int, timeout_ms, value >= HULSE_FOREVER)
SETTER(options, open_timeout, int, open_timeout_ms, value >= HULSE_FOREVER)

LIFE(producer_options, hulse_option_list_clear(&(*o)->more))
SETTER(producer_options,
       receipts,
       enum hulse_receipts,
       receipts,
       (unsigned)value <= HULSE_RECEIPTS_FULL)
SETTER(producer_options, ring, uint32_t, ring_bytes, ring_valid(value))
SETTER(producer_options, slots, uint32_t, slots, slots_valid(value))
SETTER(producer_options, group, unsigned, group, true)
SETTER(producer_options, release_on_read, int, release_on_read, true)
SETTER(producer_options, send_timeout, uint32_t, send_timeout_ms, true)
SETTER(producer_options, share_with, hulse_producer *, share_with, true)

hulse_status hulse_producer_options_access(hulse_producer_options *o, enum hulse_access access)
{
    const uint8_t mode = (uint8_t)access;

    static_assert((int)HULSE_ACCESS_SHARED == (int)HULSE_ACCESS_MODE_SHARED &&
                      (int)HULSE_ACCESS_EXCLUSIVE == (int)HULSE_ACCESS_MODE_EXCLUSIVE &&
                      (int)HULSE_ACCESS_WAIT_FOR_EXCLUSIVE == (int)HULSE_ACCESS_MODE_WAIT &&
                      (int)HULSE_ACCESS_EXCLUSIVE_WITH_FENCING == (int)HULSE_ACCESS_MODE_FENCING,
                  "told as they are");
    if (o == NULL || (unsigned)access > HULSE_ACCESS_EXCLUSIVE_WITH_FENCING) {
        return HULSE_INVAL;
    }
    return hulse_option_list_set(&o->more, HULSE_OPTION_ACCESS, &mode, sizeof(mode));
}

hulse_status hulse_producer_options_initial_subscription(hulse_producer_options *o,
                                                         const char *name)
{
    const size_t bytes = name == NULL ? 0 : strnlen(name, HULSE_NAME_BYTES_MAX + 1);

    if (o == NULL || bytes == 0 || bytes > HULSE_NAME_BYTES_MAX) {
        return HULSE_INVAL;
    }
    return hulse_option_list_set(&o->more, HULSE_OPTION_INITIAL_SUBSCRIPTION, name, bytes);
}

hulse_status
hulse_producer_options_auto_flush(hulse_producer_options *o, uint32_t records, uint32_t bytes)
{
    if (o == NULL) {
        return HULSE_INVAL;
    }
    o->flush_records = records;
    o->flush_bytes = bytes;
    return HULSE_OK;
}

LIFE(consumer_options, hulse_option_list_clear(&(*o)->more))
SETTER(consumer_options, type, enum hulse_subscription, type, (unsigned)value <= HULSE_READER)
SETTER(consumer_options, start, enum hulse_start, start, (unsigned)value <= HULSE_EARLIEST)
SETTER(consumer_options, ring, uint32_t, ring_bytes, ring_valid(value))
SETTER(consumer_options, verdict_ring, uint32_t, verdict_bytes, ring_valid(value))
SETTER(consumer_options, group, unsigned, group, true)
SETTER(consumer_options, reassembly, uint32_t, reassembly_bytes, true)
SETTER(consumer_options, unacked_max, uint32_t, unacked_max, true)
TEXT_SETTER(consumer_options, name, name, 0)

hulse_status hulse_consumer_options_priority(hulse_consumer_options *o, int32_t priority)
{
    if (o == NULL || priority < 0) {
        return HULSE_INVAL;
    }
    return hulse_option_list_set(&o->more, HULSE_OPTION_PRIORITY, &priority, sizeof(priority));
}

hulse_status hulse_consumer_options_topic(hulse_consumer_options *o, const char *topic)
{
    const size_t bytes = topic == NULL ? 0 : strnlen(topic, HULSE_TOPIC_BYTES_MAX + 1);

    if (o == NULL || bytes == 0 || bytes > HULSE_TOPIC_BYTES_MAX) {
        return HULSE_INVAL;
    }
    if (o->topics + 1 >= HULSE_TOPICS_MAX) {
        return HULSE_LIMIT;
    }
    const hulse_status st = hulse_option_list_add(&o->more, HULSE_OPTION_TOPIC, topic, bytes);
    o->topics += st == HULSE_OK ? 1 : 0;
    return st;
}

hulse_status hulse_consumer_options_pattern(hulse_consumer_options *o, enum hulse_topics kind)
{
    const uint8_t byte = (uint8_t)kind;

    if (o == NULL || (unsigned)kind > HULSE_ALL_TOPICS) {
        return HULSE_INVAL;
    }
    const hulse_status st =
        hulse_option_list_set(&o->more, HULSE_OPTION_PATTERN, &byte, sizeof(byte));
    o->pattern = o->pattern || st == HULSE_OK;
    return st;
}

hulse_status hulse_consumer_options_topics_max(hulse_consumer_options *o, uint32_t count)
{
    if (o == NULL || count == 0 || count > HULSE_TOPICS_MAX) {
        return HULSE_INVAL;
    }
    const hulse_status st =
        hulse_option_list_set(&o->more, HULSE_OPTION_TOPICS_MAX, &count, sizeof(count));
    o->topics_max = st == HULSE_OK ? count : o->topics_max;
    return st;
}

hulse_status hulse_consumer_options_compacted(hulse_consumer_options *o)
{
    return o == NULL ? HULSE_INVAL
                     : hulse_option_list_set(&o->more, HULSE_OPTION_COMPACTED, NULL, 0);
}

hulse_status hulse_consumer_options_replicated(hulse_consumer_options *o)
{
    return o == NULL ? HULSE_INVAL
                     : hulse_option_list_set(&o->more, HULSE_OPTION_REPLICATED, NULL, 0);
}

hulse_status hulse_consumer_options_any_key_order(hulse_consumer_options *o)
{
    return o == NULL ? HULSE_INVAL
                     : hulse_option_list_set(&o->more, HULSE_OPTION_ANY_KEY_ORDER, NULL, 0);
}

hulse_status
hulse_consumer_options_key_range(hulse_consumer_options *o, uint16_t first, uint16_t last)
{
    const uint16_t range[2] = {first, last}; /* little endian, as layout.h asserts */

    return o == NULL || first > last
               ? HULSE_INVAL
               : hulse_option_list_add(&o->more, HULSE_OPTION_KEY_RANGE, range, sizeof(range));
}

/* {u16 name length, name, value} */
static hulse_status add_property(hulse_consumer_options *o,
                                 enum hulse_option option,
                                 const char *name,
                                 const char *value)
{
    uint8_t pair[HULSE_OPTIONS_BYTES_MAX];

    if (o == NULL || name == NULL || value == NULL || name[0] == '\0') {
        return HULSE_INVAL;
    }
    const size_t name_bytes = strnlen(name, sizeof(pair));
    const size_t value_bytes = strnlen(value, sizeof(pair));
    const uint16_t length = (uint16_t)name_bytes;
    if (name_bytes + value_bytes > sizeof(pair) - HULSE_TLV_HEADER_BYTES - sizeof(length)) {
        return HULSE_TOOBIG;
    }
    memcpy(pair, &length, sizeof(length));
    memcpy(pair + sizeof(length), name, name_bytes);
    memcpy(pair + sizeof(length) + name_bytes, value, value_bytes);
    const struct hulse_tlv whole = {.bytes = (uint16_t)(sizeof(length) + name_bytes + value_bytes),
                                    .value = pair};
    return hulse_tlv_property_valid(&whole)
               ? hulse_option_list_add(&o->more, option, pair, whole.bytes)
               : HULSE_INVAL;
}

hulse_status
hulse_consumer_options_property(hulse_consumer_options *o, const char *name, const char *value)
{
    return add_property(o, HULSE_OPTION_PROPERTY, name, value);
}

hulse_status hulse_consumer_options_subscription_property(hulse_consumer_options *o,
                                                          const char *name,
                                                          const char *value)
{
    return add_property(o, HULSE_OPTION_SUBSCRIPTION_PROPERTY, name, value);
}
