/* SPDX-License-Identifier: Apache-2.0 */
/*
 * take_over - the daemon that has what this one needs is made to go (`--replace`).
 *
 * Threads: main.
 */
#ifndef HULSE_PROGRAM_TAKE_OVER_H
#define HULSE_PROGRAM_TAKE_OVER_H

#include "daemon/config/config.h"

/* Before the brokers are made: their stores are closed behind the sockets. */
hulse_status hulse_take_over(const struct config *config, struct error *err);

#endif
