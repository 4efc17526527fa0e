/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: timeout=240 */
/*
 * Goal:   S1: an application killed at any instant leaves whole messages behind: none torn, none lost
 *         whose flush had returned, none out of order. A consumer killed at any instant loses nothing:
 *         what it had not acknowledged comes again, as a redelivery if it had been begun, and what was
 *         acknowledged does not come again.
 * Method: the real daemon and library. Children are killed after a random time; what they have
 *         reached stands in a page that they share with the parent. The parent's other end checks
 *         every message by a checksum.
 *         Number of kills: the first argument, else HULSE_CRASH_ROUNDS, else 240. Seed:
 *         HULSE_TEST_SEED, printed.
 */
#include "tests/support/check.h"
#include "tests/support/daemon_process.h"
#include "tests/support/runtime.h"

#include <hulse/hulse.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    ROUNDS_DEFAULT = 240,
    LIFE_US_MAX = 6000,
    BODY_MAX = 1500,
    AHEAD_MAX = 4000, /* messages that a publisher is ahead of the reader */
    MARKS_MAX = 400000,
    PER_ROUND = 300,
    PATIENCE_MS = 20000
};

/* Written by children, one at a time; read by the parent. */
struct page {
    _Atomic(uint32_t) ready;
    _Atomic(uint64_t) flushing; /* messages handed to a flush that may not have returned */
    _Atomic(uint64_t) flushed;  /* messages whose flush has returned */
    _Atomic(uint64_t) received; /* by the parent, of this round */
    _Atomic(uint32_t) wrong;    /* a child found something; line number */
    _Atomic(uint64_t) confirmed_count;
    _Atomic(uint8_t) begun[MARKS_MAX];     /* handed out by hulse_next */
    _Atomic(uint8_t) confirmed[MARKS_MAX]; /* acknowledged, and the daemon has said so */
};

struct message {
    uint64_t round;
    uint64_t number;
    uint64_t sum; /* over bytes */
    uint32_t bytes;
    uint32_t reserved;
    uint8_t body[BODY_MAX];
};
#define HEAD offsetof(struct message, body)

static struct daemon_process daemon_process;
static struct page *page;
static unsigned seed;
static long rounds;

static unsigned below(unsigned limit)
{
    return (unsigned)rand_r(&seed) % limit;
}

static uint64_t sum_of(const struct message *m)
{
    uint64_t sum = m->round * 1000003 + m->number * 31 + m->bytes;
    for (uint32_t i = 0; i < m->bytes; i++) {
        sum = sum * 131 + m->body[i];
    }
    return sum;
}

static uint32_t make(struct message *m, uint64_t round, uint64_t number)
{
    m->round = round;
    m->number = number;
    m->bytes = below(BODY_MAX);
    m->reserved = 0;
    memset(m->body, (int)(number * 7 + round) & 0xff, m->bytes);
    m->sum = sum_of(m);
    return (uint32_t)(HEAD + m->bytes);
}

/* True when the message is exactly what somebody made. */
static bool whole(struct message *out, const struct hulse_message *in)
{
    if (in->data_bytes < HEAD || in->data_bytes > sizeof(*out)) {
        return false;
    }
    memcpy(out, in->data, in->data_bytes);
    return out->bytes == in->data_bytes - HEAD && out->sum == sum_of(out);
}

static hulse_session *open_session(void)
{
    hulse_session *s = NULL;
    hulse_options *o = hulse_options_new();
    if (o == NULL || hulse_options_socket(o, daemon_process.socket) != HULSE_OK ||
        hulse_open(&s, o) != HULSE_OK) {
        (void)fprintf(stderr, "open: %s\n", hulse_open_error());
    }
    hulse_options_free(&o);
    return s;
}

static hulse_producer *open_producer(hulse_session *s, const char *topic)
{
    hulse_producer *p = NULL;
    hulse_producer_options *o = hulse_producer_options_new();
    if (o == NULL || hulse_producer_options_auto_flush(o, 0, 0) != HULSE_OK ||
        hulse_producer_open(s, &p, topic, o) != HULSE_OK) {
        (void)fprintf(stderr, "producer: %s\n", hulse_last_error(s));
    }
    hulse_producer_options_free(&o);
    return p;
}

static hulse_consumer *open_consumer(hulse_session *s, const char *topic)
{
    hulse_consumer *c = NULL;
    hulse_consumer_options *o = hulse_consumer_options_new();
    if (o == NULL || hulse_consumer_options_type(o, HULSE_SHARED) != HULSE_OK ||
        hulse_consumer_open(s, &c, topic, "crash", o) != HULSE_OK) {
        (void)fprintf(stderr, "consumer: %s\n", hulse_last_error(s));
    }
    hulse_consumer_options_free(&o);
    return c;
}

static void pause_us(unsigned us)
{
    const struct timespec t = {.tv_nsec = (long)us * 1000};
    (void)nanosleep(&t, NULL);
}

static void need(bool condition, unsigned line)
{
    if (!condition) {
        atomic_store(&page->wrong, line);
        _exit(1);
    }
}
#define NEED(condition) need(condition, __LINE__)

static pid_t start_child(void (*body)(uint64_t round), uint64_t round)
{
    atomic_store(&page->ready, 0);
    const unsigned child_seed = (unsigned)rand_r(&seed);
    const pid_t pid = fork();
    if (pid == 0) {
        seed = child_seed;
        body(round);
        _exit(0);
    }
    assert_true(pid > 0);
    return pid;
}

static void kill_child(pid_t pid)
{
    int status = 0;
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (atomic_load(&page->wrong) != 0) {
        fail_msg("a child failed at line %u", atomic_load(&page->wrong));
    }
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* ---- publishers ---- */

#define PUBLISH_TOPIC "non-persistent://public/default/crash-publish"

/* A message by claim and commit, sometimes after an aborted claim, or by copy. */
static hulse_status put_one(hulse_producer *p, const struct message *m, uint32_t bytes)
{
    void *room = NULL;
    if (below(3) == 0) {
        const hulse_status st = hulse_publish(p, m, bytes, NULL, m->number);
        if (st == HULSE_OK) { /* it flushes, too */
            atomic_store(&page->flushed, m->number + 1);
        }
        return st;
    }
    hulse_status st = hulse_claim(p, bytes, &room);
    if (st == HULSE_OK && below(8) == 0) {
        memset(room, 0xee, bytes / 2);
        hulse_abort(p);
        st = hulse_claim(p, bytes, &room);
    }
    if (st == HULSE_OK) {
        memcpy(room, m, bytes);
        st = hulse_commit(p, bytes, NULL, m->number);
    }
    return st;
}

/* One message, waiting for room. */
static void publish_one(hulse_producer *p, uint64_t round, uint64_t number)
{
    static struct message m;
    const uint32_t bytes = make(&m, round, number);
    hulse_status st = HULSE_AGAIN;
    atomic_store(&page->flushing, number + 1);
    while ((st = put_one(p, &m, bytes)) == HULSE_AGAIN) {
        st = hulse_wait_space(p, bytes, PATIENCE_MS);
        NEED(st == HULSE_OK);
    }
    NEED(st == HULSE_OK);
}

static void publish_until_killed(uint64_t round)
{
    hulse_session *s = open_session();
    NEED(s != NULL);
    hulse_producer *p = open_producer(s, PUBLISH_TOPIC);
    NEED(p != NULL);
    atomic_store(&page->ready, 1);
    for (uint64_t number = 0;; number++) {
        publish_one(p, round, number);
        if (below(5) == 0) {
            NEED(hulse_flush(p) == HULSE_OK);
            atomic_store(&page->flushed, number + 1);
        }
        while (number > atomic_load(&page->received) + AHEAD_MAX) {
            NEED(hulse_flush(p) == HULSE_OK);
            pause_us(50);
        }
    }
}

struct reader {
    hulse_consumer *c;
    uint64_t *next; /* of each round */
    uint64_t read;
};

/* Reads what is there, waiting up to timeout_ms for the first. */
static void read_some(struct reader *r, uint64_t round, int timeout_ms)
{
    struct hulse_message in = {.size = sizeof(in)};
    static struct message m;
    while (hulse_next_wait(r->c, &in, timeout_ms) == HULSE_OK) {
        if (!whole(&m, &in)) {
            fail_msg("a torn message of %zu bytes", in.data_bytes);
        }
        assert_true(m.round < (uint64_t)rounds);
        assert_int_equal(m.number, r->next[m.round]); /* in order, none missing, none twice */
        r->next[m.round] += 1;
        r->read += 1;
        while (hulse_ack(r->c, &in.id) == HULSE_AGAIN) {
            assert_int_equal(hulse_consumer_flush(r->c), HULSE_OK);
        }
        hulse_release(r->c, &in);
        if (m.round == round) {
            atomic_store(&page->received, r->next[round]);
        }
        timeout_ms = 0;
    }
    (void)hulse_consumer_flush(r->c);
}

static uint64_t now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void test_killed_publishers(void **state)
{
    (void)state;
    const long kills = rounds;
    hulse_session *s = open_session();
    assert_non_null(s);
    struct reader r = {.c = open_consumer(s, PUBLISH_TOPIC),
                       .next = calloc((size_t)kills, sizeof(uint64_t))};
    assert_non_null(r.c);
    assert_non_null(r.next);
    for (uint64_t round = 0; round < (uint64_t)kills; round++) {
        atomic_store(&page->flushed, 0);
        atomic_store(&page->flushing, 0);
        atomic_store(&page->received, 0);
        const pid_t pid = start_child(publish_until_killed, round);
        /* Some die while they open. */
        const bool early = below(16) == 0;
        while (!early && atomic_load(&page->ready) == 0 && atomic_load(&page->wrong) == 0) {
            pause_us(20);
        }
        const uint64_t until = now_us() + below(LIFE_US_MAX);
        while (now_us() < until) {
            read_some(&r, round, 0);
        }
        kill_child(pid);
        const uint64_t flushed = atomic_load(&page->flushed);
        for (int i = 0; i < PATIENCE_MS / 10 && r.next[round] < flushed; i++) {
            read_some(&r, round, 10);
        }
        assert_true(r.next[round] >= flushed);
        assert_true(r.next[round] <= atomic_load(&page->flushing));
    }
    print_message("  %ld kills, %llu messages read\n", kills, (unsigned long long)r.read);
    assert_true(r.read > 0);
    free(r.next);
    assert_int_equal(hulse_close(&s, PATIENCE_MS), HULSE_OK);
    assert_true(hulse_test_daemon_alive(&daemon_process));
}

/* ---- consumers ---- */

#define CONSUME_TOPIC "non-persistent://public/default/crash-consume"

/* Acknowledges a handful and has it confirmed. */
static unsigned consume_handful(hulse_consumer *c, int timeout_ms)
{
    static struct message m;
    uint64_t numbers[32];
    unsigned count = 0;
    const unsigned most = 1 + below(32);
    struct hulse_message in = {.size = sizeof(in)};
    while (count < most && hulse_next_wait(c, &in, count == 0 ? timeout_ms : 0) == HULSE_OK) {
        NEED(whole(&m, &in) && m.number < MARKS_MAX);
        NEED(atomic_load(&page->confirmed[m.number]) == 0); /* never again */
        NEED(atomic_load(&page->begun[m.number]) == 0 || in.redelivery_count >= 1);
        atomic_store(&page->begun[m.number], 1);
        numbers[count++] = m.number;
        NEED(hulse_ack(c, &in.id) == HULSE_OK);
        hulse_release(c, &in);
    }
    if (count != 0) {
        NEED(hulse_consumer_sync(c, PATIENCE_MS) == HULSE_OK);
    }
    for (unsigned i = 0; i < count; i++) {
        atomic_store(&page->confirmed[numbers[i]], 1);
        (void)atomic_fetch_add(&page->confirmed_count, 1);
    }
    return count;
}

static hulse_consumer *join_as_consumer(void)
{
    hulse_session *s = open_session();
    NEED(s != NULL);
    hulse_consumer *c = open_consumer(s, CONSUME_TOPIC);
    NEED(c != NULL);
    atomic_store(&page->ready, 1);
    return c;
}

static void consume_until_killed(uint64_t round)
{
    (void)round;
    hulse_consumer *c = join_as_consumer();
    for (;;) {
        (void)consume_handful(c, PATIENCE_MS);
    }
}

/* The last one: until nothing is left. `total` messages were published. */
static void consume_the_rest(uint64_t total)
{
    hulse_consumer *c = join_as_consumer();
    /* Acknowledged by one that died before it could note it: they do not come again. */
    for (int quiet = 0; quiet < 20 && atomic_load(&page->confirmed_count) < total;) {
        quiet = consume_handful(c, 50) != 0 ? 0 : quiet + 1;
    }
}

static uint64_t publish_numbers(hulse_producer *p, uint64_t from, unsigned count)
{
    static struct message m;
    for (uint64_t number = from; number < from + count; number++) {
        const uint32_t bytes = make(&m, 0, number);
        assert_int_equal(hulse_publish_wait(p, &m, bytes, NULL, number, PATIENCE_MS), HULSE_OK);
    }
    assert_int_equal(hulse_sync(p, PATIENCE_MS, NULL), HULSE_OK);
    return from + count;
}

static void await_ready(void)
{
    for (int i = 0; i < PATIENCE_MS * 10 && atomic_load(&page->ready) == 0; i++) {
        if (atomic_load(&page->wrong) != 0) {
            fail_msg("a child failed at line %u", atomic_load(&page->wrong));
        }
        pause_us(100);
    }
    assert_int_equal(atomic_load(&page->ready), 1);
}

static void test_killed_consumers(void **state)
{
    (void)state;
    const long kills = rounds / 4;
    uint64_t total = 0;
    hulse_session *s = open_session();
    assert_non_null(s);
    hulse_producer *p = open_producer(s, CONSUME_TOPIC);
    assert_non_null(p);
    for (long round = 0; round < kills; round++) {
        const pid_t pid = start_child(consume_until_killed, 0);
        await_ready();
        if (total + PER_ROUND <= MARKS_MAX) {
            total = publish_numbers(p, total, PER_ROUND);
        }
        pause_us(below(LIFE_US_MAX / 2));
        kill_child(pid);
    }
    int status = 0;
    const pid_t last = start_child(consume_the_rest, total);
    assert_int_equal(waitpid(last, &status, 0), last);
    if (atomic_load(&page->wrong) != 0) {
        fail_msg("a child failed at line %u", atomic_load(&page->wrong));
    }
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    uint64_t untouched = 0;
    for (uint64_t i = 0; i < total; i++) {
        untouched += atomic_load(&page->begun[i]) == 0;
    }
    assert_int_equal(untouched, 0); /* somebody was given every one */
    print_message("  %ld kills, %llu messages, %llu confirmed\n",
                  kills,
                  (unsigned long long)total,
                  (unsigned long long)atomic_load(&page->confirmed_count));
    assert_int_equal(hulse_close(&s, PATIENCE_MS), HULSE_OK);
    /* All of them are acknowledged: the topic holds nothing. */
    assert_true(hulse_test_daemon_alive(&daemon_process));
}

static int start(void **state)
{
    (void)state;
    page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        return -1;
    }
    hulse_test_daemon_start(&daemon_process, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    (void)munmap(page, sizeof(*page));
    return hulse_test_daemon_stop(&daemon_process) ? 0 : -1;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_publishers),
        cmocka_unit_test(test_killed_consumers),
    };
    const char *given = argc > 1 ? argv[1] : getenv("HULSE_CRASH_ROUNDS");
    const char *wished = getenv("HULSE_TEST_SEED");
    rounds = given != NULL ? strtol(given, NULL, 10) : ROUNDS_DEFAULT;
    rounds = rounds < 4 ? 4 : rounds;
    seed = wished != NULL ? (unsigned)strtoul(wished, NULL, 10) : (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    return cmocka_run_group_tests(tests, start, stop);
}
