/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   any packet as the first of a connection is judged without a step too far; only the token of
 *         a role gives its role, nothing of a token stays in the packet, and what came with it is
 *         closed.
 * Input:  {u8 bit 0: with a descriptor, bit 1: the head of a HELLO is put in front}, then the packet.
 */
#include "daemon/app/admit.h"
#include "daemon/core/mem.h"
#include "tests/support/own_tables.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define SECRET "secret"
#define OTHER_UID 1U /* no role's, and not the daemon's own */

static struct flow flow;
static struct plane_shared shared = {.flow = &flow};
static struct own_tables tables;
static int spare_fd;

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void end(void)
{
    (void)close(spare_fd);
    hulse_own_tables_close(&tables);
    hulse_rcu_thread_end();
}

/* libFuzzer says how it looks. NOLINTNEXTLINE(readability-non-const-parameter) */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char *const tokens[] = {SECRET};
    static struct config_role role = {
        .name = "holder", .tokens = tokens, .token_count = 1, .sessions_max = 1};
    static struct broker broker = {.name = "none"};

    (void)argc;
    (void)argv;
    flow.brokers[0] = &broker;
    flow.broker_count = 1;
    flow.default_broker = &broker;
    flow.default_namespace = "public/default";
    hulse_rcu_thread_begin();
    hulse_own_tables_open(&tables, &flow);
    tables.config.roles = &role;
    tables.config.role_count = 1;
    must(hulse_own_tables_apply(&tables) == HULSE_OK);
    spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    must(spare_fd >= 0);
    must(atexit(end) == 0);
    return 0;
}

static void send_packet(int fd, const uint8_t *packet, size_t bytes, bool with_fd)
{
    alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {.iov_base = (void *)(uintptr_t)packet, .iov_len = bytes};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (with_fd) {
        message.msg_control = control;
        message.msg_controllen = sizeof(control);
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(head), &spare_fd, sizeof(int));
    }
    (void)sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Its head says what follows: lengths of name, service and token are the input's. */
static size_t put_head(uint8_t *packet, size_t bytes)
{
    struct hulse_ctl_hello m;

    if (bytes < sizeof(m)) {
        return bytes;
    }
    memcpy(&m, packet, sizeof(m));
    m.head.type = HULSE_CTL_HELLO;
    m.head.len = (uint16_t)bytes;
    m.abi_min = HULSE_ABI_MIN;
    m.abi_max = HULSE_ABI_MAX;
    m.reserved = 0;
    const size_t tail = bytes - sizeof(m);
    m.name_len = (uint16_t)(m.name_len % (tail + 1));
    m.service_len = (uint16_t)(m.service_len % (tail - m.name_len + 1));
    m.token_len = (uint16_t)(tail - m.name_len - m.service_len);
    memcpy(packet, &m, sizeof(m));
    return bytes;
}

static void check_admitted(struct admission *a)
{
    struct hulse_ctl_hello m;
    struct error err = {0};
    memcpy(&m, a->hello.bytes, sizeof(m));
    const size_t at = sizeof(m) + m.name_len + m.service_len;
    must(a->hello.len == at + m.token_len);
    const bool right =
        m.token_len == strlen(SECRET) && memcmp(a->hello.bytes + at, SECRET, m.token_len) == 0;
    const hulse_status st = hulse_admit_role(a, &err);
    must((st == HULSE_OK) == (m.token_len == 0 || right));
    must(st == HULSE_OK || (st == HULSE_DENIED && err.text[0] != '\0'));
    must((a->role != NULL) == right);
    for (size_t i = at; i < a->hello.len; i++) {
        must(a->hello.bytes[i] == 0);
    }
    if (st != HULSE_OK) {
        hulse_admit_refuse(a, st, err.text);
    }
}

/* The lowest free numbers are the same every time: nothing was left open. */
static void check_descriptors(void)
{
    static int last_seen = -1;
    int probes[4]; /* more than an input opens */

    for (unsigned i = 0; i < 4; i++) {
        probes[i] = dup(spare_fd);
        must(probes[i] >= 0);
    }
    must(last_seen < 0 || probes[3] == last_seen);
    last_seen = probes[3];
    for (unsigned i = 0; i < 4; i++) {
        (void)close(probes[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static uint8_t packet[HULSE_CONTROL_MESSAGE_MAX + 64];
    const struct identity who = {.uid = OTHER_UID, .gid = OTHER_UID};
    const uint8_t how = bytes == 0 ? 0 : data[0];
    size_t count = bytes == 0 ? 0 : bytes - 1;
    struct error err = {0};
    int ends[2];

    count = count < sizeof(packet) ? count : sizeof(packet);
    if (count != 0) {
        memcpy(packet, data + 1, count);
    }
    if ((how & 2U) != 0) {
        count = put_head(packet, count);
    }
    must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    send_packet(ends[1], packet, count, (how & 1U) != 0);
    struct admission *a = hulse_admit_create(&shared, ends[0], &who);
    must(a != NULL);
    const hulse_status st = hulse_admit_read(a, &err);
    must(st == HULSE_OK || st == HULSE_AGAIN || st == HULSE_REFUSED || st == HULSE_ORPHAN);
    if (st == HULSE_OK) {
        check_admitted(a);
    }
    hulse_admit_destroy(&a);
    (void)close(ends[1]);
    check_descriptors();
    must(hulse_mem_used(HULSE_MEM_SESSION) == 0);
    return 0;
}
