/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stall - a consumer that has asked for messages, and hears nothing.
 *
 * Mostly there are none. So the broker is asked what it has of ours, ever more rarely while all is well:
 *
 *   other permits than the ledger says, twice        its number is the true one; what is wanted is asked for again
 *   the same, and its topic has a last message that   the subscription is made anew; if that does not help it is said,
 *   this session has not seen, twice                  and left alone until there is a later message
 *
 * The second question is for Exclusive, Failover and readers: of the others a message may be another consumer's, or due
 * later. Between both questions nothing may have come or been asked for: else what was counted was under way.
 */
#include "daemon/broker/pulsar/consumer/object.h"
#include "daemon/core/log.h"

static uint64_t now(const struct pulsar_consumer *c)
{
    return hulse_pulsar_consumer_now_ms(c);
}

static uint32_t operation_timeout(const struct pulsar_consumer *c)
{
    return c->worker->broker->params.operation_timeout_ms;
}

static void look_in(struct pulsar_consumer *c, uint32_t ms)
{
    hulse_timer_start(&c->worker->loop->timers, &c->stall.watch, now(c) + ms);
}

/* What the last questions found counts no more. */
static void lay_aside(struct pulsar_consumer *c)
{
    struct suspicion *s = c->stall.of;
    if (s == NULL) {
        return;
    }
    hulse_pulsar_cancel(&s->request);
    s->missing = 0;
    s->unseen = false;
    if (!s->renewed) {
        hulse_stall_quit(c);
    }
}

static void all_is_well(struct pulsar_consumer *c)
{
    struct stall *s = &c->stall;
    lay_aside(c);
    look_in(c, s->period_ms);
    s->period_ms = s->period_ms < PULSAR_STALL_MAX_MS / 2 ? 2 * s->period_ms : PULSAR_STALL_MAX_MS;
}

/* Something has come, or been asked for, since the question. */
static bool moved(const struct pulsar_consumer *c)
{
    return c->permits.moves != c->stall.of->moves || c->state != SESSION_READY || c->renew != NULL;
}

/* ---- its topic's last message ---- */

static bool is_seen(const struct pulsar_consumer *c,
                    const Pulsar__CommandGetLastMessageIdResponse *answer)
{
    const Pulsar__MessageIdData *last = answer->last_message_id;
    const Pulsar__MessageIdData *mark = answer->consumer_mark_delete_position;
    if (last->entryid == BROKER_NO_ENTRY) {
        return true;
    }
    if (c->has_seen &&
        !hulse_entry_below(c->seen_ledger, c->seen_entry, last->ledgerid, last->entryid)) {
        return true;
    }
    if (mark == NULL) {
        return !c->has_seen;
    }
    /* What the broker filters is behind the mark, too. */
    return hulse_position_is_behind(mark, last);
}

static void say_left(struct pulsar_consumer *c, const Pulsar__MessageIdData *last)
{
    c->stall.of->said = true;
    c->set->figures.stalls_left += 1;
    HULSE_LOG_ERRORF("pulsar.consumer_stands_still",
                     hulse_log_str("topic", c->topic),
                     hulse_log_str("subscription", c->subscription),
                     hulse_log_u64("last_ledger", last->ledgerid),
                     hulse_log_u64("last_entry", last->entryid),
                     hulse_log_str("why", "a new subscription has not helped"));
}

static void stands_still(struct pulsar_consumer *c, const Pulsar__MessageIdData *last)
{
    struct suspicion *s = c->stall.of;
    const bool again =
        s->renewed && s->renewed_ledger == last->ledgerid && s->renewed_entry == last->entryid;
    if (again) {
        if (!s->said) {
            say_left(c, last);
        }
        all_is_well(c);
        return;
    }
    s->renewed = true;
    s->renewed_ledger = last->ledgerid;
    s->renewed_entry = last->entryid;
    s->said = false;
    s->unseen = false;
    c->set->figures.stalls += 1;
    hulse_pulsar_consumer_renew(c, "the broker has messages and permits, and sends nothing");
}

static void heard_last(struct pulsar_request *request,
                       enum pulsar_reply reply,
                       const Pulsar__BaseCommand *answer)
{
    struct pulsar_consumer *c = HULSE_CONTAINER(request, struct suspicion, request)->consumer;
    struct suspicion *s = c->stall.of;
    if (reply == PULSAR_REPLY_LOST) {
        return; /* `lost` follows */
    }
    if (moved(c) || reply != PULSAR_REPLY_ANSWER ||
        answer->type != PULSAR__BASE_COMMAND__TYPE__GET_LAST_MESSAGE_ID_RESPONSE ||
        is_seen(c, answer->getlastmessageidresponse)) {
        all_is_well(c);
        return;
    }
    const Pulsar__MessageIdData *last = answer->getlastmessageidresponse->last_message_id;
    if (s->unseen && s->unseen_moves == s->moves && s->unseen_ledger == last->ledgerid &&
        s->unseen_entry == last->entryid) {
        stands_still(c, last);
        return;
    }
    s->unseen = true;
    s->unseen_moves = s->moves;
    s->unseen_ledger = last->ledgerid;
    s->unseen_entry = last->entryid;
    look_in(c, PULSAR_STALL_MS);
}

static void ask_for_last(struct pulsar_consumer *c)
{
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;
    Pulsar__CommandGetLastMessageId last = PULSAR__COMMAND_GET_LAST_MESSAGE_ID__INIT;
    if (c->non_persistent || c->type == BROKER_SHARED || c->type == BROKER_KEY_SHARED) {
        all_is_well(c);
        return;
    }
    struct pulsar_request *r = &c->stall.of->request;
    r->done = heard_last;
    command.type = PULSAR__BASE_COMMAND__TYPE__GET_LAST_MESSAGE_ID;
    command.getlastmessageid = &last;
    last.consumer_id = c->user.id;
    last.request_id = hulse_pulsar_request_id(c->user.connection, r);
    if (!hulse_pulsar_ask(c->user.connection, r, &command, operation_timeout(c))) {
        look_in(c, PULSAR_REFUSED_MS);
    }
}

/* ---- permits ---- */

static void compare(struct pulsar_consumer *c, int64_t available)
{
    struct suspicion *s = c->stall.of;
    const int64_t missing = c->permits.broker - available;
    if (missing == 0) {
        s->missing = 0;
        ask_for_last(c);
        return;
    }
    if (s->missing != missing || s->missing_moves != s->moves) {
        s->missing = missing;
        s->missing_moves = s->moves;
        look_in(c, PULSAR_STALL_SURE_MS);
        return;
    }
    s->missing = 0;
    c->set->figures.stalls += 1;
    c->set->figures.permits_lost += missing > 0 ? (uint64_t)missing : 0;
    HULSE_LOG_WARNF("pulsar.permits_differ",
                    hulse_log_str("topic", c->topic),
                    hulse_log_str("subscription", c->subscription),
                    hulse_log_i64("given", c->permits.broker),
                    hulse_log_i64("available", available));
    hulse_permits_correct(&c->permits, available);
    hulse_pulsar_consumer_dirty(c);
    look_in(c, PULSAR_STALL_MS);
}

static void heard_stats(struct pulsar_request *request,
                        enum pulsar_reply reply,
                        const Pulsar__BaseCommand *answer)
{
    struct pulsar_consumer *c = HULSE_CONTAINER(request, struct suspicion, request)->consumer;
    if (reply == PULSAR_REPLY_LOST) {
        return; /* `lost` follows */
    }
    if (moved(c)) {
        all_is_well(c);
        return;
    }
    const Pulsar__CommandConsumerStatsResponse *stats =
        reply == PULSAR_REPLY_ANSWER &&
                answer->type == PULSAR__BASE_COMMAND__TYPE__CONSUMER_STATS_RESPONSE
            ? answer->consumerstatsresponse
            : NULL;
    if (stats == NULL || stats->has_error_code || !stats->has_availablepermits) {
        ask_for_last(c); /* a broker that does not say */
    } else if (stats->blockedconsumeronunackedmsgs) {
        all_is_well(c); /* its own limit; permits that it gets meanwhile are not among those */
    } else {
        compare(c, (int64_t)stats->availablepermits);
    }
}

/* False: no memory. */
static bool suspect(struct pulsar_consumer *c)
{
    if (c->stall.of == NULL) {
        c->stall.of = hulse_mem_zalloc(HULSE_MEM_TOPIC, sizeof(*c->stall.of));
        if (c->stall.of == NULL) {
            return false;
        }
        c->stall.of->consumer = c;
    }
    return true;
}

static void ask_for_stats(struct pulsar_consumer *c)
{
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;
    Pulsar__CommandConsumerStats stats = PULSAR__COMMAND_CONSUMER_STATS__INIT;
    if (!suspect(c)) {
        look_in(c, PULSAR_REFUSED_MS);
        return;
    }
    struct pulsar_request *r = &c->stall.of->request;
    c->stall.of->moves = c->permits.moves;
    r->done = heard_stats;
    command.type = PULSAR__BASE_COMMAND__TYPE__CONSUMER_STATS;
    command.consumerstats = &stats;
    stats.consumer_id = c->user.id;
    stats.request_id = hulse_pulsar_request_id(c->user.connection, r);
    if (!hulse_pulsar_ask(c->user.connection, r, &command, operation_timeout(c))) {
        look_in(c, PULSAR_REFUSED_MS);
    }
}

/* ---- watching ---- */

/* It should get what there is. */
static bool is_due(const struct pulsar_consumer *c)
{
    return c->state == SESSION_READY && c->renew == NULL && c->errand == NULL &&
           c->permits.broker > 0 && (c->type != BROKER_FAILOVER || c->active);
}

static void watch(struct timer *timer)
{
    struct pulsar_consumer *c = HULSE_CONTAINER(timer, struct pulsar_consumer, stall.watch);
    struct stall *s = &c->stall;
    const uint64_t silent_ms = now(c) - c->heard_ms;
    if (silent_ms >= PULSAR_STALL_MS) {
        hulse_hands_rest(c);
    }
    if (silent_ms < PULSAR_STALL_MS || !is_due(c)) {
        s->period_ms = PULSAR_STALL_MS;
        lay_aside(c);
        look_in(c,
                silent_ms < PULSAR_STALL_MS ? PULSAR_STALL_MS - (uint32_t)silent_ms
                                            : PULSAR_STALL_MS);
        return;
    }
    ask_for_stats(c);
}

void hulse_stall_watch(struct pulsar_consumer *c)
{
    hulse_stall_stop(c);
    c->heard_ms = now(c);
    c->has_seen = false;
    c->stall.watch.fire = watch;
    c->stall.period_ms = PULSAR_STALL_MS;
    look_in(c, PULSAR_STALL_MS);
}

void hulse_stall_stop(struct pulsar_consumer *c)
{
    hulse_timer_stop(&c->worker->loop->timers, &c->stall.watch);
    lay_aside(c);
}

void hulse_stall_quit(struct pulsar_consumer *c)
{
    if (c->stall.of != NULL) {
        hulse_pulsar_cancel(&c->stall.of->request);
        hulse_mem_free(HULSE_MEM_TOPIC, c->stall.of, sizeof(*c->stall.of));
        c->stall.of = NULL;
    }
}

void hulse_stall_heard(struct pulsar_consumer *c, uint64_t ledger, uint64_t entry)
{
    c->heard_ms = now(c);
    if (!c->has_seen || hulse_entry_below(c->seen_ledger, c->seen_entry, ledger, entry)) {
        c->has_seen = true;
        c->seen_ledger = ledger;
        c->seen_entry = entry;
    }
}
