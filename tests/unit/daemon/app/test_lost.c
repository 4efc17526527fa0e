/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   of an application that has gone every committed message is stored, or counted as lost and told
 *         once for its session with the topic; of one that lives none is.
 * Method: the plane turned by hand: a scripted broker that refuses, is silent, or answers in any order;
 *         applications that go at every point; a plane that stops. The log is read back from a file.
 */
#include "daemon/core/log.h"
#include "tests/unit/daemon/app/check.h"

#include <fcntl.h>

#define TOPIC "non-persistent://public/default/hand"

static const struct hulse_ctl_open_channel ask = {.kind = HULSE_CHANNEL_PRODUCER,
                                                  .receipts = HULSE_RECEIPT_MODE_FULL};

struct pair {
    struct hand_app app;
    struct hand_channel ch;
};

static void open_asking(struct hand *h, struct pair *p, const struct hulse_ctl_open_channel *what)
{
    hand_app_open(h, &p->app);
    hand_channel_open(&p->app, &p->ch, what);
    assert_int_equal(hand_producer(&p->app, &p->ch), HULSE_OK);
}

static void open_pair(struct hand *h, struct pair *p)
{
    open_asking(h, p, &ask);
}

static void put(struct pair *p, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        hand_put_message(&p->ch, "abcdefgh", 8, i);
    }
    hulse_ring_tx_publish(&p->ch.up);
}

static void publish(struct hand *h, struct pair *p, unsigned count)
{
    put(p, count);
    hand_publish(&p->app, &p->ch);
    hand_settle(h);
}

static void answer(struct hand *h, size_t from, size_t count, uint8_t outcome)
{
    for (size_t i = from; i < from + count; i++) {
        hand_answer(h, i, outcome);
    }
    hand_settle(h);
}

/* ---- the log ---- */

struct capture {
    int saved;
    int fd;
};

static struct capture capture_begin(void)
{
    char path[] = "/tmp/hulse-lost-XXXXXX";
    struct capture c = {.saved = dup(STDERR_FILENO), .fd = mkostemp(path, O_CLOEXEC)};
    assert_true(c.saved >= 0 && c.fd >= 0);
    (void)unlink(path);
    assert_true(dup2(c.fd, STDERR_FILENO) >= 0);
    assert_true(hulse_log_start(HULSE_LOG_WARN, HULSE_LOG_JSON));
    return c;
}

/* Gives how often the word is in what was logged. */
static unsigned capture_end(const struct capture *c, const char *word)
{
    static char text[65536];
    unsigned count = 0;
    assert_true(hulse_log_stop());
    assert_true(dup2(c->saved, STDERR_FILENO) >= 0);
    (void)close(c->saved);
    const ssize_t bytes = pread(c->fd, text, sizeof(text) - 1, 0);
    (void)close(c->fd);
    text[bytes < 0 ? 0 : bytes] = '\0';
    for (const char *at = text; (at = strstr(at, word)) != NULL; at += strlen(word)) {
        count += 1;
    }
    return count;
}

/* ---- the broker answers ---- */

static void test_what_is_refused_after_the_end_is_lost_and_told_once(void **state)
{
    struct hand *h = *state;
    struct pair p;
    const struct capture log = capture_begin();
    open_pair(h, &p);
    publish(h, &p, 4);
    put(&p, 6); /* not taken yet */
    hand_app_close(&p.app);
    assert_int_equal(h->broker.send_count, 10);
    answer(h, 2, 8, HULSE_OUTCOME_FAILED_NOT_SENT);
    assert_int_equal(h->plane->lost_after_exit, 0); /* in the order of the ring */
    answer(h, 0, 2, HULSE_OUTCOME_STORED);
    assert_int_equal(h->plane->lost_after_exit, 8);
    assert_false(hand_session_alive(&p.app));
    hand_channel_close(&p.ch);
    assert_int_equal(
        capture_end(&log, "\"session.lost_after_exit\",\"session\":1,\"app\":\"hand\","), 1);
}

static void test_the_line_has_topic_and_number(void **state)
{
    struct hand *h = *state;
    struct pair p;
    const struct capture log = capture_begin();
    open_pair(h, &p);
    struct hand_channel second = p.ch;
    assert_int_equal(hand_producer(&p.app, &second), HULSE_OK); /* of the same channel */
    hand_put_message(&p.ch, "x", 1, 1);
    hand_put_message(&p.ch, "x", 1, 2);
    second.up = p.ch.up;
    hand_put_message(&second, "x", 1, 3);
    hulse_ring_tx_publish(&second.up);
    hand_app_close(&p.app);
    answer(h, 0, 3, HULSE_OUTCOME_DENIED);
    hand_channel_close(&p.ch);
    assert_int_equal(capture_end(&log, "\"topic\":\"" TOPIC "\",\"producers\":2,\"records\":3"), 1);
}

static void test_what_is_stored_is_not_lost(void **state)
{
    struct hand *h = *state;
    struct pair p;
    const struct capture log = capture_begin();
    open_pair(h, &p);
    put(&p, 600);
    hand_app_close(&p.app);
    answer(h, 0, 600, HULSE_OUTCOME_STORED);
    assert_false(hand_session_alive(&p.app));
    assert_int_equal(h->plane->lost_after_exit, 0);
    hand_channel_close(&p.ch);
    assert_int_equal(capture_end(&log, "lost_after_exit"), 0);
}

static void test_what_the_living_were_told_is_not_lost(void **state)
{
    struct hand *h = *state;
    struct pair p;
    open_pair(h, &p);
    publish(h, &p, 3);
    answer(h, 0, 3, HULSE_OUTCOME_DENIED);
    hand_app_close(&p.app);
    assert_false(hand_session_alive(&p.app));
    assert_int_equal(h->plane->lost_after_exit, 0);
    hand_channel_close(&p.ch);
}

static void test_a_producer_that_has_failed_loses_what_comes_after(void **state)
{
    struct hand *h = *state;
    struct pair p;
    open_pair(h, &p);
    h->broker.producer->events->failed(h->broker.producer->ctx, HULSE_FAILED, "gone");
    put(&p, 5);
    hand_app_close(&p.app);
    assert_int_equal(h->broker.send_count, 0);
    assert_int_equal(h->plane->lost_after_exit, 5);
    hand_channel_close(&p.ch);
}

static void test_release_on_read_loses_what_is_refused(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hulse_ctl_open_channel reading = ask;
    reading.release = HULSE_RELEASE_ON_READ;
    open_asking(h, &p, &reading);
    publish(h, &p, 3);
    answer(h, 1, 1, HULSE_OUTCOME_DENIED); /* it lives */
    hand_app_close(&p.app);
    answer(h, 2, 1, HULSE_OUTCOME_DENIED);
    assert_int_equal(h->plane->lost_after_exit, 1);
    answer(h, 0, 1, HULSE_OUTCOME_STORED);
    assert_int_equal(h->plane->lost_after_exit, 1);
    assert_false(hand_session_alive(&p.app));
    hand_channel_close(&p.ch);
}

/* ---- the daemon ends first ---- */

/* Ends the plane, and starts another for the teardown. */
static void stop_plane(struct hand *h)
{
    struct error err = {0};
    hulse_plane_module.stop(h->plane);
    atomic_store(&h->shared->phase, PLANE_SERVING);
    h->plane = hulse_plane_module.start(h->worker, h->shared, &err);
    assert_non_null(h->plane);
}

static void put_fragment(struct hand_channel *hc, uint32_t index, uint32_t count)
{
    struct hulse_publish_header hdr = hand_header(hc, HULSE_FRAGMENT_HEADER_BYTES + 8, 1);
    struct {
        struct hulse_fragment_header f;
        uint8_t piece[8];
    } body = {.f = {.index = index, .count = count, .total_len = 8ULL * count}};
    hdr.type = HULSE_RECORD_FRAGMENT;
    hdr.flags = (uint8_t)((index == 0 ? HULSE_RECORD_FIRST : 0) |
                          (index + 1 == count ? HULSE_RECORD_LAST : 0));
    hand_put(hc, &hdr, sizeof(hdr), &body, sizeof(body));
}

/* In each of the places where a message can be. */
static void test_what_is_left_at_the_end_is_lost(void **state)
{
    struct hand *h = *state;
    struct pair p;
    const struct hulse_publish_header skip = {.len = 48, .type = HULSE_RECORD_SKIP};
    const struct capture log = capture_begin();
    open_pair(h, &p);
    publish(h, &p, 4);
    /* Without an answer: 1; stored, and behind it: 1; refused, and behind it: 1 and 1. */
    hand_app_close(&p.app);
    answer(h, 1, 1, HULSE_OUTCOME_STORED);
    answer(h, 2, 2, HULSE_OUTCOME_FAILED_UNKNOWN);
    assert_int_equal(h->plane->lost_after_exit, 0);
    /* Not taken: a message, a skipped piece, one message of two pieces, half a one. */
    hand_put_message(&p.ch, "x", 1, 9);
    hand_put(&p.ch, &skip, sizeof(skip), "12345678", 8);
    put_fragment(&p.ch, 0, 2);
    put_fragment(&p.ch, 1, 2);
    put_fragment(&p.ch, 0, 2);
    hulse_ring_tx_publish(&p.ch.up);
    assert_int_equal(hulse_ring_rx_refresh(&p.ch.ch->rx), HULSE_RING_OK);
    stop_plane(h);
    hand_channel_close(&p.ch);
    assert_int_equal(capture_end(&log, "\"topic\":\"" TOPIC "\",\"producers\":1,\"records\":5"), 1);
}

static void test_release_on_read_loses_what_has_no_answer(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hulse_ctl_open_channel reading = ask;
    reading.release = HULSE_RELEASE_ON_READ;
    const struct capture log = capture_begin();
    open_asking(h, &p, &reading);
    publish(h, &p, 5);
    hand_app_close(&p.app);
    answer(h, 3, 1, HULSE_OUTCOME_STORED);
    stop_plane(h);
    hand_channel_close(&p.ch);
    assert_int_equal(capture_end(&log, "\"records\":4"), 1);
}

/* Its socket says so, and nobody has looked yet. */
static void test_an_end_that_nobody_has_seen_counts(void **state)
{
    struct hand *h = *state;
    struct pair p;
    const struct capture log = capture_begin();
    open_pair(h, &p);
    put(&p, 7);
    assert_int_equal(shutdown(p.app.sock, SHUT_WR), 0);
    stop_plane(h);
    assert_int_equal(capture_end(&log, "\"records\":7"), 1);
    hand_app_close(&p.app);
    hand_channel_close(&p.ch);
}

/* The daemon has time for them: they are taken before it says that it takes no more. */
static void test_an_end_that_nobody_has_seen_is_seen_before_the_goodbye(void **state)
{
    struct hand *h = *state;
    struct pair p;
    const struct capture log = capture_begin();
    open_pair(h, &p);
    put(&p, 7);
    assert_int_equal(shutdown(p.app.sock, SHUT_WR), 0);
    atomic_store(&h->shared->phase, PLANE_DRAINING);
    hand_settle(h);
    assert_int_equal(h->broker.send_count, 7);
    assert_false(h->plane->goodbye);
    answer(h, 0, 7, HULSE_OUTCOME_STORED);
    assert_true(h->plane->goodbye);
    stop_plane(h);
    assert_int_equal(capture_end(&log, "lost_after_exit"), 0);
    hand_app_close(&p.app);
    hand_channel_close(&p.ch);
}

/* It has its records still, and offers them to the next daemon. */
static void test_the_living_lose_nothing_when_the_daemon_ends(void **state)
{
    struct hand *h = *state;
    struct pair p;
    const struct capture log = capture_begin();
    open_pair(h, &p);
    publish(h, &p, 3);
    put(&p, 3);
    stop_plane(h);
    assert_int_equal(capture_end(&log, "lost_after_exit"), 0);
    hand_app_close(&p.app);
    hand_channel_close(&p.ch);
}

/* An app with three records that are not taken any more. */
static void hear_goodbye(struct hand *h, struct pair *p)
{
    open_pair(h, p);
    put(p, 3);
    atomic_store(&h->shared->phase, PLANE_DRAINING);
    hand_settle(h);
    assert_true(h->plane->goodbye);
}

/* What it has not been told it offers to the successor: taken here as well it would be there twice. */
static void test_who_hangs_up_after_the_goodbye_has_not_gone(void **state)
{
    struct hand *h = *state;
    struct pair p;
    const struct capture log = capture_begin();
    hear_goodbye(h, &p);
    atomic_store(&hulse_region_a(&p.ch.a)->state, HULSE_REGION_OPENING);
    hand_app_close(&p.app);
    assert_false(hand_session_alive(&p.app));
    assert_int_equal(h->broker.send_count, 0);
    stop_plane(h);
    hand_channel_close(&p.ch);
    assert_int_equal(capture_end(&log, "lost_after_exit"), 0);
}

/* Nobody offers them to anybody: what the daemon has no time for any more is lost. */
static void test_who_ends_after_the_goodbye_has_gone(void **state)
{
    struct hand *h = *state;
    struct pair p;
    const struct capture log = capture_begin();
    hear_goodbye(h, &p);
    hand_app_close(&p.app);
    stop_plane(h);
    hand_channel_close(&p.ch);
    assert_int_equal(capture_end(&log, "\"records\":3"), 1);
}

/* Their successor has to hear of the records that have no answer. */
static void test_the_goodbye_is_said_also_when_the_time_is_over(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hulse_packet in;
    struct hulse_ctl_event e = {0};
    const char *why = "";
    open_pair(h, &p);
    publish(h, &p, 3);
    atomic_store(&h->shared->phase, PLANE_DRAINING);
    hand_settle(h);
    assert_false(h->plane->goodbye);
    stop_plane(h);
    while (hulse_packet_receive(p.app.sock, &in, &why) == HULSE_PACKET_OK) {
        memcpy(&e, in.bytes, sizeof(e));
    }
    assert_int_equal(e.head.type, HULSE_CTL_EVENT);
    assert_int_equal(e.event, HULSE_EVENT_GOODBYE);
    hand_app_close(&p.app);
    hand_channel_close(&p.ch);
}

static int group(struct worker *w, void *ctx)
{
    const struct CMUnitTest tests[] = {
        HAND_TEST(test_what_is_refused_after_the_end_is_lost_and_told_once),
        HAND_TEST(test_the_line_has_topic_and_number),
        HAND_TEST(test_what_is_stored_is_not_lost),
        HAND_TEST(test_what_the_living_were_told_is_not_lost),
        HAND_TEST(test_a_producer_that_has_failed_loses_what_comes_after),
        HAND_TEST(test_release_on_read_loses_what_is_refused),
        HAND_TEST(test_what_is_left_at_the_end_is_lost),
        HAND_TEST(test_release_on_read_loses_what_has_no_answer),
        HAND_TEST(test_an_end_that_nobody_has_seen_counts),
        HAND_TEST(test_an_end_that_nobody_has_seen_is_seen_before_the_goodbye),
        HAND_TEST(test_the_living_lose_nothing_when_the_daemon_ends),
        HAND_TEST(test_who_hangs_up_after_the_goodbye_has_not_gone),
        HAND_TEST(test_who_ends_after_the_goodbye_has_gone),
        HAND_TEST(test_the_goodbye_is_said_also_when_the_time_is_over),
    };
    (void)w;
    (void)ctx;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return hand_main(group);
}
