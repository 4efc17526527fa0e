/* SPDX-License-Identifier: Apache-2.0 */
/* stop - the signals that end a command (contract in stop.h). */
#include "shmlib/cli/stop.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

static_assert(ATOMIC_INT_LOCK_FREE == 2, "used in a signal handler");

static atomic_int stop_requested;
static int stop_fd = -1;

static void on_signal(int signal_number)
{
    const int saved = errno;
    const uint64_t one = 1;

    (void)signal_number;
    /* Relaxed because the handler runs on the only thread there is. */
    atomic_store_explicit(&stop_requested, 1, memory_order_relaxed);
    /* It can fail only when the counter is full, and it is readable then. */
    const ssize_t written = write(stop_fd, &one, sizeof(one));
    (void)written;
    errno = saved;
}

static bool handle(bool kill)
{
    /* No SA_RESTART: a wait in progress has to look at the flag. */
    const struct sigaction action = {.sa_handler = kill ? SIG_DFL : on_signal,
                                     .sa_flags = kill ? 0 : (int)SA_RESETHAND};

    return sigaction(SIGINT, &action, NULL) == 0 && sigaction(SIGTERM, &action, NULL) == 0;
}

bool hulse_cli_stop_install(void)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};

    stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return stop_fd >= 0 && handle(false) && sigaction(SIGPIPE, &ignore, NULL) == 0;
}

void hulse_cli_stop_kill(bool kill)
{
    if (kill || !hulse_cli_stop_requested()) {
        (void)handle(kill);
    }
    if (kill && hulse_cli_stop_requested()) {
        (void)raise(SIGTERM); /* one that came before */
    }
}

bool hulse_cli_stop_requested(void)
{
    /* Relaxed because nothing else is read after it that the handler wrote. */
    return atomic_load_explicit(&stop_requested, memory_order_relaxed) != 0;
}

int hulse_cli_stop_fd(void)
{
    return stop_fd;
}
