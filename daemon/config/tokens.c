/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tokens - see tokens.h.
 */
#include "daemon/config/tokens.h"

#include "daemon/config/body.h"
#include "daemon/config/text_file.h"
#include "daemon/core/assert.h"

#include <string.h>
#include <sys/stat.h>

struct token_reader {
    struct config *config;
    struct config_role *role;
    struct config_problems *problems;
    const char **tokens; /* HULSE_TOKENS_MAX */
    struct config_place place;
};

static bool is_token(const char *text, size_t bytes)
{
    if (bytes < HULSE_TOKEN_BYTES_MIN || bytes > HULSE_TOKEN_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] <= ' ' || text[i] > '~') {
            return false;
        }
    }
    return true;
}

static void take_line(struct token_reader *r, const char *text, size_t bytes)
{
    while (bytes > 0 && (text[bytes - 1] == ' ' || text[bytes - 1] == '\r')) {
        bytes--;
    }
    if (bytes == 0 || *text == '#') {
        return;
    }
    if (!is_token(text, bytes)) {
        hulse_problem_add(r->problems,
                          r->place,
                          "a token has %u to %u printable characters without space",
                          HULSE_TOKEN_BYTES_MIN,
                          HULSE_TOKEN_BYTES_MAX);
        return;
    }
    if (r->role->token_count == HULSE_TOKENS_MAX) {
        hulse_problem_add(r->problems, r->place, "at most %u tokens", HULSE_TOKENS_MAX);
        return;
    }
    const char *copy = hulse_body_text(r->config, text, bytes);
    if (copy == NULL) {
        hulse_problem_add(r->problems, r->place, "no memory");
        return;
    }
    r->tokens[r->role->token_count++] = copy;
}

static void take_lines(struct token_reader *r, const struct text_file *file)
{
    const char *at = file->text;
    const char *const end = at + file->bytes;

    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *line_end = newline == NULL ? end : newline;
        r->place.line++;
        take_line(r, at, (size_t)(line_end - at));
        at = line_end + 1;
    }
    r->role->tokens = r->tokens;
}

/* Whoever can write the file is whoever the role is. */
static bool check_mode(const struct token_reader *r, mode_t mode)
{
    if ((mode & (S_IWGRP | S_IWOTH)) != 0) {
        hulse_problem_add(
            r->problems, r->place, "others may write this file; its mode must not let them");
        return false;
    }
    if ((mode & S_IROTH) != 0) {
        hulse_problem_warn(r->problems, r->place, "everybody may read these tokens");
    }
    return true;
}

static void load(struct config *c, size_t index, struct config_problems *problems)
{
    static const char path[] = "tokens_file";
    struct config_role *role = hulse_body_item_mutable(c, KEY_ROLE, index);
    const struct key *key = hulse_key_find(KEY_ROLE, path);
    struct token_reader r = {
        .config = c,
        .role = role,
        .problems = problems,
        .tokens = hulse_arena_alloc(&c->body->arena, HULSE_TOKENS_MAX * sizeof(*r.tokens)),
        .place = {.file = role->tokens_file, .line = 1, .column = 1},
    };
    struct text_file file;
    char why[128];

    if (r.tokens == NULL) {
        hulse_problem_add(problems, r.place, "no memory");
        return;
    }
    if (!hulse_text_file_read(
            &file, role->tokens_file, HULSE_TOKENS_FILE_BYTES_MAX, why, sizeof(why))) {
        const struct config_origin *origin = hulse_body_origin(c, KEY_ROLE, index, key);
        hulse_problem_add(problems,
                          hulse_body_place(origin),
                          "roles.%s.%s: %.160s %s",
                          role->name,
                          path,
                          role->tokens_file,
                          why);
        return;
    }
    if (check_mode(&r, file.mode)) {
        r.place.line = 0;
        take_lines(&r, &file);
    }
    hulse_text_file_fini(&file);
}

void hulse_tokens_load(struct config *c, struct config_problems *problems)
{
    for (size_t i = 0; i < c->role_count; i++) {
        if (c->roles[i].tokens_file[0] != '\0') {
            load(c, i, problems);
        }
    }
}
