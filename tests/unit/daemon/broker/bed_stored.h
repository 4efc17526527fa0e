/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bed_stored - the local broker over a store in a directory of its own; one at a time in a process.
 *
 *   begin -> open -> (reopen)* -> its end, by hulse_local_destroy() -> end
 */
#ifndef HULSE_TESTS_UNIT_DAEMON_BROKER_BED_STORED_H
#define HULSE_TESTS_UNIT_DAEMON_BROKER_BED_STORED_H

#include "daemon/broker/local/local.h"

/* Makes the directory. What comes back is what open uses: a small store; a test may change it. */
struct local_params *hulse_stored_begin(void);
struct broker *hulse_stored_open(struct error *err);
/* bed_house.reopen. */
struct broker *hulse_stored_reopen(struct broker **b, struct error *err);
/* Removes the directory. */
void hulse_stored_end(void);

#endif
