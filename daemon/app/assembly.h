/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assembly - a message that an application commits in fragments, put together.
 *
 * Threads: the session's worker. Trust: checked by publish_channel before it comes here.
 */
#ifndef HULSE_APP_ASSEMBLY_H
#define HULSE_APP_ASSEMBLY_H

#include "shmlib/ring/record.h"

#include <stdbool.h>
#include <stdint.h>

/* Fragments of one message on their way in. */
struct assembly {
    uint8_t *data; /* NULL = no message is being assembled, or it is being discarded */
    uint64_t total;
    uint32_t meta_bytes; /* kept at data + total */
    uint64_t have;
    uint32_t next;
    uint32_t count;
    uint32_t handle;
    uint64_t token;
    bool active;
    bool tail;      /* its beginning was lost with an earlier daemon */
    bool whole;     /* its last fragment is still in the ring: there was no memory to send it */
    uint8_t refuse; /* outcome of a message that is passed over, 0 = none */
};

enum assembly_rc {
    ASSEMBLY_MORE,  /* taken, not complete */
    ASSEMBLY_WHOLE, /* complete, or to be refused with `refuse` */
    ASSEMBLY_BAD    /* V10 */
};
enum assembly_rc hulse_assembly_add(struct assembly *as,
                                    const struct hulse_publish_header *h,
                                    const uint8_t *payload,
                                    const uint8_t *meta,
                                    uint64_t message_bytes_max);
/* A fragment that is not the first of its message, of which the beginning is lost: INTERRUPTED. */
void hulse_assembly_tail(struct assembly *as,
                         const struct hulse_publish_header *h,
                         const uint8_t *payload);
void hulse_assembly_reset(struct assembly *as);
/* A first fragment: there is no memory for its message and a copy of it now, and there may be later. */
bool hulse_assembly_must_wait(const struct hulse_publish_header *h,
                              const uint8_t *payload,
                              uint64_t message_bytes_max);

#endif
