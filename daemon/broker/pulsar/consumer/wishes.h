/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wishes - what a consumer wants of its subscription beside name and type (struct broker_wishes). Kept as SUBSCRIBE says it, because each session says it again.
 *
 * Threads: pure.
 */
#ifndef HULSE_PULSAR_CONSUMER_WISHES_H
#define HULSE_PULSAR_CONSUMER_WISHES_H

#include "daemon/broker/broker.h"

#include <pulsar_api.pb-c.h>

#define PULSAR_KEY_RANGES_MAX 1024U
/* Of properties, encoded. A broker takes less. */
#define PULSAR_WISHES_BYTES_MAX 65536U

struct consumer_wishes;

/* *out is NULL when there are none. INVAL: ranges or properties that cannot be, or a wish that such a consumer cannot have. */
hulse_status hulse_wishes_create(struct consumer_wishes **out,
                                 const struct broker_consumer_params *whole,
                                 struct error *err);
/* NULL is harmless. */
void hulse_wishes_destroy(struct consumer_wishes **wishes);
/* Into SUBSCRIBE, whose keysharedmeta is set with Key_Shared; borrowed from `w`, which may be NULL. */
void hulse_wishes_put(struct consumer_wishes *w, Pulsar__CommandSubscribe *s);

#endif
