/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   one cluster has one number, however it is written and whoever asks; what is no cluster that can be called has
 *         none, and their number is bounded.
 * Method: texts as brokers say them, and as they should not.
 */
#include "daemon/broker/pulsar/connection/clusters.h"
#include "tests/support/check.h"

#include <stdio.h>
#include <string.h>

static struct pulsar_clusters clusters;
static struct service_url own;

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(hulse_service_url_parse("pulsar://own:1,own:2", &own, NULL), HULSE_OK);
    hulse_pulsar_clusters_init(&clusters);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hulse_pulsar_clusters_fini(&clusters);
    return 0;
}

static hulse_status find(const char *text, uint32_t *out, struct error *err)
{
    return hulse_pulsar_clusters_find(&clusters, &own, text, out, err);
}

static void check_number(const char *text, uint32_t expected)
{
    uint32_t number = 77;
    struct error err = {0};

    if (find(text, &number, &err) != HULSE_OK) {
        fail_msg("%s: %s", text, err.text);
    }
    assert_int_equal(number, expected);
}

static void test_one_number_for_each(void **state)
{
    (void)state;
    check_number("pulsar://green:1", 1);
    check_number("pulsar://other", 2);
    check_number("pulsar://GREEN:1/", 1);
    check_number("pulsar://other:6650", 2);
    check_number("pulsar://green:1,green:2", 3);
    check_number("pulsar://own:1,own:2", 0);
    check_number("pulsar://own:1", 4);
    assert_ptr_equal(hulse_pulsar_clusters_at(&clusters, &own, 0), &own);
    assert_string_equal(hulse_pulsar_clusters_at(&clusters, &own, 1)->hosts[0].name, "green");
    assert_int_equal(hulse_pulsar_clusters_at(&clusters, &own, 3)->host_count, 2);
}

static void test_what_is_none(void **state)
{
    static const char *const texts[] = {"",
                                        "green",
                                        "http://green",
                                        "pulsar://",
                                        "pulsar://a@b",
                                        "pulsar://a:0",
                                        "pulsar+ssl://green"};
    struct error err = {0};
    uint32_t number = 77;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(find(texts[i], &number, &err), HULSE_INVAL);
        assert_true(err.text[0] != '\0');
    }
    assert_int_equal(number, 77);
    own.tls = true;
    assert_int_equal(find("pulsar://green", &number, &err), HULSE_INVAL);
    assert_non_null(strstr(err.text, "without TLS"));
    assert_int_equal(clusters.other_count, 0);
}

static void test_their_number_is_bounded(void **state)
{
    char text[64];
    struct error err = {0};
    uint32_t number = 0;

    (void)state;
    for (uint32_t i = 1; i < PULSAR_CLUSTERS_MAX; i++) {
        (void)snprintf(text, sizeof(text), "pulsar://c:%u", i);
        check_number(text, i);
    }
    assert_int_equal(find("pulsar://more", &number, &err), HULSE_LIMIT);
    check_number("pulsar://c:1", 1);
    check_number("pulsar://own:1,own:2", 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_one_number_for_each),
        CASE(test_what_is_none),
        CASE(test_their_number_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
