/* SPDX-License-Identifier: Apache-2.0 */
/*
 * variables - what environment and environment files have in common: NAME=VALUE.
 */
#ifndef HULSE_CONFIG_VARIABLES_H
#define HULSE_CONFIG_VARIABLES_H

#include "daemon/config/config.h"

/*
 * Takes all variables that mean something. `origins` has one for each entry; NULL = they are the
 * process's own environment.
 */
void hulse_config_variables(struct config *c,
                            char *const *environment,
                            const struct config_origin *origins,
                            struct config_problems *problems);

#endif
