/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slot - see slot.h.
 */
#include "daemon/config/slot.h"

#include "daemon/config/valid.h"
#include "daemon/config/value.h"
#include "daemon/core/assert.h"

#include <stdio.h>
#include <string.h>

/* Splits "roles.orders.rate" behind the first dot; NULL when there is none. */
static const char *split(const char *path, char *word, size_t word_bytes)
{
    const char *dot = strchr(path, '.');

    if (dot == NULL || (size_t)(dot - path) >= word_bytes) {
        return NULL;
    }
    (void)snprintf(word, word_bytes, "%.*s", (int)(dot - path), path);
    return dot + 1;
}

static hulse_status find_named(
    struct config *c, enum key_scope scope, const char *name, size_t *index, struct error *err)
{
    const char *why = NULL;

    *index = hulse_body_find(c, scope, name);
    if (*index < hulse_body_count(c, scope)) {
        return HULSE_OK;
    }
    if (!hulse_valid_name(name, &why)) {
        return hulse_fail(
            err, HULSE_INVAL, "%s: '%.48s': %s", hulse_key_list(scope)->path, name, why);
    }
    return hulse_body_add(c, scope, name, index, err);
}

static hulse_status find_numbered(
    struct config *c, enum key_scope scope, const char *number, size_t *index, struct error *err)
{
    const size_t count = hulse_body_count(c, scope);
    const char *why = NULL;
    uint64_t value = 0;

    if (!hulse_value_count(number, &value, &why) || value > count) {
        return hulse_fail(err,
                          HULSE_INVAL,
                          "%s: '%.48s': a number from 0 to %zu is expected",
                          hulse_key_list(scope)->path,
                          number,
                          count);
    }
    *index = (size_t)value;
    if (value < count) {
        return HULSE_OK;
    }
    return hulse_body_add(c, scope, NULL, index, err);
}

/* `rest` is what follows the list's name: "orders.rate". */
static hulse_status find_in_list(struct config *c,
                                 enum key_scope scope,
                                 const char *rest,
                                 struct config_slot *out,
                                 struct error *err)
{
    char word[HULSE_SLOT_PATH_BYTES];
    const char *path = split(rest, word, sizeof(word));

    if (path == NULL) {
        return hulse_fail(err,
                          HULSE_INVAL,
                          "%s: %s and a key are expected behind it",
                          hulse_key_list(scope)->path,
                          hulse_key_list(scope)->named ? "a name" : "a number");
    }
    out->key = hulse_key_find(scope, path);
    if (out->key == NULL) {
        return hulse_key_unknown(scope, "", path, err);
    }
    if (hulse_body_get(c) == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory");
    }
    if (hulse_key_list(scope)->named) {
        return find_named(c, scope, word, &out->index, err);
    }
    return find_numbered(c, scope, word, &out->index, err);
}

hulse_status hulse_slot_find(struct config *c,
                             const char *what,
                             const char *path,
                             struct config_slot *out,
                             struct error *err)
{
    char word[HULSE_SLOT_PATH_BYTES];
    const char *rest = split(path, word, sizeof(word));
    const enum key_scope scope = rest == NULL ? KEY_GLOBAL : hulse_key_list_find(word);
    struct error inner = {0};

    *out = (struct config_slot){0};
    if (scope == KEY_GLOBAL) {
        out->key = hulse_key_find(KEY_GLOBAL, path);
        return out->key == NULL ? hulse_key_unknown(KEY_GLOBAL, what, path, err) : HULSE_OK;
    }
    const hulse_status st = find_in_list(c, scope, rest, out, &inner);
    return st == HULSE_OK ? st : hulse_fail(err, st, "%s%s", what, inner.text);
}

void *hulse_slot_base(struct config *c, const struct config_slot *slot)
{
    if (slot->key->scope == KEY_GLOBAL) {
        return c;
    }
    return hulse_body_item_mutable(c, slot->key->scope, slot->index);
}

struct config_origin *hulse_slot_origin(struct config *c, const struct config_slot *slot)
{
    if (slot->key->scope == KEY_GLOBAL) {
        return &c->origins[hulse_key_index(slot->key)];
    }
    return hulse_body_origin_mutable(c, slot->key->scope, slot->index, slot->key);
}

hulse_status hulse_slot_store(struct config *c,
                              const struct config_slot *slot,
                              const char *text,
                              struct config_origin origin,
                              struct error *err)
{
    struct config_arena *arena = c->body == NULL ? NULL : &c->body->arena;

    if (slot->key->type == KEY_TEXTS || slot->key->type == KEY_IDS) {
        return hulse_fail(
            err, HULSE_INVAL, "%s: a list, which only a file can give", slot->key->path);
    }
    /* A text behind a pointer belongs to an element, and that has made the body. */
    HULSE_ASSERT(slot->key->type != KEY_TEXT || arena != NULL);
    const hulse_status st = hulse_key_store(slot->key, hulse_slot_base(c, slot), arena, text, err);
    if (st == HULSE_OK) {
        *hulse_slot_origin(c, slot) = origin;
    }
    return st;
}
