/* SPDX-License-Identifier: Apache-2.0 */
/*
 * broker_topics - a watch over the topics of one namespace: those that are there, those that come, those that go.
 *
 * Topics with partitions are told as one topic. A name may be told more than once, and one that does not match the
 * pattern may be told too: the broker helps, who asks judges.
 *
 * Threads: the worker that opened it, calls and events. Any event may come before the call that causes it returns, and may
 *          close the watch.
 */
#ifndef HULSE_BROKER_BROKER_TOPICS_H
#define HULSE_BROKER_BROKER_TOPICS_H

#include "daemon/broker/broker_message.h"

/* Full names, terminated, one behind the other; borrowed during the event. */
struct broker_topic_names {
    const char *names;
    uint32_t count;
};

struct broker_topics_events {
    /* All there are: what was told before and is not among them has gone. */
    void (*listed)(void *ctx, const struct broker_topic_names *all);
    /* What has come since. */
    void (*added)(void *ctx, const struct broker_topic_names *more);
    /* They cannot be had now. It is tried again with backoff, whatever the reason; what was told stands. */
    void (*failed)(void *ctx, hulse_status status, const char *text);
};

struct broker_topics_params {
    const char *namespace_name; /* "tenant/namespace"; these are borrowed until the call returns */
    const char *pattern; /* RE2, of the whole name without a scheme, "tenant/namespace/name" */
    bool persistent;     /* which of them; at least one */
    bool non_persistent;
    const struct broker_topics_events *events;
    void *ctx;
};

/* Embedded first in an implementation's watch. */
struct broker_topics {
    const struct broker_topics_events *events;
    void *ctx;
};

#endif
