/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raw_app - the application's side of the protocol by hand, so that a test can break any of it.
 *
 * Every call aborts the test when the daemon does not answer within ten seconds.
 */
#ifndef HULSE_TESTS_SUPPORT_RAW_APP_H
#define HULSE_TESTS_SUPPORT_RAW_APP_H

#include "shmlib/ring/control.h"
#include "shmlib/ring/region.h"
#include "shmlib/ring/ring.h"

#include <stdbool.h>
#include <stdint.h>

struct raw_app {
    int sock;
    int bell;
    int wake;
    uint32_t request;
    struct hulse_ctl_welcome welcome;
    char last_event[HULSE_TEXT_BYTES_MAX + 1]; /* text of the last EVENT, "" = none */
    int32_t last_status;
};

struct raw_channel {
    uint32_t id;
    int fd_a;
    int fd_b;
    struct hulse_region a;
    struct hulse_region b;
    struct hulse_ring_tx up;
    struct hulse_ring_rx down;
    uint32_t handle;
};

/* Connects without a word. */
int hulse_raw_connect(const char *path);
/* Connects, HELLO, WELCOME. */
void hulse_raw_open(struct raw_app *app, const char *path);
/* The same as an application whose daemon has gone. */
void hulse_raw_resume(struct raw_app *app, const char *path);
void hulse_raw_close(struct raw_app *app);
/* Sends a message whose strings are appended already; descriptors stay the caller's. */
void hulse_raw_send(struct raw_app *app, struct hulse_packet *p, const int *fds, unsigned fd_count);
/* Waits for the answer to the last message sent; events are noted. False: the daemon hung up. */
bool hulse_raw_answer(struct raw_app *app, struct hulse_packet *in);
/* Type of the answer to a message, 0 = hang-up; ERR's status is in last_status. */
unsigned hulse_raw_call(struct raw_app *app, struct hulse_packet *out, struct hulse_packet *in);
/* Waits until the daemon closes the connection; the farewell's text is in last_event. */
bool hulse_raw_hung_up(struct raw_app *app);

/* Asks for a channel and maps it, without READY. */
void hulse_raw_channel_begin(struct raw_app *app,
                             struct raw_channel *ch,
                             const struct hulse_ctl_open_channel *ask);
/* READY; true when CHANNEL_OK came. */
bool hulse_raw_channel_ready(struct raw_app *app, struct raw_channel *ch);
/* Both, with the region populated. */
void hulse_raw_channel(struct raw_app *app,
                       struct raw_channel *ch,
                       enum hulse_channel_kind kind,
                       enum hulse_receipt_mode receipts);
void hulse_raw_channel_close(struct raw_channel *ch);
/* Opens a handle on the channel; the status of the answer. */
int hulse_raw_producer(struct raw_app *app, struct raw_channel *ch, const char *topic);
int hulse_raw_consumer(struct raw_app *app,
                       struct raw_channel *ch,
                       const char *topic,
                       const char *subscription);

/* A correct header for a payload on the channel's handle. */
struct hulse_publish_header
hulse_raw_header(const struct raw_channel *ch, uint32_t payload_bytes, uint64_t token);
/* Writes header and bytes behind it at the tail and commits `stride` bytes, unpublished. */
void hulse_raw_put(struct raw_channel *ch,
                   const void *header,
                   size_t header_bytes,
                   const void *body,
                   size_t body_bytes);
/* Publishes the tail and rings. */
void hulse_raw_flush(struct raw_app *app, struct raw_channel *ch);
void hulse_raw_ring(const struct raw_app *app);
/* Publishes one good message and waits for its receipt; its outcome, 0 = none came. */
unsigned hulse_raw_publish(
    struct raw_app *app, struct raw_channel *ch, const void *data, uint32_t bytes, uint64_t token);
/* Waits for the next receipt or delivery; NULL when none comes. Advances past it. */
const uint8_t *hulse_raw_next(struct raw_channel *ch, uint64_t bytes);

#endif
