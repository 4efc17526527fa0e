/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_bed - an HTTP client on a loop of its own, with the name server of the tests.
 *
 * Threads: the test's, which is control.
 */
#ifndef HULSE_TESTS_SUPPORT_HTTP_BED_H
#define HULSE_TESTS_SUPPORT_HTTP_BED_H

#include "daemon/net/http_client.h"
#include "tests/support/dns_server.h"

struct http_bed {
    struct loop loop;
    struct resolver resolver;
    struct http_client client;
    struct dns_server dns;
};

void hulse_http_bed_start(struct http_bed *bed);
/* Gives when a timer that was left behind would have fired; HULSE_TIMER_NEVER: there is none. */
uint64_t hulse_http_bed_stop(struct http_bed *bed);

#endif
