/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel - one pair of rings of a session, with the tables of what is on its way through them.
 *
 * Threads: the session's worker. Private memory: shared words are reached through rx, tx and the two regions.
 */
#ifndef HULSE_APP_CHANNEL_H
#define HULSE_APP_CHANNEL_H

#include "daemon/app/assembly.h"
#include "daemon/core/error.h"
#include "daemon/flow/flow.h"
#include "shmlib/ring/control.h"
#include "shmlib/ring/region.h"
#include "shmlib/ring/ring.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define HULSE_CHANNEL_MAGIC 0x6368616eU

struct handle;
struct session;

/* A taken record until its receipt is posted. */
struct inflight {
    uint64_t end; /* up position behind the record */
    uint64_t token;
    uint64_t ledger;
    uint64_t entry;
    uint32_t handle; /* of a free entry of a channel that releases on read: the next free one */
    int32_t batch;
    uint16_t partition;
    uint8_t outcome; /* 0 = without an answer */
    bool silent;     /* skip record or inner fragment: no receipt */
    bool has_id;
};

/* A verdict that was taken and is not final yet. */
struct settling {
    uint64_t end;  /* up position behind its record, and behind those that needed no call */
    uint64_t call; /* number of the subscriber's */
};

/* A delivery without a verdict. Index and generation make its `ref`. */
struct slot {
    struct broker_delivery *delivery; /* NULL = free */
    uint64_t end;                     /* down position behind its record; 0 = still waiting */
    uint64_t due_ms;                  /* its verdict, once its lease runs (lease.c); 0 = not yet */
    uint32_t generation;
    uint32_t next;  /* free list or waiting list, SLOT_NONE ends it */
    uint32_t prev;  /* waiting list */
    uint32_t alike; /* resumed channel: the next one in its bucket of ids */
};
#define SLOT_NONE UINT32_MAX

enum channel_state {
    CHANNEL_OPENING, /* regions made, CHANNEL_READY awaited */
    CHANNEL_HOT,     /* polled every turn */
    CHANNEL_ARMED,   /* the app rings */
    CHANNEL_DRAIN,   /* the peer has gone; polled until everything is taken and answered */
    CHANNEL_CLOSED
};

struct channel {
    /* Touched for every record. */
    uint32_t magic;
    enum channel_state state;
    enum hulse_channel_kind kind;
    uint8_t receipt_mode;
    bool release_on_read;
    bool blocked;       /* no receipt slot, no down room, a busy broker: nothing is taken */
    bool waits_broker;  /* blocked, and it is the broker: no receipt that is read helps */
    bool hungry;        /* blocked for memory, which anybody may give back */
    bool touched;       /* in plane.touched */
    bool mute;          /* its last producer is closing: no receipt is posted any more */
    bool offered;       /* by ATTACH: not among session.opening, bounded as channels are */
    bool may_cut;       /* attached, nothing taken yet: it may begin inside a message (ipc B10) */
    uint32_t reopening; /* handles that are not open again; nothing is taken before */
    struct session *session;
    struct hulse_ring_rx rx; /* up ring */
    struct hulse_ring_tx tx; /* down ring */
    uint64_t max_record;
    size_t meta_max; /* metadata of a delivery beyond it are left out */
    int64_t deficit;
    uint32_t slots;    /* receipt slots, a power of two */
    uint64_t taken;    /* entries put into `inflight` since it was last empty */
    uint64_t finished; /* entries released of these */
    struct inflight *inflight;
    uint32_t entry_free; /* release on read: the first free entry */
    uint64_t stats[HULSE_STAT_COUNT];
    uint64_t lost; /* by a reader */

    /* Touched per visit. */
    uint64_t epoch;        /* of B.armed */
    uint64_t flushed_head; /* up_head and down_tail at the last flush */
    uint64_t flushed_tail;
    uint32_t idle_polls;
    uint64_t idle_since_ns;
    uint64_t want; /* announced down_want, for the bell */
    bool swept;    /* the last sweep saw unrung data */
    TAILQ_ENTRY(channel) hot_link;
    TAILQ_ENTRY(channel) session_link;
    struct channel *touched_next;
    struct channel *flushed_next;
    bool flushed;

    /* Producer. */
    struct assembly assembly;
    /* Consumer. */
    struct handle *consumer;
    struct slot *slot_table;
    uint32_t slot_count;
    uint32_t slots_used;
    uint32_t slot_free;
    uint32_t waiting_first; /* deliveries the ring has no room for yet */
    uint32_t waiting_last;
    uint64_t waiting_bytes;
    uint64_t fragment_at; /* payload bytes of the first waiting one already written */
    uint32_t fragment_index;
    uint32_t reassembly_bytes;
    bool reader;
    struct by_id *by_id;  /* NULL until a verdict waits */
    uint32_t *id_buckets; /* behind the slots: deliveries by id, in a resumed channel */
    uint32_t id_mask;
    uint8_t notes; /* HULSE_RECORD_…, of a skip that is to be written when the ring has room */
    /* A ring as large as the records that the up ring can hold; entries [settled, unsettled). */
    struct settling *settlings;
    uint32_t settling_mask;
    uint64_t settled;
    uint64_t unsettled;

    /* Rare. */
    uint32_t id;
    unsigned group;
    uint32_t handle_count;
    uint32_t closing;  /* handles in HANDLE_CLOSING */
    bool close_wanted; /* CLOSE_CHANNEL came: it ends with its last handle */
    uint32_t close_request;
    int fd_a; /* until CHANNEL_READY */
    int fd_b;
    struct hulse_region a;
    struct hulse_region b;
    uint32_t up_bytes;
    uint32_t down_bytes;
    size_t table_bytes; /* of inflight or slot_table with what is behind it */
    size_t slot_bytes;  /* of inflight or slot_table alone */
    uint64_t start;     /* up position to begin at (ATTACH) */
    uint64_t
        offered_end; /* up_tail at ATTACH: deliveries begin when verdicts before it are applied */
    uint64_t inode;  /* of A, of an attached channel */
    bool resumed;    /* attached, not opened */
    hulse_status refusal; /* OK, or why it cannot go on: no room for one of its handles */
};

TAILQ_HEAD(channel_list, channel);

/*
 * Makes regions and tables; gives the channel in CHANNEL_OPENING. `fd_a` < 0: make A as well; else
 * it is taken, also on failure.
 */
hulse_status hulse_channel_create(struct session *s,
                                  const struct hulse_ctl_open_channel *ask,
                                  int fd_a,
                                  struct channel **out,
                                  struct error *err);
/* Its rings exceed what the configuration allows, whatever there is room for. */
bool hulse_channel_too_large(const struct session *s, const struct hulse_ctl_open_channel *ask);
/* What the daemon or its system lacks for a region, for the app; `number` is the errno of SYSTEM. */
hulse_status hulse_channel_no_region(enum hulse_region_rc rc, int number, struct error *err);
/* Before CHANNEL_READY: begins at an up position (ATTACH). */
void hulse_channel_start_at(struct channel *ch, uint64_t position);
/* CHANNEL_READY: seals A, checks both, maps A. KIND, SIZE, HOLES: the app broke V1 or V2. SYSTEM: errno says why. */
enum hulse_region_rc hulse_channel_ready(struct channel *ch);
/*
 * The peer has gone: what was committed or judged until now is taken in the visits that follow;
 * then the channel ends, and gives back what has no verdict.
 */
void hulse_channel_drain(struct channel *ch);
/* Closes the flow side of all its handles, unmaps and frees. */
void hulse_channel_destroy(struct channel *ch);
/* How much the app has committed, by another look; 0: nothing, or the session is doomed (V7). */
uint64_t hulse_channel_look(struct channel *ch);
/* True when a draining channel has nothing left to do. */
bool hulse_channel_drained(const struct channel *ch);
/* Charges session and role for memory beside the tables; false when it is over their quota. */
bool hulse_channel_charge(struct channel *ch, uint64_t bytes);
void hulse_channel_discharge(struct channel *ch, uint64_t bytes);
/* The state word of B. */
void hulse_channel_state(struct channel *ch, enum hulse_region_state state, unsigned reason);

#endif
