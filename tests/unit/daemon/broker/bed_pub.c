/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bed_pub - see the header.
 */
#include "tests/unit/daemon/broker/bed_pub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
pub_opened(void *ctx, hulse_status status, const char *text, const struct broker_limits *limits)
{
    struct bed_pub *pub = ctx;
    assert_false(pub->opened);
    assert_false(pub->closed);
    pub->opened = true;
    pub->status = status;
    pub->text = text;
    if (status == HULSE_OK) {
        pub->message_bytes_max = limits->message_bytes_max;
        assert_non_null(pub->producer);
    } else {
        assert_null(limits);
        pub->producer = NULL;
    }
}

static void pub_answered(void *ctx, uint64_t token, const struct broker_answer *answer)
{
    struct bed_pub *pub = ctx;
    assert_false(pub->closed);
    assert_true(token < pub->sent);
    assert_int_equal(pub->ended[token], 0);
    pub->ended[token] = 1;
    pub->answered += 1;
    pub->outcomes[answer->outcome] += 1;
    pub->fenced_answers += answer->class == BROKER_FENCED;
    assert_int_equal(answer->class == BROKER_DONE, answer->outcome == HULSE_OUTCOME_STORED);
    if (answer->outcome == HULSE_OUTCOME_STORED && !answer->has_id) {
        assert_true(pub->copies_expected);
        pub->copies += 1;
        pub->stored += 1;
    } else if (answer->outcome == HULSE_OUTCOME_STORED) {
        pub->disordered |= pub->stored > 0 && (hulse_bed_compare(&answer->id, &pub->last_id) <= 0 ||
                                               token <= pub->last_token);
        pub->last_token = token;
        pub->last_id = answer->id;
        pub->stored += 1;
    }
}

static void pub_failed(void *ctx, hulse_status status, const char *text)
{
    struct bed_pub *pub = ctx;
    assert_false(pub->closed);
    assert_false(pub->failed);
    assert_true(text[0] != '\0');
    pub->failed = true;
    pub->failed_with = status;
}

/* Broken and mended behind the test's back: only that each record has one end is looked at. */
static void pub_suspended(void *ctx, enum broker_class class, const char *text)
{
    const struct bed_pub *pub = ctx;
    (void)class;
    assert_false(pub->closed);
    assert_true(text[0] != '\0');
}

static void pub_given_back(void *ctx, const struct broker_given_back *back)
{
    struct bed_pub *pub = ctx;
    const uint64_t token = back->record->token;
    assert_false(pub->closed);
    assert_true(token < pub->sent);
    assert_int_equal(pub->ended[token], 0);
    pub->ended[token] = 1;
    pub->answered += 1;
}

static void pub_resumed(void *ctx)
{
    const struct bed_pub *pub = ctx;
    assert_false(pub->closed);
}

static void pub_fenced(void *ctx, const char *text)
{
    struct bed_pub *pub = ctx;
    assert_false(pub->closed);
    assert_false(pub->fenced);
    assert_true(text[0] != '\0');
    pub->fenced = true;
}

static void pub_flushed(void *ctx)
{
    struct bed_pub *pub = ctx;
    assert_false(pub->closed);
    pub->flushed += 1;
    pub->ends_at_flush = pub->answered;
}

static const struct broker_producer_events pub_events = {.opened = pub_opened,
                                                         .answered = pub_answered,
                                                         .failed = pub_failed,
                                                         .fenced = pub_fenced,
                                                         .suspended = pub_suspended,
                                                         .given_back = pub_given_back,
                                                         .resumed = pub_resumed,
                                                         .flushed = pub_flushed};

struct pub_errand {
    struct bed_pub *pub;
    const struct broker_producer_params *params;
    const struct broker_meta *meta;
    struct broker_span payload;
    uint32_t count;
    uint32_t bytes;
    bool flush;
    hulse_status status;
};

static void pub_open_there(void *arg)
{
    struct pub_errand *e = arg;
    struct bed_pub *pub = e->pub;
    struct error err = {0};
    struct broker_producer_params params = *e->params;
    params.events = &pub_events;
    params.ctx = pub;
    e->status = pub->bed->broker->ops->producer_open(
        pub->bed->broker, pub->bed->workers[pub->worker], &params, &pub->producer, &err);
    assert_true(e->status == HULSE_OK || err.text[0] != '\0');
}

static bool pub_is_opened(void *arg)
{
    return ((struct bed_pub *)arg)->opened;
}

hulse_status hulse_pub_open_with(struct bed *bed,
                                 struct bed_pub *pub,
                                 uint32_t worker,
                                 const struct broker_producer_params *params)
{
    const uint32_t id = pub->id;
    *pub = (struct bed_pub){.bed = bed, .worker = worker, .id = id};
    struct pub_errand e = {.pub = pub, .params = params};
    hulse_bed_on(bed, worker, pub_open_there, &e);
    if (e.status == HULSE_OK) {
        hulse_bed_until(bed, worker, pub_is_opened, pub);
        return pub->status;
    }
    assert_false(pub->opened);
    return e.status;
}

hulse_status
hulse_pub_open(struct bed *bed, struct bed_pub *pub, uint32_t worker, const char *topic)
{
    char name[16];
    (void)snprintf(name, sizeof(name), "p%u", pub->id);
    const struct broker_producer_params params = {.topic = topic, .name = name, .create = true};
    return hulse_pub_open_with(bed, pub, worker, &params);
}

static void make_room(struct bed_pub *pub)
{
    if (pub->sent < pub->ended_room) {
        return;
    }
    const uint32_t room = pub->ended_room == 0 ? 256 : 2 * pub->ended_room;
    pub->ended = realloc(pub->ended, room);
    assert_non_null(pub->ended);
    memset(pub->ended + pub->ended_room, 0, room - pub->ended_room);
    pub->ended_room = room;
}

static void
send_one(struct bed_pub *pub, struct broker_span payload, const struct broker_meta *meta)
{
    const struct broker_record r = {.payload = payload,
                                    .meta = meta,
                                    .seq = pub->first_seq + pub->sent,
                                    .token = pub->sent,
                                    .alone = pub->bed->house->elsewhere};
    make_room(pub);
    pub->sent += 1;
    pub->bed->broker->ops->send(pub->producer, &r);
}

static void pub_send_there(void *arg)
{
    struct pub_errand *e = arg;
    struct bed_pub *pub = e->pub;
    uint32_t *payload = calloc(1, e->bytes);
    for (uint32_t i = 0; i < e->count; i++) {
        payload[0] = pub->id;
        payload[1] = pub->sent;
        send_one(pub, (struct broker_span){(const uint8_t *)payload, e->bytes}, e->meta);
    }
    free(payload);
    if (e->flush) {
        struct error err = {0};
        e->status = pub->bed->broker->ops->flush(pub->producer, &err);
    }
}

static void pub_send_record_there(void *arg)
{
    const struct pub_errand *e = arg;
    send_one(e->pub, e->payload, e->meta);
}

void hulse_pub_send(struct bed_pub *pub, uint32_t count, uint32_t bytes)
{
    struct pub_errand e = {.pub = pub, .count = count, .bytes = bytes};
    hulse_bed_on(pub->bed, pub->worker, pub_send_there, &e);
}

void hulse_pub_send_meta(struct bed_pub *pub, const struct broker_meta *meta)
{
    struct pub_errand e = {.pub = pub, .count = 1, .bytes = 8, .meta = meta};
    hulse_bed_on(pub->bed, pub->worker, pub_send_there, &e);
}

void hulse_pub_send_record(struct bed_pub *pub,
                           struct broker_span payload,
                           const struct broker_meta *meta)
{
    struct pub_errand e = {.pub = pub, .payload = payload, .meta = meta};
    hulse_bed_on(pub->bed, pub->worker, pub_send_record_there, &e);
}

hulse_status hulse_pub_send_and_flush(struct bed_pub *pub, uint32_t count)
{
    struct pub_errand e = {.pub = pub, .count = count, .bytes = 8, .flush = true};
    hulse_bed_on(pub->bed, pub->worker, pub_send_there, &e);
    return e.status;
}

struct pub_count {
    const struct bed_pub *pub;
    uint32_t count;
};

static bool pub_has_flushed(void *arg)
{
    const struct pub_count *c = arg;
    return c->pub->flushed >= c->count;
}

void hulse_pub_wait_flushed(struct bed_pub *pub, uint32_t count)
{
    struct pub_count c = {.pub = pub, .count = count};
    hulse_bed_until(pub->bed, pub->worker, pub_has_flushed, &c);
}

static bool pub_has_failed(void *arg)
{
    return ((struct bed_pub *)arg)->failed;
}

void hulse_pub_wait_failed(struct bed_pub *pub)
{
    hulse_bed_until(pub->bed, pub->worker, pub_has_failed, pub);
}

static bool pub_is_fenced(void *arg)
{
    return ((struct bed_pub *)arg)->fenced;
}

void hulse_pub_wait_fenced(struct bed_pub *pub)
{
    hulse_bed_until(pub->bed, pub->worker, pub_is_fenced, pub);
}

static bool pub_is_answered(void *arg)
{
    const struct bed_pub *pub = arg;
    return pub->answered == pub->sent;
}

void hulse_pub_wait(struct bed_pub *pub)
{
    hulse_bed_until(pub->bed, pub->worker, pub_is_answered, pub);
    assert_false(pub->disordered && pub->bed->house->ordered);
}

static void pub_close_there(void *arg)
{
    struct bed_pub *pub = arg;
    /* Before, because closing may still tell nobody. */
    pub->closed = true;
    pub->bed->broker->ops->producer_close(pub->producer, pub->forget);
    pub->producer = NULL;
}

void hulse_pub_close(struct bed_pub *pub)
{
    if (pub->producer != NULL) {
        hulse_bed_on(pub->bed, pub->worker, pub_close_there, pub);
    }
    free(pub->ended);
    pub->ended = NULL;
}
