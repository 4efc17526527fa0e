/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HULSE_TEST: not=asan not=tsan
 * Goal:   under the filter what is dangerous gets EPERM, what it does not know ENOSYS, in every
 *         thread, while threads, files, watches, sockets and timers go on working.
 * Method: a child with a second thread loads the filter and makes the calls, most of them with
 *         arguments that would fail with another error.
 */
#include "daemon/control/sandbox.h"
#include "daemon/core/assert.h"
#include "daemon/core/thread.h"
#include "tests/support/check.h"
#include "tests/support/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct refusal {
    const char *what;
    long number;
    unsigned long arguments[3];
    int error;
};

static const struct refusal refusals[] = {
    {"execve", SYS_execve, {0}, EPERM},
    {"execveat", SYS_execveat, {0}, EPERM},
    {"ptrace", SYS_ptrace, {PTRACE_TRACEME}, EPERM},
    {"process_vm_readv", SYS_process_vm_readv, {0}, EPERM},
    {"process_vm_writev", SYS_process_vm_writev, {0}, EPERM},
    {"bpf", SYS_bpf, {999}, EPERM},
    {"mount", SYS_mount, {0}, EPERM},
    {"umount2", SYS_umount2, {0}, EPERM},
    {"keyctl", SYS_keyctl, {999}, EPERM},
    {"kexec_load", SYS_kexec_load, {0}, EPERM},
    {"init_module", SYS_init_module, {0}, EPERM},
    {"perf_event_open", SYS_perf_event_open, {0}, EPERM},
    {"userfaultfd", SYS_userfaultfd, {~0UL}, EPERM},
    {"unshare", SYS_unshare, {0}, EPERM},
    {"setns", SYS_setns, {~0UL}, EPERM},
    {"pivot_root", SYS_pivot_root, {0}, EPERM},
    {"chroot", SYS_chroot, {0}, EPERM},
    {"reboot", SYS_reboot, {0}, EPERM},
    {"swapon", SYS_swapon, {0}, EPERM},
    {"setuid", SYS_setuid, {~0UL}, EPERM},
    {"setgroups", SYS_setgroups, {~0UL}, EPERM},
    {"open_by_handle_at", SYS_open_by_handle_at, {0}, EPERM},
    {"io_uring_setup", SYS_io_uring_setup, {0}, EPERM},
    {"io_uring_enter", SYS_io_uring_enter, {~0UL}, EPERM},
    {"seccomp", SYS_seccomp, {999}, EPERM},
    {"clone of a process", SYS_clone, {SIGCHLD}, EPERM},
    {"clone of a user namespace", SYS_clone, {CLONE_NEWUSER | SIGCHLD}, EPERM},
    {"clone of a thread's namespace", SYS_clone, {CLONE_THREAD | CLONE_NEWNET}, EPERM},
    {"clone3", SYS_clone3, {0}, ENOSYS},
    {"kill of the parent", SYS_kill, {1}, EPERM},
    {"socket of packets", SYS_socket, {AF_PACKET}, ENOSYS},
    {"ioctl that types", SYS_ioctl, {0, TIOCSTI}, ENOSYS},
    {"prctl that loosens", SYS_prctl, {PR_SET_DUMPABLE, 2}, ENOSYS},
    {"prlimit64 of another", SYS_prlimit64, {1}, ENOSYS},
    {"a call that nobody knows", 100000, {0}, ENOSYS},
};

/* The first that is not refused as it should be, or NULL. */
static const char *first_unrefused(void)
{
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        const struct refusal *r = &refusals[i];
        errno = 0;
        const long result =
            syscall(r->number, r->arguments[0], r->arguments[1], r->arguments[2], 0, 0, 0);
        if (result != -1 || errno != r->error) {
            return r->what;
        }
    }
    return NULL;
}

struct other {
    sem_t filtered;
    const char *unrefused;
};

static void *try_from_another_thread(void *argument)
{
    struct other *other = argument;

    while (sem_wait(&other->filtered) != 0) {
    }
    other->unrefused = first_unrefused();
    return NULL;
}

/* In a forked child: what went wrong is said on stderr and by the exit code. */
static void check(bool good, const char *what)
{
    if (!good) {
        (void)fprintf(stderr, "under the filter: %s\n", what);
        _exit(1);
    }
}

static void run_refusals(void)
{
    struct other other = {.unrefused = "nothing was tried"};
    pthread_t thread;

    (void)sem_init(&other.filtered, 0, 0);
    check(hulse_thread_start(&thread, "other", try_from_another_thread, &other) == 0, "thread");
    check(hulse_sandbox_filter_load() == 0, "load");
    const char *unrefused = first_unrefused();
    check(unrefused == NULL, unrefused);
    (void)sem_post(&other.filtered);
    check(pthread_join(thread, NULL) == 0, "join");
    check(other.unrefused == NULL, other.unrefused);
}

static void *nothing(void *argument)
{
    return argument;
}

static void run_files(void)
{
    char folder[] = "/tmp/hulse-sandbox-XXXXXX";
    char file[64];
    char renamed[64];
    char bytes[512];

    check(mkdtemp(folder) != NULL, "mkdtemp");
    (void)snprintf(file, sizeof(file), "%s/file", folder);
    (void)snprintf(renamed, sizeof(renamed), "%s/renamed", folder);
    const int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    check(inotify_add_watch(watch, folder, IN_MOVED_TO) >= 0, "inotify");
    const int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    check(fd >= 0 && flock(fd, LOCK_EX) == 0, "open and lock");
    check(posix_fallocate(fd, 0, 4096) == 0 && pwrite(fd, "x", 1, 0) == 1, "allocate and write");
    check(fdatasync(fd) == 0 && fsync(fd) == 0 && ftruncate(fd, 1) == 0, "sync and truncate");
    check(rename(file, renamed) == 0 && read(watch, bytes, sizeof(bytes)) > 0, "watch");
    check(unlink(renamed) == 0 && rmdir(folder) == 0, "remove");
    (void)close(fd);
    (void)close(watch);
}

static void run_ordinary(void)
{
    pthread_t thread;
    struct rlimit limit;

    check(hulse_sandbox_filter_load() == 0, "load");
    check(hulse_thread_start(&thread, "after", nothing, NULL) == 0, "thread");
    check(pthread_join(thread, NULL) == 0, "join");
    run_files();
    check(socket(AF_UNIX, SOCK_SEQPACKET, 0) >= 0, "unix socket");
    check(socket(AF_INET, SOCK_STREAM, 0) >= 0, "inet socket");
    check(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
    check(kill(getpid(), 0) == 0, "kill of oneself");
    check(alarm(0) == 0, "alarm");
}

static void run_abort(void)
{
    (void)signal(SIGABRT, SIG_DFL);
    check(hulse_sandbox_filter_load() == 0, "load");
    abort();
}

static void run_enter(void)
{
    struct sandbox sandbox = {0};

    hulse_role_set(HULSE_ROLE_CONTROL);
    check(hulse_sandbox_enter(&sandbox, false, true) == SANDBOX_FILTER_OFF, "off");
    check(prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 0, "a filter nobody wanted");
    check(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1, "not dumpable");
    /* Prepared and not wanted any more, then for good. */
    hulse_sandbox_prepare(&sandbox);
    hulse_sandbox_forget(&sandbox);
    hulse_sandbox_forget(&sandbox);
    check(prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 0, "a filter by its rules alone");
    hulse_sandbox_prepare(&sandbox);
    check(hulse_sandbox_enter(&sandbox, true, false) == SANDBOX_FILTER_ON, "on");
    check(prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2, "no filter");
    check(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0, "dumpable");
}

/* Its wait status. */
static int status_of(void (*body)(void))
{
    int status = 0;
    const pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        body();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void assert_fine(int status)
{
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_dangerous_calls_are_refused_in_every_thread(void **state)
{
    (void)state;
    assert_fine(status_of(run_refusals));
}

static void test_ordinary_calls_go_on(void **state)
{
    (void)state;
    assert_fine(status_of(run_ordinary));
}

static void test_abort_still_aborts(void **state)
{
    (void)state;
    const int status = status_of(run_abort);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void test_the_configuration_decides(void **state)
{
    (void)state;
    assert_fine(status_of(run_enter));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dangerous_calls_are_refused_in_every_thread),
        cmocka_unit_test(test_ordinary_calls_go_on),
        cmocka_unit_test(test_abort_still_aborts),
        cmocka_unit_test(test_the_configuration_decides),
    };

    HULSE_TEST_SKIP_UNLESS(prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0, "this kernel has no seccomp");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
