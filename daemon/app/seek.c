/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seek - where an app's consumer begins, and moves to.
 *
 *   SEEK --the consumer is open, the verdicts in the ring are taken--> flow is asked: all deliveries end --broker--> OK or ERR
 *
 * The answer says where the down ring stood when flow was asked: what is before it is of before.
 */
#include "daemon/app/seek.h"

#include "daemon/app/by_id.h"
#include "daemon/app/channel.h"
#include "daemon/app/deliver_channel.h"
#include "daemon/app/handle.h"
#include "daemon/app/reply.h"
#include "daemon/app/session.h"
#include "daemon/app/worker_plane.h"
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

struct seek {
    uint32_t request;
    bool asked;
    uint64_t begin_at; /* up position: verdicts before it count */
    uint64_t stale_to; /* down position, once asked */
    struct broker_position to;
};

bool hulse_position_parse(uint8_t start,
                          const struct hulse_ctl_position *at,
                          struct broker_position *out)
{
    const struct broker_id id = {.ledger = at->ledger,
                                 .entry = at->entry,
                                 .batch = at->batch,
                                 .partition = at->partition,
                                 .batch_size = at->batch_size};
    const bool only_time = (at->entry | (uint32_t)at->batch | at->partition | at->batch_size) == 0;
    const bool nothing = only_time && at->ledger == 0;

    switch (start) {
    case HULSE_START_LATEST:
        *out = (struct broker_position){.kind = BROKER_LATEST};
        return nothing;
    case HULSE_START_EARLIEST:
        *out = (struct broker_position){.kind = BROKER_EARLIEST};
        return nothing;
    case HULSE_START_AT_ID:
        *out = (struct broker_position){.kind = BROKER_AT_ID, .id = id};
        return true;
    case HULSE_START_AFTER_ID:
        *out = (struct broker_position){.kind = BROKER_AFTER_ID, .id = id};
        return true;
    case HULSE_START_AT_TIME:
        *out = (struct broker_position){.kind = BROKER_AT_PUBLISHED, .time_ms = at->ledger};
        return only_time;
    default:
        return false;
    }
}

/* What makes it impossible now, or OK. */
static hulse_status judge(const struct handle *h, const char **why)
{
    if (h == NULL || h->channel->kind != HULSE_CHANNEL_CONSUMER ||
        (h->state != HANDLE_OPEN && h->attach == NULL)) {
        *why = "no such open consumer";
        return HULSE_INVAL;
    }
    if (h->seek != NULL) {
        *why = "the consumer is being moved already";
        return HULSE_BUSY;
    }
    *why = "the consumer has failed";
    return h->failed ? HULSE_FAILED : HULSE_OK;
}

void hulse_seek_request(struct session *s, const struct hulse_packet *p)
{
    struct hulse_ctl_seek m;
    struct broker_position to;
    const char *why = NULL;
    memcpy(&m, p->bytes, sizeof(m));
    struct handle *h = hulse_handle_find(s, m.handle, s->plane->shared->limits.handles_max);
    hulse_status st = judge(h, &why);
    if (st == HULSE_OK && !hulse_position_parse(m.start, &m.at, &to)) {
        st = HULSE_INVAL;
        why = "unknown position";
    }
    if (st != HULSE_OK) {
        hulse_session_reply_error(s, m.head.req, st, why);
        return;
    }
    struct channel *ch = h->channel;
    if (hulse_ring_rx_refresh(&ch->rx) != HULSE_RING_OK) {
        hulse_session_doom(s, HULSE_RULE_V7, "up_tail out of range");
        return;
    }
    h->seek = hulse_mem_zalloc(HULSE_MEM_SESSION, sizeof(*h->seek));
    if (h->seek == NULL) {
        hulse_session_reply_error(s, m.head.req, HULSE_NO_MEMORY, "memory_max is reached");
        return;
    }
    *h->seek = (struct seek){.request = m.head.req, .begin_at = ch->rx.tail_seen, .to = to};
    hulse_plane_heat(s->plane, ch);
    hulse_plane_touch(s->plane, ch);
}

void hulse_seek_forget(struct handle *h)
{
    if (h->seek != NULL) {
        hulse_mem_free(HULSE_MEM_SESSION, h->seek, sizeof(*h->seek));
        h->seek = NULL;
    }
}

static void answer(struct handle *h, hulse_status status, const char *text)
{
    struct session *s = h->channel->session;
    const struct seek seek = *h->seek;
    hulse_seek_forget(h);
    if (status == HULSE_OK) {
        hulse_session_reply_ok(s, seek.request, seek.stale_to);
    } else {
        hulse_session_reply_error(s, seek.request, status, text);
    }
}

void hulse_seek_visit(struct channel *ch)
{
    struct handle *h = ch->consumer;
    struct error err = {0};
    if (h == NULL || h->seek == NULL || h->seek->asked || h->attach != NULL ||
        ch->rx.read < h->seek->begin_at) {
        return;
    }
    if (h->failed || h->subscriber == NULL) {
        answer(h, HULSE_FAILED, "the consumer has failed");
        return;
    }
    /* Both may come before the call returns: deliveries from there, and the answer. */
    h->seek->asked = true;
    h->seek->stale_to = ch->tx.tail;
    const struct broker_position to = h->seek->to;
    const hulse_status st = hulse_subscriber_seek(h->subscriber, &to, hulse_deliver_ended, &err);
    if (st != HULSE_OK) {
        answer(h, st, err.text);
        return;
    }
    /* Verdicts that wait for a message were on what it was before. */
    hulse_by_id_free(ch);
    hulse_plane_touch(ch->session->plane, ch);
}

void hulse_seek_done(void *ctx, hulse_status status, const char *text)
{
    struct handle *h = ctx;
    HULSE_ASSERT(h->magic == HULSE_HANDLE_MAGIC);
    if (h->seek != NULL) {
        answer(h, status, text);
    }
}
