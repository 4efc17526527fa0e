/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name_program - what a regular expression becomes: steps of an automaton that is in many states at once (Thompson, 1968),
 * and the ranges of its classes of characters.
 *
 * Jumps are relative and stay inside their expression, so what is repeated is copied, and what is put in front of an
 * expression moves it as it is.
 *
 * Threads: of its expression's owner. Functions that give false, or NULL, have set `why`.
 */
#ifndef HULSE_TABLE_NAME_PROGRAM_H
#define HULSE_TABLE_NAME_PROGRAM_H

#include "daemon/table/name_regex.h"

#include <stdint.h>

#define NAME_CODE_MAX 0x10ffffU
#define NAME_RANGES_MAX 1024U
#define NAME_NO_LIMIT UINT32_MAX

enum step_kind { STEP_CODE, STEP_ANY, STEP_CLASS, STEP_SPLIT, STEP_JUMP, STEP_BEGIN, STEP_END };

struct step {
    enum step_kind kind;
    union {
        uint32_t code;
        struct {
            uint16_t first; /* in `ranges` */
            uint16_t count;
            bool negated;
        } class;
        struct {
            int32_t to; /* from this step; a split goes on at the next one too */
        } jump;
    };
};

struct range {
    uint32_t first;
    uint32_t last;
};

struct name_regex {
    uint32_t count; /* steps; the state behind the last one is the match */
    uint32_t range_count;
    const char *why; /* static: what is wrong with the expression; NULL: nothing so far */
    struct step steps[NAME_REGEX_STEPS_MAX];
    struct range ranges[NAME_RANGES_MAX];
    /* States that the next code is given to, and those that it leads to. */
    uint16_t here[NAME_REGEX_STEPS_MAX + 1];
    uint16_t next[NAME_REGEX_STEPS_MAX + 1];
    uint16_t stack[2 * (NAME_REGEX_STEPS_MAX + 1)];
    uint32_t seen[NAME_REGEX_STEPS_MAX + 1]; /* at which position it was last entered, + 1 */
};

/* The first reason stays; gives false. */
bool hulse_name_program_fail(struct name_regex *r, const char *why);
/* One more step, of that kind. */
struct step *hulse_name_program_put(struct name_regex *r, enum step_kind kind);
bool hulse_name_program_code(struct name_regex *r, uint32_t code);
/* A jump or a split. */
bool hulse_name_program_jump(struct name_regex *r, enum step_kind kind, int32_t to);
/* In front of what begins at `start`. */
bool hulse_name_program_split(struct name_regex *r, uint32_t start, int32_t to);
/* What begins at `start` becomes so many of it; `most` may be NAME_NO_LIMIT. */
bool hulse_name_program_repeat(struct name_regex *r, uint32_t start, uint32_t least, uint32_t most);
/* One more range of the class that is being read. */
bool hulse_name_program_range(struct name_regex *r, uint32_t first, uint32_t last);
/* The step of a class, of the ranges from `first` on, which are put in order. */
bool hulse_name_program_class(struct name_regex *r, uint32_t first, bool negated);

/* The character at *at, which moves behind it. Of valid UTF-8. */
uint32_t hulse_name_code(const char **at);

#endif
