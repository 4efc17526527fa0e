/* SPDX-License-Identifier: Apache-2.0 */
/*
 * change - what differs between the configuration that runs and one that was read afresh.
 *
 * Threads: one at a time.
 */
#ifndef HULSE_CONFIG_CHANGE_H
#define HULSE_CONFIG_CHANGE_H

#include "daemon/config/config.h"

/* Keys and lists, by path. All are static strings. */
struct config_change {
    const char *applied[HULSE_CONFIG_KEYS_MAX];
    size_t applied_count;
    const char *restart[HULSE_CONFIG_KEYS_MAX]; /* wanted, and not before the next start */
    size_t restart_count;
};

/*
 * Compares the two, and puts the running value of everything that takes a restart into *fresh, so
 * that it says what is in effect. False: no memory.
 */
bool hulse_config_take_over(struct config *fresh,
                            const struct config *running,
                            struct config_change *out);

#endif
