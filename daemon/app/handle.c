/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle - a producer or consumer of a session: numbered with a generation.
 *
 * A close is finished only when the ring was taken up to where it stood and every record has its
 * answer, so that a close never overtakes what was published before it.
 */
#include "daemon/app/handle.h"

#include "daemon/app/assembly.h"
#include "daemon/app/attach.h"
#include "daemon/app/channel.h"
#include "daemon/app/deliver_channel.h"
#include "daemon/app/reply.h"
#include "daemon/app/seek.h"
#include "daemon/app/session.h"
#include "daemon/app/settle.h"
#include "daemon/app/worker_plane.h"
#include "daemon/core/mem.h"
#include "daemon/flow/schemas.h"

#include <string.h>

static struct handle *create(struct session *s, struct channel *ch, uint32_t slot, uint32_t number)
{
    const struct flow *flow = s->plane->shared->flow;
    struct handle *h = hulse_mem_zalloc(HULSE_MEM_SESSION, sizeof(struct handle));
    if (h == NULL) {
        return NULL;
    }
    h->magic = HULSE_HANDLE_MAGIC;
    h->number = number;
    h->slot = slot;
    h->state = HANDLE_OPENING;
    h->channel = ch;
    h->refusal = HULSE_OUTCOME_FENCED;
    /* Until it is open the largest there may be: what its records are refused for is something else. */
    h->bytes_max = flow->chunked_bytes_max > flow->message_bytes_max ? flow->chunked_bytes_max
                                                                     : flow->message_bytes_max;
    h->sources = 1; /* the topic itself */
    s->handles[slot] = h;
    s->handle_count += 1;
    if ((number & 0xffffU) != slot) {
        h->next_displaced = s->displaced;
        s->displaced = h;
    }
    ch->handle_count += 1;
    return h;
}

/* handles_max when there is none. */
static uint32_t free_slot(const struct session *s, uint32_t from)
{
    const uint32_t max = s->plane->shared->limits.handles_max;
    while (from < max && s->handles[from] != NULL) {
        from += 1;
    }
    return from;
}

struct handle *hulse_handle_create(struct session *s, struct channel *ch, uint32_t generation)
{
    const uint32_t max = s->plane->shared->limits.handles_max;
    generation = (uint16_t)generation;
    if (generation == 0) {
        s->generation = s->generation == UINT16_MAX ? 1 : (uint16_t)(s->generation + 1);
        generation = s->generation; /* never 0, so 0 is never a handle */
    }
    for (uint32_t slot = free_slot(s, 0); slot < max; slot = free_slot(s, slot + 1)) {
        const uint32_t number = generation << 16U | slot;
        if (hulse_handle_find(s, number, max) == NULL) {
            return create(s, ch, slot, number);
        }
    }
    return NULL;
}

struct handle *hulse_handle_adopt(struct session *s, struct channel *ch, uint32_t number)
{
    const uint32_t max = s->plane->shared->limits.handles_max;
    const uint32_t own = number & 0xffffU;
    const uint32_t slot = own < max && s->handles[own] == NULL ? own : free_slot(s, 0);
    return slot == max ? NULL : create(s, ch, slot, number);
}

struct handle *hulse_handle_find_displaced(const struct session *s, uint32_t number)
{
    struct handle *h = s->displaced;
    while (h != NULL && h->number != number) {
        h = h->next_displaced;
    }
    return h;
}

static void remove_displaced(struct session *s, const struct handle *h)
{
    struct handle **at = &s->displaced;
    while (*at != NULL && *at != h) {
        at = &(*at)->next_displaced;
    }
    if (*at == h) {
        *at = h->next_displaced;
    }
}

void hulse_handle_destroy(struct handle **handle)
{
    struct handle *h = *handle;
    struct channel *ch = h->channel;
    struct session *s = ch->session;
    if (h->publisher != NULL) {
        if (h->state == HANDLE_CLOSING) {
            hulse_publisher_forget(h->publisher); /* closed by the app, which keeps nothing of it */
        }
        hulse_publisher_close(&h->publisher);
    }
    hulse_seek_forget(h);
    hulse_schemas_forget(&h->schema_wait);
    if (h->subscriber != NULL) {
        hulse_subscriber_close(&h->subscriber, h->unsubscribe);
        /* What was handed out again while it was being given back has gone with the broker's end. */
        hulse_slots_init(ch, 0);
    }
    if (h->state != HANDLE_OPENING) {
        *(ch->kind == HULSE_CHANNEL_PRODUCER ? &s->plane->producer_count
                                             : &s->plane->consumer_count) -= 1;
    }
    if (ch->consumer == h) {
        ch->consumer = NULL;
    }
    hulse_attach_free(h);
    if (ch->assembly.active && ch->assembly.handle == h->number) {
        /* Its last fragment will never come; other handles of the channel go on. */
        hulse_assembly_reset(&ch->assembly);
    }
    if (h->state == HANDLE_CLOSING) {
        ch->closing -= 1;
    }
    s->handles[h->slot] = NULL;
    remove_displaced(s, h);
    s->handle_count -= 1;
    ch->handle_count -= 1;
    h->magic = 0;
    hulse_mem_free(HULSE_MEM_SESSION, h, sizeof(*h));
}

void hulse_handle_begin_closing(struct handle *h)
{
    struct channel *ch = h->channel;
    struct plane *p = ch->session->plane;
    if (hulse_ring_rx_refresh(&ch->rx) != HULSE_RING_OK) {
        hulse_session_doom(ch->session, HULSE_RULE_V7, "up_tail out of range");
        return;
    }
    h->state = HANDLE_CLOSING;
    h->close_at = ch->rx.tail_seen;
    ch->closing += 1;
    /* Nobody reads its receipts any more, and unread ones must not hold up what is published. */
    ch->mute = ch->mute || (ch->kind == HULSE_CHANNEL_PRODUCER && ch->closing == ch->handle_count);
    hulse_plane_heat(p, ch);
    hulse_plane_touch(p, ch);
}

void hulse_handle_give_up(struct handle *h)
{
    h->close_wanted = true;
    if (h->subscriber == NULL && h->channel->kind == HULSE_CHANNEL_CONSUMER) {
        hulse_handle_finish_giving_up(h); /* nobody is asked to open it just now */
    }
}

void hulse_handle_finish_giving_up(struct handle *h)
{
    struct channel *ch = h->channel;
    if (h->state != HANDLE_OPENING) {
        if (ch->state != CHANNEL_DRAIN) { /* else it has been looked at for the last time */
            hulse_handle_begin_closing(h);
        }
        return;
    }
    struct session *s = ch->session;
    const uint32_t request = h->request;
    hulse_handle_destroy(&h);
    hulse_session_reply_ok(s, request, 0);
    hulse_plane_touch(s->plane, ch);
}

static void finish_close(struct channel *ch, struct handle *h)
{
    if (ch->kind == HULSE_CHANNEL_CONSUMER && ch->slots_used > 0) {
        hulse_deliver_give_back_all(ch);
    }
    struct session *s = ch->session;
    const uint32_t request = h->request;
    struct handle *gone = h;
    hulse_handle_destroy(&gone);
    hulse_session_reply_ok(s, request, 0);
}

void hulse_handle_finish_closing(struct channel *ch)
{
    struct session *s = ch->session;
    const uint32_t max = s->plane->shared->limits.handles_max;
    for (uint32_t i = 0; i < max && ch->closing > 0; i++) {
        struct handle *h = s->handles[i];
        if (h != NULL && h->channel == ch && h->state == HANDLE_CLOSING &&
            ch->rx.read >= h->close_at && h->in_flight == 0 && hulse_settle_done(ch)) {
            finish_close(ch, h);
        }
    }
    if (ch->close_wanted && ch->handle_count == 0 && !s->gone) {
        const uint32_t request = ch->close_request;
        hulse_channel_destroy(ch);
        hulse_session_reply_ok(s, request, 0);
    }
}
