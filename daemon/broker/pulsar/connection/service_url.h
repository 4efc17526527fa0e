/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service_url - pulsar://HOST[:PORT],... or pulsar+ssl://..., the way into a cluster; and the URL of one broker
 * in answers, which has one host. An admin URL is the same with http:// or https://, ports 8080 and 8443.
 *
 * Threads: pure.
 * Trust:   parse judges text that may be anything.
 * Limits:  16 hosts.
 * See:     pulsar.apache.org, client configuration: ports 6650 and 6651; `,` and `;` separate; IPv6 in brackets; a path
 *          is ignored, a user is refused.
 */
#ifndef HULSE_PULSAR_CONNECTION_SERVICE_URL_H
#define HULSE_PULSAR_CONNECTION_SERVICE_URL_H

#include "daemon/core/error.h"

#include <stdbool.h>
#include <stdint.h>

#define PULSAR_HOSTS_MAX 16U
/* RFC 1035, 2.3.4, with the terminating zero. */
#define PULSAR_HOST_BYTES 254U

struct pulsar_host {
    char name[PULSAR_HOST_BYTES]; /* or an address; of IPv6 without brackets */
    uint16_t port;
};

struct service_url {
    struct pulsar_host hosts[PULSAR_HOSTS_MAX];
    uint32_t host_count; /* at least 1 */
    bool tls;
    bool http; /* of an admin URL: what is asked there is asked over HTTP */
};

/* INVAL with what is wrong and where. */
hulse_status hulse_service_url_parse(const char *text, struct service_url *out, struct error *err);
hulse_status hulse_admin_url_parse(const char *text, struct service_url *out, struct error *err);

/* "host:port", IPv6 in brackets, terminated. */
#define PULSAR_HOST_TEXT_BYTES (PULSAR_HOST_BYTES + 8U)
void hulse_pulsar_host_print(const struct pulsar_host *h, char out[PULSAR_HOST_TEXT_BYTES]);
/* Names without regard to case. */
bool hulse_pulsar_host_same(const struct pulsar_host *a, const struct pulsar_host *b);

#endif
