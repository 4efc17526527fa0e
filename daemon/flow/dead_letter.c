/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dead_letter - see the header.
 */
#include "daemon/flow/dead_letter.h"

#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "daemon/core/log.h"
#include "daemon/core/mem.h"
#include "daemon/flow/opening.h"

#include <ctype.h>
#include <string.h>

/* ---- names ---- */

/* Of "…-partition-N" the topic that it belongs to, whose length is told. */
static size_t base_bytes(const char *topic)
{
    static const char mark[] = "-partition-";
    const size_t bytes = strlen(topic);
    size_t end = bytes;

    while (end > 0 && isdigit((unsigned char)topic[end - 1]) != 0) {
        end -= 1;
    }
    const size_t mark_bytes = sizeof(mark) - 1;
    return end < bytes && end > mark_bytes &&
                   memcmp(topic + end - mark_bytes, mark, mark_bytes) == 0
               ? end - mark_bytes
               : bytes;
}

static const char *service_of(const struct flow *flow)
{
    return flow->service == NULL ? "" : flow->service;
}

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

static void forget_names(struct dead_letters *l)
{
    free_text(&l->topic);
    free_text(&l->source);
}

static hulse_status
may_produce(const struct dead_letter_user *user, const char *topic, struct error *err)
{
    struct grant grant = {0};

    hulse_grant_refresh(&grant, user->flow->tables, user->who, topic);
    struct error why = {0};
    const hulse_status st = hulse_opening_allowed(&grant, user->who, PERMISSION_PRODUCE, &why);
    hulse_grant_release(&grant);
    return st == HULSE_OK ? HULSE_OK
                          : hulse_fail(err, st, "%s to the dead-letter topic %s", why.text, topic);
}

/* OK with an empty name: it has none. */
static hulse_status find_name(const struct dead_letter_user *user,
                              const char *source,
                              struct topic_name *name,
                              struct error *err)
{
    char text[HULSE_TOPIC_NAME_MAX];
    const char *why = "the name is too long";
    const struct letter_words words = {
        .topic = source, .subscription = user->subscription, .service = service_of(user->flow)};

    name->full[0] = '\0';
    if (user->subscription[0] == '\0') {
        return HULSE_OK;
    }
    const bool fits = hulse_tables_dead_letter(user->flow->tables, user->topic, &words, text);
    if (fits && text[0] == '\0') {
        return HULSE_OK;
    }
    if (!fits || !hulse_topic_name_parse(name, text, user->flow->default_namespace, &why)) {
        name->full[0] = '\0';
        return hulse_fail(
            err, HULSE_INVAL, "consume.dead_letter gives no topic's name here: %s", why);
    }
    if (strcmp(name->full, source) == 0) {
        name->full[0] = '\0'; /* consumers of a dead-letter topic that its own rule covers */
    }
    return HULSE_OK;
}

void hulse_dead_letter_init(struct dead_letters *l,
                            const struct dead_letter_ops *ops,
                            void *ctx,
                            struct worker *worker)
{
    *l = (struct dead_letters){
        .ops = ops, .ctx = ctx, .post = worker == NULL ? NULL : hulse_letter_post(worker)};
    TAILQ_INIT(&l->pending);
    TAILQ_INIT(&l->notes);
}

hulse_status hulse_dead_letter_configure(struct dead_letters *l,
                                         const struct dead_letter_user *user,
                                         struct error *err)
{
    struct topic_name name = {0};

    forget_names(l);
    if (l->post == NULL) {
        return HULSE_OK;
    }
    l->source = copy_text(user->topic, base_bytes(user->topic));
    hulse_status st = l->source == NULL
                          ? hulse_fail(err, HULSE_NO_MEMORY, "no memory for a dead-letter topic")
                          : find_name(user, l->source, &name, err);
    if (st == HULSE_OK && name.full[0] != '\0') {
        st = may_produce(user, name.full, err);
    }
    if (st == HULSE_OK && name.full[0] != '\0') {
        l->topic = copy_text(name.full, strlen(name.full));
        st = l->topic == NULL
                 ? hulse_fail(err, HULSE_NO_MEMORY, "no memory for a dead-letter topic")
                 : HULSE_OK;
    }
    if (st != HULSE_OK || l->topic == NULL) {
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

bool hulse_dead_letter_keep(struct dead_letters *l, struct broker_delivery *d)
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

void hulse_dead_letter_let_go(struct dead_letters *l, struct broker_delivery *d)
{
    if ((d->marks & HULSE_MARK_KEPT) != 0) {
        d->marks &= (uint8_t)~HULSE_MARK_KEPT;
        l->kept_bytes -= bytes_of(d);
    }
}

/* ---- notes ---- */

static void note_free(struct dead_letters *l, struct note *n)
{
    TAILQ_REMOVE(&l->notes, n, link);
    l->note_count -= 1;
    hulse_mem_free(HULSE_MEM_MESSAGE, n, sizeof(*n) + n->detail_bytes);
}

/* Without memory the application sees the message once more, and says again what it thinks of it. */
static void
note_make(struct dead_letters *l, const struct broker_delivery *d, const struct letter_reason *why)
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
                       .cause = why->cause,
                       .code = why->code,
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

static struct note *note_find(const struct dead_letters *l, const struct broker_delivery *d)
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

/* ---- letters ---- */

static void count(struct dead_letters *l, const struct dead_letters *names, bool stored)
{
    *(stored ? l->stored : l->failed) += 1;
    if (names->topic_state != NULL) {
        hulse_topic_state_count(names->topic_state,
                                stored ? TOPIC_DEAD_LETTERED : TOPIC_DEAD_LETTER_FAILED);
    }
}

static void put_off(struct dead_letters *l,
                    struct broker_delivery *d,
                    const struct letter_reason *reason,
                    const char *why)
{
    const struct dead_letters *names = l->ops->names(l->ctx, d);

    count(l, names, false);
    HULSE_LOG_WARNF("letter.failed",
                    hulse_log_str("topic", names->source == NULL ? "" : names->source),
                    hulse_log_str("subscription", l->subscription),
                    hulse_log_str("dead_letter", names->topic == NULL ? "" : names->topic),
                    hulse_log_u64("ledger", d->id.ledger),
                    hulse_log_u64("entry", d->id.entry),
                    hulse_log_str("why", why));
    note_make(l, d, reason);
    hulse_dead_letter_let_go(l, d);
    l->ops->nack(l->ctx, d);
}

/* letter_post's answer. The letter may be gone after the call on the consumer. */
static void done(void *ctx, struct letter *letter, const char *why)
{
    struct dead_letters *l = ctx;
    struct broker_delivery *d = letter->d;
    const struct letter_reason reason = hulse_letter_reason(letter);

    letter->ended = true;
    letter->last_call = d == NULL ? letter->calls_before : l->ops->calls(l->ctx) + 1;
    if (d != NULL) {
        d->marks &= (uint8_t)~HULSE_MARK_LETTER;
        if (why == NULL) {
            count(l, l->ops->names(l->ctx, d), true);
            hulse_dead_letter_let_go(l, d);
            l->ops->ack(l->ctx, d);
        } else {
            put_off(l, d, &reason, why);
        }
    }
    l->ops->ended(l->ctx);
}

void hulse_dead_letter_begin(struct dead_letters *l,
                             struct broker_delivery *d,
                             const struct letter_reason *why,
                             const struct dead_letter_user *user,
                             struct role_state *role)
{
    const struct dead_letters *names = l->ops->names(l->ctx, d);
    HULSE_ASSERT(names->topic != NULL && (d->marks & HULSE_MARK_LETTER) == 0);

    const struct letter_source from = {.topic = names->source,
                                       .subscription = l->subscription,
                                       .host =
                                           user->flow->service == NULL ? "" : user->flow->service,
                                       .app = l->app,
                                       .now_ms = hulse_clock_wall_ms()};
    if ((d->marks & HULSE_MARK_COPIED) != 0) { /* it comes again with its bytes */
        note_make(l, d, why);
        l->ops->nack(l->ctx, d);
        return;
    }
    struct letter *letter = hulse_letter_create(d, &from, why);
    if (letter == NULL) {
        put_off(l, d, why, "memory_max is reached");
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
    /* Other topics keep nothing. */
    if (strncmp(names->topic, "persistent:", strlen("persistent:")) == 0) {
        hulse_tables_letter_subscription(user->flow->tables, user->topic, subscription);
    }
    const struct letter_address to = {
        .topic = names->topic, .subscription = subscription, .who = user->who, .role = role};
    hulse_letter_send(l->post, letter, &to);
}

bool hulse_dead_letter_noted(const struct dead_letters *l, const struct broker_delivery *d)
{
    return !TAILQ_EMPTY(&l->notes) && note_find(l, d) != NULL;
}

bool hulse_dead_letter_again(struct dead_letters *l,
                             struct broker_delivery *d,
                             const struct dead_letter_user *user,
                             struct role_state *role)
{
    struct note *n =
        TAILQ_EMPTY(&l->notes) || l->ops->names(l->ctx, d)->topic == NULL ? NULL : note_find(l, d);

    if (n == NULL) {
        return false;
    }
    TAILQ_REMOVE(&l->notes, n, link);
    l->note_count -= 1;
    const struct letter_reason why = {.cause = n->cause,
                                      .code = n->code,
                                      .detail = {.data = n->detail, .bytes = n->detail_bytes}};
    hulse_dead_letter_begin(l, d, &why, user, role);
    hulse_mem_free(HULSE_MEM_MESSAGE, n, sizeof(*n) + n->detail_bytes);
    return true;
}

void hulse_dead_letter_lose(struct dead_letters *l, struct broker_delivery *d)
{
    struct letter *letter = (struct letter *)(uintptr_t)d->slot;

    HULSE_ASSERT((d->marks & HULSE_MARK_LETTER) != 0 && letter->d == d);
    d->marks &= (uint8_t)~HULSE_MARK_LETTER;
    hulse_dead_letter_let_go(l, d);
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

bool hulse_dead_letter_clamps(const struct dead_letters *l,
                              const struct broker_id *id,
                              uint32_t source)
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

uint64_t hulse_dead_letter_settled(struct dead_letters *l, uint64_t calls)
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

void hulse_dead_letter_fini(struct dead_letters *l)
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
    while (!TAILQ_EMPTY(&l->notes)) {
        note_free(l, TAILQ_FIRST(&l->notes));
    }
    forget_names(l);
}
