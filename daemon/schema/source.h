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

#include <jansson.h>

/*
 * As hulse_schema_create(); the type that such an object has counts for more than the one in `d`. A pair has to be such an
 * object, whose schema is an object with key and value, and whose properties name their types.
 */
hulse_status
hulse_schema_create_from(struct schema **out, const struct schema_definition *d, struct error *err);

/*
 * The members of such an object for what a broker keeps: the definition, of a pair as an object's text, and the properties;
 * references of the caller's. False: no memory, or the definition is no text; then both are NULL.
 */
bool hulse_schema_form(const struct schema_definition *d, json_t **definition, json_t **properties);

#endif
