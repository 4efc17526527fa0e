/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check - what the tests of configuration texts share: a problem, its place, and what it says.
 */
#ifndef HULSE_TESTS_UNIT_CONFIG_CHECK_H
#define HULSE_TESTS_UNIT_CONFIG_CHECK_H

#include "daemon/config/problem.h"
#include "tests/support/check.h"

#include <string.h>

/* A text, and what the first problem that it brings says, and where. */
struct bad_text {
    const char *text;
    unsigned line;
    unsigned column;
    const char *part;
};

static inline void check_first_problem(const struct config_problems *problems,
                                       const char *file,
                                       unsigned line,
                                       unsigned column,
                                       const char *part)
{
    assert_true(problems->errors > 0);
    const struct config_problem *first = &problems->list[0];
    if (first->line != line || first->column != column || strstr(first->text, part) == NULL) {
        fail_msg("%u:%u: %s, expected %u:%u: %s",
                 first->line,
                 first->column,
                 first->text,
                 line,
                 column,
                 part);
    }
    assert_string_equal(first->file, file);
}

#endif
