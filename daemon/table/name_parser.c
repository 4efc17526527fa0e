/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name_parser - see the header.
 */
#include "daemon/table/name_parser.h"

#include <string.h>

#define REPEAT_MAX 1000U
#define DEPTH_MAX 64U

/* Groups are DEPTH_MAX deep at most. NOLINTBEGIN(misc-no-recursion) */
static bool take_alternatives(struct name_parser *c);

/* Behind its (. */
static bool take_group(struct name_parser *c)
{
    if (strncmp(c->at, "?:", 2) == 0) {
        c->at += 2;
    } else if (strncmp(c->at, "?P<", 3) == 0 ||
               (strncmp(c->at, "?<", 2) == 0 && c->at[2] != '=' && c->at[2] != '!')) {
        c->at = strchr(c->at, '>');
        if (c->at == NULL) {
            return hulse_name_program_fail(c->r, "the name of a group without its >");
        }
        c->at += 1;
    } else if (*c->at == '?') {
        return hulse_name_program_fail(c->r, "flags and look-around are not for topics");
    }
    if (c->depth == DEPTH_MAX) {
        return hulse_name_program_fail(c->r, "groups nested too deeply");
    }
    c->depth += 1;
    if (!take_alternatives(c)) {
        return false;
    }
    c->depth -= 1;
    if (*c->at != ')') {
        return hulse_name_program_fail(c->r, "a group without its )");
    }
    c->at += 1;
    return true;
}

/* Behind a backslash, outside of a class. */
static bool take_escaped(struct name_parser *c)
{
    const char letter = *c->at;
    const uint32_t first = c->r->range_count;
    uint32_t code = 0;

    if (hulse_name_parse_perl(c)) {
        return hulse_name_program_class(c->r, first, false);
    }
    if (c->r->why != NULL) {
        return false;
    }
    if (letter == 'A' || letter == 'z') {
        c->at += 1;
        return hulse_name_program_put(c->r, letter == 'A' ? STEP_BEGIN : STEP_END) != NULL;
    }
    return hulse_name_parse_escape(c, &code) && hulse_name_program_code(c->r, code);
}

static bool take_atom(struct name_parser *c)
{
    const char first = *c->at;
    if (c->quoted) {
        return hulse_name_program_code(c->r, hulse_name_code(&c->at));
    }
    if (first == '*' || first == '+' || first == '?') {
        return hulse_name_program_fail(c->r, "a repetition of nothing");
    }
    if (strchr("([.^$\\", first) == NULL) {
        return hulse_name_program_code(c->r, hulse_name_code(&c->at));
    }
    c->at += 1;
    switch (first) {
    case '(':
        return take_group(c);
    case '[':
        return hulse_name_parse_class(c);
    case '.':
        return hulse_name_program_put(c->r, STEP_ANY) != NULL;
    case '^':
        return hulse_name_program_put(c->r, STEP_BEGIN) != NULL;
    case '$':
        return hulse_name_program_put(c->r, STEP_END) != NULL;
    default:
        return take_escaped(c);
    }
}

static bool take_number(struct name_parser *c, const char **at, uint32_t *out)
{
    const char *begin = *at;
    uint32_t value = 0;
    while (**at >= '0' && **at <= '9' && value <= REPEAT_MAX) {
        value = value * 10 + (uint32_t)(**at - '0');
        *at += 1;
    }
    if (value > REPEAT_MAX) {
        return hulse_name_program_fail(c->r, "a repetition count of more than 1000");
    }
    *out = value;
    return *at != begin;
}

/* {n}, {n,}, {n,m}. False: it is none, and stands for itself, or `why` is set. */
static bool take_counts(struct name_parser *c, uint32_t *least, uint32_t *most)
{
    const char *at = c->at + 1;
    if (!take_number(c, &at, least)) {
        return false;
    }
    *most = *least;
    if (*at == ',') {
        at += 1;
        if (*at == '}') {
            *most = NAME_NO_LIMIT;
        } else if (!take_number(c, &at, most)) {
            return false;
        }
    }
    if (*at != '}') {
        return false;
    }
    if (*most < *least) {
        return hulse_name_program_fail(c->r, "repetition counts that go backwards");
    }
    c->at = at + 1;
    return true;
}

/* False: none is here, or `why` is set. */
static bool take_operator(struct name_parser *c, uint32_t *least, uint32_t *most)
{
    switch (c->quoted ? '\0' : *c->at) {
    case '*':
        *least = 0;
        *most = NAME_NO_LIMIT;
        break;
    case '+':
        *least = 1;
        *most = NAME_NO_LIMIT;
        break;
    case '?':
        *least = 0;
        *most = 1;
        break;
    case '{':
        return take_counts(c, least, most);
    default:
        return false;
    }
    c->at += 1;
    return true;
}

/* \Q and \E; what is between them stands for itself. */
static void take_quotes(struct name_parser *c)
{
    while (c->at[0] == '\\' && c->at[1] == (c->quoted ? 'E' : 'Q')) {
        c->quoted = !c->quoted;
        c->at += 2;
    }
}

/* Quotes end between an atom and what repeats it: that is of their last character, or of what is before empty ones. */
static bool take_repeated(struct name_parser *c)
{
    const uint32_t start = c->r->count;
    uint32_t least = 0;
    uint32_t most = 0;

    if (!take_atom(c)) {
        return false;
    }
    take_quotes(c);
    while (take_operator(c, &least, &most)) {
        if (!hulse_name_program_repeat(c->r, start, least, most)) {
            return false;
        }
        /* Which match is preferred makes no difference to whether there is one. */
        c->at += *c->at == '?' ? 1 : 0;
        if (take_operator(c, &least, &most)) {
            return hulse_name_program_fail(c->r, "a repetition of a repetition");
        }
        take_quotes(c);
    }
    return c->r->why == NULL;
}

static bool take_sequence(struct name_parser *c)
{
    take_quotes(c);
    while (*c->at != '\0' && (c->quoted || (*c->at != '|' && *c->at != ')'))) {
        if (!take_repeated(c)) {
            return false;
        }
    }
    return true;
}

static bool take_alternatives(struct name_parser *c)
{
    uint32_t start = c->r->count;
    uint16_t jumps[NAME_REGEX_BYTES_MAX];
    uint32_t jump_count = 0;

    while (take_sequence(c)) {
        if (*c->at != '|') {
            for (uint32_t i = 0; i < jump_count; i++) {
                c->r->steps[jumps[i]].jump.to = (int32_t)c->r->count - jumps[i];
            }
            return true;
        }
        c->at += 1;
        if (!hulse_name_program_split(c->r, start, (int32_t)(c->r->count - start) + 2) ||
            !hulse_name_program_jump(c->r, STEP_JUMP, 0)) {
            return false;
        }
        jumps[jump_count] = (uint16_t)(c->r->count - 1);
        jump_count += 1;
        start = c->r->count;
    }
    return false;
}
/* NOLINTEND(misc-no-recursion) */

bool hulse_name_parse(struct name_regex *r, const char *text)
{
    struct name_parser c = {.r = r, .at = text};

    if (take_alternatives(&c) && *c.at != '\0') {
        (void)hulse_name_program_fail(r, "a ) without its group");
    }
    return r->why == NULL;
}
