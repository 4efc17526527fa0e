/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text_of - see the header.
 */
#include "tests/unit/daemon/broker/pulsar/wire/text_of.h"

#include "tests/unit/daemon/core/check.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_message(FILE *out, const ProtobufCMessage *m);

static void put_escaped(FILE *out, const uint8_t *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (data[i] == '"' || data[i] == '\\' || data[i] == '\'') {
            (void)fprintf(out, "\\%c", data[i]);
        } else if (data[i] >= ' ' && data[i] < 0x7f) {
            (void)fputc(data[i], out);
        } else {
            (void)fprintf(out, "\\%03o", data[i]);
        }
    }
}

static void put_enum(FILE *out, const ProtobufCFieldDescriptor *f, int value)
{
    const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(f->descriptor, value);

    if (known != NULL) {
        (void)fputs(known->name, out);
    } else {
        (void)fprintf(out, "%d", value);
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the .proto file */
static void put_value(FILE *out, const ProtobufCFieldDescriptor *f, const void *at)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
        (void)fprintf(out, "%" PRId32, *(const int32_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT32:
        (void)fprintf(out, "%" PRIu32, *(const uint32_t *)at);
        break;
    case PROTOBUF_C_TYPE_INT64:
        (void)fprintf(out, "%" PRId64, *(const int64_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT64:
        (void)fprintf(out, "%" PRIu64, *(const uint64_t *)at);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        (void)fprintf(out, "%a", *(const double *)at);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        (void)fputs(*(const protobuf_c_boolean *)at ? "true" : "false", out);
        break;
    case PROTOBUF_C_TYPE_ENUM:
        put_enum(out, f, *(const int *)at);
        break;
    case PROTOBUF_C_TYPE_STRING: {
        const char *text = *(char *const *)at;
        (void)fputc('"', out);
        put_escaped(out, (const uint8_t *)text, strlen(text));
        (void)fputc('"', out);
        break;
    }
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData *data = at;
        (void)fputc('"', out);
        put_escaped(out, data->data, data->len);
        (void)fputc('"', out);
        break;
    }
    default: /* the only other type there is */
        put_message(out, *(ProtobufCMessage *const *)at);
        break;
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the .proto file */
static void put_field(FILE *out, const ProtobufCFieldDescriptor *f, const void *at, bool *first)
{
    (void)fputs(*first ? "" : " ", out);
    *first = false;
    if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
        (void)fprintf(out, "%s { ", f->name);
        put_value(out, f, at);
        (void)fputs(" }", out);
    } else {
        (void)fprintf(out, "%s: ", f->name);
        put_value(out, f, at);
    }
}

static bool by_pointer(const ProtobufCFieldDescriptor *f)
{
    return f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE;
}

static size_t value_bytes(const ProtobufCFieldDescriptor *f)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return by_pointer(f) ? sizeof(void *) : 4;
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the .proto file */
static void put_message(FILE *out, const ProtobufCMessage *m)
{
    bool first = true;

    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        const uint8_t *at = (const uint8_t *)m + f->offset;
        const uint8_t *counter = (const uint8_t *)m + f->quantifier_offset;
        if (f->label == PROTOBUF_C_LABEL_REPEATED) {
            const uint8_t *items = *(uint8_t *const *)(const void *)at;
            for (size_t k = 0; k < *(const size_t *)(const void *)counter; k++) {
                put_field(out, f, items + k * value_bytes(f), &first);
            }
        } else if (f->label == PROTOBUF_C_LABEL_REQUIRED ||
                   (by_pointer(f) ? *(void *const *)(const void *)at != NULL &&
                                        *(const void *const *)(const void *)at != f->default_value
                                  : *(const protobuf_c_boolean *)(const void *)counter != 0)) {
            put_field(out, f, at, &first);
        }
    }
}

char *hulse_text_of(const ProtobufCMessage *m)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    if (out == NULL) {
        abort();
    }
    put_message(out, m);
    (void)fclose(out);
    return text;
}

char *hulse_text_of_bytes(const uint8_t *data, size_t bytes)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL) {
        abort();
    }
    put_escaped(out, data, bytes);
    (void)fclose(out);
    return text;
}

/* ---- random ------------------------------------------------------------------------------ */

static void *take(size_t bytes)
{
    void *memory = calloc(1, bytes == 0 ? 1 : bytes);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

/* Numbers of all sizes, small ones often. */
static uint64_t any_number(uint64_t *state)
{
    return test_random(state) >> test_below(state, 64);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the .proto file */
static void set_value(const ProtobufCFieldDescriptor *f, void *at, uint64_t *state)
{
    const uint64_t n = any_number(state);
    const size_t length = test_below(state, test_below(state, 8) == 0 ? 300 : 12);

    switch (f->type) {
    case PROTOBUF_C_TYPE_DOUBLE:
        *(double *)at = (double)(n >> 1);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)at = (protobuf_c_boolean)(n & 1);
        break;
    case PROTOBUF_C_TYPE_ENUM: {
        const ProtobufCEnumDescriptor *e = f->descriptor;
        *(int *)at = e->values[test_below(state, e->n_values)].value;
        break;
    }
    case PROTOBUF_C_TYPE_STRING: {
        char *text = take(length + 1);
        for (size_t i = 0; i < length; i++) {
            text[i] = (char)(1 + test_below(state, 126));
        }
        *(char **)at = text;
        break;
    }
    case PROTOBUF_C_TYPE_BYTES: {
        ProtobufCBinaryData *data = at;
        data->data = take(length);
        data->len = length;
        for (size_t i = 0; i < length; i++) {
            data->data[i] = (uint8_t)test_random(state);
        }
        break;
    }
    case PROTOBUF_C_TYPE_MESSAGE: {
        const ProtobufCMessageDescriptor *d = f->descriptor;
        ProtobufCMessage *inner = take(d->sizeof_message);
        protobuf_c_message_init(d, inner);
        hulse_random_fill(inner, state);
        *(ProtobufCMessage **)at = inner;
        break;
    }
    default:
        memcpy(at, &n, value_bytes(f));
        break;
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the .proto file */
void hulse_random_fill(ProtobufCMessage *m, uint64_t *state)
{
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        uint8_t *at = (uint8_t *)m + f->offset;
        uint8_t *counter = (uint8_t *)m + f->quantifier_offset;
        if (f->label == PROTOBUF_C_LABEL_REPEATED) {
            const size_t count = test_below(state, 2) == 0 ? 0 : test_below(state, 5);
            uint8_t *items = count == 0 ? NULL : take(count * value_bytes(f));
            for (size_t k = 0; k < count; k++) {
                set_value(f, items + k * value_bytes(f), state);
            }
            *(uint8_t **)(void *)at = items;
            *(size_t *)(void *)counter = count;
        } else if (f->label == PROTOBUF_C_LABEL_REQUIRED || test_below(state, 2) == 0) {
            set_value(f, at, state);
            if (f->label == PROTOBUF_C_LABEL_OPTIONAL && !by_pointer(f)) {
                *(protobuf_c_boolean *)(void *)counter = 1;
            }
        }
    }
}
