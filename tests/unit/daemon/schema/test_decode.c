/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   payloads of every type as JSON; schemas of pairs from the form of Pulsar's tools, whose payloads are looked into as
 *         far as their types are known; what does not fit is told with its path.
 * Method: tables of payloads as hex.
 */
#include "daemon/schema/decode.h"
#include "daemon/schema/source.h"
#include "tests/unit/daemon/schema/schemas.h"

static size_t from_hex(const char *hex, uint8_t *out)
{
    size_t n = 0;

    for (; *hex != '\0'; hex += 2) {
        const char pair[3] = {hex[0], hex[1], '\0'};
        out[n++] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return n;
}

static json_t *
decode(const struct schema *s, const char *hex, const char *key, struct schema_fault *fault)
{
    uint8_t *in = malloc(strlen(hex) / 2 + 1);

    assert_non_null(in);
    const struct schema_bytes payload = {in, from_hex(hex, in)};
    const struct schema_bytes of_key = {(const uint8_t *)key, key == NULL ? 0 : strlen(key)};
    json_t *value = hulse_schema_decode(s, payload, of_key, fault);
    free(in);
    return value;
}

static void expect(const struct schema *s, const char *hex, const char *key, const char *wanted)
{
    struct schema_fault fault;
    char *quoted = hulse_test_quoted(wanted);
    json_t *value = decode(s, hex, key, &fault);

    if (value == NULL) {
        fail_msg("%s: %s: %s", wanted, fault.path, fault.why);
    }
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    assert_string_equal(text, quoted);
    free(text);
    free(quoted);
    json_decref(value);
}

static void expect_none(const struct schema *s, const char *hex, const char *path, const char *why)
{
    struct schema_fault fault;

    assert_null(decode(s, hex, NULL, &fault));
    assert_string_equal(fault.path, path);
    assert_string_equal(fault.why, why);
}

static void test_avro(void **state)
{
    struct schema *s = hulse_test_schema(
        SCHEMA_AVRO,
        "{'type':'record','name':'R','fields':[{'name':'n','type':'null'},"
        "{'name':'b','type':'boolean'},{'name':'i','type':'int'},{'name':'l','type':'long'},"
        "{'name':'f','type':'float'},{'name':'d','type':'double'},{'name':'y','type':'bytes'},"
        "{'name':'s','type':'string'},"
        "{'name':'e','type':{'type':'enum','name':'E','symbols':['A','B']}},"
        "{'name':'x','type':{'type':'fixed','name':'F','size':2}},"
        "{'name':'a','type':{'type':'array','items':'int'}},"
        "{'name':'m','type':{'type':'map','values':'int'}},"
        "{'name':'u','type':['null','string']}]}");

    (void)state;
    /* Of the array two blocks, one of which says its length. */
    expect(s,
           "0101ffffffffffffffffff010000803f000000000000f87f04ff6104c3a40200e9"
           "03040204020600"
           "0202610200"
           "020278",
           NULL,
           "{'n':null,'b':true,'i':-1,'l':-9223372036854775808,'f':1.0,'d':'NaN',"
           "'y':'\xc3\xbf"
           "a','s':'\xc3\xa4','e':'B','x':'\\u0000\xc3\xa9','a':[1,2,3],'m':{'a':1},'u':'x'}");
    hulse_schema_destroy(&s);
}

static const struct {
    enum schema_type type;
    const char *hex;
    const char *json;
} primitives[] = {
    {SCHEMA_STRING, "6162", "'ab'"},
    {SCHEMA_BOOLEAN, "01", "true"},
    {SCHEMA_INT8, "ff", "-1"},
    {SCHEMA_INT16, "fffe", "-2"},
    {SCHEMA_INT32, "fffffffd", "-3"},
    {SCHEMA_INT64, "fffffffffffffffc", "-4"},
    {SCHEMA_FLOAT, "3f800000", "1.0"},
    {SCHEMA_DOUBLE, "fff0000000000000", "'-Infinity'"},
    {SCHEMA_DATE, "0000000000000005", "5"},
    {SCHEMA_TIME, "0000000000000006", "6"},
    {SCHEMA_TIMESTAMP, "0000000000000007", "7"},
    {SCHEMA_INSTANT, "000000000000000800000009", "{'seconds':8,'nanos':9}"},
    {SCHEMA_LOCAL_DATE, "000000000000000a", "10"},
    {SCHEMA_LOCAL_TIME, "000000000000000b", "11"},
    {SCHEMA_LOCAL_DATE_TIME, "000000000000000c000000000000000d", "{'days':12,'nanos':13}"},
};

static void test_primitives(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(primitives) / sizeof(primitives[0]); i++) {
        struct schema *s = hulse_test_schema(primitives[i].type, "");
        expect(s, primitives[i].hex, NULL, primitives[i].json);
        hulse_schema_destroy(&s);
    }
    struct schema *s = hulse_test_schema(SCHEMA_INT32, "");
    expect_none(s, "00", "", "not of the length of its type");
    hulse_schema_destroy(&s);
    s = hulse_test_schema(SCHEMA_BYTES, "");
    expect_none(s, "00", "", "payloads of its type are not looked into");
    hulse_schema_destroy(&s);
}

static void test_json(void **state)
{
    struct schema *s = hulse_test_schema(
        SCHEMA_JSON, "{'type':'record','name':'R','fields':[{'name':'i','type':'int'}]}");

    (void)state;
    expect(s, "7b2269223a317d", NULL, "{'i':1}");
    expect_none(s, "7b2269223a22227d", "i", "no number");
    hulse_schema_destroy(&s);
}

/* ---- pairs ---- */

static hulse_status make(const char *form, struct schema **out, struct error *err)
{
    char *quoted = hulse_test_quoted(form);
    const struct schema_definition d = {
        .type = SCHEMA_AVRO, .text = quoted, .bytes = strlen(quoted)};
    const hulse_status st = hulse_schema_create_from(out, &d, err);

    free(quoted);
    return st;
}

#define PAIR(properties)                                                                           \
    "{'type':'KEY_VALUE','schema':'{\\'key\\':\\'\\',\\'value\\':{\\'type\\':\\'record\\',\\'"     \
    "name\\':\\'R\\',"                                                                             \
    "\\'fields\\':[{\\'name\\':\\'i\\',\\'type\\':\\'int\\'}]}}','properties':{" properties "}}"

static void test_pairs(void **state)
{
    struct schema *s = NULL;
    struct error err = {0};

    (void)state;
    assert_int_equal(make(PAIR("'key.schema.type':'STRING','value.schema.type':'AVRO'"), &s, &err),
                     HULSE_OK);
    expect(s, "0000000261620000000102", NULL, "{'key':'ab','value':{'i':1}}");
    expect(s, "ffffffff0000000102", NULL, "{'key':null,'value':{'i':1}}");
    expect_none(s, "00000001ff0000000102", "key", "not UTF-8");
    expect_none(s, "00000001610000000180", "value.i", "the payload ends within it");
    expect_none(s, "000000016100000001", "", "not a key and a value, each behind its length");
    expect_none(s, "00000001610000000102ff", "", "not a key and a value, each behind its length");
    const struct schema_definition d = hulse_schema_definition(s);
    assert_int_equal(d.type, SCHEMA_KEY_VALUE);
    assert_memory_equal(d.text, "\0\0\0\0\0\0\0", 7);
    hulse_schema_destroy(&s);
    assert_int_equal(make(PAIR("'kv.encoding.type':'SEPARATED','key.schema.type':'STRING',"
                               "'value.schema.type':'AVRO'"),
                          &s,
                          &err),
                     HULSE_OK);
    expect(s, "02", "k", "{'key':'k','value':{'i':1}}");
    expect(s, "02", NULL, "{'key':null,'value':{'i':1}}");
    expect_none(s, "80", "value.i", "the payload ends within it");
    hulse_schema_destroy(&s);
    /* Without types nothing is looked into. */
    assert_int_equal(make(PAIR(""), &s, &err), HULSE_OK);
    expect_none(s, "00", "", "payloads of its type are not looked into");
    hulse_schema_destroy(&s);
}

static void test_pairs_that_are_none(void **state)
{
    struct schema *s = NULL;
    struct error err = {0};

    (void)state;
    assert_int_equal(make(PAIR("'value.schema.type':'LUNG'"), &s, &err), HULSE_INVAL);
    assert_non_null(strstr(err.text, "value.schema.type"));
    assert_int_equal(make(PAIR("'value.schema.type':'KEY_VALUE'"), &s, &err), HULSE_INVAL);
    assert_int_equal(make(PAIR("'key.schema.type':'AVRO'"), &s, &err), HULSE_INVAL);
    assert_int_equal(make(PAIR("'key.schema.type':1"), &s, &err), HULSE_INVAL);
    assert_int_equal(make("{'type':'KEY_VALUE','schema':'{}','properties':{}}", &s, &err),
                     HULSE_INVAL);
    assert_null(s);
    static const char cut[] = "\0\0\0\2x";
    const struct schema_definition d = {
        .type = SCHEMA_KEY_VALUE, .text = cut, .bytes = sizeof(cut) - 1};
    assert_int_equal(hulse_schema_create(&s, &d, &err), HULSE_INVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_avro),
        cmocka_unit_test(test_primitives),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_pairs_that_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
