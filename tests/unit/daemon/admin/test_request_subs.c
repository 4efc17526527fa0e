/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   requests about subscriptions and schemas are read with all their members, and refused when one is
 *         missing, surplus or of another form; what they hold is given back.
 * Method: lines, and what they mean.
 */
#include "daemon/admin/request.h"
#include "daemon/core/mem.h"
#include "tests/support/check.h"

#include <stdio.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define LINE(command, more) "{\"command\":\"" command "\",\"topic\":\"t\"" more "}"
#define SUB ",\"subscription\":\"s\""

static hulse_status parse(const char *line, struct admin_request *out)
{
    struct error err = {0};
    const hulse_status st = hulse_admin_parse(line, strlen(line), out, &err);

    assert_true(st == HULSE_OK || err.text[0] != '\0');
    return st;
}

static void test_subscriptions(void **state)
{
    static const struct {
        const char *line;
        enum admin_command command;
        uint64_t count;
        bool force;
        bool named;
    } cases[] = {
        {LINE("subs.list", ""), ADMIN_SUBS_LIST, 0, false, false},
        {LINE("subs.stats", ""), ADMIN_SUBS_STATS, 0, false, false},
        {LINE("subs.stats", SUB), ADMIN_SUBS_STATS, 0, false, true},
        {LINE("subs.skip", SUB), ADMIN_SUBS_SKIP, 0, false, true},
        {LINE("subs.skip", SUB ",\"count\":2147483647"), ADMIN_SUBS_SKIP, INT32_MAX, false, true},
        {LINE("subs.delete", SUB), ADMIN_SUBS_DELETE, 0, false, true},
        {LINE("subs.delete", SUB ",\"force\":true"), ADMIN_SUBS_DELETE, 0, true, true},
    };
    struct admin_request out;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(parse(cases[i].line, &out), HULSE_OK);
        assert_int_equal(out.command, cases[i].command);
        assert_string_equal(out.topic, "t");
        assert_string_equal(out.subscription, cases[i].named ? "s" : "");
        assert_int_equal(out.count, cases[i].count);
        assert_int_equal(out.force, cases[i].force);
    }
}

static void test_where_to(void **state)
{
    struct admin_request out;

    (void)state;
    assert_int_equal(parse(LINE("subs.seek", SUB ",\"position\":\"latest\""), &out), HULSE_OK);
    assert_int_equal(out.position.kind, BROKER_LATEST);
    assert_int_equal(parse(LINE("subs.seek", SUB ",\"position\":\"3:4\""), &out), HULSE_OK);
    assert_int_equal(out.position.kind, BROKER_AT_ID);
    assert_int_equal(out.position.id.entry, 4);
    assert_int_equal(parse(LINE("subs.seek", SUB ",\"position\":0"), &out), HULSE_OK);
    assert_int_equal(out.position.kind, BROKER_AT_PUBLISHED);
}

static void test_schemas(void **state)
{
    struct admin_request out;

    (void)state;
    assert_int_equal(parse(LINE("schema.list", ""), &out), HULSE_OK);
    assert_int_equal(parse(LINE("schema.get", ""), &out), HULSE_OK);
    assert_int_equal(out.version, 0);
    assert_int_equal(parse(LINE("schema.get", ",\"version\":7"), &out), HULSE_OK);
    assert_int_equal(out.version, 8); /* the operator counts from 0 */
    assert_null(out.definition);
    assert_int_equal(parse(LINE("schema.get", ",\"version\":0"), &out), HULSE_OK);
    assert_int_equal(out.version, 1);
    assert_int_equal(
        parse(LINE("schema.put", ",\"type\":\"AVRO\",\"definition\":\"\\\"int\\\"\""), &out),
        HULSE_OK);
    assert_string_equal(out.type, "AVRO");
    assert_string_equal(out.definition, "\"int\"");
    assert_int_equal(out.definition_bytes, 5);
    hulse_admin_request_fini(&out);
    hulse_admin_request_fini(&out);
    assert_null(out.definition);
    assert_int_equal(hulse_mem_used(HULSE_MEM_ADMIN), 0);
}

static void test_refusals(void **state)
{
    static const char *const lines[] = {
        "{\"command\":\"subs.list\"}",
        LINE("subs.list", SUB),
        LINE("subs.stats", ",\"subscription\":\"\""),
        LINE("subs.stats", ",\"subscription\":7"),
        LINE("subs.skip", ""),
        LINE("subs.skip", SUB ",\"count\":0"),
        LINE("subs.skip", SUB ",\"count\":2147483648"),
        LINE("subs.skip", SUB ",\"count\":\"1\""),
        LINE("subs.skip", SUB ",\"force\":true"),
        LINE("subs.seek", SUB),
        LINE("subs.seek", ",\"position\":0"),
        LINE("subs.seek", SUB ",\"position\":-1"),
        LINE("subs.seek", SUB ",\"position\":1.5"),
        LINE("subs.seek", SUB ",\"position\":\"there\""),
        LINE("subs.seek", SUB ",\"position\":null"),
        LINE("topics.unload", SUB),
        LINE("schema.get", ",\"version\":-1"),
        LINE("schema.get", ",\"version\":2147483648"),
        LINE("schema.get", ",\"definition\":\"x\""),
        LINE("schema.get", ",\"version\":\"1\""),
        LINE("schema.list", ",\"version\":1"),
        LINE("schema.put", ""),
        LINE("schema.put", ",\"type\":\"AVRO\""),
        LINE("schema.put", ",\"definition\":\"x\""),
        LINE("schema.put", ",\"definition\":\"x\",\"type\":\"\""),
        LINE("schema.put", ",\"definition\":\"x\",\"type\":\"a name of more than thirty bytes\""),
        LINE("schema.put", ",\"definition\":7,\"type\":\"AVRO\""),
        LINE("schema.put", ",\"definition\":\"x\",\"type\":\"AVRO\",\"more\":1"),
    };
    struct admin_request out;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        assert_int_equal(parse(lines[i], &out), HULSE_INVAL);
        assert_int_equal(hulse_mem_used(HULSE_MEM_ADMIN), 0);
    }
}

static void test_names_have_a_bound(void **state)
{
    char line[HULSE_ADMIN_SUBSCRIPTION_BYTES + 128];
    char name[HULSE_ADMIN_SUBSCRIPTION_BYTES + 1];
    struct admin_request out;

    (void)state;
    for (size_t bytes = HULSE_ADMIN_SUBSCRIPTION_BYTES - 1; bytes < sizeof(name); bytes++) {
        memset(name, 'n', bytes);
        name[bytes] = '\0';
        (void)snprintf(line, sizeof(line), LINE("subs.skip", ",\"subscription\":\"%s\""), name);
        assert_int_equal(parse(line, &out),
                         bytes < HULSE_ADMIN_SUBSCRIPTION_BYTES ? HULSE_OK : HULSE_INVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_subscriptions),
        cmocka_unit_test(test_where_to),
        cmocka_unit_test(test_schemas),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_names_have_a_bound),
    };

    hulse_mem_init((size_t)16 << 20U);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
