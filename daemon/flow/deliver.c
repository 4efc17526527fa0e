/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deliver - see the header.
 *
 * A permit that was given cannot be taken back, so what counts is the estimate at the time of
 * giving. It jumps to a larger size at once and sinks by 1/64 of the difference per message: it
 * follows the mean of a steady stream from above and forgets a peak within a few hundred messages.
 */
#include "daemon/flow/deliver.h"

#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "daemon/core/log.h"
#include "daemon/core/mem.h"
#include "daemon/flow/subscriber.h"

#include <string.h>

/* Ring bytes of a delivery beside payload and metadata: its header. */
#define RECORD_BYTES 64U
#define ESTIMATE_SHIFT 6U
/* enum hulse_verdict, as its bit. */
#define RETRY_BIT (1U << 3U)
#define REJECT_BIT (1U << 4U)

void hulse_subscriber_destroy(struct subscriber *s)
{
    hulse_opening_cancel(&s->opening);
    hulse_alone_fini(hulse_subscriber_alone(s));
    hulse_subscriber_has_begun(s);
    hulse_letters_fini(&s->letters);
    hulse_grant_release(&s->grant);
    hulse_reading_destroy(&s->reading);
    hulse_flow_schema_fini(&s->schema);
    if (s->retry != NULL) {
        hulse_mem_free(HULSE_MEM_TOPIC, s->retry, s->retry->bytes);
    }
    hulse_mem_free(HULSE_MEM_TOPIC, s, s->object_bytes);
}

static uint32_t verdicts_of(const struct subscriber *s)
{
    return s->grant.topic->verdicts | (hulse_letters_has_dead(&s->letters) ? REJECT_BIT : 0U) |
           (hulse_letters_has_retry(&s->letters) ? RETRY_BIT : 0U);
}

static void
broker_opened(void *ctx, hulse_status status, const char *text, const struct broker_reach *reach)
{
    struct subscriber *s = ctx;
    if (status != HULSE_OK) {
        s->events->opened(s->ctx, status, text, 0, NULL);
        hulse_subscriber_destroy(s);
        return;
    }
    s->opened = true;
    s->events->opened(s->ctx, HULSE_OK, text, hulse_subscriber_verdicts(s), reach);
}

static uint64_t size_of(const struct broker_delivery *d)
{
    return (uint64_t)d->payload.bytes + d->meta.key.bytes + d->meta.ordering_key.bytes +
           d->meta.properties.bytes + d->producer.bytes + RECORD_BYTES;
}

static uint64_t next_estimate(uint64_t estimate, uint64_t size)
{
    if (size >= estimate) {
        return size;
    }
    /* Rounded up, so that it arrives at the size. */
    return estimate - ((estimate - size + (1U << ESTIMATE_SHIFT) - 1) >> ESTIMATE_SHIFT);
}

/* Its own time to live, else the rule's. */
static bool expired(const struct subscriber *s, const struct broker_delivery *d)
{
    const uint64_t ttl_ms = d->meta.ttl_ms != 0 ? d->meta.ttl_ms : s->grant.topic->deliver_ttl_ms;
    if (__builtin_expect(ttl_ms == 0, 1)) {
        return false;
    }
    const uint64_t now_ms = hulse_clock_wall_ms();
    return now_ms > d->publish_time_ms && now_ms - d->publish_time_ms > ttl_ms;
}

/* Ended without having been seen. Its permit is used; that room is left has to be told again. */
static void expire(struct subscriber *s, struct broker_delivery *d)
{
    s->own->counters.expired += 1;
    hulse_letters_forget(&s->letters, d);
    hulse_topic_state_count(hulse_subscriber_ruled(s, d)->grant.topic_state,
                            TOPIC_EXPIRED_ON_DELIVERY);
    hulse_subscriber_pass_ack(s, d);
    s->events->ask_room(s->ctx);
}

/* Its letter could not be sent when it was here before: now, unseen. */
static bool again(struct subscriber *s, struct broker_delivery *d)
{
    struct subscriber *of = hulse_subscriber_ruled(s, d);
    const struct letter_user user = hulse_subscriber_user(of);

    if (hulse_letters_noted(&s->letters, d)) {
        /* Of several topics it is read already; its letter is as it was written. */
        (void)hulse_subscriber_end_reading(of, d);
    }
    return hulse_letters_again(&s->letters, d, &user, of->grant.role_state);
}

static void hand_out(struct subscriber *s, struct broker_delivery *d)
{
    hulse_alone_hand_out(hulse_subscriber_alone(s), d);
    s->estimate_bytes = next_estimate(s->estimate_bytes, size_of(d));
    if (s->own != NULL) {
        s->own->counters.delivered += 1;
        s->own->counters.bytes += d->payload.bytes;
    }
    s->events->message(s->ctx, d);
}

static void arrive(struct subscriber *s, struct broker_delivery *d)
{
    if (!hulse_alone_wait(hulse_subscriber_alone(s), d)) {
        hand_out(s, d);
    }
}

/* `resolved`: of the schema that it reads with. */
void hulse_subscriber_was_read(void *ctx, struct broker_delivery *d, bool resolved)
{
    struct subscriber *s = ctx;
    if (!resolved) {
        if (s->own != NULL) {
            s->own->counters.unresolved += 1;
        }
        hulse_topic_state_count(s->grant.topic_state, TOPIC_UNRESOLVED);
    }
    arrive(s, d);
}

static void broker_message(void *ctx, struct broker_delivery *d)
{
    struct subscriber *s = ctx;
    HULSE_ASSERT(s->outstanding > 0);
    s->outstanding -= 1;
    d->marks = 0;
    if (s->lingering) {
        s->consumer->ops->give_back(s->consumer, d);
        return;
    }
    if (s->multi == NULL) {
        d->source = 0;
    }
    const struct subscriber *of = hulse_subscriber_ruled(s, d);
    if (!s->of_several && expired(of, d)) {
        expire(s, d);
        return;
    }
    if (!s->of_several && hulse_letters_has_any(&of->letters)) {
        if (again(s, d)) {
            s->events->ask_room(s->ctx);
            return;
        }
        const bool last =
            hulse_letters_has_dead(&of->letters) && d->redelivery >= of->grant.topic->redeliver_max;
        d->marks |= last ? HULSE_MARK_LAST : 0U;
    }
    if (s->reading == NULL) {
        arrive(s, d);
    } else if (!hulse_reading_take(s->reading, d)) {
        /* It comes again, when there may be memory to let it wait. */
        s->consumer->ops->give_back(s->consumer, d);
        s->events->ask_room(s->ctx);
    }
}

/* As far as the messages in line may go now. */
static void hand_out_line(struct subscriber *s)
{
    struct broker_delivery *d = NULL;

    while ((d = hulse_alone_take(hulse_subscriber_alone(s))) != NULL) {
        hand_out(s, d);
    }
}

void hulse_subscriber_ask_room(void *ctx)
{
    struct subscriber *s = ctx;
    s->events->ask_room(s->ctx);
}

static void broker_failed(void *ctx, hulse_status status, const char *text)
{
    struct subscriber *s = ctx;
    s->events->failed(s->ctx, status, text);
}

static void broker_settled(void *ctx, uint32_t count)
{
    struct subscriber *s = ctx;
    s->settled += count;
    HULSE_ASSERT(s->settled <= s->calls);
    if (s->lingering) {
        hulse_subscriber_tell_settled(s); /* nobody hears it */
        hulse_subscriber_end_lingering(s);
    } else {
        hulse_subscriber_tell_settled(s); /* who hears it may close it */
    }
}

static void broker_caught_up(void *ctx)
{
    struct subscriber *s = ctx;
    if (s->events->caught_up != NULL) {
        s->events->caught_up(s->ctx);
    }
}

static void broker_lost(void *ctx, uint64_t count)
{
    struct subscriber *s = ctx;
    if (s->events->lost != NULL) {
        s->events->lost(s->ctx, count);
    }
}

static void broker_active(void *ctx)
{
    struct subscriber *s = ctx;
    if (s->events->active != NULL) {
        s->events->active(s->ctx, true);
    }
}

static void broker_inactive(void *ctx)
{
    struct subscriber *s = ctx;
    if (s->events->active != NULL) {
        s->events->active(s->ctx, false);
    }
}

static void broker_end_of_topic(void *ctx)
{
    struct subscriber *s = ctx;
    if (s->events->end_of_topic != NULL) {
        s->events->end_of_topic(s->ctx);
    }
}

static void broker_done(void *ctx,
                        enum broker_errand errand,
                        hulse_status status,
                        const char *text,
                        const struct broker_id *id)
{
    struct subscriber *s = ctx;
    (void)id;
    if (errand == BROKER_SEEK) {
        s->events->sought(s->ctx, status, text);
    }
}

const struct broker_consumer_events hulse_subscriber_consumer_events = {
    .opened = broker_opened,
    .message = broker_message,
    .failed = broker_failed,
    .caught_up = broker_caught_up,
    .lost = broker_lost,
    .active = broker_active,
    .inactive = broker_inactive,
    .end_of_topic = broker_end_of_topic,
    .done = broker_done,
    .settled = broker_settled};

enum subscriber_change hulse_subscriber_recheck(struct subscriber *s)
{
    if (s->multi != NULL) {
        return hulse_multi_recheck(s->multi);
    }
    const uint32_t before = verdicts_of(s);
    struct error err = {0};
    hulse_subscriber_renew(s);
    if (hulse_subscriber_letters(s, &err) != HULSE_OK) {
        HULSE_LOG_WARNF("letter.unconfigured",
                        hulse_log_str("topic", s->topic),
                        hulse_log_str("subscription", s->subscription),
                        hulse_log_str("why", err.text));
    }
    if ((s->grant.permissions & PERMISSION_CONSUME) == 0) {
        return SUBSCRIBER_DENIED;
    }
    return verdicts_of(s) == before ? SUBSCRIBER_SAME : SUBSCRIBER_VERDICTS;
}

uint32_t hulse_subscriber_verdicts(const struct subscriber *s)
{
    return s->multi != NULL ? hulse_multi_verdicts(s->multi) : verdicts_of(s);
}

void hulse_subscriber_tell_verdicts(struct subscriber *s)
{
    if (s->events->verdicts != NULL) {
        s->events->verdicts(s->ctx, hulse_subscriber_verdicts(s));
    }
}

uint64_t hulse_subscriber_coming(const struct subscriber *s)
{
    return s->outstanding + (s->reading == NULL ? 0 : hulse_reading_waiting(s->reading));
}

void hulse_subscriber_room(struct subscriber *s, uint64_t bytes, uint32_t messages)
{
    HULSE_ASSERT(s->opened);

    hand_out_line(s);
    /* What is on its way elsewhere, or in line, is had by this consumer still. */
    const uint64_t here = (uint64_t)s->letters.pending_count + s->own->alone.waiting;
    if (bytes == 0 || here >= messages) {
        return;
    }
    /* Of an unknown size one at a time; and never none, or a message larger than the room that is
     * ever told would not come at all. */
    uint64_t wanted = s->estimate_bytes == 0 ? 1 : bytes / s->estimate_bytes;
    wanted = wanted == 0 ? 1 : wanted;
    wanted = wanted > messages - here ? messages - here : wanted;
    const uint64_t coming = hulse_subscriber_coming(s);
    if (wanted > coming) {
        hulse_subscriber_permit(s, (uint32_t)(wanted - coming));
    }
}

void hulse_subscriber_permit(struct subscriber *s, uint32_t count)
{
    /* Before the call, because messages may come before it returns. */
    s->outstanding += count;
    if (s->own != NULL) {
        s->own->counters.permitted += count;
    }
    s->consumer->ops->permit(s->consumer, count);
}

static void broker_ended(void *ctx, struct broker_delivery *d)
{
    struct subscriber *s = ctx;
    if (s->of_several) {
        if (!hulse_subscriber_end_reading(s, d)) {
            s->ended(s->ctx, d);
        }
        return;
    }
    if ((d->marks & HULSE_MARK_LETTER) != 0) {
        hulse_letters_lose(&s->letters, d);
        return;
    }
    const bool unseen = hulse_subscriber_end_reading(s, d);
    if ((d->marks & HULSE_MARK_LINE) != 0) {
        hulse_alone_remove(hulse_subscriber_alone(s), d);
    } else if (!unseen) {
        hulse_subscriber_let_go(s, d);
        s->ended(s->ctx, d);
    }
}

void hulse_subscriber_ack_cumulative(struct subscriber *s,
                                     struct broker_delivery *d,
                                     void (*ended)(void *ctx, struct broker_delivery *d))
{
    HULSE_ASSERT(s->ended == NULL);

    s->ended = ended;
    s->calls += 1;
    s->consumer->ops->ack_cumulative(s->consumer, d, broker_ended);
    s->ended = NULL;
}

hulse_status hulse_subscriber_seek(struct subscriber *s,
                                   const struct broker_position *to,
                                   void (*ended)(void *ctx, struct broker_delivery *d),
                                   struct error *err)
{
    HULSE_ASSERT(s->ended == NULL && s->events->sought != NULL);

    const struct broker_ops *ops = s->consumer->ops;
    if ((ops->capabilities & BROKER_CAN_SEEK) == 0) {
        return hulse_fail(
            err, HULSE_UNSUPPORTED, "a broker of type %s moves no consumer", ops->type);
    }
    s->ended = ended;
    const hulse_status st = ops->seek(s->consumer, to, broker_ended, err);
    s->ended = NULL;
    if (st == HULSE_OK) {
        hulse_letters_forget_all(&s->letters);
    }
    hulse_subscriber_tell_settled(s); /* letters that were on their way are nobody's now */
    return st;
}

uint64_t hulse_subscriber_calls(const struct subscriber *s)
{
    return s->calls + s->letters.started;
}

uint64_t hulse_subscriber_settled(const struct subscriber *s)
{
    return s->told;
}

void hulse_subscriber_close(struct subscriber **subscriber, bool unsubscribe)
{
    struct subscriber *s = *subscriber;
    *subscriber = NULL;
    hulse_reading_destroy(&s->reading);
    if (s->letters.pending_count > 0) {
        hulse_subscriber_linger(s, unsubscribe);
        return;
    }
    if (s->consumer != NULL) {
        s->consumer->ops->consumer_close(s->consumer, unsubscribe);
    }
    hulse_subscriber_destroy(s);
}

const char *hulse_subscriber_topic(const struct subscriber *s)
{
    return s->topic;
}

const struct subscriber_counters *hulse_subscriber_counters(const struct subscriber *s)
{
    return &s->own->counters;
}
