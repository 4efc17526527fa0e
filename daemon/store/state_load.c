/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/store/state_load.h"

#include "daemon/core/bytes.h"
#include "daemon/store/state_internal.h"
#include "daemon/store/value.h"

#include <string.h>

/* The fields of a value whose header was found sound. */
struct fields {
    const uint8_t *at;
    size_t bytes;
};

void hulse_state_load_meta(struct state *s, const struct value_meta *meta)
{
    s->covered = meta->covered;
    s->epoch = (uint32_t)meta->epoch;
    s->topic_next = meta->topic_next;
    s->subscription_next = meta->subscription_next;
    s->age_ms = meta->age_ms;
    s->swept_age = meta->age_ms;
}

static bool name_is_good(const uint8_t *name, size_t bytes)
{
    return bytes >= 1 && bytes <= STORE_NAME_MAX && memchr(name, 0, bytes) == NULL;
}

static enum load_result load_topic(struct state *s, const struct value_key *key, struct fields in)
{
    const uint64_t id = hulse_value_key_first(key);

    if (in.bytes < VALUE_TOPIC_BYTES) {
        return LOAD_BAD;
    }
    const char *name = (const char *)in.at + VALUE_TOPIC_BYTES;
    const size_t name_bytes = in.bytes - VALUE_TOPIC_BYTES;
    const uint64_t next = hulse_get64(in.at);
    const uint64_t end = hulse_get64(in.at + 8);
    const uint64_t trimmed = hulse_get64(in.at + 16);
    if (id == 0 || id >= STORE_POSITION_MAX || next > STORE_POSITION_MAX || end > next ||
        trimmed > next || !name_is_good((const uint8_t *)name, name_bytes) ||
        hulse_id_map_get(&s->topics, id) != NULL ||
        hulse_state_topic_by_name(s, name, name_bytes) != NULL) {
        return LOAD_BAD;
    }
    struct state_topic *topic = hulse_state_topic_add(s, id, name, name_bytes);
    if (topic == NULL) {
        return LOAD_NO_MEMORY;
    }
    topic->next_position = next;
    topic->messages_end = end;
    topic->trimmed_to = trimmed;
    topic->terminated = (in.at[24] & VALUE_TERMINATED) != 0;
    topic->kept = (in.at[24] & VALUE_KEPT) != 0;
    s->topic_next = s->topic_next > id ? s->topic_next : id + 1;
    return LOAD_OK;
}

/* Adds ranges and counts; they have to be in the one form that a cursor can have. */
static enum load_result
load_cursor(struct state_subscription *sub, const uint8_t *at, uint32_t ranges, uint32_t counts)
{
    for (uint32_t i = 0; i < ranges; i++, at += RECORD_RANGE_BYTES) {
        const struct range range = {.first = hulse_get64(at), .end = hulse_get64(at + 8)};
        if (range.first >= range.end || range.end > STORE_POSITION_MAX ||
            (i > 0 && range.first <= sub->acknowledged.list[i - 1].end)) {
            return LOAD_BAD;
        }
        if (!hulse_ranges_add(&sub->acknowledged, range.first, range.end)) {
            return LOAD_NO_MEMORY;
        }
    }
    for (uint32_t i = 0; i < counts; i++, at += RECORD_COUNT_BYTES) {
        const struct store_count count = {.position = hulse_get64(at),
                                          .count = hulse_get32(at + 8)};
        if (count.position >= STORE_POSITION_MAX) {
            return LOAD_BAD;
        }
        if (!hulse_cursor_redelivered(sub, count)) {
            return LOAD_NO_MEMORY;
        }
    }
    return LOAD_OK;
}

static enum load_result
load_subscription(struct state *s, const struct value_key *key, struct fields in)
{
    struct state_topic *topic = hulse_id_map_get(&s->topics, hulse_value_key_first(key));
    struct record r = {.subscription = hulse_value_key_second(key)};

    if (topic == NULL || in.bytes < VALUE_SUBSCRIPTION_BYTES || r.subscription == 0 ||
        r.subscription >= STORE_POSITION_MAX ||
        hulse_id_map_get(&s->subscriptions, r.subscription) != NULL) {
        return LOAD_BAD;
    }
    const uint32_t ranges = hulse_get32(in.at);
    const uint32_t counts = hulse_get32(in.at + 4);
    r.name_bytes = hulse_get32(in.at + 8);
    r.name = (const char *)in.at + VALUE_SUBSCRIPTION_BYTES;
    if ((uint64_t)ranges * RECORD_RANGE_BYTES + (uint64_t)counts * RECORD_COUNT_BYTES +
                (uint64_t)r.name_bytes + VALUE_SUBSCRIPTION_BYTES !=
            in.bytes ||
        !name_is_good((const uint8_t *)r.name, r.name_bytes)) {
        return LOAD_BAD;
    }
    struct state_subscription *sub = hulse_state_subscription_add(s, topic, &r);
    if (sub == NULL) {
        return LOAD_NO_MEMORY;
    }
    const enum load_result result =
        load_cursor(sub, (const uint8_t *)r.name + r.name_bytes, ranges, counts);
    if (result != LOAD_OK) {
        (void)hulse_state_subscription_remove(s, sub);
        return result;
    }
    hulse_state_subscription_measure(s, sub);
    s->subscription_next = s->subscription_next > sub->id ? s->subscription_next : sub->id + 1;
    return LOAD_OK;
}

static enum load_result load_handle(struct state *s, const struct value_key *key, struct fields in)
{
    struct state_topic *topic = hulse_id_map_get(&s->topics, hulse_value_key_first(key));

    if (topic == NULL || (in.bytes != VALUE_HANDLE_BYTES && in.bytes != VALUE_HANDLE_OLD_BYTES) ||
        hulse_state_handle_get(s, topic, key->data + 8) != NULL) {
        return LOAD_BAD;
    }
    struct state_handle *handle = hulse_state_handle_add(s, topic, key->data + 8);
    if (handle == NULL) {
        return LOAD_NO_MEMORY;
    }
    handle->seq = hulse_get64(in.at);
    handle->seen_ms = hulse_get64(in.at + 8);
    handle->seen_age = hulse_get64(in.at + 16);
    handle->seq_from = in.bytes == VALUE_HANDLE_BYTES ? hulse_get64(in.at + 24) : 0;
    return LOAD_OK;
}

static bool spots_are_good(const struct state *s, struct fields in)
{
    const uint8_t *at = in.at;
    const size_t count = in.bytes / VALUE_SPOT_BYTES;

    for (size_t i = 0; i < count; i++, at += VALUE_SPOT_BYTES) {
        if (hulse_get32(at + 4) >= s->segment_bytes ||
            (i == 0 ? hulse_get32(at) != 0
                    : hulse_get32(at + 4) <= hulse_get32(at + 4 - VALUE_SPOT_BYTES) ||
                          hulse_get32(at) < hulse_get32(at - VALUE_SPOT_BYTES))) {
            return false;
        }
    }
    return true;
}

/* How much a group holds at most, when nobody has written it down. */
static uint64_t bytes_at_most(const struct state *s, size_t spots)
{
    const uint64_t most = (uint64_t)spots * STATE_REGION_BYTES;

    return most < s->segment_bytes ? most : s->segment_bytes;
}

static enum load_result load_group(struct state *s, const struct value_key *key, struct fields in)
{
    struct state_topic *topic = hulse_id_map_get(&s->topics, hulse_value_key_second(key));
    const uint64_t segment = hulse_value_key_first(key);

    const bool old = key->bytes == 16;
    const size_t fixed = old ? VALUE_INDEX_OLD_BYTES : VALUE_INDEX_BYTES;

    if (topic == NULL || in.bytes < fixed + VALUE_SPOT_BYTES ||
        (in.bytes - fixed) % VALUE_SPOT_BYTES != 0 || segment >= UINT64_MAX / s->segment_bytes) {
        return LOAD_BAD;
    }
    const struct fields spots = {.at = in.at + fixed, .bytes = in.bytes - fixed};
    const size_t count = spots.bytes / VALUE_SPOT_BYTES;
    const uint64_t first = hulse_get64(in.at);
    const uint64_t last = hulse_get64(in.at + 8);
    const uint64_t run = old ? first : hulse_value_key_third(key);
    if (!spots_are_good(s, spots) || run > first || first > last || last >= topic->next_position ||
        hulse_index_overlaps(topic, first, last)) {
        return LOAD_BAD;
    }
    struct index_group *group = hulse_index_insert(s, topic, segment, first);
    if (group == NULL) {
        return LOAD_NO_MEMORY;
    }
    group->run = run;
    group->last_position = last;
    group->bytes = old ? bytes_at_most(s, count) : hulse_get64(in.at + 16);
    const uint8_t *at = spots.at;
    for (size_t i = 0; i < count; i++, at += VALUE_SPOT_BYTES) {
        const struct index_spot spot = {.position = hulse_get32(at), .offset = hulse_get32(at + 4)};
        if (!hulse_index_spot_add(s, group, spot)) {
            return LOAD_NO_MEMORY;
        }
    }
    return LOAD_OK;
}

enum load_result hulse_state_load_row(struct state *s, const struct value_row *row)
{
    const struct value_key *key = &row->key;
    const struct fields in = {.at = row->value + VALUE_HEADER_BYTES,
                              .bytes = row->value_bytes - VALUE_HEADER_BYTES};

    if (!hulse_value_sound(key, row->value, row->value_bytes)) {
        return LOAD_BAD;
    }
    switch (key->table) {
    case VALUE_TOPIC:
        return key->bytes == 8 ? load_topic(s, key, in) : LOAD_BAD;
    case VALUE_SUBSCRIPTION:
        return key->bytes == 16 ? load_subscription(s, key, in) : LOAD_BAD;
    case VALUE_HANDLE:
        return key->bytes == 8 + STORE_HANDLE_BYTES ? load_handle(s, key, in) : LOAD_BAD;
    case VALUE_INDEX:
        return key->bytes == 16 || key->bytes == 24 ? load_group(s, key, in) : LOAD_BAD;
    default:
        return LOAD_BAD;
    }
}

void hulse_state_load_end(struct state *s, bool whole)
{
    struct state_topic *topic = NULL;
    size_t at = 0;

    /* A new database is made of it: what damage may be in the old one's pages is not written upon. */
    hulse_state_all_changed(s);
    s->exact = whole;
    if (whole) {
        s->known_below = s->topic_next;
        return;
    }
    while ((topic = hulse_id_map_next(&s->topics, &at)) != NULL) {
        (void)hulse_index_topic_gone(s, topic); /* Cannot fail: no removal is noted. */
        topic->messages_end = 0;
    }
    hulse_index_free(s);
}
