/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   names become addresses with the least time to live, each lookup is answered once or
 *         cancelled, every failure says what it is, and an idle resolver holds nothing.
 * Method: c-ares against a name server of the test's own; the hosts file and literals of the host.
 */
#include "daemon/core/assert.h"
#include "daemon/net/resolver.h"
#include "tests/support/check.h"
#include "tests/support/dns_server.h"
#include "tests/support/runtime.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct probe {
    struct resolver_lookup lookup;
    unsigned answers;
};

static struct loop loop;
static struct resolver resolver;
static struct dns_server dns;
static struct probe probes[HULSE_RESOLVER_LOOKUPS_MAX + 1];

static void note(struct resolver_lookup *lookup, const struct resolver_result *result)
{
    struct probe *p = HULSE_CONTAINER(lookup, struct probe, lookup);

    assert_ptr_equal(result, &lookup->result);
    p->answers++;
}

static void open_with(const char *servers)
{
    const struct resolver_params params = {.servers = servers, .timeout_ms = 200, .tries = 2};

    hulse_resolver_init(&resolver, &loop, &params);
}

static int set_up(void **state)
{
    (void)state;
    memset(probes, 0, sizeof(probes));
    assert_true(hulse_loop_init(&loop, 16));
    hulse_test_dns_start(&dns);
    open_with(dns.address);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hulse_resolver_fini(&resolver);
    hulse_test_dns_stop(&dns);
    hulse_loop_fini(&loop);
    return 0;
}

static hulse_status begin(struct probe *p, const char *name)
{
    p->answers = 0;
    p->lookup.done = note;
    const hulse_status st = hulse_resolver_start(&resolver, &p->lookup, name, 6650, NULL);
    assert_int_equal(p->answers, 0);
    return st;
}

static void await(const struct probe *p)
{
    while (p->answers == 0) {
        (void)hulse_loop_round(&loop, 1000);
    }
    assert_int_equal(p->answers, 1);
}

static const struct resolver_result *look_up(const char *name)
{
    assert_int_equal(begin(&probes[0], name), HULSE_OK);
    await(&probes[0]);
    return &probes[0].lookup.result;
}

static bool has(const struct resolver_result *result, const char *address)
{
    char text[INET6_ADDRSTRLEN];

    for (uint32_t i = 0; i < result->address_count; i++) {
        const union resolver_address *a = &result->addresses[i];
        const bool v6 = a->any.sa_family == AF_INET6;
        const void *bytes = v6 ? (const void *)&a->v6.sin6_addr : (const void *)&a->v4.sin_addr;
        assert_int_equal(ntohs(v6 ? a->v6.sin6_port : a->v4.sin_port), 6650);
        assert_non_null(inet_ntop(a->any.sa_family, bytes, text, sizeof(text)));
        if (strcmp(text, address) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- what comes out ---- */

static void test_addresses_and_their_time(void **state)
{
    (void)state;
    const struct resolver_result *r = look_up("one.test");
    assert_int_equal(r->status, HULSE_OK);
    assert_int_equal(r->address_count, 1);
    assert_true(has(r, "127.0.0.1"));
    assert_int_equal(r->ttl_s, 300);
    r = look_up("both.test");
    assert_int_equal(r->address_count, 2);
    assert_true(has(r, "127.0.0.2"));
    assert_true(has(r, "::1"));
    assert_int_equal(r->ttl_s, 60);
    r = look_up("alias.test");
    assert_int_equal(r->address_count, 2);
    assert_int_equal(r->ttl_s, 20);
    /* More than there is room for. */
    r = look_up("many.test");
    assert_int_equal(r->status, HULSE_OK);
    assert_int_equal(r->address_count, HULSE_RESOLVER_ADDRESSES_MAX);
}

static void test_answers_too_large_for_udp(void **state)
{
    (void)state;
    const struct resolver_result *r = look_up("cut.test");
    assert_int_equal(r->status, HULSE_OK);
    assert_int_equal(r->address_count, HULSE_RESOLVER_ADDRESSES_MAX);
    assert_true(atomic_load(&dns.tcp_queries) > 0);
    r = look_up("large.test");
    assert_int_equal(r->status, HULSE_OK);
    assert_int_equal(r->address_count, HULSE_RESOLVER_ADDRESSES_MAX);
}

static void test_without_a_name_server(void **state)
{
    (void)state;
    const struct resolver_result *r = look_up("192.0.2.7");
    assert_int_equal(r->status, HULSE_OK);
    assert_int_equal(r->address_count, 1);
    assert_true(has(r, "192.0.2.7"));
    assert_int_equal(r->ttl_s, 0);
    assert_true(has(look_up("2001:db8::7"), "2001:db8::7"));
    r = look_up("localhost");
    assert_int_equal(r->status, HULSE_OK);
    assert_true(has(r, "127.0.0.1") || has(r, "::1"));
    assert_int_equal(atomic_load(&dns.queries), 0);
}

static void test_failures_say_what_they_are(void **state)
{
    (void)state;
    const struct resolver_result *r = look_up("none.test");
    assert_int_equal(r->status, HULSE_FAILED);
    assert_int_equal(r->address_count, 0);
    assert_string_equal(r->why, "none.test: Domain name not found");
    r = look_up("silent.test");
    assert_int_equal(r->status, HULSE_TIMED_OUT);
    assert_string_equal(r->why, "silent.test: Timeout while contacting DNS servers");
    r = look_up("noise.test");
    assert_int_not_equal(r->status, HULSE_OK);
    assert_int_equal(r->address_count, 0);
    /* And the next one is fine again. */
    assert_int_equal(look_up("one.test")->status, HULSE_OK);
}

static void test_nobody_serves(void **state)
{
    (void)state;
    hulse_resolver_fini(&resolver);
    /* Port 1 of the loopback interface: refused at once. */
    open_with("127.0.0.1:1");
    assert_int_equal(look_up("one.test")->status, HULSE_IO);
    hulse_resolver_fini(&resolver);
    open_with("nonsense");
    assert_int_equal(begin(&probes[0], "one.test"), HULSE_INVAL);
    assert_null(probes[0].lookup.query);
}

static void test_names_have_bounds(void **state)
{
    char name[HULSE_RESOLVER_NAME_BYTES + 1];
    struct error err = {0};

    (void)state;
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(hulse_resolver_start(&resolver, &probes[0].lookup, name, 1, &err),
                     HULSE_INVAL);
    assert_non_null(strstr(err.text, "253"));
    assert_int_equal(begin(&probes[0], ""), HULSE_INVAL);
    /* The longest one is asked for, in whatever way it fails. */
    name[sizeof(name) - 2] = '\0';
    assert_int_not_equal(look_up(name)->status, HULSE_OK);
}

/* Not even while the channel is open: c-ares from 1.31 on would. */
static void test_nothing_is_cached(void **state)
{
    (void)state;
    assert_int_equal(begin(&probes[1], "silent.test"), HULSE_OK);
    assert_int_equal(look_up("one.test")->status, HULSE_OK);
    assert_non_null(resolver.channel);
    const unsigned asked = atomic_load(&dns.queries);
    assert_int_equal(look_up("one.test")->status, HULSE_OK);
    assert_true(atomic_load(&dns.queries) > asked);
    hulse_resolver_cancel(&probes[1].lookup);
}

/* ---- several, cancelled ones, the end ---- */

static void test_as_many_as_allowed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < HULSE_RESOLVER_LOOKUPS_MAX; i++) {
        assert_int_equal(begin(&probes[i], i % 2 == 0 ? "both.test" : "none.test"), HULSE_OK);
    }
    assert_int_equal(begin(&probes[HULSE_RESOLVER_LOOKUPS_MAX], "both.test"), HULSE_LIMIT);
    for (unsigned i = 0; i < HULSE_RESOLVER_LOOKUPS_MAX; i++) {
        await(&probes[i]);
        assert_int_equal(probes[i].lookup.result.status, i % 2 == 0 ? HULSE_OK : HULSE_FAILED);
    }
}

static void test_cancel(void **state)
{
    (void)state;
    assert_int_equal(begin(&probes[1], "silent.test"), HULSE_OK);
    assert_int_equal(begin(&probes[2], "192.0.2.7"), HULSE_OK);
    hulse_resolver_cancel(&probes[1].lookup);
    hulse_resolver_cancel(&probes[1].lookup);
    /* This one has its result already; it is only not delivered yet. */
    assert_true(probes[2].lookup.finished);
    hulse_resolver_cancel(&probes[2].lookup);
    assert_int_equal(look_up("one.test")->status, HULSE_OK);
    assert_int_equal(probes[1].answers + probes[2].answers, 0);
    /* The same memory again, its old query still unanswered. */
    assert_int_equal(begin(&probes[1], "silent.test"), HULSE_OK);
    hulse_resolver_cancel(&probes[1].lookup);
    assert_int_equal(begin(&probes[1], "one.test"), HULSE_OK);
    await(&probes[1]);
    assert_int_equal(probes[1].lookup.result.address_count, 1);
}

static void test_cancelled_queries_count_until_they_end(void **state)
{
    (void)state;
    /* Keeps the channel open. */
    assert_int_equal(begin(&probes[0], "silent.test"), HULSE_OK);
    for (unsigned i = 1; i < HULSE_RESOLVER_LOOKUPS_MAX; i++) {
        assert_int_equal(begin(&probes[1], "silent.test"), HULSE_OK);
        hulse_resolver_cancel(&probes[1].lookup);
    }
    assert_int_equal(begin(&probes[1], "silent.test"), HULSE_LIMIT);
    await(&probes[0]);
    assert_int_equal(look_up("one.test")->status, HULSE_OK);
}

static void start_again(struct resolver_lookup *lookup, const struct resolver_result *result)
{
    const unsigned answers = HULSE_CONTAINER(lookup, struct probe, lookup)->answers;

    note(lookup, result);
    hulse_resolver_cancel(&probes[1].lookup);
    if (answers == 0) {
        assert_int_equal(hulse_resolver_start(&resolver, lookup, "192.0.2.7", 6650, NULL),
                         HULSE_OK);
    }
}

static void test_done_may_do_anything(void **state)
{
    (void)state;
    assert_int_equal(begin(&probes[0], "192.0.2.8"), HULSE_OK);
    assert_int_equal(begin(&probes[1], "192.0.2.9"), HULSE_OK);
    probes[0].lookup.done = start_again;
    while (probes[0].answers < 2) {
        (void)hulse_loop_round(&loop, 1000);
    }
    assert_true(has(&probes[0].lookup.result, "192.0.2.7"));
    assert_int_equal(probes[1].answers, 0);
}

static void test_nothing_is_held_when_idle(void **state)
{
    const int before = hulse_test_count_descriptors();

    (void)state;
    assert_null(resolver.channel);
    assert_int_equal(begin(&probes[0], "silent.test"), HULSE_OK);
    assert_true(hulse_test_count_descriptors() > before);
    await(&probes[0]);
    assert_null(resolver.channel);
    assert_int_equal(hulse_test_count_descriptors(), before);
    assert_int_equal(begin(&probes[0], "silent.test"), HULSE_OK);
    hulse_resolver_cancel(&probes[0].lookup);
    (void)hulse_loop_round(&loop, 0);
    assert_null(resolver.channel);
    assert_int_equal(hulse_test_count_descriptors(), before);
    /* Nothing is due any more, not even a timer. */
    assert_int_equal(hulse_timer_next(&loop.timers), HULSE_TIMER_NEVER);
}

static void test_fini_while_busy(void **state)
{
    const int before = hulse_test_count_descriptors();

    (void)state;
    assert_int_equal(begin(&probes[0], "silent.test"), HULSE_OK);
    assert_int_equal(begin(&probes[1], "192.0.2.7"), HULSE_OK);
    hulse_resolver_fini(&resolver);
    assert_int_equal(hulse_test_count_descriptors(), before);
    (void)hulse_loop_round(&loop, 0);
    assert_int_equal(probes[0].answers + probes[1].answers, 0);
    assert_int_equal(hulse_timer_next(&loop.timers), HULSE_TIMER_NEVER);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_addresses_and_their_time),
        CASE(test_answers_too_large_for_udp),
        CASE(test_without_a_name_server),
        CASE(test_failures_say_what_they_are),
        CASE(test_nobody_serves),
        CASE(test_names_have_bounds),
        CASE(test_nothing_is_cached),
        CASE(test_as_many_as_allowed),
        CASE(test_cancel),
        CASE(test_cancelled_queries_count_until_they_end),
        CASE(test_done_may_do_anything),
        CASE(test_nothing_is_held_when_idle),
        CASE(test_fini_while_busy),
    };
    hulse_role_set(HULSE_ROLE_CONTROL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
