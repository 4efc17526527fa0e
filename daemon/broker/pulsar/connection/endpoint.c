/* SPDX-License-Identifier: Apache-2.0 */
/*
 * endpoint - see the header.
 */
#include "daemon/broker/pulsar/connection/endpoint.h"

bool hulse_pulsar_endpoint_same(const struct pulsar_endpoint *a, const struct pulsar_endpoint *b)
{
    return a->tls == b->tls && a->proxied == b->proxied &&
           hulse_pulsar_host_same(&a->physical, &b->physical) &&
           hulse_pulsar_host_same(&a->logical, &b->logical);
}

bool hulse_pulsar_is_gated(const struct pulsar_endpoint *to, hulse_status status)
{
    return !to->proxied && (status == HULSE_IO || status == HULSE_TIMED_OUT ||
                            status == HULSE_PROTOCOL || status == HULSE_DENIED);
}
