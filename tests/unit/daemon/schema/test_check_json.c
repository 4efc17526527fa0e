/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   JSON text fits its schema or is told from what does, with the path of the field and
 *         without work out of proportion.
 * Method: a table of payloads; all prefixes of a good one; unions that multiply.
 */
#include "tests/unit/daemon/schema/schemas.h"

#define ORDER                                                                                      \
    "{'type':'record','name':'Order','fields':["                                                   \
    "{'name':'id','type':'long'},"                                                                 \
    "{'name':'items','type':{'type':'array','items':{'type':'record','name':'Item','fields':["     \
    "{'name':'name','type':'string'},{'name':'price','type':'double','default':0}]}}},"            \
    "{'name':'state','type':{'type':'enum','name':'S','symbols':['A','B']},'default':'A'},"        \
    "{'name':'note','type':['null','string']}]}"
#define GOOD "{'id':1,'items':[{'name':'a','price':1.5},{'name':'b'}],'state':'B','note':null}"

static bool
check(const struct schema *s, const char *text, size_t bytes, struct schema_fault *fault)
{
    uint8_t *copy = malloc(bytes == 0 ? 1 : bytes);

    assert_non_null(copy);
    memcpy(copy, text, bytes);
    *fault = (struct schema_fault){.path = "?", .why = "?"};
    const bool good = hulse_schema_check(s, copy, bytes, fault);
    free(copy);
    return good;
}

static const struct row {
    const char *schema;
    const char *text;
    const char *path;
    const char *why; /* NULL: it fits */
} rows[] = {
    {ORDER, GOOD, NULL, NULL},
    {ORDER, "{'id':1,'items':[]}", NULL, NULL},
    {ORDER, "{'note':'x','items':[],'id':1}", NULL, NULL},
    {ORDER, " { 'id' : 1 ,\n'items'\t: [ ] } ", NULL, NULL},
    {ORDER, "{'\\u0069d':1,'items':[]}", NULL, NULL},
    {ORDER, "{'id':1,'items':[],'other':{'x':[1,{'y':'\\n'},true,null,1e5]}}", NULL, NULL},
    {ORDER, "{}", "id", "it is missing"},
    {ORDER, "{'id':1}", "items", "it is missing"},
    {ORDER, "{'id':1,'id':1,'items':[]}", "id", "it is there twice"},
    {ORDER, "{'id':1,'items':[{'name':'a'},{'price':1}]}", "items[1].name", "it is missing"},
    {ORDER, "{'id':1,'items':[{'name':'a','price':'x'}]}", "items[0].price", "no number"},
    {ORDER, "{'id':1,'items':[],'state':'C'}", "state", "a symbol that the enum does not have"},
    {ORDER, "{'id':1,'items':[],'note':7}", "note", "a type that the union does not have"},
    {ORDER, "{'id':1,'items':{}}", "items", "no array"},
    {ORDER, "[]", "", "no object"},
    {ORDER, "", "", "no object"},
    {ORDER, GOOD "x", "", "text is left behind the value"},
    {ORDER, "{'id':1,'items':[],'other':tru}", "", "not JSON"},
    {ORDER, "{'id':1,'items':[],}", "", "not JSON"},
    {ORDER, "{'id':1 'items':[]}", "", "not JSON"},
    {ORDER, "{'id'1}", "", "not JSON"},
    {"'int'", "2147483647", NULL, NULL},
    {"'int'", "-2147483648", NULL, NULL},
    {"'int'", "2147483648", "", "a number of more than 32 bits"},
    {"'int'", "-2147483649", "", "a number of more than 32 bits"},
    {"'int'", "1.0", "", "no whole number"},
    {"'int'", "1e2", "", "no whole number"},
    {"'int'", "01", "", "no number"},
    {"'int'", "-", "", "no number"},
    {"'int'", "'1'", "", "no number"},
    {"'long'", "9223372036854775807", NULL, NULL},
    {"'long'", "-9223372036854775808", NULL, NULL},
    {"'long'", "9223372036854775808", "", "a number of more than 64 bits"},
    {"'long'", "99999999999999999999999", "", "a number of more than 64 bits"},
    {"'double'", "1", NULL, NULL},
    {"'double'", "-0.5E+10", NULL, NULL},
    {"'double'", "'NaN'", NULL, NULL},
    {"'float'", "'-Infinity'", NULL, NULL},
    {"'double'", "'nan'", "", "no number"},
    {"'double'", "1.", "", "no number"},
    {"'double'", "1e", "", "no number"},
    {"'boolean'", "true", NULL, NULL},
    {"'boolean'", "False", "", "neither false nor true"},
    {"'boolean'", "tru", "", "not JSON"},
    {"'null'", "null", NULL, NULL},
    {"'null'", "0", "", "not null"},
    {"'string'", "'a\\\\\\/\\ud83d\\ude00\\t'", NULL, NULL},
    {"'string'", "'\\x'", "", "not JSON"},
    {"'string'", "'\\u12g4'", "", "not JSON"},
    {"'string'", "'\\", "", "not JSON"},
    {"'string'", "'a\nb'", "", "not JSON: a control character in a text"},
    {"'string'", "'ab", "", "not JSON: it ends within a text"},
    {"'string'", "'\xff'", "", "not UTF-8"},
    {"'string'", "7", "", "no text"},
    {"'bytes'", "'AAEC'", NULL, NULL},
    {"{'type':'map','values':'int'}", "{'a':1,'b':2}", NULL, NULL},
    {"{'type':'map','values':'int'}", "{}", NULL, NULL},
    {"{'type':'map','values':'int'}", "{'a':1,'b':'x'}", "b", "no number"},
    {"{'type':'map','values':'int'}", "[1]", "", "no object"},
    {"{'type':'map','values':'int'}", "{'a':1", "", "not JSON"},
    {"{'type':'array','items':'int'}", "[1,2", "", "not JSON"},
    {"{'type':'array','items':'int'}", "[1,,2]", "[1]", "no number"},
    {"{'type':'bytes','logicalType':'decimal','precision':4}", "19.99", NULL, NULL},
    {"{'type':'int','logicalType':'date'}", "[2024,2,29]", NULL, NULL},
    {"{'type':'int','logicalType':'date'}", "'2024-02-29'", NULL, NULL},
    {"{'type':'int','logicalType':'date'}", "true", "", "no number, text or array"},
    {"{'type':'enum','name':'E','symbols':['AB']}", "'A\\u0042'", NULL, NULL},
    /* Unions: the one that can be meant is told about; of several one has to fit. */
    {"['null',{'type':'record','name':'A','fields':[{'name':'x','type':'int'}]}]",
     "{'x':true}",
     "x",
     "no number"},
    {"[{'type':'record','name':'A','fields':[{'name':'x','type':'int'}]},"
     "{'type':'record','name':'B','fields':[{'name':'y','type':'int'}]}]",
     "{'y':1}",
     NULL,
     NULL},
    {"[{'type':'record','name':'A','fields':[{'name':'x','type':'int'}]},"
     "{'type':'record','name':'B','fields':[{'name':'y','type':'int'}]}]",
     "{'z':1}",
     "",
     "it fits none of the union's types"},
    {"['int','double']", "1.5", NULL, NULL},
};

static void test_payloads(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct schema *s = hulse_test_schema(SCHEMA_JSON, rows[i].schema);
        char *text = hulse_test_quoted(rows[i].text);
        struct schema_fault fault;
        const bool good = check(s, text, strlen(text), &fault);
        if (good != (rows[i].why == NULL)) {
            fail_msg("%s: %s", rows[i].text, good ? "fits" : fault.why);
        }
        if (rows[i].why != NULL &&
            (strcmp(fault.why, rows[i].why) != 0 || strcmp(fault.path, rows[i].path) != 0)) {
            fail_msg("%s: '%s' '%s'", rows[i].text, fault.path, fault.why);
        }
        free(text);
        hulse_schema_destroy(&s);
    }
}

static void test_every_prefix_is_too_short(void **state)
{
    struct schema *s = hulse_test_schema(SCHEMA_JSON, ORDER);
    char *text = hulse_test_quoted(GOOD);
    struct schema_fault fault;

    (void)state;
    for (size_t n = 0; n < strlen(text); n++) {
        assert_false(check(s, text, n, &fault));
        assert_string_not_equal(fault.why, "?");
    }
    assert_true(check(s, text, strlen(text), &fault));
    free(text);
    hulse_schema_destroy(&s);
}

/* Deep values, of the schema and beside it. */
static void test_depth(void **state)
{
    static const char *const schemas[] = {
        "{'type':'record','name':'R','fields':[{'name':'a','type':"
        "{'type':'array','items':'R'},'default':[]}]}",
        "{'type':'record','name':'R','fields':[]}"};
    enum { PIECES = 100000 };
    char *text = malloc((size_t)PIECES * 6 + 1);

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < PIECES; i++) {
        memcpy(text + i * 6, "{\"a\":[", 7);
    }
    for (size_t i = 0; i < COUNT_OF(schemas); i++) {
        struct schema *s = hulse_test_schema(SCHEMA_JSON, schemas[i]);
        struct schema_fault fault;
        assert_false(hulse_schema_check(s, (uint8_t *)text, strlen(text), &fault));
        assert_string_equal(fault.why, "nested too deeply");
        hulse_schema_destroy(&s);
    }
    free(text);
}

/* Each level could be either of two records: tried to the end, this would take 2^40 attempts. */
static void test_unions_do_not_multiply(void **state)
{
    struct schema *s = hulse_test_schema(
        SCHEMA_JSON,
        "{'type':'record','name':'R','fields':[{'name':'a','type':["
        "{'type':'record','name':'A','fields':[{'name':'a','type':['null','R','A']}]},"
        "'R']}]}");
    enum { LEVELS = 40, OPEN = 5 };
    char text[LEVELS * OPEN + 1 + LEVELS + 1] = "";
    struct schema_fault fault;

    (void)state;
    for (unsigned i = 0; i < LEVELS; i++) {
        memcpy(text + (size_t)i * OPEN, "{\"a\":", OPEN);
    }
    memset(text + (size_t)LEVELS * OPEN, '7', 1);
    memset(text + (size_t)LEVELS * OPEN + 1, '}', LEVELS);
    assert_false(hulse_schema_check(s, (uint8_t *)text, strlen(text), &fault));
    assert_string_equal(fault.why, "too many types have to be tried");
    hulse_schema_destroy(&s);
}

/* A large value that no attempt knows is read again by each of them. */
static void test_what_is_skipped_counts(void **state)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    (void)state;
    assert_non_null(out);
    (void)fputc('[', out);
    for (unsigned i = 0; i < 256; i++) {
        (void)fprintf(out,
                      "%s{'type':'record','name':'R%u','fields':[{'name':'x','type':'int'}]}",
                      i == 0 ? "" : ",",
                      i);
    }
    (void)fputc(']', out);
    assert_int_equal(fclose(out), 0);
    struct schema *s = hulse_test_schema(SCHEMA_JSON, text);
    free(text);
    enum { BYTES = 100000 };
    uint8_t *payload = malloc(BYTES);
    struct schema_fault fault;
    assert_non_null(payload);
    memset(payload, 'a', BYTES);
    for (size_t i = 0; i < 6; i++) {
        payload[i] = (uint8_t) "{\"y\":\""[i];
    }
    payload[BYTES - 2] = '"';
    payload[BYTES - 1] = '}';
    assert_false(hulse_schema_check(s, payload, BYTES, &fault));
    assert_string_equal(fault.why, "too many types have to be tried");
    free(payload);
    hulse_schema_destroy(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_payloads),
        cmocka_unit_test(test_every_prefix_is_too_short),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_unions_do_not_multiply),
        cmocka_unit_test(test_what_is_skipped_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
