/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/store/state.h"

#include "daemon/core/assert.h"
#include "daemon/store/state_internal.h"

#include <stdlib.h>
#include <string.h>

struct state *hulse_state_create(uint32_t segment_bytes, uint32_t handle_ttl_ms)
{
    HULSE_ASSERT(segment_bytes > 0);
    struct state *s = calloc(1, sizeof(*s));

    if (s != NULL) {
        s->segment_bytes = segment_bytes;
        s->handle_ttl_ms = handle_ttl_ms;
        s->topic_next = 1;
        s->subscription_next = 1;
        s->all_changed = true; /* Nobody has a checkpoint of it. */
    }
    return s;
}

static void free_topic(struct state_topic *topic)
{
    while (topic->subscriptions != NULL) {
        struct state_subscription *sub = topic->subscriptions;
        topic->subscriptions = sub->next;
        hulse_state_subscription_free(sub);
    }
    while (topic->handles != NULL) {
        struct state_handle *handle = topic->handles;
        topic->handles = handle->next;
        free(handle);
    }
    hulse_state_topic_free(topic);
}

void hulse_state_destroy(struct state **sp)
{
    struct state *s = *sp;
    struct state_topic *topic = NULL;
    size_t at = 0;

    *sp = NULL;
    if (s == NULL) {
        return;
    }
    hulse_index_free(s);
    while ((topic = hulse_id_map_next(&s->topics, &at)) != NULL) {
        free_topic(topic);
    }
    hulse_id_map_clear(&s->topics);
    hulse_id_map_clear(&s->names);
    hulse_id_map_clear(&s->subscriptions);
    hulse_id_map_clear(&s->handles);
    hulse_ranges_clear(&s->gone);
    free(s->changed_topics.list);
    free(s->changed_subscriptions.list);
    free(s->changed_handles.list);
    free(s->changed_groups.list);
    hulse_value_list_clear(&s->removed);
    free(s);
}

uint64_t hulse_state_new_topic_id(struct state *s)
{
    return s->topic_next++;
}

uint64_t hulse_state_new_subscription_id(struct state *s)
{
    return s->subscription_next++;
}

uint64_t hulse_state_next_topic_id(const struct state *s)
{
    return s->topic_next;
}

uint64_t hulse_state_next_subscription_id(const struct state *s)
{
    return s->subscription_next;
}

bool hulse_state_has_topic(const struct state *s, uint64_t topic)
{
    return hulse_id_map_get(&s->topics, topic) != NULL;
}

bool hulse_state_has_subscription(const struct state *s, uint64_t topic, uint64_t subscription)
{
    const struct state_subscription *sub = hulse_id_map_get(&s->subscriptions, subscription);

    return sub != NULL && sub->topic->id == topic;
}

uint64_t hulse_state_topic_named(const struct state *s, const char *name)
{
    const struct state_topic *topic = hulse_state_topic_by_name(s, name, strlen(name));

    return topic == NULL ? 0 : topic->id;
}

uint64_t hulse_state_subscription_named(const struct state *s, uint64_t topic, const char *name)
{
    const struct state_topic *t = hulse_id_map_get(&s->topics, topic);
    const struct state_subscription *sub = t == NULL ? NULL : t->subscriptions;

    while (sub != NULL && strcmp(sub->name, name) != 0) {
        sub = sub->next;
    }
    return sub == NULL ? 0 : sub->id;
}

static void add_loss(void *ctx, const struct state_loss *loss)
{
    struct state_figures *out = ctx;

    out->lost_messages += loss->messages;
}

void hulse_state_figures(const struct state *s, struct state_figures *out)
{
    *out = (struct state_figures){
        .topics = (uint32_t)s->topics.count,
        .subscriptions = (uint32_t)s->subscriptions.count - s->transient_count,
        .handles = s->handle_count,
        .epoch = s->epoch,
        .homeless_records = s->homeless,
        .damaged_records = s->damaged,
        .index_entries = s->spots,
    };
    hulse_state_each_loss(s, add_loss, out);
}

uint64_t hulse_state_bytes(const struct state *s)
{
    const uint64_t places = (uint64_t)s->topics.room + s->names.room + s->subscriptions.room +
                            s->handles.room + s->segments.room;

    return s->bytes + places * sizeof(struct id_place) +
           s->groups * (sizeof(struct index_group) + sizeof(struct index_group *)) +
           s->spots * sizeof(struct index_spot);
}

/* What one topic's walk needs in arrays. */
struct lists {
    struct store_subscription_info *subscriptions;
    struct store_handle_info *handles;
    uint32_t subscription_room;
    uint32_t handle_room;
};

static bool make_room(struct lists *l, const struct state_topic *topic)
{
    if (topic->subscription_count > l->subscription_room) {
        free(l->subscriptions);
        l->subscription_room = topic->subscription_count * 2;
        l->subscriptions = calloc(l->subscription_room, sizeof(*l->subscriptions));
    }
    if (topic->handle_count > l->handle_room) {
        free(l->handles);
        l->handle_room = topic->handle_count * 2;
        l->handles = calloc(l->handle_room, sizeof(*l->handles));
    }
    return (l->subscriptions != NULL || l->subscription_room == 0) &&
           (l->handles != NULL || l->handle_room == 0);
}

uint64_t hulse_state_first_position(const struct state_topic *topic)
{
    const uint64_t there =
        topic->group_count > 0 ? topic->groups[0]->first_position : topic->messages_end;

    return there > topic->trimmed_to ? there : topic->trimmed_to;
}

/* One that was heard of since the last checkpoint has the age of the next. */
static uint64_t idle_ms(const struct state *s, const struct state_handle *handle)
{
    return handle->changed != 0 || handle->seen_age > s->age_ms ? 0 : s->age_ms - handle->seen_age;
}

static void describe(const struct state *s,
                     const struct state_topic *topic,
                     struct lists *l,
                     struct store_topic_info *out)
{
    *out = (struct store_topic_info){.id = topic->id,
                                     .name = topic->name,
                                     .first_position = hulse_state_first_position(topic),
                                     .next_position = topic->next_position,
                                     .terminated = topic->terminated,
                                     .kept = topic->kept,
                                     .subscriptions = l->subscriptions,
                                     .handles = l->handles};
    for (const struct state_subscription *sub = topic->subscriptions;
         sub != NULL && l->subscriptions != NULL;
         sub = sub->next) {
        l->subscriptions[out->subscription_count++] = (struct store_subscription_info){
            .id = sub->id,
            .name = sub->name,
            .acknowledged = &sub->acknowledged,
            .redelivered = sub->counts == NULL ? NULL : sub->counts + sub->count_first,
            .redelivered_count = sub->count_count};
    }
    for (const struct state_handle *handle = topic->handles; handle != NULL && l->handles != NULL;
         handle = handle->next) {
        struct store_handle_info *info = &l->handles[out->handle_count++];
        memcpy(info->handle, handle->handle, STORE_HANDLE_BYTES);
        info->seq = handle->seq;
        info->seq_from = handle->seq_from;
        info->seen_ms = handle->seen_ms;
        info->idle_ms = idle_ms(s, handle);
    }
}

bool hulse_state_each_topic(const struct state *s,
                            bool (*each)(void *ctx, const struct store_topic_info *topic),
                            void *ctx)
{
    struct lists lists = {0};
    const struct state_topic *topic = NULL;
    size_t at = 0;
    bool more = true;

    while (more && (topic = hulse_id_map_next(&s->topics, &at)) != NULL) {
        struct store_topic_info info;
        more = make_room(&lists, topic);
        if (more) {
            describe(s, topic, &lists, &info);
            more = each(ctx, &info);
        }
    }
    free(lists.subscriptions);
    free(lists.handles);
    return more;
}
