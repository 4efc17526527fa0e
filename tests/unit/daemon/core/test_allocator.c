/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HULSE_TEST: libs=hulse_allocator
 * Goal:   each thread that asks has an arena that nobody else uses, and the figures are those of
 *         now; a build without jemalloc has neither, and says so by absence.
 * Method: this program is linked as hulsed is. Threads ask jemalloc which arena they use; the
 *         figures are compared around an allocation.
 */
#include "daemon/core/allocator.h"
#include "tests/support/check.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#ifdef HULSE_JEMALLOC

#include "tests/support/runtime.h"

#include <jemalloc/jemalloc.h>

#define BLOCK_BYTES ((size_t)8 << 20)

static unsigned arena_of_this_thread(void)
{
    unsigned arena = 0;
    size_t bytes = sizeof(arena);

    return mallctl("thread.arena", &arena, &bytes, NULL, 0) == 0 ? arena : 0;
}

/* The arena that a block of this thread comes from. */
static unsigned arena_of_a_block(void)
{
    unsigned arena = 0;
    size_t bytes = sizeof(arena);
    void *block = malloc(100000);

    const int failed = mallctl("arenas.lookup", &arena, &bytes, (void *)&block, sizeof(block));
    free(block);
    return failed == 0 ? arena : 0;
}

struct seen {
    bool made;
    unsigned arena;
    unsigned block;
};

static void *take_an_arena(void *argument)
{
    struct seen *seen = argument;

    seen->made = hulse_allocator_own_arena();
    seen->arena = arena_of_this_thread();
    seen->block = arena_of_a_block();
    return NULL;
}

static void test_each_thread_has_its_own_arena(void **state)
{
    struct seen seen[2] = {0};
    struct allocator_figures before = {0};
    struct allocator_figures after = {0};
    pthread_t thread;

    (void)state;
    assert_true(hulse_allocator_figures(&before));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&thread, NULL, take_an_arena, &seen[i]), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_true(seen[i].made);
        assert_int_not_equal(seen[i].arena, arena_of_this_thread());
        assert_int_equal(seen[i].block, seen[i].arena);
    }
    assert_int_not_equal(seen[0].arena, seen[1].arena);
    assert_true(hulse_allocator_figures(&after));
    assert_int_equal(after.arenas, before.arenas + 2);
}

static void test_figures_are_those_of_now(void **state)
{
    struct allocator_figures before = {0};
    struct allocator_figures with = {0};
    struct allocator_figures after = {0};

    (void)state;
    assert_true(hulse_allocator_figures(&before));
    char *block = malloc(BLOCK_BYTES);
    assert_non_null(block);
    memset(block, 1, BLOCK_BYTES);
    assert_true(hulse_allocator_figures(&with));
    free(block);
    assert_true(hulse_allocator_figures(&after));
    assert_true(with.allocated >= before.allocated + BLOCK_BYTES);
    assert_true(after.allocated < with.allocated);
    assert_true(with.active >= with.allocated);
    assert_true(with.resident >= with.active);
    assert_true(with.mapped >= with.active);
    assert_true(with.metadata > 0);
}

static void test_a_thread_gives_pages_back(void **state)
{
    bool on = false;
    size_t bytes = sizeof(on);

    (void)state;
    hulse_test_allow_threads(1);
    assert_true(hulse_allocator_background());
    assert_int_equal(mallctl("background_thread", &on, &bytes, NULL, 0), 0);
    assert_true(on);
    /* It would be counted as a leak of this program. */
    on = false;
    assert_int_equal(mallctl("background_thread", NULL, NULL, &on, sizeof(on)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_thread_has_its_own_arena),
        cmocka_unit_test(test_figures_are_those_of_now),
        cmocka_unit_test(test_a_thread_gives_pages_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void test_without_jemalloc_there_is_nothing(void **state)
{
    struct allocator_figures figures = {0};

    (void)state;
    assert_true(hulse_allocator_background());
    assert_true(hulse_allocator_own_arena());
    assert_false(hulse_allocator_figures(&figures));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_jemalloc_there_is_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
