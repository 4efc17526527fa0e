/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wishes - what an application wants of its subscription beside name and type, kept until its broker is asked.
 *
 * Threads: pure.
 */
#ifndef HULSE_FLOW_WISHES_H
#define HULSE_FLOW_WISHES_H

#include "daemon/broker/broker.h"

/* Of what they point to. `w` may be NULL. */
size_t hulse_flow_wishes_bytes(const struct broker_wishes *w);
/* `at` has room for those bytes, and is aligned as struct broker_key_range. */
void hulse_flow_wishes_copy(struct broker_wishes *to, char *at, const struct broker_wishes *from);
/* By a broker without BROKER_CAN_WISHES: OK when there are none, else UNSUPPORTED with the first one's name. */
hulse_status
hulse_flow_wishes_refuse(const struct broker_wishes *w, const struct broker *b, struct error *err);

#endif
