/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env_file - NAME=VALUE lines as they are usual in deployments.
 *
 * A value goes to the end of its line, without the spaces there; one pair of quotes around it is
 * taken away and nothing inside is special. `export ` in front of a name, empty lines and lines
 * that begin with # are ignored. A name stands once.
 *
 * Trust:  the text may be anything.
 * Limits: VARIABLES_MAX names.
 */
#include "daemon/config/body.h"
#include "daemon/config/variables.h"
#include "daemon/core/utf8.h"

#include <stdlib.h>
#include <string.h>

#define VARIABLES_MAX 1024U

struct env_reader {
    struct config *config;
    struct config_problems *problems;
    const char *file; /* its name, which lives as long as the configuration */
    uint32_t line;
    const char *line_start;
    size_t count;
    char *entries[VARIABLES_MAX + 1]; /* ends with NULL */
    struct config_origin origins[VARIABLES_MAX];
};

static struct config_place place_at(const struct env_reader *r, const char *at)
{
    return (struct config_place){
        .file = r->file, .line = r->line, .column = (uint32_t)(at - r->line_start) + 1};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && is_blank(*at)) {
        at++;
    }
    return at;
}

/* Bytes of the name at `at`. */
static size_t name_bytes(const char *at, const char *end)
{
    const char *from = at;

    while (at < end && ((*at >= 'A' && *at <= 'Z') || (*at >= 'a' && *at <= 'z') || *at == '_' ||
                        (at > from && *at >= '0' && *at <= '9'))) {
        at++;
    }
    return (size_t)(at - from);
}

/* Takes one pair of quotes away. False, and reported: only one of the two is there. */
static bool unquote(const struct env_reader *r, const char **value, const char **end)
{
    const char *from = *value;

    if (from == *end || (*from != '"' && *from != '\'')) {
        return true;
    }
    if (*end - from < 2 || (*end)[-1] != *from) {
        hulse_problem_add(r->problems, place_at(r, from), "the quote has no end in its line");
        return false;
    }
    *value = from + 1;
    *end -= 1;
    return true;
}

static bool is_new(const struct env_reader *r, const char *name, size_t bytes)
{
    for (size_t i = 0; i < r->count; i++) {
        if (strncmp(r->entries[i], name, bytes) == 0 && r->entries[i][bytes] == '=') {
            hulse_problem_add(r->problems,
                              place_at(r, name),
                              "duplicate variable '%.*s'; the first is in line %u",
                              (int)(bytes < 48 ? bytes : 48),
                              name,
                              r->origins[i].line);
            return false;
        }
    }
    return true;
}

static void add(struct env_reader *r, const char *name, size_t bytes, const char *value, size_t n)
{
    struct config_body *body = hulse_body_get(r->config);
    const struct config_place place = place_at(r, name);
    char *entry = body == NULL ? NULL : hulse_arena_alloc(&body->arena, bytes + 1 + n + 1);

    if (entry == NULL) {
        hulse_problem_add(r->problems, place, "no memory");
        return;
    }
    memcpy(entry, name, bytes);
    entry[bytes] = '=';
    if (n > 0) {
        memcpy(entry + bytes + 1, value, n);
    }
    r->origins[r->count] = (struct config_origin){
        .kind = CONFIG_ORIGIN_FILE, .name = place.file, .line = place.line, .column = place.column};
    r->entries[r->count++] = entry;
}

/* One line, without its end. */
static void read_line(struct env_reader *r, const char *at, const char *end)
{
    static const char export[] = "export ";

    at = skip_blanks(at, end);
    if (at == end || *at == '#') {
        return;
    }
    if ((size_t)(end - at) >= sizeof(export) && memcmp(at, export, sizeof(export) - 1) == 0) {
        at = skip_blanks(at + sizeof(export) - 1, end);
    }
    const size_t bytes = name_bytes(at, end);
    if (bytes == 0 || at + bytes == end || at[bytes] != '=') {
        hulse_problem_add(r->problems, place_at(r, at + bytes), "NAME=VALUE is expected");
        return;
    }
    const char *value = at + bytes + 1;
    while (end > value && is_blank(end[-1])) {
        end--;
    }
    if (!unquote(r, &value, &end) || !is_new(r, at, bytes)) {
        return;
    }
    if (r->count == VARIABLES_MAX) {
        hulse_problem_add(r->problems, place_at(r, at), "at most %u variables", VARIABLES_MAX);
        return;
    }
    add(r, at, bytes, value, (size_t)(end - value));
}

/* The place of the first byte that is no text; false when there is none. */
static bool find_bad_line(struct env_reader *r, const char *at, const char *end)
{
    if (memchr(at, '\0', (size_t)(end - at)) != NULL) {
        hulse_problem_add(r->problems,
                          place_at(r, memchr(at, '\0', (size_t)(end - at))),
                          "a zero byte; a file of variables is UTF-8 text");
        return true;
    }
    if (!hulse_utf8_good(at, (size_t)(end - at))) {
        hulse_problem_add(r->problems, place_at(r, at), "not UTF-8");
        return true;
    }
    return false;
}

static void read_lines(struct env_reader *r, const char *text, size_t bytes)
{
    const char *const end = text + bytes;

    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *line_end = newline == NULL ? end : newline;
        r->line++;
        r->line_start = text;
        if (!find_bad_line(r, text, line_end)) {
            read_line(r, text, line_end);
        }
        text = line_end + 1;
    }
}

void hulse_config_env_text(struct config *c,
                           const char *name,
                           const char *text,
                           size_t bytes,
                           struct config_problems *problems)
{
    struct env_reader *r = calloc(1, sizeof(*r));

    if (r == NULL) {
        hulse_problem_add(problems, (struct config_place){.file = name}, "no memory");
        return;
    }
    r->config = c;
    r->problems = problems;
    r->file = hulse_body_text(c, name, strlen(name));
    if (r->file == NULL) {
        hulse_problem_add(problems, (struct config_place){.file = name}, "no memory");
    } else {
        read_lines(r, text, bytes);
        hulse_config_variables(c, r->entries, r->origins, problems);
    }
    free(r);
}
