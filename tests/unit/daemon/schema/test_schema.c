/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   definitions are read, or refused with the place of the mistake, whatever they are.
 * Method: tables of good and bad definitions; some at and beyond each limit.
 */
#include "tests/unit/daemon/schema/schemas.h"

static void test_good_definitions(void **state)
{
    static const char *const rows[] = {
        "'int'",
        "{'type':'string'}",
        "['null','int']",
        "{'type':'array','items':'string'}",
        "{'type':'map','values':['null','double']}",
        "{'type':'fixed','name':'F','size':0}",
        "{'type':'enum','name':'E','symbols':['A','B'],'default':'B'}",
        "{'type':'record','name':'R','fields':[]}",
        "{'type':'error','name':'R','fields':[]}",
        "{'type':'record','name':'a.b.R','aliases':['Q','x.Y'],'doc':'d','fields':["
        "{'name':'x','type':'int','default':1,'order':'ascending','aliases':['y']},"
        "{'name':'z','type':['null','R'],'default':null},"
        "{'name':'w','type':['null','a.b.R']}]}",
        "{'type':'record','name':'R','namespace':'n','fields':["
        "{'name':'e','type':{'type':'enum','name':'E','symbols':['A']}},"
        "{'name':'f','type':'n.E'},{'name':'g','type':'E'}]}",
        "{'type':'record','name':'R','fields':["
        "{'name':'when','type':{'type':'long','logicalType':'timestamp-millis'}},"
        "{'name':'id','type':{'type':'string','logicalType':'uuid'}}]}",
        /* A default that is none of its type is no mistake until it is needed. */
        "{'type':'record','name':'R','fields':[{'name':'x','type':'int','default':'a'}]}",
        "{'type':'record','name':'R','fields':[{'name':'x','type':'float','default':'NaN'}]}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct schema *s = hulse_test_schema(SCHEMA_AVRO, rows[i]);
        char *quoted = hulse_test_quoted(rows[i]);
        assert_int_equal(hulse_schema_definition(s).bytes, strlen(rows[i]));
        assert_memory_equal(hulse_schema_definition(s).text, quoted, strlen(rows[i]));
        assert_true(hulse_schema_memory(s) > strlen(rows[i]));
        free(quoted);
        hulse_schema_destroy(&s);
        assert_null(s);
    }
}

static void test_bad_definitions(void **state)
{
    static const struct {
        const char *text;
        const char *why;
    } rows[] = {
        {"", "the definition is no JSON: line 1, column 0: "},
        {"{'type':", "the definition is no JSON: line 1, column 8: "},
        {"{'type':'int','type':'int'}", "the definition is no JSON: "},
        {"7", "a type is a name, an object or an array"},
        {"'lung'", "type 'lung' is not known"},
        {"{}", "'type' is missing, or is no name"},
        {"{'type':{'type':'int'}}", "'type' is missing, or is no name"},
        {"{'type':'lung'}", "type 'lung' is not known"},
        {"{'type':'array'}", "'items' is missing"},
        {"{'type':'map','values':'lung'}", "values: type 'lung' is not known"},
        {"['int','int']", "[1]: the union has this type twice"},
        {"['int',['null']]", "[1]: a union stands directly in a union"},
        {"[{'type':'array','items':'int'},{'type':'array','items':'long'}]",
         "[1]: the union has this type twice"},
        {"{'type':'record','fields':[]}", "'name' is missing, or is no text"},
        {"{'type':'record','name':'1R','fields':[]}", "1R: '1R' is not a name of A-Z a-z 0-9 _"},
        {"{'type':'record','name':'n.','fields':[]}", "n.: 'n.' is not a name of A-Z a-z 0-9 _"},
        {"{'type':'record','name':'int','fields':[]}", "int: 'int' is a type of Avro"},
        {"{'type':'record','name':'R'}", "R: 'fields' is missing, or is no array"},
        {"{'type':'record','name':'R','fields':[7]}", "R: a field has no name, or not one of "},
        {"{'type':'record','name':'R','fields':[{'name':'x'}]}", "R.x: 'type' is missing"},
        {"{'type':'record','name':'R','fields':[{'name':'x-y','type':'int'}]}",
         "R: a field has no name, or not one of "},
        {"{'type':'record','name':'R','fields':[{'name':'x','type':'int'},{'name':'x','type':'int'}"
         "]}",
         "R.x: field 'x' is there twice"},
        {"{'type':'record','name':'R','fields':[{'name':'x','type':"
         "{'type':'array','items':['null',{'type':'record','name':'S','fields':["
         "{'name':'price','type':'lung'}]}]}}]}",
         "R.x.items[1].S.price: type 'lung' is not known"},
        {"{'type':'record','name':'R','fields':[{'name':'x','type':"
         "{'type':'record','name':'R','fields':[]}}]}",
         "R.x.R: type 'R' is there twice"},
        {"{'type':'record','name':'R','aliases':[7],'fields':[]}", "R: an alias is no text"},
        {"{'type':'record','name':'R','aliases':'Q','fields':[]}", "R: 'aliases' is no array"},
        {"{'type':'record','name':'R','fields':[{'name':'x','type':'R'}]}",
         "record 'R' always has itself within it, so it has no end"},
        {"{'type':'record','name':'R','fields':[{'name':'x','type':'float','default':'a'}]}",
         "x: the default is no number"},
        {"{'type':'enum','name':'E','symbols':['A','A']}", "E: symbol 'A' is there twice"},
        {"{'type':'enum','name':'E','symbols':['A',7]}", "E: symbol 1 is not one of A-Z a-z 0-9 _"},
        {"{'type':'enum','name':'E'}", "E: 'symbols' is missing, or is no array"},
        {"{'type':'enum','name':'E','symbols':['A'],'default':'B'}",
         "E: the default is none of the symbols"},
        {"{'type':'fixed','name':'F'}", "F: 'size' is missing, or is no number of bytes"},
        {"{'type':'fixed','name':'F','size':-1}", "F: 'size' is missing, or is no number"},
        {"{'type':'fixed','name':'F','size':2147483648}", "F: 'size' is missing, or is no number"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct error err = {0};
        char *why = hulse_test_quoted(rows[i].why);
        assert_int_equal(hulse_test_no_schema(SCHEMA_AVRO, rows[i].text, &err), HULSE_INVAL);
        if (strncmp(err.text, why, strlen(why)) != 0) {
            fail_msg("%s: '%s' instead of '%s'", rows[i].text, err.text, why);
        }
        free(why);
    }
}

/* `open`, `times` times, `middle`, and as many of `close`. */
static char *nested(const char *open, const char *middle, const char *close, size_t times)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    assert_non_null(out);
    for (size_t i = 0; i < times; i++) {
        (void)fputs(open, out);
    }
    (void)fputs(middle, out);
    for (size_t i = 0; i < times; i++) {
        (void)fputs(close, out);
    }
    assert_int_equal(fclose(out), 0);
    return text;
}

static void test_depth(void **state)
{
    char *good = nested("{'type':'array','items':", "'int'", "}", SCHEMA_DEPTH_MAX - 1);
    char *bad = nested("{'type':'array','items':", "'int'", "}", SCHEMA_DEPTH_MAX);
    char *worse = nested("[", "'int'", "]", 100000);
    struct schema *s = hulse_test_schema(SCHEMA_AVRO, good);
    struct error err = {0};

    (void)state;
    hulse_schema_destroy(&s);
    assert_int_equal(hulse_test_no_schema(SCHEMA_AVRO, bad, &err), HULSE_TOOBIG);
    assert_non_null(strstr(err.text, "deeper than 64 types"));
    assert_int_equal(hulse_test_no_schema(SCHEMA_AVRO, worse, &err), HULSE_INVAL);
    free(good);
    free(bad);
    free(worse);
}

/* The item as often as that, each # in it a number, between two texts. */
static char *listed(const char *before, const char *item, size_t count, const char *after)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    assert_non_null(out);
    (void)fputs(before, out);
    for (size_t i = 0; i < count; i++) {
        (void)fputs(i == 0 ? "" : ",", out);
        for (const char *at = item; *at != '\0'; at++) {
            if (*at == '#') {
                (void)fprintf(out, "%zu", i);
            } else {
                (void)fputc(*at, out);
            }
        }
    }
    (void)fputs(after, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void check_limit(const char *before, const char *item, size_t most, const char *after)
{
    char *good = listed(before, item, most, after);
    char *bad = listed(before, item, most + 1, after);
    struct schema *s = hulse_test_schema(SCHEMA_AVRO, good);
    struct error err = {0};

    hulse_schema_destroy(&s);
    assert_int_equal(hulse_test_no_schema(SCHEMA_AVRO, bad, &err), HULSE_TOOBIG);
    free(good);
    free(bad);
}

static void test_numbers_are_bounded(void **state)
{
    (void)state;
    check_limit("{'type':'record','name':'R','fields':[",
                "{'name':'f#','type':'int'}",
                SCHEMA_RECORD_FIELDS_MAX,
                "]}");
    check_limit("[", "{'type':'fixed','name':'F#','size':1}", SCHEMA_UNION_TYPES_MAX, "]");
    check_limit("{'type':'enum','name':'E','symbols':[", "'S#'", SCHEMA_NODES_MAX, "]}");
}

/* A chain of records that is written flat: each has the one before, the last is looked at first. */
static char *chain(size_t records)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    assert_non_null(out);
    (void)fputs("{'type':'record','name':'All','fields':[", out);
    for (size_t i = 0; i < records; i++) {
        (void)fprintf(
            out, "{'name':'f%zu','type':['null',{'type':'record','name':'R%zu','fields':[", i, i);
        if (i > 0) {
            (void)fprintf(out, "{'name':'x','type':'R%zu'}", i - 1);
        }
        (void)fputs("]}]},", out);
    }
    (void)fprintf(out, "{'name':'last','type':'R%zu'}]}", records - 1);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void test_records_within_each_other(void **state)
{
    char *good = chain(SCHEMA_RECORDS_DEPTH_MAX - 1);
    char *bad = chain(SCHEMA_RECORDS_DEPTH_MAX);
    struct schema *s = hulse_test_schema(SCHEMA_AVRO, good);
    struct error err = {0};

    (void)state;
    assert_int_equal(hulse_test_no_schema(SCHEMA_AVRO, bad, &err), HULSE_TOOBIG);
    assert_string_equal(err.text, "more than 256 records within each other");
    hulse_schema_destroy(&s);
    free(good);
    free(bad);
}

static void test_a_long_definition(void **state)
{
    struct error err = {0};
    char *text = malloc(SCHEMA_DEFINITION_BYTES_MAX + 2);

    (void)state;
    assert_non_null(text);
    memset(text, ' ', SCHEMA_DEFINITION_BYTES_MAX + 1);
    memcpy(text, "'int'", 5);
    text[SCHEMA_DEFINITION_BYTES_MAX + 1] = '\0';
    assert_int_equal(hulse_test_no_schema(SCHEMA_AVRO, text, &err), HULSE_TOOBIG);
    text[SCHEMA_DEFINITION_BYTES_MAX] = '\0';
    struct schema *s = hulse_test_schema(SCHEMA_AVRO, text);
    hulse_schema_destroy(&s);
    free(text);
}

static void test_types(void **state)
{
    enum schema_type type = SCHEMA_BYTES;
    struct error err = {0};

    (void)state;
    for (unsigned i = 0; i < SCHEMA_TYPES; i++) {
        assert_true(hulse_schema_type_find(hulse_schema_type_name((enum schema_type)i), &type));
        assert_int_equal(type, i);
    }
    assert_true(hulse_schema_type_find("json", &type));
    assert_int_equal(type, SCHEMA_JSON);
    assert_false(hulse_schema_type_find("NONSENSE", &type));
    assert_int_equal(hulse_test_no_schema(SCHEMA_INT32, "'int'", &err), HULSE_INVAL);
    assert_string_equal(err.text, "a schema of INT32 has no definition");
    struct schema *s = hulse_test_schema(SCHEMA_STRING, "null");
    hulse_schema_destroy(&s);
    assert_int_equal(hulse_test_no_schema(SCHEMA_JSON, "null", &err), HULSE_INVAL);
}

static void test_primitive_payloads(void **state)
{
    static const struct {
        enum schema_type type;
        const char *payload;
        size_t bytes;
        const char *why; /* NULL: it fits */
    } rows[] = {
        {SCHEMA_BYTES, "\xff", 1, NULL},
        {SCHEMA_BYTES, "", 0, NULL},
        {SCHEMA_STRING, "abc", 3, NULL},
        {SCHEMA_STRING, "", 0, NULL},
        {SCHEMA_STRING, "ab\xff", 3, "not UTF-8"},
        {SCHEMA_BOOLEAN, "\1", 1, NULL},
        {SCHEMA_BOOLEAN, "\2", 1, "neither false nor true"},
        {SCHEMA_BOOLEAN, "", 0, "not of the length of its type"},
        {SCHEMA_INT8, "\1", 1, NULL},
        {SCHEMA_INT16, "\1\1", 2, NULL},
        {SCHEMA_INT32, "\1\1\1\1", 4, NULL},
        {SCHEMA_INT32, "\1\1\1", 3, "not of the length of its type"},
        {SCHEMA_INT64, "\1\1\1\1\1\1\1\1", 8, NULL},
        {SCHEMA_FLOAT, "\1\1\1\1", 4, NULL},
        {SCHEMA_DOUBLE, "\1\1\1\1", 4, "not of the length of its type"},
        {SCHEMA_DATE, "\1\1\1\1\1\1\1\1", 8, NULL},
        {SCHEMA_INSTANT, "\1\1\1\1\1\1\1\1\1\1\1\1", 12, NULL},
        {SCHEMA_LOCAL_DATE_TIME, "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1", 16, NULL},
        {SCHEMA_PROTOBUF, "\xff", 1, NULL},
        {SCHEMA_KEY_VALUE, "\xff", 1, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct schema *s =
            hulse_test_schema(rows[i].type, rows[i].type == SCHEMA_PROTOBUF ? "'int'" : "");
        struct schema_fault fault;
        const bool good =
            hulse_schema_check(s, (const uint8_t *)rows[i].payload, rows[i].bytes, &fault);
        if (good != (rows[i].why == NULL)) {
            fail_msg("row %zu: %s", i, good ? "fits" : fault.why);
        }
        if (!good) {
            assert_string_equal(fault.why, rows[i].why);
            assert_string_equal(fault.path, "");
        }
        hulse_schema_destroy(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_definitions),
        cmocka_unit_test(test_bad_definitions),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_numbers_are_bounded),
        cmocka_unit_test(test_records_within_each_other),
        cmocka_unit_test(test_a_long_definition),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_primitive_payloads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
