/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   of the rules that match a name the first counts, whatever stands before its star.
 * Method: cases by hand; random rules and names against a scan from the first rule on.
 */
#include "daemon/core/mem.h"
#include "daemon/table/pattern.h"
#include "daemon/table/topic_rules.h"
#include "tests/unit/daemon/core/check.h"

#include <stdio.h>
#include <string.h>

static const char *const broker_list[] = {"local", "null"};
static const struct broker_names brokers = {.names = broker_list, .count = 2, .default_broker = 1};

static struct topic_rules *make(const struct config_topic_rule *rules, size_t count)
{
    struct topic_rules *r = NULL;
    struct error err = {0};

    assert_int_equal(hulse_topic_rules_create(&r, rules, count, &brokers, &err), HULSE_OK);
    return r;
}

static int no_leak(void **state)
{
    (void)state;
    assert_int_equal(hulse_mem_used(HULSE_MEM_TABLE), 0);
    return 0;
}

static void test_the_first_counts(void **state)
{
    static const struct config_topic_rule rules[] = {
        {.match = "persistent://a/b/exact", .broker = "local", .publish = {.ttl_ms = 1}},
        {.match = "persistent://a/b/e*", .broker = "", .publish = {.ttl_ms = 2}},
        {.match = "**/exact", .broker = "null", .publish = {.ttl_ms = 3, .auto_create = true}},
        {.match = "persistent://a/b/exact", .publish = {.ttl_ms = 4}},
    };
    struct topic_rules *r = make(rules, 4);

    (void)state;
    assert_int_equal(hulse_topic_rules_find(r, "persistent://a/b/exact")->ttl_ms, 1);
    assert_int_equal(hulse_topic_rules_find(r, "persistent://a/b/exact")->broker, 0);
    assert_int_equal(hulse_topic_rules_find(r, "persistent://a/b/else")->ttl_ms, 2);
    assert_int_equal(hulse_topic_rules_find(r, "persistent://a/b/else")->broker, 1);
    assert_false(hulse_topic_rules_find(r, "persistent://a/b/else")->auto_create);
    assert_int_equal(hulse_topic_rules_find(r, "persistent://x/y/exact")->rule, 2);
    const struct topic_settings *none = hulse_topic_rules_find(r, "persistent://x/y/z");
    assert_int_equal(none->rule, HULSE_TOPIC_RULE_NONE);
    assert_int_equal(none->broker, 1);
    assert_true(none->auto_create);
    assert_int_equal(none->nack_delay_ms, 1000);
    hulse_topic_rules_destroy(&r);
    assert_null(r);
}

static unsigned unmade;

static void unmake(void *made)
{
    assert_non_null(made);
    unmade += 1;
}

/* The last of its holders ends it, with what was made of it; the second maker's is ended at once. */
static void test_a_schema_outlives_its_rules(void **state)
{
    static const struct config_topic_rule rules[] = {
        {.match = "**/typed",
         .publish = {.schema = {.type = 1, .text = "text", .bytes = 4}, .validate = true},
         .consume = {.schema = {.type = 2, .text = "other", .bytes = 5}}},
        {.match = "**/plain"},
    };
    struct topic_rules *r = make(rules, 2);
    int first = 0;
    int second = 0;

    (void)state;
    unmade = 0;
    assert_null(hulse_topic_rules_schema(r, "persistent://a/b/plain", TOPIC_SCHEMA_PUBLISHED));
    assert_null(hulse_topic_rules_schema(r, "persistent://a/b/none", TOPIC_SCHEMA_PUBLISHED));
    struct topic_schema *s =
        hulse_topic_rules_schema(r, "persistent://a/b/typed", TOPIC_SCHEMA_PUBLISHED);
    struct topic_schema *again =
        hulse_topic_rules_schema(r, "persistent://a/b/typed", TOPIC_SCHEMA_PUBLISHED);
    assert_ptr_equal(s, again);
    struct topic_schema *read =
        hulse_topic_rules_schema(r, "persistent://a/b/typed", TOPIC_SCHEMA_CONSUMED);
    assert_null(hulse_topic_rules_schema(r, "persistent://a/b/plain", TOPIC_SCHEMA_CONSUMED));
    hulse_topic_rules_destroy(&r);
    assert_int_equal(read->type, 2);
    assert_memory_equal(read->text, "other", 5);
    hulse_topic_schema_release(&read);
    assert_int_equal(s->type, 1);
    assert_true(s->validate);
    assert_memory_equal(s->text, "text", 4);
    assert_null(hulse_topic_schema_made(s));
    assert_ptr_equal(hulse_topic_schema_make(s, &first, unmake), &first);
    assert_ptr_equal(hulse_topic_schema_make(s, &second, unmake), &first);
    assert_int_equal(unmade, 1);
    assert_ptr_equal(hulse_topic_schema_made(again), &first);
    hulse_topic_schema_release(&again);
    assert_null(again);
    assert_int_equal(unmade, 1);
    hulse_topic_schema_release(&s);
    assert_int_equal(unmade, 2);
    hulse_topic_schema_release(&s);
}

static void test_refusals(void **state)
{
    static const struct config_topic_rule unknown[] = {{.match = "**", .broker = "other"}};
    struct topic_rules *r = NULL;
    struct error err = {0};

    (void)state;
    assert_int_equal(hulse_topic_rules_create(&r, unknown, 1, &brokers, &err), HULSE_INVAL);
    assert_non_null(strstr(err.text, "topics.0.broker"));
    assert_null(r);
    assert_int_equal(
        hulse_topic_rules_create(&r, unknown, (size_t)HULSE_TOPIC_RULES_MAX + 1, &brokers, &err),
        HULSE_INVAL);
    const size_t cap = hulse_mem_cap();
    hulse_mem_init(hulse_mem_total() + 100);
    assert_int_equal(hulse_topic_rules_create(&r, unknown, 1, &brokers, &err), HULSE_NO_MEMORY);
    hulse_mem_init(cap);
}

static void random_text(uint64_t *random, const char *letters, char *out, size_t out_bytes)
{
    const size_t bytes = test_below(random, out_bytes);

    for (size_t i = 0; i < bytes; i++) {
        out[i] = letters[test_below(random, strlen(letters))];
    }
    out[bytes] = '\0';
}

static void test_against_a_scan(void **state)
{
    enum { RULES = 60, ROUNDS = 300, NAMES = 100 };
    static char patterns[RULES][8];
    struct config_topic_rule rules[RULES];
    uint64_t random = test_seed();
    unsigned found = 0;

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        const size_t count = test_below(&random, RULES + 1);
        for (size_t i = 0; i < count; i++) {
            random_text(&random, "ab/*?ab*", patterns[i], sizeof(patterns[i]));
            rules[i] = (struct config_topic_rule){.match = patterns[i]};
        }
        struct topic_rules *r = make(rules, count);
        for (unsigned n = 0; n < NAMES; n++) {
            char name[8];
            uint32_t expected = HULSE_TOPIC_RULE_NONE;
            random_text(&random, "ab/", name, sizeof(name));
            for (size_t i = count; i > 0; i--) {
                expected =
                    hulse_pattern_match(patterns[i - 1], name) ? (uint32_t)(i - 1) : expected;
            }
            found += expected != HULSE_TOPIC_RULE_NONE;
            assert_int_equal(hulse_topic_rules_find(r, name)->rule, expected);
        }
        hulse_topic_rules_destroy(&r);
    }
    assert_true(found > ROUNDS * NAMES / 10);
}

enum { SIDE = 40, PAIRS = SIDE * SIDE, LONG = 400 };

static void check_all(const struct config_topic_rule *rules, size_t count)
{
    struct topic_rules *r = make(rules, count);
    for (size_t i = 0; i < count; i += 7) {
        char name[LONG + 8];
        uint32_t expected = HULSE_TOPIC_RULE_NONE;
        (void)snprintf(name, sizeof(name), "%s", rules[i].match);
        *strchr(name, '*') = 'c';
        for (size_t k = count; k > 0; k--) {
            expected = hulse_pattern_match(rules[k - 1].match, name) ? (uint32_t)(k - 1) : expected;
        }
        assert_int_equal(hulse_topic_rules_find(r, name)->rule, expected);
    }
    hulse_topic_rules_destroy(&r);
}

/* More pairs of lengths, then more lengths of beginnings, than are looked up one by one. */
static void test_many_shapes(void **state)
{
    static char pairs[PAIRS][2 * SIDE + 2];
    static char lengths[LONG][LONG + 4];
    static struct config_topic_rule rules[PAIRS];

    (void)state;
    for (size_t i = 0; i < PAIRS; i++) {
        const size_t a = i / SIDE;
        const size_t b = i % SIDE;
        memset(pairs[i], 'a', a);
        pairs[i][a] = '*';
        memset(pairs[i] + a + 1, 'b', b);
        rules[i] = (struct config_topic_rule){.match = pairs[i]};
    }
    check_all(rules, PAIRS);
    for (size_t i = 0; i < LONG; i++) {
        memset(lengths[i], 'a', LONG - i);
        (void)snprintf(lengths[i] + LONG - i, 4, "*%c", (char)('a' + i % 20));
        rules[i] = (struct config_topic_rule){.match = lengths[i]};
    }
    check_all(rules, LONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_the_first_counts, no_leak),
        cmocka_unit_test_teardown(test_a_schema_outlives_its_rules, no_leak),
        cmocka_unit_test_teardown(test_refusals, no_leak),
        cmocka_unit_test_teardown(test_against_a_scan, no_leak),
        cmocka_unit_test_teardown(test_many_shapes, no_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
