/* SPDX-License-Identifier: Apache-2.0 */
/* topics - see the header. */
#include "daemon/app/topics.h"

#include "daemon/app/channel.h"
#include "daemon/app/handle.h"
#include "daemon/app/reply.h"
#include "daemon/app/session.h"
#include "daemon/core/mem.h"
#include "daemon/flow/multi.h"

#define ROOM_MIN 256U
/* Of a list as long as may be, of names as long as may be. */
#define TEXTS_BYTES_MAX (MULTI_TOPICS_MAX * (HULSE_TOPIC_BYTES_MAX + 1))

bool hulse_topic_texts_add(struct topic_texts *t, const void *name, uint32_t bytes)
{
    const uint32_t needed = t->used + bytes + 1;
    uint32_t room = t->room == 0 ? ROOM_MIN : t->room;
    if (needed > TEXTS_BYTES_MAX) {
        return false;
    }
    while (room < needed) {
        room *= 2;
    }
    if (room != t->room) {
        char *larger = hulse_mem_alloc(HULSE_MEM_SESSION, room);
        if (larger == NULL) {
            return false;
        }
        if (t->used > 0) {
            memcpy(larger, t->texts, t->used);
        }
        hulse_mem_free(HULSE_MEM_SESSION, t->texts, t->room);
        t->texts = larger;
        t->room = room;
    }
    memcpy(t->texts + t->used, name, bytes);
    t->texts[needed - 1] = '\0';
    t->used = needed;
    t->count += 1;
    return true;
}

void hulse_topic_texts_free(struct topic_texts *t)
{
    hulse_mem_free(HULSE_MEM_SESSION, t->texts, t->room);
    *t = (struct topic_texts){0};
}

const struct subscriber_topics *hulse_topics_wish_for(const struct topics_wish *wish,
                                                      struct subscriber_topics *out)
{
    /* Of one topic, too, whose retry topic an earlier daemon has named. */
    const bool several = wish->is_pattern || wish->names.count > 0 ||
                         (wish->known != NULL && wish->known->count > 1);
    *out = (struct subscriber_topics){.names = wish->names.texts,
                                      .count = wish->names.count,
                                      .is_pattern = wish->is_pattern,
                                      .mode = wish->mode,
                                      .max = wish->max};
    if (wish->known != NULL) {
        out->known = wish->known->texts;
        out->known_count = wish->known->count;
    }
    return several ? out : NULL;
}

static void announce(struct handle *h, uint32_t source, const char *name)
{
    const struct hulse_ctl_event m = {.event = HULSE_EVENT_SOURCE,
                                      .handle = h->number,
                                      .arg = source,
                                      .text_len = (uint16_t)strlen(name)};
    struct hulse_packet p;
    hulse_packet_begin(&p, HULSE_CTL_EVENT, 0, &m);
    hulse_packet_append(&p, name, m.text_len);
    hulse_session_reply(h->channel->session, &p);
    hulse_subscriber_told(h->subscriber, source);
}

bool hulse_source_tell(struct channel *ch, uint32_t source)
{
    struct handle *h = ch->consumer;
    const struct session *s = ch->session;
    /* From the first that was never told; then this one, which may have got another name. */
    while (h->sources <= source && s->reply_count == 0) {
        const char *name = hulse_subscriber_news(h->subscriber, h->sources);
        if (name != NULL) {
            announce(h, h->sources, name);
        }
        h->sources += 1;
    }
    const char *name = s->reply_count == 0 ? hulse_subscriber_news(h->subscriber, source) : NULL;
    if (name != NULL) {
        announce(h, source, name);
    }
    /* What waits to be sent is not sent before the delivery would be seen. */
    return s->reply_count == 0;
}
