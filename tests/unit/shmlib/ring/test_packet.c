/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   V5: a packet is handed on with exactly its descriptors, or everything is closed.
 * Method: socket pairs; short, exact and surplus descriptors, foreign ancillary data, long and
 *         empty packets; the number of open descriptors before and after.
 */
#include "shmlib/ring/control.h"
#include "tests/support/descriptors.h"
#include "tests/support/runtime.h"
#include "tests/unit/shmlib/ring/check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

struct fixture {
    int near;
    int far;
    int pipe[2];
    int open_before;
};

static int setup(void **state)
{
    static struct fixture f;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0 ||
        pipe2(f.pipe, O_CLOEXEC) != 0) {
        return -1;
    }
    f.near = pair[0];
    f.far = pair[1];
    f.open_before = hulse_test_count_descriptors();
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    const struct fixture *f = *state;

    (void)close(f->near);
    (void)close(f->far);
    (void)close(f->pipe[0]);
    (void)close(f->pipe[1]);
    return 0;
}

/* Sends raw bytes with `count` copies of one descriptor, as no well-behaved peer would. */
static void send_raw(int sock, const void *bytes, size_t len, int fd, unsigned count)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(4 * sizeof(int))];
    } room = {.bytes = {0}};
    struct iovec vec = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
    struct msghdr m = {.msg_iov = &vec, .msg_iovlen = 1};

    if (count != 0) {
        m.msg_control = room.bytes;
        m.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(count * sizeof(int));
        for (unsigned i = 0; i < count; i++) {
            memcpy(CMSG_DATA(c) + (i * sizeof(int)), &fd, sizeof(fd));
        }
    }
    assert_int_equal(sendmsg(sock, &m, MSG_NOSIGNAL), (ssize_t)len);
}

static size_t good_message(unsigned type, struct hulse_packet *p)
{
    static const uint8_t zeros[128];

    hulse_packet_begin(p, type, 5, zeros);
    return p->len;
}

static const char *expect_refusal(const struct fixture *f)
{
    struct hulse_packet p;
    const char *why = NULL;

    assert_int_equal(hulse_packet_receive(f->near, &p, &why), HULSE_PACKET_BAD);
    assert_non_null(why);
    assert_int_equal(p.fd_count, 0);
    assert_int_equal(p.len, 0);
    assert_int_equal(hulse_test_count_descriptors(), f->open_before);
    return why;
}

static void test_nothing_there(void **state)
{
    const struct fixture *f = *state;
    struct hulse_packet p;
    const char *why = NULL;

    assert_int_equal(hulse_packet_receive(f->near, &p, &why), HULSE_PACKET_NONE);
}

static void test_exact_descriptors_arrive_close_on_exec(void **state)
{
    const struct fixture *f = *state;
    struct hulse_packet out;
    struct hulse_packet in;
    const char *why = NULL;
    const size_t len = good_message(HULSE_CTL_CHANNEL, &out);

    assert_int_equal(hulse_packet_send(f->far, out.bytes, f->pipe, 2), HULSE_OK);
    assert_int_equal(hulse_packet_receive(f->near, &in, &why), HULSE_PACKET_OK);
    assert_null(why);
    assert_int_equal(in.len, len);
    assert_memory_equal(in.bytes, out.bytes, len);
    assert_int_equal(in.fd_count, 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_true((fcntl(in.fds[i], F_GETFD) & FD_CLOEXEC) != 0);
    }
    assert_int_equal(write(in.fds[1], "x", 1), 1);
    char byte = 0;
    assert_int_equal(read(in.fds[0], &byte, 1), 1);
    (void)close(in.fds[0]);
    (void)close(in.fds[1]);
    assert_int_equal(hulse_test_count_descriptors(), f->open_before);
}

static void test_every_other_count_is_refused(void **state)
{
    static const unsigned types[] = {HULSE_CTL_OK, HULSE_CTL_GROUP_OK, HULSE_CTL_CHANNEL};
    const struct fixture *f = *state;
    struct hulse_packet out;

    for (unsigned i = 0; i < 3; i++) {
        for (unsigned count = 0; count <= 4; count++) {
            if (count != hulse_control_fds(types[i])) {
                const size_t len = good_message(types[i], &out);
                send_raw(f->far, out.bytes, len, f->pipe[0], count);
                (void)expect_refusal(f);
            }
        }
    }
}

static void test_descriptors_on_a_bad_message_are_closed(void **state)
{
    const struct fixture *f = *state;
    struct hulse_packet out;
    const size_t len = good_message(HULSE_CTL_CHANNEL, &out);

    send_raw(f->far, out.bytes, len - 1, f->pipe[0], 2);
    (void)expect_refusal(f);
    out.bytes[0] = 99;
    send_raw(f->far, out.bytes, len, f->pipe[0], 2);
    (void)expect_refusal(f);
}

/* The fault is not the peer's: the message is kept, without them. */
static void test_descriptors_that_find_no_room_are_told(void **state)
{
    const struct fixture *f = *state;
    struct hulse_packet out;
    struct hulse_packet in;
    const char *why = NULL;
    const size_t len = good_message(HULSE_CTL_CHANNEL, &out);

    for (unsigned room = 0; room <= 2; room++) {
        assert_int_equal(hulse_packet_send(f->far, out.bytes, f->pipe, 2), HULSE_OK);
        hulse_test_descriptors_limit(getpid(), room);
        const enum hulse_packet_rc rc = hulse_packet_receive(f->near, &in, &why);
        hulse_test_descriptors_unlimit(getpid());
        assert_int_equal(rc, room < 2 ? HULSE_PACKET_STARVED : HULSE_PACKET_OK);
        assert_int_equal(in.len, len);
        assert_memory_equal(in.bytes, out.bytes, len);
        assert_int_equal(in.fd_count, room < 2 ? 0 : 2);
        assert_true((why != NULL) == (room < 2));
        hulse_packet_drop_fds(&in);
        assert_int_equal(hulse_test_count_descriptors(), f->open_before);
    }
}

/* Nor does a lack of room excuse what must not come. */
static void test_what_is_wrong_is_refused_without_room_as_well(void **state)
{
    static const unsigned types[] = {HULSE_CTL_OK, HULSE_CTL_CHANNEL, HULSE_CTL_CHANNEL};
    const struct fixture *f = *state;
    struct hulse_packet out;
    struct hulse_packet in;
    const char *why = NULL;

    for (unsigned i = 0; i < 3; i++) {
        size_t len = good_message(types[i], &out);
        len -= i == 2 ? 1 : 0;
        send_raw(f->far, out.bytes, len, f->pipe[0], i == 1 ? 0 : 2);
        hulse_test_descriptors_limit(getpid(), 1);
        const enum hulse_packet_rc rc = hulse_packet_receive(f->near, &in, &why);
        hulse_test_descriptors_unlimit(getpid());
        assert_int_equal(rc, HULSE_PACKET_BAD);
        assert_int_equal(hulse_test_count_descriptors(), f->open_before);
    }
}

static void test_foreign_ancillary_data_is_refused(void **state)
{
    const struct fixture *f = *state;
    const int on = 1;
    struct hulse_packet out;
    const size_t len = good_message(HULSE_CTL_OK, &out);

    assert_int_equal(setsockopt(f->near, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
    send_raw(f->far, out.bytes, len, -1, 0);
    (void)expect_refusal(f);
    const size_t more = good_message(HULSE_CTL_CHANNEL, &out);
    send_raw(f->far, out.bytes, more, f->pipe[0], 2);
    (void)expect_refusal(f);
}

static void test_a_packet_longer_than_the_buffer_is_refused(void **state)
{
    static uint8_t bytes[HULSE_CONTROL_MESSAGE_MAX + 1];
    const struct fixture *f = *state;
    struct hulse_packet out;
    const size_t len = good_message(HULSE_CTL_OK, &out);

    memcpy(bytes, out.bytes, len);
    send_raw(f->far, bytes, sizeof(bytes), f->pipe[0], 1);
    assert_string_equal(expect_refusal(f), "control message too long");
}

static void test_an_empty_packet_is_no_end(void **state)
{
    const struct fixture *f = *state;

    send_raw(f->far, "", 0, -1, 0);
    (void)expect_refusal(f);
}

static void test_an_empty_packet_with_a_descriptor_is_refused(void **state)
{
    struct fixture *f = *state;

    send_raw(f->far, "", 0, f->pipe[0], 1);
    (void)close(f->far);
    f->far = -1;
    f->open_before--;
    (void)expect_refusal(f);
}

static void test_the_end_comes_after_what_was_sent(void **state)
{
    struct fixture *f = *state;
    struct hulse_packet p;
    const char *why = NULL;
    const size_t len = good_message(HULSE_CTL_OK, &p);

    send_raw(f->far, p.bytes, len, -1, 0);
    (void)close(f->far);
    f->far = -1;
    assert_int_equal(hulse_packet_receive(f->near, &p, &why), HULSE_PACKET_OK);
    assert_int_equal(hulse_packet_receive(f->near, &p, &why), HULSE_PACKET_EOF);
    assert_int_equal(hulse_packet_receive(f->near, &p, &why), HULSE_PACKET_EOF);
    assert_int_equal(hulse_packet_send(f->near, p.bytes, NULL, 0), HULSE_ORPHAN);
}

static void test_a_shut_down_peer_is_the_end(void **state)
{
    const struct fixture *f = *state;
    struct hulse_packet p;
    const char *why = NULL;

    assert_int_equal(shutdown(f->far, SHUT_WR), 0);
    assert_int_equal(hulse_packet_receive(f->near, &p, &why), HULSE_PACKET_EOF);
}

static void test_unread_replies_reset_is_the_end(void **state)
{
    struct fixture *f = *state;
    struct hulse_packet p;
    const char *why = NULL;

    (void)good_message(HULSE_CTL_OK, &p);
    assert_int_equal(hulse_packet_send(f->near, p.bytes, NULL, 0), HULSE_OK);
    (void)close(f->far); /* with our packet unread: the next receive meets ECONNRESET */
    f->far = -1;
    assert_int_equal(hulse_packet_receive(f->near, &p, &why), HULSE_PACKET_EOF);
}

static void test_a_full_socket_says_so(void **state)
{
    const struct fixture *f = *state;
    struct hulse_packet p;
    hulse_status rc = HULSE_OK;
    unsigned sent = 0;

    (void)good_message(HULSE_CTL_OK, &p);
    while ((rc = hulse_packet_send(f->far, p.bytes, NULL, 0)) == HULSE_OK && sent < 100000) {
        sent++;
    }
    assert_int_equal(rc, HULSE_AGAIN);
    assert_true(sent > 0);
}

static void test_a_broken_call_is_an_error(void **state)
{
    const struct fixture *f = *state;
    struct hulse_packet p;
    const char *why = NULL;

    (void)good_message(HULSE_CTL_OK, &p);
    assert_int_equal(hulse_packet_send(f->pipe[1], p.bytes, NULL, 0), HULSE_IO);
    assert_int_equal(hulse_packet_send(f->far, p.bytes, f->pipe, 3), HULSE_IO);
    assert_int_equal(hulse_packet_receive(f->pipe[0], &p, &why), HULSE_PACKET_ERROR);
    assert_int_equal(errno, ENOTSOCK);
}

#define WITH_SOCKETS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SOCKETS(test_nothing_there),
        WITH_SOCKETS(test_exact_descriptors_arrive_close_on_exec),
        WITH_SOCKETS(test_every_other_count_is_refused),
        WITH_SOCKETS(test_descriptors_on_a_bad_message_are_closed),
        WITH_SOCKETS(test_descriptors_that_find_no_room_are_told),
        WITH_SOCKETS(test_what_is_wrong_is_refused_without_room_as_well),
        WITH_SOCKETS(test_foreign_ancillary_data_is_refused),
        WITH_SOCKETS(test_a_packet_longer_than_the_buffer_is_refused),
        WITH_SOCKETS(test_an_empty_packet_is_no_end),
        WITH_SOCKETS(test_an_empty_packet_with_a_descriptor_is_refused),
        WITH_SOCKETS(test_the_end_comes_after_what_was_sent),
        WITH_SOCKETS(test_a_shut_down_peer_is_the_end),
        WITH_SOCKETS(test_unread_replies_reset_is_the_end),
        WITH_SOCKETS(test_a_full_socket_says_so),
        WITH_SOCKETS(test_a_broken_call_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
