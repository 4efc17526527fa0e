/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   fragments become one message only in order and only when their numbers agree (V10); the
 *         buffer is bounded by our limit and the memory cap, whatever a total says (V16).
 * Method: hulse_assembly_add() alone, on headers written by hand.
 */
#include "daemon/app/assembly.h"
#include "daemon/core/mem.h"
#include "tests/support/check.h"

#include <string.h>

#define MAX 1000U
#define HANDLE 0x10003U

struct piece {
    struct hulse_publish_header h;
    uint8_t payload[HULSE_FRAGMENT_HEADER_BYTES + 64];
};

/* Fragment `index` of `count`, `bytes` of the letter 'a' + index. */
static struct piece piece(uint32_t index, uint32_t count, uint64_t total, uint32_t bytes)
{
    struct piece p = {.h = {.type = HULSE_RECORD_FRAGMENT,
                            .handle = HANDLE,
                            .token = 42,
                            .payload_len = HULSE_FRAGMENT_HEADER_BYTES + bytes}};
    const struct hulse_fragment_header f = {.index = index, .count = count, .total_len = total};
    p.h.flags = (uint8_t)((index == 0 ? HULSE_RECORD_FIRST : 0) |
                          (index + 1 == count ? HULSE_RECORD_LAST : 0));
    memcpy(p.payload, &f, sizeof(f));
    memset(p.payload + sizeof(f), (int)('a' + index), bytes);
    return p;
}

static enum assembly_rc add(struct assembly *as, const struct piece *p)
{
    return hulse_assembly_add(as, &p->h, p->payload, (const uint8_t *)"metadata", MAX);
}

static void test_whole_in_order(void **state)
{
    (void)state;
    struct assembly as = {0};
    struct piece p = piece(0, 3, 40, 16);
    p.h.meta_len = 8;
    assert_int_equal(add(&as, &p), ASSEMBLY_MORE);
    assert_true(as.active);
    p = piece(1, 3, 40, 16);
    assert_int_equal(add(&as, &p), ASSEMBLY_MORE);
    p = piece(2, 3, 40, 8);
    assert_int_equal(add(&as, &p), ASSEMBLY_WHOLE);
    assert_int_equal(as.refuse, 0);
    assert_int_equal(as.total, 40);
    assert_int_equal(as.token, 42);
    assert_memory_equal(as.data, "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbcccccccc", 40);
    /* The first fragment's metadata are kept behind. */
    assert_int_equal(as.meta_bytes, 8);
    assert_memory_equal(as.data + 40, "metadata", 8);
    hulse_assembly_reset(&as);
    assert_false(as.active);
    assert_int_equal(hulse_mem_used(HULSE_MEM_REASSEMBLY), 0);
}

static void test_a_single_fragment_is_a_message(void **state)
{
    (void)state;
    struct assembly as = {0};
    const struct piece p = piece(0, 1, 5, 5);
    assert_int_equal(add(&as, &p), ASSEMBLY_WHOLE);
    assert_memory_equal(as.data, "aaaaa", 5);
    hulse_assembly_reset(&as);
}

/* Each case: what comes after a good first of two fragments with 16 of 24 bytes. */
static void test_bad_second_fragments(void **state)
{
    (void)state;
    struct piece cases[12];
    for (size_t i = 0; i < 12; i++) {
        cases[i] = piece(1, 2, 24, 8);
    }
    cases[0] = piece(0, 2, 24, 8);          /* the first once more */
    cases[1] = piece(2, 2, 24, 8);          /* one too far */
    cases[2] = piece(1, 3, 24, 8);          /* another count */
    cases[3] = piece(1, 2, 25, 8);          /* another total */
    cases[4] = piece(1, 2, 24, 9);          /* more than the total */
    cases[5] = piece(1, 2, 24, 7);          /* less */
    cases[6] = piece(1, 2, 24, 0);          /* nothing */
    cases[7].h.handle += 1;                 /* another producer */
    cases[8].h.flags = 0;                   /* the last without its flag */
    cases[9].h.flags |= HULSE_RECORD_FIRST; /* a second first */
    cases[10].h.meta_len = 4;               /* metadata late */
    cases[11] = piece(1, 2, UINT64_MAX, 8); /* a total that wraps */
    for (size_t i = 0; i < 12; i++) {
        struct assembly as = {0};
        const struct piece first = piece(0, 2, 24, 16);
        assert_int_equal(add(&as, &first), ASSEMBLY_MORE);
        print_message("  case %zu\n", i);
        assert_int_equal(add(&as, &cases[i]), ASSEMBLY_BAD);
        hulse_assembly_reset(&as);
    }
    assert_int_equal(hulse_mem_used(HULSE_MEM_REASSEMBLY), 0);
}

static void test_bad_first_fragments(void **state)
{
    (void)state;
    struct piece cases[6] = {piece(1, 2, 24, 8),  /* not the first */
                             piece(0, 0, 24, 8),  /* of none */
                             piece(0, 9, 8, 1),   /* more pieces than bytes */
                             piece(0, 1, 24, 8),  /* the only one, too short */
                             piece(0, 2, 8, 8),   /* whole and not the last */
                             piece(0, 2, 24, 8)}; /* no FIRST flag */
    cases[5].h.flags = 0;
    for (size_t i = 0; i < 6; i++) {
        struct assembly as = {0};
        print_message("  case %zu\n", i);
        assert_int_equal(add(&as, &cases[i]), ASSEMBLY_BAD);
        hulse_assembly_reset(&as);
    }
    assert_int_equal(hulse_mem_used(HULSE_MEM_REASSEMBLY), 0);
}

static void test_v16_a_large_total_takes_no_memory(void **state)
{
    (void)state;
    static const uint64_t totals[] = {MAX + 1, 1ULL << 32, 1ULL << 63, UINT64_MAX};
    for (size_t i = 0; i < 4; i++) {
        struct assembly as = {0};
        const struct piece p = piece(0, 2, totals[i], 16);
        assert_int_equal(add(&as, &p), ASSEMBLY_MORE);
        assert_int_equal(as.refuse, HULSE_OUTCOME_TOO_LARGE);
        assert_null(as.data);
        assert_int_equal(hulse_mem_used(HULSE_MEM_REASSEMBLY), 0);
        hulse_assembly_reset(&as);
    }
}

static void test_too_large_is_passed_over_to_its_last(void **state)
{
    (void)state;
    struct assembly as = {0};
    enum { PIECE = 64, COUNT = 20 };
    for (uint32_t i = 0; i < COUNT; i++) {
        const struct piece p = piece(i, COUNT, (uint64_t)PIECE * COUNT, PIECE);
        assert_int_equal(add(&as, &p), i + 1 < COUNT ? ASSEMBLY_MORE : ASSEMBLY_WHOLE);
    }
    assert_int_equal(as.refuse, HULSE_OUTCOME_TOO_LARGE);
    hulse_assembly_reset(&as);
}

static void test_the_largest_message_fits(void **state)
{
    (void)state;
    struct assembly as = {0};
    const struct piece p = piece(0, 2, MAX, 16);
    assert_int_equal(add(&as, &p), ASSEMBLY_MORE);
    assert_int_equal(as.refuse, 0);
    assert_int_equal(hulse_mem_used(HULSE_MEM_REASSEMBLY), MAX);
    hulse_assembly_reset(&as);
}

static void test_over_the_memory_cap_is_refused_as_such(void **state)
{
    (void)state;
    struct assembly as = {0};
    hulse_mem_init(hulse_mem_total() + 20);
    struct piece p = piece(0, 2, 24, 16);
    assert_int_equal(add(&as, &p), ASSEMBLY_MORE);
    assert_int_equal(as.refuse, HULSE_OUTCOME_NO_MEMORY);
    p = piece(1, 2, 24, 8);
    assert_int_equal(add(&as, &p), ASSEMBLY_WHOLE);
    assert_int_equal(as.refuse, HULSE_OUTCOME_NO_MEMORY);
    hulse_assembly_reset(&as);
    /* The next one finds room and is a message. */
    hulse_mem_init(SIZE_MAX);
    p = piece(0, 1, 3, 3);
    assert_int_equal(add(&as, &p), ASSEMBLY_WHOLE);
    assert_int_equal(as.refuse, 0);
    hulse_assembly_reset(&as);
}

/* Each that is whole waits for memory to be copied into: all of them together must leave some. */
static void test_those_that_begin_can_end(void **state)
{
    enum { COUNT = 8, BYTES = 1000 };
    struct assembly as[COUNT] = {0};
    const struct piece p = piece(0, 20, BYTES, 50);
    uint32_t begun = 0;

    (void)state;
    hulse_mem_init((hulse_mem_total() + 10000 + 4 * (size_t)BYTES) / 15 * 16);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(add(&as[i], &p), ASSEMBLY_MORE);
        begun += as[i].refuse == 0 ? 1 : 0;
    }
    assert_in_range(begun, 2, COUNT - 1);
    void *copy = hulse_mem_alloc_sparing(HULSE_MEM_BROKER, BYTES);
    assert_non_null(copy);
    hulse_mem_free(HULSE_MEM_BROKER, copy, BYTES);
    for (uint32_t i = 0; i < COUNT; i++) {
        hulse_assembly_reset(&as[i]);
    }
    assert_int_equal(hulse_mem_used(HULSE_MEM_REASSEMBLY), 0);
    hulse_mem_init(SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_in_order),
        cmocka_unit_test(test_a_single_fragment_is_a_message),
        cmocka_unit_test(test_bad_second_fragments),
        cmocka_unit_test(test_bad_first_fragments),
        cmocka_unit_test(test_v16_a_large_total_takes_no_memory),
        cmocka_unit_test(test_too_large_is_passed_over_to_its_last),
        cmocka_unit_test(test_the_largest_message_fits),
        cmocka_unit_test(test_over_the_memory_cap_is_refused_as_such),
        cmocka_unit_test(test_those_that_begin_can_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
