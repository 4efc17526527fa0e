/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a YAML text becomes a tree in which every node has its place; everything that is no
 *         configuration is refused with line and column, and no text takes more than the limits.
 * Method: small texts, and texts that are made to be at a limit and one beyond it.
 */
#include "daemon/config/yaml.h"
#include "tests/unit/daemon/config/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct config_arena arena;
static struct config_problems problems;

static const struct yaml_node *parse_bytes(const char *text, size_t bytes)
{
    memset(&problems, 0, sizeof(problems));
    return hulse_yaml_parse(&arena, "f.yaml", text, bytes, &problems);
}

static const struct yaml_node *parse(const char *text)
{
    return parse_bytes(text, strlen(text));
}

static int tear_down(void **state)
{
    (void)state;
    hulse_arena_fini(&arena);
    return 0;
}

static const struct yaml_node *member(const struct yaml_node *map, const char *key)
{
    for (const struct yaml_node *k = map->first; k != NULL; k = k->next) {
        if (strcmp(k->text, key) == 0) {
            return k->value;
        }
    }
    fail_msg("no key %s", key);
    return NULL;
}

static void check_problem(unsigned line, unsigned column, const char *part)
{
    check_first_problem(&problems, "f.yaml", line, column, part);
}

static void test_a_tree_with_places(void **state)
{
    const struct yaml_node *root = parse("a: 1\nb:\n  - x\n  - \"y\"\n  - {c: null}\n");

    (void)state;
    assert_non_null(root);
    assert_int_equal(root->kind, YAML_MAPPING);
    assert_int_equal(root->count, 2);
    const struct yaml_node *b = member(root, "b");
    assert_int_equal(b->kind, YAML_SEQUENCE);
    assert_int_equal(b->count, 3);
    assert_true(b->first->plain);
    assert_false(b->first->next->plain);
    assert_string_equal(b->first->next->text, "y");
    assert_int_equal(b->first->next->line, 4);
    assert_int_equal(b->first->next->column, 5);
    assert_true(hulse_yaml_is_null(member(b->first->next->next, "c")));
    assert_false(hulse_yaml_is_null(b->first));
    /* root, 2 keys, 1, list, x, y, mapping, its key and null */
    assert_int_equal(root->weight, 10);
}

static void test_aliases_share(void **state)
{
    const struct yaml_node *root = parse("a: &n [1, 2]\nb: *n\nc: &n x\nd: *n\n");

    (void)state;
    assert_non_null(root);
    assert_int_equal(member(root, "b")->count, 2);
    assert_ptr_equal(member(root, "b")->first, member(root, "a")->first);
    assert_int_equal(member(root, "b")->line, 2);
    assert_string_equal(member(root, "d")->text, "x");
    assert_null(parse("a: *nobody\n"));
    check_problem(1, 4, "'&nobody'");
    assert_null(parse("&a [*a]\n"));
    check_problem(1, 5, "'&a'");
    assert_null(parse("a: &k x\n*k : y\n"));
    check_problem(2, 1, "a key is one word");
}

static void test_what_is_no_configuration(void **state)
{
    static const struct bad_text cases[] = {
        {"a: [1,\nb: 2\n", 3, 1, "did not find expected ',' or ']'"},
        {"a:\n\tb: 1\n", 2, 1, "a tab cannot indent"},
        {"a:\r\n\tb: 1\r\n", 2, 1, "a tab cannot indent"},
        {"a: [1\n\t]\n", 2, 1, "a tab cannot indent"},
        {"a: \"x\n", 2, 1, "unexpected end of stream"},
        {"a: {b: 1\n", 2, 1, "did not find expected"},
        {"? [a]\n: 1\n", 1, 3, "a key is one word"},
        {"", 1, 1, "the file is empty"},
        {"# only a comment\n", 2, 1, "the file is empty"},
        {"a: 1\n---\nb: 2\n", 2, 1, "a second document"},
        {"a: \"x\\0y\"\n", 1, 4, "zero byte"},
        {"a: 1\nname: \"\xff\"\n", 2, 8, "UTF-8"},
        {"n\xc3\xa4me: \xc3\x28\n", 1, 8, "UTF-8"},
        {"a: \xed\xa0\x80\n", 1, 4, "UTF-8"},
        {"%YAML 3.7\n---\na: 1\n", 1, 1, "incompatible"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (parse(cases[i].text) != NULL) {
            fail_msg("'%s' was accepted", cases[i].text);
        }
        check_problem(cases[i].line, cases[i].column, cases[i].part);
    }
    assert_null(parse_bytes("a: \0", 4));
    check_problem(1, 4, "UTF-8");
}

static void test_duplicate_keys_are_all_reported(void **state)
{
    (void)state;
    assert_non_null(parse("a: 1\nb: {c: 1, c: 2}\na: 3\n\"a\": 4\n"));
    assert_int_equal(problems.errors, 3);
    check_problem(2, 11, "duplicate key 'c'; the first is in line 2");
    assert_int_equal(problems.list[1].line, 3);
    assert_int_equal(problems.list[2].line, 4);
}

static void test_depth_has_a_limit(void **state)
{
    char text[HULSE_YAML_DEPTH_MAX + 2];

    (void)state;
    memset(text, '[', sizeof(text));
    assert_null(parse_bytes(text, HULSE_YAML_DEPTH_MAX));
    check_problem(2, 1, "did not find expected node content");
    assert_null(parse_bytes(text, HULSE_YAML_DEPTH_MAX + 1));
    check_problem(1, HULSE_YAML_DEPTH_MAX + 1, "nested too deeply");
}

/* {k0: &a0 v, k1: &a1 v, ...} */
static char *make_keys(unsigned count, bool anchors)
{
    char *text = malloc((size_t)count * 32 + 4);
    size_t used = 0;

    assert_non_null(text);
    for (unsigned i = 0; i < count; i++) {
        const int n = anchors ? snprintf(text + used, 32, "- &a%u x\n", i)
                              : snprintf(text + used, 32, "k%u: x\n", i);
        used += (size_t)n;
    }
    return text;
}

static void test_counts_have_limits(void **state)
{
    static const unsigned maxima[] = {HULSE_YAML_KEYS_MAX, HULSE_YAML_ANCHORS_MAX};

    (void)state;
    for (unsigned anchors = 0; anchors < 2; anchors++) {
        char *text = make_keys(maxima[anchors], anchors != 0);
        assert_non_null(parse(text));
        free(text);
        text = make_keys(maxima[anchors] + 1, anchors != 0);
        assert_null(parse(text));
        check_problem(
            maxima[anchors] + 1, anchors != 0 ? 3 : 1, anchors != 0 ? "anchors" : "too many keys");
        free(text);
    }
}

static void test_aliases_do_not_explode(void **state)
{
    /* Each line has eight times the nodes of the one before: 8^8 are more than allowed. */
    char text[1024] = "- &a0 [x,x,x,x,x,x,x,x]\n";
    size_t used = strlen(text);

    (void)state;
    for (unsigned i = 1; i < 8; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "- &a%u [", i);
        for (unsigned k = 0; k < 8; k++) {
            used += (size_t)snprintf(
                text + used, sizeof(text) - used, "*a%u%s", i - 1, k == 7 ? "]\n" : ",");
        }
    }
    assert_null(parse(text));
    assert_non_null(strstr(problems.list[0].text, "aliases expanded"));
    assert_true(problems.list[0].line >= 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_a_tree_with_places, tear_down),
        cmocka_unit_test_teardown(test_aliases_share, tear_down),
        cmocka_unit_test_teardown(test_what_is_no_configuration, tear_down),
        cmocka_unit_test_teardown(test_duplicate_keys_are_all_reported, tear_down),
        cmocka_unit_test_teardown(test_depth_has_a_limit, tear_down),
        cmocka_unit_test_teardown(test_counts_have_limits, tear_down),
        cmocka_unit_test_teardown(test_aliases_do_not_explode, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
