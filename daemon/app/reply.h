/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply - what a session is told over its socket, queued when the peer does not read.
 *
 * Threads: the session's worker.
 */
#ifndef HULSE_APP_REPLY_H
#define HULSE_APP_REPLY_H

#include "include/hulse/status.h"
#include "shmlib/ring/control.h"

#include <stdint.h>
#include <sys/queue.h>

/* Control answers waiting for a peer that does not read. */
#define HULSE_REPLIES_MAX 64U
/* Beyond them, of readers of many partitions. */
#define HULSE_REPLIES_MORE_MAX 520U

struct handle;
struct session;

struct reply {
    STAILQ_ENTRY(reply) link;
    struct hulse_packet packet;
};

/* Sends or queues a packet; its descriptors are closed once sent. */
void hulse_session_reply(struct session *s, struct hulse_packet *p);
void hulse_session_reply_ok(struct session *s, uint32_t request, uint64_t value);
void hulse_session_reply_error(struct session *s,
                               uint32_t request,
                               hulse_status status,
                               const char *text);
void hulse_session_event(struct session *s,
                         enum hulse_event event,
                         const struct handle *h,
                         hulse_status status,
                         const char *text);
/* ACTIVE, of an open consumer. */
void hulse_session_active(const struct handle *h);
/* CONSUMER_CHANGED: other verdicts are configured for an open consumer. */
void hulse_session_verdicts(const struct handle *h, uint32_t verdicts);
/* One of many that are given at once, and count beyond HULSE_REPLIES_MAX. */
void hulse_session_reply_more(struct session *s, struct hulse_packet *p);
/* Sends what is queued; called when the socket takes more. */
void hulse_session_drain_replies(struct session *s);
void hulse_session_drop_replies(struct session *s);

#endif
