/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seek - positions: where a consumer begins, and where it is moved to.
 *
 * A daemon that moves a consumer says which deliveries of the ring are of before: they are passed over, and what the
 * application holds is forgotten, so that the same messages are handed out again.
 *
 * Threads: the consumer's; the daemon is asked under the session lock.
 */
#include "shmlib/client/consumer.h"
#include "shmlib/client/options.h"

static_assert((int)HULSE_LATEST == HULSE_START_LATEST &&
                  (int)HULSE_EARLIEST == HULSE_START_EARLIEST &&
                  (int)HULSE_AT_ID == HULSE_START_AT_ID &&
                  (int)HULSE_AFTER_ID == HULSE_START_AFTER_ID &&
                  (int)HULSE_AT_TIME == HULSE_START_AT_TIME,
              "one numbering");

static bool is_by_id(enum hulse_start start)
{
    return start == HULSE_AT_ID || start == HULSE_AFTER_ID;
}

/* False: it names no message of the topic's own. */
static bool position_of(const struct hulse_id *id, struct hulse_ctl_position *out)
{
    if (id == NULL || id->size < sizeof(*id) || id->source != 0) {
        return false;
    }
    *out = (struct hulse_ctl_position){.ledger = id->ledger,
                                       .entry = id->entry,
                                       .batch = id->batch,
                                       .partition = id->partition,
                                       .batch_size = id->batch_size};
    return true;
}

hulse_status hulse_consumer_options_start_id(hulse_consumer_options *o,
                                             enum hulse_start start,
                                             const struct hulse_id *id)
{
    struct hulse_ctl_position at;

    if (o == NULL || !is_by_id(start) || !position_of(id, &at)) {
        return HULSE_INVAL;
    }
    o->start = start;
    o->at = at;
    return HULSE_OK;
}

hulse_status hulse_consumer_options_start_time(hulse_consumer_options *o, uint64_t unix_ms)
{
    if (o == NULL) {
        return HULSE_INVAL;
    }
    o->start = HULSE_AT_TIME;
    o->at = (struct hulse_ctl_position){.ledger = unix_ms};
    return HULSE_OK;
}

void hulse_position_offer(struct hulse_ctl_attach_handle *offer,
                          enum hulse_start start,
                          const struct hulse_ctl_position *at)
{
    offer->start = (uint8_t)start;
    offer->flags = start > HULSE_EARLIEST ? HULSE_ATTACH_HAS_START : 0;
    offer->last_ledger = at->ledger;
    offer->last_entry = at->entry;
    offer->last_batch = at->batch;
    offer->last_partition = at->partition;
}

hulse_status hulse_position_known(struct hulse_session *s)
{
    return s->positions
               ? HULSE_OK
               : hulse_session_fault(s,
                                     HULSE_UNSUPPORTED,
                                     "this hulsed is older: it knows only the two ends of a topic");
}

/* Everything before `value` of the down ring is of before. */
static hulse_status moved(hulse_consumer *c, uint64_t value)
{
    struct hulse_channel *ch = c->handle.channel;

    if (value > ch->rx.read && value - ch->rx.read > hulse_ring_capacity(ch->rx.mask)) {
        (void)hulse_channel_broken(ch, "a position beyond the delivery ring");
        return hulse_handle_refuse(&c->handle, HULSE_PROTOCOL, "a position beyond the ring");
    }
    c->stale_to = value;
    c->ended = false;
    c->assembly.next_index = 0;
    ch->paused = false;
    hulse_unacked_clear(&c->unacked);
    return HULSE_OK;
}

static hulse_status
ask(hulse_consumer *c, const struct hulse_ctl_seek *m, struct hulse_deadline deadline)
{
    struct hulse_session *s = c->handle.channel->session;
    struct hulse_ctl_ok answer = {0};

    (void)pthread_mutex_lock(&s->lock);
    hulse_status st = hulse_position_known(s);
    if (st == HULSE_OK) {
        hulse_packet_begin(&s->io, HULSE_CTL_SEEK, 0, m);
        st = hulse_control_call_by(s, HULSE_CTL_OK, deadline);
    }
    if (st == HULSE_OK) {
        hulse_control_answer(s, &answer, sizeof(answer));
        st = moved(c, answer.value);
    } else {
        st = hulse_handle_refuse(&c->handle, st, "not moved: hulse_last_error() says why");
    }
    (void)pthread_mutex_unlock(&s->lock);
    return st;
}

static hulse_status
seek(hulse_consumer *c, enum hulse_start to, const struct hulse_ctl_position *at, int timeout_ms)
{
    const struct hulse_ctl_seek m = {.handle = c->handle.number, .start = (uint8_t)to, .at = *at};
    const struct hulse_deadline deadline = hulse_deadline_in(timeout_ms);
    hulse_status st = hulse_consumer_flush(c);

    do {
        st = st == HULSE_OK || st == HULSE_ORPHAN ? hulse_consumer_await(c, deadline) : st;
        st = st == HULSE_OK ? ask(c, &m, deadline) : st;
    } while (st == HULSE_ORPHAN && hulse_deadline_left(deadline, 1) > 0);
    if (st == HULSE_OK && c->type == HULSE_READER) {
        hulse_position_offer(&c->handle.offer, to, at);
        hulse_marks_forget(&c->marks, is_by_id(to) ? at : NULL);
        c->start = to;
        c->start_at = *at;
    }
    return st;
}

hulse_status hulse_seek(hulse_consumer *c, enum hulse_start to, int timeout_ms)
{
    const struct hulse_ctl_position none = {0};

    return c == NULL || (unsigned)to > HULSE_EARLIEST ? HULSE_INVAL
                                                      : seek(c, to, &none, timeout_ms);
}

hulse_status
hulse_seek_id(hulse_consumer *c, enum hulse_start to, const struct hulse_id *id, int timeout_ms)
{
    struct hulse_ctl_position at;

    return c == NULL || !is_by_id(to) || !position_of(id, &at) ? HULSE_INVAL
                                                               : seek(c, to, &at, timeout_ms);
}

hulse_status hulse_seek_time(hulse_consumer *c, uint64_t unix_ms, int timeout_ms)
{
    const struct hulse_ctl_position at = {.ledger = unix_ms};

    return c == NULL ? HULSE_INVAL : seek(c, HULSE_AT_TIME, &at, timeout_ms);
}
