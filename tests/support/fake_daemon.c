/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_daemon - see the header.
 *
 * Threads: `lock` guards the sockets and tables between the fake's thread and the test's.
 */
#include "tests/support/fake_daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <hulse/hulse.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_RING (64U * 1024)

static void must(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        _exit(1);
    }
}

static void lock(struct fake_daemon *d)
{
    (void)pthread_mutex_lock(&d->lock);
}

static void unlock(struct fake_daemon *d)
{
    (void)pthread_mutex_unlock(&d->lock);
}

static void drop(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
        *fd = -1;
    }
}

/* ---- answers; all under lock ---------------------------------------------------------------- */

static void answer(struct fake_daemon *d,
                   const struct hulse_ctl_head *to,
                   unsigned type,
                   const void *fixed,
                   const char *text)
{
    struct hulse_packet p;

    hulse_packet_begin(&p, type, to->req, fixed);
    hulse_packet_append(&p, text, strlen(text));
    (void)hulse_packet_send(d->sock, p.bytes, NULL, 0);
}

static void answer_ok(struct fake_daemon *d, const struct hulse_ctl_head *to)
{
    const struct hulse_ctl_ok ok = {.value = 0};

    answer(d, to, HULSE_CTL_OK, &ok, "");
}

/* Gives the read end of a new group's pipe. */
static int add_group(struct fake_daemon *d)
{
    int ends[2];

    must(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0, "pipe2");
    d->wake[d->group_count] = ends[1];
    d->group_count += 1;
    return ends[0];
}

static void on_hello(struct fake_daemon *d, const struct hulse_ctl_head *to)
{
    if (d->refuse != 0) {
        const struct hulse_ctl_refused no = {
            .abi_min = 7, .abi_max = 9, .status = -(int32_t)d->refuse, .text_len = 6};
        answer(d, to, HULSE_CTL_REFUSED, &no, "go off");
        return;
    }
    const struct hulse_ctl_welcome welcome = {
        .abi = HULSE_ABI_MAX,
        .channels_max = FAKE_CHANNELS_MAX,
        .session = FAKE_SESSION,
        .generation = 1,
        .features = d->features,
        .ring_max = HULSE_RING_BYTES_MAX,
        .receipts_max = 65536,
        .groups_max = FAKE_GROUPS_MAX,
        .handles_max = 64,
        .publish_ring = DEFAULT_RING,
        .receipts = DEFAULT_RING / HULSE_RECEIPT_BYTES,
        .deliver_ring = DEFAULT_RING,
        .verdict_ring = DEFAULT_RING,
        .unacked_max = 1000,
        .message_max = d->message_max,
    };
    struct hulse_packet p;

    d->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    must(d->bell >= 0, "eventfd");
    const int fds[2] = {d->bell, add_group(d)};
    hulse_packet_begin(&p, HULSE_CTL_WELCOME, to->req, &welcome);
    (void)hulse_packet_send(d->sock, p.bytes, fds, 2);
    (void)close(fds[1]);
}

static void on_group(struct fake_daemon *d, const struct hulse_ctl_head *to)
{
    const struct hulse_ctl_group ok = {.group = d->group_count};
    struct hulse_packet p;
    const int fd = add_group(d);

    hulse_packet_begin(&p, HULSE_CTL_GROUP_OK, to->req, &ok);
    (void)hulse_packet_send(d->sock, p.bytes, &fd, 1);
    (void)close(fd);
}

static uint64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return ((uint64_t)t.tv_sec * 1000) + ((uint64_t)t.tv_nsec / 1000000);
}

static void bind_rings(struct fake_channel *ch)
{
    ch->up = (struct hulse_ring_rx){
        .ring = ch->a.ring,
        .mask = ch->a.ring_bytes - 1,
        .tail_word = &fake_a(ch)->up_tail,
        .head_word = &fake_b(ch)->up_head,
    };
    ch->down = (struct hulse_ring_tx){
        .ring = ch->b.ring,
        .mask = ch->b.ring_bytes - 1,
        .tail_word = &fake_b(ch)->down_tail,
        .head_word = &fake_a(ch)->down_head,
    };
    atomic_store_explicit(&fake_b(ch)->beat_ms, now_ms(), memory_order_relaxed);
}

static void on_open_channel(struct fake_daemon *d, const struct hulse_packet *in)
{
    struct hulse_ctl_open_channel ask;
    struct fake_channel *ch = &d->channels[d->channel_count];
    struct hulse_packet p;
    int fds[2];

    must(d->channel_count < FAKE_CHANNELS_MAX, "channels");
    memcpy(&ask, in->bytes, sizeof(ask));
    if (d->quota != 0 && ask.down_bytes > d->quota) {
        const struct hulse_ctl_err e = {.status = HULSE_LIMIT, .text_len = 8};
        answer(d, &ask.head, HULSE_CTL_ERR, &e, "too much");
        return;
    }
    *ch = (struct fake_channel){.ask = ask, .number = d->channel_count + 1, .open = true};
    d->channel_count += 1;
    const uint32_t up = ask.up_bytes != 0 ? ask.up_bytes : DEFAULT_RING;
    const uint32_t down = ask.down_bytes != 0 ? ask.down_bytes : DEFAULT_RING;
    must(hulse_region_create(&fds[0], "fake-a", up) == HULSE_REGION_RC_OK &&
             hulse_region_create(&fds[1], "fake-b", down) == HULSE_REGION_RC_OK &&
             hulse_region_map(&ch->a, fds[0], up, false) == HULSE_REGION_RC_OK &&
             hulse_region_map(&ch->b, fds[1], down, true) == HULSE_REGION_RC_OK &&
             hulse_region_seal(fds[1]) == HULSE_REGION_RC_OK,
         "regions");
    bind_rings(ch);
    const struct hulse_ctl_channel ok = {.channel = ch->number, .up_bytes = up, .down_bytes = down};
    hulse_packet_begin(&p, HULSE_CTL_CHANNEL, ask.head.req, &ok);
    (void)hulse_packet_send(d->sock, p.bytes, fds, 2);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static struct fake_channel *find(struct fake_daemon *d, uint32_t number)
{
    must(number >= 1 && number <= d->channel_count, "channel number");
    return &d->channels[number - 1];
}

static void on_open_producer(struct fake_daemon *d, const struct hulse_packet *in)
{
    struct hulse_ctl_open_producer ask;

    memcpy(&ask, in->bytes, sizeof(ask));
    const struct hulse_ctl_producer ok = {
        .handle = d->next_handle++, .message_max = d->message_max, .last_seq = UINT64_MAX};
    find(d, ask.channel)->handle = ok.handle;
    answer(d, &ask.head, HULSE_CTL_PRODUCER, &ok, "");
}

static void on_open_consumer(struct fake_daemon *d, const struct hulse_packet *in)
{
    static const char topic[] = "persistent://public/default/t";
    struct hulse_ctl_open_consumer ask;

    memcpy(&ask, in->bytes, sizeof(ask));
    if (ask.type == HULSE_READER && (d->features & HULSE_FEATURE_READER) != 0) {
        struct hulse_ctl_reader reader = d->reader;
        reader.handle = d->next_handle++;
        reader.topic_len = sizeof(topic) - 1;
        find(d, ask.channel)->handle = reader.handle;
        answer(d, &ask.head, HULSE_CTL_READER, &reader, topic);
        return;
    }
    const struct hulse_ctl_consumer ok = {
        .handle = d->next_handle++, .verdicts = d->verdicts, .topic_len = sizeof(topic) - 1};
    find(d, ask.channel)->handle = ok.handle;
    answer(d, &ask.head, HULSE_CTL_CONSUMER, &ok, topic);
}

static void on_ready(struct fake_daemon *d, const struct hulse_packet *in)
{
    struct hulse_ctl_channel_ref ref;

    memcpy(&ref, in->bytes, sizeof(ref));
    answer(d, &ref.head, HULSE_CTL_CHANNEL_OK, &ref, "");
}

static void on_get_schema(struct fake_daemon *d, const struct hulse_ctl_head *head)
{
    static const char type[] = "AVRO";
    struct hulse_ctl_schema m = d->schema;
    struct hulse_packet p;
    const int fd = memfd_create("schema", MFD_CLOEXEC);

    must(fd >= 0 &&
             write(fd, d->schema_file, d->schema_file_bytes) == (ssize_t)d->schema_file_bytes,
         "memfd");
    m.type_len = sizeof(type) - 1;
    hulse_packet_begin(&p, HULSE_CTL_SCHEMA, head->req, &m);
    hulse_packet_append(&p, type, sizeof(type) - 1);
    (void)hulse_packet_send(d->sock, p.bytes, &fd, 1);
    (void)close(fd);
}

/* True when the script says something else than an ordinary answer. */
static bool misbehave(struct fake_daemon *d, const struct hulse_ctl_head *head)
{
    if (head->type == d->silent_on) {
        return true;
    }
    if (head->type == d->hang_up_on) {
        drop(&d->sock);
        return true;
    }
    if (head->type == d->garbage_on) {
        (void)send(d->sock, "nonsense", 8, MSG_NOSIGNAL);
        return true;
    }
    if (head->type == d->error_on) {
        const struct hulse_ctl_err e = {.status = HULSE_NO_TOPIC, .text_len = 10};
        answer(d, head, HULSE_CTL_ERR, &e, "no such t!");
        return true;
    }
    return false;
}

static void dispatch(struct fake_daemon *d, const struct hulse_packet *in)
{
    struct hulse_ctl_head head;

    memcpy(&head, in->bytes, sizeof(head));
    d->seen[head.type] += 1;
    d->last[head.type] = *in;
    if (misbehave(d, &head)) {
        return;
    }
    switch (head.type) {
    case HULSE_CTL_HELLO:
        on_hello(d, &head);
        break;
    case HULSE_CTL_GROUP:
        on_group(d, &head);
        break;
    case HULSE_CTL_OPEN_CHANNEL:
        on_open_channel(d, in);
        break;
    case HULSE_CTL_CHANNEL_READY:
        on_ready(d, in);
        break;
    case HULSE_CTL_OPEN_PRODUCER:
        on_open_producer(d, in);
        break;
    case HULSE_CTL_OPEN_CONSUMER:
    case HULSE_CTL_OPEN_CONSUMER_AT: /* begins alike */
        on_open_consumer(d, in);
        break;
    case HULSE_CTL_OPTIONS: /* belongs to what follows */
        break;
    case HULSE_CTL_SEEK:
        answer(d, &head, HULSE_CTL_OK, &(struct hulse_ctl_ok){.value = d->stale_to}, "");
        break;
    case HULSE_CTL_GET_SCHEMA:
        on_get_schema(d, &head);
        break;
    default:
        answer_ok(d, &head);
        break;
    }
}

/* ---- life ----------------------------------------------------------------------------------- */

static void forget_session(struct fake_daemon *d)
{
    drop(&d->sock);
    drop(&d->bell);
    for (unsigned i = 0; i < FAKE_GROUPS_MAX; i++) {
        drop(&d->wake[i]);
    }
    d->group_count = 0;
}

static void forget_channels(struct fake_daemon *d)
{
    for (unsigned i = 0; i < d->channel_count; i++) {
        hulse_region_unmap(&d->channels[i].a);
        hulse_region_unmap(&d->channels[i].b);
    }
    d->channel_count = 0;
}

static void accept_one(struct fake_daemon *d)
{
    forget_session(d);
    d->sock = accept4(d->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

static void serve_one(struct fake_daemon *d)
{
    static _Thread_local struct hulse_packet in;
    const char *why = NULL;

    switch (hulse_packet_receive(d->sock, &in, &why)) {
    case HULSE_PACKET_OK:
        dispatch(d, &in);
        for (unsigned i = 0; i < in.fd_count; i++) {
            (void)close(in.fds[i]);
        }
        break;
    case HULSE_PACKET_NONE:
        break;
    default:
        forget_session(d);
        break;
    }
}

static void *serve(void *arg)
{
    struct fake_daemon *d = arg;

    for (;;) {
        lock(d);
        struct pollfd at[3] = {{.fd = d->stop[0], .events = POLLIN},
                               {.fd = d->listener, .events = POLLIN},
                               {.fd = d->sock, .events = POLLIN}};
        unlock(d);
        (void)poll(at, 3, 50);
        if (at[0].revents != 0) {
            return NULL;
        }
        lock(d);
        if (at[1].revents != 0) {
            accept_one(d);
        } else if (at[2].revents != 0 && d->sock == at[2].fd && d->sock >= 0) {
            serve_one(d);
        }
        unlock(d);
    }
}

struct fake_daemon *hulse_fake_start(void)
{
    struct fake_daemon *d = calloc(1, sizeof(*d));
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    must(d != NULL, "calloc");
    d->message_max = 5U * 1024 * 1024;
    d->verdicts = 1U << HULSE_VERDICT_ACK | 1U << HULSE_VERDICT_NACK | 1U << HULSE_VERDICT_DROP;
    d->features = HULSE_FEATURE_FRAGMENTS | HULSE_FEATURE_GROUPS;
    d->sock = -1;
    d->bell = -1;
    d->next_handle = FAKE_HANDLE_FIRST;
    for (unsigned i = 0; i < FAKE_GROUPS_MAX; i++) {
        d->wake[i] = -1;
    }
    (void)pthread_mutex_init(&d->lock, NULL);
    (void)snprintf(d->directory, sizeof(d->directory), "/tmp/hulse-fake-XXXXXX");
    must(mkdtemp(d->directory) != NULL, "mkdtemp");
    (void)snprintf(d->path, sizeof(d->path), "%s/socket", d->directory);
    memcpy(address.sun_path, d->path, strlen(d->path) + 1);
    d->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    must(bind(d->listener, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
             listen(d->listener, 4) == 0 && pipe2(d->stop, O_CLOEXEC) == 0 &&
             setenv("HULSE_SOCKET", d->path, 1) == 0,
         "listen");
    must(pthread_create(&d->thread, NULL, serve, d) == 0, "pthread_create");
    return d;
}

void hulse_fake_stop(struct fake_daemon **d)
{
    struct fake_daemon *gone = *d;

    must(write(gone->stop[1], "x", 1) == 1, "write");
    (void)pthread_join(gone->thread, NULL);
    forget_session(gone);
    forget_channels(gone);
    (void)close(gone->stop[0]);
    (void)close(gone->stop[1]);
    (void)close(gone->listener);
    (void)unlink(gone->path);
    (void)rmdir(gone->directory);
    (void)pthread_mutex_destroy(&gone->lock);
    free(gone);
    *d = NULL;
}

void hulse_fake_die(struct fake_daemon *d)
{
    lock(d);
    /* The serving thread may be in poll() with the descriptor, which keeps the socket open. */
    (void)shutdown(d->sock, SHUT_RDWR);
    forget_session(d);
    unlock(d);
}

void hulse_fake_gone(struct fake_daemon *d)
{
    (void)unlink(d->path);
    hulse_fake_die(d);
}

bool hulse_fake_connected(struct fake_daemon *d)
{
    lock(d);
    const bool connected = d->sock >= 0;
    unlock(d);
    return connected;
}

void hulse_fake_set(struct fake_daemon *d, uint32_t *member, uint32_t value)
{
    lock(d);
    *member = value;
    unlock(d);
}

void hulse_fake_forget(struct fake_daemon *d)
{
    lock(d);
    forget_channels(d);
    unlock(d);
}

unsigned hulse_fake_seen(struct fake_daemon *d, unsigned type)
{
    lock(d);
    const unsigned n = d->seen[type];
    unlock(d);
    return n;
}

struct hulse_packet hulse_fake_last(struct fake_daemon *d, unsigned type)
{
    lock(d);
    const struct hulse_packet p = d->last[type];
    unlock(d);
    return p;
}

void hulse_fake_features(struct fake_daemon *d, uint64_t added, uint64_t removed)
{
    lock(d);
    d->features = (d->features | added) & ~removed;
    unlock(d);
}

void hulse_fake_event(struct fake_daemon *d, const struct hulse_ctl_event *event, const char *text)
{
    struct hulse_packet p;
    struct hulse_ctl_event e = *event;

    e.text_len = (uint16_t)strlen(text);
    hulse_packet_begin(&p, HULSE_CTL_EVENT, 0, &e);
    hulse_packet_append(&p, text, e.text_len);
    hulse_fake_send(d, p.bytes, p.len);
}

void hulse_fake_send(struct fake_daemon *d, const void *bytes, size_t count)
{
    lock(d);
    must(send(d->sock, bytes, count, MSG_NOSIGNAL) == (ssize_t)count, "send");
    unlock(d);
}

uint64_t hulse_fake_bells(struct fake_daemon *d)
{
    uint64_t count = 0;

    lock(d);
    if (read(d->bell, &count, sizeof(count)) != (ssize_t)sizeof(count)) {
        count = 0;
    }
    unlock(d);
    return count;
}

/* ---- rings; the test's thread ---------------------------------------------------------------- */

const void *hulse_fake_channel_take(struct fake_channel *ch, uint64_t *bytes)
{
    if (hulse_ring_rx_ready(&ch->up) == 0) {
        must(hulse_ring_rx_refresh(&ch->up) == HULSE_RING_OK, "up_tail");
    }
    if (hulse_ring_rx_ready(&ch->up) == 0) {
        return NULL;
    }
    uint32_t len = 0;
    const uint8_t *at = hulse_ring_rx_at(&ch->up, ch->up.read);
    memcpy(&len, at, sizeof(len));
    *bytes = hulse_record_stride(len);
    must(*bytes <= hulse_ring_rx_ready(&ch->up), "record length");
    hulse_ring_rx_take(&ch->up, *bytes);
    return at;
}

unsigned hulse_fake_channel_take_all(struct fake_channel *ch)
{
    uint64_t bytes = 0;
    unsigned n = 0;

    while (hulse_fake_channel_take(ch, &bytes) != NULL) {
        n += 1;
    }
    return n;
}

static void wake(struct fake_daemon *d, const struct fake_channel *ch)
{
    lock(d);
    if (d->wake[ch->ask.group] >= 0) {
        const ssize_t put = write(d->wake[ch->ask.group], "w", 1);
        (void)put;
    }
    unlock(d);
}

void hulse_fake_channel_release_to(struct fake_daemon *d,
                                   struct fake_channel *ch,
                                   uint64_t position)
{
    const uint64_t before = ch->up_given;

    hulse_ring_rx_release(&ch->up, position);
    ch->up_given = position;
    hulse_doorbell_fence();
    if (hulse_doorbell_crossed(&fake_a(ch)->space_at, before, position)) {
        wake(d, ch);
    }
}

void hulse_fake_channel_release(struct fake_daemon *d, struct fake_channel *ch)
{
    hulse_fake_channel_release_to(d, ch, ch->up.read);
}

void hulse_fake_channel_post(struct fake_daemon *d, struct fake_channel *ch)
{
    const uint64_t before = ch->down.published;

    hulse_ring_tx_publish(&ch->down);
    hulse_doorbell_fence();
    if (hulse_doorbell_crossed(&fake_a(ch)->wake_at, before, ch->down.published)) {
        wake(d, ch);
    }
}

void hulse_fake_channel_receipt(struct fake_channel *ch,
                                uint64_t token,
                                unsigned outcome,
                                uint64_t entry)
{
    const struct hulse_receipt_record r = {
        .token = token, .ledger = 77, .entry = entry, .batch = -1, .status = (uint8_t)outcome};

    must(hulse_ring_tx_reserve(&ch->down, sizeof(r)) == HULSE_RING_OK, "receipt slots");
    memcpy(hulse_ring_tx_at(&ch->down, ch->down.tail), &r, sizeof(r));
    hulse_ring_tx_commit(&ch->down, sizeof(r));
}

void hulse_fake_channel_deliver(struct fake_channel *ch,
                                const struct hulse_delivery_header *like,
                                const void *payload,
                                const void *meta)
{
    struct hulse_delivery_header h = *like;
    const uint64_t body =
        h.meta_len == 0 ? h.payload_len : hulse_record_stride(h.payload_len) + h.meta_len;

    h.len = (uint32_t)(HULSE_DELIVERY_HEADER_BYTES + body);
    h.handle = ch->handle;
    must(hulse_ring_tx_reserve(&ch->down, hulse_record_stride(h.len)) == HULSE_RING_OK,
         "delivery ring");
    uint8_t *at = hulse_ring_tx_at(&ch->down, ch->down.tail);
    memcpy(at, &h, sizeof(h));
    if (h.payload_len != 0) {
        memcpy(at + sizeof(h), payload, h.payload_len);
    }
    if (h.meta_len != 0) {
        memcpy(at + h.len - h.meta_len, meta, h.meta_len);
    }
    hulse_ring_tx_commit(&ch->down, hulse_record_stride(h.len));
}

void hulse_fake_channel_arm(struct fake_channel *ch)
{
    hulse_doorbell_arm(&fake_b(ch)->armed, &ch->epoch);
    hulse_doorbell_fence();
}

void hulse_fake_channel_count(struct fake_channel *ch, enum hulse_region_stat stat, uint64_t add)
{
    const uint64_t now = atomic_load_explicit(&fake_b(ch)->stats[stat], memory_order_relaxed);

    atomic_store_explicit(&fake_b(ch)->stats[stat], now + add, memory_order_relaxed);
}
