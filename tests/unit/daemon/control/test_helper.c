/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   commands run beside each other, within their time and output, and leave nothing behind;
 *         the process ends with the daemon, and its end is told.
 * Method: the real process and the real shell; each bound from both sides.
 */
#include "daemon/control/helper.h"
#include "daemon/core/assert.h"
#include "tests/support/check.h"
#include "tests/support/folder.h"
#include "tests/support/runtime.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONG_MS 60000U

struct probe {
    struct helper_call call;
    unsigned answers;
    hulse_status status;
    size_t bytes;
    char output[HULSE_HELPER_OUTPUT_BYTES + 1];
    char why[128];
    char complaint[HULSE_HELPER_COMPLAINT_BYTES];
};

static struct loop loop;
static struct helper helper;
static struct probe probes[HULSE_HELPER_CALLS_MAX + 1];
static char dir[32];

static void note(struct helper_call *call, const struct helper_result *result)
{
    struct probe *p = HULSE_CONTAINER(call, struct probe, call);

    p->answers++;
    p->status = result->status;
    p->bytes = result->output_bytes;
    if (result->output_bytes != 0) {
        memcpy(p->output, result->output, result->output_bytes);
    }
    p->output[p->bytes] = '\0';
    (void)snprintf(p->why, sizeof(p->why), "%s", result->why);
    (void)snprintf(p->complaint, sizeof(p->complaint), "%s", result->complaint);
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
    (void)state;
    hulse_helper_close(&helper);
    hulse_loop_fini(&loop);
    assert_true(hulse_test_folder_remove(dir));
    return 0;
}

static hulse_status begin(struct probe *p, const char *command, uint32_t timeout_ms)
{
    memset(p, 0, sizeof(*p));
    p->call.done = note;
    return hulse_helper_run(&helper, &p->call, command, timeout_ms, NULL);
}

static void await(const struct probe *p)
{
    while (p->answers == 0) {
        (void)hulse_loop_round(&loop, 1000);
    }
    assert_int_equal(p->answers, 1);
    assert_int_equal(p->call.id, 0);
}

static const struct probe *run(const char *command)
{
    struct probe *p = &probes[0];

    assert_int_equal(begin(p, command, LONG_MS), HULSE_OK);
    assert_int_equal(p->answers, 0);
    await(p);
    return p;
}

static void check_output(const char *command, const char *expected)
{
    const struct probe *p = run(command);

    assert_int_equal(p->status, HULSE_OK);
    assert_string_equal(p->output, expected);
    assert_string_equal(p->why, "");
    assert_string_equal(p->complaint, "");
}

/* ---- what a command sees and says ---- */

static void test_output_and_surroundings(void **state)
{
    (void)state;
    check_output("echo hello; echo noise >&2", "hello\n");
    check_output(":", "");
    check_output("cat", "");
    check_output("echo $HULSE_HELPER_TEST", "of the daemon\n");
    check_output("ls /proc/self/fd | wc -l", "4\n");
    /* Neither ignored nor blocked, whatever the daemon does. */
    check_output("grep SigBlk /proc/self/status", "SigBlk:\t0000000000000000\n");
    const struct probe *p = run("printf 'a\\0b\\377'");
    assert_int_equal(p->bytes, 4);
    assert_memory_equal(p->output, "a\0b\377", 4);
}

static void check_failure(const char *command, const char *why, const char *complaint)
{
    const struct probe *p = run(command);

    assert_int_equal(p->status, HULSE_FAILED);
    assert_int_equal(p->bytes, 0);
    assert_string_equal(p->why, why);
    assert_string_equal(p->complaint, complaint);
}

static void test_failures_say_why(void **state)
{
    char line[HULSE_HELPER_COMPLAINT_BYTES];

    (void)state;
    check_failure("echo secret; exit 3", "exit status 3", "");
    check_failure("echo first >&2; printf 'no such token\\n\\n' >&2; exit 1",
                  "exit status 1",
                  "no such token");
    check_failure("kill -TERM $$", "signal 15", "");
    check_failure("printf 'a\\033[2Jb\\377' >&2; exit 1", "exit status 1", "a?[2Jb?");
    /* Only the end of a long line, however much was written. */
    (void)snprintf(line, sizeof(line), "%0*d", 127, 7);
    check_failure(
        "yes | head -c 1000000 >&2; printf '%0300d' 7 >&2; exit 1", "exit status 1", line);
}

static void test_limits_of_output(void **state)
{
    (void)state;
    const struct probe *p = run("head -c 65536 /dev/zero");
    assert_int_equal(p->status, HULSE_OK);
    assert_int_equal(p->bytes, HULSE_HELPER_OUTPUT_BYTES);
    p = run("head -c 65537 /dev/zero");
    assert_int_equal(p->status, HULSE_TOOBIG);
    assert_int_equal(p->bytes, 0);
    assert_non_null(strstr(p->why, "65536"));
    p = run("yes");
    assert_int_equal(p->status, HULSE_TOOBIG);
}

static void test_limits_of_commands(void **state)
{
    static char command[HULSE_HELPER_COMMAND_BYTES + 1];
    struct error err = {0};

    (void)state;
    memset(command, ' ', sizeof(command) - 1);
    assert_int_equal(hulse_helper_run(&helper, &probes[0].call, command, LONG_MS, &err),
                     HULSE_TOOBIG);
    assert_non_null(strstr(err.text, "4095"));
    memcpy(command + sizeof(command) - 9, "echo end", 9);
    check_output(command + 1, "end\n");
}

/* ---- several at once ---- */

static void make_fifo(char *path, size_t bytes, unsigned number)
{
    (void)snprintf(path, bytes, "%s/fifo%u", dir, number);
    assert_int_equal(mkfifo(path, 0600), 0);
}

static void test_sixteen_at_once_in_any_order(void **state)
{
    char path[64];
    char command[160];
    char expected[16];
    struct error err = {0};

    (void)state;
    for (unsigned i = 0; i < HULSE_HELPER_CALLS_MAX; i++) {
        make_fifo(path, sizeof(path), i);
        (void)snprintf(command, sizeof(command), "read x < %s; echo %u", path, i);
        assert_int_equal(begin(&probes[i], command, LONG_MS), HULSE_OK);
    }
    struct probe *last = &probes[HULSE_HELPER_CALLS_MAX];
    last->call.done = note;
    assert_int_equal(hulse_helper_run(&helper, &last->call, ":", LONG_MS, &err), HULSE_LIMIT);
    assert_non_null(strstr(err.text, "16"));
    for (unsigned i = HULSE_HELPER_CALLS_MAX; i-- > 0;) {
        (void)snprintf(path, sizeof(path), "%s/fifo%u", dir, i);
        FILE *f = fopen(path, "we");
        assert_non_null(f);
        (void)fputs("go\n", f);
        (void)fclose(f);
        await(&probes[i]);
        (void)snprintf(expected, sizeof(expected), "%u\n", i);
        assert_string_equal(probes[i].output, expected);
        assert_int_equal(i == 0 ? 0 : probes[i - 1].answers, 0);
    }
    check_output("echo room again", "room again\n");
}

/* ---- ends ---- */

/* Waits until the process with the number in the file has ended. */
static void await_end_of(const char *name)
{
    char path[64];
    char line[256];
    int pid = 0;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof(line), f));
    (void)fclose(f);
    pid = (int)strtol(line, NULL, 10);
    assert_true(pid > 1);
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    for (;;) {
        f = fopen(path, "re");
        const bool there = f != NULL && fgets(line, sizeof(line), f) != NULL;
        if (f != NULL) {
            (void)fclose(f);
        }
        /* Nobody may wait for orphans here, so a zombie is an end as well. */
        if (!there || strstr(line, ") Z ") != NULL) {
            return;
        }
        (void)usleep(1000);
    }
}

static void await_file(const char *name)
{
    char path[64];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    while (stat(path, &st) != 0 || st.st_size == 0) {
        (void)usleep(1000);
    }
}

static void background(char *command, size_t bytes, const char *then)
{
    (void)snprintf(command, bytes, "sleep 1000 & echo $! > %s/pid; %s", dir, then);
}

static void test_time_is_up_for_the_whole_group(void **state)
{
    char command[128];

    (void)state;
    background(command, sizeof(command), "echo late >&2; wait");
    assert_int_equal(begin(&probes[0], command, 300), HULSE_OK);
    await(&probes[0]);
    assert_int_equal(probes[0].status, HULSE_TIMED_OUT);
    assert_string_equal(probes[0].why, "it took too long");
    assert_string_equal(probes[0].complaint, "late");
    await_end_of("pid");
}

static void test_a_background_process_is_not_waited_for(void **state)
{
    char command[128];

    (void)state;
    background(command, sizeof(command), "echo done");
    check_output(command, "done\n");
    await_end_of("pid");
}

static void test_cancel(void **state)
{
    char command[128];

    (void)state;
    background(command, sizeof(command), "wait");
    assert_int_equal(begin(&probes[1], command, LONG_MS), HULSE_OK);
    await_file("pid");
    hulse_helper_cancel(&helper, &probes[1].call);
    hulse_helper_cancel(&helper, &probes[1].call);
    await_end_of("pid");
    check_output("echo next", "next\n");
    assert_int_equal(probes[1].answers, 0);
    /* An answer that is already under way has nobody to go to. */
    assert_int_equal(begin(&probes[1], "echo x", LONG_MS), HULSE_OK);
    (void)usleep(100000);
    hulse_helper_cancel(&helper, &probes[1].call);
    check_output("echo next", "next\n");
    assert_int_equal(probes[1].answers, 0);
}

static void test_close_ends_what_runs(void **state)
{
    char command[128];

    (void)state;
    background(command, sizeof(command), "wait");
    assert_int_equal(begin(&probes[1], command, LONG_MS), HULSE_OK);
    await_file("pid");
    hulse_helper_close(&helper);
    await_end_of("pid");
    assert_int_equal(probes[1].answers, 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

/* Nothing of ours waits for ever: the watchdog would end this test. */
static void test_close_ends_a_helper_that_was_stopped(void **state)
{
    (void)state;
    assert_int_equal(begin(&probes[0], "sleep 1000", LONG_MS), HULSE_OK);
    assert_int_equal(kill(helper.pid, SIGSTOP), 0);
    hulse_helper_close(&helper);
    hulse_helper_close(&helper);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void run_once_more(struct helper_call *call, const struct helper_result *result)
{
    static struct helper_call again;

    assert_int_equal(hulse_helper_run(&helper, &again, ":", LONG_MS, NULL), HULSE_CLOSED);
    note(call, result);
}

static void test_a_dead_helper_is_reported(void **state)
{
    struct error err = {0};

    (void)state;
    assert_int_equal(begin(&probes[0], "sleep 1000", LONG_MS), HULSE_OK);
    assert_int_equal(begin(&probes[1], "sleep 1000", LONG_MS), HULSE_OK);
    probes[1].call.done = run_once_more;
    assert_int_equal(kill(helper.pid, SIGKILL), 0);
    await(&probes[0]);
    await(&probes[1]);
    assert_int_equal(probes[0].status, HULSE_CLOSED);
    assert_int_equal(probes[1].status, HULSE_CLOSED);
    assert_string_equal(probes[0].why, "the helper process has ended");
    assert_int_equal(hulse_helper_run(&helper, &probes[0].call, ":", LONG_MS, &err), HULSE_CLOSED);
    assert_string_equal(err.text, "the helper process has ended");
}

/* A packet that no helper sends. */
static void test_nonsense_is_the_end_of_the_helper(void **state)
{
    int ends[2];

    (void)state;
    assert_int_equal(begin(&probes[0], "sleep 1000", LONG_MS), HULSE_OK);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    hulse_loop_remove(&loop, &helper.watch);
    (void)close(helper.watch.fd);
    helper.watch.fd = ends[0];
    assert_true(hulse_loop_add(&loop, &helper.watch, EPOLLIN));
    assert_int_equal(write(ends[1], "nonsense", 8), 8);
    await(&probes[0]);
    assert_int_equal(probes[0].status, HULSE_CLOSED);
    (void)close(ends[1]);
}

/* A daemon that ends without closing anything, its socket still open in another process. */
static void test_the_helper_ends_with_the_daemon(void **state)
{
    char command[128];
    char line[32];
    char *second = NULL;
    char path[64];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/helper", dir);
    background(command, sizeof(command), "wait");
    const pid_t daemon = fork();
    assert_true(daemon >= 0);
    if (daemon == 0) {
        static struct helper own;
        struct loop own_loop;
        static struct helper_call call = {.done = note};
        if (hulse_helper_fork(&own, NULL) != HULSE_OK || !hulse_loop_init(&own_loop, 16)) {
            _exit(1);
        }
        const pid_t holder = fork();
        if (holder == 0) {
            (void)sleep(1000);
            _exit(1);
        }
        FILE *f = fopen(path, "we");
        (void)fprintf(f, "%d %d\n", (int)own.pid, (int)holder);
        (void)fclose(f);
        (void)hulse_helper_attach(&own, &own_loop, NULL);
        (void)hulse_helper_run(&own, &call, command, LONG_MS, NULL);
        await_file("pid");
        (void)kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(daemon, NULL, 0), daemon);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof(line), f));
    (void)fclose(f);
    assert_true(strtol(line, &second, 10) > 1);
    await_end_of("helper");
    await_end_of("pid");
    assert_int_equal(kill((pid_t)strtol(second, NULL, 10), SIGKILL), 0);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_output_and_surroundings),
        CASE(test_failures_say_why),
        CASE(test_limits_of_output),
        CASE(test_limits_of_commands),
        CASE(test_sixteen_at_once_in_any_order),
        CASE(test_time_is_up_for_the_whole_group),
        CASE(test_a_background_process_is_not_waited_for),
        CASE(test_cancel),
        CASE(test_close_ends_what_runs),
        CASE(test_close_ends_a_helper_that_was_stopped),
        CASE(test_a_dead_helper_is_reported),
        CASE(test_nonsense_is_the_end_of_the_helper),
        CASE(test_the_helper_ends_with_the_daemon),
    };
    sigset_t blocked;

    hulse_role_set(HULSE_ROLE_CONTROL);
    /* As the daemon does. */
    (void)sigemptyset(&blocked);
    (void)sigaddset(&blocked, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &blocked, NULL);
    /* Before any thread. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    (void)setenv("HULSE_HELPER_TEST", "of the daemon", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
