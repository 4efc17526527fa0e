/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link - a circular list with its head outside; an element leaves it without knowing the head.
 *
 * Threads: whoever owns the list.
 */
#ifndef HULSE_BROKER_LOCAL_LINK_H
#define HULSE_BROKER_LOCAL_LINK_H

#include <stdbool.h>

struct link {
    struct link *next;
    struct link *prev;
};

static inline void hulse_link_init(struct link *l)
{
    l->next = l;
    l->prev = l;
}

/* A head without elements, or an element in no list. */
static inline bool hulse_link_empty(const struct link *l)
{
    return l->next == l;
}

static inline void hulse_link_append(struct link *head, struct link *l)
{
    l->next = head;
    l->prev = head->prev;
    head->prev->next = l;
    head->prev = l;
}

static inline void hulse_link_remove(struct link *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    hulse_link_init(l);
}

/* Moves [first, last] of another list, in order, to the front of this one. */
static inline void
hulse_link_prepend_range(struct link *head, struct link *first, struct link *last)
{
    first->prev->next = last->next;
    last->next->prev = first->prev;
    first->prev = head;
    last->next = head->next;
    head->next->prev = last;
    head->next = first;
}

/* Moves everything of `from` to the front of `head`. */
static inline void hulse_link_prepend_all(struct link *head, struct link *from)
{
    if (!hulse_link_empty(from)) {
        hulse_link_prepend_range(head, from->next, from->prev);
    }
}

#endif
