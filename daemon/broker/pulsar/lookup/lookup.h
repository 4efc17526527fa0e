/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lookup - whether a topic has partitions, and which broker has it.
 *
 * Answers are kept for the whole host by one worker for each topic, chosen by the hash of its name; identical lookups
 * that are on their way are one. That worker asks PARTITIONED_METADATA, then LOOKUP, on its publishing connection to the service
 * URL, and follows redirects. What passes is tried again with backoff until the operation timeout.
 *
 * Threads: started, answered and cancelled on the asking worker.
 * Limits:  20 redirects; a worker asks for at most PULSAR_LOOKUP_ASKING_MAX topics at once, as official clients do, and
 *          keeps PULSAR_LOOKUP_CACHE_MAX.
 */
#ifndef HULSE_PULSAR_LOOKUP_LOOKUP_H
#define HULSE_PULSAR_LOOKUP_LOOKUP_H

#include "daemon/broker/broker.h"
#include "daemon/broker/pulsar/connection/endpoint.h"
#include "daemon/broker/pulsar/failure.h"

#define PULSAR_REDIRECTS_MAX 20U
#define PULSAR_LOOKUP_CACHE_MAX 16384U
#define PULSAR_PARTITIONS_MAX                                                                      \
    65535U /* of a topic: ids, receipts and resumed producers say one in 16 bits */
#define PULSAR_LOOKUP_ASKING_MAX 5000U

struct pulsar_worker;
struct lookup_query;

struct pulsar_lookup_result {
    struct pulsar_failure failure;   /* its class is BROKER_DONE without one */
    uint32_t partitions;             /* 0: not partitioned; otherwise there is no owner */
    struct pulsar_endpoint endpoint; /* of the topic's owner */
    uint32_t kept_ms;                /* whoever asks before hears it again */
    bool cached;                     /* it is not news */
};

/* Embedded in its owner. Zeros but for `done` before the first start. `cluster` is kept from one to the next. */
struct pulsar_lookup {
    /* Once for each start, from the loop, not after cancel. `result` is borrowed until it returns. */
    void (*done)(struct pulsar_lookup *l, const struct pulsar_lookup_result *result);
    struct lookup_query *pending; /* NULL: not on its way */
    uint32_t cluster;             /* where the topic is: clusters.h */
};

enum pulsar_lookup_how {
    PULSAR_LOOKUP_ANY,  /* a kept answer is good enough */
    PULSAR_LOOKUP_FRESH /* what is kept has just proved wrong */
};

/*
 * `topic` is a full name. `create`: if need be; else NO_TOPIC where there is none, UNSUPPORTED where the broker is too old
 * to say so. False: no memory, or the worker stops.
 */
bool hulse_pulsar_lookup_start(struct pulsar_worker *w,
                               struct pulsar_lookup *l,
                               const char *topic,
                               bool create,
                               enum pulsar_lookup_how how);
/*
 * The topic has moved: from the next start on it is looked for there. The broker closes what it has of it afterwards. What
 * cannot be used is said in the log, and changes nothing.
 */
void hulse_pulsar_lookup_migrated(struct pulsar_worker *w,
                                  struct pulsar_lookup *l,
                                  const Pulsar__CommandTopicMigrated *command);
/* Harmless when it is not on its way. */
void hulse_pulsar_lookup_cancel(struct pulsar_lookup *l);

/* Of a worker: its part of the cache. */
struct pulsar_lookups;
struct pulsar_lookups *hulse_pulsar_lookups_create(struct pulsar_worker *w, struct error *err);
/*
 * Before the pool. What was not cancelled is answered with CLOSED. Waits for the other workers, which go on; those that
 * have ended before are not waited for. NULL is harmless.
 */
void hulse_pulsar_lookups_destroy(struct pulsar_lookups **l);

/* Of what was asked of this worker, by whichever worker. */
struct pulsar_lookup_figures {
    uint64_t asked;
    uint64_t cached;    /* answered by what was kept */
    uint64_t collapsed; /* joined one that was on its way */
    uint64_t redirects;
    uint64_t failed; /* those who asked were told of a failure */
    /* Topics whose partitions became more, or fewer, while somebody watched them (watch.h), counted for each. */
    uint64_t grown;
    uint64_t shrunk;
};

/* Of a watch: a topic has more partitions, or fewer. */
void hulse_pulsar_lookups_count(struct pulsar_lookups *l, bool grown);
void hulse_pulsar_lookups_figures(const struct pulsar_lookups *l,
                                  struct pulsar_lookup_figures *out);

/* Of struct broker_ops. */
hulse_status
hulse_pulsar_topic_lookup(struct broker *b, struct broker_lookup *q, struct error *err);

#endif
