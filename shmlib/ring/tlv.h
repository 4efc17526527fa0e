/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tlv - metadata of a record: {u8 tag, u8 0, u16 len, bytes}, not padded.
 *
 * Trust:   input is a private copy with an end; hulse_tlv_check() judges the whole of it once
 *          (V12), later walks of checked bytes need no second judgement.
 * Threads: pure functions.
 * Limits:  65,528 bytes in all; per-tag limits in layout.h.
 */
#ifndef HULSE_RING_TLV_H
#define HULSE_RING_TLV_H

#include "shmlib/ring/layout.h"

#include <stdbool.h>

struct hulse_tlv {
    uint8_t tag;
    uint16_t bytes;
    const uint8_t *value; /* borrowed from the input */
};

/* Name and value of a PROPERTY, both borrowed. */
struct hulse_tlv_pair {
    const void *name;
    size_t name_bytes;
    const void *value;
    size_t value_bytes;
};

/* Who wrote the metadata decides which tags may occur. */
enum hulse_tlv_place { HULSE_TLV_PUBLISH, HULSE_TLV_VERDICT, HULSE_TLV_DELIVERY };

/*
 * Splits the next element off; *at is the walk's offset, 0 at first. Gives 1, 0 at the end, -1 when
 * the element overruns `bytes` or its second byte is not 0.
 */
int hulse_tlv_next(const uint8_t *in, size_t bytes, size_t *at, struct hulse_tlv *out);
/* Whole-block check: structure, known tags for the place, per-tag lengths, UTF-8, repeats. */
bool hulse_tlv_check(const uint8_t *in, size_t bytes, enum hulse_tlv_place place, const char **why);
/* A PROPERTY value, or another of its form: as checked. */
bool hulse_tlv_property_valid(const struct hulse_tlv *in);
/* Splits a checked PROPERTY value. */
void hulse_tlv_property(const struct hulse_tlv *in,
                        const uint8_t **name,
                        size_t *name_bytes,
                        const uint8_t **value,
                        size_t *value_bytes);
/* First element with this tag in checked metadata. */
bool hulse_tlv_find(const uint8_t *in, size_t bytes, enum hulse_tag tag, struct hulse_tlv *out);
/* Appends one element at out + *at if it fits `capacity`; else changes nothing and gives false. */
bool hulse_tlv_put(uint8_t *out, size_t capacity, size_t *at, const struct hulse_tlv *element);
/* The same for a PROPERTY; false also for an empty name or when both do not fit a length of 16 bits. */
bool hulse_tlv_put_property(uint8_t *out,
                            size_t capacity,
                            size_t *at,
                            const struct hulse_tlv_pair *pair);
/* Little-endian value of a checked number: 8 bytes, or 4 of PARTITION. */
uint64_t hulse_tlv_number(const struct hulse_tlv *in);
/* Strict UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool hulse_utf8_valid(const uint8_t *in, size_t bytes);

#endif
