/* SPDX-License-Identifier: Apache-2.0 */
/*
 * helper_command - see the header.
 */
#include "daemon/control/helper_command.h"

#include "daemon/core/clock.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CLEAR_MS = 1000, PAUSE_NS = 1000000, NS_PER_MS = 1000000, EXIT_NO_COMMAND = 127 };

/* ---- children ---- */

bool hulse_helper_kill_children(bool (*spared)(pid_t pid))
{
    FILE *list = fopen("/proc/thread-self/children", "re");
    pid_t pid = 0;
    int c = 0;

    if (list == NULL) {
        return false;
    }
    /* Numbers, a blank after each. None is waited for meanwhile, so each is still its own. */
    while ((c = fgetc(list)) != EOF) {
        if (c >= '0' && c <= '9') {
            pid = pid * 10 + (c - '0');
            continue;
        }
        if (pid > 0 && (spared == NULL || !spared(pid))) {
            (void)kill(pid, SIGKILL);
        }
        pid = 0;
    }
    (void)fclose(list);
    return true;
}

int hulse_helper_clear_children(pid_t pid, uint32_t limit_ms)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    const uint64_t end_ns = hulse_clock_ns() + (uint64_t)limit_ms * NS_PER_MS;
    int result = SIGKILL;
    bool waited = pid == 0;

    for (;;) {
        const bool listed = hulse_helper_kill_children(NULL);
        pid_t ended = 0;
        int status = 0;
        while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
            if (ended == pid) {
                result = status;
                waited = true;
            }
        }
        /* Nobody is left, or nobody who can be found. */
        if (ended < 0 || (waited && !listed) || hulse_clock_ns() >= end_ns) {
            return result;
        }
        (void)nanosleep(&pause, NULL);
    }
}

/* ---- the keeper ---- */

_Noreturn static void become_command(const char *command, pid_t keeper)
{
    static const int defaults[] = {SIGPIPE, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
    sigset_t none;

    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
        (void)signal(defaults[i], SIG_DFL);
    }
    (void)sigemptyset(&none);
    (void)pthread_sigmask(SIG_SETMASK, &none, NULL);
    /* It may have ended before the kernel was told to say so. */
    if (getppid() == keeper) {
        (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    }
    _exit(EXIT_NO_COMMAND);
}

/* Waits for those who have ended. True: the shell has; it is left, so that its group's number
   is still its own. */
static bool shell_has_ended(pid_t shell)
{
    for (;;) {
        siginfo_t ended = {0};
        if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid == 0) {
            return false;
        }
        if (ended.si_pid == shell) {
            return true;
        }
        (void)waitpid(ended.si_pid, NULL, WNOHANG);
    }
}

/* Whoever waits for the keeper learns of the shell. */
_Noreturn static void end_as(int status)
{
    sigset_t it;

    if (WIFSIGNALED(status)) {
        (void)signal(WTERMSIG(status), SIG_DFL);
        (void)sigemptyset(&it);
        (void)sigaddset(&it, WTERMSIG(status));
        (void)pthread_sigmask(SIG_UNBLOCK, &it, NULL);
        (void)raise(WTERMSIG(status));
    }
    _exit(WEXITSTATUS(status));
}

static void settle(int input_fd, int output_fd, int error_fd, pid_t helper_pid)
{
    (void)prctl(PR_SET_NAME, "hulse-command");
    (void)prctl(PR_SET_PDEATHSIG, HULSE_HELPER_STOP);
    if (getppid() != helper_pid || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0 ||
        (input_fd >= 0 && dup2(input_fd, STDIN_FILENO) < 0) || dup2(output_fd, STDOUT_FILENO) < 0 ||
        dup2(error_fd, STDERR_FILENO) < 0) {
        _exit(EXIT_NO_COMMAND);
    }
    /* Above all the helper's socket, whose end must be seen when the helper ends. */
    (void)close_range(STDERR_FILENO + 1, UINT_MAX, 0);
}

_Noreturn void
hulse_helper_keep(const char *command, int input_fd, int output_fd, int error_fd, pid_t helper_pid)
{
    const pid_t keeper = getpid();
    sigset_t awaited;

    settle(input_fd, output_fd, error_fd, helper_pid);
    const pid_t shell = fork();
    if (shell == 0) {
        become_command(command, keeper);
    }
    if (shell < 0) {
        (void)dprintf(STDERR_FILENO, "fork: %s\n", strerrordesc_np(errno));
        _exit(EXIT_NO_COMMAND);
    }
    /* By both, so that neither can come too late. */
    (void)setpgid(shell, shell);
    (void)dup2(STDIN_FILENO, STDOUT_FILENO);
    (void)dup2(STDIN_FILENO, STDERR_FILENO);
    (void)sigemptyset(&awaited);
    (void)sigaddset(&awaited, SIGCHLD);
    (void)sigaddset(&awaited, HULSE_HELPER_STOP);
    while (!shell_has_ended(shell) && sigwaitinfo(&awaited, NULL) != HULSE_HELPER_STOP) {
    }
    (void)kill(-shell, SIGKILL);
    end_as(hulse_helper_clear_children(shell, CLEAR_MS));
}
