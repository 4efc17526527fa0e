/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a new schema is judged as Pulsar's brokers judge it.
 * Method: the table of pairs whose verdicts a scenario test takes from a real broker; chains of
 *         schemas for what is transitive; recursion that must come to an end.
 */
#include "daemon/schema/compatibility.h"
#include "tests/unit/daemon/schema/schemas.h"

#define CASES "tests/unit/daemon/schema/compatibility_cases.txt"
#define COLUMNS 4

static bool agrees(enum schema_strategy strategy, const char *old, const char *fresh)
{
    struct schema *a = hulse_test_schema(SCHEMA_AVRO, old);
    struct schema *b = hulse_test_schema(SCHEMA_AVRO, fresh);
    const struct schema *const chain[] = {a};
    struct error err = {0};
    const hulse_status status = hulse_schema_compatible(strategy, chain, 1, b, &err);

    assert_true(status == HULSE_OK || (status == HULSE_REFUSED && err.text[0] != '\0'));
    hulse_schema_destroy(&a);
    hulse_schema_destroy(&b);
    return status == HULSE_OK;
}

static void check_case(char *line)
{
    char *columns[COLUMNS];

    for (unsigned i = 0; i < COLUMNS; i++) {
        columns[i] = line;
        line = strchrnul(line, '\t');
        if (*line != '\0') {
            *line++ = '\0';
        }
    }
    const bool backward = columns[0][0] == 'y';
    const bool forward = columns[0][1] == 'y';
    if (agrees(SCHEMA_BACKWARD, columns[2], columns[3]) != backward ||
        agrees(SCHEMA_FORWARD, columns[2], columns[3]) != forward ||
        agrees(SCHEMA_FORWARD, columns[3], columns[2]) != backward ||
        agrees(SCHEMA_FULL, columns[2], columns[3]) != (backward && forward)) {
        fail_msg("%s: the broker says %s", columns[1], columns[0]);
    }
    assert_true(agrees(SCHEMA_ALWAYS_COMPATIBLE, columns[2], columns[3]));
    assert_false(agrees(SCHEMA_ALWAYS_INCOMPATIBLE, columns[2], columns[3]));
}

static void test_verdicts_of_the_broker(void **state)
{
    FILE *in = fopen(CASES, "re");
    char *line = NULL;
    size_t capacity = 0;
    unsigned cases = 0;

    (void)state;
    assert_non_null(in);
    while (getline(&line, &capacity, in) > 0) {
        if (line[0] != '#') {
            line[strcspn(line, "\n")] = '\0';
            check_case(line);
            cases++;
        }
    }
    assert_true(cases > 50);
    free(line);
    assert_int_equal(fclose(in), 0);
}

#define R(field) "{'type':'record','name':'R','fields':[" field "]}"

/* The first schema and the third are both fine with the second alone. */
static void test_transitive(void **state)
{
    struct schema *chain[] = {
        hulse_test_schema(SCHEMA_AVRO, R("")),
        hulse_test_schema(SCHEMA_AVRO, R("{'name':'x','type':'int','default':1}"))};
    struct schema *fresh = hulse_test_schema(SCHEMA_AVRO, R("{'name':'x','type':'int'}"));
    const struct schema *const old[] = {chain[0], chain[1]};
    struct error err = {0};

    (void)state;
    assert_int_equal(hulse_schema_compatible(SCHEMA_BACKWARD, old, 2, fresh, &err), HULSE_OK);
    assert_int_equal(hulse_schema_compatible(SCHEMA_FULL, old, 2, fresh, &err), HULSE_OK);
    assert_int_equal(hulse_schema_compatible(SCHEMA_BACKWARD_TRANSITIVE, old, 2, fresh, &err),
                     HULSE_REFUSED);
    assert_string_equal(err.text,
                        "the new schema cannot read what the old one wrote: x: it is not written "
                        "and has no default");
    assert_int_equal(hulse_schema_compatible(SCHEMA_FORWARD_TRANSITIVE, old, 2, fresh, &err),
                     HULSE_OK);
    assert_int_equal(hulse_schema_compatible(SCHEMA_FULL_TRANSITIVE, old, 2, fresh, &err),
                     HULSE_REFUSED);
    assert_int_equal(hulse_schema_compatible(SCHEMA_BACKWARD, old, 1, fresh, &err), HULSE_REFUSED);
    assert_int_equal(hulse_schema_compatible(SCHEMA_ALWAYS_INCOMPATIBLE, old, 0, fresh, &err),
                     HULSE_OK);
    hulse_schema_destroy(&chain[0]);
    hulse_schema_destroy(&chain[1]);
    hulse_schema_destroy(&fresh);
}

static void test_types(void **state)
{
    struct schema *avro = hulse_test_schema(SCHEMA_AVRO, R(""));
    struct schema *json = hulse_test_schema(SCHEMA_JSON, R(""));
    struct schema *text = hulse_test_schema(SCHEMA_STRING, "");
    const struct schema *const old[] = {avro, text};
    struct error err = {0};

    (void)state;
    assert_int_equal(hulse_schema_compatible(SCHEMA_FULL, old, 1, json, &err), HULSE_REFUSED);
    assert_string_equal(err.text, "the topic has a schema of AVRO, the new one is of JSON");
    assert_int_equal(hulse_schema_compatible(SCHEMA_ALWAYS_COMPATIBLE, old, 1, json, &err),
                     HULSE_OK);
    assert_int_equal(hulse_schema_compatible(SCHEMA_FULL, old, 2, text, &err), HULSE_OK);
    hulse_schema_destroy(&avro);
    hulse_schema_destroy(&json);
    hulse_schema_destroy(&text);
}

static void test_protobuf(void **state)
{
    struct schema *old = hulse_test_schema(SCHEMA_PROTOBUF, R(""));
    struct schema *fresh = hulse_test_schema(SCHEMA_PROTOBUF, R("{'name':'x','type':'int'}"));
    struct schema *native = hulse_test_schema(SCHEMA_PROTOBUF_NATIVE, "{'a':1}");
    struct schema *other = hulse_test_schema(SCHEMA_PROTOBUF_NATIVE, "{'a':2}");
    const struct schema *chain[] = {old};
    struct error err = {0};

    (void)state;
    assert_int_equal(hulse_schema_compatible(SCHEMA_FORWARD, chain, 1, fresh, &err), HULSE_OK);
    assert_int_equal(hulse_schema_compatible(SCHEMA_BACKWARD, chain, 1, fresh, &err),
                     HULSE_REFUSED);
    chain[0] = native;
    assert_int_equal(hulse_schema_compatible(SCHEMA_FULL, chain, 1, native, &err), HULSE_OK);
    assert_int_equal(hulse_schema_compatible(SCHEMA_FULL, chain, 1, other, &err),
                     HULSE_UNSUPPORTED);
    hulse_schema_destroy(&old);
    hulse_schema_destroy(&fresh);
    hulse_schema_destroy(&native);
    hulse_schema_destroy(&other);
}

static void test_names_of_strategies(void **state)
{
    enum schema_strategy strategy = SCHEMA_FULL;

    (void)state;
    for (unsigned i = 0; i < SCHEMA_STRATEGIES; i++) {
        const char *name = hulse_schema_strategy_name((enum schema_strategy)i);
        assert_true(hulse_schema_strategy_find(name, &strategy));
        assert_int_equal(strategy, i);
    }
    assert_true(hulse_schema_strategy_find("none", &strategy));
    assert_int_equal(strategy, SCHEMA_ALWAYS_COMPATIBLE);
    assert_false(hulse_schema_strategy_find("SIDEWARD", &strategy));
}

/* `count` records, each with others in a union, so that pairs lead to pairs in every way. */
static char *web(size_t count, size_t step)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    assert_non_null(out);
    (void)fputs("{'type':'record','name':'All','fields':[", out);
    for (size_t i = 0; i < count; i++) {
        (void)fprintf(out,
                      "%s{'name':'f%zu','type':{'type':'record','name':'N%zu','fields':["
                      "{'name':'a','type':['null'",
                      i == 0 ? "" : ",",
                      i,
                      i + step);
        for (size_t before = i < 3 ? 0 : i - 3; before < i; before++) {
            (void)fprintf(out, ",'N%zu'", before + step);
        }
        (void)fputs("]}]}}", out);
    }
    (void)fputs("]}", out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void test_many_pairs_come_to_an_end(void **state)
{
    char *a = web(200, 0);
    char *b = web(200, 1000);

    (void)state;
    (void)agrees(SCHEMA_FULL, a, b);
    (void)agrees(SCHEMA_FULL, a, a);
    free(a);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts_of_the_broker),
        cmocka_unit_test(test_transitive),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_protobuf),
        cmocka_unit_test(test_names_of_strategies),
        cmocka_unit_test(test_many_pairs_come_to_an_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
