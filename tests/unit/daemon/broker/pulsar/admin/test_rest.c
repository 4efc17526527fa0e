/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   whatever a cluster's REST API, or what stands in its place, answers or fails to: an order ends once,
 *         in time, with a status and a text that say why, and is done at most once.
 * Method: a broker of type pulsar in front of servers of the test's, with and without TLS.
 */
#include "daemon/core/secret.h"
#include "tests/support/check.h"
#include "tests/unit/daemon/broker/pulsar/admin/admin_bed.h"

#include <stdio.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define TOPIC(name) "persistent://t/n/" name

static struct admin_bed bed;

static int set_up_all(void **state)
{
    (void)state;
    hulse_rcu_thread_begin();
    hulse_admin_bed_serve(&bed);
    return 0;
}

static int tear_down_all(void **state)
{
    (void)state;
    hulse_admin_bed_end(&bed);
    hulse_rcu_thread_end();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hulse_admin_bed_stop(&bed);
    return 0;
}

/* The second host is left out when its port is 0. */
static void start_at(const char *first, unsigned port, const char *second, unsigned second_port)
{
    char url[128];
    const int used = snprintf(url, sizeof(url), "%s:%u", first, port);

    if (second_port != 0) {
        (void)snprintf(url + used, sizeof(url) - (size_t)used, ",%s:%u", second, second_port);
    }
    hulse_admin_bed_start(&bed, url);
}

static void check(const char *topic, hulse_status status, const char *text)
{
    assert_int_equal(hulse_admin_bed_order(&bed, BROKER_ADMIN_UNLOAD, topic), status);
    assert_non_null(strstr(bed.text, text));
}

static void test_codes(void **state)
{
    static const struct {
        const char *topic;
        hulse_status status;
        const char *text;
    } cases[] = {
        {TOPIC("done"), HULSE_OK, ""},
        {TOPIC("code-401"), HULSE_DENIED, "because??"},
        {TOPIC("code-403"), HULSE_DENIED, "because??"},
        {TOPIC("code-404"), HULSE_NO_TOPIC, "because??"},
        {TOPIC("code-405"), HULSE_UNSUPPORTED, "because"},
        {TOPIC("code-409"), HULSE_BUSY, "because"},
        {TOPIC("code-412"), HULSE_INVAL, "because"},
        {TOPIC("code-422"), HULSE_INVAL, "because"},
        {TOPIC("code-429"), HULSE_LIMIT, "because"},
        {TOPIC("code-500"), HULSE_REFUSED, "because"},
        {TOPIC("code-503"), HULSE_REFUSED, "because"},
        {TOPIC("page-502"), HULSE_REFUSED, "no reason (HTTP 502)"},
        {TOPIC("text-409"), HULSE_BUSY, "because?"},
        {TOPIC("page-404"), HULSE_NO_TOPIC, "no reason (HTTP 404)"},
        {TOPIC("page-304"), HULSE_PROTOCOL, "no reason (HTTP 304)"},
    };

    (void)state;
    hulse_admin_bed_start(&bed, NULL);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        check(cases[i].topic, cases[i].status, cases[i].text);
    }
}

static void test_redirects_are_followed(void **state)
{
    (void)state;
    hulse_admin_bed_start(&bed, NULL);
    check(TOPIC("to-5"), HULSE_OK, "");
    check(TOPIC("to-6"), HULSE_PROTOCOL, "from one broker to the next");
    check(TOPIC("loop"), HULSE_PROTOCOL, "from one broker to the next");
    check(TOPIC("plain"), HULSE_REFUSED, "one.test:1");
}

static void test_answers_that_are_none(void **state)
{
    (void)state;
    hulse_admin_bed_start(&bed, NULL);
    check(TOPIC("noise"), HULSE_PROTOCOL, "one.test");
    check(TOPIC("endless"), HULSE_LIMIT, "too large");
    assert_int_equal(hulse_admin_bed_stats(&bed, TOPIC("garbage")), HULSE_PROTOCOL);
    assert_int_equal(hulse_admin_bed_stats(&bed, TOPIC("odd")), HULSE_PROTOCOL);
    assert_int_equal(hulse_admin_bed_stats(&bed, TOPIC("0-garbage")), HULSE_PROTOCOL);
    assert_int_equal(hulse_admin_bed_stats(&bed, TOPIC("0-odd")), HULSE_PROTOCOL);
    assert_int_equal(hulse_admin_bed_order(&bed, BROKER_ADMIN_SUBSCRIPTIONS, TOPIC("0-odd")),
                     HULSE_PROTOCOL);
}

static void test_time_has_a_bound(void **state)
{
    (void)state;
    bed.params.operation_timeout_ms = 300;
    hulse_admin_bed_start(&bed, NULL);
    check(TOPIC("slow"), HULSE_TIMED_OUT, "no answer within");
}

static void test_every_host_is_tried(void **state)
{
    (void)state;
    start_at("http://127.0.0.1", 1, "one.test", bed.plain.port);
    check(TOPIC("done"), HULSE_OK, "");
    check(TOPIC("done"), HULSE_OK, "");
    check(TOPIC("code-503"), HULSE_REFUSED, "127.0.0.1:1");
}

static void test_no_host_is_there(void **state)
{
    (void)state;
    start_at("http://127.0.0.1", 1, "127.0.0.1", 2);
    check(TOPIC("done"), HULSE_REFUSED, "127.0.0.1:2");
}

/* The first request may have been done. */
static void test_what_may_be_done_is_not_repeated(void **state)
{
    (void)state;
    start_at("http://one.test", bed.plain.port, "one.test", bed.plain.port);
    check(TOPIC("cut-a"), HULSE_REFUSED, "one.test");
    check(TOPIC("cut-a"), HULSE_OK, "");
}

static void test_tls(void **state)
{
    (void)state;
    bed.params.tls.ca_file = bed.ca;
    start_at("https://one.test", bed.tls.port, "", 0);
    check(TOPIC("to-2"), HULSE_OK, "");
    check(TOPIC("plain"), HULSE_PROTOCOL, "not safe");
}

static void test_a_certificate_that_is_not_trusted(void **state)
{
    char other[64];

    (void)state;
    (void)snprintf(other, sizeof(other), "%s/other.pem", bed.folder);
    bed.params.tls.ca_file = other;
    start_at("https://one.test", bed.tls.port, "", 0);
    check(TOPIC("done"), HULSE_REFUSED, "certificate");
}

static void test_a_certificate_for_another_host(void **state)
{
    (void)state;
    bed.params.tls.ca_file = bed.ca;
    start_at("https://two.test", bed.tls.port, "", 0);
    check(TOPIC("done"), HULSE_REFUSED, "two.test");
}

/* ---- tokens ---- */

static struct secret_slot slot;
static struct secret_slot *const slot_at = &slot;
static uint64_t refused_generation;

static void refused(void *context, uint64_t generation)
{
    assert_ptr_equal(context, &slot);
    refused_generation = generation;
}

/* Each length of the last group (RFC 4648, 4). */
static void test_a_name_and_a_password_are_shown(void **state)
{
    static const struct {
        const char *shown;
        const char *header;
    } cases[] = {{"me:word", "Basic bWU6d29yZA=="},
                 {"me:words", "Basic bWU6d29yZHM="},
                 {"me: \xc3\xa9\xff>", "Basic bWU6IMOp/z4="},
                 {"me:a word", "Basic bWU6YSB3b3Jk"}};

    (void)state;
    bed.params.token = &slot_at;
    bed.params.auth = PULSAR_AUTH_BASIC;
    hulse_admin_bed_start(&bed, NULL);
    check(TOPIC("tell"), HULSE_DENIED, "no name with a password");
    hulse_rcu_writer_start();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        hulse_secret_slot_set(&slot, hulse_secret_create(cases[i].shown, strlen(cases[i].shown)));
        check(TOPIC("tell"), HULSE_BUSY, cases[i].header);
    }
    hulse_secret_slot_set(&slot, NULL);
    hulse_rcu_writer_stop();
}

static void test_a_token_is_shown(void **state)
{
    struct secret *token = hulse_secret_create("the-token", 9);

    (void)state;
    assert_non_null(token);
    token->generation = 7;
    bed.params.token = &slot_at;
    bed.params.refused = refused;
    bed.params.refused_context = &slot;
    hulse_admin_bed_start(&bed, NULL);
    check(TOPIC("tell"), HULSE_DENIED, "no token");
    hulse_rcu_writer_start();
    hulse_secret_slot_set(&slot, token);
    check(TOPIC("tell"), HULSE_BUSY, "Bearer the-token");
    check(TOPIC("to-1"), HULSE_OK, "");
    assert_int_equal(refused_generation, 0);
    check(TOPIC("code-403"), HULSE_DENIED, "because");
    assert_int_equal(refused_generation, 0);
    check(TOPIC("code-401"), HULSE_DENIED, "because");
    assert_int_equal(refused_generation, 7);
    hulse_secret_slot_set(&slot, NULL);
    hulse_rcu_writer_stop();
}

/* ---- the end of the daemon ---- */

static unsigned told;
static hulse_status told_status;

static void tell(struct broker_request *r)
{
    told++;
    told_status = r->status;
}

static void test_the_daemon_ends_meanwhile(void **state)
{
    struct broker_admin q = {.request = {.home = &bed.http.loop.inbox, .done = tell},
                             .command = BROKER_ADMIN_UNLOAD,
                             .topic = TOPIC("slow")};
    struct error err = {0};

    (void)state;
    hulse_admin_bed_start(&bed, NULL);
    told = 0;
    assert_int_equal(bed.broker->ops->admin(bed.broker, &q, &err), HULSE_OK);
    assert_int_equal(told, 0);
    hulse_http_client_close(&bed.http.client);
    assert_int_equal(told, 1);
    assert_int_equal(told_status, HULSE_CLOSED);
    assert_int_equal(bed.broker->ops->admin(bed.broker, &q, &err), HULSE_CLOSED);
    assert_int_equal(told, 1);
}

static void test_too_many_at_once(void **state)
{
    static struct broker_admin q[HULSE_HTTP_CALLS_MAX + 1];
    struct error err = {0};

    (void)state;
    hulse_admin_bed_start(&bed, NULL);
    told = 0;
    for (unsigned i = 0; i <= HULSE_HTTP_CALLS_MAX; i++) {
        q[i] = (struct broker_admin){.request = {.home = &bed.http.loop.inbox, .done = tell},
                                     .command = BROKER_ADMIN_UNLOAD,
                                     .topic = TOPIC("done")};
        assert_int_equal(bed.broker->ops->admin(bed.broker, &q[i], &err),
                         i < HULSE_HTTP_CALLS_MAX ? HULSE_OK : HULSE_LIMIT);
    }
    while (told < HULSE_HTTP_CALLS_MAX) {
        (void)hulse_loop_round(&bed.http.loop, 1000);
    }
    assert_int_equal(told_status, HULSE_OK);
}

static void test_without_a_url(void **state)
{
    struct pulsar_params params = {.service_url = "pulsar://one.test", .daemon_name = "bed"};
    struct broker_admin q = {.command = BROKER_ADMIN_UNLOAD, .topic = TOPIC("done")};
    struct error err = {0};

    (void)state;
    hulse_admin_bed_start(&bed, NULL);
    struct broker *b = hulse_pulsar_create("main", &params, &err);
    assert_non_null(b);
    assert_int_equal(b->ops->capabilities & BROKER_CAN_ADMIN, 0);
    assert_int_equal(b->ops->admin(b, &q, &err), HULSE_UNSUPPORTED);
    assert_non_null(strstr(err.text, "brokers.main.admin_url"));
    hulse_pulsar_destroy(&b);
}

static void test_urls(void **state)
{
    static const char *const bad[] = {
        "pulsar://a", "http://", "http://a:0", "https://a,,b", "http://u:p@a", "http://a/admin"};
    bool tls = true;

    (void)state;
    hulse_admin_bed_start(&bed, NULL);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct error err = {0};
        assert_int_equal(hulse_pulsar_admin_url_check(bad[i], &tls, &err), HULSE_INVAL);
        assert_null(strstr(err.text, "u:p"));
    }
    assert_int_equal(hulse_pulsar_admin_url_check("HTTP://a,[::1]:80;c/", &tls, NULL), HULSE_OK);
    assert_false(tls);
    assert_int_equal(hulse_pulsar_admin_url_check("https://a", &tls, NULL), HULSE_OK);
    assert_true(tls);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_teardown(test, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_codes),
        CASE(test_redirects_are_followed),
        CASE(test_answers_that_are_none),
        CASE(test_time_has_a_bound),
        CASE(test_every_host_is_tried),
        CASE(test_no_host_is_there),
        CASE(test_what_may_be_done_is_not_repeated),
        CASE(test_tls),
        CASE(test_a_certificate_that_is_not_trusted),
        CASE(test_a_certificate_for_another_host),
        CASE(test_a_name_and_a_password_are_shown),
        CASE(test_a_token_is_shown),
        CASE(test_the_daemon_ends_meanwhile),
        CASE(test_too_many_at_once),
        CASE(test_without_a_url),
        CASE(test_urls),
    };

    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
