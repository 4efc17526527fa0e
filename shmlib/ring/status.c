/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status - English texts of the two number spaces of status.h.
 *
 * Here and not in shmlib/client because the daemon prints them as well.
 */
#include "include/hulse/status.h"

#include <stddef.h>

struct text {
    int number;
    const char *text;
};

static const struct text statuses[] = {
    {HULSE_OK, "ok"},
    {HULSE_AGAIN, "nothing to take or no room now"},
    {HULSE_TOOBIG, "the message exceeds a limit"},
    {HULSE_ORPHAN, "the daemon is gone"},
    {HULSE_REFUSED, "the daemon refused the session"},
    {HULSE_CLOSED, "the object or its session is closed"},
    {HULSE_INVAL, "invalid argument"},
    {HULSE_FAILED, "some messages failed"},
    {HULSE_RECEIPTS, "no room because receipts are unread"},
    {HULSE_TIMED_OUT, "timed out"},
    {HULSE_NO_DAEMON, "no daemon listens on the socket"},
    {HULSE_DENIED, "no permission"},
    {HULSE_NO_TOPIC, "the topic does not exist"},
    {HULSE_LIMIT, "a configured limit is reached"},
    {HULSE_NO_MEMORY, "out of memory"},
    {HULSE_IO, "a system call failed"},
    {HULSE_NOT_CONFIGURED, "the feature is not configured"},
    {HULSE_BUSY, "somebody else has exclusive use"},
    {HULSE_UNSUPPORTED, "not supported here"},
    {HULSE_PROTOCOL, "the other side broke the protocol"},
};

static const struct text outcomes[] = {
    {HULSE_OUTCOME_STORED, "stored"},
    {HULSE_OUTCOME_SPOOLED, "spooled"},
    {HULSE_OUTCOME_FAILED_NOT_SENT, "failed, not sent"},
    {HULSE_OUTCOME_FAILED_UNKNOWN, "failed, outcome unknown"},
    {HULSE_OUTCOME_EXPIRED, "expired before it was sent"},
    {HULSE_OUTCOME_DENIED, "no permission to produce"},
    {HULSE_OUTCOME_TOO_LARGE, "too large"},
    {HULSE_OUTCOME_DEAD_LETTERED, "dead-lettered"},
    {HULSE_OUTCOME_INTERRUPTED, "interrupted by a restart, outcome unknown"},
    {HULSE_OUTCOME_RATE_LIMITED, "over the configured rate"},
    {HULSE_OUTCOME_BREAKER_OPEN, "the circuit breaker is open"},
    {HULSE_OUTCOME_INVALID_SCHEMA, "the payload does not match the schema"},
    {HULSE_OUTCOME_FENCED, "another producer has exclusive access"},
    {HULSE_OUTCOME_NO_TOPIC, "the topic is gone"},
    {HULSE_OUTCOME_TOPIC_TERMINATED, "the topic is terminated"},
    {HULSE_OUTCOME_QUOTA_EXCEEDED, "the topic's backlog quota is exceeded"},
    {HULSE_OUTCOME_STORE_FULL, "the store is full"},
    {HULSE_OUTCOME_NO_MEMORY, "the daemon's memory limit is reached"},
    {HULSE_OUTCOME_DROPPED, "dropped by policy"},
    {HULSE_OUTCOME_BAD_RECORD, "the record's metadata is malformed"},
    {HULSE_OUTCOME_UNSUPPORTED, "its topic, or the topic's broker, cannot do what it asks for"},
};

const char *hulse_status_text(hulse_status status)
{
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        if (statuses[i].number == status) {
            return statuses[i].text;
        }
    }
    return "unknown status";
}

const char *hulse_outcome_text(unsigned outcome)
{
    for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
        if ((unsigned)outcomes[i].number == outcome) {
            return outcomes[i].text;
        }
    }
    return "unknown status";
}
