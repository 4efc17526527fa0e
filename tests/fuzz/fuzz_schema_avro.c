/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   whatever stands as a payload of AVRO is judged within bounds.
 * Input:  see schema_payload.h.
 */
#include "tests/fuzz/schema_payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    schema_payload_check(SCHEMA_AVRO, data, bytes);
    return 0;
}
