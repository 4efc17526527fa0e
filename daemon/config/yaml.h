/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yaml - a YAML file as a tree in which every node knows its line and column.
 *
 * An own tree over libyaml's events, because libyaml's own one takes twice the time, accepts
 * duplicate keys and lets a node contain itself.
 *
 * Threads: one at a time.
 * Trust:   the file may be anything.
 * Limits:  see the macros; one document; no keys but scalars; tags are ignored; an alias may stand
 *          only behind the whole node that it names.
 */
#ifndef HULSE_CONFIG_YAML_H
#define HULSE_CONFIG_YAML_H

#include "daemon/config/arena.h"
#include "daemon/config/problem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HULSE_YAML_DEPTH_MAX 16U
#define HULSE_YAML_ANCHORS_MAX 256U
/* Of one mapping. */
#define HULSE_YAML_KEYS_MAX 1024U
/* Nodes, those behind aliases counted each time. */
#define HULSE_YAML_NODES_MAX 4000000U

enum yaml_kind { YAML_SCALAR = 0, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_node {
    enum yaml_kind kind;
    bool plain; /* a scalar without quotes */
    uint32_t line;
    uint32_t column;
    uint32_t count;          /* elements or keys */
    uint32_t weight;         /* nodes of the whole branch, aliases expanded */
    const char *text;        /* scalar; without a zero inside */
    struct yaml_node *first; /* element or key */
    struct yaml_node *next;  /* sibling */
    struct yaml_node *value; /* of a key */
};

/*
 * Parses `bytes` bytes of `text`; nodes and their texts are in *arena. NULL: *problems says why,
 * with `file` as the name. A duplicate key is a problem there, too, but does not end the parse.
 */
struct yaml_node *hulse_yaml_parse(struct config_arena *arena,
                                   const char *file,
                                   const char *text,
                                   size_t bytes,
                                   struct config_problems *problems);
/* True for a plain null, ~ or nothing. */
bool hulse_yaml_is_null(const struct yaml_node *node);

#endif
