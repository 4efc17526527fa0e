/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text_file - a small file as a whole.
 *
 * Blocks: file I/O; a pipe or a device is refused, so it does not wait for anybody.
 */
#ifndef HULSE_CONFIG_TEXT_FILE_H
#define HULSE_CONFIG_TEXT_FILE_H

#include "daemon/config/config.h"

struct text_file {
    char *text; /* terminated; NULL = none */
    size_t bytes;
    mode_t mode;
    struct config_stamp stamp;
};

/* False: *why says so. What was read is the caller's to fini. */
bool hulse_text_file_read(
    struct text_file *out, const char *path, size_t bytes_max, char *why, size_t why_bytes);
/* Also wipes the text, which may be secret. */
void hulse_text_file_fini(struct text_file *file);
/* The stamp of a file that need not be read; all 0 = there is none. */
struct config_stamp hulse_config_stamp(const char *path);
bool hulse_config_stamp_equal(const struct config_stamp *a, const struct config_stamp *b);

#endif
