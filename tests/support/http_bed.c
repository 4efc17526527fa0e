/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_bed - see the header.
 */
#include "tests/support/http_bed.h"

#include "tests/support/check.h"

void hulse_http_bed_start(struct http_bed *bed)
{
    struct resolver_params params = {.timeout_ms = 10000, .tries = 1};

    assert_true(hulse_loop_init(&bed->loop, 16));
    hulse_test_dns_start(&bed->dns);
    params.servers = bed->dns.address;
    hulse_resolver_init(&bed->resolver, &bed->loop, &params);
    hulse_http_client_init(&bed->client, &bed->loop, &bed->resolver);
}

uint64_t hulse_http_bed_stop(struct http_bed *bed)
{
    hulse_http_client_fini(&bed->client);
    hulse_resolver_fini(&bed->resolver);
    hulse_test_dns_stop(&bed->dns);
    const uint64_t next_ms = hulse_timer_next(&bed->loop.timers);
    hulse_loop_fini(&bed->loop);
    return next_ms;
}
