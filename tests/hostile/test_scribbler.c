/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: timeout=240 */
/*
 * Goal:   F2: a process that scribbles over all of A while the daemon reads it harms itself alone: the
 *         daemon lives, a witness loses nothing, broken rules are counted.
 * Method: a child opens one session after another and writes: noise over everything; noise in the
 *         ring under a believable position; good records that change while they are read. Rings all
 *         the time. The parent publishes and consumes beside it and checks every message.
 *         HULSE_SCRIBBLE_SESSIONS: number of sessions, default 150. Seed: HULSE_TEST_SEED, printed.
 */
#include "tests/hostile/stage.h"
#include "tests/support/check.h"
#include "tests/support/runtime.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STROKES_MAX = 3000, WAYS = 5 };

static struct stage stage;
static unsigned seed;

static uint64_t noise(void)
{
    return (uint64_t)(unsigned)rand_r(&seed) << 33 ^ (uint64_t)(unsigned)rand_r(&seed) << 11 ^
           (unsigned)rand_r(&seed);
}

static void smear(uint8_t *at, size_t bytes)
{
    for (size_t i = 0; i + 8 <= bytes; i += 8) {
        const uint64_t word = noise();
        memcpy(at + i, &word, sizeof(word));
    }
}

static bool closed(const struct actor *a)
{
    struct pollfd p = {.fd = a->app.sock, .events = POLLIN | POLLRDHUP};
    return poll(&p, 1, 0) == 1 && (p.revents & (POLLRDHUP | POLLHUP)) != 0;
}

/* Somewhere behind the released position, aligned, within the capacity. */
static void believable_tail(const struct actor *a)
{
    const uint64_t head = atomic_load(&hulse_region_b(&a->ch.b)->up_read);
    const uint64_t tail = head + ((noise() % (a->ch.up.mask / 4)) & ~7ULL);
    const uint64_t now = atomic_load(&hulse_region_a(&a->ch.a)->up_tail);
    if (tail > now) {
        atomic_store(&hulse_region_a(&a->ch.a)->up_tail, tail);
    }
}

/* Good headers with one member spoiled now and then, whose bytes go on changing. */
static void almost_good(struct actor *a, bool consumer)
{
    const uint64_t head = atomic_load(&hulse_region_b(&a->ch.b)->up_head);
    a->ch.up.head_seen = head;
    for (int i = 0; i < 8 && hulse_ring_tx_room(&a->ch.up) > 4096; i++) {
        uint8_t body[256];
        smear(body, sizeof(body));
        if (consumer) {
            const struct hulse_verdict_record v = {.len = HULSE_VERDICT_HEADER_BYTES,
                                                   .type = HULSE_RECORD_VERDICT,
                                                   .ref = noise() % 8 | (noise() % 4) << 32,
                                                   .entry = noise() % 8,
                                                   .batch = -1,
                                                   .how = (uint8_t)(noise() % 4),
                                                   .verdict = (uint8_t)(1 + noise() % 5)};
            hulse_raw_put(&a->ch, &v, sizeof(v), NULL, 0);
        } else {
            struct hulse_publish_header h =
                hulse_raw_header(&a->ch, (uint32_t)(noise() % sizeof(body)), noise());
            if (noise() % 4 == 0) {
                h.type = HULSE_RECORD_FRAGMENT;
                h.payload_len = 64;
                h.len = 104;
                h.flags = (uint8_t)(noise() % 4);
                const struct hulse_fragment_header f = {.index = (uint32_t)(noise() % 3),
                                                        .count = (uint32_t)(noise() % 4),
                                                        .total_len = noise() % 200};
                memcpy(body, &f, sizeof(f));
            }
            hulse_raw_put(&a->ch, &h, sizeof(h), body, h.payload_len);
        }
    }
    hulse_raw_flush(&a->app, &a->ch);
    uint8_t *at = hulse_ring_tx_at(&a->ch.up, a->ch.up.tail - 64);
    for (int i = 0; i < 200; i++) { /* after it was published, while it is read */
        at[noise() % 64] = (uint8_t)noise();
    }
}

static void stroke(struct actor *a, unsigned way, bool consumer)
{
    struct hulse_region_a *words = hulse_region_a(&a->ch.a);
    switch (way) {
    case 0:
        smear(a->ch.a.base, HULSE_CONTROL_BYTES + a->ch.a.ring_bytes);
        break;
    case 1:
        smear(a->ch.a.ring, a->ch.a.ring_bytes);
        believable_tail(a);
        break;
    case 2:
        smear(a->ch.a.ring + (noise() % a->ch.a.ring_bytes & ~4095ULL), 4096);
        atomic_store(&words->wake_at, noise());
        atomic_store(&words->space_at, noise() % 100000);
        atomic_store(&words->down_started, noise());
        almost_good(a, consumer);
        break;
    case 3:
        atomic_store(&words->down_head, noise() % 4 == 0 ? noise() : noise() % 4096 & ~31ULL);
        almost_good(a, consumer);
        break;
    default:
        almost_good(a, consumer);
        break;
    }
    hulse_raw_ring(&a->app);
}

static _Noreturn void scribble(long sessions)
{
    for (long i = 0; i < sessions; i++) {
        struct actor a;
        const bool consumer = i % 3 == 2;
        if (consumer) {
            hulse_actor_consume(&a, &stage, STAGE_TOPIC "-actor");
        } else {
            hulse_actor_produce(&a, &stage, HULSE_RECEIPT_MODE_FULL);
        }
        for (int n = 0; n < STROKES_MAX && !closed(&a); n++) {
            stroke(&a, (unsigned)i % WAYS, consumer);
        }
        hulse_actor_close(&a);
    }
    _exit(0);
}

static int start(void **state)
{
    (void)state;
    static const char *const settings[] = {"log.level=error", NULL};
    hulse_stage_open(&stage, settings);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    return hulse_stage_close(&stage) ? 0 : -1;
}

/* The witness consumes its own topic: each message once, in order, whole. */
static void assert_delivered(struct actor *c, uint64_t number)
{
    struct hulse_delivery_header d;
    const uint8_t *at = hulse_raw_next(&c->ch, HULSE_DELIVERY_HEADER_BYTES);
    assert_non_null(at);
    memcpy(&d, at, sizeof(d));
    assert_int_equal(d.entry, number);
    assert_int_equal(d.payload_len, 7);
    assert_memory_equal(at + sizeof(d), "witness", 7);
    const struct hulse_verdict_record ack = {.len = HULSE_VERDICT_HEADER_BYTES,
                                             .type = HULSE_RECORD_VERDICT,
                                             .ref = d.ref,
                                             .ledger = d.ledger,
                                             .entry = d.entry,
                                             .batch = d.batch,
                                             .partition = d.partition,
                                             .verdict = HULSE_VERDICT_ACK};
    hulse_ring_rx_release(&c->ch.down, c->ch.down.read);
    assert_int_equal(hulse_ring_tx_reserve(&c->ch.up, 64), HULSE_RING_OK);
    hulse_raw_put(&c->ch, &ack, sizeof(ack), NULL, 0);
    hulse_raw_flush(&c->app, &c->ch);
}

static void test_scribbler(void **state)
{
    (void)state;
    const char *given = getenv("HULSE_SCRIBBLE_SESSIONS");
    const long sessions = given != NULL ? strtol(given, NULL, 10) : 150;
    const uint64_t rules = hulse_test_daemon_stat(&stage.daemon, "rule_violations");
    struct actor c;
    int status = 0;
    uint64_t number = 0;
    pid_t ended = 0;
    hulse_actor_consume(&c, &stage, STAGE_TOPIC);
    const pid_t child = fork();
    if (child == 0) {
        scribble(sessions);
    }
    while (ended == 0) {
        assert_true(hulse_stage_witness(&stage));
        assert_delivered(&c, number);
        number += 1;
        ended = waitpid(child, &status, WNOHANG);
    }
    assert_int_equal(ended, child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    const uint64_t broken = hulse_test_daemon_stat(&stage.daemon, "rule_violations") - rules;
    print_message(
        "  %ld sessions, %llu messages beside them\n", sessions, (unsigned long long)number);
    assert_true(broken > (uint64_t)sessions / 4);
    assert_int_equal(hulse_actor_stat(&c, HULSE_STAT_FAILED), 0);
    assert_int_equal(hulse_actor_stat(&c, HULSE_STAT_MISSED_DOORBELLS), 0);
    hulse_actor_close(&c);
    assert_true(hulse_stage_sessions_fall_to(&stage, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_scribbler)};
    const char *wished = getenv("HULSE_TEST_SEED");
    seed = wished != NULL ? (unsigned)strtoul(wished, NULL, 10) : (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    return cmocka_run_group_tests(tests, start, stop);
}
