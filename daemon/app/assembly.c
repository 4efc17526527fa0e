/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assembly - fragments of one message, in order, into one buffer that the memory cap allows.
 *
 * The metadata travel with the first fragment and are kept behind the payload. The buffer's
 * size is the announced total, but only after it was found to be within the largest
 * message; a message that is too large or gets no memory is passed over to its last fragment and
 * refused with one receipt, so nothing is lost behind it.
 *
 * Trust: every number of a fragment is foreign (V10, V16).
 */
#include "daemon/app/assembly.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

void hulse_assembly_reset(struct assembly *as)
{
    hulse_mem_free(HULSE_MEM_REASSEMBLY, as->data, as->total + as->meta_bytes);
    *as = (struct assembly){0};
}

static bool consistent(const struct assembly *as,
                       const struct hulse_publish_header *h,
                       const struct hulse_fragment_header *f,
                       uint64_t bytes)
{
    const bool last = f->index + 1 == f->count;
    if (as->tail) {
        /* How much came before is not known. */
        return f->index == as->next && f->count == as->count && f->total_len == as->total &&
               h->handle == as->handle && bytes > 0 && bytes <= as->total && f->index != 0 &&
               (h->flags & HULSE_RECORD_FIRST) == 0 &&
               ((h->flags & HULSE_RECORD_LAST) != 0) == last && h->meta_len == 0;
    }
    return f->index == as->next && f->count == as->count && f->total_len == as->total &&
           h->handle == as->handle && bytes > 0 && bytes <= as->total - as->have &&
           ((h->flags & HULSE_RECORD_FIRST) != 0) == (f->index == 0) &&
           ((h->flags & HULSE_RECORD_LAST) != 0) == last &&
           last == (as->have + bytes == as->total) && (f->index == 0 || h->meta_len == 0);
}

/* What goes with a copy that a broker makes of it. */
#define COPY_EXTRA_BYTES 8192U

static size_t copy_bytes(uint64_t total, uint32_t meta_bytes)
{
    return (size_t)total + 2 * (size_t)meta_bytes + COPY_EXTRA_BYTES;
}

bool hulse_assembly_must_wait(const struct hulse_publish_header *h,
                              const uint8_t *payload,
                              uint64_t message_bytes_max)
{
    struct hulse_fragment_header f;
    hulse_foreign_copy(&f, payload, sizeof(f));
    if (f.index != 0 || f.total_len > message_bytes_max) {
        return false;
    }
    const size_t bytes = (size_t)f.total_len + h->meta_len + copy_bytes(f.total_len, h->meta_len);
    /* The rest is for others, who may keep it. */
    return bytes <= hulse_mem_cap() / 4 * 3 && !hulse_mem_has_sparing(bytes);
}

static void begin(struct assembly *as,
                  const struct hulse_publish_header *h,
                  const struct hulse_fragment_header *f,
                  const uint8_t *meta,
                  uint64_t message_bytes_max)
{
    *as = (struct assembly){.active = true,
                            .total = f->total_len,
                            .meta_bytes = h->meta_len,
                            .count = f->count,
                            .handle = h->handle,
                            .token = h->token};
    if (f->total_len > message_bytes_max) {
        as->refuse = HULSE_OUTCOME_TOO_LARGE;
        return;
    }
    as->data = hulse_mem_alloc(HULSE_MEM_REASSEMBLY, as->total + as->meta_bytes);
    /*
     * Whoever begins must be able to end: what is whole waits for memory to be copied into, and others that wait with
     * it give none back.
     */
    if (as->data != NULL && !hulse_mem_has_sparing(copy_bytes(as->total, as->meta_bytes))) {
        hulse_mem_free(HULSE_MEM_REASSEMBLY, as->data, as->total + as->meta_bytes);
        as->data = NULL;
    }
    if (as->data == NULL) {
        as->refuse = HULSE_OUTCOME_NO_MEMORY;
    } else if (as->meta_bytes != 0) {
        memcpy(as->data + as->total, meta, as->meta_bytes);
    }
}

void hulse_assembly_tail(struct assembly *as,
                         const struct hulse_publish_header *h,
                         const uint8_t *payload)
{
    HULSE_ASSERT(!as->active);
    struct hulse_fragment_header f;
    hulse_foreign_copy(&f, payload, sizeof(f));
    if (f.index != 0 && f.index < f.count && f.total_len >= f.count) {
        *as = (struct assembly){.active = true,
                                .tail = true,
                                .refuse = HULSE_OUTCOME_INTERRUPTED,
                                .total = f.total_len,
                                .next = f.index,
                                .count = f.count,
                                .handle = h->handle,
                                .token = h->token};
    }
}

enum assembly_rc hulse_assembly_add(struct assembly *as,
                                    const struct hulse_publish_header *h,
                                    const uint8_t *payload,
                                    const uint8_t *meta,
                                    uint64_t message_bytes_max)
{
    HULSE_ASSERT(h->payload_len >= HULSE_FRAGMENT_HEADER_BYTES);
    struct hulse_fragment_header f;
    hulse_foreign_copy(&f, payload, sizeof(f));
    const uint64_t bytes = h->payload_len - sizeof(f);
    if (!as->active) {
        if (f.index != 0 || f.count == 0 || f.total_len < f.count) {
            return ASSEMBLY_BAD;
        }
        begin(as, h, &f, meta, message_bytes_max);
    }
    if (!consistent(as, h, &f, bytes)) {
        return ASSEMBLY_BAD;
    }
    if (as->data != NULL) {
        memcpy(as->data + as->have, payload + sizeof(f), bytes);
    }
    as->have += bytes;
    as->next += 1;
    if (as->next < as->count) {
        return ASSEMBLY_MORE;
    }
    return ASSEMBLY_WHOLE;
}
