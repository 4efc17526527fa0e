/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body - see body.h. Lists grow by doubling inside the arena, which keeps what they leave behind;
 * a file says how many elements there will be.
 */
#include "daemon/config/body.h"

#include "daemon/core/assert.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_MIN 8U
#define SIZE_MAX_DEFAULT (UINT64_C(8) << 30U) /* it and the rest as the key table says */

/* These exist without being written down, and until anything else is. */
#define OWN_BROKER(called, kind)                                                                   \
    {                                                                                              \
        .name = (called), .type = (kind), .directory = "", .size_max = SIZE_MAX_DEFAULT,           \
        .service_url = "", .admin_url = "", .listener = "", .connect_timeout_ms = 10000,           \
        .operation_timeout_ms = 30000, .keep_alive_ms = 30000, .partitions_refresh_ms = 60000,     \
        .topics_refresh_ms = 60000,                                                                \
        .auth = {.token = "",                                                                      \
                 .token_file = "",                                                                 \
                 .token_command = "",                                                              \
                 .oauth2 = {"", "", "", "", "", ""},                                               \
                 .athenz = {"", "", "", "", "", "", "", "", "", ""},                               \
                 .kerberos = {"", "", ""},                                                         \
                 .basic = {"", ""},                                                                \
                 .tls = {"", ""}},                                                                 \
        .tls = {                                                                                   \
            "",                                                                                    \
            true,                                                                                  \
            CONFIG_TLS_1_2,                                                                        \
            0                                                                                      \
        }                                                                                          \
    }

static const struct config_broker own_brokers[] = {
    OWN_BROKER("local", CONFIG_BROKER_LOCAL),
    OWN_BROKER("null", CONFIG_BROKER_NULL),
};
#define OWN_BROKERS (sizeof(own_brokers) / sizeof(own_brokers[0]))

static const struct config_origin by_default;

static size_t row_width(enum key_scope scope)
{
    return hulse_key_count(scope) + 1;
}

/* ---- the lists ---- */

/* What everybody else sees of a list. */
static void show(struct config *c, enum key_scope scope)
{
    const struct key_list *list = hulse_key_list(scope);
    const struct config_items *items = &c->body->items[scope];
    const void *shown = items->items;

    memcpy((char *)c + list->offset, &shown, sizeof(shown));
    memcpy((char *)c + list->count_offset, &items->count, sizeof(items->count));
}

static bool make_room(struct config_body *body, enum key_scope scope, size_t room)
{
    struct config_items *l = &body->items[scope];
    const size_t item_bytes = hulse_key_list(scope)->item_bytes;
    const size_t row_bytes = row_width(scope) * sizeof(*l->origins);
    char *items = hulse_arena_alloc(&body->arena, room * item_bytes);
    struct config_origin *origins = hulse_arena_alloc(&body->arena, room * row_bytes);

    if (items == NULL || origins == NULL) {
        return false;
    }
    if (l->count > 0) {
        memcpy(items, l->items, l->count * item_bytes);
        memcpy(origins, l->origins, l->count * row_bytes);
    }
    l->items = items;
    l->origins = origins;
    l->room = room;
    return true;
}

static void set_default(const struct key *key, void *item)
{
    hulse_key_clear(key, item);
    if (key->fallback != NULL) {
        /* No default is a text behind a pointer but null, so there is no arena. */
        const hulse_status st = hulse_key_store(key, item, NULL, key->fallback, NULL);
        HULSE_ASSERT(st == HULSE_OK);
    }
}

/* An element of zeroes, so that its lists are empty already. */
static void set_defaults(enum key_scope scope, void *item)
{
    for (size_t i = 0; i < hulse_key_count(scope); i++) {
        const struct key *key = hulse_key_at(scope, i);
        if (key->type != KEY_TEXTS && key->type != KEY_IDS) {
            set_default(key, item);
        }
    }
}

void hulse_config_topic_defaults(struct config_topic_rule *out)
{
    memset(out, 0, sizeof(*out));
    set_defaults(KEY_TOPIC, out);
}

void hulse_config_broker_defaults(struct config_broker *out)
{
    memset(out, 0, sizeof(*out));
    set_defaults(KEY_BROKER, out);
}

/* An element of defaults, from which all are copied: parsing them each time is what a long list
 * would mostly do. The arena gives zeroes. */
static char *make_blank(struct config_body *body, enum key_scope scope)
{
    char *blank = hulse_arena_alloc(&body->arena, hulse_key_list(scope)->item_bytes);

    if (blank != NULL) {
        set_defaults(scope, blank);
    }
    return blank;
}

static void *append(struct config_body *body, enum key_scope scope)
{
    struct config_items *l = &body->items[scope];
    const size_t item_bytes = hulse_key_list(scope)->item_bytes;

    if (l->blank == NULL) {
        l->blank = make_blank(body, scope);
    }
    const size_t room = l->room == 0 ? ROOM_MIN : l->room * 2;
    if (l->blank == NULL || (l->count == l->room && !make_room(body, scope, room))) {
        return NULL;
    }
    return memcpy(l->items + l->count++ * item_bytes, l->blank, item_bytes);
}

static bool add_own_brokers(struct config *c)
{
    for (size_t i = 0; i < OWN_BROKERS; i++) {
        struct config_broker *broker = append(c->body, KEY_BROKER);
        if (broker == NULL) {
            return false;
        }
        *broker = own_brokers[i];
    }
    show(c, KEY_BROKER);
    return true;
}

struct config_body *hulse_body_get(struct config *c)
{
    if (c->body != NULL) {
        return c->body;
    }
    c->body = calloc(1, sizeof(*c->body));
    if (c->body != NULL && !add_own_brokers(c)) {
        hulse_config_fini(c);
    }
    return c->body;
}

void hulse_config_fini(struct config *c)
{
    if (c->body != NULL) {
        hulse_arena_fini(&c->body->arena);
        free(c->body);
    }
    *c = (struct config){.brokers = own_brokers, .broker_count = OWN_BROKERS};
}

const char *hulse_body_text(struct config *c, const char *text, size_t bytes)
{
    struct config_body *body = hulse_body_get(c);

    return body == NULL ? NULL : hulse_arena_text(&body->arena, text, bytes);
}

bool hulse_body_reserve(struct config *c, enum key_scope scope, size_t more)
{
    struct config_body *body = hulse_body_get(c);
    const struct config_items *l = body == NULL ? NULL : &body->items[scope];

    if (l == NULL) {
        return false;
    }
    return more <= l->room - l->count || make_room(body, scope, l->count + more);
}

bool hulse_body_clear(struct config *c, enum key_scope scope)
{
    struct config_body *body = hulse_body_get(c);

    if (body == NULL) {
        return false;
    }
    /* Those who look at the elements that were keep them; origins are expected to be zeroes. */
    body->items[scope] = (struct config_items){.blank = body->items[scope].blank};
    show(c, scope);
    return true;
}

static hulse_status set_name(struct config *c, void *item, const char *name, struct error *err)
{
    const char *copy = hulse_body_text(c, name, strlen(name));

    if (copy == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory");
    }
    /* The name is the first member of what has one. */
    memcpy(item, &copy, sizeof(copy));
    return HULSE_OK;
}

hulse_status hulse_body_add(
    struct config *c, enum key_scope scope, const char *name, size_t *index, struct error *err)
{
    const struct key_list *list = hulse_key_list(scope);
    struct config_body *body = hulse_body_get(c);
    void *item = NULL;

    if (body == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory");
    }
    if (body->items[scope].count == list->item_max) {
        return hulse_fail(err, HULSE_LIMIT, "%s: at most %zu", list->path, list->item_max);
    }
    item = append(body, scope);
    if (item == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory");
    }
    *index = body->items[scope].count - 1;
    if (list->named && set_name(c, item, name, err) != HULSE_OK) {
        body->items[scope].count--;
        return HULSE_NO_MEMORY;
    }
    show(c, scope);
    return HULSE_OK;
}

/* ---- looking at them ---- */

size_t hulse_body_count(const struct config *c, enum key_scope scope)
{
    size_t count = 0;

    memcpy(&count, (const char *)c + hulse_key_list(scope)->count_offset, sizeof(count));
    return count;
}

const void *hulse_body_item(const struct config *c, enum key_scope scope, size_t index)
{
    const struct key_list *list = hulse_key_list(scope);
    const char *items = NULL;

    HULSE_ASSERT(index < hulse_body_count(c, scope));
    memcpy(&items, (const char *)c + list->offset, sizeof(items));
    return items + index * list->item_bytes;
}

void *hulse_body_item_mutable(struct config *c, enum key_scope scope, size_t index)
{
    const struct config_items *l = &c->body->items[scope];

    HULSE_ASSERT(index < l->count);
    return l->items + index * hulse_key_list(scope)->item_bytes;
}

size_t hulse_body_find(const struct config *c, enum key_scope scope, const char *name)
{
    const size_t count = hulse_body_count(c, scope);

    HULSE_ASSERT(hulse_key_list(scope)->named);
    for (size_t i = 0; i < count; i++) {
        const char *other = NULL;
        memcpy(&other, hulse_body_item(c, scope, i), sizeof(other));
        if (strcmp(other, name) == 0) {
            return i;
        }
    }
    return count;
}

struct config_origin *hulse_body_origin_mutable(struct config *c,
                                                enum key_scope scope,
                                                size_t index,
                                                const struct key *key)
{
    const struct config_items *l = &c->body->items[scope];
    const size_t column = key == NULL ? hulse_key_count(scope) : hulse_key_index(key);

    HULSE_ASSERT(index < l->count);
    HULSE_ASSERT(key == NULL || key->scope == scope);
    return &l->origins[index * row_width(scope) + column];
}

const struct config_origin *
hulse_body_origin(const struct config *c, enum key_scope scope, size_t index, const struct key *key)
{
    const size_t column = key == NULL ? hulse_key_count(scope) : hulse_key_index(key);

    HULSE_ASSERT(index < hulse_body_count(c, scope));
    if (c->body == NULL) {
        return &by_default;
    }
    return &c->body->items[scope].origins[index * row_width(scope) + column];
}

struct config_place hulse_body_place(const struct config_origin *origin)
{
    if (origin->kind != CONFIG_ORIGIN_FILE) {
        return (struct config_place){0};
    }
    return (struct config_place){
        .file = origin->name, .line = origin->line, .column = origin->column};
}

struct config_place
hulse_body_place_of(const struct config *c, enum key_scope scope, size_t index, const char *path)
{
    const struct key *key = hulse_key_find(scope, path);

    HULSE_ASSERT(key != NULL);
    if (scope == KEY_GLOBAL) {
        return hulse_body_place(&c->origins[hulse_key_index(key)]);
    }
    return hulse_body_place(hulse_body_origin(c, scope, index, key));
}
