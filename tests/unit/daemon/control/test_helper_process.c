/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the helper process has given up what it does not need, leaves nothing behind whatever its
 *         commands do, and control waits for it no longer than it must.
 * Method: the real process and the real shell, seen through the kernel's files; the test adopts
 *         orphans, so that one that is nobody's is found. Waits are bounded.
 */
#include "daemon/control/helper.h"
#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "tests/support/check.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONG_MS 60000U
#define SOON_MS 10000U

struct probe {
    struct helper_call call;
    unsigned answers;
    hulse_status status;
    char output[256];
    char why[256];
};

static struct loop loop;
static struct helper helper;
static struct probe probes[2];
static char dir[32];

static void note(struct helper_call *call, const struct helper_result *result)
{
    struct probe *p = HULSE_CONTAINER(call, struct probe, call);

    p->answers++;
    p->status = result->status;
    (void)snprintf(p->output, sizeof(p->output), "%.*s", (int)result->output_bytes, result->output);
    (void)snprintf(p->why, sizeof(p->why), "%s", result->why);
}

static int set_up(void **state)
{
    (void)state;
    memset(probes, 0, sizeof(probes));
    (void)snprintf(dir, sizeof(dir), "/tmp/hulse-helper-XXXXXX");
    assert_non_null(mkdtemp(dir));
    assert_int_equal(hulse_helper_fork(&helper, NULL), HULSE_OK);
    assert_true(hulse_loop_init(&loop, 16));
    assert_int_equal(hulse_helper_attach(&helper, &loop, NULL), HULSE_OK);
    return 0;
}

static int tear_down(void **state)
{
    char command[64];

    (void)state;
    hulse_helper_close(&helper);
    hulse_loop_fini(&loop);
    (void)snprintf(command, sizeof(command), "rm -r %s", dir);
    /* A folder of the test's own. NOLINTNEXTLINE(cert-env33-c,concurrency-mt-unsafe) */
    assert_int_equal(system(command), 0);
    return 0;
}

static uint64_t now_ms(void)
{
    return hulse_clock_ns() / 1000000U;
}

static void begin(struct probe *p, const char *command, uint32_t timeout_ms)
{
    memset(p, 0, sizeof(*p));
    p->call.done = note;
    assert_int_equal(hulse_helper_run(&helper, &p->call, command, timeout_ms, NULL), HULSE_OK);
}

static void await(const struct probe *p)
{
    const uint64_t end_ms = now_ms() + SOON_MS;

    while (p->answers == 0 && now_ms() < end_ms) {
        (void)hulse_loop_round(&loop, 100);
    }
    assert_int_equal(p->answers, 1);
}

static void check_output(const char *command, const char *expected)
{
    begin(&probes[0], command, LONG_MS);
    await(&probes[0]);
    assert_int_equal(probes[0].status, HULSE_OK);
    assert_string_equal(probes[0].output, expected);
}

/* ---- rights ---- */

static void test_it_has_no_rights_to_lend(void **state)
{
    char path[64];
    char line[256];
    unsigned seen = 0;

    (void)state;
    check_output("echo ready", "ready\n");
    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)helper.pid);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, "CapPrm:", 7) == 0 || strncmp(line, "CapEff:", 7) == 0 ||
            strncmp(line, "CapInh:", 7) == 0 || strncmp(line, "CapAmb:", 7) == 0) {
            assert_string_equal(line + 7, "\t0000000000000000\n");
            seen++;
        } else if (strncmp(line, "NoNewPrivs:", 11) == 0) {
            assert_string_equal(line + 11, "\t1\n");
            seen++;
        }
    }
    (void)fclose(f);
    assert_int_equal(seen, 5);
    /* What it runs has as little, and can be looked into as any program of its user. */
    check_output("grep -h -e CapEff -e CapPrm -e NoNewPrivs /proc/self/status | tr -d '\\t'",
                 "CapPrm:0000000000000000\nCapEff:0000000000000000\nNoNewPrivs:1\n");
    (void)snprintf(line, sizeof(line), "%d\n", (int)getuid());
    check_output("stat -c %u /proc/self/maps", line);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_it_has_no_rights_to_lend),
    };

    hulse_role_set(HULSE_ROLE_CONTROL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
