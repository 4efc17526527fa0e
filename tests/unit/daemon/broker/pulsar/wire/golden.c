/* SPDX-License-Identifier: Apache-2.0 */
/*
 * golden - see the header.
 */
#include "tests/unit/daemon/broker/pulsar/wire/golden.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACE "tests/unit/daemon/broker/pulsar/wire/golden_frames.txt"

static void need(bool holds, const char *what)
{
    if (!holds) {
        (void)fprintf(stderr, PLACE ": %s\n", what);
        abort();
    }
}

static unsigned nibble(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c);

    need(at != NULL, "not hexadecimal");
    return (unsigned)(at - digits);
}

struct golden_bytes hulse_golden_hex(const char *hex)
{
    const size_t digits = strlen(hex);
    struct golden_bytes out = {.data = malloc(digits / 2 + 1), .bytes = digits / 2};

    need(out.data != NULL && digits % 2 == 0, "half a byte");
    for (size_t i = 0; i < out.bytes; i++) {
        out.data[i] = (uint8_t)(nibble(hex[2 * i]) << 4U | nibble(hex[2 * i + 1]));
    }
    return out;
}

static char *copy(const char *text)
{
    char *out = strdup(text);
    need(out != NULL, "no memory");
    return out;
}

static void take_line(struct golden *g, const char *key, const char *value)
{
    if (strcmp(key, "type") == 0) {
        g->type = copy(value);
    } else if (strcmp(key, "command") == 0) {
        g->command = copy(value);
    } else if (strcmp(key, "entry") == 0) {
        g->entry = copy(value);
    } else if (strcmp(key, "meta") == 0) {
        g->meta = copy(value);
    } else if (strcmp(key, "single") == 0) {
        need(g->singles < GOLDEN_MESSAGES_MAX, "too many messages");
        g->single[g->singles++] = copy(value);
    } else if (strcmp(key, "payload") == 0) {
        need(g->payloads < GOLDEN_MESSAGES_MAX, "too many messages");
        g->payload[g->payloads++] = hulse_golden_hex(value);
    } else {
        need(strcmp(key, "bytes") == 0, "an unknown line");
        g->frame = hulse_golden_hex(value);
    }
}

void hulse_golden_load(struct golden *out)
{
    const char *root = getenv("HULSE_SOURCE_DIR");
    char path[4096];
    char *line = NULL;
    size_t room = 0;
    size_t count = 0;

    (void)snprintf(path, sizeof(path), "%s/%s", root == NULL ? "." : root, PLACE);
    FILE *file = fopen(path, "re");
    need(file != NULL, "cannot be read");
    memset(out, 0, GOLDEN_FRAMES * sizeof(*out));
    while (getline(&line, &room, file) > 0) {
        line[strcspn(line, "\n")] = '\0';
        char *value = strstr(line, ": ");
        if (line[0] == '#' || line[0] == '\0') {
            continue;
        }
        need(value != NULL, "a line without a value");
        *value = '\0';
        value += 2;
        if (strcmp(line, "frame") == 0) {
            need(count < GOLDEN_FRAMES, "more frames than it should have");
            out[count++].name = copy(value);
        } else {
            need(count > 0, "no frame");
            take_line(&out[count - 1], line, value);
        }
    }
    need(count == GOLDEN_FRAMES, "fewer frames than it should have");
    free(line);
    (void)fclose(file);
}

void hulse_golden_free(struct golden *g)
{
    for (size_t i = 0; i < GOLDEN_FRAMES; i++) {
        free(g[i].name);
        free(g[i].type);
        free(g[i].command);
        free(g[i].entry);
        free(g[i].meta);
        for (size_t k = 0; k < GOLDEN_MESSAGES_MAX; k++) {
            free(g[i].single[k]);
            free(g[i].payload[k].data);
        }
        free(g[i].frame.data);
    }
}
