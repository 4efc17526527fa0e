/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transcode - payloads of Avro that were written with one schema, for a reader with another: fields by name and alias, in the
 *             reader's order, defaults for those that were not written, wider numbers, symbols and types of unions that
 *             the reader has.
 *
 * Threads: a plan is constant; an output belongs to one thread.
 * Trust:   payloads may be anything; what is written is bounded by the output, work by the bytes of the payload.
 */
#ifndef HULSE_SCHEMA_TRANSCODE_H
#define HULSE_SCHEMA_TRANSCODE_H

#include "daemon/schema/schema.h"

struct schema_plan;

/* Both are AVRO, and outlive the plan. TOOBIG: too many types for it; NO_MEMORY. Allocates. */
hulse_status hulse_schema_plan_create(struct schema_plan **out,
                                      const struct schema *writer,
                                      const struct schema *reader,
                                      struct error *err);
void hulse_schema_plan_destroy(struct schema_plan **plan);
/* Bytes that it holds. */
size_t hulse_schema_plan_memory(const struct schema_plan *p);

/*
 * Kept from one payload to the next, counted as HULSE_MEM_MESSAGE before it is allocated. Zeros but for bytes_max at first;
 * hulse_schema_output_fini() at last.
 */
struct schema_output {
    uint8_t *data;
    size_t bytes;
    size_t capacity;
    size_t bytes_max;
    uint32_t *marks; /* where fields are that the reader wants in another order */
    uint32_t mark_count;
    uint32_t mark_capacity;
};

/* Into out->data, out->bytes of it. False: *fault says which field cannot be read, and why; want of memory is a reason. */
bool hulse_schema_transcode(const struct schema_plan *p,
                            struct schema_bytes payload,
                            struct schema_output *out,
                            struct schema_fault *fault);
/* Bytes that it holds. */
size_t hulse_schema_output_memory(const struct schema_output *out);
void hulse_schema_output_fini(struct schema_output *out);

#endif
