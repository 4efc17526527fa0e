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
/* Bytes before the first star or question mark: what every match begins with. */
size_t hulse_pattern_prefix_bytes(const char *pattern);
/* Bytes behind the last one: what every match ends with. 0 when there is none. */
size_t hulse_pattern_suffix_bytes(const char *pattern);

#endif
