/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: timeout=300 not=tsan */
/*
 * Goal:   whatever stands in state.mdb and state.good, an open comes back, and with the log nothing is lost that
 *         the log still has.
 * Method: a played store is stopped; in hundreds of trials bytes of one file or of both are flipped, cut
 *         off, overwritten with zeros or with other pages, or the file is removed; then it is started.
 */
#include "tests/unit/daemon/core/check.h"
#include "tests/unit/daemon/store/played_store.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIALS = 400, FILE_MAX = 4 << 20, PAGE = 4096 };

struct content {
    uint8_t bytes[FILE_MAX];
    size_t length;
};

static struct played_store p;
static struct content kept[2];
static struct content spoilt;
static const char *const names[2] = {"state.mdb", "state.good"};

static void take(struct content *c, const char *name)
{
    FILE *file = fopen(hulse_played_path(&p, name), "rb");

    assert_non_null(file);
    c->length = fread(c->bytes, 1, sizeof(c->bytes), file);
    assert_true(c->length > 0 && c->length < sizeof(c->bytes));
    assert_int_equal(fclose(file), 0);
}

static void put(const struct content *c, const char *name)
{
    FILE *file = fopen(hulse_played_path(&p, name), "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(c->bytes, 1, c->length, file), c->length);
    assert_int_equal(fclose(file), 0);
}

static void flip(struct content *c, uint64_t *random, size_t from, size_t to)
{
    for (uint64_t n = 1 + test_below(random, 40); n > 0; n--) {
        const size_t at = from + test_below(random, to - from);
        c->bytes[at] ^= (uint8_t)(1U << test_below(random, 8));
    }
}

/* What a disk, a file system or a hurried administrator may do. */
static void spoil(const char *name, const struct content *good, uint64_t *random)
{
    const size_t page = test_below(random, good->length / PAGE) * PAGE;

    spoilt = *good;
    switch (test_below(random, 8)) {
    case 0:
        assert_int_equal(unlink(hulse_played_path(&p, name)), 0);
        return;
    case 1:
        spoilt.length = test_below(random, good->length);
        break;
    case 2:
        memset(spoilt.bytes + page, 0, PAGE);
        break;
    case 3:
        memcpy(spoilt.bytes + page,
               good->bytes + test_below(random, good->length / PAGE) * PAGE,
               PAGE);
        break;
    case 4: /* the two pages that say where everything is */
        flip(&spoilt, random, 0, (size_t)2 * PAGE);
        break;
    case 5: /* headers of pages, and where rows are in them */
        flip(&spoilt, random, page, page + 64);
        break;
    case 6:
        memset(spoilt.bytes, 0, spoilt.length);
        break;
    default:
        flip(&spoilt, random, 0, spoilt.length);
    }
    put(&spoilt, name);
}

/* Both are gone: what is needed and in the log is found, by whatever topic is still known. */
static void check_what_the_log_has(void)
{
    for (unsigned i = 0; i < p.frames.count; i++) {
        const struct made_frame *made = &p.frames.made[i];
        struct state_place at = {0};
        if (made->f.kind == STORE_MESSAGE && !p.forgotten[made->lsn / RANDOM_SEGMENT_BYTES] &&
            p.frames.naive.topics[made->f.topic].lsn[made->f.position] == made->lsn &&
            hulse_state_has_topic(p.state, made->f.topic)) {
            assert_true(hulse_state_find(p.state, made->f.topic, made->f.position, &at));
            assert_true(at.lsn <= made->lsn);
        }
    }
}

static void trial(uint64_t *random)
{
    const uint64_t which = test_below(random, 3); /* 2: both */

    for (unsigned i = 0; i < 2; i++) {
        put(&kept[i], names[i]);
        if (which == 2 || which == i) {
            spoil(names[i], &kept[i], random);
        }
    }
    hulse_played_start(&p);
    if (p.found.none || (p.found.state_lost && p.found.copy_lost)) {
        check_what_the_log_has();
    } else {
        hulse_words_equal(hulse_state_words(p.state), hulse_naive_words(&p.frames.naive));
    }
    assert_true(!p.found.state_lost || p.found.state_why[0] != '\0');
    assert_true(!p.found.copy_lost || p.found.copy_why[0] != '\0');
    assert_true(which != 0 || !p.found.copy_lost);
    assert_true(which != 1 || !p.found.state_lost);
    hulse_played_stop(&p);
}

static void run(bool keep_segments, unsigned trials)
{
    uint64_t random = test_seed();

    hulse_played_init(&p, random, 0);
    p.keep_segments = keep_segments;
    (void)hulse_played_run(&p, 1200);
    hulse_played_checkpoint(&p, true);
    (void)hulse_played_run(&p, 100);
    hulse_played_checkpoint(&p, false);
    (void)hulse_played_run(&p, 30);
    hulse_played_stop(&p);
    take(&kept[0], names[0]);
    take(&kept[1], names[1]);
    for (unsigned i = 0; i < trials; i++) {
        trial(&random);
    }
    hulse_played_fini(&p);
}

static void test_flips_with_a_log_whose_old_part_is_gone(void **state)
{
    (void)state;
    run(false, TRIALS);
}

static void test_flips_with_the_whole_log(void **state)
{
    (void)state;
    run(true, TRIALS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flips_with_a_log_whose_old_part_is_gone),
        cmocka_unit_test(test_flips_with_the_whole_log),
    };

    return cmocka_run_group_tests_name("state_flips", tests, NULL, NULL);
}
