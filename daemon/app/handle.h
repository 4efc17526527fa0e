/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle - a producer or a consumer of a session: a publisher or a subscriber of flow behind a channel.
 *
 * Threads: the session's worker.
 */
#ifndef HULSE_APP_HANDLE_H
#define HULSE_APP_HANDLE_H

#include "daemon/app/topics.h"
#include "daemon/flow/deliver.h"
#include "daemon/flow/publish.h"
#include "shmlib/ring/control.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HULSE_HANDLE_MAGIC 0x68616e64U

struct attach;
struct channel;
struct schema_wait;
struct seek;
struct session;

enum handle_state {
    HANDLE_OPENING,
    HANDLE_OPEN,
    HANDLE_CLOSING /* until the ring is taken up to close_at and nothing is in flight */
};

struct handle {
    uint32_t magic;
    uint32_t number;               /* generation << 16 | slot; of an offered one as the app says */
    uint32_t slot;                 /* index in session.handles */
    struct handle *next_displaced; /* whose slot is not the one in its number */
    enum handle_state state;
    struct channel *channel;
    struct publisher *publisher;        /* producer */
    struct subscriber *subscriber;      /* consumer */
    uint32_t in_flight;                 /* records without an answer */
    uint32_t request;                   /* to answer when opened or closed */
    uint8_t id[BROKER_HANDLE_ID_BYTES]; /* made at the first open, kept by the app */
    uint64_t close_at;                  /* up position at CLOSE_HANDLE */
    bool close_wanted;                  /* CLOSE_HANDLE came before it was open again */
    bool unsubscribe;
    bool active;           /* of a failover subscription's consumers it gets messages */
    bool failed;           /* the broker gave up on it; records are answered `refusal` */
    uint8_t refusal;       /* enum hulse_outcome */
    uint32_t bytes_max;    /* of a producer: the largest payload */
    struct attach *attach; /* attach.c: offered again, not open yet */
    bool offered;          /* by ATTACH: records before channel.offered_end may be its */
    bool lost;             /* is counted in session.lost.producers */
    uint32_t sources;      /* names that were announced or offered; indices below may be used */
    bool several;          /* topics; else source 0 is all there is */
    struct seek *seek;     /* seek.c: under way */
    struct schema_wait *schema_wait; /* schema.c: a broker is asked; NULL: none */
    uint32_t schema_request;         /* which waits for it */
};

/* Generation 0: any. NULL: handles_max reached or no memory. */
struct handle *hulse_handle_create(struct session *s, struct channel *ch, uint32_t generation);
/* Under a number of an earlier daemon's that is not in use. NULL: handles_max reached or no memory. */
struct handle *hulse_handle_adopt(struct session *s, struct channel *ch, uint32_t number);
/* Among those that found their slot taken when they came back. */
struct handle *hulse_handle_find_displaced(const struct session *s, uint32_t number);
void hulse_handle_destroy(struct handle **h);
/* CLOSE_HANDLE of an open one: closed when what was published before is taken and answered. */
void hulse_handle_begin_closing(struct handle *h);
/* CLOSE_HANDLE of one that is not open again: a consumer is given up, a producer has records. */
void hulse_handle_give_up(struct handle *h);
/* It was opened again, or refused for good, and is not wanted any more. */
void hulse_handle_finish_giving_up(struct handle *h);
/*
 * Finishes handles in HANDLE_CLOSING whose records are all taken and answered, then the channel if it was
 * closed.
 */
void hulse_handle_finish_closing(struct channel *ch);

#endif
