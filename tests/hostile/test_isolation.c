/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a session gets its share and loses nothing beside others that flood the daemon or stop
 *         halfway; who does not read or release blocks only itself.
 * Method: the real daemon with one worker, so that all share it; attackers are children; shares are
 *         told by counters, never by time. (Shares of visits, exactly: tests/unit/daemon/app.)
 */
#include "tests/hostile/stage.h"
#include "tests/support/check.h"
#include "tests/support/runtime.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MESSAGES = 3000 };

static struct stage stage;

static int start(void **state)
{
    static const char *const settings[] = {"workers.count=1", "log.level=error", NULL};
    (void)state;
    hulse_stage_open(&stage, settings);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    /* After everything that was done to it no wake-up was lost. */
    const uint64_t missed = hulse_test_daemon_stat(&stage.daemon, "missed_doorbells");
    const uint64_t own =
        atomic_load(&hulse_region_b(&stage.channel.b)->stats[HULSE_STAT_MISSED_DOORBELLS]);
    return hulse_stage_close(&stage) && missed == 0 && own == 0 ? 0 : -1;
}

static pid_t attack(void (*body)(void))
{
    const pid_t pid = fork();
    if (pid == 0) {
        body();
        _exit(0);
    }
    return pid;
}

static void end(pid_t pid)
{
    int status = 0;
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void ring_without_end(void)
{
    for (;;) {
        struct actor a;
        hulse_actor_produce(&a, &stage, HULSE_RECEIPT_MODE_NONE);
        struct hulse_packet in;
        const char *why = "";
        for (int i = 0;; i++) {
            (void)eventfd_write(a.app.bell, 1);
            if (i % 1000 == 0 && hulse_packet_receive(a.app.sock, &in, &why) == HULSE_PACKET_EOF) {
                break;
            }
        }
        hulse_actor_close(&a);
    }
}

static void talk_without_end(void)
{
    const struct hulse_ctl_channel_ref m = {.channel = 12345};
    for (;;) {
        struct raw_app app;
        struct hulse_packet p;
        struct hulse_packet in;
        const char *why = "";
        hulse_raw_open(&app, stage.daemon.socket);
        hulse_packet_begin(&p, HULSE_CTL_CLOSE_CHANNEL, 1, &m);
        while (send(app.sock, p.bytes, p.len, MSG_NOSIGNAL) > 0) {
            while (hulse_packet_receive(app.sock, &in, &why) == HULSE_PACKET_OK) {
            }
        }
        hulse_raw_close(&app);
    }
}

/* The smallest records that there are, as many as fit, for ever. */
static void skip_without_end(void)
{
    struct actor a;
    const struct hulse_publish_header h = {.len = HULSE_PUBLISH_HEADER_BYTES,
                                           .type = HULSE_RECORD_SKIP};
    hulse_actor_produce(&a, &stage, HULSE_RECEIPT_MODE_NONE);
    for (;;) {
        while (hulse_ring_tx_reserve(&a.ch.up, sizeof(h)) == HULSE_RING_OK) {
            hulse_raw_put(&a.ch, &h, sizeof(h), NULL, 0);
        }
        hulse_raw_flush(&a.app, &a.ch);
    }
}

static void connect_without_end(void)
{
    for (;;) {
        struct raw_app app;
        hulse_raw_open(&app, stage.daemon.socket);
        hulse_raw_close(&app);
        const int fd = hulse_raw_connect(stage.daemon.socket);
        (void)send(fd, "garbage", 7, MSG_NOSIGNAL);
        (void)close(fd);
    }
}

static void test_a_session_beside_floods_loses_nothing(void **state)
{
    (void)state;
    static void (*const floods[])(void) = {
        ring_without_end, talk_without_end, skip_without_end, connect_without_end};
    for (size_t i = 0; i < sizeof(floods) / sizeof(floods[0]); i++) {
        const uint64_t before =
            atomic_load(&hulse_region_b(&stage.channel.b)->stats[HULSE_STAT_DONE]);
        const uint64_t visits = hulse_test_daemon_stat(&stage.daemon, "visits");
        const uint64_t penalties = hulse_test_daemon_stat(&stage.daemon, "penalties");
        const pid_t pid = attack(floods[i]);
        for (int n = 0; n < MESSAGES; n++) {
            assert_true(hulse_stage_witness(&stage));
        }
        if (i < 2) { /* floods of bells and words are met by a pause */
            for (int n = 0;
                 n < 1000 && hulse_test_daemon_stat(&stage.daemon, "penalties") == penalties;
                 n++) {
                (void)usleep(10000);
            }
            assert_true(hulse_test_daemon_stat(&stage.daemon, "penalties") > penalties);
        }
        end(pid);
        assert_true(hulse_stage_sessions_fall_to(&stage, 1));
        assert_int_equal(atomic_load(&hulse_region_b(&stage.channel.b)->stats[HULSE_STAT_DONE]) -
                             before,
                         MESSAGES);
        assert_true(hulse_test_daemon_stat(&stage.daemon, "visits") - visits >= MESSAGES);
    }
}

/* Both always have work: neither takes much more than the other of what the worker takes. */
static void test_a_greedy_session_does_not_crowd_out_another(void **state)
{
    (void)state;
    struct actor a[2];
    static const uint8_t body[65536];
    static const uint32_t bytes[2] = {984, sizeof(body)};
    for (int i = 0; i < 2; i++) {
        hulse_actor_produce(&a[i], &stage, HULSE_RECEIPT_MODE_NONE);
    }
    /* One has small records, the other large ones; one thread keeps both rings full. */
    uint64_t taken[2] = {0, 0};
    while (taken[0] < 20000000) {
        for (int i = 0; i < 2; i++) {
            while (hulse_ring_tx_reserve(&a[i].ch.up, bytes[i] + 40) == HULSE_RING_OK) {
                const struct hulse_publish_header h =
                    hulse_raw_header(&a[i].ch, bytes[i], a[i].ch.up.tail);
                hulse_raw_put(&a[i].ch, &h, sizeof(h), body, bytes[i]);
            }
            hulse_raw_flush(&a[i].app, &a[i].ch);
            taken[i] = hulse_actor_stat(&a[i], HULSE_STAT_TAKEN_BYTES);
        }
    }
    assert_true(taken[0] * 4 > taken[1] && taken[1] * 4 > taken[0]);
    hulse_actor_close(&a[0]);
    hulse_actor_close(&a[1]);
    assert_true(hulse_stage_sessions_fall_to(&stage, 1));
}

static void test_unread_receipts_block_only_their_channel(void **state)
{
    (void)state;
    struct actor a;
    hulse_actor_produce(&a, &stage, HULSE_RECEIPT_MODE_FULL);
    uint64_t put = 0;
    while (hulse_actor_stat(&a, HULSE_STAT_STALLS) == 0) {
        while (hulse_ring_tx_reserve(&a.ch.up, 48) == HULSE_RING_OK) {
            const struct hulse_publish_header h = hulse_raw_header(&a.ch, 1, put++);
            hulse_raw_put(&a.ch, &h, sizeof(h), "x", 1);
        }
        hulse_raw_flush(&a.app, &a.ch);
        assert_true(hulse_stage_witness(&stage));
    }
    const uint64_t slots = (a.ch.down.mask + 1) / HULSE_RECEIPT_BYTES;
    for (int i = 0; i < 300; i++) {
        assert_true(hulse_stage_witness(&stage));
        assert_true(hulse_actor_stat(&a, HULSE_STAT_POSTED_RECORDS) <= slots);
    }
    assert_int_equal(hulse_actor_stat(&a, HULSE_STAT_TAKEN_RECORDS), slots);
    /* It reads, and goes on: everything is there, in order. */
    for (uint64_t i = 0; i < put; i++) {
        struct hulse_receipt_record r;
        const uint8_t *at = hulse_raw_next(&a.ch, HULSE_RECEIPT_BYTES);
        assert_non_null(at);
        memcpy(&r, at, sizeof(r));
        assert_int_equal(r.token, i);
        hulse_ring_rx_release(&a.ch.down, a.ch.down.read);
        if (atomic_load(&hulse_region_b(&a.ch.b)->down_want) <= a.ch.down.read) {
            hulse_raw_ring(&a.app);
        }
    }
    hulse_actor_close(&a);
}

static void test_a_consumer_that_never_releases_blocks_only_itself(void **state)
{
    (void)state;
    struct actor stuck;
    struct actor good;
    struct actor feeder;
    static uint8_t body[20000];
    hulse_actor_consume(&stuck, &stage, STAGE_TOPIC "-stuck");
    hulse_raw_open(&good.app, stage.daemon.socket);
    hulse_raw_channel(&good.app, &good.ch, HULSE_CHANNEL_CONSUMER, HULSE_RECEIPT_MODE_NONE);
    assert_int_equal(hulse_raw_consumer(&good.app, &good.ch, STAGE_TOPIC "-stuck", "other"),
                     HULSE_OK);
    hulse_raw_open(&feeder.app, stage.daemon.socket);
    hulse_raw_channel(&feeder.app, &feeder.ch, HULSE_CHANNEL_PRODUCER, HULSE_RECEIPT_MODE_FULL);
    assert_int_equal(hulse_raw_producer(&feeder.app, &feeder.ch, STAGE_TOPIC "-stuck"), HULSE_OK);
    /* Three times what the stuck one's ring and overflow hold. */
    for (uint64_t i = 0; i < 400; i++) {
        struct hulse_delivery_header d;
        memset(body, (int)(i & 0xff), sizeof(body));
        assert_int_equal(hulse_raw_publish(&feeder.app, &feeder.ch, body, sizeof(body), i),
                         HULSE_OUTCOME_STORED);
        const uint8_t *at = hulse_raw_next(&good.ch, HULSE_DELIVERY_HEADER_BYTES);
        assert_non_null(at);
        memcpy(&d, at, sizeof(d));
        assert_int_equal(d.entry, i);
        assert_memory_equal(at + sizeof(d), body, sizeof(body));
        hulse_ring_rx_release(&good.ch.down, good.ch.down.read);
        hulse_raw_ring(&good.app);
        assert_true(hulse_stage_witness(&stage));
    }
    assert_true(hulse_actor_stat(&stuck, HULSE_STAT_POSTED_BYTES) <= stuck.ch.down.mask + 1);
    assert_true(hulse_actor_stat(&stuck, HULSE_STAT_STALLS) > 0);
    hulse_actor_close(&stuck);
    hulse_actor_close(&good);
    hulse_actor_close(&feeder);
    assert_true(hulse_stage_sessions_fall_to(&stage, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_session_beside_floods_loses_nothing),
        cmocka_unit_test(test_a_greedy_session_does_not_crowd_out_another),
        cmocka_unit_test(test_unread_receipts_block_only_their_channel),
        cmocka_unit_test(test_a_consumer_that_never_releases_blocks_only_itself),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
