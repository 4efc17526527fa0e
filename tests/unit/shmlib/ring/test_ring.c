/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   U2: the ring is a queue of records, at every capacity and position; V7 at its edges.
 * Method: random claim, commit, abort, publish, refresh, take and release against a reference
 *         queue; positions start near 0, 2^32 and 2^63. HULSE_SEED sets the seed, printed always.
 */
#include "shmlib/ring/region.h"
#include "shmlib/ring/ring.h"
#include "tests/unit/shmlib/ring/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define QUEUE_MAX 16384U /* records; more than fit the largest ring used here at 64 bytes each */
#define STEPS 60000U

struct queued {
    uint64_t bytes;
    uint64_t fill;
};

struct model {
    struct hulse_region region;
    _Atomic(uint64_t) tail_word;
    _Atomic(uint64_t) head_word;
    struct hulse_ring_tx tx;
    struct hulse_ring_rx rx;
    struct queued queue[QUEUE_MAX];
    size_t head, read, published, tail; /* counts of records; index modulo QUEUE_MAX */
    uint64_t random;
};

static struct model model;

static uint64_t draw(struct model *m)
{
    /* splitmix64: any seed will do. */
    uint64_t z = (m->random += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static uint64_t seed(void)
{
    static uint64_t chosen;

    if (chosen == 0) {
        const char *given = getenv("HULSE_SEED"); /* NOLINT(concurrency-mt-unsafe): one thread */
        chosen = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
        print_message("HULSE_SEED=%llu\n", (unsigned long long)chosen);
    }
    return chosen;
}

static void start(struct model *m, uint32_t capacity, uint64_t position)
{
    int fd = -1;

    memset(m, 0, sizeof(*m));
    m->random = seed();
    assert_int_equal(hulse_region_create(&fd, "hulse-test", capacity), HULSE_REGION_RC_OK);
    assert_int_equal(hulse_region_map(&m->region, fd, capacity, true), HULSE_REGION_RC_OK);
    (void)close(fd);
    atomic_init(&m->tail_word, position);
    atomic_init(&m->head_word, position);
    m->tx = (struct hulse_ring_tx){.ring = m->region.ring,
                                   .mask = capacity - 1,
                                   .tail = position,
                                   .published = position,
                                   .head_seen = position,
                                   .tail_word = &m->tail_word,
                                   .head_word = &m->head_word};
    m->rx = (struct hulse_ring_rx){.ring = m->region.ring,
                                   .mask = capacity - 1,
                                   .read = position,
                                   .released = position,
                                   .tail_seen = position,
                                   .tail_word = &m->tail_word,
                                   .head_word = &m->head_word};
}

static void fill(uint8_t *at, uint64_t bytes, uint64_t value)
{
    for (uint64_t i = 0; i < bytes; i += sizeof(value)) {
        const uint64_t word = value + i;
        memcpy(at + i, &word, sizeof(word));
    }
}

static void check_fill(const uint8_t *at, uint64_t bytes, uint64_t value)
{
    for (uint64_t i = 0; i < bytes; i += sizeof(value)) {
        uint64_t word = 0;
        memcpy(&word, at + i, sizeof(word));
        if (word != value + i) {
            fail_msg("byte %llu of a record is not what was written", (unsigned long long)i);
        }
    }
}

static uint64_t draw_bytes(struct model *m)
{
    const uint64_t half = (m->tx.mask + 1) / 2;
    const uint64_t n = draw(m);

    if (n % 16 == 0) {
        return half;
    }
    return hulse_record_stride(64 + (draw(m) % (n % 4 == 0 ? half - 64 : 256)));
}

/* Claims; commits or, one time in eight, aborts, which must leave no trace. */
static void step_claim(struct model *m)
{
    const uint64_t bytes = draw_bytes(m);
    const uint64_t used = m->tx.tail - m->rx.released;
    const bool fits = used + bytes <= m->tx.mask + 1;

    if (m->tail - m->head == QUEUE_MAX) {
        return;
    }
    const enum hulse_ring_rc rc = hulse_ring_tx_reserve(&m->tx, bytes);
    assert_int_equal(rc, fits ? HULSE_RING_OK : HULSE_RING_FULL);
    if (!fits) {
        return;
    }
    const uint64_t value = draw(m);
    fill(hulse_ring_tx_at(&m->tx, m->tx.tail), bytes, value);
    if (draw(m) % 8 == 0) {
        return;
    }
    hulse_ring_tx_commit(&m->tx, bytes);
    m->queue[m->tail++ % QUEUE_MAX] = (struct queued){bytes, value};
}

static void step_publish(struct model *m)
{
    hulse_ring_tx_publish(&m->tx);
    m->published = m->tail;
}

static void step_take(struct model *m)
{
    assert_int_equal(hulse_ring_rx_refresh(&m->rx), HULSE_RING_OK);
    if (m->read == m->published) {
        assert_int_equal(hulse_ring_rx_ready(&m->rx), 0);
        return;
    }
    const struct queued *q = &m->queue[m->read++ % QUEUE_MAX];
    assert_true(hulse_ring_rx_ready(&m->rx) >= q->bytes);
    check_fill(hulse_ring_rx_at(&m->rx, m->rx.read), q->bytes, q->fill);
    hulse_ring_rx_take(&m->rx, q->bytes);
}

/* Gives back some of the taken records, whose bytes must still be what they were. */
static void step_release(struct model *m)
{
    const size_t count = m->read - m->head;
    uint64_t position = m->rx.released;

    for (size_t n = count == 0 ? 0 : draw(m) % (count + 1); n > 0; n--) {
        const struct queued *q = &m->queue[m->head++ % QUEUE_MAX];
        check_fill(hulse_ring_rx_at(&m->rx, position), q->bytes, q->fill);
        position += q->bytes;
    }
    hulse_ring_rx_release(&m->rx, position);
}

static void run_model(uint32_t capacity, uint64_t position)
{
    struct model *m = &model;

    start(m, capacity, position);
    for (unsigned i = 0; i < STEPS; i++) {
        /* Waves: claims prevail, then takes, so that both full and empty are met. */
        const unsigned wave = (i / 512) % 2;
        const uint64_t pick = draw(m) % 8;
        if (pick < 3 + (wave == 0 ? 2U : 0U)) {
            step_claim(m);
        } else if (pick == 5) {
            step_publish(m);
        } else if (pick == 6 && wave == 0) {
            step_release(m);
        } else {
            step_take(m);
            if (wave == 1) {
                step_release(m);
            }
        }
    }
    step_publish(m);
    while (m->read != m->tail) {
        step_take(m);
    }
    assert_true(m->rx.read == m->tx.tail);
    assert_true(m->tx.tail - position > capacity); /* it went round at least once */
    hulse_region_unmap(&m->region);
}

static void test_model_from_zero(void **state)
{
    (void)state;
    for (uint32_t capacity = HULSE_RING_BYTES_MIN; capacity <= 1U << 20; capacity *= 4) {
        run_model(capacity, 0);
    }
}

static void test_model_over_two_to_the_32(void **state)
{
    (void)state;
    run_model(HULSE_RING_BYTES_MIN, (1ULL << 32) - 4096);
    run_model(HULSE_RING_BYTES_MIN * 2, (1ULL << 32) - 8);
}

static void test_model_over_two_to_the_63(void **state)
{
    (void)state;
    run_model(HULSE_RING_BYTES_MIN, (1ULL << 63) - 4096);
    run_model(HULSE_RING_BYTES_MIN * 2, (1ULL << 63) - 8);
}

static const uint64_t positions[] = {1U << 20, (1ULL << 32) - 8, (1ULL << 63) - 8};
#define POSITION_COUNT (sizeof(positions) / sizeof(positions[0]))
#define CAP ((uint64_t)HULSE_RING_BYTES_MIN)

static void test_reader_refuses_a_bad_tail(void **state)
{
    (void)state;
    for (size_t i = 0; i < POSITION_COUNT; i++) {
        const uint64_t p = positions[i];
        const struct {
            uint64_t tail;
            enum hulse_ring_rc rc;
        } cases[] = {
            {p + 64, HULSE_RING_OK},
            {p + 72, HULSE_RING_OK},
            {p + 56, HULSE_RING_CORRUPT},
            {0, HULSE_RING_CORRUPT},
            {p - 32 + CAP, HULSE_RING_OK},
            {p - 32 + CAP + 8, HULSE_RING_CORRUPT},
            {p + 65, HULSE_RING_CORRUPT},
            {p + 68, HULSE_RING_CORRUPT},
            {UINT64_MAX, HULSE_RING_CORRUPT},
            {UINT64_MAX - 7, HULSE_RING_CORRUPT},
            {(p + 64) ^ (1ULL << 63), HULSE_RING_CORRUPT},
        };
        for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
            /* Released to p - 32, read to p, seen to p + 64. */
            start(&model, CAP, p);
            model.rx.released = p - 32;
            model.rx.tail_seen = p + 64;
            atomic_store_explicit(&model.tail_word, cases[c].tail, memory_order_relaxed);
            assert_int_equal(hulse_ring_rx_refresh(&model.rx), cases[c].rc);
            assert_true(model.rx.tail_seen ==
                        (cases[c].rc == HULSE_RING_OK ? cases[c].tail : p + 64));
            hulse_region_unmap(&model.region);
        }
    }
}

static void test_writer_refuses_a_bad_head(void **state)
{
    (void)state;
    for (size_t i = 0; i < POSITION_COUNT; i++) {
        const uint64_t p = positions[i];
        const struct {
            uint64_t head;
            enum hulse_ring_rc rc;
        } cases[] = {
            {p, HULSE_RING_OK},
            {p - 8, HULSE_RING_CORRUPT},
            {p + 64, HULSE_RING_OK},
            {p + 72, HULSE_RING_CORRUPT},
            {p + 33, HULSE_RING_CORRUPT},
            {p + 36, HULSE_RING_CORRUPT},
            {0, HULSE_RING_CORRUPT},
            {UINT64_MAX - 7, HULSE_RING_CORRUPT},
        };
        for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
            /* Published to p + 64, committed to p + 128. */
            start(&model, CAP, p);
            model.tx.published = p + 64;
            model.tx.tail = p + 128;
            atomic_store_explicit(&model.head_word, cases[c].head, memory_order_relaxed);
            assert_int_equal(hulse_ring_tx_refresh(&model.tx), cases[c].rc);
            assert_true(model.tx.head_seen == (cases[c].rc == HULSE_RING_OK ? cases[c].head : p));
            hulse_region_unmap(&model.region);
        }
    }
}

static void test_a_corrupt_head_is_met_only_when_needed(void **state)
{
    (void)state;
    start(&model, CAP, 0);
    atomic_store_explicit(&model.head_word, 8, memory_order_relaxed); /* nothing was published */
    assert_int_equal(hulse_ring_tx_reserve(&model.tx, CAP), HULSE_RING_OK);
    assert_int_equal(hulse_ring_tx_reserve(&model.tx, CAP + 8), HULSE_RING_CORRUPT);
    atomic_store_explicit(&model.head_word, 0, memory_order_relaxed);
    assert_int_equal(hulse_ring_tx_reserve(&model.tx, CAP + 8), HULSE_RING_FULL);
    hulse_region_unmap(&model.region);
}

static void test_nothing_is_visible_before_publish(void **state)
{
    (void)state;
    start(&model, CAP, 0);
    assert_int_equal(hulse_ring_capacity(model.tx.mask), CAP);
    hulse_ring_tx_commit(&model.tx, 64);
    assert_int_equal(hulse_ring_rx_refresh(&model.rx), HULSE_RING_OK);
    assert_int_equal(hulse_ring_rx_ready(&model.rx), 0);
    hulse_ring_tx_publish(&model.tx);
    assert_int_equal(hulse_ring_rx_ready(&model.rx), 0);
    assert_int_equal(hulse_ring_rx_refresh(&model.rx), HULSE_RING_OK);
    assert_int_equal(hulse_ring_rx_ready(&model.rx), 64);
    hulse_region_unmap(&model.region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_from_zero),
        cmocka_unit_test(test_model_over_two_to_the_32),
        cmocka_unit_test(test_model_over_two_to_the_63),
        cmocka_unit_test(test_reader_refuses_a_bad_tail),
        cmocka_unit_test(test_writer_refuses_a_bad_head),
        cmocka_unit_test(test_a_corrupt_head_is_met_only_when_needed),
        cmocka_unit_test(test_nothing_is_visible_before_publish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
