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

/* Two heaps of any shape: every node once, in less than two calls each. */
static void test_shedding(void **state)
{
    uint64_t seed = test_seed();
    static bool seen[NODES];
    (void)state;
    for (unsigned shape = 0; shape < 3; shape++) {
        struct heap heaps[2] = {{0}};
        struct heap pile = {0};
        unsigned calls = 0;
        unsigned found = 0;
        for (uint64_t i = 0; i < NODES; i++) {
            const uint64_t key = shape == 0 ? i : shape == 1 ? NODES - i : test_below(&seed, KEYS);
            hulse_heap_push(&heaps[i % 2], &nodes[i], key);
            seen[i] = false;
        }
        struct heap_node *popped = hulse_heap_pop(&heaps[0]);
        seen[popped - nodes] = true;
        hulse_heap_shed_too(&pile, &heaps[0]);
        while (pile.root != NULL) {
            struct heap_node *node = hulse_heap_shed(&pile);
            calls += 1;
            if (node != NULL) {
                assert_false(seen[node - nodes]);
                seen[node - nodes] = true;
                found += 1;
            }
            if (calls == NODES / 4) {
                hulse_heap_shed_too(&pile, &heaps[1]);
            }
        }
        assert_null(heaps[0].root);
        assert_null(heaps[1].root);
        assert_null(hulse_heap_shed(&pile));
        assert_int_equal(found, NODES - 1);
        assert_true(calls < 2 * NODES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_counts),
        cmocka_unit_test(test_ordered),
        cmocka_unit_test(test_shedding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
