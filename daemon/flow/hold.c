/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hold - see hold.h.
 */
#include "daemon/flow/hold.h"

#include "daemon/core/mem.h"

#include <string.h>

void hulse_hold_init(struct hold *h, uint64_t bytes_max, uint32_t records_max)
{
    *h = (struct hold){.bytes_max = bytes_max, .records_max = records_max};
    STAILQ_INIT(&h->queue);
}

void hulse_hold_fini(struct hold *h)
{
    struct held *first = NULL;

    while ((first = hulse_hold_take(h)) != NULL) {
        hulse_hold_free(first);
    }
}

/* Copies a span to *at, which moves on. */
static struct broker_span copy(struct broker_span from, uint8_t **at)
{
    const struct broker_span to = {.data = *at, .bytes = from.bytes};

    if (from.bytes != 0) {
        memcpy(*at, from.data, from.bytes);
    }
    *at += from.bytes;
    return to;
}

size_t hulse_hold_bytes(const struct broker_record *r)
{
    const struct broker_meta *m = r->meta;
    const size_t meta_bytes = m == NULL ? 0
                                        : (size_t)m->key.bytes + m->ordering_key.bytes +
                                              m->properties.bytes + m->replicate_to.bytes;

    return sizeof(struct held) + r->payload.bytes + meta_bytes;
}

bool hulse_hold_put(struct hold *h, const struct broker_record *r)
{
    const struct broker_meta none = {.partition = -1};
    const struct broker_meta *m = r->meta == NULL ? &none : r->meta;
    const size_t bytes = hulse_hold_bytes(r);
    struct held *held = hulse_mem_alloc(HULSE_MEM_MESSAGE, bytes);

    if (held == NULL) {
        return false;
    }
    uint8_t *at = held->data;
    held->bytes = bytes;
    held->record = *r;
    held->record.payload = copy(r->payload, &at);
    held->meta = *m;
    held->meta.key = copy(m->key, &at);
    held->meta.ordering_key = copy(m->ordering_key, &at);
    held->meta.properties = copy(m->properties, &at);
    held->meta.replicate_to = copy(m->replicate_to, &at);
    held->record.meta = r->meta == NULL ? NULL : &held->meta;
    STAILQ_INSERT_TAIL(&h->queue, held, link);
    h->bytes += bytes;
    h->records += 1;
    return true;
}

bool hulse_hold_over(const struct hold *h)
{
    return h->records > h->records_max || h->bytes > h->bytes_max;
}

struct held *hulse_hold_take(struct hold *h)
{
    struct held *first = STAILQ_FIRST(&h->queue);

    if (first != NULL) {
        STAILQ_REMOVE_HEAD(&h->queue, link);
        h->bytes -= first->bytes;
        h->records -= 1;
    }
    return first;
}

void hulse_hold_put_back(struct hold *h, struct held *first)
{
    STAILQ_INSERT_HEAD(&h->queue, first, link);
    h->bytes += first->bytes;
    h->records += 1;
}

void hulse_hold_free(struct held *first)
{
    hulse_mem_free(HULSE_MEM_MESSAGE, first, first->bytes);
}
