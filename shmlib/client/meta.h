/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meta - struct hulse_meta to TLVs, and TLVs of a delivery to struct hulse_message.
 *
 * Threads: pure functions.
 * Trust:   deliveries come from the daemon; their elements are bounded before use.
 */
#ifndef HULSE_CLIENT_META_H
#define HULSE_CLIENT_META_H

#include "include/hulse/hulse.h"
#include "shmlib/ring/layout.h"

struct hulse_session;

/* Judges *m and gives its encoded size. INVAL or TOOBIG, with *why. */
hulse_status hulse_meta_measure(const struct hulse_meta *m, uint32_t *bytes, const char **why);
/* The same, and UNSUPPORTED for what the session's daemon does not know. Any thread. */
hulse_status hulse_meta_fit(struct hulse_session *s,
                            const struct hulse_meta *m,
                            uint32_t *bytes,
                            const char **why);
/* Writes what hulse_meta_measure() measured. */
void hulse_meta_write(const struct hulse_meta *m, uint8_t *out, uint32_t bytes);
/* Fills key, event time, producer and tombstone from m->meta. 0: malformed. */
int hulse_meta_read(struct hulse_message *m);

#endif
