/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   an answer is one line of JSON within its limit, and all its memory is counted and given
 *         back, also when memory is refused at any point on the way.
 * Method: answers of all kinds parsed again; the cap lowered step by step below what is needed.
 */
#include "daemon/admin/answer.h"
#include "daemon/admin/protocol.h"
#include "daemon/core/mem.h"
#include "tests/support/check.h"

#include <string.h>

#define CAP (256U << 20)

static json_t *parse_line(const struct admin_line *line)
{
    assert_non_null(line->data);
    assert_true(line->bytes > 0);
    assert_ptr_equal(memchr(line->data, '\n', line->bytes), line->data + line->bytes - 1);
    json_t *object = json_loadb(line->data, line->bytes - 1, 0, NULL);
    assert_non_null(object);
    return object;
}

static void check_string(const json_t *object, const char *key, const char *expected)
{
    assert_string_equal(json_string_value(json_object_get(object, key)), expected);
}

static int set_up(void **state)
{
    (void)state;
    hulse_mem_init(CAP);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(hulse_mem_used(HULSE_MEM_ADMIN), 0);
    return 0;
}

static void test_ok(void **state)
{
    struct admin_line line = {0};

    (void)state;
    assert_true(hulse_admin_answer(&line, json_pack("{s:i, s:s}", "a", 1, "b", "x\ny")));
    json_t *object = parse_line(&line);
    check_string(object, "status", "ok");
    check_string(json_object_get(object, "result"), "b", "x\ny");
    json_decref(object);
    hulse_admin_line_fini(&line);
    assert_null(line.data);
}

static void test_errors(void **state)
{
    struct admin_line line = {0};

    (void)state;
    assert_true(hulse_admin_answer_error(&line, HULSE_UNSUPPORTED, "no \"such\" thing"));
    json_t *object = parse_line(&line);
    check_string(object, "status", "error");
    check_string(object, "code", "HULSE_UNSUPPORTED");
    check_string(object, "detail", "no \"such\" thing");
    json_decref(object);
    hulse_admin_line_fini(&line);

    /* What cannot be JSON is replaced, not sent. */
    assert_true(hulse_admin_answer_error(&line, HULSE_INVAL, "near '\xff'"));
    object = parse_line(&line);
    check_string(object, "code", "HULSE_INVAL");
    check_string(object, "detail", hulse_status_text(HULSE_INVAL));
    json_decref(object);
    hulse_admin_line_fini(&line);
}

static void test_a_missing_result_is_an_error(void **state)
{
    struct admin_line line = {0};

    (void)state;
    assert_true(hulse_admin_answer(&line, NULL));
    json_t *object = parse_line(&line);
    check_string(object, "code", "HULSE_NO_MEMORY");
    json_decref(object);
    hulse_admin_line_fini(&line);
}

/* An array of strings that is a little over the limit. */
static json_t *make_big(size_t bytes)
{
    static char text[1025];
    json_t *array = json_array();

    memset(text, 'x', sizeof(text) - 1);
    for (size_t used = 0; used < bytes; used += sizeof(text) - 1) {
        assert_int_equal(json_array_append_new(array, json_string(text)), 0);
    }
    return array;
}

static void test_too_long(void **state)
{
    struct admin_line line = {0};

    (void)state;
    assert_true(hulse_admin_answer(&line, make_big(HULSE_ADMIN_ANSWER_BYTES_MAX / 2)));
    assert_true(line.bytes > HULSE_ADMIN_ANSWER_BYTES_MAX / 2);
    json_decref(parse_line(&line));
    hulse_admin_line_fini(&line);

    assert_true(hulse_admin_answer(&line, make_big(HULSE_ADMIN_ANSWER_BYTES_MAX)));
    json_t *object = parse_line(&line);
    check_string(object, "code", "HULSE_TOOBIG");
    json_decref(object);
    hulse_admin_line_fini(&line);
}

static void test_memory_refused(void **state)
{
    bool answered = false;

    (void)state;
    for (size_t room = 0; room < 65536; room += 256) {
        struct admin_line line = {0};
        hulse_mem_init(CAP);
        json_t *result = make_big(16384);
        hulse_mem_init(hulse_mem_total() + room);
        answered = hulse_admin_answer(&line, result);
        if (answered) {
            assert_true(line.bytes <= line.room);
        } else {
            assert_null(line.data);
        }
        hulse_admin_line_fini(&line);
        assert_int_equal(hulse_mem_used(HULSE_MEM_ADMIN), 0);
    }
    assert_true(answered);
}

static void test_codes(void **state)
{
    (void)state;
    assert_string_equal(hulse_admin_code(HULSE_TIMED_OUT), "HULSE_TIMED_OUT");
    assert_string_equal(hulse_admin_code(HULSE_DENIED), "HULSE_DENIED");
    assert_string_equal(hulse_admin_code(HULSE_IO), "HULSE_IO");
    assert_string_equal(hulse_admin_code(-9999), "HULSE_IO");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ok, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_errors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_missing_result_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_long, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory_refused, set_up, tear_down),
        cmocka_unit_test(test_codes),
    };
    hulse_admin_memory_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
