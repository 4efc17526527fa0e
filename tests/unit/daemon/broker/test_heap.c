/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the heap gives the smallest key, every node once, whatever the order of pushes and pops.
 * Method: against a counted set of keys, at random; a long run in rising and falling order.
 */
#include "daemon/broker/local/heap.h"
#include "tests/unit/daemon/core/check.h"

#include <stdbool.h>

enum { NODES = 4096, KEYS = 512 };

static struct heap_node nodes[NODES];

static void test_against_counts(void **state)
{
    uint64_t seed = test_seed();
    struct heap heap = {0};
    uint32_t counts[KEYS] = {0};
    struct heap_node *spare[NODES];
    uint32_t spares = NODES;
    (void)state;
    for (uint32_t i = 0; i < NODES; i++) {
        spare[i] = &nodes[i];
    }
    for (unsigned step = 0; step < 300000; step++) {
        /* Grows and shrinks in waves. */
        const bool push = test_below(&seed, 100) < (step / 10000 % 2 == 0 ? 60U : 40U);
        if (push && spares > 0) {
            const uint64_t key = test_below(&seed, KEYS);
            counts[key] += 1;
            hulse_heap_push(&heap, spare[--spares], key);
        } else if (!push) {
            uint64_t least = 0;
            while (least < KEYS && counts[least] == 0) {
                least += 1;
            }
            struct heap_node *node = hulse_heap_pop(&heap);
            if (least == KEYS) {
                assert_null(node);
                continue;
            }
            assert_non_null(node);
            assert_int_equal(node->key, least);
            counts[least] -= 1;
            spare[spares++] = node;
        }
    }
    while (hulse_heap_pop(&heap) != NULL) {
        spares += 1;
    }
    assert_int_equal(spares, NODES);
}

static void test_ordered(void **state)
{
    struct heap heap = {0};
    (void)state;
    for (unsigned falling = 0; falling < 2; falling++) {
        for (uint64_t i = 0; i < NODES; i++) {
            hulse_heap_push(&heap, &nodes[i], falling ? NODES - i : i + 1);
        }
        for (uint64_t i = 0; i < NODES; i++) {
            assert_int_equal(heap.root->key, i + 1);
            assert_int_equal(hulse_heap_pop(&heap)->key, i + 1);
        }
        assert_null(hulse_heap_pop(&heap));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_counts),
        cmocka_unit_test(test_ordered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
