/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a payload that was written with one schema becomes what a reader with another expects: fields by name and alias in
 *         the reader's order, defaults, wider numbers, symbols, types of unions, records within themselves; what cannot
 *         be read is told with its path, and nothing takes room or time out of proportion.
 * Method: a table of payloads as hex; all prefixes of each; bytes that stand for endless values. With --serve it answers a
 *         scenario test, which compares it with another implementation: lines of three, writer, reader and hex.
 */
#include "daemon/core/mem.h"
#include "daemon/schema/transcode.h"
#include "tests/unit/daemon/schema/schemas.h"

#include <stdio.h>

#define OUTPUT_MAX (1U << 20U)

static size_t from_hex(const char *hex, uint8_t *out)
{
    size_t n = 0;

    for (; *hex != '\0' && *hex != '\n'; hex++) {
        if (*hex == ' ') {
            continue;
        }
        const char pair[3] = {hex[0], hex[1], '\0'};
        out[n++] = (uint8_t)strtoul(pair, NULL, 16);
        hex++;
    }
    return n;
}

static struct schema_plan *plan_of(const struct schema *writer, const struct schema *reader)
{
    struct schema_plan *plan = NULL;
    struct error err = {0};

    if (hulse_schema_plan_create(&plan, writer, reader, &err) != HULSE_OK) {
        fail_msg("no plan: %s", err.text);
    }
    assert_true(hulse_schema_plan_memory(plan) > 0);
    return plan;
}

/* From the heap, exact. */
static bool transcode(const struct schema_plan *plan,
                      const uint8_t *in,
                      size_t bytes,
                      struct schema_output *out,
                      struct schema_fault *fault)
{
    uint8_t *copy = malloc(bytes == 0 ? 1 : bytes);

    assert_non_null(copy);
    memcpy(copy, in, bytes);
    *fault = (struct schema_fault){.path = "?", .why = "?"};
    const bool good = hulse_schema_transcode(plan, (struct schema_bytes){copy, bytes}, out, fault);
    free(copy);
    return good;
}

#define RECORD(fields) "{'type':'record','name':'R','fields':[" fields "]}"
#define FIELD(name, type) "{'name':'" name "','type':" type "}"
#define WITH(name, type, value) "{'name':'" name "','type':" type ",'default':" value "}"
#define ENUM(symbols) "{'type':'enum','name':'E','symbols':[" symbols "]}"
#define LIST                                                                                       \
    "{'type':'record','name':'L','fields':[{'name':'v','type':'int'},"                             \
    "{'name':'next','type':['null','L']}]}"
#define LIST_BACK                                                                                  \
    "{'type':'record','name':'L','fields':[{'name':'next','type':['null','L']},"                   \
    "{'name':'v','type':'int'},{'name':'w','type':'int'}]}"
#define LIST_MORE                                                                                  \
    "{'type':'record','name':'L','fields':[{'name':'next','type':['null','L']},"                   \
    "{'name':'v','type':'long'},{'name':'w','type':'int','default':7}]}"

static const struct row {
    const char *writer;
    const char *reader;
    const char *in;
    const char *out;  /* NULL: it cannot be read */
    const char *path; /* then, and why */
    const char *why;
} rows[] = {
    /* as they stand */
    {"'null'", "'null'", "", "", NULL, NULL},
    {"'boolean'", "'boolean'", "01", "01", NULL, NULL},
    {"'boolean'", "'boolean'", "02", NULL, "", "neither false nor true"},
    {"'int'", "'int'", "ff ff ff ff 0f", "ff ff ff ff 0f", NULL, NULL},
    {"'int'", "'int'", "ff ff ff ff 1f", NULL, "", "a number of more than 32 bits"},
    {"'long'", "'long'", "80 01", "80 01", NULL, NULL},
    {"'float'", "'float'", "0000803f", "0000803f", NULL, NULL},
    {"'double'", "'double'", "000000000000f03f", "000000000000f03f", NULL, NULL},
    {"'string'", "'string'", "04 6162", "04 6162", NULL, NULL},
    {"'string'", "'string'", "03", NULL, "", "a negative length"},
    {"{'type':'fixed','name':'F','size':2}",
     "{'type':'fixed','name':'F','size':2}",
     "abcd",
     "abcd",
     NULL,
     NULL},
    {"'int'", "'int'", "02 02", NULL, "", "bytes are left behind the value"},
    /* wider ones */
    {"'int'", "'long'", "03", "03", NULL, NULL},
    {"'int'", "'float'", "03", "000000c0", NULL, NULL},
    {"'int'", "'double'", "03", "00000000000000c0", NULL, NULL},
    {"'long'", "'float'", "04", "00000040", NULL, NULL},
    {"'long'", "'double'", "04", "0000000000000040", NULL, NULL},
    {"'float'", "'double'", "0000803f", "000000000000f03f", NULL, NULL},
    {"'bytes'", "'string'", "02 61", "02 61", NULL, NULL},
    {"'string'", "'bytes'", "02 61", "02 61", NULL, NULL},
    {"'long'", "'int'", "02", NULL, "", "a type that cannot be read as the reader's"},
    /* records */
    {RECORD(FIELD("a", "'int'") "," FIELD("b", "'string'")),
     RECORD(FIELD("b", "'string'") "," FIELD("a", "'int'")),
     "02 04 6162",
     "04 6162 02",
     NULL,
     NULL},
    {RECORD(FIELD("a", "'int'") "," FIELD("b", "'string'") "," FIELD("c", "'int'")),
     RECORD(FIELD("a", "'int'") "," FIELD("c", "'int'")),
     "02 04 6162 06",
     "02 06",
     NULL,
     NULL},
    {RECORD(FIELD("a", "'int'")),
     RECORD(WITH("x", "'int'", "5") "," FIELD("a", "'int'") "," WITH("y", "'string'", "'ab'")),
     "02",
     "0a 02 04 6162",
     NULL,
     NULL},
    {RECORD(FIELD("a", "'int'") "," FIELD("b", "'int'")),
     RECORD(WITH("x", "'int'", "5") "," FIELD("b", "'int'") "," WITH("y", "'int'", "6") "," FIELD(
         "a", "'int'") "," WITH("z", "'int'", "7")),
     "02 04",
     "0a 04 0c 02 0e",
     NULL,
     NULL},
    {RECORD(FIELD("a", "'int'")),
     RECORD(FIELD("a", "'int'") "," FIELD("b", "'int'")),
     "02",
     NULL,
     "",
     "a field is not written and has no default"},
    {RECORD(FIELD("old", "'int'")),
     RECORD("{'name':'fresh','type':'long','aliases':['old']}"),
     "02",
     "02",
     NULL,
     NULL},
    {RECORD(FIELD("a", "{'type':'record','name':'S','fields':[]}")),
     "{'type':'record','name':'R','fields':[{'name':'a','type':'int'}]}",
     "02",
     NULL,
     "a",
     "a type that cannot be read as the reader's"},
    {RECORD(FIELD("a", "{'type':'array','items':'int'}")),
     RECORD(FIELD("a", "{'type':'array','items':'double'}")),
     "04 02 04 00",
     "04 000000000000f03f 0000000000000040 00",
     NULL,
     NULL},
    {RECORD(FIELD("a", "{'type':'array','items':'boolean'}")),
     RECORD(FIELD("a", "{'type':'array','items':'boolean'}")),
     "04 01 02 00",
     NULL,
     "a[1]",
     "neither false nor true"},
    {"{'type':'array','items':'int'}",
     "{'type':'array','items':'int'}",
     "03 04 02 04 02 06 00",
     "04 02 04 02 06 00",
     NULL,
     NULL},
    {"{'type':'array','items':'int'}",
     "{'type':'array','items':'int'}",
     "03 06 02 04 00",
     NULL,
     "",
     "a block of another length than it says"},
    {"{'type':'map','values':'int'}",
     "{'type':'map','values':'long'}",
     "02 02 61 04 00",
     "02 02 61 04 00",
     NULL,
     NULL},
    {"{'type':'map','values':'boolean'}",
     "{'type':'map','values':'boolean'}",
     "02 02 61 04 00",
     NULL,
     "a",
     "neither false nor true"},
    /* symbols */
    {ENUM("'A','B'"), ENUM("'B','C','A'"), "02", "00", NULL, NULL},
    {ENUM("'A','B'"), ENUM("'A'"), "02", NULL, "", "a symbol that the reader does not have"},
    {ENUM("'A','B'"), ENUM("'A'"), "00", "00", NULL, NULL},
    {ENUM("'A','B'"),
     "{'type':'enum','name':'E','symbols':['X','A'],'default':'A'}",
     "02",
     "02",
     NULL,
     NULL},
    {ENUM("'A','B'"), ENUM("'A','B'"), "04", NULL, "", "a symbol that the enum does not have"},
    {ENUM("'A'"),
     "{'type':'enum','name':'Other','symbols':['A']}",
     "00",
     NULL,
     "",
     "an enum of another name"},
    /* unions */
    {"['null','int']", "['null','int']", "02 04", "02 04", NULL, NULL},
    {"['null','int']", "['int','null']", "02 04", "00 04", NULL, NULL},
    {"['null','int']", "['null','double']", "02 04", "02 0000000000000040", NULL, NULL},
    {"['null','int']", "'int'", "02 04", "04", NULL, NULL},
    {"['null','int']", "'int'", "00", NULL, "", "a type that cannot be read as the reader's"},
    {"['null','int']", "['null','int']", "04", NULL, "", "a type that the union does not have"},
    {"'int'", "['null','string','long']", "06", "04 06", NULL, NULL},
    {"'int'", "['null','string']", "06", NULL, "", "a type that the reader's union does not have"},
    {"['string','int']", "['bytes','long']", "00 02 61", "00 02 61", NULL, NULL},
    /* within themselves */
    {LIST, LIST_MORE, "02 02 04 00", "02 00 04 0e 02 0e", NULL, NULL},
    {LIST, LIST, "02 02 04 00", "02 02 04 00", NULL, NULL},
    {LIST_BACK, LIST, "02 00 04 06 02 08", "02 02 04 00", NULL, NULL},
    /* defaults of every type */
    {RECORD(""), RECORD(WITH("a", "'null'", "null")), "", "", NULL, NULL},
    {RECORD(""), RECORD(WITH("a", "'boolean'", "true")), "", "01", NULL, NULL},
    {RECORD(""), RECORD(WITH("a", "'int'", "-1.9")), "", "01", NULL, NULL},
    {RECORD(""), RECORD(WITH("a", "'int'", "4294967297")), "", "02", NULL, NULL},
    {RECORD(""), RECORD(WITH("a", "'long'", "1e300")), "", "feffffffffffffffff01", NULL, NULL},
    {RECORD(""), RECORD(WITH("a", "'float'", "1")), "", "0000803f", NULL, NULL},
    {RECORD(""), RECORD(WITH("a", "'double'", "'Infinity'")), "", "000000000000f07f", NULL, NULL},
    {RECORD(""), RECORD(WITH("a", "'bytes'", "'\\u00ff\\u0100a'")), "", "06 ff 3f 61", NULL, NULL},
    {RECORD(""),
     RECORD(WITH("a", "{'type':'fixed','name':'F','size':3}", "'ab'")),
     "",
     "616200",
     NULL,
     NULL},
    {RECORD(""),
     RECORD(WITH("a", "{'type':'fixed','name':'F','size':1}", "'ab'")),
     "",
     "61",
     NULL,
     NULL},
    {RECORD(""), RECORD(WITH("a", ENUM("'A','B'"), "'B'")), "", "02", NULL, NULL},
    {RECORD(""), RECORD(WITH("a", "['null','int']", "null")), "", "00", NULL, NULL},
    {RECORD(""), RECORD(WITH("a", "['int','null']", "3")), "", "00 06", NULL, NULL},
    {RECORD(""),
     RECORD(WITH("a", "{'type':'array','items':'int'}", "[1,2]")),
     "",
     "04 02 04 00",
     NULL,
     NULL},
    {RECORD(""), RECORD(WITH("a", "{'type':'array','items':'int'}", "[]")), "", "00", NULL, NULL},
    {RECORD(""),
     RECORD(WITH("a", "{'type':'map','values':'int'}", "{'k':1}")),
     "",
     "02 02 6b 02 00",
     NULL,
     NULL},
    {RECORD(""),
     RECORD(WITH("a",
                 "{'type':'record','name':'S','fields':[" FIELD("x", "'int'") "," WITH(
                     "y", "'int'", "9") "]}",
                 "{'x':1}")),
     "",
     "02 12",
     NULL,
     NULL},
};

static void check_row(const struct row *row)
{
    struct schema *writer = hulse_test_schema(SCHEMA_AVRO, row->writer);
    struct schema *reader = hulse_test_schema(SCHEMA_AVRO, row->reader);
    struct schema_plan *plan = plan_of(writer, reader);
    struct schema_output out = {.bytes_max = OUTPUT_MAX};
    struct schema_fault fault;
    uint8_t in[256];
    uint8_t wanted[256];
    const size_t bytes = from_hex(row->in, in);

    const bool good = transcode(plan, in, bytes, &out, &fault);
    if (good != (row->out != NULL)) {
        fail_msg("%s as %s: %s: %s", row->writer, row->reader, fault.path, fault.why);
    }
    if (good) {
        const size_t count = from_hex(row->out, wanted);
        struct schema_fault of_check;
        if (out.bytes != count ||
            memcmp(out.data == NULL ? wanted : out.data, wanted, count) != 0) {
            fail_msg("%s as %s: other bytes than %s", row->writer, row->reader, row->out);
        }
        assert_true(hulse_schema_check(reader, wanted, count, &of_check));
    } else {
        assert_string_equal(fault.path, row->path);
        assert_string_equal(fault.why, row->why);
    }
    for (size_t n = 0; good && n < bytes; n++) {
        assert_false(transcode(plan, in, n, &out, &fault));
    }
    hulse_schema_output_fini(&out);
    hulse_schema_plan_destroy(&plan);
    hulse_schema_destroy(&writer);
    hulse_schema_destroy(&reader);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        check_row(&rows[i]);
    }
}

struct scene {
    struct schema *writer;
    struct schema *reader;
    struct schema_plan *plan;
    struct schema_output out;
};

static void begin(struct scene *s, const char *writer, const char *reader)
{
    *s = (struct scene){.writer = hulse_test_schema(SCHEMA_AVRO, writer),
                        .reader = hulse_test_schema(SCHEMA_AVRO, reader),
                        .out = {.bytes_max = OUTPUT_MAX}};
    s->plan = plan_of(s->writer, s->reader);
}

static void end(struct scene *s)
{
    hulse_schema_output_fini(&s->out);
    hulse_schema_plan_destroy(&s->plan);
    hulse_schema_destroy(&s->writer);
    hulse_schema_destroy(&s->reader);
}

/* What it becomes is counted before it is there, and refused beyond the cap; what is held goes with the output. */
static void test_what_is_made_is_counted_first(void **state)
{
    struct scene s;
    struct schema_fault fault;
    uint8_t in[20000] = {0xba, 0xb8, 0x02}; /* 19,997 bytes of zeros as a text */
    const size_t before = hulse_mem_used(HULSE_MEM_MESSAGE);
    const size_t cap = hulse_mem_cap();
    const uint64_t refused = hulse_mem_refused();

    (void)state;
    begin(&s, "'bytes'", "'string'");
    hulse_mem_init(hulse_mem_total() + 20000);
    assert_false(transcode(s.plan, in, sizeof(in), &s.out, &fault));
    assert_string_equal(fault.why, "no memory");
    assert_int_equal(hulse_mem_refused(), refused + 1);
    assert_int_equal(hulse_mem_used(HULSE_MEM_MESSAGE) - before,
                     hulse_schema_output_memory(&s.out));
    hulse_mem_init(cap);
    assert_true(transcode(s.plan, in, sizeof(in), &s.out, &fault));
    assert_int_equal(s.out.bytes, sizeof(in));
    assert_int_equal(hulse_mem_used(HULSE_MEM_MESSAGE) - before,
                     hulse_schema_output_memory(&s.out));
    end(&s);
    assert_int_equal(hulse_mem_used(HULSE_MEM_MESSAGE), before);
}

/* Billions of records that take no bytes, each of which would become a default. */
static void test_nothing_becomes_endless(void **state)
{
    struct scene s;
    struct schema_fault fault;
    uint8_t in[16];

    (void)state;
    begin(&s,
          "{'type':'array','items':" RECORD("") "}",
          "{'type':'array','items':" RECORD(
              WITH("a", "'string'", "'a long one, of some bytes'")) "}");
    assert_false(transcode(s.plan, in, from_hex("fe ff ff ff 0f 00", in), &s.out, &fault));
    assert_string_equal(fault.why, "too many values that take no bytes");
    hulse_schema_output_fini(&s.out);
    s.out.bytes_max = 100;
    assert_false(transcode(s.plan, in, from_hex("14 00", in), &s.out, &fault));
    assert_string_equal(fault.why, "too large for the reader");
    assert_true(s.out.bytes <= 100);
    end(&s);
    begin(&s,
          "{'type':'array','items':{'type':'fixed','name':'F','size':0}}",
          "{'type':'array','items':{'type':'fixed','name':'F','size':0}}");
    assert_false(transcode(s.plan, in, from_hex("fe ff ff ff 0f 00", in), &s.out, &fault));
    assert_string_equal(fault.why, "too many values that take no bytes");
    end(&s);
    begin(&s, LIST, LIST_MORE);
    uint8_t deep[2048];
    for (size_t i = 0; i < sizeof(deep); i++) {
        deep[i] = 2;
    }
    assert_false(transcode(s.plan, deep, sizeof(deep), &s.out, &fault));
    assert_string_equal(fault.why, "nested too deeply");
    end(&s);
}

/* A default above the bound is one for whoever compares, and none to be given. */
static void test_a_default_that_is_too_large(void **state)
{
    struct scene s;
    struct schema_fault fault;
    char *reader = malloc(700000);

    (void)state;
    assert_non_null(reader);
    int at = snprintf(reader, 100, "{'type':'record','name':'R','fields':[");
    for (int i = 0; i < 3; i++) {
        at += snprintf(
            reader + at,
            200,
            "%s{'name':'f%d','type':{'type':'fixed','name':'F%d','size':400000},'default':''}",
            i == 0 ? "" : ",",
            i,
            i);
    }
    (void)snprintf(reader + at, 10, "]}");
    begin(&s, RECORD(""), reader);
    assert_false(transcode(s.plan, (const uint8_t *)"", 0, &s.out, &fault));
    assert_string_equal(fault.why, "a field is not written, and its default is too large");
    end(&s);
    free(reader);
}

static void test_too_many_pairs_are_refused(void **state)
{
    const size_t room = 200000;
    char *text = malloc(room);
    struct schema_plan *plan = NULL;
    struct error err = {0};

    (void)state;
    assert_non_null(text);
    size_t at = (size_t)snprintf(text, room, "{'type':'record','name':'R','fields':[");
    for (unsigned i = 0; i < 1023; i++) {
        at += (size_t)snprintf(
            text + at,
            room - at,
            "%s{'name':'f%u','type':{'type':'array','items':{'type':'array','items':'int'}}}",
            i == 0 ? "" : ",",
            i);
    }
    (void)snprintf(text + at, room - at, "]}");
    struct schema *s = hulse_test_schema(SCHEMA_AVRO, text);
    assert_int_equal(hulse_schema_plan_create(&plan, s, s, &err), HULSE_TOOBIG);
    assert_null(plan);
    hulse_schema_destroy(&s);
    free(text);
}

/* ---- for a scenario test ---- */

static struct schema *served_schema(const char *line)
{
    const struct schema_definition d = {
        .type = SCHEMA_AVRO, .text = line, .bytes = strcspn(line, "\n")};
    struct schema *s = NULL;
    struct error err = {0};

    if (hulse_schema_create(&s, &d, &err) != HULSE_OK) {
        printf("! no schema: %s\n", err.text);
    }
    return s;
}

static void serve_one(const struct schema *writer, const struct schema *reader, const char *hex)
{
    static uint8_t in[1U << 16U];
    struct schema_plan *plan = NULL;
    struct schema_output out = {.bytes_max = OUTPUT_MAX};
    struct schema_fault fault;
    struct error err = {0};

    if (hulse_schema_plan_create(&plan, writer, reader, &err) != HULSE_OK) {
        printf("! %s\n", err.text);
        return;
    }
    const struct schema_bytes payload = {in, from_hex(hex, in)};
    if (hulse_schema_transcode(plan, payload, &out, &fault)) {
        for (size_t i = 0; i < out.bytes; i++) {
            printf("%02x", out.data[i]);
        }
        printf("\n");
    } else {
        printf("! %s: %s\n", fault.path, fault.why);
    }
    hulse_schema_output_fini(&out);
    hulse_schema_plan_destroy(&plan);
}

static int serve(void)
{
    static char lines[3][1U << 17U];

    for (;;) {
        for (unsigned i = 0; i < 3; i++) {
            if (fgets(lines[i], sizeof(lines[i]), stdin) == NULL) {
                return 0;
            }
        }
        struct schema *writer = served_schema(lines[0]);
        struct schema *reader = writer == NULL ? NULL : served_schema(lines[1]);
        if (reader != NULL) {
            serve_one(writer, reader, lines[2]);
        }
        hulse_schema_destroy(&writer);
        hulse_schema_destroy(&reader);
        (void)fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_what_is_made_is_counted_first),
        cmocka_unit_test(test_nothing_becomes_endless),
        cmocka_unit_test(test_a_default_that_is_too_large),
        cmocka_unit_test(test_too_many_pairs_are_refused),
    };

    if (argc == 2 && strcmp(argv[1], "--serve") == 0) {
        return serve();
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
