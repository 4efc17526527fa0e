/* SPDX-License-Identifier: Apache-2.0 */
/*
 * folder - folders that tests make: in memory, and their end.
 */
#ifndef HULSE_TESTS_SUPPORT_FOLDER_H
#define HULSE_TESTS_SUPPORT_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Makes an empty folder, in memory where there is such a place: what a sync is worth is tried elsewhere. The path,
 * "PLACE/NAME-XXXXXX", stands in `out`, `size` bytes. False, with errno, when it does not fit or could not be made.
 */
bool hulse_test_folder_in_memory(char *out, size_t size, const char *name);

/* Removes it with all that is in it; links are not followed. True when all of it has gone. */
bool hulse_test_folder_remove(const char *path);

#endif
