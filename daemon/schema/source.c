/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source - see the header.
 */
#include "daemon/schema/source.h"

#include <jansson.h>

hulse_status
hulse_schema_create_from(struct schema **out, const struct schema_definition *d, struct error *err)
{
    struct schema_definition inner = *d;
    json_t *tree =
        d->bytes > SCHEMA_SOURCE_BYTES_MAX ? NULL : json_loadb(d->text, d->bytes, 0, NULL);
    const char *name = json_string_value(json_object_get(tree, "type"));
    const json_t *text = json_object_get(tree, "schema");

    if (name != NULL && json_is_string(text) && hulse_schema_type_find(name, &inner.type)) {
        inner.text = json_string_value(text);
        inner.bytes = json_string_length(text);
    }
    const hulse_status status =
        inner.type == SCHEMA_KEY_VALUE
            ? hulse_fail(err, HULSE_UNSUPPORTED, "a file cannot name a schema of KEY_VALUE")
            : hulse_schema_create(out, &inner, err);
    json_decref(tree);
    return status;
}
