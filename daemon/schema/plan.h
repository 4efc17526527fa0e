/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan - how payloads of one schema of Avro become those of another: their resolution (resolution.h), worked out once.
 *
 * Each pair of types is one node. What cannot be read is a node, too: only a payload that has it is at fault.
 *
 * Threads: constant once it is made.
 * Limits:  PLAN_PAIRS_MAX pairs of types, PLAN_NODES_MAX nodes and steps.
 * See:     Avro's specification, "Schema Resolution"; org.apache.avro.Resolver, whose choices these are.
 */
#ifndef HULSE_SCHEMA_PLAN_H
#define HULSE_SCHEMA_PLAN_H

#include "daemon/schema/node.h"

#define PLAN_PAIRS_MAX (UINT64_C(1) << 20U)
#define PLAN_NODES_MAX 65536U

enum plan_op {
    PLAN_FAULT = 0, /* `why` */
    PLAN_NULL,
    PLAN_BOOLEAN,
    PLAN_INT, /* as it stands; of a long, too, where an int is read as one */
    PLAN_LONG,
    PLAN_BYTES,  /* and text */
    PLAN_FIXED,  /* `count` bytes; float and double, too */
    PLAN_REAL,   /* a number read as one of `count` bytes: `of_float`, or an int or a long */
    PLAN_ENUM,   /* `first`: links, `count` of them: symbol + 1, or 0 */
    PLAN_RECORD, /* `first`: steps, `count` of them */
    PLAN_ARRAY,  /* `item` */
    PLAN_MAP,
    PLAN_UNION, /* the writer's; `first`: links, `count` of them */
    PLAN_WRAP   /* into branch `count` of the reader's union: `item` */
};

struct plan_node {
    enum plan_op op;
    bool in_order; /* record: the steps are in the order of what is written */
    bool of_float;
    uint32_t writer; /* node */
    uint32_t first;
    uint32_t count;
    uint32_t item;
    const char *why; /* static */
};

/* Of a record: in the order in which the reader's fields go out, and where they are in order, with what is passed over. */
struct plan_step {
    enum { STEP_FIELD, STEP_SKIP, STEP_DEFAULT } what;
    uint32_t source;          /* index among the writer's fields */
    uint32_t node;            /* of the plan; SKIP: the writer's */
    struct schema_word name;  /* the writer's */
    struct schema_word value; /* DEFAULT: in the reader's values */
};

struct schema_plan {
    const struct schema *writer; /* outlive it */
    const struct schema *reader;
    uint32_t root;
    struct schema_table nodes;
    struct schema_table steps;
    struct schema_table links;
};

static inline const struct plan_node *plan_node(const struct schema_plan *p, uint32_t node)
{
    return (const struct plan_node *)p->nodes.items + node;
}

#endif
