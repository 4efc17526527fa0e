/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_timer - the timer wheel: moving a timer, and the way of a timer from start to expiry.
 *
 * Conservation: every timer that was started fires once.
 */
#include "bench/micro/micro.h"
#include "daemon/worker/timer.h"

enum { TIMERS = 10000, NEAR_MS = 60000, STEP_MS = 1 };

struct scene {
    struct timer_wheel wheel;
    struct timer timers[TIMERS];
    uint64_t now_ms;
    uint64_t random;
};

static uint64_t fired;

static void fire(struct timer *timer)
{
    (void)timer;
    fired++;
}

static uint64_t soon(struct scene *s)
{
    return s->now_ms + 1 + (micro_random(&s->random) >> 32) % NEAR_MS;
}

/* A timeout that is pushed on by each message. */
static void restart(void *argument, uint64_t ops)
{
    struct scene *s = argument;

    for (uint64_t i = 0; i < ops; i++) {
        hulse_timer_start(&s->wheel, &s->timers[i % TIMERS], soon(s));
    }
    micro_require(s->wheel.count == (ops < TIMERS ? ops : TIMERS), "timers pending");
    for (size_t i = 0; i < TIMERS; i++) {
        hulse_timer_stop(&s->wheel, &s->timers[i]);
    }
    micro_require(s->wheel.count == 0, "timers stopped");
}

/* Up to TIMERS at a time are started and all expire, millisecond by millisecond. */
static void expire(void *argument, uint64_t ops)
{
    struct scene *s = argument;
    const uint64_t before = fired;

    for (uint64_t done = 0; done < ops;) {
        const uint64_t batch = ops - done < TIMERS ? ops - done : TIMERS;
        for (uint64_t i = 0; i < batch; i++) {
            hulse_timer_start(&s->wheel, &s->timers[i], soon(s));
        }
        while (s->wheel.count != 0) {
            s->now_ms += STEP_MS;
            (void)hulse_timer_advance(&s->wheel, s->now_ms);
        }
        done += batch;
    }
    micro_require(fired - before == ops, "every timer fires once");
}

/* What each round of a loop asks. */
static void next(void *argument, uint64_t ops)
{
    struct scene *s = argument;
    uint64_t sum = 0;

    hulse_timer_start(&s->wheel, &s->timers[0], s->now_ms + 500);
    for (uint64_t i = 0; i < ops; i++) {
        sum += hulse_timer_next(&s->wheel) > s->now_ms;
        __asm__ __volatile__("" : : : "memory");
    }
    hulse_timer_stop(&s->wheel, &s->timers[0]);
    micro_require(sum == ops, "the timer is ahead");
}

int main(int argc, char **argv)
{
    static struct scene s;
    struct micro m;

    micro_begin(&m, "timer", argc, argv);
    printf("  %d timers, up to %d ms ahead\n", TIMERS, NEAR_MS);
    s.now_ms = 1000000;
    s.random = 88172645463325252U;
    hulse_timer_wheel_init(&s.wheel, s.now_ms);
    for (size_t i = 0; i < TIMERS; i++) {
        s.timers[i].fire = fire;
    }
    micro_run(&m, "restart", micro_ops(&m, 5000000, 20000), restart, &s);
    micro_run(&m, "start_to_expiry", micro_ops(&m, 500000, 2000), expire, &s);
    micro_run(&m, "next", micro_ops(&m, 10000000, 10000), next, &s);
    return micro_end(&m);
}
