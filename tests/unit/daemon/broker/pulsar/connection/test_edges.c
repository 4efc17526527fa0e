/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   proxies, idleness, no memory, the end of the worker: a connection does what the protocol and its header say.
 * Method: a broker played by hand; times that are long are made to have passed.
 */
#include "daemon/broker/pulsar/connection/pool_state.h"
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "tests/support/runtime.h"
#include "tests/unit/daemon/broker/pulsar/connection/bed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TYPE(name) PULSAR__BASE_COMMAND__TYPE__##name

static struct bed bed;
static struct peer peer;
static struct peer_line line;
static struct probe user;
static struct probe other;

static int set_up(void **state)
{
    (void)state;
    hulse_peer_open(&peer);
    hulse_bed_open(&bed, peer.port);
    hulse_bed_start(&bed);
    line = (struct peer_line){.fd = -1};
    user = (struct probe){0};
    other = (struct probe){0};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (line.bed != NULL) {
        hulse_peer_hang_up(&line);
    }
    hulse_bed_close(&bed);
    hulse_peer_close(&peer);
    return 0;
}

static void make_ready(void)
{
    hulse_probe_attach(&user, &bed, PULSAR_USER_PRODUCER, peer.port, PULSAR_FOR_PUBLISHING);
    hulse_peer_welcome(&peer, &bed, &line);
    hulse_probe_await_ready(&user);
}

static struct pulsar_pool_figures figures(void)
{
    struct pulsar_pool_figures out;

    hulse_pulsar_pool_figures(bed.pool, &out);
    return out;
}

static bool ask_for_schema(struct pulsar_request *r, struct pulsar_connection *c)
{
    Pulsar__CommandGetSchema body = PULSAR__COMMAND_GET_SCHEMA__INIT;
    Pulsar__BaseCommand base = PULSAR__BASE_COMMAND__INIT;

    body.topic = (char *)(uintptr_t) "t";
    body.request_id = hulse_pulsar_request_id(c, r);
    base.type = TYPE(GET_SCHEMA);
    base.getschema = &body;
    return hulse_pulsar_ask(c, r, &base, 10000);
}

/* ---- proxies ---- */

static void attach_proxied(struct probe *p, const char *broker)
{
    struct pulsar_endpoint to = hulse_bed_endpoint(peer.port);

    (void)snprintf(to.logical.name, sizeof(to.logical.name), "%s", broker);
    to.logical.port = 7;
    to.proxied = true;
    hulse_probe_set_up(p, &bed, PULSAR_USER_PRODUCER);
    assert_true(hulse_pulsar_attach(bed.pool, &p->user, &to, PULSAR_FOR_PUBLISHING));
}

static void test_what_a_proxy_says_of_one_broker_is_not_about_others(void **state)
{
    (void)state;
    attach_proxied(&user, "::1");
    attach_proxied(&other, "broker-2");
    hulse_peer_accept(&peer, &bed, &line);
    assert_string_equal(hulse_peer_hear(&line)->connect->proxy_to_broker_url, "[::1]:7");
    hulse_peer_say_error(&line, UINT64_MAX, PULSAR__SERVER_ERROR__ServiceNotReady, "not active");
    hulse_probe_await_lost(&user);
    assert_non_null(strstr(user.text, "[::1]:7: ServiceNotReady: not active"));
    assert_int_equal(other.lost, 0);
    hulse_peer_hang_up(&line);

    hulse_peer_accept(&peer, &bed, &line);
    assert_string_equal(hulse_peer_hear(&line)->connect->proxy_to_broker_url, "broker-2:7");
    hulse_peer_say_connected(&line, 21, 0);
    hulse_probe_await_ready(&other);
    assert_string_equal(hulse_pulsar_connection_name(other.user.connection), "broker-2:7");
}

static void test_who_we_are_is_about_the_proxy(void **state)
{
    (void)state;
    attach_proxied(&user, "broker-1");
    attach_proxied(&other, "broker-2");
    hulse_peer_accept(&peer, &bed, &line);
    hulse_peer_say_error(&line, UINT64_MAX, PULSAR__SERVER_ERROR__AuthenticationError, "no");
    hulse_probe_await_lost(&user);
    hulse_probe_await_lost(&other);
    assert_int_equal(other.status, HULSE_DENIED);
    assert_int_equal(figures().attempts, 1);
}

/* ---- idleness ---- */

static void nothing(struct pulsar_request *r, enum pulsar_reply reply, const Pulsar__BaseCommand *a)
{
    (void)r;
    (void)reply;
    (void)a;
}

static void test_nobody_uses_it_any_more(void **state)
{
    struct pulsar_request request = {.done = nothing};

    (void)state;
    make_ready();
    struct pulsar_connection *c = user.user.connection;
    assert_false(hulse_timer_pending(&c->idle));
    assert_true(ask_for_schema(&request, c));
    hulse_pulsar_detach(&user.user);
    assert_false(hulse_timer_pending(&c->idle)); /* the request */
    hulse_pulsar_cancel(&request);
    assert_true(hulse_timer_pending(&c->idle));
    assert_int_equal(c->idle.due_ms, hulse_loop_now_ms(&bed.loop) + PULSAR_IDLE_MS);

    /* Somebody comes back. */
    user.ready = 0;
    hulse_probe_attach(&user, &bed, PULSAR_USER_PRODUCER, peer.port, PULSAR_FOR_PUBLISHING);
    hulse_probe_await_ready(&user);
    assert_ptr_equal(user.user.connection, c);
    assert_false(hulse_timer_pending(&c->idle));
    hulse_pulsar_detach(&user.user);

    hulse_timer_start(&bed.loop.timers, &c->idle, 0);
    hulse_peer_await_end(&line);
    assert_int_equal(figures().connections, 0);
    assert_int_equal(figures().failures, 0);
}

/* ---- no memory ---- */

static void test_without_memory_it_reads_later(void **state)
{
    const uint32_t bytes = 200000;
    uint8_t *frame = calloc(1, bytes);

    (void)state;
    assert_non_null(frame);
    static const uint8_t head[] = {
        0x00, 0x03, 0x0d, 0x3c, 0x00, 0x00, 0x00, 0x05, 0x08, 0x12, 0x92, 0x01};
    memcpy(frame, head, sizeof(head));
    make_ready();
    struct pulsar_connection *c = user.user.connection;
    hulse_mem_init(hulse_mem_total());
    hulse_peer_say_bytes(&line, frame, bytes);
    while (!c->paused) {
        hulse_bed_turn(&bed);
    }
    for (unsigned i = 0; i < 20; i++) {
        hulse_bed_turn(&bed);
    }
    assert_int_equal(user.lost, 0);
    hulse_mem_init(SIZE_MAX / 2);
    assert_int_equal(hulse_peer_hear(&line)->type, TYPE(PONG));
    assert_true(c->in.room > PULSAR_INFLOW_BYTES);

    /* Given back when it is not needed any more. */
    hulse_timer_start(&bed.loop.timers, &c->tick, 0);
    assert_int_equal(hulse_peer_hear(&line)->type, TYPE(PING));
    assert_true(c->in.room <= PULSAR_INFLOW_BYTES);
    free(frame);
}

static void test_without_memory_nothing_is_asked(void **state)
{
    struct pulsar_request request = {.done = nothing};

    (void)state;
    make_ready();
    hulse_mem_init(hulse_mem_total());
    /* The block of the connection's own is not counted again; the second one would be. */
    while (ask_for_schema(&request, user.user.connection)) {
        hulse_pulsar_cancel(&request);
    }
    assert_null(request.connection);
    hulse_probe_set_up(&other, &bed, PULSAR_USER_PRODUCER);
    const struct pulsar_endpoint to = hulse_bed_endpoint(peer.port);
    assert_false(hulse_pulsar_attach(bed.pool, &other.user, &to, PULSAR_FOR_CONSUMING));
    assert_null(other.user.connection);
    hulse_mem_init(SIZE_MAX / 2);
    assert_true(ask_for_schema(&request, user.user.connection));
    while (hulse_peer_hear(&line)->getschema->request_id != request.id) {
    }
    hulse_pulsar_cancel(&request);
}

/* ---- the end ---- */

struct parcel {
    struct pulsar_piece piece;
    struct pulsar_connection *connection;
    unsigned released;
    unsigned asked;
};

static struct parcel parcels[2];

/* As one that does not know yet that its connection is gone. */
static void parcel_released(struct pulsar_piece *piece, bool written)
{
    struct parcel *p = HULSE_CONTAINER(piece, struct parcel, piece);
    struct pulsar_request request = {.done = nothing};

    p->released++;
    assert_false(written);
    assert_false(hulse_pulsar_ready(p->connection));
    assert_false(ask_for_schema(&request, p->connection));
    p->asked++;
    if (p == &parcels[0] && parcels[1].connection == NULL) {
        parcels[1] = *p;
        parcels[1].released = 0;
        hulse_pulsar_send(p->connection, &parcels[1].piece);
    }
}

static void test_who_does_not_know_yet_that_it_is_gone(void **state)
{
    static const uint8_t ping[] = {0, 0, 0, 9, 0, 0, 0, 5, 8, 0x12, 0x92, 1, 0};

    (void)state;
    memset(parcels, 0, sizeof(parcels));
    make_ready();
    parcels[0].connection = user.user.connection;
    parcels[0].piece =
        (struct pulsar_piece){.data = ping, .bytes = sizeof(ping), .released = parcel_released};
    hulse_pulsar_break(user.user.connection, "for a test");
    hulse_pulsar_send(user.user.connection, &parcels[0].piece);
    hulse_probe_await_lost(&user);
    assert_int_equal(parcels[0].released, 1);
    assert_int_equal(parcels[1].released, 1);
}

static void test_last_words_are_said(void **state)
{
    Pulsar__CommandCloseProducer body = PULSAR__COMMAND_CLOSE_PRODUCER__INIT;
    Pulsar__BaseCommand base = PULSAR__BASE_COMMAND__INIT;

    (void)state;
    make_ready();
    body.producer_id = user.user.id;
    body.request_id = 99;
    base.type = TYPE(CLOSE_PRODUCER);
    base.close_producer = &body;
    assert_true(hulse_pulsar_command(user.user.connection, &base));
    hulse_pulsar_detach(&user.user);
    hulse_pulsar_pool_destroy(&bed.pool);
    assert_int_equal(hulse_peer_hear(&line)->type, TYPE(CLOSE_PRODUCER));
    hulse_peer_await_end(&line);
    assert_int_equal(user.lost, 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_what_a_proxy_says_of_one_broker_is_not_about_others),
        CASE(test_who_we_are_is_about_the_proxy),
        CASE(test_nobody_uses_it_any_more),
        CASE(test_without_memory_it_reads_later),
        CASE(test_without_memory_nothing_is_asked),
        CASE(test_who_does_not_know_yet_that_it_is_gone),
        CASE(test_last_words_are_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
