/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unsupported - refusals of the calls that a broker does not have, for its table of functions.
 *
 * Threads: any; pure functions.
 */
#ifndef HULSE_BROKER_COMMON_UNSUPPORTED_H
#define HULSE_BROKER_COMMON_UNSUPPORTED_H

#include "daemon/broker/broker.h"

hulse_status
hulse_unsupported_schema(struct broker *b, struct broker_schema_request *q, struct error *err);
hulse_status hulse_unsupported_stats(struct broker *b, struct broker_stats *q, struct error *err);
hulse_status hulse_unsupported_admin(struct broker *b, struct broker_admin *q, struct error *err);

#endif
