/* SPDX-License-Identifier: Apache-2.0 */
/*
 * position - a place in a topic, as people write it.
 *
 * Threads: pure. Trust: text that may be anything.
 */
#ifndef HULSE_ADMIN_POSITION_H
#define HULSE_ADMIN_POSITION_H

#include "daemon/broker/broker.h"

#include <stdbool.h>

/*
 * "earliest", "latest", or an id (id_text.h), at that message. False: none of these, or NULL.
 */
bool hulse_admin_position_parse(const char *text, struct broker_position *out);

#endif
