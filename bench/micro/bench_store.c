/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store by itself: one thread that asks, the writer, a disk; no broker, no ring. What is here is
 * the most that a persistent topic can reach. Every request is answered, in order.
 *
 * The directory is made below the current one and removed afterwards. The first case counts.
 */
#include "bench/micro/micro.h"
#include "daemon/core/assert.h"
#include "daemon/core/inbox.h"
#include "daemon/store/store.h"

#include <ftw.h>
#include <poll.h>

enum {
    WINDOW_MAX = 4000,
    BODY_BYTES_MAX = 1024,
    INBOX_MAX = 1024,
    RUN_BUDGET = 64,
    FLUSH_EVERY = 16,
    TRIM_EVERY = 65536,
    OPEN_FILES = 8
};

struct slot {
    struct store_request rq;
    struct bench *bench;
};

struct bench {
    char path[64];
    struct store *store;
    struct inbox inbox;
    struct store_client client;
    struct slot slots[WINDOW_MAX];
    struct slot trim;
    uint8_t body[BODY_BYTES_MAX];
    uint64_t topic;
    uint64_t next;     /* position of the next message */
    uint64_t answered; /* messages, all of them */
    bool trimming;
    bool created;
    uint32_t window;
    uint32_t bytes;
};

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void message_done(struct store_request *rq)
{
    struct bench *b = HULSE_CONTAINER(rq, struct slot, rq)->bench;

    micro_require(rq->status == HULSE_OK, "stored");
    micro_require(rq->position == b->answered, "answered in order");
    b->answered++;
}

static void trim_done(struct store_request *rq)
{
    micro_require(rq->status == HULSE_OK, "trimmed");
    HULSE_CONTAINER(rq, struct slot, rq)->bench->trimming = false;
}

static void topic_done(struct store_request *rq)
{
    struct bench *b = HULSE_CONTAINER(rq, struct slot, rq)->bench;

    micro_require(rq->status == HULSE_OK, "created");
    b->topic = rq->topic;
    b->created = true;
}

/* Runs what has been answered; sleeps when nothing has. */
static void hear(struct bench *b)
{
    hulse_store_flush(&b->client);
    if (hulse_inbox_run(&b->inbox, RUN_BUDGET) != 0) {
        return;
    }
    if (!hulse_inbox_park(&b->inbox)) {
        struct pollfd wait = {.fd = b->inbox.fd, .events = POLLIN};
        (void)poll(&wait, 1, -1);
    }
    hulse_inbox_unpark(&b->inbox);
}

/* What is answered is not needed any more. */
static void trim(struct bench *b)
{
    b->trim = (struct slot){.rq = {.done = trim_done,
                                   .kind = STORE_TOPIC_TRIM,
                                   .lazy = true,
                                   .topic = b->topic,
                                   .position = b->answered},
                            .bench = b};
    b->trimming = true;
    hulse_store_submit(&b->client, &b->trim.rq);
}

static void submit(struct bench *b)
{
    micro_require(b->window != 0, "a window");
    struct slot *slot = &b->slots[b->next % b->window];

    *slot = (struct slot){.rq = {.done = message_done,
                                 .kind = STORE_MESSAGE,
                                 .topic = b->topic,
                                 .position = b->next,
                                 .seq = b->next,
                                 .time_ms = 1,
                                 .handle = "0123456789abcde",
                                 .body = {{.data = b->body, .bytes = b->bytes}}},
                          .bench = b};
    hulse_store_submit(&b->client, &slot->rq);
    b->next++;
}

static void publish(void *argument, uint64_t ops)
{
    struct bench *b = argument;
    const uint64_t until = b->next + ops;

    while (b->next < until) {
        for (unsigned i = 0; i < FLUSH_EVERY && b->next < until; i++) {
            if (b->next - b->answered == b->window) {
                break;
            }
            submit(b);
        }
        if (b->next % TRIM_EVERY < FLUSH_EVERY && !b->trimming) {
            trim(b);
        }
        if (b->next - b->answered == b->window) {
            hear(b);
        } else {
            hulse_store_flush(&b->client);
            (void)hulse_inbox_run(&b->inbox, RUN_BUDGET);
        }
    }
    while (b->answered < until || b->trimming) {
        hear(b);
    }
}

static void create_topic(struct bench *b)
{
    struct slot slot = {
        .rq = {.done = topic_done, .kind = STORE_TOPIC_CREATE, .name = "persistent://a/b/c"},
        .bench = b};

    hulse_store_submit(&b->client, &slot.rq);
    while (!b->created) {
        hear(b);
    }
}

static void
measure(struct micro *m, struct bench *b, const char *name, uint32_t bytes, uint32_t window)
{
    struct store_figures before;
    struct store_figures after;
    const uint64_t full = window == WINDOW_MAX ? 200000 : 5000;
    const uint64_t ops = micro_ops(m, full, 200);

    b->bytes = bytes;
    b->window = window;
    hulse_store_figures(b->store, &before);
    micro_run(m, name, ops, publish, b);
    hulse_store_figures(b->store, &after);
    const double messages = (double)(ops * m->runs);
    printf("    %.1f messages a sync, %.2f bytes written per payload byte\n",
           messages / (double)(after.groups - before.groups),
           (double)(after.bytes - before.bytes) / (messages * bytes));
}

int main(int argc, char **argv)
{
    static struct bench b = {.path = "bench-store-XXXXXX"};
    struct store_params params;
    struct error err = {0};
    struct micro m;

    micro_begin(&m, "store", argc, argv);
    micro_require(mkdtemp(b.path) != NULL, "a directory below the current one");
    hulse_store_params_default(&params);
    params.directory = b.path;
    if (m.smoke) {
        params.segment_bytes = 1U << 20;
    }
    b.store = hulse_store_open(&params, NULL, &err);
    micro_require(b.store != NULL, err.text);
    micro_require(hulse_inbox_init(&b.inbox, INBOX_MAX), "an inbox");
    hulse_store_client_init(&b.client, b.store, &b.inbox);
    micro_require(hulse_store_start(b.store, &err) == HULSE_OK, err.text);
    create_topic(&b);
    measure(&m, &b, "publish_1024_window_4000", 1024, WINDOW_MAX);
    measure(&m, &b, "publish_128_window_4000", 128, WINDOW_MAX);
    measure(&m, &b, "publish_128_window_64", 128, 64);
    measure(&m, &b, "publish_128_window_1", 128, 1);
    hulse_store_stop(b.store);
    hulse_store_client_fini(&b.client);
    hulse_store_close(&b.store);
    hulse_inbox_fini(&b.inbox);
    (void)nftw(b.path, remove_one, OPEN_FILES, FTW_DEPTH | FTW_PHYS);
    return micro_end(&m);
}
