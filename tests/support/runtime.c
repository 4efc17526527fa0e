/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime - watchdog and leak check of a test program; see the header.
 *
 * Threads: constructor and destructor run in the main thread; the watchdog's signal handler in
 *          any, so it uses only what a handler may.
 */
#include "tests/support/runtime.h"

#include <dirent.h>
#include <execinfo.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    EXIT_SKIPPED = 77,
    EXIT_LEAKED = 99,
    FRAMES_MAX = 64,
    THREAD_END_TRIES = 200,
    THREAD_END_WAIT_NS = 5000000, /* 200 tries of 5 ms: a joined thread leaves /proc late */
};

static pid_t home_pid;
static int descriptors_at_start;
static int threads_at_start;
static int descriptors_allowed;
static int threads_allowed;

static int count_entries(const char *directory)
{
    DIR *dir = opendir(directory);
    if (dir == NULL) {
        return -1;
    }
    int count = 0;
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        count += entry->d_name[0] != '.';
    }
    (void)closedir(dir);
    return count;
}

int hulse_test_count_descriptors(void)
{
    return count_entries("/proc/self/fd") - 1; /* not the one that reads the directory */
}

int hulse_test_count_threads(void)
{
    return count_entries("/proc/self/task");
}

void hulse_test_allow_threads(int count)
{
    threads_allowed += count;
}

void hulse_test_allow_descriptors(int count)
{
    descriptors_allowed += count;
}

_Noreturn void hulse_test_skip(const char *reason)
{
    printf("SKIP: %s\n", reason);
    (void)fflush(NULL);
    _exit(EXIT_SKIPPED);
}

static void watchdog_fired(int number)
{
    static const char text[] = "watchdog: the test takes too long; this thread is at\n";
    void *frames[FRAMES_MAX];

    (void)number;
    ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)ignored;
    backtrace_symbols_fd(frames, backtrace(frames, FRAMES_MAX), STDERR_FILENO);
    (void)signal(SIGABRT, SIG_DFL);
    abort();
}

static void start_watchdog(void)
{
    const char *text = getenv("HULSE_TEST_WATCHDOG_S");
    const long seconds = text == NULL ? 0 : strtol(text, NULL, 10);
    if (seconds <= 0) {
        return;
    }
    void *warm_up[1];
    (void)backtrace(warm_up, 1); /* loads its library now, not in the handler */

    /* A real-time signal of our own: tests use SIGALRM themselves. */
    const int number = SIGRTMAX - 1;
    struct sigaction action = {.sa_handler = watchdog_fired};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = number};
    const struct itimerspec when = {.it_value.tv_sec = seconds};
    timer_t timer;
    if (sigaction(number, &action, NULL) != 0 ||
        timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 ||
        timer_settime(timer, 0, &when, NULL) != 0) {
        perror("watchdog");
        _exit(EXIT_LEAKED);
    }
}

__attribute__((constructor)) static void runtime_start(void)
{
    home_pid = getpid();
    start_watchdog();
    descriptors_at_start = hulse_test_count_descriptors();
    threads_at_start = hulse_test_count_threads();
}

static void print_descriptors(void)
{
    char path[64];
    char target[256];

    for (int fd = 0; fd < 1024; fd++) {
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        const ssize_t bytes = readlink(path, target, sizeof(target) - 1);
        if (bytes > 0) {
            target[bytes] = '\0';
            (void)fprintf(stderr, "  descriptor %d: %s\n", fd, target);
        }
    }
}

static bool threads_ended(void)
{
#ifdef HULSE_TSAN
    return true; /* ThreadSanitizer has a thread of its own, and reports leaked ones itself. */
#else
    const struct timespec pause = {.tv_nsec = THREAD_END_WAIT_NS};

    for (int i = 0; i < THREAD_END_TRIES; i++) {
        if (hulse_test_count_threads() <= threads_at_start + threads_allowed) {
            return true;
        }
        (void)nanosleep(&pause, NULL);
    }
    return false;
#endif
}

__attribute__((destructor)) static void runtime_end(void)
{
    if (getpid() != home_pid) {
        return;
    }
    bool leaked = false;
    const int descriptors = hulse_test_count_descriptors();
    if (descriptors > descriptors_at_start + descriptors_allowed) {
        (void)fprintf(stderr,
                      "LEAK: %d open descriptors at the end, %d at the start\n",
                      descriptors,
                      descriptors_at_start);
        print_descriptors();
        leaked = true;
    }
    if (!threads_ended()) {
        (void)fprintf(stderr,
                      "LEAK: %d threads at the end, %d at the start\n",
                      hulse_test_count_threads(),
                      threads_at_start);
        leaked = true;
    }
    if (leaked) {
        (void)fflush(NULL);
        _exit(EXIT_LEAKED);
    }
}
