/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals - the process's signals as events of the control loop.
 *
 * Threads: block by main before any thread starts, so that all inherit the mask; the rest control.
 */
#ifndef HULSE_CONTROL_SIGNALS_H
#define HULSE_CONTROL_SIGNALS_H

#include "daemon/core/error.h"
#include "daemon/worker/loop.h"

#include <stdbool.h>

struct signals {
    struct watch watch;
    struct loop *loop;
    void (*handle)(void *ctx, int number);
    void *ctx;
};

/* Blocks TERM, INT, HUP and USR1 in the calling thread. */
void hulse_signals_block(void);
/* `handle` gets each signal, one after another. */
hulse_status hulse_signals_open(struct signals *s,
                                struct loop *loop,
                                void (*handle)(void *ctx, int number),
                                void *ctx,
                                struct error *err);
void hulse_signals_close(struct signals *s);
/*
 * Ends the process with `exit_code` unless it has ended by itself after so many seconds: for the
 * last steps, in which the control thread waits for others and hears no signal.
 */
void hulse_signals_deadline(unsigned seconds, int exit_code);

#endif
