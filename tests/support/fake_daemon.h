/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_daemon - the daemon's half of the shared-memory plane, scripted by a test.
 *
 * A thread accepts one application at a time on a socket in a directory of its own and answers
 * HELLO to CLOSE_CHANNEL with real regions. Records move only when the test says so: it takes,
 * releases, posts and delivers from its own thread.
 *
 * Threads: the fake's thread answers the socket; everything below may be called by the test's
 *          threads, one at a time for a channel.
 * Limits:  8 channels, 4 groups; a failed system call ends the process: this is a test.
 */
#ifndef HULSE_TESTS_SUPPORT_FAKE_DAEMON_H
#define HULSE_TESTS_SUPPORT_FAKE_DAEMON_H

#include "shmlib/ring/control.h"
#include "shmlib/ring/doorbell.h"
#include "shmlib/ring/region.h"
#include "shmlib/ring/ring.h"

#include <pthread.h>
#include <stdbool.h>

#define FAKE_CHANNELS_MAX 8U
#define FAKE_GROUPS_MAX 4U
#define FAKE_HANDLE_FIRST 100U
#define FAKE_SESSION 4711U
#define FAKE_TYPES 40U

struct fake_channel {
    struct hulse_ctl_open_channel ask;
    uint32_t number;
    uint32_t handle; /* the last opened on it */
    bool open;
    struct hulse_region a; /* read-only */
    struct hulse_region b;
    struct hulse_ring_rx up;
    struct hulse_ring_tx down;
    uint64_t up_given; /* released towards the application */
    uint64_t epoch;
};

struct fake_daemon {
    /* The script. Set before the application connects, or with hulse_fake_set(). */
    uint32_t message_max;
    uint32_t verdicts;
    uint64_t features;
    struct hulse_ctl_reader reader; /* the answer to a reader, with HULSE_FEATURE_READER */
    uint64_t stale_to;              /* the answer to SEEK */
    struct hulse_ctl_schema schema; /* the answer to GET_SCHEMA, of type AVRO */
    const char *schema_file;        /* what its file has */
    size_t schema_file_bytes;
    uint32_t refuse;     /* REFUSED with minus this status */
    uint32_t silent_on;  /* a request type that gets no answer */
    uint32_t hang_up_on; /* a request type at which the socket is closed */
    uint32_t garbage_on; /* a request type answered by nonsense */
    uint32_t error_on;   /* a request type answered by ERR NO_TOPIC */
    uint32_t quota;      /* of the bytes of a down ring, else ERR LIMIT; 0 = none */

    /* What came; read by hulse_fake_seen() and hulse_fake_last(), or under lock. */
    unsigned seen[FAKE_TYPES];
    struct hulse_packet last[FAKE_TYPES]; /* by type */
    struct fake_channel channels[FAKE_CHANNELS_MAX];
    unsigned channel_count;

    char directory[64];
    char path[96];
    int listener;
    int sock; /* -1 = no application */
    int bell;
    int wake[FAKE_GROUPS_MAX]; /* write ends */
    unsigned group_count;
    uint32_t next_handle;
    int stop[2];
    pthread_mutex_t lock;
    pthread_t thread;
};

/* Listens and sets HULSE_SOCKET. */
struct fake_daemon *hulse_fake_start(void);
void hulse_fake_stop(struct fake_daemon **d);
/* Closes the application's socket and pipes, as a daemon that dies. */
void hulse_fake_die(struct fake_daemon *d);
/* The same, and nobody listens any more. */
void hulse_fake_gone(struct fake_daemon *d);
/* An application is connected, as far as the daemon has noticed. */
bool hulse_fake_connected(struct fake_daemon *d);
/* Sets a 32-bit member of the script while the application is connected. */
void hulse_fake_set(struct fake_daemon *d, uint32_t *member, uint32_t value);
/* Forgets the channels of a session that has been closed. */
void hulse_fake_forget(struct fake_daemon *d);
unsigned hulse_fake_seen(struct fake_daemon *d, unsigned type);
/* The last of that type that came. */
struct hulse_packet hulse_fake_last(struct fake_daemon *d, unsigned type);
/* It has those that were `added` too, and none that were `removed`. */
void hulse_fake_features(struct fake_daemon *d, uint64_t added, uint64_t removed);
void hulse_fake_event(struct fake_daemon *d, const struct hulse_ctl_event *event, const char *text);
/* Sends any bytes. */
void hulse_fake_send(struct fake_daemon *d, const void *bytes, size_t count);
/* Times that the bell was rung since the last call. */
uint64_t hulse_fake_bells(struct fake_daemon *d);

/* The next up record in place, or NULL. `bytes` becomes its stride. */
const void *hulse_fake_channel_take(struct fake_channel *ch, uint64_t *bytes);
/* Takes everything; gives the number of records. */
unsigned hulse_fake_channel_take_all(struct fake_channel *ch);
/* Releases what has been taken and wakes a waiter for room. */
void hulse_fake_channel_release(struct fake_daemon *d, struct fake_channel *ch);
void hulse_fake_channel_release_to(struct fake_daemon *d,
                                   struct fake_channel *ch,
                                   uint64_t position);
/* Posts receipts or deliveries written to ch->down. */
void hulse_fake_channel_post(struct fake_daemon *d, struct fake_channel *ch);
/* Appends a receipt without posting it. */
void hulse_fake_channel_receipt(struct fake_channel *ch,
                                uint64_t token,
                                unsigned outcome,
                                uint64_t entry);
/* One delivery: header members that matter, payload and encoded metadata. Not posted. */
void hulse_fake_channel_deliver(struct fake_channel *ch,
                                const struct hulse_delivery_header *like,
                                const void *payload,
                                const void *meta);
void hulse_fake_channel_arm(struct fake_channel *ch);
void hulse_fake_channel_count(struct fake_channel *ch, enum hulse_region_stat stat, uint64_t add);

static inline struct hulse_region_a *fake_a(const struct fake_channel *ch)
{
    return hulse_region_a(&ch->a);
}

static inline struct hulse_region_b *fake_b(const struct fake_channel *ch)
{
    return hulse_region_b(&ch->b);
}

#endif
