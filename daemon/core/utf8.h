/* SPDX-License-Identifier: Apache-2.0 */
/*
 * utf8 - strict UTF-8: no surrogates, nothing longer than it must be, nothing above U+10FFFF.
 *
 * Threads: pure functions.
 */
#ifndef HULSE_CORE_UTF8_H
#define HULSE_CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the well-formed sequence at `in`, 1 to 4; 0 when there is none. `bytes` is at least 1. */
size_t hulse_utf8_sequence(const uint8_t *in, size_t bytes);
/* Whether all of it is; nothing is. */
bool hulse_utf8_good(const void *text, size_t bytes);

#endif
