/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a connection with TLS trusts whom it should, says why it does not trust others, shows who we are, takes
 *         files that have changed, and carries as much as a plain one.
 * Method: authorities and certificates of the test's own, a server of OpenSSL in the same thread.
 */
#include "daemon/broker/pulsar/connection/pool_state.h"
#include "tests/support/certificates.h"
#include "tests/support/dns_server.h"
#include "tests/support/folder.h"
#include "tests/support/runtime.h"
#include "tests/unit/daemon/broker/pulsar/connection/bed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TYPE(name) PULSAR__BASE_COMMAND__TYPE__##name
#define DAY 86400L

static struct bed bed;
static struct peer peer;
static struct peer_line line;
static struct probe user;
static struct test_certificate authority;
static struct test_certificate stranger; /* an authority that nobody trusts */
static char folder[] = "/tmp/hulse_tls_XXXXXX";
static char ca_file[64];
static char cert_file[64];
static char key_file[64];

static int make_files(void **state)
{
    const struct test_certificate_params params = {
        .name = "a test", .from_s = -DAY, .until_s = DAY};

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(ca_file, sizeof(ca_file), "%s/ca.pem", folder);
    (void)snprintf(cert_file, sizeof(cert_file), "%s/cert.pem", folder);
    (void)snprintf(key_file, sizeof(key_file), "%s/key.pem", folder);
    hulse_test_certificate_make(&authority, &params);
    hulse_test_certificate_make(&stranger, &params);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    hulse_test_certificate_free(&authority);
    hulse_test_certificate_free(&stranger);
    return hulse_test_folder_remove(folder) ? 0 : -1;
}

static int set_up(void **state)
{
    (void)state;
    hulse_peer_open(&peer);
    hulse_bed_open(&bed, peer.port);
    hulse_test_certificate_write(&authority, ca_file, NULL);
    bed.broker.params.tls.ca_file = ca_file;
    hulse_bed_start(&bed);
    line = (struct peer_line){.fd = -1};
    user = (struct probe){0};
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

/* Of the authority, for 127.0.0.1 and localhost. */
static void make_good(struct test_certificate *out)
{
    hulse_test_certificate_make(
        out,
        &(struct test_certificate_params){.issuer = &authority,
                                          .name = "broker",
                                          .hosts = "DNS:localhost,IP:127.0.0.1",
                                          .from_s = -DAY,
                                          .until_s = DAY});
}

static void attach_to(const char *host)
{
    struct pulsar_endpoint to = hulse_bed_endpoint(peer.port);

    to.tls = true;
    (void)snprintf(to.physical.name, sizeof(to.physical.name), "%s", host);
    to.logical = to.physical;
    hulse_probe_set_up(&user, &bed, PULSAR_USER_PRODUCER);
    assert_true(hulse_pulsar_attach(bed.pool, &user.user, &to, PULSAR_FOR_PUBLISHING));
}

/* False: the client has not gone through with it. */
static bool serve(SSL_CTX *ctx)
{
    hulse_peer_accept(&peer, &bed, &line);
    return hulse_peer_secure(&line, ctx);
}

static void become_ready(SSL_CTX *ctx, const char *host)
{
    attach_to(host);
    assert_true(serve(ctx));
    assert_int_equal(hulse_peer_hear(&line)->type, TYPE(CONNECT));
    hulse_peer_say_connected(&line, 21, 0);
    hulse_probe_await_ready(&user);
}

static void await_lost_with(hulse_status status, const char *says)
{
    hulse_probe_await_lost(&user);
    if (user.status != status || strstr(user.text, says) == NULL) {
        fail_msg("%d: %s", user.status, user.text);
    }
}

/* ---- whom we trust ---- */

static void test_a_name_and_an_address(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    struct test_certificate good;

    (void)state;
    make_good(&good);
    SSL_CTX *ctx = hulse_test_certificate_server(&good, NULL);
    for (unsigned i = 0; i < 2; i++) {
        user = (struct probe){0};
        become_ready(ctx, hosts[i]);
        const char *asked = SSL_get_servername(line.ssl, TLSEXT_NAMETYPE_host_name);
        if (i == 0) {
            assert_null(asked);
        } else {
            assert_string_equal(asked, "localhost");
        }
        assert_int_equal(SSL_version(line.ssl), TLS1_3_VERSION);
        hulse_pulsar_detach(&user.user);
        hulse_peer_hang_up(&line);
        line.bed = NULL;
    }
    SSL_CTX_free(ctx);
    hulse_test_certificate_free(&good);
}

static void test_a_name_with_a_dot_at_its_end(void **state)
{
    struct test_certificate named;
    struct dns_server dns;

    (void)state;
    hulse_test_dns_start(&dns);
    hulse_resolver_fini(&bed.pool->resolver);
    hulse_resolver_init(&bed.pool->resolver,
                        &bed.loop,
                        &(struct resolver_params){.servers = dns.address, .timeout_ms = 2000});
    hulse_test_certificate_make(&named,
                                &(struct test_certificate_params){.issuer = &authority,
                                                                  .name = "broker",
                                                                  .hosts = "DNS:one.test",
                                                                  .from_s = -DAY,
                                                                  .until_s = DAY});
    SSL_CTX *ctx = hulse_test_certificate_server(&named, NULL);
    become_ready(ctx, "one.test.");
    assert_string_equal(SSL_get_servername(line.ssl, TLSEXT_NAMETYPE_host_name), "one.test");
    hulse_pulsar_pool_destroy(&bed.pool);
    hulse_test_dns_stop(&dns);
    SSL_CTX_free(ctx);
    hulse_test_certificate_free(&named);
}

static void test_versions(void **state)
{
    struct test_certificate good;

    (void)state;
    make_good(&good);
    SSL_CTX *ctx = hulse_test_certificate_server(&good, NULL);
    assert_int_equal(SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION), 1);
    become_ready(ctx, "127.0.0.1");
    assert_int_equal(SSL_version(line.ssl), TLS1_2_VERSION);
    hulse_pulsar_pool_destroy(&bed.pool);
    hulse_peer_hang_up(&line);

    bed.broker.params.tls.version_1_3_alone = true;
    hulse_bed_start(&bed);
    user = (struct probe){0};
    attach_to("127.0.0.1");
    assert_false(serve(ctx));
    await_lost_with(HULSE_IO, "TLS: ");
    SSL_CTX_free(ctx);
    hulse_test_certificate_free(&good);
}

/* What a certificate that is wrong leads to. */
static void refused(const struct test_certificate_params *params, const char *says)
{
    struct test_certificate bad;

    hulse_test_certificate_make(&bad, params);
    SSL_CTX *ctx = hulse_test_certificate_server(&bad, NULL);
    attach_to("127.0.0.1");
    (void)serve(ctx);
    await_lost_with(HULSE_IO, says);
    assert_int_equal(user.ready, 0);
    SSL_CTX_free(ctx);
    hulse_test_certificate_free(&bad);
}

static void test_untrusted(void **state)
{
    (void)state;
    refused(&(struct test_certificate_params){.issuer = &stranger,
                                              .name = "broker",
                                              .hosts = "IP:127.0.0.1",
                                              .from_s = -DAY,
                                              .until_s = DAY},
            "is not trusted");
}

static void test_expired(void **state)
{
    (void)state;
    refused(&(struct test_certificate_params){.issuer = &authority,
                                              .name = "broker",
                                              .hosts = "IP:127.0.0.1",
                                              .from_s = -2 * DAY,
                                              .until_s = -DAY},
            "has expired");
}

static void test_not_yet_valid(void **state)
{
    (void)state;
    refused(&(struct test_certificate_params){.issuer = &authority,
                                              .name = "broker",
                                              .hosts = "IP:127.0.0.1",
                                              .from_s = DAY,
                                              .until_s = 2 * DAY},
            "is not valid yet");
}

static const struct test_certificate_params of_another_host = {.issuer = &authority,
                                                               .name = "127.0.0.1",
                                                               .hosts = "DNS:other.example",
                                                               .from_s = -DAY,
                                                               .until_s = DAY};

static void test_wrong_host(void **state)
{
    (void)state;
    refused(&of_another_host, "of another host than 127.0.0.1");
}

static void test_any_host_when_told_so(void **state)
{
    struct test_certificate other;

    (void)state;
    bed.broker.params.tls.any_host = true;
    hulse_test_certificate_make(&other, &of_another_host);
    SSL_CTX *ctx = hulse_test_certificate_server(&other, NULL);
    become_ready(ctx, "127.0.0.1");
    SSL_CTX_free(ctx);
    hulse_test_certificate_free(&other);
}

/* ---- who does not speak it ---- */

static void test_a_broker_without_tls(void **state)
{
    (void)state;
    attach_to("127.0.0.1");
    hulse_peer_accept(&peer, &bed, &line);
    hulse_peer_say_bytes(&line, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
    await_lost_with(HULSE_IO, "TLS: ");
}

static void test_a_broker_that_hangs_up(void **state)
{
    (void)state;
    attach_to("127.0.0.1");
    hulse_peer_accept(&peer, &bed, &line);
    assert_int_equal(shutdown(line.fd, SHUT_WR), 0);
    await_lost_with(HULSE_IO, "TLS: ");
}

static void test_a_broker_that_says_nothing(void **state)
{
    (void)state;
    bed.broker.params.connect_timeout_ms = 20;
    attach_to("127.0.0.1");
    await_lost_with(HULSE_TIMED_OUT, "within its time");
}

/* ---- files ---- */

static void test_files_that_are_not_there(void **state)
{
    (void)state;
    bed.broker.params.tls.ca_file = "/nowhere/ca.pem";
    attach_to("127.0.0.1");
    await_lost_with(HULSE_IO, "/nowhere/ca.pem");
    assert_false(hulse_peer_has_caller(&peer));
}

static void test_who_we_are(void **state)
{
    struct test_certificate good;
    struct test_certificate own;
    struct pulsar_pool_figures figures;

    (void)state;
    make_good(&good);
    hulse_test_certificate_make(
        &own,
        &(struct test_certificate_params){
            .issuer = &authority, .name = "us", .from_s = -DAY, .until_s = 5 * DAY});
    hulse_test_certificate_write(&own, cert_file, key_file);
    bed.broker.params.tls.cert_file = cert_file;
    bed.broker.params.tls.key_file = key_file;
    SSL_CTX *ctx = hulse_test_certificate_server(&good, &authority);
    attach_to("127.0.0.1");
    assert_true(serve(ctx));
    const Pulsar__BaseCommand *m = hulse_peer_hear(&line);
    assert_string_equal(m->connect->auth_method_name, "tls");
    assert_false(m->connect->has_auth_data);
    X509 *shown = SSL_get1_peer_certificate(line.ssl);
    assert_non_null(shown);
    assert_int_equal(X509_cmp(shown, own.cert), 0);
    X509_free(shown);
    hulse_pulsar_pool_figures(bed.pool, &figures);
    assert_true(figures.certificate_expires_wall_ms > 1000);
    SSL_CTX_free(ctx);
    hulse_test_certificate_free(&own);
    hulse_test_certificate_free(&good);
}

static void test_a_broker_that_wants_to_know_who_we_are(void **state)
{
    struct test_certificate good;

    (void)state;
    make_good(&good);
    SSL_CTX *ctx = hulse_test_certificate_server(&good, &authority);
    attach_to("127.0.0.1");
    /* With TLS 1.3 the client has long believed that it is through. */
    assert_false(serve(ctx));
    await_lost_with(HULSE_IO, "certificate required");
    SSL_CTX_free(ctx);
    hulse_test_certificate_free(&good);
}

/* A connection that does not become ready, to the server of `ctx`. */
static void try_once(SSL_CTX *ctx, const char *says)
{
    user = (struct probe){0};
    attach_to("127.0.0.1");
    (void)serve(ctx);
    await_lost_with(HULSE_IO, says);
    hulse_peer_hang_up(&line);
    line.bed = NULL;
}

static void test_files_that_change(void **state)
{
    struct test_certificate good;

    (void)state;
    make_good(&good);
    SSL_CTX *ctx = hulse_test_certificate_server(&good, NULL);
    hulse_test_certificate_write(&stranger, ca_file, NULL);
    try_once(ctx, "is not trusted");

    /* A file that cannot be used replaces nothing. */
    FILE *f = fopen(ca_file, "we");
    assert_non_null(f);
    assert_true(fputs("half of a file\n", f) >= 0);
    assert_int_equal(fclose(f), 0);
    try_once(ctx, "is not trusted");

    hulse_test_certificate_write(&authority, ca_file, NULL);
    user = (struct probe){0};
    become_ready(ctx, "127.0.0.1");
    SSL_CTX_free(ctx);
    hulse_test_certificate_free(&good);
}

/* Another connection takes files that have changed while this one is still on its way. */
static void test_files_that_change_meanwhile(void **state)
{
    struct test_certificate good;
    struct peer second;
    struct probe quick = {0};
    struct peer_line quick_line;

    (void)state;
    make_good(&good);
    SSL_CTX *ctx = hulse_test_certificate_server(&good, NULL);
    hulse_peer_open(&second);
    attach_to("127.0.0.1");
    while (bed.pool->figures.attempts == 0) {
        hulse_bed_turn(&bed);
    }
    hulse_test_certificate_write(&stranger, ca_file, NULL);
    struct pulsar_endpoint to = hulse_bed_endpoint(second.port);
    to.tls = true;
    hulse_probe_set_up(&quick, &bed, PULSAR_USER_PRODUCER);
    assert_true(hulse_pulsar_attach(bed.pool, &quick.user, &to, PULSAR_FOR_PUBLISHING));
    hulse_peer_accept(&second, &bed, &quick_line);
    (void)hulse_peer_secure(&quick_line, ctx);
    hulse_probe_await_lost(&quick);
    assert_true(serve(ctx));
    assert_int_equal(hulse_peer_hear(&line)->type, TYPE(CONNECT));
    hulse_peer_say_connected(&line, 21, 0);
    hulse_probe_await_ready(&user);
    hulse_peer_hang_up(&quick_line);
    hulse_peer_close(&second);
    SSL_CTX_free(ctx);
    hulse_test_certificate_free(&good);
}

/* Nobody wants a connection: files that have changed are taken all the same, and bad ones are counted once. */
static void test_files_are_looked_at_without_a_connection(void **state)
{
    struct pulsar_pool_figures figures;

    (void)state;
    bed.broker.service.tls = true;
    hulse_pulsar_pool_refresh(bed.pool);
    assert_int_equal(bed.pool->tls.generation, 1);
    hulse_pulsar_pool_refresh(bed.pool);
    assert_int_equal(bed.pool->tls.generation, 1);
    hulse_test_certificate_write(&stranger, ca_file, NULL);
    hulse_pulsar_pool_refresh(bed.pool);
    assert_int_equal(bed.pool->tls.generation, 2);
    FILE *f = fopen(ca_file, "we");
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
    hulse_pulsar_pool_refresh(bed.pool);
    hulse_pulsar_pool_refresh(bed.pool);
    hulse_pulsar_pool_figures(bed.pool, &figures);
    assert_int_equal(bed.pool->tls.generation, 2);
    assert_int_equal(figures.tls_files_refused, 1);
    assert_true(figures.ca_expires_wall_ms > 0);
}

/* Of two workers one says it. */
static void test_a_change_is_said_once_for_all_workers(void **state)
{
    struct tls_news news = {0};
    struct tls_context contexts[2] = {{.news = &news}, {.news = &news}};
    struct error err = {0};

    (void)state;
    for (unsigned turn = 0; turn < 2; turn++) {
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(hulse_tls_context_update(&contexts[i], &bed.broker.params.tls, &err),
                             HULSE_OK);
        }
        (void)unlink(ca_file);
    }
    assert_int_equal(contexts[0].failures + contexts[1].failures, 1);
    hulse_tls_context_fini(&contexts[0]);
    hulse_tls_context_fini(&contexts[1]);
}

static void await_lost_and_again(struct probe *p, SSL_CTX *ctx)
{
    hulse_probe_await_lost(p);
    assert_non_null(strstr(p->text, "certificates have changed"));
    hulse_peer_hang_up(&line);
    *p = (struct probe){0};
    become_ready(ctx, "127.0.0.1");
}

/* It is neither a failure nor the address's fault, and happens once for a change. */
static void test_connections_are_made_anew_for_new_files(void **state)
{
    struct test_certificate good;
    struct pulsar_pool_figures figures;

    (void)state;
    make_good(&good);
    SSL_CTX *ctx = hulse_test_certificate_server(&good, NULL);
    bed.broker.service.tls = true;
    bed.broker.params.tls.reconnect_every_ms = 20;
    become_ready(ctx, "127.0.0.1");
    hulse_test_certificate_write(&authority, ca_file, NULL);
    hulse_pulsar_pool_refresh(bed.pool);
    await_lost_and_again(&user, ctx);
    while (hulse_timer_pending(&bed.pool->renewal)) {
        hulse_bed_turn(&bed);
    }
    assert_int_equal(user.lost, 0);
    hulse_pulsar_pool_figures(bed.pool, &figures);
    assert_int_equal(figures.closed_renewed, 1);
    assert_int_equal(figures.closed_lost, 0);
    assert_int_equal(figures.failures, 0);
    assert_int_equal(figures.attempts, 2);
    SSL_CTX_free(ctx);
    hulse_test_certificate_free(&good);
}

static void test_connections_stay_unless_it_is_wanted(void **state)
{
    struct test_certificate good;

    (void)state;
    make_good(&good);
    SSL_CTX *ctx = hulse_test_certificate_server(&good, NULL);
    bed.broker.service.tls = true;
    become_ready(ctx, "127.0.0.1");
    hulse_test_certificate_write(&authority, ca_file, NULL);
    hulse_pulsar_pool_refresh(bed.pool);
    assert_int_equal(bed.pool->tls.generation, 2);
    assert_false(hulse_timer_pending(&bed.pool->renewal));
    SSL_CTX_free(ctx);
    hulse_test_certificate_free(&good);
}

/* ---- bytes ---- */

enum { PIECE = 300001, PIECES = 60 };

static unsigned released_count;

static void released(struct pulsar_piece *piece, bool written)
{
    assert_true(written);
    released_count++;
    free(piece);
}

static void test_much_goes_both_ways(void **state)
{
    static uint8_t frame[PIECE];
    struct test_certificate good;
    unsigned pings = 0;
    unsigned pongs = 0;

    (void)state;
    make_good(&good);
    SSL_CTX *ctx = hulse_test_certificate_server(&good, NULL);
    become_ready(ctx, "127.0.0.1");
    static const uint8_t head[] = {
        0x00, 0x04, 0x93, 0xdd, 0x00, 0x00, 0x00, 0x05, 0x08, 0x12, 0x92, 0x01};
    memcpy(frame, head, sizeof(head));
    for (unsigned i = 0; i < PIECES; i++) {
        struct pulsar_piece *piece = calloc(1, sizeof(*piece));
        assert_non_null(piece);
        *piece = (struct pulsar_piece){.data = frame, .bytes = PIECE, .released = released};
        hulse_pulsar_send(user.user.connection, piece);
    }
    released_count = 0;
    for (unsigned i = 0; i < 20; i++) {
        hulse_bed_turn(&bed);
    }
    assert_true(hulse_pulsar_unwritten(user.user.connection) > 0);
    hulse_peer_say_plain(&line, TYPE(PING));
    /* What it answers to these comes back between its pieces. */
    hulse_peer_say_bytes(&line, frame, sizeof(frame));
    while (pings < PIECES || pongs == 0) {
        const int32_t type = (int32_t)hulse_peer_hear(&line)->type;
        pings += type == TYPE(PING) ? 1 : 0;
        pongs += type == TYPE(PONG) ? 1 : 0;
        assert_true(type == TYPE(PONG) || line.taken == PIECE);
    }
    while (released_count < PIECES) {
        hulse_bed_turn(&bed);
    }
    assert_int_equal(user.lost, 0);
    SSL_CTX_free(ctx);
    hulse_test_certificate_free(&good);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_a_name_and_an_address),
        CASE(test_a_name_with_a_dot_at_its_end),
        CASE(test_versions),
        CASE(test_untrusted),
        CASE(test_expired),
        CASE(test_not_yet_valid),
        CASE(test_wrong_host),
        CASE(test_any_host_when_told_so),
        CASE(test_a_broker_without_tls),
        CASE(test_a_broker_that_hangs_up),
        CASE(test_a_broker_that_says_nothing),
        CASE(test_files_that_are_not_there),
        CASE(test_who_we_are),
        CASE(test_a_broker_that_wants_to_know_who_we_are),
        CASE(test_files_that_change),
        CASE(test_files_that_change_meanwhile),
        CASE(test_files_are_looked_at_without_a_connection),
        CASE(test_a_change_is_said_once_for_all_workers),
        CASE(test_connections_are_made_anew_for_new_files),
        CASE(test_connections_stay_unless_it_is_wanted),
        CASE(test_much_goes_both_ways),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
