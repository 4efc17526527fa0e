/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   brokers of type pulsar have their keys, what goes together is checked, the default broker is chosen, and the
 *         variables of deployments that know Pulsar already are understood.
 * Method: small files through the whole of load.
 */
#include "daemon/config/config.h"
#include "daemon/config/directory.h"
#include "tests/unit/daemon/config/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define URL "service_url: \"pulsar://a:1\""

static char folder[] = "/tmp/hulse-pulsar-rules-XXXXXX";
static char path[64];
static struct config *config;
static struct config_problems problems;

static bool load_in(const char *text, char *const *environment)
{
    const struct config_sources sources = {.file = path, .environment = environment};
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fputs(text, f) >= 0, 1);
    assert_int_equal(fclose(f), 0);
    hulse_config_destroy(&config);
    config = hulse_config_load(&sources, &problems);
    return config != NULL;
}

static bool load(const char *text)
{
    char *nothing[] = {NULL};
    return load_in(text, nothing);
}

static void check_loaded(const char *text)
{
    if (!load(text)) {
        fail_msg(
            "%u:%u: %s", problems.list[0].line, problems.list[0].column, problems.list[0].text);
    }
}

static void test_defaults(void **state)
{
    (void)state;
    check_loaded("brokers: {main: {type: pulsar, " URL "}}");
    const struct config_broker *b = &config->brokers[2];
    assert_int_equal(b->type, CONFIG_BROKER_PULSAR);
    assert_string_equal(b->service_url, "pulsar://a:1");
    assert_string_equal(b->listener, "");
    assert_int_equal(b->connect_timeout_ms, 10000);
    assert_int_equal(b->operation_timeout_ms, 30000);
    assert_int_equal(b->keep_alive_ms, 30000);
    assert_int_equal(b->partitions_refresh_ms, 60000);
    assert_int_equal(b->topics_refresh_ms, 60000);
    assert_string_equal(b->auth.token, "");
    assert_string_equal(b->tls.ca_file, "");
    assert_true(b->tls.verify_hostname);
    assert_int_equal(b->tls.min_version, CONFIG_TLS_1_2);
}

/* What exists by itself has a store only where something may lead to it. */
static void test_which_stores_are_needed(void **state)
{
    static const struct {
        const char *text;
        bool needed;
    } cases[] = {
        {"{}", true},
        {"default_broker: 'null'", false},
        {"brokers: {main: {type: pulsar, " URL "}}", false},
        {"default_broker: local\nbrokers: {main: {type: pulsar, " URL "}}", true},
        {"brokers: {local: {type: local}, main: {type: pulsar, " URL "}}", true},
        {"topics: [{match: x, broker: local}]\nbrokers: {main: {type: pulsar, " URL "}}", true},
        {"brokers: {more: {type: local}}\ndefault_broker: more", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_loaded(cases[i].text);
        assert_int_equal(hulse_config_has_store(&config->brokers[0]), cases[i].needed);
        if (config->broker_count == 3 && config->brokers[2].type == CONFIG_BROKER_LOCAL) {
            assert_true(hulse_config_has_store(&config->brokers[2]));
        }
    }
}

static void test_topics(void **state)
{
    (void)state;
    check_loaded(
        "topics: [{match: x}, {match: y, publish: {batch_max: 10, batch_bytes: 64KiB, batch_delay: "
        "5ms, "
        "compression: zstd, pending_max: 7, eager_max: 2, send_timeout: 0s, dedup: true}}]");
    const struct config_topic_rule *t = config->topics;
    assert_true(t[0].publish.batch_max == 1000 && t[0].publish.batch_bytes == 128U << 10U);
    assert_true(t[0].publish.batch_delay_ms == 1 && t[0].publish.eager_max == 4);
    assert_true(t[0].publish.compression == CONFIG_PLAIN && t[0].publish.pending_max == 0);
    assert_true(t[0].publish.send_timeout_ms == 30000 && !t[0].publish.dedup);
    assert_false(t[0].publish.chunking);
    assert_true(t[0].consume.chunks.pending_max == 10 && t[0].consume.chunks.expire_ms == 60000);
    assert_false(t[0].consume.chunks.auto_ack);
    assert_true(t[1].publish.batch_max == 10 && t[1].publish.batch_bytes == 64U << 10U);
    assert_true(t[1].publish.batch_delay_ms == 5 && t[1].publish.eager_max == 2);
    assert_true(t[1].publish.compression == CONFIG_ZSTD && t[1].publish.pending_max == 7);
    assert_true(t[1].publish.send_timeout_ms == 0 && t[1].publish.dedup);
    assert_int_equal(problems.count, 0);
}

/* A verdict that does not wait for the broker's says nothing of what it stores. */
static void test_a_timeout_with_dedup_is_warned_of(void **state)
{
    (void)state;
    check_loaded("topics: [{match: y, publish: {dedup: true}}]");
    assert_int_equal(problems.count, 1);
    assert_non_null(strstr(problems.list[0].text, "send_timeout"));
}

static void test_an_issuer_without_tls_is_warned_of(void **state)
{
    (void)state;
    check_loaded("brokers: {main: {type: pulsar, " URL ", auth: {oauth2: {issuer: 'http://i', "
                 "client_id: c, client_secret_file: /s, audience: a}}}}");
    assert_int_equal(problems.count, 1);
    assert_true(problems.list[0].warning);
    assert_non_null(strstr(problems.list[0].text, "without TLS"));
    assert_string_equal(config->brokers[2].auth.oauth2.audience, "a");
    check_loaded("brokers: {main: {type: pulsar, " URL ", auth: {oauth2: {issuer: 'https://i', "
                 "client_id: c, client_secret_file: /s}}}}");
    assert_int_equal(problems.count, 0);
}

static void test_athenz(void **state)
{
    (void)state;
    check_loaded("brokers: {main: {type: pulsar, " URL ", auth: {athenz: {zts_url: 'http://i', "
                 "provider_domain: p, private_key_file: /k, tenant_domain: d.e, "
                 "tenant_service: s}}}}");
    assert_int_equal(problems.count, 1);
    assert_true(problems.list[0].warning);
    assert_non_null(strstr(problems.list[0].text, "without TLS"));
    assert_string_equal(config->brokers[2].auth.athenz.tenant_domain, "d.e");
    assert_string_equal(config->brokers[2].auth.athenz.key_id, "");
    check_loaded("brokers: {main: {type: pulsar, " URL ", auth: {athenz: {zts_url: 'https://i', "
                 "provider_domain: p, private_key_file: /k, cert_file: /c}}}}");
    assert_int_equal(problems.count, 0);
}

static void test_the_default_broker(void **state)
{
    (void)state;
    check_loaded("{}");
    assert_string_equal(config->default_broker, "local");
    check_loaded("brokers: {archive: {type: local, directory: /a}}");
    assert_string_equal(config->default_broker, "local");
    check_loaded("brokers: {main: {type: pulsar, " URL "}}");
    assert_string_equal(config->default_broker, "main");
    check_loaded("{default_broker: local, brokers: {main: {type: pulsar, " URL "}}}");
    assert_string_equal(config->default_broker, "local");
    check_loaded("{default_broker: b, brokers: {a: {type: pulsar, " URL "}, b: {type: pulsar, " URL
                 "}}}");
    assert_string_equal(config->default_broker, "b");
}

static void check_refused(const struct bad_text *bad, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (load(bad[i].text)) {
            fail_msg("'%s' was accepted", bad[i].text);
        }
        check_first_problem(&problems, path, bad[i].line, bad[i].column, bad[i].part);
    }
}

static void test_mistakes(void **state)
{
    static const struct bad_text bad[] = {
        {"brokers: {a: {type: pulsar}}\n", 1, 21, "service_url is missing"},
        {"brokers: {a: {type: pulsar, " URL "}, b: {type: pulsar, " URL "}}\n",
         1,
         69,
         "default_broker is missing: brokers.a and brokers.b"},
        {"brokers: {a: {type: pulsar, " URL ", directory: /x}}\n",
         1,
         69,
         "brokers.a.directory: only a broker of type local has it"},
        {"brokers: {a: {type: local, directory: /x, keep_alive: 1s}}\n",
         1,
         55,
         "brokers.a.keep_alive: only a broker of type pulsar has it"},
        {"brokers: {a: {type: pulsar, " URL ", tls: {ca_file: x}}}\n", 1, 73, "absolute path"},
        {"brokers: {a: {type: pulsar, " URL ", tls: {min_version: \"1.1\"}}}\n",
         1,
         77,
         "1.2 or 1.3"},
        {"brokers: {a: {type: pulsar, " URL ", connect_timeout: 1ms}}\n", 1, 75, "out of range"},
        {"topics: [{match: x, publish: {compression: gzip}}]\n", 1, 44, "none, lz4"},
        {"topics: [{match: x, publish: {batch_max: 0}}]\n", 1, 42, "out of range"},
    };

    (void)state;
    check_refused(bad, sizeof(bad) / sizeof(bad[0]));
}

static void test_mistakes_of_who_the_daemon_is(void **state)
{
    static const struct bad_text bad[] = {
        {"brokers: {a: {type: pulsar, " URL ", auth: {token: x, token_file: /x}}}\n",
         1,
         87,
         "auth.token and auth.token_file are both given"},
        {"brokers: {a: {type: pulsar, " URL ", auth: {token_file: /x, token_command: y}}}\n",
         1,
         96,
         "auth.token_file and auth.token_command are both given"},
        {"brokers: {a: {type: pulsar, " URL ", auth: {tls: {key_file: /x}}}}\n",
         1,
         81,
         "auth.tls needs cert_file and key_file"},
        {"brokers: {a: {type: pulsar, " URL ", auth: {oauth2: {issuer: x}}}}\n",
         1,
         82,
         "https://HOST"},
        {"brokers: {a: {type: pulsar, " URL ", auth: {oauth2: {issuer: 'https://i'}}}}\n",
         1,
         82,
         "auth.oauth2 needs issuer, client_id and client_secret_file"},
        {"brokers: {a: {type: pulsar, " URL ", auth: {oauth2: {client_secret_file: /s}}}}\n",
         1,
         94,
         "auth.oauth2 needs issuer, client_id and client_secret_file"},
        {"brokers: {a: {type: pulsar, " URL ", auth: {oauth2: {scope: s}}}}\n",
         1,
         81,
         "auth.oauth2 needs an issuer"},
        {"brokers: {a: {type: pulsar, " URL ", auth: {basic: {user: u}}}}\n",
         1,
         79,
         "auth.basic needs user and password_file"},
        {"brokers: {a: {type: pulsar, " URL ", auth: {basic: {user: 'u:v'}}}}\n",
         1,
         79,
         "without a colon"},
        {"brokers: {a: {type: pulsar, " URL ", auth: {token: t, basic: {user: u, password_file: "
         "/p}}}}\n",
         1,
         89,
         "auth.token and auth.basic.user are both given"},
        {"brokers: {a: {type: pulsar, " URL ", auth: {token_file: /t, oauth2: {issuer: "
         "'https://i', client_id: c, client_secret_file: /s}}}}\n",
         1,
         98,
         "auth.token_file and auth.oauth2.issuer are both given"},
        {"brokers: {a: {type: local, auth: {basic: {user: u, password_file: /p}}}}\n",
         1,
         49,
         "only a broker of type pulsar has it"},
    };

    (void)state;
    check_refused(bad, sizeof(bad) / sizeof(bad[0]));
}

static void test_mistakes_with_athenz(void **state)
{
    static const struct bad_text bad[] = {
        {"brokers: {a: {type: pulsar, " URL ", auth: {athenz: {zts_url: 'https://i'}}}}\n",
         1,
         83,
         "auth.athenz needs zts_url, provider_domain, private_key_file"},
        {"brokers: {a: {type: pulsar, " URL ", auth: {athenz: {role_header: h}}}}\n",
         1,
         87,
         "auth.athenz needs a zts_url"},
        {"brokers: {a: {type: pulsar, " URL ", auth: {athenz: {role_header: 'h: i'}}}}\n",
         1,
         87,
         "letters"},
        {"brokers: {a: {type: pulsar, " URL ", auth: {athenz: {tenant_domain: 'a;b'}}}}\n",
         1,
         89,
         "letters"},
        {"brokers: {a: {type: pulsar, " URL ", auth: {athenz: {zts_url: 'http://i', "
         "provider_domain: p, private_key_file: /k, cert_file: /c}}}}\n",
         1,
         83,
         "cert_file needs a zts_url with https"},
        {"brokers: {a: {type: pulsar, " URL ", auth: {athenz: {zts_url: 'https://i', "
         "provider_domain: p, private_key_file: /k, cert_file: /c, tenant_service: s}}}}\n",
         1,
         169,
         "the certificate says who"},
    };

    (void)state;
    check_refused(bad, sizeof(bad) / sizeof(bad[0]));
}

static void test_mistakes_with_kerberos(void **state)
{
    static const struct bad_text bad[] = {
        {"brokers: {a: {type: pulsar, " URL ", auth: {kerberos: {principal: p}}}}\n",
         1,
         87,
         "auth.kerberos needs principal and keytab_file"},
        {"brokers: {a: {type: pulsar, " URL ", auth: {kerberos: {principal: '-p'}}}}\n",
         1,
         87,
         "REALM"},
        {"brokers: {a: {type: pulsar, " URL ", auth: {kerberos: {service: s}}}}\n",
         1,
         85,
         "auth.kerberos needs a principal"},
        {"brokers: {a: {type: pulsar, service_url: 'http://h', auth: {kerberos: {principal: p, "
         "keytab_file: /k}}}}\n",
         1,
         42,
         "no login by auth.kerberos over HTTP"},
    };

    (void)state;
    check_refused(bad, sizeof(bad) / sizeof(bad[0]));
    check_loaded("brokers: {main: {type: pulsar, " URL ", admin_url: 'http://h', auth: {kerberos: "
                 "{principal: p/h@R, keytab_file: /k}}}}");
    assert_int_equal(problems.count, 1);
    assert_true(problems.list[0].warning);
    assert_non_null(strstr(problems.list[0].text, "admin_url"));
}

static void test_variables(void **state)
{
    static char variables[][48] = {"PULSAR_SERVICE_URL=pulsar://weaker:1",
                                   "PULSAR_BROKER_URL=pulsar+ssl://stronger:2",
                                   "PULSAR_TOKEN=secret",
                                   "PULSAR_TLS_CA_FILE=/ca",
                                   "PULSAR_TLS_CERT_FILE=/cert",
                                   "PULSAR_TLS_KEY_FILE=/key"};
    char *const environment[] = {
        variables[0], variables[1], variables[2], variables[3], variables[4], variables[5], NULL};

    (void)state;
    if (!load_in("{}", environment)) {
        fail_msg("%s", problems.list[0].text);
    }
    assert_string_equal(config->default_broker, "main");
    const struct config_broker *b = &config->brokers[2];
    assert_string_equal(b->name, "main");
    assert_int_equal(b->type, CONFIG_BROKER_PULSAR);
    assert_string_equal(b->service_url, "pulsar+ssl://stronger:2");
    assert_string_equal(b->auth.token, "secret");
    assert_string_equal(b->tls.ca_file, "/ca");
    assert_string_equal(b->auth.tls.cert_file, "/cert");
    assert_string_equal(b->auth.tls.key_file, "/key");
}

static int make_folder(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/hulse.yaml", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    hulse_config_destroy(&config);
    (void)unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_which_stores_are_needed),
        cmocka_unit_test(test_topics),
        cmocka_unit_test(test_a_timeout_with_dedup_is_warned_of),
        cmocka_unit_test(test_an_issuer_without_tls_is_warned_of),
        cmocka_unit_test(test_athenz),
        cmocka_unit_test(test_the_default_broker),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_mistakes_of_who_the_daemon_is),
        cmocka_unit_test(test_mistakes_with_athenz),
        cmocka_unit_test(test_mistakes_with_kerberos),
        cmocka_unit_test(test_variables),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
