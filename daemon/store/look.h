/* SPDX-License-Identifier: Apache-2.0 */
/*
 * look - a store as a whole: is everything there that should be (check), and a copy of it (backup).
 *
 * A stopped store is locked meanwhile, and nothing in it is changed. A running one goes on: the threads of the daemon wait for
 * no more than a walk over topics.
 *
 * Threads: any thread of its own: both take as long as reading the log does. One backup of a store at a time.
 * Errors:  as hulse_store_open(); INVAL: there is no store; IO: the directory for the copy is not empty or in the store, too.
 */
#ifndef HULSE_STORE_LOOK_H
#define HULSE_STORE_LOOK_H

#include "daemon/core/error.h"
#include "daemon/store/store.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store_findings {
    uint64_t topics;
    uint64_t subscriptions;
    uint64_t segments; /* read */
    uint64_t log_bytes;
    uint64_t records; /* whole ones */
    uint64_t messages;
    uint64_t waiting_messages; /* some subscription has not acknowledged; there */
    uint64_t unfinished_bytes; /* a torn tail: no damage */
    /* Damage. */
    uint64_t damaged_records;
    uint64_t damaged_bytes;
    uint64_t missing_segments;
    uint64_t lost_messages; /* some subscription has not acknowledged; not there */
    uint64_t homeless_records;
    uint64_t damaged_rows; /* of the state's database */
    bool state_damaged;    /* state.mdb; a stopped store's alone is looked at, as the next */
    bool copy_damaged;     /* state.good */
    bool format_damaged;   /* or gone; the next start makes it again */
};

bool hulse_store_findings_good(const struct store_findings *f);

/* Findings by name, for whoever prints them. */
struct store_finding {
    const char *name; /* static */
    uint64_t count;
};

#define STORE_FINDINGS_MAX 20U
size_t hulse_store_findings_list(const struct store_findings *f,
                                 struct store_finding out[STORE_FINDINGS_MAX]);

/* OK with damage, too: *out has it. */
hulse_status
hulse_store_check(const char *directory, struct store_findings *out, struct error *err);
/* CLOSED when *stop became true meanwhile; NULL: it never does. */
hulse_status hulse_store_check_running(struct store *s,
                                       const _Atomic(uint32_t) *stop,
                                       struct store_findings *out,
                                       struct error *err);

struct store_backup {
    uint64_t segments;
    uint64_t bytes;
    uint64_t covered; /* the copy has the log up to here */
};

/*
 * Into a directory that is empty, or not there while its parent is, and not in the store itself. What was
 * begun stays after an error, and is no store: check and open refuse it.
 */
hulse_status hulse_store_backup(const char *directory,
                                const char *to,
                                struct store_backup *out,
                                struct error *err);
hulse_status hulse_store_backup_running(struct store *s,
                                        const char *to,
                                        const _Atomic(uint32_t) *stop,
                                        struct store_backup *out,
                                        struct error *err);

#endif
