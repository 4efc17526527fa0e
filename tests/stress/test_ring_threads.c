/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: timeout=180 */
/*
 * Goal:   S6: both roles of a channel have no data race, and M5 before M3 holds: a released record
 *         has its receipt.
 * Method: writer and reader as threads on one mapping of each region, because ThreadSanitizer keeps
 *         a shadow per address: two mappings of one page would hide every race. Record sizes vary,
 *         contents are checked, rings are small against the traffic. HULSE_STRESS_MESSAGES or the
 *         first argument sets the count.
 */
#include "shmlib/ring/record.h"
#include "shmlib/ring/region.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RING HULSE_RING_BYTES_MIN
#define PAYLOAD_MAX 2000U
#define MESSAGES_DEFAULT 200000U

struct channel {
    struct hulse_region a; /* up ring */
    struct hulse_region b; /* down ring */
    uint64_t messages;
};

static void must(bool holds, const char *what)
{
    if (!holds) {
        (void)fprintf(stderr, "failed: %s\n", what);
        abort();
    }
}

static uint32_t payload_bytes(uint64_t seq)
{
    return (uint32_t)((seq * 2654435761U) % PAYLOAD_MAX);
}

static struct hulse_ring_tx
make_tx(const struct hulse_region *ring, _Atomic(uint64_t) *tail, const _Atomic(uint64_t) *head)
{
    return (struct hulse_ring_tx){
        .ring = ring->ring, .mask = RING - 1, .tail_word = tail, .head_word = head};
}

static struct hulse_ring_rx
make_rx(const struct hulse_region *ring, const _Atomic(uint64_t) *tail, _Atomic(uint64_t) *head)
{
    return (struct hulse_ring_rx){
        .ring = ring->ring, .mask = RING - 1, .tail_word = tail, .head_word = head};
}

static void write_record(struct hulse_ring_tx *tx, uint64_t seq)
{
    const uint32_t bytes = payload_bytes(seq);
    const struct hulse_publish_header h = {.len = HULSE_PUBLISH_HEADER_BYTES + bytes,
                                           .type = HULSE_RECORD_MESSAGE,
                                           .seq = seq,
                                           .token = ~seq,
                                           .payload_len = bytes};
    uint8_t *at = hulse_ring_tx_at(tx, tx->tail);

    /* By loops, here and in the reader: gcc expands memset and memcpy unseen by ThreadSanitizer. */
    for (uint32_t i = 0; i < bytes; i++) {
        at[sizeof(h) + i] = (uint8_t)(seq + i);
    }
    memcpy(at, &h, sizeof(h));
    hulse_ring_tx_commit(tx, hulse_record_stride(h.len));
}

/* Takes all receipts there are; they must come in order. */
static void read_receipts(struct hulse_ring_rx *rx, uint64_t *next)
{
    must(hulse_ring_rx_refresh(rx) == HULSE_RING_OK, "down_tail");
    while (hulse_ring_rx_ready(rx) != 0) {
        struct hulse_receipt_record r;
        hulse_foreign_copy(&r, hulse_ring_rx_at(rx, rx->read), sizeof(r));
        must(r.token == ~*next && r.entry == *next, "receipt in order");
        (*next)++;
        hulse_ring_rx_take(rx, sizeof(r));
    }
    hulse_ring_rx_release(rx, rx->read);
}

/* The application's end. */
static void *run_writer(void *arg)
{
    const struct channel *c = arg;
    struct hulse_region_a *a = hulse_region_a(&c->a);
    struct hulse_region_b *b = hulse_region_b(&c->b);
    struct hulse_ring_tx up = make_tx(&c->a, &a->up_tail, &b->up_head);
    struct hulse_ring_rx down = make_rx(&c->b, &b->down_tail, &a->down_head);
    uint64_t released_ends[RING / HULSE_PUBLISH_HEADER_BYTES];
    const size_t ends = sizeof(released_ends) / sizeof(released_ends[0]);
    uint64_t sent = 0;
    uint64_t released = 0; /* records the reader is known to have released */
    uint64_t receipts = 0;

    while (receipts < c->messages) {
        for (unsigned burst = 0; burst < 16 && sent < c->messages && sent - released < ends;
             burst++) {
            const uint64_t need =
                hulse_record_stride(HULSE_PUBLISH_HEADER_BYTES + payload_bytes(sent));
            const enum hulse_ring_rc rc = hulse_ring_tx_reserve(&up, need);
            must(rc != HULSE_RING_CORRUPT, "up_head");
            if (rc == HULSE_RING_FULL) {
                break;
            }
            write_record(&up, sent);
            released_ends[sent % ends] = up.tail;
            sent++;
        }
        hulse_ring_tx_publish(&up);
        must(hulse_ring_tx_refresh(&up) == HULSE_RING_OK, "up_head");
        while (released < sent && released_ends[released % ends] <= up.head_seen) {
            released++;
        }
        read_receipts(&down, &receipts);
        must(receipts >= released, "a released record has its receipt (M5 before M3)");
        if (released < sent) {
            (void)sched_yield();
        }
    }
    return NULL;
}

static void
read_record(const struct hulse_ring_rx *rx, uint64_t seq, struct hulse_publish_header *h)
{
    const uint8_t *at = hulse_ring_rx_at(rx, rx->read);

    hulse_foreign_copy(h, at, sizeof(*h));
    must(hulse_publish_check(h, hulse_ring_rx_ready(rx), RING / 2) == HULSE_RULE_NONE, "header");
    must(h->seq == seq && h->payload_len == payload_bytes(seq), "record in order");
    for (uint32_t i = 0; i < h->payload_len; i++) {
        must(at[sizeof(*h) + i] == (uint8_t)(seq + i), "payload");
    }
}

/* The daemon's end: receipt first, then release. */
static void *run_reader(void *arg)
{
    const struct channel *c = arg;
    struct hulse_region_a *a = hulse_region_a(&c->a);
    struct hulse_region_b *b = hulse_region_b(&c->b);
    struct hulse_ring_rx up = make_rx(&c->a, &a->up_tail, &b->up_head);
    struct hulse_ring_tx down = make_tx(&c->b, &b->down_tail, &a->down_head);
    uint64_t taken = 0;

    while (taken < c->messages) {
        must(hulse_ring_rx_refresh(&up) == HULSE_RING_OK, "up_tail");
        while (hulse_ring_rx_ready(&up) != 0 &&
               hulse_ring_tx_reserve(&down, HULSE_RECEIPT_BYTES) == HULSE_RING_OK) {
            struct hulse_publish_header h;
            read_record(&up, taken, &h);
            const struct hulse_receipt_record r = {
                .token = h.token, .entry = taken, .status = HULSE_OUTCOME_STORED};
            memcpy(hulse_ring_tx_at(&down, down.tail), &r, sizeof(r));
            hulse_ring_tx_commit(&down, sizeof(r));
            hulse_ring_rx_take(&up, hulse_record_stride(h.len));
            taken++;
        }
        hulse_ring_tx_publish(&down);
        hulse_ring_rx_release(&up, up.read);
        (void)sched_yield();
    }
    return NULL;
}

static void open_region(struct hulse_region *r)
{
    int fd = -1;

    must(hulse_region_create(&fd, "hulse-test", RING) == HULSE_REGION_RC_OK, "create");
    must(hulse_region_map(r, fd, RING, true) == HULSE_REGION_RC_OK, "map");
    must(hulse_region_populate(r, true) == HULSE_REGION_RC_OK, "populate");
    (void)close(fd);
}

int main(int argc, char **argv)
{
    static struct channel c;
    const char *count = argc > 1 ? argv[1] : getenv("HULSE_STRESS_MESSAGES");
    pthread_t writer;
    pthread_t reader;

    c.messages = count != NULL ? strtoull(count, NULL, 10) : MESSAGES_DEFAULT;
    open_region(&c.a);
    open_region(&c.b);
    must(pthread_create(&writer, NULL, run_writer, &c) == 0, "thread");
    must(pthread_create(&reader, NULL, run_reader, &c) == 0, "thread");
    must(pthread_join(writer, NULL) == 0, "join");
    must(pthread_join(reader, NULL) == 0, "join");
    hulse_region_unmap(&c.a);
    hulse_region_unmap(&c.b);
    (void)printf("messages=%llu in order, each released one with its receipt\n",
                 (unsigned long long)c.messages);
    return 0;
}
