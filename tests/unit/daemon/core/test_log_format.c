/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a record becomes the documented line, whatever bytes a peer put into its texts; a ring keeps
 *         records whole and in order, and drops only when it is full.
 * Method: lines compared and parsed with jansson; random bytes; a ring beside a list of what it holds.
 */
#include "daemon/core/log_format.h"
#include "daemon/core/log_ring.h"
#include "daemon/core/mem.h"
#include "tests/unit/daemon/core/check.h"

#include <jansson.h>
#include <limits.h>
#include <string.h>

static const struct log_style json_style = {.format = HULSE_LOG_JSON};
static const struct log_style text_style = {.format = HULSE_LOG_TEXT};

static size_t
format(const struct log_field *fields, size_t count, const struct log_style *style, char *out)
{
    static const struct log_site site = {.event = "session.open", .level = HULSE_LOG_INFO};
    union log_record_room room;

    /* 2025-01-02T03:04:05.678901234Z */
    hulse_log_record_build(&room, &site, fields, count, 1735787045678901234U);
    const size_t bytes = hulse_log_format_line(&room.record, "worker-0", style, out);
    assert_true(bytes <= HULSE_LOG_LINE_BYTES);
    assert_int_equal(out[bytes - 1], '\n');
    out[bytes - 1] = '\0';
    return bytes - 1;
}

static void test_a_line_looks_as_documented(void **state)
{
    const struct log_field fields[] = {
        hulse_log_u64("session", 7),
        hulse_log_i64("change", INT64_MIN),
        hulse_log_u64("most", UINT64_MAX),
        hulse_log_str("app", "orders"),
        hulse_log_str("why", "peer said \"no\""),
        hulse_log_str("none", NULL),
    };
    char line[HULSE_LOG_LINE_BYTES];

    (void)state;
    (void)format(fields, COUNT_OF(fields), &json_style, line);
    assert_string_equal(line,
                        "{\"ts\":\"2025-01-02T03:04:05.678901Z\",\"level\":\"info\","
                        "\"thread\":\"worker-0\",\"event\":\"session.open\",\"session\":7,"
                        "\"change\":-9223372036854775808,\"most\":18446744073709551615,"
                        "\"app\":\"orders\",\"why\":\"peer said \\\"no\\\"\",\"none\":\"\"}");
    (void)format(fields, COUNT_OF(fields), &text_style, line);
    assert_string_equal(line,
                        "2025-01-02T03:04:05.678901Z info worker-0 session.open session=7 "
                        "change=-9223372036854775808 most=18446744073709551615 app=orders "
                        "why=\"peer said \\\"no\\\"\" none=\"\"");
}

static void test_the_journal_gets_a_priority(void **state)
{
    const struct log_style style = {.format = HULSE_LOG_TEXT, .priority = true};
    const struct log_field field = hulse_log_u64("n", 1);
    char line[HULSE_LOG_LINE_BYTES];

    (void)state;
    (void)format(&field, 1, &style, line);
    assert_memory_equal(line, "<6>2025-", 8);
}

/* What a peer's bytes become, as JSON text between the quotes. */
static void check_text(const void *bytes, size_t count, const char *expected)
{
    const struct log_field field = hulse_log_bytes("x", bytes, count);
    char line[HULSE_LOG_LINE_BYTES];
    json_error_t error;

    (void)format(&field, 1, &json_style, line);
    const char *begin = strstr(line, "\"x\":\"");
    assert_non_null(begin);
    begin += strlen("\"x\":\"");
    assert_int_equal(strlen(begin), strlen(expected) + 2);
    assert_memory_equal(begin, expected, strlen(expected));
    json_t *parsed = json_loads(line, JSON_ALLOW_NUL, &error);
    assert_non_null(parsed);
    json_decref(parsed);
}

#define CHECK_TEXT(literal, expected) check_text(literal, sizeof(literal) - 1, expected)

static void test_foreign_text_is_escaped_or_replaced(void **state)
{
    (void)state;
    CHECK_TEXT("plain \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80",
               "plain \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80");
    CHECK_TEXT("a\"b\\c", "a\\\"b\\\\c");
    CHECK_TEXT("a\nb\r\t\x1b[2J\x7f", "a\\nb\\u000d\\u0009\\u001b[2J\\u007f");
    CHECK_TEXT("nul\0end", "nul\\u0000end");
    CHECK_TEXT("\xC2\x9B", "\\u009b");     /* C1: an escape sequence in one character */
    CHECK_TEXT("\xE2\x80\xA8", "\\u2028"); /* a line separator */
    CHECK_TEXT("\xFF", "\xEF\xBF\xBD");    /* never a first byte */
    CHECK_TEXT("\xC3", "\xEF\xBF\xBD");    /* cut short */
    CHECK_TEXT("\xC3(", "\xEF\xBF\xBD(");  /* wrong second byte */
    CHECK_TEXT("\xC0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD");                 /* a NUL in disguise */
    CHECK_TEXT("\xE0\x82\xA9", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"); /* too long a form */
    CHECK_TEXT("\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"); /* a surrogate */
    CHECK_TEXT("\xF4\x90\x80\x80",
               "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"); /* above U+10FFFF */
}

static void test_any_bytes_make_a_line_that_parses(void **state)
{
    uint64_t random = test_seed();
    char line[HULSE_LOG_LINE_BYTES];

    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        unsigned char bytes[2 * HULSE_LOG_TEXT_BYTES];
        struct log_field fields[HULSE_LOG_FIELDS_MAX];
        static const char *const keys[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
        json_error_t error;
        for (size_t k = 0; k < sizeof(bytes); k++) {
            bytes[k] = (unsigned char)(test_random(&random) >> 32);
        }
        for (size_t k = 0; k < COUNT_OF(fields); k++) {
            fields[k] = hulse_log_bytes(keys[k], bytes, test_below(&random, sizeof(bytes)));
        }
        (void)format(fields, COUNT_OF(fields), &json_style, line);
        assert_null(strchr(line, '\n'));
        json_t *parsed = json_loads(line, JSON_ALLOW_NUL, &error);
        if (parsed == NULL) {
            fail_msg("%s: %s", error.text, line);
        }
        json_decref(parsed);
        (void)format(fields, COUNT_OF(fields), &text_style, line);
        for (const char *at = line; *at != '\0'; at++) {
            assert_true((unsigned char)*at >= ' ');
        }
    }
}

static void test_a_long_text_is_cut_at_a_character(void **state)
{
    static const unsigned char euro[] = {0xE2, 0x82, 0xAC};
    static const unsigned char ellipsis[] = {0xE2, 0x80, 0xA6};
    char text[HULSE_LOG_TEXT_BYTES + 10];
    char expected[2 * HULSE_LOG_TEXT_BYTES];

    (void)state;
    memset(text, 'a', sizeof(text));
    memset(expected, 0, sizeof(expected));
    memset(expected, 'a', HULSE_LOG_TEXT_BYTES);
    check_text(text, HULSE_LOG_TEXT_BYTES, expected); /* the longest that is not cut */
    for (size_t back = 0; back < 4; back++) {
        /* U+20AC begins `back` bytes before the cut. */
        memset(text, 'a', sizeof(text));
        memcpy(text + HULSE_LOG_TEXT_BYTES - back, euro, sizeof(euro));
        memset(expected, 0, sizeof(expected));
        const size_t kept = back == 3 ? HULSE_LOG_TEXT_BYTES : HULSE_LOG_TEXT_BYTES - back;
        memcpy(expected, text, kept);
        memcpy(expected + kept, ellipsis, sizeof(ellipsis));
        check_text(text, sizeof(text), expected);
    }
}

static void test_a_full_record_of_escapes_fits_a_line(void **state)
{
    struct log_field fields[HULSE_LOG_FIELDS_MAX];
    char text[HULSE_LOG_TEXT_BYTES + 1];
    char line[HULSE_LOG_LINE_BYTES];

    (void)state;
    memset(text, 1, sizeof(text));
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        fields[i] = hulse_log_bytes("a_key_of_some_length_as_ours_are", text, sizeof(text));
    }
    const size_t bytes = format(fields, COUNT_OF(fields), &json_style, line);
    assert_true(bytes > (size_t)6 * HULSE_LOG_FIELDS_MAX * HULSE_LOG_TEXT_BYTES);
    assert_true(bytes > PIPE_BUF); /* so the writer's other way is needed */
}

/* ---- the ring ---------------------------------------------------------------------------- */

static const struct log_record *numbered(union log_record_room *room, uint64_t n, size_t texts)
{
    static const struct log_site site = {.event = "n", .level = HULSE_LOG_INFO};
    char text[HULSE_LOG_TEXT_BYTES];
    struct log_field fields[HULSE_LOG_FIELDS_MAX] = {hulse_log_u64("n", n)};

    memset(text, 't', sizeof(text));
    for (size_t i = 1; i <= texts; i++) {
        fields[i] = hulse_log_bytes("t", text, (n * 31 + i * 7) % sizeof(text));
    }
    hulse_log_record_build(room, &site, fields, 1 + texts, n);
    return &room->record;
}

static void test_a_ring_keeps_order_and_drops_only_when_full(void **state)
{
    uint64_t random = test_seed();
    struct log_ring *ring = hulse_log_ring_create("ring");
    uint64_t put = 0;
    uint64_t got = 0;
    uint64_t dropped = 0;
    uint64_t expected[1024] = {0}; /* numbers in the ring, oldest first */
    size_t first = 0;

    (void)state;
    assert_non_null(ring);
    for (unsigned step = 0; step < 200000; step++) {
        if (test_below(&random, 100) < 52) {
            union log_record_room room;
            const struct log_record *r = numbered(&room, put, test_below(&random, 8));
            const size_t used = hulse_log_ring_put(ring, r);
            assert_true(used <= HULSE_LOG_RING_BYTES);
            if (used == 0) {
                dropped++;
                /* Only when it may not fit, the skip to the start included. */
                assert_true(atomic_load(&ring->tail) - atomic_load(&ring->head) +
                                2 * HULSE_LOG_RECORD_BYTES >
                            HULSE_LOG_RING_BYTES);
            } else {
                expected[(first + (put - dropped - got)) % COUNT_OF(expected)] = put;
            }
            put++;
            continue;
        }
        const struct log_record *r = hulse_log_ring_peek(ring, hulse_log_ring_tail(ring));
        assert_int_equal(r == NULL, put - dropped == got);
        if (r != NULL) {
            assert_int_equal(hulse_log_record_items(r)[0].number, expected[first]);
            first = (first + 1) % COUNT_OF(expected);
            got++;
            hulse_log_ring_release(ring, r);
        }
    }
    assert_true(dropped > 0);
    assert_int_equal(dropped, atomic_load(&ring->dropped));
    hulse_log_ring_destroy(&ring);
    assert_null(ring);
    assert_int_equal(hulse_mem_used(HULSE_MEM_LOG), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_looks_as_documented),
        cmocka_unit_test(test_the_journal_gets_a_priority),
        cmocka_unit_test(test_foreign_text_is_escaped_or_replaced),
        cmocka_unit_test(test_any_bytes_make_a_line_that_parses),
        cmocka_unit_test(test_a_long_text_is_cut_at_a_character),
        cmocka_unit_test(test_a_full_record_of_escapes_fits_a_line),
        cmocka_unit_test(test_a_ring_keeps_order_and_drops_only_when_full),
    };

    return cmocka_run_group_tests_name("log_format", tests, NULL, NULL);
}
