/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bed - see the header.
 */
#include "tests/unit/daemon/broker/pulsar/connection/bed.h"

#include "daemon/broker/pulsar/wire/frame.h"
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "daemon/core/rcu.h"

#include <openssl/err.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_BYTES_MAX = 16U << 20U };

/* ---- our side ---- */

void hulse_bed_open(struct bed *b, uint16_t port)
{
    struct error err = {0};
    char url[64];

    *b = (struct bed){0};
    (void)signal(SIGPIPE, SIG_IGN);
    hulse_mem_init(SIZE_MAX / 2);
    assert_true(hulse_loop_init(&b->loop, 64));
    (void)snprintf(url, sizeof(url), "pulsar://127.0.0.1:%u", (unsigned)port);
    assert_int_equal(hulse_service_url_parse(url, &b->broker.service, &err), HULSE_OK);
    b->broker.params = (struct pulsar_params){.connect_timeout_ms = 5000,
                                              .operation_timeout_ms = 10000,
                                              .keep_alive_ms = 10000,
                                              .message_bytes_max = WIRE_MESSAGE_BYTES_DEFAULT};
    b->worker.broker = &b->broker;
    b->worker.loop = &b->loop;
    hulse_jitter_init(&b->worker.jitter);
}

void hulse_bed_start(struct bed *b)
{
    struct error err = {0};

    b->pool = hulse_pulsar_pool_create(&b->worker, &err);
    assert_non_null(b->pool);
    b->worker.pool = b->pool;
}

void hulse_bed_close(struct bed *b)
{
    hulse_pulsar_pool_destroy(&b->pool);
    hulse_loop_fini(&b->loop);
    assert_int_equal(hulse_mem_used(HULSE_MEM_BROKER), 0);
}

void hulse_bed_turn(struct bed *b)
{
    (void)hulse_loop_round(&b->loop, 1);
    if (b->pool != NULL) {
        hulse_pulsar_pool_flush(b->pool);
    }
}

struct pulsar_endpoint hulse_bed_endpoint(uint16_t port)
{
    struct pulsar_endpoint to = {.physical = {.name = "127.0.0.1", .port = port}};

    to.logical = to.physical;
    return to;
}

static struct probe *probe_of(struct pulsar_user *u)
{
    return HULSE_CONTAINER(u, struct probe, user);
}

static void probe_ready(struct pulsar_user *u)
{
    struct probe *p = probe_of(u);

    p->ready++;
    assert_ptr_not_equal(u->connection, NULL);
    assert_true(hulse_pulsar_ready(u->connection));
    if (p->also != NULL) {
        p->also(p);
    }
}

static void probe_lost(struct pulsar_user *u, hulse_status status, const char *text)
{
    struct probe *p = probe_of(u);

    p->lost++;
    p->status = status;
    (void)snprintf(p->text, sizeof(p->text), "%s", text);
    assert_null(u->connection);
    if (p->also != NULL) {
        p->also(p);
    }
}

static void
probe_command(struct pulsar_user *u, const Pulsar__BaseCommand *command, struct broker_span rest)
{
    struct probe *p = probe_of(u);

    p->commands++;
    p->last = (int32_t)command->type;
    p->rest_bytes = rest.bytes;
    p->rest_sum = 0;
    for (uint32_t i = 0; i < rest.bytes; i++) {
        p->rest_sum += rest.data[i];
    }
    if (p->also != NULL) {
        p->also(p);
    }
}

static const struct pulsar_user_events probe_events = {
    .ready = probe_ready, .lost = probe_lost, .command = probe_command};

void hulse_probe_set_up(struct probe *p, struct bed *b, enum pulsar_user_kind kind)
{
    p->bed = b;
    p->user.events = &probe_events;
    p->user.kind = kind;
    p->user.id = p->user.id == 0 ? hulse_pulsar_user_id(b->pool) : p->user.id;
}

void hulse_probe_attach(struct probe *p,
                        struct bed *b,
                        enum pulsar_user_kind kind,
                        uint16_t port,
                        enum pulsar_purpose purpose)
{
    const struct pulsar_endpoint to = hulse_bed_endpoint(port);

    hulse_probe_set_up(p, b, kind);
    assert_true(hulse_pulsar_attach(b->pool, &p->user, &to, purpose));
}

void hulse_probe_await_ready(struct probe *p)
{
    while (p->ready == 0) {
        assert_int_equal(p->lost, 0);
        hulse_bed_turn(p->bed);
    }
}

void hulse_probe_await_lost(struct probe *p)
{
    while (p->lost == 0) {
        hulse_bed_turn(p->bed);
    }
}

/* ---- the brokers ---- */

void hulse_peer_open(struct peer *p)
{
    hulse_peer_open_at(p, "127.0.0.1");
}

void hulse_peer_open_at(struct peer *p, const char *address)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr(address)};
    socklen_t bytes = sizeof(to);

    *p = (struct peer){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    assert_true(p->fd >= 0);
    assert_int_equal(bind(p->fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(listen(p->fd, 64), 0);
    assert_int_equal(getsockname(p->fd, (struct sockaddr *)&to, &bytes), 0);
    p->port = ntohs(to.sin_port);
}

void hulse_peer_close(struct peer *p)
{
    if (p->fd >= 0) {
        assert_int_equal(close(p->fd), 0);
        p->fd = -1;
    }
}

bool hulse_peer_has_caller(const struct peer *p)
{
    struct pollfd look = {.fd = p->fd, .events = POLLIN};

    return poll(&look, 1, 0) == 1;
}

void hulse_peer_accept(struct peer *p, struct bed *b, struct peer_line *out)
{
    *out = (struct peer_line){.bed = b, .fd = -1, .room = LINE_BYTES_MAX};
    while (out->fd < 0) {
        out->fd = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (out->fd < 0) {
            assert_int_equal(errno, EAGAIN);
            hulse_bed_turn(b);
        }
    }
    p->accepted++;
    out->data = malloc(out->room);
    assert_non_null(out->data);
    hulse_wire_arena_init(&out->arena, WIRE_COMMAND_MEMORY_MAX);
}

bool hulse_peer_secure(struct peer_line *l, SSL_CTX *ctx)
{
    l->ssl = SSL_new(ctx);
    assert_non_null(l->ssl);
    assert_int_equal(SSL_set_fd(l->ssl, l->fd), 1);
    for (;;) {
        ERR_clear_error();
        const int rc = SSL_accept(l->ssl);
        if (rc == 1) {
            return true;
        }
        const int error = SSL_get_error(l->ssl, rc);
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
            return false;
        }
        hulse_bed_turn(l->bed);
    }
}

void hulse_peer_hang_up(struct peer_line *l)
{
    SSL_free(l->ssl);
    l->ssl = NULL;
    if (l->fd >= 0) {
        assert_int_equal(close(l->fd), 0);
        l->fd = -1;
    }
    free(l->data);
    l->data = NULL;
    hulse_wire_arena_fini(&l->arena);
}

static ssize_t judge(const struct peer_line *l, int n)
{
    const int error = SSL_get_error(l->ssl, n);

    if (n <= 0) {
        errno = EAGAIN;
        return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? -1 : 0;
    }
    return n;
}

static ssize_t receive(struct peer_line *l)
{
    uint8_t *at = l->data + l->held;
    const size_t room = l->room - l->held;

    ERR_clear_error();
    return l->ssl == NULL ? recv(l->fd, at, room, 0) : judge(l, SSL_read(l->ssl, at, (int)room));
}

static ssize_t give(struct peer_line *l, const uint8_t *data, size_t bytes)
{
    ERR_clear_error();
    return l->ssl == NULL ? send(l->fd, data, bytes, MSG_NOSIGNAL)
                          : judge(l, SSL_write(l->ssl, data, (int)bytes));
}

/* More of it. False: the other side has closed it. */
static bool more(struct peer_line *l)
{
    for (;;) {
        const ssize_t n = receive(l);
        if (n > 0) {
            l->held += (size_t)n;
            return true;
        }
        if (n == 0 || errno == ECONNRESET) {
            return false;
        }
        assert_int_equal(errno, EAGAIN);
        hulse_bed_turn(l->bed);
    }
}

const Pulsar__BaseCommand *hulse_peer_hear(struct peer_line *l)
{
    const Pulsar__BaseCommand *command = NULL;
    const char *why = NULL;
    struct wire_frame frame;

    memmove(l->data, l->data + l->taken, l->held - l->taken);
    l->held -= l->taken;
    l->taken = 0;
    for (;;) {
        const enum wire_frame_rc rc =
            hulse_wire_frame_read(l->data, l->held, WIRE_MESSAGE_BYTES_DEFAULT, &frame, &why);
        assert_int_not_equal(rc, WIRE_FRAME_BAD);
        if (rc == WIRE_FRAME_OK) {
            break;
        }
        assert_true(more(l));
    }
    assert_int_equal(hulse_wire_command_read(&l->arena, frame.command, &command, &why),
                     WIRE_COMMAND_OK);
    l->taken = frame.bytes;
    return command;
}

void hulse_peer_await_end(struct peer_line *l)
{
    do {
        l->held = 0;
        l->taken = 0;
    } while (more(l));
}

void hulse_peer_say_bytes(struct peer_line *l, const void *data, size_t bytes)
{
    const uint8_t *at = data;

    while (bytes > 0) {
        const ssize_t n = give(l, at, bytes);
        if (n < 0) {
            assert_int_equal(errno, EAGAIN);
            hulse_bed_turn(l->bed);
            continue;
        }
        at += n;
        bytes -= (size_t)n;
    }
}

void hulse_peer_say(struct peer_line *l, const Pulsar__BaseCommand *command)
{
    uint8_t out[4096];
    const size_t bytes = hulse_wire_command_write(command, out, sizeof(out));

    assert_true(bytes > 0);
    hulse_peer_say_bytes(l, out, bytes);
}

void hulse_peer_say_connected(struct peer_line *l, int32_t version, int32_t message_bytes_max)
{
    Pulsar__FeatureFlags flags = PULSAR__FEATURE_FLAGS__INIT;
    Pulsar__CommandConnected connected = PULSAR__COMMAND_CONNECTED__INIT;
    Pulsar__BaseCommand base = PULSAR__BASE_COMMAND__INIT;

    flags.has_supports_topic_watchers = true;
    flags.supports_topic_watchers = true;
    flags.has_supports_topic_watcher_reconcile = true;
    flags.supports_topic_watcher_reconcile = true;
    connected.server_version = (char *)(uintptr_t) "a test";
    connected.has_protocol_version = true;
    connected.protocol_version = version;
    connected.has_max_message_size = message_bytes_max != 0;
    connected.max_message_size = message_bytes_max;
    connected.feature_flags = &flags;
    base.type = PULSAR__BASE_COMMAND__TYPE__CONNECTED;
    base.connected = &connected;
    hulse_peer_say(l, &base);
}

void hulse_peer_say_error(struct peer_line *l,
                          uint64_t request_id,
                          Pulsar__ServerError error,
                          const char *message)
{
    Pulsar__CommandError e = PULSAR__COMMAND_ERROR__INIT;
    Pulsar__BaseCommand base = PULSAR__BASE_COMMAND__INIT;

    e.request_id = request_id;
    e.error = error;
    e.message = (char *)(uintptr_t)message;
    base.type = PULSAR__BASE_COMMAND__TYPE__ERROR;
    base.error = &e;
    hulse_peer_say(l, &base);
}

void hulse_peer_say_plain(struct peer_line *l, Pulsar__BaseCommand__Type type)
{
    Pulsar__CommandPing ping = PULSAR__COMMAND_PING__INIT;
    Pulsar__CommandPong pong = PULSAR__COMMAND_PONG__INIT;
    Pulsar__CommandAuthChallenge challenge = PULSAR__COMMAND_AUTH_CHALLENGE__INIT;
    Pulsar__BaseCommand base = PULSAR__BASE_COMMAND__INIT;

    base.type = type;
    base.ping = &ping;
    base.pong = &pong;
    base.authchallenge = &challenge;
    if (type != PULSAR__BASE_COMMAND__TYPE__PING) {
        base.ping = NULL;
    }
    if (type != PULSAR__BASE_COMMAND__TYPE__PONG) {
        base.pong = NULL;
    }
    if (type != PULSAR__BASE_COMMAND__TYPE__AUTH_CHALLENGE) {
        base.authchallenge = NULL;
    }
    hulse_peer_say(l, &base);
}

void hulse_peer_say_receipt(struct peer_line *l, uint64_t producer_id, uint64_t sequence_id)
{
    Pulsar__MessageIdData id = PULSAR__MESSAGE_ID_DATA__INIT;
    Pulsar__CommandSendReceipt receipt = PULSAR__COMMAND_SEND_RECEIPT__INIT;
    Pulsar__BaseCommand base = PULSAR__BASE_COMMAND__INIT;

    receipt.producer_id = producer_id;
    receipt.sequence_id = sequence_id;
    receipt.message_id = &id;
    base.type = PULSAR__BASE_COMMAND__TYPE__SEND_RECEIPT;
    base.send_receipt = &receipt;
    hulse_peer_say(l, &base);
}

void hulse_peer_welcome(struct peer *p, struct bed *b, struct peer_line *out)
{
    hulse_peer_accept(p, b, out);
    assert_int_equal(hulse_peer_hear(out)->type, PULSAR__BASE_COMMAND__TYPE__CONNECT);
    hulse_peer_say_connected(out, 21, 0);
}
