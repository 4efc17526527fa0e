/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value - see value.h.
 */
#include "daemon/config/value.h"

#include "daemon/core/assert.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *suffix;
    uint64_t factor;
};

/* Largest first; the printer takes the first that divides. */
static const struct unit size_units[] = {
    {"GiB", 1ULL << 30}, {"MiB", 1ULL << 20}, {"KiB", 1ULL << 10}, {"", 1}};

static const struct unit duration_units[] = {{"d", 86400ULL * 1000000000},
                                             {"h", 3600ULL * 1000000000},
                                             {"m", 60ULL * 1000000000},
                                             {"s", 1000000000ULL},
                                             {"ms", 1000000ULL},
                                             {"us", 1000ULL},
                                             {"", 1000000ULL}};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Reads digits; returns what follows them, or NULL when there are none or (*why) too many. */
static const char *read_digits(const char *text, uint64_t *out, const char **why)
{
    uint64_t value = 0;
    const char *at = text;

    for (; *at >= '0' && *at <= '9'; at++) {
        const uint64_t digit = (uint64_t)(*at - '0');
        if (value > (UINT64_MAX - digit) / 10) {
            *why = "the number is too large";
            return NULL;
        }
        value = value * 10 + digit;
    }
    if (at == text) {
        return NULL;
    }
    *out = value;
    return at;
}

static bool read_with_unit(
    const char *text, const struct unit *units, size_t unit_count, uint64_t *out, const char **why)
{
    uint64_t value = 0;
    const char *suffix = read_digits(text, &value, why);

    if (suffix == NULL) {
        return false;
    }
    for (size_t i = 0; i < unit_count; i++) {
        if (strcmp(suffix, units[i].suffix) != 0) {
            continue;
        }
        if (value > UINT64_MAX / units[i].factor) {
            *why = "the number is too large";
            return false;
        }
        *out = value * units[i].factor;
        return true;
    }
    return false;
}

bool hulse_value_count(const char *text, uint64_t *out, const char **why)
{
    uint64_t value = 0;
    const char *rest = NULL;

    *why = "a plain number is expected";
    rest = read_digits(text, &value, why);
    if (rest == NULL || *rest != '\0') {
        return false;
    }
    *out = value;
    return true;
}

bool hulse_value_size(const char *text, uint64_t *out, const char **why)
{
    *why = "a size is expected: bytes, or a number with KiB, MiB or GiB";
    return read_with_unit(text, size_units, COUNT_OF(size_units), out, why);
}

bool hulse_value_duration(const char *text, uint64_t *out, const char **why)
{
    *why = "a duration is expected: milliseconds, or a number with us, ms, s, m, h or d";
    return read_with_unit(text, duration_units, COUNT_OF(duration_units), out, why);
}

bool hulse_value_duration_ms(const char *text, uint64_t *out, const char **why)
{
    uint64_t duration_ns = 0;

    if (!hulse_value_duration(text, &duration_ns, why)) {
        return false;
    }
    *why = "whole milliseconds are expected";
    if (duration_ns % 1000000U != 0) {
        return false;
    }
    *out = duration_ns / 1000000U;
    return true;
}

bool hulse_value_ratio(const char *text, uint64_t *out, const char **why)
{
    uint64_t whole = 0;
    uint64_t fraction = 0;
    const char *expected = "a number with at most three decimals is expected, such as 1.5";
    const char *at = NULL;

    *why = expected;
    at = read_digits(text, &whole, why);
    if (at == NULL) {
        return false;
    }
    if (*at == '.') {
        const char *decimals = at + 1;
        at = read_digits(decimals, &fraction, why);
        if (at == NULL || at - decimals > 3) {
            *why = expected;
            return false;
        }
        for (long i = at - decimals; i < 3; i++) {
            fraction *= 10;
        }
    }
    if (*at != '\0') {
        return false;
    }
    *why = "the number is too large";
    if (whole > (UINT64_MAX - fraction) / HULSE_VALUE_RATIO_ONE) {
        return false;
    }
    *out = whole * HULSE_VALUE_RATIO_ONE + fraction;
    return true;
}

bool hulse_value_bool(const char *text, bool *out, const char **why)
{
    const bool yes = strcmp(text, "true") == 0;

    if (!yes && strcmp(text, "false") != 0) {
        *why = "true or false is expected";
        return false;
    }
    *out = yes;
    return true;
}

bool hulse_value_mode(const char *text, uint32_t *out, const char **why)
{
    const size_t length = strlen(text);
    uint32_t mode = 0;

    *why = "a file mode of three or four octal digits is expected, such as 0660";
    if (length < 3 || length > 4 || strspn(text, "01234567") != length) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        mode = mode * 8 + (uint32_t)(text[i] - '0');
    }
    if (mode > 0777) {
        return false;
    }
    *out = mode;
    return true;
}

void hulse_value_print_size(char *out, size_t out_bytes, uint64_t bytes)
{
    size_t i = 0;

    HULSE_ASSERT(out_bytes > 0);
    while (bytes == 0 ? size_units[i].factor != 1 : bytes % size_units[i].factor != 0) {
        i++;
    }
    (void)snprintf(
        out, out_bytes, "%" PRIu64 "%s", bytes / size_units[i].factor, size_units[i].suffix);
}

void hulse_value_print_duration(char *out, size_t out_bytes, uint64_t duration_ns)
{
    size_t i = 0;

    HULSE_ASSERT(out_bytes > 0);
    HULSE_ASSERT(duration_ns % 1000 == 0); /* no parser makes a finer one */
    if (duration_ns == 0) {
        (void)snprintf(out, out_bytes, "0s");
        return;
    }
    while (duration_ns % duration_units[i].factor != 0) {
        i++;
    }
    (void)snprintf(out,
                   out_bytes,
                   "%" PRIu64 "%s",
                   duration_ns / duration_units[i].factor,
                   duration_units[i].suffix);
}

void hulse_value_print_ratio(char *out, size_t out_bytes, uint64_t thousandths)
{
    unsigned fraction = (unsigned)(thousandths % HULSE_VALUE_RATIO_ONE);
    int digits = 3;

    HULSE_ASSERT(out_bytes > 0);
    if (fraction == 0) {
        (void)snprintf(out, out_bytes, "%" PRIu64, thousandths / HULSE_VALUE_RATIO_ONE);
        return;
    }
    while (fraction % 10 == 0) {
        fraction /= 10;
        digits--;
    }
    (void)snprintf(
        out, out_bytes, "%" PRIu64 ".%0*u", thousandths / HULSE_VALUE_RATIO_ONE, digits, fraction);
}
