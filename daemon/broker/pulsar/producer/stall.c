/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stall - see the header.
 */
#include "daemon/broker/pulsar/producer/stall.h"

#include "daemon/broker/pulsar/producer/senders.h"
#include "daemon/core/assert.h"
#include "daemon/core/log.h"
#include "daemon/worker/worker.h"

/* One that moves and gets no receipts at all for so long keeps no other from moving. */
#define DRAIN_LOOKS (5U * PULSAR_STALL_LOOKS)

/* On a connection that others use as well. */
static bool is_shared(const struct pulsar_sender *s)
{
    return s->state == SENDER_READY && s->access == BROKER_ACCESS_SHARED && !s->apart;
}

static bool is_wanting(const struct pulsar_sender *s)
{
    return s->in_flight > 0 || s->unsent != NULL || s->open != NULL;
}

/* Once everything it has sent there is answered. */
static void move(struct pulsar_sender *s, bool apart)
{
    s->apart = apart;
    s->moving = true;
    hulse_pulsar_senders_mark(s);
}

static void move_back(struct pulsar_sender *s)
{
    HULSE_LOG_INFOF("pulsar.producer_returns", hulse_log_str("topic", s->topic));
    move(s, false);
}

/* Counts; gives whether there is a reason to look again. */
static bool look_at(struct pulsar_sender *s)
{
    struct pulsar_stall *st = &s->stall;
    const bool waits = s->state == SENDER_READY && s->in_flight > 0;

    st->dry = waits && st->waited && st->receipts == st->seen ? st->dry + 1 : 0;
    st->waited = waits;
    if (s->apart && s->state == SENDER_READY && !s->moving) {
        st->stay =
            st->dry >= PULSAR_STALL_LOOKS ? st->stay_for : st->stay - (st->stay > 0 ? 1U : 0U);
        if (st->stay == 0) {
            move_back(s);
        }
    }
    return waits || s->apart;
}

/* Of those on the connection of a stalled one: the one with most there. NULL: it is alone, or one is moving already. */
static struct pulsar_sender *choose(struct pulsar_senders *all, const struct pulsar_sender *stalled)
{
    struct pulsar_sender *s = NULL;
    struct pulsar_sender *most = NULL;
    uint32_t wanting = 0;

    for (uint32_t i = 0; i < PULSAR_SENDER_BUCKETS; i++) {
        LIST_FOREACH(s, &all->buckets[i], link)
        {
            if (s->state != SENDER_READY || s->user.connection != stalled->user.connection) {
                continue;
            }
            if (s->moving && s->stall.dry < DRAIN_LOOKS) {
                return NULL;
            }
            if (s->moving) {
                continue;
            }
            wanting += is_wanting(s) || s->stall.receipts != s->stall.seen ? 1U : 0U;
            most = most == NULL || s->in_flight_bytes > most->in_flight_bytes ? s : most;
        }
    }
    return wanting > 1 ? most : NULL;
}

static void move_apart(struct pulsar_sender *s)
{
    struct pulsar_stall *st = &s->stall;

    st->stay_for = st->stay_for == 0 ? PULSAR_RETURN_LOOKS : 2 * st->stay_for;
    st->stay_for = st->stay_for < PULSAR_RETURN_LOOKS_MAX ? st->stay_for : PULSAR_RETURN_LOOKS_MAX;
    st->stay = st->stay_for;
    s->all->figures.moved_apart += 1;
    HULSE_LOG_WARNF("pulsar.producer_apart",
                    hulse_log_str("topic", s->topic),
                    hulse_log_u64("unanswered_bytes", s->in_flight_bytes));
    move(s, true);
}

/* One at a time, since that changes who is stalled by whom. */
static void relieve_one(struct pulsar_senders *all)
{
    struct pulsar_sender *s = NULL;

    for (uint32_t i = 0; i < PULSAR_SENDER_BUCKETS; i++) {
        LIST_FOREACH(s, &all->buckets[i], link)
        {
            struct pulsar_sender *most =
                is_shared(s) && s->stall.dry >= PULSAR_STALL_LOOKS ? choose(all, s) : NULL;
            if (most != NULL) {
                move_apart(most);
                return;
            }
        }
    }
}

void hulse_pulsar_stall_look(struct pulsar_senders *all)
{
    struct pulsar_sender *s = NULL;
    bool again = false;

    for (uint32_t i = 0; i < PULSAR_SENDER_BUCKETS; i++) {
        LIST_FOREACH(s, &all->buckets[i], link)
        {
            again = look_at(s) || again;
        }
    }
    relieve_one(all);
    for (uint32_t i = 0; i < PULSAR_SENDER_BUCKETS; i++) {
        LIST_FOREACH(s, &all->buckets[i], link)
        {
            s->stall.seen = s->stall.receipts;
        }
    }
    if (again) {
        hulse_pulsar_stall_watch(all);
    }
}

void hulse_pulsar_stall_watch(struct pulsar_senders *all)
{
    if (!hulse_timer_pending(&all->look)) {
        hulse_timer_start(&all->pw->loop->timers,
                          &all->look,
                          hulse_loop_now_ms(all->pw->loop) + PULSAR_STALL_LOOK_MS);
    }
}

void hulse_pulsar_stall_fired(struct timer *timer)
{
    hulse_pulsar_stall_look(HULSE_CONTAINER(timer, struct pulsar_senders, look));
}
