/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_answer - the results of the commands `config` and `reload`.
 *
 * Threads: control.
 */
#ifndef HULSE_CONTROL_CONFIG_ANSWER_H
#define HULSE_CONTROL_CONFIG_ANSWER_H

#include "daemon/control/reload.h"

#include <jansson.h>

/* {"yaml":"..."}: what is in effect, with origins and without secrets. NULL: no memory. */
json_t *hulse_config_answer(const struct reload *r);
/* Reloads and tells what came of it. NULL: no memory for the answer. */
json_t *hulse_reload_answer(struct reload *r);

#endif
