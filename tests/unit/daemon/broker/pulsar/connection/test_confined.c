/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HULSE_TEST: not=asan not=tsan
 * Goal:   connections to brokers, with TLS too, need nothing that the filter of system calls refuses.
 * Method: a child loads the filter before any of it is used for the first time.
 */
#include "daemon/control/sandbox.h"
#include "tests/support/certificates.h"
#include "tests/support/folder.h"
#include "tests/unit/daemon/broker/pulsar/connection/bed.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define DAY 86400L
#define WAIT_S 60U

static void shake_hands(struct bed *bed, struct peer *peer, SSL_CTX *server, const char *host)
{
    struct pulsar_endpoint to = hulse_bed_endpoint(peer->port);
    struct probe user = {0};
    struct peer_line line;

    to.tls = server != NULL;
    (void)snprintf(to.physical.name, sizeof(to.physical.name), "%s", host);
    hulse_probe_set_up(&user, bed, PULSAR_USER_OTHER);
    assert_true(hulse_pulsar_attach(bed->pool, &user.user, &to, PULSAR_FOR_PUBLISHING));
    hulse_peer_accept(peer, bed, &line);
    assert_true(server == NULL || hulse_peer_secure(&line, server));
    assert_int_equal(hulse_peer_hear(&line)->type, PULSAR__BASE_COMMAND__TYPE__CONNECT);
    hulse_peer_say_connected(&line, 21, 0);
    hulse_probe_await_ready(&user);
    hulse_pulsar_detach(&user.user);
    hulse_peer_hang_up(&line);
}

static void confined(void **state)
{
    char folder[] = "/tmp/hulse_confined_XXXXXX";
    char ca_file[64];
    struct bed bed;
    struct peer peer;
    struct test_certificate authority;
    struct test_certificate own;

    (void)state;
    (void)alarm(WAIT_S); /* what is refused is tried for ever */
    assert_non_null(mkdtemp(folder));
    (void)snprintf(ca_file, sizeof(ca_file), "%s/ca.pem", folder);
    hulse_peer_open(&peer);
    assert_int_equal(hulse_sandbox_filter_load(), 0);

    const struct test_certificate_params ca = {.name = "ca", .from_s = -DAY, .until_s = DAY};
    hulse_test_certificate_make(&authority, &ca);
    hulse_test_certificate_write(&authority, ca_file, NULL);
    hulse_test_certificate_make(
        &own,
        &(struct test_certificate_params){.issuer = &authority,
                                          .name = "broker",
                                          .hosts = "DNS:localhost,IP:127.0.0.1",
                                          .from_s = -DAY,
                                          .until_s = DAY});
    SSL_CTX *server = hulse_test_certificate_server(&own, NULL);
    hulse_bed_open(&bed, peer.port);
    bed.broker.params.tls.ca_file = ca_file;
    hulse_bed_start(&bed);
    shake_hands(&bed, &peer, NULL, "127.0.0.1");
    shake_hands(&bed, &peer, server, "127.0.0.1");
    shake_hands(&bed, &peer, server, "localhost");
    hulse_bed_close(&bed);
    hulse_peer_close(&peer);
    SSL_CTX_free(server);
    hulse_test_certificate_free(&own);
    hulse_test_certificate_free(&authority);
    assert_true(hulse_test_folder_remove(folder));
}

static void test_connections_work_under_the_filter(void **state)
{
    int status = 0;

    (void)state;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct CMUnitTest tests[] = {cmocka_unit_test(confined)};
        _exit(cmocka_run_group_tests(tests, NULL, NULL));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connections_work_under_the_filter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
