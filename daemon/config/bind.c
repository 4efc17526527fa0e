/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bind - a YAML tree into a configuration, by the table of keys.
 *
 * Everything that is wrong is reported with its place, and reading goes on behind it.
 */
#include "daemon/config/slot.h"
#include "daemon/config/valid.h"
#include "daemon/config/yaml.h"
#include "daemon/core/assert.h"

#include <inttypes.h>
#include <string.h>

struct binder {
    struct config *config;
    struct config_problems *problems;
    const char *file;                 /* its name, which lives as long as the configuration */
    char path[HULSE_SLOT_PATH_BYTES]; /* of the key at hand, in its scope */
    size_t path_bytes;
};

/* Of what a mapping is: the configuration itself, or one element. */
struct target {
    enum key_scope scope;
    size_t index;
};

static struct config_place place_of(const struct binder *b, const struct yaml_node *node)
{
    return (struct config_place){.file = b->file, .line = node->line, .column = node->column};
}

static struct config_origin origin_of(const struct binder *b, const struct yaml_node *node)
{
    return (struct config_origin){
        .kind = CONFIG_ORIGIN_FILE, .name = b->file, .line = node->line, .column = node->column};
}

/* Puts a word behind the path; gives the length to cut back to. What is too long is no key. */
static size_t enter(struct binder *b, const char *word)
{
    const size_t before = b->path_bytes;
    const size_t word_bytes = strlen(word);
    size_t at = before;

    if (at > 0 && at + 1 < sizeof(b->path)) {
        b->path[at++] = '.';
    }
    const size_t room = sizeof(b->path) - 1 - at;
    const size_t bytes = word_bytes < room ? word_bytes : room;
    memcpy(b->path + at, word, bytes);
    b->path_bytes = at + bytes;
    b->path[b->path_bytes] = '\0';
    return before;
}

static void leave(struct binder *b, size_t before)
{
    b->path_bytes = before;
    b->path[before] = '\0';
}

/* ---- values ---- */

static const char *kind_name(const struct yaml_node *node)
{
    static const char *const names[] = {"a value", "a list", "a mapping"};

    return names[node->kind];
}

static void refuse_kind(const struct binder *b, const struct yaml_node *node, const char *expected)
{
    hulse_problem_add(b->problems,
                      place_of(b, node),
                      "%s: %s is expected, not %s",
                      b->path,
                      expected,
                      kind_name(node));
}

/* One text into the list at `key`, whose array has room. */
static bool bind_element(const struct binder *b,
                         const struct key *key,
                         const struct yaml_node *node,
                         void *array,
                         size_t at)
{
    struct config_arena *arena = &b->config->body->arena;
    const char *why = "";
    uint64_t id = 0;

    if (node->kind != YAML_SCALAR || hulse_yaml_is_null(node) ||
        (key->type == KEY_IDS && !node->plain)) {
        refuse_kind(b, node, key->type == KEY_IDS ? "a number" : "a text");
        return false;
    }
    if (!hulse_key_element(key, node->text, &id, &why)) {
        hulse_problem_add(
            b->problems, place_of(b, node), "%s: '%.48s': %s", b->path, node->text, why);
        return false;
    }
    if (key->type == KEY_IDS) {
        ((uid_t *)array)[at] = (uid_t)id;
        return true;
    }
    const char *copy = hulse_arena_text(arena, node->text, strlen(node->text));
    ((const char **)array)[at] = copy;
    if (copy == NULL) {
        hulse_problem_add(b->problems, place_of(b, node), "no memory");
    }
    return copy != NULL;
}

static void
bind_list(const struct binder *b, const struct config_slot *slot, const struct yaml_node *node)
{
    const struct key *key = slot->key;
    const size_t element_bytes = key->type == KEY_IDS ? sizeof(uid_t) : sizeof(char *);
    void *array = NULL;
    size_t count = 0;

    if (node->kind != YAML_SEQUENCE) {
        refuse_kind(b, node, "a list");
        return;
    }
    if (node->count > key->max) {
        hulse_problem_add(b->problems,
                          place_of(b, node),
                          "%s: %u elements; at most %" PRIu64,
                          b->path,
                          node->count,
                          key->max);
        return;
    }
    array = hulse_arena_alloc(&b->config->body->arena, node->count * element_bytes);
    if (array == NULL) {
        hulse_problem_add(b->problems, place_of(b, node), "no memory");
        return;
    }
    for (const struct yaml_node *n = node->first; n != NULL; n = n->next) {
        if (bind_element(b, key, n, array, count)) {
            count++;
        }
    }
    char *base = hulse_slot_base(b->config, slot);
    memcpy(base + key->offset, &array, sizeof(array));
    memcpy(base + key->count_offset, &count, sizeof(count));
    *hulse_slot_origin(b->config, slot) = origin_of(b, node);
}

static void
bind_null(const struct binder *b, const struct config_slot *slot, const struct yaml_node *node)
{
    if ((slot->key->flags & KEY_NULL) == 0) {
        hulse_problem_add(b->problems,
                          place_of(b, node),
                          "%s: it cannot be null; the word itself needs quotes",
                          b->path);
        return;
    }
    hulse_key_clear(slot->key, hulse_slot_base(b->config, slot));
    *hulse_slot_origin(b->config, slot) = origin_of(b, node);
}

static void
bind_scalar(const struct binder *b, const struct config_slot *slot, const struct yaml_node *node)
{
    const struct key *key = slot->key;
    struct error err = {0};

    if (node->kind != YAML_SCALAR) {
        refuse_kind(b, node, "a value");
        return;
    }
    if (!node->plain && (key->type == KEY_BOOL || key->type == KEY_COUNT ||
                         key->type == KEY_NUMBER || key->type == KEY_RATIO)) {
        hulse_problem_add(b->problems,
                          place_of(b, node),
                          "%s: %s without quotes is expected",
                          b->path,
                          key->type == KEY_BOOL ? "true or false" : "a number");
        return;
    }
    if (hulse_key_store_text(
            key, hulse_slot_base(b->config, slot), &b->config->body->arena, node->text, &err) !=
        HULSE_OK) {
        hulse_problem_add(b->problems, place_of(b, node), "%s", err.text);
        return;
    }
    *hulse_slot_origin(b->config, slot) = origin_of(b, node);
}

static void bind_value(const struct binder *b,
                       const struct target *target,
                       const struct key *key,
                       const struct yaml_node *node)
{
    const struct config_slot slot = {.key = key, .index = target->index};

    if (key->type == KEY_TEXTS || key->type == KEY_IDS) {
        bind_list(b, &slot, node);
    } else if (hulse_yaml_is_null(node)) {
        bind_null(b, &slot, node);
    } else {
        bind_scalar(b, &slot, node);
    }
}

/* ---- mappings ---- */

static void
bind_mapping(struct binder *b, const struct target *target, const struct yaml_node *map);

/* A key of the scope, a group of such keys, or a mistake. */
/* NOLINTNEXTLINE(misc-no-recursion): groups are as deep as the table of keys */
static void bind_key(struct binder *b, const struct target *target, const struct yaml_node *key)
{
    struct error err = {0};

    if (key->value->kind == YAML_MAPPING && hulse_key_is_group(target->scope, b->path)) {
        bind_mapping(b, target, key->value);
        return;
    }
    const struct key *known = hulse_key_find(target->scope, b->path);
    /* A dot inside a key would be a second way to write it, and duplicates would not be seen. */
    if (known != NULL && strchr(key->text, '.') == NULL) {
        bind_value(b, target, known, key->value);
    } else if (hulse_key_is_group(target->scope, b->path)) {
        refuse_kind(b, key->value, "a mapping");
    } else {
        (void)hulse_key_unknown(target->scope, "", b->path, &err);
        hulse_problem_add(b->problems, place_of(b, key), "%s", err.text);
    }
}

/* What is below the path at hand. */
/* NOLINTNEXTLINE(misc-no-recursion): see bind_key() */
static void bind_mapping(struct binder *b, const struct target *target, const struct yaml_node *map)
{
    for (const struct yaml_node *key = map->first; key != NULL; key = key->next) {
        const size_t before = enter(b, key->text);
        bind_key(b, target, key);
        leave(b, before);
    }
}

static void
require_keys(const struct binder *b, const struct target *target, const struct yaml_node *node)
{
    for (size_t i = 0; i < hulse_key_count(target->scope); i++) {
        const struct key *key = hulse_key_at(target->scope, i);
        if ((key->flags & KEY_REQUIRED) != 0 &&
            hulse_body_origin(b->config, target->scope, target->index, key)->kind ==
                CONFIG_ORIGIN_DEFAULT) {
            hulse_problem_add(b->problems, place_of(b, node), "%s is missing", key->path);
        }
    }
}

/* ---- what there are many of ---- */

/* One element; `at` is its place, `name` is NULL for one without. */
static void bind_item(struct binder *b,
                      enum key_scope scope,
                      const struct yaml_node *at,
                      const char *name,
                      const struct yaml_node *value)
{
    struct target target = {.scope = scope};
    struct error err = {0};

    leave(b, 0);
    if (name != NULL) {
        target.index = hulse_body_find(b->config, scope, name);
    } else {
        target.index = hulse_body_count(b->config, scope);
    }
    if (target.index == hulse_body_count(b->config, scope) &&
        hulse_body_add(b->config, scope, name, &target.index, &err) != HULSE_OK) {
        hulse_problem_add(b->problems, place_of(b, at), "%s", err.text);
        return;
    }
    *hulse_body_origin_mutable(b->config, scope, target.index, NULL) = origin_of(b, at);
    if (value->kind != YAML_MAPPING) {
        (void)enter(b, hulse_key_list(scope)->path);
        refuse_kind(b, value, "a mapping");
        return;
    }
    bind_mapping(b, &target, value);
    require_keys(b, &target, at);
}

static void bind_named(struct binder *b, enum key_scope scope, const struct yaml_node *node)
{
    for (const struct yaml_node *key = node->first; key != NULL; key = key->next) {
        const char *why = NULL;
        if (!hulse_valid_name(key->text, &why)) {
            hulse_problem_add(b->problems,
                              place_of(b, key),
                              "%s: '%.48s': %s",
                              hulse_key_list(scope)->path,
                              key->text,
                              why);
            continue;
        }
        bind_item(b, scope, key, key->text, key->value);
    }
}

static void bind_unnamed(struct binder *b, enum key_scope scope, const struct yaml_node *node)
{
    const size_t room = hulse_key_list(scope)->item_max - hulse_body_count(b->config, scope);

    if (node->count > room) {
        hulse_problem_add(b->problems, place_of(b, node), "%s: more than %zu", b->path, room);
        return;
    }
    if (!hulse_body_reserve(b->config, scope, node->count)) {
        hulse_problem_add(b->problems, place_of(b, node), "no memory");
        return;
    }
    for (const struct yaml_node *item = node->first; item != NULL; item = item->next) {
        bind_item(b, scope, item, NULL, item);
    }
}

static void bind_many(struct binder *b, enum key_scope scope, const struct yaml_node *node)
{
    const bool named = hulse_key_list(scope)->named;

    if (hulse_yaml_is_null(node)) {
        return;
    }
    if (node->kind != (named ? YAML_MAPPING : YAML_SEQUENCE)) {
        refuse_kind(b, node, named ? "a mapping from names" : "a list");
    } else if (named) {
        bind_named(b, scope, node);
    } else {
        bind_unnamed(b, scope, node);
    }
}

static void bind_root(struct binder *b, const struct yaml_node *root)
{
    const struct target whole = {.scope = KEY_GLOBAL};

    if (root->kind != YAML_MAPPING) {
        hulse_problem_add(b->problems,
                          place_of(b, root),
                          "a mapping from keys is expected, not %s",
                          kind_name(root));
        return;
    }
    for (const struct yaml_node *key = root->first; key != NULL; key = key->next) {
        const enum key_scope scope = hulse_key_list_find(key->text);
        leave(b, 0);
        (void)enter(b, key->text);
        if (scope == KEY_GLOBAL) {
            bind_key(b, &whole, key);
        } else {
            bind_many(b, scope, key->value);
        }
    }
}

void hulse_config_yaml(struct config *c,
                       const char *name,
                       const char *text,
                       size_t bytes,
                       struct config_problems *problems)
{
    struct binder b = {
        .config = c, .problems = problems, .file = hulse_body_text(c, name, strlen(name))};
    struct config_arena arena = {0};

    if (b.file == NULL) {
        hulse_problem_add(problems, (struct config_place){.file = name}, "no memory");
        return;
    }
    const struct yaml_node *root = hulse_yaml_parse(&arena, name, text, bytes, problems);
    if (root != NULL) {
        bind_root(&b, root);
    }
    hulse_arena_fini(&arena);
}
