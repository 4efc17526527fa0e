/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names - lists of names in answers, and as a request wants them.
 *
 * Threads: control. Trust: what is in a list is a broker's, and judged. Limits: NAMES_MAX.
 */
#ifndef HULSE_PULSAR_ADMIN_NAMES_H
#define HULSE_PULSAR_ADMIN_NAMES_H

#include "daemon/broker/pulsar/admin/errand.h"

#define ADMIN_NAMES_MAX 100000U

/*
 * The strings of a list into a set, which keeps each once. `fold`: partitions as the topic they are of. PROTOCOL: not a list
 * of names; LIMIT: more than ADMIN_NAMES_MAX; NO_MEMORY.
 */
hulse_status hulse_admin_names_add(json_t *set, const json_t *list, bool fold);
/* The names of a set into e->block, as the result of e->admin. False: no memory. */
bool hulse_admin_names_give(struct admin_errand *e, json_t *set);
/* The text for a status of hulse_admin_names_add(). */
const char *hulse_admin_names_text(hulse_status status);

#endif
