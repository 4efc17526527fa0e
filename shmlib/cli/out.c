/* SPDX-License-Identifier: Apache-2.0 */
/* out - standard output of a command (contract in out.h). */
#include "shmlib/cli/out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUT_BYTES ((size_t)64 * 1024)
#define FORMAT_BYTES 2048

bool hulse_cli_out_init(struct hulse_cli_out *out, int fd)
{
    *out = (struct hulse_cli_out){.fd = fd, .data = malloc(OUT_BYTES)};
    return out->data != NULL;
}

void hulse_cli_out_fini(struct hulse_cli_out *out)
{
    free(out->data);
    out->data = NULL;
}

/* An interrupted write is taken up again: a second signal ends the process (stop.h). */
static void write_all(struct hulse_cli_out *out, const char *data, size_t bytes)
{
    while (bytes > 0 && out->error == 0) {
        const ssize_t n = write(out->fd, data, bytes);
        if (n > 0) {
            data += n;
            bytes -= (size_t)n;
        } else if (n < 0 && errno != EINTR) {
            out->error = errno;
        }
    }
}

bool hulse_cli_out_flush(struct hulse_cli_out *out)
{
    write_all(out, out->data, out->used);
    out->used = 0;
    return out->error == 0;
}

void hulse_cli_out_bytes(struct hulse_cli_out *out, const void *data, size_t bytes)
{
    if (bytes > OUT_BYTES - out->used) {
        (void)hulse_cli_out_flush(out);
    }
    if (bytes > OUT_BYTES) {
        write_all(out, data, bytes);
        return;
    }
    if (bytes > 0) {
        memcpy(out->data + out->used, data, bytes);
        out->used += bytes;
    }
}

void hulse_cli_out_text(struct hulse_cli_out *out, const char *text)
{
    hulse_cli_out_bytes(out, text, strlen(text));
}

void hulse_cli_out_format(struct hulse_cli_out *out, const char *format, ...)
{
    char line[FORMAT_BYTES];
    va_list args;

    va_start(args, format);
    const int n = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (n > 0) {
        const size_t bytes = (size_t)n;
        hulse_cli_out_bytes(out, line, bytes < sizeof(line) ? bytes : sizeof(line) - 1);
    }
}

static int write_json(const char *data, size_t bytes, void *ctx)
{
    hulse_cli_out_bytes(ctx, data, bytes);
    return 0;
}

bool hulse_cli_out_json(struct hulse_cli_out *out, const json_t *value, size_t flags)
{
    if (json_dump_callback(value, write_json, out, flags | JSON_ENCODE_ANY) != 0) {
        return false;
    }
    hulse_cli_out_text(out, "\n");
    return true;
}
