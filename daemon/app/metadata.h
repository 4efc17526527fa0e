/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metadata - the TLVs of a record, as the broker's and back.
 */
#ifndef HULSE_APP_METADATA_H
#define HULSE_APP_METADATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct broker_delivery;
struct broker_meta;
struct hulse_tlv;

/* Appends {u16 name bytes, u16 value bytes, name, value} of a valid PROPERTY; never longer than its TLV. */
uint32_t hulse_property_in(const struct hulse_tlv *t, uint8_t *out);
/* Translates checked TLVs; `properties` is scratch of at least `bytes`. */
void hulse_metadata_in(const uint8_t *tlvs,
                       size_t bytes,
                       uint8_t *properties,
                       struct broker_meta *out);
/*
 * Writes a delivery's metadata as TLVs into at most `capacity` bytes of `out`; returns the
 * bytes, and sets *left_out when properties did not fit.
 */
size_t
hulse_metadata_out(const struct broker_delivery *d, uint8_t *out, size_t capacity, bool *left_out);
/* Upper bound of what hulse_metadata_out() writes. */
size_t hulse_metadata_bytes(const struct broker_delivery *d, size_t capacity);

#endif
