/* SPDX-License-Identifier: Apache-2.0 */
/*
 * properties - KeyValue fields of message metadata, from and to the encoding of broker_meta.
 *
 * Threads: pure.
 * Trust:   what is read was judged by hulse_wire_properties_take(); what is written comes from flow, checked.
 */
#ifndef HULSE_PULSAR_WIRE_PROPERTIES_H
#define HULSE_PULSAR_WIRE_PROPERTIES_H

#include "daemon/broker/broker.h"

#include <stdbool.h>
#include <stdint.h>

/* The properties of a message that was read; borrowed from its metadata. All zero: none. */
struct wire_properties {
    struct broker_span
        fields;      /* from the first property to the end of the last, other fields between them */
    uint32_t number; /* of their field */
    uint32_t count;
    uint64_t encoded_bytes; /* in the encoding of broker_meta, but for those it cannot hold */
};

struct wire_property {
    struct broker_span name;
    struct broker_span value;
};

/* Adds one that stands in `field`, from the tag at `tag` on. False: not a KeyValue with both. */
bool hulse_wire_properties_take(struct wire_properties *p,
                                uint32_t number,
                                const uint8_t *tag,
                                struct broker_span field);
/* Takes the first of *p; false: there is none. Of a KeyValue that repeats itself the last counts. */
bool hulse_wire_properties_next(struct wire_properties *p, struct wire_property *out);
/*
 * Writes p->encoded_bytes for broker_meta and gives how many were left out: what is above 65,535 bytes, not
 * UTF-8 or has an empty name cannot stand in that encoding.
 */
uint32_t hulse_wire_properties_encode(const struct wire_properties *p, uint8_t *out);

/* Room for the fields that the properties of a broker_meta become. */
static inline uint64_t hulse_wire_properties_room(struct broker_span encoded)
{
    /* Of each {u16, u16, name, value} the 4 bytes become at most 12: 3 tags, 3 sizes of up to 3 bytes. */
    return 3 * (uint64_t)encoded.bytes;
}

/* Writes them as fields `number`; gives the place behind. */
uint8_t *hulse_wire_properties_put(uint8_t *at, uint32_t number, struct broker_span encoded);

#endif
