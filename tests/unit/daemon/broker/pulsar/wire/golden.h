/* SPDX-License-Identifier: Apache-2.0 */
/*
 * golden - the frames of golden_frames.txt.
 */
#ifndef HULSE_TESTS_WIRE_GOLDEN_H
#define HULSE_TESTS_WIRE_GOLDEN_H

#include <stddef.h>
#include <stdint.h>

#define GOLDEN_FRAMES 63U
#define GOLDEN_MESSAGES_MAX 8U

struct golden_bytes {
    uint8_t *data;
    size_t bytes;
};

/* Texts are NULL where the file has none. */
struct golden {
    char *name;
    char *type; /* NULL: MESSAGE */
    char *command;
    char *entry;
    char *meta;
    char *single[GOLDEN_MESSAGES_MAX];
    size_t singles;
    struct golden_bytes payload[GOLDEN_MESSAGES_MAX];
    size_t payloads;
    struct golden_bytes frame;
};

/* All of them, in the order of the file; aborts when the file is not as it should be. */
void hulse_golden_load(struct golden *out);
void hulse_golden_free(struct golden *g);
struct golden_bytes hulse_golden_hex(const char *hex);

#endif
