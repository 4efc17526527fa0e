/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/raw_app.h"

#include "shmlib/ring/doorbell.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 10000

static _Noreturn void fail(const char *what)
{
    (void)fprintf(stderr, "raw_app: %s (errno %d)\n", what, errno);
    abort();
}

int hulse_raw_connect(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    (void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof(a)) != 0) {
        fail("connect");
    }
    return fd;
}

void hulse_raw_send(struct raw_app *app, struct hulse_packet *p, const int *fds, unsigned fd_count)
{
    struct hulse_ctl_head *head = (struct hulse_ctl_head *)(void *)p->bytes;
    head->req = ++app->request;
    const hulse_status st = hulse_packet_send(app->sock, p->bytes, fds, fd_count);
    if (st != HULSE_OK && st != HULSE_ORPHAN) {
        fail("send");
    }
}

/* One packet of any kind; false = hang-up. */
static bool receive(struct raw_app *app, struct hulse_packet *in)
{
    struct pollfd pfd = {.fd = app->sock, .events = POLLIN};
    const char *why = "";
    if (poll(&pfd, 1, PATIENCE_MS) != 1) {
        fail("no answer within ten seconds");
    }
    switch (hulse_packet_receive(app->sock, in, &why)) {
    case HULSE_PACKET_OK:
        return true;
    case HULSE_PACKET_EOF:
    case HULSE_PACKET_ERROR:
        return false;
    default:
        (void)fprintf(stderr, "raw_app: daemon sent a bad packet: %s\n", why);
        abort();
    }
}

static void note_event(struct raw_app *app, const struct hulse_packet *in)
{
    struct hulse_ctl_event e;
    memcpy(&e, in->bytes, sizeof(e));
    memcpy(app->last_event, in->bytes + sizeof(e), e.text_len);
    app->last_event[e.text_len] = '\0';
    app->last_status = e.status;
}

bool hulse_raw_answer(struct raw_app *app, struct hulse_packet *in)
{
    while (receive(app, in)) {
        struct hulse_ctl_head head;
        memcpy(&head, in->bytes, sizeof(head));
        if (head.type == HULSE_CTL_EVENT) {
            note_event(app, in);
        } else if (head.req == app->request) {
            return true;
        }
    }
    return false;
}

unsigned hulse_raw_call(struct raw_app *app, struct hulse_packet *out, struct hulse_packet *in)
{
    struct hulse_ctl_head head;
    hulse_raw_send(app, out, NULL, 0);
    if (!hulse_raw_answer(app, in)) {
        return 0;
    }
    memcpy(&head, in->bytes, sizeof(head));
    if (head.type == HULSE_CTL_ERR) {
        struct hulse_ctl_err e;
        memcpy(&e, in->bytes, sizeof(e));
        app->last_status = e.status;
    }
    return head.type;
}

bool hulse_raw_hung_up(struct raw_app *app)
{
    struct hulse_packet in;
    while (receive(app, &in)) {
        struct hulse_ctl_head head;
        memcpy(&head, in.bytes, sizeof(head));
        if (head.type == HULSE_CTL_EVENT) {
            note_event(app, &in);
        }
        for (unsigned i = 0; i < in.fd_count; i++) {
            (void)close(in.fds[i]);
        }
    }
    return true;
}

static void greet(struct raw_app *app, const char *path, uint32_t flags)
{
    *app = (struct raw_app){.sock = hulse_raw_connect(path)};
    const struct hulse_ctl_hello hello = {
        .abi_min = 1, .abi_max = 1, .flags = flags, .features = UINT64_MAX, .name_len = 3};
    struct hulse_packet p;
    hulse_packet_begin(&p, HULSE_CTL_HELLO, 0, &hello);
    hulse_packet_append(&p, "raw", 3);
    if (hulse_raw_call(app, &p, &p) != HULSE_CTL_WELCOME) {
        fail("no WELCOME");
    }
    memcpy(&app->welcome, p.bytes, sizeof(app->welcome));
    app->bell = p.fds[0];
    app->wake = p.fds[1];
}

void hulse_raw_open(struct raw_app *app, const char *path)
{
    greet(app, path, 0);
}

void hulse_raw_resume(struct raw_app *app, const char *path)
{
    greet(app, path, HULSE_HELLO_RESUME);
}

void hulse_raw_close(struct raw_app *app)
{
    (void)close(app->sock);
    (void)close(app->bell);
    (void)close(app->wake);
}

void hulse_raw_channel_begin(struct raw_app *app,
                             struct raw_channel *ch,
                             const struct hulse_ctl_open_channel *ask)
{
    struct hulse_packet p;
    struct hulse_ctl_channel c;
    hulse_packet_begin(&p, HULSE_CTL_OPEN_CHANNEL, 0, ask);
    if (hulse_raw_call(app, &p, &p) != HULSE_CTL_CHANNEL) {
        fail("no CHANNEL");
    }
    memcpy(&c, p.bytes, sizeof(c));
    *ch = (struct raw_channel){.id = c.channel, .fd_a = p.fds[0], .fd_b = p.fds[1]};
    if (hulse_region_map(&ch->a, ch->fd_a, c.up_bytes, true) != HULSE_REGION_RC_OK ||
        hulse_region_map(&ch->b, ch->fd_b, c.down_bytes, false) != HULSE_REGION_RC_OK) {
        fail("map");
    }
    struct hulse_region_a *a = hulse_region_a(&ch->a);
    struct hulse_region_b *b = hulse_region_b(&ch->b);
    ch->up = (struct hulse_ring_tx){.ring = ch->a.ring,
                                    .mask = c.up_bytes - 1,
                                    .tail_word = &a->up_tail,
                                    .head_word = &b->up_head};
    ch->down = (struct hulse_ring_rx){.ring = ch->b.ring,
                                      .mask = c.down_bytes - 1,
                                      .tail_word = &b->down_tail,
                                      .head_word = &a->down_head};
}

bool hulse_raw_channel_ready(struct raw_app *app, struct raw_channel *ch)
{
    struct hulse_packet p;
    const struct hulse_ctl_channel_ref ready = {.channel = ch->id};
    hulse_packet_begin(&p, HULSE_CTL_CHANNEL_READY, 0, &ready);
    return hulse_raw_call(app, &p, &p) == HULSE_CTL_CHANNEL_OK;
}

void hulse_raw_channel(struct raw_app *app,
                       struct raw_channel *ch,
                       enum hulse_channel_kind kind,
                       enum hulse_receipt_mode receipts)
{
    const struct hulse_ctl_open_channel ask = {.kind = (uint8_t)kind,
                                               .receipts = (uint8_t)receipts};
    hulse_raw_channel_begin(app, ch, &ask);
    if (hulse_region_populate(&ch->a, true) != HULSE_REGION_RC_OK ||
        hulse_region_populate(&ch->b, false) != HULSE_REGION_RC_OK ||
        !hulse_raw_channel_ready(app, ch)) {
        fail("channel not ready");
    }
}

void hulse_raw_channel_close(struct raw_channel *ch)
{
    hulse_region_unmap(&ch->a);
    hulse_region_unmap(&ch->b);
    (void)close(ch->fd_a);
    (void)close(ch->fd_b);
}

int hulse_raw_producer(struct raw_app *app, struct raw_channel *ch, const char *topic)
{
    const struct hulse_ctl_open_producer m = {
        .channel = ch->id, .send_timeout_ms = UINT32_MAX, .topic_len = (uint16_t)strlen(topic)};
    struct hulse_packet p;
    struct hulse_ctl_producer ok;
    hulse_packet_begin(&p, HULSE_CTL_OPEN_PRODUCER, 0, &m);
    hulse_packet_append(&p, topic, m.topic_len);
    if (hulse_raw_call(app, &p, &p) != HULSE_CTL_PRODUCER) {
        return app->last_status;
    }
    memcpy(&ok, p.bytes, sizeof(ok));
    ch->handle = ok.handle;
    return HULSE_OK;
}

int hulse_raw_consumer(struct raw_app *app,
                       struct raw_channel *ch,
                       const char *topic,
                       const char *subscription)
{
    const struct hulse_ctl_open_consumer m = {.channel = ch->id,
                                              .type = 1,
                                              .topic_len = (uint16_t)strlen(topic),
                                              .subscription_len = (uint16_t)strlen(subscription)};
    struct hulse_packet p;
    struct hulse_ctl_consumer ok;
    hulse_packet_begin(&p, HULSE_CTL_OPEN_CONSUMER, 0, &m);
    hulse_packet_append(&p, topic, m.topic_len);
    hulse_packet_append(&p, subscription, m.subscription_len);
    if (hulse_raw_call(app, &p, &p) != HULSE_CTL_CONSUMER) {
        return app->last_status;
    }
    memcpy(&ok, p.bytes, sizeof(ok));
    ch->handle = ok.handle;
    return HULSE_OK;
}

struct hulse_publish_header
hulse_raw_header(const struct raw_channel *ch, uint32_t payload_bytes, uint64_t token)
{
    return (struct hulse_publish_header){.len = HULSE_PUBLISH_HEADER_BYTES + payload_bytes,
                                         .type = HULSE_RECORD_MESSAGE,
                                         .seq = token,
                                         .token = token,
                                         .handle = ch->handle,
                                         .payload_len = payload_bytes};
}

void hulse_raw_put(struct raw_channel *ch,
                   const void *header,
                   size_t header_bytes,
                   const void *body,
                   size_t body_bytes)
{
    uint8_t *at = hulse_ring_tx_at(&ch->up, ch->up.tail);
    memcpy(at, header, header_bytes);
    if (body_bytes > 0) {
        memcpy(at + header_bytes, body, body_bytes);
    }
    hulse_ring_tx_commit(&ch->up, hulse_record_stride(header_bytes + body_bytes));
}

void hulse_raw_ring(const struct raw_app *app)
{
    (void)eventfd_write(app->bell, 1);
}

void hulse_raw_flush(struct raw_app *app, struct raw_channel *ch)
{
    hulse_ring_tx_publish(&ch->up);
    hulse_doorbell_fence();
    hulse_raw_ring(app);
}

const uint8_t *hulse_raw_next(struct raw_channel *ch, uint64_t bytes)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    for (int i = 0; i < PATIENCE_MS; i++) {
        if (hulse_ring_rx_refresh(&ch->down) != HULSE_RING_OK) {
            fail("the daemon's position is out of range");
        }
        if (hulse_ring_rx_ready(&ch->down) >= bytes) {
            const uint8_t *at = hulse_ring_rx_at(&ch->down, ch->down.read);
            uint64_t stride = bytes;
            if (bytes != HULSE_RECEIPT_BYTES) {
                struct hulse_delivery_header h;
                memcpy(&h, at, sizeof(h));
                stride = hulse_record_stride(h.len);
            }
            hulse_ring_rx_take(&ch->down, stride);
            return at;
        }
        (void)nanosleep(&pause, NULL);
    }
    return NULL;
}

unsigned hulse_raw_publish(
    struct raw_app *app, struct raw_channel *ch, const void *data, uint32_t bytes, uint64_t token)
{
    const struct hulse_publish_header h = hulse_raw_header(ch, bytes, token);
    hulse_raw_put(ch, &h, sizeof(h), data, bytes);
    hulse_raw_flush(app, ch);
    const uint8_t *at = hulse_raw_next(ch, HULSE_RECEIPT_BYTES);
    if (at == NULL) {
        return 0;
    }
    struct hulse_receipt_record r;
    memcpy(&r, at, sizeof(r));
    hulse_ring_rx_release(&ch->down, ch->down.read);
    return r.token == token ? r.status : 0;
}
