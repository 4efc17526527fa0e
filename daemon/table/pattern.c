/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pattern - see pattern.h.
 *
 * Two places to go back to, one for the last * and one for the last **: a later star of a kind makes
 * an earlier one of the same kind final, because any text the earlier could still swallow the later
 * can swallow as well. A * ends at a slash, then only the ** before it can give way.
 */
#include "daemon/table/pattern.h"

#include <string.h>

struct restart {
    const char *pattern; /* behind the star; NULL = there is none */
    const char *text;    /* what it has not swallowed yet */
};

/* Lets the last star swallow one byte more. False: no star can. */
static bool
go_back(struct restart *one, struct restart *many, const char **pattern, const char **text)
{
    if (one->pattern != NULL && *one->text != '\0' && *one->text != '/') {
        one->text += 1;
        *pattern = one->pattern;
        *text = one->text;
        return true;
    }
    one->pattern = NULL;
    if (many->pattern != NULL && *many->text != '\0') {
        many->text += 1;
        *pattern = many->pattern;
        *text = many->text;
        return true;
    }
    return false;
}

bool hulse_pattern_match(const char *pattern, const char *text)
{
    struct restart one = {NULL, NULL};
    struct restart many = {NULL, NULL};

    for (;;) {
        if (pattern[0] == '*' && pattern[1] == '*') {
            pattern += 2;
            many = (struct restart){pattern, text};
            one.pattern = NULL;
        } else if (pattern[0] == '*') {
            pattern += 1;
            one = (struct restart){pattern, text};
        } else if (*pattern == '\0' && *text == '\0') {
            return true;
        } else if (*text != '\0' && (*pattern == *text || (*pattern == '?' && *text != '/'))) {
            pattern += 1;
            text += 1;
        } else if (!go_back(&one, &many, &pattern, &text)) {
            return false;
        }
    }
}

size_t hulse_pattern_prefix_bytes(const char *pattern)
{
    return strcspn(pattern, "*?");
}

size_t hulse_pattern_suffix_bytes(const char *pattern)
{
    const size_t bytes = strlen(pattern);
    size_t suffix = 0;

    while (suffix < bytes && strchr("*?", pattern[bytes - suffix - 1]) == NULL) {
        suffix++;
    }
    return suffix == bytes ? 0 : suffix;
}
