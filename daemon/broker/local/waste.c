/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waste - deliveries of forgotten, deleted and truncated subscriptions, freed a portion a turn.
 *
 * A subscription may have a million of them, each a message of its own somewhere in memory: freeing
 * all at once would stop the worker for a tenth of a second. They are in no figure any more.
 */
#include "daemon/broker/local/internal.h"

#include <stddef.h>

void hulse_waste_add_list(struct local_worker *lw, struct link *deliveries)
{
    hulse_link_prepend_all(&lw->waste, deliveries);
}

void hulse_waste_add_heap(struct local_worker *lw, struct heap *deliveries)
{
    hulse_heap_shed_too(&lw->waste_heap, deliveries);
}

bool hulse_waste_left(const struct local_worker *lw)
{
    return !hulse_link_empty(&lw->waste) || lw->waste_heap.root != NULL;
}

static void free_one(struct local_worker *lw, struct delivery *dl)
{
    struct message *m = dl->message;
    hulse_delivery_free(lw, dl);
    hulse_message_drop(m);
}

unsigned hulse_waste_free(struct local_worker *lw, unsigned budget)
{
    unsigned done = 0;
    while (done < budget && !hulse_link_empty(&lw->waste)) {
        struct link *l = lw->waste.next;
        hulse_link_remove(l);
        free_one(lw, HULSE_CONTAINER(l, struct delivery, link));
        done += 1;
    }
    while (done < budget && lw->waste_heap.root != NULL) {
        struct heap_node *node = hulse_heap_shed(&lw->waste_heap);
        if (node != NULL) {
            free_one(lw, HULSE_CONTAINER(node, struct delivery, node));
        }
        done += 1;
    }
    return done;
}
