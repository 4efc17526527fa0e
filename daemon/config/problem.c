/* SPDX-License-Identifier: Apache-2.0 */
/*
 * problem - see problem.h.
 */
#include "daemon/config/problem.h"

#include "daemon/core/assert.h"

#include <inttypes.h>
#include <stdarg.h>

static struct config_problem *next(struct config_problems *p, struct config_place place)
{
    struct config_problem *problem = NULL;

    if (p->count == HULSE_CONFIG_PROBLEMS_MAX) {
        p->dropped++;
        return NULL;
    }
    problem = &p->list[p->count++];
    (void)snprintf(problem->file,
                   sizeof(problem->file),
                   "%.*s",
                   (int)sizeof(problem->file) - 1,
                   place.file == NULL ? "" : place.file);
    problem->line = place.line;
    problem->column = place.column;
    return problem;
}

void hulse_problem_add(struct config_problems *p,
                       struct config_place place,
                       const char *format,
                       ...)
{
    struct config_problem *problem = next(p, place);
    va_list arguments;

    p->errors++;
    if (problem == NULL) {
        return;
    }
    problem->warning = false;
    va_start(arguments, format);
    (void)vsnprintf(problem->text, sizeof(problem->text), format, arguments);
    va_end(arguments);
}

void hulse_problem_warn(struct config_problems *p,
                        struct config_place place,
                        const char *format,
                        ...)
{
    struct config_problem *problem = next(p, place);
    va_list arguments;

    if (problem == NULL) {
        return;
    }
    problem->warning = true;
    va_start(arguments, format);
    (void)vsnprintf(problem->text, sizeof(problem->text), format, arguments);
    va_end(arguments);
}

void hulse_problem_format(const struct config_problem *problem,
                          const char *otherwise,
                          char *out,
                          size_t out_bytes)
{
    const char *kind = problem->warning ? "warning: " : "";

    HULSE_ASSERT(out_bytes > 0);
    if (problem->file[0] == '\0') {
        (void)snprintf(out, out_bytes, "%s%s%s", otherwise, kind, problem->text);
        return;
    }
    (void)snprintf(out,
                   out_bytes,
                   "%s:%" PRIu32 ":%" PRIu32 ": %s%s",
                   problem->file,
                   problem->line,
                   problem->column,
                   kind,
                   problem->text);
}

void hulse_problem_print(const struct config_problems *p, const char *otherwise, FILE *out)
{
    char line[sizeof(struct config_problem) + 64];

    for (size_t i = 0; i < p->count; i++) {
        hulse_problem_format(&p->list[i], otherwise, line, sizeof(line));
        (void)fprintf(out, "%s\n", line);
    }
    if (p->dropped > 0) {
        (void)fprintf(out, "%sand %zu more\n", otherwise, p->dropped);
    }
}
