/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema_rules - whether the schemas that topic rules name are any: a configuration with one that is
 *                none is not accepted.
 *
 * Threads: control, or before any other.
 */
#ifndef HULSE_CONTROL_SCHEMA_RULES_H
#define HULSE_CONTROL_SCHEMA_RULES_H

#include "daemon/config/config.h"

/* Notes what is wrong with them. */
void hulse_schema_rules_check(const struct config *c, struct config_problems *problems);

#endif
