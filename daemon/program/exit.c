/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/program/exit.h"

#include <stdio.h>

int hulse_exit_with(int code, const char *text)
{
    (void)fprintf(stderr, "hulsed: %s\n", text);
    return code;
}
