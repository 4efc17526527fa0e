/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap - see the header.
 */
#include "daemon/broker/local/heap.h"

/* Both are roots without siblings. */
static struct heap_node *meld(struct heap_node *a, struct heap_node *b)
{
    struct heap_node *low = a->key <= b->key ? a : b;
    struct heap_node *high = low == a ? b : a;
    high->next = low->child;
    low->child = high;
    return low;
}

void hulse_heap_push(struct heap *h, struct heap_node *node, uint64_t key)
{
    node->child = NULL;
    node->next = NULL;
    node->key = key;
    h->root = h->root == NULL ? node : meld(h->root, node);
}

/* Two passes, without recursion: a root may have a million children. */
static struct heap_node *meld_siblings(struct heap_node *first)
{
    struct heap_node *pairs = NULL; /* in reverse order */
    while (first != NULL) {
        struct heap_node *a = first;
        struct heap_node *b = a->next;
        first = b != NULL ? b->next : NULL;
        a->next = NULL;
        if (b != NULL) {
            b->next = NULL;
            a = meld(a, b);
        }
        a->next = pairs;
        pairs = a;
    }
    struct heap_node *root = NULL;
    while (pairs != NULL) {
        struct heap_node *pair = pairs;
        pairs = pair->next;
        pair->next = NULL;
        root = root == NULL ? pair : meld(root, pair);
    }
    return root;
}

struct heap_node *hulse_heap_pop(struct heap *h)
{
    struct heap_node *root = h->root;
    if (root != NULL) {
        h->root = meld_siblings(root->child);
        root->child = NULL;
    }
    return root;
}

/* From here on the root's siblings are roots too. */
struct heap_node *hulse_heap_shed(struct heap *h)
{
    struct heap_node *node = h->root;
    if (node == NULL) {
        return NULL;
    }
    struct heap_node *child = node->child;
    if (child != NULL) {
        node->child = child->next;
        child->next = node;
        h->root = child;
        return NULL;
    }
    h->root = node->next;
    node->next = NULL;
    return node;
}

void hulse_heap_shed_too(struct heap *h, struct heap *from)
{
    if (from->root != NULL) {
        from->root->next = h->root;
        h->root = from->root;
        from->root = NULL;
    }
}
