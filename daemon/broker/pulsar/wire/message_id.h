/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message_id - what names a message of a topic, as text `ledger:entry:partition[:batch]`, and its order.
 *
 * Threads: pure.
 * Trust:   parse judges text that may be anything.
 */
#ifndef HULSE_PULSAR_WIRE_MESSAGE_ID_H
#define HULSE_PULSAR_WIRE_MESSAGE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* On the wire ledger and entry are unsigned; as everywhere they are said signed: -1 is 2^64 - 1 there. */
struct wire_message_id {
    int64_t ledger;
    int64_t entry;
    int32_t partition; /* -1: none */
    int32_t batch;     /* -1: not in a batch */
};

/* Initialisers. */
#define WIRE_ID_EARLIEST                                                                           \
    {                                                                                              \
        .ledger = -1, .entry = -1, .partition = -1, .batch = -1                                    \
    }
#define WIRE_ID_LATEST                                                                             \
    {                                                                                              \
        .ledger = INT64_MAX, .entry = INT64_MAX, .partition = -1, .batch = -1                      \
    }

/* Two times 20 characters, two times 11, three colons, the end. */
#define WIRE_ID_TEXT_BYTES 66U

void hulse_wire_id_print(const struct wire_message_id *id, char out[WIRE_ID_TEXT_BYTES]);
/* The whole text, terminated. False: not an id, or a number below -1; *why is a static text. */
bool hulse_wire_id_parse(const char *text, struct wire_message_id *out, const char **why);
/* Below, at or above zero: by ledger, entry, partition, batch index. */
int hulse_wire_id_compare(const struct wire_message_id *a, const struct wire_message_id *b);

#endif
