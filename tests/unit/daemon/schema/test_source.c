/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a file has a definition, or an object around one that says its type.
 * Method: both, and what is nearly the second.
 */
#include "daemon/schema/source.h"
#include "tests/unit/daemon/schema/schemas.h"

static hulse_status make(const char *text, struct schema **out, struct error *err)
{
    char *quoted = hulse_test_quoted(text);
    const struct schema_definition d = {
        .type = SCHEMA_AVRO, .text = quoted, .bytes = strlen(quoted)};
    const hulse_status st = hulse_schema_create_from(out, &d, err);

    free(quoted);
    return st;
}

static void test_forms(void **state)
{
    static const struct {
        const char *text;
        enum schema_type type;
        size_t bytes; /* of the definition */
    } rows[] = {
        {"'int'", SCHEMA_AVRO, 5},
        {"{'type':'JSON','schema':'\\'int\\'','properties':{}}", SCHEMA_JSON, 5},
        {"{'type':'string','schema':''}", SCHEMA_STRING, 0},
        {"{'type':'PROTOBUF_NATIVE','schema':'{}'}", SCHEMA_PROTOBUF_NATIVE, 2},
        /* No text as the schema: a definition. */
        {"{'type':'string','schema':7}", SCHEMA_AVRO, 28},
    };
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct schema *s = NULL;
        assert_int_equal(make(rows[i].text, &s, &err), HULSE_OK);
        assert_int_equal(hulse_schema_definition(s).type, rows[i].type);
        assert_int_equal(hulse_schema_definition(s).bytes, rows[i].bytes);
        hulse_schema_destroy(&s);
    }
}

static void test_refusals(void **state)
{
    struct schema *s = NULL;
    struct error err = {0};

    (void)state;
    assert_int_equal(make("{'type':'KEY_VALUE','schema':''}", &s, &err), HULSE_INVAL);
    assert_int_equal(make("{'type':'AVRO','schema':'lung'}", &s, &err), HULSE_INVAL);
    assert_int_equal(make("{'type':'INT32','schema':'x'}", &s, &err), HULSE_INVAL);
    assert_int_equal(make("", &s, &err), HULSE_INVAL);
    assert_null(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
