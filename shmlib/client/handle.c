/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle - what opening and closing a producer and a consumer have in common.
 *
 * Threads: the handle's; the daemon is told under the session lock.
 */
#include "shmlib/client/consumer.h"
#include "shmlib/client/producer.h"

#include <string.h>

hulse_status hulse_session_ready(struct hulse_session *s, const char *topic, unsigned group)
{
    const hulse_status st = hulse_session_await(s);

    if (st != HULSE_OK) {
        return st;
    }
    /* Relaxed because the word stands alone. */
    if (atomic_load_explicit(&s->draining, memory_order_relaxed)) {
        return hulse_session_fault(
            s, HULSE_ORPHAN, "hulsed is stopping: open when the next one runs");
    }
    if (topic == NULL || topic[0] == '\0' ||
        strnlen(topic, HULSE_TOPIC_BYTES_MAX + 1) > HULSE_TOPIC_BYTES_MAX) {
        return hulse_session_fault(
            s, HULSE_INVAL, "a topic's name has 1 to %u bytes", HULSE_TOPIC_BYTES_MAX);
    }
    struct hulse_group *g = hulse_group_find(s, group);
    if (g == NULL) {
        return hulse_session_fault(s, HULSE_INVAL, "there is no wait group %u", group);
    }
    return hulse_group_await(g);
}

uint16_t hulse_handle_generation(struct hulse_session *s)
{
    s->generation = s->generation == UINT16_MAX ? 1 : (uint16_t)(s->generation + 1);
    return s->generation;
}

hulse_status
hulse_handle_close(struct hulse_handle *h, int drain_ms, const struct hulse_deadline *answer)
{
    return h->kind == HULSE_CHANNEL_PRODUCER
               ? hulse_producer_end((hulse_producer *)(void *)h, drain_ms, answer)
               : hulse_consumer_end((hulse_consumer *)(void *)h, drain_ms, answer);
}

static void lock_lists(struct hulse_group *g)
{
    hulse_fork_lock();
    (void)pthread_mutex_lock(&g->lock);
}

static void unlock_lists(struct hulse_group *g)
{
    (void)pthread_mutex_unlock(&g->lock);
    hulse_fork_unlock();
}

void hulse_handle_join(struct hulse_handle *h)
{
    struct hulse_group *g = h->channel->group;

    lock_lists(g);
    hulse_handle_link(g, h);
    unlock_lists(g);
    h->channel->users += 1;
}

/* In a child the lists never change again, and a lock may be held by a thread it does not have. */
static void retire_in_child(struct hulse_handle *h)
{
    hulse_handle_unlink(h->channel->group, h);
    h->channel->users -= 1;
    if (h->channel->users == 0) {
        hulse_channel_free(&h->channel);
    }
}

void hulse_handle_retire(struct hulse_handle *h, const struct hulse_deadline *answer)
{
    struct hulse_session *s = h->channel->session;
    struct hulse_group *g = h->channel->group;

    if (hulse_session_state(s) == HULSE_SESSION_FORKED) {
        retire_in_child(h);
        return;
    }
    if (hulse_session_state(s) != HULSE_SESSION_BROKEN) {
        hulse_channel_publish(h->channel); /* nothing of it may come behind the close */
    }
    (void)pthread_mutex_lock(&s->lock);
    const struct hulse_deadline by = answer != NULL ? *answer : hulse_deadline_in(s->timeout_ms);
    lock_lists(g);
    hulse_handle_unlink(g, h);
    unlock_lists(g);
    if (hulse_channel_offered(h->channel)) {
        const struct hulse_ctl_close_handle close = {.handle = h->number};
        /* What is only offered waits for steps that nobody takes before this call has returned. */
        const bool attached = hulse_channel_attached(h->channel);
        hulse_packet_begin(&s->io, HULSE_CTL_CLOSE_HANDLE, 0, &close);
        (void)hulse_control_call_by(s, HULSE_CTL_OK, attached ? by : hulse_deadline_in(0));
    }
    h->channel->users -= 1;
    if (h->channel->users == 0) {
        hulse_channel_close(&h->channel, by);
    }
    (void)pthread_mutex_unlock(&s->lock);
}

hulse_status hulse_handle_usable(struct hulse_handle *h)
{
    hulse_channel_drive(h->channel);
    const hulse_status st = hulse_handle_status(h);
    return st == HULSE_ORPHAN || st == HULSE_REFUSED ? HULSE_OK : st;
}

hulse_status hulse_handle_away(struct hulse_handle *h, hulse_status st)
{
    const char *why = NULL;

    if (st != HULSE_TIMED_OUT) {
        return st;
    }
    const hulse_status now = hulse_session_status(h->channel->session, &why);
    return now == HULSE_OK ? st : hulse_session_fault(h->channel->session, now, "%s", why);
}
