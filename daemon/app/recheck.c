/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recheck - what a change of the tables means to handles that are open.
 *
 * Producers compare the generation with each record and need nothing here. A consumer that may not
 * consume any more is closed on the broker's side at once: what it holds goes back, the app hears
 * of it, and its handle stays until the app closes it. Verdicts that come late find no slot.
 */
#include "daemon/app/recheck.h"

#include "daemon/app/channel.h"
#include "daemon/app/deliver_channel.h"
#include "daemon/app/handle.h"
#include "daemon/app/reply.h"
#include "daemon/app/session.h"
#include "daemon/app/worker_plane.h"
#include "daemon/core/assert.h"
#include "daemon/core/log.h"

void hulse_consumer_end(struct handle *h, hulse_status status, const char *text)
{
    struct channel *ch = h->channel;
    struct session *s = ch->session;

    if (ch->slots_used > 0) {
        hulse_deliver_give_back_all(ch);
    }
    HULSE_LOG_STATE("consumer.revoked",
                    hulse_log_u64("session", s->number),
                    hulse_log_str("app", s->name),
                    hulse_log_str("topic", hulse_subscriber_topic(h->subscriber)),
                    hulse_log_str("reason", text));
    hulse_subscriber_close(&h->subscriber, false);
    /* What was handed out again while it was being given back has gone with the broker's end. */
    hulse_slots_init(ch, 0);
    h->failed = true;
    hulse_session_event(s, HULSE_EVENT_HANDLE_FAILED, h, status, text);
}

static void recheck_consumer(struct plane *p, struct handle *h)
{
    if (h->state == HANDLE_OPENING) {
        p->recheck = true; /* once it is open */
        return;
    }
    switch (hulse_subscriber_recheck(h->subscriber)) {
    case SUBSCRIBER_SAME:
        break;
    case SUBSCRIBER_VERDICTS:
        hulse_session_verdicts(h, hulse_subscriber_verdicts(h->subscriber));
        break;
    case SUBSCRIBER_DENIED:
        hulse_consumer_end(h, HULSE_DENIED, "the permission to consume was taken away");
        break;
    }
}

static void recheck_session(struct plane *p, struct session *s)
{
    struct channel *ch = NULL;

    if (s->doomed || s->gone) {
        return; /* what it holds goes back anyway */
    }
    TAILQ_FOREACH(ch, &s->channels, session_link)
    {
        if (ch->consumer != NULL && ch->consumer->subscriber != NULL) {
            recheck_consumer(p, ch->consumer);
        }
    }
}

void hulse_plane_recheck(struct plane *p)
{
    struct session *s = NULL;

    p->recheck = false;
    TAILQ_FOREACH(s, &p->sessions, link)
    {
        recheck_session(p, s);
    }
}

/* On the worker. */
static void heard(struct inbox_node *node)
{
    struct plane_worker_state *state = HULSE_CONTAINER(node, struct plane_worker_state, change);
    struct plane *p = hulse_worker_state(state->worker, &hulse_plane_module, NULL);

    HULSE_ASSERT(p != NULL && p->magic == HULSE_PLANE_MAGIC);
    /* SYNC(plane.change) release: the node is free again; a later change posts it anew. */
    atomic_store_explicit(&state->change_posted, false, memory_order_release);
    hulse_plane_recheck(p);
}

void hulse_plane_tables_changed(struct plane_shared *shared,
                                struct worker *const *workers,
                                uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct plane_worker_state *state = &shared->workers[i];
        /* SYNC(plane.change) acquire: the node has been run when it is free. */
        if (atomic_exchange_explicit(&state->change_posted, true, memory_order_acquire)) {
            continue; /* the worker has not looked yet, and will see this change, too */
        }
        state->worker = workers[i];
        state->change.run = heard;
        /* One node a worker, so it needs no bound. */
        hulse_worker_answer(workers[i], &state->change);
    }
}
