/* SPDX-License-Identifier: Apache-2.0 */
/*
 * again - messages that were refused or given back, and come again.
 *
 * Of Shared and Key_Shared their entries are asked of the broker, after the longest delay that one of their messages has:
 * an entry is the smallest thing that a broker sends again, and each time counts a redelivery for all of it. What
 * is in our hands or acknowledged of it is passed over then.
 *
 * Of the others a broker can only send everything again, so a message is kept here and handed out once more. Whose bytes
 * were not kept comes with everything, which is asked for when it is due, and with a new epoch: what was sent before
 * that is passed over, so the order is the topic's from there on. A topic that keeps no messages has nothing to send.
 */
#include "daemon/broker/pulsar/consumer/object.h"
#include "daemon/core/log.h"

/* ---- by the broker ---- */

void hulse_again_now(struct pulsar_consumer *c, struct entry *e)
{
    hulse_timer_stop(&c->worker->loop->timers, &e->again);
    if (!e->due) {
        e->due = true;
        TAILQ_INSERT_TAIL(&c->hands->due, e, due_link);
        c->hands->due_count += 1;
        hulse_pulsar_consumer_dirty(c);
    }
}

static void entry_is_due(struct timer *timer)
{
    struct entry *e = HULSE_CONTAINER(timer, struct entry, again);
    hulse_again_now(e->consumer, e);
}

void hulse_again_stop(struct pulsar_consumer *c, struct entry *e)
{
    hulse_timer_stop(&c->worker->loop->timers, &e->again);
    if (e->due) {
        e->due = false;
        TAILQ_REMOVE(&c->hands->due, e, due_link);
        c->hands->due_count -= 1;
    }
}

void hulse_again_ask(struct pulsar_consumer *c, struct entry *e, uint32_t delay_ms)
{
    if (e->chunked != NULL) {
        hulse_chunks_again(c, e, delay_ms);
    }
    const uint64_t due_ms = hulse_pulsar_consumer_now_ms(c) + delay_ms;
    if (hulse_timer_pending(&e->again)) {
        if (e->again.due_ms < due_ms) {
            hulse_timer_start(&c->worker->loop->timers, &e->again, due_ms);
        }
    } else if (delay_ms == 0) {
        hulse_again_now(c, e);
    } else {
        hulse_again_stop(c, e);
        e->again.fire = entry_is_due;
        hulse_timer_start(&c->worker->loop->timers, &e->again, due_ms);
    }
}

/* At most PULSAR_IDS_MAX of those that are due. False: no memory. */
static bool send_some(struct pulsar_consumer *c)
{
    struct pulsar_consumers *set = c->set;
    const struct entry *each = NULL;
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;
    Pulsar__CommandRedeliverUnacknowledgedMessages again =
        PULSAR__COMMAND_REDELIVER_UNACKNOWLEDGED_MESSAGES__INIT;
    uint32_t count = 0;

    TAILQ_FOREACH(each, &c->hands->due, due_link)
    {
        if (count == PULSAR_IDS_MAX) {
            break;
        }
        pulsar__message_id_data__init(&set->ids[count]);
        set->ids[count].ledgerid = each->ledger;
        set->ids[count].entryid = each->entry;
        count += 1;
    }
    command.type = PULSAR__BASE_COMMAND__TYPE__REDELIVER_UNACKNOWLEDGED_MESSAGES;
    command.redeliverunacknowledgedmessages = &again;
    again.consumer_id = c->user.id;
    again.message_ids = set->id_pointers;
    again.n_message_ids = count;
    if (!hulse_pulsar_command(c->user.connection, &command)) {
        return false;
    }
    set->figures.redeliveries_asked += count;
    for (; count > 0; count--) {
        struct entry *e = TAILQ_FIRST(&c->hands->due);
        hulse_again_stop(c, e);
        hulse_entry_review(c, e);
    }
    return true;
}

static void send_again_in(struct pulsar_consumer *c, uint32_t ms)
{
    if (!hulse_timer_pending(&c->hands->flush_again)) {
        hulse_timer_start(
            &c->worker->loop->timers, &c->hands->flush_again, hulse_pulsar_consumer_now_ms(c) + ms);
    }
}

static void send_each(struct pulsar_consumer *c)
{
    while (c->hands->due_count > 0) {
        if (!send_some(c)) {
            send_again_in(c, PULSAR_REFUSED_MS);
            return;
        }
    }
}

/* ---- everything, by the broker ---- */

void hulse_again_heard(struct pulsar_consumer *c, uint64_t ledger, uint64_t entry, bool has_epoch)
{
    struct hands *h = c->hands;
    h->late =
        h->late && !has_epoch && hulse_entry_below(h->came_ledger, h->came_entry, ledger, entry);
    h->came_ledger = ledger;
    h->came_entry = entry;
    if (c->rewinding &&
        !hulse_entry_below(ledger, entry, c->hands->rewind_ledger, c->hands->rewind_entry)) {
        c->rewinding = false;
        hulse_pulsar_consumer_dirty(c);
    }
    if (!c->rewinding && !h->late) {
        hulse_chunks_heard(c, ledger, entry);
    }
}

/* The lowest and the highest that are due. */
static void find_due(const struct pulsar_consumer *c, struct entry **low, struct entry **high)
{
    struct entry *e = NULL;
    *low = *high = TAILQ_FIRST(&c->hands->due);
    TAILQ_FOREACH(e, &c->hands->due, due_link)
    {
        if (hulse_entry_below(e->ledger, e->entry, (*low)->ledger, (*low)->entry)) {
            *low = e;
        }
        if (hulse_entry_below((*high)->ledger, (*high)->entry, e->ledger, e->entry)) {
            *high = e;
        }
    }
}

static void leave_to_broker(struct pulsar_consumer *c, struct delivery *dl)
{
    struct entry *e = dl->entry;
    e->refused = dl->d.redelivery > e->refused ? dl->d.redelivery : e->refused;
    hulse_delivery_let_go(c, dl);
    hulse_entry_review(c, e);
}

/* What stands ready here behind an entry that the broker will send comes with it, or it would be before it. */
static void
leave_those_behind(struct pulsar_consumer *c, struct delivery_list *list, const struct entry *low)
{
    const uint64_t now_ms = hulse_pulsar_consumer_now_ms(c);
    const uint64_t ledger = low->ledger;
    const uint64_t entry = low->entry;
    struct delivery *next = NULL;
    for (struct delivery *dl = TAILQ_FIRST(list); dl != NULL; dl = next) {
        const struct entry *e = dl->entry;
        next = TAILQ_NEXT(dl, link);
        if ((dl->state == DELIVERY_WAITING || dl->due.due_ms <= now_ms) &&
            !hulse_entry_below(e->ledger, e->entry, ledger, entry)) {
            leave_to_broker(c, dl);
        }
    }
}

/* False: no memory. */
static bool say_rewind(const struct pulsar_consumer *c)
{
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;
    Pulsar__CommandRedeliverUnacknowledgedMessages again =
        PULSAR__COMMAND_REDELIVER_UNACKNOWLEDGED_MESSAGES__INIT;
    command.type = PULSAR__BASE_COMMAND__TYPE__REDELIVER_UNACKNOWLEDGED_MESSAGES;
    command.redeliverunacknowledgedmessages = &again;
    again.consumer_id = c->user.id;
    again.has_consumer_epoch = true;
    again.consumer_epoch = c->epoch + 1;
    return hulse_pulsar_command(c->user.connection, &command);
}

/* What is due comes without a further word. */
static void all_come(struct pulsar_consumer *c)
{
    struct entry *e = NULL;
    while ((e = TAILQ_FIRST(&c->hands->due)) != NULL) {
        hulse_again_stop(c, e);
        hulse_entry_review(c, e);
    }
}

static void rewind_all(struct pulsar_consumer *c)
{
    struct entry *low = NULL;
    struct entry *high = NULL;
    find_due(c, &low, &high);
    if (!say_rewind(c)) {
        send_again_in(c, PULSAR_REFUSED_MS);
        return;
    }
    c->set->figures.rewound += 1;
    c->epoch += 1;
    c->rewinding = true;
    c->hands->rewind_ledger = high->ledger;
    c->hands->rewind_entry = high->entry;
    c->heard_ms = hulse_pulsar_consumer_now_ms(c);
    c->hands->rewound_ms = c->heard_ms;
    c->hands->late = true;
    hulse_receive_forget_queue(c);
    leave_those_behind(c, &c->hands->kept, low);
    leave_those_behind(c, &c->hands->waiting, low);
    all_come(c);
}

/* One at a time: to begin anew before it has come to its end could go on for ever. */
static void send_all(struct pulsar_consumer *c)
{
    const uint64_t silent_ms = hulse_pulsar_consumer_now_ms(c) - c->heard_ms;
    if (c->hands->due_count == 0) {
        return;
    }
    if (c->rewinding && silent_ms < PULSAR_REWIND_MS) {
        send_again_in(c, PULSAR_REWIND_MS - (uint32_t)silent_ms);
        return;
    }
    rewind_all(c);
}

void hulse_again_send(struct pulsar_consumer *c)
{
    if (hulse_pulsar_consumer_shares(c)) {
        send_each(c);
    } else {
        send_all(c);
    }
}

void hulse_again_restart(struct pulsar_consumer *c)
{
    c->rewinding = false;
    if (c->hands->consumer != NULL) {
        c->hands->late = false;
        c->hands->moved = false;
        c->hands->came_ledger = 0;
        c->hands->came_entry = 0;
    }
    if (!hulse_pulsar_consumer_shares(c)) {
        all_come(c);
    }
}

void hulse_again_forget(struct pulsar_consumer *c)
{
    struct entry *next = NULL;
    for (struct entry *e = TAILQ_FIRST(&c->hands->entries.all); e != NULL; e = next) {
        next = TAILQ_NEXT(e, link);
        hulse_again_stop(c, e);
        hulse_entry_review(c, e);
    }
    c->rewinding = false;
}

/* ---- from here ---- */

static void delivery_is_due(struct timer *timer)
{
    struct delivery *dl = HULSE_CONTAINER(timer, struct delivery, due);
    struct pulsar_consumer *c = dl->consumer;
    TAILQ_REMOVE(&c->hands->kept, dl, link);
    TAILQ_INSERT_TAIL(&c->hands->waiting, dl, link);
    dl->state = DELIVERY_WAITING;
    c->unsorted = true;
    hulse_pulsar_consumer_dirty(
        c); /* at the end of the turn: others are due now, and may stand before it */
}

static void keep(struct pulsar_consumer *c, struct delivery *dl, uint32_t delay_ms)
{
    TAILQ_REMOVE(&c->hands->held, dl, link);
    TAILQ_INSERT_TAIL(&c->hands->kept, dl, link);
    dl->state = DELIVERY_KEPT;
    dl->due.fire = delivery_is_due;
    hulse_timer_start(
        &c->worker->loop->timers, &dl->due, hulse_pulsar_consumer_now_ms(c) + delay_ms);
    c->hands->kept_count += 1;
}

/* It has to come again to be handed out again. */
static void ask_for_bytes(struct pulsar_consumer *c, struct delivery *dl, uint32_t delay_ms)
{
    struct entry *e = dl->entry;
    if (!c->non_persistent) {
        e->refused = dl->d.redelivery > e->refused ? dl->d.redelivery : e->refused;
        e->owed = c->type == BROKER_READER;
        hulse_delivery_let_go(c, dl);
        hulse_again_ask(c, e, delay_ms);
        hulse_entry_review(c, e);
        return;
    }
    hulse_delivery_let_go(c, dl);
    hulse_entry_review(c, e);
    c->set->figures.unkept += 1;
    if (!c->said_unkept) {
        c->said_unkept = true;
        HULSE_LOG_WARNF("pulsar.cannot_come_again",
                        hulse_log_str("topic", c->topic),
                        hulse_log_str("subscription", c->subscription),
                        hulse_log_u64("held_bytes", c->held_bytes.bytes));
    }
}

void hulse_again_refuse(struct pulsar_consumer *c,
                        struct delivery *dl,
                        uint32_t delay_ms,
                        bool counts)
{
    struct entry *e = dl->entry;
    if (hulse_entry_is_acked(e, dl->index)) {
        hulse_delivery_let_go(c, dl); /* by its id, meanwhile */
        hulse_entry_review(c, e);
    } else if (hulse_pulsar_consumer_shares(c)) {
        hulse_delivery_let_go(c, dl);
        hulse_again_ask(c, e, delay_ms);
        hulse_entry_review(c, e);
    } else {
        dl->d.redelivery += counts ? 1 : 0;
        if (dl->body != NULL) {
            keep(c, dl, delay_ms);
        } else {
            ask_for_bytes(c, dl, delay_ms);
        }
    }
}

static void merge(struct delivery_list *a, struct delivery_list *b, struct delivery_list *out)
{
    TAILQ_INIT(out);
    while (!TAILQ_EMPTY(a) || !TAILQ_EMPTY(b)) {
        struct delivery *x = TAILQ_FIRST(a);
        struct delivery *y = TAILQ_FIRST(b);
        if (y == NULL || (x != NULL && !hulse_delivery_before(y, x))) {
            TAILQ_REMOVE(a, x, link);
            TAILQ_INSERT_TAIL(out, x, link);
        } else {
            TAILQ_REMOVE(b, y, link);
            TAILQ_INSERT_TAIL(out, y, link);
        }
    }
}

/* Lists of 1, 2, 4, … deliveries that are sorted, merged like carries of a sum. */
#define SORT_LEVELS 32U

/* `to` has nothing, or nothing that counts. */
static void move_all(struct delivery_list *to, struct delivery_list *from)
{
    TAILQ_INIT(to);
    TAILQ_CONCAT(to, from, link);
}

static void add_sorted(struct delivery_list *level, struct delivery *dl)
{
    struct delivery_list carry;
    struct delivery_list sum;
    uint32_t i = 0;
    TAILQ_INIT(&carry);
    TAILQ_INSERT_TAIL(&carry, dl, link);
    for (; i < SORT_LEVELS - 1 && !TAILQ_EMPTY(&level[i]); i++) {
        merge(&level[i], &carry, &sum);
        move_all(&carry, &sum);
    }
    move_all(&level[i], &carry);
}

static void sort(struct delivery_list *list)
{
    struct delivery_list level[SORT_LEVELS];
    for (uint32_t i = 0; i < SORT_LEVELS; i++) {
        TAILQ_INIT(&level[i]);
    }
    struct delivery *dl = NULL;
    while ((dl = TAILQ_FIRST(list)) != NULL) {
        TAILQ_REMOVE(list, dl, link);
        add_sorted(level, dl);
    }
    for (uint32_t i = 0; i < SORT_LEVELS; i++) {
        struct delivery_list sum;
        merge(&level[i], list, &sum);
        move_all(list, &sum);
    }
}

struct delivery *hulse_again_first(struct pulsar_consumer *c)
{
    if (c->unsorted) {
        c->unsorted = false;
        if (TAILQ_FIRST(&c->hands->waiting) != TAILQ_LAST(&c->hands->waiting, delivery_list)) {
            sort(&c->hands->waiting);
        }
    }
    return TAILQ_FIRST(&c->hands->waiting);
}
