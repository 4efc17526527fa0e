/* SPDX-License-Identifier: Apache-2.0 */
/*
 * region - one memfd of a channel: made, sealed, checked, mapped twice, populated.
 *
 * The daemon creates A and B. The application maps A writable and B read-only, populates both
 * (so the pages are charged to it and no hole is left), and only then does the daemon seal A and
 * check that every block exists: afterwards neither side can make a page of the other vanish.
 *
 * Threads: any; the object has one owner.
 * Trust:   hulse_region_check() is the only judge of a descriptor that came from a peer (V1, V2).
 * Limits:  Linux >= 5.14 (F_SEAL_FUTURE_WRITE, MADV_POPULATE_*).
 * See:     ipc A2.6, B1, C1.
 */
#ifndef HULSE_RING_REGION_H
#define HULSE_RING_REGION_H

#include "shmlib/ring/layout.h"

#include <stdbool.h>

/* A mapped region. `control` and `ring` are one mapping: control page, ring, ring again. */
struct hulse_region {
    uint8_t *base; /* NULL = not mapped */
    uint8_t *ring;
    uint32_t ring_bytes;
};

/* Why a region was refused; also the errno-like text of a failure. */
enum hulse_region_rc {
    HULSE_REGION_RC_OK = 0,
    HULSE_REGION_RC_SIZE,   /* not control page + the announced power of two */
    HULSE_REGION_RC_KIND,   /* not a regular tmpfs file, or seals missing (V1) */
    HULSE_REGION_RC_HOLES,  /* not every block exists (V2) */
    HULSE_REGION_RC_SYSTEM, /* errno says what */
    HULSE_REGION_RC_KERNEL  /* kernel without FUTURE_WRITE or MADV_POPULATE */
};

bool hulse_region_bytes_valid(uint32_t ring_bytes);
/* Creates a memfd of control page + ring, sealed SHRINK|GROW, close-on-exec. Gives *fd. */
enum hulse_region_rc hulse_region_create(int *fd, const char *name, uint32_t ring_bytes);
/* Adds FUTURE_WRITE|SEAL (and SHRINK|GROW if missing). */
enum hulse_region_rc hulse_region_seal(int fd);
/* V1 and, with `populated`, V2. Pure but for fcntl/fstat/fstatfs on fd; never reads or writes. */
enum hulse_region_rc hulse_region_check(int fd, uint32_t ring_bytes, bool populated);
/*
 * Maps control page, ring and ring again, MADV_DONTFORK. Writable or read-only. On failure *r is
 * left unmapped.
 */
enum hulse_region_rc
hulse_region_map(struct hulse_region *r, int fd, uint32_t ring_bytes, bool writable);
/* Instantiates every page: by writing (A) or by reading (B). */
enum hulse_region_rc hulse_region_populate(const struct hulse_region *r, bool writable);
/* Unmaps; harmless on an unmapped one. */
void hulse_region_unmap(struct hulse_region *r);
/* English text of a code, static. */
const char *hulse_region_text(enum hulse_region_rc rc);

static inline struct hulse_region_a *hulse_region_a(const struct hulse_region *r)
{
    return (struct hulse_region_a *)(void *)r->base;
}

static inline struct hulse_region_b *hulse_region_b(const struct hulse_region *r)
{
    return (struct hulse_region_b *)(void *)r->base;
}

#endif
