/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a service URL is understood as the official clients do, and anything else is refused with what is wrong.
 * Method: tables of both; every prefix and every changed byte of a long one parses or fails, within bounds.
 */
#include "daemon/broker/pulsar/connection/endpoint.h"
#include "daemon/broker/pulsar/connection/service_url.h"
#include "tests/support/check.h"

#include <stdlib.h>
#include <string.h>

static void test_good_ones(void **state)
{
    static const struct {
        const char *url;
        bool tls;
        uint32_t count;
        const char *printed[4];
    } good[] = {
        {"pulsar://h", false, 1, {"h:6650"}},
        {"pulsar+ssl://h", true, 1, {"h:6651"}},
        {"PULSAR://h:1", false, 1, {"h:1"}},
        {"pulsar://h:65535/a/b?c", false, 1, {"h:65535"}},
        {"pulsar://h1:1,h2,h3:3", false, 3, {"h1:1", "h2:6650", "h3:3"}},
        {"pulsar+ssl://h1;10.0.0.1:7;[::1],[fe80::2]:9",
         true,
         4,
         {"h1:6651", "10.0.0.1:7", "[::1]:6651", "[fe80::2]:9"}},
        {"pulsar://a-b_c.example.com.", false, 1, {"a-b_c.example.com.:6650"}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct service_url url;
        struct error err = {0};
        char text[PULSAR_HOST_TEXT_BYTES];
        assert_int_equal(hulse_service_url_parse(good[i].url, &url, &err), HULSE_OK);
        assert_int_equal(url.tls, good[i].tls);
        assert_int_equal(url.host_count, good[i].count);
        for (uint32_t h = 0; h < url.host_count; h++) {
            hulse_pulsar_host_print(&url.hosts[h], text);
            assert_string_equal(text, good[i].printed[h]);
        }
    }
}

static void test_bad_ones(void **state)
{
    static const struct {
        const char *url;
        const char *says;
    } bad[] = {
        {"", "begins with"},
        {"localhost:6650", "begins with"},
        {"http://h:8080", "begins with"},
        {"pulsar:/h", "begins with"},
        {"pulsar://", "a host is missing"},
        {"pulsar:///", "a host is missing"},
        {"pulsar://h1,,h2", "a host is missing"},
        {"pulsar://h1,", "a host is missing"},
        {"pulsar://:6650", "not a host"},
        {"pulsar://h h", "not a host"},
        {"pulsar://::1", "not a host"},
        {"pulsar://300.300.300.300", "not a host"},
        {"pulsar://10.0.0", "not a host"},
        {"pulsar://12345", "not a host"},
        {"pulsar://-h", "not a host"},
        {"pulsar://[::1", "not a host"},
        {"pulsar://[h]", "not a host"},
        {"pulsar://[]", "not a host"},
        {"pulsar://h:", "not a port"},
        {"pulsar://h:0", "not a port"},
        {"pulsar://h:65536", "not a port"},
        {"pulsar://h:99999999999", "not a port"},
        {"pulsar://h:-1", "not a port"},
        {"pulsar://h:1x", "not a port"},
        {"pulsar://[::1]x", "not a port"},
        {"pulsar://user:secret@h", "no user and no password"},
        {"pulsar://a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", "at most 16"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct service_url url;
        struct error err = {0};
        assert_int_equal(hulse_service_url_parse(bad[i].url, &url, &err), HULSE_INVAL);
        if (strstr(err.text, bad[i].says) == NULL) {
            fail_msg("%s: %s", bad[i].url, err.text);
        }
        assert_null(strstr(err.text, "secret"));
    }
}

static void test_long_names(void **state)
{
    char text[400] = "pulsar://";
    struct service_url url;
    struct error err = {0};

    (void)state;
    memset(text + 9, 'a', PULSAR_HOST_BYTES);
    assert_int_equal(hulse_service_url_parse(text, &url, &err), HULSE_INVAL);
    text[9 + PULSAR_HOST_BYTES - 1] = '\0';
    assert_int_equal(hulse_service_url_parse(text, &url, &err), HULSE_OK);
}

static void test_any_text(void **state)
{
    static const char whole[] = "pulsar+ssl://h1:1;h2,[fe80::2]:9/x";
    struct service_url url;

    (void)state;
    for (size_t n = 0; n <= sizeof(whole) - 1; n++) {
        char *copy = strndup(whole, n);
        assert_non_null(copy);
        (void)hulse_service_url_parse(copy, &url, NULL);
        for (unsigned c = 1; n < sizeof(whole) - 1 && n > 0 && c < 256; c++) {
            copy[n - 1] = (char)c;
            (void)hulse_service_url_parse(copy, &url, NULL);
        }
        free(copy);
    }
}

static void test_sameness(void **state)
{
    struct pulsar_endpoint a = {.physical = {.name = "Host", .port = 1},
                                .logical = {.name = "b", .port = 2}};
    struct pulsar_endpoint b = a;

    (void)state;
    b.physical.name[0] = 'h'; /* names without regard to case */
    assert_true(hulse_pulsar_endpoint_same(&a, &b));
    b.logical.port = 3;
    assert_false(hulse_pulsar_endpoint_same(&a, &b));
    b = a;
    b.proxied = true;
    assert_false(hulse_pulsar_endpoint_same(&a, &b));
    b = a;
    b.tls = true;
    assert_false(hulse_pulsar_endpoint_same(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_ones),
        cmocka_unit_test(test_bad_ones),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_any_text),
        cmocka_unit_test(test_sameness),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
