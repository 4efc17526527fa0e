/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name_class - the part of the parser that reads characters: escapes, and classes in brackets.
 */
#include "daemon/table/name_parser.h"

#include <string.h>

/* Ranges one behind the other, as text: "09" is 0 to 9. Or all but those. */
static bool add_set(struct name_parser *c, const char *set, bool negated)
{
    uint32_t from = 0;
    for (const char *at = set; *at != '\0'; at += 2) {
        const uint32_t first = (unsigned char)at[0];
        const uint32_t last = (unsigned char)at[1];
        if (!negated && !hulse_name_program_range(c->r, first, last)) {
            return false;
        }
        if (negated && first > from && !hulse_name_program_range(c->r, from, first - 1)) {
            return false;
        }
        from = last + 1;
    }
    return !negated || hulse_name_program_range(c->r, from, NAME_CODE_MAX);
}

/* What \d, \s and \w stand for, in rising order; NULL: it is no such letter. */
static const char *perl_set(char letter)
{
    switch (letter) {
    case 'd':
    case 'D':
        return "09";
    case 's':
    case 'S':
        return "\t\n\f\r  ";
    case 'w':
    case 'W':
        return "09AZ__az";
    default:
        return NULL;
    }
}

static bool is_upper(char letter)
{
    return letter >= 'A' && letter <= 'Z';
}

bool hulse_name_parse_perl(struct name_parser *c)
{
    const char letter = *c->at;
    const char *set = perl_set(letter);

    if (set == NULL) {
        return false;
    }
    c->at += 1;
    return add_set(c, set, is_upper(letter));
}

static const struct {
    const char *name;
    const char *set;
} posix_sets[] = {
    {"[:alnum:]", "09AZaz"},
    {"[:alpha:]", "AZaz"},
    {"[:blank:]", "\t\t  "},
    {"[:digit:]", "09"},
    {"[:graph:]", "!~"},
    {"[:lower:]", "az"},
    {"[:print:]", " ~"},
    {"[:punct:]", "!/:@[`{~"},
    {"[:space:]", "\t\r  "},
    {"[:upper:]", "AZ"},
    {"[:word:]", "09AZ__az"},
    {"[:xdigit:]", "09AFaf"},
};

/* A named one at the place. False: there is none, or `why` is set. */
static bool take_posix(struct name_parser *c)
{
    for (size_t i = 0; i < sizeof(posix_sets) / sizeof(posix_sets[0]); i++) {
        const size_t bytes = strlen(posix_sets[i].name);
        if (strncmp(c->at, posix_sets[i].name, bytes) == 0) {
            c->at += bytes;
            return add_set(c, posix_sets[i].set, false);
        }
    }
    return strncmp(c->at, "[:", 2) == 0
               ? hulse_name_program_fail(c->r, "an unknown class of characters")
               : false;
}

static bool hex_digit(char digit, uint32_t *value)
{
    const char *lower = "0123456789abcdef";
    const char *upper = "0123456789ABCDEF";
    const char *at = digit == '\0' ? NULL : strchr(lower, digit);
    if (at != NULL) {
        *value = (uint32_t)(at - lower);
        return true;
    }
    at = digit == '\0' ? NULL : strchr(upper, digit);
    *value = at != NULL ? (uint32_t)(at - upper) : 0;
    return at != NULL;
}

/* Behind \x: two digits, or any number of them in braces. */
static bool take_hex(struct name_parser *c, uint32_t *code)
{
    const bool braces = *c->at == '{';
    uint32_t digit = 0;
    unsigned count = 0;

    c->at += braces ? 1 : 0;
    *code = 0;
    while ((braces || count < 2) && hex_digit(*c->at, &digit)) {
        *code = *code * 16 + digit;
        c->at += 1;
        count += 1;
        if (*code > NAME_CODE_MAX) {
            return hulse_name_program_fail(c->r, "no such character");
        }
    }
    if (count == 0 || (!braces && count != 2) || (braces && *c->at != '}')) {
        return hulse_name_program_fail(c->r, "\\x needs two hexadecimal digits, or some in braces");
    }
    c->at += braces ? 1 : 0;
    return true;
}

bool hulse_name_parse_escape(struct name_parser *c, uint32_t *code)
{
    static const char letters[] = "afnrtv";
    static const char meanings[] = "\a\f\n\r\t\v";
    const char letter = *c->at;
    const char *at = letter == '\0' ? NULL : strchr(letters, letter);

    if (letter == '\0') {
        return hulse_name_program_fail(c->r, "a backslash at the end");
    }
    if (letter == 'x') {
        c->at += 1;
        return take_hex(c, code);
    }
    if (letter >= '0' && letter <= '9') {
        return hulse_name_program_fail(c->r, "back references are not for topics");
    }
    if (at == NULL && ((letter >= 'a' && letter <= 'z') || is_upper(letter))) {
        return hulse_name_program_fail(c->r, "an escape that is not known here");
    }
    *code = at != NULL ? (unsigned char)meanings[at - letters] : hulse_name_code(&c->at);
    c->at += at != NULL ? 1 : 0;
    return true;
}

/* One character of a class, which may be the end of a range. */
static bool take_member(struct name_parser *c, uint32_t *code)
{
    if (*c->at == '\0') {
        return hulse_name_program_fail(c->r, "a class without its ]");
    }
    if (*c->at == '\\') {
        c->at += 1;
        return hulse_name_parse_escape(c, code);
    }
    *code = hulse_name_code(&c->at);
    return true;
}

static bool take_class_part(struct name_parser *c)
{
    uint32_t first = 0;
    uint32_t last = 0;
    const char *set = c->at[0] == '\\' ? perl_set(c->at[1]) : NULL;

    if (take_posix(c)) {
        return true;
    }
    if (c->r->why != NULL) {
        return false;
    }
    if (set != NULL) {
        c->at += 1;
        return hulse_name_parse_perl(c);
    }
    if (!take_member(c, &first)) {
        return false;
    }
    last = first;
    if (c->at[0] == '-' && c->at[1] != ']' && c->at[1] != '\0') {
        c->at += 1;
        if (!take_member(c, &last)) {
            return false;
        }
    }
    return hulse_name_program_range(c->r, first, last);
}

bool hulse_name_parse_class(struct name_parser *c)
{
    const uint32_t first = c->r->range_count;
    const bool negated = *c->at == '^';
    bool begun = false;

    c->at += negated ? 1 : 0;
    while (*c->at != ']' || !begun) {
        begun = true;
        if (!take_class_part(c)) {
            return false;
        }
    }
    c->at += 1;
    return hulse_name_program_class(c->r, first, negated);
}
