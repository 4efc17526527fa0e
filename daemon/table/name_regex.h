/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name_regex - regular expressions of whole names, in the dialect of RE2 that Pulsar's brokers judge topics by.
 *
 * A match costs at most the length of the name times that of the program, whatever the expression: all alternatives are
 * followed at once and none is tried again, and a class of characters is one step, however long it is. Back references and
 * look-around, which cannot be judged so, are refused, and so is what this version does not know: flags, Unicode classes,
 * word boundaries.
 *
 * Threads: an object has one owner, since matching uses memory of its own.
 * Limits:  expressions of NAME_REGEX_BYTES_MAX bytes, repetition counts of 1,000, programs of NAME_REGEX_STEPS_MAX steps.
 * See:     https://github.com/google/re2/wiki/Syntax
 */
#ifndef HULSE_TABLE_NAME_REGEX_H
#define HULSE_TABLE_NAME_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#define NAME_REGEX_BYTES_MAX 512U
#define NAME_REGEX_STEPS_MAX 1000U

struct name_regex;

/* Of valid UTF-8. NULL: *why, static, says what is wrong. */
struct name_regex *hulse_name_regex_create(const char *text, const char **why);
/* *r becomes NULL; harmless on NULL. */
void hulse_name_regex_destroy(struct name_regex **r);
/* Does all of a valid UTF-8 name match? */
bool hulse_name_regex_match(struct name_regex *r, const char *name);

#endif
