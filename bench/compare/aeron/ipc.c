/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ipc - Aeron's IPC with the workload of `hulse-bench ring`: two processes, one exclusive
 * publication that claims in place, one subscription that verifies every byte.
 *
 *     ipc AERON_DIR SIZE DURATION_MS TERM_LENGTH     prints one JSON object
 *
 * A media driver must run on AERON_DIR. Clients invoke their conductor themselves, so that the two
 * CPUs belong to publisher and subscriber; publisher and subscriber are pinned like ours.
 *
 * Needs Aeron's C client; the run script beside compiles it against a build that it is given.
 */
#include "bench/record.h"
#include "bench/tally.h"

#include <aeronc.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STREAM 1001
#define POLL_LIMIT 256
#define WARM_NS 200000000ULL
#define STUCK_NS 10000000000ULL
#define TURNS_PER_DUTY 1024U /* turns of a busy loop between two of the client's conductor */

struct shared {
    alignas(128) _Atomic(uint64_t) received;
    alignas(128) _Atomic(uint32_t) ended;
    uint64_t wrong;
};

struct receiver {
    struct shared *shared;
    struct record_pattern pattern;
    struct tally tally;
};

static uint64_t now_ns(void)
{
    struct timespec t = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return ((uint64_t)t.tv_sec * 1000000000ULL) + (uint64_t)t.tv_nsec;
}

static void pin(unsigned n)
{
    cpu_set_t all;
    cpu_set_t one;
    unsigned seen = 0;

    (void)sched_getaffinity(0, sizeof all, &all);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &all) && seen++ == n) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            (void)sched_setaffinity(0, sizeof one, &one);
        }
    }
}

static void die(const char *what)
{
    (void)fprintf(stderr, "ipc: %s: %s\n", what, aeron_errmsg());
    exit(1);
}

static aeron_t *join_driver(const char *dir)
{
    aeron_context_t *context = NULL;
    aeron_t *client = NULL;

    if (aeron_context_init(&context) < 0 || aeron_context_set_dir(context, dir) < 0 ||
        aeron_context_set_use_conductor_agent_invoker(context, true) < 0 ||
        aeron_init(&client, context) < 0 || aeron_start(client) < 0) {
        die("client");
    }
    return client;
}

static void take(void *arg, const uint8_t *data, size_t bytes, aeron_header_t *header)
{
    struct receiver *r = arg;
    struct record_head head;

    (void)header;
    if (!hulse_bench_record_verify(&r->pattern, data, bytes, &head)) {
        r->shared->wrong++;
        return;
    }
    hulse_bench_tally_alone(&r->tally, head.sequence);
}

static void subscribe(struct shared *shared, const char *dir, const char *channel, uint32_t size)
{
    static struct receiver r;
    aeron_async_add_subscription_t *adding = NULL;
    aeron_subscription_t *subscription = NULL;

    pin(1);
    r.shared = shared;
    if (!hulse_bench_record_pattern_init(&r.pattern, size)) {
        die("memory");
    }
    aeron_t *client = join_driver(dir);
    if (aeron_async_add_subscription(&adding, client, channel, STREAM, NULL, NULL, NULL, NULL) <
        0) {
        die("subscription");
    }
    while (subscription == NULL) {
        (void)aeron_main_do_work(client);
        if (aeron_async_add_subscription_poll(&subscription, adding) < 0) {
            die("subscription");
        }
    }
    unsigned turns = 0;
    /* Relaxed because nothing is read on its strength. */
    while (atomic_load_explicit(&shared->ended, memory_order_relaxed) == 0) {
        const int n = aeron_subscription_poll(subscription, take, &r, POLL_LIMIT);
        if (n < 0) {
            die("poll");
        }
        if (n > 0) {
            /* SYNC(compare.received) release: they have been verified. */
            atomic_store_explicit(&shared->received, r.tally.received, memory_order_release);
        }
        if (turns++ % TURNS_PER_DUTY == 0) {
            (void)aeron_main_do_work(client);
        }
    }
    shared->wrong += r.tally.duplicates + r.tally.out_of_order + r.tally.missing;
    (void)aeron_close(client);
}

struct publisher {
    struct shared *shared;
    aeron_t *client;
    aeron_exclusive_publication_t *publication;
    struct record_pattern pattern;
    uint64_t sequence;
};

static void publish_for(struct publisher *p, uint64_t duration_ns)
{
    const uint64_t until_ns = now_ns() + duration_ns;
    unsigned turns = 0;

    while (turns++ % 64 != 0 || now_ns() < until_ns) {
        aeron_buffer_claim_t claim;
        for (unsigned i = 0; i < 16; i++) {
            const int64_t position =
                aeron_exclusive_publication_try_claim(p->publication, p->pattern.size, &claim);
            if (position < 0) {
                if (position == AERON_PUBLICATION_CLOSED || position == AERON_PUBLICATION_ERROR) {
                    die("claim");
                }
                break;
            }
            hulse_bench_record_write(&p->pattern, claim.data, 0, p->sequence, 0);
            (void)aeron_buffer_claim_commit(&claim);
            p->sequence++;
        }
        if (turns % TURNS_PER_DUTY == 0) {
            (void)aeron_main_do_work(p->client);
        }
    }
    const uint64_t stuck_ns = now_ns() + STUCK_NS;
    /* SYNC(compare.received) acquire: the subscriber has verified them. */
    while (atomic_load_explicit(&p->shared->received, memory_order_acquire) < p->sequence) {
        if (now_ns() > stuck_ns) {
            (void)fprintf(stderr, "ipc: messages were lost\n");
            exit(1);
        }
    }
}

static double publish(struct shared *shared, char **argv, const char *channel, uint32_t size)
{
    static struct publisher p;
    aeron_async_add_exclusive_publication_t *adding = NULL;

    pin(0);
    p.shared = shared;
    if (!hulse_bench_record_pattern_init(&p.pattern, size)) {
        die("memory");
    }
    p.client = join_driver(argv[1]);
    if (aeron_async_add_exclusive_publication(&adding, p.client, channel, STREAM) < 0) {
        die("publication");
    }
    while (p.publication == NULL || !aeron_exclusive_publication_is_connected(p.publication)) {
        (void)aeron_main_do_work(p.client);
        if (p.publication == NULL &&
            aeron_async_add_exclusive_publication_poll(&p.publication, adding) < 0) {
            die("publication");
        }
    }
    publish_for(&p, WARM_NS);
    const uint64_t from = p.sequence;
    const uint64_t from_ns = now_ns();
    publish_for(&p, strtoull(argv[3], NULL, 10) * 1000000ULL);
    const double rate = (double)(p.sequence - from) * 1e9 / (double)(now_ns() - from_ns);
    atomic_store_explicit(&shared->ended, 1, memory_order_relaxed);
    (void)aeron_close(p.client);
    return rate;
}

int main(int argc, char **argv)
{
    char channel[64];
    int status = 0;

    if (argc != 5) {
        (void)fprintf(stderr, "usage: ipc AERON_DIR SIZE DURATION_MS TERM_LENGTH\n");
        return 64;
    }
    const uint32_t size = (uint32_t)strtoul(argv[2], NULL, 10);
    (void)snprintf(channel, sizeof channel, "aeron:ipc?term-length=%s", argv[4]);
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || size < BENCH_RECORD_BYTES_MIN) {
        return 64;
    }
    const pid_t child = fork();
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        subscribe(shared, argv[1], channel, size);
        exit(0);
    }
    const double rate = publish(shared, argv, channel, size);
    if (waitpid(child, &status, 0) != child || status != 0 || shared->wrong != 0) {
        (void)fprintf(stderr, "ipc: %llu wrong\n", (unsigned long long)shared->wrong);
        return 1;
    }
    (void)printf("{\"rate\":%.1f}\n", rate);
    return 0;
}
