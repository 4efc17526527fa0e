/* SPDX-License-Identifier: Apache-2.0 */
/*
 * letter_target - what the template of a topic's rule makes of it: the name of the topic for its letters of a kind.
 *
 * Threads: workers registered with RCU; pure but for the tables.
 */
#ifndef HULSE_FLOW_LETTER_TARGET_H
#define HULSE_FLOW_LETTER_TARGET_H

#include "daemon/flow/flow.h"

struct letter_target {
    char of[HULSE_TOPIC_NAME_MAX]; /* the topic, without a partition */
    struct topic_name to;          /* empty: none is configured */
};

/* Whose letters they are; borrowed. */
struct letter_owner {
    const char *rules; /* the topic whose rule counts */
    const char *topic; /* full name */
    const char *subscription;
};

/* The words of a template; they borrow. */
struct letter_words
hulse_letter_words_of(const struct flow *flow, const char *of, const char *subscription);
/* INVAL: the template gives no topic's name here. */
hulse_status hulse_letter_target(struct letter_target *out,
                                 const struct flow *flow,
                                 enum letter_kind kind,
                                 const struct letter_owner *owner,
                                 struct error *err);

#endif
