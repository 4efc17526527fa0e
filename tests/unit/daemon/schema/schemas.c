/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schemas - see the header.
 */
#include "tests/unit/daemon/schema/schemas.h"

char *hulse_test_quoted(const char *text)
{
    char *copy = strdup(text);

    assert_non_null(copy);
    for (char *at = copy; *at != '\0'; at++) {
        if (*at == '\'') {
            *at = '"';
        }
    }
    return copy;
}

static hulse_status
make(enum schema_type type, const char *text, struct schema **out, struct error *err)
{
    char *quoted = hulse_test_quoted(text);
    /* Exact and not terminated, so that AddressSanitizer sees a step too far. */
    char *exact = malloc(strlen(quoted) == 0 ? 1 : strlen(quoted));
    assert_non_null(exact);
    const struct schema_definition d = {.type = type, .text = exact, .bytes = strlen(quoted)};
    memcpy(exact, quoted, d.bytes);
    const hulse_status status = hulse_schema_create(out, &d, err);
    free(exact);
    free(quoted);
    return status;
}

struct schema *hulse_test_schema(enum schema_type type, const char *text)
{
    struct schema *s = NULL;
    struct error err = {0};

    if (make(type, text, &s, &err) != HULSE_OK) {
        fail_msg("'%.200s' is refused: %s", text, err.text);
    }
    return s;
}

hulse_status hulse_test_no_schema(enum schema_type type, const char *text, struct error *err)
{
    struct schema *s = NULL;
    const hulse_status status = make(type, text, &s, err);

    if (status == HULSE_OK) {
        hulse_schema_destroy(&s);
        fail_msg("'%.200s' is accepted", text);
    }
    assert_null(s);
    return status;
}
