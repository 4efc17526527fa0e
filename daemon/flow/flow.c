/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow - see the header.
 */
#include "daemon/flow/flow.h"

#include "daemon/core/assert.h"

struct broker *hulse_flow_route(const struct flow *f, const char *topic, struct error *err)
{
    HULSE_ASSERT(f->broker_count <= HULSE_FLOW_BROKERS_MAX);

    for (unsigned i = 0; i < f->broker_count; i++) {
        if (f->brokers[i] == f->default_broker) {
            return f->brokers[i];
        }
    }
    (void)hulse_fail(err, HULSE_NO_TOPIC, "no broker serves topic %s", topic);
    return NULL;
}
