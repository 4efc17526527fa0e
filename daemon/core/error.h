/* SPDX-License-Identifier: Apache-2.0 */
/*
 * error - a status with its text, for control paths. The data path has codes and counters only.
 */
#ifndef HULSE_CORE_ERROR_H
#define HULSE_CORE_ERROR_H

#include "include/hulse/status.h"

struct error {
    hulse_status status;
    char text[256]; /* truncated, always terminated */
};

/* Fills *err (which may be NULL) and returns `status`. */
hulse_status hulse_fail(struct error *err, hulse_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
