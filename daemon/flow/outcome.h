/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outcome - what a failure means to the publisher: a broker's, or a refusal of flow itself.
 *
 * Threads: any; pure functions.
 */
#ifndef HULSE_FLOW_OUTCOME_H
#define HULSE_FLOW_OUTCOME_H

#include "daemon/flow/publish.h"

struct refusal {
    uint8_t outcome; /* enum hulse_outcome */
    enum broker_class class;
    enum topic_refusal counter;
};

/* When the broker named no outcome itself: enum hulse_outcome. */
uint8_t hulse_outcome_of(enum broker_class class);

const struct refusal *hulse_refusal_of(enum publish_check why);

#endif
