/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bed - workers with the lookups of one broker and no more of it.
 *
 * Threads: the test's.
 */
#ifndef HULSE_TESTS_LOOKUP_BED_H
#define HULSE_TESTS_LOOKUP_BED_H

#include "daemon/broker/pulsar/worker.h"

#include <semaphore.h>

#define BED_WORKERS_MAX 3U

struct lookup_bed {
    struct pulsar_broker *broker;
    uint32_t count;
    struct worker *workers[BED_WORKERS_MAX];
    _Atomic(uint32_t) runnable;
};

struct lookup_bed_params {
    uint32_t workers;
    const char *service_url;
    struct http_client
        *http; /* of a service URL that is http://; the test's thread is control then */
    const char *listener;
    uint32_t operation_timeout_ms; /* 0: 20 s */
    uint32_t partitions_refresh_ms;
};

void hulse_lookup_bed_start(struct lookup_bed *b, const struct lookup_bed_params *params);
/* Of one worker; the others go on. */
void hulse_lookup_bed_stop_worker(struct lookup_bed *b, uint32_t worker);
/* Those that are left, one after another. */
void hulse_lookup_bed_stop(struct lookup_bed *b);
/* Runs on the worker; returns when it has. */
void hulse_lookup_bed_run(struct lookup_bed *b,
                          uint32_t worker,
                          void (*run)(struct pulsar_worker *w, void *ctx),
                          void *ctx);

/* ---- lookups ---- */

struct asked {
    struct pulsar_lookup lookup;
    struct pulsar_lookup_result result;
    uint32_t answers;
    sem_t answered;
};

struct wish {
    const char *topic;
    bool create;
    enum pulsar_lookup_how how;
};

/* One that is not started; each is ended once. */
void hulse_asked_init(struct asked *a);
void hulse_asked_fini(struct asked *a);
void hulse_lookup_bed_ask(struct lookup_bed *b,
                          uint32_t worker,
                          struct asked *a,
                          const struct wish *wish);
void hulse_lookup_bed_cancel(struct lookup_bed *b, uint32_t worker, struct asked *a);
void hulse_asked_await(struct asked *a);

#endif
