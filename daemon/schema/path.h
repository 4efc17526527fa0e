/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path - the way to a place in nested values, written from its end to its beginning while calls
 *        return, so that what goes well costs nothing.
 *
 * Threads: the caller's.
 * Limits:  the front is cut when it is longer than its buffer.
 */
#ifndef HULSE_SCHEMA_PATH_H
#define HULSE_SCHEMA_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct schema_path {
    char text[192]; /* the path is text[at] and what follows; terminated */
    size_t at;
    bool cut;
};

/* Empties it. */
void hulse_schema_path_start(struct schema_path *p);
/* Puts .name in front; a name that is not UTF-8 text shows as question marks. */
void hulse_schema_path_name(struct schema_path *p, const void *name, size_t bytes);
/* Puts [index] in front. */
void hulse_schema_path_index(struct schema_path *p, uint64_t index);
/* The whole without its leading dot. */
const char *hulse_schema_path_text(const struct schema_path *p);

#endif
