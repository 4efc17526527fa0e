/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expiry - until when a message may be delivered, as a property: Pulsar has a time to live for namespaces only.
 *
 * Threads: pure.
 * Trust:   what is found was said by anybody; a value that is no number says nothing.
 */
#ifndef HULSE_PULSAR_WIRE_EXPIRY_H
#define HULSE_PULSAR_WIRE_EXPIRY_H

#include "daemon/broker/broker.h"

#include <stdint.h>

/* Its value: milliseconds since 1970, in decimals. */
#define WIRE_EXPIRY_NAME "hulse-expires-ms"
#define WIRE_EXPIRY_BYTES_MAX 64U

/* Writes the property in the encoding of broker_meta; gives its bytes. */
uint32_t hulse_wire_expiry_put(uint8_t out[WIRE_EXPIRY_BYTES_MAX], uint64_t at_ms);
/* Of properties in that encoding, which are well formed; 0: none. The last one counts. */
uint64_t hulse_wire_expiry_find(struct broker_span properties);

#endif
