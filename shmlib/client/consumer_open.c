/* SPDX-License-Identifier: Apache-2.0 */
/*
 * consumer_open - opening and closing a consumer, and the names of its sources.
 *
 * Threads: any; under the session lock from the first request until the handle is linked.
 */
#include "shmlib/client/consumer.h"
#include "shmlib/client/options.h"

#include <stdlib.h>
#include <string.h>

#define LARGE_RING (2U << 20) /* bytes, unless asked for */

bool hulse_sources_init(struct hulse_sources *t, uint32_t max)
{
    t->max = max;
    t->room = (max + 1) * HULSE_SOURCE_PLACE_BYTES;
    t->room = t->room < 2 * HULSE_TOPIC_BYTES_MAX ? 2 * HULSE_TOPIC_BYTES_MAX : t->room;
    t->name = calloc(max, sizeof(*t->name));
    t->names = malloc(t->room);
    return t->name != NULL && t->names != NULL;
}

void hulse_sources_fini(struct hulse_sources *t)
{
    free(t->name);
    free(t->names);
}

static uint32_t place_bytes(size_t bytes)
{
    return (uint32_t)((bytes / HULSE_SOURCE_PLACE_BYTES) + 1) * HULSE_SOURCE_PLACE_BYTES;
}

bool hulse_sources_add(struct hulse_sources *t, uint32_t index, const char *name, size_t bytes)
{
    if (index >= t->max) {
        return false;
    }
    /* Relaxed because only the holder of the session lock writes it. */
    char *at = atomic_load_explicit(&t->name[index], memory_order_relaxed);
    if (at != NULL && strlen(at) == bytes && memcmp(at, name, bytes) == 0) {
        return true;
    }
    if (at == NULL || place_bytes(strlen(at)) < place_bytes(bytes)) {
        if (place_bytes(bytes) > t->room - t->used) {
            return false;
        }
        at = t->names + t->used;
        t->used += place_bytes(bytes);
    }
    memcpy(at, name, bytes);
    at[bytes] = '\0';
    /* SYNC(client.source) release: the name before its place in the table. */
    atomic_store_explicit(&t->name[index], at, memory_order_release);
    return true;
}

const char *hulse_sources_get(const struct hulse_sources *t, uint32_t index)
{
    if (index >= t->max) {
        return NULL;
    }
    /* SYNC(client.source) acquire. */
    return atomic_load_explicit(&t->name[index], memory_order_acquire);
}

/* Appends one name; false when the message is full. */
static bool add_name(struct hulse_packet *p, size_t *used, const char *name)
{
    const uint16_t bytes = (uint16_t)strlen(name);

    if (*used + sizeof(bytes) + bytes > HULSE_SOURCES_BYTES_MAX) {
        return false;
    }
    hulse_packet_append(p, &bytes, sizeof(bytes));
    hulse_packet_append(p, name, bytes);
    *used += sizeof(bytes) + bytes;
    return true;
}

bool hulse_sources_offer(struct hulse_session *s, struct hulse_consumer *c)
{
    uint32_t index = 0;

    while (hulse_sources_get(&c->sources, index) != NULL) {
        struct hulse_ctl_attach_sources m = {.handle = c->handle.number, .first = index};
        struct hulse_packet p;
        const char *name = NULL;
        size_t used = 0;
        hulse_packet_begin(&p, HULSE_CTL_ATTACH_SOURCES, ++s->req, &m);
        while ((name = hulse_sources_get(&c->sources, index)) != NULL &&
               add_name(&p, &used, name)) {
            index += 1;
        }
        m.count = (uint16_t)(index - m.first);
        m.names_len = (uint16_t)used;
        memcpy(&m.head, p.bytes, sizeof(m.head));
        memcpy(p.bytes, &m, sizeof(m));
        if (hulse_control_send(s, &p, -1) != HULSE_OK) {
            return false;
        }
    }
    return true;
}

void hulse_reader_opened(struct hulse_consumer *c, const struct hulse_ctl_reader *answer)
{
    struct hulse_ctl_attach_handle *offer = &c->handle.offer;

    /* Relaxed because these words stand alone. */
    atomic_store_explicit(&c->verdicts, answer->verdicts, memory_order_relaxed);
    atomic_store_explicit(&c->told, true, memory_order_relaxed);
    if ((answer->flags & HULSE_READER_BEHIND) != 0 && (offer->flags & HULSE_ATTACH_HAS_LAST) == 0) {
        offer->flags = HULSE_ATTACH_HAS_LAST;
        offer->last_ledger = answer->behind_ledger;
        offer->last_entry = answer->behind_entry;
        offer->last_batch = answer->behind_batch;
    }
}

/* The end that counts is the one of the first opening. */
static void set_end(hulse_consumer *c, const struct hulse_ctl_reader *answer)
{
    c->has_end = (answer->flags & HULSE_READER_END) != 0;
    c->end = (struct hulse_id_key){
        .ledger = answer->end_ledger, .entry = answer->end_entry, .batch = answer->end_batch};
}

/* Fragments wake both sides with each half of the ring: it is larger for who expects large messages. 0: by default. */
static uint32_t ring_bytes(const struct hulse_session *s, const hulse_consumer_options *o)
{
    uint32_t bytes = HULSE_RING_BYTES_MIN;

    if (o->ring_bytes != 0 || o->reassembly_bytes / 8 <= s->limits.deliver_ring) {
        return o->ring_bytes;
    }
    while (bytes < o->reassembly_bytes / 8 && bytes < s->limits.ring_max && bytes < LARGE_RING) {
        bytes *= 2;
    }
    return bytes;
}

static hulse_status
open_channel(struct hulse_session *s, hulse_consumer *c, const hulse_consumer_options *o)
{
    struct hulse_ctl_open_channel ask = {
        .kind = HULSE_CHANNEL_CONSUMER,
        .up_bytes = o->verdict_bytes,
        .down_bytes = ring_bytes(s, o),
    };
    hulse_status st = hulse_channel_open(s, &c->handle.channel, &ask, o->group);

    if (st == HULSE_LIMIT && ask.down_bytes != o->ring_bytes) {
        ask.down_bytes = 0; /* the session may not have so much */
        st = hulse_channel_open(s, &c->handle.channel, &ask, o->group);
    }
    if (st == HULSE_OK) {
        c->handle.channel->flush_records = HULSE_BATCH_RECORDS;
        c->handle.channel->flush_bytes = (uint32_t)HULSE_BATCH_BYTES;
    }
    return st;
}

/* Both kinds of answer begin alike. */
static void take_answer(struct hulse_session *s, hulse_consumer *c)
{
    struct hulse_ctl_head head;
    struct hulse_ctl_consumer answer;
    struct hulse_ctl_reader reader = {0};
    size_t bytes = sizeof(answer);

    hulse_control_answer(s, &head, sizeof(head));
    if (head.type == HULSE_CTL_READER) {
        bytes = sizeof(reader);
        hulse_control_answer(s, &reader, sizeof(reader));
        answer = (struct hulse_ctl_consumer){
            .handle = reader.handle, .verdicts = reader.verdicts, .topic_len = reader.topic_len};
        memcpy(answer.handle_id, reader.handle_id, sizeof(answer.handle_id));
    } else {
        hulse_control_answer(s, &answer, sizeof(answer));
    }
    (void)hulse_sources_add(&c->sources, 0, (const char *)s->io.bytes + bytes, answer.topic_len);
    c->handle.number = answer.handle;
    c->handle.offer.handle = answer.handle;
    memcpy(c->handle.offer.handle_id, answer.handle_id, sizeof(answer.handle_id));
    /* Relaxed because the handle is not linked yet. */
    atomic_store_explicit(&c->verdicts, answer.verdicts, memory_order_relaxed);
    if (head.type == HULSE_CTL_READER) {
        set_end(c, &reader);
        hulse_reader_opened(c, &reader);
    }
}

static hulse_status open_handle(struct hulse_session *s,
                                hulse_consumer *c,
                                const char *topic,
                                const char *subscription,
                                const hulse_consumer_options *o)
{
    const char *group = subscription != NULL ? subscription : "";
    const struct hulse_ctl_open_consumer_at ask = {.at = o->at,
                                                   .open = {
                                                       .channel = c->handle.channel->number,
                                                       .type = (uint8_t)c->type,
                                                       .start = (uint8_t)o->start,
                                                       .generation = hulse_handle_generation(s),
                                                       .reassembly_bytes = o->reassembly_bytes,
                                                       .unacked_max = o->unacked_max,
                                                       .topic_len = (uint16_t)strlen(topic),
                                                       .subscription_len = (uint16_t)strlen(group),
                                                       .name_len = (uint16_t)strlen(o->name),
                                                   }};
    const bool reader = c->type == HULSE_READER;
    const bool at = o->start > HULSE_EARLIEST;
    hulse_status st = at ? hulse_position_known(s) : HULSE_OK;

    if (st == HULSE_OK) {
        st = hulse_option_list_send(s, &c->handle.options, s->req + 1);
    }
    if (st != HULSE_OK) {
        return st;
    }
    /* The shorter message is how the longer one begins. */
    hulse_packet_begin(&s->io, at ? HULSE_CTL_OPEN_CONSUMER_AT : HULSE_CTL_OPEN_CONSUMER, 0, &ask);
    hulse_packet_append(&s->io, topic, ask.open.topic_len);
    hulse_packet_append(&s->io, group, ask.open.subscription_len);
    hulse_packet_append(&s->io, o->name, ask.open.name_len);
    s->opening = reader ? &c->marks : NULL;
    st = hulse_control_call_open(s, reader ? HULSE_CTL_READER : HULSE_CTL_CONSUMER);
    s->opening = NULL;
    if (st != HULSE_OK) {
        return st;
    }
    take_answer(s, c);
    hulse_handle_join(&c->handle);
    return HULSE_OK;
}

static hulse_status judge(struct hulse_session *s,
                          const char *topic,
                          const char *subscription,
                          const hulse_consumer_options *o)
{
    const hulse_status st = hulse_session_ready(s, topic, o->group);

    if (st != HULSE_OK) {
        return st;
    }
    const size_t bytes = subscription == NULL ? 0 : strnlen(subscription, HULSE_NAME_BYTES_MAX + 1);
    if (bytes > HULSE_NAME_BYTES_MAX) {
        return hulse_session_fault(
            s, HULSE_INVAL, "a subscription's name has at most %u bytes", HULSE_NAME_BYTES_MAX);
    }
    if (bytes == 0 && subscription != NULL) {
        return hulse_session_fault(s, HULSE_INVAL, "a subscription needs a name");
    }
    if (bytes == 0 && o->pattern) {
        return hulse_session_fault(
            s, HULSE_INVAL, "a reader reads topics by name, not by a pattern");
    }
    if (o->topics != 0 && (o->start == HULSE_AT_ID || o->start == HULSE_AFTER_ID)) {
        return hulse_session_fault(s, HULSE_INVAL, "an id is of one topic, and this is of several");
    }
    if (o->pattern && o->topics != 0) {
        return hulse_session_fault(
            s, HULSE_INVAL, "a pattern stands alone, without further topics");
    }
    if (bytes != 0 && o->type == HULSE_READER) {
        return hulse_session_fault(s, HULSE_INVAL, "a reader has no subscription: pass NULL");
    }
    return HULSE_OK;
}

/* Names that there may be: of a pattern, and of each topic at one time with its retry topic. */
static uint32_t sources_of(const hulse_consumer_options *o)
{
    const uint32_t most = o->topics_max == 0 ? HULSE_PATTERN_TOPICS_DEFAULT : o->topics_max;
    const uint32_t names = 1 + 2 * (o->pattern ? most : o->topics);
    if (o->topics == 0 && !o->pattern) {
        return HULSE_SOURCES_DEFAULT;
    }
    return names < HULSE_SOURCES_MAX ? names + 1 : HULSE_SOURCES_MAX;
}

/* A consumer with its buffers, or NULL. */
static hulse_consumer *
create(const struct hulse_session *s, const char *subscription, const hulse_consumer_options *o)
{
    const uint32_t most = s->limits.unacked_max;
    hulse_consumer *c = calloc(1, sizeof(*c));

    if (c == NULL) {
        return NULL;
    }
    c->handle.kind = HULSE_CHANNEL_CONSUMER;
    c->handle.error = "nothing has failed";
    c->type = subscription == NULL ? HULSE_READER : o->type;
    if (o->reassembly_bytes != 0) {
        c->assembly.payload_max = o->reassembly_bytes;
        c->assembly.buffer = malloc((size_t)o->reassembly_bytes + HULSE_META_BYTES_MAX);
        if (c->assembly.buffer == NULL) {
            free(c);
            return NULL;
        }
    }
    if (c->type == HULSE_READER && !hulse_marks_reserve(&c->marks)) {
        free(c->assembly.buffer);
        free(c);
        return NULL;
    }
    const uint32_t unacked = o->unacked_max == 0 || o->unacked_max > most ? most : o->unacked_max;
    if (!hulse_sources_init(&c->sources, sources_of(o)) ||
        (c->type != HULSE_READER && !hulse_unacked_init(&c->unacked, unacked))) {
        hulse_sources_fini(&c->sources);
        free(c->assembly.buffer);
        free(c);
        return NULL;
    }
    return c;
}

static void destroy(hulse_consumer *c)
{
    hulse_unacked_fini(&c->unacked);
    hulse_sources_fini(&c->sources);
    hulse_resume_forget(&c->handle);
    free(c->marks.at);
    free(c->assembly.buffer);
    free(c);
}

hulse_status hulse_consumer_open(hulse_session *s,
                                 hulse_consumer **out,
                                 const char *topic,
                                 const char *subscription,
                                 const hulse_consumer_options *o)
{
    if (s == NULL || out == NULL) {
        return HULSE_INVAL;
    }
    *out = NULL;
    o = o != NULL ? o : &hulse_consumer_options_default;
    hulse_status st = judge(s, topic, subscription, o);
    if (st != HULSE_OK) {
        return st;
    }
    hulse_consumer *c = create(s, subscription, o);
    if (c == NULL) {
        return hulse_session_fault(s, HULSE_NO_MEMORY, "no memory for a consumer");
    }
    struct hulse_ctl_attach_handle offer = {.reassembly_bytes = o->reassembly_bytes,
                                            .unacked_max = o->unacked_max,
                                            .type = (uint8_t)c->type};

    hulse_position_offer(&offer, o->start, &o->at);
    c->start = o->start;
    c->start_at = o->at;
    if (!hulse_option_list_copy(&c->handle.options, &o->more) ||
        !hulse_resume_keep(
            &c->handle, &offer, topic, subscription != NULL ? subscription : "", o->name)) {
        destroy(c);
        return hulse_session_fault(s, HULSE_NO_MEMORY, "no memory for a consumer");
    }
    (void)pthread_mutex_lock(&s->lock);
    st = open_channel(s, c, o);
    if (st == HULSE_OK) {
        st = open_handle(s, c, topic, subscription, o);
        if (st != HULSE_OK) {
            hulse_channel_close(&c->handle.channel, hulse_deadline_in(s->timeout_ms));
        }
    }
    (void)pthread_mutex_unlock(&s->lock);
    if (st != HULSE_OK) {
        destroy(c);
        return st;
    }
    *out = c;
    return HULSE_OK;
}

hulse_status
hulse_consumer_end(hulse_consumer *gone, int drain_ms, const struct hulse_deadline *answer)
{
    const hulse_status st = hulse_handle_away(&gone->handle, hulse_consumer_sync(gone, drain_ms));

    hulse_handle_retire(&gone->handle, answer);
    destroy(gone);
    return st;
}

hulse_status hulse_consumer_close(hulse_consumer **c, int drain_ms)
{
    if (c == NULL || *c == NULL) {
        return HULSE_INVAL;
    }
    hulse_consumer *gone = *c;

    *c = NULL;
    return hulse_consumer_end(gone, drain_ms, NULL);
}

const char *hulse_consumer_error(const hulse_consumer *c)
{
    return c == NULL ? "no consumer" : c->handle.error;
}
