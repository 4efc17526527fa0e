/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attach_scene - an application that comes with a ring of an earlier daemon's, and offers it with one handle.
 *
 * Threads: the test's, which is the worker.
 */
#ifndef HULSE_TESTS_APP_ATTACH_SCENE_H
#define HULSE_TESTS_APP_ATTACH_SCENE_H

#include "tests/support/descriptors.h"
#include "tests/unit/daemon/app/check.h"

#define RING (64U * 1024)
#define HANDLE 0x00050002U
#define TOPIC "non-persistent://public/default/hand"

struct scene {
    struct hand_app app;
    struct hand_channel ch;            /* b only after attach() */
    struct hulse_ctl_producer routing; /* that is offered: how partitions are found */
    bool reader;
    uint16_t reader_flags;
    /* Of a reader: what stands between ATTACH_HANDLE and ATTACH_END. */
    struct hulse_ctl_marks marks;
    struct hulse_ctl_mark mark[4];
};

/* A ring of an earlier daemon's, empty. */
static inline void set(struct hand *h, struct scene *s)
{
    *s = (struct scene){.ch = {.handle = HANDLE}};
    hand_app_open(h, &s->app);
    s->app.session->resumed = true;
    assert_int_equal(hulse_region_create(&s->ch.fd_a, "a", RING), HULSE_REGION_RC_OK);
    assert_int_equal(hulse_region_map(&s->ch.a, s->ch.fd_a, RING, true), HULSE_REGION_RC_OK);
    assert_int_equal(hulse_region_populate(&s->ch.a, true), HULSE_REGION_RC_OK);
    assert_int_equal(hulse_region_seal(s->ch.fd_a), HULSE_REGION_RC_OK);
    s->ch.up = (struct hulse_ring_tx){
        .ring = s->ch.a.ring, .mask = RING - 1, .tail_word = &hulse_region_a(&s->ch.a)->up_tail};
}

static inline unsigned tell(struct scene *s, unsigned type, const void *fixed, const char *text)
{
    struct hulse_packet p;
    hulse_packet_begin(&p, type, 0, fixed);
    hulse_packet_append(&p, text, strlen(text));
    return hand_call(&s->app, &p, &p);
}

/* B of CHANNEL; A is mapped already, and cannot be again. */
static inline void map_new(struct scene *s, const struct hulse_packet *p, uint64_t resume_from)
{
    struct hulse_ctl_channel c;
    memcpy(&c, p->bytes, sizeof(c));
    (void)close(p->fds[0]);
    s->ch.id = c.channel;
    s->ch.fd_b = p->fds[1];
    assert_int_equal(hulse_region_map(&s->ch.b, s->ch.fd_b, RING, false), HULSE_REGION_RC_OK);
    assert_int_equal(hulse_region_populate(&s->ch.b, false), HULSE_REGION_RC_OK);
    struct hulse_region_b *b = hulse_region_b(&s->ch.b);
    s->ch.up.head_word = &b->up_head;
    s->ch.up.head_seen = resume_from;
    s->ch.down = (struct hulse_ring_rx){.ring = s->ch.b.ring,
                                        .mask = RING - 1,
                                        .tail_word = &b->down_tail,
                                        .head_word = &hulse_region_a(&s->ch.a)->down_head};
}

/* The type of what ATTACH is answered by. */
static inline unsigned
send_attach(struct scene *s, enum hulse_channel_kind kind, uint64_t from, struct hulse_packet *p)
{
    const struct hulse_ctl_attach m = {.kind = (uint8_t)kind,
                                       .receipts = HULSE_RECEIPT_MODE_FULL,
                                       .up_bytes = RING,
                                       .down_bytes = RING,
                                       .resume_from = from,
                                       .up_tail = s->ch.up.tail};
    hulse_ring_tx_publish(&s->ch.up);
    hulse_packet_begin(p, HULSE_CTL_ATTACH, 0, &m);
    p->fds[0] = s->ch.fd_a;
    p->fd_count = 1;
    return hand_call(&s->app, p, p);
}

/* Offers it; the type of what CHANNEL_READY is answered by. */
static inline unsigned offer(struct scene *s, enum hulse_channel_kind kind, uint64_t resume_from)
{
    const bool consumes = kind == HULSE_CHANNEL_CONSUMER;
    const struct hulse_ctl_attach_handle again = {.partitions = s->routing.partitions,
                                                  .stride = s->routing.stride,
                                                  .routing = s->routing.routing,
                                                  .hashing = s->routing.hashing,
                                                  .handle_id = {7, 8},
                                                  .handle = HANDLE,
                                                  .type = s->reader  ? BROKER_READER
                                                          : consumes ? BROKER_SHARED
                                                                     : 0,
                                                  .flags = s->reader_flags,
                                                  .topic_len = sizeof(TOPIC) - 1,
                                                  .subscription_len =
                                                      consumes && !s->reader ? 1 : 0};
    static const struct hulse_ctl_attach_end end = {.handles = 1};
    struct hulse_packet p;
    assert_int_equal(send_attach(s, kind, resume_from, &p), HULSE_CTL_CHANNEL);
    map_new(s, &p, resume_from);
    assert_int_equal(
        tell(s, HULSE_CTL_ATTACH_HANDLE, &again, consumes && !s->reader ? TOPIC "s" : TOPIC), 0);
    if (s->marks.handle != 0) {
        hulse_packet_begin(&p, HULSE_CTL_MARKS, 0, &s->marks);
        hulse_packet_append(&p, s->mark, s->marks.marks_len);
        p.fd_count = 0;
        if (hand_call(&s->app, &p, &p) != 0 || s->app.session->doomed) {
            return 0;
        }
    }
    assert_int_equal(tell(s, HULSE_CTL_ATTACH_END, &end, ""), 0);
    const struct hulse_ctl_channel_ref ready = {.channel = s->ch.id};
    return tell(s, HULSE_CTL_CHANNEL_READY, &ready, "");
}

/* Offers it; the type of what comes of the handle. */
static inline unsigned attach(struct scene *s, enum hulse_channel_kind kind, uint64_t resume_from)
{
    struct hulse_ctl_head head = {0};
    struct hulse_packet p;
    assert_int_equal(offer(s, kind, resume_from), HULSE_CTL_CHANNEL_OK);
    s->ch.ch = TAILQ_LAST(&s->app.session->channels, channel_list);
    if (!hand_receive(&s->app, &p)) {
        return 0;
    }
    memcpy(&head, p.bytes, sizeof(head));
    return head.type;
}

static inline void strike(struct scene *s)
{
    hand_app_close(&s->app);
    hand_channel_close(&s->ch);
}

#endif
