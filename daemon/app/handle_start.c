/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle_start - see handle_start.h: the flow side of a handle, and what flow tells of it.
 */
#include "daemon/app/handle_start.h"

#include "daemon/app/attach.h"
#include "daemon/app/channel.h"
#include "daemon/app/deliver_channel.h"
#include "daemon/app/handle.h"
#include "daemon/app/marks.h"
#include "daemon/app/publish_channel.h"
#include "daemon/app/recheck.h"
#include "daemon/app/reply.h"
#include "daemon/app/seek.h"
#include "daemon/app/session.h"
#include "daemon/app/settle.h"
#include "daemon/app/topics.h"
#include "daemon/app/worker_plane.h"
#include "daemon/core/assert.h"

#include <string.h>

void hulse_handle_open_failed(struct handle *h, hulse_status status, const char *text)
{
    struct session *s = h->channel->session;
    h->publisher = NULL;
    h->subscriber = NULL;
    if (h->attach != NULL) {
        hulse_attach_failed(h, status, text);
        return;
    }
    hulse_session_reply_error(s, h->request, status, text);
    struct handle *gone = h;
    hulse_handle_destroy(&gone);
}

/* Tells the app; h->request is the close's when it does not want the handle any more. */
static void opened(struct handle *h, struct hulse_packet *reply)
{
    if (!h->close_wanted) {
        hulse_session_reply(h->channel->session, reply);
    }
    if (h->attach != NULL) {
        hulse_attach_opened(h);
    }
}

/* What the application offers again with the handle, so that its records go where they went. */
static void tell_routing(struct hulse_ctl_producer *m, const struct broker_routing *routing)
{
    m->partitions = (uint16_t)routing->partitions;
    m->stride = (uint16_t)routing->stride;
    m->routing = (uint8_t)routing->mode;
    m->hashing = (uint8_t)routing->hashing;
}

static void producer_opened(void *ctx,
                            hulse_status status,
                            const char *text,
                            const struct broker_limits *limits)
{
    struct handle *h = ctx;
    HULSE_ASSERT(h->magic == HULSE_HANDLE_MAGIC);
    if (status != HULSE_OK) {
        hulse_handle_open_failed(h, status, text);
        return;
    }
    struct session *s = h->channel->session;
    h->state = HANDLE_OPEN;
    h->bytes_max = limits->message_bytes_max;
    s->plane->producer_count += 1;
    struct hulse_ctl_producer m = {
        .handle = h->number, .message_max = limits->message_bytes_max, .last_seq = UINT64_MAX};
    if ((s->features & HULSE_FEATURE_ROUTING) != 0) {
        tell_routing(&m, &limits->routing);
    }
    memcpy(m.handle_id, h->id, sizeof(m.handle_id));
    struct hulse_packet reply;
    hulse_packet_begin(&reply, HULSE_CTL_PRODUCER, h->request, &m);
    opened(h, &reply);
}

static void handle_failed(void *ctx, hulse_status status, const char *text)
{
    struct handle *h = ctx;
    HULSE_ASSERT(h->magic == HULSE_HANDLE_MAGIC);
    h->failed = true;
    hulse_session_event(h->channel->session, HULSE_EVENT_HANDLE_FAILED, h, status, text);
}

/* For good: its records are answered FENCED. */
static void producer_fenced(void *ctx, const char *text)
{
    struct handle *h = ctx;
    HULSE_ASSERT(h->magic == HULSE_HANDLE_MAGIC);
    h->failed = true;
    h->refusal = HULSE_OUTCOME_FENCED;
    hulse_session_event(h->channel->session, HULSE_EVENT_FENCED, h, HULSE_BUSY, text);
}

/* What an app hears of the reader it has opened. */
static void begin_reader(struct hulse_packet *reply,
                         const struct handle *h,
                         uint32_t verdicts,
                         const struct broker_reach *reach)
{
    const char *topic = hulse_subscriber_topic(h->subscriber);
    struct hulse_ctl_reader m = {
        .handle = h->number, .verdicts = verdicts, .topic_len = (uint16_t)strlen(topic)};
    memcpy(m.handle_id, h->id, sizeof(m.handle_id));
    if (reach != NULL && !reach->behind_unknown) {
        m.flags = HULSE_READER_BEHIND;
        m.behind_ledger = reach->behind.ledger;
        m.behind_entry = reach->behind.entry;
        m.behind_batch = reach->behind.batch;
    }
    if (reach != NULL && reach->has_last) {
        m.flags |= HULSE_READER_END;
        m.end_ledger = reach->last.ledger;
        m.end_entry = reach->last.entry;
        m.end_batch = reach->last.batch;
    }
    hulse_packet_begin(reply, HULSE_CTL_READER, h->request, &m);
    hulse_packet_append(reply, topic, m.topic_len);
}

static void begin_consumer(struct hulse_packet *reply, const struct handle *h, uint32_t verdicts)
{
    const char *topic = hulse_subscriber_topic(h->subscriber);
    struct hulse_ctl_consumer m = {
        .handle = h->number, .verdicts = verdicts, .topic_len = (uint16_t)strlen(topic)};
    memcpy(m.handle_id, h->id, sizeof(m.handle_id));
    hulse_packet_begin(reply, HULSE_CTL_CONSUMER, h->request, &m);
    hulse_packet_append(reply, topic, m.topic_len);
}

static void consumer_opened(void *ctx,
                            hulse_status status,
                            const char *text,
                            uint32_t verdicts,
                            const struct broker_reach *reach)
{
    struct handle *h = ctx;
    HULSE_ASSERT(h->magic == HULSE_HANDLE_MAGIC);
    if (status != HULSE_OK) {
        hulse_handle_open_failed(h, status, text);
        return;
    }
    struct session *s = h->channel->session;
    h->state = HANDLE_OPEN;
    h->several = hulse_subscriber_is_several(h->subscriber);
    s->plane->consumer_count += 1;
    if (h->several) {
        hulse_subscriber_told(h->subscriber, 0); /* by the answer */
    }
    struct hulse_packet reply;
    if (h->channel->reader && (s->features & HULSE_FEATURE_READER) != 0) {
        hulse_marks_tell(h, reach);
        begin_reader(&reply, h, verdicts, reach);
    } else {
        begin_consumer(&reply, h, verdicts);
    }
    opened(h, &reply);
    if (h->active && !h->close_wanted) {
        hulse_session_active(h);
    }
    hulse_plane_touch(s->plane, h->channel);
    if (s->plane->recheck) {
        hulse_plane_recheck(s->plane); /* the tables changed while it was opening */
    }
}

/* Before it is open the application has no number to hear of. */
static void consumer_active(void *ctx, bool active)
{
    struct handle *h = ctx;
    HULSE_ASSERT(h->magic == HULSE_HANDLE_MAGIC);
    h->active = active;
    if (h->state == HANDLE_OPEN) {
        hulse_session_active(h);
    }
}

static void ask_room(void *ctx)
{
    struct handle *h = ctx;
    HULSE_ASSERT(h->magic == HULSE_HANDLE_MAGIC);
    hulse_plane_touch(h->channel->session->plane, h->channel);
}

static void other_verdicts(void *ctx, uint32_t verdicts)
{
    const struct handle *h = ctx;
    HULSE_ASSERT(h->magic == HULSE_HANDLE_MAGIC);
    hulse_session_verdicts(h, verdicts);
}

static const struct publisher_events producer_events = {.opened = producer_opened,
                                                        .answered = hulse_publish_answered,
                                                        .failed = handle_failed,
                                                        .fenced = producer_fenced,
                                                        .freed = ask_room};
static const struct subscriber_events consumer_events = {.opened = consumer_opened,
                                                         .message = hulse_deliver_message,
                                                         .failed = handle_failed,
                                                         .settled = hulse_settle_settled,
                                                         .caught_up = hulse_deliver_caught_up,
                                                         .lost = hulse_deliver_lost,
                                                         .active = consumer_active,
                                                         .end_of_topic = hulse_deliver_end_of_topic,
                                                         .sought = hulse_seek_done,
                                                         .ask_room = ask_room,
                                                         .verdicts = other_verdicts};

/*
 * Release on read means drop oldest (ipc C6): a quarter of the receipt slots for what waits, so that
 * those and the thousand that the broker may have never block the ring.
 */
static uint32_t hold_records(const struct channel *ch)
{
    return ch->release_on_read ? ch->slots / 4 : 0;
}

hulse_status
hulse_handle_start_producer(struct handle *h, const struct producer_wish *wish, struct error *err)
{
    struct session *s = h->channel->session;
    const struct publisher_params params = {.flow = s->plane->shared->flow,
                                            .worker = s->plane->worker,
                                            .who = &s->who,
                                            .topic = wish->topic,
                                            .name = s->name,
                                            .handle_id = h->id,
                                            .routing = wish->routing,
                                            .access = wish->access,
                                            .initial_subscription = wish->initial_subscription,
                                            .app_rate = &s->rate,
                                            .hold_records = hold_records(h->channel),
                                            .events = &producer_events,
                                            .ctx = h};
    return hulse_publisher_open(&h->publisher, &params, err);
}

hulse_status
hulse_handle_start_consumer(struct handle *h, const struct consumer_wish *wish, struct error *err)
{
    struct channel *ch = h->channel;
    struct session *s = ch->session;
    ch->consumer = h;
    ch->reader = wish->type == BROKER_READER;
    ch->reassembly_bytes = wish->reassembly_bytes;
    struct subscriber_topics several;
    const struct subscriber_topics *topics = hulse_topics_wish_for(&wish->topics, &several);
    /* Anew for each consumer: an earlier one has left the free list in any order. */
    hulse_slots_init(ch, wish->unacked_max);
    const struct subscriber_params params = {.flow = s->plane->shared->flow,
                                             .worker = s->plane->worker,
                                             .who = &s->who,
                                             .topic = wish->topic,
                                             .subscription = wish->subscription,
                                             .name = wish->name,
                                             .app = s->name,
                                             .handle_id = h->id,
                                             .type = wish->type,
                                             .start = wish->start,
                                             .wishes = &wish->wishes,
                                             .after = wish->after,
                                             .marks = wish->marks,
                                             .several = topics,
                                             .one_source = (s->features & HULSE_FEATURE_RETRY) == 0,
                                             .resumed = h->attach != NULL,
                                             .events = &consumer_events,
                                             .ctx = h};
    return hulse_subscriber_open(&h->subscriber, &params, err);
}
