/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel - the application's end of one pair of rings.
 *
 * Everything that a claim, a commit and a flush touch is in the first two cache lines, private to
 * the thread; shared words are loaded only when the private copy says full or empty.
 *
 * Threads: the thread that uses the handle. Several producers of one thread may share a channel.
 * Trust:   positions from B are checked by the ring; a bad one ends the session.
 */
#ifndef HULSE_CLIENT_CHANNEL_H
#define HULSE_CLIENT_CHANNEL_H

#include "shmlib/client/clock.h"
#include "shmlib/client/session.h"
#include "shmlib/ring/doorbell.h"
#include "shmlib/ring/region.h"
#include "shmlib/ring/ring.h"

#define HULSE_BATCH_RECORDS 16U
#define HULSE_BATCH_BYTES UINT64_C(16384)

/* Regions of earlier daemons that may be kept for what the application has not finished with. */
#define HULSE_OLDS_MAX 4U

struct hulse_old {
    struct hulse_region b;
    struct hulse_ring_rx rx; /* producer: receipts that were not read */
    uint64_t held_to;        /* consumer: end of the last message handed out from it */
};

/* The way of a channel to the next daemon. Under the session lock. */
enum hulse_offer_stage {
    HULSE_OFFER_NONE = 0,
    HULSE_OFFER_SENT,   /* CHANNEL is awaited */
    HULSE_OFFER_CAME,   /* fd_b is there, to be mapped by the owner */
    HULSE_OFFER_READY,  /* CHANNEL_OK is awaited */
    HULSE_OFFER_AGREED, /* to be taken into use by the owner */
    HULSE_OFFER_LATER,  /* this daemon had no room for it; offered again when `due_ns` has come */
    HULSE_OFFER_REFUSED /* by this daemon */
};

struct hulse_offer {
    enum hulse_offer_stage stage;
    uint32_t epoch; /* of the daemon that it was made to */
    uint32_t req;   /* of ATTACH, then of CHANNEL_READY */
    uint32_t number;
    uint32_t down_bytes;
    int fd_b;        /* -1 = none */
    uint64_t due_ns; /* CLOCK_MONOTONIC */
    struct hulse_region b;
};

struct hulse_channel {
    /* Line 0: the up ring's writer. */
    alignas(64) struct hulse_ring_tx tx;
    struct hulse_session *session;
    /* Line 1: the open claim and the flush batch. */
    alignas(64) const struct hulse_producer *claimant; /* NULL = no claim */
    uint32_t claim_bytes;
    uint32_t pending;       /* records committed since the last flush */
    uint32_t flush_records; /* flush at this many records or bytes */
    uint32_t flush_bytes;
    uint32_t record_max;
    uint32_t cut_at;      /* next fragment of a half published message; 0 = none */
    uint64_t enqueued_ns; /* of this batch; CLOCK_MONOTONIC_COARSE */
    const _Atomic(uint64_t) *armed;
    uint64_t last_rung;
    uint64_t word; /* the session's, as long as this channel's daemon is there */
    /* The down ring's reader. */
    alignas(64) struct hulse_ring_rx rx;
    uint64_t give_to;     /* give back up to here with the next batch */
    uint64_t room_wanted; /* a call met a full ring; 0 = none */
    bool paused;          /* nothing can be handed out until a release */

    /* The half published message: nothing else may come between its fragments. */
    const struct hulse_producer *cut_owner;
    uint64_t cut_token;
    uint64_t cut_bytes;

    uint64_t look_at_ns;                   /* next look at the heartbeat */
    uint64_t failed_seen;                  /* of B.stats, at the last sync */
    uint64_t failed_kept;                  /* of earlier daemons, not yet told */
    uint64_t stats_kept[HULSE_STAT_COUNT]; /* of earlier daemons */
    uint64_t lost_kept;
    uint64_t bells;
    uint32_t number;
    uint32_t users;
    uint32_t receipts; /* enum hulse_receipt_mode; of a producer */
    int fd_a;          /* kept for a re-attach */
    struct hulse_group *group;
    struct hulse_region a;
    struct hulse_region b;     /* the last daemon's; not mapped while there is none */
    struct hulse_region_b *bw; /* control words of b, or `parked` */

    /* Where each message ends, so that the n-th receipt says how far it goes; NULL = not needed. */
    uint32_t *ends;
    uint32_t ends_mask;
    uint64_t ends_next; /* messages published */
    uint64_t ends_base; /* the one of b's first receipt */

    /* reattach.c */
    struct hulse_ctl_open_channel ask; /* with the sizes that it got */
    struct hulse_offer offer;
    unsigned offers_refused;               /* in a row, for want of room */
    struct hulse_old olds[HULSE_OLDS_MAX]; /* oldest first */
    uint32_t old_count;
    struct hulse_region_b parked; /* what the rings look at while no daemon is attached */
    _Atomic(uint64_t) parked_head;
    pthread_mutex_t mt;    /* hulse_mt_publish(); recursive */
    _Atomic(bool) mt_held; /* by it: the group is not its caller's */
};
static_assert(sizeof(struct hulse_ring_tx) + sizeof(void *) <= 64, "line 0");
static_assert(offsetof(struct hulse_channel, rx) == 128, "two lines for the publishing path");

/*
 * Opens a channel: sizes and modes in *ask (head, group filled in here). Requires: session lock.
 * Gives: *out, return it with hulse_channel_close() or _free().
 */
hulse_status hulse_channel_open(struct hulse_session *s,
                                struct hulse_channel **out,
                                struct hulse_ctl_open_channel *ask,
                                unsigned group);
/* Tells the daemon, whose answer is waited for until `answer`; then frees. Requires: session lock. */
void hulse_channel_close(struct hulse_channel **ch, struct hulse_deadline answer);
/* Frees; in a forked child without touching the maps. */
void hulse_channel_free(struct hulse_channel **ch);

/* One write to the doorbell; never waits. */
void hulse_channel_ring(struct hulse_channel *ch);
/* Gives down bytes before `position` back and rings if the daemon waits for them (M7, M15). */
void hulse_channel_give(struct hulse_channel *ch, uint64_t position);
/* Ends the session because of nonsense in B; gives PROTOCOL. */
hulse_status hulse_channel_broken(struct hulse_channel *ch, const char *why);
/* Something is in the down ring. Nonsense counts as something: the next call will say so. */
bool hulse_channel_unread(struct hulse_channel *ch);
/* `bytes` can be written. Asks the peer's word only if needed. OK, AGAIN or PROTOCOL. */
hulse_status hulse_channel_room(struct hulse_channel *ch, uint64_t bytes);
/* Announces what a sleeper waits for: anything in the down ring, and room (M11). */
void hulse_channel_announce(struct hulse_channel *ch, uint64_t room_bytes);
/* Everything up to the tail has been released by the daemon. OK, AGAIN or PROTOCOL. */
hulse_status hulse_channel_settled(struct hulse_channel *ch);
/* Unread receipts occupy every slot, so the daemon takes nothing more. */
bool hulse_channel_receipts_full(struct hulse_channel *ch);
/* At most once a second: is the heartbeat old, and has the daemon hung up? Without one: a step. */
void hulse_channel_look(struct hulse_channel *ch, uint64_t now_ns);

/* channel.c: points the rings' words at b, or at `parked`. */
void hulse_channel_bind(struct hulse_channel *ch);

/* reattach.c */
/* What the daemon wrote into this channel is the daemon's that is there now. */
static inline bool hulse_channel_attached(const struct hulse_channel *ch)
{
    return ch->word == hulse_session_word(ch->session);
}
/* This daemon knows it: by one number, or by one it is being offered under. Requires: session lock. */
bool hulse_channel_offered(const struct hulse_channel *ch);
/* Waits for the channel to be attached, up to the connect timeout; stores the text if it is not. */
hulse_status hulse_channel_await(struct hulse_channel *ch);
/* A step of the session, then of the channel: by the channel's owner. Cheap while none is due. */
void hulse_channel_drive(struct hulse_channel *ch);
/* A step of the channel alone. Requires: session lock. By the owner. */
void hulse_channel_reattach(struct hulse_channel *ch);
/* Is this the answer to something it has sent? Requires: session lock. Any thread. */
bool hulse_channel_answer(struct hulse_channel *ch, struct hulse_packet *p, uint32_t req);
/* Nothing more can be kept for what the application has not taken; see HULSE_OLDS_MAX. */
bool hulse_channel_stuck(const struct hulse_channel *ch);
/* The oldest region is not needed any more. */
void hulse_channel_drop_old(struct hulse_channel *ch);
/* The handle's status, after a step towards a daemon; OK also while there is none. */
hulse_status hulse_handle_usable(struct hulse_handle *h);
/* consumer.c: a consumer's part of leaving a daemon. */
void hulse_consumer_detach(struct hulse_channel *ch);

/* Publishes the tail and rings if armed (M9). */
static inline void hulse_channel_publish(struct hulse_channel *ch)
{
    if (ch->tx.tail == ch->tx.published) {
        return;
    }
    hulse_ring_tx_publish(&ch->tx);
    ch->pending = 0;
    if (hulse_doorbell_publisher(ch->armed, &ch->last_rung)) {
        hulse_channel_ring(ch);
    }
}

/* Both directions: what is committed, what is given back. */
static inline void hulse_channel_flush(struct hulse_channel *ch)
{
    hulse_channel_publish(ch);
    if (ch->give_to != ch->rx.released) {
        hulse_channel_give(ch, ch->give_to);
    }
}

#endif
