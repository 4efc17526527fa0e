/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_inbox - a message into an inbox and run: on one thread, and from two posters to an owner
 * that sleeps when it has nothing.
 *
 * Conservation: the sum of what was posted is the sum of what was run.
 */
#include "bench/micro/micro.h"
#include "daemon/core/assert.h"
#include "daemon/core/inbox.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum {
    REQUESTS_MAX = 1024,
    NODES = 4096, /* per poster; one is free again when it has run */
    POSTERS = 2
};

struct message {
    struct inbox_node node;
    uint64_t *sum; /* the owner's */
    uint64_t value;
    _Atomic(uint32_t) in_use;
};

static void add_value(struct inbox_node *node)
{
    struct message *msg = HULSE_CONTAINER(node, struct message, node);

    *msg->sum += msg->value;
    atomic_store_explicit(&msg->in_use, 0, memory_order_release);
}

struct poster {
    pthread_t thread;
    struct inbox *in;
    uint64_t *sum;
    uint64_t ops;
    struct message messages[NODES];
};

static void prepare(struct poster *p)
{
    for (size_t i = 0; i < NODES; i++) {
        p->messages[i] = (struct message){.node.run = add_value, .sum = p->sum};
    }
}

static void one_thread(void *argument, uint64_t ops)
{
    struct poster *p = argument;

    *p->sum = 0;
    for (uint64_t i = 0; i < ops;) {
        uint64_t batch = 0;
        for (; batch < 32 && i < ops; batch++, i++) {
            struct message *msg = &p->messages[batch];
            msg->value = i;
            micro_require(hulse_inbox_post(p->in, &msg->node), "room");
        }
        micro_require(hulse_inbox_run(p->in, 64) == batch, "all run");
    }
    micro_require(*p->sum == ops * (ops - 1) / 2, "sum of the values");
}

static void *post_all(void *argument)
{
    struct poster *p = argument;

    for (uint64_t i = 0; i < p->ops; i++) {
        struct message *msg = &p->messages[i % NODES];
        while (atomic_load_explicit(&msg->in_use, memory_order_acquire) != 0) {
            (void)sched_yield();
        }
        atomic_store_explicit(&msg->in_use, 1, memory_order_relaxed);
        msg->value = i;
        while (!hulse_inbox_post(p->in, &msg->node)) {
            (void)sched_yield();
        }
    }
    return NULL;
}

struct contest {
    struct inbox in;
    uint64_t sum;
    uint64_t sleeps;
    struct poster posters[POSTERS];
};

static void two_posters(void *argument, uint64_t ops)
{
    struct contest *c = argument;
    const uint64_t each = ops / POSTERS;

    c->sum = 0;
    for (size_t i = 0; i < POSTERS; i++) {
        c->posters[i].ops = each;
        micro_require(pthread_create(&c->posters[i].thread, NULL, post_all, &c->posters[i]) == 0,
                      "thread");
    }
    for (uint64_t received = 0; received < POSTERS * each;) {
        const unsigned ran = hulse_inbox_run(&c->in, 64);
        received += ran;
        if (ran != 0) {
            continue;
        }
        if (!hulse_inbox_park(&c->in)) {
            struct pollfd p = {.fd = c->in.fd, .events = POLLIN};
            (void)poll(&p, 1, -1);
            c->sleeps++;
        }
        hulse_inbox_unpark(&c->in);
    }
    for (size_t i = 0; i < POSTERS; i++) {
        (void)pthread_join(c->posters[i].thread, NULL);
    }
    micro_require(c->sum == POSTERS * (each * (each - 1) / 2), "sum of the values");
}

int main(int argc, char **argv)
{
    static struct contest c;
    struct micro m;

    micro_begin(&m, "inbox", argc, argv);
    printf("  bound %d requests, %d posters\n", REQUESTS_MAX, POSTERS);
    micro_require(hulse_inbox_init(&c.in, REQUESTS_MAX), "inbox");
    for (size_t i = 0; i < POSTERS; i++) {
        c.posters[i].in = &c.in;
        c.posters[i].sum = &c.sum;
        prepare(&c.posters[i]);
    }
    micro_run(&m, "post_and_run", micro_ops(&m, 5000000, 10000), one_thread, &c.posters[0]);
    micro_run(&m, "two_posters", micro_ops(&m, 2000000, 10000), two_posters, &c);
    printf("  the owner slept %" PRIu64 " times\n", c.sleeps);
    hulse_inbox_fini(&c.in);
    return micro_end(&m);
}
