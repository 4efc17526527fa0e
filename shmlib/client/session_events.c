/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session_events - what the daemon says unasked, and how its death is noticed.
 *
 * Threads: whoever gets the session lock reads the socket for all; the others go on.
 * Trust:   packets are checked by shmlib/ring; handle numbers are looked up, never indexed.
 */
#include "shmlib/client/consumer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define PACKETS_PER_TEND 64
#define AWAIT_STEP_MS 5

hulse_status hulse_session_status(const struct hulse_session *s, const char **why)
{
    static const hulse_status statuses[] = {
        HULSE_OK, HULSE_ORPHAN, HULSE_REFUSED, HULSE_PROTOCOL, HULSE_CLOSED};
    /* SYNC(client.state) acquire: the reason belongs to the state. */
    const uint64_t word = atomic_load_explicit(&s->word, memory_order_acquire);
    const uint64_t state = word & HULSE_STATE_MASK;

    if (state != HULSE_SESSION_LIVE) {
        /* Relaxed because the state's acquire ordered it. */
        *why = atomic_load_explicit(&s->why, memory_order_relaxed);
    }
    return statuses[state];
}

void hulse_session_orphan(struct hulse_session *s, uint64_t seen, const char *why)
{
    if ((seen & HULSE_STATE_MASK) != HULSE_SESSION_LIVE) {
        return;
    }
    /* Relaxed because the state's release publishes it; the last writer of two is as good. */
    atomic_store_explicit(&s->why, why, memory_order_relaxed);
    /* SYNC(client.state) release: the reason before the state. */
    (void)atomic_compare_exchange_strong_explicit(
        &s->word, &seen, seen | HULSE_SESSION_ORPHAN, memory_order_release, memory_order_relaxed);
}

void hulse_session_end(struct hulse_session *s, enum hulse_session_state to, const char *why)
{
    uint64_t now = hulse_session_word(s);

    if ((now & HULSE_STATE_MASK) >= (uint64_t)to) {
        return;
    }
    /* Relaxed because the state's release publishes it; the last writer of two is as good. */
    atomic_store_explicit(&s->why, why, memory_order_relaxed);
    /* SYNC(client.state) release: the reason before the state. */
    while ((now & HULSE_STATE_MASK) < (uint64_t)to &&
           !atomic_compare_exchange_weak_explicit(&s->word,
                                                  &now,
                                                  (now & ~HULSE_STATE_MASK) | (uint64_t)to,
                                                  memory_order_release,
                                                  memory_order_relaxed)) {
    }
    if (to == HULSE_SESSION_BROKEN) {
        /* Wakes this session's other threads and tells the daemon. */
        (void)shutdown(s->sock, SHUT_RDWR);
    }
}

struct hulse_handle *hulse_session_find(struct hulse_session *s, uint32_t number)
{
    for (uint32_t i = 0; i < s->group_count; i++) {
        struct hulse_group *g = hulse_group_find(s, i);
        for (struct hulse_handle *h = g->handles; h != NULL; h = h->next) {
            if (h->number == number) {
                return h;
            }
        }
    }
    return NULL;
}

void hulse_handle_fail(struct hulse_handle *h, hulse_status status, const char *text, size_t bytes)
{
    /* Relaxed because only the holder of the session lock writes it. */
    if (atomic_load_explicit(&h->failed, memory_order_relaxed) != 0) {
        return;
    }
    if (bytes > sizeof(h->failed_text) - 1) {
        bytes = sizeof(h->failed_text) - 1;
    }
    memcpy(h->failed_text, text, bytes);
    h->failed_text[bytes] = '\0';
    /* SYNC(client.failed) release: the text before the status. */
    atomic_store_explicit(&h->failed, status < 0 ? status : HULSE_CLOSED, memory_order_release);
}

static void handle_event(struct hulse_handle *h, const struct hulse_ctl_event *e, const char *text)
{
    struct hulse_consumer *c =
        h->kind == HULSE_CHANNEL_CONSUMER ? (struct hulse_consumer *)(void *)h : NULL;

    switch (e->event) {
    case HULSE_EVENT_HANDLE_FAILED:
    case HULSE_EVENT_FENCED:
        hulse_handle_fail(h, e->status, text, e->text_len);
        break;
    case HULSE_EVENT_CONSUMER_CHANGED:
        if (c != NULL) {
            /* Relaxed because the word stands alone. */
            atomic_store_explicit(&c->verdicts, e->arg, memory_order_relaxed);
        }
        break;
    case HULSE_EVENT_ACTIVE:
        if (c != NULL) {
            /* Relaxed because the word stands alone. */
            atomic_store_explicit(&c->active, e->arg != 0, memory_order_relaxed);
        }
        break;
    case HULSE_EVENT_SOURCE:
        if (c != NULL && !hulse_sources_add(&c->sources, e->arg, text, e->text_len)) {
            static const char full[] = "the subscription has more topics than a consumer can name";
            hulse_handle_fail(h, HULSE_LIMIT, full, sizeof(full) - 1);
        }
        break;
    default:
        break; /* news that need no action: reconnecting, quota, and those of a newer daemon */
    }
}

static void event(struct hulse_session *s, const struct hulse_packet *p)
{
    struct hulse_ctl_event e;
    const char *text = (const char *)p->bytes + sizeof(e);

    memcpy(&e, p->bytes, sizeof(e));
    if (e.handle != 0) {
        struct hulse_handle *h = hulse_session_find(s, e.handle);
        if (h != NULL) { /* else it crossed our close */
            handle_event(h, &e, text);
        }
    } else if (e.event == HULSE_EVENT_DRAIN) {
        /* Relaxed because the word stands alone. */
        atomic_store_explicit(&s->draining, true, memory_order_relaxed);
    } else if (e.event == HULSE_EVENT_GOODBYE) {
        hulse_session_orphan(
            s, hulse_session_word(s), "the daemon has stopped; the next one is awaited");
    } else if (e.event == HULSE_EVENT_HANDLE_FAILED && e.status == HULSE_PROTOCOL) {
        /* It would say the same again. */
        (void)hulse_session_fault(
            s, HULSE_PROTOCOL, "hulsed ends the session: %.*s", (int)e.text_len, text);
        hulse_session_end(s, HULSE_SESSION_BROKEN, "hulsed ended the session for a broken rule");
    }
}

/* Sends a request whose answer nobody waits for. */
static void send_close(struct hulse_session *s, unsigned type, const void *fixed)
{
    struct hulse_packet p;

    hulse_packet_begin(&p, type, ++s->req, fixed);
    (void)hulse_packet_send(s->sock, p.bytes, NULL, 0);
}

/* An answer that came after its call had given up: what it opened is closed again. */
static void late_answer(struct hulse_session *s, struct hulse_packet *p, unsigned type)
{
    uint32_t number = 0;

    hulse_packet_drop_fds(p);
    if (p->len < sizeof(struct hulse_ctl_head) + sizeof(number)) {
        return;
    }
    memcpy(&number, p->bytes + sizeof(struct hulse_ctl_head), sizeof(number));
    if (type == HULSE_CTL_CHANNEL) {
        send_close(s, HULSE_CTL_CLOSE_CHANNEL, &(struct hulse_ctl_channel_ref){.channel = number});
    } else if (type == HULSE_CTL_PRODUCER || type == HULSE_CTL_CONSUMER ||
               type == HULSE_CTL_READER) {
        send_close(s, HULSE_CTL_CLOSE_HANDLE, &(struct hulse_ctl_close_handle){.handle = number});
    }
}

void hulse_session_event(struct hulse_session *s, struct hulse_packet *p)
{
    struct hulse_ctl_head head;

    memcpy(&head, p->bytes, sizeof(head));
    if (head.type == HULSE_CTL_EVENT) {
        event(s, p);
    } else if (!hulse_resume_answer(s, p)) {
        late_answer(s, p, head.type);
    }
}

static void read_socket(struct hulse_session *s)
{
    const uint64_t seen = hulse_session_word(s);
    const char *why = NULL;

    for (int i = 0; i < PACKETS_PER_TEND; i++) {
        switch (hulse_packet_receive(s->sock, &s->io, &why)) {
        case HULSE_PACKET_OK:
            hulse_session_event(s, &s->io);
            break;
        case HULSE_PACKET_NONE:
            return;
        case HULSE_PACKET_STARVED:
            /* What it was about is lost here and kept there: begin anew. */
            hulse_resume_again(s, why);
            return;
        case HULSE_PACKET_BAD:
            hulse_session_end(s, HULSE_SESSION_BROKEN, why);
            return;
        case HULSE_PACKET_EOF:
        case HULSE_PACKET_ERROR:
            hulse_session_orphan(s, seen, HULSE_AWAY);
            return;
        }
    }
}

hulse_status hulse_session_tend(struct hulse_session *s)
{
    if (hulse_session_state(s) >= HULSE_SESSION_BROKEN) {
        return HULSE_OK;
    }
    if (pthread_mutex_trylock(&s->lock) != 0) {
        return HULSE_AGAIN;
    }
    if (hulse_session_state(s) == HULSE_SESSION_LIVE) {
        read_socket(s);
    }
    hulse_resume_step(s);
    (void)pthread_mutex_unlock(&s->lock);
    return HULSE_OK;
}

void hulse_session_look(struct hulse_session *s)
{
    const uint64_t seen = hulse_session_word(s);
    struct pollfd at = {.fd = s->sock, .events = POLLRDHUP};

    if ((seen & HULSE_STATE_MASK) == HULSE_SESSION_LIVE && poll(&at, 1, 0) == 1 &&
        (at.revents & (POLLHUP | POLLRDHUP | POLLERR)) != 0) {
        hulse_session_orphan(s, seen, HULSE_AWAY);
    }
}

hulse_status hulse_await(struct hulse_session *s, bool (*there)(void *of), void *of)
{
    const struct hulse_deadline deadline = hulse_deadline_in(s->timeout_ms);
    const char *why = NULL;

    for (;;) {
        const bool done = there(of);
        const hulse_status st = hulse_session_status(s, &why);
        if (st == HULSE_CLOSED || (st == HULSE_OK && done)) {
            return st;
        }
        const int left_ms = hulse_deadline_left(deadline, AWAIT_STEP_MS);
        if (left_ms == 0 || st == HULSE_PROTOCOL) {
            return st != HULSE_OK ? hulse_session_fault(s, st, "%s", why)
                                  : hulse_session_fault(
                                        s, HULSE_TIMED_OUT, "hulsed has no room for it in time");
        }
        (void)poll(NULL, 0, left_ms);
    }
}

static bool live(void *of)
{
    struct hulse_session *s = of;

    if (hulse_session_state(s) != HULSE_SESSION_LIVE) {
        (void)hulse_session_tend(s);
    }
    return true;
}

hulse_status hulse_session_await(struct hulse_session *s)
{
    return hulse_await(s, live, s);
}
