/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a connection shows the token that is in force, answers challenges with the newest one, a bounded number of
 *         them, says when a token was refused and which, and leaves none in memory.
 * Method: a broker played by hand; explicit_bzero() of the test's own tells what was wiped.
 */
#include "daemon/core/rcu.h"
#include "daemon/core/secret.h"
#include "tests/support/runtime.h"
#include "tests/unit/daemon/broker/pulsar/connection/bed.h"

#include <stdlib.h>
#include <string.h>

#define TYPE(name) PULSAR__BASE_COMMAND__TYPE__##name
#define TOKEN "eyJhbGciOiJIUzI1NiJ9.first"
#define SECOND "eyJhbGciOiJIUzI1NiJ9.second"

static struct bed bed;
static struct peer peer;
static struct peer_line line;
static struct probe user;
static struct secret_slot slot;
static uint64_t refused_generation;
static unsigned refused_count;
static unsigned wiped_tokens;

/* In place of libc's. */
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
void explicit_bzero(void *memory, size_t bytes)
{
    /* libc says of it that it only writes. */
    const void *volatile seen = memory;

    if (memmem(seen, bytes, "eyJh", 4) != NULL) {
        wiped_tokens++;
    }
    memset(memory, 0, bytes);
    __asm__ volatile("" : : "r"(memory) : "memory");
}

static void put_token(const char *text, uint64_t generation)
{
    struct secret *s = hulse_secret_create(text, strlen(text));

    assert_non_null(s);
    s->generation = generation;
    hulse_secret_slot_set(&slot, s);
}

static void note_refused(void *context, uint64_t generation)
{
    assert_ptr_equal(context, &slot);
    refused_count++;
    refused_generation = generation;
}

static int set_up(void **state)
{
    (void)state;
    hulse_peer_open(&peer);
    hulse_bed_open(&bed, peer.port);
    static struct secret_slot *const place = &slot;
    bed.broker.params.token = &place;
    bed.broker.params.refused = note_refused;
    bed.broker.params.refused_context = &slot;
    hulse_bed_start(&bed);
    line = (struct peer_line){.fd = -1};
    user = (struct probe){0};
    refused_count = 0;
    put_token(TOKEN, 7);
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
    hulse_secret_slot_set(&slot, NULL);
    hulse_rcu_drain();
    return 0;
}

static void attach(void)
{
    hulse_probe_attach(&user, &bed, PULSAR_USER_PRODUCER, peer.port, PULSAR_FOR_PUBLISHING);
}

static bool is(ProtobufCBinaryData data, const char *text)
{
    return data.len == strlen(text) && memcmp(data.data, text, data.len) == 0;
}

static void hear_connect(void)
{
    attach();
    hulse_peer_accept(&peer, &bed, &line);
    const Pulsar__BaseCommand *m = hulse_peer_hear(&line);

    assert_int_equal(m->type, TYPE(CONNECT));
    assert_string_equal(m->connect->auth_method_name, "token");
    assert_true(m->connect->has_auth_data);
    assert_true(is(m->connect->auth_data, TOKEN));
}

static void hear_answer(const char *token)
{
    const Pulsar__BaseCommand *m = hulse_peer_hear(&line);

    assert_int_equal(m->type, TYPE(AUTH_RESPONSE));
    assert_string_equal(m->authresponse->response->auth_method_name, "token");
    assert_true(m->authresponse->response->has_auth_data);
    assert_true(is(m->authresponse->response->auth_data, token));
    assert_int_equal(m->authresponse->protocol_version, 21);
    assert_non_null(m->authresponse->client_version);
}

static void await_lost_with(hulse_status status, const char *says)
{
    hulse_probe_await_lost(&user);
    if (user.status != status || strstr(user.text, says) == NULL) {
        fail_msg("%d: %s", user.status, user.text);
    }
}

static void test_a_name_and_a_password(void **state)
{
    (void)state;
    bed.broker.params.auth = PULSAR_AUTH_BASIC;
    attach();
    hulse_peer_accept(&peer, &bed, &line);
    const Pulsar__BaseCommand *m = hulse_peer_hear(&line);
    assert_string_equal(m->connect->auth_method_name, "basic");
    assert_true(is(m->connect->auth_data, TOKEN));
}

static void test_the_token_is_shown_and_wiped(void **state)
{
    (void)state;
    wiped_tokens = 0;
    hear_connect();
    hulse_peer_say_connected(&line, 21, 0);
    hulse_probe_await_ready(&user);
    assert_int_equal(wiped_tokens, 1);
    assert_int_equal(slot.current->holders, 1);
}

static void test_a_wrong_token(void **state)
{
    (void)state;
    hear_connect();
    hulse_peer_say_error(&line, UINT64_MAX, PULSAR__SERVER_ERROR__AuthenticationError, "expired");
    await_lost_with(HULSE_DENIED, "AuthenticationError: expired");
    assert_int_equal(refused_count, 1);
    assert_int_equal(refused_generation, 7);
    assert_null(strstr(user.text, "eyJh"));
}

static void test_a_challenge_is_answered_with_the_newest(void **state)
{
    (void)state;
    hear_connect();
    hulse_peer_say_plain(&line, TYPE(AUTH_CHALLENGE));
    hear_answer(TOKEN);
    hulse_peer_say_connected(&line, 21, 0);
    hulse_probe_await_ready(&user);
    put_token(SECOND, 8);
    hulse_peer_say_plain(&line, TYPE(AUTH_CHALLENGE));
    hear_answer(SECOND);
    assert_int_equal(user.lost, 0);
    hulse_peer_say_error(&line, UINT64_MAX, PULSAR__SERVER_ERROR__AuthenticationError, "no");
    await_lost_with(HULSE_DENIED, "AuthenticationError");
    assert_int_equal(refused_generation, 8);
}

static void test_challenges_without_end(void **state)
{
    (void)state;
    hear_connect();
    for (unsigned i = 0; i < 10; i++) {
        hulse_peer_say_plain(&line, TYPE(AUTH_CHALLENGE));
        hear_answer(TOKEN);
    }
    hulse_peer_say_plain(&line, TYPE(AUTH_CHALLENGE));
    await_lost_with(HULSE_PROTOCOL, "challenges");
    assert_int_equal(refused_count, 0);
}

static void test_challenges_without_end_when_connected(void **state)
{
    (void)state;
    hear_connect();
    hulse_peer_say_connected(&line, 21, 0);
    for (unsigned i = 0; i <= 10; i++) {
        hulse_peer_say_plain(&line, TYPE(AUTH_CHALLENGE));
    }
    await_lost_with(HULSE_PROTOCOL, "challenges");
}

static void test_there_is_no_token_yet(void **state)
{
    (void)state;
    hulse_secret_slot_set(&slot, NULL);
    attach();
    await_lost_with(HULSE_IO, "no token yet");
    assert_int_equal(refused_count, 0);
}

static int begin(void **state)
{
    (void)state;
    hulse_rcu_thread_begin();
    return hulse_rcu_writer_start() ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    hulse_rcu_writer_stop();
    hulse_rcu_thread_end();
    return 0;
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_a_name_and_a_password),
        CASE(test_the_token_is_shown_and_wiped),
        CASE(test_a_wrong_token),
        CASE(test_a_challenge_is_answered_with_the_newest),
        CASE(test_challenges_without_end),
        CASE(test_challenges_without_end_when_connected),
        CASE(test_there_is_no_token_yet),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
