/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   bytes of Avro fit their schema or are told from those that do, with the path of the field
 *         and without work out of proportion.
 * Method: a table of payloads as hex; all prefixes of a good one; bytes that stand for endless values.
 */
#include "tests/unit/daemon/schema/schemas.h"

#define ORDER                                                                                      \
    "{'type':'record','name':'Order','fields':["                                                   \
    "{'name':'id','type':'long'},"                                                                 \
    "{'name':'items','type':{'type':'array','items':{'type':'record','name':'Item','fields':["     \
    "{'name':'name','type':'string'},{'name':'price','type':'double'}]}}},"                        \
    "{'name':'prices','type':{'type':'map','values':'int'}},"                                      \
    "{'name':'state','type':{'type':'enum','name':'S','symbols':['A','B']}},"                      \
    "{'name':'note','type':['null','string']},"                                                    \
    "{'name':'paid','type':'boolean'},"                                                            \
    "{'name':'hash','type':{'type':'fixed','name':'H','size':2}},"                                 \
    "{'name':'raw','type':'bytes'}]}"

/* id 1, two items, a price, B, "x", true, hash, raw. */
#define GOOD                                                                                       \
    "02 04 0261 0000000000000000 0262 0000000000000000 00 02 06657572 0a 00 02 02 0278 01 ffff "   \
    "02ff"

static size_t from_hex(const char *hex, uint8_t *out)
{
    size_t n = 0;

    for (; *hex != '\0'; hex++) {
        if (*hex == ' ') {
            continue;
        }
        const char pair[3] = {hex[0], hex[1], '\0'};
        out[n++] = (uint8_t)strtoul(pair, NULL, 16);
        hex++;
    }
    return n;
}

/* On the heap and exact. */
static bool
check(const struct schema *s, const uint8_t *in, size_t bytes, struct schema_fault *fault)
{
    uint8_t *copy = malloc(bytes == 0 ? 1 : bytes);

    assert_non_null(copy);
    memcpy(copy, in, bytes);
    *fault = (struct schema_fault){.path = "?", .why = "?"};
    const bool good = hulse_schema_check(s, copy, bytes, fault);
    free(copy);
    return good;
}

static const struct row {
    const char *schema;
    const char *hex;
    const char *path;
    const char *why; /* NULL: it fits */
} rows[] = {
    {ORDER, GOOD, NULL, NULL},
    {"'null'", "", NULL, NULL},
    {"'null'", "00", "", "bytes are left behind the value"},
    {"'int'", "ffffffff0f", NULL, NULL},
    {"'int'", "8080808010", "", "a number of more than 32 bits"},
    {"'long'", "ffffffffffffffffff01", NULL, NULL},
    {"'long'", "ffffffffffffffffff02", "", "a number of more than 64 bits"},
    {"'long'", "80808080808080808080", "", "a number of more than 64 bits"},
    {"'long'", "80", "", "the payload ends within it"},
    {"'boolean'", "02", "", "neither false nor true"},
    {"'boolean'", "", "", "the payload ends before it"},
    {"'float'", "00000000", NULL, NULL},
    {"'double'", "00000000", "", "the payload ends within it"},
    {"'string'", "02ff", "", "not UTF-8"},
    {"'string'", "01", "", "a negative length"},
    {"'bytes'", "02ff", NULL, NULL},
    {"'bytes'", "feffffffffffffffff01", "", "the payload ends within it"},
    {"{'type':'enum','name':'E','symbols':['A']}",
     "02",
     "",
     "a symbol that the enum does not have"},
    {"{'type':'enum','name':'E','symbols':['A']}",
     "01",
     "",
     "a symbol that the enum does not have"},
    {"['null','int']", "00", NULL, NULL},
    {"['null','int']", "0202", NULL, NULL},
    {"['null','int']", "04", "", "a type that the union does not have"},
    {"['null','int']", "01", "", "a type that the union does not have"},
    /* Blocks: of two and one; with their bytes. */
    {"{'type':'array','items':'int'}", "04 02 04 02 06 00", NULL, NULL},
    {"{'type':'array','items':'int'}", "03 04 02 04 00", NULL, NULL},
    {"{'type':'array','items':'int'}",
     "03 06 02 04 00",
     "",
     "a block of another length than it says"},
    {"{'type':'array','items':'int'}", "03 0a 02 04 00", "", "a block without a good length"},
    {"{'type':'array','items':'int'}",
     "ffffffffffffffffff01 00",
     "",
     "a block without a good length"},
    {"{'type':'array','items':'boolean'}", "04 01 02", "[1]", "neither false nor true"},
    {"{'type':'map','values':'boolean'}", "02 0461ff 01 00", "", "a key that is not UTF-8"},
    {"{'type':'map','values':'boolean'}", "02 026b 02 00", "k", "neither false nor true"},
    {ORDER, "02 04 0261 0000000000000000 02ff", "items[1].name", "not UTF-8"},
    {ORDER, "02 00 02 06657572 8080808010", "prices.eur", "a number of more than 32 bits"},
    {ORDER, "02 00 00 04", "state", "a symbol that the enum does not have"},
    {ORDER, GOOD "00", "", "bytes are left behind the value"},
    /* A count that stands for more items than there are bytes. */
    {"{'type':'array','items':'int'}",
     "feffffffffffffffff01 02",
     "[1]",
     "the payload ends within it"},
    {"{'type':'array','items':'null'}",
     "feffffffffffffffff01",
     "[1216]",
     "too many values that take no bytes"},
    {"{'type':'array','items':{'type':'record','name':'R','fields':[]}}",
     "feffffffffffffffff01",
     "[591]",
     "too many values that take no bytes"},
    {"{'type':'array','items':{'type':'fixed','name':'F','size':0}}",
     "feffffffffffffffff01",
     "[1183]",
     "too many values that take no bytes"},
};

static void test_payloads(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct schema *s = hulse_test_schema(SCHEMA_AVRO, rows[i].schema);
        uint8_t bytes[256];
        struct schema_fault fault;
        const bool good = check(s, bytes, from_hex(rows[i].hex, bytes), &fault);
        if (good != (rows[i].why == NULL)) {
            fail_msg("row %zu: %s", i, good ? "fits" : fault.why);
        }
        if (rows[i].why != NULL &&
            (strcmp(fault.why, rows[i].why) != 0 ||
             (strstr(fault.why, "no bytes") == NULL && strcmp(fault.path, rows[i].path) != 0))) {
            fail_msg("row %zu: '%s' '%s'", i, fault.path, fault.why);
        }
        hulse_schema_destroy(&s);
    }
}

static void test_every_prefix_is_too_short(void **state)
{
    struct schema *s = hulse_test_schema(SCHEMA_AVRO, ORDER);
    uint8_t bytes[256];
    struct schema_fault fault;
    const size_t all = from_hex(GOOD, bytes);

    (void)state;
    for (size_t n = 0; n < all; n++) {
        assert_false(check(s, bytes, n, &fault));
        assert_string_not_equal(fault.why, "?");
    }
    assert_true(check(s, bytes, all, &fault));
    hulse_schema_destroy(&s);
}

/* A list that is as long as its bytes say. */
static void test_depth(void **state)
{
    struct schema *s = hulse_test_schema(
        SCHEMA_AVRO, "{'type':'record','name':'R','fields':[{'name':'next','type':['null','R']}]}");
    enum { BYTES = 1 << 20 };
    uint8_t *bytes = malloc(BYTES);
    struct schema_fault fault;

    (void)state;
    assert_non_null(bytes);
    memset(bytes, 2, BYTES);
    assert_false(hulse_schema_check(s, bytes, BYTES, &fault));
    assert_string_equal(fault.why, "nested too deeply");
    assert_memory_equal(fault.path, "...", 3);
    assert_int_equal(strlen(fault.path) % 5, 3);
    bytes[SCHEMA_VALUE_DEPTH_MAX / 2 - 1] = 0;
    assert_true(hulse_schema_check(s, bytes, SCHEMA_VALUE_DEPTH_MAX / 2, &fault));
    free(bytes);
    hulse_schema_destroy(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_payloads),
        cmocka_unit_test(test_every_prefix_is_too_short),
        cmocka_unit_test(test_depth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
