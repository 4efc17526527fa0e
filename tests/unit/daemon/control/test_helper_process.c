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
#include "tests/support/folder.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
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
    (void)state;
    hulse_helper_close(&helper);
    hulse_loop_fini(&loop);
    assert_true(hulse_test_folder_remove(dir));
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

/* The number in the file, which a command writes. */
static pid_t pid_in(const char *name)
{
    char path[64];
    char line[32] = "";
    const uint64_t end_ms = now_ms() + SOON_MS;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    while (strchr(line, '\n') == NULL && now_ms() < end_ms) {
        FILE *f = fopen(path, "re");
        if (f != NULL) {
            (void)fgets(line, sizeof(line), f);
            (void)fclose(f);
        }
        (void)usleep(1000);
    }
    const pid_t pid = (pid_t)strtol(line, NULL, 10);
    assert_true(pid > 1);
    return pid;
}

/* A zombie is still there: somebody has to wait for it. */
static void check_vanishes(const char *name)
{
    const pid_t pid = pid_in(name);
    const uint64_t end_ms = now_ms() + SOON_MS;

    while (kill(pid, 0) == 0 && now_ms() < end_ms) {
        (void)usleep(1000);
    }
    const bool there = kill(pid, 0) == 0;
    if (there) {
        (void)kill(pid, SIGKILL);
    }
    assert_false(there);
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

/* ---- what commands leave behind ---- */

static void test_what_detaches_itself_ends_with_its_command(void **state)
{
    char command[160];

    (void)state;
    (void)snprintf(command, sizeof(command), "setsid sleep 77 & echo $! > %s/pid; echo done", dir);
    check_output(command, "done\n");
    check_vanishes("pid");
    /* Twice detached, its parent gone while the command still runs. */
    (void)snprintf(command,
                   sizeof(command),
                   "setsid sh -c 'setsid sleep 77 & echo $! > %s/second'; echo done",
                   dir);
    check_output(command, "done\n");
    check_vanishes("second");
}

static void test_one_command_does_not_end_what_another_detached(void **state)
{
    char command[160];
    char later[96];

    (void)state;
    (void)snprintf(command,
                   sizeof(command),
                   "(setsid sleep 77 & echo $! > %s/pid); read x < %s/fifo; echo done",
                   dir,
                   dir);
    (void)snprintf(later, sizeof(later), "%s/fifo", dir);
    assert_int_equal(mkfifo(later, 0600), 0);
    begin(&probes[1], command, LONG_MS);
    const pid_t detached = pid_in("pid");
    check_output("setsid sleep 77 & echo short", "short\n");
    assert_int_equal(kill(detached, 0), 0);
    assert_int_equal(probes[1].answers, 0);
    (void)snprintf(later, sizeof(later), "echo go > %s/fifo", dir);
    check_output(later, "");
    await(&probes[1]);
    check_vanishes("pid");
}

static void test_time_is_up_for_what_is_detached(void **state)
{
    char command[160];

    (void)state;
    (void)snprintf(command, sizeof(command), "setsid sleep 77 & echo $! > %s/pid; wait", dir);
    begin(&probes[0], command, 300);
    await(&probes[0]);
    assert_int_equal(probes[0].status, HULSE_TIMED_OUT);
    check_vanishes("pid");
}

static void test_a_killed_helper_takes_its_commands_along(void **state)
{
    char command[160];

    (void)state;
    (void)snprintf(command, sizeof(command), "setsid sleep 77 & echo $! > %s/pid; wait", dir);
    begin(&probes[0], command, LONG_MS);
    const pid_t pid = pid_in("pid");
    assert_int_equal(kill(helper.pid, SIGKILL), 0);
    await(&probes[0]);
    assert_int_equal(probes[0].status, HULSE_CLOSED);
    /* They come to the test, which adopts orphans. */
    const uint64_t end_ms = now_ms() + SOON_MS;
    while (kill(pid, 0) == 0 && now_ms() < end_ms) {
        (void)waitpid(-1, NULL, WNOHANG);
        (void)usleep(1000);
    }
    const bool there = kill(pid, 0) == 0;
    if (there) {
        (void)kill(pid, SIGKILL);
    }
    while (waitpid(-1, NULL, 0) > 0) {
    }
    assert_false(there);
}

/* Whatever a command does to the process that watches over it. */
static void test_commands_that_turn_against_their_keeper(void **state)
{
    char command[160];

    (void)state;
    (void)snprintf(
        command, sizeof(command), "setsid sleep 77 & echo $! > %s/pid; kill -9 $PPID; wait", dir);
    begin(&probes[0], command, LONG_MS);
    await(&probes[0]);
    assert_int_equal(probes[0].status, HULSE_FAILED);
    check_vanishes("pid");
    (void)snprintf(command,
                   sizeof(command),
                   "setsid sleep 77 & echo $! > %s/second; kill -STOP $PPID; wait",
                   dir);
    begin(&probes[0], command, 300);
    await(&probes[0]);
    assert_int_equal(probes[0].status, HULSE_TIMED_OUT);
    check_vanishes("second");
    check_output("echo next", "next\n");
}

/* ---- control does not wait for ever ---- */

static void test_a_stopped_helper_blocks_nobody(void **state)
{
    const uint64_t begin_ms = now_ms();

    (void)state;
    assert_int_equal(kill(helper.pid, SIGSTOP), 0);
    begin(&probes[1], "echo late", 1000);
    begin(&probes[0], "echo late", 200);
    await(&probes[0]);
    assert_int_equal(probes[0].status, HULSE_TIMED_OUT);
    assert_int_equal(probes[1].answers, 0);
    assert_non_null(strstr(probes[0].why, "helper"));
    /* The helper is given the time to do it itself. */
    assert_true(now_ms() - begin_ms >= 200 + 3000);
    await(&probes[1]);
    assert_int_equal(probes[1].status, HULSE_TIMED_OUT);
    assert_int_equal(hulse_timer_next(&loop.timers), HULSE_TIMER_NEVER);
    /* What it answers when it goes on is nobody's any more. */
    assert_int_equal(kill(helper.pid, SIGCONT), 0);
    check_output("echo again", "again\n");
    assert_int_equal(probes[1].answers, 1);
    assert_int_equal(hulse_timer_next(&loop.timers), HULSE_TIMER_NEVER);
}

static bool buffers_stay; /* setsockopt() does nothing, as where the system's limits are low */

/* In place of libc's. NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
int setsockopt(int fd, int level, int name, const void *value, socklen_t bytes)
{
    static int (*real)(int, int, int, const void *, socklen_t);

    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "setsockopt");
    }
    return buffers_stay ? 0 : real(fd, level, name, value, bytes);
}

/* The largest answer of a helper whose socket has the smallest buffer there is. */
static ssize_t largest_answer(struct helper_answer *answer, bool stays)
{
    static const struct helper_order order = {
        .kind = HELPER_RUN, .id = 7, .timeout_ms = LONG_MS, .command = "head -c 65536 /dev/zero"};
    const struct timeval patience = {.tv_sec = SOON_MS / 1000};
    const pid_t parent = getpid();
    const int least = 1;
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)), 0);
    assert_int_equal(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(ends[0]);
        buffers_stay = stays;
        hulse_helper_serve(ends[1], parent);
    }
    (void)close(ends[1]);
    const ssize_t sent = send(ends[0], &order, sizeof(order), 0);
    const ssize_t bytes = recv(ends[0], answer, sizeof(*answer), 0);
    (void)close(ends[0]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(sent, sizeof(order));
    return bytes;
}

static void test_answers_fit_into_the_socket(void **state)
{
    static struct helper_answer answer;

    (void)state;
    assert_int_equal(largest_answer(&answer, false), sizeof(answer));
    assert_int_equal(answer.end, HELPER_EXITED);
    assert_int_equal(answer.output_bytes, HULSE_HELPER_OUTPUT_BYTES);
}

static void test_an_answer_that_does_not_fit_comes_without_output(void **state)
{
    static struct helper_answer answer;

    (void)state;
    assert_int_equal(largest_answer(&answer, true), offsetof(struct helper_answer, output));
    assert_int_equal(answer.id, 7);
    assert_int_equal(answer.end, HELPER_UNABLE);
    assert_int_equal(answer.code, EMSGSIZE);
    assert_int_equal(answer.output_bytes, 0);
}

/* ---- few descriptors ---- */

/* poll() takes no more entries than that: it still works, and sees the daemon's end. */
static void test_it_lives_with_few_descriptors(void **state)
{
    static struct helper own;
    const struct rlimit few = {.rlim_cur = 16, .rlim_max = 16};
    struct rlimit before;
    siginfo_t seen = {0};

    (void)state;
    assert_int_equal(hulse_helper_fork(&own, NULL), HULSE_OK);
    assert_int_equal(hulse_helper_attach(&own, &loop, NULL), HULSE_OK);
    assert_int_equal(prlimit(own.pid, RLIMIT_NOFILE, &few, &before), 0);
    memset(probes, 0, sizeof(probes));
    for (unsigned i = 0; i < 3; i++) {
        probes[0] = (struct probe){.call.done = note};
        assert_int_equal(hulse_helper_run(&own, &probes[0].call, "echo x", LONG_MS, NULL),
                         HULSE_OK);
        await(&probes[0]);
        assert_int_equal(probes[0].status, HULSE_OK);
    }
    hulse_loop_remove(&loop, &own.watch);
    (void)close(own.watch.fd);
    const uint64_t end_ms = now_ms() + SOON_MS;
    while (seen.si_pid == 0 && now_ms() < end_ms) {
        assert_int_equal(waitid(P_PID, (id_t)own.pid, &seen, WEXITED | WNOHANG | WNOWAIT), 0);
        (void)usleep(1000);
    }
    if (seen.si_pid == 0) {
        (void)kill(own.pid, SIGKILL);
    }
    assert_int_equal(waitpid(own.pid, NULL, 0), own.pid);
    assert_int_equal(seen.si_pid, own.pid);
}

/* ---- SIGCHLD as it was inherited, numbers that are not ours ---- */

static void test_ignored_sigchld_is_not_inherited(void **state)
{
    struct helper own;
    struct sigaction action;

    (void)state;
    (void)signal(SIGCHLD, SIG_IGN);
    assert_int_equal(hulse_helper_fork(&own, NULL), HULSE_OK);
    assert_int_equal(sigaction(SIGCHLD, NULL, &action), 0);
    (void)signal(SIGCHLD, SIG_DFL);
    hulse_helper_close(&own);
    assert_true(action.sa_handler == SIG_DFL);
}

static unsigned kills;

/* In place of libc's. NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
int kill(pid_t pid, int number)
{
    static int (*real)(pid_t, int);

    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "kill");
    }
    kills++;
    return real(pid, number);
}

static void test_a_number_that_is_no_longer_its_own_is_left_alone(void **state)
{
    const uint64_t begin_ms = now_ms();

    (void)state;
    /* Somebody else has waited for it. */
    begin(&probes[0], "sleep 77", LONG_MS);
    assert_int_equal(kill(helper.pid, SIGKILL), 0);
    assert_int_equal(waitpid(helper.pid, NULL, 0), helper.pid);
    kills = 0;
    await(&probes[0]);
    assert_int_equal(probes[0].status, HULSE_CLOSED);
    assert_int_equal(kills, 0);
    assert_true(now_ms() - begin_ms < 1500);
    while (waitpid(-1, NULL, 0) > 0) {
    }
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_it_has_no_rights_to_lend),
        CASE(test_what_detaches_itself_ends_with_its_command),
        CASE(test_one_command_does_not_end_what_another_detached),
        CASE(test_time_is_up_for_what_is_detached),
        CASE(test_a_killed_helper_takes_its_commands_along),
        CASE(test_commands_that_turn_against_their_keeper),
        CASE(test_a_stopped_helper_blocks_nobody),
        CASE(test_answers_fit_into_the_socket),
        CASE(test_an_answer_that_does_not_fit_comes_without_output),
        CASE(test_it_lives_with_few_descriptors),
        CASE(test_ignored_sigchld_is_not_inherited),
        CASE(test_a_number_that_is_no_longer_its_own_is_left_alone),
    };

    hulse_role_set(HULSE_ROLE_CONTROL);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
