/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer - see the header.
 */
#include "tests/unit/daemon/broker/pulsar/producer/peer.h"

#include "daemon/broker/pulsar/wire/command.h"
#include "daemon/broker/pulsar/wire/field.h"
#include "daemon/broker/pulsar/wire/frame.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINE_BYTES = 16 << 20, QUIET_TURNS = 20 };

static void listen_at(struct peer *p, uint16_t port)
{
    const int again = 1;
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    socklen_t bytes = sizeof(at);

    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(p->fd >= 0);
    assert_int_equal(setsockopt(p->fd, SOL_SOCKET, SO_REUSEADDR, &again, sizeof(again)), 0);
    assert_int_equal(bind(p->fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(p->fd, 16), 0);
    assert_int_equal(getsockname(p->fd, (struct sockaddr *)&at, &bytes), 0);
    p->port = ntohs(at.sin_port);
}

void hulse_peer_open(struct peer *p)
{
    listen_at(p, 0);
}

void hulse_peer_open_again(struct peer *p)
{
    listen_at(p, p->port);
}

void hulse_peer_close(struct peer *p)
{
    (void)close(p->fd);
}

void hulse_line_hang_up(struct line *l)
{
    (void)close(l->fd);
    hulse_wire_arena_fini(&l->arena);
    free(l->data);
    l->data = NULL;
}

/* False: it has ended. */
static bool take_in(struct line *l)
{
    const ssize_t got = recv(l->fd, l->data + l->held, LINE_BYTES - l->held, MSG_DONTWAIT);

    if (got > 0) {
        l->held += (size_t)got;
    }
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

const Pulsar__BaseCommand *hulse_line_hear(struct line *l, struct broker_span *rest)
{
    const Pulsar__BaseCommand *command = NULL;
    struct wire_frame frame;
    const char *why = NULL;

    memmove(l->data, l->data + l->taken, l->held - l->taken);
    l->held -= l->taken;
    l->taken = 0;
    while (hulse_wire_frame_read(l->data, l->held, WIRE_MESSAGE_BYTES_MAX, &frame, &why) !=
           WIRE_FRAME_OK) {
        assert_null(why);
        hulse_bed_turn(l->bed);
        assert_true(take_in(l));
    }
    l->taken = frame.bytes;
    assert_int_equal(hulse_wire_command_read(&l->arena, frame.command, &command, &why),
                     WIRE_COMMAND_OK);
    if (rest != NULL) {
        *rest = frame.rest;
    }
    return command;
}

bool hulse_line_has_something(struct line *l)
{
    hulse_bed_turn(l->bed);
    assert_true(take_in(l));
    return l->held > l->taken;
}

bool hulse_line_is_quiet(struct line *l)
{
    for (unsigned i = 0; i < QUIET_TURNS; i++) {
        hulse_bed_turn(l->bed);
    }
    assert_true(take_in(l));
    return l->held == l->taken;
}

void hulse_line_await_end(struct line *l)
{
    while (take_in(l)) {
        hulse_bed_turn(l->bed);
    }
}

void hulse_line_hear_send(struct line *l, struct heard *h)
{
    struct broker_span rest;
    struct wire_message message;
    const char *why = NULL;
    const Pulsar__BaseCommand *c = hulse_line_hear(l, &rest);

    assert_int_equal(c->type, PULSAR__BASE_COMMAND__TYPE__SEND);
    *h = (struct heard){.producer_id = c->send->producer_id,
                        .sequence = c->send->sequence_id,
                        .highest = c->send->highest_sequence_id,
                        .count = c->send->has_num_messages ? c->send->num_messages : 0,
                        .is_chunk = c->send->has_is_chunk && c->send->is_chunk,
                        .frame = l->data,
                        .frame_bytes = (uint32_t)l->taken};
    assert_int_equal(hulse_wire_message_read(rest, &message, &why), WIRE_MESSAGE_OK);
    assert_true(message.checked);
    assert_true(hulse_wire_metadata_read(message.metadata, &h->metadata, &why));
    /* A broker that opens the topic anew goes by it: before the last chunk it has not got the message. */
    const bool more = h->metadata.chunk + 1 < h->metadata.chunk_count;
    assert_int_equal(h->metadata.sequence_id, h->sequence - (more ? 1U : 0U));
    assert_int_equal(hulse_wire_has(h->metadata.has, WIRE_META_HIGHEST_SEQUENCE),
                     h->count > 0 || (more && h->sequence == 0));
    assert_int_equal(h->metadata.highest_sequence_id,
                     h->count > 0               ? h->highest
                     : more && h->sequence == 0 ? UINT64_MAX
                                                : 0);
    h->payload = message.payload;
}

uint64_t
hulse_line_hear_producer(struct line *l, uint64_t *producer_id, uint64_t epoch, char name[256])
{
    const Pulsar__BaseCommand *c = hulse_line_hear(l, NULL);

    assert_int_equal(c->type, PULSAR__BASE_COMMAND__TYPE__PRODUCER);
    /* Or another that begins with it. */
    assert_memory_equal(c->producer->topic, BED_TOPIC, strlen(BED_TOPIC));
    if (epoch == EPOCH_ANY) {
        assert_true(c->producer->epoch >= l->epoch);
    } else {
        assert_int_equal(c->producer->epoch, epoch);
    }
    l->epoch = c->producer->epoch + 1;
    *producer_id = c->producer->producer_id;
    if (name != NULL) {
        (void)snprintf(name, 256, "%s", c->producer->producer_name);
    }
    return c->producer->request_id;
}

uint64_t hulse_line_hear_close(struct line *l, uint64_t producer_id)
{
    const Pulsar__BaseCommand *c = hulse_line_hear(l, NULL);

    assert_int_equal(c->type, PULSAR__BASE_COMMAND__TYPE__CLOSE_PRODUCER);
    assert_int_equal(c->close_producer->producer_id, producer_id);
    return c->close_producer->request_id;
}

void hulse_line_say(struct line *l, const Pulsar__BaseCommand *command)
{
    uint8_t frame[4096];
    const size_t bytes = hulse_wire_command_write(command, frame, sizeof(frame));

    assert_true(bytes > 0);
    assert_int_equal(send(l->fd, frame, bytes, MSG_NOSIGNAL), bytes);
}

void hulse_line_say_opened(struct line *l,
                           uint64_t request,
                           const char *name,
                           int64_t last_sequence)
{
    Pulsar__CommandProducerSuccess success = PULSAR__COMMAND_PRODUCER_SUCCESS__INIT;
    Pulsar__BaseCommand c = PULSAR__BASE_COMMAND__INIT;

    success.request_id = request;
    success.producer_name = (char *)(uintptr_t)name;
    success.has_last_sequence_id = true;
    success.last_sequence_id = last_sequence;
    c.type = PULSAR__BASE_COMMAND__TYPE__PRODUCER_SUCCESS;
    c.producer_success = &success;
    hulse_line_say(l, &c);
}

void hulse_line_say_success(struct line *l, uint64_t request)
{
    Pulsar__CommandSuccess success = PULSAR__COMMAND_SUCCESS__INIT;
    Pulsar__BaseCommand c = PULSAR__BASE_COMMAND__INIT;

    success.request_id = request;
    c.type = PULSAR__BASE_COMMAND__TYPE__SUCCESS;
    c.success = &success;
    hulse_line_say(l, &c);
}

void hulse_line_say_error(struct line *l, uint64_t request, Pulsar__ServerError error)
{
    Pulsar__CommandError e = PULSAR__COMMAND_ERROR__INIT;
    Pulsar__BaseCommand c = PULSAR__BASE_COMMAND__INIT;

    e.request_id = request;
    e.error = error;
    e.message = (char *)(uintptr_t) "so it is";
    c.type = PULSAR__BASE_COMMAND__TYPE__ERROR;
    c.error = &e;
    hulse_line_say(l, &c);
}

static void say_receipt(struct line *l, Pulsar__CommandSendReceipt *r)
{
    Pulsar__BaseCommand c = PULSAR__BASE_COMMAND__INIT;

    c.type = PULSAR__BASE_COMMAND__TYPE__SEND_RECEIPT;
    c.send_receipt = r;
    hulse_line_say(l, &c);
}

void hulse_line_say_receipt(struct line *l, const struct heard *h, uint64_t entry)
{
    Pulsar__CommandSendReceipt r = PULSAR__COMMAND_SEND_RECEIPT__INIT;
    Pulsar__MessageIdData id = PULSAR__MESSAGE_ID_DATA__INIT;

    id.ledgerid = 7;
    id.entryid = entry;
    r.producer_id = h->producer_id;
    r.sequence_id = h->sequence;
    r.has_highest_sequence_id = true;
    r.highest_sequence_id = h->count > 0 ? h->highest : UINT64_MAX;
    r.message_id = &id;
    say_receipt(l, &r);
}

void hulse_line_say_receipt_of(struct line *l,
                               uint64_t producer_id,
                               int64_t sequence,
                               int64_t highest)
{
    Pulsar__CommandSendReceipt r = PULSAR__COMMAND_SEND_RECEIPT__INIT;
    Pulsar__MessageIdData id = PULSAR__MESSAGE_ID_DATA__INIT;

    id.ledgerid = UINT64_MAX;
    id.entryid = UINT64_MAX;
    r.producer_id = producer_id;
    r.sequence_id = (uint64_t)sequence;
    r.has_highest_sequence_id = true;
    r.highest_sequence_id = (uint64_t)highest;
    r.message_id = &id;
    say_receipt(l, &r);
}

void hulse_line_say_send_error(struct line *l,
                               uint64_t producer_id,
                               uint64_t sequence,
                               Pulsar__ServerError error)
{
    hulse_line_say_send_error_as(l, producer_id, sequence, error, "so it is");
}

void hulse_line_say_send_error_as(struct line *l,
                                  uint64_t producer_id,
                                  uint64_t sequence,
                                  Pulsar__ServerError error,
                                  const char *text)
{
    Pulsar__CommandSendError e = PULSAR__COMMAND_SEND_ERROR__INIT;
    Pulsar__BaseCommand c = PULSAR__BASE_COMMAND__INIT;

    e.producer_id = producer_id;
    e.sequence_id = sequence;
    e.error = error;
    e.message = (char *)(uintptr_t)text;
    c.type = PULSAR__BASE_COMMAND__TYPE__SEND_ERROR;
    c.send_error = &e;
    hulse_line_say(l, &c);
}

void hulse_line_say_closed(struct line *l, uint64_t producer_id, const char *assigned)
{
    Pulsar__CommandCloseProducer close = PULSAR__COMMAND_CLOSE_PRODUCER__INIT;
    Pulsar__BaseCommand c = PULSAR__BASE_COMMAND__INIT;

    close.producer_id = producer_id;
    close.request_id = UINT64_MAX;
    close.assignedbrokerserviceurl = (char *)(uintptr_t)assigned;
    c.type = PULSAR__BASE_COMMAND__TYPE__CLOSE_PRODUCER;
    c.close_producer = &close;
    hulse_line_say(l, &c);
}

void hulse_peer_welcome(struct peer *p, struct bed *b, struct line *l)
{
    Pulsar__CommandConnected connected = PULSAR__COMMAND_CONNECTED__INIT;
    Pulsar__BaseCommand c = PULSAR__BASE_COMMAND__INIT;
    const int32_t most = l->message_bytes_max;

    *l = (struct line){.bed = b, .message_bytes_max = most};
    do {
        hulse_bed_turn(b);
        l->fd = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC);
    } while (l->fd < 0);
    const int at_once = 1;
    assert_int_equal(setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof(at_once)), 0);
    l->data = malloc(LINE_BYTES);
    assert_non_null(l->data);
    hulse_wire_arena_init(&l->arena, WIRE_COMMAND_MEMORY_MAX);
    assert_int_equal(hulse_line_hear(l, NULL)->type, PULSAR__BASE_COMMAND__TYPE__CONNECT);
    connected.server_version = (char *)(uintptr_t) "peer";
    connected.has_protocol_version = true;
    connected.protocol_version = 21;
    connected.has_max_message_size = true;
    connected.max_message_size = most != 0 ? most : (int32_t)WIRE_MESSAGE_BYTES_DEFAULT;
    c.type = PULSAR__BASE_COMMAND__TYPE__CONNECTED;
    c.connected = &connected;
    hulse_line_say(l, &c);
}

uint64_t hulse_peer_serve(struct peer *p, struct bed *b, struct line *l, uint64_t epoch)
{
    char name[256];
    uint64_t id = 0;

    hulse_peer_welcome(p, b, l);
    const uint64_t request = hulse_line_hear_producer(l, &id, epoch, name);
    hulse_line_say_opened(l, request, name, -1);
    return id;
}
