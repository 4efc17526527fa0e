/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faulty_broker - a broker between the test and a real one, that breaks one promise of broker.h.
 *
 * Without a fault it passes everything on. It has to be: a conformance suite that never saw a
 * broken promise proves nothing.
 *
 * Threads: as broker.h says; each producer and consumer is its worker's.
 */
#ifndef HULSE_TESTS_UNIT_DAEMON_BROKER_FAULTY_BROKER_H
#define HULSE_TESTS_UNIT_DAEMON_BROKER_FAULTY_BROKER_H

#include "daemon/broker/broker.h"

enum fault {
    FAULT_NONE = 0,
    /* producers */
    FAULT_ANSWER_TWICE,
    FAULT_ANSWER_LOST,
    FAULT_ANSWER_WITHOUT_ID,
    FAULT_IDS_REPEAT,
    FAULT_LIMIT_ONE_LESS,
    FAULT_FLUSH_EARLY,
    FAULT_FLUSH_LOST,
    FAULT_FLUSH_TWICE_TAKEN,
    FAULT_LATE_ANSWER, /* after close */
    FAULT_CREATE_ALWAYS,
    FAULT_NAME_TAKEN,      /* a bad one */
    FAULT_ACCESS_TAKEN,    /* exclusive, and not kept */
    FAULT_OWN_TAKEN,       /* sequences, and not kept */
    FAULT_PRODUCER_UNTOLD, /* of the topic's end */
    FAULT_PRODUCER_TOLD_TWICE,
    FAULT_REFUSAL_LOST, /* of a record after the topic's end */
    /* consumers */
    FAULT_PAYLOAD,
    FAULT_KEY,
    FAULT_PROPERTIES,
    FAULT_PRODUCER_NAME,
    FAULT_ORDER,
    FAULT_OVER_PERMIT,
    FAULT_NACK_UNCOUNTED,
    FAULT_GIVE_BACK_COUNTED,
    FAULT_DELAY_IGNORED,
    FAULT_CUMULATIVE_ONE, /* tells the last only */
    FAULT_CUMULATIVE_FIRST,
    FAULT_REDELIVER_UNTOLD,
    FAULT_SETTLED_LOST, /* of the second verdict and all after it */
    FAULT_SETTLED_TWICE,
    FAULT_SETTLED_GIVE_BACK,
    FAULT_ACK_ID_IGNORED,
    FAULT_ACK_ID_ONE,  /* of many */
    FAULT_ACK_ID_MANY, /* instead of one */
    FAULT_CLOSE_ACKS,
    FAULT_LAST_ID,
    FAULT_ERRAND_LOST,
    FAULT_UNSUBSCRIBE_NOTHING,
    FAULT_SEEK_TAKEN,
    FAULT_TYPE_TAKEN, /* as shared */
    FAULT_EXCLUSIVE_SHARED,
    FAULT_TRANSIENT_STAYS,
    FAULT_READER_SUBSCRIBES,
    FAULT_CONSUMER_UNTOLD,
    FAULT_CONSUMER_TOLD_TWICE,
    FAULT_CAUGHT_UP_UNTOLD,
    FAULT_END_UNTOLD,
    FAULT_END_EARLY,
    /* requests */
    FAULT_LOOKUP_LIES,
    FAULT_DONE_TWICE,
    FAULT_SCHEMA_TAKEN,
    FAULT_STATS,
    FAULT_STATS_SUBSCRIPTION,
    FAULT_MADE_TWICE,
    FAULT_DELETE_FORCED,
    FAULT_TRUNCATE_NOTHING,
    FAULT_LIST_ALL,
    FAULT_LAST_OF_TERMINATED,
    FAULT_PARTITIONS_IGNORED,
    FAULT_UNHEALTHY,
    FAULT_CLAIMS_ALL, /* capabilities that it lacks */
    /* over a store */
    FAULT_STORED_NONE,
    FAULT_COPY_STORED,  /* as another one */
    FAULT_ACK_UNSTORED, /* and settled */
    FAULTS
};

const char *hulse_fault_name(enum fault fault);
/* Owns `inner`'s memory no more than its caller: destroy that one too. */
struct broker *hulse_faulty_create(struct broker *inner, enum fault fault);
struct broker *hulse_faulty_inner(struct broker *b);
void hulse_faulty_destroy(struct broker **b);

#endif
