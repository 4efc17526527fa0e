/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a forked child neither uses nor keeps alive its parent's session, and the parent goes on.
 * Method: fork with open handles; the child makes every call and reports by its exit code; the
 *         parent's death is seen by the daemon while the child lives.
 */
#include "shmlib/client/producer.h"
#include "tests/support/runtime.h"
#include "tests/unit/shmlib/client/check.h"

#include <sys/wait.h>
#include <unistd.h>

struct handles {
    hulse_producer *p;
    hulse_consumer *c;
    struct fake_channel *ch_p;
    struct fake_channel *ch_c;
};

static struct handles open_both(struct pair *pair)
{
    struct handles h = {0};

    h.p = open_producer(pair, NULL, &h.ch_p);
    h.c = open_consumer(pair, NULL, &h.ch_c);
    return h;
}

/* Number of the first call that did not say CLOSED; 0 when all did. */
static int closed_everywhere(hulse_session *s, struct handles *h)
{
    void *at = NULL;
    unsigned count = 0;
    size_t accepted = 0;
    struct hulse_receipt receipt;
    struct hulse_message m = {.size = sizeof(m)};
    struct hulse_item item = {.size = sizeof(item), .data = "x", .bytes = 1};
    struct hulse_stats stats = {.size = sizeof(stats)};
    struct hulse_id id = {.size = sizeof(id)};
    hulse_producer *p = NULL;
    hulse_consumer *c = NULL;
    const hulse_status got[] = {
        hulse_claim(h->p, 1, &at),
        hulse_commit(h->p, 1, NULL, 0),
        hulse_flush(h->p),
        hulse_publish(h->p, "x", 1, NULL, 0),
        hulse_publish_wait(h->p, "x", 1, NULL, 0, WAIT_MS),
        hulse_mt_publish(h->p, "x", 1, NULL, 0, WAIT_MS),
        hulse_publish_many(h->p, &item, 1, &accepted),
        hulse_receipts(h->p, &receipt, 1, &count),
        hulse_wait_space(h->p, 1, WAIT_MS),
        hulse_sync(h->p, WAIT_MS, NULL),
        hulse_producer_stats(h->p, &stats),
        hulse_next(h->c, &m),
        hulse_next_wait(h->c, &m, WAIT_MS),
        hulse_next_batch(h->c, &m, 1, 1, WAIT_MS, &count),
        hulse_ack(h->c, &id),
        hulse_consumer_flush(h->c),
        hulse_consumer_sync(h->c, WAIT_MS),
        hulse_consumer_stats(h->c, &stats),
        hulse_poll(s, 0),
        hulse_arm(s, 0),
        hulse_wait(s, 0, WAIT_MS),
        hulse_group_open(s, &count),
        hulse_producer_open(s, &p, "t", NULL),
        hulse_consumer_open(s, &c, "t", "s", NULL),
    };

    for (size_t i = 0; i < sizeof(got) / sizeof(got[0]); i++) {
        if (got[i] != HULSE_CLOSED) {
            return (int)i + 1;
        }
    }
    hulse_abort(h->p);
    hulse_release(h->c, &m);
    return strstr(hulse_last_error(s), "parent") == NULL ? 100 : 0;
}

static int wait_for(pid_t child)
{
    int status = 0;

    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_every_call_in_the_child_says_closed_and_the_parent_goes_on(void **state)
{
    struct pair *pair = *state;
    struct handles h = open_both(pair);
    void *at = NULL;

    assert_int_equal(hulse_claim(h.p, 1, &at), HULSE_OK);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int bad = closed_everywhere(pair->s, &h);
        bad = bad == 0 && hulse_producer_close(&h.p, WAIT_MS) != HULSE_CLOSED ? 101 : bad;
        bad = bad == 0 && hulse_close(&pair->s, WAIT_MS) != HULSE_CLOSED ? 102 : bad;
        _exit(bad == 0 && pair->s != NULL ? 103 : bad);
    }
    assert_int_equal(wait_for(child), 0);
    assert_int_equal(hulse_commit(h.p, 1, NULL, 0), HULSE_OK);
    assert_int_equal(hulse_flush(h.p), HULSE_OK);
    assert_int_equal(hulse_fake_channel_take_all(h.ch_p), 1);
    hulse_fake_channel_release(pair->d, h.ch_p);
    assert_int_equal(hulse_sync(h.p, 0, NULL), HULSE_OK);
    assert_int_equal(hulse_producer_close(&h.p, 0), HULSE_OK);
}

static void test_the_child_holds_none_of_the_descriptors(void **state)
{
    struct pair *pair = *state;
    /* Each look at the daemon makes sure that its thread is between two requests. */
    (void)hulse_fake_seen(pair->d, HULSE_CTL_HELLO);
    const int before = hulse_test_count_descriptors();
    struct handles h = open_both(pair);

    assert_non_null(h.c);
    (void)hulse_fake_seen(pair->d, HULSE_CTL_HELLO);
    const int with = hulse_test_count_descriptors();
    assert_int_equal(with, before + 2); /* two regions A */
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        /* socket, bell, pipe, epoll, timer and both regions are gone */
        _exit(hulse_test_count_descriptors() == with - 7 ? 0 : 1);
    }
    assert_int_equal(wait_for(child), 0);
    assert_int_equal(hulse_test_count_descriptors(), with);
}

static void test_a_lock_held_at_the_fork_does_not_hang_the_child(void **state)
{
    struct pair *pair = *state;
    struct handles h = open_both(pair);

    assert_int_equal(pthread_mutex_lock(&h.p->handle.channel->mt), 0);
    assert_int_equal(pthread_mutex_lock(&pair->s->lock), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)alarm(WAIT_MS / 1000);
        const hulse_status st = hulse_mt_publish(h.p, "x", 1, NULL, 0, HULSE_FOREVER);
        _exit(st == HULSE_CLOSED && hulse_close(&pair->s, WAIT_MS) == HULSE_CLOSED ? 0 : 1);
    }
    assert_int_equal(pthread_mutex_unlock(&h.p->handle.channel->mt), 0);
    assert_int_equal(pthread_mutex_unlock(&pair->s->lock), 0);
    assert_int_equal(wait_for(child), 0);
}

/* A grandchild, and a session of the child's own. */
static void test_a_child_may_open_a_session_of_its_own(void **state)
{
    struct pair *pair = *state;
    struct handles h = open_both(pair);

    assert_non_null(h.p);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        hulse_session *own = NULL;
        if (hulse_open(&own, NULL) != HULSE_OK) {
            _exit(1);
        }
        const pid_t grandchild = fork();
        if (grandchild == 0) {
            _exit(hulse_poll(own, 0) == HULSE_CLOSED && hulse_poll(pair->s, 0) == HULSE_CLOSED ? 0
                                                                                               : 2);
        }
        int status = 0;
        (void)waitpid(grandchild, &status, 0);
        const bool good = hulse_close(&own, 0) == HULSE_OK && WIFEXITED(status);
        _exit(good ? WEXITSTATUS(status) : 3);
    }
    assert_int_equal(wait_for(child), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIR_TEST(test_every_call_in_the_child_says_closed_and_the_parent_goes_on),
        PAIR_TEST(test_the_child_holds_none_of_the_descriptors),
        PAIR_TEST(test_a_lock_held_at_the_fork_does_not_hang_the_child),
        PAIR_TEST(test_a_child_may_open_a_session_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
