/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reassembly - a delivery in fragments becomes one message in the buffer made at open.
 *
 * Threads: the consumer's.
 * Trust:   index, count and length of each fragment must continue what came before; the buffer's
 *          size is the application's, never the daemon's.
 */
#include "shmlib/client/consumer.h"

/* The first fragment says how large it will be. */
static hulse_status begin(struct hulse_assembly *a,
                          const struct hulse_delivery_header *h,
                          const struct hulse_fragment_header *f,
                          const char **why)
{
    if (a->buffer == NULL || f->total_len > a->payload_max) {
        *why = "a message larger than this consumer's reassembly buffer";
        return HULSE_PROTOCOL;
    }
    if (f->index != 0 || f->count == 0) {
        *why = "a fragmented message without its beginning";
        return HULSE_PROTOCOL;
    }
    a->count = f->count;
    a->total = f->total_len;
    a->filled = 0;
    a->next_index = 0;
    a->meta_bytes = 0;
    a->ref = h->ref;
    return HULSE_OK;
}

static bool continues(const struct hulse_assembly *a,
                      const struct hulse_delivery_header *h,
                      const struct hulse_fragment_header *f,
                      uint64_t part)
{
    const bool last = f->index + 1 == f->count;

    return f->index == a->next_index && f->count == a->count && f->index < f->count &&
           f->total_len == a->total && h->ref == a->ref && part <= a->total - a->filled &&
           last == ((h->flags & HULSE_RECORD_LAST) != 0) && (!last || part == a->total - a->filled);
}

hulse_status hulse_assembly_take(struct hulse_assembly *a,
                                 const struct hulse_delivery_header *h,
                                 const uint8_t *payload,
                                 const char **why)
{
    struct hulse_fragment_header f;
    const uint64_t part = h->payload_len - HULSE_FRAGMENT_HEADER_BYTES;

    memcpy(&f, payload, sizeof(f));
    if ((h->flags & HULSE_RECORD_FIRST) != 0) {
        const hulse_status st = begin(a, h, &f, why);
        if (st != HULSE_OK) {
            return st;
        }
    } else if (a->next_index == 0) {
        *why = "a fragmented message without its beginning";
        return HULSE_PROTOCOL;
    }
    if (!continues(a, h, &f, part)) {
        *why = "a fragment that does not continue its message";
        return HULSE_PROTOCOL;
    }
    memcpy(a->buffer + a->filled, payload + sizeof(f), part);
    a->filled += part;
    a->next_index += 1;
    if (h->meta_len != 0) {
        memcpy(
            a->buffer + a->payload_max, payload + hulse_record_stride(h->payload_len), h->meta_len);
        a->meta_bytes = h->meta_len;
    }
    return a->next_index == a->count ? HULSE_OK : HULSE_AGAIN;
}

void hulse_assembly_finish(struct hulse_assembly *a, struct hulse_message *m)
{
    m->data = a->buffer;
    m->data_bytes = a->total;
    m->meta = a->buffer + a->payload_max;
    m->meta_bytes = a->meta_bytes;
    a->next_index = 0;
}
