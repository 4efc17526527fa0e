/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source - a schema as it stands in a file: the definition itself, or what Pulsar's tools keep, an
 *          object with the members `type` and, as text, `schema`.
 *
 * Threads: the caller's. Trust: the text may be anything.
 */
#ifndef HULSE_SCHEMA_SOURCE_H
#define HULSE_SCHEMA_SOURCE_H

#include "daemon/schema/schema.h"

/*
 * As hulse_schema_create(); the type that such an object has counts for more than the one in `d`. UNSUPPORTED: a pair, whose
 * two schemas travel in properties.
 */
hulse_status
hulse_schema_create_from(struct schema **out, const struct schema_definition *d, struct error *err);

#endif
