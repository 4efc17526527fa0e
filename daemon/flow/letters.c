/* SPDX-License-Identifier: Apache-2.0 */
/*
 * letters - see the header.
 */
#include "daemon/flow/letters.h"

#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "daemon/core/log.h"
#include "daemon/core/mem.h"
#include "daemon/flow/letter_target.h"
#include "daemon/flow/opening.h"
#include "daemon/flow/reading.h"

#include <string.h>

/* ---- names ---- */

static char *copy_text(const char *text, size_t bytes)
{
    char *copy = hulse_mem_alloc(HULSE_MEM_TOPIC, bytes + 1);

    if (copy != NULL) {
        memcpy(copy, text, bytes);
        copy[bytes] = '\0';
    }
    return copy;
}

static void free_text(char **text)
{
    if (*text != NULL) {
        hulse_mem_free(HULSE_MEM_TOPIC, *text, strlen(*text) + 1);
        *text = NULL;
    }
}

static void forget_names(struct letters *l)
{
    free_text(&l->topics[LETTER_DEAD]);
    free_text(&l->topics[LETTER_RETRY]);
    free_text(&l->source);
}

static hulse_status may(const struct letter_user *user,
                        const struct grant *grant,
                        enum permission wanted,
                        const char *what,
                        const char *topic,
                        struct error *err)
{
    struct error why = {0};
    const hulse_status st = hulse_opening_allowed(grant, user->who, wanted, &why);

    return st == HULSE_OK ? HULSE_OK : hulse_fail(err, st, "%s %s %s", why.text, what, topic);
}

/* For letters of a kind to `topic`; empty: none. */
static hulse_status
set_topic(struct letters *l, enum letter_kind kind, const char *topic, struct error *err)
{
    if (topic[0] != '\0') {
        l->topics[kind] = copy_text(topic, strlen(topic));
    }
    return topic[0] == '\0' || l->topics[kind] != NULL
               ? HULSE_OK
               : hulse_fail(err, HULSE_NO_MEMORY, "no memory for the name of a topic");
}

static hulse_status
configure_dead(struct letters *l, const struct letter_user *user, struct error *err)
{
    const struct letter_owner owner = {
        .rules = user->rules, .topic = user->of, .subscription = user->subscription};
    struct letter_target target;
    struct grant grant = {0};

    if (user->subscription[0] == '\0') {
        return HULSE_OK;
    }
    hulse_status st = hulse_letter_target(&target, user->flow, LETTER_DEAD, &owner, err);
    const char *const to = target.to.full;
    if (st != HULSE_OK || to[0] == '\0' || strcmp(to, target.of) == 0) {
        return st; /* or consumers of a dead-letter topic that its own rule covers */
    }
    hulse_grant_refresh(&grant, user->flow->tables, user->who, to);
    st = may(user, &grant, PERMISSION_PRODUCE, "to the dead-letter topic", to, err);
    hulse_grant_release(&grant);
    return st == HULSE_OK ? set_topic(l, LETTER_DEAD, to, err) : st;
}

static hulse_status
configure_retry(struct letters *l, const struct letter_user *user, struct error *err)
{
    struct grant grant = {0};

    if (user->retry == NULL) {
        return HULSE_OK;
    }
    hulse_grant_refresh(&grant, user->flow->tables, user->who, user->retry);
    hulse_status st = may(user, &grant, PERMISSION_CONSUME, "the retry topic", user->retry, err);
    if (st == HULSE_OK) {
        st = may(user, &grant, PERMISSION_PRODUCE, "to the retry topic", user->retry, err);
    }
    const struct broker *b = user->flow->brokers[grant.topic->broker];
    l->delays = (b->ops->capabilities & BROKER_CAN_DELAY) != 0;
    hulse_grant_release(&grant);
    return st == HULSE_OK ? set_topic(l, LETTER_RETRY, user->retry, err) : st;
}

void hulse_letters_init(struct letters *l,
                        const struct letters_ops *ops,
                        void *ctx,
                        struct worker *worker)
{
    *l = (struct letters){
        .ops = ops, .ctx = ctx, .post = worker == NULL ? NULL : hulse_letter_post(worker)};
    TAILQ_INIT(&l->pending);
    TAILQ_INIT(&l->notes);
}

hulse_status
hulse_letters_configure(struct letters *l, const struct letter_user *user, struct error *err)
{
    forget_names(l);
    if (l->post == NULL) {
        return HULSE_OK;
    }
    l->source = copy_text(user->topic, hulse_topic_base_bytes(user->topic));
    hulse_status st = l->source == NULL
                          ? hulse_fail(err, HULSE_NO_MEMORY, "no memory for the name of a topic")
                          : configure_dead(l, user, err);
    st = st == HULSE_OK ? configure_retry(l, user, err) : st;
    if (st != HULSE_OK || !hulse_letters_has_any(l)) {
        forget_names(l);
    }
    return st;
}

/* ---- bytes ---- */

static uint64_t bytes_of(const struct broker_delivery *d)
{
    return (uint64_t)d->payload.bytes + d->meta.key.bytes + d->meta.ordering_key.bytes +
           d->meta.properties.bytes + d->producer.bytes;
}

bool hulse_letters_keep(struct letters *l, struct broker_delivery *d)
{
    const uint64_t bytes = bytes_of(d);

    if (l->kept_bytes + bytes > HULSE_KEPT_BYTES) {
        d->marks |= HULSE_MARK_COPIED;
        return false;
    }
    d->marks |= HULSE_MARK_KEPT;
    l->kept_bytes += bytes;
    return true;
}

void hulse_letters_let_go(struct letters *l, struct broker_delivery *d)
{
    if ((d->marks & HULSE_MARK_KEPT) != 0) {
        d->marks &= (uint8_t)~HULSE_MARK_KEPT;
        l->kept_bytes -= bytes_of(d);
    }
}

/* ---- notes ---- */

static void note_free(struct letters *l, struct note *n)
{
    TAILQ_REMOVE(&l->notes, n, link);
    l->note_count -= 1;
    hulse_mem_free(HULSE_MEM_MESSAGE, n, sizeof(*n) + n->detail_bytes);
}

/* Without memory the application sees the message once more, and says again what it thinks of it. */
static void note_make(struct letters *l,
                      const struct broker_delivery *d,
                      const struct letter_reason *why,
                      bool plain)
{
    struct note *n = hulse_mem_alloc(HULSE_MEM_MESSAGE, sizeof(*n) + why->detail.bytes);

    if (n == NULL) {
        return;
    }
    if (l->note_count == HULSE_NOTES_MAX) {
        note_free(l, TAILQ_FIRST(&l->notes));
    }
    *n = (struct note){.id = d->id,
                       .source = d->source,
                       .kind = why->kind,
                       .cause = why->cause,
                       .code = why->code,
                       .plain = plain,
                       .waited = why->waited,
                       .delay_ms = why->delay_ms,
                       .detail_bytes = why->detail.bytes};
    if (why->detail.bytes > 0) {
        memcpy(n->detail, why->detail.data, why->detail.bytes);
    }
    TAILQ_INSERT_TAIL(&l->notes, n, link);
    l->note_count += 1;
}

static bool is_same(const struct broker_id *a, const struct broker_id *b)
{
    return a->entry == b->entry && a->ledger == b->ledger && a->batch == b->batch &&
           a->partition == b->partition;
}

static struct note *note_find(const struct letters *l, const struct broker_delivery *d)
{
    struct note *n = NULL;

    TAILQ_FOREACH(n, &l->notes, link)
    {
        if (n->source == d->source && is_same(&n->id, &d->id)) {
            return n;
        }
    }
    return NULL;
}

void hulse_letters_forget(struct letters *l, const struct broker_delivery *d)
{
    struct note *n = TAILQ_EMPTY(&l->notes) ? NULL : note_find(l, d);
    if (n != NULL) {
        note_free(l, n);
    }
}

void hulse_letters_forget_all(struct letters *l)
{
    while (!TAILQ_EMPTY(&l->notes)) {
        note_free(l, TAILQ_FIRST(&l->notes));
    }
}

/* ---- letters ---- */

static void
count(struct letters *l, const struct letters *names, enum letter_kind kind, bool stored)
{
    static const enum topic_refusal counters[LETTER_KINDS][2] = {
        [LETTER_DEAD] = {TOPIC_DEAD_LETTER_FAILED, TOPIC_DEAD_LETTERED},
        [LETTER_RETRY] = {TOPIC_RETRY_FAILED, TOPIC_RETRIED}};

    *(stored ? &l->counts[kind].stored : &l->counts[kind].failed) += 1;
    if (names->topic_state != NULL) {
        hulse_topic_state_count(names->topic_state, counters[kind][stored ? 1 : 0]);
    }
}

void hulse_letters_put_off(struct letters *l,
                           struct broker_delivery *d,
                           const struct letter_reason *reason,
                           const char *why)
{
    const struct letters *names = l->ops->names(l->ctx, d);
    const char *to = names->topics[reason->kind];

    count(l, names, reason->kind, false);
    HULSE_LOG_WARNF("letter.failed",
                    hulse_log_str("topic", names->source == NULL ? "" : names->source),
                    hulse_log_str("subscription", l->subscription),
                    hulse_log_str(reason->kind == LETTER_RETRY ? "retry_letter" : "dead_letter",
                                  to == NULL ? "" : to),
                    hulse_log_u64("ledger", d->id.ledger),
                    hulse_log_u64("entry", d->id.entry),
                    hulse_log_str("why", why));
    note_make(l, d, reason, reason->kind == LETTER_RETRY);
    hulse_letters_let_go(l, d);
    const uint32_t wished_ms =
        reason->delay_ms > HULSE_PUT_OFF_MS ? reason->delay_ms : HULSE_PUT_OFF_MS;
    l->ops->nack(l->ctx, d, reason->kind == LETTER_RETRY ? wished_ms : 0);
}

/* letter_post's answer. The letter may be gone after the call on the consumer. */
static void done(void *ctx, struct letter *letter, const char *why)
{
    struct letters *l = ctx;
    struct broker_delivery *d = letter->d;
    const struct letter_reason reason = hulse_letter_reason(letter);

    letter->ended = true;
    letter->last_call = d == NULL ? letter->calls_before : l->ops->calls(l->ctx) + 1;
    if (d != NULL) {
        d->marks &= (uint8_t)~HULSE_MARK_LETTER;
        if (why == NULL) {
            count(l, l->ops->names(l->ctx, d), letter->kind, true);
            hulse_letters_let_go(l, d);
            l->ops->ack(l->ctx, d);
        } else {
            hulse_letters_put_off(l, d, &reason, why);
        }
    }
    l->ops->ended(l->ctx);
}

/* It has to come again before its copy is made: with its bytes, or later. */
static bool
waits(struct letters *l, struct broker_delivery *d, bool delays, const struct letter_reason *reason)
{
    struct letter_reason why = *reason;
    const bool later = why.kind == LETTER_RETRY && why.delay_ms != 0 && !why.waited && !delays;

    if (!later && (d->marks & HULSE_MARK_COPIED) == 0) {
        return false;
    }
    why.waited = why.waited || later;
    note_make(l, d, &why, false);
    hulse_letters_let_go(l, d);
    l->ops->nack(l->ctx, d, later ? why.delay_ms : 0);
    return true;
}

bool hulse_letters_is_over(const struct letters *names,
                           const struct broker_delivery *d,
                           const struct letter_reason *why,
                           const struct letter_user *user)
{
    return why->kind == LETTER_RETRY && (d->marks & HULSE_MARK_COPIED) == 0 &&
           hulse_letters_has_dead(names) &&
           (uint64_t)hulse_letter_retries(d->meta.properties) + 1 > user->retries_max;
}

void hulse_letters_begin(struct letters *l,
                         struct broker_delivery *d,
                         const struct letter_reason *reason,
                         const struct letter_user *user,
                         struct role_state *role)
{
    const struct letters *names = l->ops->names(l->ctx, d);
    struct letter_reason judged = *reason;
    const struct letter_reason *why = &judged;
    if (hulse_letters_is_over(names, d, reason, user)) {
        judged.kind = LETTER_DEAD;
    }
    const char *topic = names->topics[judged.kind];
    HULSE_ASSERT(topic != NULL && (d->marks & HULSE_MARK_LETTER) == 0);

    const struct letter_source from = {.topic = names->source,
                                       .subscription = l->subscription,
                                       .host =
                                           user->flow->service == NULL ? "" : user->flow->service,
                                       .app = l->app,
                                       .now_ms = hulse_clock_wall_ms()};
    if (waits(l, d, names->delays, why)) {
        return;
    }
    struct letter *letter = hulse_letter_create(d, &from, why);
    if (letter == NULL) {
        hulse_letters_put_off(l, d, why, "memory_max is reached");
        return;
    }
    letter->done = done;
    letter->ctx = l;
    letter->calls_before = l->ops->calls(l->ctx);
    l->started += 1;
    l->pending_count += 1;
    TAILQ_INSERT_TAIL(&l->pending, letter, pending);
    d->marks |= HULSE_MARK_LETTER;
    d->slot = (uint64_t)(uintptr_t)letter;
    char subscription[HULSE_CONFIG_TEXT_BYTES] = "";
    /* Other topics keep nothing; a retry topic has its consumer's. */
    if (why->kind == LETTER_DEAD && hulse_topic_keeps(topic)) {
        hulse_tables_letter_subscription(user->flow->tables, user->rules, subscription);
    }
    const struct letter_address to = {
        .topic = topic,
        .subscription = subscription,
        .who = user->who,
        .role = role,
        .schema = user->reading == NULL ? NULL : hulse_reading_schema(user->reading, d)};
    hulse_letter_send(l->post, letter, &to);
}

bool hulse_letters_noted(const struct letters *l, const struct broker_delivery *d)
{
    const struct note *n = TAILQ_EMPTY(&l->notes) ? NULL : note_find(l, d);
    return n != NULL && !n->plain && l->ops->names(l->ctx, d)->topics[n->kind] != NULL;
}

bool hulse_letters_again(struct letters *l,
                         struct broker_delivery *d,
                         const struct letter_user *user,
                         struct role_state *role)
{
    struct note *n = TAILQ_EMPTY(&l->notes) ? NULL : note_find(l, d);

    if (n == NULL || l->ops->names(l->ctx, d)->topics[n->kind] == NULL) {
        return false;
    }
    TAILQ_REMOVE(&l->notes, n, link);
    l->note_count -= 1;
    const bool begun = !n->plain;
    if (begun) {
        const struct letter_reason why = {.kind = n->kind,
                                          .cause = n->cause,
                                          .code = n->code,
                                          .delay_ms = n->delay_ms,
                                          .waited = n->waited,
                                          .detail = {.data = n->detail, .bytes = n->detail_bytes}};
        hulse_letters_begin(l, d, &why, user, role);
    }
    hulse_mem_free(HULSE_MEM_MESSAGE, n, sizeof(*n) + n->detail_bytes);
    return begun;
}

void hulse_letters_lose(struct letters *l, struct broker_delivery *d)
{
    struct letter *letter = (struct letter *)(uintptr_t)d->slot;

    HULSE_ASSERT((d->marks & HULSE_MARK_LETTER) != 0 && letter->d == d);
    d->marks &= (uint8_t)~HULSE_MARK_LETTER;
    hulse_letters_let_go(l, d);
    letter->d = NULL;
    if (hulse_letter_withdraw(letter)) {
        letter->ended = true;
        letter->last_call = letter->calls_before;
    }
}

/* ---- order ---- */

/* The first comes before the second, or is it, in their partition's order. */
static bool is_up_to(const struct broker_id *a, const struct broker_id *b)
{
    if (a->partition != b->partition) {
        return false;
    }
    if (a->ledger != b->ledger) {
        return a->ledger < b->ledger;
    }
    return a->entry != b->entry ? a->entry < b->entry : a->batch <= b->batch;
}

bool hulse_letters_clamps(const struct letters *l, const struct broker_id *id, uint32_t source)
{
    const struct letter *letter = NULL;
    const struct note *n = NULL;

    TAILQ_FOREACH(letter, &l->pending, pending)
    {
        if (!letter->ended && letter->d != NULL && letter->source == source &&
            is_up_to(&letter->id, id)) {
            return true;
        }
    }
    TAILQ_FOREACH(n, &l->notes, link)
    {
        if (n->source == source && is_up_to(&n->id, id)) {
            return true;
        }
    }
    return false;
}

uint64_t hulse_letters_settled(struct letters *l, uint64_t calls)
{
    struct letter *first = NULL;

    while ((first = TAILQ_FIRST(&l->pending)) != NULL && first->ended &&
           first->last_call <= calls && first->calls_before <= calls) {
        TAILQ_REMOVE(&l->pending, first, pending);
        l->pending_count -= 1;
        l->final += 1;
        hulse_letter_free(&first);
    }
    const uint64_t prefix =
        first == NULL || calls < first->calls_before ? calls : first->calls_before;
    return prefix + l->final;
}

void hulse_letters_fini(struct letters *l)
{
    struct letter *letter = NULL;

    while ((letter = TAILQ_FIRST(&l->pending)) != NULL) {
        TAILQ_REMOVE(&l->pending, letter, pending);
        if (letter->ended) {
            hulse_letter_free(&letter);
        } else {
            hulse_letter_abandon(letter);
        }
    }
    l->pending_count = 0;
    hulse_letters_forget_all(l);
    forget_names(l);
}
