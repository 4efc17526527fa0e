/* SPDX-License-Identifier: Apache-2.0 */
/*
 * problem - what is wrong with a configuration, and where.
 *
 * Reading goes on after a mistake, so that one check finds all of them.
 *
 * Limits: HULSE_CONFIG_PROBLEMS_MAX are kept, the rest is counted; long paths and texts are cut.
 */
#ifndef HULSE_CONFIG_PROBLEM_H
#define HULSE_CONFIG_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define HULSE_CONFIG_PROBLEMS_MAX 64U

/* Where something stands; a NULL or empty file means in no file. Lines and columns from 1. */
struct config_place {
    const char *file;
    uint32_t line;
    uint32_t column;
};

struct config_problem {
    char file[256];
    uint32_t line;
    uint32_t column;
    bool warning; /* worth a word, no reason to refuse */
    char text[400];
};

struct config_problems {
    size_t count; /* in the list */
    size_t errors;
    size_t dropped; /* beyond the list */
    struct config_problem list[HULSE_CONFIG_PROBLEMS_MAX];
};

void hulse_problem_add(struct config_problems *p,
                       struct config_place place,
                       const char *format,
                       ...) __attribute__((format(printf, 3, 4)));
void hulse_problem_warn(struct config_problems *p,
                        struct config_place place,
                        const char *format,
                        ...) __attribute__((format(printf, 3, 4)));
/* "FILE:LINE:COLUMN: text"; `otherwise` stands for the place of what is in no file. */
void hulse_problem_format(const struct config_problem *problem,
                          const char *otherwise,
                          char *out,
                          size_t out_bytes);
/* One line for each; `otherwise` as above. */
void hulse_problem_print(const struct config_problems *p, const char *otherwise, FILE *out);

#endif
