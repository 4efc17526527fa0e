/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals - see signals.h.
 */
#include "daemon/control/signals.h"

#include "daemon/core/assert.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void fill_set(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGHUP);
    (void)sigaddset(set, SIGUSR1);
}

void hulse_signals_block(void)
{
    sigset_t set;

    fill_set(&set);
    HULSE_ASSERT(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
}

static void fired(struct watch *watch, uint32_t events)
{
    struct signals *s = HULSE_CONTAINER(watch, struct signals, watch);
    struct signalfd_siginfo info;

    (void)events;
    while (s->watch.fd >= 0 && read(watch->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        s->handle(s->ctx, (int)info.ssi_signo);
    }
}

hulse_status hulse_signals_open(struct signals *s,
                                struct loop *loop,
                                void (*handle)(void *ctx, int number),
                                void *ctx,
                                struct error *err)
{
    sigset_t set;

    fill_set(&set);
    *s = (struct signals){.loop = loop, .handle = handle, .ctx = ctx};
    s->watch.fire = fired;
    s->watch.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (s->watch.fd < 0 || !hulse_loop_add(loop, &s->watch, EPOLLIN)) {
        const int error = errno;
        hulse_signals_close(s);
        return hulse_fail(err, HULSE_IO, "signalfd: %s", strerrordesc_np(error));
    }
    return HULSE_OK;
}

void hulse_signals_close(struct signals *s)
{
    if (s->watch.fd >= 0) {
        hulse_loop_remove(s->loop, &s->watch);
        (void)close(s->watch.fd);
        s->watch.fd = -1;
    }
}

static int deadline_code; /* constant once the alarm is set */

static void deadline_passed(int number)
{
    static const char text[] = "hulsed: a worker does not end; giving up\n";
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};

    (void)number;
    /* Not when nobody reads it: this is the last way out. */
    if (poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) != 0) {
        (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    }
    _exit(deadline_code);
}

void hulse_signals_deadline(unsigned seconds, int exit_code)
{
    const struct sigaction action = {.sa_handler = deadline_passed};

    sigset_t alarm_only;

    deadline_code = exit_code;
    /* Whoever started the daemon may have blocked it. */
    HULSE_ASSERT(sigemptyset(&alarm_only) == 0 && sigaddset(&alarm_only, SIGALRM) == 0);
    HULSE_ASSERT(pthread_sigmask(SIG_UNBLOCK, &alarm_only, NULL) == 0);
    HULSE_ASSERT(sigaction(SIGALRM, &action, NULL) == 0);
    (void)alarm(seconds);
}
