/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_schema - a payload of six fields against its schema, as Avro and as JSON.
 *
 * Conservation: every payload fits, and no shorter one does.
 */
#include "bench/micro/micro.h"
#include "daemon/schema/schema.h"

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

struct scene {
    struct schema *schema;
    const uint8_t *payload;
    size_t bytes;
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
    micro_run(&m, "definition", micro_ops(&m, 20000, 10), parse, NULL);
    hulse_schema_destroy(&a.schema);
    hulse_schema_destroy(&j.schema);
    return micro_end(&m);
}
