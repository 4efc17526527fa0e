/* SPDX-License-Identifier: Apache-2.0 */
/*
 * change - see change.h.
 */
#include "daemon/config/change.h"

#include "daemon/config/body.h"
#include "daemon/config/key.h"
#include "daemon/core/assert.h"

#include <assert.h>
#include <string.h>

static_assert(KEY_SCOPES <= HULSE_CONFIG_KEYS_MAX / 4, "lists have room beside the keys");

static void note(struct config_change *out, const char *path, bool restart)
{
    if (restart) {
        HULSE_ASSERT(out->restart_count < HULSE_CONFIG_KEYS_MAX);
        out->restart[out->restart_count++] = path;
    } else {
        HULSE_ASSERT(out->applied_count < HULSE_CONFIG_KEYS_MAX);
        out->applied[out->applied_count++] = path;
    }
}

/* An origin whose name lives as long as *c. */
static bool
copy_origin(struct config *c, struct config_origin *to, const struct config_origin *from)
{
    *to = *from;
    if (from->name != NULL) {
        to->name = hulse_body_text(c, from->name, strlen(from->name));
    }
    return from->name == NULL || to->name != NULL;
}

static bool
take_over_keys(struct config *fresh, const struct config *running, struct config_change *out)
{
    bool fine = true;

    for (size_t i = 0; i < hulse_key_count(KEY_GLOBAL); i++) {
        const struct key *key = hulse_key_at(KEY_GLOBAL, i);
        const bool restart = (key->flags & KEY_RESTART) != 0;
        if (hulse_key_equal(key, fresh, running)) {
            continue;
        }
        note(out, key->path, restart);
        if (restart) {
            hulse_key_copy(key, fresh, running);
            fine = copy_origin(fresh, &fresh->origins[i], &running->origins[i]) && fine;
        }
    }
    return fine;
}

static bool equal_tokens(const struct config_role *a, const struct config_role *b)
{
    if (a->token_count != b->token_count) {
        return false;
    }
    for (size_t i = 0; i < a->token_count; i++) {
        if (strcmp(a->tokens[i], b->tokens[i]) != 0) {
            return false;
        }
    }
    return true;
}

static bool equal_texts(const struct config_schema *a, const struct config_schema *b)
{
    return a->bytes == b->bytes && (a->bytes == 0 || memcmp(a->text, b->text, a->bytes) == 0);
}

static bool equal_schemas(const struct config_topic_rule *a, const struct config_topic_rule *b)
{
    return equal_texts(&a->publish.schema, &b->publish.schema) &&
           equal_texts(&a->consume.schema, &b->consume.schema);
}

static bool equal_items(enum key_scope scope, const void *a, const void *b)
{
    const char *name_a = NULL;
    const char *name_b = NULL;

    if (hulse_key_list(scope)->named) {
        memcpy(&name_a, a, sizeof(name_a));
        memcpy(&name_b, b, sizeof(name_b));
        if (strcmp(name_a, name_b) != 0) {
            return false;
        }
    }
    for (size_t i = 0; i < hulse_key_count(scope); i++) {
        if (!hulse_key_equal(hulse_key_at(scope, i), a, b)) {
            return false;
        }
    }
    return scope == KEY_ROLE ? equal_tokens(a, b) : scope != KEY_TOPIC || equal_schemas(a, b);
}

static bool equal_lists(enum key_scope scope, const struct config *a, const struct config *b)
{
    const size_t count = hulse_body_count(a, scope);

    if (count != hulse_body_count(b, scope)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!equal_items(scope, hulse_body_item(a, scope, i), hulse_body_item(b, scope, i))) {
            return false;
        }
    }
    return true;
}

/* A text that lives as long as *c. */
static bool copy_text(struct config *c, const struct key *key, void *to, const void *from)
{
    const char *text = NULL;

    memcpy(&text, (const char *)from + key->offset, sizeof(text));
    text = hulse_body_text(c, text, strlen(text));
    memcpy((char *)to + key->offset, &text, sizeof(text));
    return text != NULL;
}

/* One broker's keys; texts belong to the configuration that has them. */
static bool
take_over_broker(struct config *fresh, const struct config *running, size_t i, size_t at)
{
    const struct config_broker *from = &running->brokers[i];
    struct config_broker *to = hulse_body_item_mutable(fresh, KEY_BROKER, at);

    for (size_t k = 0; k < hulse_key_count(KEY_BROKER); k++) {
        const struct key *key = hulse_key_at(KEY_BROKER, k);
        if (key->type == KEY_TEXT && !copy_text(fresh, key, to, from)) {
            return false;
        }
        if (key->type != KEY_TEXT) {
            hulse_key_copy(key, to, from);
        }
        if (!copy_origin(fresh,
                         hulse_body_origin_mutable(fresh, KEY_BROKER, at, key),
                         hulse_body_origin(running, KEY_BROKER, i, key))) {
            return false;
        }
    }
    return true;
}

/* The running brokers in place of those that were read. */
static bool take_over_brokers(struct config *fresh, const struct config *running)
{
    if (!hulse_body_clear(fresh, KEY_BROKER)) {
        return false;
    }
    for (size_t i = 0; i < running->broker_count; i++) {
        size_t at = 0;
        if (hulse_body_add(fresh, KEY_BROKER, running->brokers[i].name, &at, NULL) != HULSE_OK) {
            return false;
        }
        if (!take_over_broker(fresh, running, i, at)) {
            return false;
        }
    }
    return true;
}

static bool is_noted(const struct config_change *out, const char *path)
{
    for (size_t i = 0; i < out->restart_count; i++) {
        if (strcmp(out->restart[i], path) == 0) {
            return true;
        }
    }
    return false;
}

/* One that was not needed at the start is not there now. */
static bool
take_over_unused(struct config *fresh, const struct config *running, struct config_change *out)
{
    const char *path = hulse_key_list(KEY_BROKER)->path;

    for (size_t i = 0; i < running->broker_count; i++) {
        const size_t at = hulse_body_find(fresh, KEY_BROKER, running->brokers[i].name);
        HULSE_ASSERT(at < fresh->broker_count);
        if (running->brokers[i].unused == fresh->brokers[at].unused) {
            continue;
        }
        if (hulse_body_get(fresh) == NULL) {
            return false;
        }
        struct config_broker *to = hulse_body_item_mutable(fresh, KEY_BROKER, at);
        to->unused = running->brokers[i].unused;
        if (to->unused && !is_noted(out, path)) {
            note(out, path, true);
        }
    }
    return true;
}

bool hulse_config_take_over(struct config *fresh,
                            const struct config *running,
                            struct config_change *out)
{
    memset(out, 0, sizeof(*out));
    if (!take_over_keys(fresh, running, out)) {
        return false;
    }
    for (enum key_scope scope = KEY_GLOBAL + 1; scope < KEY_SCOPES; scope++) {
        const struct key_list *list = hulse_key_list(scope);
        if (!equal_lists(scope, fresh, running)) {
            note(out, list->path, (list->flags & KEY_RESTART) != 0);
            if (scope == KEY_BROKER && !take_over_brokers(fresh, running)) {
                return false;
            }
        }
    }
    return take_over_unused(fresh, running, out);
}
