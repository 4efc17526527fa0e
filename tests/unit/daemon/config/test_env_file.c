/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   an environment file sets what an environment of the same variables would, below the real
 *         one; a line that is none is refused with its place; aliases have their order.
 * Method: texts, well-formed and not.
 */
#include "daemon/config/config.h"
#include "tests/unit/daemon/config/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *const no_environment[] = {NULL};
static struct config config;
static struct config_problems problems;

static int set_up(void **state)
{
    (void)state;
    hulse_config_init(&config, no_environment);
    memset(&problems, 0, sizeof(problems));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hulse_config_fini(&config);
    return 0;
}

static void read_text(const char *text)
{
    hulse_config_env_text(&config, "f.env", text, strlen(text), &problems);
}

static void test_lines(void **state)
{
    (void)state;
    read_text("# a comment\n"
              "\n"
              "HULSE_LOG__LEVEL=debug\r\n"
              "  export HULSE_WORKERS='3'  \n"
              "HULSE_NAME=\"a = 'b' # c\"\n"
              "OTHER=\n"
              "EMPTY_QUOTES=\"\"\n"
              "HULSE_LISTEN__GROUP=\n"
              "HULSE_ROLES__ORDERS__SESSIONS_MAX=7\n"
              "HULSE_TOPICS__0__PUBLISH__TTL=5s\n"
              "HULSE_TOPICS__0__MATCH=**\n"
              "HULSE_DRAIN_TIMEOUT=1s");
    assert_int_equal(problems.errors, 0);
    assert_int_equal(config.log.level, CONFIG_LEVEL_DEBUG);
    assert_int_equal(config.workers.count, 3);
    assert_string_equal(config.name, "a = 'b' # c");
    assert_int_equal(config.drain_timeout_ns, 1000000000U);
    assert_int_equal(config.role_count, 1);
    assert_string_equal(config.roles[0].name, "orders");
    assert_int_equal(config.roles[0].sessions_max, 7);
    assert_int_equal(config.topic_count, 1);
    assert_int_equal(config.topics[0].publish.ttl_ms, 5000);
}

static void test_the_environment_wins(void **state)
{
    static char level[] = "HULSE_LOG__LEVEL=warn";
    char *const environment[] = {level, NULL};

    (void)state;
    read_text("HULSE_LOG__LEVEL=debug\nHULSE_WATCH=true\n");
    hulse_config_environment(&config, environment, &problems);
    assert_int_equal(problems.errors, 0);
    assert_int_equal(config.log.level, CONFIG_LEVEL_WARN);
    assert_true(config.watch);
}

static void test_aliases(void **state)
{
    (void)state;
    read_text("APP_NAME=app\nLOG_LEVEL=WaRn\n");
    assert_string_equal(config.name, "app");
    assert_int_equal(config.log.level, CONFIG_LEVEL_WARN);
    read_text("SERVICE_NAME=service\nAPP_NAME=app\n");
    assert_string_equal(config.name, "service");
    read_text("HULSE_NAME=own\nSERVICE_NAME=service\nHULSE_LOG__LEVEL=error\nLOG_LEVEL=INFO\n");
    assert_string_equal(config.name, "own");
    assert_int_equal(config.log.level, CONFIG_LEVEL_ERROR);
    assert_int_equal(problems.errors, 0);
    read_text("\nLOG_LEVEL=loud\n");
    assert_int_equal(problems.errors, 1);
    assert_int_equal(problems.list[0].line, 2);
    assert_non_null(strstr(problems.list[0].text, "LOG_LEVEL: log.level: 'loud'"));
}

static void test_mistakes_have_places(void **state)
{
    static const struct bad_text cases[] = {
        {"\nname\n", 2, 5, "NAME=VALUE"},
        {"=x\n", 1, 1, "NAME=VALUE"},
        {"  1A=x\n", 1, 3, "NAME=VALUE"},
        {"A B=x\n", 1, 2, "NAME=VALUE"},
        {"export =x", 1, 8, "NAME=VALUE"},
        {"A=\"x\n", 1, 3, "no end"},
        {"A=\"\n", 1, 3, "no end"},
        {"A='x\"\n", 1, 3, "no end"},
        {"A=1\nB=2\nA=3\n", 3, 1, "duplicate variable 'A'; the first is in line 1"},
        {"A=1\nB=\xff\n", 2, 1, "UTF-8"},
        {"A=1\nHULSE_LOG__LVL=debug\n", 2, 1, "'log.level'"},
        {" HULSE_WORKERS=99\n", 1, 2, "HULSE_WORKERS: workers.count: '99': out of range"},
        {"HULSE_ROLES__A__UIDS=1\n", 1, 1, "a list"},
        {"HULSE_TOPICS__1__MATCH=x\n", 1, 1, "from 0 to 0"},
        {"HULSE_TOPICS__X__MATCH=x\n", 1, 1, "from 0 to 0"},
        {"HULSE_ROLES__A=x\n", 1, 1, "a name and a key"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void)tear_down(NULL);
        (void)set_up(NULL);
        read_text(cases[i].text);
        assert_int_equal(problems.errors, 1);
        check_first_problem(&problems, "f.env", cases[i].line, cases[i].column, cases[i].part);
    }
    hulse_config_env_text(&config, "f.env", "A=\0\n", 4, &problems);
    assert_non_null(strstr(problems.list[1].text, "zero byte"));
    assert_int_equal(problems.list[1].column, 3);
}

static void test_variables_have_a_limit(void **state)
{
    char *text = malloc((size_t)1026 * 16);
    size_t used = 0;

    (void)state;
    assert_non_null(text);
    for (unsigned i = 0; i < 1024; i++) {
        used += (size_t)snprintf(text + used, 16, "V%u=x\n", i);
    }
    read_text(text);
    assert_int_equal(problems.errors, 0);
    (void)snprintf(text + used, 16, "ONE=x\n");
    read_text(text);
    assert_int_equal(problems.errors, 1);
    assert_int_equal(problems.list[0].line, 1025);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_environment_wins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_aliases, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mistakes_have_places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_variables_have_a_limit, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
