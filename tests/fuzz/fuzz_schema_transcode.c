/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   whatever stands as a payload of one schema becomes a payload of the other, or is told from those that do, within
 *         bounds; what comes out is as good as what went in; decoding does what the check says.
 * Input:  the writer's definition, a form feed, the reader's, a form feed, the payload.
 */
#include "daemon/schema/decode.h"
#include "daemon/schema/transcode.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define OUTPUT_MAX (1U << 20U)

static struct schema *make(const uint8_t *text, size_t bytes)
{
    const struct schema_definition d = {
        .type = SCHEMA_AVRO, .text = (const char *)text, .bytes = bytes};
    struct schema *s = NULL;

    (void)hulse_schema_create(&s, &d, NULL);
    return s;
}

static void decode(const struct schema *s, struct schema_bytes payload)
{
    struct schema_fault fault;
    json_t *value = hulse_schema_decode(s, payload, (struct schema_bytes){0}, &fault);

    if ((value != NULL) != hulse_schema_check(s, payload.data, payload.bytes, &fault)) {
        abort();
    }
    json_decref(value);
}

static void
transcode(const struct schema *writer, const struct schema *reader, struct schema_bytes payload)
{
    struct schema_plan *plan = NULL;
    struct schema_output out = {.bytes_max = OUTPUT_MAX};
    struct schema_fault fault = {.path = "", .why = NULL};
    struct schema_fault ignored;

    if (hulse_schema_plan_create(&plan, writer, reader, NULL) != HULSE_OK) {
        return;
    }
    const bool good = hulse_schema_transcode(plan, payload, &out, &fault);
    if (good != (fault.why == NULL) || out.bytes > OUTPUT_MAX) {
        abort();
    }
    /* Text is not looked at; nesting may become deeper by unions. */
    if (good && hulse_schema_check(writer, payload.data, payload.bytes, &ignored) &&
        !hulse_schema_check(reader, out.data, out.bytes, &fault) &&
        strcmp(fault.why, "nested too deeply") != 0 && strstr(fault.why, "UTF-8") == NULL &&
        strstr(fault.why, "too many") == NULL) {
        abort();
    }
    hulse_schema_output_fini(&out);
    hulse_schema_plan_destroy(&plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const uint8_t *first = bytes == 0 ? NULL : memchr(data, '\f', bytes);
    const uint8_t *second =
        first == NULL ? NULL : memchr(first + 1, '\f', bytes - (size_t)(first + 1 - data));

    if (second == NULL) {
        return 0;
    }
    struct schema *writer = make(data, (size_t)(first - data));
    struct schema *reader = make(first + 1, (size_t)(second - first - 1));
    const size_t count = bytes - (size_t)(second + 1 - data);
    uint8_t *payload = malloc(count == 0 ? 1 : count); /* exact */
    if (payload == NULL) {
        abort();
    }
    memcpy(payload, second + 1, count);
    if (writer != NULL) {
        decode(writer, (struct schema_bytes){payload, count});
    }
    if (writer != NULL && reader != NULL) {
        transcode(writer, reader, (struct schema_bytes){payload, count});
        transcode(writer, writer, (struct schema_bytes){payload, count});
    }
    free(payload);
    hulse_schema_destroy(&writer);
    hulse_schema_destroy(&reader);
    return 0;
}
