/* SPDX-License-Identifier: Apache-2.0 */
/*
 * directory - where the store of a local broker is, and whether it can be there.
 *
 * Threads: any.
 */
#ifndef HULSE_CONFIG_DIRECTORY_H
#define HULSE_CONFIG_DIRECTORY_H

#include "daemon/config/config.h"
#include "daemon/core/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Which brokers are unused; once all sources have been read. Without memory none. */
void hulse_config_find_unused(struct config *c);
bool hulse_config_has_store(const struct config_broker *b);
/*
 * What `directory` says, else the default: that of the host for the broker `local`, a folder below
 * it for another one. False: there is none, or it is too long.
 */
bool hulse_config_directory(const struct config *c,
                            const struct config_broker *b,
                            char *out,
                            size_t out_bytes);
/*
 * Makes what is above a default one; one that was given is expected to have a place. Errors: IO, DENIED.
 */
hulse_status
hulse_config_directory_make(const struct config_broker *b, const char *path, struct error *err);
/* Can a store be there, once _make() has been called? Changes nothing. Errors: IO, DENIED, with what is wrong. */
hulse_status
hulse_config_directory_check(const struct config_broker *b, const char *path, struct error *err);

#endif
