/* SPDX-License-Identifier: Apache-2.0 */
/*
 * helper - commands of the operator (`token_command`), run by a process of its own.
 *
 * The process is forked before the first thread, so that the daemon itself need never start
 * programs and its sandbox may forbid it, and before the configuration is read, so that it holds
 * none of its secrets. It runs each command with `/bin/sh -c`, the daemon's environment and no
 * input. With the command ends all that it has started, detached or not (helper_command.h). The
 * process ends with the daemon. It is not restarted: after the start nobody could.
 *
 * One that talks has an input as well, and is heard line by line while it runs.
 *
 * Rights:  those of the daemon's user, without capabilities, and none by setuid programs (it sets
 *          PR_SET_NO_NEW_PRIVS); so have the commands. Nobody but root can look into it.
 * Threads: fork by main before any other thread; the rest control.
 * Trust:   output, on both descriptors, may be anything; it is bounded, handed on as bytes, never
 *          logged, and wiped.
 * Limits:  16 commands at once, 4095 bytes of command, 64 KiB of output. A helper that does not
 *          answer (somebody has stopped it) is waited for HULSE_HELPER_GRACE_MS beyond the time of
 *          the command.
 */
#ifndef HULSE_CONTROL_HELPER_H
#define HULSE_CONTROL_HELPER_H

#include "daemon/control/helper_wire.h"
#include "daemon/core/error.h"
#include "daemon/worker/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#define HULSE_HELPER_GRACE_MS 4000U /* more than it takes to end a command whose time is up */

struct helper_result {
    /* OK: it exited with 0. FAILED: it did not, or did not start. TIMED_OUT, TOOBIG; CLOSED. */
    hulse_status status;
    const char *output; /* standard output, with OK; borrowed during done() */
    size_t output_bytes;
    const char *why; /* unless OK: how it ended, in our words */
    /* Unless OK: the last line of its standard error, in plain characters; "" without one. It may
       hold anything that the command knows, so it is for the operator who asks, never for the log. */
    const char *complaint;
};

/* One command on its way. The caller's memory, until done() or cancel. */
struct helper_call {
    LIST_ENTRY(helper_call) link;
    uint32_t id;     /* 0 = not running */
    uint64_t due_ms; /* CLOCK_MONOTONIC: until then the helper answers, or nobody does */
    /* Of one that talks: it has printed these whole lines. As done(), but may come often. */
    void (*said)(struct helper_call *call, const char *lines, size_t bytes);
    /* Comes once, never from within hulse_helper_run(). It may run and cancel calls. */
    void (*done)(struct helper_call *call, const struct helper_result *result);
};

struct helper {
    struct watch watch; /* fd -1: the process is gone */
    struct loop *loop;  /* NULL before attach */
    struct timer timer; /* of the first call that is due; stopped while nothing runs */
    pid_t pid;
    uint32_t last_id;
    uint32_t running;
    LIST_HEAD(, helper_call) calls;
    struct helper_answer answer; /* the one being read */
};

/* Forks the process, and resets SIGCHLD to its default. Nothing else is open afterwards, and nothing to undo on failure. */
hulse_status hulse_helper_fork(struct helper *h, struct error *err);
/* From here on answers arrive on the loop. */
hulse_status hulse_helper_attach(struct helper *h, struct loop *loop, struct error *err);
/*
 * Ends the process and what it runs, within 2 s and the time of a kill. Calls that are still on
 * their way get no done(). Before the loop is gone; harmless a second time.
 */
void hulse_helper_close(struct helper *h);

/*
 * Runs `command` and kills it after timeout_ms; done() comes at most HULSE_HELPER_GRACE_MS later,
 * whatever the process does. CLOSED: there is no process any more; LIMIT: too
 * many at once; TOOBIG: the command is too long; IO.
 */
hulse_status hulse_helper_run(struct helper *h,
                              struct helper_call *call,
                              const char *command,
                              uint32_t timeout_ms,
                              struct error *err);
/* The same with a command that talks, until it ends by itself or its time is over; said() is set. */
hulse_status hulse_helper_talk(struct helper *h,
                               struct helper_call *call,
                               const char *command,
                               uint32_t timeout_ms,
                               struct error *err);
/* To the input of one that talks, which reads what it gets. TOOBIG: as a command; CLOSED; IO. */
hulse_status hulse_helper_say(
    struct helper *h, struct helper_call *call, const char *text, size_t bytes, struct error *err);
/* Kills the command; done() will not come. Harmless on a call that is not running. */
void hulse_helper_cancel(struct helper *h, struct helper_call *call);

#endif
