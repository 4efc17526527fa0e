/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key - the table of all configuration keys: the one source of types, defaults, ranges and help.
 *
 * A key belongs to a scope: the configuration itself, or one of the things of which there are many.
 * Its path is relative to that.
 *
 * Threads: constant.
 */
#ifndef HULSE_CONFIG_KEY_H
#define HULSE_CONFIG_KEY_H

#include "daemon/config/arena.h"
#include "daemon/config/config.h"

enum key_scope { KEY_GLOBAL = 0, KEY_BROKER, KEY_TOPIC, KEY_ROLE, KEY_SCOPES };

enum key_type {
    KEY_COUNT,       /* uint32_t */
    KEY_NUMBER,      /* uint64_t */
    KEY_SIZE,        /* uint64_t bytes */
    KEY_DURATION,    /* uint64_t nanoseconds */
    KEY_DURATION_MS, /* uint64_t milliseconds */
    KEY_RATIO,       /* double; the range is in thousandths */
    KEY_BOOL,        /* bool */
    KEY_ENUM,        /* uint32_t, index into names */
    KEY_MODE,        /* uint32_t, octal */
    KEY_STRING,      /* char[bytes] */
    KEY_TEXT,        /* const char *, at most bytes - 1 */
    KEY_TEXTS,       /* const char *const *, at most `max` of them, and a size_t count */
    KEY_IDS          /* const uid_t * (or gid_t), as above */
};

/* The value `auto` is stored as 0 and allowed beside the range. */
#define KEY_AUTO 1U
/* The value `null` is stored as 0 or as an empty text. */
#define KEY_NULL 2U
/* A power of two. */
#define KEY_POWER2 4U
/* Changes apply at the next start only. */
#define KEY_RESTART 8U
/* The path without its last word stands for this key. */
#define KEY_SHORT 16U
/* Must be given. */
#define KEY_REQUIRED 32U
/* Never shown. */
#define KEY_SECRET 64U
/* Of a broker's store, which only the type local has. */
#define KEY_STORE 128U

struct key {
    const char *path;
    enum key_scope scope;
    enum key_type type;
    unsigned flags;      /* KEY_… */
    size_t offset;       /* in the struct of the scope */
    size_t count_offset; /* KEY_TEXTS, KEY_IDS */
    size_t bytes;        /* of a text: room, with the zero */
    uint64_t min;
    uint64_t max;
    const char *const *names;                          /* KEY_ENUM: ends with NULL */
    bool (*valid)(const char *text, const char **why); /* of a text, or NULL */
    const char *fallback; /* default as text; NULL = by the host, nothing, or an empty list */
    const char *help;
};

/* What there are many of. */
struct key_list {
    const char *path;
    size_t item_bytes;
    size_t item_max;
    bool named;          /* a mapping from names, whose struct begins with the name; else a list */
    size_t offset;       /* of the array in struct config */
    size_t count_offset; /* of its size_t */
    unsigned flags;      /* KEY_RESTART or 0 */
    const char *help;
};

size_t hulse_key_count(enum key_scope scope);
const struct key *hulse_key_at(enum key_scope scope, size_t index);
/* The key's place in its scope. */
size_t hulse_key_index(const struct key *key);
const struct key_list *hulse_key_list(enum key_scope scope);
/* The scope of a list called so, or KEY_GLOBAL. */
enum key_scope hulse_key_list_find(const char *name);
/* By path or short form; NULL when unknown. */
const struct key *hulse_key_find(enum key_scope scope, const char *path);
/* True when some key's path goes on behind this one: `log`. */
bool hulse_key_is_group(enum key_scope scope, const char *path);
/* True for a key of the documented configuration that this version does not have. */
bool hulse_key_is_absent(enum key_scope scope, const char *path);
/*
 * INVAL, saying that there is no such key and which one may be meant: the path, group or list with
 * the smallest edit distance. `what` is put in front.
 */
hulse_status
hulse_key_unknown(enum key_scope scope, const char *what, const char *path, struct error *err);

/*
 * Parses and stores a value that is no list into the struct of the scope; texts go to the arena,
 * which globals do without. *err names key and range on failure, and nothing is changed.
 */
hulse_status hulse_key_store(const struct key *key,
                             void *base,
                             struct config_arena *arena,
                             const char *text,
                             struct error *err);
/* The same where `null` is a word like any other, because it stood in quotes. */
hulse_status hulse_key_store_text(const struct key *key,
                                  void *base,
                                  struct config_arena *arena,
                                  const char *text,
                                  struct error *err);
/* Makes it an empty text or 0, which is the null of keys that have one. Not for lists. */
void hulse_key_clear(const struct key *key, void *base);
/* False with *why: no element for this list. */
bool hulse_key_element(const struct key *key, const char *text, uint64_t *id, const char **why);
/* False where hulse_key_print() says `null` for want of a value. */
bool hulse_key_has_value(const struct key *key, const void *base);
/*
 * A value that is no list, as text that hulse_key_store() reads back; a secret one is not.
 * KEY_TEXT may need HULSE_CONFIG_PATTERN_BYTES.
 */
void hulse_key_print(const struct key *key, const void *base, char *out, size_t out_bytes);
/* "1 to 64", "64KiB to 64MiB, a power of two", "auto, off or busy". */
void hulse_key_range(const struct key *key, char *out, size_t out_bytes);
/* Whether two structs of a scope have the same value. */
bool hulse_key_equal(const struct key *key, const void *a, const void *b);
/* Takes the value over; only for keys without an arena and without a list. */
void hulse_key_copy(const struct key *key, void *to, const void *from);

#endif
