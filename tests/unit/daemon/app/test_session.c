/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   rules about a session as a whole: its memory comes from quotas and not from values in A
 *         (V16), what it says is escaped where it is written (V17), a wrong value ends it alone (V20),
 *         its share of visits beside greedy ones is exact (V15), bells and words are budgeted (V15).
 * Method: the plane turned by hand; the log on a pipe in the place of stderr.
 */
#include "daemon/core/log.h"
#include "tests/unit/daemon/app/check.h"

#include <fcntl.h>
#include <poll.h>

static const struct hulse_ctl_open_channel ask = {.kind = HULSE_CHANNEL_PRODUCER};

struct pair {
    struct hand_app app;
    struct hand_channel ch;
};

static void open_pair(struct hand *h, struct pair *p)
{
    hand_app_open(h, &p->app);
    hand_channel_open(&p->app, &p->ch, &ask);
    assert_int_equal(hand_producer(&p->app, &p->ch), HULSE_OK);
}

static void close_pair(struct pair *p)
{
    hand_app_close(&p->app);
    hand_channel_close(&p->ch);
}

/* ---- V16 ---- */

static void test_v16_values_in_a_take_no_memory(void **state)
{
    struct hand *h = *state;
    h->broker.answer_at_once = true;
    for (unsigned i = 0; i < 200; i++) {
        struct pair p;
        open_pair(h, &p);
        const size_t before = hulse_mem_total();
        uint64_t *words = (uint64_t *)(void *)p.ch.a.base;
        unsigned seed = i;
        for (size_t w = 0; w < HULSE_CONTROL_BYTES / 8; w++) {
            words[w] = i % 2 == 0 ? UINT64_MAX - w : (uint64_t)rand_r(&seed) << 3;
        }
        memset(p.ch.a.ring, (int)(i | 1), p.ch.a.ring_bytes);
        if (i % 4 == 0) {
            atomic_store(&hulse_region_a(&p.ch.a)->up_tail, 4096);
        }
        (void)hulse_session_answer_bell(p.app.session);
        (void)hand_turn(h);
        assert_true(hulse_mem_total() <= before);
        hand_settle(h);
        close_pair(&p);
    }
    assert_int_equal(h->plane->session_count, 0);
}

static void test_v16_a_session_stays_within_its_quota(void **state)
{
    struct hand *h = *state;
    struct hand_app app;
    struct hulse_packet p;
    h->shared->limits.session_bytes_max = 1024UL * 1024;
    hand_app_open(h, &app);
    const struct hulse_ctl_open_channel large = {.kind = HULSE_CHANNEL_PRODUCER,
                                                 .up_bytes = 512 * 1024};
    unsigned opened = 0;
    for (;; opened++) {
        hulse_packet_begin(&p, HULSE_CTL_OPEN_CHANNEL, 0, &large);
        p.fd_count = 0;
        if (hand_call(&app, &p, &p) != HULSE_CTL_CHANNEL) {
            break;
        }
        (void)close(p.fds[0]);
        (void)close(p.fds[1]);
        assert_true(app.session->bytes <= h->shared->limits.session_bytes_max);
    }
    assert_int_equal(opened, 1);
    assert_int_equal(app.status, HULSE_LIMIT);
    hand_app_close(&app);
}

/* ---- V17 ---- */

/* What is written to stderr while `body` runs. */
static void capture(struct hand *h, void (*body)(struct hand *h), char *out, size_t capacity)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    const int saved = dup(STDERR_FILENO);
    assert_true(saved >= 0 && dup2(ends[1], STDERR_FILENO) >= 0);
    body(h);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    (void)close(saved);
    (void)close(ends[1]);
    const ssize_t bytes = read(ends[0], out, capacity - 1);
    out[bytes > 0 ? bytes : 0] = '\0';
    (void)close(ends[0]);
}

static void name_with_commands(struct hand *h)
{
    struct hand_app app;
    hand_app_open_named(h, &app, "a\"}\n{\"event\":\"forged\x1b[31m\\");
    hand_app_close(&app);
}

static void test_v17_names_are_escaped_in_the_log(void **state)
{
    struct hand *h = *state;
    static char text[65536];
    capture(h, name_with_commands, text, sizeof(text));
    assert_non_null(strstr(text, "session.open"));
    assert_null(strstr(text, "{\"event\":\"forged"));
    assert_null(strchr(text, 0x1b));
    /* Each line begins and ends as the log's own. */
    unsigned lines = 0;
    for (const char *at = text; *at != '\0'; lines++) {
        const char *stop = strchr(at, '\n');
        assert_non_null(stop);
        assert_int_equal(at[0], '{');
        assert_int_equal(stop[-1], '}');
        at = stop + 1;
    }
    assert_true(lines >= 2);
}

static void name_too_long(struct hand *h)
{
    static char name[256];
    struct hand_app app;
    for (size_t i = 0; i + 2 < sizeof(name); i += 2) { /* cut in the middle of a letter */
        memcpy(name + i, "\xc3\xa9", 2);
    }
    name[0] = 'x';
    name[1] = 'y';
    name[2] = 'z';
    name[3] = '-';
    memmove(name + 3, name + 4, sizeof(name) - 4);
    name[253] = '\0';
    hand_app_open_named(h, &app, name);
    assert_true(strlen(app.session->name) < sizeof(app.session->name));
    hand_app_close(&app);
}

static void test_v17_names_are_truncated(void **state)
{
    struct hand *h = *state;
    static char text[65536];
    capture(h, name_too_long, text, sizeof(text));
    const char *name = strstr(text, "xyz");
    assert_non_null(name);
    assert_true(strcspn(name, "\"") <= 64UL * 6);
}

/* ---- V20, V15 ---- */

static void test_v20_a_wrong_value_ends_one_session(void **state)
{
    struct hand *h = *state;
    enum { COUNT = 6 };
    struct pair p[COUNT];
    h->broker.answer_at_once = true;
    for (int i = 0; i < COUNT; i++) {
        open_pair(h, &p[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        if (i % 2 == 0) {
            atomic_store(&hulse_region_a(&p[i].ch.a)->up_tail, 12);
            (void)hulse_session_answer_bell(p[i].app.session);
        } else {
            hand_put_message(&p[i].ch, "x", 1, 1);
            hand_publish(&p[i].app, &p[i].ch);
        }
    }
    hand_settle(h);
    assert_int_equal(h->plane->rule_violations, COUNT / 2);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(hand_session_alive(&p[i].app), i % 2 == 1);
        if (i % 2 == 1) {
            assert_int_equal(atomic_load(&hulse_region_b(&p[i].ch.b)->stats[HULSE_STAT_DONE]), 1);
        }
        close_pair(&p[i]);
    }
}

/* All rings are full: each turn gives each of them one visit, of the same bytes over time. */
static void test_v15_each_gets_its_visits(void **state)
{
    struct hand *h = *state;
    enum { COUNT = 4 };
    static const uint32_t bytes[COUNT] = {24, 1000, 8000, 30000};
    static const uint8_t body[30000];
    struct pair p[COUNT];
    h->broker.answer_at_once = true;
    for (int i = 0; i < COUNT; i++) {
        open_pair(h, &p[i]);
    }
    for (int turn = 0; turn < 50; turn++) {
        for (int i = 0; i < COUNT; i++) {
            while (hulse_ring_tx_reserve(&p[i].ch.up, bytes[i] + 40) == HULSE_RING_OK) {
                hand_put_message(&p[i].ch, body, bytes[i], 0);
            }
            hand_publish(&p[i].app, &p[i].ch);
        }
        const uint64_t visits = h->plane->visits;
        const uint64_t before = p[0].ch.ch->stats[HULSE_STAT_TAKEN_RECORDS];
        (void)hand_turn(h);
        assert_int_equal(h->plane->visits - visits, COUNT);
        assert_int_equal(p[0].ch.ch->stats[HULSE_STAT_TAKEN_RECORDS] - before, HULSE_VISIT_RECORDS);
    }
    for (int i = 0; i < COUNT; i++) {
        close_pair(&p[i]);
    }
}

static void test_v15_empty_bells_cost_a_pause_and_then_the_session(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct loop *l = &h->worker->loop;
    open_pair(h, &p);
    hand_settle(h);
    assert_false(hulse_plane_module.park(h->plane));
    unsigned penalties = 0;
    struct session *s = p.app.session;
    for (uint64_t n = 0; !s->doomed; n++) {
        assert_true(n < 1000000);
        l->now_ns = 5000000000U; /* one second for all of them */
        s->bell_watch.fire(&s->bell_watch, 0);
        if (s->penalties != penalties) {
            assert_int_equal(s->penalties, penalties + 1);
            assert_true(s->doomed || !(s->bell_watched || s->sock_watched));
            penalties = s->penalties;
            (void)hulse_timer_advance(&l->timers, l->timers.now_ms + 20);
            assert_true(s->doomed || (s->bell_watched && s->sock_watched));
        }
    }
    assert_int_equal(s->rule, HULSE_RULE_V15);
    assert_int_equal(penalties, HULSE_PENALTIES_MAX + 1);
    hand_flush(h);
    assert_false(hand_session_alive(&p.app));
    close_pair(&p);
}

static int group(struct worker *w, void *ctx)
{
    const struct CMUnitTest tests[] = {
        /* First: a site's lines are limited in rate. */
        HAND_TEST(test_v17_names_are_escaped_in_the_log),
        HAND_TEST(test_v17_names_are_truncated),
        HAND_TEST(test_v16_values_in_a_take_no_memory),
        HAND_TEST(test_v16_a_session_stays_within_its_quota),
        HAND_TEST(test_v20_a_wrong_value_ends_one_session),
        HAND_TEST(test_v15_each_gets_its_visits),
        HAND_TEST(test_v15_empty_bells_cost_a_pause_and_then_the_session),
    };
    (void)w;
    (void)ctx;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return hand_main(group);
}
