/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   whatever a broker does ends at most its connection, with what it was; a callback may do anything.
 * Method: a broker played by hand.
 */
#include "daemon/broker/pulsar/connection/pool_state.h"
#include "daemon/core/assert.h"
#include "tests/support/runtime.h"
#include "tests/unit/daemon/broker/pulsar/connection/bed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define TYPE(name) PULSAR__BASE_COMMAND__TYPE__##name

static struct bed bed;
static struct peer peer;
static struct peer_line line;
static struct probe user;

static int set_up(void **state)
{
    (void)state;
    hulse_peer_open(&peer);
    hulse_bed_open(&bed, peer.port);
    hulse_bed_start(&bed);
    line = (struct peer_line){.fd = -1};
    user = (struct probe){0};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    user.also = NULL;
    if (line.bed != NULL) {
        hulse_peer_hang_up(&line);
    }
    hulse_bed_close(&bed);
    hulse_peer_close(&peer);
    return 0;
}

static void attach(void)
{
    hulse_probe_attach(&user, &bed, PULSAR_USER_PRODUCER, peer.port, PULSAR_FOR_PUBLISHING);
}

static void make_ready(void)
{
    attach();
    hulse_peer_welcome(&peer, &bed, &line);
    hulse_probe_await_ready(&user);
}

static struct pulsar_pool_figures figures(void)
{
    struct pulsar_pool_figures out;

    hulse_pulsar_pool_figures(bed.pool, &out);
    return out;
}

static void await_lost_with(hulse_status status, const char *says)
{
    hulse_probe_await_lost(&user);
    if (user.status != status || strstr(user.text, says) == NULL) {
        fail_msg("%d: %s", user.status, user.text);
    }
}

/* ---- bytes that are not the protocol ---- */

static void bytes_end_it(const uint8_t *bytes, size_t count, const char *says)
{
    make_ready();
    hulse_peer_say_bytes(&line, bytes, count);
    await_lost_with(HULSE_PROTOCOL, says);
    assert_int_equal(figures().protocol_errors, 1);
    hulse_peer_await_end(&line);
}

static void test_a_frame_that_is_too_large(void **state)
{
    /* The first that is: 5 MiB and 10,240 bytes. */
    static const uint8_t bytes[] = {0x00, 0x50, 0x27, 0xfd, 0, 0, 0, 5};

    (void)state;
    bytes_end_it(bytes, sizeof(bytes), "larger than the largest");
}

static void test_the_largest_frame_is_taken(void **state)
{
    const uint32_t bytes = WIRE_MESSAGE_BYTES_DEFAULT + WIRE_FRAME_PADDING_BYTES;
    uint8_t *frame = calloc(1, bytes);

    (void)state;
    assert_non_null(frame);
    static const uint8_t head[] = {
        0x00, 0x50, 0x27, 0xfc, 0x00, 0x00, 0x00, 0x05, 0x08, 0x12, 0x92, 0x01};
    memcpy(frame, head, sizeof(head));
    make_ready();
    hulse_peer_say_bytes(&line, frame, bytes);
    assert_int_equal(hulse_peer_hear(&line)->type, TYPE(PONG));
    assert_int_equal(user.lost, 0);
    free(frame);
}

static void test_a_command_that_is_larger_than_its_frame(void **state)
{
    static const uint8_t bytes[] = {0, 0, 0, 9, 0, 0, 0, 6, 8, 0x12, 0x92, 1, 0};

    (void)state;
    bytes_end_it(bytes, sizeof(bytes), "larger than its frame");
}

static void test_a_command_that_is_none(void **state)
{
    static const uint8_t bytes[] = {0, 0, 0, 9, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0xff};

    (void)state;
    bytes_end_it(bytes, sizeof(bytes), "cannot be decoded");
}

static void test_unknown_commands_are_ignored(void **state)
{
    /* Type 99, alone in its command. */
    static const uint8_t bytes[] = {0, 0, 0, 6, 0, 0, 0, 2, 8, 99};

    (void)state;
    make_ready();
    hulse_peer_say_bytes(&line, bytes, sizeof(bytes));
    hulse_peer_say_plain(&line, TYPE(PING));
    assert_int_equal(hulse_peer_hear(&line)->type, TYPE(PONG));
    assert_int_equal(user.lost, 0);
}

static void test_frames_of_one_byte_each_time(void **state)
{
    static const uint8_t ping[] = {0, 0, 0, 9, 0, 0, 0, 5, 8, 0x12, 0x92, 1, 0};

    (void)state;
    make_ready();
    for (size_t i = 0; i < 3 * sizeof(ping); i++) {
        hulse_peer_say_bytes(&line, &ping[i % sizeof(ping)], 1);
        hulse_bed_turn(&bed);
    }
    assert_int_equal(hulse_peer_hear(&line)->type, TYPE(PONG));
    assert_int_equal(user.lost, 0);
}

static void test_a_frame_that_is_torn(void **state)
{
    static const uint8_t bytes[] = {0, 0, 0, 9, 0, 0};

    (void)state;
    make_ready();
    hulse_peer_say_bytes(&line, bytes, sizeof(bytes));
    assert_int_equal(shutdown(line.fd, SHUT_WR), 0);
    await_lost_with(HULSE_IO, "within a frame");
}

static void test_half_closed(void **state)
{
    (void)state;
    make_ready();
    assert_int_equal(shutdown(line.fd, SHUT_WR), 0);
    await_lost_with(HULSE_IO, "has closed the connection");
    hulse_peer_await_end(&line);
}

static void test_a_user_that_finds_the_protocol_broken(void **state)
{
    (void)state;
    make_ready();
    hulse_pulsar_break(user.user.connection, "permits overrun");
    assert_int_equal(user.lost, 0);
    assert_false(hulse_pulsar_ready(user.user.connection));
    await_lost_with(HULSE_PROTOCOL, "permits overrun");
    assert_int_equal(figures().protocol_errors, 1);
}

/* ---- the handshake ---- */

static void hear_connect(void)
{
    attach();
    hulse_peer_accept(&peer, &bed, &line);
    assert_int_equal(hulse_peer_hear(&line)->type, TYPE(CONNECT));
}

static void test_a_command_before_connected(void **state)
{
    (void)state;
    hear_connect();
    hulse_peer_say_receipt(&line, 1, 1);
    await_lost_with(HULSE_PROTOCOL, "before CONNECTED");
}

static void test_connected_twice(void **state)
{
    (void)state;
    make_ready();
    hulse_peer_say_connected(&line, 21, 0);
    await_lost_with(HULSE_PROTOCOL, "CONNECTED twice");
}

static void test_ping_before_connected_is_answered(void **state)
{
    (void)state;
    hear_connect();
    hulse_peer_say_plain(&line, TYPE(PING));
    assert_int_equal(hulse_peer_hear(&line)->type, TYPE(PONG));
    hulse_peer_say_connected(&line, 21, 0);
    hulse_probe_await_ready(&user);
}

static void test_a_broker_that_is_too_old(void **state)
{
    (void)state;
    hear_connect();
    hulse_peer_say_connected(&line, 10, 0);
    await_lost_with(HULSE_PROTOCOL, "version 10");
}

static void test_refused_before_connect(void **state)
{
    (void)state;
    attach();
    hulse_peer_accept(&peer, &bed, &line);
    hulse_peer_say_error(
        &line, UINT64_MAX, PULSAR__SERVER_ERROR__NotAllowedError, "too many\n connections");
    await_lost_with(HULSE_IO, "NotAllowedError: too many? connections");
}

static void test_an_error_about_all_of_it(void **state)
{
    (void)state;
    make_ready();
    hulse_peer_say_error(&line, UINT64_MAX, PULSAR__SERVER_ERROR__AuthenticationError, "expired");
    await_lost_with(HULSE_DENIED, "AuthenticationError: expired");
}

static void test_no_answer_to_connect(void **state)
{
    (void)state;
    bed.broker.params.operation_timeout_ms = 20;
    hear_connect();
    await_lost_with(HULSE_TIMED_OUT, "no answer to CONNECT");
    assert_int_equal(user.ready, 0);
}

/* ---- keep-alive ---- */

static void test_silence_ends_it_after_a_ping(void **state)
{
    (void)state;
    bed.broker.params.keep_alive_ms = 20;
    make_ready();
    assert_int_equal(hulse_peer_hear(&line)->type, TYPE(PING));
    await_lost_with(HULSE_TIMED_OUT, "no sign of life");
}

static void test_any_sign_of_life_keeps_it(void **state)
{
    (void)state;
    bed.broker.params.keep_alive_ms = 50;
    make_ready();
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(hulse_peer_hear(&line)->type, TYPE(PING));
        hulse_peer_say_receipt(&line, 12345, 1);
    }
    assert_int_equal(user.lost, 0);
}

static uint64_t round_trip_us(void)
{
    struct pulsar_pool_figures f;

    hulse_pulsar_pool_figures(bed.pool, &f);
    return f.round_trip_us;
}

/* Only what answers a PING says how long the way is, and nothing says it before. */
static void test_the_round_trip_is_measured(void **state)
{
    (void)state;
    bed.broker.params.keep_alive_ms = 50;
    make_ready();
    hulse_peer_say_plain(&line, TYPE(PONG));
    hulse_peer_say_receipt(&line, 12345, 1);
    assert_int_equal(hulse_peer_hear(&line)->type, TYPE(PING));
    assert_int_equal(round_trip_us(), 0);
    struct pulsar_connection *c = user.user.connection;
    c->ping_ns -= UINT64_C(80000000);
    hulse_peer_say_plain(&line, TYPE(PONG));
    while (round_trip_us() == 0) {
        hulse_bed_turn(&bed);
    }
    const uint64_t first_us = round_trip_us();
    assert_in_range(first_us, 80000, UINT32_MAX);
    assert_int_equal(c->ping_ns, 0);
    /* The next one, almost nothing, takes an eighth of it away at most. */
    assert_int_equal(hulse_peer_hear(&line)->type, TYPE(PING));
    hulse_peer_say_plain(&line, TYPE(PONG));
    while (c->ping_ns != 0) {
        hulse_bed_turn(&bed);
    }
    assert_in_range(round_trip_us(), first_us - first_us / 8, UINT32_MAX);
}

static void released(struct pulsar_piece *piece, bool written)
{
    (void)written;
    free(piece);
}

enum { BIG = 1U << 20U, BIGS = 40 };

static void test_pong_does_not_wait_for_megabytes(void **state)
{
    static uint8_t frame[BIG] = {0x00, 0x0f, 0xff, 0xfc, 0, 0, 0, 5, 8, 0x12, 0x92, 1, 0};
    uint64_t before = 0;
    uint64_t heard = 0;

    (void)state;
    make_ready();
    struct pulsar_connection *c = user.user.connection;
    for (unsigned i = 0; i < BIGS; i++) {
        struct pulsar_piece *piece = calloc(1, sizeof(*piece));
        assert_non_null(piece);
        *piece = (struct pulsar_piece){.data = frame, .bytes = BIG, .released = released};
        hulse_pulsar_send(c, piece);
    }
    /* Until the kernel takes no more. */
    while (hulse_pulsar_unwritten(c) != before) {
        before = hulse_pulsar_unwritten(c);
        hulse_bed_turn(&bed);
    }
    assert_true(before > UINT64_C(4) * BIG);
    hulse_peer_say_plain(&line, TYPE(PING));
    while (!c->out.pong) {
        hulse_bed_turn(&bed);
    }
    for (;;) {
        const int32_t type = (int32_t)hulse_peer_hear(&line)->type;
        if (type == TYPE(PONG)) {
            break;
        }
        heard += line.taken;
    }
    /* What the kernel had, what it took before the PING came, and the frame that had begun. */
    assert_true(heard <= (uint64_t)BIGS * BIG - before + UINT64_C(4) * BIG);
    while (hulse_pulsar_unwritten(c) > 0) {
        assert_int_equal(hulse_peer_hear(&line)->type, TYPE(PING));
    }
    assert_int_equal(user.lost, 0);
}

/* ---- callbacks that do everything ---- */

static struct probe crowd[6];
static struct pulsar_request requests[4];
static unsigned request_calls;

static void mess(struct probe *p)
{
    const struct pulsar_endpoint to = hulse_bed_endpoint(peer.port);

    for (unsigned i = 0; i < 6; i++) {
        struct probe *other = &crowd[i];
        if (other == p || i % 2 == 0) {
            hulse_pulsar_detach(&other->user);
        }
        if (other->user.connection == NULL && other->lost + other->ready < 8) {
            assert_true(hulse_pulsar_attach(bed.pool, &other->user, &to, PULSAR_FOR_PUBLISHING));
        }
    }
    for (unsigned i = 0; i < 4; i += 2) {
        hulse_pulsar_cancel(&requests[i]);
    }
    if (p->user.connection != NULL) {
        hulse_pulsar_break(p->user.connection, "because");
    }
}

static void
request_done(struct pulsar_request *r, enum pulsar_reply reply, const Pulsar__BaseCommand *answer)
{
    (void)reply;
    (void)answer;
    request_calls++;
    for (unsigned i = 0; i < 4; i++) {
        if (&requests[i] != r) {
            hulse_pulsar_cancel(&requests[i]);
        }
    }
    mess(&crowd[0]);
}

static void ask_all(struct pulsar_connection *c)
{
    Pulsar__CommandGetSchema body = PULSAR__COMMAND_GET_SCHEMA__INIT;
    Pulsar__BaseCommand base = PULSAR__BASE_COMMAND__INIT;

    body.topic = (char *)(uintptr_t) "t";
    base.type = TYPE(GET_SCHEMA);
    base.getschema = &body;
    for (unsigned i = 0; i < 4; i++) {
        requests[i] = (struct pulsar_request){.done = request_done};
        body.request_id = hulse_pulsar_request_id(c, &requests[i]);
        assert_true(hulse_pulsar_ask(c, &requests[i], &base, 10000));
    }
}

static void test_callbacks_do_everything(void **state)
{
    (void)state;
    memset(crowd, 0, sizeof(crowd));
    request_calls = 0;
    for (unsigned i = 0; i < 6; i++) {
        hulse_probe_attach(&crowd[i],
                           &bed,
                           i < 3 ? PULSAR_USER_PRODUCER : PULSAR_USER_CONSUMER,
                           peer.port,
                           PULSAR_FOR_PUBLISHING);
    }
    for (unsigned round = 0; round < 2; round++) {
        hulse_peer_welcome(&peer, &bed, &line);
        while (!hulse_pulsar_ready(crowd[0].user.connection)) {
            hulse_bed_turn(&bed);
        }
        for (unsigned i = 0; i < 10; i++) {
            hulse_bed_turn(&bed);
        }
        ask_all(crowd[0].user.connection);
        for (unsigned i = 0; i < 6; i++) {
            crowd[i].also = mess;
        }
        hulse_peer_say_receipt(&line, crowd[1].user.id, 1);
        hulse_peer_say_error(&line, requests[3].id, PULSAR__SERVER_ERROR__MetadataError, "x");
        hulse_peer_await_end(&line);
        for (unsigned i = 0; i < 6; i++) {
            crowd[i].also = NULL;
        }
        hulse_peer_hang_up(&line);
        line.bed = NULL;
        for (unsigned i = 0; i < 6; i++) {
            hulse_pulsar_detach(&crowd[i].user);
            hulse_probe_attach(
                &crowd[i], &bed, crowd[i].user.kind, peer.port, PULSAR_FOR_PUBLISHING);
        }
    }
    assert_true(request_calls > 0);
    for (unsigned i = 0; i < 6; i++) {
        hulse_pulsar_detach(&crowd[i].user);
    }
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_a_frame_that_is_too_large),
        CASE(test_the_largest_frame_is_taken),
        CASE(test_a_command_that_is_larger_than_its_frame),
        CASE(test_a_command_that_is_none),
        CASE(test_unknown_commands_are_ignored),
        CASE(test_frames_of_one_byte_each_time),
        CASE(test_a_frame_that_is_torn),
        CASE(test_half_closed),
        CASE(test_a_user_that_finds_the_protocol_broken),
        CASE(test_a_command_before_connected),
        CASE(test_connected_twice),
        CASE(test_ping_before_connected_is_answered),
        CASE(test_a_broker_that_is_too_old),
        CASE(test_refused_before_connect),
        CASE(test_an_error_about_all_of_it),
        CASE(test_no_answer_to_connect),
        CASE(test_silence_ends_it_after_a_ping),
        CASE(test_any_sign_of_life_keeps_it),
        CASE(test_the_round_trip_is_measured),
        CASE(test_pong_does_not_wait_for_megabytes),
        CASE(test_callbacks_do_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
