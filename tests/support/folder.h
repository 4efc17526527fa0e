/* SPDX-License-Identifier: Apache-2.0 */
/*
 * folder - the end of a folder that a test has made.
 */
#ifndef HULSE_TESTS_SUPPORT_FOLDER_H
#define HULSE_TESTS_SUPPORT_FOLDER_H

#include <stdbool.h>

/* Removes it with all that is in it; links are not followed. True when all of it has gone. */
bool hulse_test_folder_remove(const char *path);

#endif
