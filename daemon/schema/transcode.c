/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transcode - see the header.
 */
#include "daemon/schema/transcode.h"

#include "daemon/core/bytes.h"
#include "daemon/core/mem.h"
#include "daemon/schema/avro_read.h"
#include "daemon/schema/plan.h"

#include <string.h>

#define CAPACITY_MIN 256U

struct transcoder {
    struct schema_walk in; /* the writer's */
    const struct schema_plan *plan;
    struct schema_output *out;
};

static bool run(struct transcoder *t, uint32_t node);

/* ---- output ---- */

/* Another size of what was taken here; NULL: no memory, and it is as it was. */
static void *resize(void *old, size_t old_bytes, size_t bytes)
{
    /* All of it, as both are there while one is copied to the other. */
    void *fresh = hulse_mem_alloc(HULSE_MEM_MESSAGE, bytes);

    if (fresh != NULL) {
        if (old_bytes > 0) {
            memcpy(fresh, old, old_bytes);
        }
        hulse_mem_free(HULSE_MEM_MESSAGE, old, old_bytes);
    }
    return fresh;
}

static bool grow(struct transcoder *t, size_t more)
{
    struct schema_output *out = t->out;
    size_t capacity = out->capacity == 0 ? CAPACITY_MIN : out->capacity;

    if (more > out->bytes_max - out->bytes) {
        return schema_walk_fail(&t->in, "too large for the reader");
    }
    while (capacity - out->bytes < more) {
        capacity *= 2;
    }
    capacity = capacity < out->bytes_max ? capacity : out->bytes_max;
    uint8_t *data = resize(out->data, out->capacity, capacity);
    if (data == NULL) {
        return schema_walk_fail(&t->in, "no memory");
    }
    out->data = data;
    out->capacity = capacity;
    return true;
}

static inline bool put(struct transcoder *t, const void *bytes, size_t count)
{
    struct schema_output *out = t->out;

    if (count > out->capacity - out->bytes && !grow(t, count)) {
        return false;
    }
    if (count > 0) {
        memcpy(out->data + out->bytes, bytes, count);
        out->bytes += count;
    }
    return true;
}

static bool put_long(struct transcoder *t, int64_t value)
{
    uint64_t n = ((uint64_t)value << 1U) ^ (uint64_t)(value >> 63U);
    uint8_t bytes[AVRO_VARINT_BYTES_MAX];
    size_t count = 0;

    while (n >= 0x80) {
        bytes[count++] = (uint8_t)(n | 0x80U);
        n >>= 7U;
    }
    bytes[count++] = (uint8_t)n;
    return put(t, bytes, count);
}

/* What was read since `from`, as it stands. */
static inline bool copy_from(struct transcoder *t, const uint8_t *from)
{
    return put(t, from, (size_t)(t->in.at - from));
}

/* ---- values ---- */

static bool run_integer(struct transcoder *t, bool of_32)
{
    const uint8_t *from = t->in.at;
    uint64_t raw = 0;

    if (!avro_read_raw(&t->in, &raw)) {
        return false;
    }
    if (of_32 && raw > UINT32_MAX) {
        return schema_walk_fail(&t->in, "a number of more than 32 bits");
    }
    return copy_from(t, from);
}

static bool run_boolean(struct transcoder *t)
{
    const uint8_t *from = t->in.at;

    if (!avro_skip(&t->in, 1)) {
        return false;
    }
    return *from <= 1 ? put(t, from, 1) : schema_walk_fail(&t->in, "neither false nor true");
}

static bool run_bytes(struct transcoder *t)
{
    const uint8_t *from = t->in.at;
    const uint8_t *text = NULL;
    uint64_t bytes = 0;

    return avro_read_span(&t->in, &text, &bytes) && copy_from(t, from);
}

static bool run_fixed(struct transcoder *t, uint32_t bytes)
{
    const uint8_t *from = t->in.at;

    return avro_skip(&t->in, bytes) && copy_from(t, from);
}

static bool put_float(struct transcoder *t, float value)
{
    uint8_t bytes[sizeof(value)];
    uint32_t bits = 0;

    memcpy(&bits, &value, sizeof(bits));
    hulse_put32(bytes, bits);
    return put(t, bytes, sizeof(bytes));
}

static bool put_double(struct transcoder *t, double value)
{
    uint8_t bytes[sizeof(value)];
    uint64_t bits = 0;

    memcpy(&bits, &value, sizeof(bits));
    hulse_put64(bytes, bits);
    return put(t, bytes, sizeof(bytes));
}

/* A whole number, or a float, as one of n->count bytes. */
static bool run_real(struct transcoder *t, const struct plan_node *n)
{
    const uint8_t *from = t->in.at;
    int64_t number = 0;

    if (n->of_float) {
        float value = 0;
        if (!avro_skip(&t->in, sizeof(value))) {
            return false;
        }
        const uint32_t bits = hulse_get32(from);
        memcpy(&value, &bits, sizeof(value));
        return put_double(t, (double)value);
    }
    if (!avro_read_long(&t->in, &number)) {
        return false;
    }
    return n->count == sizeof(float) ? put_float(t, (float)number) : put_double(t, (double)number);
}

static bool run_enum(struct transcoder *t, const struct plan_node *n)
{
    int64_t symbol = 0;

    if (!avro_read_long(&t->in, &symbol)) {
        return false;
    }
    if (symbol < 0 || symbol >= (int64_t)n->count) {
        return schema_walk_fail(&t->in, "a symbol that the enum does not have");
    }
    const uint32_t meant = ((const uint32_t *)t->plan->links.items)[n->first + (uint32_t)symbol];
    return meant == 0 ? schema_walk_fail(&t->in, "a symbol that the reader does not have")
                      : put_long(t, (int64_t)meant - 1);
}

static bool run_union(struct transcoder *t, const struct plan_node *n)
{
    int64_t branch = 0;

    if (!avro_read_long(&t->in, &branch)) {
        return false;
    }
    if (branch < 0 || branch >= (int64_t)n->count) {
        return schema_walk_fail(&t->in, "a type that the union does not have");
    }
    return run(t, ((const uint32_t *)t->plan->links.items)[n->first + (uint32_t)branch]);
}

/* ---- items ---- */

static bool run_item(struct transcoder *t, const struct plan_node *n, uint64_t index)
{
    const uint8_t *before = t->in.at;
    const uint8_t *key = NULL;
    uint64_t key_bytes = 0;

    if (n->op == PLAN_MAP && (!avro_read_span(&t->in, &key, &key_bytes) || !copy_from(t, before))) {
        return false;
    }
    if (!run(t, n->item)) {
        if (key != NULL) {
            hulse_schema_path_name(&t->in.path, key, key_bytes);
        } else {
            hulse_schema_path_index(&t->in.path, index);
        }
        return false;
    }
    return t->in.at != before || avro_take_step(&t->in);
}

static bool run_items(struct transcoder *t, const struct plan_node *n)
{
    uint64_t index = 0;

    for (;;) {
        const uint8_t *block_end = NULL;
        int64_t count = 0;
        if (!avro_read_block(&t->in, &count, &block_end) || !put_long(t, count)) {
            return false;
        }
        if (count == 0) {
            return true;
        }
        for (; count > 0; count--, index++) {
            if (!run_item(t, n, index)) {
                return false;
            }
        }
        if (!avro_block_ended(&t->in, block_end)) {
            return false;
        }
    }
}

/* ---- records ---- */

static bool at_field(struct transcoder *t, struct schema_word name)
{
    hulse_schema_path_name(&t->in.path, schema_text(t->plan->writer, name), name.bytes);
    return false;
}

static inline bool put_default(struct transcoder *t, struct schema_word value)
{
    return put(t, (const uint8_t *)t->plan->reader->values.items + value.at, value.bytes);
}

static bool run_step(struct transcoder *t, const struct plan_step *step)
{
    switch (step->what) {
    case STEP_FIELD:
        return run(t, step->node) || at_field(t, step->name);
    case STEP_SKIP:
        return hulse_schema_skip_avro(&t->in, step->node) || at_field(t, step->name);
    case STEP_DEFAULT:
        break;
    }
    return put_default(t, step->value);
}

/* Room for so many marks more; gives the first. */
static bool reserve_marks(struct transcoder *t, uint32_t count, uint32_t *first)
{
    struct schema_output *out = t->out;

    if (count > out->mark_capacity - out->mark_count) {
        const uint32_t capacity = 2 * (out->mark_count + count);
        uint32_t *marks = resize(
            out->marks, out->mark_capacity * sizeof(*marks), (size_t)capacity * sizeof(*marks));
        if (marks == NULL) {
            return schema_walk_fail(&t->in, "no memory");
        }
        out->marks = marks;
        out->mark_capacity = capacity;
    }
    *first = out->mark_count;
    out->mark_count += count;
    return true;
}

/* Notes where each of the writer's fields begins, and moves behind them. */
static bool
mark_fields(struct transcoder *t, const struct plan_node *n, const uint8_t *base, uint32_t first)
{
    const struct schema_run fields = schema_node(t->plan->writer, n->writer)->parts;

    for (uint32_t i = 0; i < fields.count; i++) {
        const struct schema_field *field = schema_field(t->plan->writer, fields.first + i);
        t->out->marks[first + i] = (uint32_t)(t->in.at - base);
        if (!hulse_schema_skip_avro(&t->in, field->node)) {
            return at_field(t, field->name);
        }
    }
    return true;
}

/* In the reader's order: each field is looked for where it was found to begin. */
static bool run_in_other_order(struct transcoder *t, const struct plan_node *n)
{
    const struct plan_step *steps = (const struct plan_step *)t->plan->steps.items + n->first;
    const uint8_t *base = t->in.at;
    uint32_t first = 0;
    bool good = reserve_marks(t, schema_node(t->plan->writer, n->writer)->parts.count, &first) &&
                mark_fields(t, n, base, first);
    const uint8_t *end = t->in.at;

    for (uint32_t i = 0; good && i < n->count; i++) {
        if (steps[i].what == STEP_FIELD) {
            t->in.at = base + t->out->marks[first + steps[i].source];
        }
        good = run_step(t, &steps[i]);
    }
    t->out->mark_count = first;
    if (good) {
        t->in.at = end;
    }
    return good;
}

static bool run_record(struct transcoder *t, const struct plan_node *n)
{
    const struct plan_step *steps = (const struct plan_step *)t->plan->steps.items + n->first;

    if (!n->in_order) {
        return run_in_other_order(t, n);
    }
    for (uint32_t i = 0; i < n->count; i++) {
        if (!run_step(t, &steps[i])) {
            return false;
        }
    }
    return true;
}

static bool run_nested(struct transcoder *t, const struct plan_node *n)
{
    if (t->in.depth >= SCHEMA_VALUE_DEPTH_MAX) {
        return schema_walk_fail(&t->in, "nested too deeply");
    }
    if (!avro_take_step(&t->in)) {
        return false;
    }
    t->in.depth++;
    const bool good = n->op == PLAN_RECORD  ? run_record(t, n)
                      : n->op == PLAN_UNION ? run_union(t, n)
                                            : run_items(t, n);
    t->in.depth--;
    return good;
}

static bool run(struct transcoder *t, uint32_t node)
{
    const struct plan_node *n = plan_node(t->plan, node);

    switch (n->op) {
    case PLAN_FAULT:
        return schema_walk_fail(&t->in, n->why);
    case PLAN_NULL:
        return avro_take_step(&t->in);
    case PLAN_BOOLEAN:
        return run_boolean(t);
    case PLAN_INT:
    case PLAN_LONG:
        return run_integer(t, n->op == PLAN_INT);
    case PLAN_BYTES:
        return run_bytes(t);
    case PLAN_FIXED:
        return run_fixed(t, n->count);
    case PLAN_REAL:
        return run_real(t, n);
    case PLAN_ENUM:
        return run_enum(t, n);
    case PLAN_WRAP:
        return put_long(t, n->count) && run(t, n->item);
    case PLAN_RECORD:
    case PLAN_ARRAY:
    case PLAN_MAP:
    case PLAN_UNION:
        break;
    }
    return run_nested(t, n);
}

bool hulse_schema_transcode(const struct schema_plan *p,
                            struct schema_bytes payload,
                            struct schema_output *out,
                            struct schema_fault *fault)
{
    struct transcoder t;

    t.plan = p;
    t.out = out;
    hulse_schema_walk_start(&t.in, p->writer, payload);
    out->bytes = 0;
    out->mark_count = 0;
    bool good = payload.bytes <= UINT32_MAX || schema_walk_fail(&t.in, "too large");
    good = good && run(&t, p->root) &&
           (t.in.at == t.in.end || schema_walk_fail(&t.in, "bytes are left behind the value"));
    if (!good) {
        hulse_schema_walk_fault(&t.in, fault);
    }
    return good;
}

size_t hulse_schema_output_memory(const struct schema_output *out)
{
    return out->capacity + out->mark_capacity * sizeof(*out->marks);
}

void hulse_schema_output_fini(struct schema_output *out)
{
    hulse_mem_free(HULSE_MEM_MESSAGE, out->data, out->capacity);
    hulse_mem_free(HULSE_MEM_MESSAGE, out->marks, out->mark_capacity * sizeof(*out->marks));
    *out = (struct schema_output){.bytes_max = out->bytes_max};
}
