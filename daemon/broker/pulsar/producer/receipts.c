/* SPDX-License-Identifier: Apache-2.0 */
/*
 * receipts - what the broker says of what was sent (5.3, 5.5). Ids are compared as signed numbers.
 */
#include "daemon/broker/pulsar/producer/senders.h"
#include "include/hulse/status.h"

#include <string.h>

/* In a row, before it is tried on another connection. */
#define CHECKSUM_ERRORS_MAX 3U

/* What the receipt means for the head of the outbox. */
enum fit { FITS, IS_OLD, IS_WRONG };

static enum fit judge(const struct pulsar_sender *s, const Pulsar__CommandSendReceipt *r)
{
    const struct pulsar_entry *head = TAILQ_FIRST(&s->entries);
    const int64_t sequence = (int64_t)r->sequence_id;
    const int64_t highest = r->has_highest_sequence_id ? (int64_t)r->highest_sequence_id : 0;

    if (head == NULL || sequence < (int64_t)head->sequence) {
        return IS_OLD; /* it was too late for it */
    }
    if (sequence > (int64_t)head->sequence || !head->ever_sent) {
        return IS_WRONG;
    }
    return sequence >= highest || highest == (int64_t)head->highest ? FITS : IS_WRONG;
}

/* The broker had it already. */
static bool is_copy(const Pulsar__MessageIdData *m)
{
    return m->ledgerid == UINT64_MAX || m->entryid == UINT64_MAX;
}

/* NULL: a copy that was dropped, or nothing is said. */
static const struct broker_id *id_of(const Pulsar__CommandSendReceipt *r, struct broker_id *id)
{
    const Pulsar__MessageIdData *m = r->message_id;

    if (m == NULL || is_copy(m)) {
        return NULL;
    }
    *id = (struct broker_id){.ledger = m->ledgerid, .entry = m->entryid, .batch = -1};
    return id;
}

/*
 * The broker has the message: it says so of the last chunk at once, and of what is behind it, before those in front of it are
 * written. Their receipts say nothing any more, and are late. Gives the last one, which is first then; `e` while it is not sent.
 */
static struct pulsar_entry *pass_chunks(struct pulsar_sender *s, struct pulsar_entry *e)
{
    struct pulsar_entry *last = e;

    while (last->count == 0) {
        last = TAILQ_NEXT(last, link);
    }
    if (!last->sent) {
        return e;
    }
    while ((e = TAILQ_FIRST(&s->entries)) != last) {
        hulse_pulsar_outbox_take(s, e);
        hulse_pulsar_outbox_stored(s, e, NULL);
    }
    return last;
}

void hulse_pulsar_receipt(struct pulsar_sender *s, const Pulsar__CommandSendReceipt *r)
{
    /*
     * A broker with deduplication goes on behind an entry that reached it damaged. Sent again, that one has a number
     * below what is stored, and is dropped as a copy.
     */
    static const struct pulsar_end overtaken = {.class = BROKER_FAIL,
                                                .sent = HULSE_OUTCOME_FAILED_UNKNOWN,
                                                .unsent = HULSE_OUTCOME_FAILED_UNKNOWN};
    struct broker_id id = {0};

    switch (judge(s, r)) {
    case IS_OLD:
        s->all->figures.receipts_late += 1;
        return;
    case IS_WRONG:
        s->all->figures.receipts_wrong += 1;
        hulse_pulsar_sender_accuse(s, "a receipt out of order");
        return;
    case FITS:
        break;
    }
    struct pulsar_entry *e = TAILQ_FIRST(&s->entries);
    const bool told = r->message_id != NULL && is_copy(r->message_id);
    if (told && e->chunk) {
        e = pass_chunks(s, e);
    }
    const bool last = e->count > 0;
    const bool copy = told || (e->chunk && s->copied);
    s->copied = copy && !last;
    const bool is_overtaken = e->damaged && copy && last;
    if (copy && !is_overtaken) {
        s->all->figures.deduplicated += e->count;
    }
    s->proved = true;
    s->stall.receipts += 1;
    s->checksum_errors = 0;
    s->push = s->push ||
              s->aside_count == 0; /* what was gathered meanwhile; many small ones wait for more */
    hulse_pulsar_outbox_take(s, e);
    hulse_pulsar_senders_mark(s);
    if (is_overtaken) {
        hulse_pulsar_outbox_failed(s, e, &overtaken);
        return;
    }
    hulse_pulsar_outbox_stored(s, e, copy ? NULL : id_of(r, &id));
}

/* The entry that an error names by its highest id; NULL: none that was ever sent. */
static struct pulsar_entry *find(struct pulsar_sender *s, uint64_t sequence)
{
    struct pulsar_entry *e = NULL;

    TAILQ_FOREACH(e, &s->entries, link)
    {
        if (!e->ever_sent) {
            return NULL;
        }
        if (e->highest == sequence) {
            return e;
        }
    }
    return NULL;
}

static void
fail_one(struct pulsar_sender *s, struct pulsar_entry *e, const struct pulsar_failure *f)
{
    const struct pulsar_end end = {.class = f->class, .sent = f->outcome, .unsent = f->outcome};

    hulse_pulsar_outbox_fail(s, e, &end);
}

/* Receipts of chunks have one number: of a message that goes again here they could not be told from those that are on their way. */
static bool has_sent_chunks(const struct pulsar_sender *s)
{
    const struct pulsar_entry *e = NULL;

    TAILQ_FOREACH(e, &s->entries, link)
    {
        if (!e->sent || e->chunk) {
            return e->sent;
        }
    }
    return false;
}

static bool is_of(const struct pulsar_entry *e, const struct pulsar_entry *named)
{
    return e == named || (e->chunk && named->chunk && e->sequence == named->sequence);
}

/* The broker may have any chunk but one, and by the last one's number has all: none is a copy of a whole message. */
static void note_damaged(struct pulsar_sender *s, const struct pulsar_entry *named, bool refused)
{
    struct pulsar_entry *e = NULL;

    TAILQ_FOREACH(e, &s->entries, link)
    {
        if (is_of(e, named)) {
            e->damaged = true;
            e->refused = refused;
        }
    }
}

/* All chunks, those that have a receipt, too. */
static bool is_intact(const struct pulsar_sender *s, const struct pulsar_entry *named)
{
    const struct pulsar_entries *const lists[] = {&s->kept, &s->entries};

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        const struct pulsar_entry *e = NULL;
        TAILQ_FOREACH(e, lists[i], link)
        {
            if (is_of(e, named) && !hulse_pulsar_entry_intact(e)) {
                return false;
            }
        }
    }
    return true;
}

void hulse_pulsar_refused_again(struct pulsar_sender *s)
{
    if (has_sent_chunks(s) || s->checksum_errors > CHECKSUM_ERRORS_MAX) {
        s->checksum_errors = 0;
        hulse_pulsar_failure_server(
            &s->failure, PULSAR__SERVER_ERROR__ChecksumError, "what was sent came damaged");
        s->failure.verdict = PULSAR_AGAIN;
        hulse_pulsar_sender_begin_anew(s);
        return;
    }
    hulse_pulsar_outbox_resend(s);
}

/*
 * It was damaged on its way, or here. The broker says so at once, before the receipts of what is in front of it; those
 * are waited for.
 */
static void damaged(struct pulsar_sender *s, uint64_t sequence, const struct pulsar_failure *f)
{
    struct pulsar_entry *named = find(s, sequence);

    if (named == NULL) {
        return;
    }
    if (!named->sent) {
        note_damaged(s, named, false); /* it goes again already */
        return;
    }
    const bool first = is_of(TAILQ_FIRST(&s->entries), named);
    s->checksum_errors += 1;
    note_damaged(s, named, true);
    if (!is_intact(s, named)) {
        fail_one(s, named, f);
        s->checksum_errors = 0;
    }
    if (first) {
        hulse_pulsar_refused_again(s);
    }
}

/* It has got the number before, and is writing that yet: it lacks nothing. Its error has no number of its own. */
static bool is_undecided(const Pulsar__CommandSendError *e)
{
    return e->message != NULL && strstr(e->message, "whether the message is a duplicate") != NULL;
}

/* It goes again anyway; what the broker then calls a copy of it may be none. */
static void note_refused(struct pulsar_sender *s, const Pulsar__CommandSendError *e)
{
    const struct pulsar_entry *named = find(s, e->sequence_id);

    if (named == NULL || is_undecided(e)) {
        return;
    }
    if (named->chunk || e->error == PULSAR__SERVER_ERROR__ChecksumError) {
        note_damaged(s, named, false);
    }
}

void hulse_pulsar_send_error(struct pulsar_sender *s, const Pulsar__CommandSendError *e)
{
    struct pulsar_failure f;
    struct pulsar_entry *named = NULL;

    s->all->figures.send_errors += 1;
    hulse_pulsar_failure_server(&f, (int32_t)e->error, e->message);
    hulse_pulsar_trouble_note(&s->all->pw->broker->trouble, s->topic, f.text);
    if (s->state != SENDER_READY) {
        note_refused(s, e); /* the producer is being closed: all goes again */
        return;
    }
    switch (e->error) {
    case PULSAR__SERVER_ERROR__ChecksumError:
        damaged(s, e->sequence_id, &f);
        return;
    case PULSAR__SERVER_ERROR__NotAllowedError:
        named = find(s, e->sequence_id);
        if (named != NULL) {
            fail_one(s, named, &f);
        }
        return;
    case PULSAR__SERVER_ERROR__TopicTerminatedError:
        hulse_pulsar_sender_die(s, &f);
        return;
    default:
        /* Lost, but for what is final: whether it passes is seen when it is opened again. */
        f.verdict = f.verdict == PULSAR_FINAL ? PULSAR_FINAL : PULSAR_AGAIN;
        s->failure = f;
        note_refused(s, e);
        if (has_sent_chunks(s) && f.verdict == PULSAR_AGAIN) {
            hulse_pulsar_sender_begin_anew(s);
        } else {
            hulse_pulsar_sender_reopen(s, NULL);
        }
        return;
    }
}
