/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text_of - any message of pulsar_api.proto as text in one line, as protobuf's own tools write it; and one with
 * random fields.
 */
#ifndef HULSE_TESTS_WIRE_TEXT_OF_H
#define HULSE_TESTS_WIRE_TEXT_OF_H

#include <protobuf-c/protobuf-c.h>

#include <stddef.h>
#include <stdint.h>

/* To be freed. */
char *hulse_text_of(const ProtobufCMessage *m);
char *hulse_text_of_bytes(const uint8_t *data, size_t bytes);

/* Sets every required and some optional fields of an initialised message; memory is protobuf-c's to free. */
void hulse_random_fill(ProtobufCMessage *m, uint64_t *state);

#endif
