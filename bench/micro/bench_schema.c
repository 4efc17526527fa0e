/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_schema - a payload of six fields against its schema, as Avro and as JSON; turned into that of a reader who wants the
 *                fields in the same order, or in another, and one more.
 *
 * Conservation: every payload fits, and no shorter one does.
 */
#include "bench/micro/micro.h"
#include "daemon/schema/schema.h"
#include "daemon/schema/transcode.h"

static const char definition[] = "{\"type\":\"record\",\"name\":\"Order\",\"fields\":["
                                 "{\"name\":\"id\",\"type\":\"long\"},"
                                 "{\"name\":\"customer\",\"type\":\"string\"},"
                                 "{\"name\":\"amount\",\"type\":\"double\"},"
                                 "{\"name\":\"currency\",\"type\":{\"type\":\"enum\",\"name\":"
                                 "\"C\",\"symbols\":[\"EUR\",\"USD\"]}},"
                                 "{\"name\":\"paid\",\"type\":\"boolean\"},"
                                 "{\"name\":\"note\",\"type\":[\"null\",\"string\"]}]}";

/* Id, "customer-4711", 19.99, EUR, true, "by invoice". */
static const uint8_t avro[] = {0x80, 0xa0, 0xb7, 0x07, 0x1a, 'c',  'u',  's',  't',  'o',
                               'm',  'e',  'r',  '-',  '4',  '7',  '1',  '1',  0x3d, 0x0a,
                               0xd7, 0xa3, 0x70, 0xfd, 0x33, 0x40, 0x00, 0x01, 0x02, 0x14,
                               'b',  'y',  ' ',  'i',  'n',  'v',  'o',  'i',  'c',  'e'};
static const char json[] = "{\"id\":7654400,\"customer\":\"customer-4711\",\"amount\":19.99,"
                           "\"currency\":\"EUR\",\"paid\":true,\"note\":\"by invoice\"}";

/* Amount, id, a wider note; no customer; a source by default. */
static const char other[] = "{\"type\":\"record\",\"name\":\"Order\",\"fields\":["
                            "{\"name\":\"amount\",\"type\":\"double\"},"
                            "{\"name\":\"id\",\"type\":\"double\"},"
                            "{\"name\":\"source\",\"type\":\"string\",\"default\":\"web\"},"
                            "{\"name\":\"currency\",\"type\":{\"type\":\"enum\",\"name\":\"C\","
                            "\"symbols\":[\"USD\",\"EUR\"]}},"
                            "{\"name\":\"note\",\"type\":[\"null\",\"int\",\"string\"]}]}";
/* What it makes of it: 8 and 8 bytes, "web", a symbol, a branch and the text. */
#define OTHER_BYTES (8 + 8 + 4 + 1 + 1 + 11)

struct scene {
    struct schema *schema;
    const uint8_t *payload;
    size_t bytes;
    struct schema *reader;
    struct schema_plan *plan;
};

static void check(void *argument, uint64_t ops)
{
    const struct scene *s = argument;
    struct schema_fault fault;
    uint64_t good = 0;

    for (uint64_t i = 0; i < ops; i++) {
        good += hulse_schema_check(s->schema, s->payload, s->bytes, &fault);
    }
    micro_require(good == ops, "every payload fits");
    micro_require(!hulse_schema_check(s->schema, s->payload, s->bytes - 1, &fault),
                  "a shorter one does not");
}

static void refuse(void *argument, uint64_t ops)
{
    const struct scene *s = argument;
    struct schema_fault fault = {.path = ""};
    uint64_t bad = 0;

    for (uint64_t i = 0; i < ops; i++) {
        bad += !hulse_schema_check(s->schema, s->payload, s->bytes - 1, &fault);
    }
    micro_require(bad == ops && strcmp(fault.path, "note") == 0, "the field is told");
}

static void parse(void *argument, uint64_t ops)
{
    (void)argument;
    for (uint64_t i = 0; i < ops; i++) {
        const struct schema_definition d = {
            .type = SCHEMA_AVRO, .text = definition, .bytes = sizeof(definition) - 1};
        struct schema *s = NULL;
        micro_require(hulse_schema_create(&s, &d, NULL) == HULSE_OK, "the definition is read");
        hulse_schema_destroy(&s);
    }
}

static void transcode(void *argument, uint64_t ops)
{
    const struct scene *s = argument;
    const struct schema_bytes payload = {s->payload, s->bytes};
    struct schema_output out = {.bytes_max = 1U << 20U};
    struct schema_fault fault;
    uint64_t good = 0;

    for (uint64_t i = 0; i < ops; i++) {
        good += hulse_schema_transcode(s->plan, payload, &out, &fault);
    }
    micro_require(good == ops, "every payload becomes the reader's");
    micro_require(out.bytes == (s->reader == s->schema ? s->bytes : OTHER_BYTES), "all of it");
    hulse_schema_output_fini(&out);
}

static void plan_for(struct scene *s, struct schema *reader)
{
    s->reader = reader;
    s->plan = NULL;
    micro_require(hulse_schema_plan_create(&s->plan, s->schema, reader, NULL) == HULSE_OK,
                  "there is a plan");
}

static struct scene scene_of(enum schema_type type, const void *payload, size_t bytes)
{
    const struct schema_definition d = {
        .type = type, .text = definition, .bytes = sizeof(definition) - 1};
    struct scene s = {.payload = payload, .bytes = bytes};

    micro_require(hulse_schema_create(&s.schema, &d, NULL) == HULSE_OK, "the definition is read");
    return s;
}

int main(int argc, char **argv)
{
    struct micro m;
    struct scene a = scene_of(SCHEMA_AVRO, avro, sizeof(avro));
    struct scene j = scene_of(SCHEMA_JSON, json, sizeof(json) - 1);

    micro_begin(&m, "schema", argc, argv);
    micro_run(&m, "avro", micro_ops(&m, 2000000, 100), check, &a);
    micro_run(&m, "avro_refused", micro_ops(&m, 1000000, 100), refuse, &a);
    micro_run(&m, "json", micro_ops(&m, 1000000, 100), check, &j);
    plan_for(&a, a.schema);
    micro_run(&m, "transcode_same", micro_ops(&m, 1000000, 100), transcode, &a);
    hulse_schema_plan_destroy(&a.plan);
    const struct schema_definition d = {
        .type = SCHEMA_AVRO, .text = other, .bytes = sizeof(other) - 1};
    struct schema *reader = NULL;
    micro_require(hulse_schema_create(&reader, &d, NULL) == HULSE_OK, "the definition is read");
    plan_for(&a, reader);
    micro_run(&m, "transcode_other", micro_ops(&m, 1000000, 100), transcode, &a);
    hulse_schema_plan_destroy(&a.plan);
    hulse_schema_destroy(&reader);
    micro_run(&m, "definition", micro_ops(&m, 20000, 10), parse, NULL);
    hulse_schema_destroy(&a.schema);
    hulse_schema_destroy(&j.schema);
    return micro_end(&m);
}
