/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: libs=hulse_cli_parts */
/*
 * Goal:   lines come out byte for byte, whatever the pieces they arrive in; a line above the limit
 *         is passed over, counted, and costs its neighbours nothing.
 * Method: a pipe that is written in pieces of every size between reads; limits from both sides.
 */
#include "shmlib/cli/source.h"
#include "tests/unit/shmlib/cli/check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ITEMS_MAX 32

struct outcome {
    enum hulse_cli_source_rc rc[ITEMS_MAX];
    char *item[ITEMS_MAX];
    size_t bytes[ITEMS_MAX];
    uint64_t number[ITEMS_MAX];
    int count;
};

static void note(struct outcome *o,
                 const struct hulse_cli_source *s,
                 enum hulse_cli_source_rc rc,
                 const char *item,
                 size_t bytes)
{
    assert_true(o->count < ITEMS_MAX);
    o->rc[o->count] = rc;
    o->number[o->count] = s->number;
    if (rc == HULSE_CLI_SOURCE_ITEM) {
        o->item[o->count] = malloc(bytes + 1);
        assert_non_null(o->item[o->count]);
        memcpy(o->item[o->count], item, bytes);
        o->bytes[o->count] = bytes;
    }
    o->count++;
}

static void forget(struct outcome *o)
{
    for (int i = 0; i < o->count; i++) {
        free(o->item[i]);
    }
}

/* Feeds `input` in pieces of `piece` bytes and takes everything that comes out. */
static struct outcome
take_all(enum hulse_cli_source_kind kind, const char *input, size_t bytes, size_t piece, size_t max)
{
    struct outcome o = {0};
    struct hulse_cli_source s = {.kind = kind, .item_bytes_max = max};
    int ends[2];
    size_t fed = 0;

    assert_int_equal(pipe(ends), 0);
    s.fd = ends[0];
    for (;;) {
        const char *item = NULL;
        size_t item_bytes = 0;
        const enum hulse_cli_source_rc rc = hulse_cli_source_next(&s, &item, &item_bytes);
        if (rc == HULSE_CLI_SOURCE_END) {
            break;
        }
        if (rc != HULSE_CLI_SOURCE_READ) {
            note(&o, &s, rc, item, item_bytes);
            continue;
        }
        const size_t n = bytes - fed < piece ? bytes - fed : piece;
        if (n > 0) {
            assert_int_equal(write(ends[1], input + fed, n), (ssize_t)n);
            fed += n;
        } else if (ends[1] >= 0) {
            (void)close(ends[1]);
            ends[1] = -1;
        }
        hulse_cli_source_read(&s);
    }
    if (ends[1] >= 0) {
        (void)close(ends[1]);
    }
    hulse_cli_source_fini(&s);
    return o;
}

static void test_lines_in_pieces(void **state)
{
    static const char input[] = "one\n\n\0two\r\n\xff\xfe\nlast";
    static const struct {
        const char *item;
        size_t bytes;
    } wanted[] = {{"one", 3}, {"", 0}, {"\0two\r", 5}, {"\xff\xfe", 2}, {"last", 4}};
    const int count = (int)(sizeof(wanted) / sizeof(wanted[0]));

    (void)state;
    for (size_t piece = 1; piece <= sizeof(input); piece++) {
        struct outcome o = take_all(HULSE_CLI_SOURCE_LINES, input, sizeof(input) - 1, piece, 1000);
        assert_int_equal(o.count, count);
        for (int i = 0; i < count; i++) {
            assert_int_equal(o.rc[i], HULSE_CLI_SOURCE_ITEM);
            assert_int_equal(o.number[i], i + 1);
            assert_int_equal(o.bytes[i], wanted[i].bytes);
            assert_memory_equal(o.item[i], wanted[i].item, wanted[i].bytes);
        }
        forget(&o);
    }
}

static void test_an_ended_last_line_is_not_followed_by_an_empty_one(void **state)
{
    (void)state;
    struct outcome o = take_all(HULSE_CLI_SOURCE_LINES, "a\n", 2, 1, 10);
    assert_int_equal(o.count, 1);
    forget(&o);
    o = take_all(HULSE_CLI_SOURCE_LINES, "", 0, 1, 10);
    assert_int_equal(o.count, 0);
}

static void test_a_line_that_is_too_long(void **state)
{
    static const char input[] = "12345678\n123456789\nok\n123456789";
    static const enum hulse_cli_source_rc wanted[] = {HULSE_CLI_SOURCE_ITEM,
                                                      HULSE_CLI_SOURCE_TOO_LONG,
                                                      HULSE_CLI_SOURCE_ITEM,
                                                      HULSE_CLI_SOURCE_TOO_LONG};

    (void)state;
    for (size_t piece = 1; piece <= sizeof(input); piece++) {
        struct outcome o = take_all(HULSE_CLI_SOURCE_LINES, input, sizeof(input) - 1, piece, 8);
        assert_int_equal(o.count, 4);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(o.rc[i], wanted[i]);
            assert_int_equal(o.number[i], i + 1);
        }
        assert_memory_equal(o.item[0], "12345678", 8);
        assert_memory_equal(o.item[2], "ok", 2);
        forget(&o);
    }
}

static void test_whole(void **state)
{
    (void)state;
    for (size_t piece = 1; piece <= 9; piece++) {
        struct outcome o = take_all(HULSE_CLI_SOURCE_WHOLE, "a\nb\0c\nde", 8, piece, 8);
        assert_int_equal(o.count, 1);
        assert_int_equal(o.rc[0], HULSE_CLI_SOURCE_ITEM);
        assert_int_equal(o.bytes[0], 8);
        assert_memory_equal(o.item[0], "a\nb\0c\nde", 8);
        forget(&o);
        o = take_all(HULSE_CLI_SOURCE_WHOLE, "a\nb\0c\nde", 8, piece, 7);
        assert_int_equal(o.count, 1);
        assert_int_equal(o.rc[0], HULSE_CLI_SOURCE_TOO_LONG);
        forget(&o);
    }
    struct outcome o = take_all(HULSE_CLI_SOURCE_WHOLE, "", 0, 1, 8);
    assert_int_equal(o.count, 1);
    assert_int_equal(o.bytes[0], 0);
    forget(&o);
}

static void test_words(void **state)
{
    char first[] = "first";
    char empty[] = "";
    char *words[] = {first, empty};
    struct hulse_cli_source s = {.kind = HULSE_CLI_SOURCE_ARGS,
                                 .fd = -1,
                                 .words = words,
                                 .word_count = 2,
                                 .item_bytes_max = 4};
    const char *item = NULL;
    size_t bytes = 0;

    (void)state;
    assert_int_equal(hulse_cli_source_next(&s, &item, &bytes), HULSE_CLI_SOURCE_TOO_LONG);
    assert_int_equal(hulse_cli_source_next(&s, &item, &bytes), HULSE_CLI_SOURCE_ITEM);
    assert_int_equal(bytes, 0);
    assert_int_equal(s.number, 2);
    assert_int_equal(hulse_cli_source_next(&s, &item, &bytes), HULSE_CLI_SOURCE_END);
    hulse_cli_source_fini(&s);
}

static void test_an_unreadable_descriptor_is_an_error(void **state)
{
    struct hulse_cli_source s = {.kind = HULSE_CLI_SOURCE_LINES, .fd = -1, .item_bytes_max = 8};
    const char *item = NULL;
    size_t bytes = 0;

    (void)state;
    assert_int_equal(hulse_cli_source_next(&s, &item, &bytes), HULSE_CLI_SOURCE_READ);
    hulse_cli_source_read(&s);
    assert_int_equal(hulse_cli_source_next(&s, &item, &bytes), HULSE_CLI_SOURCE_ERROR);
    assert_true(s.error != 0);
    hulse_cli_source_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_in_pieces),
        cmocka_unit_test(test_an_ended_last_line_is_not_followed_by_an_empty_one),
        cmocka_unit_test(test_a_line_that_is_too_long),
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_an_unreadable_descriptor_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
