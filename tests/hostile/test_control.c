/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the control socket and the descriptors it carries: V1..V6, V15, the handshake, quotas.
 * Method: the real daemon; each case is a fresh session; a witness publishes after each.
 */
#include "tests/hostile/stage.h"
#include "tests/support/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define TOPIC "non-persistent://public/default/hostile-control"
#define RING (128U * 1024)

static struct stage stage;

static void assert_witness(void)
{
    assert_true(hulse_stage_witness(&stage));
}

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

static void assert_closed(struct raw_app *app, const char *rule)
{
    hulse_stage_assert_expelled(app, rule);
    hulse_raw_close(app);
    assert_witness();
}

/* ---- V1, V2, V6: descriptors and positions of ATTACH ---- */

static void attach(struct raw_app *app, int fd, uint64_t resume_from, uint64_t up_tail)
{
    const struct hulse_ctl_attach m = {.kind = HULSE_CHANNEL_PRODUCER,
                                       .up_bytes = RING,
                                       .down_bytes = RING,
                                       .resume_from = resume_from,
                                       .up_tail = up_tail};
    struct hulse_packet p;
    hulse_packet_begin(&p, HULSE_CTL_ATTACH, 0, &m);
    hulse_raw_send(app, &p, &fd, 1);
}

/* A sealed, populated region as an honest client would offer it. */
static int good_region(bool populated, bool sealed)
{
    int fd = -1;
    struct hulse_region r = {0};
    assert_int_equal(hulse_region_create(&fd, "offer", RING), HULSE_REGION_RC_OK);
    if (populated) {
        assert_int_equal(hulse_region_map(&r, fd, RING, true), HULSE_REGION_RC_OK);
        assert_int_equal(hulse_region_populate(&r, true), HULSE_REGION_RC_OK);
        hulse_region_unmap(&r);
    }
    if (sealed) {
        assert_int_equal(hulse_region_seal(fd), HULSE_REGION_RC_OK);
    }
    return fd;
}

static void assert_attach_closed(int fd, const char *rule)
{
    struct raw_app app;
    hulse_raw_resume(&app, stage.daemon.socket);
    attach(&app, fd, 0, 0);
    (void)close(fd);
    assert_closed(&app, rule);
}

static void test_v1_attach_refuses_what_is_no_sealed_memfd(void **state)
{
    (void)state;
    char path[96];
    (void)snprintf(path, sizeof(path), "%s/file", stage.daemon.dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, HULSE_CONTROL_BYTES + RING), 0);
    assert_attach_closed(fd, "rule V1");

    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    (void)close(ends[1]);
    assert_attach_closed(ends[0], "rule V1");

    fd = open("/dev/shm/hulse-hostile", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0) { /* a plain tmpfs file has no seals */
        (void)unlink("/dev/shm/hulse-hostile");
        assert_int_equal(ftruncate(fd, HULSE_CONTROL_BYTES + RING), 0);
        assert_attach_closed(fd, "rule V1");
    }
    assert_attach_closed(open("/dev/zero", O_RDWR | O_CLOEXEC), "rule V1");
    assert_attach_closed(good_region(true, false), "rule V1");
}

static void test_v1_attach_refuses_another_size(void **state)
{
    (void)state;
    int fd = -1;
    assert_int_equal(hulse_region_create(&fd, "offer", RING * 2), HULSE_REGION_RC_OK);
    assert_int_equal(hulse_region_seal(fd), HULSE_REGION_RC_OK);
    assert_attach_closed(fd, "rule V1");
}

static void test_v2_attach_refuses_holes(void **state)
{
    (void)state;
    assert_attach_closed(good_region(false, true), "rule V2");
}

static void test_v2_ready_without_populating(void **state)
{
    (void)state;
    struct raw_app app;
    struct raw_channel ch;
    const struct hulse_ctl_open_channel ask = {.kind = HULSE_CHANNEL_PRODUCER};
    hulse_raw_resume(&app, stage.daemon.socket);
    hulse_raw_channel_begin(&app, &ch, &ask);
    assert_false(hulse_raw_channel_ready(&app, &ch));
    hulse_raw_channel_close(&ch);
    assert_closed(&app, "rule V2");
}

static void test_v1_region_sealed_against_sealing(void **state)
{
    (void)state;
    struct raw_app app;
    struct raw_channel ch;
    const struct hulse_ctl_open_channel ask = {.kind = HULSE_CHANNEL_PRODUCER};
    hulse_raw_resume(&app, stage.daemon.socket);
    hulse_raw_channel_begin(&app, &ch, &ask);
    assert_int_equal(fcntl(ch.fd_a, F_ADD_SEALS, F_SEAL_SEAL), 0);
    assert_false(hulse_raw_channel_ready(&app, &ch));
    hulse_raw_channel_close(&ch);
    assert_closed(&app, "rule V1");
}

/* Of the daemon, from now on; gives the old one. */
static rlim_t limit(__rlimit_resource_t what, rlim_t now)
{
    struct rlimit old = {0};
    assert_int_equal(prlimit(stage.daemon.pid, what, NULL, &old), 0);
    const struct rlimit soft = {.rlim_cur = now, .rlim_max = old.rlim_max};
    assert_int_equal(prlimit(stage.daemon.pid, what, &soft, NULL), 0);
    return old.rlim_cur;
}

static void assert_refused(const struct raw_app *app,
                           const struct hulse_packet *in,
                           hulse_status status,
                           const char *text)
{
    struct hulse_ctl_err e;
    assert_int_equal(app->last_status, status);
    memcpy(&e, in->bytes, sizeof(e));
    assert_int_equal(e.text_len, strlen(text));
    assert_memory_equal(in->bytes + sizeof(e), text, e.text_len);
}

/* What the daemon lacks for a channel is named, and is no fault of the application's. */
static void test_a_channel_without_descriptors(void **state)
{
    (void)state;
    struct raw_app app;
    struct raw_channel ch;
    struct hulse_packet p;
    const struct hulse_ctl_open_channel ask = {.kind = HULSE_CHANNEL_PRODUCER};
    hulse_raw_open(&app, stage.daemon.socket);
    const rlim_t old = limit(RLIMIT_NOFILE, 4);
    hulse_packet_begin(&p, HULSE_CTL_OPEN_CHANNEL, 0, &ask);
    const unsigned type = hulse_raw_call(&app, &p, &p);
    (void)limit(RLIMIT_NOFILE, old);
    assert_int_equal(type, HULSE_CTL_ERR);
    assert_refused(&app, &p, HULSE_LIMIT, "the daemon is out of descriptors");
    hulse_raw_channel(&app, &ch, HULSE_CHANNEL_PRODUCER, HULSE_RECEIPT_MODE_FULL);
    hulse_raw_channel_close(&ch);
    hulse_raw_close(&app);
    assert_witness();
}

static void test_a_channel_without_memory(void **state)
{
    (void)state;
#ifdef HULSE_SANITIZED
    skip(); /* it has the address space for itself */
#endif
    struct raw_app app;
    struct raw_channel ch;
    struct hulse_packet p;
    const struct hulse_ctl_open_channel ask = {.kind = HULSE_CHANNEL_PRODUCER};
    hulse_raw_open(&app, stage.daemon.socket);
    hulse_raw_channel_begin(&app, &ch, &ask);
    assert_int_equal(hulse_region_populate(&ch.a, true), HULSE_REGION_RC_OK);
    assert_int_equal(hulse_region_populate(&ch.b, false), HULSE_REGION_RC_OK);
    const struct hulse_ctl_channel_ref ready = {.channel = ch.id};
    const rlim_t old = limit(RLIMIT_AS, 4096);
    hulse_packet_begin(&p, HULSE_CTL_CHANNEL_READY, 0, &ready);
    const unsigned type = hulse_raw_call(&app, &p, &p);
    (void)limit(RLIMIT_AS, old);
    assert_int_equal(type, HULSE_CTL_ERR);
    assert_refused(&app, &p, HULSE_NO_MEMORY, "the daemon has no memory for a ring");
    hulse_raw_channel_close(&ch);
    hulse_raw_channel(&app, &ch, HULSE_CHANNEL_PRODUCER, HULSE_RECEIPT_MODE_FULL);
    hulse_raw_channel_close(&ch);
    hulse_raw_close(&app);
    assert_witness();
}

static void test_v6_attach_positions(void **state)
{
    (void)state;
    static const uint64_t cases[][2] = {
        {4, 8}, {0, 12}, {16, 8}, {0, (uint64_t)RING + 8}, {UINT64_MAX - 7, 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct raw_app app;
        hulse_raw_resume(&app, stage.daemon.socket);
        const int fd = good_region(true, true);
        attach(&app, fd, cases[i][0], cases[i][1]);
        (void)close(fd);
        assert_closed(&app, "rule V6");
    }
}

static void test_attach_of_a_good_region_is_taken(void **state)
{
    (void)state;
    struct raw_app app;
    struct hulse_packet p;
    struct hulse_ctl_head head;
    hulse_raw_resume(&app, stage.daemon.socket);
    const int fd = good_region(true, true);
    attach(&app, fd, 64, 64);
    (void)close(fd);
    assert_true(hulse_raw_answer(&app, &p));
    memcpy(&head, p.bytes, sizeof(head));
    assert_int_equal(head.type, HULSE_CTL_CHANNEL);
    assert_int_equal(p.fd_count, 2);
    (void)close(p.fds[0]);
    (void)close(p.fds[1]);
    hulse_raw_close(&app);
    assert_witness();
}

/* ---- V3: what the daemon maps and what it hands out ---- */

static void test_v3_regions_are_sealed_and_a_is_read_only_for_the_daemon(void **state)
{
    (void)state;
    struct raw_app app;
    struct raw_channel ch;
    hulse_raw_open(&app, stage.daemon.socket);
    hulse_raw_channel(&app, &ch, HULSE_CHANNEL_PRODUCER, HULSE_RECEIPT_MODE_FULL);
    assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ch.fd_b, 0), MAP_FAILED);
    assert_int_equal(mprotect(ch.b.base, 4096, PROT_READ | PROT_WRITE), -1);
    const int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
    assert_int_equal(fcntl(ch.fd_a, F_GET_SEALS) & all, all);
    assert_int_equal(fcntl(ch.fd_b, F_GET_SEALS) & all, all);

    char path[64];
    char line[512];
    int maps_of_a = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)stage.daemon.pid);
    FILE *maps = fopen(path, "re");
    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps) != NULL) {
        if (strstr(line, "hulse-a") != NULL) {
            maps_of_a += 1;
            assert_non_null(strstr(line, " r--s "));
        }
    }
    (void)fclose(maps);
    assert_true(maps_of_a > 0);
    hulse_raw_channel_close(&ch);
    hulse_raw_close(&app);
    assert_witness();
}

/* ---- V5: messages and descriptors ---- */

static void test_v5_surplus_and_missing_descriptors(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 3; n++) {
        struct raw_app app;
        hulse_raw_open(&app, stage.daemon.socket);
        const struct hulse_ctl_group m = {0};
        struct hulse_packet p;
        hulse_packet_begin(&p, HULSE_CTL_GROUP, 0, &m);
        struct iovec iov = {.iov_base = p.bytes, .iov_len = p.len};
        alignas(struct cmsghdr) char control[CMSG_SPACE(3 * sizeof(int))] = {0};
        struct msghdr msg = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = CMSG_SPACE(n * sizeof(int))};
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n * sizeof(int));
        for (unsigned i = 0; i < n; i++) {
            memcpy(CMSG_DATA(c) + i * sizeof(int), &(int){STDERR_FILENO}, sizeof(int));
        }
        assert_int_equal(sendmsg(app.sock, &msg, MSG_NOSIGNAL), (int)p.len);
        assert_closed(&app, "rule V5");
    }
    struct raw_app app;
    hulse_raw_open(&app, stage.daemon.socket);
    const struct hulse_ctl_attach m = {.kind = 1, .up_bytes = RING, .down_bytes = RING};
    struct hulse_packet p;
    hulse_packet_begin(&p, HULSE_CTL_ATTACH, 0, &m);
    hulse_raw_send(&app, &p, NULL, 0);
    assert_closed(&app, "rule V5");
}

static void test_v5_descriptors_do_not_leak(void **state)
{
    (void)state;
    test_v5_surplus_and_missing_descriptors(NULL);
    const int before = hulse_stage_descriptors(&stage);
    assert_true(before > 0);
    for (int i = 0; i < 20; i++) {
        test_v5_surplus_and_missing_descriptors(NULL);
    }
    assert_true(hulse_stage_descriptors(&stage) <= before);
}

static void send_bytes(const char *path, const void *bytes, size_t len, bool after_hello)
{
    struct raw_app app = {0};
    if (after_hello) {
        hulse_raw_open(&app, path);
    } else {
        app.sock = hulse_raw_connect(path);
        app.bell = -1;
        app.wake = -1;
    }
    (void)send(app.sock, bytes, len, MSG_NOSIGNAL);
    assert_true(hulse_raw_hung_up(&app));
    hulse_raw_close(&app);
    assert_witness();
}

static void test_v5_malformed_messages(void **state)
{
    (void)state;
    static const uint8_t huge[5000];
    const struct hulse_ctl_head heads[] = {
        {.type = 0, .len = 8},
        {.type = 999, .len = 8},
        {.type = HULSE_CTL_GROUP, .len = 8},
        {.type = HULSE_CTL_OPEN_CHANNEL, .len = 24},
        {.type = HULSE_CTL_WELCOME, .len = 8},
    };
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        send_bytes(stage.daemon.socket, &heads[i], sizeof(heads[i]), true);
        send_bytes(stage.daemon.socket, &heads[i], sizeof(heads[i]), false);
    }
    send_bytes(stage.daemon.socket, huge, sizeof(huge), true);
    send_bytes(stage.daemon.socket, huge, 3, true);
    send_bytes(stage.daemon.socket, huge, 3, false);
}

static void test_a_message_of_the_daemons_closes(void **state)
{
    (void)state;
    struct raw_app app;
    struct hulse_packet p;
    const struct hulse_ctl_ok m = {0};
    hulse_raw_open(&app, stage.daemon.socket);
    hulse_packet_begin(&p, HULSE_CTL_OK, 0, &m);
    hulse_raw_send(&app, &p, NULL, 0);
    assert_closed(&app, "rule V5");
}

static void test_versions_without_overlap_are_refused_with_the_range(void **state)
{
    (void)state;
    static const uint16_t ranges[][2] = {{2, 9}, {0, 0}, {5, 2}};
    for (size_t i = 0; i < 3; i++) {
        struct raw_app app = {
            .sock = hulse_raw_connect(stage.daemon.socket), .bell = -1, .wake = -1};
        const struct hulse_ctl_hello m = {.abi_min = ranges[i][0], .abi_max = ranges[i][1]};
        struct hulse_packet p;
        struct hulse_ctl_refused r;
        hulse_packet_begin(&p, HULSE_CTL_HELLO, 0, &m);
        assert_int_equal(hulse_raw_call(&app, &p, &p), HULSE_CTL_REFUSED);
        memcpy(&r, p.bytes, sizeof(r));
        assert_int_equal(r.abi_min, HULSE_ABI_MIN);
        assert_int_equal(r.abi_max, HULSE_ABI_MAX);
        assert_true(r.text_len > 0);
        hulse_raw_close(&app);
        assert_witness();
    }
}

/* ---- V15 and quotas ---- */

static void test_v15_a_flood_of_control_messages_ends_in_a_close(void **state)
{
    (void)state;
    struct raw_app app;
    struct hulse_packet p;
    const struct hulse_ctl_channel_ref m = {.channel = 12345};
    hulse_raw_open(&app, stage.daemon.socket);
    hulse_packet_begin(&p, HULSE_CTL_CLOSE_CHANNEL, 1, &m);
    /* Answers are read now and then, so that only the rate can be what ends it. */
    for (long i = 0; i < 100L * 1000 * 1000; i++) {
        if (send(app.sock, p.bytes, p.len, MSG_NOSIGNAL) < 0) {
            break;
        }
        struct hulse_packet in;
        const char *why = "";
        while (hulse_packet_receive(app.sock, &in, &why) == HULSE_PACKET_OK) {
        }
    }
    assert_true(hulse_raw_hung_up(&app));
    hulse_raw_close(&app);
    assert_witness();
}

static void test_v15_answers_that_are_never_read_end_in_a_close(void **state)
{
    (void)state;
    struct raw_app app;
    struct hulse_packet p;
    const struct hulse_ctl_channel_ref m = {.channel = 12345};
    hulse_raw_open(&app, stage.daemon.socket);
    hulse_packet_begin(&p, HULSE_CTL_CLOSE_CHANNEL, 1, &m);
    long sent = 0;
    while (send(app.sock, p.bytes, p.len, MSG_NOSIGNAL) > 0 && sent < 10L * 1000 * 1000) {
        sent += 1;
    }
    assert_true(sent < 10L * 1000 * 1000);
    hulse_raw_close(&app);
    assert_witness();
}

static void test_quotas_refuse_with_a_status(void **state)
{
    (void)state;
    struct raw_app app;
    struct hulse_packet p;
    hulse_raw_open(&app, stage.daemon.socket);
    struct hulse_ctl_open_channel ask = {.kind = HULSE_CHANNEL_PRODUCER, .up_bytes = 1U << 31};
    hulse_packet_begin(&p, HULSE_CTL_OPEN_CHANNEL, 0, &ask);
    assert_int_equal(hulse_raw_call(&app, &p, &p), HULSE_CTL_ERR);
    assert_int_equal(app.last_status, HULSE_LIMIT);
    ask.up_bytes = 100000; /* not a power of two */
    hulse_packet_begin(&p, HULSE_CTL_OPEN_CHANNEL, 0, &ask);
    assert_int_equal(hulse_raw_call(&app, &p, &p), HULSE_CTL_ERR);
    assert_int_equal(app.last_status, HULSE_INVAL);
    hulse_raw_close(&app);
    assert_witness();
}

/* Descriptors of channels that are never READY must not use up the daemon's. */
static void test_few_channels_may_be_opening(void **state)
{
    (void)state;
    struct raw_app app;
    struct hulse_packet p;
    const struct hulse_ctl_open_channel ask = {.kind = HULSE_CHANNEL_PRODUCER};
    unsigned opened = 0;
    hulse_raw_open(&app, stage.daemon.socket);
    for (; opened < 1000; opened++) {
        hulse_packet_begin(&p, HULSE_CTL_OPEN_CHANNEL, 0, &ask);
        if (hulse_raw_call(&app, &p, &p) != HULSE_CTL_CHANNEL) {
            break;
        }
        (void)close(p.fds[0]);
        (void)close(p.fds[1]);
    }
    assert_int_equal(opened, 4);
    assert_int_equal(app.last_status, HULSE_LIMIT);
    hulse_raw_close(&app);
    assert_witness();
}

static void test_channels_end_at_their_limit(void **state)
{
    (void)state;
    struct raw_app app;
    struct hulse_packet p;
    static struct raw_channel ch[1000];
    const struct hulse_ctl_open_channel ask = {.kind = HULSE_CHANNEL_PRODUCER};
    hulse_raw_open(&app, stage.daemon.socket);
    assert_true(app.welcome.channels_max < 1000);
    for (unsigned i = 0; i < app.welcome.channels_max; i++) {
        hulse_raw_channel(&app, &ch[i], HULSE_CHANNEL_PRODUCER, HULSE_RECEIPT_MODE_NONE);
    }
    hulse_packet_begin(&p, HULSE_CTL_OPEN_CHANNEL, 0, &ask);
    assert_int_equal(hulse_raw_call(&app, &p, &p), HULSE_CTL_ERR);
    assert_int_equal(app.last_status, HULSE_LIMIT);
    for (unsigned i = 0; i < app.welcome.channels_max; i++) {
        hulse_raw_channel_close(&ch[i]);
    }
    hulse_raw_close(&app);
    assert_witness();
}

/* A publisher that stops for unread receipts rings in vain; that is no flood. */
static void test_unread_receipts_are_no_flood_of_bells(void **state)
{
    (void)state;
    struct raw_app app;
    struct raw_channel ch;
    const struct hulse_ctl_open_channel ask = {
        .kind = HULSE_CHANNEL_PRODUCER, .receipts = HULSE_RECEIPT_MODE_FULL, .down_bytes = 65536};
    hulse_raw_open(&app, stage.daemon.socket);
    hulse_raw_channel_begin(&app, &ch, &ask);
    assert_int_equal(hulse_region_populate(&ch.a, true), HULSE_REGION_RC_OK);
    assert_int_equal(hulse_region_populate(&ch.b, false), HULSE_REGION_RC_OK);
    assert_true(hulse_raw_channel_ready(&app, &ch));
    assert_int_equal(hulse_raw_producer(&app, &ch, TOPIC), HULSE_OK);
    const uint64_t slots = 65536 / HULSE_RECEIPT_BYTES;
    struct hulse_publish_header h = hulse_raw_header(&ch, 8, 1);
    _Atomic(uint64_t) *down_tail = &hulse_region_b(&ch.b)->down_tail;
    for (uint64_t i = 0; i < slots; i++) {
        hulse_raw_put(&ch, &h, sizeof(h), "12345678", 8);
    }
    hulse_raw_flush(&app, &ch);
    for (int i = 0; i < 10000 && atomic_load(down_tail) < 65536; i++) {
        (void)usleep(1000);
    }
    assert_int_equal(atomic_load(down_tail), 65536);
    hulse_raw_put(&ch, &h, sizeof(h), "12345678", 8);
    hulse_raw_flush(&app, &ch); /* nothing can be taken: the channel is blocked */
    (void)usleep(20000);
    assert_int_equal(atomic_load(&hulse_region_b(&ch.b)->armed) & 1, 0);
    /* Reading makes room, and the daemon wants to hear of it. */
    atomic_store(&hulse_region_a(&ch.a)->down_head, 65536);
    hulse_raw_ring(&app);
    for (int i = 0; i < 10000 && atomic_load(down_tail) == 65536; i++) {
        (void)usleep(1000);
    }
    assert_int_equal(atomic_load(down_tail), 65536 + HULSE_RECEIPT_BYTES);
    hulse_raw_channel_close(&ch);
    hulse_raw_close(&app);
    assert_witness();
}

static void test_opens_that_make_no_sense_are_answered(void **state)
{
    (void)state;
    struct raw_app app;
    struct raw_channel ch;
    hulse_raw_open(&app, stage.daemon.socket);
    hulse_raw_channel(&app, &ch, HULSE_CHANNEL_PRODUCER, HULSE_RECEIPT_MODE_NONE);
    assert_int_equal(hulse_raw_producer(&app, &ch, ""), HULSE_INVAL);
    assert_int_equal(hulse_raw_producer(&app, &ch, "persistent://a/b"), HULSE_INVAL);
    assert_int_equal(hulse_raw_producer(&app, &ch, "ftp://a/b/c"), HULSE_INVAL);
    assert_int_equal(hulse_raw_consumer(&app, &ch, TOPIC, "s"), HULSE_INVAL);
    ch.id += 1;
    assert_int_equal(hulse_raw_producer(&app, &ch, TOPIC), HULSE_INVAL);
    hulse_raw_channel_close(&ch);
    hulse_raw_close(&app);
    assert_witness();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v1_attach_refuses_what_is_no_sealed_memfd),
        cmocka_unit_test(test_v1_attach_refuses_another_size),
        cmocka_unit_test(test_v2_attach_refuses_holes),
        cmocka_unit_test(test_v2_ready_without_populating),
        cmocka_unit_test(test_v1_region_sealed_against_sealing),
        cmocka_unit_test(test_a_channel_without_descriptors),
        cmocka_unit_test(test_a_channel_without_memory),
        cmocka_unit_test(test_v6_attach_positions),
        cmocka_unit_test(test_attach_of_a_good_region_is_taken),
        cmocka_unit_test(test_v3_regions_are_sealed_and_a_is_read_only_for_the_daemon),
        cmocka_unit_test(test_v5_surplus_and_missing_descriptors),
        cmocka_unit_test(test_v5_descriptors_do_not_leak),
        cmocka_unit_test(test_v5_malformed_messages),
        cmocka_unit_test(test_a_message_of_the_daemons_closes),
        cmocka_unit_test(test_versions_without_overlap_are_refused_with_the_range),
        cmocka_unit_test(test_v15_a_flood_of_control_messages_ends_in_a_close),
        cmocka_unit_test(test_v15_answers_that_are_never_read_end_in_a_close),
        cmocka_unit_test(test_quotas_refuse_with_a_status),
        cmocka_unit_test(test_few_channels_may_be_opening),
        cmocka_unit_test(test_channels_end_at_their_limit),
        cmocka_unit_test(test_unread_receipts_are_no_flood_of_bells),
        cmocka_unit_test(test_opens_that_make_no_sense_are_answered),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
