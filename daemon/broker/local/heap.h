/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap - a pairing heap of embedded nodes: push O(1), pop O(log n) amortised, no allocation. It can
 * be emptied in any order without the cost of a pop.
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
/*
 * Empties a heap in any order, O(1) a call and less than two calls a node: a node, or NULL after a
 * call that has only moved something. After the first call nothing else is done with the heap until
 * it is empty, but heaps may be added.
 */
struct heap_node *hulse_heap_shed(struct heap *h);
/* Everything of `from` to a heap that is being shed; O(1). */
void hulse_heap_shed_too(struct heap *h, struct heap *from);

#endif
