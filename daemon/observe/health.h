/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health - the result of the command `health`: is the daemon alive, is everything it needs usable?
 *
 * Threads: any; pure but for jansson's allocations.
 */
#ifndef HULSE_OBSERVE_HEALTH_H
#define HULSE_OBSERVE_HEALTH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A worker whose heartbeat is older counts as stuck. */
#define HULSE_HEALTH_BEAT_MAX_MS 5000U

struct health_worker {
    uint32_t worker;
    uint32_t sessions;
    uint64_t beat_ms; /* on the same clock as now_ms */
};

struct health_broker {
    const char *name;
    const char *type;
    bool healthy;
    const char *why;   /* it is not; NULL: it does not say */
    const char *token; /* why there is no fresh token for it; NULL: there is, or it needs none */
    const char *complaint; /* with it: what the command said that should give one; NULL: nothing */
};

struct health_input {
    const char *version;
    uint64_t pid;
    uint64_t uptime_s;
    uint64_t now_ms;
    bool draining;
    const struct health_worker *workers;
    size_t worker_count;
    const struct health_broker *brokers;
    size_t broker_count;
};

/*
 * {"status":"healthy"|"degraded"|"draining","ready":...,"pid","uptime_s","version",
 * "workers":[{"worker","alive","beat_age_ms","sessions"}],"brokers":[{"name","type","healthy","why","token","token_complaint"}]};
 * those from `why` on only where they are told. A broker whose token cannot be renewed is well as long as the one before is
 * good, and not without one.
 * NULL: memory was refused.
 */
json_t *hulse_health_compose(const struct health_input *in);

#endif
