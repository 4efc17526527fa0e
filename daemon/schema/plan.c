/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan - see the header.
 */
#include "daemon/schema/plan.h"

#include "daemon/core/assert.h"
#include "daemon/schema/resolution.h"
#include "daemon/schema/transcode.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 16U

struct planner {
    struct schema_plan *plan;
    struct resolution r;
    uint32_t *made; /* of each pair: its node + 1; 0: none yet */
    hulse_status status;
    unsigned depth;
};

static uint32_t plan_pair(struct planner *p, uint32_t w, uint32_t v);

/* ---- tables ---- */

/* Room for `count` zeroed items in a row; gives the first. Nothing once the status is bad. */
static uint32_t
append(struct planner *p, struct schema_table *table, uint32_t count, size_t item_bytes)
{
    const uint32_t first = table->count;
    uint32_t capacity = table->capacity == 0 ? CAPACITY_MIN : table->capacity;

    if (p->status != HULSE_OK) {
        return 0;
    }
    if (count > PLAN_NODES_MAX - first) {
        p->status = HULSE_TOOBIG;
        return 0;
    }
    while (capacity - first < count) {
        capacity *= 2;
    }
    if (capacity > table->capacity) {
        void *items = realloc(table->items, capacity * item_bytes);
        if (items == NULL) {
            p->status = HULSE_NO_MEMORY;
            return 0;
        }
        table->items = items;
        table->capacity = capacity;
    }
    memset((char *)table->items + first * item_bytes, 0, count * item_bytes);
    table->count += count;
    return first;
}

static uint32_t add_node(struct planner *p, uint32_t w)
{
    const uint32_t node = append(p, &p->plan->nodes, 1, sizeof(struct plan_node));

    if (p->status == HULSE_OK) {
        ((struct plan_node *)p->plan->nodes.items)[node].writer = w;
    }
    return node;
}

static void set_node(struct planner *p, uint32_t node, struct plan_node value)
{
    if (p->status == HULSE_OK) {
        struct plan_node *at = (struct plan_node *)p->plan->nodes.items + node;
        value.writer = at->writer;
        *at = value;
    }
}

static void set_fault(struct planner *p, uint32_t node, const char *why)
{
    set_node(p, node, (struct plan_node){.op = PLAN_FAULT, .why = why});
}

static void set_link(struct planner *p, uint32_t link, uint32_t value)
{
    if (p->status == HULSE_OK) {
        ((uint32_t *)p->plan->links.items)[link] = value;
    }
}

/* ---- records ---- */

/* For each field of the reader, which one of the writer's it is. */
struct pairing {
    uint32_t source[SCHEMA_RECORD_FIELDS_MAX]; /* SCHEMA_NONE: not written */
    uint32_t target[SCHEMA_RECORD_FIELDS_MAX]; /* of each of the writer's; SCHEMA_NONE */
    bool in_order;
};

/* Why it cannot be, or NULL. */
static const char *pair_fields(const struct planner *p, uint32_t w, uint32_t v, struct pairing *out)
{
    const struct schema_run written = schema_node(p->r.writer, w)->parts;
    const struct schema_run wanted = schema_node(p->r.reader, v)->parts;
    const uint32_t renaming = hulse_resolution_renaming(&p->r, w);
    uint32_t last = 0;

    out->in_order = true;
    memset(out->source, 0xff, wanted.count * sizeof(out->source[0]));
    for (uint32_t i = 0; i < written.count; i++) {
        const struct schema_field *field = schema_field(p->r.writer, written.first + i);
        const struct resolution_name name = hulse_resolution_field(&p->r, renaming, field);
        const uint32_t index =
            hulse_resolution_find(p->r.reader, schema_scope(v), name.text, name.bytes);
        out->target[i] = index;
        if (index == SCHEMA_NONE) {
            continue;
        }
        if (out->source[index] != SCHEMA_NONE) {
            return "two fields are read as one";
        }
        out->source[index] = i;
        out->in_order = out->in_order && index >= last;
        last = index;
    }
    for (uint32_t i = 0; i < wanted.count; i++) {
        const struct schema_field *field = schema_field(p->r.reader, wanted.first + i);
        if (out->source[i] == SCHEMA_NONE && !field->encoded) {
            return field->default_good ? "a field is not written, and its default is too large"
                                       : "a field is not written and has no default";
        }
    }
    return NULL;
}

/* What the reader has and the writer has not, from field `from` up to the next that is written; gives that. */
static uint32_t add_defaults(struct planner *p,
                             const struct pairing *pairing,
                             struct schema_run wanted,
                             uint32_t from,
                             uint32_t *step)
{
    for (; from < wanted.count && pairing->source[from] == SCHEMA_NONE; from++) {
        struct plan_step *at = (struct plan_step *)p->plan->steps.items + *step;
        at->what = STEP_DEFAULT;
        at->value = schema_field(p->r.reader, wanted.first + from)->value;
        *step += 1;
    }
    return from;
}

/* The nodes of the fields are made afterwards, when the steps have their place. */
static void
add_steps(struct planner *p, uint32_t w, uint32_t v, const struct pairing *pairing, uint32_t first)
{
    const struct schema_run written = schema_node(p->r.writer, w)->parts;
    const struct schema_run wanted = schema_node(p->r.reader, v)->parts;
    uint32_t step = first;
    uint32_t next = 0;

    for (uint32_t i = 0; pairing->in_order && i < written.count; i++) {
        if (pairing->target[i] != SCHEMA_NONE) {
            next = add_defaults(p, pairing, wanted, next, &step) + 1;
        }
        struct plan_step *at = (struct plan_step *)p->plan->steps.items + step++;
        at->what = pairing->target[i] == SCHEMA_NONE ? STEP_SKIP : STEP_FIELD;
        at->source = i;
    }
    for (; !pairing->in_order && next < wanted.count; next++) {
        next = add_defaults(p, pairing, wanted, next, &step);
        if (next < wanted.count) {
            struct plan_step *at = (struct plan_step *)p->plan->steps.items + step++;
            at->what = STEP_FIELD;
            at->source = pairing->source[next];
        }
    }
    (void)add_defaults(p, pairing, wanted, next, &step);
}

/* In order: each of the writer's and the defaults; else each of the reader's. */
static uint32_t count_steps(uint32_t written, uint32_t wanted, const struct pairing *pairing)
{
    uint32_t count = pairing->in_order ? written : wanted;

    for (uint32_t i = 0; pairing->in_order && i < wanted; i++) {
        count += pairing->source[i] == SCHEMA_NONE ? 1 : 0;
    }
    return count;
}

static void plan_fields(struct planner *p,
                        uint32_t w,
                        uint32_t v,
                        const struct pairing *pairing,
                        struct schema_run steps)
{
    const struct schema_run written = schema_node(p->r.writer, w)->parts;
    const struct schema_run wanted = schema_node(p->r.reader, v)->parts;

    for (uint32_t i = steps.first; i < steps.first + steps.count && p->status == HULSE_OK; i++) {
        const struct plan_step *step = (const struct plan_step *)p->plan->steps.items + i;
        if (step->what == STEP_DEFAULT) {
            continue;
        }
        const struct schema_field *field = schema_field(p->r.writer, written.first + step->source);
        const uint32_t target = pairing->target[step->source];
        const uint32_t node =
            target == SCHEMA_NONE
                ? field->node
                : plan_pair(p, field->node, schema_field(p->r.reader, wanted.first + target)->node);
        struct plan_step *at = (struct plan_step *)p->plan->steps.items + i;
        at->node = node;
        at->name = field->name;
    }
}

static void plan_record(struct planner *p, uint32_t node, uint32_t w, uint32_t v)
{
    struct pairing *pairing = malloc(sizeof(*pairing));

    if (pairing == NULL) {
        p->status = HULSE_NO_MEMORY;
        return;
    }
    const char *why = pair_fields(p, w, v, pairing);
    if (why != NULL) {
        set_fault(p, node, why);
        free(pairing);
        return;
    }
    struct schema_run steps = {.count = count_steps(schema_node(p->r.writer, w)->parts.count,
                                                    schema_node(p->r.reader, v)->parts.count,
                                                    pairing)};
    steps.first = append(p, &p->plan->steps, steps.count, sizeof(struct plan_step));
    set_node(p,
             node,
             (struct plan_node){.op = PLAN_RECORD,
                                .in_order = pairing->in_order,
                                .first = steps.first,
                                .count = steps.count});
    if (p->status == HULSE_OK) {
        add_steps(p, w, v, pairing, steps.first);
        plan_fields(p, w, v, pairing, steps);
    }
    free(pairing);
}

/* ---- the other types ---- */

static void plan_enum(struct planner *p, uint32_t node, uint32_t w, uint32_t v)
{
    const struct schema_run written = schema_node(p->r.writer, w)->parts;
    const uint32_t fallback = schema_node(p->r.reader, v)->fallback;

    if (!hulse_resolution_same_name(&p->r, w, v)) {
        set_fault(p, node, "an enum of another name");
        return;
    }
    const uint32_t first = append(p, &p->plan->links, written.count, sizeof(uint32_t));
    for (uint32_t i = 0; i < written.count; i++) {
        const struct schema_word word = schema_word(p->r.writer, written.first + i);
        const uint32_t symbol = hulse_resolution_find(
            p->r.reader, schema_scope(v), schema_text(p->r.writer, word), word.bytes);
        const uint32_t meant = symbol == SCHEMA_NONE ? fallback : symbol;
        set_link(p, first + i, meant == SCHEMA_NONE ? 0 : meant + 1);
    }
    set_node(p, node, (struct plan_node){.op = PLAN_ENUM, .first = first, .count = written.count});
}

static void plan_fixed(struct planner *p, uint32_t node, uint32_t w, uint32_t v)
{
    const uint32_t size = schema_node(p->r.writer, w)->size;

    if (size != schema_node(p->r.reader, v)->size) {
        set_fault(p, node, "a fixed of another size");
    } else if (!hulse_resolution_same_name(&p->r, w, v)) {
        set_fault(p, node, "a fixed of another name");
    } else {
        set_node(p, node, (struct plan_node){.op = PLAN_FIXED, .count = size});
    }
}

/* A value of the reader's union. `index`: of the branch. */
static void wrap(struct planner *p, uint32_t node, uint32_t w, uint32_t branch, uint32_t index)
{
    set_node(p,
             node,
             (struct plan_node){.op = PLAN_WRAP, .count = index, .item = plan_pair(p, w, branch)});
}

static void plan_union(struct planner *p, uint32_t node, uint32_t w, uint32_t v)
{
    const struct schema_run branches = schema_node(p->r.writer, w)->parts;
    const bool same = hulse_resolution_equivalent(&p->r, w, v);
    const uint32_t first = append(p, &p->plan->links, branches.count, sizeof(uint32_t));

    set_node(
        p, node, (struct plan_node){.op = PLAN_UNION, .first = first, .count = branches.count});
    for (uint32_t i = 0; i < branches.count && p->status == HULSE_OK; i++) {
        const uint32_t branch = schema_link(p->r.writer, branches.first + i);
        uint32_t made = 0;
        if (same) {
            const struct schema_run wanted = schema_node(p->r.reader, v)->parts;
            made = add_node(p, branch);
            wrap(p, made, branch, schema_link(p->r.reader, wanted.first + i), i);
        } else {
            made = plan_pair(p, branch, v);
        }
        set_link(p, first + i, made);
    }
}

static void plan_choice(struct planner *p, uint32_t node, uint32_t w, uint32_t v)
{
    const struct schema_run branches = schema_node(p->r.reader, v)->parts;
    const uint32_t branch = hulse_resolution_choose(&p->r, w, v);
    uint32_t index = 0;

    if (branch == SCHEMA_NONE) {
        set_fault(p, node, "a type that the reader's union does not have");
        return;
    }
    while (schema_link(p->r.reader, branches.first + index) != branch) {
        index += 1;
    }
    wrap(p, node, w, branch, index);
}

static void plan_same_kind(struct planner *p, uint32_t node, uint32_t w, uint32_t v)
{
    static const enum plan_op ops[KIND_PRIMITIVES] = {[KIND_NULL] = PLAN_NULL,
                                                      [KIND_BOOLEAN] = PLAN_BOOLEAN,
                                                      [KIND_INT] = PLAN_INT,
                                                      [KIND_LONG] = PLAN_LONG,
                                                      [KIND_FLOAT] = PLAN_FIXED,
                                                      [KIND_DOUBLE] = PLAN_FIXED,
                                                      [KIND_BYTES] = PLAN_BYTES,
                                                      [KIND_STRING] = PLAN_BYTES};
    const struct schema_node *writer = schema_node(p->r.writer, w);

    switch (writer->kind) {
    case KIND_RECORD:
        plan_record(p, node, w, v);
        return;
    case KIND_ENUM:
        plan_enum(p, node, w, v);
        return;
    case KIND_FIXED:
        plan_fixed(p, node, w, v);
        return;
    case KIND_ARRAY:
    case KIND_MAP:
        set_node(p,
                 node,
                 (struct plan_node){
                     .op = writer->kind == KIND_ARRAY ? PLAN_ARRAY : PLAN_MAP,
                     .item = plan_pair(p, writer->item, schema_node(p->r.reader, v)->item)});
        return;
    default:
        set_node(p,
                 node,
                 (struct plan_node){.op = ops[writer->kind],
                                    .count = writer->kind == KIND_FLOAT ? sizeof(float)
                                                                        : sizeof(double)});
    }
}

/* A long has the encoding of an int, text that of bytes. */
static void plan_promotion(struct planner *p, uint32_t node, enum schema_kind w, enum schema_kind v)
{
    if (!hulse_resolution_promotes(w, v)) {
        set_fault(p, node, "a type that cannot be read as the reader's");
    } else if (v == KIND_BYTES || v == KIND_STRING) {
        set_node(p, node, (struct plan_node){.op = PLAN_BYTES});
    } else if (v == KIND_LONG) {
        set_node(p, node, (struct plan_node){.op = PLAN_INT});
    } else {
        set_node(p,
                 node,
                 (struct plan_node){.op = PLAN_REAL,
                                    .of_float = w == KIND_FLOAT,
                                    .count = v == KIND_FLOAT ? sizeof(float) : sizeof(double)});
    }
}

static void fill(struct planner *p, uint32_t node, uint32_t w, uint32_t v)
{
    const enum schema_kind writer = schema_node(p->r.writer, w)->kind;
    const enum schema_kind reader = schema_node(p->r.reader, v)->kind;

    if (p->depth >= RESOLVE_DEPTH_MAX) {
        set_fault(p, node, "nested too deeply");
    } else if (writer == KIND_UNION) {
        plan_union(p, node, w, v);
    } else if (writer == reader) {
        plan_same_kind(p, node, w, v);
    } else if (reader == KIND_UNION) {
        plan_choice(p, node, w, v);
    } else {
        plan_promotion(p, node, writer, reader);
    }
}

static uint32_t plan_pair(struct planner *p, uint32_t w, uint32_t v)
{
    uint32_t *made = &p->made[hulse_resolution_pair(&p->r, w, v)];

    if (*made != 0 || p->status != HULSE_OK) {
        return *made == 0 ? 0 : *made - 1;
    }
    const uint32_t node = add_node(p, w);
    *made = node + 1; /* before what is in it, which may be itself */
    p->depth++;
    fill(p, node, w, v);
    p->depth--;
    return node;
}

/* ---- life ---- */

static hulse_status make(struct planner *p, struct error *err)
{
    struct resolve_answer answer;

    if (!hulse_resolution_begin(&p->r, p->plan->writer, p->plan->reader, PLAN_PAIRS_MAX, &answer)) {
        return hulse_fail(err, HULSE_TOOBIG, "%s", answer.why);
    }
    p->made = calloc((size_t)p->r.writer->nodes.count * p->r.reader->nodes.count, sizeof(*p->made));
    if (p->made == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for a resolution");
    }
    p->plan->root = plan_pair(p, p->plan->writer->root, p->plan->reader->root);
    return p->status == HULSE_OK
               ? HULSE_OK
               : hulse_fail(err, p->status, "no room for a resolution of so many types");
}

hulse_status hulse_schema_plan_create(struct schema_plan **out,
                                      const struct schema *writer,
                                      const struct schema *reader,
                                      struct error *err)
{
    HULSE_ASSERT(*out == NULL);
    HULSE_ASSERT(writer->type == SCHEMA_AVRO && reader->type == SCHEMA_AVRO);

    struct schema_plan *plan = calloc(1, sizeof(*plan));
    struct planner p = {.plan = plan};
    if (plan == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for a resolution");
    }
    plan->writer = writer;
    plan->reader = reader;
    const hulse_status st = make(&p, err);
    hulse_resolution_end(&p.r);
    free(p.made);
    if (st != HULSE_OK) {
        hulse_schema_plan_destroy(&plan);
    }
    *out = plan;
    return st;
}

void hulse_schema_plan_destroy(struct schema_plan **plan)
{
    struct schema_plan *p = *plan;

    *plan = NULL;
    if (p != NULL) {
        free(p->nodes.items);
        free(p->steps.items);
        free(p->links.items);
        free(p);
    }
}

size_t hulse_schema_plan_memory(const struct schema_plan *p)
{
    return sizeof(*p) + p->nodes.capacity * sizeof(struct plan_node) +
           p->steps.capacity * sizeof(struct plan_step) +
           (size_t)p->links.capacity * sizeof(uint32_t);
}
