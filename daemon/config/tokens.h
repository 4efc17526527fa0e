/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tokens - the secrets of a role: one a line; empty lines and lines that begin with # are ignored.
 *
 * Trust:  the file is the operator's; its text is never printed.
 * Limits: HULSE_TOKENS_FILE_BYTES_MAX, HULSE_TOKENS_MAX, and what a token may be.
 */
#ifndef HULSE_CONFIG_TOKENS_H
#define HULSE_CONFIG_TOKENS_H

#include "daemon/config/config.h"

#define HULSE_TOKENS_FILE_BYTES_MAX 65536U
#define HULSE_TOKENS_MAX 1024U
#define HULSE_TOKEN_BYTES_MIN 8U
#define HULSE_TOKEN_BYTES_MAX 512U

/* Reads the files of all roles that have one. */
void hulse_tokens_load(struct config *c, struct config_problems *problems);

#endif
