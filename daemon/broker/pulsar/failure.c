/* SPDX-License-Identifier: Apache-2.0 */
/*
 * failure - see the header.
 */
#include "daemon/broker/pulsar/failure.h"

#include <stdio.h>
#include <string.h>

struct meaning {
    const char *name;
    enum pulsar_verdict verdict;
    enum broker_class class;
    hulse_status status;
    uint8_t outcome;
};

#define ERROR(name) [PULSAR__SERVER_ERROR__##name] = {#name,
#define END }

/* clang-format off */
static const struct meaning errors[] = {
    ERROR(UnknownError) PULSAR_AGAIN, BROKER_RETRY, HULSE_IO, HULSE_OUTCOME_FAILED_UNKNOWN END,
    ERROR(MetadataError) PULSAR_AGAIN, BROKER_RETRY, HULSE_IO, HULSE_OUTCOME_FAILED_UNKNOWN END,
    ERROR(PersistenceError) PULSAR_AGAIN, BROKER_RETRY, HULSE_IO, HULSE_OUTCOME_FAILED_UNKNOWN END,
    ERROR(AuthenticationError) PULSAR_AGAIN, BROKER_DENIED, HULSE_DENIED, HULSE_OUTCOME_DENIED END,
    ERROR(AuthorizationError) PULSAR_REFUSED, BROKER_DENIED, HULSE_DENIED, HULSE_OUTCOME_DENIED END,
    ERROR(ConsumerBusy) PULSAR_CONTENDED, BROKER_RETRY, HULSE_BUSY, HULSE_OUTCOME_FAILED_NOT_SENT END,
    ERROR(ServiceNotReady) PULSAR_AGAIN, BROKER_RELOOKUP, HULSE_IO, HULSE_OUTCOME_FAILED_NOT_SENT END,
    ERROR(ProducerBlockedQuotaExceededError) PULSAR_AGAIN, BROKER_RETRY, HULSE_LIMIT,
        HULSE_OUTCOME_QUOTA_EXCEEDED END,
    ERROR(ProducerBlockedQuotaExceededException) PULSAR_QUOTA, BROKER_FAIL, HULSE_LIMIT,
        HULSE_OUTCOME_QUOTA_EXCEEDED END,
    ERROR(ChecksumError) PULSAR_REFUSED, BROKER_FAIL, HULSE_PROTOCOL, HULSE_OUTCOME_FAILED_NOT_SENT END,
    ERROR(UnsupportedVersionError) PULSAR_REFUSED, BROKER_FAIL, HULSE_UNSUPPORTED,
        HULSE_OUTCOME_FAILED_NOT_SENT END,
    ERROR(TopicNotFound) PULSAR_GONE, BROKER_FAIL, HULSE_NO_TOPIC, HULSE_OUTCOME_NO_TOPIC END,
    ERROR(SubscriptionNotFound) PULSAR_REFUSED, BROKER_FAIL, HULSE_NO_TOPIC, HULSE_OUTCOME_NO_TOPIC END,
    ERROR(ConsumerNotFound) PULSAR_AGAIN, BROKER_RETRY, HULSE_IO, HULSE_OUTCOME_FAILED_UNKNOWN END,
    ERROR(TooManyRequests) PULSAR_AGAIN, BROKER_RETRY, HULSE_LIMIT, HULSE_OUTCOME_FAILED_NOT_SENT END,
    ERROR(TopicTerminatedError) PULSAR_FINAL, BROKER_FAIL, HULSE_CLOSED,
        HULSE_OUTCOME_TOPIC_TERMINATED END,
    ERROR(ProducerBusy) PULSAR_CONTENDED, BROKER_RETRY, HULSE_BUSY, HULSE_OUTCOME_FAILED_NOT_SENT END,
    ERROR(InvalidTopicName) PULSAR_REFUSED, BROKER_FAIL, HULSE_INVAL, HULSE_OUTCOME_NO_TOPIC END,
    ERROR(IncompatibleSchema) PULSAR_REFUSED, BROKER_FAIL, HULSE_REFUSED,
        HULSE_OUTCOME_INVALID_SCHEMA END,
    ERROR(ConsumerAssignError) PULSAR_REFUSED, BROKER_FAIL, HULSE_REFUSED,
        HULSE_OUTCOME_FAILED_NOT_SENT END,
    ERROR(TransactionCoordinatorNotFound) PULSAR_REFUSED, BROKER_FAIL, HULSE_UNSUPPORTED,
        HULSE_OUTCOME_FAILED_NOT_SENT END,
    ERROR(InvalidTxnStatus) PULSAR_REFUSED, BROKER_FAIL, HULSE_UNSUPPORTED,
        HULSE_OUTCOME_FAILED_NOT_SENT END,
    ERROR(NotAllowedError) PULSAR_REFUSED, BROKER_FAIL, HULSE_REFUSED,
        HULSE_OUTCOME_FAILED_NOT_SENT END,
    ERROR(TransactionConflict) PULSAR_REFUSED, BROKER_FAIL, HULSE_UNSUPPORTED,
        HULSE_OUTCOME_FAILED_NOT_SENT END,
    ERROR(TransactionNotFound) PULSAR_REFUSED, BROKER_FAIL, HULSE_UNSUPPORTED,
        HULSE_OUTCOME_FAILED_NOT_SENT END,
    ERROR(ProducerFenced) PULSAR_FINAL, BROKER_FENCED, HULSE_BUSY, HULSE_OUTCOME_FENCED END,
};
/* clang-format on */

#undef ERROR
#undef END

/* Copies what is printable; the rest of the text becomes question marks. */
static void say(char *out, size_t room, const char *name, const char *message)
{
    const int begun = snprintf(out, room, "%s%s", name, message[0] == '\0' ? "" : ": ");
    size_t at = begun < 0 ? 0 : (size_t)begun;

    for (size_t i = 0; message[i] != '\0' && at + 1 < room; i++) {
        const unsigned char c = (unsigned char)message[i];
        out[at++] = (char)(c >= 0x20 && c < 0x7f ? c : '?');
    }
    out[at < room ? at : room - 1] = '\0';
}

void hulse_pulsar_failure_server(struct pulsar_failure *f, int32_t error, const char *message)
{
    const size_t count = sizeof(errors) / sizeof(errors[0]);
    /* One of a newer broker: it may pass. */
    const struct meaning *m = &errors[PULSAR__SERVER_ERROR__UnknownError];

    if (error >= 0 && (size_t)error < count) {
        m = &errors[error];
    }
    f->verdict = m->verdict;
    f->class = m->class;
    f->status = m->status;
    f->outcome = m->outcome;
    f->gated = false;
    say(f->text, sizeof(f->text), m->name, message == NULL ? "" : message);
}

void hulse_pulsar_failure_status(struct pulsar_failure *f, hulse_status status, const char *text)
{
    f->verdict = status == HULSE_CLOSED ? PULSAR_FINAL : PULSAR_AGAIN;
    f->class = status == HULSE_DENIED ? BROKER_DENIED : BROKER_RETRY;
    f->status = status;
    f->outcome = status == HULSE_DENIED      ? HULSE_OUTCOME_DENIED
                 : status == HULSE_NO_MEMORY ? HULSE_OUTCOME_NO_MEMORY
                                             : HULSE_OUTCOME_FAILED_NOT_SENT;
    f->gated = false;
    (void)snprintf(f->text, sizeof(f->text), "%s", text);
}
