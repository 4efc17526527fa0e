/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attach - what an earlier daemon's session offers again: its regions, its handles, their sources.
 *
 *   ATTACH + A --> CHANNEL + A, B    ATTACH_HANDLE*, ATTACH_SOURCES*, MARKS*, ATTACH_END
 *   CHANNEL_READY --> CHANNEL_OK     the handles are opened: PRODUCER, CONSUMER or ERR for each
 *
 * Records are taken when every handle of the channel is open or refused for good; what comes of a
 * refused one is answered, not lost. An open that fails for a reason that passes (the earlier
 * consumer is still seen by its broker) is tried again.
 *
 * Trust: nothing of the earlier daemon's is known; A is judged as a stranger's (V1, V2, V6). An app that
 *        lies repeats or skips its own messages.
 * See:   ipc B8.
 */
#include "daemon/app/attach.h"

#include "daemon/app/channel.h"
#include "daemon/app/control_handler.h"
#include "daemon/app/handle.h"
#include "daemon/app/handle_request.h"
#include "daemon/app/handle_start.h"
#include "daemon/app/marks.h"
#include "daemon/app/reply.h"
#include "daemon/app/seek.h"
#include "daemon/app/session.h"
#include "daemon/app/worker_plane.h"
#include "daemon/core/assert.h"
#include "daemon/core/log.h"
#include "daemon/core/mem.h"
#include "shmlib/ring/tlv.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RETRY_MS_MIN 50U
#define RETRY_MS_MAX 1000U
#define RETRY_FOR_MS 10000U

/* A handle on its way back. */
struct attach {
    struct timer retry;
    struct handle *h;
    uint64_t until_ms; /* 0 = not tried yet */
    uint32_t wait_ms;  /* doubles */
    struct hulse_ctl_attach_handle m;
    struct option_block options;
    struct topic_texts sources; /* of a consumer */
    struct broker_marks *marks; /* of a reader; NULL: none came */
    char topic[HULSE_TOPIC_BYTES_MAX + 1];
    char subscription[HULSE_NAME_BYTES_MAX + 1];
    char name[HULSE_NAME_BYTES_MAX + 1];
};

/* ---- ATTACH ---- */

static bool offered_already(const struct session *s, uint64_t inode)
{
    const struct channel *ch = NULL;
    TAILQ_FOREACH(ch, &s->channels, session_link)
    {
        if (ch->inode == inode) {
            return true;
        }
    }
    return false;
}

/* What is wrong with offering a channel now, or NULL. */
static const char *untimely(const struct session *s)
{
    if (!s->resumed) {
        return "ATTACH in a new session";
    }
    return s->attaching != NULL || s->attach_refused ? "ATTACH before the last one's end" : NULL;
}

/* The rule that the offer breaks; *why says how. */
static enum hulse_rule judge(const struct session *s,
                             const struct hulse_ctl_attach *m,
                             const struct hulse_ctl_open_channel *ask,
                             int fd,
                             const char **why)
{
    const uint64_t granule = HULSE_RECORD_ALIGN - 1;
    *why = hulse_channel_refusal(s, ask);
    if (*why != NULL) {
        return HULSE_RULE_V6;
    }
    *why = untimely(s);
    if (*why != NULL) {
        return HULSE_RULE_V6;
    }
    if ((m->resume_from & granule) != 0 || (m->up_tail & granule) != 0 ||
        m->up_tail < m->resume_from || m->up_tail - m->resume_from > m->up_bytes) {
        *why = "resume_from and up_tail out of range";
        return HULSE_RULE_V6;
    }
    const enum hulse_region_rc rc = hulse_region_check(fd, m->up_bytes, true);
    *why = hulse_region_text(rc);
    if (rc != HULSE_REGION_RC_OK) {
        return rc == HULSE_REGION_RC_HOLES ? HULSE_RULE_V2 : HULSE_RULE_V1;
    }
    struct stat st;
    if (fstat(fd, &st) != 0 || offered_already(s, st.st_ino)) {
        *why = "a region that is attached already";
        return HULSE_RULE_V6;
    }
    return HULSE_RULE_NONE;
}

static void remember_inode(struct channel *ch)
{
    struct stat st;
    ch->inode = fstat(ch->fd_a, &st) == 0 ? st.st_ino : 0;
}

/* The region did not come along: this process could open no more. */
static void refuse_without_region(struct session *s, uint32_t request)
{
    const char *why = untimely(s);
    if (why != NULL) {
        hulse_session_doom(s, HULSE_RULE_V6, why);
        return;
    }
    s->attach_refused = true;
    hulse_session_reply_error(s, request, HULSE_LIMIT, "the daemon is out of descriptors");
}

void hulse_attach_channel(struct session *s, struct hulse_packet *p)
{
    struct hulse_ctl_attach m;
    memcpy(&m, p->bytes, sizeof(m));
    if (p->fd_count == 0) {
        refuse_without_region(s, m.head.req);
        return;
    }
    const int fd = p->fds[0];
    p->fd_count = 0;
    const struct hulse_ctl_open_channel ask = {.head = m.head,
                                               .kind = m.kind,
                                               .release = m.release,
                                               .receipts = m.receipts,
                                               .up_bytes = m.up_bytes,
                                               .down_bytes = m.down_bytes,
                                               .group = m.group};
    const char *why = "";
    const enum hulse_rule rule = judge(s, &m, &ask, fd, &why);
    if (rule != HULSE_RULE_NONE) {
        (void)close(fd);
        hulse_session_doom(s, rule, why);
        return;
    }
    struct channel *ch = NULL;
    struct error err = {0};
    const hulse_status st = hulse_channel_create(s, &ask, fd, &ch, &err);
    if (st != HULSE_OK) {
        /* It cannot be now; or never, as long as the configuration is what it is: TOOBIG. */
        const bool never = hulse_channel_too_large(s, &ask);
        s->attach_refused = true;
        hulse_session_reply_error(s, m.head.req, never ? HULSE_TOOBIG : st, err.text);
        return;
    }
    if (hulse_channel_reply(s, m.head.req, ch) != HULSE_OK) {
        hulse_channel_destroy(ch);
        s->attach_refused = true;
        hulse_session_reply_error(s, m.head.req, HULSE_LIMIT, "the daemon is out of descriptors");
        return;
    }
    hulse_channel_start_at(ch, m.resume_from);
    ch->resumed = true;
    ch->may_cut = ch->kind == HULSE_CHANNEL_PRODUCER;
    ch->offered_end = m.up_tail;
    remember_inode(ch);
    s->attaching = ch;
    s->attach_handles = 0;
}

/* ---- its handles ---- */

/* Where it begins; without HAS_START the `last_…` are not meant for that. */
static bool start_of(const struct hulse_ctl_attach_handle *m, struct broker_position *out)
{
    struct hulse_ctl_position at = {0};
    if ((m->flags & HULSE_ATTACH_HAS_START) != 0) {
        at = (struct hulse_ctl_position){.ledger = m->last_ledger,
                                         .entry = m->last_entry,
                                         .batch = m->last_batch,
                                         .partition = m->last_partition};
    }
    /* One that has been handed something goes on behind it, wherever it began. */
    const bool moved_on =
        (m->flags & HULSE_ATTACH_HAS_LAST) != 0 && m->start > HULSE_START_EARLIEST;
    const bool good = hulse_position_parse(moved_on ? HULSE_START_EARLIEST : m->start, &at, out);
    if (good && (out->kind == BROKER_AT_ID || out->kind == BROKER_AFTER_ID)) {
        out->id.batch_size = hulse_batch_at_least(out->id.batch);
    }
    return good;
}

static bool consumer_valid(const struct channel *ch, const struct hulse_ctl_attach_handle *m)
{
    struct broker_position start;
    return ch->consumer == NULL && ch->handle_count == 0 && m->type <= BROKER_READER &&
           start_of(m, &start) && (m->type == BROKER_READER) == (m->subscription_len == 0);
}

static bool producer_valid(const struct hulse_ctl_attach_handle *m)
{
    return m->type == 0 && m->start == 0 && m->flags == 0 && m->subscription_len == 0;
}

/* Of a producer, in a session that knows it; else nothing. */
static bool routing_valid(const struct channel *ch, const struct hulse_ctl_attach_handle *m)
{
    if (ch->kind == HULSE_CHANNEL_PRODUCER &&
        (ch->session->features & HULSE_FEATURE_ROUTING) != 0) {
        return m->routing <= BROKER_ROUTING_SINGLE && m->hashing <= BROKER_HASH_BOOST;
    }
    return m->partitions == 0 && m->stride == 0 && m->routing == 0 && m->hashing == 0;
}

static bool texts_copied(struct attach *a, const uint8_t *at)
{
    const struct hulse_ctl_attach_handle *m = &a->m;
    return hulse_handle_text(a->topic, sizeof(a->topic), at, m->topic_len) &&
           hulse_handle_text(
               a->subscription, sizeof(a->subscription), at + m->topic_len, m->subscription_len) &&
           hulse_handle_text(
               a->name, sizeof(a->name), at + m->topic_len + m->subscription_len, m->name_len);
}

static void retry_fire(struct timer *t);

/* Makes handle and memory of the way back. PROTOCOL: it cannot be; else there is no room for it. */
static hulse_status adopt(struct channel *ch, const struct hulse_packet *p)
{
    struct session *s = ch->session;
    const uint32_t max = s->plane->shared->limits.handles_max;
    struct attach *a = hulse_mem_zalloc(HULSE_MEM_SESSION, sizeof(*a));
    if (a == NULL) {
        return HULSE_NO_MEMORY;
    }
    memcpy(&a->m, p->bytes, sizeof(a->m));
    const bool fits =
        ch->kind == HULSE_CHANNEL_PRODUCER ? producer_valid(&a->m) : consumer_valid(ch, &a->m);
    const bool sound = fits && routing_valid(ch, &a->m) &&
                       (a->m.flags & ~(HULSE_ATTACH_HAS_LAST | HULSE_ATTACH_HAS_START)) == 0 &&
                       a->m.handle >> 16U != 0 && hulse_handle_find(s, a->m.handle, max) == NULL &&
                       texts_copied(a, p->bytes + sizeof(a->m));
    struct handle *h = sound ? hulse_handle_adopt(s, ch, a->m.handle) : NULL;
    if (h == NULL) {
        hulse_mem_free(HULSE_MEM_SESSION, a, sizeof(*a));
        return sound ? HULSE_LIMIT : HULSE_PROTOCOL;
    }
    a->h = h;
    h->offered = true;
    a->retry.fire = retry_fire;
    a->options = hulse_option_block_take(s, a->m.head.req);
    h->attach = a;
    h->request = a->m.head.req;
    memcpy(h->id, a->m.handle_id, sizeof(h->id));
    if (ch->kind == HULSE_CHANNEL_CONSUMER) {
        ch->consumer = h;
    }
    ch->reopening += 1;
    return HULSE_OK;
}

void hulse_attach_handle(struct session *s, const struct hulse_packet *p)
{
    if (s->attach_refused) {
        return; /* its channel's ERR says it all */
    }
    if (s->attaching == NULL) {
        hulse_session_doom(s, HULSE_RULE_V6, "ATTACH_HANDLE without ATTACH");
        return;
    }
    s->attach_handles += 1;
    const hulse_status st = adopt(s->attaching, p);
    if (st == HULSE_PROTOCOL) {
        hulse_session_doom(s, HULSE_RULE_V6, "a handle that cannot be, or is there already");
    } else if (st != HULSE_OK) {
        s->attaching->refusal = st; /* told to CHANNEL_READY */
    }
}

/* All names well formed and in bounds. */
static bool names_valid(const uint8_t *names, uint32_t bytes, uint32_t count)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint16_t len = 0;
        if (bytes - at < sizeof(len)) {
            return false;
        }
        memcpy(&len, names + at, sizeof(len));
        at += sizeof(len);
        if (len == 0 || len > HULSE_TOPIC_BYTES_MAX || len > bytes - at ||
            memchr(names + at, 0, len) != NULL || !hulse_utf8_valid(names + at, len)) {
            return false;
        }
        at += len;
    }
    return at == bytes;
}

/* Names that were judged. */
static bool keep_sources(struct topic_texts *to, const uint8_t *names, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint16_t bytes = 0;
        memcpy(&bytes, names, sizeof(bytes));
        if (!hulse_topic_texts_add(to, names + sizeof(bytes), bytes)) {
            return false;
        }
        names += sizeof(bytes) + bytes;
    }
    return true;
}

void hulse_attach_sources(struct session *s, const struct hulse_packet *p)
{
    struct hulse_ctl_attach_sources m;
    if (s->attach_refused || (s->attaching != NULL && s->attaching->refusal != HULSE_OK)) {
        return;
    }
    memcpy(&m, p->bytes, sizeof(m));
    struct handle *h = s->attaching == NULL ? NULL : s->attaching->consumer;
    /* The first name is the topic's own, which opening counts already. */
    const uint32_t next = h == NULL || m.first == 0 ? 0 : h->sources;
    if (h == NULL || h->number != m.handle || m.first != next || m.count == 0 ||
        m.count > HULSE_SOURCES_MAX - m.first ||
        !names_valid(p->bytes + sizeof(m), m.names_len, m.count)) {
        hulse_session_doom(s, HULSE_RULE_V6, "sources out of place");
        return;
    }
    h->sources = m.first + m.count;
    if (!keep_sources(&h->attach->sources, p->bytes + sizeof(m), m.count)) {
        s->attaching->refusal = HULSE_NO_MEMORY; /* told to CHANNEL_READY */
    }
}

void hulse_attach_marks(struct session *s, const struct hulse_packet *p)
{
    struct hulse_ctl_marks m;
    if (s->attach_refused || (s->attaching != NULL && s->attaching->refusal != HULSE_OK)) {
        return;
    }
    memcpy(&m, p->bytes, sizeof(m));
    const struct handle *h = s->attaching == NULL ? NULL : s->attaching->consumer;
    if (h == NULL || h->number != m.handle || h->attach->m.type != BROKER_READER ||
        (h->attach->m.flags & HULSE_ATTACH_HAS_LAST) != 0 ||
        (s->features & HULSE_FEATURE_MARKS) == 0) {
        hulse_session_doom(s, HULSE_RULE_V6, "marks out of place");
        return;
    }
    struct attach *a = h->attach;
    if (a->marks == NULL) {
        a->marks = hulse_broker_marks_create();
    }
    const hulse_status st = a->marks == NULL ? HULSE_NO_MEMORY : hulse_marks_hear(a->marks, p);
    if (st == HULSE_PROTOCOL) {
        hulse_session_doom(s, HULSE_RULE_V6, "marks that cannot be");
    } else if (st != HULSE_OK) {
        s->attaching->refusal = st; /* told to CHANNEL_READY */
    }
}

void hulse_attach_end(struct session *s, const struct hulse_packet *p)
{
    struct hulse_ctl_attach_end m;
    memcpy(&m, p->bytes, sizeof(m));
    if (s->attach_refused) {
        s->attach_refused = false;
        return;
    }
    if (s->attaching == NULL || m.handles != s->attach_handles) {
        hulse_session_doom(s, HULSE_RULE_V6, "ATTACH_END out of place");
        return;
    }
    s->attaching = NULL;
}

/* ---- opened again ---- */

static hulse_status start_producer(struct handle *h, const struct attach *a, struct error *err)
{
    struct producer_wish wish = {.topic = a->topic,
                                 .routing = {.mode = (enum broker_routing_mode)a->m.routing,
                                             .hashing = (enum broker_hashing)a->m.hashing,
                                             .stride = a->m.stride,
                                             .partitions = a->m.partitions}};
    const hulse_status st = hulse_option_block_producer(&a->options, &wish, err);
    if (wish.access == BROKER_ACCESS_TAKE) {
        wish.access = BROKER_ACCESS_EXCLUSIVE; /* who took it since the last daemon keeps it */
    }
    return st == HULSE_OK ? hulse_handle_start_producer(h, &wish, err) : st;
}

static hulse_status start_consumer(struct handle *h, const struct attach *a, struct error *err)
{
    const struct broker_id after = {.ledger = a->m.last_ledger,
                                    .entry = a->m.last_entry,
                                    .batch = a->m.last_batch,
                                    .partition = a->m.last_partition,
                                    .batch_size = hulse_batch_at_least(a->m.last_batch)};
    struct consumer_wish wish = {.topic = a->topic,
                                 .subscription = a->subscription,
                                 .name = a->name,
                                 .type = (enum broker_subscription)a->m.type,
                                 .after = (a->m.flags & HULSE_ATTACH_HAS_LAST) != 0 ? &after : NULL,
                                 .reassembly_bytes = a->m.reassembly_bytes,
                                 .unacked_max = a->m.unacked_max};
    (void)start_of(&a->m, &wish.start); /* it was judged when it came */
    if (a->marks != NULL) {
        a->marks->begin = wish.start;
        wish.marks = a->marks;
    }
    wish.topics.known = &a->sources;
    hulse_status st = hulse_option_block_consumer(&a->options, &wish, err);
    st = st == HULSE_OK ? hulse_handle_start_consumer(h, &wish, err) : st;
    hulse_option_wish_free(&wish);
    return st;
}

static void start(struct handle *h)
{
    struct error err = {0};
    const hulse_status st = h->channel->kind == HULSE_CHANNEL_PRODUCER
                                ? start_producer(h, h->attach, &err)
                                : start_consumer(h, h->attach, &err);
    if (st != HULSE_OK) {
        h->publisher = NULL;
        h->subscriber = NULL;
        hulse_attach_failed(h, st, err.text);
    }
}

static void retry_fire(struct timer *t)
{
    struct attach *a = HULSE_CONTAINER(t, struct attach, retry);
    HULSE_ASSERT(a->h->magic == HULSE_HANDLE_MAGIC);
    start(a->h);
}

void hulse_attach_begin(struct channel *ch)
{
    struct session *s = ch->session;
    const uint32_t max = s->plane->shared->limits.handles_max;
    for (uint32_t i = 0; i < max && ch->reopening > 0; i++) {
        struct handle *h = s->handles[i];
        if (h != NULL && h->channel == ch && h->attach != NULL) {
            start(h);
        }
    }
}

void hulse_attach_free(struct handle *h)
{
    struct attach *a = h->attach;
    if (a == NULL) {
        return;
    }
    if (hulse_timer_pending(&a->retry)) {
        hulse_timer_stop(&h->channel->session->plane->worker->loop.timers, &a->retry);
    }
    h->attach = NULL;
    h->channel->reopening -= 1;
    hulse_option_block_free(&a->options);
    hulse_topic_texts_free(&a->sources);
    hulse_broker_marks_let(&a->marks);
    hulse_mem_free(HULSE_MEM_SESSION, a, sizeof(*a));
}

/* One handle less to wait for. */
static void finished(struct handle *h)
{
    struct channel *ch = h->channel;
    hulse_attach_free(h);
    if (ch->reopening == 0) {
        hulse_plane_heat(ch->session->plane, ch);
        hulse_plane_touch(ch->session->plane, ch);
    }
}

void hulse_attach_opened(struct handle *h)
{
    finished(h);
    if (h->close_wanted) {
        hulse_handle_finish_giving_up(h);
    }
}

static bool passes(hulse_status status)
{
    return status == HULSE_BUSY || status == HULSE_TIMED_OUT || status == HULSE_NO_MEMORY ||
           status == HULSE_IO || status == HULSE_AGAIN || status == HULSE_LIMIT;
}

/* What its records are answered; those of an earlier daemon's time are unknown (publish_channel.c). */
static uint8_t outcome_of(hulse_status status)
{
    switch (status) {
    case HULSE_DENIED:
        return HULSE_OUTCOME_DENIED;
    case HULSE_NO_TOPIC:
        return HULSE_OUTCOME_NO_TOPIC;
    case HULSE_BUSY:
        return HULSE_OUTCOME_FENCED;
    default:
        return HULSE_OUTCOME_FAILED_UNKNOWN;
    }
}

void hulse_attach_failed(struct handle *h, hulse_status status, const char *text)
{
    struct attach *a = h->attach;
    struct session *s = h->channel->session;
    struct loop *l = &s->plane->worker->loop;
    const uint64_t now_ms = hulse_loop_now_ms(l);
    if (h->close_wanted && h->channel->kind == HULSE_CHANNEL_CONSUMER) {
        hulse_handle_finish_giving_up(h);
        return;
    }
    if (a->until_ms == 0) {
        a->until_ms = now_ms + RETRY_FOR_MS;
        a->wait_ms = RETRY_MS_MIN;
    }
    if (passes(status) && now_ms < a->until_ms && !s->gone && !s->doomed) {
        hulse_timer_start(&l->timers, &a->retry, now_ms + a->wait_ms);
        a->wait_ms = a->wait_ms < RETRY_MS_MAX / 2 ? a->wait_ms * 2 : RETRY_MS_MAX;
        return;
    }
    HULSE_LOG_WARNF("handle.refused",
                    hulse_log_u64("session", s->number),
                    hulse_log_str("app", s->name),
                    hulse_log_str("topic", a->topic),
                    hulse_log_str("why", text));
    if (!h->close_wanted) {
        hulse_session_reply_error(s, h->request, status, text);
    }
    h->state = HANDLE_OPEN;
    h->failed = true;
    h->refusal = outcome_of(status);
    *(h->channel->kind == HULSE_CHANNEL_PRODUCER ? &s->plane->producer_count
                                                 : &s->plane->consumer_count) += 1;
    hulse_attach_opened(h);
}
