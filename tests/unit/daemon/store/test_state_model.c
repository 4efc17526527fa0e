/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: not=tsan */
/*
 * Goal:   the state is what tables looked through from end to end say; applying frames again changes nothing.
 * Method: random logs (random_frames) through both; words, places of messages and needed segments are
 *         compared on the way; then every suffix begins again somewhere.
 */
#include "tests/unit/daemon/core/check.h"
#include "tests/unit/daemon/store/random_frames.h"

enum { ROUNDS = 12, LOOK_EVERY = 197 };

static void check_places(const struct random_frames *r, const struct state *s)
{
    for (uint64_t t = 1; t < NAIVE_TOPICS; t++) {
        for (uint64_t p = 0; p < NAIVE_POSITIONS; p += 7) {
            const uint64_t there = hulse_naive_find(&r->naive, t, p);
            struct state_place at = {0};
            assert_int_equal(hulse_state_find(s, t, p, &at), there != 0);
            const uint64_t lsn = at.lsn;
            if (there == 0) {
                continue;
            }
            assert_true(lsn <= there && lsn / RANDOM_SEGMENT_BYTES == there / RANDOM_SEGMENT_BYTES);
            if (r->naive.topics[t].lsn[p] != 0) {
                assert_int_equal(lsn >> 20, there >> 20);
            }
        }
    }
}

/* Forgets what nobody needs, as the store does. */
static void check_segments(struct random_frames *r, struct state *s)
{
    for (uint64_t segment = 0; segment <= r->lsn / RANDOM_SEGMENT_BYTES; segment++) {
        const bool needed = hulse_naive_needs(&r->naive, segment);
        assert_int_equal(hulse_state_needs(s, segment), needed);
        if (!needed && test_below(&r->random, 3) == 0) {
            hulse_state_forget_segment(s, segment);
            hulse_naive_forget(&r->naive, segment);
        }
    }
}

static void one_round(struct random_frames *r, struct state *s)
{
    struct made_frame *made = NULL;

    while ((made = hulse_random_frames_step(r)) != NULL) {
        assert_true(hulse_state_apply(s, hulse_made_frame_at(made), made->lsn));
        if (r->count % LOOK_EVERY == 0) {
            hulse_words_equal(hulse_state_words(s), hulse_naive_words(&r->naive));
            check_places(r, s);
            check_segments(r, s);
        }
    }
    hulse_words_equal(hulse_state_words(s), hulse_naive_words(&r->naive));
}

static void test_the_state_is_what_the_tables_say(void **state)
{
    static struct random_frames r;
    uint64_t seed = test_seed();
    unsigned frames = 0;

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct state *s = hulse_state_create(RANDOM_SEGMENT_BYTES, 1000);
        assert_non_null(s);
        hulse_random_frames_init(&r, test_random(&seed) | 1);
        one_round(&r, s);
        frames += r.count;
        hulse_random_frames_fini(&r);
        hulse_state_destroy(&s);
        assert_null(s);
    }
    assert_true(frames > ROUNDS * 100);
}

static void test_frames_applied_again_change_nothing(void **state)
{
    static struct random_frames r;
    uint64_t seed = test_seed();

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct state *s = hulse_state_create(RANDOM_SEGMENT_BYTES, 1000);
        struct state_figures before;
        struct state_figures after;
        hulse_random_frames_init(&r, test_random(&seed) | 1);
        one_round(&r, s);
        hulse_state_figures(s, &before);
        for (unsigned try = 0; try < 5; try++) {
            for (uint64_t i = test_below(&seed, r.count); i < r.count; i++) {
                assert_true(hulse_state_apply(s, hulse_made_frame_at(&r.made[i]), r.made[i].lsn));
            }
            hulse_words_equal(hulse_state_words(s), hulse_naive_words(&r.naive));
            hulse_state_figures(s, &after);
            assert_int_equal(after.index_entries, before.index_entries);
            assert_int_equal(after.handles, before.handles);
            assert_int_equal(after.damaged_records, 0);
            assert_int_equal(after.lost_messages, 0);
        }
        check_places(&r, s);
        check_segments(&r, s);
        hulse_random_frames_fini(&r);
        hulse_state_destroy(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_state_is_what_the_tables_say),
        cmocka_unit_test(test_frames_applied_again_change_nothing),
    };

    return cmocka_run_group_tests_name("state_model", tests, NULL, NULL);
}
