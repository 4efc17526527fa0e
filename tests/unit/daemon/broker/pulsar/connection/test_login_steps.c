/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a connection that logs in by steps says CONNECT with the first, answers each challenge with the next, begins
 *         anew when the broker wants that, and ends with the reason when there is none.
 * Method: a broker played by hand; the desk is the test.
 */
#include "daemon/core/login.h"
#include "tests/support/runtime.h"
#include "tests/unit/daemon/broker/pulsar/connection/bed.h"

#include <string.h>

#define SHORT_MS 500U
#define TYPE(name) PULSAR__BASE_COMMAND__TYPE__##name

static struct bed bed;
static struct peer peer;
static struct peer_line line;
static struct probe user;
static struct login_desk desk;
static struct inbox desk_inbox;
static struct login *at_desk; /* with its turn */
static unsigned ended;

static void take(struct login_desk *d, struct login *l)
{
    (void)d;
    if (l->order == LOGIN_END) {
        ended++;
        hulse_login_free(l);
    } else {
        assert_null(at_desk);
        at_desk = l;
    }
}

static int set_up(void **state)
{
    (void)state;
    hulse_peer_open(&peer);
    hulse_bed_open(&bed, peer.port);
    assert_true(hulse_inbox_init(&desk_inbox, 8));
    desk = (struct login_desk){.inbox = &desk_inbox, .take = take};
    bed.broker.params.login = &desk;
    hulse_bed_start(&bed);
    line = (struct peer_line){.fd = -1};
    user = (struct probe){0};
    at_desk = NULL;
    ended = 0;
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
    (void)hulse_inbox_run(&desk_inbox, 8);
    hulse_inbox_fini(&desk_inbox);
    if (at_desk != NULL) {
        hulse_login_free(at_desk);
    }
    return 0;
}

/* ---- both sides ---- */

static void turn(void)
{
    hulse_bed_turn(&bed);
    (void)hulse_inbox_run(&desk_inbox, 8);
}

static void attach(void)
{
    hulse_probe_attach(&user, &bed, PULSAR_USER_PRODUCER, peer.port, PULSAR_FOR_PUBLISHING);
    hulse_peer_accept(&peer, &bed, &line);
}

static void await_order(enum login_order order)
{
    while (at_desk == NULL) {
        turn();
    }
    assert_int_equal(at_desk->order, order);
}

static void answer(hulse_status status, const char *text)
{
    struct login *l = at_desk;

    at_desk = NULL;
    hulse_login_answer(l,
                       status,
                       status == HULSE_OK ? hulse_secret_create(text, strlen(text)) : NULL,
                       status == HULSE_OK ? "" : text);
}

static bool is(ProtobufCBinaryData data, const char *text)
{
    return data.len == strlen(text) && memcmp(data.data, text, data.len) == 0;
}

static void say_challenge(const char *text)
{
    Pulsar__AuthData data = PULSAR__AUTH_DATA__INIT;
    Pulsar__CommandAuthChallenge challenge = PULSAR__COMMAND_AUTH_CHALLENGE__INIT;
    Pulsar__BaseCommand base = PULSAR__BASE_COMMAND__INIT;

    if (text != NULL) {
        data.has_auth_data = true;
        data.auth_data =
            (ProtobufCBinaryData){.len = strlen(text), .data = (uint8_t *)(uintptr_t)text};
    }
    challenge.challenge = &data;
    base.type = TYPE(AUTH_CHALLENGE);
    base.authchallenge = &challenge;
    hulse_peer_say(&line, &base);
}

static void hear_connect(const char *shown)
{
    const Pulsar__BaseCommand *m = hulse_peer_hear(&line);

    assert_int_equal(m->type, TYPE(CONNECT));
    assert_string_equal(m->connect->auth_method_name, "sasl");
    assert_true(is(m->connect->auth_data, shown));
}

static void hear_response(const char *shown)
{
    const Pulsar__BaseCommand *m = hulse_peer_hear(&line);

    assert_int_equal(m->type, TYPE(AUTH_RESPONSE));
    assert_string_equal(m->authresponse->response->auth_method_name, "sasl");
    assert_true(is(m->authresponse->response->auth_data, shown));
}

static void begin(void)
{
    attach();
    await_order(LOGIN_BEGIN);
    assert_string_equal(at_desk->host, "127.0.0.1");
    answer(HULSE_OK, "first");
    hear_connect("first");
}

static void log_in(void)
{
    begin();
    say_challenge("offer");
    await_order(LOGIN_STEP);
    assert_string_equal(at_desk->data->data, "offer");
    answer(HULSE_OK, "choice");
    hear_response("choice");
    hulse_peer_say_connected(&line, 21, 0);
    hulse_probe_await_ready(&user);
}

static void await_lost_with(const char *says)
{
    hulse_probe_await_lost(&user);
    if (strstr(user.text, says) == NULL) {
        fail_msg("%s", user.text);
    }
}

/* ---- tests ---- */

static void test_steps(void **state)
{
    (void)state;
    log_in();
    while (ended == 0) {
        turn();
    }
    assert_int_equal(ended, 1);
}

static void test_begins_anew(void **state)
{
    (void)state;
    log_in();
    for (unsigned i = 0; i < 3; i++) {
        say_challenge("PulsarAuthRefresh");
        await_order(LOGIN_BEGIN);
        answer(HULSE_OK, "anew");
        hear_response("anew");
        say_challenge("offer");
        await_order(LOGIN_STEP);
        answer(HULSE_OK, "choice");
        hear_response("choice");
    }
    assert_int_equal(user.lost, 0);
    /* Each before the last has ended. */
    assert_int_equal(ended, 3);
}

static void test_there_is_none(void **state)
{
    (void)state;
    attach();
    await_order(LOGIN_BEGIN);
    answer(HULSE_FAILED, "Kerberos: no ticket");
    await_lost_with("Kerberos: no ticket");
    while (ended == 0) {
        turn();
    }
}

static void test_the_next_step_fails(void **state)
{
    (void)state;
    begin();
    say_challenge("offer");
    await_order(LOGIN_STEP);
    answer(HULSE_FAILED, "Kerberos: the broker does not prove who it is");
    await_lost_with("does not prove who it is");
}

static void test_it_takes_too_long(void **state)
{
    (void)state;
    bed.broker.params.operation_timeout_ms = SHORT_MS;
    attach();
    await_order(LOGIN_BEGIN);
    await_lost_with("Kerberos: no ticket within its time");
    /* Told once it has the turn again. */
    assert_int_equal(ended, 0);
    answer(HULSE_OK, "too late");
    while (ended == 0) {
        turn();
    }
}

static void test_a_broker_that_says_nothing(void **state)
{
    (void)state;
    bed.broker.params.operation_timeout_ms = SHORT_MS;
    begin();
    await_lost_with("no answer to CONNECT");
}

static void test_challenges_that_have_no_place(void **state)
{
    (void)state;
    begin();
    say_challenge("offer");
    say_challenge("another");
    await_lost_with("has no place in a login");
}

static void test_a_challenge_without_data(void **state)
{
    (void)state;
    begin();
    say_challenge(NULL);
    await_lost_with("has no place in a login");
}

/* Its turn does not come before it asks. */
static void test_a_challenge_before_connect(void **state)
{
    (void)state;
    attach();
    await_order(LOGIN_BEGIN);
    say_challenge("offer");
    await_lost_with("has no place in a login");
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_steps),
        CASE(test_begins_anew),
        CASE(test_there_is_none),
        CASE(test_the_next_step_fails),
        CASE(test_it_takes_too_long),
        CASE(test_a_broker_that_says_nothing),
        CASE(test_challenges_that_have_no_place),
        CASE(test_a_challenge_without_data),
        CASE(test_a_challenge_before_connect),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
