/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   every node runs once, in the order of its poster; requests are bounded, answers are not;
 *         an owner that sleeps is always woken; one sleep costs one write.
 * Method: by hand on one thread; then posters against an owner that parks whenever it can, blocking
 *         for ever in poll when a wake-up is lost (the watchdog ends the test then).
 */
#include "daemon/core/assert.h"
#include "daemon/core/inbox.h"
#include "tests/unit/daemon/core/check.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

struct note {
    struct inbox_node node;
    unsigned *log;
    unsigned *logged;
    unsigned number;
};

static void run_note(struct inbox_node *node)
{
    const struct note *n = HULSE_CONTAINER(node, struct note, node);

    n->log[(*n->logged)++] = n->number;
}

static bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

static void test_nodes_run_in_order_within_the_budget(void **state)
{
    enum { NODES = 10 };
    struct inbox in;
    struct note notes[NODES];
    unsigned log[NODES];
    unsigned logged = 0;

    (void)state;
    assert_true(hulse_inbox_init(&in, NODES));
    for (unsigned i = 0; i < NODES; i++) {
        notes[i] = (struct note){.node.run = run_note, .log = log, .logged = &logged, .number = i};
        if (i % 2 == 0) {
            assert_true(hulse_inbox_post(&in, &notes[i].node));
        } else {
            hulse_inbox_answer(&in, &notes[i].node);
        }
    }
    assert_int_equal(hulse_inbox_run(&in, 3), 3);
    assert_int_equal(logged, 3);
    assert_int_equal(hulse_inbox_run(&in, 100), NODES - 3);
    assert_int_equal(hulse_inbox_run(&in, 100), 0);
    for (unsigned i = 0; i < NODES; i++) {
        assert_int_equal(log[i], i);
    }
    hulse_inbox_fini(&in);
}

static void test_requests_are_bounded_and_answers_are_not(void **state)
{
    struct inbox in;
    struct note notes[6];
    unsigned log[6];
    unsigned logged = 0;

    (void)state;
    assert_true(hulse_inbox_init(&in, 3));
    for (unsigned i = 0; i < 6; i++) {
        notes[i] = (struct note){.node.run = run_note, .log = log, .logged = &logged, .number = i};
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_true(hulse_inbox_post(&in, &notes[i].node));
    }
    struct inbox_node before = notes[3].node;
    assert_false(hulse_inbox_post(&in, &notes[3].node));
    assert_memory_equal(&before, &notes[3].node, sizeof(before));
    hulse_inbox_answer(&in, &notes[4].node);
    hulse_inbox_answer(&in, &notes[5].node);
    assert_false(hulse_inbox_post(&in, &notes[3].node));
    assert_int_equal(hulse_inbox_run(&in, 1), 1);
    assert_true(hulse_inbox_post(&in, &notes[3].node));
    assert_int_equal(hulse_inbox_run(&in, 100), 5);
    assert_int_equal(log[5], 3);
    assert_int_equal(atomic_load(&in.requests), 0);
    hulse_inbox_fini(&in);
}

/* A request goes to another inbox, comes back in its own node, and goes again. */
struct ball {
    struct inbox_node node;
    struct inbox *there;
    struct inbox *here;
    unsigned hops;
};

static void ball_back(struct inbox_node *node);

static void ball_there(struct inbox_node *node)
{
    struct ball *b = HULSE_CONTAINER(node, struct ball, node);

    assert_true(node->request);
    b->hops++;
    node->run = ball_back;
    hulse_inbox_answer(b->here, node);
}

static void ball_back(struct inbox_node *node)
{
    struct ball *b = HULSE_CONTAINER(node, struct ball, node);

    assert_false(node->request);
    b->hops++;
    if (b->hops < 10) {
        node->run = ball_there;
        assert_true(hulse_inbox_post(b->there, node));
    }
}

static void test_a_node_carries_its_answer_and_can_go_again(void **state)
{
    struct inbox here;
    struct inbox there;

    (void)state;
    assert_true(hulse_inbox_init(&here, 1) && hulse_inbox_init(&there, 1));
    struct ball b = {.node.run = ball_there, .here = &here, .there = &there};
    assert_true(hulse_inbox_post(&there, &b.node));
    for (unsigned i = 0; i < 20; i++) {
        (void)hulse_inbox_run(&there, 1);
        (void)hulse_inbox_run(&here, 1);
    }
    assert_int_equal(b.hops, 10);
    hulse_inbox_fini(&here);
    hulse_inbox_fini(&there);
}

static void test_only_a_sleeper_is_rung_and_only_once(void **state)
{
    struct inbox in;
    struct note notes[3];
    unsigned log[4];
    unsigned logged = 0;
    uint64_t rings = 0;

    (void)state;
    assert_true(hulse_inbox_init(&in, 10));
    for (unsigned i = 0; i < 3; i++) {
        notes[i] = (struct note){.node.run = run_note, .log = log, .logged = &logged};
    }
    hulse_inbox_answer(&in, &notes[0].node);
    assert_false(readable(in.fd)); /* awake */
    assert_true(hulse_inbox_park(&in));
    hulse_inbox_unpark(&in);
    assert_int_equal(hulse_inbox_run(&in, 10), 1);

    assert_false(hulse_inbox_park(&in));
    assert_false(readable(in.fd));
    hulse_inbox_answer(&in, &notes[1].node);
    assert_true(readable(in.fd));
    hulse_inbox_answer(&in, &notes[2].node);
    assert_int_equal(read(in.fd, &rings, sizeof(rings)), sizeof(rings));
    assert_int_equal(rings, 1);
    hulse_inbox_unpark(&in);
    assert_int_equal(hulse_inbox_run(&in, 10), 2);

    assert_false(hulse_inbox_park(&in));
    hulse_inbox_answer(&in, &notes[0].node);
    hulse_inbox_unpark(&in);
    assert_false(readable(in.fd)); /* drained */
    assert_int_equal(hulse_inbox_run(&in, 10), 1);
    hulse_inbox_fini(&in);
}

/* ---- posters against an owner that parks ---------------------------------------------------- */

enum { POSTERS = 3, PER_POSTER = 40000, REQUESTS_MAX = 64 };

struct letter {
    struct inbox_node node;
    struct poster *poster;
    unsigned number;
    unsigned payload[4]; /* written before the post, read after: TSan sees the order or not */
};

struct poster {
    pthread_t thread;
    struct inbox *in;
    struct letter *letters;
    uint64_t random;
    unsigned refusals;
    unsigned received; /* owner's */
};

static void run_letter(struct inbox_node *node)
{
    struct letter *l = HULSE_CONTAINER(node, struct letter, node);

    assert_int_equal(l->number, l->poster->received);
    assert_int_equal(l->payload[3], l->number ^ 0x5A5AU);
    l->poster->received++;
}

static void *post_all(void *argument)
{
    struct poster *p = argument;

    for (unsigned i = 0; i < PER_POSTER; i++) {
        struct letter *l = &p->letters[i];
        *l = (struct letter){.node.run = run_letter, .poster = p, .number = i};
        l->payload[3] = i ^ 0x5A5AU;
        if (i % 7 == 0) {
            hulse_inbox_answer(p->in, &l->node);
            continue;
        }
        while (!hulse_inbox_post(p->in, &l->node)) {
            p->refusals++;
            (void)sched_yield();
        }
        /* Single letters with gaps, so that the owner sleeps often. */
        for (uint64_t spin = test_below(&p->random, 300); spin > 0; spin--) {
            atomic_signal_fence(memory_order_seq_cst);
        }
    }
    return NULL;
}

static unsigned receive_all(struct inbox *in)
{
    unsigned parks = 0;

    for (unsigned received = 0; received < POSTERS * PER_POSTER;) {
        const unsigned ran = hulse_inbox_run(in, 32);
        received += ran;
        assert_true(atomic_load(&in->requests) <= REQUESTS_MAX);
        if (ran != 0) {
            continue;
        }
        if (!hulse_inbox_park(in)) {
            struct pollfd p = {.fd = in->fd, .events = POLLIN};
            assert_int_equal(poll(&p, 1, -1), 1);
            parks++;
        }
        hulse_inbox_unpark(in);
    }
    return parks;
}

static void test_no_wake_up_is_lost_and_each_posters_order_is_kept(void **state)
{
    const uint64_t seed = test_seed();
    static struct poster posters[POSTERS];
    struct inbox in;

    (void)state;
    assert_true(hulse_inbox_init(&in, REQUESTS_MAX));
    for (unsigned i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.in = &in, .random = seed + 2ULL * i};
        posters[i].letters = calloc(PER_POSTER, sizeof(struct letter));
        struct poster *p = &posters[i];
        assert_non_null(p->letters);
        assert_int_equal(pthread_create(&p->thread, NULL, post_all, p), 0);
    }
    const unsigned parks = receive_all(&in);
    for (unsigned i = 0; i < POSTERS; i++) {
        assert_int_equal(pthread_join(posters[i].thread, NULL), 0);
        assert_int_equal(posters[i].received, PER_POSTER);
        free(posters[i].letters);
    }
    assert_int_equal(hulse_inbox_run(&in, 1), 0);
    assert_int_equal(atomic_load(&in.requests), 0);
    print_message("%u parks\n", parks);
    hulse_inbox_fini(&in);
}

/* ---- one letter at a time ------------------------------------------------------------------- */

enum { LETTERS = 100000 };

struct lockstep {
    struct inbox in;
    struct inbox_node node;
    _Atomic(unsigned) received;
    uint64_t random;
};

static void run_single(struct inbox_node *node)
{
    struct lockstep *l = HULSE_CONTAINER(node, struct lockstep, node);

    (void)atomic_fetch_add(&l->received, 1);
}

static void spin_below(uint64_t *random, uint64_t most)
{
    for (uint64_t spin = test_below(random, most); spin > 0; spin--) {
        atomic_signal_fence(memory_order_seq_cst);
    }
}

/* Posts when the last one has been received and the owner is about to park. */
static void *post_singly(void *argument)
{
    struct lockstep *l = argument;

    for (unsigned i = 0; i < LETTERS; i++) {
        while (atomic_load(&l->received) != i) {
            /* The owner is awake, so this is short; it may need this CPU. */
            if (test_below(&l->random, 1000) == 0) {
                (void)sched_yield();
            }
        }
        spin_below(&l->random, 200);
        hulse_inbox_answer(&l->in, &l->node);
    }
    return NULL;
}

/* Nobody else posts: a letter that goes unnoticed is never followed by one that rings. */
static void test_a_single_letter_always_wakes(void **state)
{
    static struct lockstep l;
    uint64_t random = test_seed();
    pthread_t thread;

    (void)state;
    l.random = random + 2;
    l.node.run = run_single;
    assert_true(hulse_inbox_init(&l.in, 1));
    assert_int_equal(pthread_create(&thread, NULL, post_singly, &l), 0);
    while (atomic_load(&l.received) < LETTERS) {
        if (hulse_inbox_run(&l.in, 4) != 0) {
            /* So that the poster, who learns of it late, meets the park from both sides. */
            spin_below(&random, 400);
            continue;
        }
        if (!hulse_inbox_park(&l.in)) {
            struct pollfd p = {.fd = l.in.fd, .events = POLLIN};
            assert_int_equal(poll(&p, 1, -1), 1);
        }
        hulse_inbox_unpark(&l.in);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    hulse_inbox_fini(&l.in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nodes_run_in_order_within_the_budget),
        cmocka_unit_test(test_requests_are_bounded_and_answers_are_not),
        cmocka_unit_test(test_a_node_carries_its_answer_and_can_go_again),
        cmocka_unit_test(test_only_a_sleeper_is_rung_and_only_once),
        cmocka_unit_test(test_no_wake_up_is_lost_and_each_posters_order_is_kept),
        cmocka_unit_test(test_a_single_letter_always_wakes),
    };

    return cmocka_run_group_tests_name("inbox", tests, NULL, NULL);
}
