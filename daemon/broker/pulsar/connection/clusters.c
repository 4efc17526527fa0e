/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clusters - see the header.
 */
#include "daemon/broker/pulsar/connection/clusters.h"

#include "daemon/core/assert.h"
#include "daemon/core/log.h"

#include <stdlib.h>
#include <string.h>

void hulse_pulsar_clusters_init(struct pulsar_clusters *c)
{
    *c = (struct pulsar_clusters){0};
    (void)pthread_mutex_init(&c->lock, NULL);
}

void hulse_pulsar_clusters_fini(struct pulsar_clusters *c)
{
    for (uint32_t i = 0; i < c->other_count; i++) {
        free(c->others[i]);
    }
    (void)pthread_mutex_destroy(&c->lock);
}

static bool same(const struct service_url *a, const struct service_url *b)
{
    if (a->tls != b->tls || a->host_count != b->host_count) {
        return false;
    }
    for (uint32_t i = 0; i < a->host_count; i++) {
        if (!hulse_pulsar_host_same(&a->hosts[i], &b->hosts[i])) {
            return false;
        }
    }
    return true;
}

static hulse_status
add(struct pulsar_clusters *c, const struct service_url *url, uint32_t *out, struct error *err)
{
    char host[PULSAR_HOST_TEXT_BYTES];

    if (c->other_count == PULSAR_CLUSTERS_MAX - 1) {
        return hulse_fail(err,
                          HULSE_LIMIT,
                          "topics were moved to more than %u other clusters",
                          PULSAR_CLUSTERS_MAX - 1);
    }
    struct service_url *copy = malloc(sizeof(*copy));
    if (copy == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for another cluster");
    }
    *copy = *url;
    c->others[c->other_count++] = copy;
    *out = c->other_count;
    hulse_pulsar_host_print(&url->hosts[0], host);
    HULSE_LOG_STATE("pulsar.migration", hulse_log_str("to", host));
    return HULSE_OK;
}

hulse_status hulse_pulsar_clusters_find(struct pulsar_clusters *c,
                                        const struct service_url *own,
                                        const char *text,
                                        uint32_t *out,
                                        struct error *err)
{
    struct service_url url;
    hulse_status st = hulse_service_url_parse(text, &url, err);

    if (st == HULSE_OK && url.tls != own->tls) {
        st = hulse_fail(
            err, HULSE_INVAL, "a cluster is to be called %s TLS", url.tls ? "with" : "without");
    }
    if (st != HULSE_OK) {
        return st;
    }
    if (same(&url, own)) {
        *out = 0;
        return HULSE_OK;
    }
    (void)pthread_mutex_lock(&c->lock);
    uint32_t at = 0;
    while (at < c->other_count && !same(c->others[at], &url)) {
        at++;
    }
    if (at < c->other_count) {
        *out = at + 1;
    } else {
        st = add(c, &url, out, err);
    }
    (void)pthread_mutex_unlock(&c->lock);
    return st;
}

const struct service_url *hulse_pulsar_clusters_at(const struct pulsar_clusters *c,
                                                   const struct service_url *own,
                                                   uint32_t number)
{
    HULSE_ASSERT(number < PULSAR_CLUSTERS_MAX);
    return number == 0 ? own : c->others[number - 1];
}
