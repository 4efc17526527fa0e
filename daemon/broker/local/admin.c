/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin - orders about topics, on the worker of the topic.
 */
#include "daemon/broker/local/ask.h"
#include "daemon/broker/local/durable.h"
#include "daemon/broker/local/internal.h"

#include <string.h>

#define NAMES_ROOM_MIN 1024U

static bool make_room(struct ask *a, size_t bytes)
{
    if (a->names_room - a->names_bytes >= bytes) {
        return true;
    }
    size_t room = a->names_room == 0 ? NAMES_ROOM_MIN : a->names_room;
    while (room - a->names_bytes < bytes) {
        room *= 2;
    }
    char *wider = hulse_mem_alloc(HULSE_MEM_TOPIC, room);
    if (wider == NULL) {
        return false;
    }
    if (a->names_bytes != 0) {
        memcpy(wider, a->names, a->names_bytes);
    }
    hulse_mem_free(HULSE_MEM_TOPIC, a->names, a->names_room);
    a->names = wider;
    a->names_room = room;
    return true;
}

/* False: refused, over the memory cap. */
static bool add_name(struct ask *a, const char *name)
{
    const size_t bytes = strlen(name) + 1;
    if (!make_room(a, bytes)) {
        hulse_ask_refuse(a, HULSE_NO_MEMORY, "no memory for the names");
        return false;
    }
    memcpy(a->names + a->names_bytes, name, bytes);
    a->names_bytes += bytes;
    a->admin->name_count += 1;
    return true;
}

/* "tenant/namespace"; empty takes all. */
static bool in_namespace(const char *topic, const char *filter)
{
    const size_t bytes = strlen(filter);
    const char *behind = strstr(topic, "://") + 3; /* full names have it */
    return bytes == 0 || (strncmp(behind, filter, bytes) == 0 && behind[bytes] == '/');
}

static void list_topics(const struct local_worker *lw, struct ask *a)
{
    for (uint32_t i = 0; i < lw->bucket_count; i++) {
        for (const struct topic *topic = lw->buckets[i]; topic != NULL; topic = topic->next) {
            if (in_namespace(topic->name, a->admin->namespace_name) && !add_name(a, topic->name)) {
                return;
            }
        }
    }
}

static void list_subscriptions(const struct topic *topic, struct ask *a)
{
    for (struct link *l = topic->subscriptions.next; l != &topic->subscriptions; l = l->next) {
        const struct subscription *sub = HULSE_CONTAINER(l, struct subscription, link);
        if (!sub->over && sub->type != BROKER_READER && !add_name(a, sub->name)) {
            return;
        }
    }
}

/* What is held by consumers is not touched; with a store, what is passed over is final soon after. */
static void skip(struct subscription *sub, struct ask *a)
{
    if (sub->cursor == NULL) {
        hulse_subscription_drop_waiting(sub);
    } else if (!hulse_window_truncate(sub)) {
        hulse_ask_refuse(a, HULSE_NO_MEMORY, "no memory for the order");
    }
}

/* Its consumers get nothing more; it goes with the last of them. */
static void unsubscribe(struct subscription *sub, struct ask *a)
{
    if (sub->seat_count != 0 && !a->admin->force) {
        hulse_ask_refuse(a, HULSE_BUSY, "the subscription has consumers");
        return;
    }
    struct order *removal = sub->cursor == NULL ? NULL : hulse_cursor_remove(sub);
    if (sub->seat_count != 0) {
        hulse_subscription_cease(sub);
    } else {
        hulse_subscription_forget(sub);
    }
    if (removal != NULL) {
        hulse_later_ask(a, &removal->waiting, false);
    }
}

static void change_subscription(const struct topic *topic, struct ask *a)
{
    struct subscription *sub = hulse_topic_subscription(topic, a->admin->subscription);

    if (sub == NULL) {
        hulse_ask_refuse(a, HULSE_NO_TOPIC, "the topic has no subscription of this name");
    } else if (sub->cursor != NULL && sub->cursor->creation != NULL) {
        hulse_later_ask(a, &sub->cursor->creation->waiting, true);
    } else if (a->admin->command == BROKER_ADMIN_SKIP) {
        skip(sub, a);
    } else {
        unsubscribe(sub, a);
    }
}

static void create(struct local_worker *lw, struct ask *a)
{
    struct topic_wish wish = {.name = a->admin->topic, .hash = a->hash, .create = true};
    hulse_status status = HULSE_OK;
    const char *text = "";
    if (hulse_table_find(lw, wish.name, wish.hash) != NULL) {
        hulse_ask_refuse(a, HULSE_BUSY, "the topic exists");
        return;
    }
    struct topic *topic = hulse_topic_find(lw, &wish, &status, &text);
    if (topic == NULL) {
        hulse_ask_refuse(a, status, text);
        return;
    }
    topic->kept = true;
    if (topic->durable != NULL) {
        hulse_later_ask(a, &topic->durable->creation->waiting, false);
    }
}

static void truncate_topic(struct topic *topic)
{
    for (struct link *l = topic->subscriptions.next; l != &topic->subscriptions; l = l->next) {
        hulse_subscription_drop_waiting(HULSE_CONTAINER(l, struct subscription, link));
    }
}

/* What changes a topic: in memory first, then in the store, which answers. */
static void change(struct topic *topic, struct ask *a)
{
    hulse_status status = HULSE_OK;
    const char *text = "";
    struct order *o = NULL;
    if (topic->durable != NULL) {
        o = hulse_durable_prepare(topic, a->admin->command);
        if (o == NULL) {
            hulse_ask_refuse(a, HULSE_NO_MEMORY, "no memory for the order");
            return;
        }
    }
    switch (a->admin->command) {
    case BROKER_ADMIN_DELETE:
        status = hulse_topic_delete(topic, a->admin->force, &text);
        break;
    case BROKER_ADMIN_TERMINATE:
        status = hulse_topic_terminate(topic, &text);
        if (status == HULSE_OK) {
            a->admin->has_last = hulse_topic_last(topic, &a->admin->last);
        }
        break;
    case BROKER_ADMIN_TRUNCATE:
        if (topic->durable == NULL) {
            truncate_topic(topic);
        }
        break;
    default:
        HULSE_ASSERT(false);
    }
    hulse_ask_refuse(a, status, text);
    if (o != NULL && status == HULSE_OK) {
        hulse_durable_order(o, a);
    } else {
        hulse_mem_free(HULSE_MEM_TOPIC, o, sizeof(*o));
    }
}

void hulse_ask_admin(struct local_worker *lw, struct ask *a)
{
    const enum broker_admin_command command = a->admin->command;
    if (command == BROKER_ADMIN_TOPICS) {
        list_topics(lw, a);
        return;
    }
    if (command == BROKER_ADMIN_CREATE) {
        create(lw, a);
        return;
    }
    struct topic *topic = hulse_table_find(lw, a->admin->topic, a->hash);
    if (topic == NULL) {
        hulse_ask_refuse(a, HULSE_NO_TOPIC, "the topic does not exist");
        return;
    }
    if (topic->durable != NULL && topic->durable->creation != NULL) {
        hulse_later_ask(a, &topic->durable->creation->waiting, true);
        return;
    }
    if (command == BROKER_ADMIN_TERMINATE && topic->durable != NULL &&
        !topic->durable->last_known) {
        hulse_durable_find_last(topic);
        hulse_later_ask(a, &topic->durable->askers, true);
        return;
    }
    if (command == BROKER_ADMIN_SUBSCRIPTIONS) {
        list_subscriptions(topic, a);
        return;
    }
    if (command == BROKER_ADMIN_SKIP || command == BROKER_ADMIN_UNSUBSCRIBE) {
        change_subscription(topic, a);
        return;
    }
    change(topic, a);
}
