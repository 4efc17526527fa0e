/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pattern - globs over full topic names.
 *
 *   one star: any run of bytes without a slash
 *   two:      any run of bytes
 *   ?         one byte that is no slash
 *
 * Everything else stands for itself. Matching goes back at most once for each star and byte: the
 * operator who writes a pattern decides what it costs, not the application that names a topic.
 *
 * Threads: pure functions.
 */
#ifndef HULSE_TABLE_PATTERN_H
#define HULSE_TABLE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

bool hulse_pattern_match(const char *pattern, const char *text);
/* Bytes before the first star or question mark. */
size_t hulse_pattern_literal_bytes(const char *pattern);

#endif
