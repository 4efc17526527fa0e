/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outcome - see outcome.h.
 */
#include "daemon/flow/outcome.h"

#include "daemon/core/assert.h"

static const struct refusal refusals[PUBLISH_CHECKS] = {
    [PUBLISH_DENIED] = {HULSE_OUTCOME_DENIED, BROKER_DENIED, TOPIC_REFUSED_DENIED},
    [PUBLISH_TOO_LARGE] = {HULSE_OUTCOME_TOO_LARGE, BROKER_TOO_LARGE, TOPIC_REFUSED_TOO_LARGE},
    [PUBLISH_EXPIRED] = {HULSE_OUTCOME_EXPIRED, BROKER_FAIL, TOPIC_REFUSED_EXPIRED},
    [PUBLISH_APP_RATE] = {HULSE_OUTCOME_RATE_LIMITED, BROKER_FAIL, TOPIC_REFUSED_APP_RATE},
    [PUBLISH_ROLE_RATE] = {HULSE_OUTCOME_RATE_LIMITED, BROKER_FAIL, TOPIC_REFUSED_ROLE_RATE},
    [PUBLISH_TOPIC_RATE] = {HULSE_OUTCOME_RATE_LIMITED, BROKER_FAIL, TOPIC_REFUSED_TOPIC_RATE},
    [PUBLISH_DROPPED] = {HULSE_OUTCOME_DROPPED, BROKER_FAIL, TOPIC_REFUSED_DROPPED},
    [PUBLISH_NO_MEMORY] = {HULSE_OUTCOME_NO_MEMORY, BROKER_FAIL, TOPIC_REFUSED_DROPPED},
};

uint8_t hulse_outcome_of(enum broker_class class)
{
    switch (class) {
    case BROKER_DONE:
        return HULSE_OUTCOME_STORED;
    case BROKER_DENIED:
        return HULSE_OUTCOME_DENIED;
    case BROKER_TOO_LARGE:
        return HULSE_OUTCOME_TOO_LARGE;
    case BROKER_FENCED:
        return HULSE_OUTCOME_FENCED;
    case BROKER_RELOOKUP:
        return HULSE_OUTCOME_FAILED_NOT_SENT;
    case BROKER_RETRY:
    case BROKER_FAIL:
    case BROKER_BREAK:
        break;
    }
    return HULSE_OUTCOME_FAILED_UNKNOWN;
}

const struct refusal *hulse_refusal_of(enum publish_check why)
{
    HULSE_ASSERT(why < PUBLISH_CHECKS);
    return &refusals[why];
}
