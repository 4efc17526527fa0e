/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pattern - see pattern.h.
 *
 * Two places to go back to, one for the last * and one for the last **: a later star of a kind makes
 * an earlier one of the same kind final, because any text the earlier could still swallow the later
 * can swallow as well. A * ends at a slash, then only the ** before it can give way; and when that
 * leads to the same * before the same slash again, all of what it could try has been tried. One that
 * came to the end of the text has tried everything that anybody could.
 */
#include "daemon/table/pattern.h"

#include <string.h>

struct restart {
    const char *pattern; /* behind the star; NULL = there is none */
    const char *text;    /* what it has not swallowed yet */
};

struct match {
    struct restart one;  /* of the last * since the last ** */
    struct restart many; /* of the last ** */
    struct restart vain; /* a *, and the slash up to which it was tried */
};

/* Lets the last star swallow one byte more. False: no star can. */
static bool go_back(struct match *m, const char **pattern, const char **text)
{
    struct restart *give = &m->many;

    if (m->one.pattern != NULL) {
        if (*m->one.text == '\0') {
            return false;
        }
        if (*m->one.text != '/') {
            give = &m->one;
        } else {
            m->vain = m->one;
        }
    }
    if (give->pattern == NULL || *give->text == '\0') {
        return false;
    }
    if (give == &m->many) {
        m->one.pattern = NULL;
    }
    give->text += 1;
    *pattern = give->pattern;
    *text = give->text;
    return true;
}

/* A * begins here. False: it was tried in vain from an earlier place already. */
static bool begin_one(struct match *m, const char *pattern, const char *text)
{
    if (m->vain.pattern == pattern && text <= m->vain.text) {
        m->one.pattern = NULL;
        return false;
    }
    m->one = (struct restart){pattern, text};
    return true;
}

bool hulse_pattern_match(const char *pattern, const char *text)
{
    struct match m = {.one = {NULL, NULL}};

    for (;;) {
        if (pattern[0] == '*' && pattern[1] == '*') {
            pattern += 2;
            m.many = (struct restart){pattern, text};
            m.one.pattern = NULL;
        } else if (pattern[0] == '*') {
            pattern += 1;
            if (!begin_one(&m, pattern, text) && !go_back(&m, &pattern, &text)) {
                return false;
            }
        } else if (*pattern == '\0' && *text == '\0') {
            return true;
        } else if (*text != '\0' && (*pattern == *text || (*pattern == '?' && *text != '/'))) {
            pattern += 1;
            text += 1;
        } else if (!go_back(&m, &pattern, &text)) {
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
