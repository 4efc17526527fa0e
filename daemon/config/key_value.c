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

static void *member(const struct key *key, struct config *c)
{
    return (char *)c + key->offset;
}

static const void *member_const(const struct key *key, const struct config *c)
{
    return (const char *)c + key->offset;
}

static void print_number(const struct key *key, uint64_t value, char *out, size_t out_bytes)
{
    switch (key->type) {
    case KEY_SIZE:
        hulse_value_print_size(out, out_bytes, value);
        break;
    case KEY_DURATION:
        hulse_value_print_duration(out, out_bytes, value);
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

void hulse_key_range(const struct key *key, char *out, size_t out_bytes)
{
    char min[32];
    char max[32];

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
        (void)snprintf(out,
                       out_bytes,
                       "%s1 to %zu bytes",
                       (key->flags & KEY_NULL) != 0 ? "null or " : "",
                       key->bytes - 1);
        break;
    default:
        print_number(key, key->min, min, sizeof(min));
        print_number(key, key->max, max, sizeof(max));
        (void)snprintf(out,
                       out_bytes,
                       "%s%s to %s%s",
                       (key->flags & KEY_AUTO) != 0 ? "auto or " : "",
                       min,
                       max,
                       (key->flags & KEY_POWER2) != 0 ? ", a power of two" : "");
        break;
    }
}

/* COUNT, SIZE and DURATION, checked against the range. */
static bool read_number(const struct key *key, const char *text, uint64_t *out, const char **why)
{
    bool fine = false;

    if ((key->flags & KEY_AUTO) != 0 && strcmp(text, "auto") == 0) {
        *out = 0;
        return true;
    }
    switch (key->type) {
    case KEY_SIZE:
        fine = hulse_value_size(text, out, why);
        break;
    case KEY_DURATION:
        fine = hulse_value_duration(text, out, why);
        break;
    default:
        fine = hulse_value_count(text, out, why);
        break;
    }
    if (!fine) {
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

static bool
store_number(const struct key *key, struct config *c, const char *text, const char **why)
{
    uint64_t value = 0;

    if (!read_number(key, text, &value, why)) {
        return false;
    }
    if (key->type == KEY_COUNT) {
        const uint32_t count = (uint32_t)value;
        memcpy(member(key, c), &count, sizeof(count));
    } else {
        memcpy(member(key, c), &value, sizeof(value));
    }
    return true;
}

static bool store_enum(const struct key *key, struct config *c, const char *text, const char **why)
{
    for (uint32_t i = 0; key->names[i] != NULL; i++) {
        if (strcmp(key->names[i], text) == 0) {
            memcpy(member(key, c), &i, sizeof(i));
            return true;
        }
    }
    *why = "not one of its values";
    return false;
}

static bool
store_string(const struct key *key, struct config *c, const char *text, const char **why)
{
    const size_t bytes = strlen(text);

    if ((key->flags & KEY_NULL) != 0 && strcmp(text, "null") == 0) {
        memset(member(key, c), 0, key->bytes);
        return true;
    }
    if (bytes == 0) {
        *why = "it must not be empty";
        return false;
    }
    if (bytes >= key->bytes) {
        *why = "too long";
        return false;
    }
    if (key->valid != NULL && !key->valid(text, why)) {
        return false;
    }
    memcpy(member(key, c), text, bytes + 1);
    return true;
}

static bool store(const struct key *key, struct config *c, const char *text, const char **why)
{
    bool flag = false;
    uint32_t mode = 0;

    switch (key->type) {
    case KEY_BOOL:
        if (!hulse_value_bool(text, &flag, why)) {
            return false;
        }
        memcpy(member(key, c), &flag, sizeof(flag));
        return true;
    case KEY_MODE:
        if (!hulse_value_mode(text, &mode, why)) {
            return false;
        }
        memcpy(member(key, c), &mode, sizeof(mode));
        return true;
    case KEY_ENUM:
        return store_enum(key, c, text, why);
    case KEY_STRING:
        return store_string(key, c, text, why);
    default:
        return store_number(key, c, text, why);
    }
}

hulse_status
hulse_key_store(const struct key *key, struct config *c, const char *text, struct error *err)
{
    const char *why = "";
    char range[96];

    HULSE_ASSERT(key != NULL);
    if (store(key, c, text, &why)) {
        return HULSE_OK;
    }
    hulse_key_range(key, range, sizeof(range));
    return hulse_fail(
        err, HULSE_INVAL, "%s: '%.*s': %s (%s)", key->path, SHOWN_BYTES_MAX, text, why, range);
}

static uint64_t stored_number(const struct key *key, const struct config *c)
{
    uint64_t wide = 0;
    uint32_t narrow = 0;

    if (key->type == KEY_SIZE || key->type == KEY_DURATION) {
        memcpy(&wide, member_const(key, c), sizeof(wide));
        return wide;
    }
    memcpy(&narrow, member_const(key, c), sizeof(narrow));
    return narrow;
}

void hulse_key_print(const struct key *key, const struct config *c, char *out, size_t out_bytes)
{
    bool flag = false;

    HULSE_ASSERT(out_bytes > 0);
    if (key->type == KEY_STRING) {
        const char *text = member_const(key, c);
        (void)snprintf(out, out_bytes, "%s", *text == '\0' ? "null" : text);
        return;
    }
    if (key->type == KEY_BOOL) {
        memcpy(&flag, member_const(key, c), sizeof(flag));
        (void)snprintf(out, out_bytes, "%s", flag ? "true" : "false");
        return;
    }
    const uint64_t value = stored_number(key, c);
    if (key->type == KEY_ENUM) {
        (void)snprintf(out, out_bytes, "%s", key->names[value]);
    } else if (key->type == KEY_MODE) {
        (void)snprintf(out, out_bytes, "%04o", (unsigned)value);
    } else if (value == 0 && (key->flags & KEY_AUTO) != 0) {
        (void)snprintf(out, out_bytes, "auto");
    } else {
        print_number(key, value, out, out_bytes);
    }
}
