/* SPDX-License-Identifier: Apache-2.0 */
/*
 * producer_open - opening and closing a producer.
 *
 * Threads: any; under the session lock from the first request until the handle is linked, so that
 *          an event about it finds it.
 */
#include "shmlib/client/options.h"
#include "shmlib/client/producer.h"

#include <stdlib.h>
#include <string.h>

static uint32_t or_never(uint32_t limit)
{
    return limit == 0 ? UINT32_MAX : limit;
}

static hulse_status
open_channel(struct hulse_session *s, hulse_producer *p, const hulse_producer_options *o)
{
    struct hulse_ctl_open_channel ask = {
        .kind = HULSE_CHANNEL_PRODUCER,
        .release = o->release_on_read ? HULSE_RELEASE_ON_READ : HULSE_RELEASE_ON_VERDICT,
        .receipts = (uint8_t)o->receipts,
        .up_bytes = o->ring_bytes,
        .down_bytes = o->slots * HULSE_RECEIPT_BYTES,
    };

    if (o->share_with != NULL) {
        p->handle.channel = o->share_with->handle.channel;
        return hulse_channel_attached(p->handle.channel)
                   ? HULSE_OK
                   : hulse_session_fault(
                         s, HULSE_ORPHAN, "the daemon has gone meanwhile: try again");
    }
    const hulse_status st = hulse_channel_open(s, &p->handle.channel, &ask, o->group);
    if (st == HULSE_OK) {
        p->handle.channel->flush_records = or_never(o->flush_records);
        p->handle.channel->flush_bytes = or_never(o->flush_bytes);
    }
    return st;
}

static hulse_status open_handle(struct hulse_session *s,
                                hulse_producer *p,
                                const char *topic,
                                const hulse_producer_options *o)
{
    const struct hulse_ctl_open_producer ask = {
        .channel = p->handle.channel->number,
        .send_timeout_ms = o->send_timeout_ms,
        .generation = hulse_handle_generation(s),
        .topic_len = (uint16_t)strlen(topic),
    };
    struct hulse_ctl_producer answer;

    hulse_status st = hulse_option_list_send(s, &p->handle.options, s->req + 1);
    if (st != HULSE_OK) {
        return st;
    }
    hulse_packet_begin(&s->io, HULSE_CTL_OPEN_PRODUCER, 0, &ask);
    hulse_packet_append(&s->io, topic, ask.topic_len);
    st = hulse_control_call_open(s, HULSE_CTL_PRODUCER);
    if (st == HULSE_OK) {
        hulse_control_answer(s, &answer, sizeof(answer));
        p->handle.number = answer.handle;
        p->handle.bytes_max = answer.message_max;
        p->handle.offer.handle = answer.handle;
        memcpy(p->handle.offer.handle_id, answer.handle_id, sizeof(answer.handle_id));
        p->handle.offer.partitions = answer.partitions;
        p->handle.offer.stride = answer.stride;
        p->handle.offer.routing = answer.routing;
        p->handle.offer.hashing = answer.hashing;
        hulse_handle_join(&p->handle);
    }
    return st;
}

/* Requires: lock. */
static hulse_status open_both(struct hulse_session *s,
                              hulse_producer *p,
                              const char *topic,
                              const hulse_producer_options *o)
{
    hulse_status st = open_channel(s, p, o);

    if (st == HULSE_OK) {
        st = open_handle(s, p, topic, o);
        if (st != HULSE_OK && p->handle.channel->users == 0) {
            hulse_channel_close(&p->handle.channel, hulse_deadline_in(s->timeout_ms));
        }
    }
    return st;
}

static hulse_status
judge(struct hulse_session *s, const char *topic, const hulse_producer_options *o)
{
    const hulse_producer *other = o->share_with;
    const hulse_status st = hulse_session_ready(s, topic, o->group);

    if (st == HULSE_OK && other != NULL && other->handle.channel->session != s) {
        return hulse_session_fault(
            s, HULSE_INVAL, "share_with names a producer of another session");
    }
    return st == HULSE_OK && other != NULL ? hulse_channel_await(other->handle.channel) : st;
}

static void destroy(hulse_producer *p)
{
    hulse_resume_forget(&p->handle);
    free(p);
}

hulse_status hulse_producer_open(hulse_session *s,
                                 hulse_producer **out,
                                 const char *topic,
                                 const hulse_producer_options *o)
{
    if (s == NULL || out == NULL) {
        return HULSE_INVAL;
    }
    *out = NULL;
    o = o != NULL ? o : &hulse_producer_options_default;
    hulse_status st = judge(s, topic, o);
    if (st != HULSE_OK) {
        return st;
    }
    hulse_producer *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        return hulse_session_fault(s, HULSE_NO_MEMORY, "no memory for a producer");
    }
    p->handle.kind = HULSE_CHANNEL_PRODUCER;
    p->handle.error = "nothing has failed";
    const struct hulse_ctl_attach_handle offer = {.send_timeout_ms = o->send_timeout_ms};
    if (!hulse_option_list_copy(&p->handle.options, &o->more) ||
        !hulse_resume_keep(&p->handle, &offer, topic, "", "")) {
        destroy(p);
        return hulse_session_fault(s, HULSE_NO_MEMORY, "no memory for a producer");
    }
    (void)pthread_mutex_lock(&s->lock);
    st = open_both(s, p, topic, o);
    (void)pthread_mutex_unlock(&s->lock);
    if (st != HULSE_OK) {
        destroy(p);
        return st;
    }
    *out = p;
    return HULSE_OK;
}

hulse_status
hulse_producer_end(hulse_producer *gone, int drain_ms, const struct hulse_deadline *answer)
{
    struct hulse_channel *ch = gone->handle.channel;
    const bool cut = ch->cut_at != 0 && ch->cut_owner == gone;
    hulse_status st = hulse_handle_away(&gone->handle, hulse_producer_settle(gone, drain_ms));

    if (ch->claimant == gone) {
        ch->claimant = NULL;
    }
    if (ch->cut_owner == gone) {
        /* A record of another producer tells the daemon that the rest will not come. */
        ch->cut_owner = NULL;
        ch->cut_at = 0;
    }
    hulse_handle_retire(&gone->handle, answer);
    if (cut && (st == HULSE_OK || st == HULSE_TIMED_OUT || st == HULSE_ORPHAN)) {
        st = HULSE_FAILED; /* what is half published will never be whole */
    }
    destroy(gone);
    return st;
}

hulse_status hulse_producer_close(hulse_producer **p, int drain_ms)
{
    if (p == NULL || *p == NULL) {
        return HULSE_INVAL;
    }
    hulse_producer *gone = *p;

    *p = NULL;
    return hulse_producer_end(gone, drain_ms, NULL);
}

const char *hulse_producer_error(const hulse_producer *p)
{
    return p == NULL ? "no producer" : p->handle.error;
}

uint32_t hulse_message_max(const hulse_producer *p)
{
    return p == NULL ? 0 : p->handle.bytes_max;
}
