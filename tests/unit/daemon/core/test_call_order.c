/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   calls are told as settled in their order, each once, whatever the order in which partitions settle them, and
 *         without memory for their order too.
 * Method: random calls and answers beside a plain list of all calls.
 */
#include "daemon/core/call_order.h"
#include "daemon/core/mem.h"
#include "tests/support/check.h"
#include "tests/unit/daemon/core/check.h"

#define PARTS 5U
#define CALLS 3000U
#define NONE PARTS

struct model {
    uint32_t of[CALLS]; /* whose call; NONE: settled at once */
    struct call_credit credit[PARTS];
    uint64_t called[PARTS];
    uint64_t answered[PARTS];
    uint32_t calls;
    uint32_t told;
};

/* Whether a call is settled: so many of its partition were before it. */
static bool is_settled(const struct model *m, uint32_t call)
{
    uint64_t before = 0;
    for (uint32_t i = 0; i < call; i++) {
        before += m->of[i] == m->of[call];
    }
    return m->of[call] == NONE || before < m->answered[m->of[call]];
}

static void call(struct call_order *o, struct model *m, uint32_t part)
{
    m->of[m->calls++] = part;
    hulse_call_order_add(o, part == NONE ? NULL : &m->credit[part]);
    if (part != NONE) {
        m->called[part] += 1;
    }
}

static void answer(struct call_order *o, struct model *m, uint32_t part, uint64_t *seed)
{
    const uint64_t open = m->called[part] - m->answered[part];
    if (open > 0) {
        const uint32_t n = 1 + (uint32_t)test_below(seed, open);
        m->answered[part] += n;
        hulse_call_order_settle(o, &m->credit[part], n);
    }
}

static void answer_all(struct call_order *o, struct model *m)
{
    for (uint32_t p = 0; p < PARTS; p++) {
        const uint64_t open = m->called[p] - m->answered[p];
        m->answered[p] += open;
        hulse_call_order_settle(o, &m->credit[p], (uint32_t)open);
    }
}

static void tells_in_the_order_of_the_calls(void **state)
{
    (void)state;
    hulse_mem_init(SIZE_MAX / 2);
    for (uint64_t round = 1; round < 20; round++) {
        uint64_t seed = round;
        struct call_order o = {0};
        static struct model m;
        m = (struct model){0};
        while (m.calls < CALLS / 10) {
            if (test_below(&seed, 3) > 0) {
                call(&o, &m, (uint32_t)test_below(&seed, PARTS + 1));
            } else {
                answer(&o, &m, (uint32_t)test_below(&seed, PARTS), &seed);
            }
            m.told += hulse_call_order_take(&o);
            assert_true(m.told == m.calls || !is_settled(&m, m.told));
            for (uint32_t i = 0; i < m.told; i++) {
                assert_true(is_settled(&m, i));
            }
        }
        answer_all(&o, &m);
        m.told += hulse_call_order_take(&o);
        assert_int_equal(m.told, m.calls);
        hulse_call_order_fini(&o);
    }
    assert_int_equal(hulse_mem_used(HULSE_MEM_BROKER), 0);
}

static void tells_none_too_early_without_memory(void **state)
{
    (void)state;
    uint64_t seed = 7;
    struct call_order o = {0};
    static struct model m;
    m = (struct model){0};
    hulse_mem_init(SIZE_MAX / 2);
    for (uint32_t i = 0; i < 10; i++) {
        call(&o, &m, i % 2);
    }
    hulse_mem_init(1);
    while (m.calls < 300) {
        call(&o, &m, (uint32_t)test_below(&seed, PARTS + 1));
        if (test_below(&seed, 4) == 0) {
            answer(&o, &m, (uint32_t)test_below(&seed, PARTS), &seed);
        }
        m.told += hulse_call_order_take(&o);
        for (uint32_t i = 0; i < m.told; i++) {
            assert_true(is_settled(&m, i));
        }
    }
    answer_all(&o, &m);
    m.told += hulse_call_order_take(&o);
    assert_int_equal(m.told, m.calls);
    hulse_mem_init(SIZE_MAX / 2);
    /* As before from there on. */
    for (uint32_t i = 0; i < 100; i++) {
        call(&o, &m, i % 3);
    }
    assert_int_equal(hulse_call_order_take(&o), 0);
    hulse_call_order_settle(&o, &m.credit[1], 1);
    hulse_call_order_settle(&o, &m.credit[0], 1);
    assert_int_equal(hulse_call_order_take(&o), 2);
    hulse_call_order_fini(&o);
    assert_int_equal(hulse_mem_used(HULSE_MEM_BROKER), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tells_in_the_order_of_the_calls),
                                       cmocka_unit_test(tells_none_too_early_without_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
