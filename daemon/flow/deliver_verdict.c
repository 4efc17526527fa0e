/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deliver_verdict - what becomes of the messages that a subscriber has handed out.
 */
#include "daemon/flow/subscriber.h"

#include <math.h>

void hulse_subscriber_copied(struct subscriber *s, struct broker_delivery *d)
{
    struct subscriber *of = hulse_subscriber_ruled(s, d);
    (void)hulse_subscriber_end_reading(of, d);
    if (!s->of_several && hulse_letters_has_any(&of->letters) &&
        hulse_letters_keep(&s->letters, d)) {
        return;
    }
    if (s->consumer->ops->copied != NULL) {
        s->consumer->ops->copied(s->consumer, d);
    }
}

void hulse_subscriber_let_go(struct subscriber *s, struct broker_delivery *d)
{
    hulse_alone_let_go(hulse_subscriber_alone(s), d);
    hulse_letters_let_go(&s->letters, d);
}

/* Its copy goes to the dead-letter or retry topic, which is configured. */
static void
put_aside(struct subscriber *s, struct broker_delivery *d, const struct letter_reason *why)
{
    struct subscriber *of = hulse_subscriber_ruled(s, d);
    const struct letter_user user = hulse_subscriber_user(of);

    (void)hulse_subscriber_end_reading(of, d);
    hulse_alone_let_go(hulse_subscriber_alone(s), d);
    hulse_letters_begin(&s->letters, d, why, &user, of->grant.role_state);
}

/* It was not handled: of a last attempt with the reason why. */
static void
refuse(struct subscriber *s, struct broker_delivery *d, enum letter_cause cause, uint32_t delay_ms)
{
    if (!s->of_several && (d->marks & HULSE_MARK_LAST) != 0 &&
        hulse_letters_has_dead(&hulse_subscriber_ruled(s, d)->letters)) {
        put_aside(s, d, &(struct letter_reason){.cause = cause});
    } else {
        hulse_subscriber_let_go(s, d);
        hulse_subscriber_pass_nack(s, d, delay_ms);
    }
}

void hulse_subscriber_ack(struct subscriber *s, struct broker_delivery *d)
{
    hulse_subscriber_let_go(s, d);
    hulse_subscriber_pass_ack(s, d);
}

bool hulse_subscriber_is_last(const struct broker_delivery *d)
{
    return (d->marks & HULSE_MARK_LAST) != 0;
}

bool hulse_subscriber_clamps(const struct subscriber *s,
                             const struct broker_id *id,
                             uint32_t source)
{
    return hulse_letters_clamps(&s->letters, id, source);
}

void hulse_subscriber_nack(struct subscriber *s, struct broker_delivery *d, uint32_t delay_ms)
{
    refuse(s, d, LETTER_REFUSED, delay_ms);
}

void hulse_subscriber_reject(struct subscriber *s,
                             struct broker_delivery *d,
                             uint16_t code,
                             struct broker_span reason)
{
    if (hulse_letters_has_dead(&hulse_subscriber_ruled(s, d)->letters)) {
        const struct letter_reason why = {.cause = LETTER_REJECTED, .code = code, .detail = reason};
        put_aside(s, d, &why);
    } else {
        hulse_subscriber_unconfigured(s, d);
    }
}

void hulse_subscriber_retry(struct subscriber *s, struct broker_delivery *d, uint32_t delay_ms)
{
    struct subscriber *of = hulse_subscriber_ruled(s, d);
    const struct letter_user user = hulse_subscriber_user(of);
    const struct letter_reason why = {
        .kind = LETTER_RETRY, .cause = LETTER_RETRIED, .delay_ms = delay_ms};

    if (!hulse_letters_has_retry(&of->letters)) {
        hulse_subscriber_unconfigured(s, d);
        return;
    }
    if (!hulse_letters_is_over(&of->letters, d, &why, &user) && s->multi != NULL &&
        !hulse_multi_hears_retry(s->multi, d)) {
        (void)hulse_subscriber_end_reading(of, d);
        hulse_alone_let_go(hulse_subscriber_alone(s), d);
        hulse_letters_put_off(&s->letters, d, &why, "nobody consumes the retry topic yet");
        return;
    }
    put_aside(s, d, &why);
}

void hulse_subscriber_leave(struct subscriber *s, struct broker_delivery *d, bool died)
{
    if (died && (d->marks & HULSE_MARK_ALONE) != 0) {
        refuse(s, d, LETTER_DIED, 0);
    } else {
        hulse_subscriber_let_go(s, d);
        hulse_subscriber_pass_nack(s, d, 0);
    }
}

uint32_t hulse_subscriber_backoff_ms(const struct subscriber *s, const struct broker_delivery *d)
{
    const struct subscriber *of = s->multi == NULL ? s : hulse_multi_of(s->multi, d);
    const struct topic_settings *topic = of->grant.topic;
    const double max_ms = (double)topic->nack_delay_max_ms;
    double delay_ms = (double)topic->nack_delay_ms;

    if (delay_ms > 0 && topic->nack_multiplier > 1) {
        delay_ms *= pow(topic->nack_multiplier, (double)d->redelivery); /* infinite at most */
    }
    delay_ms = delay_ms < max_ms ? delay_ms : max_ms;
    return delay_ms < (double)UINT32_MAX ? (uint32_t)delay_ms : UINT32_MAX;
}

uint64_t hulse_subscriber_ack_timeout_ms(const struct subscriber *s,
                                         const struct broker_delivery *d)
{
    const struct subscriber *of = s->multi == NULL ? s : hulse_multi_of(s->multi, d);
    return of->grant.topic->ack_timeout_ms;
}

void hulse_subscriber_time_out(struct subscriber *s, struct broker_delivery *d)
{
    s->own->counters.timed_out += 1;
    hulse_topic_state_count(hulse_subscriber_ruled(s, d)->grant.topic_state, TOPIC_ACK_TIMED_OUT);
    refuse(s, d, LETTER_TIMED_OUT, 0);
}

void hulse_subscriber_unconfigured(struct subscriber *s, struct broker_delivery *d)
{
    s->own->counters.unconfigured += 1;
    hulse_topic_state_count(hulse_subscriber_ruled(s, d)->grant.topic_state,
                            TOPIC_VERDICT_UNCONFIGURED);
    refuse(s, d, LETTER_REFUSED, hulse_subscriber_backoff_ms(s, d));
}

void hulse_subscriber_drop(struct subscriber *s, struct broker_delivery *d)
{
    s->own->counters.dropped += 1;
    hulse_subscriber_let_go(s, d);
    hulse_subscriber_pass_ack(s, d);
}

void hulse_subscriber_give_back(struct subscriber *s, struct broker_delivery *d)
{
    (void)hulse_subscriber_end_reading(s, d);
    hulse_subscriber_let_go(s, d);
    s->consumer->ops->give_back(s->consumer, d);
}

void hulse_subscriber_ack_id(struct subscriber *s,
                             uint32_t source,
                             const struct broker_id *id,
                             bool cumulative)
{
    s->calls += 1;
    if (s->multi != NULL) {
        hulse_multi_ack_id(s->multi, source, id, cumulative);
        return;
    }
    s->consumer->ops->ack_id(s->consumer, id, cumulative);
}

const char *hulse_subscriber_news(const struct subscriber *s, uint32_t source)
{
    return s->multi == NULL ? NULL : hulse_multi_news(s->multi, source);
}

void hulse_subscriber_told(struct subscriber *s, uint32_t source)
{
    hulse_multi_told(s->multi, source);
}
