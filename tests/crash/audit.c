/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit - see audit.h.
 */
#include "tests/crash/audit.h"

#include <hulse/hulse.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define EPOCHS_MAX 65536U

enum { MARK_SENT = 1, MARK_COMMITTED = 2, MARK_ACKED = 4, MARK_ARRIVED = 8 };
enum { EPOCH_CLOSED = 1, EPOCH_SETTLED = 2 };

struct audit_mark {
    uint64_t first_id;   /* of the copy that arrived first */
    uint64_t receipt_id; /* 0: none */
    uint32_t epoch;
    uint32_t acking; /* the consumer's life + 1 that began to acknowledge it; 0: none */
    uint8_t flags;
    uint8_t verdicts;
    uint8_t outcome;
    uint8_t awaited; /* counted in audit.awaited */
};

static const char *const names[AUDIT_FAULTS] = {
    [AUDIT_LOST] = "lost",
    [AUDIT_LOST_COMMITTED] = "lost after commit",
    [AUDIT_MISSING_VERDICT] = "missing verdict",
    [AUDIT_SECOND_VERDICT] = "second verdict",
    [AUDIT_BAD_VERDICT] = "bad verdict",
    [AUDIT_NOT_SENT_ARRIVED] = "not sent, but arrived",
    [AUDIT_DUPLICATE] = "duplicate",
    [AUDIT_TOO_MANY_COPIES] = "too many copies",
    [AUDIT_DISORDER] = "out of order",
    [AUDIT_AFTER_ACK] = "again after its acknowledgement",
    [AUDIT_FOREIGN] = "never sent",
    [AUDIT_DAMAGED] = "damaged",
    [AUDIT_UNACKED] = "not acknowledged",
    [AUDIT_WRONG_RECEIPT] = "receipt names another copy",
};

const char *hulse_audit_fault_name(enum audit_fault fault)
{
    return names[fault];
}

bool hulse_audit_init(struct audit *a, const struct audit_rules *rules)
{
    *a = (struct audit){.rules = *rules};
    a->marks = calloc(rules->messages_max + 1, sizeof(*a->marks));
    a->epoch_last = calloc(EPOCHS_MAX, sizeof(*a->epoch_last));
    a->epoch_state = calloc(EPOCHS_MAX, sizeof(*a->epoch_state));
    return a->marks != NULL && a->epoch_last != NULL && a->epoch_state != NULL;
}

void hulse_audit_fini(struct audit *a)
{
    free(a->marks);
    free(a->epoch_last);
    free(a->epoch_state);
    *a = (struct audit){0};
}

static void fault(struct audit *a, enum audit_fault kind, uint64_t number)
{
    if (a->faults[kind]++ == 0) {
        a->example[kind] = number;
    }
}

static bool is_stored(unsigned outcome)
{
    return outcome == HULSE_OUTCOME_STORED || outcome == HULSE_OUTCOME_SPOOLED;
}

/* From now on its arrival is owed. */
static void await(struct audit *a, struct audit_mark *m)
{
    if (m->awaited == 0) {
        m->awaited = 1;
        a->awaited += (m->flags & MARK_ARRIVED) == 0;
    }
}

static void take_verdict(struct audit *a, struct audit_mark *m, const struct ledger_entry *e)
{
    m->verdicts = (uint8_t)(m->verdicts + (m->verdicts < UINT8_MAX));
    a->verdicts[e->detail < 32 ? e->detail : 0]++;
    if (m->verdicts > 1) {
        fault(a, AUDIT_SECOND_VERDICT, e->number);
        return;
    }
    m->outcome = (uint8_t)e->detail;
    m->receipt_id = e->id;
    if (is_stored(e->detail)) {
        await(a, m);
    } else {
        fault(a, AUDIT_BAD_VERDICT, e->number);
    }
}

static void take_arrival(struct audit *a, struct audit_mark *m, const struct ledger_entry *e)
{
    a->arrivals++;
    if (e->detail != 0) {
        fault(a, AUDIT_DAMAGED, e->number);
        return;
    }
    if ((m->flags & MARK_ARRIVED) == 0) {
        m->flags |= MARK_ARRIVED;
        m->first_id = e->id;
        a->arrived++;
        a->awaited -= m->awaited;
        uint64_t *last = &a->epoch_last[e->epoch % EPOCHS_MAX];
        if (e->number + 1 <= *last) {
            fault(a, AUDIT_DISORDER, e->number);
        } else {
            *last = e->number + 1;
        }
        return;
    }
    if (m->first_id != e->id) {
        a->copies++;
        if (a->rules.exact) {
            fault(a, AUDIT_DUPLICATE, e->number);
        }
    } else if ((m->flags & MARK_ACKED) != 0) {
        fault(a, AUDIT_AFTER_ACK, e->number);
    }
}

static void end_epoch(struct audit *a, const struct ledger_entry *e)
{
    const uint8_t state = e->kind == LEDGER_SETTLED ? EPOCH_SETTLED : EPOCH_CLOSED;

    a->epoch_state[e->epoch % EPOCHS_MAX] |= state;
    /* Its messages are behind the last of the epoch before. */
    for (uint64_t n = e->number; state == EPOCH_SETTLED && n-- > 0;) {
        struct audit_mark *m = &a->marks[n];
        if (m->epoch != e->epoch) {
            break;
        }
        await(a, m);
    }
}

void hulse_audit_feed(struct audit *a, const struct ledger_entry *e)
{
    if (e->number > a->rules.messages_max ||
        (e->number == a->rules.messages_max && e->kind != LEDGER_CLOSED &&
         e->kind != LEDGER_SETTLED)) {
        fault(a, AUDIT_FOREIGN, e->number);
        return;
    }
    struct audit_mark *m = &a->marks[e->number];
    switch (e->kind) {
    case LEDGER_SENT:
        m->flags |= MARK_SENT;
        m->epoch = e->epoch;
        a->sent++;
        break;
    case LEDGER_COMMITTED:
        m->flags |= MARK_COMMITTED;
        a->committed++;
        if (a->rules.committed_survives) {
            await(a, m);
        }
        break;
    case LEDGER_VERDICT:
        take_verdict(a, m, e);
        break;
    case LEDGER_SETTLED:
    case LEDGER_CLOSED:
        end_epoch(a, e);
        break;
    case LEDGER_ARRIVED:
        take_arrival(a, m, e);
        break;
    case LEDGER_CONSUMING:
        a->consumers++;
        break;
    case LEDGER_ACKING:
        m->acking = a->consumers + 1;
        break;
    case LEDGER_ACKED:
        a->acked += (m->flags & MARK_ACKED) == 0;
        m->flags |= MARK_ACKED;
        break;
    default:
        fault(a, AUDIT_DAMAGED, e->number);
        break;
    }
}

static void judge_arrived(struct audit *a, const struct audit_mark *m, uint64_t number)
{
    if ((m->flags & MARK_SENT) == 0) {
        fault(a, AUDIT_FOREIGN, number);
    }
    if (m->verdicts > 0 && m->outcome == HULSE_OUTCOME_FAILED_NOT_SENT) {
        fault(a, AUDIT_NOT_SENT_ARRIVED, number);
    }
    /* Of an acknowledgement that died with its consumer nothing is known. */
    if (a->rules.acknowledged && (m->flags & MARK_ACKED) == 0 &&
        (m->acking == 0 || m->acking == a->consumers + 1)) {
        fault(a, AUDIT_UNACKED, number);
    }
    if (a->rules.receipts_have_ids && a->rules.exact && m->receipt_id != 0 &&
        m->first_id != m->receipt_id) {
        fault(a, AUDIT_WRONG_RECEIPT, number);
    }
}

static void judge(struct audit *a, const struct audit_mark *m, uint64_t number)
{
    const uint8_t epoch = a->epoch_state[m->epoch % EPOCHS_MAX];

    if ((m->flags & MARK_ARRIVED) != 0) {
        judge_arrived(a, m, number);
    } else if (m->awaited != 0) {
        const bool promised =
            (m->verdicts > 0 && is_stored(m->outcome)) || (epoch & EPOCH_SETTLED) != 0;
        fault(a, promised ? AUDIT_LOST : AUDIT_LOST_COMMITTED, number);
    }
    if ((m->flags & MARK_SENT) != 0 && m->verdicts == 0 && (epoch & EPOCH_CLOSED) != 0) {
        fault(a, AUDIT_MISSING_VERDICT, number);
    }
}

bool hulse_audit_finish(struct audit *a)
{
    uint64_t faults = 0;

    for (uint64_t n = 0; n < a->rules.messages_max; n++) {
        judge(a, &a->marks[n], n);
    }
    if (!a->rules.exact && a->copies > a->rules.copies_max) {
        a->faults[AUDIT_TOO_MANY_COPIES] = a->copies - a->rules.copies_max;
    }
    for (unsigned i = 0; i < AUDIT_FAULTS; i++) {
        faults += a->faults[i];
    }
    return faults == 0;
}

void hulse_audit_print(const struct audit *a, FILE *out)
{
    (void)fprintf(out,
                  "  sent %" PRIu64 ", committed %" PRIu64 ", arrived %" PRIu64 " in %" PRIu64
                  " deliveries, second copies %" PRIu64 ", acknowledged %" PRIu64 "\n  verdicts:",
                  a->sent,
                  a->committed,
                  a->arrived,
                  a->arrivals,
                  a->copies,
                  a->acked);
    for (unsigned i = 0; i < 32; i++) {
        if (a->verdicts[i] != 0) {
            (void)fprintf(out, " %s %" PRIu64, hulse_outcome_text(i), a->verdicts[i]);
        }
    }
    (void)fprintf(out, "\n");
    for (unsigned i = 0; i < AUDIT_FAULTS; i++) {
        if (a->faults[i] != 0) {
            (void)fprintf(out,
                          "  FAULT %s: %" PRIu64 ", the first is message %" PRIu64 "\n",
                          names[i],
                          a->faults[i],
                          a->example[i]);
        }
    }
}
