/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exit - how the program ends when it has not served: a line on standard error and a code (interfaces 2).
 */
#ifndef HULSE_PROGRAM_EXIT_H
#define HULSE_PROGRAM_EXIT_H

enum {
    HULSE_EXIT_FINE = 0,
    HULSE_EXIT_USAGE = 64,
    HULSE_EXIT_BAD_DATA = 65,
    HULSE_EXIT_UNAVAILABLE = 69,
    HULSE_EXIT_IO = 74,
    HULSE_EXIT_TIME = 75,
    HULSE_EXIT_CONFIG = 78
};

/* Says why, and gives `code`. */
int hulse_exit_with(int code, const char *text);

#endif
