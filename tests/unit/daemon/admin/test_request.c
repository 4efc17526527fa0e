/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a line is a known command with its own members, or it is refused with a reason.
 * Method: directed lines; every prefix of a good one; the same bytes at the end of an allocation.
 */
#include "daemon/admin/protocol.h"
#include "daemon/admin/request.h"
#include "tests/support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* From an allocation of exactly that size, so that a sanitizer sees a byte read too far. */
static hulse_status
parse(const char *line, size_t bytes, struct admin_request *out, struct error *err)
{
    char *copy = malloc(bytes == 0 ? 1 : bytes);

    assert_non_null(copy);
    memcpy(copy, line, bytes);
    const hulse_status st = hulse_admin_parse(copy, bytes, out, err);
    free(copy);
    return st;
}

static void test_commands(void **state)
{
    static const struct {
        const char *line;
        enum admin_command command;
        const char *namespace_name;
    } cases[] = {
        {"{\"command\":\"stats\"}", ADMIN_STATS, ""},
        {" { \"command\" : \"health\" } \r", ADMIN_HEALTH, ""},
        {"{\"command\":\"config\"}", ADMIN_CONFIG, ""},
        {"{\"command\":\"reload\"}", ADMIN_RELOAD, ""},
        {"{\"command\":\"drain\"}", ADMIN_DRAIN, ""},
        {"{\"command\":\"store.check\"}", ADMIN_STORE_CHECK, ""},
        {"{\"command\":\"topics.list\"}", ADMIN_TOPICS_LIST, ""},
        {"{\"namespace\":\"public/default\",\"command\":\"topics.list\"}",
         ADMIN_TOPICS_LIST,
         "public/default"},
        {"{\"command\":\"topics.list\",\"namespace\":\"t\\u00e9/n\"}",
         ADMIN_TOPICS_LIST,
         "t\xc3\xa9/n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct admin_request out;
        struct error err = {0};
        assert_int_equal(parse(cases[i].line, strlen(cases[i].line), &out, &err), HULSE_OK);
        assert_int_equal(out.command, cases[i].command);
        assert_string_equal(out.namespace_name, cases[i].namespace_name);
    }
}

static void test_about_one_topic(void **state)
{
    static const struct {
        const char *line;
        enum admin_command command;
        const char *topic;
        uint32_t partitions;
        bool force;
    } cases[] = {
        {"{\"command\":\"topics.create\",\"topic\":\"a\"}", ADMIN_TOPICS_CREATE, "a", 0, false},
        {"{\"partitions\":10000,\"topic\":\"t\\u00e9\",\"command\":\"topics.create\"}",
         ADMIN_TOPICS_CREATE,
         "t\xc3\xa9",
         10000,
         false},
        {"{\"command\":\"topics.delete\",\"topic\":\"a/b/c\"}",
         ADMIN_TOPICS_DELETE,
         "a/b/c",
         0,
         false},
        {"{\"command\":\"topics.delete\",\"topic\":\"a\",\"force\":true}",
         ADMIN_TOPICS_DELETE,
         "a",
         0,
         true},
        {"{\"command\":\"topics.delete\",\"topic\":\"a\",\"force\":false}",
         ADMIN_TOPICS_DELETE,
         "a",
         0,
         false},
        {"{\"command\":\"topics.stats\",\"topic\":\"a\"}", ADMIN_TOPICS_STATS, "a", 0, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct admin_request out;
        struct error err = {0};
        assert_int_equal(parse(cases[i].line, strlen(cases[i].line), &out, &err), HULSE_OK);
        assert_int_equal(out.command, cases[i].command);
        assert_string_equal(out.topic, cases[i].topic);
        assert_int_equal(out.partitions, cases[i].partitions);
        assert_int_equal(out.force, cases[i].force);
    }
}

static void test_a_drain_may_be_for_now(void **state)
{
    static const struct {
        const char *line;
        bool now;
    } cases[] = {
        {"{\"command\":\"drain\"}", false},
        {"{\"command\":\"drain\",\"now\":false}", false},
        {"{\"now\":true,\"command\":\"drain\"}", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct admin_request out;
        assert_int_equal(parse(cases[i].line, strlen(cases[i].line), &out, NULL), HULSE_OK);
        assert_int_equal(out.command, ADMIN_DRAIN);
        assert_int_equal(out.now, cases[i].now);
    }
}

static void test_where_a_backup_goes(void **state)
{
    static char line[HULSE_ADMIN_DIRECTORY_BYTES + 100];
    static char path[HULSE_ADMIN_DIRECTORY_BYTES + 1];
    static const char *const refused[] = {
        "{\"command\":\"store.backup\"}",
        "{\"command\":\"store.backup\",\"directory\":\"\"}",
        "{\"command\":\"store.backup\",\"directory\":\"here\"}",
        "{\"command\":\"store.backup\",\"directory\":7}",
        "{\"command\":\"store.check\",\"directory\":\"/tmp\"}",
    };
    struct admin_request out;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        assert_int_equal(parse(refused[i], strlen(refused[i]), &out, NULL), HULSE_INVAL);
    }
    for (size_t bytes = HULSE_ADMIN_DIRECTORY_BYTES - 1; bytes <= HULSE_ADMIN_DIRECTORY_BYTES;
         bytes++) {
        memset(path, '/', bytes);
        path[bytes] = '\0';
        (void)snprintf(
            line, sizeof(line), "{\"command\":\"store.backup\",\"directory\":\"%s\"}", path);
        assert_int_equal(parse(line, strlen(line), &out, NULL),
                         bytes < HULSE_ADMIN_DIRECTORY_BYTES ? HULSE_OK : HULSE_INVAL);
    }
    assert_int_equal(out.command, ADMIN_STORE_BACKUP);
}

static void test_topic_length(void **state)
{
    char line[HULSE_ADMIN_TOPIC_BYTES + 100];
    char name[HULSE_ADMIN_TOPIC_BYTES + 1];
    struct admin_request out;

    (void)state;
    for (size_t bytes = HULSE_ADMIN_TOPIC_BYTES - 1; bytes <= HULSE_ADMIN_TOPIC_BYTES; bytes++) {
        memset(name, 'n', bytes);
        name[bytes] = '\0';
        (void)snprintf(line, sizeof(line), "{\"command\":\"topics.stats\",\"topic\":\"%s\"}", name);
        assert_int_equal(parse(line, strlen(line), &out, NULL),
                         bytes < HULSE_ADMIN_TOPIC_BYTES ? HULSE_OK : HULSE_INVAL);
    }
}

static void test_refusals(void **state)
{
    static const struct {
        const char *line;
        hulse_status status;
    } cases[] = {
        {"", HULSE_INVAL},
        {"stats", HULSE_INVAL},
        {"[]", HULSE_INVAL},
        {"\"stats\"", HULSE_INVAL},
        {"{}", HULSE_INVAL},
        {"{\"command\":null}", HULSE_INVAL},
        {"{\"command\":1}", HULSE_INVAL},
        {"{\"command\":\"\"}", HULSE_UNSUPPORTED},
        {"{\"command\":\"Stats\"}", HULSE_UNSUPPORTED},
        {"{\"command\":\"reboot\"}", HULSE_UNSUPPORTED},
        {"{\"command\":\"reload\",\"file\":\"x\"}", HULSE_INVAL},
        {"{\"command\":\"reload\",\"now\":true}", HULSE_INVAL},
        {"{\"command\":\"drain\",\"now\":1}", HULSE_INVAL},
        {"{\"command\":\"drain\",\"force\":true}", HULSE_INVAL},
        {"{\"command\":\"stats\\u0000\"}", HULSE_INVAL},
        {"{\"command\":\"stats\",\"command\":\"stats\"}", HULSE_INVAL},
        {"{\"command\":\"stats\",\"more\":1}", HULSE_INVAL},
        {"{\"command\":\"stats\",\"namespace\":\"a/b\"}", HULSE_INVAL},
        {"{\"command\":\"stats\"} {}", HULSE_INVAL},
        {"{\"command\":\"stats\"", HULSE_INVAL},
        {"{\"command\":\"\xff\"}", HULSE_INVAL},
        {"{\"command\":\"topics.list\",\"namespace\":null}", HULSE_INVAL},
        {"{\"command\":\"topics.list\",\"namespace\":\"/b\"}", HULSE_INVAL},
        {"{\"command\":\"topics.list\",\"namespace\":\"a/\"}", HULSE_INVAL},
        {"{\"command\":\"topics.list\",\"namespace\":\"a/b/c\"}", HULSE_INVAL},
        {"{\"command\":\"topics.list\",\"topic\":\"a\"}", HULSE_INVAL},
        {"{\"command\":\"topics.create\"}", HULSE_INVAL},
        {"{\"command\":\"topics.create\",\"topic\":\"\"}", HULSE_INVAL},
        {"{\"command\":\"topics.create\",\"topic\":7}", HULSE_INVAL},
        {"{\"command\":\"topics.create\",\"topic\":\"a\",\"namespace\":\"a/b\"}", HULSE_INVAL},
        {"{\"command\":\"topics.create\",\"topic\":\"a\",\"partitions\":-1}", HULSE_INVAL},
        {"{\"command\":\"topics.create\",\"topic\":\"a\",\"partitions\":10001}", HULSE_INVAL},
        {"{\"command\":\"topics.create\",\"topic\":\"a\",\"partitions\":1.0}", HULSE_INVAL},
        {"{\"command\":\"topics.create\",\"topic\":\"a\",\"partitions\":\"1\"}", HULSE_INVAL},
        {"{\"command\":\"topics.create\",\"topic\":\"a\",\"force\":true}", HULSE_INVAL},
        {"{\"command\":\"topics.delete\",\"force\":true}", HULSE_INVAL},
        {"{\"command\":\"topics.delete\",\"topic\":\"a\",\"force\":1}", HULSE_INVAL},
        {"{\"command\":\"topics.delete\",\"topic\":\"a\",\"partitions\":1}", HULSE_INVAL},
        {"{\"command\":\"topics.stats\",\"topic\":null}", HULSE_INVAL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct admin_request out;
        struct error err = {0};
        const hulse_status st = parse(cases[i].line, strlen(cases[i].line), &out, &err);
        if (st != cases[i].status) {
            fail_msg("%s: %d", cases[i].line, st);
        }
        assert_true(strlen(err.text) > 0);
        if (cases[i].line[0] == '[') {
            assert_non_null(strstr(err.text, "an object is expected"));
        }
    }
}

static void test_prefixes_are_refused(void **state)
{
    static const char good[] = "{\"command\":\"topics.list\",\"namespace\":\"public/default\"}";
    struct admin_request out;

    (void)state;
    for (size_t bytes = 0; bytes < strlen(good); bytes++) {
        assert_int_equal(parse(good, bytes, &out, NULL), HULSE_INVAL);
    }
    assert_int_equal(parse(good, strlen(good), &out, NULL), HULSE_OK);
}

static void test_limits(void **state)
{
    static char line[HULSE_ADMIN_REQUEST_BYTES_MAX + 2];
    struct admin_request out;
    struct error err = {0};

    (void)state;
    /* A namespace of exactly the room, and one byte more. */
    for (size_t more = 0; more < 2; more++) {
        char namespace_name[HULSE_ADMIN_NAMESPACE_BYTES + 1];
        const size_t bytes = sizeof(out.namespace_name) - 1 + more;
        memset(namespace_name, 'n', bytes);
        namespace_name[1] = '/';
        namespace_name[bytes] = '\0';
        const int n = snprintf(line,
                               sizeof(line),
                               "{\"command\":\"topics.list\",\"namespace\":\"%s\"}",
                               namespace_name);
        assert_int_equal(parse(line, (size_t)n, &out, &err), more == 0 ? HULSE_OK : HULSE_INVAL);
    }
    const int used = snprintf(line, sizeof(line), "{\"command\":\"stats\"}");
    memset(line + used, ' ', sizeof(line) - (size_t)used);
    assert_int_equal(parse(line, HULSE_ADMIN_REQUEST_BYTES_MAX, &out, &err), HULSE_OK);
    assert_int_equal(parse(line, HULSE_ADMIN_REQUEST_BYTES_MAX + 1, &out, &err), HULSE_TOOBIG);
    /* Deeper than anybody needs: an error, not the end of the stack. */
    memset(line, '[', sizeof(line));
    assert_int_equal(parse(line, HULSE_ADMIN_REQUEST_BYTES_MAX, &out, &err), HULSE_INVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_about_one_topic),
        cmocka_unit_test(test_a_drain_may_be_for_now),
        cmocka_unit_test(test_where_a_backup_goes),
        cmocka_unit_test(test_topic_length),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_prefixes_are_refused),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
