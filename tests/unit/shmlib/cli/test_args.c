/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: libs=hulse_cli_parts */
/*
 * Goal:   options are found in every documented spelling and place, operands keep their order,
 *         every status has one of the documented exit codes.
 * Method: argument vectors by hand; all statuses against the list of codes.
 */
#include "shmlib/cli/args.h"
#include "shmlib/cli/say.h"
#include "tests/unit/shmlib/cli/check.h"

#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 16

static const struct hulse_cli_option options[] = {
    {'v', 'v', "verbose", HULSE_CLI_NOTHING},
    {'q', 'q', "quick", HULSE_CLI_NOTHING},
    {'k', 'k', "key", HULSE_CLI_TEXT},
    {0, 0, NULL, HULSE_CLI_NOTHING},
};

/* Parses the words of a line; the options found are written to `found` as "v k=x q ". */
static int parse(const char *line, struct hulse_cli_args *a, struct hulse_cli *cli, char found[128])
{
    static char copy[256];
    static char *words[WORDS_MAX];
    int count = 0;
    int id = 0;

    (void)snprintf(copy, sizeof(copy), "%s", line);
    for (char *at = copy; *at != '\0' && count < WORDS_MAX;) {
        words[count] = at;
        count++;
        at += strcspn(at, " ");
        if (*at != '\0') {
            *at = '\0';
            at++;
        }
    }
    found[0] = '\0';
    hulse_cli_args_init(a, cli, options, count, words);
    while ((id = hulse_cli_args_next(a)) > 0) {
        const size_t used = strlen(found);
        (void)snprintf(
            found + used, 128 - used, a->value == NULL ? "%c " : "%c=%s ", (char)id, a->value);
    }
    return id;
}

static void test_spellings(void **state)
{
    static const struct {
        const char *line;
        const char *found;
        int operands;
    } good[] = {
        {"cmd a b", "", 2},
        {"cmd -v a -k x b", "v k=x ", 2},
        {"cmd -vqk x a", "v q k=x ", 1},
        {"cmd -kx -vkyz", "k=x v k=yz ", 0},
        {"cmd --key=x=y --verbose --key z", "k=x=y v k=z ", 0},
        {"cmd - -- -v --key", "", 3},
        {"cmd -k -v a", "k=-v ", 1},
    };
    struct hulse_cli cli = {0};
    struct hulse_cli_args a;
    char found[128];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(parse(good[i].line, &a, &cli, found), HULSE_CLI_ARGS_END);
        assert_string_equal(found, good[i].found);
        assert_int_equal(a.operand_count, good[i].operands);
    }
    assert_int_equal(parse("cmd one -v two -k x three", &a, &cli, found), HULSE_CLI_ARGS_END);
    assert_string_equal(a.argv[0], "one");
    assert_string_equal(a.argv[1], "two");
    assert_string_equal(a.argv[2], "three");
}

static void test_refusals(void **state)
{
    static const char *const bad[] = {"cmd -x",
                                      "cmd --verb",
                                      "cmd --verbose=1",
                                      "cmd -k",
                                      "cmd --key",
                                      "cmd -vx",
                                      "cmd --timeout",
                                      "cmd --timeout soon"};
    struct hulse_cli cli = {0};
    struct hulse_cli_args a;
    char found[128];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(parse(bad[i], &a, &cli, found), HULSE_CLI_ARGS_BAD);
    }
}

static void test_global_options(void **state)
{
    struct hulse_cli cli = {.timeout_ms = -1};
    struct hulse_cli_args a;
    char found[128];

    (void)state;
    assert_int_equal(parse("cmd --socket=/s -v --json t --admin-socket /a --timeout 2s --quiet -h",
                           &a,
                           &cli,
                           found),
                     HULSE_CLI_ARGS_END);
    assert_string_equal(found, "v ");
    assert_string_equal(cli.socket, "/s");
    assert_string_equal(cli.admin_socket, "/a");
    assert_int_equal(cli.timeout_ms, 2000);
    assert_true(cli.json && cli.quiet && cli.help);
    assert_int_equal(a.operand_count, 1);
}

static void test_every_status_has_a_documented_exit_code(void **state)
{
    static const int codes[] = {1, 64, 65, 69, 74, 75, 77, 78};

    (void)state;
    assert_int_equal(hulse_cli_exit_code(HULSE_OK), 0);
    for (int status = HULSE_PROTOCOL - 5; status < 0; status++) {
        const int code = hulse_cli_exit_code(status);
        bool documented = false;
        for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
            documented = documented || codes[i] == code;
        }
        assert_true(documented);
    }
    assert_int_equal(hulse_cli_exit_code(HULSE_FAILED), 1);
    assert_int_equal(hulse_cli_exit_code(HULSE_INVAL), 64);
    assert_int_equal(hulse_cli_exit_code(HULSE_NO_TOPIC), 65);
    assert_int_equal(hulse_cli_exit_code(HULSE_NO_DAEMON), 69);
    assert_int_equal(hulse_cli_exit_code(HULSE_IO), 69);
    assert_int_equal(hulse_cli_exit_code(HULSE_TIMED_OUT), 75);
    assert_int_equal(hulse_cli_exit_code(HULSE_DENIED), 77);
    assert_int_equal(hulse_cli_exit_code(HULSE_NOT_CONFIGURED), 78);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spellings),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_global_options),
        cmocka_unit_test(test_every_status_has_a_documented_exit_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
