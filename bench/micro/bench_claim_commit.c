/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_claim_commit - the publishing path of the library, without a daemon.
 *
 * The real hulse_claim(), hulse_commit() and hulse_publish() work on a channel that is put
 * together here; the other end of its ring is drained by this thread, or by a second one that does
 * what a worker's reader does. A flush every 16 records unless the case says otherwise.
 *
 * Conservation: the drain finds every sequence number once, in order, with its token.
 */
#include "bench/micro/micro.h"
#include "shmlib/client/producer.h"
#include "shmlib/ring/record.h"

#include <pthread.h>

#define RING_BYTES (512U * 1024)
#define PAYLOAD_BYTES 64U
#define TOKEN_SALT 0x5a5a5a5aU

struct scene {
    struct hulse_session session;
    struct hulse_channel channel;
    struct hulse_producer producer;
    struct hulse_ring_rx rx; /* the worker's end */
    uint64_t taken;
    uint64_t until; /* what the draining thread waits for */
};

static void drain(struct scene *s)
{
    micro_require(hulse_ring_rx_refresh(&s->rx) == HULSE_RING_OK, "positions are sound");
    while (hulse_ring_rx_ready(&s->rx) != 0) {
        struct hulse_publish_header h;
        const uint8_t *at = hulse_ring_rx_at(&s->rx, s->rx.read);
        hulse_foreign_copy(&h, at, sizeof(h));
        micro_require(hulse_publish_check(&h, hulse_ring_rx_ready(&s->rx), RING_BYTES / 2) ==
                              HULSE_RULE_NONE &&
                          h.seq == s->taken && h.token == (s->taken ^ TOKEN_SALT) &&
                          at[sizeof(h)] == (uint8_t)s->taken,
                      "the next record in order");
        s->taken++;
        hulse_ring_rx_take(&s->rx, hulse_record_stride(h.len));
    }
    if (s->rx.released != s->rx.read) {
        hulse_ring_rx_release(&s->rx, s->rx.read);
    }
}

static void *drain_thread(void *argument)
{
    struct scene *s = argument;

    while (s->taken < s->until) {
        drain(s);
    }
    return NULL;
}

/* One message; true = the ring has no room for it. */
static bool claim_commit(struct scene *s)
{
    void *room = NULL;
    const uint64_t token = s->producer.handle.seq ^ TOKEN_SALT;
    const hulse_status rc = hulse_claim(&s->producer, PAYLOAD_BYTES, &room);

    if (rc == HULSE_AGAIN) {
        return true;
    }
    micro_require(rc == HULSE_OK, "a claim");
    memset(room, (int)(s->producer.handle.seq & 0xff), PAYLOAD_BYTES);
    micro_require(hulse_commit(&s->producer, PAYLOAD_BYTES, NULL, token) == HULSE_OK, "a commit");
    return false;
}

static void alone(void *argument, uint64_t ops)
{
    struct scene *s = argument;
    const uint64_t until = s->taken + ops;

    while (s->producer.handle.seq < until) {
        if (claim_commit(s)) {
            drain(s);
        }
    }
    micro_require(hulse_flush(&s->producer) == HULSE_OK, "a flush");
    drain(s);
    micro_require(s->taken == until, "as many in as out");
}

static void drained(void *argument, uint64_t ops)
{
    struct scene *s = argument;
    pthread_t thread;

    s->until = s->taken + ops;
    const uint64_t until = s->until;
    micro_require(pthread_create(&thread, NULL, drain_thread, s) == 0, "a thread");
    while (s->producer.handle.seq < until) {
        if (claim_commit(s)) {
            micro_require(hulse_flush(&s->producer) == HULSE_OK, "a flush");
        }
    }
    micro_require(hulse_flush(&s->producer) == HULSE_OK, "a flush");
    (void)pthread_join(thread, NULL);
    micro_require(s->taken == until, "as many in as out");
}

/* Copying publish, each with a flush of its own. */
static void single(void *argument, uint64_t ops)
{
    struct scene *s = argument;
    const uint64_t until = s->taken + ops;
    uint8_t payload[PAYLOAD_BYTES];

    while (s->producer.handle.seq < until) {
        const uint64_t seq = s->producer.handle.seq;
        memset(payload, (int)(seq & 0xff), sizeof(payload));
        const hulse_status rc =
            hulse_publish(&s->producer, payload, sizeof(payload), NULL, seq ^ TOKEN_SALT);
        if (rc == HULSE_AGAIN) {
            drain(s);
        } else {
            micro_require(rc == HULSE_OK, "a publish");
        }
    }
    drain(s);
    micro_require(s->taken == until, "as many in as out");
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

/* What hulse_producer_open() leaves behind, as far as publishing looks at it. */
static void assemble(struct scene *s)
{
    struct hulse_channel *ch = &s->channel;

    map(&ch->a, "micro-a", RING_BYTES);
    map(&ch->b, "micro-b", HULSE_RING_BYTES_MIN);
    struct hulse_region_a *a = hulse_region_a(&ch->a);
    struct hulse_region_b *b = hulse_region_b(&ch->b);
    ch->tx = (struct hulse_ring_tx){.ring = ch->a.ring,
                                    .mask = RING_BYTES - 1,
                                    .tail_word = &a->up_tail,
                                    .head_word = &b->up_head};
    ch->rx = (struct hulse_ring_rx){.ring = ch->b.ring,
                                    .mask = HULSE_RING_BYTES_MIN - 1,
                                    .tail_word = &b->down_tail,
                                    .head_word = &a->down_head};
    ch->session = &s->session;
    ch->armed = &b->armed;
    ch->record_max = RING_BYTES / 2;
    ch->flush_records = HULSE_BATCH_RECORDS;
    ch->flush_bytes = HULSE_BATCH_BYTES;
    /* There is no daemon whose heartbeat could be old. */
    ch->look_at_ns = UINT64_MAX;
    s->session.sock = -1;
    s->session.bell = -1;
    s->producer.handle.channel = ch;
    s->producer.handle.kind = HULSE_CHANNEL_PRODUCER;
    s->producer.handle.number = 1;
    s->producer.handle.bytes_max = RING_BYTES / 2;
    s->rx = (struct hulse_ring_rx){.ring = ch->a.ring,
                                   .mask = RING_BYTES - 1,
                                   .tail_word = &a->up_tail,
                                   .head_word = &b->up_head};
}

int main(int argc, char **argv)
{
    static struct scene s;
    struct micro m;

    micro_begin(&m, "claim_commit", argc, argv);
    printf("  payload %u B, ring %u KiB, a flush every %u\n",
           PAYLOAD_BYTES,
           RING_BYTES / 1024,
           HULSE_BATCH_RECORDS);
    assemble(&s);
    micro_run(&m, "against a draining thread", micro_ops(&m, 20000000, 20000), drained, &s);
    micro_run(&m, "alone", micro_ops(&m, 20000000, 20000), alone, &s);
    micro_run(&m, "publish with flush, alone", micro_ops(&m, 10000000, 20000), single, &s);
    hulse_region_unmap(&s.channel.a);
    hulse_region_unmap(&s.channel.b);
    return micro_end(&m);
}
