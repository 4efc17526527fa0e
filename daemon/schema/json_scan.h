/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_scan - the words of JSON text, one after the other, in place.
 *
 * Threads: the walk's. Trust: the text may be anything.
 */
#ifndef HULSE_SCHEMA_JSON_SCAN_H
#define HULSE_SCHEMA_JSON_SCAN_H

#include "daemon/schema/check.h"

/* A string between its quotes, as it stands. */
struct json_string {
    const uint8_t *text;
    size_t bytes;
    bool escaped;
};

struct json_number {
    bool integer; /* neither fraction nor exponent */
    bool negative;
    bool large;         /* an integer of more than 64 bits */
    uint64_t magnitude; /* of an integer that is not large */
};

/* The next byte that is no white space, left where it is; 0 at the end. */
uint8_t hulse_json_peek(struct schema_walk *w);
/* Takes that byte if it is `byte`. */
bool hulse_json_take(struct schema_walk *w, uint8_t byte);
/* These expect what they are named for, and say what is wrong with it. */
bool hulse_json_string(struct schema_walk *w, struct json_string *out);
bool hulse_json_number(struct schema_walk *w, struct json_number *out);
/* true, false or null, whichever the next byte begins. */
bool hulse_json_word(struct schema_walk *w);
/* Any value. */
bool hulse_json_skip(struct schema_walk *w);
/* Writes what a string stands for; bytes written, or SIZE_MAX when there is no room. */
size_t hulse_json_unescape(const struct json_string *s, char *out, size_t room);

#endif
