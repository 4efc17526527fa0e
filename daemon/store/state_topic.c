/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/assert.h"
#include "daemon/core/hash.h"
#include "daemon/store/state_internal.h"
#include "daemon/store/value.h"

#include <stdlib.h>
#include <string.h>

static uint64_t hash_name(const char *name, size_t bytes)
{
    uint64_t hash = HULSE_HASH_START;

    for (size_t i = 0; i < bytes; i++) {
        hash = hulse_hash_byte(hash, name[i]);
    }
    return hash;
}

static bool named(const struct state_topic *topic, const char *name, size_t bytes)
{
    return strncmp(topic->name, name, bytes) == 0 && topic->name[bytes] == '\0';
}

struct state_topic *hulse_state_topic_by_name(const struct state *s, const char *name, size_t bytes)
{
    struct state_topic *topic = hulse_id_map_get(&s->names, hash_name(name, bytes));

    while (topic != NULL && !named(topic, name, bytes)) {
        topic = topic->same_hash;
    }
    return topic;
}

static uint64_t topic_bytes(const struct state_topic *topic)
{
    return sizeof(*topic) + strlen(topic->name) + 1;
}

bool hulse_state_topic_touch(struct state *s, struct state_topic *topic)
{
    return hulse_state_changed(&s->changed_topics, topic, &topic->changed);
}

struct state_topic *
hulse_state_topic_add(struct state *s, uint64_t id, const char *name, size_t name_bytes)
{
    const uint64_t hash = hash_name(name, name_bytes);
    struct state_topic *topic = calloc(1, sizeof(*topic) + name_bytes + 1);

    if (topic == NULL) {
        return NULL;
    }
    topic->id = id;
    topic->damage_seen = s->damages;
    topic->move_seen = s->damages;
    memcpy(topic->name, name, name_bytes);
    if (!hulse_id_map_put(&s->topics, id, topic)) {
        free(topic);
        return NULL;
    }
    topic->same_hash = hulse_id_map_get(&s->names, hash);
    if (!hulse_id_map_put(&s->names, hash, topic)) {
        hulse_id_map_remove(&s->topics, id);
        free(topic);
        return NULL;
    }
    s->bytes += topic_bytes(topic);
    return topic;
}

static void leave_names(struct state *s, struct state_topic *topic)
{
    const uint64_t hash = hash_name(topic->name, strlen(topic->name));
    struct state_topic *first = hulse_id_map_get(&s->names, hash);

    if (first == topic) {
        if (topic->same_hash == NULL) {
            hulse_id_map_remove(&s->names, hash);
        } else {
            (void)hulse_id_map_put(&s->names, hash, topic->same_hash);
        }
        return;
    }
    while (first->same_hash != topic) {
        first = first->same_hash;
    }
    first->same_hash = topic->same_hash;
}

void hulse_state_topic_free(struct state_topic *topic)
{
    hulse_ranges_clear(&topic->lost);
    free(topic->groups);
    free(topic);
}

static bool removed_rows(struct state *s, const struct state_topic *topic)
{
    const struct value_key self = hulse_value_key(VALUE_TOPIC, topic->id);
    const struct value_key subscriptions = hulse_value_key(VALUE_SUBSCRIPTION, topic->id);
    const struct value_key handles = hulse_value_key(VALUE_HANDLE, topic->id);

    return hulse_state_removed(s, &self, false) && hulse_state_removed(s, &subscriptions, true) &&
           hulse_state_removed(s, &handles, true);
}

bool hulse_state_topic_remove(struct state *s, struct state_topic *topic)
{
    if (!removed_rows(s, topic) || !hulse_ranges_add(&s->gone, topic->id, topic->id + 1)) {
        return false;
    }
    while (topic->subscriptions != NULL) {
        struct state_subscription *sub = topic->subscriptions;
        topic->subscriptions = sub->next;
        hulse_state_subscription_drop(s, sub);
    }
    while (topic->handles != NULL) {
        (void)hulse_state_handle_remove(s, topic->handles, false);
    }
    if (!hulse_index_topic_gone(s, topic)) {
        return false;
    }
    hulse_state_unchanged(&s->changed_topics, &topic->changed);
    leave_names(s, topic);
    hulse_id_map_remove(&s->topics, topic->id);
    s->bytes -= topic_bytes(topic);
    hulse_state_topic_free(topic);
    return true;
}
