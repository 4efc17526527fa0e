/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_value - the value of one key: parsed, checked against its range, stored, printed.
 */
#include "daemon/config/key.h"
#include "daemon/config/value.h"
#include "daemon/core/assert.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What an error message shows of a value. */
#define SHOWN_BYTES_MAX 48
#define MS_NS 1000000ULL

static void *member(const struct key *key, void *base)
{
    return (char *)base + key->offset;
}

static const void *member_const(const struct key *key, const void *base)
{
    return (const char *)base + key->offset;
}

/* Bytes of a value that is neither a text behind a pointer nor a list. */
static size_t value_bytes(const struct key *key)
{
    switch (key->type) {
    case KEY_STRING:
        return key->bytes;
    case KEY_BOOL:
        return sizeof(bool);
    case KEY_RATIO:
        return sizeof(double);
    case KEY_COUNT:
    case KEY_ENUM:
    case KEY_MODE:
        return sizeof(uint32_t);
    default:
        return sizeof(uint64_t);
    }
}

/* ---- range ---- */

static void print_number(const struct key *key, uint64_t value, char *out, size_t out_bytes)
{
    switch (key->type) {
    case KEY_SIZE:
        hulse_value_print_size(out, out_bytes, value);
        break;
    case KEY_DURATION:
        hulse_value_print_duration(out, out_bytes, value);
        break;
    case KEY_DURATION_MS:
        hulse_value_print_duration(out, out_bytes, value * MS_NS);
        break;
    case KEY_RATIO:
        hulse_value_print_ratio(out, out_bytes, value);
        break;
    default:
        (void)snprintf(out, out_bytes, "%" PRIu64, value);
        break;
    }
}

static void print_names(const struct key *key, char *out, size_t out_bytes)
{
    size_t used = 0;

    for (size_t i = 0; key->names[i] != NULL; i++) {
        const char *separator = i == 0 ? "" : key->names[i + 1] == NULL ? " or " : ", ";
        const int n = snprintf(out + used, out_bytes - used, "%s%s", separator, key->names[i]);
        HULSE_ASSERT(n > 0 && (size_t)n < out_bytes - used);
        used += (size_t)n;
    }
}

static void print_range(const struct key *key, char *out, size_t out_bytes)
{
    const char *word = (key->flags & KEY_AUTO) != 0   ? "auto or "
                       : (key->flags & KEY_NULL) != 0 ? "null or "
                                                      : "";
    char min[32];
    char max[32];

    print_number(key, key->min, min, sizeof(min));
    print_number(key, key->max, max, sizeof(max));
    (void)snprintf(out,
                   out_bytes,
                   "%s%s to %s%s",
                   word,
                   min,
                   max,
                   (key->flags & KEY_POWER2) != 0 ? ", a power of two" : "");
}

void hulse_key_range(const struct key *key, char *out, size_t out_bytes)
{
    switch (key->type) {
    case KEY_BOOL:
        (void)snprintf(out, out_bytes, "true or false");
        break;
    case KEY_ENUM:
        print_names(key, out, out_bytes);
        break;
    case KEY_MODE:
        (void)snprintf(out, out_bytes, "0000 to 0777, octal");
        break;
    case KEY_STRING:
    case KEY_TEXT:
        (void)snprintf(out,
                       out_bytes,
                       "%s1 to %zu bytes",
                       (key->flags & KEY_NULL) != 0 ? "null or " : "",
                       key->bytes - 1);
        break;
    case KEY_TEXTS:
        (void)snprintf(out,
                       out_bytes,
                       "a list of at most %" PRIu64 " texts of 1 to %zu bytes",
                       key->max,
                       key->bytes - 1);
        break;
    case KEY_IDS:
        (void)snprintf(out, out_bytes, "a list of at most %" PRIu64 " numbers", key->max);
        break;
    default:
        print_range(key, out, out_bytes);
        break;
    }
}

/* ---- store ---- */

static bool parse_number(const struct key *key, const char *text, uint64_t *out, const char **why)
{
    switch (key->type) {
    case KEY_SIZE:
        return hulse_value_size(text, out, why);
    case KEY_DURATION:
        return hulse_value_duration(text, out, why);
    case KEY_DURATION_MS:
        return hulse_value_duration_ms(text, out, why);
    case KEY_RATIO:
        return hulse_value_ratio(text, out, why);
    default:
        return hulse_value_count(text, out, why);
    }
}

/* Anything that is a number, checked against the range. */
static bool read_number(const struct key *key, const char *text, uint64_t *out, const char **why)
{
    if ((key->flags & KEY_AUTO) != 0 && strcmp(text, "auto") == 0) {
        *out = 0;
        return true;
    }
    if (!parse_number(key, text, out, why)) {
        return false;
    }
    if (*out < key->min || *out > key->max) {
        *why = "out of range";
        return false;
    }
    if ((key->flags & KEY_POWER2) != 0 && (*out & (*out - 1)) != 0) {
        *why = "not a power of two";
        return false;
    }
    return true;
}

static bool store_number(const struct key *key, void *base, const char *text, const char **why)
{
    uint64_t value = 0;

    if (!read_number(key, text, &value, why)) {
        return false;
    }
    if (key->type == KEY_COUNT) {
        const uint32_t count = (uint32_t)value;
        memcpy(member(key, base), &count, sizeof(count));
    } else if (key->type == KEY_RATIO) {
        const double ratio = (double)value / HULSE_VALUE_RATIO_ONE;
        memcpy(member(key, base), &ratio, sizeof(ratio));
    } else {
        memcpy(member(key, base), &value, sizeof(value));
    }
    return true;
}

static bool store_enum(const struct key *key, void *base, const char *text, const char **why)
{
    for (uint32_t i = 0; key->names[i] != NULL; i++) {
        if (strcmp(key->names[i], text) == 0) {
            memcpy(member(key, base), &i, sizeof(i));
            return true;
        }
    }
    *why = "not one of its values";
    return false;
}

static bool check_text(const struct key *key, const char *text, const char **why)
{
    const size_t bytes = strlen(text);

    if (bytes == 0) {
        *why = "it must not be empty";
        return false;
    }
    if (bytes >= key->bytes) {
        *why = "too long";
        return false;
    }
    return key->valid == NULL || key->valid(text, why);
}

static bool store_text(const struct key *key,
                       void *base,
                       struct config_arena *arena,
                       const char *text,
                       const char **why)
{
    const size_t bytes = strlen(text);

    if (!check_text(key, text, why)) {
        return false;
    }
    if (key->type == KEY_STRING) {
        char *out = member(key, base);
        /* What is behind the text is compared, too. */
        memset(out + bytes, 0, key->bytes - bytes);
        memcpy(out, text, bytes + 1);
        return true;
    }
    const char *copy = hulse_arena_text(arena, text, bytes);
    if (copy == NULL) {
        *why = "no memory";
        return false;
    }
    memcpy(member(key, base), &copy, sizeof(copy));
    return true;
}

static bool store(const struct key *key,
                  void *base,
                  struct config_arena *arena,
                  const char *text,
                  const char **why)
{
    bool flag = false;
    uint32_t mode = 0;

    switch (key->type) {
    case KEY_BOOL:
        if (!hulse_value_bool(text, &flag, why)) {
            return false;
        }
        memcpy(member(key, base), &flag, sizeof(flag));
        return true;
    case KEY_MODE:
        if (!hulse_value_mode(text, &mode, why)) {
            return false;
        }
        memcpy(member(key, base), &mode, sizeof(mode));
        return true;
    case KEY_ENUM:
        return store_enum(key, base, text, why);
    case KEY_STRING:
    case KEY_TEXT:
        return store_text(key, base, arena, text, why);
    default:
        return store_number(key, base, text, why);
    }
}

void hulse_key_clear(const struct key *key, void *base)
{
    HULSE_ASSERT(key->type != KEY_TEXTS && key->type != KEY_IDS);
    if (key->type == KEY_TEXT) {
        *(const char **)member(key, base) = "";
    } else {
        memset(member(key, base), 0, value_bytes(key));
    }
}

hulse_status hulse_key_store(const struct key *key,
                             void *base,
                             struct config_arena *arena,
                             const char *text,
                             struct error *err)
{
    if ((key->flags & KEY_NULL) != 0 && strcmp(text, "null") == 0) {
        hulse_key_clear(key, base);
        return HULSE_OK;
    }
    return hulse_key_store_text(key, base, arena, text, err);
}

hulse_status hulse_key_store_text(const struct key *key,
                                  void *base,
                                  struct config_arena *arena,
                                  const char *text,
                                  struct error *err)
{
    const char *why = "";
    char range[256];

    HULSE_ASSERT(key->type != KEY_TEXTS && key->type != KEY_IDS);
    if (store(key, base, arena, text, &why)) {
        return HULSE_OK;
    }
    hulse_key_range(key, range, sizeof(range));
    if ((key->flags & KEY_SECRET) != 0) {
        return hulse_fail(err, HULSE_INVAL, "%s: %s (%s)", key->path, why, range);
    }
    return hulse_fail(
        err, HULSE_INVAL, "%s: '%.*s': %s (%s)", key->path, SHOWN_BYTES_MAX, text, why, range);
}

bool hulse_key_element(const struct key *key, const char *text, uint64_t *id, const char **why)
{
    HULSE_ASSERT(key->type == KEY_TEXTS || key->type == KEY_IDS);
    if (key->type == KEY_TEXTS) {
        return check_text(key, text, why);
    }
    if (!hulse_value_count(text, id, why)) {
        return false;
    }
    *why = "above the largest number of a user or group";
    /* The last one stands for none. */
    return *id < UINT32_MAX;
}

/* ---- print ---- */

static uint64_t stored_number(const struct key *key, const void *base)
{
    uint64_t wide = 0;
    uint32_t narrow = 0;
    double ratio = 0;

    switch (key->type) {
    case KEY_RATIO:
        memcpy(&ratio, member_const(key, base), sizeof(ratio));
        /* The nearest, because thousandths are not exact in binary. */
        return (uint64_t)(ratio * HULSE_VALUE_RATIO_ONE + 0.5);
    case KEY_COUNT:
    case KEY_ENUM:
    case KEY_MODE:
        memcpy(&narrow, member_const(key, base), sizeof(narrow));
        return narrow;
    default:
        memcpy(&wide, member_const(key, base), sizeof(wide));
        return wide;
    }
}

static const char *stored_text(const struct key *key, const void *base)
{
    const char *text = NULL;

    if (key->type == KEY_STRING) {
        return member_const(key, base);
    }
    memcpy(&text, member_const(key, base), sizeof(text));
    return text;
}

bool hulse_key_has_value(const struct key *key, const void *base)
{
    if (key->type == KEY_STRING || key->type == KEY_TEXT) {
        return *stored_text(key, base) != '\0';
    }
    return (key->flags & KEY_NULL) == 0 || stored_number(key, base) != 0;
}

void hulse_key_print(const struct key *key, const void *base, char *out, size_t out_bytes)
{
    bool flag = false;

    HULSE_ASSERT(out_bytes > 0);
    HULSE_ASSERT(key->type != KEY_TEXTS && key->type != KEY_IDS);
    if (key->type == KEY_STRING || key->type == KEY_TEXT) {
        const char *text = stored_text(key, base);
        const char *shown = (key->flags & KEY_SECRET) != 0 ? "<redacted>" : text;
        (void)snprintf(out, out_bytes, "%s", *text == '\0' ? "null" : shown);
        return;
    }
    if (key->type == KEY_BOOL) {
        memcpy(&flag, member_const(key, base), sizeof(flag));
        (void)snprintf(out, out_bytes, "%s", flag ? "true" : "false");
        return;
    }
    const uint64_t value = stored_number(key, base);
    if (key->type == KEY_ENUM) {
        (void)snprintf(out, out_bytes, "%s", key->names[value]);
    } else if (key->type == KEY_MODE) {
        (void)snprintf(out, out_bytes, "%04o", (unsigned)value);
    } else if (value == 0 && (key->flags & (KEY_AUTO | KEY_NULL)) != 0) {
        (void)snprintf(out, out_bytes, "%s", (key->flags & KEY_AUTO) != 0 ? "auto" : "null");
    } else {
        print_number(key, value, out, out_bytes);
    }
}

/* ---- between two structs ---- */

static bool equal_lists(const struct key *key, const void *a, const void *b)
{
    const void *array_a = NULL;
    const void *array_b = NULL;
    size_t count_a = 0;
    size_t count_b = 0;

    memcpy(&array_a, member_const(key, a), sizeof(array_a));
    memcpy(&array_b, member_const(key, b), sizeof(array_b));
    memcpy(&count_a, (const char *)a + key->count_offset, sizeof(count_a));
    memcpy(&count_b, (const char *)b + key->count_offset, sizeof(count_b));
    if (count_a != count_b) {
        return false;
    }
    for (size_t i = 0; i < count_a; i++) {
        if (key->type == KEY_IDS ? ((const uid_t *)array_a)[i] != ((const uid_t *)array_b)[i]
                                 : strcmp(((const char *const *)array_a)[i],
                                          ((const char *const *)array_b)[i]) != 0) {
            return false;
        }
    }
    return true;
}

bool hulse_key_equal(const struct key *key, const void *a, const void *b)
{
    if (key->type == KEY_TEXTS || key->type == KEY_IDS) {
        return equal_lists(key, a, b);
    }
    if (key->type == KEY_TEXT || key->type == KEY_STRING) {
        return strcmp(stored_text(key, a), stored_text(key, b)) == 0;
    }
    return memcmp(member_const(key, a), member_const(key, b), value_bytes(key)) == 0;
}

void hulse_key_copy(const struct key *key, void *to, const void *from)
{
    HULSE_ASSERT(key->type != KEY_TEXT && key->type != KEY_TEXTS && key->type != KEY_IDS);
    memcpy(member(key, to), member_const(key, from), value_bytes(key));
}
