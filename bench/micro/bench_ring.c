/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_ring - the ring of shmlib/ring: claiming, publishing, taking and giving back records.
 *
 * Conservation: the reader finds every sequence number once, in order, and adds up the payloads.
 * `one thread` is the cost of the instructions, `two threads` that of the cache lines too.
 */
#include "bench/micro/micro.h"
#include "shmlib/ring/doorbell.h"
#include "shmlib/ring/record.h"
#include "shmlib/ring/region.h"
#include "shmlib/ring/ring.h"

#include <pthread.h>

#define RING_BYTES (512U * 1024)
#define BATCH 16U

struct scene {
    struct hulse_region a;
    struct hulse_region b;
    uint32_t payload_bytes;
    uint64_t ops;
};

struct ends {
    struct hulse_ring_tx tx;
    struct hulse_ring_rx rx;
    const _Atomic(uint64_t) *armed;
    uint64_t last_rung;
    uint64_t stride;
    uint64_t sent;
    uint64_t taken;
    uint64_t sum;
    uint32_t payload_bytes;
};

static void reset(const struct scene *s, struct ends *e)
{
    struct hulse_region_a *a = hulse_region_a(&s->a);
    struct hulse_region_b *b = hulse_region_b(&s->b);

    *e = (struct ends){
        .tx = {.ring = s->a.ring,
               .mask = RING_BYTES - 1,
               .tail_word = &a->up_tail,
               .head_word = &b->up_head},
        .rx = {.ring = s->a.ring,
               .mask = RING_BYTES - 1,
               .tail_word = &a->up_tail,
               .head_word = &b->up_head},
        .armed = &b->armed,
        .stride = hulse_record_stride(HULSE_PUBLISH_HEADER_BYTES + s->payload_bytes),
        .payload_bytes = s->payload_bytes,
    };
    /* Relaxed because the other end does not run yet. */
    atomic_store_explicit(&a->up_tail, 0, memory_order_relaxed);
    atomic_store_explicit(&b->up_head, 0, memory_order_relaxed);
}

/* Writes up to a batch and publishes it; how many. */
static unsigned put_batch(struct ends *e, uint64_t last)
{
    unsigned n = 0;

    while (n < BATCH && e->sent < last &&
           hulse_ring_tx_reserve(&e->tx, e->stride) == HULSE_RING_OK) {
        uint8_t *at = hulse_ring_tx_at(&e->tx, e->tx.tail);
        *(struct hulse_publish_header *)(void *)at =
            (struct hulse_publish_header){.len = HULSE_PUBLISH_HEADER_BYTES + e->payload_bytes,
                                          .type = HULSE_RECORD_MESSAGE,
                                          .seq = e->sent,
                                          .payload_len = e->payload_bytes};
        memset(at + HULSE_PUBLISH_HEADER_BYTES, (int)(e->sent & 0xff), e->payload_bytes);
        hulse_ring_tx_commit(&e->tx, e->stride);
        e->sent++;
        n++;
    }
    if (n != 0) {
        hulse_ring_tx_publish(&e->tx);
        micro_require(!hulse_doorbell_publisher(e->armed, &e->last_rung), "nobody has armed");
    }
    return n;
}

static bool take_batch(struct ends *e)
{
    if (hulse_ring_rx_ready(&e->rx) == 0) {
        micro_require(hulse_ring_rx_refresh(&e->rx) == HULSE_RING_OK, "positions are sound");
    }
    const uint64_t ready = hulse_ring_rx_ready(&e->rx);
    for (uint64_t bytes = 0; bytes < ready; bytes += e->stride) {
        struct hulse_publish_header h;
        const uint8_t *at = hulse_ring_rx_at(&e->rx, e->rx.read);
        hulse_foreign_copy(&h, at, sizeof(h));
        micro_require(hulse_publish_check(&h, ready - bytes, RING_BYTES / 2) == HULSE_RULE_NONE &&
                          h.seq == e->taken,
                      "the next record in order");
        e->sum += at[sizeof(h)] + (uint64_t)at[sizeof(h) + e->payload_bytes - 1];
        e->taken++;
        hulse_ring_rx_take(&e->rx, e->stride);
    }
    if (ready != 0) {
        hulse_ring_rx_release(&e->rx, e->rx.read);
    }
    return ready != 0;
}

static uint64_t expected_sum(uint64_t ops)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < ops; i++) {
        sum += 2 * (i & 0xff);
    }
    return sum;
}

static void one_thread(void *argument, uint64_t ops)
{
    struct ends e;

    reset(argument, &e);
    while (e.taken < ops) {
        (void)put_batch(&e, ops);
        (void)take_batch(&e);
    }
    micro_require(e.sent == ops && e.sum == expected_sum(ops), "as many in as out");
}

static void *reader(void *argument)
{
    struct ends *e = argument;
    const uint64_t ops = e->sent; /* set by the starter */

    while (e->taken < ops) {
        (void)take_batch(e);
    }
    return NULL;
}

static void two_threads(void *argument, uint64_t ops)
{
    static struct ends writing;
    static struct ends reading;
    pthread_t thread;

    reset(argument, &writing);
    reset(argument, &reading);
    reading.sent = ops;
    micro_require(pthread_create(&thread, NULL, reader, &reading) == 0, "a thread");
    while (writing.sent < ops) {
        (void)put_batch(&writing, ops);
    }
    (void)pthread_join(thread, NULL);
    micro_require(reading.taken == ops && reading.sum == expected_sum(ops), "as many in as out");
}

static void map(struct hulse_region *r, const char *name, uint32_t bytes)
{
    int fd = -1;

    micro_require(hulse_region_create(&fd, name, bytes) == HULSE_REGION_RC_OK &&
                      hulse_region_map(r, fd, bytes, true) == HULSE_REGION_RC_OK &&
                      hulse_region_populate(r, true) == HULSE_REGION_RC_OK,
                  "a region");
    (void)close(fd);
}

int main(int argc, char **argv)
{
    struct scene s = {0};
    struct micro m;

    micro_begin(&m, "ring", argc, argv);
    printf("  ring %u KiB, header %u B, published every %u\n",
           RING_BYTES / 1024,
           HULSE_PUBLISH_HEADER_BYTES,
           BATCH);
    map(&s.a, "micro-a", RING_BYTES);
    map(&s.b, "micro-b", HULSE_RING_BYTES_MIN);
    s.payload_bytes = 64;
    micro_run(&m, "64 B, two threads", micro_ops(&m, 20000000, 20000), two_threads, &s);
    micro_run(&m, "64 B, one thread", micro_ops(&m, 20000000, 20000), one_thread, &s);
    s.payload_bytes = 1024;
    micro_run(&m, "1 KiB, two threads", micro_ops(&m, 5000000, 20000), two_threads, &s);
    micro_run(&m, "1 KiB, one thread", micro_ops(&m, 5000000, 20000), one_thread, &s);
    hulse_region_unmap(&s.a);
    hulse_region_unmap(&s.b);
    return micro_end(&m);
}
