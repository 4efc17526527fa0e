/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value - option values: durations, counts, rates. Pure functions; false changes nothing.
 */
#ifndef HULSE_CLI_VALUE_H
#define HULSE_CLI_VALUE_H

#include <stdbool.h>
#include <stdint.h>

/* "250ms", "30s", "5m", "2h", "7d", or plain milliseconds; at most 24 days. */
bool hulse_cli_value_duration(const char *text, int *out_ms);
/* A decimal number in [min, max], nothing before or behind it. */
bool hulse_cli_value_count(const char *text, uint64_t min, uint64_t max, uint64_t *out);
/* "100", "0.5", "100/s", "30/m", "10/h": above 0, at most 1e9 a second. */
bool hulse_cli_value_rate(const char *text, double *out_per_second);

#endif
