/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resume - a session's way from a daemon that has gone to the next one.
 *
 *     ORPHAN --> CONNECTING --connected, HELLO--> GREETING --WELCOME--> LIVE of the next epoch
 *                    ^  1 ms … 1 s, full jitter       |                  |
 *                    '---- hang-up, time, REFUSED ----'<-- of no use ----'
 *
 * There is no thread, so every call that comes by takes a step, and none of them waits. Descriptors
 * keep their numbers: what is new goes over what was there, so threads that sleep on them, and the
 * application's own poll of hulse_fd(), need no word. Channels follow one by one, each by its own
 * thread (reattach.c).
 *
 * Threads: under the session lock.
 * Trust:   answers are checked by shmlib/ring and matched with what was asked.
 */
#include "shmlib/client/consumer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKOFF_MIN_MS 1U
#define BACKOFF_MAX_MS 1000U
#define BACKOFF_DOUBLINGS 10U
/* Before the bound doubles: who is away for a moment is soon found again. */
#define BACKOFF_TRIES 4U
#define REFUSED_MS 1000U

static uint64_t next_random(uint64_t *seed)
{
    uint64_t x = *seed;

    if (x == 0 && getrandom(&x, sizeof(x), GRND_NONBLOCK) != (ssize_t)sizeof(x)) {
        x = hulse_clock_ns(CLOCK_MONOTONIC);
    }
    x |= x == 0;
    x ^= x << 13U;
    x ^= x >> 7U;
    x ^= x << 17U;
    *seed = x;
    return x;
}

static void alarm_groups(struct hulse_session *s, uint64_t at_ns)
{
    for (uint32_t i = 0; i < s->group_count; i++) {
        hulse_group_alarm(hulse_group_find(s, i), at_ns);
    }
}

static void set_due(struct hulse_session *s, uint64_t after_ms)
{
    const uint64_t at = hulse_clock_ns(CLOCK_MONOTONIC) + (after_ms * HULSE_NS_PER_MS);

    /* Relaxed because it is compared with the clock only. */
    atomic_store_explicit(&s->resume.due_ns, at, memory_order_relaxed);
    alarm_groups(s, at);
}

static void deafen(struct hulse_session *s)
{
    /* Relaxed because who sleeps on a dead descriptor wakes at once. */
    atomic_store_explicit(&s->deaf, true, memory_order_relaxed);
    for (uint32_t i = 0; i < s->group_count; i++) {
        hulse_group_deafen(hulse_group_find(s, i));
    }
}

uint64_t hulse_resume_backoff_ms(struct hulse_session *s, unsigned failures)
{
    const unsigned steps = failures / BACKOFF_TRIES;
    const unsigned doublings = steps < BACKOFF_DOUBLINGS ? steps : BACKOFF_DOUBLINGS;
    const unsigned most_ms = BACKOFF_MIN_MS << doublings;

    return BACKOFF_MIN_MS +
           (next_random(&s->resume.seed) % (most_ms > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : most_ms));
}

/* This attempt has failed; the next one comes after a random while. */
static void later(struct hulse_session *s, unsigned least_ms)
{
    struct hulse_resume *r = &s->resume;
    const uint64_t wait_ms = hulse_resume_backoff_ms(s, r->attempts);

    r->attempts += 1;
    r->stage = HULSE_RESUME_CONNECTING;
    deafen(s);
    set_due(s, wait_ms < least_ms ? least_ms : wait_ms);
}

void hulse_resume_again(struct hulse_session *s, const char *why)
{
    s->resume.failed = true;
    hulse_session_orphan(s, hulse_session_word(s), why);
    (void)shutdown(s->sock, SHUT_RDWR);
}

static void greet(struct hulse_session *s)
{
    struct hulse_resume *r = &s->resume;

    if (hulse_packet_send(s->sock, r->hello.bytes, NULL, 0) != HULSE_OK) {
        later(s, 0);
        return;
    }
    atomic_store_explicit(&s->deaf, false, memory_order_relaxed);
    for (uint32_t i = 0; i < s->group_count; i++) {
        hulse_group_hear(hulse_group_find(s, i), false);
    }
    r->stage = HULSE_RESUME_GREETING;
    r->deadline_ns = hulse_clock_ns(CLOCK_MONOTONIC) + ((uint64_t)s->timeout_ms * HULSE_NS_PER_MS);
    set_due(s, (uint64_t)s->timeout_ms);
}

static void try_connect(struct hulse_session *s)
{
    struct hulse_resume *r = &s->resume;

    hulse_fork_lock();
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const bool connected =
        fd >= 0 && connect(fd, (const struct sockaddr *)&r->address, sizeof(r->address)) == 0 &&
        dup3(fd, s->sock, O_CLOEXEC) == s->sock;
    if (fd >= 0) {
        (void)close(fd);
    }
    hulse_fork_unlock();
    if (connected) {
        greet(s);
    } else {
        later(s, 0);
    }
}

/* Puts a descriptor that came over the one that was there; takes it. */
static bool replace(int fd, int over)
{
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    const bool done = dup3(fd, over, O_CLOEXEC) == over;
    (void)close(fd);
    return done;
}

/* Asks for the pipes of the other groups; their channels wait for the answers. */
static bool ask_groups(struct hulse_session *s)
{
    for (uint32_t i = 1; i < s->group_count; i++) {
        struct hulse_group *g = hulse_group_find(s, i);
        const struct hulse_ctl_group ask = {.group = i};
        struct hulse_packet p;

        g->wake_req = ++s->req;
        hulse_packet_begin(&p, HULSE_CTL_GROUP, g->wake_req, &ask);
        if (hulse_control_send(s, &p, -1) != HULSE_OK) {
            return false;
        }
    }
    return true;
}

static void live(struct hulse_session *s)
{
    uint64_t now = hulse_session_word(s);
    const uint64_t next = ((now >> HULSE_EPOCH_SHIFT) + 1) << HULSE_EPOCH_SHIFT;
    struct hulse_group *first = hulse_group_find(s, 0);

    s->resume.stage = HULSE_RESUME_IDLE;
    s->resume.failed = false;
    s->resume.live_ns = hulse_clock_ns(CLOCK_MONOTONIC);
    first->epoch = (uint32_t)(next >> HULSE_EPOCH_SHIFT);
    first->wire_number = 0;
    hulse_group_hear(first, true);
    atomic_store_explicit(&s->draining, false, memory_order_relaxed);
    /* SYNC(client.state) release: what the daemon gave comes before. */
    while ((now & HULSE_STATE_MASK) < HULSE_SESSION_BROKEN &&
           !atomic_compare_exchange_weak_explicit(&s->word,
                                                  &now,
                                                  next | HULSE_SESSION_LIVE,
                                                  memory_order_release,
                                                  memory_order_relaxed)) {
    }
    alarm_groups(s, 1);
}

static void welcomed(struct hulse_session *s)
{
    struct hulse_ctl_welcome w;

    hulse_control_answer(s, &w, sizeof(w));
    const bool replication = (w.features & HULSE_FEATURE_REPLICATION) != 0;
    /* Relaxed because each stands alone. */
    atomic_store_explicit(&s->replication, replication, memory_order_relaxed);
    const bool readable =
        replication || !atomic_load_explicit(&s->replicated, memory_order_relaxed);
    const bool usable =
        w.abi == s->limits.abi && (w.features & HULSE_FEATURE_RESUME) != 0 && readable;
    const bool bell = replace(s->io.fds[0], s->bell);
    const bool wake = replace(s->io.fds[1], hulse_group_find(s, 0)->wake);
    s->io.fd_count = 0;
    s->resume.routing = (w.features & HULSE_FEATURE_ROUTING) != 0;
    if (!usable) {
        hulse_session_end(s, HULSE_SESSION_REFUSED, "the daemon cannot take over a session");
        (void)shutdown(s->sock, SHUT_RDWR);
        later(s, REFUSED_MS);
        return;
    }
    if (!bell || !wake || !ask_groups(s)) {
        (void)shutdown(s->sock, SHUT_RDWR);
        later(s, 0);
        return;
    }
    s->schemas = (w.features & HULSE_FEATURE_SCHEMAS) != 0;
    s->topic_schemas = (w.features & HULSE_FEATURE_TOPIC_SCHEMAS) != 0;
    s->positions = (w.features & HULSE_FEATURE_POSITIONS) != 0;
    s->options = (w.features & HULSE_FEATURE_OPTIONS) != 0;
    s->marks = (w.features & HULSE_FEATURE_MARKS) != 0;
    /* Relaxed because it stands alone. */
    atomic_store_explicit(&s->id, w.session, memory_order_relaxed);
    live(s);
}

static void refused(struct hulse_session *s)
{
    struct hulse_ctl_refused r;

    hulse_control_answer(s, &r, sizeof(r));
    (void)hulse_session_fault(s,
                              r.status < 0 ? r.status : HULSE_REFUSED,
                              "hulsed refuses the session: %.*s",
                              (int)r.text_len,
                              (const char *)s->io.bytes + sizeof(r));
    if (r.abi_min > s->limits.abi || r.abi_max < s->limits.abi) {
        hulse_session_end(
            s, HULSE_SESSION_REFUSED, "the daemon speaks another version of the rings");
    }
    later(s, REFUSED_MS);
}

static void await_welcome(struct hulse_session *s)
{
    const char *why = NULL;
    struct hulse_ctl_head head;

    switch (hulse_packet_receive(s->sock, &s->io, &why)) {
    case HULSE_PACKET_NONE:
        if (hulse_clock_ns(CLOCK_MONOTONIC) >= s->resume.deadline_ns) {
            later(s, 0);
        }
        return;
    case HULSE_PACKET_OK:
        break;
    case HULSE_PACKET_STARVED:
        (void)hulse_session_fault(s, HULSE_LIMIT, "%s", why);
        later(s, 0);
        return;
    default:
        later(s, 0);
        return;
    }
    hulse_control_answer(s, &head, sizeof(head));
    if (head.type == HULSE_CTL_WELCOME) {
        welcomed(s);
    } else if (head.type == HULSE_CTL_REFUSED) {
        refused(s);
    } else {
        hulse_packet_drop_fds(&s->io);
        later(s, 0);
    }
}

/*
 * Tells the last daemon, which may be there still, that its records are offered elsewhere. True: it was of no
 * use, because it could not do what we had to ask of it, or went at once; who comes after it at once might do so
 * for ever.
 */
static bool leave(const struct hulse_session *s)
{
    const uint32_t epoch = hulse_session_epoch(s);
    const uint64_t lived_ns = hulse_clock_ns(CLOCK_MONOTONIC) - s->resume.live_ns;
    bool useful = lived_ns >= BACKOFF_MAX_MS * HULSE_NS_PER_MS;
    bool useless = s->resume.failed;

    for (uint32_t i = 0; i < s->group_count; i++) {
        for (const struct hulse_handle *h = hulse_group_find(s, i)->handles; h != NULL;
             h = h->next) {
            const struct hulse_channel *ch = h->channel;
            const int stage = ch->offer.epoch == epoch ? (int)ch->offer.stage : HULSE_OFFER_NONE;
            useless = useless || (stage >= HULSE_OFFER_SENT && stage < HULSE_OFFER_AGREED);
            useful =
                useful || ch->word >> HULSE_EPOCH_SHIFT == epoch || stage == HULSE_OFFER_AGREED;
            /* Relaxed because it is a hint for whom a hang-up follows. */
            atomic_store_explicit(
                &hulse_region_a(&ch->a)->state, HULSE_REGION_OPENING, memory_order_relaxed);
        }
    }
    return useless || !useful;
}

static void begin(struct hulse_session *s)
{
    if (leave(s)) {
        later(s, 0);
        return;
    }
    s->resume.stage = HULSE_RESUME_CONNECTING;
    s->resume.attempts = 0;
    deafen(s);
    set_due(s, 0);
}

void hulse_resume_step(struct hulse_session *s)
{
    const int state = hulse_session_state(s);
    struct hulse_resume *r = &s->resume;

    if (state != HULSE_SESSION_ORPHAN && state != HULSE_SESSION_REFUSED) {
        return;
    }
    if (r->stage == HULSE_RESUME_IDLE) {
        begin(s);
    }
    if (r->stage == HULSE_RESUME_CONNECTING &&
        hulse_clock_ns(CLOCK_MONOTONIC) >= atomic_load_explicit(&r->due_ns, memory_order_relaxed)) {
        try_connect(s);
    }
    if (r->stage == HULSE_RESUME_GREETING) {
        await_welcome(s);
    }
}

/* ---- answers ---- */

static bool group_answer(struct hulse_session *s, struct hulse_packet *p, uint32_t req)
{
    struct hulse_ctl_group answer;

    for (uint32_t i = 0; i < s->group_count; i++) {
        struct hulse_group *g = hulse_group_find(s, i);
        if (g->wake_req != req) {
            continue;
        }
        g->wake_req = 0;
        memcpy(&answer, p->bytes, sizeof(answer));
        if (answer.head.type != HULSE_CTL_GROUP_OK || !replace(p->fds[0], g->wake)) {
            hulse_resume_again(s, "the daemon gives no wait group; the next try is awaited");
            return answer.head.type != HULSE_CTL_GROUP_OK;
        }
        p->fd_count = 0;
        g->wire_number = answer.group;
        g->epoch = hulse_session_epoch(s);
        hulse_group_hear(g, true);
        hulse_group_alarm(g, 1);
        return true;
    }
    return false;
}

static void handle_answer(struct hulse_handle *h, const struct hulse_packet *p)
{
    struct hulse_ctl_head head;

    memcpy(&head, p->bytes, sizeof(head));
    h->offer_req = 0;
    if (head.type == HULSE_CTL_ERR) {
        struct hulse_ctl_err e;
        memcpy(&e, p->bytes, sizeof(e));
        hulse_handle_fail(h, e.status, (const char *)p->bytes + sizeof(e), e.text_len);
        hulse_group_alarm(h->channel->group, 1);
    } else if (head.type == HULSE_CTL_CONSUMER && h->kind == HULSE_CHANNEL_CONSUMER) {
        struct hulse_consumer *c = (struct hulse_consumer *)(void *)h;
        struct hulse_ctl_consumer answer;
        memcpy(&answer, p->bytes, sizeof(answer));
        /* Relaxed because the words stand alone. */
        atomic_store_explicit(&c->verdicts, answer.verdicts, memory_order_relaxed);
        atomic_store_explicit(&c->active, false, memory_order_relaxed);
    } else if (head.type == HULSE_CTL_READER && h->kind == HULSE_CHANNEL_CONSUMER) {
        struct hulse_ctl_reader answer;
        memcpy(&answer, p->bytes, sizeof(answer));
        hulse_reader_opened((struct hulse_consumer *)(void *)h, &answer);
    }
}

bool hulse_resume_answer(struct hulse_session *s, struct hulse_packet *p)
{
    struct hulse_ctl_head head;

    memcpy(&head, p->bytes, sizeof(head));
    if (head.req == 0) {
        return false;
    }
    for (uint32_t i = 0; i < s->group_count; i++) {
        for (struct hulse_handle *h = hulse_group_find(s, i)->handles; h != NULL; h = h->next) {
            if (h->offer_req == head.req) {
                handle_answer(h, p);
                return true;
            }
            if (hulse_channel_answer(h->channel, p, head.req)) {
                return true;
            }
        }
    }
    return group_answer(s, p, head.req);
}

/* ---- what the next daemon is told ---- */

bool hulse_resume_keep(struct hulse_handle *h,
                       const struct hulse_ctl_attach_handle *like,
                       const char *topic,
                       const char *subscription,
                       const char *name)
{
    h->offer = *like;
    h->offer.topic_len = (uint16_t)strlen(topic);
    h->offer.subscription_len = (uint16_t)strlen(subscription);
    h->offer.name_len = (uint16_t)strlen(name);
    h->names =
        malloc((size_t)h->offer.topic_len + h->offer.subscription_len + h->offer.name_len + 1);
    if (h->names == NULL) {
        return false;
    }
    memcpy(h->names, topic, h->offer.topic_len);
    memcpy(h->names + h->offer.topic_len, subscription, h->offer.subscription_len);
    memcpy(h->names + h->offer.topic_len + h->offer.subscription_len, name, h->offer.name_len);
    return true;
}

void hulse_resume_forget(struct hulse_handle *h)
{
    free(h->names);
    hulse_option_list_clear(&h->options);
}
