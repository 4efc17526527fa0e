/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health - see health.h.
 */
#include "daemon/observe/health.h"

static uint64_t beat_age_ms(const struct health_input *in, const struct health_worker *w)
{
    /* The worker's clock may be read a moment after ours. */
    return in->now_ms > w->beat_ms ? in->now_ms - w->beat_ms : 0;
}

static json_t *compose_workers(const struct health_input *in, bool *fine)
{
    json_t *array = json_array();
    int rc = 0;

    for (size_t i = 0; i < in->worker_count; i++) {
        const struct health_worker *w = &in->workers[i];
        const uint64_t age_ms = beat_age_ms(in, w);
        const bool alive = age_ms <= HULSE_HEALTH_BEAT_MAX_MS;
        *fine = *fine && alive;
        rc |= json_array_append_new(array,
                                    json_pack("{s:I, s:b, s:I, s:I}",
                                              "worker",
                                              (json_int_t)w->worker,
                                              "alive",
                                              alive ? 1 : 0,
                                              "beat_age_ms",
                                              (json_int_t)age_ms,
                                              "sessions",
                                              (json_int_t)w->sessions));
    }
    if (rc != 0) {
        json_decref(array);
        return NULL;
    }
    return array;
}

static json_t *compose_brokers(const struct health_input *in, bool *fine)
{
    json_t *array = json_array();
    int rc = 0;

    for (size_t i = 0; i < in->broker_count; i++) {
        const struct health_broker *b = &in->brokers[i];
        *fine = *fine && b->healthy;
        rc |= json_array_append_new(array,
                                    json_pack("{s:s, s:s, s:b, s:s*, s:s*, s:s*}",
                                              "name",
                                              b->name,
                                              "type",
                                              b->type,
                                              "healthy",
                                              b->healthy ? 1 : 0,
                                              "why",
                                              b->healthy ? NULL : b->why,
                                              "token",
                                              b->token,
                                              "token_complaint",
                                              b->complaint));
    }
    if (rc != 0) {
        json_decref(array);
        return NULL;
    }
    return array;
}

json_t *hulse_health_compose(const struct health_input *in)
{
    bool fine = true;
    json_t *workers = compose_workers(in, &fine);
    json_t *brokers = compose_brokers(in, &fine);
    const char *status = in->draining ? "draining" : fine ? "healthy" : "degraded";

    /* `o` takes a reference even when the whole fails, and a NULL makes it fail. */
    return json_pack("{s:s, s:b, s:I, s:I, s:s, s:o, s:o}",
                     "status",
                     status,
                     "ready",
                     in->draining ? 0 : 1,
                     "pid",
                     (json_int_t)in->pid,
                     "uptime_s",
                     (json_int_t)in->uptime_s,
                     "version",
                     in->version,
                     "workers",
                     workers,
                     "brokers",
                     brokers);
}
