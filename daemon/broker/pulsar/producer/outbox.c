/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox - the entries of a sender on their way, in order, until they are answered or too old.
 *
 * A piece belongs to its connection until `released`; an entry that is answered before waits for that. On the next
 * connection nothing is sent before all pieces are back, so bytes are never in two places.
 */
#include "daemon/broker/pulsar/producer/chunks.h"
#include "daemon/broker/pulsar/producer/park.h"
#include "daemon/broker/pulsar/producer/senders.h"
#include "daemon/core/assert.h"
#include "daemon/worker/worker.h"
#include "include/hulse/status.h"

#define NS_PER_MS UINT64_C(1000000)
/* Handed to a connection and not yet written: more would only wait elsewhere, and could not be taken back. */
#define OUT_BYTES_MAX (1U << 20U)
/* The shortest time between two looks for what is too old. */
#define EXPIRY_MS 10U

/* ---- in and out of the list ---- */

void hulse_pulsar_outbox_append(struct pulsar_sender *s, struct pulsar_entry *e)
{
    e->sender = s;
    s->used = true;
    s->all->figures.batches += e->batched ? 1 : 0;
    s->all->figures.singles += e->batched ? 0 : 1;
    TAILQ_INSERT_TAIL(&s->entries, e, link);
    if (s->unsent == NULL) {
        s->unsent = e;
    }
    hulse_pulsar_outbox_watch(s, e->deadline_ns);
    hulse_pulsar_senders_mark(s);
}

/* The first one is: those in front of it have their receipts. */
static bool is_refused(const struct pulsar_sender *s)
{
    return !TAILQ_EMPTY(&s->entries) && TAILQ_FIRST(&s->entries)->refused;
}

void hulse_pulsar_outbox_take(struct pulsar_sender *s, struct pulsar_entry *e)
{
    if (s->unsent == e) {
        s->unsent = TAILQ_NEXT(e, link);
    }
    if (e->sent) {
        s->in_flight -= 1;
        s->in_flight_bytes -= e->piece.bytes;
    }
    TAILQ_REMOVE(&s->entries, e, link);
    if (s->moving || is_refused(s)) {
        hulse_pulsar_senders_mark(s);
    }
}

/* Gone as soon as nobody has its piece. */
static void leave(struct pulsar_sender *s, struct pulsar_entry *e)
{
    if (e->out) {
        e->over = true;
        TAILQ_INSERT_TAIL(&s->leaving, e, link);
    } else {
        hulse_pulsar_entry_destroy(&s->all->blocks, e);
    }
}

/* Answered. */
static void discard(struct pulsar_sender *s, struct pulsar_entry *e)
{
    struct pulsar_entry *kept = NULL;

    while (e->count > 0 && (kept = TAILQ_FIRST(&s->kept)) != NULL &&
           kept->sequence == e->sequence) {
        TAILQ_REMOVE(&s->kept, kept, link);
        s->copied = false;
        leave(s, kept);
    }
    leave(s, e);
    hulse_pulsar_sender_check(s);
}

/* ---- answers: events may do anything to producers, and nothing to the sender but add ---- */

void hulse_pulsar_outbox_stored(struct pulsar_sender *s,
                                struct pulsar_entry *e,
                                const struct broker_id *id)
{
    struct broker_answer answer = {.class = BROKER_DONE, .outcome = HULSE_OUTCOME_STORED};

    if (e->count == 0) {
        TAILQ_INSERT_TAIL(&s->kept, e, link); /* a chunk, and its message is not answered */
        return;
    }
    if (id != NULL) {
        answer.has_id = true;
        answer.id = *id;
        answer.id.batch = -1;
        answer.id.batch_size = (uint16_t)(e->batched ? e->count : 0);
    }
    for (uint32_t i = 0; i < e->count; i++) {
        if (e->batched && id != NULL) {
            answer.id.batch = (int32_t)i;
        }
        hulse_pulsar_handle_answer(&e->slots[i], &answer);
    }
    discard(s, e);
}

void hulse_pulsar_outbox_failed(struct pulsar_sender *s,
                                struct pulsar_entry *e,
                                const struct pulsar_end *end)
{
    const struct broker_answer answer = {.class = end->class,
                                         .outcome = e->ever_sent ? end->sent : end->unsent};

    for (uint32_t i = 0; i < e->count; i++) {
        hulse_pulsar_handle_answer(&e->slots[i], &answer);
    }
    discard(s, e);
}

/* Of a list of entries that were taken out. */
static void
fail_taken(struct pulsar_sender *s, struct pulsar_entries *taken, const struct pulsar_end *end)
{
    while (!TAILQ_EMPTY(taken)) {
        struct pulsar_entry *e = TAILQ_FIRST(taken);
        TAILQ_REMOVE(taken, e, link);
        hulse_pulsar_outbox_failed(s, e, end);
    }
}

void hulse_pulsar_outbox_fail(struct pulsar_sender *s,
                              struct pulsar_entry *e,
                              const struct pulsar_end *end)
{
    struct pulsar_entries taken = TAILQ_HEAD_INITIALIZER(taken);
    const uint64_t sequence = e->sequence;
    struct pulsar_entry *next = NULL;

    if (!e->chunk) {
        hulse_pulsar_outbox_take(s, e);
        hulse_pulsar_outbox_failed(s, e, end);
        return;
    }
    for (e = TAILQ_FIRST(&s->entries); e != NULL; e = next) {
        next = TAILQ_NEXT(e, link);
        if (e->chunk && e->sequence == sequence) {
            hulse_pulsar_outbox_take(s, e);
            TAILQ_INSERT_TAIL(&taken, e, link);
        }
    }
    fail_taken(s, &taken, end);
}

void hulse_pulsar_outbox_fail_all(struct pulsar_sender *s, const struct pulsar_end *end)
{
    struct pulsar_entries taken = TAILQ_HEAD_INITIALIZER(taken);

    hulse_pulsar_gather_seal(s);
    while (!TAILQ_EMPTY(&s->entries)) {
        struct pulsar_entry *e = TAILQ_FIRST(&s->entries);
        hulse_pulsar_outbox_take(s, e);
        TAILQ_INSERT_TAIL(&taken, e, link);
    }
    fail_taken(s, &taken, end);
}

/* ---- age ---- */

void hulse_pulsar_outbox_watch(struct pulsar_sender *s, uint64_t deadline_ns)
{
    const uint64_t due_ms = deadline_ns / NS_PER_MS + 1;

    if (deadline_ns != 0 && (!hulse_timer_pending(&s->expiry) || due_ms < s->expiry.due_ms)) {
        hulse_timer_start(&s->all->pw->loop->timers, &s->expiry, due_ms);
    }
}

/* Takes out what is too old; gives the next deadline, 0 without one. */
static uint64_t take_old(struct pulsar_sender *s, struct pulsar_entries *taken, uint64_t now_ns)
{
    struct pulsar_entry *next = NULL;
    uint64_t next_ns = 0;

    for (struct pulsar_entry *e = TAILQ_FIRST(&s->entries); e != NULL; e = next) {
        next = TAILQ_NEXT(e, link);
        if (e->deadline_ns == 0) {
            continue;
        }
        if (e->deadline_ns <= now_ns) {
            s->all->figures.send_timeouts += e->count;
            hulse_pulsar_outbox_take(s, e);
            TAILQ_INSERT_TAIL(taken, e, link);
        } else if (next_ns == 0 || e->deadline_ns < next_ns) {
            next_ns = e->deadline_ns;
        }
    }
    return next_ns;
}

/*
 * Deadlines are not in the order of sending: one application's records may have waited in its ring, another's not. An
 * application's own are, so it hears of them in order.
 */
void hulse_pulsar_outbox_expire(struct pulsar_sender *s)
{
    const struct pulsar_end end = {.class = BROKER_BREAK,
                                   .sent = HULSE_OUTCOME_FAILED_UNKNOWN,
                                   .unsent = HULSE_OUTCOME_FAILED_NOT_SENT};
    struct pulsar_entries taken = TAILQ_HEAD_INITIALIZER(taken);
    const uint64_t now_ns = s->all->pw->loop->now_ns;

    if (s->expiring) {
        return;
    }
    s->expiring = true;
    if (s->open != NULL && s->open->deadline_ns != 0 && s->open->deadline_ns <= now_ns) {
        hulse_pulsar_gather_seal(s);
    }
    uint64_t next_ns = take_old(s, &taken, now_ns);
    if (s->open != NULL && s->open->deadline_ns != 0 &&
        (next_ns == 0 || s->open->deadline_ns < next_ns)) {
        next_ns = s->open->deadline_ns;
    }
    hulse_timer_stop(&s->all->pw->loop->timers, &s->expiry);
    if (next_ns != 0) {
        const uint64_t soonest = now_ns + EXPIRY_MS * NS_PER_MS;
        hulse_pulsar_outbox_watch(s, next_ns > soonest ? next_ns : soonest);
    }
    fail_taken(s, &taken, &end);
    s->expiring = false;
}

/* ---- out ---- */

/* The connection has written it, or is gone. */
static void released(struct pulsar_piece *piece, bool written)
{
    struct pulsar_entry *e = HULSE_CONTAINER(piece, struct pulsar_entry, piece);
    struct pulsar_sender *s = e->sender;

    (void)written; /* a part of it may be, when the connection is gone */
    e->out = false;
    if (s == NULL) {
        hulse_pulsar_block_free(e->memory, e->memory_room);
        hulse_pulsar_block_free(e, e->room);
        return;
    }
    s->out_count -= 1;
    s->out_bytes -= piece->bytes;
    if (e->over) {
        TAILQ_REMOVE(&s->leaving, e, link);
        hulse_pulsar_entry_destroy(&s->all->blocks, e);
    }
    if (s->unsent != NULL || s->resending || s->push || s->moving) {
        hulse_pulsar_senders_mark(s);
    }
}

static void send_one(struct pulsar_sender *s, struct pulsar_entry *e)
{
    s->all->figures.resends += e->ever_sent ? 1 : 0;
    e->piece.released = released;
    e->sent = true;
    e->ever_sent = true;
    e->out = true;
    s->in_flight += 1;
    s->in_flight_bytes += e->piece.bytes;
    s->out_count += 1;
    s->out_bytes += e->piece.bytes;
    hulse_pulsar_send(s->user.connection, &e->piece);
    hulse_pulsar_stall_watch(s->all);
}

/* What waits, in order, while the connection has room for it. */
static void send_waiting(struct pulsar_sender *s)
{
    const struct pulsar_end too_large = {.class = BROKER_TOO_LARGE,
                                         .sent = HULSE_OUTCOME_TOO_LARGE,
                                         .unsent = HULSE_OUTCOME_TOO_LARGE};

    while (s->unsent != NULL && s->out_bytes < OUT_BYTES_MAX) {
        struct pulsar_entry *e = s->unsent;
        if (e->message_bytes > s->message_bytes_max) {
            hulse_pulsar_outbox_fail(
                s, e, &too_large); /* this broker takes less than the one before */
            continue;
        }
        s->unsent = TAILQ_NEXT(e, link);
        send_one(s, e);
    }
}

static bool batch_may_go(const struct pulsar_sender *s)
{
    return s->open != NULL && s->unsent == NULL && s->out_bytes < OUT_BYTES_MAX &&
           (s->push || s->in_flight < s->gathering.eager_max);
}

void hulse_pulsar_outbox_flush(struct pulsar_sender *s)
{
    if (s->state == SENDER_PARKED && (s->unsent != NULL || s->open != NULL)) {
        hulse_pulsar_park_leave(s);
    }
    if (s->state == SENDER_READY && is_refused(s)) {
        hulse_pulsar_refused_again(s);
    }
    if (s->state != SENDER_READY || (s->resending && s->out_count > 0)) {
        return; /* a batch goes on growing meanwhile */
    }
    if (s->moving) {
        if (s->in_flight == 0 && s->out_count == 0) {
            hulse_pulsar_sender_moves(s);
        }
        return;
    }
    if (s->resending) {
        s->resending = false;
        hulse_pulsar_chunks_again(s);
    }
    send_waiting(s);
    if (batch_may_go(s)) {
        hulse_pulsar_gather_seal(s);
        send_waiting(s);
    }
    s->push = s->push && s->open != NULL;
    if (s->open != NULL && s->unsent == NULL && !s->push && !hulse_timer_pending(&s->delay)) {
        hulse_timer_start(&s->all->pw->loop->timers,
                          &s->delay,
                          hulse_loop_now_ms(s->all->pw->loop) + s->gathering.batch_delay_ms);
    }
}

static void all_unsent(struct pulsar_sender *s)
{
    struct pulsar_entry *e = NULL;

    TAILQ_FOREACH(e, &s->entries, link)
    {
        e->sent = false;
        e->refused = false;
    }
    s->in_flight = 0;
    s->in_flight_bytes = 0;
    s->unsent = TAILQ_FIRST(&s->entries);
}

void hulse_pulsar_outbox_resend(struct pulsar_sender *s)
{
    all_unsent(s);
    s->resending = true;
    s->push = true;
    hulse_pulsar_senders_mark(s);
}

void hulse_pulsar_outbox_detached(struct pulsar_sender *s)
{
    all_unsent(s);
    hulse_timer_stop(&s->all->pw->loop->timers, &s->delay);
}
