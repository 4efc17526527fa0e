/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes into a checkpoint: rows for what has changed.
 */
#include "daemon/core/assert.h"
#include "daemon/core/bytes.h"
#include "daemon/store/state_internal.h"
#include "daemon/store/value.h"

#include <stdlib.h>
#include <string.h>

static bool put_topic(struct value_list *to, const struct state_topic *topic)
{
    const struct value_key key = hulse_value_key(VALUE_TOPIC, topic->id);
    const size_t name_bytes = strlen(topic->name);
    const size_t bytes = VALUE_HEADER_BYTES + VALUE_TOPIC_BYTES + name_bytes;
    uint8_t *value = hulse_value_list_add(to, &key, false, bytes);

    if (value == NULL) {
        return false;
    }
    uint8_t *at = value + VALUE_HEADER_BYTES;
    hulse_put64(at, topic->next_position);
    hulse_put64(at + 8, topic->messages_end);
    hulse_put64(at + 16, topic->trimmed_to);
    at[24] =
        (uint8_t)((topic->terminated ? VALUE_TERMINATED : 0U) | (topic->kept ? VALUE_KEPT : 0U));
    memcpy(at + VALUE_TOPIC_BYTES, topic->name, name_bytes);
    hulse_value_seal(&key, value, bytes);
    return true;
}

static bool put_subscription(struct value_list *to, const struct state_subscription *sub)
{
    const struct value_key key = hulse_value_key2(VALUE_SUBSCRIPTION, sub->topic->id, sub->id);
    const size_t name_bytes = strlen(sub->name);
    const size_t bytes = VALUE_HEADER_BYTES + VALUE_SUBSCRIPTION_BYTES + name_bytes +
                         (size_t)sub->acknowledged.count * RECORD_RANGE_BYTES +
                         (size_t)sub->count_count * RECORD_COUNT_BYTES;
    uint8_t *value = hulse_value_list_add(to, &key, false, bytes);

    if (value == NULL) {
        return false;
    }
    uint8_t *at = value + VALUE_HEADER_BYTES;
    hulse_put32(at, sub->acknowledged.count);
    hulse_put32(at + 4, sub->count_count);
    hulse_put32(at + 8, (uint32_t)name_bytes);
    at += VALUE_SUBSCRIPTION_BYTES;
    memcpy(at, sub->name, name_bytes);
    at += name_bytes;
    for (uint32_t i = 0; i < sub->acknowledged.count; i++, at += RECORD_RANGE_BYTES) {
        hulse_put64(at, sub->acknowledged.list[i].first);
        hulse_put64(at + 8, sub->acknowledged.list[i].end);
    }
    for (uint32_t i = 0; i < sub->count_count; i++, at += RECORD_COUNT_BYTES) {
        hulse_put64(at, sub->counts[sub->count_first + i].position);
        hulse_put32(at + 8, sub->counts[sub->count_first + i].count);
    }
    HULSE_ASSERT(at == value + bytes);
    hulse_value_seal(&key, value, bytes);
    return true;
}

static bool put_handle(struct value_list *to, const struct state_handle *handle)
{
    const struct value_key key = hulse_value_key_handle(handle->topic->id, handle->handle);
    uint8_t *value = hulse_value_list_add(to, &key, false, VALUE_HEADER_BYTES + VALUE_HANDLE_BYTES);

    if (value == NULL) {
        return false;
    }
    uint8_t *at = value + VALUE_HEADER_BYTES;
    hulse_put64(at, handle->seq);
    hulse_put64(at + 8, handle->seen_ms);
    hulse_put64(at + 16, handle->seen_age);
    hulse_put64(at + 24, handle->seq_from);
    hulse_value_seal(&key, value, VALUE_HEADER_BYTES + VALUE_HANDLE_BYTES);
    return true;
}

static bool put_group(struct value_list *to, const struct index_group *group)
{
    const struct value_key key = hulse_index_key(group);
    const size_t bytes =
        VALUE_HEADER_BYTES + VALUE_INDEX_BYTES + (size_t)group->spot_count * VALUE_SPOT_BYTES;
    uint8_t *value = hulse_value_list_add(to, &key, false, bytes);

    if (value == NULL) {
        return false;
    }
    uint8_t *at = value + VALUE_HEADER_BYTES;
    hulse_put64(at, group->first_position);
    hulse_put64(at + 8, group->last_position);
    hulse_put64(at + 16, group->bytes);
    at += VALUE_INDEX_BYTES;
    for (uint32_t i = 0; i < group->spot_count; i++, at += VALUE_SPOT_BYTES) {
        hulse_put32(at, group->spots[i].position);
        hulse_put32(at + 4, group->spots[i].offset);
    }
    hulse_value_seal(&key, value, bytes);
    return true;
}

static bool put_whole_topic(struct value_list *to, const struct state_topic *topic)
{
    bool ok = put_topic(to, topic);

    for (const struct state_subscription *sub = topic->subscriptions; ok && sub != NULL;
         sub = sub->next) {
        ok = sub->transient || put_subscription(to, sub);
    }
    for (const struct state_handle *handle = topic->handles; ok && handle != NULL;
         handle = handle->next) {
        ok = put_handle(to, handle);
    }
    for (uint32_t i = 0; ok && i < topic->group_count; i++) {
        ok = put_group(to, topic->groups[i]);
    }
    return ok;
}

static bool put_all(const struct state *s, struct value_list *to)
{
    const struct state_topic *topic = NULL;
    size_t at = 0;

    while ((topic = hulse_id_map_next(&s->topics, &at)) != NULL) {
        if (!put_whole_topic(to, topic)) {
            return false;
        }
    }
    return true;
}

static bool put_changed(struct state *s, struct value_list *to)
{
    bool ok = true;

    for (uint32_t i = 0; ok && i < s->changed_topics.count; i++) {
        const struct state_topic *topic = s->changed_topics.list[i];
        ok = topic == NULL || put_topic(to, topic);
    }
    for (uint32_t i = 0; ok && i < s->changed_subscriptions.count; i++) {
        const struct state_subscription *sub = s->changed_subscriptions.list[i];
        ok = sub == NULL || put_subscription(to, sub);
    }
    for (uint32_t i = 0; ok && i < s->changed_handles.count; i++) {
        const struct state_handle *handle = s->changed_handles.list[i];
        ok = handle == NULL || put_handle(to, handle);
    }
    for (uint32_t i = 0; ok && i < s->changed_groups.count; i++) {
        const struct index_group *group = s->changed_groups.list[i];
        ok = group == NULL || put_group(to, group);
    }
    return ok;
}

void hulse_state_begin_clock(struct state *s, uint64_t now_ms)
{
    s->clock_ms = now_ms;
}

/* Those that were heard of since the last checkpoint are as old as this one. */
static void age(struct state *s, uint64_t now_ms)
{
    if (s->clock_ms != 0 && now_ms > s->clock_ms) {
        s->age_ms += now_ms - s->clock_ms;
    }
    s->clock_ms = now_ms;
    for (uint32_t i = 0; i < s->changed_handles.count; i++) {
        struct state_handle *handle = s->changed_handles.list[i];
        if (handle != NULL) {
            handle->seen_age = s->age_ms;
        }
    }
}

static void nothing_changed(struct state *s)
{
    struct change_list *lists[] = {
        &s->changed_topics, &s->changed_subscriptions, &s->changed_handles, &s->changed_groups};

    for (uint32_t i = 0; i < s->changed_topics.count; i++) {
        struct state_topic *topic = s->changed_topics.list[i];
        if (topic != NULL) {
            topic->changed = 0;
        }
    }
    for (uint32_t i = 0; i < s->changed_subscriptions.count; i++) {
        struct state_subscription *sub = s->changed_subscriptions.list[i];
        if (sub != NULL) {
            sub->changed = 0;
        }
    }
    for (uint32_t i = 0; i < s->changed_handles.count; i++) {
        struct state_handle *handle = s->changed_handles.list[i];
        if (handle != NULL) {
            handle->changed = 0;
        }
    }
    for (uint32_t i = 0; i < s->changed_groups.count; i++) {
        struct index_group *group = s->changed_groups.list[i];
        if (group != NULL) {
            group->changed = 0;
        }
    }
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        lists[i]->count = 0;
    }
    s->all_changed = false;
}

static struct value_meta meta_of(const struct state *s, uint64_t lsn)
{
    return (struct value_meta){.covered = lsn,
                               .indexed = lsn,
                               .epoch = s->epoch,
                               .topic_next = s->topic_next,
                               .subscription_next = s->subscription_next,
                               .age_ms = s->age_ms,
                               .segment_bytes = s->segment_bytes};
}

struct checkpoint *hulse_state_snapshot(const struct state *s, uint64_t lsn)
{
    struct checkpoint *cp = calloc(1, sizeof(*cp));

    if (cp == NULL) {
        return NULL;
    }
    cp->all = true;
    cp->meta = meta_of(s, lsn);
    if (!put_all(s, &cp->values)) {
        hulse_checkpoint_free(&cp);
    }
    return cp;
}

struct checkpoint *hulse_state_checkpoint(struct state *s, uint64_t lsn, uint64_t now_ms)
{
    struct checkpoint *cp = calloc(1, sizeof(*cp));

    age(s, now_ms);
    if (cp == NULL || !hulse_state_handles_sweep(s)) {
        hulse_state_all_changed(s);
        hulse_checkpoint_free(&cp);
        return NULL;
    }
    cp->all = s->all_changed;
    cp->meta = meta_of(s, lsn);
    if (!(cp->all ? put_all(s, &cp->values) : put_changed(s, &cp->values))) {
        hulse_state_all_changed(s);
        hulse_checkpoint_free(&cp);
        return NULL;
    }
    cp->removed = s->removed;
    s->removed = (struct value_list){0};
    nothing_changed(s);
    return cp;
}
