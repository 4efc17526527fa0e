/* SPDX-License-Identifier: Apache-2.0 */
/*
 * out - standard output of a command, buffered, with an error that sticks.
 *
 * stdio loses bytes when a signal interrupts a write; a consumer that acknowledges what it has
 * printed has to know exactly what was written, so the buffer is our own.
 *
 * Limits: the buffer is written out when it is full; a write waits for a slow reader.
 */
#ifndef HULSE_CLI_OUT_H
#define HULSE_CLI_OUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct hulse_cli_out {
    int fd;
    int error; /* errno of the first failed write, 0 = none; nothing is written after it */
    size_t used;
    char *data; /* allocated by init */
};

/* False without memory. */
bool hulse_cli_out_init(struct hulse_cli_out *out, int fd);
void hulse_cli_out_fini(struct hulse_cli_out *out);
void hulse_cli_out_bytes(struct hulse_cli_out *out, const void *data, size_t bytes);
void hulse_cli_out_text(struct hulse_cli_out *out, const char *text);
void hulse_cli_out_format(struct hulse_cli_out *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* One compact JSON value and a newline. False when it cannot be encoded. */
bool hulse_cli_out_json(struct hulse_cli_out *out, const json_t *value, size_t flags);
/* Writes everything; false when a write failed, now or earlier. */
bool hulse_cli_out_flush(struct hulse_cli_out *out);

#endif
