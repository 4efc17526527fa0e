/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deliver_letter - a subscriber and its letters: what their ends mean to it, and how it stays for them.
 */
#include "daemon/core/assert.h"
#include "daemon/flow/subscriber.h"

void hulse_subscriber_tell_settled(struct subscriber *s)
{
    const uint64_t before = s->told;

    s->told = hulse_letters_settled(&s->letters, s->settled);
    if (s->told != before && s->events->settled != NULL) {
        s->events->settled(s->ctx, s->told);
    }
}

static void leave(struct subscriber *s)
{
    hulse_timer_stop(&s->worker->loop.timers, &s->own->linger);
    hulse_letter_guest_remove(s->letters.post, &s->own->guest);
    s->consumer->ops->consumer_close(s->consumer, s->unsubscribe);
    hulse_subscriber_destroy(s);
}

void hulse_subscriber_end_lingering(struct subscriber *s)
{
    if (s->lingering && !s->in_letter && s->letters.pending_count == 0) {
        leave(s);
    }
}

static void letter_ack(void *ctx, struct broker_delivery *d)
{
    struct subscriber *s = ctx;
    s->in_letter = true;
    hulse_subscriber_pass_ack(s, d);
    s->in_letter = false;
}

static void letter_nack(void *ctx, struct broker_delivery *d, uint32_t wished_ms)
{
    struct subscriber *s = ctx;
    uint32_t delay_ms = wished_ms;
    if (delay_ms == 0) {
        delay_ms = hulse_subscriber_backoff_ms(s, d);
        delay_ms = delay_ms > HULSE_PUT_OFF_MS ? delay_ms : HULSE_PUT_OFF_MS;
    }
    s->in_letter = true;
    hulse_subscriber_pass_nack(s, d, delay_ms);
    s->in_letter = false;
}

static const struct letters *letter_names(void *ctx, const struct broker_delivery *d)
{
    return &hulse_subscriber_ruled(ctx, d)->letters;
}

static uint64_t letter_calls(void *ctx)
{
    return ((struct subscriber *)ctx)->calls;
}

static void letter_ended(void *ctx)
{
    struct subscriber *s = ctx;
    s->events->ask_room(s->ctx);
    if (s->lingering) {
        hulse_subscriber_tell_settled(s); /* nobody hears it */
        hulse_subscriber_end_lingering(s);
    } else {
        hulse_subscriber_tell_settled(s); /* who hears it may close it */
    }
}

const struct letters_ops hulse_subscriber_letter_ops = {.ack = letter_ack,
                                                        .nack = letter_nack,
                                                        .names = letter_names,
                                                        .calls = letter_calls,
                                                        .ended = letter_ended};

hulse_status hulse_subscriber_letters(struct subscriber *s, struct error *err)
{
    const struct letter_user user = hulse_subscriber_user(s);

    s->letters.topic_state = s->grant.topic_state;
    return hulse_letters_configure(&s->letters, &user, err);
}

static void nobody_hears(void *ctx, hulse_status status, const char *text)
{
    (void)ctx;
    (void)status;
    (void)text;
}

static void nobody_asks(void *ctx)
{
    (void)ctx;
}

/* Of a front end that has gone. */
static const struct subscriber_events no_events = {
    .failed = nobody_hears, .sought = nobody_hears, .ask_room = nobody_asks};

static void stop_lingering(struct letter_guest *guest)
{
    leave(HULSE_CONTAINER(guest, struct subscriber_own, guest)->subscriber);
}

static void lingered(struct timer *timer)
{
    leave(HULSE_CONTAINER(timer, struct subscriber_own, linger)->subscriber);
}

void hulse_subscriber_linger(struct subscriber *s, bool unsubscribe)
{
    struct subscriber_own *own = s->own;
    struct broker_delivery *d = NULL;

    HULSE_ASSERT(own != NULL);
    s->lingering = true;
    s->unsubscribe = unsubscribe;
    s->events = &no_events;
    while ((d = own->alone.first) != NULL) {
        hulse_alone_remove(&own->alone, d);
        s->consumer->ops->give_back(s->consumer, d);
    }
    own->guest.stop = stop_lingering;
    own->linger.fire = lingered;
    hulse_letter_guest_add(s->letters.post, &own->guest);
    hulse_timer_start(&s->worker->loop.timers,
                      &own->linger,
                      hulse_loop_now_ms(&s->worker->loop) + HULSE_LINGER_MS);
}
