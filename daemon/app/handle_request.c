/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle_request - see handle_request.h.
 */
#include "daemon/app/handle_request.h"

#include "daemon/app/channel.h"
#include "daemon/app/handle.h"
#include "daemon/app/handle_start.h"
#include "daemon/app/options.h"
#include "daemon/app/reply.h"
#include "daemon/app/seek.h"
#include "daemon/app/session.h"
#include "shmlib/ring/tlv.h"

#include <string.h>
#include <sys/random.h>

static void random_id(uint8_t id[BROKER_HANDLE_ID_BYTES])
{
    /* Cannot fail for 16 bytes once the kernel is up; zeros are no id, and brokers know that. */
    if (getrandom(id, BROKER_HANDLE_ID_BYTES, 0) != (ssize_t)BROKER_HANDLE_ID_BYTES) {
        memset(id, 0, BROKER_HANDLE_ID_BYTES);
    }
}

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
        hulse_handle_open_failed(h, st, err.text);
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
        hulse_handle_open_failed(h, err.status, err.text);
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
