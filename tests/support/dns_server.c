/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns_server - see dns_server.h. Messages as in RFC 1035, section 4.
 */
#include "tests/support/dns_server.h"

#include "tests/support/check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { TYPE_A = 1, TYPE_CNAME = 5, TYPE_AAAA = 28, HEADER_BYTES = 12, NXDOMAIN = 3 };
enum { FLAG_CUT = 2, LENGTH_BYTES = 2 };

struct message {
    uint8_t bytes[2048];
    size_t used;
    uint16_t answers;
    bool tcp;
};

static void put16(struct message *m, unsigned value)
{
    m->bytes[m->used++] = (uint8_t)(value >> 8);
    m->bytes[m->used++] = (uint8_t)value;
}

/* The name of a record is given as the place of a name that was written before. */
static void put_record(struct message *m,
                       unsigned name_at,
                       unsigned type,
                       unsigned ttl_s,
                       const void *data,
                       size_t bytes)
{
    put16(m, 0xc000U | name_at);
    put16(m, type);
    put16(m, 1);
    put16(m, ttl_s >> 16);
    put16(m, ttl_s & 0xffffU);
    put16(m, (unsigned)bytes);
    memcpy(m->bytes + m->used, data, bytes);
    m->used += bytes;
    m->answers++;
}

static void put_both(struct message *m, unsigned name_at, unsigned type)
{
    static const uint8_t v4[] = {127, 0, 0, 2};

    if (type == TYPE_A) {
        put_record(m, name_at, TYPE_A, 300, v4, sizeof(v4));
    } else if (type == TYPE_AAAA) {
        put_record(m, name_at, TYPE_AAAA, 60, &in6addr_loopback, sizeof(in6addr_loopback));
    }
}

static void put_lame(struct message *m, unsigned type)
{
    static const uint8_t first[] = {127, 0, 0, 3};
    static const uint8_t second[] = {127, 0, 0, 2};

    if (type == TYPE_A) {
        put_record(m, HEADER_BYTES, TYPE_A, 300, first, sizeof(first));
        put_record(m, HEADER_BYTES, TYPE_A, 300, second, sizeof(second));
    }
}

static void put_many(struct message *m, unsigned type, uint8_t count)
{
    uint8_t v4[] = {127, 0, 0, 1};

    for (uint8_t i = 1; type == TYPE_A && i <= count; i++) {
        v4[3] = i;
        put_record(m, HEADER_BYTES, TYPE_A, 300, v4, sizeof(v4));
    }
}

/* False: no answer. `name` is in the form of the wire: length, label, … */
static bool answer(struct message *m, const char *name, unsigned type)
{
    static const uint8_t target[] = "\4both\4test";
    static const uint8_t v4[] = {127, 0, 0, 1};

    if (strcmp(name, "\3one\4test") == 0) {
        if (type == TYPE_A) {
            put_record(m, HEADER_BYTES, TYPE_A, 300, v4, sizeof(v4));
        }
    } else if (strcmp(name, "\4both\4test") == 0) {
        put_both(m, HEADER_BYTES, type);
    } else if (strcmp(name, "\4lame\4test") == 0) {
        put_lame(m, type);
    } else if (strcmp(name, "\5alias\4test") == 0) {
        put_record(m, HEADER_BYTES, TYPE_CNAME, 20, target, sizeof(target));
        put_both(m, (unsigned)(m->used - sizeof(target)), type);
    } else if (strcmp(name, "\4many\4test") == 0) {
        put_many(m, type, 25);
    } else if (strcmp(name, "\3cut\4test") == 0 && !m->tcp) {
        m->bytes[2] |= FLAG_CUT;
    } else if (strcmp(name, "\5large\4test") == 0 || strcmp(name, "\3cut\4test") == 0) {
        put_many(m, type, 40);
    } else if (strcmp(name, "\5noise\4test") == 0) {
        memset(m->bytes + HEADER_BYTES, 0xff, 200);
        m->used = HEADER_BYTES + 200;
        m->answers = 0xffff;
    } else if (strcmp(name, "\6silent\4test") == 0) {
        return false;
    } else {
        m->bytes[3] |= NXDOMAIN;
    }
    return true;
}

/* The question becomes its answer. False: there is none. */
static bool turn(struct dns_server *s, struct message *m)
{
    /* Nobody but c-ares asks here, so the question is well formed. */
    const char *name = (const char *)m->bytes + HEADER_BYTES;
    const size_t name_bytes = strlen(name) + 1;
    const unsigned type = m->bytes[HEADER_BYTES + name_bytes + 1];

    (void)atomic_fetch_add(&s->queries, 1);
    (void)atomic_fetch_add(&s->tcp_queries, m->tcp ? 1 : 0);
    m->bytes[2] = 0x81; /* an answer, recursion desired */
    m->bytes[3] = 0x80; /* and available */
    memset(m->bytes + 6, 0, 6);
    m->used = HEADER_BYTES + name_bytes + 4; /* options of the question are dropped */
    m->answers = 0;
    if (!answer(m, name, type)) {
        return false;
    }
    m->bytes[6] = (uint8_t)(m->answers >> 8);
    m->bytes[7] = (uint8_t)m->answers;
    return true;
}

/* False: the empty packet of stop. */
static bool serve_udp(struct dns_server *s)
{
    struct message m = {.tcp = false};
    struct sockaddr_in from;
    socklen_t from_bytes = sizeof(from);
    const ssize_t n =
        recvfrom(s->fd, m.bytes, sizeof(m.bytes) / 2, 0, (struct sockaddr *)&from, &from_bytes);

    if (n < HEADER_BYTES) {
        return false;
    }
    if (turn(s, &m)) {
        (void)sendto(s->fd, m.bytes, m.used, 0, (const struct sockaddr *)&from, sizeof(from));
    }
    return true;
}

static void serve_tcp(struct dns_server *s)
{
    struct message m = {.tcp = true};
    uint8_t length[LENGTH_BYTES];
    struct iovec parts[] = {{length, sizeof(length)}, {m.bytes, 0}};

    if (recv(s->conn, length, sizeof(length), MSG_WAITALL) != LENGTH_BYTES) {
        (void)close(s->conn);
        s->conn = -1;
        return;
    }
    const size_t bytes = (size_t)length[0] << 8 | length[1];
    if (recv(s->conn, m.bytes, bytes, MSG_WAITALL) == (ssize_t)bytes && turn(s, &m)) {
        length[0] = (uint8_t)(m.used >> 8);
        length[1] = (uint8_t)m.used;
        parts[1].iov_len = m.used;
        (void)writev(s->conn, parts, 2);
    }
}

static void *serve(void *argument)
{
    struct dns_server *s = argument;

    for (;;) {
        struct pollfd set[] = {
            {.fd = s->fd, .events = POLLIN},
            {.fd = s->conn < 0 ? s->listen : -1, .events = POLLIN},
            {.fd = s->conn, .events = POLLIN},
        };
        (void)poll(set, sizeof(set) / sizeof(set[0]), -1);
        if (set[0].revents != 0 && !serve_udp(s)) {
            return NULL;
        }
        if (set[1].revents != 0) {
            s->conn = accept4(s->listen, NULL, NULL, SOCK_CLOEXEC);
        }
        if (set[2].revents != 0) {
            serve_tcp(s);
        }
    }
}

/* False: somebody else has the number for TCP. */
static bool open_both(struct dns_server *s)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(address);

    s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    s->listen = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->fd >= 0 && s->listen >= 0);
    assert_int_equal(bind(s->fd, (const struct sockaddr *)&address, bytes), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&address, &bytes), 0);
    (void)snprintf(s->address, sizeof(s->address), "127.0.0.1:%u", ntohs(address.sin_port));
    if (bind(s->listen, (const struct sockaddr *)&address, bytes) == 0 &&
        listen(s->listen, 16) == 0) {
        return true;
    }
    (void)close(s->fd);
    (void)close(s->listen);
    return false;
}

void hulse_test_dns_start(struct dns_server *s)
{
    atomic_init(&s->queries, 0);
    atomic_init(&s->tcp_queries, 0);
    s->conn = -1;
    while (!open_both(s)) {
    }
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

void hulse_test_dns_stop(struct dns_server *s)
{
    struct sockaddr_in address;
    socklen_t bytes = sizeof(address);

    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&address, &bytes), 0);
    assert_int_equal(sendto(s->fd, "", 0, 0, (const struct sockaddr *)&address, bytes), 0);
    assert_int_equal(pthread_join(s->thread, NULL), 0);
    if (s->conn >= 0) {
        (void)close(s->conn);
    }
    (void)close(s->listen);
    (void)close(s->fd);
}
