/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap - a pairing heap of embedded nodes: push O(1), pop O(log n) amortised, no allocation.
 *
 * Threads: whoever owns it. Equal keys leave in any order.
 */
#ifndef HULSE_BROKER_LOCAL_HEAP_H
#define HULSE_BROKER_LOCAL_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct heap_node {
    struct heap_node *child;
    struct heap_node *next; /* sibling */
    uint64_t key;
};

struct heap {
    struct heap_node *root; /* the smallest key, NULL = empty */
};

void hulse_heap_push(struct heap *h, struct heap_node *node, uint64_t key);
/* The node of the smallest key, NULL when empty. */
struct heap_node *hulse_heap_pop(struct heap *h);

#endif
