/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema_files - the files of definitions that topic rules name. What stands in them is judged by
 *                whoever knows schemas.
 *
 * Trust:  the files are the operator's.
 * Limits: HULSE_SCHEMA_FILE_BYTES_MAX.
 */
#ifndef HULSE_CONFIG_SCHEMA_FILES_H
#define HULSE_CONFIG_SCHEMA_FILES_H

#include "daemon/config/config.h"

#define HULSE_SCHEMA_FILE_BYTES_MAX (1U << 20U)

/* Reads those of all rules. */
void hulse_schema_files_load(struct config *c, struct config_problems *problems);

#endif
