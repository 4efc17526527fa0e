/* SPDX-License-Identifier: Apache-2.0 */
/* value - option values (contract in value.h). */
#include "shmlib/cli/value.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *suffix;
    int factor;
};

/* Digits only: strtoull alone would take "-1" and " 1". *rest is what follows them. */
static bool digits(const char *text, uint64_t *out, const char **rest)
{
    char *end = NULL;

    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    errno = 0;
    const unsigned long long n = strtoull(text, &end, 10);
    if (errno != 0) {
        return false;
    }
    *out = n;
    *rest = end;
    return true;
}

static bool unit_factor(const struct unit *units, const char *suffix, int *out)
{
    for (; units->suffix != NULL; units++) {
        if (strcmp(units->suffix, suffix) == 0) {
            *out = units->factor;
            return true;
        }
    }
    return false;
}

bool hulse_cli_value_duration(const char *text, int *out_ms)
{
    static const struct unit units[] = {
        {"", 1},
        {"ms", 1},
        {"s", 1000},
        {"m", 60 * 1000},
        {"h", 3600 * 1000},
        {"d", 86400000},
        {NULL, 0},
    };
    uint64_t n = 0;
    const char *rest = NULL;
    int factor = 0;

    if (!digits(text, &n, &rest) || !unit_factor(units, rest, &factor)) {
        return false;
    }
    if (n > (uint64_t)(INT_MAX / factor)) {
        return false;
    }
    *out_ms = (int)n * factor;
    return true;
}

bool hulse_cli_value_count(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    uint64_t n = 0;
    const char *rest = NULL;

    if (!digits(text, &n, &rest) || rest[0] != '\0' || n < min || n > max) {
        return false;
    }
    *out = n;
    return true;
}

bool hulse_cli_value_rate(const char *text, double *out_per_second)
{
    static const struct unit units[] = {{"", 1}, {"/s", 1}, {"/m", 60}, {"/h", 3600}, {NULL, 0}};
    char *end = NULL;
    int seconds = 0;

    if (text[0] < '0' || text[0] > '9' || text[1] == 'x' || text[1] == 'X') {
        return false;
    }
    errno = 0;
    const double n = strtod(text, &end);
    if (errno != 0 || !unit_factor(units, end, &seconds)) {
        return false;
    }
    const double rate = n / seconds;
    if (!(rate > 0) || rate > 1e9) {
        return false;
    }
    *out_per_second = rate;
    return true;
}
