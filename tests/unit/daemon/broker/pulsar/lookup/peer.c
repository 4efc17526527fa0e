/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer - see the header.
 */
#include "tests/unit/daemon/broker/pulsar/lookup/peer.h"

#include "daemon/broker/pulsar/wire/command.h"
#include "daemon/broker/pulsar/wire/frame.h"
#include "tests/unit/daemon/core/check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64U
#define IN_BYTES 65536U
#define URL_BYTES 64U
#define HELD_MAX 8192U
#define TOPIC_BYTES 128U

struct peer_connection {
    int fd; /* -1: free */
    uint32_t broker;
    char proxied[64];
    size_t in_bytes;
    uint8_t in[IN_BYTES];
};

struct held {
    struct question question;
    char topic[TOPIC_BYTES];
};

struct peer {
    struct peer_params params;
    int listeners[PEER_BROKERS_MAX];
    uint16_t ports[PEER_BROKERS_MAX];
    int wake;
    pthread_t thread;
    pthread_mutex_t lock; /* of what is below */
    pthread_cond_t heard;
    bool stopping;
    bool releasing;
    uint32_t held_count;
    struct held held[HELD_MAX];
    uint32_t asked[2];
    uint32_t accepted;
    struct wire_arena arena;
    struct peer_connection connections[CONNECTIONS_MAX];
};

void hulse_peer_fail(const char *condition, const char *file, int line)
{
    (void)fprintf(stderr, "%s:%d: not so: %s\n", file, line, condition);
    abort();
}

/* ---- out: the lock is held ---- */

static void send_command(struct peer_connection *c, const Pulsar__BaseCommand *command)
{
    uint8_t out[1024];
    const size_t bytes = hulse_wire_command_write(command, out, sizeof(out));

    PEER_CHECK(bytes != 0);
    if (c->fd >= 0) {
        /* A client that has gone is none of the peer's matters. */
        const ssize_t sent = send(c->fd, out, bytes, MSG_NOSIGNAL);
        (void)sent;
    }
}

static void end_connection(struct peer_connection *c)
{
    if (c->fd >= 0) {
        (void)close(c->fd);
        c->fd = -1;
    }
}

/* ---- answers ---- */

void hulse_peer_partitions(const struct question *q, uint32_t count)
{
    Pulsar__CommandPartitionedTopicMetadataResponse body =
        PULSAR__COMMAND_PARTITIONED_TOPIC_METADATA_RESPONSE__INIT;
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;

    body.request_id = q->request_id;
    body.has_response = 1;
    body.response = PULSAR__COMMAND_PARTITIONED_TOPIC_METADATA_RESPONSE__LOOKUP_TYPE__Success;
    body.has_partitions = 1;
    body.partitions = count;
    command.type = PULSAR__BASE_COMMAND__TYPE__PARTITIONED_METADATA_RESPONSE;
    command.partitionmetadataresponse = &body;
    send_command(q->connection, &command);
}

static void fail_partitions(const struct question *q, Pulsar__ServerError error, char *message)
{
    Pulsar__CommandPartitionedTopicMetadataResponse body =
        PULSAR__COMMAND_PARTITIONED_TOPIC_METADATA_RESPONSE__INIT;
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;

    body.request_id = q->request_id;
    body.has_response = 1;
    body.response = PULSAR__COMMAND_PARTITIONED_TOPIC_METADATA_RESPONSE__LOOKUP_TYPE__Failed;
    body.has_error = 1;
    body.error = error;
    body.message = message;
    command.type = PULSAR__BASE_COMMAND__TYPE__PARTITIONED_METADATA_RESPONSE;
    command.partitionmetadataresponse = &body;
    send_command(q->connection, &command);
}

static void fail_lookup(const struct question *q, Pulsar__ServerError error, char *message)
{
    Pulsar__CommandLookupTopicResponse body = PULSAR__COMMAND_LOOKUP_TOPIC_RESPONSE__INIT;

    body.has_response = 1;
    body.response = PULSAR__COMMAND_LOOKUP_TOPIC_RESPONSE__LOOKUP_TYPE__Failed;
    body.has_error = 1;
    body.error = error;
    body.message = message;
    hulse_peer_lookup_response(q, &body);
}

void hulse_peer_failed(const struct question *q, Pulsar__ServerError error, const char *message)
{
    char *text = (char *)(uintptr_t)message;
    if (q->asked == LOOKUP_PARTITIONS) {
        fail_partitions(q, error, text);
    } else {
        fail_lookup(q, error, text);
    }
}

void hulse_peer_failed_crossed(const struct question *q,
                               Pulsar__ServerError error,
                               const char *message)
{
    char *text = (char *)(uintptr_t)message;
    if (q->asked == LOOKUP_PARTITIONS) {
        fail_lookup(q, error, text);
    } else {
        fail_partitions(q, error, text);
    }
}

void hulse_peer_lookup_response(const struct question *q, Pulsar__CommandLookupTopicResponse *r)
{
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;

    r->request_id = q->request_id;
    command.type = PULSAR__BASE_COMMAND__TYPE__LOOKUP_RESPONSE;
    command.lookuptopicresponse = r;
    send_command(q->connection, &command);
}

static void point(const struct question *q,
                  uint32_t broker,
                  Pulsar__CommandLookupTopicResponse__LookupType type,
                  bool authoritative)
{
    Pulsar__CommandLookupTopicResponse body = PULSAR__COMMAND_LOOKUP_TOPIC_RESPONSE__INIT;
    char url[URL_BYTES];

    (void)snprintf(url, sizeof(url), "pulsar://127.0.0.1:%u", q->peer->ports[broker]);
    body.brokerserviceurl = url;
    body.has_response = 1;
    body.response = type;
    body.has_authoritative = 1;
    body.authoritative = authoritative;
    hulse_peer_lookup_response(q, &body);
}

void hulse_peer_owner(const struct question *q, uint32_t broker)
{
    point(q, broker, PULSAR__COMMAND_LOOKUP_TOPIC_RESPONSE__LOOKUP_TYPE__Connect, true);
}

void hulse_peer_redirect(const struct question *q, uint32_t broker, bool authoritative)
{
    point(q, broker, PULSAR__COMMAND_LOOKUP_TOPIC_RESPONSE__LOOKUP_TYPE__Redirect, authoritative);
}

void hulse_peer_nonsense(const struct question *q)
{
    Pulsar__CommandSuccess body = PULSAR__COMMAND_SUCCESS__INIT;
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;

    body.request_id = q->request_id;
    command.type = PULSAR__BASE_COMMAND__TYPE__SUCCESS;
    command.success = &body;
    send_command(q->connection, &command);
}

void hulse_peer_drop(const struct question *q)
{
    end_connection(q->connection);
}

void hulse_peer_hold(const struct question *q)
{
    struct peer *p = q->peer;

    PEER_CHECK(p->held_count < HELD_MAX);
    struct held *h = &p->held[p->held_count++];
    h->question = *q;
    (void)snprintf(h->topic, sizeof(h->topic), "%s", q->topic);
    h->question.topic = h->topic;
    h->question.listener = NULL;
    h->question.again = true;
}

/* ---- in ---- */

static void
say_connected(struct peer *p, struct peer_connection *c, const Pulsar__CommandConnect *in)
{
    Pulsar__CommandConnected body = PULSAR__COMMAND_CONNECTED__INIT;
    Pulsar__FeatureFlags flags = PULSAR__FEATURE_FLAGS__INIT;
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;
    char version[] = "peer";

    (void)snprintf(c->proxied,
                   sizeof(c->proxied),
                   "%s",
                   in->proxy_to_broker_url == NULL ? "" : in->proxy_to_broker_url);
    flags.has_supports_get_partitioned_metadata_without_auto_creation = 1;
    flags.supports_get_partitioned_metadata_without_auto_creation = !p->params.too_old;
    body.server_version = version;
    body.has_protocol_version = 1;
    body.protocol_version = 21;
    body.feature_flags = &flags;
    command.type = PULSAR__BASE_COMMAND__TYPE__CONNECTED;
    command.connected = &body;
    send_command(c, &command);
}

static void say_pong(struct peer_connection *c)
{
    Pulsar__CommandPong body = PULSAR__COMMAND_PONG__INIT;
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;

    command.type = PULSAR__BASE_COMMAND__TYPE__PONG;
    command.pong = &body;
    send_command(c, &command);
}

static void take_question(struct peer *p, struct question *q)
{
    q->peer = p;
    q->broker = q->connection->broker;
    q->proxied = q->connection->proxied[0] == '\0' ? NULL : q->connection->proxied;
    p->asked[q->asked] += 1;
    p->params.script(q, p->params.ctx);
    (void)pthread_cond_broadcast(&p->heard);
}

static void take_command(struct peer *p, struct peer_connection *c, const Pulsar__BaseCommand *in)
{
    struct question q = {.connection = c};

    switch (in->type) {
    case PULSAR__BASE_COMMAND__TYPE__CONNECT:
        say_connected(p, c, in->connect);
        break;
    case PULSAR__BASE_COMMAND__TYPE__PING:
        say_pong(c);
        break;
    case PULSAR__BASE_COMMAND__TYPE__PARTITIONED_METADATA:
        q.asked = LOOKUP_PARTITIONS;
        q.request_id = in->partitionmetadata->request_id;
        q.topic = in->partitionmetadata->topic;
        q.create = !in->partitionmetadata->has_metadata_auto_creation_enabled ||
                   in->partitionmetadata->metadata_auto_creation_enabled;
        take_question(p, &q);
        break;
    case PULSAR__BASE_COMMAND__TYPE__LOOKUP:
        q.asked = LOOKUP_OWNER;
        q.request_id = in->lookuptopic->request_id;
        q.topic = in->lookuptopic->topic;
        q.authoritative = in->lookuptopic->authoritative;
        q.listener = in->lookuptopic->advertised_listener_name;
        take_question(p, &q);
        break;
    default:
        break;
    }
}

static void take_frames(struct peer *p, struct peer_connection *c)
{
    struct wire_frame frame;
    const char *why = NULL;
    size_t used = 0;

    while (c->fd >= 0 &&
           hulse_wire_frame_read(c->in + used, c->in_bytes - used, IN_BYTES, &frame, &why) ==
               WIRE_FRAME_OK) {
        const Pulsar__BaseCommand *command = NULL;
        PEER_CHECK(hulse_wire_command_read(&p->arena, frame.command, &command, &why) ==
                   WIRE_COMMAND_OK);
        take_command(p, c, command);
        used += frame.bytes;
    }
    c->in_bytes -= used;
    memmove(c->in, c->in + used, c->in_bytes);
}

static void read_from(struct peer *p, struct peer_connection *c)
{
    const ssize_t got = recv(c->fd, c->in + c->in_bytes, IN_BYTES - c->in_bytes, MSG_DONTWAIT);

    if (got <= 0) {
        end_connection(c);
        return;
    }
    c->in_bytes += (size_t)got;
    take_frames(p, c);
}

static void accept_from(struct peer *p, uint32_t broker)
{
    const int fd = accept4(p->listeners[broker], NULL, NULL, SOCK_CLOEXEC);

    for (uint32_t i = 0; i < CONNECTIONS_MAX && fd >= 0; i++) {
        struct peer_connection *c = &p->connections[i];
        if (c->fd < 0) {
            c->fd = fd;
            c->broker = broker;
            c->in_bytes = 0;
            c->proxied[0] = '\0';
            p->accepted += 1;
            return;
        }
    }
    PEER_CHECK(fd < 0);
}

static void release_held(struct peer *p)
{
    const uint32_t count = p->held_count;

    p->releasing = false;
    p->held_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        p->params.script(&p->held[i].question, p->params.ctx);
    }
}

/* ---- the thread ---- */

static uint32_t gather(const struct peer *p, struct pollfd *fds)
{
    uint32_t count = 0;

    fds[count++] = (struct pollfd){.fd = p->wake, .events = POLLIN};
    for (uint32_t i = 0; i < p->params.brokers; i++) {
        fds[count++] = (struct pollfd){.fd = p->listeners[i], .events = POLLIN};
    }
    for (uint32_t i = 0; i < CONNECTIONS_MAX; i++) {
        fds[count++] = (struct pollfd){.fd = p->connections[i].fd, .events = POLLIN};
    }
    return count;
}

static void handle(struct peer *p, const struct pollfd *fds)
{
    const struct pollfd *of_connections = fds + 1 + p->params.brokers;

    for (uint32_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct peer_connection *c = &p->connections[i];
        if (of_connections[i].revents != 0 && c->fd == of_connections[i].fd) {
            read_from(p, c);
        }
    }
    for (uint32_t i = 0; i < p->params.brokers; i++) {
        if (fds[1 + i].revents != 0 && p->listeners[i] == fds[1 + i].fd) {
            accept_from(p, i);
        }
    }
}

static void *peer_main(void *argument)
{
    struct peer *p = argument;
    struct pollfd fds[1 + PEER_BROKERS_MAX + CONNECTIONS_MAX];

    (void)pthread_mutex_lock(&p->lock);
    while (!p->stopping) {
        const uint32_t count = gather(p, fds);
        (void)pthread_mutex_unlock(&p->lock);
        const int ready = poll(fds, count, -1);
        (void)pthread_mutex_lock(&p->lock);
        if (ready > 0 && fds[0].revents != 0) {
            uint64_t rings = 0;
            const ssize_t got = read(p->wake, &rings, sizeof(rings));
            (void)got;
        }
        if (ready > 0) {
            handle(p, fds);
        }
        if (p->releasing) {
            release_held(p);
        }
    }
    (void)pthread_mutex_unlock(&p->lock);
    return NULL;
}

static void wake(const struct peer *p)
{
    const uint64_t one = 1;
    assert_int_equal(write(p->wake, &one, sizeof(one)), sizeof(one));
}

static void listen_on(struct peer *p, uint32_t broker)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(at);

    p->listeners[broker] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(p->listeners[broker] >= 0);
    assert_int_equal(bind(p->listeners[broker], (struct sockaddr *)&at, bytes), 0);
    assert_int_equal(listen(p->listeners[broker], 64), 0);
    assert_int_equal(getsockname(p->listeners[broker], (struct sockaddr *)&at, &bytes), 0);
    p->ports[broker] = ntohs(at.sin_port);
}

struct peer *hulse_peer_start(const struct peer_params *params)
{
    struct peer *p = calloc(1, sizeof(*p));

    assert_non_null(p);
    assert_true(params->brokers <= PEER_BROKERS_MAX);
    p->params = *params;
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->heard, NULL);
    hulse_wire_arena_init(&p->arena, WIRE_COMMAND_MEMORY_MAX);
    p->wake = eventfd(0, EFD_CLOEXEC);
    for (uint32_t i = 0; i < CONNECTIONS_MAX; i++) {
        p->connections[i].fd = -1;
    }
    for (uint32_t i = 0; i < params->brokers; i++) {
        listen_on(p, i);
    }
    assert_int_equal(pthread_create(&p->thread, NULL, peer_main, p), 0);
    return p;
}

void hulse_peer_stop(struct peer **p)
{
    struct peer *peer = *p;

    (void)pthread_mutex_lock(&peer->lock);
    peer->stopping = true;
    (void)pthread_mutex_unlock(&peer->lock);
    wake(peer);
    (void)pthread_join(peer->thread, NULL);
    for (uint32_t i = 0; i < CONNECTIONS_MAX; i++) {
        end_connection(&peer->connections[i]);
    }
    for (uint32_t i = 0; i < peer->params.brokers; i++) {
        if (peer->listeners[i] >= 0) {
            (void)close(peer->listeners[i]);
        }
    }
    (void)close(peer->wake);
    hulse_wire_arena_fini(&peer->arena);
    (void)pthread_cond_destroy(&peer->heard);
    (void)pthread_mutex_destroy(&peer->lock);
    free(peer);
    *p = NULL;
}

uint16_t hulse_peer_port(const struct peer *p, uint32_t broker)
{
    return p->ports[broker];
}

uint32_t hulse_peer_asked(struct peer *p, enum lookup_question asked)
{
    (void)pthread_mutex_lock(&p->lock);
    const uint32_t count = p->asked[asked];
    (void)pthread_mutex_unlock(&p->lock);
    return count;
}

void hulse_peer_await(struct peer *p, enum lookup_question asked, uint32_t count)
{
    (void)pthread_mutex_lock(&p->lock);
    while (p->asked[asked] < count) {
        (void)pthread_cond_wait(&p->heard, &p->lock);
    }
    (void)pthread_mutex_unlock(&p->lock);
}

uint32_t hulse_peer_connections(struct peer *p)
{
    (void)pthread_mutex_lock(&p->lock);
    const uint32_t count = p->accepted;
    (void)pthread_mutex_unlock(&p->lock);
    return count;
}

void hulse_peer_release(struct peer *p)
{
    (void)pthread_mutex_lock(&p->lock);
    p->releasing = true;
    (void)pthread_mutex_unlock(&p->lock);
    wake(p);
}

void hulse_peer_shut(struct peer *p, uint32_t broker)
{
    (void)pthread_mutex_lock(&p->lock);
    /* Away from poll before the descriptor may be another's. */
    const int fd = p->listeners[broker];
    p->listeners[broker] = -1;
    (void)close(fd);
    for (uint32_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (p->connections[i].broker == broker) {
            end_connection(&p->connections[i]);
        }
    }
    (void)pthread_mutex_unlock(&p->lock);
    wake(p);
}
