/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retry_name - which retry topic goes with a topic, as its rule says (consume.retry_letter).
 *
 * A topic whose name is what its own rule makes of another one's, with this subscription, is that one's retry topic, by
 * whatever name it is consumed: what is retried there goes there again, and there is no retry topic of a retry topic.
 *
 * Threads: workers registered with RCU; pure but for the tables.
 */
#ifndef HULSE_FLOW_RETRY_NAME_H
#define HULSE_FLOW_RETRY_NAME_H

#include "daemon/flow/flow.h"

enum retry_place {
    RETRY_NOWHERE = 0, /* none is configured, or the topic keeps no messages */
    RETRY_BESIDE,      /* a topic beside it, which its consumers consume, too */
    RETRY_ITSELF       /* it is a retry topic */
};

struct retry_name {
    enum retry_place place;
    bool like;                        /* it could be another subscription's retry topic */
    char topic[HULSE_TOPIC_NAME_MAX]; /* full name; empty: nowhere */
    char of[HULSE_TOPIC_NAME_MAX];    /* the topic whose messages are retried there */
};

/* `topic` is a full name. INVAL: the template gives no topic's name here, or that of one that keeps no messages. */
hulse_status hulse_retry_name(struct retry_name *out,
                              const struct flow *flow,
                              const char *topic,
                              const char *subscription,
                              struct error *err);

#endif
