/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cut - makes of a folder what a power loss would have left, from the shadow beside it
 *       (power/shadow.h). The process that was followed must be dead.
 */
#ifndef HULSE_TESTS_CRASH_CUT_H
#define HULSE_TESTS_CRASH_CUT_H

#include <stdbool.h>

/*
 * Replaces all below `dir` and empties `shadow`, so that a next life can be followed. False with
 * the reason on stderr; what is left then is no longer of use.
 */
bool hulse_power_cut(const char *dir, const char *shadow);

#endif
