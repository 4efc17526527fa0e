/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_doorbell - deciding who must be woken, and the bell itself.
 *
 * Conservation: a bell is rung once for each arming and never without one; a wish is met once for
 * each crossing.
 */
#include "bench/micro/micro.h"
#include "shmlib/ring/doorbell.h"

#include <sys/eventfd.h>

struct scene {
    struct hulse_region_a a;
    struct hulse_region_b b;
    int bell;
};

/* The daemon is awake: what every flush pays. */
static void flush_awake(void *argument, uint64_t ops)
{
    struct scene *s = argument;
    uint64_t last_rung = 0;
    uint64_t rung = 0;

    for (uint64_t i = 0; i < ops; i++) {
        /* The position that a flush stores before it looks. */
        atomic_store_explicit(&s->a.up_tail, i, memory_order_release);
        rung += hulse_doorbell_publisher(&s->b.armed, &last_rung);
    }
    micro_require(rung == 0, "no bell without an arming");
}

/* Every second flush meets a new arming. */
static void flush_armed(void *argument, uint64_t ops)
{
    struct scene *s = argument;
    uint64_t epoch = 0;
    uint64_t last_rung = 0;
    uint64_t rung = 0;

    for (uint64_t i = 0; i < ops; i += 2) {
        hulse_doorbell_arm(&s->b.armed, &epoch);
        rung += hulse_doorbell_publisher(&s->b.armed, &last_rung);
        rung += hulse_doorbell_publisher(&s->b.armed, &last_rung);
    }
    hulse_doorbell_disarm(&s->b.armed, &epoch);
    micro_require(rung == (ops + 1) / 2, "one bell for each arming");
}

/* A waiter announces, the waker's flush crosses its wish. */
static void announce_cross(void *argument, uint64_t ops)
{
    struct scene *s = argument;
    uint64_t crossed = 0;

    for (uint64_t i = 0; i < ops; i++) {
        hulse_doorbell_announce(&s->a.wake_at, i + 1);
        hulse_doorbell_fence();
        crossed += hulse_doorbell_crossed(&s->a.wake_at, i, i + 1);
        crossed += hulse_doorbell_crossed(&s->a.wake_at, i + 1, i + 2);
    }
    micro_require(crossed == ops, "one wake for each wish");
}

/* The system call of a bell that nobody sleeps on. */
static void ring(void *argument, uint64_t ops)
{
    struct scene *s = argument;
    const uint64_t one = 1;
    uint64_t count = 0;

    for (uint64_t i = 0; i < ops; i++) {
        micro_require(write(s->bell, &one, sizeof(one)) == (ssize_t)sizeof(one), "a bell");
    }
    micro_require(read(s->bell, &count, sizeof(count)) == (ssize_t)sizeof(count) && count == ops,
                  "as many bells as rings");
}

int main(int argc, char **argv)
{
    static struct scene s;
    struct micro m;

    micro_begin(&m, "doorbell", argc, argv);
    s.bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    micro_require(s.bell >= 0, "an eventfd");
    micro_run(&m, "flush, peer awake", micro_ops(&m, 50000000, 20000), flush_awake, &s);
    micro_run(&m, "flush, peer arms", micro_ops(&m, 20000000, 20000), flush_armed, &s);
    micro_run(&m, "announce and cross", micro_ops(&m, 20000000, 20000), announce_cross, &s);
    micro_run(&m, "ring an eventfd", micro_ops(&m, 1000000, 1000), ring, &s);
    (void)close(s.bell);
    return micro_end(&m);
}
