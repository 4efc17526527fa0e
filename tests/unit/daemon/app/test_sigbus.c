/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   V18: a page of a session's A that cannot be had ends that session alone; any other SIGBUS
 *         ends the process. V19: SIGPIPE and SIGIO are ignored.
 * Method: a truncated memfd without seals is mapped in the place of A, which no app could bring
 *         about; then the plane reads it. The other addresses in a child.
 */
#include "tests/unit/daemon/app/check.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

static const struct hulse_ctl_open_channel ask = {.kind = HULSE_CHANNEL_PRODUCER,
                                                  .receipts = HULSE_RECEIPT_MODE_FULL};

/* Maps a file of `kept` bytes over the daemon's A: what lies behind raises SIGBUS. */
static void tear(const struct channel *ch, off_t kept)
{
    const int fd = memfd_create("torn", MFD_CLOEXEC);
    const size_t bytes = HULSE_CONTROL_BYTES + ch->a.ring_bytes;
    assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
    assert_ptr_equal(mmap(ch->a.base, bytes, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0), ch->a.base);
    assert_ptr_equal(mmap(ch->a.base + bytes,
                          ch->a.ring_bytes,
                          PROT_READ,
                          MAP_SHARED | MAP_FIXED,
                          fd,
                          HULSE_CONTROL_BYTES),
                     ch->a.base + bytes);
    /* A tail of one record, as if it had been published. */
    const uint64_t tail = 48;
    assert_int_equal(pwrite(fd, &tail, sizeof(tail), 0), sizeof(tail));
    assert_int_equal(ftruncate(fd, kept), 0);
    (void)close(fd);
}

static void torn_at(struct hand *h, off_t kept)
{
    struct error err = {0};
    struct hand_app victim;
    struct hand_app other;
    struct hand_channel ch[2];
    struct hulse_packet in;
    struct hulse_receipt_record r;
    assert_int_equal(hulse_plane_signals(&err), HULSE_OK);
    h->broker.answer_at_once = true;
    const uint64_t violations = h->plane->rule_violations;
    hand_app_open(h, &victim);
    hand_channel_open(&victim, &ch[0], &ask);
    assert_int_equal(hand_producer(&victim, &ch[0]), HULSE_OK);
    hand_app_open(h, &other);
    hand_channel_open(&other, &ch[1], &ask);
    assert_int_equal(hand_producer(&other, &ch[1]), HULSE_OK);
    hand_settle(h);
    tear(ch[0].ch, kept);
    hand_put_message(&ch[1], "good", 4, 1);
    hand_publish(&other, &ch[1]);
    hand_settle(h); /* the access repeats on zero pages */
    assert_false(hand_session_alive(&victim));
    assert_false(hand_receive(&victim, &in));
    assert_memory_equal(victim.event, "rule V18", 8);
    assert_int_equal(h->plane->rule_violations, violations + 1);
    assert_true(hand_session_alive(&other));
    assert_true(hand_receipt(&ch[1], &r));
    hand_app_close(&victim);
    hand_app_close(&other);
    hand_channel_close(&ch[0]);
    hand_channel_close(&ch[1]);
}

static void test_v18_control_page_gone(void **state)
{
    torn_at(*state, 0);
}

static void test_v18_record_gone(void **state)
{
    torn_at(*state, HULSE_CONTROL_BYTES);
}

/* In a child: SIGBUS at an address of nobody's. Gives the signal that ended it. */
static int end_of_child(void)
{
    const pid_t pid = fork();
    if (pid == 0) {
        const struct sigaction quiet = {.sa_handler = SIG_DFL};
        struct error err = {0};
        (void)sigaction(SIGABRT, &quiet, NULL);
        const int fd = memfd_create("torn", MFD_CLOEXEC);
        const size_t bytes = 8192;
        if (hulse_plane_signals(&err) != HULSE_OK || ftruncate(fd, (off_t)bytes) != 0) {
            _exit(1);
        }
        volatile uint8_t *at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
        if (at == MAP_FAILED || ftruncate(fd, 0) != 0) {
            _exit(2);
        }
        _exit(at[4096] == 0 ? 0 : 3);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static void test_any_other_address_is_our_own_bug(void **state)
{
    struct hand *h = *state;
    struct hand_app app;
    struct hand_channel ch;
    assert_int_equal(end_of_child(), SIGBUS);
    hand_app_open(h, &app);
    hand_channel_open(&app, &ch, &ask);
    assert_int_equal(end_of_child(), SIGBUS);
    hand_app_close(&app);
    hand_channel_close(&ch);
}

static void test_v19_ignored_signals(void **state)
{
    (void)state;
    struct error err = {0};
    struct sigaction a;
    assert_int_equal(hulse_plane_signals(&err), HULSE_OK);
    assert_int_equal(sigaction(SIGPIPE, NULL, &a), 0);
    assert_true(a.sa_handler == SIG_IGN);
    assert_int_equal(sigaction(SIGIO, NULL, &a), 0);
    assert_true(a.sa_handler == SIG_IGN);
}

static int group(struct worker *w, void *ctx)
{
    const struct CMUnitTest tests[] = {
        HAND_TEST(test_v18_control_page_gone),
        HAND_TEST(test_v18_record_gone),
        HAND_TEST(test_any_other_address_is_our_own_bug),
        HAND_TEST(test_v19_ignored_signals),
    };
    (void)w;
    (void)ctx;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return hand_main(group);
}
