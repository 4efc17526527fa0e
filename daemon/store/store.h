/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store - a directory with a log of records, and the two threads that work on it.
 *
 *   open (main: recovery) -> each_topic (workers, while they start) -> start -> requests -> stop
 *   -> close
 *
 * Threads: open, start, stop and close by main; each_topic by any between open and start; the rest
 *          by any.
 * Errors:  open fails with DENIED, BUSY (a live daemon has it), IO, INVAL, UNSUPPORTED (made by a newer
 *          version), each with a text that says what to do. Damage is no error: it is reported.
 * Limits:  size_max for the files of the log; the state's memory grows with topics, subscriptions,
 *          handles, and 1/64 Ki of the log; it is counted (HULSE_MEM_STORE), and refused where one is opened.
 * See:     README.md beside this file, design section 8.
 */
#ifndef HULSE_STORE_STORE_H
#define HULSE_STORE_STORE_H

#include "daemon/core/error.h"
#include "daemon/core/ranges.h"
#include "daemon/store/file_io.h"
#include "daemon/store/meter.h"
#include "daemon/store/store_request.h"

#include <stdbool.h>
#include <stdint.h>

/* In the directory; it and the directory are locked (flock) as long as somebody has the store. */
#define STORE_LOCK_NAME "lock"

struct store;

struct store_params {
    const char *directory;  /* made if its parent exists */
    uint64_t size_max;      /* bytes of segment files; at least 8 segments */
    uint32_t segment_bytes; /* of a new directory; a power of two, 1 MiB to 1 GiB */
    uint32_t handle_ttl_ms; /* a handle that is not seen for so long is forgotten: 24 h */
    uint32_t lazy_ms;       /* how long a lazy request may wait for company: 2 */
    uint32_t soon_bytes; /* of log, behind which the state is committed when there is time: 4 MiB */
    const struct file_io *io; /* NULL: the system's */
};

void hulse_store_params_default(struct store_params *out);

/* What a start found, for the log and for `hulse store check`. */
struct store_report {
    uint32_t topics;
    uint32_t subscriptions;
    uint64_t records;   /* applied from the log behind the checkpoint */
    uint64_t log_bytes; /* in segments that are needed */
    bool clean;         /* the last one ended as asked */
    bool state_lost;    /* the checkpoint was unusable: set aside, its copy or the log were used */
    bool copy_lost;     /* so was the last good copy */
    uint64_t cut_bytes; /* of a torn tail */
    uint64_t damaged_records; /* skipped; those of a damaged header count as one per gap */
    uint64_t damaged_bytes;
    uint32_t missing_segments; /* that the checkpoint names and that are not there */
    uint64_t lost_messages;    /* positions known to have been there, not acknowledged, not found */
    uint64_t homeless_records; /* of topics whose name was lost */
    uint64_t ready_us;         /* how long open took */
};

/* NULL with *err. *report is filled when it is not NULL. Each finding is logged as well. */
struct store *
hulse_store_open(const struct store_params *params, struct store_report *report, struct error *err);
/* Of this start: the ledger of what is stored from now on. Grows by one with each open. */
uint64_t hulse_store_epoch(const struct store *s);
/* Its directory; as long as the store is there. */
const char *hulse_store_path(const struct store *s);

/* ---- what there is, before the start ---- */

struct store_cursor_count {
    uint64_t position;
    uint32_t count; /* redeliveries so far */
};

struct store_subscription_info {
    uint64_t id;
    const char *name;
    const struct ranges *acknowledged;            /* borrowed */
    const struct store_cursor_count *redelivered; /* by position, rising; not acknowledged */
    uint32_t redelivered_count;
};

struct store_handle_info {
    uint8_t handle[STORE_HANDLE_BYTES];
    uint64_t seq;      /* highest stored */
    uint64_t seq_from; /* all of [seq_from, seq] are stored; of those below nobody knows */
    uint64_t seen_ms;  /* Unix epoch: when it last stored something, for people */
    uint64_t idle_ms;  /* for how long it has not, while a daemon had the store */
};

struct store_topic_info {
    uint64_t id;
    const char *name;
    uint64_t first_position; /* nothing below is there any more */
    uint64_t next_position;  /* above all that was ever given */
    bool terminated;
    bool kept; /* made by an order */
    const struct store_subscription_info *subscriptions;
    uint32_t subscription_count;
    const struct store_handle_info *handles;
    uint32_t handle_count;
};

/* Everything is valid during `each`. False from `each` ends the walk. */
void hulse_store_each_topic(const struct store *s,
                            bool (*each)(void *ctx, const struct store_topic_info *topic),
                            void *ctx);

/* ---- life ---- */

/* Starts the threads. What was submitted before is served. */
hulse_status hulse_store_start(struct store *s, struct error *err);
/*
 * Its clients are about to stop: from now on what has no room, and none on its way, is answered CLOSED
 * instead of waiting. Any thread, more than once.
 */
void hulse_store_leave(struct store *s);
/* Serves what was submitted, makes a last checkpoint, ends the threads; later requests are answered CLOSED. */
void hulse_store_stop(struct store *s);
/* *s becomes NULL. No request is under way. */
void hulse_store_close(struct store **s);

/* ---- now: any thread ---- */

/* False after a failed write or sync: nothing is stored any more until a restart. */
bool hulse_store_healthy(const struct store *s);
/* Messages wait for room: of the disk, or of size_max. */
bool hulse_store_full(const struct store *s);

struct store_figures {
    uint64_t log_bytes; /* of segment files in use */
    uint64_t segments;
    uint64_t size_max;
    uint64_t groups; /* synced */
    uint64_t records;
    uint64_t bytes;          /* written */
    uint64_t parked;         /* messages that wait for space now */
    uint64_t moved_messages; /* out of segments that were mostly dead */
    uint64_t moved_bytes;
    uint64_t moves_given_up; /* segments of which not all could be moved */
    uint64_t checkpoints;
    uint64_t checkpoint_age_ms; /* since the last one, or since the start */
    uint64_t replay_bytes;      /* of the log, that a start would read behind it */
    uint64_t reads;
    uint64_t lost; /* messages that were asked for and are damaged, once for each who asked */
    struct store_report found; /* by this start */
    struct store_quantiles group_records;
    struct store_quantiles sync_us;
    bool full; /* of the disk, or of size_max: messages wait, control records do not */
};

void hulse_store_figures(struct store *s, struct store_figures *out);

#endif
