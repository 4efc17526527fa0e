/* SPDX-License-Identifier: Apache-2.0 */
/*
 * by_hand - the plane of one worker, turned by hand, between a scripted broker and scripted apps.
 *
 * The test runs on the worker's thread, from its inbox: no turn happens but those the test asks
 * for, so every order of events can be had and repeats exactly. The broker keeps what it is sent
 * until the test answers, and notes every verdict.
 *
 * Also used by tests/fuzz/fuzz_app_session.c, so nothing here knows of cmocka: what a test itself got
 * wrong ends the process.
 */
#ifndef HULSE_TESTS_UNIT_APP_BY_HAND_H
#define HULSE_TESTS_UNIT_APP_BY_HAND_H

#include "daemon/app/admit.h"
#include "daemon/app/channel.h"
#include "daemon/app/control_handler.h"
#include "daemon/app/handle.h"
#include "daemon/app/plane.h"
#include "daemon/app/session.h"
#include "daemon/app/worker_plane.h"
#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "daemon/core/mem.h"
#include "shmlib/ring/control.h"
#include "shmlib/ring/doorbell.h"
#include "tests/support/own_tables.h"
#include "tests/unit/daemon/app/by_hand_thread.h"
#include "tests/unit/daemon/app/hand_broker.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

struct hand_app {
    struct hand *hand;
    struct session *session; /* the daemon's; gone once it is reaped */
    uint64_t number;
    int sock;
    int bell;
    int wake;
    uint32_t request;
    int32_t status; /* of the last ERR or EVENT */
    char event[HULSE_TEXT_BYTES_MAX + 1];
    uint32_t event_kind;
};

struct hand_channel {
    uint32_t id;
    struct hulse_region a;
    struct hulse_region b;
    struct hulse_ring_tx up;
    struct hulse_ring_rx down;
    uint32_t handle;
    int fd_a;
    int fd_b;
    struct hulse_ctl_reader reader; /* the answer, of a reader */
    struct channel *ch;             /* the daemon's */
};

/* ---- the plane ---- */

static inline void hand_limits(struct plane_limits *l)
{
    *l = (struct plane_limits){.publish_ring = 64 * 1024,
                               .deliver_ring = 64 * 1024,
                               .verdict_ring = 64 * 1024,
                               .receipts = 2048,
                               .unacked_max = 256,
                               .ring_max = 1024 * 1024,
                               .receipts_max = 4096,
                               .channels_max = 8,
                               .handles_max = 8,
                               .groups_max = 3,
                               .session_bytes_max = 16UL * 1024 * 1024,
                               .sessions_max = 16,
                               .deliver_overflow_bytes = 256 * 1024,
                               .control_per_second = 100000,
                               .bells_per_second = 100};
}

static inline void hand_begin(struct hand *h, struct worker *w)
{
    struct error err = {0};
    *h = (struct hand){.worker = w};
    h->shared = aligned_alloc(alignof(struct plane_shared), sizeof(*h->shared));
    h->broker.sends = calloc(HAND_SENDS_MAX, sizeof(*h->broker.sends));
    HAND_NEED(h->shared != NULL && h->broker.sends != NULL);
    memset(h->shared, 0, sizeof(*h->shared));
    h->broker.ops = (struct broker_ops){.type = "scripted",
                                        .capabilities = BROKER_CAN_SEEK | BROKER_CAN_START_ID |
                                                        BROKER_CAN_WISHES | BROKER_CAN_EXCLUSIVE |
                                                        BROKER_CAN_INITIAL,
                                        .seek = hand_seek,
                                        .producer_open = hand_producer_open,
                                        .send = hand_send,
                                        .producer_close = hand_producer_close,
                                        .consumer_open = hand_consumer_open,
                                        .permit = hand_permit,
                                        .copied = hand_copied,
                                        .ack = hand_ack,
                                        .ack_cumulative = hand_ack_cumulative,
                                        .nack = hand_nack,
                                        .give_back = hand_give_back,
                                        .ack_id = hand_ack_id,
                                        .consumer_close = hand_consumer_close,
                                        .healthy = hand_healthy};
    h->broker.base = (struct broker){.ops = &h->broker.ops, .name = "scripted"};
    h->flow = (struct flow){.brokers = {&h->broker.base},
                            .broker_count = 1,
                            .default_broker = &h->broker.base,
                            .default_namespace = "public/default",
                            .message_bytes_max = HAND_MESSAGE_MAX};
    hulse_own_tables_open(&h->tables, &h->flow);
    h->shared->flow = &h->flow;
    h->shared->generation = 1;
    hand_limits(&h->shared->limits);
    h->plane = hulse_plane_module.start(w, h->shared, &err);
    HAND_NEED(h->plane != NULL);
}

static inline void hand_end(struct hand *h)
{
    hulse_plane_module.stop(h->plane);
    hand_forget_deliveries(&h->broker);
    hulse_own_tables_close(&h->tables);
    HAND_NEED(h->broker.producers == 0 && h->broker.consumers == 0);
    free(h->broker.sends);
    free(h->shared);
}

/* One turn of the worker without descriptors and timers; the work it did. */
static inline unsigned hand_turn(struct hand *h)
{
    h->worker->loop.now_ns = hulse_clock_ns();
    const unsigned work = hulse_plane_module.turn(h->plane);
    if (work != 0) {
        hulse_plane_module.flush(h->plane);
    }
    return work;
}

/* What the worker does after a descriptor or timer fired. */
static inline void hand_flush(struct hand *h)
{
    hulse_plane_module.flush(h->plane);
}

/* Turns until nothing is left to do. */
static inline void hand_settle(struct hand *h)
{
    unsigned turns = 0;
    hand_flush(h);
    while (hand_turn(h) != 0) {
        HAND_NEED(turns++ < 1000000);
    }
}

static inline bool hand_session_alive(const struct hand_app *app)
{
    const struct session *s = NULL;
    TAILQ_FOREACH(s, &app->hand->plane->sessions, link)
    {
        if (s == app->session && s->number == app->number) {
            return true;
        }
    }
    return false;
}

/* ---- an application ---- */

/* The next answer, or false when there is none. Events are noted on the way. */
static inline bool hand_receive(struct hand_app *app, struct hulse_packet *in)
{
    const char *why = "";
    while (hulse_packet_receive(app->sock, in, &why) == HULSE_PACKET_OK) {
        struct hulse_ctl_head head;
        memcpy(&head, in->bytes, sizeof(head));
        if (head.type == HULSE_CTL_ERR) {
            struct hulse_ctl_err e;
            memcpy(&e, in->bytes, sizeof(e));
            app->status = e.status;
        }
        if (head.type != HULSE_CTL_EVENT) {
            return true;
        }
        struct hulse_ctl_event e;
        memcpy(&e, in->bytes, sizeof(e));
        app->status = e.status;
        memcpy(app->event, in->bytes + sizeof(e), e.text_len);
        app->event_kind = e.event;
        app->event[e.text_len] = '\0';
    }
    return false;
}

/* Sends, lets the session read, and gives the answer's type; 0 = none. */
static inline unsigned
hand_call(struct hand_app *app, struct hulse_packet *p, struct hulse_packet *in)
{
    struct hulse_ctl_head head;
    memcpy(&head, p->bytes, sizeof(head));
    head.req = ++app->request;
    memcpy(p->bytes, &head, sizeof(head));
    HAND_NEED(hulse_packet_send(app->sock, p->bytes, p->fds, p->fd_count) == HULSE_OK);
    hulse_session_read_control(app->session);
    if (!hand_receive(app, in)) {
        return 0;
    }
    memcpy(&head, in->bytes, sizeof(head));
    return head.type;
}

static inline void hand_app_open_named(struct hand *h, struct hand_app *app, const char *name)
{
    int ends[2];
    struct error err = {0};
    struct hulse_packet p;
    const struct identity who = {.uid = geteuid(), .gid = getegid(), .pid = getpid()};
    const struct hulse_ctl_hello hello = {
        .abi_min = 1, .abi_max = 1, .features = UINT64_MAX, .name_len = (uint16_t)strlen(name)};
    HAND_NEED(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    *app = (struct hand_app){.hand = h, .sock = ends[0]};
    struct admission *a = hulse_admit_create(h->shared, ends[1], &who);
    HAND_NEED(a != NULL);
    hulse_packet_begin(&p, HULSE_CTL_HELLO, 1, &hello);
    hulse_packet_append(&p, name, strlen(name));
    HAND_NEED(hulse_packet_send(app->sock, p.bytes, NULL, 0) == HULSE_OK);
    HAND_NEED(hulse_admit_read(a, &err) == HULSE_OK);
    atomic_fetch_add(&h->shared->workers[0].sessions, 1);
    app->number = a->session;
    hulse_session_admit(h->plane, a);
    app->session = TAILQ_LAST(&h->plane->sessions, session_list);
    HAND_NEED(app->session != NULL && app->session->number == app->number);
    HAND_NEED(hand_receive(app, &p) && p.fd_count == 2);
    app->bell = p.fds[0];
    app->wake = p.fds[1];
}

static inline void hand_app_open(struct hand *h, struct hand_app *app)
{
    hand_app_open_named(h, app, "hand");
}

/* Closes the app's end, and lets the session notice if there is still one. */
static inline void hand_app_close(struct hand_app *app)
{
    (void)close(app->sock);
    (void)close(app->bell);
    (void)close(app->wake);
    if (hand_session_alive(app)) {
        hulse_session_read_control(app->session);
        hand_settle(app->hand);
    }
}

static inline void hand_channel_map(struct hand_channel *hc, const struct hulse_packet *p)
{
    struct hulse_ctl_channel c;
    memcpy(&c, p->bytes, sizeof(c));
    *hc = (struct hand_channel){.id = c.channel, .fd_a = p->fds[0], .fd_b = p->fds[1]};
    HAND_NEED(hulse_region_map(&hc->a, hc->fd_a, c.up_bytes, true) == HULSE_REGION_RC_OK);
    HAND_NEED(hulse_region_map(&hc->b, hc->fd_b, c.down_bytes, false) == HULSE_REGION_RC_OK);
    HAND_NEED(hulse_region_populate(&hc->a, true) == HULSE_REGION_RC_OK);
    HAND_NEED(hulse_region_populate(&hc->b, false) == HULSE_REGION_RC_OK);
    struct hulse_region_a *a = hulse_region_a(&hc->a);
    struct hulse_region_b *b = hulse_region_b(&hc->b);
    hc->up = (struct hulse_ring_tx){.ring = hc->a.ring,
                                    .mask = c.up_bytes - 1,
                                    .tail_word = &a->up_tail,
                                    .head_word = &b->up_head};
    hc->down = (struct hulse_ring_rx){.ring = hc->b.ring,
                                      .mask = c.down_bytes - 1,
                                      .tail_word = &b->down_tail,
                                      .head_word = &a->down_head};
}

static inline void hand_channel_open(struct hand_app *app,
                                     struct hand_channel *hc,
                                     const struct hulse_ctl_open_channel *ask)
{
    struct hulse_packet p;
    hulse_packet_begin(&p, HULSE_CTL_OPEN_CHANNEL, 0, ask);
    p.fd_count = 0;
    HAND_NEED(hand_call(app, &p, &p) == HULSE_CTL_CHANNEL);
    hand_channel_map(hc, &p);
    const struct hulse_ctl_channel_ref ready = {.channel = hc->id};
    hulse_packet_begin(&p, HULSE_CTL_CHANNEL_READY, 0, &ready);
    p.fd_count = 0;
    HAND_NEED(hand_call(app, &p, &p) == HULSE_CTL_CHANNEL_OK);
    hc->ch = TAILQ_LAST(&app->session->channels, channel_list);
}

static inline void hand_channel_close(struct hand_channel *hc)
{
    hulse_region_unmap(&hc->a);
    hulse_region_unmap(&hc->b);
    (void)close(hc->fd_a);
    (void)close(hc->fd_b);
}

/* The status of the answer. */
static inline int hand_producer_of(struct hand_app *app, struct hand_channel *hc, const char *topic)
{
    const uint16_t topic_bytes = (uint16_t)strlen(topic);
    const struct hulse_ctl_open_producer m = {
        .channel = hc->id, .send_timeout_ms = UINT32_MAX, .topic_len = topic_bytes};
    struct hulse_packet p;
    struct hulse_ctl_producer ok;
    hulse_packet_begin(&p, HULSE_CTL_OPEN_PRODUCER, 0, &m);
    hulse_packet_append(&p, topic, topic_bytes);
    p.fd_count = 0;
    if (hand_call(app, &p, &p) != HULSE_CTL_PRODUCER) {
        return app->status;
    }
    memcpy(&ok, p.bytes, sizeof(ok));
    hc->handle = ok.handle;
    return HULSE_OK;
}

static inline int hand_producer(struct hand_app *app, struct hand_channel *hc)
{
    return hand_producer_of(app, hc, "non-persistent://public/default/hand");
}

/* `type` is an enum broker_subscription. */
static inline int hand_consumer(struct hand_app *app,
                                struct hand_channel *hc,
                                unsigned type,
                                uint32_t unacked_max,
                                uint32_t reassembly_bytes)
{
    static const char topic[] = "non-persistent://public/default/hand";
    const struct hulse_ctl_open_consumer m = {.channel = hc->id,
                                              .type = (uint8_t)type,
                                              .reassembly_bytes = reassembly_bytes,
                                              .unacked_max = unacked_max,
                                              .topic_len = sizeof(topic) - 1,
                                              .subscription_len = type == BROKER_READER ? 0 : 1};
    struct hulse_packet p;
    struct hulse_ctl_consumer ok;
    hulse_packet_begin(&p, HULSE_CTL_OPEN_CONSUMER, 0, &m);
    hulse_packet_append(&p, topic, sizeof(topic) - 1);
    hulse_packet_append(&p, "s", m.subscription_len);
    p.fd_count = 0;
    if (hand_call(app, &p, &p) != (type == BROKER_READER ? HULSE_CTL_READER : HULSE_CTL_CONSUMER)) {
        return app->status;
    }
    memcpy(&ok, p.bytes, sizeof(ok)); /* a reader's answer begins alike */
    memcpy(&hc->reader, p.bytes, type == BROKER_READER ? sizeof(hc->reader) : 0);
    hc->handle = ok.handle;
    hand_settle(app->hand);
    return HULSE_OK;
}

/* True when the close was answered by OK. */
static inline bool hand_close_handle(struct hand_app *app, const struct hand_channel *hc)
{
    const struct hulse_ctl_close_handle m = {.handle = hc->handle};
    struct hulse_packet p;
    struct hulse_ctl_head head;
    hulse_packet_begin(&p, HULSE_CTL_CLOSE_HANDLE, 0, &m);
    p.fd_count = 0;
    if (hand_call(app, &p, &p) != 0) {
        return false;
    }
    hand_settle(app->hand);
    if (!hand_receive(app, &p)) {
        return false;
    }
    memcpy(&head, p.bytes, sizeof(head));
    return head.type == HULSE_CTL_OK;
}

static inline struct hulse_publish_header
hand_header(const struct hand_channel *hc, uint32_t payload_bytes, uint64_t token)
{
    return (struct hulse_publish_header){.len = HULSE_PUBLISH_HEADER_BYTES + payload_bytes,
                                         .type = HULSE_RECORD_MESSAGE,
                                         .seq = token,
                                         .token = token,
                                         .handle = hc->handle,
                                         .payload_len = payload_bytes};
}

/* Header and body at the tail, committed, not published. */
static inline void hand_put(struct hand_channel *hc,
                            const void *header,
                            size_t header_bytes,
                            const void *body,
                            size_t body_bytes)
{
    uint8_t *at = hulse_ring_tx_at(&hc->up, hc->up.tail);
    memcpy(at, header, header_bytes);
    if (body_bytes != 0) {
        memcpy(at + header_bytes, body, body_bytes);
    }
    hulse_ring_tx_commit(&hc->up, hulse_record_stride(header_bytes + body_bytes));
}

static inline void
hand_put_message(struct hand_channel *hc, const void *data, uint32_t bytes, uint64_t token)
{
    const struct hulse_publish_header h = hand_header(hc, bytes, token);
    hand_put(hc, &h, sizeof(h), data, bytes);
}

/* Publishes and rings, as an app does. */
static inline void hand_publish(struct hand_app *app, struct hand_channel *hc)
{
    hulse_ring_tx_publish(&hc->up);
    if (hand_session_alive(app)) {
        (void)hulse_session_answer_bell(app->session);
    }
}

/* The next receipt; false = none. */
static inline bool hand_receipt(struct hand_channel *hc, struct hulse_receipt_record *out)
{
    HAND_NEED(hulse_ring_rx_refresh(&hc->down) == HULSE_RING_OK);
    if (hulse_ring_rx_ready(&hc->down) < HULSE_RECEIPT_BYTES) {
        return false;
    }
    memcpy(out, hulse_ring_rx_at(&hc->down, hc->down.read), sizeof(*out));
    hulse_ring_rx_take(&hc->down, sizeof(*out));
    hulse_ring_rx_release(&hc->down, hc->down.read);
    return true;
}

/* The next delivery in place, not released; NULL = none. */
static inline const uint8_t *hand_next(struct hand_channel *hc, struct hulse_delivery_header *out)
{
    HAND_NEED(hulse_ring_rx_refresh(&hc->down) == HULSE_RING_OK);
    if (hulse_ring_rx_ready(&hc->down) == 0) {
        return NULL;
    }
    const uint8_t *at = hulse_ring_rx_at(&hc->down, hc->down.read);
    memcpy(out, at, sizeof(*out));
    hulse_ring_rx_take(&hc->down, hulse_record_stride(out->len));
    return at;
}

static inline void hand_release(struct hand_app *app, struct hand_channel *hc)
{
    hulse_ring_rx_release(&hc->down, hc->down.read);
    if (hand_session_alive(app)) {
        (void)hulse_session_answer_bell(app->session);
    }
}

static inline void hand_verdict(struct hand_channel *hc,
                                const struct hulse_delivery_header *d,
                                unsigned verdict,
                                unsigned how)
{
    const struct hulse_verdict_record r = {.len = HULSE_VERDICT_HEADER_BYTES,
                                           .type = HULSE_RECORD_VERDICT,
                                           .ref = d->ref,
                                           .ledger = d->ledger,
                                           .entry = d->entry,
                                           .batch = d->batch,
                                           .partition = d->partition,
                                           .verdict = (uint8_t)verdict,
                                           .how = (uint8_t)how};
    hand_put(hc, &r, sizeof(r), NULL, 0);
}

#endif
