/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker - what one worker has of a Pulsar broker.
 *
 * Threads: the worker's, but for `broker`, which is constant.
 */
#ifndef HULSE_PULSAR_WORKER_H
#define HULSE_PULSAR_WORKER_H

#include "daemon/broker/pulsar/admin/rest.h"
#include "daemon/broker/pulsar/backoff.h"
#include "daemon/broker/pulsar/connection/clusters.h"
#include "daemon/broker/pulsar/connection/pool.h"
#include "daemon/broker/pulsar/connection/reach.h"
#include "daemon/broker/pulsar/connection/service_url.h"
#include "daemon/broker/pulsar/connection/tls_news.h"
#include "daemon/broker/pulsar/consumer/lag.h"
#include "daemon/broker/pulsar/lookup/crew.h"
#include "daemon/broker/pulsar/lookup/lookup.h"
#include "daemon/broker/pulsar/lookup/web.h"
#include "daemon/broker/pulsar/pulsar.h"
#include "daemon/broker/pulsar/topics/topics.h"
#include "daemon/broker/pulsar/trouble.h"
#include "daemon/broker/pulsar/wire/compression.h"
#include "daemon/worker/worker.h"

struct pulsar_consumers;
struct pulsar_senders;

struct pulsar_broker {
    struct broker base;
    struct broker_ops ops;       /* base's */
    struct rest rest;            /* control's; of the admin_url */
    struct web_desk web;         /* control's; with a service URL that is http:// or https:// */
    struct pulsar_params params; /* strings are the broker's own */
    struct service_url service;
    struct pulsar_clusters clusters;
    struct pulsar_crew crew;
    struct pulsar_reach reach;
    uint8_t boot_id[8];                  /* of this start of the daemon: in producers' names */
    _Atomic(uint32_t) connections_ready; /* over the workers */
    /* Of the last attempt to reach the cluster; 0: it has not failed. */
    _Atomic(uint64_t) failed_ms;
    struct pulsar_trouble trouble;
    struct lag_table lags;
    struct tls_news tls_news;
};

struct pulsar_worker {
    struct pulsar_broker *broker;
    struct worker *worker;
    struct loop *loop; /* the worker's */
    struct jitter jitter;
    struct pulsar_pool *pool;
    struct pulsar_lookups *lookups;
    struct wire_contexts *contexts;
    struct pulsar_senders *senders;     /* producer/ */
    struct pulsar_consumers *consumers; /* consumer/ */
    struct pulsar_topic_figures topics; /* topics/ */
};

/* The state of this broker on the running worker. */
struct pulsar_worker *hulse_pulsar_worker(struct broker *b, struct worker *w);

#endif
