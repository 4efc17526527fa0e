/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schemas - definitions that tests write as text with ' for ".
 */
#ifndef HULSE_TESTS_SCHEMA_SCHEMAS_H
#define HULSE_TESTS_SCHEMA_SCHEMAS_H

#include "daemon/schema/schema.h"
#include "tests/unit/daemon/core/check.h"

#include <string.h>

/* The text with quotes; free() it. */
char *hulse_test_quoted(const char *text);
/* A schema that has to be one. */
struct schema *hulse_test_schema(enum schema_type type, const char *text);
/* A definition that has to be none: *err has the reason. */
hulse_status hulse_test_no_schema(enum schema_type type, const char *text, struct error *err);

#endif
