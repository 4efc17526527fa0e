/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_store_append - the store alone: one client keeps 4,000 messages in flight; then one message at a time. Beside
 * them, on the same disk in the same run: a bare write and fdatasync of a file that was written before, one
 * block and four megabytes, and a futex park and unpark between two threads.
 *
 * Conservation: every message is answered OK, in the order submitted.
 */
#include "bench/micro/micro.h"
#include "daemon/core/assert.h"
#include "daemon/core/inbox.h"
#include "daemon/store/sleeper.h"
#include "daemon/store/store.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <pthread.h>

enum {
    IN_FLIGHT = 4000,
    FLUSH_EVERY = 64,
    INBOX_MAX = 1024,
    RUN_BUDGET = 64,
    BODY_MAX = 1024,
    SAMPLES_MAX = 20000,
    FILE_BYTES = 64 << 20,
    BLOCK = 4096,
    GROUP = 4 << 20
};

struct message {
    struct store_request rq;
    struct bench *bench;
    uint64_t number;
};

struct bench {
    char path[64];
    struct store *store;
    struct inbox inbox;
    struct store_client client;
    uint64_t topic;
    uint64_t subscription;
    struct ranges acknowledged;
    struct store_request ack;
    bool acking;
    uint64_t position;
    uint64_t done;
    uint64_t next_done;
    uint64_t ops;
    uint32_t body_bytes;
    uint32_t free_count;
    struct message *free[IN_FLIGHT];
    struct message messages[IN_FLIGHT];
    uint8_t body[BODY_MAX];
};

static struct bench bench;

/* ---- the store --------------------------------------------------------------------------- */

static void message_done(struct store_request *rq)
{
    struct message *msg = HULSE_CONTAINER(rq, struct message, rq);
    struct bench *b = msg->bench;

    micro_require(rq->status == HULSE_OK, "answered OK");
    micro_require(msg->number == b->next_done, "in order");
    b->next_done++;
    b->done++;
    b->free[b->free_count++] = msg;
}

static void other_done(struct store_request *rq)
{
    micro_require(rq->status == HULSE_OK, "answered OK");
    bench.acking = false;
}

static void turn(struct bench *b)
{
    if (hulse_inbox_run(&b->inbox, RUN_BUDGET) != 0) {
        return;
    }
    if (!hulse_inbox_park(&b->inbox)) {
        struct pollfd p = {.fd = b->inbox.fd, .events = POLLIN};
        (void)poll(&p, 1, -1);
    }
    hulse_inbox_unpark(&b->inbox);
}

static void ask(struct bench *b, struct store_request *rq)
{
    b->acking = true;
    rq->done = other_done;
    hulse_store_submit(&b->client, rq);
    hulse_store_flush(&b->client);
    while (b->acking) {
        turn(b);
    }
}

static void submit(struct bench *b)
{
    struct message *msg = b->free[--b->free_count];

    msg->number = b->position;
    msg->rq = (struct store_request){.kind = STORE_MESSAGE,
                                     .done = message_done,
                                     .topic = b->topic,
                                     .position = b->position,
                                     .seq = b->position,
                                     .handle = "benchbenchbench",
                                     .body = {{.data = b->body, .bytes = b->body_bytes}}};
    b->position++;
    hulse_store_submit(&b->client, &msg->rq);
}

/* What is stored is not needed: segments are used again. */
static void acknowledge(struct bench *b)
{
    if (b->acking) {
        return;
    }
    micro_require(hulse_ranges_add(&b->acknowledged, 0, b->next_done), "memory");
    b->ack = (struct store_request){.kind = STORE_ACK,
                                    .done = other_done,
                                    .topic = b->topic,
                                    .subscription = b->subscription,
                                    .lazy = true,
                                    .ranges = &b->acknowledged};
    b->acking = true;
    hulse_store_submit(&b->client, &b->ack);
}

static void many(void *argument, uint64_t ops)
{
    struct bench *b = argument;
    const uint64_t end = b->position + ops;
    uint64_t acknowledged = b->next_done;

    while (b->next_done < end) {
        unsigned batch = 0;
        while (b->position < end && b->free_count > 0 && batch < FLUSH_EVERY) {
            submit(b);
            batch++;
        }
        if (b->next_done - acknowledged > 10000) {
            acknowledge(b);
            acknowledged = b->next_done;
        }
        hulse_store_flush(&b->client);
        if (batch == 0) {
            turn(b);
        }
    }
    while (b->acking) {
        turn(b);
    }
}

static void open_store(struct bench *b)
{
    struct store_params params;
    struct error err = {0};

    hulse_store_params_default(&params);
    params.directory = b->path;
    params.size_max = UINT64_C(1) << 30;
    b->store = hulse_store_open(&params, NULL, &err);
    micro_require(b->store != NULL, err.text);
    micro_require(hulse_store_start(b->store, &err) == HULSE_OK, err.text);
    hulse_store_client_init(&b->client, b->store, &b->inbox);
    struct store_request topic = {.kind = STORE_TOPIC_CREATE, .name = "bench"};
    ask(b, &topic);
    b->topic = topic.topic;
    struct store_request sub = {
        .kind = STORE_SUBSCRIPTION_CREATE, .topic = b->topic, .name = "bench", .position = 0};
    ask(b, &sub);
    b->subscription = sub.subscription;
    b->free_count = 0;
    for (size_t i = 0; i < IN_FLIGHT; i++) {
        b->messages[i].bench = b;
        b->free[b->free_count++] = &b->messages[i];
    }
}

static void close_store(struct bench *b)
{
    hulse_store_stop(b->store);
    hulse_store_client_fini(&b->client);
    hulse_store_close(&b->store);
}

/* ---- what is below it -------------------------------------------------------------------- */

static uint64_t samples[SAMPLES_MAX];
static uint64_t other_samples[SAMPLES_MAX];

static double median(uint64_t *list, uint64_t count)
{
    qsort(list, count, sizeof(list[0]), micro_compare);
    const uint64_t middle = count / 2;
    return (double)list[middle];
}

/* A file that was written before. */
struct bare {
    char path[96];
    int fd;
    off_t at;
    uint8_t *block;
};

static void bare_open(struct bare *f, const struct bench *b)
{
    (void)snprintf(f->path, sizeof(f->path), "%s.bare", b->path);
    f->block = calloc(1, GROUP);
    f->fd = open(f->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    micro_require(f->fd >= 0 && f->block != NULL, "file");
    for (off_t at = 0; at < FILE_BYTES; at += GROUP) {
        micro_require(pwrite(f->fd, f->block, GROUP, at) == GROUP, "write");
    }
    micro_require(fsync(f->fd) == 0, "fsync");
    f->at = 0;
}

static void bare_close(struct bare *f)
{
    (void)close(f->fd);
    (void)unlink(f->path);
    free(f->block);
}

static void bare_sync(struct bare *f, uint64_t *out, uint64_t count, size_t bytes)
{
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t begun_ns = micro_now_ns();
        micro_require(pwrite(f->fd, f->block, bytes, f->at) == (ssize_t)bytes, "write");
        micro_require(fdatasync(f->fd) == 0, "fdatasync");
        out[i] = micro_now_ns() - begun_ns;
        f->at = f->at + (off_t)(2 * bytes) > FILE_BYTES ? 0 : f->at + (off_t)bytes;
    }
}

struct pair {
    struct sleeper here;
    struct sleeper there;
    _Atomic(uint64_t) ping;
    _Atomic(uint64_t) pong;
    uint64_t rounds;
};

static void wait_for(struct sleeper *s, _Atomic(uint64_t) *word, uint64_t value)
{
    while (atomic_load_explicit(word, memory_order_acquire) < value) {
        hulse_sleeper_prepare(s, SLEEPER_SLEEPING);
        if (atomic_load_explicit(word, memory_order_acquire) >= value) {
            hulse_sleeper_call_off(s);
            return;
        }
        hulse_sleeper_sleep(s, SLEEPER_SLEEPING, 0);
    }
}

static void *answer_pings(void *argument)
{
    struct pair *p = argument;

    for (uint64_t i = 1; i <= p->rounds; i++) {
        wait_for(&p->there, &p->ping, i);
        atomic_store_explicit(&p->pong, i, memory_order_release);
        hulse_sleeper_wake(&p->here, true);
    }
    return NULL;
}

/* Half of a round trip: one thread wakes another. */
static double park_unpark(uint64_t count)
{
    static struct pair p;
    pthread_t thread;

    p = (struct pair){.rounds = count};
    micro_require(pthread_create(&thread, NULL, answer_pings, &p) == 0, "thread");
    for (uint64_t i = 1; i <= count; i++) {
        const uint64_t begun_ns = micro_now_ns();
        atomic_store_explicit(&p.ping, i, memory_order_release);
        hulse_sleeper_wake(&p.there, true);
        wait_for(&p.here, &p.pong, i);
        samples[i - 1] = (micro_now_ns() - begun_ns) / 2;
    }
    (void)pthread_join(thread, NULL);
    return median(samples, count);
}

static void one_at_a_time(struct bench *b, uint64_t *out, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t begun_ns = micro_now_ns();
        submit(b);
        hulse_store_flush(&b->client);
        while (b->next_done < b->position) {
            turn(b);
        }
        out[i] = micro_now_ns() - begun_ns;
    }
}

/* In turns, so that both see the same disk. */
static void singles(struct micro *m, struct bench *b)
{
    const uint64_t count = micro_ops(m, 5000, 20);
    const uint64_t turn_ops = micro_ops(m, 250, 10);
    struct bare f;

    bare_open(&f, b);
    b->body_bytes = BODY_MAX;
    for (uint64_t i = 0; i < count; i += turn_ops) {
        one_at_a_time(b, samples + i, turn_ops);
        bare_sync(&f, other_samples + i, turn_ops, BLOCK);
    }
    const double one_ns = median(samples, count);
    const double bare_ns = median(other_samples, count);
    bare_sync(&f, other_samples, micro_ops(m, 50, 2), GROUP);
    const double large_ns = median(other_samples, micro_ops(m, 50, 2));
    bare_close(&f);
    const double park_ns = park_unpark(count);
    micro_add(m, "one_at_a_time_p50", count, one_ns);
    micro_add(m, "bare_fdatasync_4KB_p50", count, bare_ns);
    micro_add(m, "park_unpark_p50", count, park_ns);
    micro_add(m, "bare_fdatasync_4MB_p50", micro_ops(m, 50, 2), large_ns);
    printf("  one at a time is a bare fdatasync + %.1f park/unpark\n",
           (one_ns - bare_ns) / park_ns);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st;
    (void)kind;
    (void)walk;
    return remove(path);
}

int main(int argc, char **argv)
{
    struct bench *b = &bench;
    struct micro m;

    micro_begin(&m, "store_append", argc, argv);
    (void)snprintf(b->path, sizeof(b->path), "/tmp/hulse-bench-XXXXXX");
    micro_require(mkdtemp(b->path) != NULL, "directory");
    micro_require(hulse_inbox_init(&b->inbox, INBOX_MAX), "inbox");
    open_store(b);
    b->body_bytes = BODY_MAX;
    /* Segments are made once and used again from then on: that is what is measured. */
    many(b, micro_ops(&m, 1000000, 1000));
    micro_run(&m, "1KB_4000_in_flight", micro_ops(&m, 500000, 2000), many, b);
    b->body_bytes = 128;
    micro_run(&m, "128B_4000_in_flight", micro_ops(&m, 1000000, 2000), many, b);
    singles(&m, b);
    printf("  1 KB: %.0f msg/s, 128 B: %.0f msg/s\n",
           1e9 / m.cases[0].ns_per_op,
           1e9 / m.cases[1].ns_per_op);
    close_store(b);
    hulse_ranges_clear(&b->acknowledged);
    hulse_inbox_fini(&b->inbox);
    (void)nftw(b->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return micro_end(&m);
}
