/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle - a producer or consumer of a session: opened through flow, numbered with a generation.
 *
 * A close is finished only when the ring was taken up to where it stood and every record has its
 * answer, so that a close never overtakes what was published before it.
 */
#include "daemon/app/handle.h"

#include "daemon/app/assembly.h"
#include "daemon/app/attach.h"
#include "daemon/app/channel.h"
#include "daemon/app/deliver_channel.h"
#include "daemon/app/marks.h"
#include "daemon/app/publish_channel.h"
#include "daemon/app/recheck.h"
#include "daemon/app/reply.h"
#include "daemon/app/seek.h"
#include "daemon/app/session.h"
#include "daemon/app/settle.h"
#include "daemon/app/worker_plane.h"
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "daemon/flow/schemas.h"
#include "shmlib/ring/tlv.h"

#include <sys/random.h>

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

static void random_id(uint8_t id[BROKER_HANDLE_ID_BYTES])
{
    /* Cannot fail for 16 bytes once the kernel is up; zeros are no id, and brokers know that. */
    if (getrandom(id, BROKER_HANDLE_ID_BYTES, 0) != (ssize_t)BROKER_HANDLE_ID_BYTES) {
        memset(id, 0, BROKER_HANDLE_ID_BYTES);
    }
}

/* The flow object is gone with a failed open; tells the app and forgets the handle. */
static void open_failed(struct handle *h, hulse_status status, const char *text)
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
        open_failed(h, status, text);
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
        open_failed(h, status, text);
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

bool hulse_handle_text(char *to, size_t capacity, const uint8_t *from, size_t bytes)
{
    if (bytes >= capacity || memchr(from, 0, bytes) != NULL || !hulse_utf8_valid(from, bytes)) {
        return false;
    }
    memcpy(to, from, bytes);
    to[bytes] = '\0';
    return true;
}

static struct channel *
find_channel(const struct session *s, uint32_t id, enum hulse_channel_kind kind)
{
    struct channel *ch = NULL;
    TAILQ_FOREACH(ch, &s->channels, session_link)
    {
        if (ch->id == id) {
            const bool live = ch->state == CHANNEL_HOT || ch->state == CHANNEL_ARMED;
            return live && ch->kind == kind && !ch->mute && !ch->close_wanted ? ch : NULL;
        }
    }
    return NULL;
}

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

/* A new handle of the channel, which `request` is to be answered about; NULL: it was, for there is none. */
static struct handle *
new_handle(struct session *s, struct channel *ch, uint32_t generation, uint32_t request)
{
    struct handle *h = hulse_handle_create(s, ch, generation);
    if (h == NULL) {
        hulse_session_reply_error(s, request, HULSE_LIMIT, "too many handles");
        return NULL;
    }
    h->request = request;
    random_id(h->id);
    return h;
}

static void open_producer(struct session *s,
                          const struct hulse_ctl_open_producer *m,
                          const uint8_t *name,
                          const struct option_block *options)
{
    char topic[HULSE_TOPIC_BYTES_MAX + 1];
    struct producer_wish wish = {.topic = topic};
    struct error err = {0};
    struct channel *ch = find_channel(s, m->channel, HULSE_CHANNEL_PRODUCER);
    if (ch == NULL || !hulse_handle_text(topic, sizeof(topic), name, m->topic_len)) {
        hulse_session_reply_error(s,
                                  m->head.req,
                                  HULSE_INVAL,
                                  ch == NULL ? "no such open producer channel"
                                             : "the topic is not UTF-8 text");
        return;
    }
    if (hulse_option_block_producer(options, &wish, &err) != HULSE_OK) {
        hulse_session_reply_error(s, m->head.req, err.status, err.text);
        return;
    }
    struct handle *h = new_handle(s, ch, m->generation, m->head.req);
    if (h == NULL) {
        return;
    }
    const hulse_status st = hulse_handle_start_producer(h, &wish, &err);
    if (st != HULSE_OK) {
        open_failed(h, st, err.text);
    }
}

void hulse_handle_open_producer(struct session *s, const struct hulse_packet *p)
{
    struct hulse_ctl_open_producer m;
    memcpy(&m, p->bytes, sizeof(m));
    struct option_block options = hulse_option_block_take(s, m.head.req);
    open_producer(s, &m, p->bytes + sizeof(m), &options);
    hulse_option_block_free(&options);
}

/* Strings of OPEN_CONSUMER, terminated. */
struct consumer_texts {
    char topic[HULSE_TOPIC_BYTES_MAX + 1];
    char subscription[HULSE_NAME_BYTES_MAX + 1];
    char name[HULSE_NAME_BYTES_MAX + 1];
};

static bool
consumer_texts(struct consumer_texts *t, const struct hulse_ctl_open_consumer *m, const uint8_t *at)
{
    return hulse_handle_text(t->topic, sizeof(t->topic), at, m->topic_len) &&
           hulse_handle_text(
               t->subscription, sizeof(t->subscription), at + m->topic_len, m->subscription_len) &&
           hulse_handle_text(
               t->name, sizeof(t->name), at + m->topic_len + m->subscription_len, m->name_len);
}

/* What makes the request impossible, or NULL. */
static const char *consumer_refusal(const struct channel *ch,
                                    const struct hulse_ctl_open_consumer *m)
{
    if (ch == NULL) {
        return "no such open consumer channel";
    }
    if (ch->consumer != NULL) {
        return "the channel has a consumer";
    }
    if (m->type > BROKER_READER) {
        return "unknown subscription type";
    }
    if ((m->type == BROKER_READER) != (m->subscription_len == 0)) {
        return "a reader has no subscription, every other consumer has one";
    }
    return NULL;
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

static void open_consumer(struct session *s,
                          const struct hulse_ctl_open_consumer_at *both,
                          const uint8_t *names,
                          const struct option_block *options,
                          struct consumer_wish *wish)
{
    const struct hulse_ctl_open_consumer *m = &both->open;
    struct consumer_texts t;
    struct error err = {0};
    struct channel *ch = find_channel(s, m->channel, HULSE_CHANNEL_CONSUMER);
    const char *refusal = consumer_refusal(ch, m);
    if (refusal == NULL && !hulse_position_parse(m->start, &both->at, &wish->start)) {
        refusal = "unknown start";
    }
    if (refusal == NULL && !consumer_texts(&t, m, names)) {
        refusal = "a name is not UTF-8 text";
    }
    if (refusal != NULL) {
        (void)hulse_fail(&err, HULSE_INVAL, "%s", refusal);
    } else {
        wish->topic = t.topic;
        wish->subscription = t.subscription;
        wish->name = t.name;
        (void)hulse_option_block_consumer(options, wish, &err);
    }
    struct handle *h = NULL;
    if (err.status != HULSE_OK) {
        hulse_session_reply_error(s, m->head.req, err.status, err.text);
    } else {
        h = new_handle(s, ch, m->generation, m->head.req);
    }
    if (h != NULL && hulse_handle_start_consumer(h, wish, &err) != HULSE_OK) {
        open_failed(h, err.status, err.text);
    }
    hulse_option_wish_free(wish);
}

void hulse_handle_open_consumer(struct session *s, const struct hulse_packet *p, size_t fixed)
{
    struct hulse_ctl_open_consumer_at both = {0};
    memcpy(&both, p->bytes, fixed);
    struct option_block options = hulse_option_block_take(s, both.open.head.req);
    struct consumer_wish wish = {.type = (enum broker_subscription)both.open.type,
                                 .reassembly_bytes = both.open.reassembly_bytes,
                                 .unacked_max = both.open.unacked_max};
    open_consumer(s, &both, p->bytes + fixed, &options, &wish);
    hulse_option_block_free(&options);
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
