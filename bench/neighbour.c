/* SPDX-License-Identifier: Apache-2.0 */
/*
 * neighbour - see neighbour.h.
 */
#include "bench/neighbour.h"

#include "bench/machine.h"
#include "bench/open.h"
#include "bench/workload.h"
#include "shmlib/ring/control.h"
#include "shmlib/ring/region.h"

#include <hulse/hulse.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MS 5000
#define BELLS_PER_LOOK 256U
#define BUSY_PAYLOAD_BYTES 64U

struct noisy {
    struct crew *crew;
    struct crew_member *me;
    const char *path;
    int sock;
    int bell;
    uint64_t random; /* xorshift state, never 0 */
};

static uint64_t next_random(struct noisy *n)
{
    n->random ^= n->random << 13;
    n->random ^= n->random >> 7;
    n->random ^= n->random << 17;
    return n->random;
}

static void hang_up(struct noisy *n)
{
    if (n->bell >= 0) {
        (void)close(n->bell);
    }
    if (n->sock >= 0) {
        (void)close(n->sock);
    }
    n->bell = -1;
    n->sock = -1;
}

static void drop_fds(struct hulse_packet *p)
{
    for (unsigned i = 0; i < p->fd_count; i++) {
        (void)close(p->fds[i]);
    }
    p->fd_count = 0;
}

/* The next packet of that type; others are dropped. False: hung up, refused, or late. */
static bool await_packet(const struct noisy *n, struct hulse_packet *p, unsigned type)
{
    for (;;) {
        struct pollfd fd = {.fd = n->sock, .events = POLLIN};
        const char *why = NULL;
        if (poll(&fd, 1, ANSWER_MS) <= 0) {
            return false;
        }
        const enum hulse_packet_rc rc = hulse_packet_receive(n->sock, p, &why);
        if (rc == HULSE_PACKET_NONE) {
            continue;
        }
        if (rc != HULSE_PACKET_OK) {
            return false;
        }
        struct hulse_ctl_head head;
        memcpy(&head, p->bytes, sizeof head);
        if (head.type == type) {
            return true;
        }
        drop_fds(p);
    }
}

static bool dial(struct noisy *n)
{
    static const char name[] = "bench-noisy";
    const struct hulse_ctl_hello hello = {
        .abi_min = HULSE_ABI_MIN, .abi_max = HULSE_ABI_MAX, .name_len = sizeof name - 1};
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct hulse_packet p;

    (void)snprintf(to.sun_path, sizeof to.sun_path, "%s", n->path);
    n->sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (n->sock < 0 || connect(n->sock, (struct sockaddr *)&to, sizeof to) != 0) {
        hang_up(n);
        return false;
    }
    hulse_packet_begin(&p, HULSE_CTL_HELLO, 1, &hello);
    hulse_packet_append(&p, name, sizeof name - 1);
    if (hulse_packet_send(n->sock, p.bytes, NULL, 0) != HULSE_OK ||
        !await_packet(n, &p, HULSE_CTL_WELCOME)) {
        hang_up(n);
        return false;
    }
    n->bell = p.fds[0];
    (void)close(p.fds[1]);
    return true;
}

static bool hung_up(const struct noisy *n)
{
    struct pollfd fd = {.fd = n->sock, .events = POLLRDHUP};
    return poll(&fd, 1, 0) > 0 && (fd.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static void ring_bells(struct noisy *n)
{
    const uint64_t one = 1;

    for (unsigned i = 0; i < BELLS_PER_LOOK; i++) {
        if (write(n->bell, &one, sizeof one) == (ssize_t)sizeof one) {
            n->me->sent++;
        }
    }
}

/* Asks for producers on a channel that does not exist, and reads the answers. */
static void flood_control(struct noisy *n)
{
    static const char topic[] = "persistent://public/default/noise";
    const struct hulse_ctl_open_producer ask = {.channel = 77, .topic_len = sizeof topic - 1};
    struct hulse_packet p;
    struct hulse_packet answer;
    const char *why = NULL;

    hulse_packet_begin(&p, HULSE_CTL_OPEN_PRODUCER, 7, &ask);
    hulse_packet_append(&p, topic, sizeof topic - 1);
    if (hulse_packet_send(n->sock, p.bytes, NULL, 0) == HULSE_OK) {
        n->me->sent++;
    }
    while (hulse_packet_receive(n->sock, &answer, &why) == HULSE_PACKET_OK) {
        drop_fds(&answer);
    }
}

/* A channel like any other, up to the point where records would be written. */
static bool open_rings(struct noisy *n, struct hulse_region *a)
{
    const struct hulse_ctl_open_channel ask = {.kind = HULSE_CHANNEL_PRODUCER};
    struct hulse_ctl_channel answer;
    struct hulse_region b = {0};
    struct hulse_packet p;

    hulse_packet_begin(&p, HULSE_CTL_OPEN_CHANNEL, 2, &ask);
    if (hulse_packet_send(n->sock, p.bytes, NULL, 0) != HULSE_OK ||
        !await_packet(n, &p, HULSE_CTL_CHANNEL)) {
        return false;
    }
    memcpy(&answer, p.bytes, sizeof answer);
    bool fine = hulse_region_map(a, p.fds[0], answer.up_bytes, true) == HULSE_REGION_RC_OK &&
                hulse_region_populate(a, true) == HULSE_REGION_RC_OK &&
                hulse_region_map(&b, p.fds[1], answer.down_bytes, false) == HULSE_REGION_RC_OK &&
                hulse_region_populate(&b, false) == HULSE_REGION_RC_OK;
    drop_fds(&p);
    hulse_region_unmap(&b);
    if (fine) {
        const struct hulse_ctl_channel_ref ready = {.channel = answer.channel};
        hulse_packet_begin(&p, HULSE_CTL_CHANNEL_READY, 3, &ready);
        fine = hulse_packet_send(n->sock, p.bytes, NULL, 0) == HULSE_OK &&
               await_packet(n, &p, HULSE_CTL_CHANNEL_OK);
    }
    if (!fine) {
        hulse_region_unmap(a);
    }
    return fine;
}

/* Fills ring and positions with nonsense until it is thrown out. */
static void write_garbage(struct noisy *n)
{
    struct hulse_region a = {0};

    if (!open_rings(n, &a)) {
        return;
    }
    struct hulse_region_a *control = hulse_region_a(&a);
    while (!hung_up(n) && !hulse_bench_crew_ended(n->crew)) {
        for (unsigned i = 0; i < 64; i++) {
            const uint64_t word = next_random(n);
            memcpy(a.ring + (next_random(n) % a.ring_bytes & ~7ULL), &word, sizeof word);
        }
        /* Relaxed because nothing sensible is published. */
        atomic_store_explicit(&control->up_tail, next_random(n) & 0xfff8, memory_order_relaxed);
        atomic_store_explicit(&control->down_head, next_random(n), memory_order_relaxed);
        atomic_store_explicit(&control->wake_at, next_random(n), memory_order_relaxed);
        ring_bells(n);
        n->me->sent++;
    }
    hulse_region_unmap(&a);
}

static int be_noisy(struct noisy *n, enum bench_beside kind)
{
    hulse_bench_crew_ready(n->crew, n->me);
    while (!hulse_bench_crew_ended(n->crew)) {
        if (n->sock < 0 && !dial(n)) {
            const struct timespec nap = {.tv_nsec = 1000000};
            (void)nanosleep(&nap, NULL);
            continue;
        }
        if (kind == BENCH_BESIDE_BELLS) {
            ring_bells(n);
        } else if (kind == BENCH_BESIDE_CONTROL) {
            flood_control(n);
        } else {
            write_garbage(n);
        }
        if (hung_up(n)) {
            n->me->stalls++;
            hang_up(n);
        }
    }
    hang_up(n);
    return 0;
}

static int be_busy(struct crew *crew, struct crew_member *me, const struct worker_job *job)
{
    static const uint8_t payload[BUSY_PAYLOAD_BYTES];
    hulse_session *session = NULL;
    hulse_producer *producer = NULL;
    int code = 0;
    hulse_status rc = hulse_bench_open_session(&session, job->socket, "bench-busy");

    if (rc == HULSE_OK) {
        rc = hulse_producer_open(session, &producer, "persistent://public/default/busy", NULL);
    }

    hulse_bench_crew_ready(crew, me);
    while (rc == HULSE_OK && !hulse_bench_crew_ended(crew)) {
        void *room = NULL;
        rc = hulse_claim(producer, sizeof payload, &room);
        if (rc == HULSE_AGAIN) {
            rc = hulse_wait_space(producer, sizeof payload, 10);
            rc = rc == HULSE_TIMED_OUT ? HULSE_OK : rc;
            continue;
        }
        if (rc == HULSE_OK) {
            memcpy(room, payload, sizeof payload);
            rc = hulse_commit(producer, sizeof payload, NULL, me->sent++);
        }
    }
    if (rc != HULSE_OK) {
        code = hulse_bench_crew_fail(
            me, BENCH_UNREACHABLE, "busy neighbour: %s", hulse_status_text(rc));
    }
    if (session != NULL) {
        (void)hulse_close(&session, ANSWER_MS);
    }
    return code;
}

int hulse_bench_neighbour_work(struct crew *crew, struct crew_member *me, const void *arg)
{
    const struct worker_job *job = arg;

    if (job->options->beside == BENCH_BESIDE_BUSY) {
        return be_busy(crew, me, job);
    }
    struct noisy n = {.crew = crew,
                      .me = me,
                      .path = job->socket,
                      .sock = -1,
                      .bell = -1,
                      .random = 0x2545f4914f6cdd1dULL};
    return be_noisy(&n, job->options->beside);
}
