/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   one attempt at a time for each address and none before its backoff is over, whatever users do; the next host,
 *         every address of a name.
 * Method: brokers played by hand, a name server of the test's own; what is about time is asked of the gate, not of a
 *         clock.
 */
#include "daemon/broker/pulsar/connection/pool_state.h"
#include "tests/support/dns_server.h"
#include "tests/support/runtime.h"
#include "tests/unit/daemon/broker/pulsar/connection/bed.h"

#include <stdio.h>
#include <string.h>

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

static struct pulsar_gate *gate(void)
{
    const struct pulsar_endpoint to = hulse_bed_endpoint(peer.port);
    const struct pulsar_gate *g = hulse_gate_find(bed.pool, &to.physical, false);

    assert_non_null(g);
    return (struct pulsar_gate *)(uintptr_t)g;
}

/* ---- one at a time ---- */

static void attach_again(struct probe *p)
{
    if (p->lost > 0 && p->user.connection == NULL) {
        hulse_probe_attach(p, p->bed, PULSAR_USER_PRODUCER, peer.port, PULSAR_FOR_PUBLISHING);
    }
}

static void test_a_broker_that_accepts_and_drops(void **state)
{
    enum { USERS = 20, ROUNDS = 4 };
    struct probe users[USERS] = {0};

    (void)state;
    for (unsigned i = 0; i < USERS; i++) {
        users[i].also = attach_again;
        hulse_probe_attach(&users[i],
                           &bed,
                           PULSAR_USER_PRODUCER,
                           peer.port,
                           i % 2 == 0 ? PULSAR_FOR_PUBLISHING : PULSAR_FOR_CONSUMING);
    }
    for (unsigned round = 1; round <= ROUNDS; round++) {
        hulse_peer_accept(&peer, &bed, &line);
        assert_int_equal(figures().attempts, round);
        assert_false(hulse_peer_has_caller(&peer));
        hulse_peer_hang_up(&line);
        while (users[0].lost < round) {
            hulse_bed_turn(&bed);
        }
        assert_int_equal(gate()->backoff.failures, round);
        assert_true(gate()->not_before_ms >=
                    hulse_loop_now_ms(&bed.loop) + PULSAR_BACKOFF_FIRST_MS);
        assert_int_equal(figures().attempts, round);
    }
    for (unsigned i = 0; i < USERS; i++) {
        assert_int_equal(users[i].lost, ROUNDS);
        users[i].also = NULL;
        hulse_pulsar_detach(&users[i].user);
    }
    line.bed = NULL;
}

static void test_a_broker_that_welcomes_and_drops(void **state)
{
    (void)state;
    for (unsigned round = 1; round <= 3; round++) {
        user.ready = 0;
        user.lost = 0;
        make_ready();
        hulse_peer_hang_up(&line);
        line.bed = NULL;
        hulse_probe_await_lost(&user);
        assert_int_equal(gate()->backoff.failures, round);
        assert_int_equal(figures().failures, round);
    }
}

static void test_one_that_becomes_ready_has_proved_something(void **state)
{
    (void)state;
    make_ready();
    hulse_peer_hang_up(&line);
    hulse_probe_await_lost(&user);
    gate()->backoff.failures = 10;
    user = (struct probe){0};
    make_ready();
    hulse_peer_hang_up(&line);
    line.bed = NULL;
    hulse_probe_await_lost(&user);
    assert_int_equal(gate()->backoff.failures, PULSAR_FAILURES_READY + 1);
    assert_true(gate()->not_before_ms <=
                hulse_loop_now_ms(&bed.loop) +
                    (PULSAR_BACKOFF_FIRST_MS << (PULSAR_FAILURES_READY + 1U)));
}

static void test_nobody_left_is_no_attempt(void **state)
{
    (void)state;
    attach();
    hulse_pulsar_detach(&user.user);
    for (unsigned i = 0; i < 5; i++) {
        hulse_bed_turn(&bed);
    }
    assert_int_equal(figures().attempts, 0);
    assert_true(LIST_EMPTY(&bed.pool->connections));
}

/* All who wait go with the attempt that another worker's success allows, long before the backoff is over. */
static void test_an_address_that_another_worker_reaches(void **state)
{
    struct probe other = {0};

    (void)state;
    attach();
    hulse_peer_accept(&peer, &bed, &line);
    hulse_peer_hang_up(&line);
    hulse_probe_await_lost(&user);
    gate()->not_before_ms = hulse_loop_now_ms(&bed.loop) + 3600000;
    user = (struct probe){0};
    attach();
    hulse_probe_attach(&other, &bed, PULSAR_USER_PRODUCER, peer.port, PULSAR_FOR_CONSUMING);
    assert_false(hulse_peer_has_caller(&peer));
    hulse_pulsar_reach_tell(&bed.broker.reach, &gate()->host);
    hulse_peer_welcome(&peer, &bed, &line);
    hulse_probe_await_ready(&user);
    struct peer_line second;
    hulse_peer_welcome(&peer, &bed, &second);
    hulse_probe_await_ready(&other);
    hulse_pulsar_detach(&other.user);
    hulse_peer_hang_up(&second);
}

/* ---- names ---- */

static void attach_name(const char *name, uint16_t port)
{
    struct pulsar_endpoint to = {.physical = {.port = port}};

    (void)snprintf(to.physical.name, sizeof(to.physical.name), "%s", name);
    to.logical = to.physical;
    hulse_probe_set_up(&user, &bed, PULSAR_USER_OTHER);
    assert_true(hulse_pulsar_attach(bed.pool, &user.user, &to, PULSAR_FOR_PUBLISHING));
}

static void test_every_address_of_a_name(void **state)
{
    struct dns_server dns;
    struct peer second;

    (void)state;
    hulse_peer_open_at(&second, "127.0.0.2");
    hulse_test_dns_start(&dns);
    hulse_resolver_fini(&bed.pool->resolver);
    hulse_resolver_init(&bed.pool->resolver,
                        &bed.loop,
                        &(struct resolver_params){.servers = dns.address, .timeout_ms = 200});

    /* 127.0.0.3, where nobody is, and 127.0.0.2. */
    attach_name("lame.test", second.port);
    hulse_peer_welcome(&second, &bed, &line);
    hulse_probe_await_ready(&user);
    assert_int_equal(figures().attempts, 1);
    hulse_pulsar_detach(&user.user);

    attach_name("nobody.test", second.port);
    await_lost_with(HULSE_IO, "nobody.test");
    user.lost = 0;
    hulse_peer_close(&second);
    attach_name("both.test", second.port);
    await_lost_with(HULSE_IO, ": ");
    assert_int_equal(figures().failures, 2);

    bed.broker.params.connect_timeout_ms = 20;
    user.lost = 0;
    attach_name("silent.test", second.port);
    await_lost_with(HULSE_TIMED_OUT, "silent.test: no address within its time");
    hulse_pulsar_pool_destroy(&bed.pool);
    hulse_test_dns_stop(&dns);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_a_broker_that_accepts_and_drops),
        CASE(test_a_broker_that_welcomes_and_drops),
        CASE(test_one_that_becomes_ready_has_proved_something),
        CASE(test_nobody_left_is_no_attempt),
        CASE(test_an_address_that_another_worker_reaches),
        CASE(test_every_address_of_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
