/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   which topic names are names, and what they are in full.
 * Method: a table; what is valid is parsed again from its full name.
 */
#include "daemon/table/topic_name.h"
#include "tests/support/check.h"

#include <string.h>

#define NS "public/default"

struct good {
    const char *text;
    const char *full;
    bool persistent;
    const char *tenant;
    const char *name;
};

static const struct good good[] = {
    {"orders", "persistent://public/default/orders", true, "public/default/orders", "orders"},
    {"acme/shop/orders", "persistent://acme/shop/orders", true, "acme/shop/orders", "orders"},
    {"persistent://acme/shop/orders",
     "persistent://acme/shop/orders",
     true,
     "acme/shop/orders",
     "orders"},
    {"non-persistent://a/b/c", "non-persistent://a/b/c", false, "a/b/c", "c"},
    {"persistent", "persistent://public/default/persistent", true, NS "/persistent", "persistent"},
    {"a:b c", "persistent://public/default/a:b c", true, NS "/a:b c", "a:b c"},
    {"x-partition-3",
     "persistent://" NS "/x-partition-3",
     true,
     NS "/x-partition-3",
     "x-partition-3"},
    {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
     "persistent://" NS "/\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
     true,
     NS "/\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
     "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
    /* The edges of UTF-8, and the first code point behind C1. */
    {"\xc2\xa0\xdf\xbf",
     "persistent://" NS "/\xc2\xa0\xdf\xbf",
     true,
     NS "/\xc2\xa0\xdf\xbf",
     "\xc2\xa0\xdf\xbf"},
    {"\xe0\xa0\x80\xed\x9f\xbf\xef\xbf\xbf",
     "persistent://" NS "/\xe0\xa0\x80\xed\x9f\xbf\xef\xbf\xbf",
     true,
     NS "/\xe0\xa0\x80\xed\x9f\xbf\xef\xbf\xbf",
     "\xe0\xa0\x80\xed\x9f\xbf\xef\xbf\xbf"},
    {"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
     "persistent://" NS "/\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
     true,
     NS "/\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
     "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"},
};

static void test_good_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct topic_name name;
        struct topic_name again;
        const char *why = "unset";
        assert_true(hulse_topic_name_parse(&name, good[i].text, NS, &why));
        assert_null(why);
        assert_string_equal(name.full, good[i].full);
        assert_int_equal(name.persistent, good[i].persistent);
        assert_string_equal(name.full + name.tenant_at, good[i].tenant);
        assert_string_equal(name.full + name.name_at, good[i].name);
        assert_int_equal(name.full[name.namespace_at - 1], '/');
        assert_ptr_equal(strchr(name.full + name.tenant_at, '/') + 1,
                         name.full + name.namespace_at);
        assert_true(hulse_topic_name_parse(&again, name.full, NULL, &why));
        assert_memory_equal(&name, &again, sizeof(name));
    }
}

static void test_bad_names(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *why; /* a word of the reason */
    } bad[] = {
        {"", "empty"},
        {"/", "scheme://"},
        {"a/b", "scheme://"},
        {"a/b/c/d", "last part"},
        {"/b/c", "empty"},
        {"a//c", "empty"},
        {"a/b/", "empty"},
        {"persistent://", "scheme://"},
        {"persistent://a", "scheme://"},
        {"persistent://a/b", "scheme://"},
        {"persistent://a/b/", "empty"},
        {"persistent://a//c", "empty"},
        {"persistent:///b/c", "empty"},
        {"persistent://a/b/c/d", "last part"},
        {"persistent://a/b/c/", "last part"},
        {"://a/b/c", "scheme"},
        {"topic://a/b/c", "scheme"},
        {"Persistent://a/b/c", "scheme"},
        {"xpersistent://a/b/c", "scheme"},
        {"a/b/c://d", "scheme"},
        {"persistent://a/b/c://d", "last part"},
        {"a\tb", "control"},
        {"a\nb", "control"},
        {"a\x7f", "control"},
        {"\x01", "control"},
        {"\xc2\x80", "control"},
        {"\xc2\x9f", "control"},
        {"\x80", "UTF-8"},
        {"\xc3", "UTF-8"},
        {"\xc3(", "UTF-8"},
        {"\xc0\x80", "UTF-8"},
        {"\xc1\xbf", "UTF-8"},
        {"\xe0\x9f\xbf", "UTF-8"},
        {"\xe2\x82", "UTF-8"},
        {"\xe2\x82(", "UTF-8"},
        {"\xed\xa0\x80", "UTF-8"},
        {"\xf0\x8f\xbf\xbf", "UTF-8"},
        {"\xf0\x9f\x98", "UTF-8"},
        {"\xf4\x90\x80\x80", "UTF-8"},
        {"\xf5\x80\x80\x80", "UTF-8"},
        {"\xff", "UTF-8"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct topic_name name;
        const char *why = NULL;
        assert_false(hulse_topic_name_parse(&name, bad[i].text, NS, &why));
        assert_non_null(why);
        if (strstr(why, bad[i].why) == NULL) {
            fail_msg("'%s': %s", bad[i].text, why);
        }
    }
}

static void test_length(void **state)
{
    (void)state;
    char text[2 * HULSE_TOPIC_NAME_MAX];
    struct topic_name name;
    const char *why = NULL;
    static const char *const starts[] = {"persistent://a/b/", "a/b/", ""};
    static const size_t before[] = {17, 17, 28}; /* bytes of the full name before the filler */
    for (size_t i = 0; i < 3; i++) {
        memset(text, 'x', sizeof(text));
        memcpy(text, starts[i], strlen(starts[i]));
        const size_t longest = strlen(starts[i]) + HULSE_TOPIC_NAME_MAX - 1 - before[i];
        text[longest] = '\0';
        assert_true(hulse_topic_name_parse(&name, text, NS, &why));
        assert_int_equal(strlen(name.full), HULSE_TOPIC_NAME_MAX - 1);
        text[longest] = 'x';
        text[longest + 1] = '\0';
        assert_false(hulse_topic_name_parse(&name, text, NS, &why));
        assert_non_null(strstr(why, "long"));
    }
}

static void test_default_namespace(void **state)
{
    (void)state;
    struct topic_name name;
    const char *why = NULL;
    assert_true(hulse_topic_name_parse(&name, "t", "acme/shop", &why));
    assert_string_equal(name.full, "persistent://acme/shop/t");
    assert_false(hulse_topic_name_parse(&name, "t", NULL, &why));
    assert_non_null(strstr(why, "namespace"));
    assert_true(hulse_topic_name_parse(&name, "a/b/t", NULL, &why));
    assert_false(hulse_topic_name_parse(&name, "t", "acme", &why));
    assert_false(hulse_topic_name_parse(&name, "t", "acme/", &why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_names),
        cmocka_unit_test(test_bad_names),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_default_namespace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
