/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pattern - globs over full topic names.
 *
 *   one star: any run of bytes without a slash
 *   two:      any run of bytes
 *   ?         one byte that is no slash
 *
 * Everything else stands for itself. With up to one * behind each ** the time is bounded by the
 * product of both lengths: the operator who writes a pattern decides what it costs, not the
 * application that names a topic. Each further * may cost the name's length once more.
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
