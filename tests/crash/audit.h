/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit - compares what was sent, its verdicts, what arrived and what was acknowledged.
 *
 * Entries of the publisher's and the consumer's ledger are fed in the order of each, in any order
 * between the two. Pure: no file, no daemon.
 */
#ifndef HULSE_TESTS_CRASH_AUDIT_H
#define HULSE_TESTS_CRASH_AUDIT_H

#include "tests/crash/ledger.h"

#include <stdio.h>

enum audit_fault {
    AUDIT_LOST = 0,         /* has a verdict that says stored, never arrived */
    AUDIT_LOST_COMMITTED,   /* committed by an app that died beside a living daemon */
    AUDIT_MISSING_VERDICT,  /* of an epoch that ended by itself */
    AUDIT_SECOND_VERDICT,   /* for one message */
    AUDIT_BAD_VERDICT,      /* an outcome other than stored */
    AUDIT_NOT_SENT_ARRIVED, /* although its verdict says that it was certainly not sent */
    AUDIT_DUPLICATE,        /* a second stored copy, where none is allowed */
    AUDIT_TOO_MANY_COPIES,  /* more second copies than deaths of the daemon explain */
    AUDIT_DISORDER,         /* of first arrivals of one epoch */
    AUDIT_AFTER_ACK,        /* came again after a confirmed acknowledgement */
    AUDIT_FOREIGN,          /* nobody has sent it */
    AUDIT_DAMAGED,
    AUDIT_UNACKED,       /* arrived, not confirmed, and no consumer died acknowledging it */
    AUDIT_WRONG_RECEIPT, /* the copy that the receipt names has not arrived, another has */
    AUDIT_FAULTS
};

struct audit_rules {
    uint64_t messages_max;   /* numbers are below */
    bool exact;              /* no second copy at all */
    uint64_t copies_max;     /* second copies allowed in all, when not exact */
    bool committed_survives; /* the daemon was never killed */
    bool acknowledged;       /* the consumer ended by itself and acknowledged everything */
    bool receipts_have_ids;  /* compare them with what arrived */
};

struct audit {
    struct audit_rules rules;
    struct audit_mark *marks; /* of each number */
    uint64_t *epoch_last;     /* highest first arrival + 1 of each epoch */
    uint8_t *epoch_state;
    uint32_t epochs;
    uint32_t consumers; /* lives that have begun */
    uint64_t faults[AUDIT_FAULTS];
    uint64_t example[AUDIT_FAULTS]; /* number of the first */
    uint64_t sent;
    uint64_t committed;
    uint64_t verdicts[32]; /* by outcome */
    uint64_t arrivals;     /* every one */
    uint64_t arrived;      /* different numbers */
    uint64_t copies;       /* second ones */
    uint64_t acked;
    uint64_t awaited; /* have to arrive and have not */
};

/* False: no memory. */
bool hulse_audit_init(struct audit *a, const struct audit_rules *rules);
void hulse_audit_fini(struct audit *a);
void hulse_audit_feed(struct audit *a, const struct ledger_entry *entry);
/* After the last entry. True: nothing is wrong. */
bool hulse_audit_finish(struct audit *a);
void hulse_audit_print(const struct audit *a, FILE *out);
const char *hulse_audit_fault_name(enum audit_fault fault);

#endif
