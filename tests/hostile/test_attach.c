/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   an application that lies when it offers what an earlier daemon had is closed, and nobody
 *         else notices. What one gets that tells the truth: tests/crash/test_daemon_kill.c.
 * Method: the real daemon, applications written by hand, a witness session.
 */
#include "tests/hostile/stage.h"
#include "tests/support/check.h"

#include <string.h>
#include <unistd.h>

#define TOPIC "non-persistent://public/default/attach"
#define RING (128U * 1024)
#define HANDLE 0x00070003U

static struct stage stage;

static int start(void **state)
{
    (void)state;
    hulse_stage_open(&stage, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    return hulse_stage_close(&stage) ? 0 : -1;
}

static void assert_closed(struct raw_app *app)
{
    hulse_stage_assert_expelled(app, "rule V6");
    hulse_raw_close(app);
    assert_true(hulse_stage_witness(&stage));
}

static int region(void)
{
    struct hulse_region r;
    int fd = -1;
    assert_int_equal(hulse_region_create(&fd, "offer", RING), HULSE_REGION_RC_OK);
    assert_int_equal(hulse_region_map(&r, fd, RING, true), HULSE_REGION_RC_OK);
    assert_int_equal(hulse_region_populate(&r, true), HULSE_REGION_RC_OK);
    hulse_region_unmap(&r);
    assert_int_equal(hulse_region_seal(fd), HULSE_REGION_RC_OK);
    return fd;
}

static void send_attach(struct raw_app *app, int fd, enum hulse_channel_kind kind)
{
    const struct hulse_ctl_attach m = {.kind = (uint8_t)kind,
                                       .receipts = HULSE_RECEIPT_MODE_FULL,
                                       .up_bytes = RING,
                                       .down_bytes = RING};
    struct hulse_packet p;
    hulse_packet_begin(&p, HULSE_CTL_ATTACH, 0, &m);
    hulse_raw_send(app, &p, &fd, 1);
}

/* Answered by CHANNEL; its number. */
static uint32_t attach(struct raw_app *app, int fd, enum hulse_channel_kind kind)
{
    struct hulse_packet p;
    struct hulse_ctl_channel c;
    send_attach(app, fd, kind);
    assert_true(hulse_raw_answer(app, &p));
    memcpy(&c, p.bytes, sizeof(c));
    assert_int_equal(c.head.type, HULSE_CTL_CHANNEL);
    (void)close(p.fds[0]);
    (void)close(p.fds[1]);
    return c.channel;
}

static void send_handle(struct raw_app *app, struct hulse_ctl_attach_handle m)
{
    struct hulse_packet p;
    m.topic_len = sizeof(TOPIC) - 1;
    hulse_packet_begin(&p, HULSE_CTL_ATTACH_HANDLE, 0, &m);
    hulse_packet_append(&p, TOPIC, m.topic_len);
    hulse_packet_append(&p, "s", m.subscription_len);
    hulse_raw_send(app, &p, NULL, 0);
}

static void send_end(struct raw_app *app, uint32_t handles)
{
    const struct hulse_ctl_attach_end m = {.handles = handles};
    struct hulse_packet p;
    hulse_packet_begin(&p, HULSE_CTL_ATTACH_END, 0, &m);
    hulse_raw_send(app, &p, NULL, 0);
}

static void send_ready(struct raw_app *app, uint32_t channel)
{
    const struct hulse_ctl_channel_ref m = {.channel = channel};
    struct hulse_packet p;
    hulse_packet_begin(&p, HULSE_CTL_CHANNEL_READY, 0, &m);
    hulse_raw_send(app, &p, NULL, 0);
}

static void send_sources(struct raw_app *app, uint32_t handle, uint32_t first, const char *names)
{
    struct hulse_ctl_attach_sources m = {.handle = handle, .first = first, .count = 1};
    const uint16_t bytes = (uint16_t)strlen(names);
    struct hulse_packet p;
    m.names_len = (uint16_t)(sizeof(bytes) + bytes);
    hulse_packet_begin(&p, HULSE_CTL_ATTACH_SOURCES, 0, &m);
    hulse_packet_append(&p, &bytes, sizeof(bytes));
    hulse_packet_append(&p, names, bytes);
    hulse_raw_send(app, &p, NULL, 0);
}

static void test_lies(void **state)
{
    (void)state;
    for (unsigned lie = 0; lie < 13; lie++) {
        const bool consumes = lie >= 8 && lie <= 10;
        struct raw_app app;
        const int fd = region();
        print_message("lie %u\n", lie);
        hulse_raw_resume(&app, stage.daemon.socket);
        if (lie == 0) {
            send_handle(&app, (struct hulse_ctl_attach_handle){.handle = HANDLE}); /* of nothing */
        } else if (lie == 1) {
            send_end(&app, 0);
        } else {
            (void)attach(&app, fd, consumes ? HULSE_CHANNEL_CONSUMER : HULSE_CHANNEL_PRODUCER);
            const struct hulse_ctl_attach_handle good = {.handle = HANDLE};
            struct hulse_ctl_attach_handle sub = {
                .handle = HANDLE, .type = 1, .subscription_len = 1};
            switch (lie) {
            case 2:
                send_attach(&app, fd, HULSE_CHANNEL_PRODUCER); /* before the end */
                break;
            case 3:
                send_handle(&app, good);
                send_handle(&app, good); /* twice */
                break;
            case 4:
                send_handle(&app,
                            (struct hulse_ctl_attach_handle){.handle = 3}); /* no generation */
                break;
            case 5:
                send_handle(&app,
                            (struct hulse_ctl_attach_handle){.handle = HANDLE, .flags = 0x8000});
                break;
            case 6:
                send_handle(&app, good);
                send_end(&app, 2); /* one was offered */
                break;
            case 7:
                send_handle(&app, sub); /* a consumer on a producer's channel */
                break;
            case 8:
                sub.type = 9;
                send_handle(&app, sub);
                break;
            case 9:
                send_handle(&app, sub);
                send_sources(&app, HANDLE, 5, "a gap");
                break;
            case 10:
                send_handle(&app, sub);
                send_sources(&app, HANDLE + 1, 0, "another handle's");
                break;
            case 11:
                send_end(&app, 0);
                send_attach(&app, fd, HULSE_CHANNEL_PRODUCER); /* the region twice */
                break;
            default:
                send_end(&app, 0);
                send_handle(&app, good); /* too late */
                break;
            }
        }
        assert_closed(&app);
        (void)close(fd);
    }
}

static void test_ready_before_the_end(void **state)
{
    (void)state;
    struct raw_app app;
    const int fd = region();
    hulse_raw_resume(&app, stage.daemon.socket);
    send_ready(&app, attach(&app, fd, HULSE_CHANNEL_PRODUCER));
    hulse_stage_assert_expelled(&app, "rule V5");
    hulse_raw_close(&app);
    (void)close(fd);
    assert_true(hulse_stage_witness(&stage));
}

static void test_a_new_session_attaches_nothing(void **state)
{
    (void)state;
    struct raw_app app;
    const int fd = region();
    hulse_raw_open(&app, stage.daemon.socket);
    send_attach(&app, fd, HULSE_CHANNEL_PRODUCER);
    assert_closed(&app);
    (void)close(fd);
}

static void test_a_surplus_descriptor(void **state)
{
    (void)state;
    struct raw_app app;
    const int fd = region();
    const int fds[2] = {fd, fd};
    const struct hulse_ctl_attach m = {
        .kind = HULSE_CHANNEL_PRODUCER, .up_bytes = RING, .down_bytes = RING};
    struct hulse_packet p;
    hulse_raw_resume(&app, stage.daemon.socket);
    hulse_packet_begin(&p, HULSE_CTL_ATTACH, 0, &m);
    hulse_raw_send(&app, &p, fds, 2);
    hulse_stage_assert_expelled(&app, "rule V5");
    hulse_raw_close(&app);
    (void)close(fd);
    assert_true(hulse_stage_witness(&stage));
}

static void test_a_new_b_that_was_not_populated(void **state)
{
    (void)state;
    struct raw_app app;
    const int fd = region();
    hulse_raw_resume(&app, stage.daemon.socket);
    const uint32_t channel = attach(&app, fd, HULSE_CHANNEL_PRODUCER);
    send_handle(&app, (struct hulse_ctl_attach_handle){.handle = HANDLE, .handle_id = {1}});
    send_end(&app, 1);
    send_ready(&app, channel);
    hulse_stage_assert_expelled(&app, "rule V2");
    hulse_raw_close(&app);
    (void)close(fd);
    assert_true(hulse_stage_witness(&stage));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_ready_before_the_end),
        cmocka_unit_test(test_a_new_session_attaches_nothing),
        cmocka_unit_test(test_a_surplus_descriptor),
        cmocka_unit_test(test_a_new_b_that_was_not_populated),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
