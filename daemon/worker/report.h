/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report - what one worker tells the control thread for `hulse stats`.
 *
 * Filled by the worker's modules on the worker, read by control after the answer has arrived.
 * Owns: its arrays, from hulse_mem_alloc(HULSE_MEM_ADMIN, …); free with hulse_report_fini().
 */
#ifndef HULSE_WORKER_REPORT_H
#define HULSE_WORKER_REPORT_H

#include "daemon/core/merge.h"

#include <stddef.h>
#include <stdint.h>

#define HULSE_REPORT_FIGURES_MAX 96U

struct topic_report {
    char name[1100]; /* terminated */
    uint32_t producers;
    uint32_t consumers;
    uint32_t subscriptions;
    uint64_t published; /* messages taken in */
    uint64_t published_bytes;
    uint64_t delivered;
    uint64_t acknowledged;
    uint64_t redelivered;
    uint64_t dropped; /* not kept: no room in a subscription's bound */
    uint64_t lost;    /* damaged in the store, once for each subscription that came to it */
    uint64_t backlog; /* messages waiting or without verdict, over all subscriptions */
};

/* A subscription that is consumed; of a topic with partitions a row for each. */
struct subscription_report {
    char topic[1100]; /* the whole one's; terminated */
    char subscription[256];
    uint64_t lag; /* entries of the broker that are not acknowledged */
};

/* A number of a broker's client. */
struct report_figure {
    const char *name; /* static; the same on every worker */
    uint64_t value;
    enum merge merge; /* over workers */
};

struct broker_report {
    const char *broker; /* its name, which outlives the workers */
    uint32_t count;
    struct report_figure figures[HULSE_REPORT_FIGURES_MAX];
};

struct worker_report {
    uint32_t worker;
    uint32_t sessions;
    uint32_t channels;
    uint32_t producers;
    uint32_t consumers;
    uint64_t records_taken;
    uint64_t bytes_taken;
    uint64_t receipts_posted;
    uint64_t deliveries_posted;
    uint64_t verdicts_ignored;     /* V13 */
    uint64_t verdicts_dropped;     /* verdict `drop` */
    uint64_t dead_letters;         /* messages stored in their dead-letter topic */
    uint64_t dead_letters_failed;  /* that could not be, and come again */
    uint64_t retry_letters;        /* messages stored in their retry topic */
    uint64_t retry_letters_failed; /* that could not be, and come again */
    uint64_t missed_doorbells;     /* must stay 0 */
    uint64_t bells;                /* bell edges seen */
    uint64_t wakes;                /* wake pipe writes */
    uint64_t visits;               /* channel visits that took something */
    uint64_t penalties;
    uint64_t rule_violations; /* sessions closed by a rule of ipc C1 */
    uint64_t lost_after_exit;
    uint64_t turns;
    uint64_t parks;
    uint64_t spin_ns; /* the window in force */
    struct topic_report *topics;
    size_t topic_count;
    size_t topic_capacity;
    struct broker_report *brokers;
    size_t broker_count;
    size_t broker_capacity;
    struct subscription_report *subscriptions;
    size_t subscription_count;
    size_t subscription_capacity;
};

/* Room for one more topic, zeroed, or NULL over the memory cap. */
struct topic_report *hulse_report_topic(struct worker_report *r);
/* The same of a subscription. */
struct subscription_report *hulse_report_subscription(struct worker_report *r);
/* Room for one more broker, without figures, or NULL over the memory cap. */
struct broker_report *hulse_report_broker(struct worker_report *r, const char *broker);
/* Over workers a sum. */
void hulse_report_figure(struct broker_report *b, const char *name, uint64_t value);
void hulse_report_merged(struct broker_report *b,
                         const char *name,
                         uint64_t value,
                         enum merge merge);
void hulse_report_fini(struct worker_report *r);

#endif
