/* SPDX-License-Identifier: Apache-2.0 */
/*
 * print - the effective configuration as YAML that would give the same configuration again.
 */
#include "daemon/config/body.h"
#include "daemon/config/config.h"
#include "daemon/config/key.h"
#include "daemon/core/assert.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

/* Room for the longest text: a path. */
#define VALUE_BYTES PATH_MAX

/* ---- values ---- */

/* Characters that YAML refuses or takes for the end of a line, and how they are written instead. */
static const struct {
    const char *bytes;
    const char *escape;
} escapes[] = {
    {"\"", "\\\""},
    {"\\", "\\\\"},
    {"\xe2\x80\xa8", "\\u2028"},
    {"\xe2\x80\xa9", "\\u2029"},
    {"\xef\xbb\xbf", "\\uFEFF"},
    {"\xef\xbf\xbe", "\\uFFFE"},
    {"\xef\xbf\xbf", "\\uFFFF"},
};

/* Writes one character's escape; gives the bytes it stands for, 0 when there is none. */
static size_t print_escape(const char *at, FILE *out)
{
    /* U+0080 to U+009F */
    if ((unsigned char)at[0] == 0xc2 && (unsigned char)at[1] < 0xa0) {
        (void)fprintf(out, "\\x%02x", (unsigned char)at[1]);
        return 2;
    }
    for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
        const size_t bytes = strlen(escapes[i].bytes);
        if (strncmp(at, escapes[i].bytes, bytes) == 0) {
            (void)fprintf(out, "%s", escapes[i].escape);
            return bytes;
        }
    }
    return 0;
}

/* A double-quoted scalar. */
static void print_quoted(const char *text, FILE *out)
{
    (void)fputc('"', out);
    while (*text != '\0') {
        const size_t bytes = print_escape(text, out);
        if (bytes == 0) {
            (void)fputc(*text, out);
        }
        text += bytes == 0 ? 1 : bytes;
    }
    (void)fputc('"', out);
}

/* Plain words that YAML takes for something else than text. */
static bool is_yaml_word(const char *text)
{
    static const char *const words[] = {"null", "true", "false", "on", "off", "yes", "no", "~"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void print_list(const struct key *key, const void *base, FILE *out)
{
    const void *array = NULL;
    size_t count = 0;

    memcpy(&array, (const char *)base + key->offset, sizeof(array));
    memcpy(&count, (const char *)base + key->count_offset, sizeof(count));
    (void)fputc('[', out);
    for (size_t i = 0; i < count; i++) {
        (void)fprintf(out, "%s", i == 0 ? "" : ", ");
        if (key->type == KEY_IDS) {
            (void)fprintf(out, "%" PRIu32, (uint32_t)((const uid_t *)array)[i]);
        } else {
            print_quoted(((const char *const *)array)[i], out);
        }
    }
    (void)fputc(']', out);
}

static void print_value(const struct key *key, const void *base, FILE *out)
{
    char text[VALUE_BYTES];

    if (key->type == KEY_TEXTS || key->type == KEY_IDS) {
        print_list(key, base, out);
        return;
    }
    hulse_key_print(key, base, text, sizeof(text));
    const bool is_text = key->type == KEY_STRING || key->type == KEY_TEXT;
    if (key->type == KEY_MODE || (is_text && hulse_key_has_value(key, base)) ||
        (key->type == KEY_ENUM && is_yaml_word(text))) {
        print_quoted(text, out);
    } else {
        (void)fprintf(out, "%s", text);
    }
}

static void print_origin(const struct config_origin *origin, FILE *out)
{
    switch (origin->kind) {
    case CONFIG_ORIGIN_FLAG:
        (void)fprintf(out, "  # flag --set");
        break;
    case CONFIG_ORIGIN_ENVIRONMENT:
        (void)fprintf(out, "  # environment %s", origin->name);
        break;
    case CONFIG_ORIGIN_FILE:
        (void)fprintf(out, "  # %s:%" PRIu32, origin->name, origin->line);
        break;
    case CONFIG_ORIGIN_DEFAULT:
        (void)fprintf(out, "  # default");
        break;
    }
}

/* ---- keys ---- */

/* Where lines begin: `lead` stands once in place of the first line's last two spaces. */
struct margin {
    int indent;
    const char *lead; /* "- ", or NULL */
};

static void print_margin(struct margin *m, int depth, FILE *out)
{
    const int spaces = m->indent + 2 * depth;

    if (m->lead != NULL) {
        (void)fprintf(out, "%*s%s", spaces - 2, "", m->lead);
        m->lead = NULL;
        return;
    }
    (void)fprintf(out, "%*s", spaces, "");
}

/* The groups of `path` that the line before was not in; gives the last word of it. */
static const char *print_groups(const char *path, const char *before, struct margin *m, FILE *out)
{
    bool inside = true;
    int depth = 0;

    for (const char *dot = strchr(path, '.'); dot != NULL; dot = strchr(path, '.')) {
        const size_t bytes = (size_t)(dot - path) + 1;
        inside = inside && strncmp(path, before, bytes) == 0;
        if (inside) {
            before += bytes;
        } else {
            print_margin(m, depth, out);
            (void)fprintf(out, "%.*s:\n", (int)bytes - 1, path);
        }
        path += bytes;
        depth++;
    }
    print_margin(m, depth, out);
    return path;
}

static const struct config_origin *
origin_of(const struct config *c, const struct key *key, size_t index)
{
    if (key->scope == KEY_GLOBAL) {
        return &c->origins[hulse_key_index(key)];
    }
    return hulse_body_origin(c, key->scope, index, key);
}

static void
print_keys(const struct config *c, enum key_scope scope, size_t index, struct margin m, FILE *out)
{
    const void *base = scope == KEY_GLOBAL ? c : hulse_body_item(c, scope, index);
    const char *before = "";

    for (size_t i = 0; i < hulse_key_count(scope); i++) {
        const struct key *key = hulse_key_at(scope, i);
        (void)fprintf(out, "%s: ", print_groups(key->path, before, &m, out));
        print_value(key, base, out);
        print_origin(origin_of(c, key, index), out);
        if (scope == KEY_ROLE && ((const struct config_role *)base)->token_count > 0 &&
            key->offset == offsetof(struct config_role, tokens_file)) {
            (void)fprintf(out, "; tokens <redacted>");
        }
        (void)fputc('\n', out);
        before = key->path;
    }
}

static void print_scope(const struct config *c, enum key_scope scope, FILE *out)
{
    const struct key_list *list = hulse_key_list(scope);
    const size_t count = hulse_body_count(c, scope);

    if (count == 0) {
        (void)fprintf(out, "%s: %s  # default\n", list->path, list->named ? "{}" : "[]");
        return;
    }
    (void)fprintf(out, "%s:\n", list->path);
    for (size_t i = 0; i < count; i++) {
        if (scope == KEY_BROKER && c->brokers[i].unused) {
            continue; /* written down it would be wanted */
        }
        struct margin m = {.indent = 4, .lead = "- "};
        if (list->named) {
            const char *name = NULL;
            memcpy(&name, hulse_body_item(c, scope, i), sizeof(name));
            (void)fprintf(out, "  ");
            print_quoted(name, out);
            (void)fprintf(out, ":\n");
            m.lead = NULL;
        }
        print_keys(c, scope, i, m, out);
    }
}

void hulse_config_print(const struct config *c, FILE *out)
{
    const struct margin none = {0};

    print_keys(c, KEY_GLOBAL, 0, none, out);
    for (enum key_scope scope = KEY_GLOBAL + 1; scope < KEY_SCOPES; scope++) {
        print_scope(c, scope, out);
    }
}
