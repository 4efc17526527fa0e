/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answer - one line to the admin socket.
 *
 * Threads: control. JSON values and lines count against the memory cap (HULSE_MEM_ADMIN).
 * Limits:  HULSE_ADMIN_ANSWER_BYTES_MAX; a longer result becomes the error TOOBIG.
 */
#ifndef HULSE_ADMIN_ANSWER_H
#define HULSE_ADMIN_ANSWER_H

#include "daemon/core/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* A line with its newline; NULL = none. */
struct admin_line {
    char *data;
    size_t bytes;
    size_t room;
};

/*
 * Makes jansson take its memory under the cap, and wipe what it gives back: tokens are read by it
 * too. Once, before its first use by the process.
 */
void hulse_admin_memory_init(void);

/*
 * {"status":"ok","result":...}. Takes `result`; NULL stands for a value that memory was refused
 * for. The line is an error when the result is missing or too long. False: not even that had room.
 */
bool hulse_admin_answer(struct admin_line *out, json_t *result);
/* {"status":"error","code":...,"detail":...}. */
bool hulse_admin_answer_error(struct admin_line *out, hulse_status status, const char *detail);
void hulse_admin_line_fini(struct admin_line *line);
/* The name of a status, "HULSE_INVAL". */
const char *hulse_admin_code(hulse_status status);

#endif
