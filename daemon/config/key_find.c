/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_find - a key by its path, and what may have been meant by a path that is none.
 */
#include "daemon/config/key.h"
#include "daemon/core/assert.h"

#include <stdio.h>
#include <string.h>

/* Longer than any path; shorter than this a path cannot be mistyped for another one. */
#define PATH_BYTES_MAX 64U
/* Beyond this a single word is another one. */
#define WORD_DISTANCE_MAX 2U

/*
 * Keys of the documented configuration without effect in this version; a group stands for all that
 * is below it.
 */
static const char *const absent[KEY_SCOPES][40] = {
    [KEY_GLOBAL] = {"gateway", "metrics"},
    [KEY_TOPIC] = {"publish.retry",
                   "publish.breaker",
                   "publish.dead_letter",
                   "publish.spool",
                   "consume.subscription",
                   "consume.type",
                   "consume.from",
                   "consume.filter",
                   "consume.ordered_retry",
                   "consume.receive_queue",
                   "policy.partitions",
                   "policy.retention_time",
                   "policy.retention_size",
                   "policy.dedup",
                   "policy.schema_compatibility",
                   "policy.schema_validation"},
    [KEY_ROLE] = {"jwt"},
};

/* Bytes of the short form of a key that has one: the path without its last word. */
static size_t short_bytes(const struct key *key)
{
    const char *dot = strrchr(key->path, '.');

    HULSE_ASSERT(dot != NULL);
    return (size_t)(dot - key->path);
}

const struct key *hulse_key_find(enum key_scope scope, const char *path)
{
    const size_t bytes = strlen(path);

    for (size_t i = 0; i < hulse_key_count(scope); i++) {
        const struct key *key = hulse_key_at(scope, i);
        if (strncmp(key->path, path, bytes) != 0) {
            continue;
        }
        if (key->path[bytes] == '\0' ||
            ((key->flags & KEY_SHORT) != 0 && short_bytes(key) == bytes)) {
            return key;
        }
    }
    return NULL;
}

bool hulse_key_is_group(enum key_scope scope, const char *path)
{
    const size_t bytes = strlen(path);

    for (size_t i = 0; i < hulse_key_count(scope); i++) {
        const char *whole = hulse_key_at(scope, i)->path;
        if (strncmp(whole, path, bytes) == 0 && whole[bytes] == '.') {
            return true;
        }
    }
    return false;
}

bool hulse_key_is_absent(enum key_scope scope, const char *path)
{
    for (const char *const *word = absent[scope]; *word != NULL; word++) {
        const size_t bytes = strlen(*word);
        if (strncmp(path, *word, bytes) == 0 && (path[bytes] == '\0' || path[bytes] == '.')) {
            return true;
        }
    }
    return false;
}

static size_t smallest(size_t a, size_t b, size_t c)
{
    const size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* Levenshtein distance; both are shorter than PATH_BYTES_MAX. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[PATH_BYTES_MAX];
    const size_t b_bytes = strlen(b);

    HULSE_ASSERT(b_bytes < PATH_BYTES_MAX);
    for (size_t j = 0; j <= b_bytes; j++) {
        row[j] = j;
    }
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_bytes; j++) {
            const size_t above = row[j];
            row[j] = smallest(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[b_bytes];
}

/* The nearest so far. */
struct nearest {
    const char *path; /* what was written */
    const char *text;
    size_t bytes; /* of text */
    size_t distance;
};

static void offer(struct nearest *n, const char *text, size_t bytes, size_t distance)
{
    if (distance < n->distance || (distance == n->distance && n->bytes == 0)) {
        n->text = text;
        n->bytes = bytes;
        n->distance = distance;
    }
}

/* What leads to a key: its groups, one of which may be a short form. */
static void offer_groups(struct nearest *n, const struct key *key)
{
    for (const char *dot = strchr(key->path, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
        char group[PATH_BYTES_MAX];
        const size_t bytes = (size_t)(dot - key->path);
        (void)snprintf(group, sizeof(group), "%.*s", (int)bytes, key->path);
        const size_t distance = edit_distance(n->path, group);
        /* None at all: a group was written where a key is due, which is no slip of the pen. */
        if (distance > 0 && distance <= WORD_DISTANCE_MAX) {
            offer(n, key->path, bytes, distance);
        }
    }
}

static void offer_key(struct nearest *n, const struct key *key)
{
    const char *dot = strrchr(key->path, '.');

    offer(n, key->path, strlen(key->path), edit_distance(n->path, key->path));
    if (dot != NULL && strchr(n->path, '.') == NULL) {
        /* Somebody may have left out the group. */
        offer(n, key->path, strlen(key->path), edit_distance(n->path, dot + 1) + 1);
    }
    offer_groups(n, key);
}

/* A list, by the first word; a mistake there leaves the rest of the path without a meaning. */
static void offer_list(struct nearest *n, const struct key_list *list)
{
    char word[PATH_BYTES_MAX];

    (void)snprintf(word, sizeof(word), "%.*s", (int)strcspn(n->path, "."), n->path);
    const size_t distance = edit_distance(word, list->path);
    if (distance <= WORD_DISTANCE_MAX) {
        offer(n, list->path, strlen(list->path), distance);
    }
}

/* False when nothing is near. */
static bool find_nearest(enum key_scope scope, const char *path, struct nearest *n)
{
    /* Further away nothing is meant. */
    *n = (struct nearest){.path = path, .text = "", .distance = 2 + strlen(path) / 4};
    if (strlen(path) >= PATH_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < hulse_key_count(scope); i++) {
        offer_key(n, hulse_key_at(scope, i));
    }
    for (enum key_scope list = KEY_GLOBAL + 1; scope == KEY_GLOBAL && list < KEY_SCOPES; list++) {
        offer_list(n, hulse_key_list(list));
    }
    return n->bytes > 0;
}

hulse_status
hulse_key_unknown(enum key_scope scope, const char *what, const char *path, struct error *err)
{
    struct nearest n;

    if (hulse_key_is_absent(scope, path)) {
        return hulse_fail(
            err, HULSE_INVAL, "%sunknown key '%.48s': it is not in this version", what, path);
    }
    if (!find_nearest(scope, path, &n)) {
        return hulse_fail(err, HULSE_INVAL, "%sunknown key '%.48s'", what, path);
    }
    return hulse_fail(err,
                      HULSE_INVAL,
                      "%sunknown key '%.48s'; the nearest is '%.*s'",
                      what,
                      path,
                      (int)n.bytes,
                      n.text);
}
