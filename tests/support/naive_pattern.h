/* SPDX-License-Identifier: Apache-2.0 */
/*
 * naive_pattern - what a glob matches, found by trying everything: the reference for
 * daemon/table/pattern.c in its unit test and its fuzz target.
 *
 * Limits: exponential in the stars; for short texts.
 */
#ifndef HULSE_TESTS_SUPPORT_NAIVE_PATTERN_H
#define HULSE_TESTS_SUPPORT_NAIVE_PATTERN_H

#include <stdbool.h>

/* NOLINTNEXTLINE(misc-no-recursion): that is what makes it naive. */
static inline bool naive_pattern_match(const char *p, const char *t)
{
    if (p[0] == '*') {
        const bool many = p[1] == '*';
        const char *rest = p + (many ? 2 : 1);
        for (;; t++) {
            if (naive_pattern_match(rest, t)) {
                return true;
            }
            if (*t == '\0' || (!many && *t == '/')) {
                return false;
            }
        }
    }
    if (*p == '\0' || *t == '\0') {
        return *p == *t;
    }
    return (*p == *t || (*p == '?' && *t != '/')) && naive_pattern_match(p + 1, t + 1);
}

#endif
