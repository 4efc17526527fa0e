/* SPDX-License-Identifier: Apache-2.0 */
/*
 * error - see the header.
 */
#include "daemon/core/error.h"

#include <stdarg.h>
#include <stdio.h>

hulse_status hulse_fail(struct error *err, hulse_status status, const char *format, ...)
{
    if (err != NULL) {
        va_list args;

        err->status = status;
        va_start(args, format);
        if (vsnprintf(err->text, sizeof(err->text), format, args) < 0) {
            err->text[0] = '\0';
        }
        va_end(args);
    }
    return status;
}
