/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   A1: what an app does to the descriptors and pages it shares with the daemon is refused by
 *         the kernel or harms itself alone (ipc A2.6; V3, V4, V19).
 * Method: the real daemon; each attack from a session of its own, then the attacked channel is used
 *         where it should still work, and a witness publishes.
 */
#include "tests/hostile/stage.h"
#include "tests/support/check.h"
#include "tests/support/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

static struct stage stage;

#define ASSERT_WITNESS() assert_true(hulse_stage_witness(&stage))

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

static size_t file_bytes(const struct hulse_region *r)
{
    return HULSE_CONTROL_BYTES + (size_t)r->ring_bytes;
}

static bool all_blocks(int fd, const struct hulse_region *r)
{
    struct stat st;
    return fstat(fd, &st) == 0 && (size_t)st.st_size == file_bytes(r) &&
           (size_t)st.st_blocks * 512 >= file_bytes(r);
}

#define ASSERT_REFUSED(call)                                                                       \
    do {                                                                                           \
        errno = 0;                                                                                 \
        assert_int_equal((call), -1);                                                              \
        assert_int_equal(errno, EPERM);                                                            \
    } while (0)

/* Every way to take a page or bytes from under the daemon, on one descriptor. */
static void attack_descriptor(int fd, const struct hulse_region *r)
{
    ASSERT_REFUSED(ftruncate(fd, 0));
    ASSERT_REFUSED(ftruncate(fd, HULSE_CONTROL_BYTES));
    ASSERT_REFUSED(ftruncate(fd, (off_t)file_bytes(r) * 2));
    ASSERT_REFUSED(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
    ASSERT_REFUSED(fallocate(fd, 0, (off_t)file_bytes(r), 4096));
    assert_int_equal(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096), -1);
    assert_int_equal(fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 4096), -1);
    ASSERT_REFUSED(pwrite(fd, "x", 1, 0));
    assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    assert_int_equal(errno, EPERM);
    void *ro = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(ro, MAP_FAILED);
    assert_int_equal(mprotect(ro, 4096, PROT_READ | PROT_WRITE), -1);
    assert_int_equal(madvise(ro, 4096, MADV_REMOVE), -1);
    assert_int_equal(munmap(ro, 4096), 0);
    ASSERT_REFUSED(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    assert_true(all_blocks(fd, r));
}

static void attack_reopened(int fd, const struct hulse_region *r)
{
    static const int flags[] = {O_RDWR, O_RDONLY, O_RDWR | O_TRUNC, O_WRONLY | O_APPEND};
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        const int again = open(path, flags[i] | O_CLOEXEC);
        if (again >= 0 && (flags[i] & O_ACCMODE) == O_RDWR) {
            attack_descriptor(again, r);
        }
        if (again >= 0) {
            assert_int_equal(write(again, "x", 1), -1);
            (void)close(again);
        }
        assert_true(all_blocks(fd, r));
    }
    /* The name in /proc of the daemon leads to the same file. */
    assert_int_equal(truncate(path, 0), -1);
}

static void test_sealed_regions_refuse_everything(void **state)
{
    (void)state;
    struct actor a;
    hulse_actor_produce(&a, &stage, HULSE_RECEIPT_MODE_FULL);
    attack_descriptor(a.ch.fd_a, &a.ch.a);
    attack_descriptor(a.ch.fd_b, &a.ch.b);
    attack_reopened(a.ch.fd_a, &a.ch.a);
    attack_reopened(a.ch.fd_b, &a.ch.b);
    /* Through the mappings it has: A is writable, and still no page leaves. */
    for (size_t at = 0; at < file_bytes(&a.ch.a); at += 4096) {
        ASSERT_REFUSED(madvise(a.ch.a.base + at, 4096, MADV_REMOVE));
    }
    assert_int_equal(madvise(a.ch.b.base, 4096, MADV_REMOVE), -1);
    assert_int_equal(mprotect(a.ch.b.base, 4096, PROT_READ | PROT_WRITE), -1);
    assert_true(hulse_actor_publishes(&a, 1));
    hulse_actor_close(&a);
    ASSERT_WITNESS();
}

static void test_advice_that_only_touches_the_apps_own_view(void **state)
{
    (void)state;
    struct actor a;
    hulse_actor_produce(&a, &stage, HULSE_RECEIPT_MODE_FULL);
    const size_t whole = HULSE_CONTROL_BYTES + 2 * (size_t)a.ch.a.ring_bytes;
    for (uint64_t i = 0; i < 20; i++) {
        assert_int_equal(madvise(a.ch.a.base, whole, MADV_DONTNEED), 0);
        (void)madvise(a.ch.a.base, whole, MADV_PAGEOUT); /* since Linux 5.4 */
        assert_true(all_blocks(a.ch.fd_a, &a.ch.a));
        assert_true(hulse_actor_publishes(&a, i));
    }
    hulse_actor_close(&a);
    ASSERT_WITNESS();
}

struct puncher {
    int fd;
    size_t bytes;
    _Atomic(bool) stop;
};

static void *punch(void *argument)
{
    struct puncher *p = argument;
    off_t at = 0;
    while (!atomic_load(&p->stop)) {
        (void)fallocate(p->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, 4096);
        at = (off_t)(((size_t)at + 4096) % p->bytes);
    }
    return NULL;
}

/* V2 is judged after sealing: whoever wins the race, no hole is left in what was accepted. */
static void test_punching_until_ready_is_closed_or_too_late(void **state)
{
    (void)state;
    unsigned refused = 0;
    for (int round = 0; round < 40; round++) {
        struct actor a;
        pthread_t thread;
        const struct hulse_ctl_open_channel ask = {.kind = HULSE_CHANNEL_PRODUCER,
                                                   .receipts = HULSE_RECEIPT_MODE_FULL};
        hulse_raw_open(&a.app, stage.daemon.socket);
        hulse_raw_channel_begin(&a.app, &a.ch, &ask);
        assert_int_equal(hulse_region_populate(&a.ch.a, true), HULSE_REGION_RC_OK);
        assert_int_equal(hulse_region_populate(&a.ch.b, false), HULSE_REGION_RC_OK);
        struct puncher p = {.fd = a.ch.fd_a, .bytes = file_bytes(&a.ch.a)};
        assert_int_equal(pthread_create(&thread, NULL, punch, &p), 0);
        const bool ok = hulse_raw_channel_ready(&a.app, &a.ch);
        const bool whole = all_blocks(a.ch.fd_a, &a.ch.a);
        const bool used = ok && hulse_raw_producer(&a.app, &a.ch, STAGE_TOPIC) == HULSE_OK &&
                          hulse_actor_publishes(&a, 1);
        atomic_store(&p.stop, true);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_true(!ok || whole);
        assert_int_equal(ok, used);
        refused += !ok;
        hulse_actor_close(&a);
        ASSERT_WITNESS();
    }
    print_message("  closed %u of 40\n", refused);
}

/* ---- the bell ---- */

static void test_v4_the_daemon_never_reads_the_bell(void **state)
{
    (void)state;
    struct actor a;
    eventfd_t count = 0;
    hulse_actor_produce(&a, &stage, HULSE_RECEIPT_MODE_FULL);
    for (uint64_t i = 1; i <= 25; i++) {
        assert_true(hulse_actor_publishes(&a, i)); /* rings once each */
    }
    assert_int_equal(eventfd_read(a.app.bell, &count), 0);
    assert_int_equal(count, 25);
    hulse_actor_close(&a);
    ASSERT_WITNESS();
}

static void test_v4_a_bell_that_would_block_blocks_nobody(void **state)
{
    (void)state;
    struct actor a;
    hulse_actor_produce(&a, &stage, HULSE_RECEIPT_MODE_FULL);
    const int flags = fcntl(a.app.bell, F_GETFL);
    assert_int_equal(fcntl(a.app.bell, F_SETFL, flags & ~O_NONBLOCK), 0);
    ASSERT_WITNESS();
    assert_int_equal(eventfd_write(a.app.bell, UINT64_MAX - 1), 0);
    ASSERT_WITNESS();
    eventfd_t count = 0;
    assert_int_equal(eventfd_read(a.app.bell, &count), 0); /* empty: a read would block now */
    ASSERT_WITNESS();
    assert_int_equal(eventfd_write(a.app.bell, UINT64_MAX - 1), 0);
    hulse_actor_close(&a);
    assert_true(hulse_stage_sessions_fall_to(&stage, 1));
    ASSERT_WITNESS();
}

/* ---- the wake pipe ---- */

/* Asks to be woken at every receipt, and publishes. */
static void publish_woken(struct actor *a, uint64_t count)
{
    for (uint64_t i = 1; i <= count; i++) {
        const uint64_t next = atomic_load(&hulse_region_b(&a->ch.b)->down_tail) + 1;
        atomic_store(&hulse_region_a(&a->ch.a)->wake_at, next);
        assert_true(hulse_actor_publishes(a, i));
    }
}

static void test_a_full_or_blocking_wake_pipe_blocks_nobody(void **state)
{
    (void)state;
    struct actor a;
    char path[64];
    static const char junk[65536];
    hulse_actor_produce(&a, &stage, HULSE_RECEIPT_MODE_FULL);
    assert_int_equal(fcntl(a.app.wake, F_SETFL, 0), 0);
    (void)fcntl(a.app.wake, F_SETPIPE_SZ, 4096);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", a.app.wake);
    const int writer = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (writer >= 0) { /* the read end alone is enough to write */
        while (write(writer, junk, sizeof(junk)) > 0) {
        }
        assert_int_equal(errno, EAGAIN);
        (void)fcntl(writer, F_SETFL, 0);
    }
    publish_woken(&a, 200);
    ASSERT_WITNESS();
    if (writer >= 0) {
        (void)close(writer);
    }
    hulse_actor_close(&a);
    ASSERT_WITNESS();
}

static void test_v19_a_wake_pipe_without_reader(void **state)
{
    (void)state;
    struct actor a;
    hulse_actor_produce(&a, &stage, HULSE_RECEIPT_MODE_FULL);
    (void)close(a.app.wake);
    a.app.wake = -1;
    publish_woken(&a, 50); /* SIGPIPE would end the daemon here */
    ASSERT_WITNESS();
    hulse_actor_close(&a);
}

static void test_v19_signals_of_shared_descriptions(void **state)
{
    (void)state;
    struct actor a;
    hulse_actor_produce(&a, &stage, HULSE_RECEIPT_MODE_FULL);
    const int fds[] = {a.app.wake, a.app.bell, a.app.sock};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(fcntl(fds[i], F_SETOWN, (int)stage.daemon.pid), 0);
        assert_int_equal(fcntl(fds[i], F_SETSIG, SIGIO), 0);
        (void)fcntl(fds[i], F_SETFL, fcntl(fds[i], F_GETFL) | O_ASYNC);
    }
    publish_woken(&a, 50);
    ASSERT_WITNESS();
    hulse_actor_close(&a);
    ASSERT_WITNESS();

    char line[256];
    char path[64];
    unsigned long long ignored = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)stage.daemon.pid);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        (void)sscanf(line, "SigIgn: %llx", &ignored); /* NOLINT(cert-err34-c): 0 fails below */
    }
    (void)fclose(f);
    assert_true((ignored >> (SIGPIPE - 1) & 1) == 1 && (ignored >> (SIGIO - 1) & 1) == 1);
}

/* ---- descriptors ---- */

static void attach(struct raw_app *app, int fd, uint32_t up_bytes, uint32_t down_bytes)
{
    const struct hulse_ctl_attach m = {
        .kind = HULSE_CHANNEL_PRODUCER, .up_bytes = up_bytes, .down_bytes = down_bytes};
    struct hulse_packet p;
    hulse_packet_begin(&p, HULSE_CTL_ATTACH, 0, &m);
    hulse_raw_send(app, &p, &fd, 1);
}

static void test_v1_memory_of_huge_pages_is_refused(void **state)
{
    (void)state;
    const int fd = memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);
    if (fd < 0) {
        print_message("  no huge pages here\n");
        return;
    }
    struct raw_app app;
    (void)ftruncate(fd, 2L * 1024 * 1024);
    (void)fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
    hulse_raw_open(&app, stage.daemon.socket);
    attach(&app, fd, 128U * 1024, 64U * 1024);
    (void)close(fd);
    assert_true(hulse_raw_hung_up(&app));
    hulse_raw_close(&app);
    ASSERT_WITNESS();
}

static void test_an_attach_that_is_refused_keeps_no_descriptor(void **state)
{
    (void)state;
    struct raw_app app;
    struct hulse_packet in;
    struct hulse_region r;
    int fd = -1;
    assert_int_equal(hulse_region_create(&fd, "offer", 128U * 1024), HULSE_REGION_RC_OK);
    assert_int_equal(hulse_region_map(&r, fd, 128U * 1024, true), HULSE_REGION_RC_OK);
    assert_int_equal(hulse_region_populate(&r, true), HULSE_REGION_RC_OK);
    hulse_region_unmap(&r);
    assert_int_equal(hulse_region_seal(fd), HULSE_REGION_RC_OK);
    assert_true(hulse_stage_sessions_fall_to(&stage, 1));
    hulse_raw_resume(&app, stage.daemon.socket);
    const int before = hulse_stage_descriptors(&stage);
    for (int i = 0; i < 50; i++) {
        static const struct hulse_ctl_attach_end none;
        attach(&app, fd, 128U * 1024, 3); /* no power of two: ERR, and the session goes on */
        assert_true(hulse_raw_answer(&app, &in));
        hulse_packet_begin(&in, HULSE_CTL_ATTACH_END, 0, &none);
        hulse_raw_send(&app, &in, NULL, 0);
    }
    assert_true(hulse_stage_descriptors(&stage) <= before);
    (void)close(fd);
    hulse_raw_close(&app);
    ASSERT_WITNESS();
}

static void test_channels_cost_the_daemon_no_descriptor(void **state)
{
    (void)state;
    struct raw_app app;
    struct raw_channel ch[10];
    assert_true(hulse_stage_sessions_fall_to(&stage, 1));
    hulse_raw_open(&app, stage.daemon.socket);
    const int before = hulse_stage_descriptors(&stage);
    for (int i = 0; i < 10; i++) {
        hulse_raw_channel(&app, &ch[i], HULSE_CHANNEL_PRODUCER, HULSE_RECEIPT_MODE_NONE);
    }
    assert_true(hulse_stage_descriptors(&stage) <= before);
    for (int i = 0; i < 10; i++) {
        hulse_raw_channel_close(&ch[i]);
    }
    hulse_raw_close(&app);
    ASSERT_WITNESS();
}

static void test_a_flood_of_connections_without_a_word(void **state)
{
    (void)state;
    static int fds[600];
    assert_true(hulse_stage_sessions_fall_to(&stage, 1));
    const int before = hulse_stage_descriptors(&stage);
    for (int i = 0; i < 600; i++) {
        fds[i] = hulse_raw_connect(stage.daemon.socket);
        if (i % 100 == 0) {
            ASSERT_WITNESS();
        }
    }
    /* Who says HELLO is still let in. */
    struct actor a;
    hulse_actor_produce(&a, &stage, HULSE_RECEIPT_MODE_FULL);
    assert_true(hulse_actor_publishes(&a, 1));
    hulse_actor_close(&a);
    for (int i = 0; i < 600; i++) {
        (void)close(fds[i]);
    }
    assert_true(hulse_stage_sessions_fall_to(&stage, 1));
    for (int i = 0; i < 1000 && hulse_stage_descriptors(&stage) > before; i++) {
        (void)usleep(10000);
    }
    assert_true(hulse_stage_descriptors(&stage) <= before);
    ASSERT_WITNESS();
}

static void test_wait_groups_end_at_their_limit(void **state)
{
    (void)state;
    struct raw_app app;
    struct hulse_packet p;
    const struct hulse_ctl_group m = {0};
    unsigned got = 1; /* group 0 came with WELCOME */
    hulse_raw_open(&app, stage.daemon.socket);
    for (; got < 1000; got++) {
        hulse_packet_begin(&p, HULSE_CTL_GROUP, 0, &m);
        if (hulse_raw_call(&app, &p, &p) != HULSE_CTL_GROUP_OK) {
            break;
        }
        (void)close(p.fds[0]);
    }
    assert_int_equal(got, app.welcome.groups_max);
    assert_int_equal(app.last_status, HULSE_LIMIT);
    hulse_raw_close(&app);
    ASSERT_WITNESS();
}

/* ---- ends ---- */

static void test_half_closed_sockets(void **state)
{
    (void)state;
    struct actor a;
    struct hulse_packet p;
    hulse_actor_produce(&a, &stage, HULSE_RECEIPT_MODE_FULL);
    assert_int_equal(shutdown(a.app.sock, SHUT_RD), 0); /* answers have nowhere to go */
    const struct hulse_ctl_group m = {0};
    hulse_packet_begin(&p, HULSE_CTL_GROUP, 0, &m);
    hulse_raw_send(&a.app, &p, NULL, 0);
    ASSERT_WITNESS();
    assert_int_equal(shutdown(a.app.sock, SHUT_WR), 0);
    assert_true(hulse_stage_sessions_fall_to(&stage, 1));
    hulse_actor_close(&a);

    const int early = hulse_raw_connect(stage.daemon.socket);
    assert_int_equal(shutdown(early, SHUT_WR), 0);
    const int silent = hulse_raw_connect(stage.daemon.socket);
    assert_int_equal(shutdown(silent, SHUT_RDWR), 0);
    ASSERT_WITNESS();
    (void)close(early);
    (void)close(silent);
}

/* Hung up, and still writing verdicts as fast as it can. */
static void test_who_hung_up_is_not_read_for_ever(void **state)
{
    (void)state;
    struct actor a;
    hulse_actor_consume(&a, &stage, STAGE_TOPIC "-hung");
    const struct hulse_verdict_record v = {.len = HULSE_VERDICT_HEADER_BYTES,
                                           .type = HULSE_RECORD_VERDICT,
                                           .verdict = HULSE_VERDICT_ACK};
    while (a.ch.up.tail + sizeof(v) <= a.ch.up.mask + 1) {
        hulse_raw_put(&a.ch, &v, sizeof(v), NULL, 0);
    }
    hulse_raw_flush(&a.app, &a.ch);
    assert_int_equal(shutdown(a.app.sock, SHUT_WR), 0);
    uint64_t head = 0;
    for (int i = 0; i < 1000000; i++) { /* follows the daemon closely, never lets it run dry */
        const uint64_t now = atomic_load(&hulse_region_b(&a.ch.b)->up_head);
        if (now != head) {
            head = now;
            atomic_store(&hulse_region_a(&a.ch.a)->up_tail, head + a.ch.up.mask / 64 * 56);
        }
    }
    assert_true(hulse_stage_sessions_fall_to(&stage, 1));
    hulse_actor_close(&a);
    ASSERT_WITNESS();
}

static void test_a_stopped_app_harms_nobody(void **state)
{
    (void)state;
    int ready[2];
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    const pid_t child = fork();
    if (child == 0) {
        struct actor a;
        hulse_actor_produce(&a, &stage, HULSE_RECEIPT_MODE_FULL);
        for (uint64_t i = 1;; i++) {
            if (!hulse_actor_publishes(&a, i)) {
                _exit(1);
            }
            if (i == 100 && write(ready[1], "x", 1) != 1) {
                _exit(2);
            }
        }
    }
    char x = 0;
    assert_int_equal(read(ready[0], &x, 1), 1);
    assert_int_equal(kill(child, SIGSTOP), 0);
    for (int i = 0; i < 200; i++) {
        ASSERT_WITNESS();
    }
    int status = 0;
    assert_int_equal(kill(child, SIGCONT), 0);
    assert_int_equal(waitpid(child, &status, WNOHANG), 0); /* it goes on … */
    assert_int_equal(kill(child, SIGSTOP), 0);
    assert_int_equal(kill(child, SIGKILL), 0); /* … and may die while it is stopped */
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_true(hulse_stage_sessions_fall_to(&stage, 1));
    ASSERT_WITNESS();
    (void)close(ready[0]);
    (void)close(ready[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sealed_regions_refuse_everything),
        cmocka_unit_test(test_advice_that_only_touches_the_apps_own_view),
        cmocka_unit_test(test_punching_until_ready_is_closed_or_too_late),
        cmocka_unit_test(test_v4_the_daemon_never_reads_the_bell),
        cmocka_unit_test(test_v4_a_bell_that_would_block_blocks_nobody),
        cmocka_unit_test(test_a_full_or_blocking_wake_pipe_blocks_nobody),
        cmocka_unit_test(test_v19_a_wake_pipe_without_reader),
        cmocka_unit_test(test_v19_signals_of_shared_descriptions),
        cmocka_unit_test(test_v1_memory_of_huge_pages_is_refused),
        cmocka_unit_test(test_an_attach_that_is_refused_keeps_no_descriptor),
        cmocka_unit_test(test_channels_cost_the_daemon_no_descriptor),
        cmocka_unit_test(test_a_flood_of_connections_without_a_word),
        cmocka_unit_test(test_wait_groups_end_at_their_limit),
        cmocka_unit_test(test_half_closed_sockets),
        cmocka_unit_test(test_who_hung_up_is_not_read_for_ever),
        cmocka_unit_test(test_a_stopped_app_harms_nobody),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
