/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HULSE_TEST: not=asan not=tsan
 * Goal:   of a secret and of a token that contains it, memory has the one copy that is in force, and
 *         none once that is gone: libraries leave nothing behind where they freed.
 * Method: an issuer that gives back what was shown to it; all memory of the process is searched for
 *         a secret that the test itself has in disguise only.
 */
#include "daemon/admin/answer.h"
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "tests/support/http_server.h"
#include "tests/unit/daemon/control/credential_bed.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DISGUISE = 1, SECRET_BYTES = 24, CHUNK_BYTES = 1 << 20, RANGES_MAX = 512 };

/* Each character is the one before that of the secret. */
static const char disguised[] = "pvdqsxtiopkjhgfcrtlkjbsw";

static char chunk[CHUNK_BYTES];
static struct {
    uint64_t from;
    uint64_t to;
} ranges[RANGES_MAX];

static bool is_here(const char *at)
{
    for (unsigned i = 0; i < SECRET_BYTES; i++) {
        if (at[i] != (char)(disguised[i] + DISGUISE)) {
            return false;
        }
    }
    return true;
}

static unsigned find_ranges(void)
{
    char line[512];
    char *end = NULL;
    unsigned count = 0;
    FILE *f = fopen("/proc/self/maps", "re");

    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        assert_true(count < RANGES_MAX);
        ranges[count].from = strtoull(line, &end, 16);
        ranges[count].to = strtoull(end + 1, &end, 16);
        count += strncmp(end, " rw", 3) == 0 ? 1 : 0;
    }
    (void)fclose(f);
    return count;
}

/* How often memory has it. What is unmapped meanwhile cannot be read and does not count. */
static unsigned count_copies(void)
{
    const int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    const unsigned count = find_ranges();
    unsigned copies = 0;

    assert_true(fd >= 0);
    for (unsigned i = 0; i < count; i++) {
        uint64_t at = ranges[i].from;
        while (at < ranges[i].to) {
            const uint64_t left = ranges[i].to - at;
            const size_t wanted = left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES;
            const ssize_t n = pread(fd, chunk, wanted, (off_t)at);
            for (ssize_t k = 0; k + SECRET_BYTES <= n; k++) {
                copies += is_here(chunk + k) ? 1 : 0;
            }
            memset(chunk, 0, sizeof(chunk));
            /* One that lies across two chunks is in the second one again. */
            at += n == CHUNK_BYTES && left > CHUNK_BYTES ? CHUNK_BYTES - SECRET_BYTES + 1 : left;
        }
    }
    (void)close(fd);
    return copies;
}

/* Not by stdio, which would keep a copy. */
static void write_secret(void)
{
    char text[SECRET_BYTES];
    const int fd =
        open(hulse_creds.token_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, (mode_t)0600);

    assert_true(fd >= 0);
    for (unsigned i = 0; i < SECRET_BYTES; i++) {
        text[i] = (char)(disguised[i] + DISGUISE);
    }
    assert_int_equal(write(fd, text, sizeof(text)), SECRET_BYTES);
    explicit_bzero(text, sizeof(text));
    (void)close(fd);
}

static void test_one_copy_and_then_none(void **state)
{
    struct http_server server;
    char issuer[64];
    const struct oauth2_params oauth2 = {
        .issuer = issuer, .client_id = "hulse", .client_secret_file = hulse_creds.token_path};
    const struct credential_params params = {
        .kind = CREDENTIAL_OAUTH2, .oauth2 = &oauth2, .period_ms = LONG_MS, .timeout_ms = LONG_MS};

    (void)state;
    hulse_test_http_start(&server, "127.0.0.1", NULL);
    (void)snprintf(issuer, sizeof(issuer), "http://127.0.0.1:%u/oidc/0", server.port);
    write_secret();
    assert_int_equal(count_copies(), 0);
    assert_int_equal(hulse_credentials_set(&hulse_creds.credentials, "main", &params, NULL),
                     HULSE_OK);
    hulse_creds_await_generation("main", 1);
    assert_int_equal(count_copies(), 1);
    hulse_credentials_remove(&hulse_creds.credentials, "main");
    hulse_rcu_drain();
    assert_int_equal(count_copies(), 0);
    hulse_test_http_stop(&server);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, hulse_creds_set_up, hulse_creds_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_one_copy_and_then_none),
    };

    hulse_role_set(HULSE_ROLE_CONTROL);
    (void)signal(SIGPIPE, SIG_IGN); /* as in the daemon */
    hulse_mem_init(64U << 20);
    hulse_admin_memory_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
