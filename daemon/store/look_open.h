/* SPDX-License-Identifier: Apache-2.0 */
/*
 * look_open - what check and backup look at: a stopped store's directory, or a running store.
 *
 * Threads: one owner.
 */
#ifndef HULSE_STORE_LOOK_OPEN_H
#define HULSE_STORE_LOOK_OPEN_H

#include "daemon/store/look.h"
#include "daemon/store/state_db.h"
#include "daemon/store/store_internal.h"

struct look {
    struct segment_place place;
    int directory; /* descriptor */
    struct state *state;
    struct store *running; /* NULL: a stopped one */
    struct directory stopped;
    struct state_db *db;
    struct state_db_found found;
    struct store_report report;
    uint64_t *numbers; /* of the segments in use when it was listed */
    size_t count;
    const _Atomic(uint32_t) *stop;
    uint64_t end; /* nothing behind is looked at */
};

/* A stopped store, without changing it. */
hulse_status hulse_look_open(struct look *l, const char *directory, struct error *err);
/* Of a running one; see hulse_look_list(). */
void hulse_look_attach(struct look *l, struct store *s, const _Atomic(uint32_t) *stop);
/* CLOSED: it has been asked to stop. */
hulse_status hulse_look_stopped(const struct look *l, struct error *err);
void hulse_look_close(struct look *l);
/* Sets numbers, count and end to what is now. False: no memory. Locked. */
bool hulse_look_list(struct look *l);
void hulse_look_lock(const struct look *l);
void hulse_look_unlock(const struct look *l);
/* Is this segment still in use? Not locked. */
bool hulse_look_has(const struct look *l, uint64_t number);

#endif
