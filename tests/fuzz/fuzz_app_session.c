/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_app_session - a whole session of the plane, told by the input what to send and what to write.
 *
 * The plane is turned by hand (by_hand.h) between a broker that answers at once, or later, and one
 * app whose every step is a few bytes of the input: control packets, ring bytes, positions, bells,
 * hang-ups. Another session publishes at the end and must not have noticed.
 *
 *   input: steps of {u8 what, u8 argument, bytes as the step wants}
 *
 * Deterministic: no step depends on time, and nothing runs beside it.
 */
#include "daemon/app/deliver_channel.h"
#include "daemon/core/log.h"
#define HAND_SENDS_MAX 2000U
#include "tests/unit/daemon/app/by_hand.h"

#define STEPS_MAX 400

struct input {
    const uint8_t *at;
    size_t left;
};

static uint8_t take_byte(struct input *in)
{
    if (in->left == 0) {
        return 0;
    }
    in->left -= 1;
    return *in->at++;
}

/* Up to `bytes` into a zeroed buffer. */
static void take(struct input *in, void *to, size_t bytes)
{
    const size_t have = in->left < bytes ? in->left : bytes;
    memset(to, 0, bytes);
    memcpy(to, in->at, have);
    in->at += have;
    in->left -= have;
}

struct world {
    struct hand hand;
    struct hand_app app;
    struct hand_channel ch[2]; /* a producer's, a consumer's */
    struct hand_app witness;
    struct hand_channel witness_ch;
    bool hung_up;
};

static bool alive(const struct world *w)
{
    return !w->hung_up && hand_session_alive(&w->app);
}

static void close_received(struct world *w)
{
    struct hulse_packet p;
    while (hand_receive(&w->app, &p)) {
        for (unsigned i = 0; i < p.fd_count; i++) {
            (void)close(p.fds[i]);
        }
    }
}

/* A packet: raw, or with a good head of a type. Perhaps with a descriptor of ours. */
static void step_control(struct world *w, struct input *in, uint8_t argument)
{
    uint8_t bytes[256];
    struct hulse_ctl_head head;
    const size_t count = 8 + argument % 96;
    take(in, bytes, count);
    if ((argument & 0x80) == 0) {
        memcpy(&head, bytes, sizeof(head));
        head.type = (uint16_t)(head.type % 35);
        const size_t fixed = hulse_control_bytes(head.type);
        head.len = (uint16_t)(fixed > count ? fixed : count);
        memset(bytes + count, 0, sizeof(bytes) - count);
        memcpy(bytes, &head, sizeof(head));
        const int fd = w->ch[argument & 1].fd_a;
        (void)!hulse_packet_send(w->app.sock, bytes, &fd, hulse_control_fds(head.type) == 1);
    } else {
        (void)!send(w->app.sock, bytes, count, MSG_NOSIGNAL);
    }
    hulse_session_read_control(w->app.session);
    close_received(w);
}

static void step_words(struct world *w, struct input *in, uint8_t argument)
{
    struct hulse_region_a *a = hulse_region_a(&w->ch[argument & 1].a);
    _Atomic(uint64_t) *const words[] = {
        &a->up_tail, &a->down_head, &a->down_started, &a->wake_at, &a->space_at};
    uint64_t value = 0;
    take(in, &value, (argument & 0x40) != 0 ? 8 : 2);
    atomic_store(words[(argument >> 1) % 5], value);
}

/* A record with a header of the input's, and its length believable unless it asks otherwise. */
static void step_record(struct world *w, struct input *in, uint8_t argument)
{
    struct hand_channel *hc = &w->ch[argument & 1];
    uint8_t body[512];
    const size_t count = (size_t)take_byte(in) * 2;
    if (hulse_ring_tx_room(&hc->up) < 1024) {
        hc->up.head_seen = atomic_load(&hulse_region_b(&hc->b)->up_head);
        if (hc->up.tail - hc->up.head_seen > hc->up.mask) {
            hc->up.tail = hc->up.head_seen;
        }
    }
    if ((argument & 1) == 0) {
        struct hulse_publish_header h;
        take(in, &h, sizeof(h));
        if ((argument & 2) == 0) {
            h.handle = hc->handle;
            h.type = (uint8_t)(h.type % 4);
            h.flags &= HULSE_PUBLISH_FLAGS;
            h.payload_len = (uint32_t)count;
            h.meta_len = 0;
            h.len = (uint32_t)(sizeof(h) + count);
        }
        take(in, body, count);
        hand_put(hc, &h, sizeof(h), body, count);
    } else {
        struct hulse_verdict_record v;
        take(in, &v, sizeof(v));
        if ((argument & 2) == 0) {
            v.len = sizeof(v);
            v.type = HULSE_RECORD_VERDICT;
            v.flags = 0;
            v.meta_len = 0;
            v.reserved = 0;
            v.how &= HULSE_HOW_FLAGS;
            v.verdict = (uint8_t)(1 + v.verdict % 5);
            v.ref = (v.ref & 7) | (v.ref >> 8 & 7) << 32;
            v.ledger = 7;
            v.entry = v.ref & UINT32_MAX;
            v.batch = -1;
            v.partition = 0;
            v.source = 0;
        }
        hand_put(hc, &v, sizeof(v), NULL, 0);
    }
    if ((argument & 4) != 0) {
        hand_publish(&w->app, hc);
    }
}

static void step_broker(struct world *w, struct input *in, uint8_t argument)
{
    struct hand_broker *b = &w->hand.broker;
    if ((argument & 1) != 0) {
        for (size_t i = 0; i < b->send_count; i++) {
            if (!b->sends[i].answered && (take_byte(in) & 1) != 0) {
                hand_answer(&w->hand, i, (uint8_t)(1 + argument % 20));
            }
        }
    } else if (b->consumer != NULL && b->permits > 0 && b->delivery_count < HAND_NOTES_MAX) {
        (void)hand_deliver(
            &w->hand, b->delivery_count % 8, (uint32_t)take_byte(in) * argument, NULL);
    }
    hand_flush(&w->hand);
}

static void step(struct world *w, struct input *in, uint8_t what, uint8_t argument)
{
    struct hand_channel *hc = &w->ch[argument & 1];
    switch (what % 10) {
    case 0:
        step_control(w, in, argument);
        break;
    case 1:
        step_words(w, in, argument);
        break;
    case 2:
    case 3:
        step_record(w, in, argument);
        break;
    case 4: { /* bytes anywhere in the ring */
        uint16_t at = 0;
        take(in, &at, sizeof(at));
        take(in, hc->a.ring + at % (hc->a.ring_bytes - 64), 1 + argument % 32);
        break;
    }
    case 5:
        step_broker(w, in, argument);
        break;
    case 6:
        (void)hand_turn(&w->hand);
        break;
    case 7:
        if (!hulse_plane_module.park(w->hand.plane)) {
            w->app.session->bell_watch.fire(&w->app.session->bell_watch, 0);
        }
        break;
    case 8: { /* reads receipts or deliveries like an honest app */
        const uint64_t tail = atomic_load(&hulse_region_b(&hc->b)->down_tail);
        atomic_store(&hulse_region_a(&hc->a)->down_head, tail);
        atomic_store(&hulse_region_a(&hc->a)->down_started, tail);
        break;
    }
    default:
        if (argument % 16 == 0) {
            (void)shutdown(w->app.sock, SHUT_WR);
            hulse_session_read_control(w->app.session);
            w->hung_up = true;
        }
        break;
    }
}

static void begin(struct world *w, struct worker *worker, uint8_t how)
{
    const struct hulse_ctl_open_channel asks[] = {{.kind = HULSE_CHANNEL_PRODUCER,
                                                   .receipts = (uint8_t)(how % 3),
                                                   .release = (uint8_t)(how >> 2 & 1)},
                                                  {.kind = HULSE_CHANNEL_CONSUMER}};
    hand_begin(&w->hand, worker);
    w->hung_up = false;
    hand_app_open(&w->hand, &w->witness);
    hand_channel_open(&w->witness, &w->witness_ch, &asks[0]);
    HAND_NEED(hand_producer(&w->witness, &w->witness_ch) == HULSE_OK);
    hand_app_open(&w->hand, &w->app);
    hand_channel_open(&w->app, &w->ch[0], &asks[0]);
    HAND_NEED(hand_producer(&w->app, &w->ch[0]) == HULSE_OK);
    hand_channel_open(&w->app, &w->ch[1], &asks[1]);
    const unsigned type = (how >> 3 & 3) == 3 ? BROKER_READER : how >> 3 & 1;
    HAND_NEED(hand_consumer(&w->app, &w->ch[1], type, 8, 40000) == HULSE_OK);
    w->hand.broker.answer_at_once = (how & 0x80) != 0;
    /* As if both had been attached: fragments without a beginning, verdicts by id, ATTACH. */
    const bool resumed = (how & 0x40) != 0;
    w->app.session->resumed = resumed;
    w->ch[0].ch->resumed = resumed;
    w->ch[0].ch->may_cut = resumed;
    w->ch[1].ch->resumed = resumed;
    hulse_slots_init(w->ch[1].ch, 8);
}

static void end(struct world *w)
{
    w->hand.broker.answer_at_once = true;
    hand_put_message(&w->witness_ch, "witness", 7, 1);
    hand_publish(&w->witness, &w->witness_ch);
    hand_settle(&w->hand);
    HAND_NEED(hand_session_alive(&w->witness));
    HAND_NEED(atomic_load(&hulse_region_b(&w->witness_ch.b)->stats[HULSE_STAT_DONE]) == 1);
    hand_app_close(&w->app);
    hand_app_close(&w->witness);
    hand_channel_close(&w->ch[0]);
    hand_channel_close(&w->ch[1]);
    hand_channel_close(&w->witness_ch);
    hand_end(&w->hand);
}

static int run(struct worker *worker, void *ctx)
{
    static struct world w;
    struct input in = *(struct input *)ctx;
    const size_t memory = hulse_mem_total();
    begin(&w, worker, take_byte(&in));
    for (unsigned i = 0; i < STEPS_MAX && in.left > 1 && alive(&w); i++) {
        const uint8_t what = take_byte(&in);
        step(&w, &in, what, take_byte(&in));
        if (w.hand.plane->doomed != NULL) {
            hand_flush(&w.hand);
        }
    }
    end(&w);
    HAND_NEED(hulse_mem_total() == memory);
    return 0;
}

static struct hand_thread thread;

static void stop_thread(void)
{
    hand_thread_stop(&thread);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {.at = data, .left = size};
    if (thread.worker == NULL) {
        hulse_log_level_set(HULSE_LOG_ERROR);
        hand_thread_start(&thread);
        (void)atexit(stop_thread);
    }
    return hand_thread_run(&thread, run, &in);
}
