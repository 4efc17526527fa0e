/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   F1: whatever comes on a connection, split however, ends at most that connection: users are told, requests
 *         answered and pieces released once each, and no memory stays.
 * Method: the input as what a broker says over a socket, behind CONNECTED or instead of it; the first byte chooses that
 *         and the size of the parts. Users have small ids, as in the corpus.
 */
#include "daemon/broker/pulsar/connection/pool_state.h"
#include "daemon/core/assert.h"
#include "daemon/core/log.h"
#include "daemon/core/mem.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { USERS = 16, REQUESTS = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct loop loop;
static struct pulsar_broker broker = {
    .service.host_count = 1,
    .params = {.connect_timeout_ms = 60000, .operation_timeout_ms = 60000, .keep_alive_ms = 60000}};
static struct pulsar_worker worker = {.broker = &broker, .loop = &loop, .jitter = {.state = 1}};

struct fuzz_user {
    struct pulsar_user user;
    unsigned ready;
    unsigned lost;
};

static struct fuzz_user users[USERS];
static struct pulsar_request requests[REQUESTS];
static unsigned answers;
static unsigned released;

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void user_ready(struct pulsar_user *u)
{
    must(++HULSE_CONTAINER(u, struct fuzz_user, user)->ready == 1);
}

static void user_lost(struct pulsar_user *u, hulse_status status, const char *text)
{
    must(status != HULSE_OK && text[0] != '\0');
    must(++HULSE_CONTAINER(u, struct fuzz_user, user)->lost == 1);
}

/* Touches what is behind the command; a message that cannot be read breaks the connection, as for a consumer. */
static void
user_command(struct pulsar_user *u, const Pulsar__BaseCommand *command, struct broker_span rest)
{
    struct wire_message message;
    const char *why = NULL;

    if (command->type == PULSAR__BASE_COMMAND__TYPE__MESSAGE &&
        hulse_wire_message_read(rest, &message, &why) == WIRE_MESSAGE_BAD) {
        hulse_pulsar_break(u->connection, why);
    }
}

static const struct pulsar_user_events events = {
    .ready = user_ready, .lost = user_lost, .command = user_command};

static void
request_done(struct pulsar_request *r, enum pulsar_reply reply, const Pulsar__BaseCommand *answer)
{
    must(r->connection == NULL);
    must((reply == PULSAR_REPLY_ANSWER) == (answer != NULL));
    answers++;
}

static void piece_released(struct pulsar_piece *piece, bool written)
{
    (void)piece;
    (void)written;
    released++;
}

/* Before main, libFuzzer's or the one of the smoke run. */
__attribute__((constructor)) static void set_up(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    hulse_mem_init(SIZE_MAX / 2);
    hulse_log_level_set(HULSE_LOG_ERROR);
}

/* As after dial: a socket pair instead of an address. */
static void open_over(struct pulsar_connection *c, int fd)
{
    hulse_gate_leave(c->gate, c);
    c->gate->busy = c;
    c->stream = (struct stream){.fd = fd};
    must(hulse_connection_listen(c));
    c->state = CONNECTION_HANDSHAKE;
    hulse_handshake_begin(c);
}

static void attach_users(void)
{
    const struct pulsar_endpoint to = {.physical = {.name = "b", .port = 1},
                                       .logical = {.name = "b", .port = 1}};

    for (unsigned i = 0; i < USERS; i++) {
        users[i] = (struct fuzz_user){
            .user = {.events = &events,
                     .kind = i % 2 == 0 ? PULSAR_USER_PRODUCER : PULSAR_USER_CONSUMER,
                     .id = i / 2}};
        must(hulse_pulsar_attach(worker.pool, &users[i].user, &to, PULSAR_FOR_PUBLISHING));
    }
}

static void ask(struct pulsar_connection *c)
{
    Pulsar__CommandGetSchema body = PULSAR__COMMAND_GET_SCHEMA__INIT;
    Pulsar__BaseCommand base = PULSAR__BASE_COMMAND__INIT;

    body.topic = (char *)(uintptr_t) "t";
    base.type = PULSAR__BASE_COMMAND__TYPE__GET_SCHEMA;
    base.getschema = &body;
    for (unsigned i = 0; i < REQUESTS; i++) {
        requests[i] = (struct pulsar_request){.done = request_done};
        body.request_id = hulse_pulsar_request_id(c, &requests[i]);
        must(hulse_pulsar_ask(c, &requests[i], &base, 60000));
    }
}

static void turn(void)
{
    (void)hulse_loop_round(&loop, 0);
    hulse_pulsar_pool_flush(worker.pool);
}

static void say(int fd, const uint8_t *data, size_t bytes, size_t at_once)
{
    while (bytes > 0) {
        const size_t part = bytes < at_once ? bytes : at_once;
        const ssize_t n = send(fd, data, part, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            data += n;
            bytes -= (size_t)n;
        } else if (users[0].lost > 0) {
            return;
        }
        turn();
    }
}

/* CONNECTED of version 21. */
static void say_connected(int fd)
{
    static const uint8_t connected[] = {
        0, 0, 0, 13, 0, 0, 0, 9, 8, 3, 0x1a, 5, 0x0a, 1, 'x', 0x10, 21};

    say(fd, connected, sizeof(connected), sizeof(connected));
    while (users[0].ready == 0) {
        turn();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const uint8_t frame[] = {0, 0, 0, 9, 0, 0, 0, 5, 8, 0x12, 0x92, 1, 0};
    struct pulsar_piece piece = {.data = frame, .bytes = sizeof(frame), .released = piece_released};
    struct error err;
    int ends[2];

    if (bytes == 0) {
        return 0;
    }
    answers = 0;
    released = 0;
    must(hulse_loop_init(&loop, 16));
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    worker.pool = hulse_pulsar_pool_create(&worker, &err);
    must(worker.pool != NULL);
    attach_users();
    open_over(users[0].user.connection, ends[0]);
    const bool greeted = (data[0] & 1U) != 0;
    if (greeted) {
        say_connected(ends[1]);
        ask(users[0].user.connection);
        hulse_pulsar_send(users[0].user.connection, &piece);
    }
    say(ends[1], data + 1, bytes - 1, data[0] / 2U + 1U);
    (void)shutdown(ends[1], SHUT_WR);
    while (users[0].lost == 0) {
        turn();
    }
    for (unsigned i = 0; i < USERS; i++) {
        must(users[i].lost == 1);
    }
    must(answers == (greeted ? REQUESTS : 0U));
    must(released == (greeted ? 1U : 0U));
    hulse_pulsar_pool_destroy(&worker.pool);
    must(hulse_mem_used(HULSE_MEM_BROKER) == 0);
    (void)close(ends[1]);
    hulse_loop_fini(&loop);
    return 0;
}
