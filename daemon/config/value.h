/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value - one configuration value as text, into a number and back.
 *
 * The parsers are strict: the whole text must be one value, without space or sign, and must fit.
 * Only a ratio has a fraction. They say in *why (a static string) what was expected.
 *
 * Threads: any; pure functions.
 * Trust:   the text is the operator's and may be anything.
 */
#ifndef HULSE_CONFIG_VALUE_H
#define HULSE_CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HULSE_VALUE_RATIO_ONE 1000U

/* Decimal digits. */
bool hulse_value_count(const char *text, uint64_t *out, const char **why);
/* Bytes: plain, or with KiB, MiB, GiB. */
bool hulse_value_size(const char *text, uint64_t *out, const char **why);
/* Nanoseconds of: plain milliseconds, or with us, ms, s, m, h, d. */
bool hulse_value_duration(const char *text, uint64_t *out, const char **why);
/* Milliseconds of the same; none is lost. */
bool hulse_value_duration_ms(const char *text, uint64_t *out, const char **why);
/* Thousandths of a number with at most three decimals. */
bool hulse_value_ratio(const char *text, uint64_t *out, const char **why);
/* true or false. */
bool hulse_value_bool(const char *text, bool *out, const char **why);
/* File mode: three or four octal digits, at most 0777. */
bool hulse_value_mode(const char *text, uint32_t *out, const char **why);

/* The shortest exact text that the parser above reads back; always terminated. */
void hulse_value_print_size(char *out, size_t out_bytes, uint64_t bytes);
void hulse_value_print_duration(char *out, size_t out_bytes, uint64_t duration_ns);
void hulse_value_print_ratio(char *out, size_t out_bytes, uint64_t thousandths);

#endif
