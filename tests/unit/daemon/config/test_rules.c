/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   brokers, topic rules and roles of a file have their defaults, values up to their edges
 *         and places; what they say together is checked; secrets are read and never shown.
 * Method: small files through the whole of load.
 */
#include "daemon/config/body.h"
#include "daemon/config/config.h"
#include "daemon/config/key.h"
#include "tests/unit/daemon/config/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static char *const no_environment[] = {NULL};
static char folder[64];
static char file_path[96];
static char token_path[96];
static struct config *config;
static struct config_problems problems;

static void put(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/hulse-rules-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(file_path, sizeof(file_path), "%s/h.yaml", folder);
    (void)snprintf(token_path, sizeof(token_path), "%s/tokens", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hulse_config_destroy(&config);
    (void)unlink(file_path);
    (void)unlink(token_path);
    assert_int_equal(rmdir(folder), 0);
    return 0;
}

/* `set` may be NULL. */
static bool load_with(const char *text, const char *set)
{
    const struct config_sources sources = {
        .file = file_path,
        .environment = no_environment,
        .sets = &set,
        .set_count = set == NULL ? 0 : 1,
    };

    hulse_config_destroy(&config);
    put(file_path, text, 0600);
    config = hulse_config_load(&sources, &problems);
    assert_int_equal(config == NULL, problems.errors > 0);
    return config != NULL;
}

static void load(const char *text)
{
    if (!load_with(text, NULL)) {
        fail_msg(
            "%u:%u: %s", problems.list[0].line, problems.list[0].column, problems.list[0].text);
    }
}

static void check_refused(const char *text, unsigned line, unsigned column, const char *part)
{
    if (load_with(text, NULL)) {
        fail_msg("'%s' was accepted", text);
    }
    check_first_problem(&problems, file_path, line, column, part);
}

static void test_defaults(void **state)
{
    (void)state;
    load("{topics: [{match: x}], roles: {r: {}}}");
    assert_int_equal(config->broker_count, 2);
    assert_string_equal(config->brokers[0].name, "local");
    assert_int_equal(config->brokers[0].type, CONFIG_BROKER_LOCAL);
    assert_string_equal(config->brokers[1].name, "null");
    assert_int_equal(config->brokers[1].type, CONFIG_BROKER_NULL);
    assert_string_equal(config->brokers[0].directory, "");
    assert_int_equal(config->brokers[0].durability, CONFIG_DISK);
    assert_int_equal(config->brokers[0].size_max, UINT64_C(8) << 30U);
    const struct config_topic_rule *t = &config->topics[0];
    assert_string_equal(t->match, "x");
    assert_string_equal(t->broker, "");
    assert_true(t->publish.rate.messages == 0 && t->publish.rate.bytes == 0);
    assert_int_equal(t->publish.pending_bytes, 8U << 20);
    assert_true(t->publish.auto_create);
    assert_int_equal(t->consume.ack_timeout_ms, 0);
    assert_false(t->consume.replicate_subscription_state);
    assert_int_equal(t->consume.nack_delay_ms, 1000);
    assert_true(t->consume.nack_multiplier == 2.0);
    assert_int_equal(t->consume.nack_delay_max_ms, 60000);
    assert_int_equal(t->consume.redeliver_max, 3);
    assert_string_equal(t->consume.dead_letter, "");
    assert_string_equal(t->consume.retry_letter, "");
    assert_string_equal(t->consume.dead_letter_subscription, "");
    assert_true(t->publish.ttl_ms == 0 && t->policy.ttl_ms == 0);
    const struct config_role *r = &config->roles[0];
    assert_string_equal(r->name, "r");
    assert_true(r->uid_count == 0 && r->gid_count == 0 && r->token_count == 0);
    assert_true(r->produce_count == 0 && r->consume_count == 0 && r->admin_count == 0);
    assert_true(r->sessions_max == 0 && r->memory_max == 0);
    assert_string_equal(r->topic_name, "");
    assert_string_equal(r->tokens_file, "");
}

static void test_values(void **state)
{
    (void)state;
    load("brokers:\n"
         "  mem: {type: local, directory: /srv/mem, durability: memory, size_max: 1GiB}\n"
         "default_broker: mem\n"
         "session: {rate: 7}\n"
         "topics:\n"
         "  - match: \"persistent://a/b/*\"\n"
         "    broker: \"null\"\n"
         "    publish: {rate: {messages: 5, bytes: 1MiB}, ttl: 30s, pending_bytes: 1GiB,\n"
         "              auto_create: false}\n"
         "    consume: {ack_timeout: 30s, replicate_subscription_state: true, nack: {delay: 0, "
         "multiplier: 1.25, delay_max: 1d},\n"
         "              redeliver_max: 1, dead_letter: \"{topic}-{service}\",\n"
         "              dead_letter_subscription: kept, retry_letter: r}\n"
         "    policy: {ttl: 3650d}\n"
         "  - {match: y, broker: mem, publish: {rate: null}}\n"
         "roles:\n"
         "  orders: {uids: [1000, 0, 4294967294], gids: [5], sessions_max: 4, memory_max: 1MiB,\n"
         "           rate: 100, produce: [a, \"b*\"], consume: [c], admin: [],\n"
         "           topic_name: \"^x{2,3}$\"}\n");
    assert_int_equal(config->broker_count, 3);
    assert_string_equal(config->brokers[2].name, "mem");
    assert_string_equal(config->brokers[2].directory, "/srv/mem");
    assert_int_equal(config->brokers[2].durability, CONFIG_MEMORY);
    assert_int_equal(config->brokers[2].size_max, UINT64_C(1) << 30U);
    assert_string_equal(config->default_broker, "mem");
    assert_int_equal(config->session_rate.messages, 7);
    assert_int_equal(config->topic_count, 2);
    const struct config_topic_rule *t = config->topics;
    assert_string_equal(t[0].broker, "null");
    assert_int_equal(t[0].publish.rate.messages, 5);
    assert_int_equal(t[0].publish.rate.bytes, 1U << 20);
    assert_int_equal(t[0].publish.ttl_ms, 30000);
    assert_int_equal(t[0].publish.pending_bytes, 1U << 30);
    assert_false(t[0].publish.auto_create);
    assert_int_equal(t[0].consume.ack_timeout_ms, 30000);
    assert_true(t[0].consume.replicate_subscription_state);
    assert_int_equal(t[0].consume.nack_delay_ms, 0);
    assert_true(t[0].consume.nack_multiplier == 1.25);
    assert_int_equal(t[0].consume.nack_delay_max_ms, 86400000);
    assert_int_equal(t[0].consume.redeliver_max, 1);
    assert_string_equal(t[0].consume.dead_letter, "{topic}-{service}");
    assert_string_equal(t[0].consume.retry_letter, "r");
    assert_string_equal(t[0].consume.dead_letter_subscription, "kept");
    assert_int_equal(t[0].policy.ttl_ms, 3650ULL * 86400000);
    assert_string_equal(t[1].broker, "mem");
    const struct config_role *r = &config->roles[0];
    assert_int_equal(r->uid_count, 3);
    assert_true(r->uids[0] == 1000 && r->uids[1] == 0 && r->uids[2] == 4294967294U);
    assert_true(r->gid_count == 1 && r->gids[0] == 5);
    assert_true(r->sessions_max == 4 && r->memory_max == 1U << 20 && r->rate.messages == 100);
    assert_int_equal(r->produce_count, 2);
    assert_string_equal(r->produce[1], "b*");
    assert_int_equal(r->consume_count, 1);
    assert_string_equal(r->topic_name, "^x{2,3}$");
}

static void test_mistakes(void **state)
{
    static const struct bad_text cases[] = {
        {"log: 5\n", 1, 6, "log: a mapping is expected, not a value"},
        {"log: {level: [x]}\n", 1, 14, "log.level: a value is expected, not a list"},
        {"log: {levl: info}\n", 1, 7, "the nearest is 'log.level'"},
        {"log.level: info\n", 1, 1, "unknown key 'log.level'"},
        {"- x\n", 1, 1, "a mapping from keys is expected, not a list"},
        {"just words\n", 1, 1, "not a value"},
        {"name: null\n", 1, 7, "it cannot be null"},
        {"name:\n", 1, 6, "it cannot be null"},
        {"watch: yes\n", 1, 8, "true or false is expected"},
        {"watch: \"true\"\n", 1, 8, "without quotes"},
        {"workers: {count: \"2\"}\n", 1, 18, "without quotes"},
        {"gateway: {listen: null}\n", 1, 1, "not in this version"},
        {"topcs: []\n", 1, 1, "the nearest is 'topics'"},
        {"topics: {a: b}\n", 1, 9, "topics: a list is expected, not a mapping"},
        {"topics: [x]\n", 1, 10, "a mapping is expected"},
        {"topics:\n  - {publish: {ttl: 5s}}\n", 2, 5, "match is missing"},
        {"topics: [{match: x, publish: {ttl: 1500us}}]\n", 1, 36, "whole milliseconds"},
        {"topics: [{match: x, publish: {rate: 0}}]\n", 1, 37, "out of range"},
        {"topics: [{match: x, publish: {rate: {mesages: 1}}}]\n", 1, 38, "publish.rate.messages"},
        {"topics: [{match: x, publish: {spool: true}}]\n", 1, 31, "not in this version"},
        {"topics: [{match: \"\"}]\n", 1, 18, "must not be empty"},
        {"topics: [{match: x, broker: y}]\n", 1, 29, "there is no broker 'y'"},
        {"topics: [{match: x, consume: {nack: {multiplier: 0.9}}}]\n", 1, 50, "out of range"},
        {"topics: [{match: x, consume: {nack: {multiplier: 1.2345}}}]\n", 1, 50, "decimals"},
        {"topics: [{match: x, consume: {nack: {delay: 2m}}}]\n", 1, 45, "not be above delay_max"},
        {"topics: [{match: x, consume: {nack: {delay_max: 1ms}}}]\n", 1, 49, "not be above"},
        {"brokers: {b: {}}\n", 1, 11, "type is missing"},
        {"brokers: {b: {type: kafka}}\n", 1, 21, "local, null or pulsar"},
        {"brokers: {b: {type: local, directory: x}}\n", 1, 39, "an absolute path"},
        {"brokers: {b: {type: local, directory: /x/}}\n", 1, 39, "an absolute path"},
        {"brokers: {b: {type: local, durability: tape}}\n", 1, 40, "disk or memory"},
        {"brokers: {b: {type: local, size_max: 511MiB}}\n", 1, 38, "512MiB"},
        {"brokers: {a: {type: local, directory: /x}, b: {type: local, directory: /x}}\n",
         1,
         72,
         "is that of brokers.a"},
        {"brokers: {local: {type: \"null\"}}\n", 1, 25, "has the type local"},
        {"default_broker: main\n", 1, 17, "there is no broker 'main'"},
        {"roles: [x]\n", 1, 8, "a mapping from names"},
        {"roles: {a.b: {}}\n", 1, 9, "letters, digits"},
        {"roles: {a: {uids: [x]}}\n", 1, 20, "uids: 'x'"},
        {"roles: {a: {uids: [4294967295]}}\n", 1, 20, "above the largest"},
        {"roles: {a: {uids: [\"1\"]}}\n", 1, 20, "a number is expected"},
        {"roles: {a: {produce: [null]}}\n", 1, 23, "a text is expected"},
        {"roles: {a: {produce: x}}\n", 1, 22, "a list is expected"},
        {"roles: {a: {topic_name: \"(\"}}\n", 1, 25, "regular expression"},
        {"roles: {a: {topic_name: \"(x{200}){200}\"}}\n", 1, 25, "10000"},
        {"roles: {a: {jwt: {role: x}}}\n", 1, 13, "not in this version"},
        {"roles: {a: {tokens_file: tokens}}\n", 1, 26, "an absolute path"},
        {"roles: {a: {tokens_file: /nonexistent/t}}\n", 1, 26, "cannot be read"},
        {"roles: {a: {uids: [1]}, b: {uids: [2, 1]}}\n", 1, 35, "'a' of line 1, column 19"},
        {"roles: {a: {gids: [1]}, b: {gids: [1]}}\n", 1, 35, "belongs to the role 'a'"},
        {"topics: [{match: x, consume: {ack_timeout: 999ms}}]\n", 1, 44, "0s, or at least 1s"},
        {"spin: {min: 9ms}\n", 1, 13, "spin.min must not be above spin.max"},
        {"spin: {max: 1us}\n", 1, 13, "spin.min must not be above spin.max"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        check_refused(cases[i].text, cases[i].line, cases[i].column, cases[i].part);
    }
    /* Twice in one role is harmless. */
    load("roles: {a: {uids: [1, 1], gids: [1]}, b: {uids: [2]}}\n");
}

static void test_mistakes_of_dead_letters(void **state)
{
    static const struct bad_text cases[] = {
        {"topics: [{match: x, consume: {redeliver_max: 0}}]\n", 1, 46, "out of range"},
        {"topics: [{match: x, consume: {dead_letter: \"a{b}\"}}]\n", 1, 44, "are the words of"},
        {"topics: [{match: x, consume: {dead_letter: \"a}\"}}]\n", 1, 44, "are the words of"},
        {"topics: [{match: x, consume: {dead_letter: \"{topic}/y\"}}]\n", 1, 44, "no name of a"},
        {"topics: [{match: x, consume: {dead_letter: a/y}}]\n", 1, 44, "no name of a topic"},
        {"topics: [{match: x, consume: {dead_letter: \"a//y\"}}]\n", 1, 44, "no name of a topic"},
        {"topics: [{match: \"*\", consume: {dead_letter: \"{topic}\"}}]\n", 1, 46, "its own dead"},
        {"topics: [{match: \"persistent://a/b/c\", consume: {dead_letter: a/b/c}}]\n",
         1,
         63,
         "its own dead-letter topic"},
        {"topics: [{match: \"persistent://public/default/c\", consume: {dead_letter: c}}]\n",
         1,
         74,
         "its own dead-letter topic"},
        {"topics: [{match: x, consume: {retry_letter: \"a{b}\"}}]\n", 1, 45, "are the words of"},
        {"topics: [{match: x, consume: {retry_letter: \"{topic}/y\"}}]\n", 1, 45, "no name of a"},
        {"topics: [{match: \"*\", consume: {retry_letter: \"{topic}\"}}]\n",
         1,
         47,
         "not its own retry topic"},
        {"topics: [{match: x, consume: {retry_letter: \"non-persistent://a/b/c\"}}]\n",
         1,
         45,
         "keeps no messages"},
        {"topics: [{match: x, consume: {dead_letter: d, retry_letter: d}}]\n",
         1,
         61,
         "it is the dead-letter topic"},
        {"topics: [{match: x, consume: {dead_letter_subscription: s}}]\n", 1, 57, "no dead_letter"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        check_refused(cases[i].text, cases[i].line, cases[i].column, cases[i].part);
    }
}

static void test_all_mistakes_of_a_file(void **state)
{
    char text[4096] = "";
    size_t used = 0;

    (void)state;
    assert_false(load_with("log: {level: x}\nwatch: y\nroles: {a: {uids: z}}\nother: 1\n", NULL));
    assert_int_equal(problems.errors, 4);
    for (unsigned line = 1; line <= 4; line++) {
        assert_int_equal(problems.list[line - 1].line, line);
    }
    for (unsigned i = 0; i < HULSE_CONFIG_PROBLEMS_MAX + 2; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "unknown%u: 1\n", i);
    }
    assert_false(load_with(text, NULL));
    assert_int_equal(problems.count, HULSE_CONFIG_PROBLEMS_MAX);
    assert_int_equal(problems.errors, HULSE_CONFIG_PROBLEMS_MAX + 2);
    assert_int_equal(problems.dropped, 2);
}

static void test_patterns_have_a_length(void **state)
{
    char text[1200];
    const int before = snprintf(text, sizeof(text), "topics: [{match: \"");

    (void)state;
    memset(text + before, 'x', 1087);
    (void)snprintf(text + before + 1087, 16, "\"}]\n");
    load(text);
    assert_int_equal(strlen(config->topics[0].match), 1087);
    memset(text + before, 'x', 1088);
    (void)snprintf(text + before + 1088, 16, "\"}]\n");
    check_refused(text, 1, 18, "too long");
}

static void test_flags_reach_rules(void **state)
{
    (void)state;
    assert_true(load_with("topics: [{match: x}]\n", "topics.0.publish.ttl=3s"));
    assert_int_equal(config->topics[0].publish.ttl_ms, 3000);
    assert_true(load_with("{}", "topics.0.match=z"));
    assert_string_equal(config->topics[0].match, "z");
    assert_true(load_with("{}", "roles.new.rate=9"));
    assert_int_equal(config->roles[0].rate.messages, 9);
    assert_true(load_with("{}", "brokers.b.type=null"));
    assert_int_equal(config->brokers[2].type, CONFIG_BROKER_NULL);
    assert_false(load_with("{}", "topics.0.publish.ttl=3s"));
    assert_non_null(strstr(problems.list[0].text, "topics.0: match is missing"));
    assert_false(load_with("{}", "roles.a b.rate=9"));
    assert_false(load_with("{}", "roles.a.produce=x"));
    assert_non_null(strstr(problems.list[0].text, "a list"));
    assert_false(load_with("{}", "brokers.local.type=null"));
}

static void test_tokens(void **state)
{
    char text[256];
    char *shown = NULL;
    size_t bytes = 0;

    (void)state;
    (void)snprintf(text, sizeof(text), "roles:\n  a: {tokens_file: %s}\n", token_path);
    put(token_path, "# tokens\n\nabcdefgh\r\nsecond-token-of-it", 0600);
    load(text);
    assert_int_equal(problems.count, 0);
    assert_int_equal(config->roles[0].token_count, 2);
    assert_string_equal(config->roles[0].tokens[0], "abcdefgh");
    assert_string_equal(config->roles[0].tokens[1], "second-token-of-it");
    FILE *out = open_memstream(&shown, &bytes);
    assert_non_null(out);
    hulse_config_print(config, out);
    assert_int_equal(fclose(out), 0);
    assert_null(strstr(shown, "abcdefgh"));
    assert_non_null(strstr(shown, "<redacted>"));
    free(shown);

    assert_int_equal(chmod(token_path, 0644), 0);
    load(text);
    assert_int_equal(problems.count, 1);
    assert_true(problems.list[0].warning);
    assert_int_equal(chmod(token_path, 0620), 0);
    assert_false(load_with(text, NULL));
    assert_non_null(strstr(problems.list[0].text, "others may write"));
    put(token_path, "abcdefgh\nshort77\nwith a space\n", 0600);
    assert_false(load_with(text, NULL));
    assert_int_equal(problems.errors, 2);
    assert_string_equal(problems.list[1].file, token_path);
    assert_int_equal(problems.list[1].line, 3);
    assert_null(strstr(problems.list[0].text, "short77"));
}

static void test_one_token_is_of_one_role(void **state)
{
    char text[256];

    (void)state;
    put(token_path, "abcdefgh\n", 0600);
    (void)snprintf(text,
                   sizeof(text),
                   "roles:\n  a: {tokens_file: %s}\n  b: {tokens_file: %s}\n",
                   token_path,
                   token_path);
    check_refused(text, 3, 20, "'a' of line 2, column 20");
    assert_null(strstr(problems.list[0].text, "abcdefgh"));
}

static void test_print_gives_the_same_rules(void **state)
{
    char *first = NULL;
    char *second = NULL;
    size_t bytes = 0;

    (void)state;
    load("brokers: {b: {type: \"null\"}}\n"
         "topics: [{match: \"a\\\"\\\\b\", broker: \"null\", consume: {nack: {multiplier: 1.5}}},\n"
         "         {match: \"null\", publish: {rate: {bytes: 2KiB}}}]\n"
         "roles: {\"null\": {uids: [1, 2], produce: [\"true\", x]}, z: {}}\n");
    FILE *out = open_memstream(&first, &bytes);
    assert_non_null(out);
    hulse_config_print(config, out);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(first, "multiplier: 1.5  # "));
    assert_non_null(strstr(first, "h.yaml:2\n"));
    load(first);
    out = open_memstream(&second, &bytes);
    assert_non_null(out);
    hulse_config_print(config, out);
    assert_int_equal(fclose(out), 0);
    /* All but the comments. */
    const char *a = first;
    const char *b = second;
    while (*a != '\0' && *b != '\0') {
        const char *a_end = strstr(a, "  # ") == NULL ? a + strlen(a) : strstr(a, "  # ");
        const char *b_end = strstr(b, "  # ") == NULL ? b + strlen(b) : strstr(b, "  # ");
        assert_int_equal(a_end - a, b_end - b);
        assert_memory_equal(a, b, (size_t)(a_end - a));
        a = a_end + strcspn(a_end, "\n");
        b = b_end + strcspn(b_end, "\n");
    }
    assert_string_equal(config->topics[0].broker, "null");
    free(first);
    free(second);
}

static void test_a_secret_is_not_shown(void **state)
{
    static const struct key secret = {"secret", KEY_ROLE, KEY_TEXT, KEY_SECRET, .bytes = 8};
    const char *value = "abc";
    struct config_arena arena = {0};
    struct error err = {0};
    char text[32];

    (void)state;
    hulse_key_print(&secret, &value, text, sizeof(text));
    assert_string_equal(text, "<redacted>");
    assert_int_equal(hulse_key_store(&secret, &value, &arena, "12345678", &err), HULSE_INVAL);
    assert_null(strstr(err.text, "12345678"));
    hulse_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_defaults, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mistakes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mistakes_of_dead_letters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_all_mistakes_of_a_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_patterns_have_a_length, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_flags_reach_rules, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tokens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_token_is_of_one_role, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_print_gives_the_same_rules, set_up, tear_down),
        cmocka_unit_test(test_a_secret_is_not_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
