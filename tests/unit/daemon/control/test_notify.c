/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the service manager gets exactly the state, by path and by abstract name; without one
 *         nothing is sent.
 * Method: a datagram socket of the test's own.
 */
#include "daemon/control/notify.h"
#include "tests/support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int bind_datagram(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const size_t bytes = strlen(name);
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    memcpy(address.sun_path, name, bytes);
    if (name[0] == '@') {
        address.sun_path[0] = '\0';
    }
    assert_int_equal(bind(fd,
                          (const struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes)),
                     0);
    return fd;
}

static void check_arrives(const char *name)
{
    char text[64];
    const int fd = bind_datagram(name);

    assert_true(hulse_notify(name, "READY=1"));
    assert_int_equal(recv(fd, text, sizeof(text), 0), 7);
    assert_memory_equal(text, "READY=1", 7);
    assert_int_equal(recv(fd, text, sizeof(text), 0), -1);
    (void)close(fd);
}

static void test_both_kinds_of_name(void **state)
{
    char dir[] = "/tmp/hulse-notify-XXXXXX";
    char name[96];

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(name, sizeof(name), "%s/socket", dir);
    check_arrives(name);
    assert_int_equal(unlink(name), 0);
    assert_int_equal(rmdir(dir), 0);
    (void)snprintf(name, sizeof(name), "@hulse-notify-%d", (int)getpid());
    check_arrives(name);
}

static void test_nobody_to_tell(void **state)
{
    char name[200];

    (void)state;
    assert_false(hulse_notify(NULL, "READY=1"));
    assert_false(hulse_notify("", "READY=1"));
    assert_false(hulse_notify("/", "READY=1"));
    assert_false(hulse_notify("relative", "READY=1"));
    assert_false(hulse_notify("/nonexistent/socket", "READY=1"));
    memset(name, 'x', sizeof(name) - 1);
    name[0] = '/';
    name[sizeof(name) - 1] = '\0';
    assert_false(hulse_notify(name, "READY=1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_kinds_of_name),
        cmocka_unit_test(test_nobody_to_tell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
