/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   wait groups: nothing that arrives is slept over, events and the daemon's death reach
 *         every caller, and an orphan keeps what it holds.
 * Method: poll(2) on the group's descriptor around arm; events and hang-ups are sent by hand or
 *         from a second thread.
 */
#include "shmlib/client/session.h"
#include "tests/unit/shmlib/client/check.h"

#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

static bool readable(const hulse_session *s, unsigned group, int timeout_ms)
{
    struct pollfd at = {.fd = hulse_fd(s, group), .events = POLLIN};

    return poll(&at, 1, timeout_ms) == 1;
}

static void receipt(struct pair *pair, struct fake_channel *ch)
{
    hulse_fake_channel_receipt(ch, 1, HULSE_OUTCOME_STORED, 1);
    hulse_fake_channel_post(pair->d, ch);
}

static hulse_producer *open_full(struct pair *pair, unsigned group, struct fake_channel **ch)
{
    hulse_producer_options *o = hulse_producer_options_new();

    assert_int_equal(hulse_producer_options_receipts(o, HULSE_RECEIPTS_FULL), HULSE_OK);
    assert_int_equal(hulse_producer_options_group(o, group), HULSE_OK);
    hulse_producer *p = open_producer(pair, o, ch);
    hulse_producer_options_free(&o);
    return p;
}

static void test_what_came_before_the_arm_is_not_slept_over(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_full(pair, 0, &ch);
    struct hulse_receipt out;
    unsigned count = 0;

    assert_int_equal(hulse_arm(pair->s, 0), HULSE_OK);
    assert_false(readable(pair->s, 0, 0));
    assert_int_equal(hulse_receipts(p, &out, 1, &count), HULSE_OK);
    receipt(pair, ch); /* not asleep any more as far as it knows: it is woken all the same */
    assert_true(readable(pair->s, 0, WAIT_MS));
    assert_int_equal(hulse_poll(pair->s, 0), HULSE_OK);
    assert_false(readable(pair->s, 0, 0)); /* drained, but the receipt is unread: */
    assert_int_equal(hulse_arm(pair->s, 0), HULSE_AGAIN);
    assert_int_equal(hulse_wait(pair->s, 0, WAIT_MS), HULSE_OK);
    assert_int_equal(hulse_receipts(p, &out, 1, &count), HULSE_OK);
    assert_int_equal(count, 1);
    assert_int_equal(hulse_arm(pair->s, 0), HULSE_OK);
}

static void test_arm_flushes_what_is_committed(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_full(pair, 0, &ch);
    void *at = NULL;

    assert_int_equal(hulse_claim(p, 1, &at), HULSE_OK);
    assert_int_equal(hulse_commit(p, 1, NULL, 0), HULSE_OK);
    hulse_fake_channel_arm(ch);
    assert_int_equal(hulse_arm(pair->s, 0), HULSE_OK);
    assert_int_equal(hulse_fake_channel_take_all(ch), 1);
    assert_int_equal(hulse_fake_bells(pair->d), 1);
}

static void test_a_group_wakes_for_its_own_channels_only(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *first = NULL;
    struct fake_channel *second = NULL;
    unsigned group = 0;

    assert_int_equal(hulse_group_open(pair->s, &group), HULSE_OK);
    assert_int_equal(group, 1);
    assert_int_not_equal(hulse_fd(pair->s, 0), hulse_fd(pair->s, 1));
    hulse_producer *a = open_full(pair, 0, &first);
    hulse_producer *b = open_full(pair, 1, &second);
    assert_non_null(a);
    assert_non_null(b);
    assert_int_equal(second->ask.group, 1);
    assert_int_equal(hulse_arm(pair->s, 0), HULSE_OK);
    assert_int_equal(hulse_arm(pair->s, 1), HULSE_OK);
    receipt(pair, second);
    assert_true(readable(pair->s, 1, WAIT_MS));
    assert_false(readable(pair->s, 0, 0));
    assert_int_equal(hulse_arm(pair->s, 0), HULSE_OK);
    assert_int_equal(hulse_wait(pair->s, 0, 5), HULSE_TIMED_OUT);
    while (group < FAKE_GROUPS_MAX - 1) {
        assert_int_equal(hulse_group_open(pair->s, &group), HULSE_OK);
    }
    assert_int_equal(hulse_group_open(pair->s, &group), HULSE_LIMIT);
    assert_int_equal(hulse_arm(pair->s, 60), HULSE_INVAL);
    assert_int_equal(hulse_poll(pair->s, 100), HULSE_INVAL);
    assert_int_equal(hulse_wait(pair->s, 60, 0), HULSE_INVAL);
    assert_int_equal(hulse_arm(NULL, 0), HULSE_INVAL);
    assert_int_equal(hulse_group_open(pair->s, NULL), HULSE_INVAL);
}

/* Counts the group that was asked for last, and sends the answer that is late. Gives its pipe. */
static int answer_group_late(struct fake_daemon *d)
{
    struct hulse_ctl_head to;
    struct hulse_packet p;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    (void)pthread_mutex_lock(&d->lock);
    memcpy(&to, d->last[HULSE_CTL_GROUP].bytes, sizeof(to));
    const struct hulse_ctl_group ok = {.group = d->group_count};
    d->group_count += 1;
    hulse_packet_begin(&p, HULSE_CTL_GROUP_OK, to.req, &ok);
    assert_int_equal(hulse_packet_send(d->sock, p.bytes, &ends[0], 1), HULSE_OK);
    (void)pthread_mutex_unlock(&d->lock);
    (void)close(ends[0]);
    return ends[1];
}

static void test_a_group_answered_too_late_shifts_no_wake_up(void **state)
{
    struct pair *pair = *state;
    struct fake_daemon *d = pair->d;
    hulse_options *so = hulse_options_new();
    struct fake_channel *ch = NULL;
    unsigned group = 0;

    assert_int_equal(hulse_close(&pair->s, 0), HULSE_OK);
    assert_int_equal(hulse_options_connect_timeout(so, 1000), HULSE_OK);
    assert_int_equal(hulse_open(&pair->s, so), HULSE_OK);
    hulse_options_free(&so);
    hulse_fake_set(d, &d->silent_on, HULSE_CTL_GROUP);
    assert_int_equal(hulse_group_open(pair->s, &group), HULSE_TIMED_OUT);
    struct pollfd late = {.fd = answer_group_late(d)};
    hulse_fake_set(d, &d->silent_on, 0);
    assert_int_equal(hulse_group_open(pair->s, &group), HULSE_OK);
    assert_int_equal(group, 1); /* the application's numbers have no gap */
    assert_int_equal(poll(&late, 1, WAIT_MS), 1);
    assert_int_equal(late.revents, POLLERR); /* the late one has no reader */
    (void)close(late.fd);
    assert_non_null(open_full(pair, group, &ch));
    assert_int_equal(ch->ask.group, 2);
    assert_int_equal(hulse_arm(pair->s, group), HULSE_OK);
    receipt(pair, ch);
    assert_true(readable(pair->s, group, WAIT_MS));
}

/* One loop, two channels, wake-ups from a thread: as an application's event loop. */
struct poster {
    struct pair *pair;
    struct fake_channel *ch;
    unsigned count;
};

static void *post_with_pauses(void *arg)
{
    const struct poster *t = arg;
    const struct timespec pause = {.tv_nsec = 50000};

    for (unsigned i = 0; i < t->count; i++) {
        receipt(t->pair, t->ch);
        if (i % 3 == 0) {
            (void)nanosleep(&pause, NULL);
        }
    }
    return NULL;
}

static unsigned read_all(hulse_producer *p)
{
    struct hulse_receipt out[7];
    unsigned total = 0;
    unsigned count = 0;

    do {
        assert_int_equal(hulse_receipts(p, out, 7, &count), HULSE_OK);
        total += count;
    } while (count != 0);
    return total;
}

static void test_an_epoll_loop_sees_every_receipt(void **state)
{
    enum { EACH = 1500 };
    struct pair *pair = *state;
    struct poster posters[2] = {{.pair = pair, .count = EACH}, {.pair = pair, .count = EACH}};
    hulse_producer *p[2] = {open_full(pair, 0, &posters[0].ch), open_full(pair, 0, &posters[1].ch)};
    struct epoll_event e = {.events = EPOLLIN};
    struct hulse_stats stats = {.size = sizeof(stats)};
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    pthread_t threads[2];
    unsigned got = 0;

    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, hulse_fd(pair->s, 0), &e), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, post_with_pauses, &posters[i]), 0);
    }
    while (got < 2 * EACH) {
        const hulse_status st = hulse_arm(pair->s, 0);
        if (st == HULSE_OK) {
            assert_int_equal(epoll_wait(epoll, &e, 1, WAIT_MS), 1);
            assert_int_equal(hulse_poll(pair->s, 0), HULSE_OK);
        } else {
            assert_int_equal(st, HULSE_AGAIN);
        }
        got += read_all(p[0]) + read_all(p[1]);
    }
    assert_int_equal(got, 2 * EACH);
    for (int i = 0; i < 2; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    assert_int_equal(hulse_producer_stats(p[0], &stats), HULSE_OK);
    assert_int_equal(stats.client_rechecks, 0);
    (void)close(epoll);
}

/* Two threads, each asleep on its own group, and control calls meanwhile. */
struct sleeper {
    hulse_session *s;
    hulse_producer *p;
    unsigned group;
    unsigned until;
    hulse_status worst;
};

static void *sleep_on_group(void *arg)
{
    struct sleeper *t = arg;
    unsigned got = 0;

    while (got < t->until) {
        const hulse_status st = hulse_wait(t->s, t->group, WAIT_MS);
        if (st != HULSE_OK) {
            t->worst = st;
            return NULL;
        }
        got += read_all(t->p);
    }
    return NULL;
}

static void test_threads_sleep_on_groups_of_their_own(void **state)
{
    struct pair *pair = *state;
    struct poster posters[2] = {{.pair = pair, .count = 300}, {.pair = pair, .count = 300}};
    struct sleeper sleepers[2];
    pthread_t threads[4];
    struct fake_channel *other = NULL;
    unsigned group = 0;

    assert_int_equal(hulse_group_open(pair->s, &group), HULSE_OK);
    for (unsigned i = 0; i < 2; i++) {
        sleepers[i] = (struct sleeper){
            .s = pair->s, .p = open_full(pair, i, &posters[i].ch), .group = i, .until = 300};
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, sleep_on_group, &sleepers[i]), 0);
        assert_int_equal(pthread_create(&threads[i + 2], NULL, post_with_pauses, &posters[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(hulse_group_open(pair->s, &group), i < 2 ? HULSE_OK : HULSE_LIMIT);
        hulse_producer *p = open_full(pair, 2, &other);
        assert_int_equal(hulse_producer_close(&p, 0), HULSE_OK);
    }
    for (int i = 0; i < 4; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    assert_int_equal(sleepers[0].worst, HULSE_OK);
    assert_int_equal(sleepers[1].worst, HULSE_OK);
}

static void test_a_failed_handle_says_so_on_every_call(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    struct fake_channel *other = NULL;
    hulse_producer *p = open_full(pair, 0, &ch);
    hulse_producer *good = open_full(pair, 0, &other);
    const struct hulse_ctl_event failed = {
        .event = HULSE_EVENT_HANDLE_FAILED, .handle = ch->handle, .status = HULSE_DENIED};
    const struct hulse_ctl_event nobody = {
        .event = HULSE_EVENT_HANDLE_FAILED, .handle = 9999, .status = HULSE_DENIED};
    void *at = NULL;
    unsigned count = 0;
    struct hulse_receipt out;

    receipt(pair, ch);
    assert_int_equal(hulse_publish(p, "x", 1, NULL, 0), HULSE_OK);
    hulse_fake_event(pair->d, &nobody, "");
    hulse_fake_event(pair->d, &failed, "the role lost its permission");
    assert_int_equal(hulse_receipts(p, &out, 1, &count), HULSE_OK);
    assert_int_equal(hulse_wait(pair->s, 0, WAIT_MS), HULSE_OK); /* somebody has to be told */
    assert_int_equal(hulse_claim(p, 1, &at), HULSE_DENIED);
    assert_string_equal(hulse_producer_error(p), "the role lost its permission");
    assert_int_equal(hulse_publish(p, "x", 1, NULL, 0), HULSE_DENIED);
    assert_int_equal(hulse_publish_wait(p, "x", 1, NULL, 0, WAIT_MS), HULSE_DENIED);
    assert_int_equal(hulse_sync(p, WAIT_MS, NULL), HULSE_DENIED);
    assert_int_equal(hulse_receipts(p, &out, 1, &count), HULSE_DENIED);
    receipt(pair, ch);
    assert_int_equal(hulse_receipts(p, &out, 1, &count), HULSE_OK); /* verdicts are still read */
    assert_int_equal(count, 1);
    assert_int_equal(hulse_claim(good, 1, &at), HULSE_OK);
    assert_int_equal(hulse_wait(pair->s, 0, 5), HULSE_TIMED_OUT); /* told once */
    assert_int_equal(hulse_producer_close(&p, 0), HULSE_DENIED);
}

struct killer {
    struct pair *pair;
    const struct hulse_ctl_event *event;
};

static void *strike_later(void *arg)
{
    const struct killer *k = arg;
    const struct timespec pause = {.tv_nsec = 20000000};

    (void)nanosleep(&pause, NULL);
    if (k->event != NULL) {
        hulse_fake_event(k->pair->d, k->event, "bye");
    } else {
        hulse_fake_gone(k->pair->d);
    }
    return NULL;
}

/*
 * An event loop that does nothing but poll is not kept busy by a daemon that does not come: the wait between two looks for it grows
 * to half a second, and then most polls find nothing, however slow the machine is.
 */
static void sleeps(struct pair *pair, unsigned group)
{
    enum { ATTEMPTS = 36, POLLS = 10 };
    unsigned wakes = 0;
    while (pair->s->resume.attempts < ATTEMPTS) {
        (void)readable(pair->s, group, 10);
        assert_int_equal(hulse_poll(pair->s, group), HULSE_ORPHAN);
    }
    for (unsigned i = 0; i < POLLS; i++) {
        if (readable(pair->s, group, 10)) {
            wakes += 1;
            assert_int_equal(hulse_poll(pair->s, group), HULSE_ORPHAN);
        }
    }
    assert_true(wakes < POLLS);
}

static void test_the_daemons_death_is_a_pause_and_the_rings_stay(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_full(pair, 0, &ch);
    struct killer k = {.pair = pair};
    struct hulse_receipt out;
    unsigned count = 0;
    void *at = NULL;
    pthread_t thread;

    assert_int_equal(hulse_publish(p, "x", 1, NULL, 0), HULSE_OK);
    assert_int_equal(pthread_create(&thread, NULL, strike_later, &k), 0);
    assert_int_equal(hulse_sync(p, 300, NULL), HULSE_TIMED_OUT);
    (void)pthread_join(thread, NULL);
    assert_non_null(strstr(hulse_producer_error(p), "no daemon"));
    receipt(pair, ch); /* was on its way */
    assert_int_equal(hulse_arm(pair->s, 0), HULSE_AGAIN);
    assert_int_equal(hulse_receipts(p, &out, 1, &count), HULSE_OK);
    assert_int_equal(count, 1);
    assert_int_equal(hulse_receipts(p, &out, 1, &count), HULSE_OK);
    assert_int_equal(count, 0);
    assert_int_equal(hulse_claim(p, 1, &at), HULSE_OK);
    assert_int_equal(hulse_commit(p, 1, NULL, 0), HULSE_OK);
    assert_int_equal(hulse_flush(p), HULSE_OK);
    while (hulse_publish(p, "0123456789", 10, NULL, 0) == HULSE_OK) {
    }
    assert_int_equal(hulse_publish(p, "0123456789", 10, NULL, 0), HULSE_AGAIN);
    assert_non_null(strstr(hulse_producer_error(p), "away"));
    assert_int_equal(hulse_wait_space(p, 10, 20), HULSE_TIMED_OUT);
    assert_int_equal(hulse_wait(pair->s, 0, 20), HULSE_TIMED_OUT);
    assert_int_equal(hulse_arm(pair->s, 0), HULSE_OK);
    assert_int_equal(hulse_poll(pair->s, 0), HULSE_ORPHAN);
    sleeps(pair, 0);
    assert_int_equal(hulse_close(&pair->s, 20), HULSE_ORPHAN);
}

static void test_an_event_loop_learns_of_the_death_by_its_descriptor(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    unsigned group = 0;
    hulse_consumer *c = open_consumer(pair, NULL, &ch);
    struct hulse_message m = {.size = sizeof(m)};

    assert_int_equal(hulse_group_open(pair->s, &group), HULSE_OK);
    assert_int_equal(hulse_arm(pair->s, 0), HULSE_OK);
    hulse_fake_gone(pair->d);
    assert_true(readable(pair->s, 0, WAIT_MS));
    assert_true(readable(pair->s, 1, WAIT_MS)); /* every group */
    assert_int_equal(hulse_poll(pair->s, 0), HULSE_ORPHAN);
    assert_true(readable(pair->s, 1, WAIT_MS));
    assert_int_equal(hulse_poll(pair->s, 1), HULSE_ORPHAN);
    sleeps(pair, 1);
    assert_int_equal(hulse_next(c, &m), HULSE_AGAIN);
    assert_int_equal(hulse_next_wait(c, &m, 20), HULSE_TIMED_OUT);
}

/* The next daemon of the same socket cannot take over: data stay, and calls that wait say why. */
static void test_a_goodbye_leads_to_the_next_daemon_and_a_drain_stops_opens(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_full(pair, 0, &ch);
    const struct hulse_ctl_event drain = {.event = HULSE_EVENT_DRAIN};
    const struct hulse_ctl_event goodbye = {.event = HULSE_EVENT_GOODBYE};
    struct killer k = {.pair = pair, .event = &goodbye};
    hulse_producer *another = NULL;
    pthread_t thread;

    hulse_fake_event(pair->d, &drain, "");
    assert_int_equal(hulse_poll(pair->s, 0), HULSE_OK);
    assert_int_equal(hulse_publish(p, "x", 1, NULL, 0), HULSE_OK);
    assert_int_equal(hulse_producer_open(pair->s, &another, "t", NULL), HULSE_ORPHAN);
    assert_non_null(strstr(hulse_last_error(pair->s), "stopping"));
    assert_int_equal(pthread_create(&thread, NULL, strike_later, &k), 0);
    assert_int_equal(hulse_wait(pair->s, 0, HULSE_FOREVER), HULSE_REFUSED);
    (void)pthread_join(thread, NULL);
    assert_non_null(strstr(hulse_last_error(pair->s), "cannot take over"));
    assert_int_equal(hulse_publish(p, "y", 1, NULL, 0), HULSE_OK);
}

static void test_a_daemon_of_another_version_refuses_and_the_data_stay(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_full(pair, 0, &ch);

    assert_int_equal(hulse_publish(p, "x", 1, NULL, 0), HULSE_OK);
    hulse_fake_set(pair->d, &pair->d->refuse, -HULSE_REFUSED); /* ABI 7 to 9 */
    hulse_fake_die(pair->d);
    assert_int_equal(hulse_sync(p, WAIT_MS, NULL), HULSE_REFUSED);
    assert_non_null(strstr(hulse_producer_error(p), "version"));
    assert_int_equal(hulse_publish(p, "y", 1, NULL, 0), HULSE_OK);
    while (hulse_publish(p, "0123456789", 10, NULL, 0) == HULSE_OK) {
    }
    assert_int_equal(hulse_publish(p, "0123456789", 10, NULL, 0), HULSE_REFUSED);
    assert_int_equal(hulse_poll(pair->s, 0), HULSE_REFUSED);
    assert_true(hulse_fake_channel_take_all(ch) > 2); /* what it would have offered */
    assert_int_equal(hulse_close(&pair->s, WAIT_MS), HULSE_REFUSED);
}

/* A publisher that never waits looks at the heartbeat and then at the socket. */
static void test_a_stale_heartbeat_makes_a_publisher_look(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_full(pair, 0, &ch);
    struct hulse_message m = {.size = sizeof(m)};
    hulse_consumer *c = open_consumer(pair, NULL, &ch);

    ch = &pair->d->channels[0];
    atomic_store(&fake_b(ch)->beat_ms, 0); /* old, and the daemon is there */
    assert_int_equal(hulse_publish(p, "x", 1, NULL, 0), HULSE_OK);
    assert_int_equal(hulse_poll(pair->s, 0), HULSE_OK);
    hulse_fake_gone(pair->d);
    atomic_store(&fake_b(&pair->d->channels[1])->beat_ms, 0);
    assert_int_equal(hulse_next(c, &m), HULSE_AGAIN);
    assert_int_equal(hulse_arm(pair->s, 0), HULSE_OK);
    assert_non_null(strstr(hulse_consumer_error(c), "away"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIR_TEST(test_what_came_before_the_arm_is_not_slept_over),
        PAIR_TEST(test_arm_flushes_what_is_committed),
        PAIR_TEST(test_a_group_wakes_for_its_own_channels_only),
        PAIR_TEST(test_a_group_answered_too_late_shifts_no_wake_up),
        PAIR_TEST(test_an_epoll_loop_sees_every_receipt),
        PAIR_TEST(test_threads_sleep_on_groups_of_their_own),
        PAIR_TEST(test_a_failed_handle_says_so_on_every_call),
        PAIR_TEST(test_the_daemons_death_is_a_pause_and_the_rings_stay),
        PAIR_TEST(test_an_event_loop_learns_of_the_death_by_its_descriptor),
        PAIR_TEST(test_a_goodbye_leads_to_the_next_daemon_and_a_drain_stops_opens),
        PAIR_TEST(test_a_daemon_of_another_version_refuses_and_the_data_stay),
        PAIR_TEST(test_a_stale_heartbeat_makes_a_publisher_look),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
